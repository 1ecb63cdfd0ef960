//! Who is alive: a semaphore and a [record](super::record) for each slot, two witnesses.
//!
//! A process claims a slot with one atomic `semop`: "is 0" and "add 1, with undo". The kernel takes
//! the 1 back when the process ends, however it ends, reaped or not, in whatever namespace
//! (semop(2), `SEM_UNDO`). It does so as well for a *living* process that leaves its IPC namespace,
//! and peers may set semaphores; so the claim also stores a record, and a claimant counts as dead
//! only if no witness says that it lives.
//!
//! | claim's word | bits | meaning |
//! |---|---|---|
//! | slot | 0..10 | slot + 1 |
//! | number | 10..23 | number of the claim, modulo 2^13 |
//! | image | 23..31 | bits that the process keeps until `exec`; 8 more are in the record |
//!
//! The word is what the lock holds while this claim owns it. A word comes back after 8,192 claims
//! at the earliest, and then most likely with another image: see [`Slots::verdict`].
//!
//! | step of a claim | if the process dies after it |
//! |---|---|
//! | the semaphore is raised, with undo | undo; the record is an older claimant's, who is gone |
//! | the record is exchanged for the own one | undo; a record whose process is gone: the next claimant takes it |
//! | the set is found to be the segment's still | the same |
//! | a lock that names the slot is taken over, repaired and let go | a lock that names a slot whose claimant is gone: a takeover |
//! | released: the record is exchanged for 0 | undo |
//! | released: the semaphore is lowered | - |
//!
//! A process that leaves its namespace at any step keeps its record: no process claims its slot, and
//! none takes its lock.

use super::proc;
use super::process;
use super::record::Record;
use crate::protocol::fault::{Fault, Holder, HolderState};
use crate::protocol::memory::atomics::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::protocol::memory::control::MOST_SLOTS;
use crate::protocol::memory::stop::stop;
use crate::sysv::sem::{self, Op};
use crate::sysv::shm;
use crate::sysv::{self, Kind, Mode};

pub(super) const SLOT_BITS: u32 = 10;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const _: () = assert!(MOST_SLOTS as u32 == SLOT_MASK - 1);
const NUMBER_BITS: u32 = 13;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;
const IMAGE_MASK: u32 = 0xff;

/// How many claimants an error names.
const NAMED: usize = 8;

/// A slot held by a process, as the lock names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Claim {
    pub(in crate::protocol) word: u32,
}

impl Claim {
    pub(in crate::protocol) fn new(slot: u32, number: u32, image: u32) -> Claim {
        let above = (number & NUMBER_MASK) | (image & IMAGE_MASK) << NUMBER_BITS;
        Claim {
            word: (slot + 1) | above << SLOT_BITS,
        }
    }

    /// Whether the image that claimed it has this program's bits.
    fn has_own_image(self) -> bool {
        self.word >> (SLOT_BITS + NUMBER_BITS) & IMAGE_MASK == process::image() & IMAGE_MASK
    }

    /// The slot that a word names; `None` if it names none.
    pub(in crate::protocol) fn slot(self) -> Option<u32> {
        (self.word & SLOT_MASK).checked_sub(1)
    }
}

/// How closely to look at an owner whose semaphore says that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Look {
    /// The semaphore will do.
    Short,
    /// It may be in its exit, which takes long where there is much memory to free.
    Long,
    /// The time limit is reached: a peer may have set the semaphore of a dead claimant.
    Last,
}

/// What tells the set of a segment from all others.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Identity {
    pub(in crate::protocol) segment: shm::Id,
    /// The segment's creation: ids repeat in another namespace.
    pub(in crate::protocol) unique: u64,
    pub(in crate::protocol) slots: u16,
}

/// Semaphores behind the slots.
const TAGS: u16 = 2;

impl Identity {
    /// What the semaphores behind the slots hold in the set of this segment. The first one is told
    /// by the kernel's id, which no peer can choose; but ids repeat in another namespace, where the
    /// second one differs.
    fn tags(self) -> [u16; TAGS as usize] {
        let id = u64::from(self.segment.as_raw().cast_unsigned());
        [id, self.unique].map(|number| (number % 0x7fff) as u16 + 1)
    }

    fn found_tags(self, set: sem::Id) -> Result<[u16; TAGS as usize], sysv::Error> {
        let at = |tag| sem::value(set, self.slots + tag);
        match [at(0)?, at(1)?] {
            // They come both at once, perhaps between these two looks.
            [0, _] | [_, 0] => Ok([at(0)?, at(1)?]),
            tags => Ok(tags),
        }
    }
}

