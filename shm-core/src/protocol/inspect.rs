//! Reading a segment for a program that expects no schema of its own: the schema in force, and the
//! bytes of a value under that schema.
//!
//! An upgrade in place may put another schema in force at any time. The state names the one in
//! force; whoever reads a room or a value looks at the state before and behind, and so knows which
//! schema the bytes belong to.

use std::time::Instant;

use super::control::State;
use super::copy::Span;
use super::fault::Fault;
use super::primitive::{Ordering::Acquire, fence};
use super::segment::Segment;

/// Failed copies between two looks at the clock.
const TRIES: u32 = 64;

/// Which of the schemas that a segment holds one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(State);

impl Segment {
    /// The first bytes of the schema room in force, at most `most`, and which generation it is.
    pub(crate) fn schema_in_force(&self, most: usize) -> Result<(Generation, Vec<u8>), Fault> {
        let start = Instant::now();
        loop {
            let state = self.live_state()?;
            let room = self.rooms[state.room()];
            let mut bytes = vec![0; most.min(room.bytes())];
            // SAFETY: as many bytes as `bytes` has fit in the room.
            unsafe { room.load(0, bytes.as_mut_ptr(), bytes.len()) };
            // Pairs with the release of the state by an upgrade: if a byte of a later schema got
            // into the copy, the look below sees that upgrade or the one before it.
            fence(Acquire);
            if self.state() == state {
                return Ok((Generation(state), bytes));
            }
            self.in_time(start)?;
        }
    }

    /// The first `len` bytes of a committed value and its version; `None` if that generation is no
    /// longer in force.
    pub(crate) fn read_under(
        &self,
        generation: Generation,
        len: usize,
    ) -> Result<Option<(Vec<u8>, u64)>, Fault> {
        if len > self.geometry.capacity {
            return Err(Fault::Damaged(
                "its schema says that the value is larger than the room for it",
            ));
        }
        let mut bytes = vec![0; len];
        let start = Instant::now();
        loop {
            for _ in 0..TRIES {
                if self.live_state()? != generation.0 {
                    return Ok(None);
                }
                // SAFETY: `len` fits in the payload, and `bytes` has as many.
                let read = unsafe { self.latch.read(Span::whole(len), bytes.as_mut_ptr()) };
                // The latch's last fence lies before this look: a value that a newer schema made
                // possible comes with that schema's state.
                if let Some(version) = read
                    && self.state() == generation.0
                {
                    return Ok(Some((bytes, version)));
                }
                core::hint::spin_loop();
            }
            self.in_time(start)?;
        }
    }

    fn in_time(&self, start: Instant) -> Result<(), Fault> {
        let waited = start.elapsed();
        if waited >= self.limit {
            return Err(Fault::Overtaken { waited });
        }
        Ok(())
    }

    /// The state, which must be "ready" with whatever generation.
    fn live_state(&self) -> Result<State, Fault> {
        let state = State::look(&self.control().state);
        if state.is_ready() {
            Ok(state)
        } else if state.is_removed() {
            Err(Fault::Removed)
        } else {
            Err(Fault::Damaged(
                "its state word is none that this library writes",
            ))
        }
    }
}
