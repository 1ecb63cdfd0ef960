//! Reading a value for a program that has no type for it.

use super::segment::Segment;
use crate::protocol::fault::Fault;
use crate::protocol::memory::control::State;
use crate::protocol::memory::copy::Span;

impl Segment {
    /// The first `len` bytes of a committed value and its version, as long as the schema of `state`
    /// is in force.
    pub(crate) fn read_bytes(&self, state: State, len: usize) -> Result<(Vec<u8>, u64), Fault> {
        if len > self.capacity() {
            return Err(Fault::Damaged(
                "its schema says that the value is larger than the room for it",
            ));
        }
        let mut bytes = vec![0; len];
        // SAFETY: `len` is at most the capacity, which was checked above, and `bytes` has as many.
        let version = unsafe { self.read(state, Span::whole(len), bytes.as_mut_ptr()) }?;
        Ok((bytes, version))
    }
}
