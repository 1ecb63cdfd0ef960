//! What a schema room in a segment holds: a header of 32 bytes, then the encoded schema.
//!
//! | offset | bytes | holds |
//! |---|---|---|
//! | 0 | 8 | fingerprint |
//! | 8 | 8 | size of the value in bytes |
//! | 16 | 8 | length of the encoded schema in bytes |
//! | 24 | 4 | schema version |
//! | 28 | 4 | alignment of the value in bytes |

use std::borrow::Cow;

use crate::error::{Context, Error};
use crate::layout::{MAX_ENCODED, Mismatch, Schema, SharedLayout};
use crate::protocol::{Geometry, Segment};

const HEADER: usize = 32;

/// Rooms are at least this large, so that a later version of a small struct finds a place.
const LEAST: usize = 1024;

/// The most that a room can hold which is of use.
pub(crate) const MOST: usize = HEADER + MAX_ENCODED;

/// The contents of the room for `T`.
pub(crate) fn contents<T: SharedLayout>() -> Vec<u8> {
    let encoded = T::SCHEMA.encode();
    let mut room = Vec::with_capacity(HEADER + encoded.len());
    room.extend(T::FINGERPRINT.to_bits().to_ne_bytes());
    room.extend((size_of::<T>() as u64).to_ne_bytes());
    room.extend((encoded.len() as u64).to_ne_bytes());
    room.extend(T::SCHEMA.version().unwrap_or(1).to_ne_bytes());
    room.extend((align_of::<T>() as u32).to_ne_bytes());
    debug_assert_eq!(room.len(), HEADER);
    room.extend(encoded);
    room
}

/// How many bytes to reserve for a room with these contents: as much again for a later version.
pub(crate) fn reserve(contents: usize) -> usize {
    contents.saturating_mul(2).max(LEAST)
}

/// How many bytes a segment for a value of this layout has, unless its creator asked for another
/// capacity; `None` if that is more than a process can address.
pub(crate) fn segment_size(schema: &Schema) -> Option<usize> {
    let room = reserve(HEADER + schema.encoded_len());
    Geometry::for_sizes(schema.size(), room)?.total()
}

/// Checks that the segment holds a `T`. No allocation if it does.
pub(crate) fn check<T: SharedLayout>(segment: &Segment, context: Context) -> Result<(), Error> {
    let mut header = [0; HEADER];
    segment.read_schema(&mut header);
    let word = |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().unwrap_or_default());
    let (fingerprint, size, len) = (word(0), word(8), word(16));
    let fits = size == size_of::<T>() as u64 && size_of::<T>() <= segment.capacity();
    if fingerprint == T::FINGERPRINT.to_bits() && fits {
        return Ok(());
    }
    let damaged = |what: Cow<'static, str>| Error::Damaged { context, what };
    // The kernel may have given a huge segment without memory behind it: no more is asked for than
    // a schema can take.
    let mut room = vec![0; segment.room().min(HEADER + MAX_ENCODED)];
    segment.read_schema(&mut room);
    let encoded = usize::try_from(len)
        .ok()
        .and_then(|len| room[HEADER..].get(..len))
        .ok_or_else(|| damaged("its schema is longer than the room for it".into()))?;
    let stored = Schema::decode(encoded).map_err(|error| damaged(error.to_string().into()))?;
    if stored.fingerprint() == T::FINGERPRINT || stored.size() as u64 != size {
        return Err(damaged(
            "its schema and the header before it contradict each other".into(),
        ));
    }
    let difference = Box::new(Mismatch::new(&stored, T::SCHEMA));
    let name = T::SCHEMA.to_string();
    Err(Error::Mismatch {
        context,
        name,
        difference,
    })
}

/// The schema in these contents of a room, or what is wrong with them.
pub(crate) fn schema(room: &[u8]) -> Result<Schema, Cow<'static, str>> {
    let word = |at: usize| {
        let bytes = room.get(at..at + 8)?;
        bytes.try_into().ok().map(u64::from_ne_bytes)
    };
    let (Some(fingerprint), Some(size), Some(len)) = (word(0), word(8), word(16)) else {
        return Err("the room for its schema is too small for one".into());
    };
    let encoded = usize::try_from(len)
        .ok()
        .and_then(|len| room[HEADER..].get(..len))
        .ok_or("its schema is longer than the room for it")?;
    let schema = Schema::decode(encoded).map_err(|error| error.to_string())?;
    if schema.fingerprint().to_bits() != fingerprint || schema.size() as u64 != size {
        return Err("its schema and the header before it contradict each other".into());
    }
    Ok(schema)
}