/// A new set with all slots free, for a segment with these facts and this mode. It has no tag yet:
/// the less lies between its making and its installation, the fewer deaths leave it behind.
pub(in crate::protocol) fn create(
    slots: u16,
    segment: &shm::Stat,
    mode: Mode,
) -> Result<sem::Id, Fault> {
    let set = sem::get(
        sysv::Key::PRIVATE,
        slots + TAGS,
        sem::GetFlags::CREATE,
        mode,
    )?;
    stop!("birth: semaphores made", set);
    // A creator that ends another user's birth hands the set to the segment's owner. In a user
    // namespace without a mapping any IPC_SET fails, so it is asked only where something differs.
    let (uid, gid) = process::effective_ids();
    if (segment.uid, segment.gid) != (uid, gid)
        && let Err(error) = sem::set(set, segment.uid, segment.gid, mode)
    {
        let _ = sem::remove(set);
        return Err(error.into());
    }
    Ok(set)
}

/// Installs a new set in the place of what `word` held when it was `seen`: 0, or a set that is lost.
/// Returns it. If another process was faster, its set stays. The tags come behind it, see [`tag`].
pub(in crate::protocol) fn install(
    word: &AtomicU32,
    seen: u32,
    identity: Identity,
    segment: &shm::Stat,
    mode: Mode,
) -> Result<Option<sem::Id>, Fault> {
    let set = create(identity.slots, segment, mode)?;
    let installed = word.compare_exchange(seen, set.as_raw().cast_unsigned() + 1, AcqRel, Relaxed);
    if installed.is_err() {
        let _ = sem::remove(set);
    }
    Ok(installed.is_ok().then_some(set))
}

/// The set that a control block names (id + 1), if it is the one of this segment: no peer may send
/// this process to the semaphores of another application, or of another segment, by writing their
/// id into this one. Three system calls.
///
/// A set without tags, that no process has used, is as good as lost: its creator died before the
/// tags.
pub(in crate::protocol) fn named(
    word: u32,
    identity: Identity,
    owners: [u32; 2],
) -> Result<sem::Id, Fault> {
    let (set, stat) = alike(word, identity.slots, owners)?;
    match identity.found_tags(set).map_err(gone)? {
        tags if tags == identity.tags() => Ok(set),
        [0, 0] if stat.otime.is_none() => Err(Fault::SetLost),
        _ => Err(Fault::Damaged(NOT_ITS_OWN)),
    }
}

const NOT_ITS_OWN: &str = "the segment names a semaphore set that is not its own";

/// The set that a control block names, if it looks like one of a segment of these owners.
fn alike(word: u32, slots: u16, owners: [u32; 2]) -> Result<(sem::Id, sem::Stat), Fault> {
    let set = set_of(word).ok_or(if word == 0 {
        Fault::SetLost
    } else {
        Fault::Damaged(NOT_ITS_OWN)
    })?;
    let stat = sem::stat(set).map_err(gone)?;
    let alike = stat.key == sysv::Key::PRIVATE && stat.count == usize::from(slots + TAGS);
    if alike && owners.contains(&stat.uid) {
        Ok((set, stat))
    } else {
        Err(Fault::Damaged(NOT_ITS_OWN))
    }
}

/// The set that goes with a segment, which may be damaged: what counts are the kernel's words alone,
/// among them the first tag.
pub(in crate::protocol) fn to_remove(
    word: u32,
    segment: &shm::Stat,
    id: shm::Id,
) -> Option<sem::Id> {
    let slots = sem::stat(set_of(word)?)
        .ok()?
        .count
        .checked_sub(TAGS.into())?;
    let identity = Identity {
        segment: id,
        unique: 0,
        // No segment has more, and a peer may name any set.
        slots: slots.try_into().ok().filter(|slots| *slots <= MOST_SLOTS)?,
    };
    let (set, _) = alike(word, identity.slots, segment.owners()).ok()?;
    let [first, _] = identity.found_tags(set).ok()?;
    (first == identity.tags()[0]).then_some(set)
}

/// The set that a word names.
pub(in crate::protocol) fn set_of(word: u32) -> Option<sem::Id> {
    let id = i32::try_from(word.checked_sub(1)?).ok()?;
    Some(sem::Id::from_raw(id))
}

