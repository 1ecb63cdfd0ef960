//! A value as it lies on the disk, to be found whole after a power loss: two slots, of which one is whole at every instant.
//! Nothing here reads or writes a file.
//!
//! A slot is a header of 64 bytes, then the schema, then the value. All of it is written anew each time, and one checksum is
//! over all of it: a disk may have any mixture of the sectors of two writes.

use super::checksum::checksum;

/// `SHMSNAP\n` in the byte order of the machine.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"SHMSNAP\n");

/// Bytes of the header: eight words of 64 bits.
pub(crate) const HEADER: usize = 64;

/// Slots begin on multiples of this, so that no block of the disk holds parts of both.
pub(crate) const BLOCK: usize = 4096;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot<'a> {
    /// Tells the life that it belongs to.
    pub(crate) unique: u64,
    /// The version of the value.
    pub(crate) version: u64,
    pub(crate) schema: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The bytes that each of the two slots takes, for a schema and a value of at most so many; `None` if that is more than a
/// process can address.
pub(crate) fn slot_size(schema: usize, value: usize) -> Option<usize> {
    let size = HEADER.checked_add(schema)?.checked_add(value)?;
    size.checked_next_multiple_of(BLOCK)
        .filter(|size| *size <= isize::MAX as usize / 2)
}

/// How many bytes a slot has by its header, which may be anything.
pub(super) fn claimed(header: &[u8; HEADER]) -> Option<usize> {
    let [_, _, _, schema, value, ..] = words(header).map(usize::try_from);
    HEADER.checked_add(schema.ok()?)?.checked_add(value.ok()?)
}

fn words(header: &[u8; HEADER]) -> [u64; HEADER / 8] {
    std::array::from_fn(|at| u64::from_ne_bytes(std::array::from_fn(|byte| header[at * 8 + byte])))
}

impl<'a> Snapshot<'a> {
    /// The bytes of a slot.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.schema.len() + self.value.len());
        let words = [
            MAGIC,
            self.unique,
            self.version,
            self.schema.len() as u64,
            self.value.len() as u64,
            0,
            0,
            0,
        ];
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(self.schema);
        bytes.extend(self.value);
        let sum = checksum(&bytes);
        bytes[HEADER - 8..HEADER].copy_from_slice(&sum.to_ne_bytes());
        bytes
    }

    /// What stands in a slot, if it is whole and of this life. `bytes` are of any length, and may be anything.
    pub(crate) fn decode(bytes: &'a mut [u8], unique: u64) -> Option<Snapshot<'a>> {
        let (header, _) = bytes.split_first_chunk_mut::<HEADER>()?;
        let [magic, of, version, schema, value, reserved, more, sum] = words(header);
        if magic != MAGIC || of != unique || version == 0 || (reserved, more) != (0, 0) {
            return None;
        }
        // The checksum is over zeros in its own place.
        header[HEADER - 8..].fill(0);
        let schema = usize::try_from(schema).ok()?;
        let value = usize::try_from(value).ok()?;
        let middle = HEADER.checked_add(schema)?;
        let bytes = bytes.get(..middle.checked_add(value)?)?;
        (checksum(bytes) == sum).then(|| Snapshot {
            unique,
            version,
            schema: &bytes[HEADER..middle],
            value: &bytes[middle..],
        })
    }
}

/// The newest whole snapshot of the two, and its slot. No two of one version are whole that differ.
pub(crate) fn newest(slots: [&mut [u8]; 2], unique: u64) -> Option<(usize, Snapshot<'_>)> {
    let whole = slots.into_iter().enumerate();
    let whole = whole.filter_map(|(slot, bytes)| Some((slot, Snapshot::decode(bytes, unique)?)));
    whole.max_by_key(|(_, snapshot)| snapshot.version)
}

#[cfg(all(test, not(loom)))]
mod tests;
