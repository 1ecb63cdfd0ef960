//! The end that reads: each newer version of a segment is published.
//!
//! | the source | publishes |
//! |---|---|
//! | is linked (again) | schema and value, whatever was sent before; then a beat |
//! | sees a newer version, or another life | schema if it is another one; value |
//! | each second | a beat, which names the value that was published last |
//! | ends, or its link does (by the last will) | that it is gone |

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use shm_core::{ErrorKind, Inspector, Owner, Place};

use super::message::{HEADER, Kind, Message};
use super::{BEAT, Engine, Event, Lost, STOPPED, Subjects, TAKEN_OVER, ended, note};
use crate::failure::{Exit, Failure, of_place};
use crate::kept::{restless, under_one};

/// Between two looks at the version while the value changes, and while it rests.
const BUSY: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(5);

/// Between two looks whether the place leads to another segment.
const LOOK: Duration = Duration::from_millis(250);

/// Less than so many bytes are under way when a value is sent: it never waits in a queue.
const UNDER_WAY: usize = 16 << 10;

pub struct Source<E> {
    engine: E,
    place: Place,
    subjects: Subjects,
    name: String,
    /// Milliseconds since 1970.
    began: u64,
    held: Option<Inspector>,
    looked: Option<Instant>,
    changed: Instant,
    link: Option<Link>,
    was_linked: bool,
}

/// What was sent since the link is up.
struct Link {
    limit: usize,
    /// Bytes of the messages that the engine has not yet kept.
    under_way: VecDeque<usize>,
    schema: Option<u64>,
    sent: Option<(u64, u64)>,
    /// Until then another source may show that it lives.
    listens: Option<Instant>,
    beat: Instant,
}

/// When a source begins. Of two under one topic the one that began first stays.
pub fn began() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

/// What stands in the place of a beat when the source is gone.
pub fn gone(name: &str, began: u64) -> Vec<u8> {
    message(Kind::Gone, name, began).encode()
}

fn message(kind: Kind, name: &str, began: u64) -> Message {
    Message {
        kind,
        life: 0,
        version: 0,
        fingerprint: 0,
        began,
        name: name.to_owned(),
        bytes: Vec::new(),
    }
}

impl<E: Engine> Source<E> {
    pub fn new(engine: E, place: Place, topic: &str, name: String, began: u64) -> Source<E> {
        Source {
            engine,
            place,
            subjects: Subjects::of(topic),
            name,
            began,
            held: None,
            looked: None,
            changed: Instant::now(),
            link: None,
            was_linked: false,
        }
    }

    /// Until [`STOPPED`].
    pub fn run(&mut self) -> Result<(), Failure> {
        self.look()?;
        let events = self
            .engine
            .subscribe(std::slice::from_ref(&self.subjects.beat));
        self.run_by(&events)?;
        if self.link.is_some() {
            // If the link is down, the last will says it.
            let gone = gone(&self.name, self.began);
            let _ = self.engine.publish_newest(&self.subjects.beat, gone);
        }
        Ok(())
    }

