//! A set, records and processes with which claims are made and judged.

use std::process::{Child, Command, Stdio};

use super::claim::Claim;
use super::record::Record;
use super::set::TAGS;
use super::slots::Slots;
use super::verdict::Look;
use super::{proc, process};
use crate::home::Witness;
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};
use crate::sysv::sem::{self, Op};
use crate::sysv::{self, Mode};

mod set;
mod slots;
mod verdict;

pub(super) const COUNT: u16 = 4;
pub(super) const SLOT: u32 = 1;

/// A set and records with which a claim is judged; the judge has slot 0.
pub(super) struct World {
    pub(super) set: sem::Id,
    pub(super) records: [AtomicU64; COUNT as usize],
    /// A living process.
    living: Child,
    /// A process that has changed the semaphore, and ended; no other has waited for it.
    ended: libc::pid_t,
}

impl World {
    /// `amount` is what the ended process added to a semaphore of 1.
    pub(super) fn changed_by(amount: i16) -> World {
        let mode = Mode::new(0o600);
        let set = sem::get(
            sysv::Key::PRIVATE,
            COUNT + TAGS,
            sem::GetFlags::CREATE,
            mode,
        )
        .expect("a set");
        sem::set_value(set, SLOT as u16, 1).expect("the set");
        let living = Command::new("cat").stdin(Stdio::piped()).spawn();
        // SAFETY: the child makes two system calls and ends.
        let ended = unsafe { libc::fork() };
        if ended == 0 {
            let raised = sem::op(set, &[Op::add(SLOT as u16, amount)]).is_ok();
            // SAFETY: _exit(2) ends the child at once: no destructor runs and no buffer is
            // flushed that it shares with this process.
            unsafe { libc::_exit(i32::from(!raised)) };
        }
        let world = World {
            set,
            records: std::array::from_fn(|_| AtomicU64::new(0)),
            living: living.expect("cat is there"),
            ended,
        };
        while !proc::has_ended(world.ended.unsigned_abs()) {
            std::thread::yield_now();
        }
        world
    }

    pub(super) fn slots(&self) -> Slots<'_> {
        Slots {
            witness: Some(Witness::Set(self.set)),
            records: &self.records,
            values: &[],
            replaced: 0,
        }
    }

    pub(super) fn own(&self) -> Claim {
        Claim::new(0, 1, process::image())
    }

    pub(super) fn record(&self, record: Record) -> &Self {
        self.records[SLOT as usize].store(record.0, Relaxed);
        self
    }

    /// SETVAL also makes this process the one that changed it last.
    pub(super) fn semaphore(&self, value: u16) -> &Self {
        sem::set_value(self.set, SLOT as u16, value).expect("the set");
        self
    }

    pub(super) fn living(&self) -> Record {
        of(self.living.id())
    }

    pub(super) fn ended(&self) -> Record {
        of(self.ended.unsigned_abs())
    }

    pub(super) fn judge(&self, slots: Slots<'_>, look: Look) -> Result<bool, Fault> {
        let claim = Claim::new(SLOT, 5, process::image());
        slots.alive(claim, self.own(), look)
    }

    pub(super) fn is_dead(&self, look: Look) -> bool {
        !self.judge(self.slots(), look).expect("it can be told")
    }

    /// The same where the set can't be read.
    pub(super) fn unread(&self, look: Look) -> Result<bool, Fault> {
        let unreadable = Slots {
            witness: None,
            ..self.slots()
        };
        self.judge(unreadable, look)
    }

    /// The same where the set is not the first one.
    pub(super) fn replaced(&self, look: Look) -> Result<bool, Fault> {
        let later = Slots {
            replaced: 1,
            ..self.slots()
        };
        self.judge(later, look)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = sem::remove(self.set);
        let _ = self.living.kill();
        let _ = self.living.wait();
        // SAFETY: waitpid(2) without a place for the status touches no memory.
        unsafe { libc::waitpid(self.ended, std::ptr::null_mut(), 0) };
    }
}

/// The record that another process of this namespace would make.
pub(super) fn of(pid: u32) -> Record {
    let start = proc::Stat::of(pid).expect("/proc shows it").start;
    Record::of(pid.into(), start, Record::own().0 >> 44 & 0xfff, 7)
}

pub(super) fn elsewhere(record: Record) -> Record {
    Record(record.0 ^ 1 << 44)
}

pub(super) fn former(record: Record) -> Record {
    Record(record.0 ^ 1 << 56)
}
