//! The engine: MQTT 5, a thread for each link.
//!
//! The newest of a subject is its retained message. Each connection has a client of its own, so nothing that was on its way
//! when one broke is sent on the next before what is newest then. What a subject holds is known to have come when a message of
//! this client's own, sent behind the subscription, has come back.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rumqttc::Transport;
use rumqttc::v5::mqttbytes::v5::{
    DisconnectReasonCode, Filter, LastWill, Packet, PubAckReason, Publish, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error as Malformed, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError, Event as Happened, MqttOptions, StateError};
use rumqttc::{NetworkOptions, Outgoing};
use tokio::runtime;
use tokio::time::timeout;

use super::{Engine, Event, Lost, TAKEN_OVER};

/// Of a packet: as much as a value that is looked at has, and what goes around it.
const LARGEST: usize = (16 << 20) + 4096;

/// Bytes of a packet around a message: the topic and a few numbers.
const AROUND: usize = 512;

const PING: Duration = Duration::from_secs(5);
/// Without a sound for so long a connection is given up: pings and their answers are sounds.
const SILENCE: Duration = Duration::from_secs(12);
const SLICE: Duration = Duration::from_millis(50);

/// Between attempts, doubled after each.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// `mqtt://host:port/topic`, or `mqtts:` with TLS.
#[derive(Clone, Debug)]
pub struct Broker {
    host: String,
    port: u16,
    has_tls: bool,
    pub topic: String,
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Broker, String> {
        let (scheme, rest) = text.split_once("://").ok_or("write mqtt://HOST/TOPIC")?;
        let has_tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err("write mqtt://HOST/TOPIC, or mqtts://HOST/TOPIC with TLS".to_owned()),
        };
        let (at, topic) = rest
            .split_once('/')
            .ok_or("a topic is wanted: mqtt://HOST/TOPIC")?;
        if at.contains('@') {
            return Err(
                "user and password do not belong where `ps` shows them; see --login".to_owned(),
            );
        }
        let (host, port) = match at.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (
                host,
                port.parse().map_err(|_| format!("{port:?} is no port"))?,
            ),
            _ => (at, if has_tls { 8883 } else { 1883 }),
        };
        let topic = topic.trim_end_matches('/');
        if host.is_empty() || topic.is_empty() || topic.len() > 200 || topic.contains(['+', '#']) {
            return Err(
                "a host and a topic of at most 200 bytes without + and # are wanted: mqtt://HOST/TOPIC"
                    .to_owned(),
            );
        }
        Ok(Broker {
            host: host.to_owned(),
            port,
            has_tls,
            topic: topic.to_owned(),
        })
    }
}

/// What a broker wants to know beside that.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    pub login: Option<(String, String)>,
    /// In PEM; without it those of the system.
    pub authority: Option<Vec<u8>>,
    /// Certificate and key of this client, in PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Broker {
    /// `client` is the name under which the broker knows one link only: of two it ends the older.
    pub fn engine(&self, client: &str, trust: Trust, will: Option<(String, Vec<u8>)>) -> Mqtt {
        let mut options = MqttOptions::new(client, &self.host, self.port);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options
            .set_keep_alive(PING)
            .set_max_packet_size(u32::try_from(LARGEST).ok())
            .set_network_options(network);
        if let Some((user, password)) = trust.login {
            options.set_credentials(user, password);
        }
        if self.has_tls {
            options.set_transport(match trust.authority {
                Some(authority) => Transport::tls(authority, trust.identity, None),
                None => Transport::tls_with_default_config(),
            });
        }
        if let Some((subject, bytes)) = will {
            options.set_last_will(LastWill::new(subject, bytes, QoS::AtLeastOnce, true, None));
        }
        Mqtt {
            probe: format!("{}/probe/{:016x}", self.topic, random()),
            options,
            shared: Arc::default(),
            subjects: Vec::new(),
            thread: None,
        }
    }
}

pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub struct Mqtt {
    options: MqttOptions,
    /// The topic of messages to oneself.
    probe: String,
    subjects: Vec<String>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// While the link is up.
    client: Mutex<Option<AsyncClient>>,
    /// A subject, and who waits for what it holds.
    fetching: Mutex<Option<Fetching>>,
    closing: AtomicBool,
}

type Fetching = (String, Sender<Option<Vec<u8>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mqtt {
    fn client(&self) -> Result<AsyncClient, Lost> {
        lock(&self.shared.client).clone().ok_or(Lost)
    }
}

impl Engine for Mqtt {
    fn publish_newest(&mut self, subject: &str, bytes: Vec<u8>) -> Result<(), Lost> {
        let sent = self
            .client()?
            .try_publish(subject, QoS::AtLeastOnce, true, bytes);
        sent.map_err(|_| Lost)
    }

    fn fetch(&mut self, subject: &str) -> Result<Option<Vec<u8>>, Lost> {
        let client = self.client()?;
        let (sender, answers) = mpsc::channel();
        *lock(&self.shared.fetching) = Some((subject.to_owned(), sender));
        let asked = client.try_subscribe(subject, QoS::AtMostOnce).is_ok()
            && client
                .try_publish(&self.probe, QoS::AtMostOnce, false, "")
                .is_ok();
        let answer = match asked {
            true => answers.recv_timeout(SILENCE).map_err(|_| Lost),
            false => Err(Lost),
        };
        *lock(&self.shared.fetching) = None;
        if !self.subjects.iter().any(|own| own == subject) {
            let _ = client.try_unsubscribe(subject);
        }
        answer
    }

    fn subscribe(&mut self, subjects: &[String]) -> Receiver<Event> {
        let (events, receiver) = mpsc::channel();
        self.subjects = subjects.to_vec();
        let link = Running {
            options: self.options.clone(),
            probe: self.probe.clone(),
            subjects: self.subjects.clone(),
            shared: self.shared.clone(),
            events,
        };
        self.thread = Some(thread::spawn(move || link.run()));
        receiver
    }
}

impl Drop for Mqtt {
    /// What was published goes out before.
    fn drop(&mut self) {
        self.shared.closing.store(true, Relaxed);
        if let Ok(client) = self.client() {
            let _ = client.try_disconnect();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The link's own thread.
struct Running {
    options: MqttOptions,
    probe: String,
    subjects: Vec<String>,
    shared: Arc<Shared>,
    events: Sender<Event>,
}

impl Running {
    fn run(self) {
        let mut pause = FIRST;
        while !self.shared.closing.load(Relaxed) {
            let began = Instant::now();
            // Of what a broker sends, all must be expected.
            let ended = catch_unwind(AssertUnwindSafe(|| {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_or_else(
                    |error| Event::Down(error.to_string()),
                    |runtime| runtime.block_on(self.connection()),
                )
            }));
            *lock(&self.shared.client) = None;
            *lock(&self.shared.fetching) = None;
            let ended = ended.unwrap_or_else(|_| Event::Down("the broker sent no MQTT".to_owned()));
            let is_last = !matches!(ended, Event::Down(_));
            if self.events.send(ended).is_err() || is_last {
                return;
            }
            if began.elapsed() > LONGEST {
                pause = FIRST;
            }
            // Not all at once after a broker has come back.
            let jitter = pause.mul_f64(0.5 + (random() % 1024) as f64 / 1024.0);
            let until = Instant::now() + jitter;
            while Instant::now() < until && !self.shared.closing.load(Relaxed) {
                thread::sleep(SLICE.min(jitter));
            }
            pause = (2 * pause).min(LONGEST);
        }
    }

    /// Until the connection ends; says how.
    async fn connection(&self) -> Event {
        let (client, mut polled) = AsyncClient::new(self.options.clone(), 64);
        let filters = self.subjects.iter().chain([&self.probe]);
        let filters = filters.map(|subject| Filter::new(subject.clone(), QoS::AtMostOnce));
        if client.try_subscribe_many(filters).is_err() {
            return Event::Down("the client has ended".to_owned());
        }
        let mut limit = LARGEST;
        let mut is_up = false;
        loop {
            // Dropped only with the connection: a packet may be half-sent.
            let mut next = pin!(polled.poll());
            let since = Instant::now();
            let happened = loop {
                if let Ok(happened) = timeout(SLICE, next.as_mut()).await {
                    break happened;
                }
                let silence = if self.shared.closing.load(Relaxed) {
                    Duration::from_secs(1)
                } else {
                    SILENCE
                };
                if since.elapsed() > silence {
                    return Event::Down("nothing is heard of the broker".to_owned());
                }
            };
            let event = match happened {
                Err(error) => return ended(&error),
                Ok(Happened::Outgoing(Outgoing::Disconnect)) => {
                    return Event::Ended("it was ended".to_owned());
                }
                Ok(Happened::Outgoing(_)) => continue,
                Ok(Happened::Incoming(packet)) => packet,
            };
            let event = match event {
                Packet::ConnAck(answer) => {
                    let largest = answer.properties.and_then(|told| told.max_packet_size);
                    limit = largest.map_or(limit, |largest| limit.min(largest as usize));
                    continue;
                }
                Packet::SubAck(answer) => {
                    let refused = |code: &&_| !matches!(code, SubscribeReasonCode::Success(_));
                    if let Some(code) = answer.return_codes.iter().find(refused) {
                        return Event::Refused(format!("the broker refuses to tell: {code:?}"));
                    }
                    if is_up {
                        continue;
                    }
                    is_up = true;
                    *lock(&self.shared.client) = Some(client.clone());
                    Event::Up {
                        limit: limit.saturating_sub(AROUND),
                    }
                }
                Packet::PubAck(answer) => match answer.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Event::Stored,
                    reason => Event::Refused(format!("{reason:?}")),
                },
                Packet::Publish(publish) => match self.received(publish) {
                    Some(event) => event,
                    None => continue,
                },
                _ => continue,
            };
            if self.events.send(event).is_err() {
                return Event::Ended("it was ended".to_owned());
            }
        }
    }

    /// Hands a message to the fetch that waits for it, or makes an event of it.
    fn received(&self, publish: Publish) -> Option<Event> {
        let subject = String::from_utf8_lossy(&publish.topic).into_owned();
        let bytes = publish.payload.to_vec();
        let mut fetching = lock(&self.shared.fetching);
        if let Some((wanted, answer)) = &*fetching {
            let found = (publish.retain && *wanted == subject).then(|| bytes.clone());
            if found.is_some() || subject == self.probe {
                let _ = answer.send(found);
                *fetching = None;
            }
        }
        self.subjects.contains(&subject).then_some(Event::Message {
            subject,
            bytes,
            kept: publish.retain,
        })
    }
}

/// What an error means for those who wait.
fn ended(error: &ConnectionError) -> Event {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            match reason_code {
                DisconnectReasonCode::SessionTakenOver => Event::Ended(TAKEN_OVER.to_owned()),
                DisconnectReasonCode::PacketTooLarge => Event::TooLarge(error.to_string()),
                _ => Event::Down(error.to_string()),
            }
        }
        ConnectionError::MqttState(StateError::OutgoingPacketTooLarge { .. }) => {
            Event::TooLarge(error.to_string())
        }
        // How mosquitto acknowledges what is beyond its `message_size_limit`: by a code that no acknowledgement has.
        ConnectionError::MqttState(StateError::Deserialization(
            Malformed::InvalidConnectReturnCode(0x95),
        )) => Event::TooLarge("its answer is \"packet too large\"".to_owned()),
        error => Event::Down(error.to_string()),
    }
}
