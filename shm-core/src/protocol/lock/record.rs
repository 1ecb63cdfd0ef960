//! Who claimed a slot: the second witness, one word for each slot, stored by the claim.
//!
//! A semaphore can be wrong about a living process (the kernel undoes the semaphores of one that
//! leaves its IPC namespace, a peer sets them), and can't be read by one that gave up its rights. A
//! pid can be wrong about a dead one. So a claim leaves both.
//!
//! | bits | meaning |
//! |---|---|
//! | all 0 | released, or never claimed |
//! | 0..22 | pid |
//! | 22..44 | when the process started: the low bits of clock ticks since boot; 0 without `/proc` |
//! | 44..56 | pid and time namespace, so that pid and start are compared only where they mean the same; 0: not known |
//! | 56..64 | what the process keeps until `exec`, beside the 8 bits in the [claim's word](super::claim) |
//!
//! A record is stored by compare-exchange of the one that was judged: with a plain store, two
//! processes that judge one dead claim would both have the slot.

use std::sync::atomic::{
    AtomicU32 as ProcessState, AtomicU64 as ProcessWord,
    Ordering::{Acquire, Relaxed, Release},
};

use super::proc;
use super::process;

const PID_BITS: u32 = 22;
const START_BITS: u32 = 22;
const SPACE_BITS: u32 = 12;
const START_AT: u32 = PID_BITS;
const SPACE_AT: u32 = START_AT + START_BITS;
const IMAGE_AT: u32 = SPACE_AT + SPACE_BITS;

const fn low(value: u64, bits: u32) -> u64 {
    value & ((1 << bits) - 1)
}

/// What a slot's record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Record(pub(in crate::protocol) u64);

/// This process's record, once made, and the epoch that it was made in.
static OWN: ProcessWord = ProcessWord::new(0);
static OWN_EPOCH: ProcessState = ProcessState::new(0);

impl Record {
    /// The slot is free as far as records tell.
    pub(in crate::protocol) const RELEASED: Record = Record(0);

    /// This process's. Some 20 us when first asked for in a process, then two loads.
    pub(in crate::protocol) fn own() -> Record {
        let epoch = process::epoch();
        if OWN_EPOCH.load(Acquire) == epoch {
            return Record(OWN.load(Relaxed));
        }
        let record = Record::made();
        OWN.store(record.0, Relaxed);
        // Release: a thread that sees the epoch sees the record. Two that come here at once store the
        // same.
        OWN_EPOCH.store(epoch, Release);
        record
    }

    fn made() -> Record {
        let start = proc::Stat::own().map_or(0, |stat| stat.start);
        let space = match proc::namespaces() {
            // Namespaces' inodes are given out lowest first, so the low bits tell apart as many as
            // a machine has.
            Some((pid, time)) => low(pid.wrapping_add(time.wrapping_mul(61)), SPACE_BITS).max(1),
            None => 0,
        };
        let image = process::image() >> 8;
        Record::of(std::process::id().into(), start, space, image.into())
    }

    pub(in crate::protocol) fn of(pid: u64, start: u64, space: u64, image: u64) -> Record {
        Record(
            low(pid, PID_BITS)
                | low(start, START_BITS) << START_AT
                | low(space, SPACE_BITS) << SPACE_AT
                | image << IMAGE_AT,
        )
    }

    /// The claimant's pid, as the claimant sees it.
    pub(in crate::protocol) fn pid(self) -> u32 {
        low(self.0, PID_BITS) as u32
    }

    fn start(self) -> u64 {
        low(self.0 >> START_AT, START_BITS)
    }

    fn space(self) -> u64 {
        low(self.0 >> SPACE_AT, SPACE_BITS)
    }

    /// Whether its pid and start mean here what they meant to the claimant.
    pub(in crate::protocol) fn is_comparable(self) -> bool {
        self.space() != 0 && self.space() == Record::own().space()
    }

    /// Whether this very process made it, in this program or before an `exec`.
    fn is_this_process(self) -> bool {
        let own = Record::own();
        self.is_comparable() && self.pid() == own.pid() && self.start() == own.start()
    }

    /// Whether this process made it in the program that it was before `exec`; `same_image` says
    /// whether the other half of the image, in the claim's word, is this program's.
    pub(super) fn is_former_self(self, same_image: bool) -> bool {
        self.is_this_process() && !(same_image && self == Record::own())
    }

    /// Whether the process with this pid, as this process sees it, started when the claimant did.
    pub(super) fn started_with(self, pid: u32) -> bool {
        proc::Stat::of(pid).is_some_and(|stat| low(stat.start, START_BITS) == self.start())
    }

    /// Whether the claimant runs nothing of its program any more, though its semaphore says that it
    /// lives. `true` is for good.
    pub(super) fn is_exiting(self) -> bool {
        let pid = self.pid();
        self.is_comparable()
            && self.started_with(pid)
            && proc::is_exiting(pid)
            && process::sees_what_others_stored()
    }

    /// Whether the claimant has ended, or runs nothing of its program any more. `true` is for good;
    /// `false` where it can't be told. Some system calls.
    pub(in crate::protocol) fn is_gone(self) -> bool {
        if self == Record::RELEASED {
            return true;
        }
        if !self.is_comparable() || self.is_this_process() {
            return false;
        }
        let pid = self.pid();
        let gone = !proc::exists(pid)
            || proc::Stat::of(pid).is_some_and(|stat| low(stat.start, START_BITS) != self.start())
            || proc::runs_no_more(pid);
        gone && process::sees_what_others_stored()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// The record that another process of this namespace would make.
    fn of(pid: u32) -> Record {
        let own = Record::own();
        let start = proc::Stat::of(pid).expect("/proc shows it").start;
        Record::of(pid.into(), start, own.space(), 7)
    }

    #[test]
    fn this_process_is_not_gone_and_knows_itself_until_exec() {
        let own = Record::own();
        assert_eq!(own.pid(), std::process::id());
        assert!(own.is_comparable() && !own.is_gone());
        assert!(!own.is_former_self(true));
        assert!(
            own.is_former_self(false),
            "the other half of the image differs"
        );
        let former = Record(own.0 ^ 1 << IMAGE_AT);
        assert!(former.is_former_self(true));
        assert!(!former.is_gone(), "the process lives");
    }

    #[test]
    fn a_claimant_is_gone_when_it_has_ended_and_when_its_pid_is_anothers() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("cat is there");
        let record = of(child.id());
        assert!(!record.is_gone());
        let another = Record(record.0 ^ 1 << START_AT);
        assert!(another.is_gone(), "this pid started at another time");
        let elsewhere = Record(record.0 ^ 1 << SPACE_AT);
        assert!(
            !elsewhere.is_gone(),
            "of another namespace nothing is known"
        );
        child.kill().expect("it is this process's child");
        while !record.is_gone() {
            std::thread::yield_now();
        }
        child.wait().expect("it was not waited for");
        assert!(record.is_gone());
        assert!(!Record(another.0 ^ 1 << SPACE_AT).is_gone());
    }

    #[test]
    fn a_record_without_proc_is_compared_with_nothing() {
        let record = Record::of(1, 0, 0, 0);
        assert!(!record.is_comparable() && !record.is_gone());
        assert!(Record::RELEASED.is_gone());
    }
}
