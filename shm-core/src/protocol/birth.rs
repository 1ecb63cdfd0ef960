//! Making a segment, and ending a birth that somebody else began.
//!
//! | step of a birth | if the process dies after it |
//! |---|---|
//! | `shmget` with the newborn mark in the mode | zeros with the mark: the next `open_or_create` goes on |
//! | the slots' semaphore set is installed by compare-exchange | the next one uses it |
//! | the lock is taken | an ordinary takeover |
//! | header, schema and copies are written | they are written again: the state still says newborn |
//! | the state says ready | nothing is left to do but the mark, which nobody heeds any more |
//! | the mark is cleared, the lock let go | - |
//!
//! A creator that lives but fails removes the newborn, see `cradle.rs`.
//!
//! A death between making the semaphore set and installing it leaves that set behind, unused, until
//! somebody removes it by hand: a private set can't be found by key.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::adoption::{self, Judge};
use super::attach::{
    Access, EXECUTE, Found, Mapped, NEWBORN, await_ready, find, look_up, map, retry,
};
use super::control::{FORMAT, Geometry, MAGIC, State};
use super::cradle::Cradle;
use super::fault::Fault;
use super::locked::{Locked, Payload};
use super::primitive::Ordering::{Acquire, Relaxed, Release};
use super::removal;
use super::segment::Segment;
use super::slots::Slots;
use super::stop::stop;
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{Key, Kind, Mode};

/// What a new segment is to be.
#[derive(Debug)]
pub(crate) struct Newborn {
    pub(crate) mode: Mode,
    pub(crate) flags: u32,
    /// How `shmget` is asked: huge pages, no reserve.
    pub(crate) get: GetFlags,
    pub(crate) geometry: Geometry,
    /// Bytes of the value.
    pub(crate) stored: usize,
    /// Contents of the first schema room.
    pub(crate) schema: Vec<u8>,
    /// Whether bytes are a value of the type.
    pub(crate) judge: Judge,
    /// Whether a segment of this size that another program made is made one of ours, if its value is
    /// one of the type.
    pub(crate) adopt: bool,
}

