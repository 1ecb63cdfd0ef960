//! The rows that C and Rust share, and the two ways to their segment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shm_core::sysv::{sem, shm};
use shm_core::{Error, FixedStr, GuardedBox, Key, RawBox, SemGuard, SharedBox, SharedLayout};

/// C: `struct beat { int pid; char name[51]; int timeout; time_t atime; }`
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct Beat {
    pub pid: i32,
    pub name: FixedStr<51>,
    pub timeout: i32,
    pub atime: i64,
}

/// C: `struct beat rows[16]`
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct Beats {
    pub rows: [Beat; 16],
}

impl Beat {
    pub const NONE: Beat = Beat {
        pid: 0,
        name: FixedStr::EMPTY,
        timeout: 0,
        atime: 0,
    };

    /// Whether the process is there, and no zombie: what `/proc/PID/stat` says behind the program's name.
    pub fn lives(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
        self.pid > 0 && !matches!(state, None | Some(b'Z' | b'X'))
    }

    pub fn is_late(&self) -> bool {
        now() > self.atime.saturating_add(self.timeout.into())
    }

    /// Beats, if the row is still this process's.
    pub fn beat(&mut self, pid: i32) -> bool {
        self.atime = if self.pid == pid { now() } else { self.atime };
        self.pid == pid
    }
}

/// In whole seconds, as C's `time(NULL)`.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

const LIMIT: Duration = Duration::from_secs(5);

/// The rows, under the semaphore that the C programs use.
pub enum Store {
    /// The segment as C makes it.
    Raw(GuardedBox<Beats>, Key, sem::Id),
    /// With the library's protocol behind the rows: whole values for readers, and a lock that outlives its owner. As long as
    /// there are C programs that do not know it, the semaphore keeps off those.
    Boxed(SharedBox<Beats>, SemGuard),
}

impl Store {
    pub fn open(key: Key, boxed: bool) -> Result<Store, Error> {
        let guard = SemGuard::open_or_create(key, 0o600, LIMIT)?;
        if !boxed {
            let raw = RawBox::options().create_exact(true).open(key)?;
            return Ok(Store::Raw(raw.guarded_by(guard), key, guard.id()));
        }
        let mut options = SharedBox::options();
        let none = || Beats {
            rows: [Beat::NONE; 16],
        };
        let shared = options.raw_writers(true).open_or_create(key, none)?;
        Ok(Store::Boxed(shared, guard))
    }

    pub fn get(&self) -> Result<Beats, Error> {
        match self {
            Store::Raw(raw, ..) => raw.get(),
            Store::Boxed(shared, guard) => guard.under(LIMIT, || shared.get())?,
        }
    }

    pub fn update<R>(&self, mut change: impl FnMut(&mut Beats) -> R) -> Result<R, Error> {
        match self {
            Store::Raw(raw, ..) => raw.update(change),
            Store::Boxed(shared, guard) => guard.under(LIMIT, || {
                let change = |beats: &mut Beats| Ok::<_, Error>(change(beats));
                Ok(shared.try_update(change)?.value)
            })?,
        }
    }

    pub fn remove(&self) -> Result<(), Box<dyn std::error::Error>> {
        match self {
            Store::Raw(_, key, set) => {
                shm::remove(shm::get(
                    *key,
                    0,
                    shm::GetFlags::NONE,
                    shm_core::sysv::Mode::new(0),
                )?)?;
                Ok(sem::remove(*set)?)
            }
            Store::Boxed(shared, guard) => {
                shared.remove()?;
                Ok(sem::remove(guard.id())?)
            }
        }
    }
}
