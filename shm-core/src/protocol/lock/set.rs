//! The semaphore set of a segment: one semaphore for each slot, and behind them two tags, by which a
//! process finds out that the set is this segment's.

use std::collections::HashSet;

use super::proc;
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed},
};
use crate::protocol::memory::control::MOST_SLOTS;
use crate::protocol::memory::stop::stop;
use crate::sysv::sem::{self, Op};
use crate::sysv::shm;
use crate::sysv::{self, Kind, Mode};

/// What tells the set of a segment from all others.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Identity {
    pub(in crate::protocol) segment: shm::Id,
    /// The segment's creation: ids repeat in another namespace.
    pub(in crate::protocol) unique: u64,
    /// Semaphores before the tags.
    pub(in crate::protocol) slots: u16,
}

/// Semaphores behind the slots.
pub(super) const TAGS: u16 = 2;

fn tag_of(number: u64) -> u16 {
    (number % 0x7fff) as u16 + 1
}

fn first_tag(segment: shm::Id) -> u16 {
    tag_of(u64::from(segment.as_raw() as u32))
}

impl Identity {
    /// What the semaphores behind the slots hold in the set of this segment. The first one is told
    /// by the kernel's id, which no peer can choose; but ids repeat in another namespace, where the
    /// second one differs.
    pub(super) fn tags(self) -> [u16; TAGS as usize] {
        [first_tag(self.segment), tag_of(self.unique)]
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

/// Installs a new set, with all slots free, in the place of what `word` held when it was `seen`: 0, or a set that is lost. It
/// has this mode and belongs to whom these facts of the segment name. Returns it, unless another process was faster, whose
/// set stays.
///
/// The tags come behind it, see [`tag`]: the less lies between its making and its installation, the fewer deaths leave it
/// behind.
pub(in crate::protocol) fn install(
    word: &AtomicU32,
    seen: u32,
    identity: Identity,
    segment: &shm::Stat,
    mode: Mode,
) -> Result<Option<sem::Id>, Fault> {
    let semaphores = identity.slots + TAGS;
    let set = sem::get(sysv::Key::PRIVATE, semaphores, sem::GetFlags::CREATE, mode)?;
    stop!("birth: semaphores made", set);
    // A creator that ends another user's birth hands the set to the segment's owner. In a user
    // namespace without a mapping any IPC_SET fails, so it is asked only where something differs.
    let (uid, gid) = sysv::effective_ids();
    if (segment.uid, segment.gid) != (uid, gid) {
        if let Err(error) = sem::set(set, segment.uid, segment.gid, mode) {
            let _ = sem::remove(set);
            return Err(error.into());
        }
    }
    let installed = word.compare_exchange(seen, set.as_raw() as u32 + 1, AcqRel, Relaxed);
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
        slots: slots
            .try_into()
            .ok()
            .filter(|slots| *slots <= MOST_SLOTS + 1)?,
    };
    let (set, _) = alike(word, identity.slots, segment.owners()).ok()?;
    let [first, _] = identity.found_tags(set).ok()?;
    (first == identity.tags()[0]).then_some(set)
}

/// Sets of segments that are gone: without a key, with no slot taken, and with the tags of no segment
/// that there is.
pub(crate) fn orphans() -> Result<Vec<sem::Id>, sysv::Error> {
    // Sets before segments: a set is made for a segment that is there.
    let sets: Vec<_> = sem::sets()?.flatten().collect();
    let segments = shm::segments()?
        .map(|segment| Ok(first_tag(segment?.0)))
        .collect::<Result<HashSet<u16>, sysv::Error>>()?;
    let looks_left = |set, stat: &sem::Stat| {
        let slots = stat.count.checked_sub(TAGS.into())?;
        if stat.key != sysv::Key::PRIVATE || !(1..=usize::from(MOST_SLOTS) + 1).contains(&slots) {
            return None;
        }
        let values = sem::values(set).ok()?;
        let (slots, tags) = values.split_at_checked(slots)?;
        let [first, second] = tags else { return None };
        let (last, others) = slots.split_last()?;
        // The last one may be a table's count of deaths. A slot is raised once, by a process that lives; a waiter for
        // deaths has a slot.
        let is_gone = |pid| !proc::exists(pid) || proc::runs_no_more(pid);
        let counts = || {
            let user = sem::pid(set, others.len() as u16).ok();
            let user = user.and_then(|pid| u32::try_from(pid).ok());
            *last > 1 || user.is_some_and(|pid| pid > 0 && is_gone(pid))
        };
        let free = others.iter().all(|slot| *slot == 0) && (*last == 0 || counts());
        (free && *first != 0 && *second != 0 && !segments.contains(first)).then_some(set)
    };
    Ok(sets
        .iter()
        .filter_map(|(set, stat)| looks_left(*set, stat))
        .collect())
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

fn says_gone(error: &sysv::Error) -> bool {
    matches!(error.kind(), Kind::Removed | Kind::Invalid | Kind::NotFound)
}

/// An error of the set's, told apart: a set that is gone is not the caller's mistake.
pub(super) fn gone(error: sysv::Error) -> Fault {
    if says_gone(&error) {
        Fault::SetLost
    } else {
        error.into()
    }
}
