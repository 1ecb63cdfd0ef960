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
use crate::layout::{InvalidValue, MAX_ENCODED, Mismatch, Schema, SharedLayout, first_invalid_at};
use crate::protocol::{Geometry, SLOTS, Segment, State, Successor};

const HEADER: usize = 32;

/// Rooms are at least this large, so that a later version of a small struct finds a place.
const LEAST: usize = 640;

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
    Geometry::filling(schema.size(), room, SLOTS)?.total()
}

/// How the layout in force and this program's go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// They are one layout.
    Same,
    /// The segment's is a later version of this program's.
    Newer,
    /// The segment's is the earlier `version` of this program's.
    Older { version: u32 },
}

/// What was found in the room that `state` put in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) state: State,
    /// Bytes of the value: at most the segment's capacity. Unless the fit is older, a `T` has no
    /// more.
    pub(crate) stored: usize,
    pub(crate) fit: Fit,
}

/// The words before the encoded schema.
struct Header {
    fingerprint: u64,
    size: u64,
    len: u64,
    version: u32,
}

impl Header {
    /// Of the first bytes of a room, at least [`HEADER`] of them.
    fn of(room: &[u8]) -> Header {
        let word = |at: usize| u64::from_ne_bytes(room[at..at + 8].try_into().unwrap_or_default());
        Header {
            fingerprint: word(0),
            size: word(8),
            len: word(16),
            version: u32::from_ne_bytes(room[24..28].try_into().unwrap_or_default()),
        }
    }

    fn says(&self, schema: &Schema) -> bool {
        self.fingerprint == schema.fingerprint().to_bits()
            && self.size == schema.size() as u64
            && self.version == schema.version().unwrap_or(1)
    }
}

/// Compares the schema in force with that of `T`. No allocation if they are the same.
pub(crate) fn judge<T: SharedLayout>(segment: &Segment, context: Context) -> Result<Judged, Error> {
    let explain = |fault| Error::from_fault(fault, context, size_of::<T>());
    let mut header = [0; HEADER];
    let state = segment.read_schema(&mut header).map_err(explain)?;
    let found = Header::of(&header);
    let same = found.fingerprint == T::FINGERPRINT.to_bits() && found.size == size_of::<T>() as u64;
    if same && size_of::<T>() <= segment.capacity() {
        return Ok(Judged {
            state,
            stored: size_of::<T>(),
            fit: Fit::Same,
        });
    }
    // All of it, and again from the start: it may be another one by now.
    let (state, stored) = in_force(segment, context, size_of::<T>())?;
    let fit = if stored.fingerprint() == T::FINGERPRINT {
        // An upgrade came between the two looks.
        Fit::Same
    } else if stored.extends(T::SCHEMA).is_ok() {
        Fit::Newer
    } else if T::SCHEMA.extends(&stored).is_ok() {
        Fit::Older {
            version: stored.version().unwrap_or(1),
        }
    } else {
        let difference = Box::new(Mismatch::new(&stored, T::SCHEMA));
        let name = T::SCHEMA.to_string();
        return Err(Error::Mismatch {
            context,
            name,
            difference,
        });
    };
    let older = matches!(fit, Fit::Older { .. });
    if !older && size_of::<T>() > stored.size() {
        return Err(Error::Damaged {
            context,
            what: "its schema has no room for what it names".into(),
        });
    }
    Ok(Judged {
        state,
        stored: stored.size(),
        fit,
    })
}

/// The schema in force, and the state that put it there: the value has room for what it says.
/// `wanted` is the size of the program's type.
pub(crate) fn in_force(
    segment: &Segment,
    context: Context,
    wanted: usize,
) -> Result<(State, Schema), Error> {
    let damaged = |what: Cow<'static, str>| Error::Damaged { context, what };
    // The kernel may have given a huge segment without memory behind it: no more is asked for than
    // a schema can take.
    let mut room = vec![0; segment.room().min(HEADER + MAX_ENCODED)];
    let state = segment
        .read_schema(&mut room)
        .map_err(|fault| Error::from_fault(fault, context, wanted))?;
    let header = Header::of(&room);
    let encoded = usize::try_from(header.len)
        .ok()
        .and_then(|len| room[HEADER..].get(..len))
        .ok_or_else(|| damaged("its schema is longer than the room for it".into()))?;
    let stored = Schema::decode(encoded).map_err(|error| damaged(error.to_string().into()))?;
    if !header.says(&stored) || stored.size() > segment.capacity() {
        return Err(damaged(
            "its schema and the words before it contradict each other".into(),
        ));
    }
    Ok((state, stored))
}

/// What `T` puts in the place of an earlier `version` of it.
pub(crate) fn successor<T: SharedLayout>(
    segment: &Segment,
    version: u32,
    context: Context,
) -> Result<Successor, Error> {
    let schema = contents::<T>();
    let value = size_of::<T>().saturating_sub(segment.capacity());
    let room = schema.len().saturating_sub(segment.room());
    if value > 0 || room > 0 {
        return Err(Error::NoRoom {
            context,
            value,
            schema: room,
        });
    }
    let mut successor = Successor {
        schema,
        stored: size_of::<T>(),
        missing: Vec::new(),
        defaults: Vec::new(),
    };
    T::for_each_missing(version, &mut |offset, default| {
        successor.push(offset, default)
    });
    if let Some(source) = invalid_default(T::SCHEMA, version, &successor) {
        let source = Box::new(source);
        return Err(Error::Invalid { context, source });
    }
    Ok(successor)
}

/// The first default that is no value of its field: what is put in force is judged first, wherever
/// it comes from.
fn invalid_default(schema: &Schema, older: u32, successor: &Successor) -> Option<InvalidValue> {
    let mut value = vec![0; schema.size()];
    for (span, default) in successor.iter() {
        value
            .get_mut(span.offset..span.offset + span.len)?
            .copy_from_slice(default);
    }
    let fields = schema.fields().iter();
    let mut missing = fields.filter(|field| field.since() > older);
    missing.find_map(|field| {
        let bytes = &value[field.offset()..][..field.schema().size()];
        first_invalid_at(schema, field.offset(), bytes)
    })
}