/// Gives a set its tags, unless it has them: one that this process has made, or that a newborn names.
pub(in crate::protocol) fn tag(set: sem::Id, identity: Identity) -> Result<(), Fault> {
    let [first, second] = identity.tags().map(|tag| tag as i16);
    let at = identity.slots;
    let mark = [
        Op::wait_zero(at).nowait(),
        Op::add(at, first).nowait(),
        Op::wait_zero(at + 1).nowait(),
        Op::add(at + 1, second).nowait(),
    ];
    match sem::op(set, &mark) {
        Err(error) if error.kind() != Kind::WouldBlock => Err(gone(error)),
        _ => Ok(()),
    }
}

/// Whether a set that was found to be this segment's is it still, and in this namespace. Two system
/// calls.
pub(in crate::protocol) fn is_still(set: sem::Id, identity: Identity) -> Result<bool, Fault> {
    match identity.found_tags(set) {
        Ok(tags) => Ok(tags == identity.tags()),
        Err(error) if says_gone(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The witnesses of a segment.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Slots<'a> {
    /// `None` where this process can't use it: it was removed, or the process has given up its
    /// rights, or left.
    pub(in crate::protocol) set: Option<sem::Id>,
    pub(in crate::protocol) records: &'a [AtomicU64],
    /// How many sets came before this one: see [`Control::replaced`](crate::protocol::memory::control::Control).
    pub(in crate::protocol) replaced: u32,
}

impl Slots<'_> {
    fn count(self) -> u32 {
        self.records.len() as u32
    }

    fn record(self, slot: u32) -> Record {
        found(&self.records[slot as usize])
    }

    /// `None` if it can't be read.
    fn value(self, slot: u32) -> Option<u16> {
        sem::value(self.set?, slot as u16).ok()
    }

    /// The pid, as this process sees it, of the process that changed this semaphore last.
    fn last_user(self, slot: u32) -> Option<u32> {
        let pid = sem::pid(self.set?, slot as u16).ok()?;
        u32::try_from(pid).ok().filter(|pid| *pid != 0)
    }

    /// Claims a free slot. `claims` is the segment's count of claims. System calls: one or two for
    /// each slot that looks free.
    pub(in crate::protocol) fn claim(self, claims: &AtomicU32) -> Result<Claim, Fault> {
        let set = self.set.ok_or(Fault::SetLost)?;
        let own = Record::own();
        let first = std::process::id() % self.count();
        for step in 0..self.count() {
            let slot = (first + step) % self.count();
            // The semaphore before the record: it costs less than a judgement.
            let is_free = |record| {
                record == Record::RELEASED
                    || record != own && self.value(slot) == Some(0) && self.is_free(slot, record)
            };
            let raise = || match sem::op(set, &take(slot)) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == Kind::WouldBlock => Ok(false),
                Err(error) => Err(self.refused(error)),
            };
            let lower = || drop(sem::op(set, &give(slot)));
            if occupy(&self.records[slot as usize], own, is_free, raise, lower)? {
                stop!("claim: recorded");
                let number = claims.fetch_add(1, Relaxed);
                return Ok(Claim::new(slot, number, process::image()));
            }
        }
        let pids = self.claimants();
        Err(Fault::SlotsTaken {
            slots: self.count(),
            pids,
        })
    }

    fn exchange(self, slot: u32, seen: Record, new: Record) -> bool {
        exchange(&self.records[slot as usize], seen, new)
    }

    /// Whether the claimant of a slot, whose semaphore is 0, is gone.
    fn is_free(self, slot: u32, record: Record) -> bool {
        if record.is_comparable() {
            record.is_gone()
        } else {
            self.replaced == 0 && !self.is_last_user(slot, record)
        }
    }

    /// Whether the process that changed this semaphore last is the one of the record, and lives.
    fn is_last_user(self, slot: u32, record: Record) -> bool {
        self.last_user(slot)
            .is_some_and(|pid| record.started_with(pid) && !proc::runs_no_more(pid))
    }

    /// Raises the semaphore of a slot that this process has claimed already: in a set that replaces
    /// a lost one, or where a peer set it to 0. `false`: the slot is another's by now.
    pub(in crate::protocol) fn raise(self, claim: Claim) -> Result<bool, Fault> {
        let (Some(set), Some(slot)) = (self.set, claim.slot()) else {
            return Err(Fault::SetLost);
        };
        // A peer may have overwritten the record.
        let own = Record::own();
        if self.record(slot) != own && !self.exchange(slot, Record::RELEASED, own) {
            return Ok(false);
        }
        match sem::op(set, &take(slot)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == Kind::WouldBlock => Ok(true),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Whether the semaphore of this process's claim says so. `None` if it can't be read.
    pub(in crate::protocol) fn is_raised(self, claim: Claim) -> Option<bool> {
        self.value(claim.slot()?).map(|value| value != 0)
    }

    /// Gives a claim back. Where the set can't be used, its record alone.
    pub(in crate::protocol) fn release(self, claim: Claim) {
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count()) else {
            return;
        };
        let lower = || {
            if let Some(set) = self.set {
                let _ = sem::op(set, &give(slot));
            }
        };
        vacate(&self.records[slot as usize], Record::own(), lower);
        stop!("claim: given back");
    }

    /// Slots that this very process claimed in the program that it was before `exec`.
    pub(in crate::protocol) fn of_former_self(self) -> impl Iterator<Item = u32> {
        (0..self.count()).filter(move |slot| self.record(*slot).is_former_self(true))
    }

    /// Gives back a slot of this process's former self, which no lock names any more.
    pub(in crate::protocol) fn release_former(self, slot: u32) {
        if self.exchange(slot, self.record(slot), Record::RELEASED)
            && let Some(set) = self.set
        {
            let _ = sem::op(set, &give(slot));
        }
    }

    /// Whether the process that made this claim lives and knows of it. `own` is the claim of the
    /// asking handle. One system call or some.
    ///
    /// `false` may be acted upon by exchanging the very word that was judged. That word is another
    /// claim's only after 8,192 further claims, if that one has the same slot, is of a program with
    /// the same random bits, and holds the lock when the exchange comes.
    ///
    /// GETVAL takes the same lock in the kernel as the undo at the death of a process, so a
    /// process that reads a 0 also sees all that the dead one stored; where a record decides,
    /// [`Record::is_gone`] sees to that.
    pub(in crate::protocol) fn alive(
        self,
        claim: Claim,
        own: Claim,
        look: Look,
    ) -> Result<bool, Fault> {
        // A slot that does not exist has no claimant.
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count()) else {
            return Ok(false);
        };
        let record = self.record(slot);
        // A word with the slot of the asking claim that is not that claim: a peer made it up.
        if Some(slot) == own.slot() && record == Record::own() {
            return Ok(claim == own);
        }
        match self.value(slot) {
            Some(0) if record == Record::RELEASED => Ok(false),
            Some(0) if record.is_comparable() => Ok(!record.is_gone()),
            Some(0) if self.replaced == 0 => Ok(self.is_last_user(slot, record)),
            // It may have claimed under the set before.
            Some(0) if self.is_last_user(slot, record) => Ok(true),
            Some(0) => unjudged(look),
            Some(_) => Ok(!self.is_dead_above_0(slot, claim, record, look)),
            None if record == Record::RELEASED => Ok(false),
            None if record.is_comparable() => Ok(!record.is_gone()),
            None => unjudged(look),
        }
    }

    /// Whether a claimant is dead although its semaphore is above 0.
    fn is_dead_above_0(self, slot: u32, claim: Claim, record: Record, look: Look) -> bool {
        if !claim.has_own_image() || record.is_comparable() {
            let own_pid = Some(std::process::id());
            let same_image = claim.has_own_image();
            if record.is_former_self(same_image)
                || !record.is_comparable() && !same_image && self.last_user(slot) == own_pid
            {
                return true;
            }
        }
        match look {
            Look::Short => false,
            Look::Long => self.last_user(slot) == Some(record.pid()) && record.is_exiting(),
            Look::Last => {
                record.is_comparable()
                    && self.last_user(slot) != Some(record.pid())
                    && record.is_gone()
            }
        }
    }

    /// Who has a slot, and what that process does. For messages.
    pub(in crate::protocol) fn holder(self, claim: Claim, segment: shm::Id) -> Holder {
        let unseen = Holder {
            pid: 0,
            state: HolderState::Unseen,
        };
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count()) else {
            return unseen;
        };
        let record = self.record(slot);
        let pid = if record.is_comparable() {
            Some(record.pid())
        } else {
            self.last_user(slot)
        };
        let Some(pid) = pid.filter(|pid| *pid != 0) else {
            return unseen;
        };
        let stat = proc::Stat::of(pid);
        let state = if stat.is_some_and(|stat| matches!(stat.state, b'T' | b't')) {
            HolderState::Stopped
        } else if proc::dumps_core(pid) {
            HolderState::DumpingCore
        } else if proc::is_exiting(pid) {
            HolderState::Exiting
        } else if proc::maps(pid, segment) == Some(false) {
            HolderState::Replaced
        } else if self.value(slot) == Some(0) {
            HolderState::Left
        } else {
            HolderState::Running
        };
        Holder { pid, state }
    }

    /// The pids of some that have a slot, as far as they can be seen, each once. For messages.
    pub(super) fn claimants(self) -> Box<[u32]> {
        let mut pids = Vec::new();
        for slot in 0..self.count() {
            let record = self.record(slot);
            let pid = if record.is_comparable() && !record.is_gone() {
                record.pid()
            } else {
                continue;
            };
            if !pids.contains(&pid) && pids.len() < NAMED {
                pids.push(pid);
            }
        }
        pids.into()
    }

    /// Whether a set may be put in the place of a lost one: each claimant is known to be gone, or
    /// known to every process that judges it here.
    pub(in crate::protocol) fn can_be_replaced(self) -> bool {
        (0..self.count()).all(|slot| {
            let record = self.record(slot);
            record == Record::RELEASED || record.is_comparable()
        })
    }

    /// What a claim's `semop` was refused for.
    fn refused(self, error: sysv::Error) -> Fault {
        let is_there = self.set.is_some_and(|set| sem::stat(set).is_ok());
        match error.kind() {
            Kind::Denied | Kind::NoMemory | Kind::NoSpace(_) => error.into(),
            // The set is there and has this semaphore, so it is the undo that is refused.
            _ if is_there => Fault::NoUndo,
            _ => gone(error),
        }
    }
}

