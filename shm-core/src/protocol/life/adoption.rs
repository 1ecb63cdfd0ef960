//! Making a segment of another program's one of ours, around the value that stands in it.
//!
//! A program that knows nothing of the protocol asks `shmget` for exactly the bytes that a birth
//! would ask for, and perhaps stores its struct at offset 0. The adopter begins the
//! birth of which the payload is already done; from the second step on it is a newborn like any
//! other, and `birth.rs` says how it ends.
//!
//! | step of an adoption | if the process dies after it |
//! |---|---|
//! | the value is judged, all other bytes are found to be zeros | nothing was written |
//! | the magic number is written | the next one begins anew: this word and the value apart, all is zero |
//! | the state says adopted | a newborn: a process that would make one of this size ends its birth, the others wait |
//! | the steps of a birth, but that the payload is not written | as for a birth |
//!
//! Two that adopt at once: the second finds the state changed, at the latest by its own exchange,
//! and then takes the segment for what it is by then.

use super::find::Mapped;
use super::newborn::Newborn;
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::Ordering::{Acquire, Relaxed, Release};
use crate::protocol::memory::atomics::fence;
use crate::protocol::memory::control::{CONTROL, Control, MAGIC, State};
use crate::protocol::memory::copy::Area;
use crate::protocol::memory::stop::stop;

/// Bytes looked at at once.
const CHUNK: usize = 4096;

/// Turns another program's segment into a newborn around its value. `false`: it is not what it was, another process
/// has begun.
pub(super) fn begin(mapped: &Mapped, newborn: &Newborn) -> Result<bool, Fault> {
    if Some(mapped.stat.size) != newborn.geometry.total() {
        return Err(mapped.foreign());
    }
    let control = mapped.control();
    let judged = judge(mapped.area(), newborn);
    let zeros = rest_is_zero(mapped, newborn.stored);
    // Another's steps are seen in order: an adopter that has seen one of its bytes sees its state below.
    fence(Acquire);
    if State(control.state.load(Relaxed)) != State::NEWBORN {
        // Acquire: the one that has begun wrote the magic number before the state. Where it is missing, the
        // state is another program's bytes, and will not change.
        fence(Acquire);
        return match control.magic.load(Relaxed) {
            MAGIC => Ok(false),
            _ => Err(mapped.foreign()),
        };
    }
    if !zeros {
        return Err(mapped.foreign());
    }
    judged?;
    control.magic.store(MAGIC, Relaxed);
    stop!("adoption: magic written");
    let (foreign, adopted) = (State::NEWBORN.0, State::ADOPTED.0);
    // Release: a process that sees the state sees the magic number.
    let begun = control
        .state
        .compare_exchange(foreign, adopted, Release, Relaxed);
    stop!("adoption: begun");
    Ok(begun.is_ok())
}

/// Refuses bytes that would become the first value and are none of the type. `area` begins with
/// them, and has the newborn's capacity at least.
pub(super) fn judge(area: Area, newborn: &Newborn) -> Result<(), Fault> {
    let mut value = vec![0; newborn.stored];
    // SAFETY: in bounds: the area has the newborn's capacity at least, in which its value fits.
    unsafe { area.load(0, value.as_mut_ptr(), value.len()) };
    if (newborn.judge)(&value) {
        Ok(())
    } else {
        Err(Fault::Invalid(value.into()))
    }
}

/// Whether all bytes behind the value are zeros, but for the magic number, which an adopter may have
/// written that then died.
fn rest_is_zero(mapped: &Mapped, value: usize) -> bool {
    let magic = mapped.stat.size - CONTROL + core::mem::offset_of!(Control, magic);
    let behind = magic + size_of::<u64>();
    let begun = matches!(mapped.control().magic.load(Relaxed), 0 | MAGIC);
    begun && is_zero(mapped, value, magic) && is_zero(mapped, behind, mapped.stat.size)
}

/// It reads the words of the control block in another width than others access them in. No other
/// thread does so by this mapping, which is this call's own.
fn is_zero(mapped: &Mapped, from: usize, to: usize) -> bool {
    let mut chunk = [0_u8; CHUNK];
    (from..to).step_by(CHUNK).all(|offset| {
        let part = &mut chunk[..CHUNK.min(to - offset)];
        // SAFETY: in bounds: `to` is at most the segment's size, and `part` ends there at the latest.
        unsafe { mapped.area().load(offset, part.as_mut_ptr(), part.len()) };
        part.iter().all(|byte| *byte == 0)
    })
}