    fn run_by(&mut self, events: &Receiver<Event>) -> Result<(), Failure> {
        while !STOPPED.load(Relaxed) {
            let rests = self.changed.elapsed() > Duration::from_secs(1);
            match events.recv_timeout(if rests { IDLE } else { BUSY }) {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ended("the link has ended")),
            }
            if self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
                self.look()?;
            }
            if self.send()?.is_err() {
                // An event will say so.
                self.link = None;
            }
        }
        Ok(())
    }

    /// Holds what the place leads to now.
    fn look(&mut self) -> Result<(), Failure> {
        let first = self.looked.replace(Instant::now()).is_none();
        let mut options = Inspector::options();
        options
            .owner(Owner::Anybody)
            .timeout(Duration::from_millis(100));
        match options.open(&self.place) {
            // Said before it links: that would end a source of the same name.
            Ok(found) if found.row_count() > 0 => {
                return Err(Failure::new(
                    Exit::Misfit,
                    format!(
                        "{}: it is a table, whose rows no mirror carries; name a single value",
                        self.place
                    ),
                ));
            }
            Ok(found) => {
                let held = self.held.as_ref().map(Inspector::creation);
                if held != Some(found.creation()) {
                    self.held = Some(found);
                }
            }
            // A program makes it again, or for the first time.
            Err(error) if matches!(error.kind(), ErrorKind::Removed | ErrorKind::Unfinished) => {
                self.held = None;
            }
            Err(error) => {
                let failure = Failure::of(&self.place, &error);
                if first && failure.exit != Exit::NotFound {
                    return Err(failure);
                }
                self.held = None;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Up { limit } => {
                note(format!(
                    "{}: link up; mirrored as {}",
                    self.place, self.name
                ));
                self.link = self.begin(limit)?;
            }
            Event::Down(why) => {
                self.link = None;
                note(format!(
                    "{}: link down ({why}); it is tried again",
                    self.place
                ));
            }
            Event::TooLarge(why) => return Err(self.too_large(&why)),
            Event::Ended(why) => return Err(ended(&format!("{}: {why}", self.place))),
            Event::Refused(why) => {
                return Err(Failure::new(
                    Exit::NotPermitted,
                    format!(
                        "{}: the broker refuses what is published below {} ({why}); let this user write there",
                        self.place, self.subjects.topic
                    ),
                ));
            }
            Event::Stored => {
                if let Some(link) = &mut self.link {
                    link.under_way.pop_front();
                }
            }
            Event::Message { bytes, kept, .. } => return self.meet(&bytes, kept),
        }
        Ok(())
    }

    /// Whether another source was there before. One that only stands in the place of a beat may have died, and its broker
    /// with it: it is given the time to say that it lives.
    fn begin(&mut self, limit: usize) -> Result<Option<Link>, Failure> {
        let Ok(stands) = self.engine.fetch(&self.subjects.beat) else {
            return Ok(None);
        };
        let stands = stands.and_then(|bytes| Message::decode(&bytes).ok());
        let other = stands
            .as_ref()
            .is_some_and(|beat| beat.name != self.name && beat.kind == Kind::Beat);
        if let Some(own) = stands.filter(|beat| beat.name == self.name && beat.began > self.began) {
            // A clock that was set back, or a process that was started since.
            if self.was_linked {
                return Err(ended(&format!("{}: {TAKEN_OVER}", self.place)));
            }
            self.began = own.began + 1;
        }
        self.was_linked = true;
        let now = Instant::now();
        Ok(Some(Link {
            limit,
            under_way: VecDeque::new(),
            schema: None,
            sent: None,
            listens: other.then(|| now + BEAT * 5 / 2),
            beat: now,
        }))
    }

    /// A beat, which may be another source's.
    fn meet(&self, bytes: &[u8], kept: bool) -> Result<(), Failure> {
        let Ok(beat) = Message::decode(bytes) else {
            return Ok(());
        };
        let listens = self
            .link
            .as_ref()
            .is_some_and(|link| link.listens.is_some());
        let was_first = (beat.began, &beat.name) < (self.began, &self.name);
        let lives = !kept && beat.kind == Kind::Beat && beat.name != self.name;
        if !lives || !(listens || was_first) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::NotPermitted,
            format!(
                "{}: {} publishes below {} already, and {} may not; end that one, or name another topic",
                self.place, beat.name, self.subjects.topic, self.name
            ),
        ))
    }

    /// Publishes what is due.
    fn send(&mut self) -> Result<Result<(), Lost>, Failure> {
        let Some(link) = &mut self.link else {
            return Ok(Ok(()));
        };
        if link.listens.is_some_and(|until| Instant::now() < until) {
            return Ok(Ok(()));
        }
        link.listens = None;
        let sent = self.send_value()?;
        Ok(sent.and_then(|()| self.send_beat()))
    }

    fn send_value(&mut self) -> Result<Result<(), Lost>, Failure> {
        let (Some(link), Some(held)) = (&mut self.link, &self.held) else {
            return Ok(Ok(()));
        };
        let is_free = link.under_way.len() < 4 && link.under_way.iter().sum::<usize>() < UNDER_WAY;
        if !is_free || link.sent == Some((held.creation(), held.version())) {
            return Ok(Ok(()));
        }
        let (schema, seen) = match under_one(|| held.schema(), || held.snapshot_bytes()) {
            Ok(whole) => whole.ok_or_else(|| restless(&self.place))?,
            Err(error) => match error.kind() {
                ErrorKind::Removed => {
                    self.held = None;
                    return Ok(Ok(()));
                }
                ErrorKind::Overtaken | ErrorKind::Busy => return Ok(Ok(())),
                _ => return Err(of_place(&self.place)(error)),
            },
        };
        let fingerprint = schema.fingerprint().to_bits();
        let value = Message {
            life: held.creation(),
            version: seen.version,
            fingerprint,
            bytes: seen.value,
            ..message(Kind::Value, &self.name, self.began)
        };
        let which = value.which();
        let len = HEADER + self.name.len() + value.bytes.len();
        if len > link.limit {
            let limit = link.limit;
            return Err(self.too_large(&format!("it takes {limit} bytes")));
        }
        if link.schema != Some(fingerprint) {
            let schema = schema.encode();
            link.under_way.push_back(schema.len());
            let subject = self.subjects.schema(fingerprint);
            if self.engine.publish_newest(&subject, schema).is_err() {
                return Ok(Err(Lost));
            }
            link.schema = Some(fingerprint);
        }
        link.under_way.push_back(len);
        link.sent = Some(which);
        self.changed = Instant::now();
        Ok(self
            .engine
            .publish_newest(&self.subjects.value, value.encode()))
    }

    fn send_beat(&mut self) -> Result<(), Lost> {
        let Some(link) = self
            .link
            .as_mut()
            .filter(|link| Instant::now() >= link.beat)
        else {
            return Ok(());
        };
        link.beat = Instant::now() + BEAT;
        // Of a link that stands still there is nothing to say.
        if link.under_way.len() > 8 {
            return Ok(());
        }
        let mut beat = message(Kind::Beat, &self.name, self.began);
        if self.held.is_some() {
            (beat.life, beat.version) = link.sent.unwrap_or_default();
        }
        link.under_way.push_back(HEADER);
        self.engine
            .publish_newest(&self.subjects.beat, beat.encode())
    }

    fn too_large(&self, why: &str) -> Failure {
        let size = self.held.as_ref().and_then(|held| held.schema().ok());
        let size = size.map_or(0, |schema| schema.size());
        Failure::new(
            Exit::Misfit,
            format!(
                "{}: the broker does not take a value of {size} bytes ({why}); raise its limit: mosquitto has \
                 `max_packet_size` and `message_size_limit`",
                self.place
            ),
        )
    }
}
