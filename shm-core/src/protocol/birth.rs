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

use super::attach::{
    Access, EXECUTE, Found, Mapped, NEWBORN, await_ready, find, look_up, map, retry,
};
use super::control::{FORMAT, Geometry, MAGIC, State};
use super::cradle::Cradle;
use super::fault::Fault;
use super::locked::Payload;
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
}

/// Creates the segment of `key`; it must not exist.
pub(crate) fn create_new(
    key: Key,
    access: Access,
    newborn: &Newborn,
    write: impl FnOnce(Payload),
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
    write: impl FnOnce(Payload),
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
            Found::Tombstone(mapped) => removal::finish(&mapped).map(|()| None),
            Found::Gone => Ok(None),
        }
    })
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
    write: &mut Option<impl FnOnce(Payload)>,
) -> Result<Option<(Segment, bool)>, Fault> {
    // Declared before the lock, and so dropped after it.
    let cradle = mapped.cradle.take();
    let stat = mapped.stat;
    let id = mapped.mapping.id();
    install_slots(&mapped, newborn.mode)?;
    stop!("birth: semaphores installed");
    let segment = mapped.divided(access, newborn.geometry);
    let state = &segment.control().state;
    let locked = match segment.lock_in_any_state() {
        Ok(locked) => locked,
        Err(_) if State(state.load(Relaxed)).is_removed() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    stop!("birth: locked");
    let mut created = false;
    if State(state.load(Relaxed)) == State::NEWBORN
        && let Some(write) = write.take()
    {
        // A caller's closure that opens the same key in it shall be told at once.
        let mark = locked.mark();
        // SAFETY: the lock is held, the mapping writable, and the state says newborn.
        unsafe { fill(&segment, newborn, write) };
        drop(mark);
        // Its creator may have given it up meanwhile.
        created = State::declare_ready(state);
        stop!("birth: ready");
        // Only the owner may clear the mark; it means nothing any more.
        let _ = shm::set(id, stat.uid, stat.gid, newborn.mode);
        stop!("birth: mark cleared");
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

/// Writes everything that a ready segment has, but for the word that says so.
///
/// # Safety
///
/// The lock is held, the mapping is writable, and nobody reads yet.
unsafe fn fill(segment: &Segment, newborn: &Newborn, write: impl FnOnce(Payload)) {
    let control = segment.control();
    // SAFETY: the room has `geometry.room` bytes, which `Newborn`'s maker rounded up from the
    // schema's; the value fits in the capacity; the rest is the caller's promise.
    unsafe {
        segment.rooms[0].store(0, newborn.schema.as_ptr(), newborn.schema.len());
        stop!("birth: schema written");
        segment
            .latch
            .give_birth(newborn.stored, |area| write(Payload { area, exact: false }));
    }
    stop!("birth: sequence written");
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