/// Writes no first value.
type Nothing = fn(&Locked<'_>, Payload) -> Result<(), Fault>;

/// Creates the segment of `key`; it must not exist. `write` stores the first value under the lock,
/// if that is still this process's after all code of the caller's: see [`Locked::check_process`].
pub(crate) fn create_new(
    key: Key,
    access: Access,
    newborn: &Newborn,
    write: impl FnOnce(&Locked<'_>, Payload) -> Result<(), Fault>,
) -> Result<Segment, Fault> {
    let mut write = Some(write);
    retry(access.limit, |_| match create(key, access, newborn) {
        Ok(None) => Ok(None),
        Ok(Some(mapped)) => match complete(mapped, access, newborn, &mut write)? {
            Some((segment, true)) => Ok(Some(segment)),
            // Somebody's open_or_create was faster with the rest, and so the creator: the next
            // attempt says that it exists.
            _ => Ok(None),
        },
        Err(Fault::System(error)) if error.kind() == Kind::Exists => match look_up(key) {
            Ok(id) => match find(id, access) {
                Ok(Found::Gone) => Ok(None),
                Ok(Found::Tombstone(mapped)) => removal::finish(&mapped).map(|()| None),
                _ => Err(Fault::System(error)),
            },
            Err(_) => Err(Fault::System(error)),
        },
        Err(fault) => Err(fault),
    })
}

/// Attaches the segment of `key`, or creates it. The flag says whether this call made it ready.
pub(crate) fn open_or_create(
    key: Key,
    access: Access,
    newborn: &Newborn,
    write: impl FnOnce(&Locked<'_>, Payload) -> Result<(), Fault>,
) -> Result<(Segment, bool), Fault> {
    let mut write = Some(write);
    retry(access.limit, |end| {
        let found = match look_up(key) {
            Ok(id) => find(id, access)?,
            Err(error) if error.kind() == Kind::NotFound => match create(key, access, newborn) {
                Ok(Some(mapped)) => Found::Newborn(mapped),
                Ok(None) => Found::Gone,
                Err(Fault::System(error)) if error.kind() == Kind::Exists => Found::Gone,
                Err(fault) => return Err(fault),
            },
            Err(error) => return Err(error.into()),
        };
        let wanted = newborn.geometry.total();
        match found {
            Found::Ready(segment) => Ok(Some((segment, false))),
            Found::Newborn(mapped) if Some(mapped.stat.size) == wanted => {
                complete(mapped, access, newborn, &mut write)
            }
            Found::Newborn(mapped) => {
                let segment = await_ready(mapped, access, end, wanted)?;
                Ok(segment.map(|segment| (segment, false)))
            }
            Found::Plain(mapped) => adopt(mapped, access, newborn),
            Found::Tombstone(mapped) => removal::finish(&mapped).map(|()| None),
            Found::Gone => Ok(None),
        }
    })
}

/// Attaches the segment of `key`, which may be another program's of the right size.
pub(crate) fn open_or_adopt(key: Key, access: Access, newborn: &Newborn) -> Result<Segment, Fault> {
    retry(access.limit, |end| match find(look_up(key)?, access)? {
        Found::Ready(segment) => Ok(Some(segment)),
        Found::Newborn(mapped) if is_adopted(&mapped, newborn) => {
            let nothing = &mut None::<Nothing>;
            let completed = complete(mapped, access, newborn, nothing)?;
            Ok(completed.map(|(segment, _)| segment))
        }
        Found::Newborn(mapped) => await_ready(mapped, access, end, None),
        Found::Plain(mapped) => {
            let adopted = adopt(mapped, access, newborn)?;
            Ok(adopted.map(|(segment, _)| segment))
        }
        Found::Tombstone(_) => Err(Fault::Removed),
        Found::Gone => Ok(None),
    })
}

/// Whether this is a newborn around a value that stands already, of the size that this caller would
/// have given it.
fn is_adopted(mapped: &Mapped, newborn: &Newborn) -> bool {
    let state = State(mapped.control().state.load(Relaxed));
    state == State::ADOPTED && Some(mapped.stat.size) == newborn.geometry.total()
}

/// Makes another program's segment one of ours, if that is wanted. `None`: it is not what it was.
fn adopt(
    mapped: Mapped,
    access: Access,
    newborn: &Newborn,
) -> Result<Option<(Segment, bool)>, Fault> {
    if !newborn.adopt {
        return Err(mapped.foreign());
    }
    if !adoption::begin(&mapped, newborn)? {
        return Ok(None);
    }
    complete(mapped, access, newborn, &mut None::<Nothing>)
}

/// Makes a segment with the newborn mark, and maps it; `None` if it went away at once.
fn create(key: Key, access: Access, newborn: &Newborn) -> Result<Option<Mapped>, Fault> {
    let size = newborn.geometry.total().ok_or(Fault::TooLarge)?;
    let mode = Mode::new(newborn.mode.bits() & !EXECUTE | NEWBORN);
    let id = shm::get(
        key,
        size,
        newborn.get | GetFlags::CREATE | GetFlags::EXCLUSIVE,
        mode,
    )?;
    let cradle = Cradle::new(id);
    stop!("birth: segment made");
    let (Some(stat), Some(mapping)) = (removal::stat(id)?, map(id, access.writable)?) else {
        return Ok(None);
    };
    stop!("birth: segment mapped");
    // SAFETY: `stat` is of this id; the kernel made it with the size of a geometry, which ends in a
    // control block.
    let mut mapped = unsafe { Mapped::new(mapping, stat) };
    mapped.cradle = Some(cradle);
    Ok(Some(mapped))
}

/// Makes a newborn ready, unless somebody else was faster. The flag says whether this call did;
/// `None`: it went away.
fn complete(
    mut mapped: Mapped,
    access: Access,
    newborn: &Newborn,
    write: &mut Option<impl FnOnce(&Locked<'_>, Payload) -> Result<(), Fault>>,
) -> Result<Option<(Segment, bool)>, Fault> {
    // Declared before the lock, and so dropped after it.
    let cradle = mapped.cradle.take();
    let stat = mapped.stat;
    let id = mapped.mapping.id();
    let adopted = State(mapped.control().state.load(Relaxed)) == State::ADOPTED;
    // An adopted segment keeps the mode that it was made with.
    let mode = if adopted {
        Mode::new(stat.mode.bits() & !EXECUTE)
    } else {
        newborn.mode
    };
    install_slots(&mapped, mode)?;
    stop!("birth: semaphores installed");
    let segment = mapped.divided(access, newborn.geometry);
    let state = &segment.control().state;
    let locked = match segment.lock_in_any_state() {
        Ok(locked) => locked,
        // It may even have been made ready, and been removed.
        Err(_) if segment.state().is_removed() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    stop!("birth: locked");
    let mut created = false;
    match State(state.load(Relaxed)) {
        State::NEWBORN => {
            if let Some(write) = write.take() {
                // A caller's closure that opens the same key in it shall be told at once.
                let mark = locked.mark();
                let write = |area| write(&locked, Payload { area, exact: false });
                // SAFETY: the lock is held, the mapping writable, and the state says newborn.
                // `write` refuses where the lock is not this process's any more.
                unsafe {
                    segment.latch.give_birth(newborn.stored, write)?;
                    describe(&segment, newborn);
                }
                drop(mark);
                // Its creator may have given it up meanwhile.
                created = State::NEWBORN.declare_ready(state);
                stop!("birth: ready");
                // Only the owner may clear the mark; it means nothing any more.
                let _ = shm::set(id, stat.uid, stat.gid, mode);
                stop!("birth: mark cleared");
            }
        }
        State::ADOPTED => {
            // By a process that died, perhaps, and knew another version of the type.
            adoption::judge(segment.latch.payload(), newborn)?;
            // SAFETY: the same, but that the payload is written already.
            unsafe {
                segment.latch.adopt(newborn.stored);
                describe(&segment, newborn);
            }
            State::ADOPTED.declare_ready(state);
            stop!("adoption: ready");
        }
        _ => {}
    }
    drop(locked);
    drop(segment);
    stop!("birth: let go");
    // Looked at again like any other: one path makes every attachment.
    match find(id, access)? {
        Found::Ready(segment) => {
            cradle.into_iter().for_each(Cradle::leave);
            Ok(Some((segment, created)))
        }
        _ => Ok(None),
    }
}

/// Writes everything that a ready segment has besides its value, but for the word that says so.
///
/// # Safety
///
/// The lock is held, the mapping is writable, and nobody reads yet.
unsafe fn describe(segment: &Segment, newborn: &Newborn) {
    stop!("birth: sequence written");
    let control = segment.control();
    // SAFETY: the room has `geometry.room` bytes, which `Newborn`'s maker rounded up from the
    // schema's; the rest is the caller's promise.
    unsafe { segment.rooms[0].store(0, newborn.schema.as_ptr(), newborn.schema.len()) };
    stop!("birth: schema written");
    control.magic.store(MAGIC, Relaxed);
    stop!("birth: magic written");
    control.format.store(FORMAT, Relaxed);
    control.flags.store(newborn.flags, Relaxed);
    control
        .capacity
        .store(newborn.geometry.capacity as u64, Relaxed);
    control.room.store(newborn.geometry.room as u64, Relaxed);
    control.unique.store(unique_id(), Relaxed);
    stop!("birth: header written");
}

/// Gives a newborn its semaphore set, unless it has one.
fn install_slots(mapped: &Mapped, mode: Mode) -> Result<(), Fault> {
    let word = &mapped.control().set;
    if word.load(Acquire) != 0 {
        return Ok(());
    }
    let slots = Slots::create(mapped.mapping.id(), &mapped.stat, mode)?;
    stop!("birth: semaphores given to the owner");
    let installed =
        word.compare_exchange(0, slots.set.as_raw().cast_unsigned() + 1, Release, Relaxed);
    if installed.is_err() {
        slots.remove();
    }
    Ok(())
}

/// A number that no other creation has: 64 bits of the randomness that `std` seeds its hash maps
/// with.
fn unique_id() -> u64 {
    RandomState::new().build_hasher().finish()
}
