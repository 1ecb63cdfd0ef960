//! What a schema room in a segment holds: a header of 32 bytes, then the encoded schema.
//!
//! | offset | bytes | holds |
//! |---|---|---|
//! | 0 | 8 | fingerprint |
//! | 8 | 8 | size of the value in bytes |
//! | 16 | 8 | length of the encoded schema in bytes |
//! | 24 | 4 | schema version |
//! | 28 | 4 | alignment of the value in bytes |

use super::descriptor::Type;
use super::failure::Failure;
use crate::layout::{
    Fingerprint, InvalidValue, MAX_ENCODED, Mismatch, Schema, first_invalid_at, first_other,
};
use crate::protocol::{Geometry, SIZE_IN_ROOM, SLOTS, Segment, State, Successor};

const HEADER: usize = 32;

/// Rooms are at least this large, so that a later version of a small struct finds a place.
const LEAST: usize = 640;

/// How many bytes a creator who asks for this capacity reserves for a room at least: those of later versions need more, too. As
/// many up to 4096, then a 16th of them, as far as a schema can take that: so to ask for more helps whichever lacks room.
pub(crate) fn for_later(capacity: usize) -> usize {
    let share = (capacity / 16).clamp(4096, HEADER + MAX_ENCODED);
    capacity.min(share)
}

/// The contents of the room for a type.
pub(crate) fn contents(schema: &Schema, fingerprint: Fingerprint) -> Vec<u8> {
    let encoded = schema.encode();
    let mut room = Vec::with_capacity(HEADER + encoded.len());
    room.extend(fingerprint.to_bits().to_ne_bytes());
    debug_assert_eq!(room.len(), SIZE_IN_ROOM);
    room.extend((schema.size() as u64).to_ne_bytes());
    room.extend((encoded.len() as u64).to_ne_bytes());
    room.extend(schema.version().unwrap_or(1).to_ne_bytes());
    room.extend((schema.align() as u32).to_ne_bytes());
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

/// Compares the schema in force with that of a type. No allocation if they are the same.
pub(crate) fn judge(segment: &Segment, of: &Type) -> Result<Judged, Failure> {
    let size = of.size();
    let mut header = [0; HEADER];
    let state = segment.read_schema(&mut header)?;
    let found = Header::of(&header);
    let same = found.fingerprint == of.fingerprint.to_bits() && found.size == size as u64;
    if same && size <= segment.capacity() {
        return Ok(Judged {
            state,
            stored: size,
            fit: Fit::Same,
        });
    }
    // All of it, and again from the start: it may be another one by now.
    let (state, stored) = in_force(segment)?;
    let fit = if stored.fingerprint() == of.fingerprint {
        // An upgrade came between the two looks.
        Fit::Same
    } else if stored.extends(of.schema).is_ok() {
        Fit::Newer
    } else if of.schema.extends(&stored).is_ok() {
        Fit::Older {
            version: stored.version().unwrap_or(1),
        }
    } else {
        let difference = Mismatch::new(&stored, of.schema);
        return Err(Failure::Mismatch(Box::new(difference)));
    };
    let older = matches!(fit, Fit::Older { .. });
    if !older && size > stored.size() {
        return Err(Failure::damaged("its schema has no room for what it names"));
    }
    Ok(Judged {
        state,
        stored: stored.size(),
        fit,
    })
}

/// The schema in force, and the state that put it there: the value has room for what it says.
pub(crate) fn in_force(segment: &Segment) -> Result<(State, Schema), Failure> {
    // The kernel may have given a huge segment without memory behind it: no more is asked for than
    // a schema can take.
    let mut room = vec![0; segment.room().min(HEADER + MAX_ENCODED)];
    let state = segment.read_schema(&mut room)?;
    let header = Header::of(&room);
    let encoded = usize::try_from(header.len)
        .ok()
        .and_then(|len| room[HEADER..].get(..len))
        .ok_or_else(|| Failure::damaged("its schema is longer than the room for it"))?;
    let stored =
        Schema::decode(encoded).map_err(|error| Failure::Damaged(error.to_string().into()))?;
    if !header.says(&stored) || stored.size() > segment.capacity() {
        return Err(Failure::damaged(
            "its schema and the words before it contradict each other",
        ));
    }
    Ok((state, stored))
}

/// What a type puts in the place of an earlier `version` of it.
pub(crate) fn successor(segment: &Segment, of: &Type, version: u32) -> Result<Successor, Failure> {
    let schema = contents(of.schema, of.fingerprint);
    let value = of.size().saturating_sub(segment.capacity());
    let room = schema.len().saturating_sub(segment.room());
    if value > 0 || room > 0 {
        return Err(Failure::NoRoom {
            value,
            schema: room,
        });
    }
    let mut successor = Successor {
        schema,
        stored: of.size(),
        defaults: Vec::new(),
    };
    (of.for_each_missing)(version, &mut |offset, default| {
        successor.defaults.push((offset, default.into()));
    });
    match invalid_default(of.schema, version, &successor) {
        Some(invalid) => Err(Failure::Invalid(Box::new(invalid))),
        None => Ok(successor),
    }
}

/// The first default that is no value of its field: what is put in force is judged first, wherever
/// it comes from.
fn invalid_default(schema: &Schema, older: u32, successor: &Successor) -> Option<InvalidValue> {
    let mut value = vec![0; schema.size()];
    for (offset, default) in &successor.defaults {
        value
            .get_mut(*offset..offset + default.len())?
            .copy_from_slice(default);
    }
    let fields = schema.fields().iter();
    let mut missing = fields.filter(|field| field.since() > older);
    missing.find_map(|field| {
        let bytes = &value[field.offset()..][..field.schema().size()];
        let at = field.offset();
        first_invalid_at(schema, at, bytes).or_else(|| first_other(schema, at, bytes))
    })
}