fn found(record: &AtomicU64) -> Record {
    // Acquire pairs with the exchanges of records: a process that sees one sees what came before it.
    Record(record.load(Acquire))
}

fn exchange(record: &AtomicU64, seen: Record, new: Record) -> bool {
    // Release: the next claimant sees all that this one stored; Acquire: and this one, what the
    // last one did.
    record
        .compare_exchange(seen.0, new.0, AcqRel, Relaxed)
        .is_ok()
}

/// Claims a slot by both witnesses: judges its record, raises its semaphore, and exchanges *the very
/// record that was judged* for the own one. `false`: it is another's. `raise` says whether the
/// semaphore was 0; `lower` takes that back.
pub(in crate::protocol) fn occupy(
    record: &AtomicU64,
    own: Record,
    is_free: impl FnOnce(Record) -> bool,
    raise: impl FnOnce() -> Result<bool, Fault>,
    lower: impl FnOnce(),
) -> Result<bool, Fault> {
    let seen = found(record);
    if !is_free(seen) || !raise()? {
        return Ok(false);
    }
    stop!("claim: semaphore raised");
    let occupied = exchange(record, seen, own);
    if !occupied {
        lower();
    }
    Ok(occupied)
}

/// Gives a slot back: the record first, and the semaphore only if that was the own one. Of a slot
/// that was given away, the semaphore is another's.
pub(in crate::protocol) fn vacate(record: &AtomicU64, own: Record, lower: impl FnOnce()) {
    let vacated = exchange(record, own, Record::RELEASED);
    stop!("claim: record released");
    if vacated {
        lower();
    }
}

