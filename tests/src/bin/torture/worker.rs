//! The processes that are killed: they write or read without a pause, and check what they see.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use shm_core::sysv::shm;
use shm_core::{Error, Key, SharedBox, SharedView};

use crate::log::{Log, Told};
use crate::value::{Link, Random};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Below the library's limit, and far above what a busy machine needs.
const STALL: Duration = Duration::from_secs(3);

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Writer,
    /// Reads through a box, and waits now and then.
    Waiter,
    /// Reads through a view.
    Viewer,
    /// Commits without ever letting the lock go.
    Holder,
}

const ROLES: [(Role, &str); 4] = [
    (Role::Writer, "writer"),
    (Role::Waiter, "waiter"),
    (Role::Viewer, "viewer"),
    (Role::Holder, "holder"),
];

/// A worker's orders.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    pub role: Role,
    pub key: Key,
    pub size: usize,
    pub seed: u64,
    pub log: shm::Id,
}

impl Orders {
    /// Starts a process that obeys.
    pub fn spawn(self) -> std::io::Result<Child> {
        let role = ROLES.iter().find(|(role, _)| *role == self.role);
        Command::new(std::env::current_exe()?)
            .arg("worker")
            .args(role.map(|(_, name)| name))
            .arg(self.key.to_string())
            .arg(self.size.to_string())
            .arg(self.seed.to_string())
            .arg(self.log.as_raw().to_string())
            .spawn()
    }

    /// The orders that this process was started with, if it is a worker.
    pub fn from_arguments() -> Result<Option<Orders>, Box<dyn std::error::Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ["worker", role, key, size, seed, log] = arguments[..] else {
            return Ok(None);
        };
        let (role, _) = ROLES
            .iter()
            .find(|(_, name)| *name == role)
            .ok_or("no such role")?;
        Ok(Some(Orders {
            role: *role,
            key: key.parse()?,
            size: size.parse()?,
            seed: seed.parse()?,
            log: shm::Id::from_raw(log.parse()?),
        }))
    }

    /// Does so until killed.
    pub fn obey(self) -> Outcome {
        set_pdeathsig(Signal::SIGKILL)?;
        match self.size {
            64 => self.work::<8>(),
            256 => self.work::<32>(),
            4096 => self.work::<512>(),
            65_536 => self.work::<8192>(),
            _ => self.work::<131_072>(),
        }
    }

    fn work<const N: usize>(self) -> Outcome {
        let log = Log::open(self.log)?;
        let result = match self.role {
            Role::Writer => self.write::<N>(&log),
            Role::Holder => self.hold::<N>(&log),
            Role::Waiter => {
                let shared = SharedBox::<[u64; N]>::open(self.key)?;
                self.read(&log, |value, patient| {
                    if patient {
                        let next = shared.wait_timeout(shared.version(), STALL)?;
                        let Some(next) = next else { return Ok(None) };
                        *value = next.value;
                        Ok(Some(next.version))
                    } else {
                        shared.read_into(value).map(Some)
                    }
                })
            }
            Role::Viewer => {
                let view = SharedView::<[u64; N]>::open(self.key)?;
                self.read(&log, |value, _| view.read_into(value).map(Some))
            }
        };
        if let Err(error) = &result {
            eprintln!("{:?}: {error}", self.role);
            log.stalled();
        }
        result
    }

    fn write<const N: usize>(self, log: &Log) -> Outcome {
        let mut random = Random(self.seed);
        let shared = SharedBox::<[u64; N]>::open(self.key)?;
        let many = if N > 1024 { 4 } else { 64 };
        loop {
            if random.below(2) == 0 {
                let start = Instant::now();
                let told = commit(log, &mut random, |change| shared.update(change))?;
                timed(log, start);
                fill_up(log, told);
            } else {
                let start = Instant::now();
                let mut writer = shared.writer()?;
                timed(log, start);
                for _ in 0..=random.below(many) {
                    let told = commit(log, &mut random, |change| writer.update(change))?;
                    if !log.tell(told) {
                        drop(writer);
                        wait_for_death();
                    }
                }
            }
        }
    }

    fn hold<const N: usize>(self, log: &Log) -> Outcome {
        let mut random = Random(self.seed);
        let shared = SharedBox::<[u64; N]>::open(self.key)?;
        let mut writer = shared.writer()?;
        let mut logging = true;
        loop {
            let told = commit(log, &mut random, |change| writer.update(change))?;
            logging = logging && log.tell(told);
        }
    }

    fn read<const N: usize>(
        self,
        log: &Log,
        mut read: impl FnMut(&mut [u64; N], bool) -> Result<Option<u64>, Error>,
    ) -> Outcome {
        let mut random = Random(self.seed);
        let mut value = Box::new([0; N]);
        let (mut last, mut last_version) = (Link::default(), 0);
        loop {
            let start = Instant::now();
            let patient = random.below(16) == 0;
            let Some(version) = read(&mut value, patient)? else {
                log.stalled();
                continue;
            };
            if patient {
                log.waited(start.elapsed().as_nanos() as u64);
            } else {
                timed(log, start);
            }
            let Some(link) = Link::of(&value) else {
                log.torn();
                continue;
            };
            let forward = version >= last_version && link.counter >= last.counter;
            // A repair raises the version of the value that stands.
            let same = link.counter != last.counter || link == last || last_version == 0;
            if !forward || !same || version == last_version && link != last {
                log.backwards();
            }
            (last, last_version) = (link, version);
        }
    }
}

/// Replaces the value by the next one, and says what the writer was told.
fn commit<const N: usize>(
    log: &Log,
    random: &mut Random,
    update: impl FnOnce(&mut dyn FnMut(&mut [u64; N])) -> Result<u64, Error>,
) -> Result<Told, Error> {
    let stamp = random.next();
    let mut next = Link::default();
    let version = update(&mut |value| {
        let Some(old) = Link::of(value) else {
            log.torn();
            return;
        };
        next = old.next(stamp);
        next.fill(value);
    })?;
    Ok(Told {
        version,
        link: next,
    })
}

fn timed(log: &Log, start: Instant) {
    let took = start.elapsed();
    log.called(took.as_nanos() as u64);
    if took > STALL {
        log.stalled();
    }
}

fn fill_up(log: &Log, told: Told) {
    if !log.tell(told) {
        wait_for_death();
    }
}

fn wait_for_death() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