/// What can't be told counts as alive until the time limit.
fn unjudged(look: Look) -> Result<bool, Fault> {
    match look {
        Look::Short | Look::Long => Ok(true),
        Look::Last => Err(Fault::Unjudged),
    }
}

/// "Is 0" and "add 1, with undo", at once.
fn take(slot: u32) -> [Op; 2] {
    let index = slot as u16;
    [
        Op::wait_zero(index).nowait(),
        Op::add(index, 1).undo().nowait(),
    ]
}

fn give(slot: u32) -> [Op; 1] {
    [Op::add(slot as u16, -1).undo().nowait()]
}

fn says_gone(error: &sysv::Error) -> bool {
    matches!(error.kind(), Kind::Removed | Kind::Invalid | Kind::NotFound)
}

/// An error of the set's, told apart: a set that is gone is not the caller's mistake.
fn gone(error: sysv::Error) -> Fault {
    if says_gone(&error) {
        Fault::SetLost
    } else {
        error.into()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::contract::table;
    use std::process::{Child, Command, Stdio};

    const COUNT: u16 = 4;
    const SLOT: u32 = 1;

    /// A set and records with which a claim is judged; the judge has slot 0.
    struct World {
        set: sem::Id,
        records: [AtomicU64; COUNT as usize],
        /// A living process.
        living: Child,
        /// A process that has changed the semaphore, and ended; no other has waited for it.
        ended: libc::pid_t,
    }

    impl World {
        /// `amount` is what the ended process added to a semaphore of 1.
        fn changed_by(amount: i16) -> World {
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

        fn slots(&self) -> Slots<'_> {
            Slots {
                set: Some(self.set),
                records: &self.records,
                replaced: 0,
            }
        }

        fn own(&self) -> Claim {
            Claim::new(0, 1, process::image())
        }

        fn record(&self, record: Record) -> &Self {
            self.records[SLOT as usize].store(record.0, Relaxed);
            self
        }

        /// SETVAL also makes this process the one that changed it last.
        fn semaphore(&self, value: u16) -> &Self {
            sem::set_value(self.set, SLOT as u16, value).expect("the set");
            self
        }

        fn living(&self) -> Record {
            of(self.living.id())
        }

        fn ended(&self) -> Record {
            of(self.ended.unsigned_abs())
        }

        fn judge(&self, slots: Slots<'_>, look: Look) -> Result<bool, Fault> {
            let claim = Claim::new(SLOT, 5, process::image());
            slots.alive(claim, self.own(), look)
        }

        fn is_dead(&self, look: Look) -> bool {
            !self.judge(self.slots(), look).expect("it can be told")
        }

        /// The same where the set can't be read.
        fn unread(&self, look: Look) -> Result<bool, Fault> {
            let unreadable = Slots {
                set: None,
                ..self.slots()
            };
            self.judge(unreadable, look)
        }

        /// The same where the set is not the first one.
        fn replaced(&self, look: Look) -> Result<bool, Fault> {
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
    fn of(pid: u32) -> Record {
        let start = proc::Stat::of(pid).expect("/proc shows it").start;
        Record::of(pid.into(), start, Record::own().0 >> 44 & 0xfff, 7)
    }

    fn elsewhere(record: Record) -> Record {
        Record(record.0 ^ 1 << 44)
    }

    fn former(record: Record) -> Record {
        Record(record.0 ^ 1 << 56)
    }

    #[test]
    fn a_claim_is_judged_as_the_format_says() {
        use Look::{Last, Long, Short};
        let looks = [Short, Long, Last];
        for row in table("Verdict") {
            let world = World::changed_by(1);
            let dead = |look| world.is_dead(look);
            let own = Record::own();
            match row[0].as_str() {
                "no slot i" => {
                    let claim = Claim::new(u32::from(COUNT), 5, 0);
                    let verdict = world.slots().alive(claim, world.own(), Short);
                    assert!(!verdict.expect("it can be told"));
                }
                "slot i is the judge's own, with its record, and the word is not its claim" => {
                    world.records[0].store(own.0, Relaxed);
                    let judge = |claim| world.slots().alive(claim, world.own(), Short);
                    let forged = Claim::new(0, 2, process::image());
                    assert!(!judge(forged).expect("it can be told"));
                    assert!(judge(world.own()).expect("it can be told"));
                }
                "semaphore 0, record 0" => {
                    world.semaphore(0);
                    assert!(looks.into_iter().all(dead));
                }
                "semaphore 0, record comparable" => {
                    world.semaphore(0).record(world.living());
                    assert!(!looks.into_iter().any(dead));
                    world.record(world.ended());
                    assert!(looks.into_iter().all(dead));
                }
                "semaphore 0, record not comparable" => {
                    world.semaphore(0).record(elsewhere(own));
                    assert!(!looks.into_iter().any(dead), "this process changed it last");
                    world.record(Record(elsewhere(own).0 ^ 1 << 22));
                    assert!(looks.into_iter().all(dead), "another start");
                    let world = World::changed_by(-1);
                    world.record(elsewhere(world.ended()));
                    assert!(world.is_dead(Short), "it changed it last, and ended");
                }
                "the same, and *replaced* is not 0" => {
                    world.semaphore(0).record(elsewhere(own));
                    let judged = looks.map(|look| world.replaced(look).ok());
                    assert_eq!(judged, [Some(true); 3], "this process changed it last");
                    world.record(Record(elsewhere(own).0 ^ 1 << 22));
                    assert_eq!(
                        [Short, Long].map(|look| world.replaced(look).ok()),
                        [Some(true); 2]
                    );
                    assert!(matches!(world.replaced(Last), Err(Fault::Unjudged)));
                }
                "semaphore above 0" => {
                    for record in [world.living(), elsewhere(world.ended()), own] {
                        world.semaphore(1).record(record);
                        assert!(!looks.into_iter().any(dead), "{record:?}");
                    }
                    world.record(world.ended());
                    assert!(!dead(Short));
                }
                "pid and start are the judge's own, an image half is not" => {
                    world.semaphore(1).record(former(own));
                    assert!(looks.into_iter().all(dead));
                    world.record(own);
                    let other_half = Claim::new(SLOT, 5, process::image() ^ 1);
                    let verdict = world.slots().alive(other_half, world.own(), Short);
                    assert!(!verdict.expect("it can be told"));
                }
                row if row.starts_with("after the first sleep:") => {
                    world.record(world.ended());
                    assert!(!dead(Short) && dead(Long));
                    assert!(!dead(Last), "no peer has set the semaphore");
                    world.record(Record(world.ended().0 ^ 1 << 22));
                    assert!(!dead(Long), "another start");
                }
                row if row.starts_with("at the time limit:") => {
                    world.semaphore(1).record(world.ended());
                    assert!(!dead(Short) && !dead(Long) && dead(Last));
                    world.record(elsewhere(world.ended()));
                    assert!(!dead(Last), "not comparable");
                }
                "semaphore unreadable, record 0" => {
                    assert!(!world.unread(Last).expect("it can be told"));
                }
                "semaphore unreadable, record comparable" => {
                    world.record(world.living());
                    assert!(world.unread(Last).expect("it can be told"));
                    world.record(world.ended());
                    assert!(!world.unread(Last).expect("it can be told"));
                }
                "semaphore unreadable, record not comparable" => {
                    world.record(elsewhere(world.ended()));
                    assert!(matches!(world.unread(Last), Err(Fault::Unjudged)));
                    assert!(world.unread(Long).expect("alive so far"));
                }
                _ => panic!("a row that this test does not know: {row:?}"),
            }
        }
    }

    #[test]
    fn a_slot_is_claimed_only_from_the_released_and_the_gone() {
        let world = World::changed_by(1);
        let claims = AtomicU32::new(0);
        sem::set_values(world.set, &[0; COUNT as usize + 2]).expect("the set");
        // One each that has left its namespace, is gone, and is released; the semaphore of one is up.
        world.records[0].store(world.living().0, Relaxed);
        world.records[1].store(world.ended().0, Relaxed);
        sem::set_value(world.set, 3, 1).expect("the set");
        let slots = world.slots();
        let mut claimed = [0, 1].map(|_| {
            let claim = slots.claim(&claims).expect("a free slot");
            claim.slot().expect("it names one")
        });
        claimed.sort();
        assert_eq!(claimed, [1, 2]);
        assert_eq!(world.records[1].load(Relaxed), Record::own().0);
        match slots.claim(&claims) {
            Err(Fault::SlotsTaken { slots: 4, pids }) => {
                assert!(pids.contains(&world.living.id()), "{pids:?}");
                assert!(pids.contains(&std::process::id()), "{pids:?}");
            }
            other => panic!("{other:?}"),
        }
        let claim = Claim::new(2, 0, process::image());
        slots.release(claim);
        assert_eq!(world.records[2].load(Relaxed), 0);
        assert_eq!(sem::value(world.set, 2).expect("the set"), 0);
    }

    #[test]
    fn a_claimant_whose_judged_record_has_changed_gives_the_semaphore_back() {
        let (own, faster) = (Record::own(), elsewhere(Record::own()));
        let claim = |changed: bool| {
            let (record, semaphore) = (AtomicU64::new(0), std::cell::Cell::new(0));
            let raise = || {
                semaphore.set(1);
                if changed {
                    record.store(faster.0, Relaxed);
                }
                Ok(true)
            };
            let claimed = occupy(&record, own, |_| true, raise, || semaphore.set(0));
            let claimed = claimed.expect("nothing is refused");
            (claimed, semaphore.get(), Record(record.into_inner()))
        };
        assert_eq!(claim(false), (true, 1, own));
        assert_eq!(claim(true), (false, 0, faster));
    }

    #[test]
    fn of_a_slot_that_was_given_away_neither_witness_is_touched() {
        let world = World::changed_by(1);
        let another = world.living();
        world.record(another);
        let claim = Claim::new(SLOT, 5, process::image());
        let semaphore = || sem::value(world.set, SLOT as u16).expect("the set");
        let before = semaphore();
        world.slots().release(claim);
        assert!(!world.slots().raise(claim).expect("the set"));
        assert_eq!(world.slots().record(SLOT), another);
        assert_eq!(semaphore(), before);
    }

    #[test]
    fn a_claim_is_raised_again_by_its_own_record_or_over_none() {
        for record in [Record::own(), Record::RELEASED] {
            let world = World::changed_by(1);
            world.semaphore(0).record(record);
            let claim = Claim::new(SLOT, 5, process::image());
            assert!(world.slots().raise(claim).expect("the set"));
            assert_eq!(world.slots().record(SLOT), Record::own());
            assert_eq!(world.slots().is_raised(claim), Some(true));
            world.slots().release(claim);
            assert_eq!(world.slots().is_raised(claim), Some(false));
        }
    }

    #[test]
    fn a_set_is_replaced_only_where_each_claimant_is_known() {
        let world = World::changed_by(1);
        assert!(world.slots().can_be_replaced());
        for (record, known) in [
            (world.living(), true),
            (world.ended(), true),
            (elsewhere(world.ended()), false),
        ] {
            world.record(record);
            assert_eq!(world.slots().can_be_replaced(), known, "{record:?}");
        }
    }

    #[test]
    fn two_claims_of_one_slot_differ_in_their_number() {
        let world = World::changed_by(1);
        sem::set_values(world.set, &[0; COUNT as usize + 2]).expect("the set");
        let claims = AtomicU32::new(7);
        let slots = world.slots();
        let [one, other] = [(); 2].map(|()| {
            let claim = slots.claim(&claims).expect("a free slot");
            slots.release(claim);
            claim
        });
        assert_eq!(one.slot(), other.slot());
        assert_ne!(one, other);
        assert_eq!(claims.load(Relaxed), 9);
    }

    #[test]
    fn the_tags_are_those_that_the_format_says() {
        let identity = |unique, id| Identity {
            segment: shm::Id::from_raw(id),
            unique,
            slots: COUNT,
        };
        let text = crate::contract::section("Slots");
        assert!(text.contains("`shmid mod 32767 + 1`"), "{text}");
        assert!(text.contains("`unique mod 32767 + 1`"), "{text}");
        assert_eq!(identity(0, 0).tags(), [1, 1]);
        assert_eq!(identity(32766, 32767).tags(), [1, 32767]);
        assert_eq!(identity(32767, 32766).tags(), [32767, 1]);
    }

    #[test]
    fn a_set_is_tagged_once_and_one_without_tags_is_lost() {
        let world = World::changed_by(1);
        let mode = Mode::new(0o600);
        let fresh = sem::get(
            sysv::Key::PRIVATE,
            COUNT + TAGS,
            sem::GetFlags::CREATE,
            mode,
        );
        let set = fresh.expect("a set");
        let word = AtomicU32::new(set.as_raw().cast_unsigned() + 1);
        let segment = shm::get(sysv::Key::PRIVATE, 1, shm::GetFlags::CREATE, mode);
        let segment = segment.expect("a segment");
        let stat = shm::stat(segment).expect("the segment");
        let identity = Identity {
            segment,
            unique: 99,
            slots: COUNT,
        };
        let other = Identity {
            unique: 98,
            ..identity
        };
        let find = |identity| named(word.load(Relaxed), identity, stat.owners());
        assert!(matches!(find(identity), Err(Fault::SetLost)));
        tag(set, identity).expect("the set");
        assert_eq!(find(identity).expect("it is tagged"), set);
        assert!(is_still(set, identity).expect("the set"));
        tag(set, other).expect("the set");
        assert!(matches!(find(other), Err(Fault::Damaged(_))));
        assert!(find(identity).is_ok(), "the first tags stay");
        let word_now = word.load(Relaxed);
        assert_eq!(to_remove(word_now, &stat, segment), Some(set));
        let stranger = shm::Id::from_raw(segment.as_raw() ^ 1);
        assert_eq!(to_remove(word_now, &stat, stranger), None);
        word.store(world.set.as_raw().cast_unsigned() + 1, Relaxed);
        assert!(matches!(find(identity), Err(Fault::Damaged(_))), "in use");
        word.store(0, Relaxed);
        assert!(matches!(find(identity), Err(Fault::SetLost)));
        let _ = (sem::remove(set), shm::remove(segment));
    }
}
