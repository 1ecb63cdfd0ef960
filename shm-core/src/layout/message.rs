//! Words put together by a `const fn`: for a panic at compile time, and for `Display`, in the same
//! words.

use super::{Schema, TypeKind};

use Piece::{Number, Text, Type};

/// A text in place. What does not fit is cut off.
pub(super) struct Message {
    bytes: [u8; Message::ROOM],
    len: usize,
}

/// What a text is put together from.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Number(i128),
    /// A type, as `Display` writes it.
    Type(&'a Schema),
}

impl Message {
    /// Enough for a path, two types and a sentence, unless they are made long on purpose.
    const ROOM: usize = 1024;

    pub(super) const fn new() -> Message {
        Message {
            bytes: [0; Message::ROOM],
            len: 0,
        }
    }

    pub(super) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            // Never: whole characters are all that is put in.
            Err(_) => "",
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Keeps the first `len` bytes, as many as there were before.
    pub(super) const fn truncate(&mut self, len: usize) {
        self.len = len;
    }

    /// Writes `template` with the pieces in the places of its `{}`.
    pub(super) const fn write(&mut self, template: &str, pieces: &[Piece<'_>]) {
        let (mut rest, mut at, mut piece) = (template.as_bytes(), 0, 0);
        while at < rest.len() {
            if rest[at] != b'{' {
                at += 1;
                continue;
            }
            self.put(rest.split_at(at).0);
            match pieces[piece] {
                Text(text) => self.text(text),
                Number(number) => self.number(number),
                Type(schema) => self.type_of(schema),
            }
            rest = rest.split_at(at + "{}".len()).1;
            (at, piece) = (0, piece + 1);
        }
        self.put(rest);
    }

    pub(super) const fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    /// Whole characters, as many as there is room for.
    const fn put(&mut self, bytes: &[u8]) {
        let mut len = bytes.len();
        if len > Self::ROOM - self.len {
            len = Self::ROOM - self.len;
            // In the middle of a character.
            while bytes[len] & 0xc0 == 0x80 {
                len -= 1;
            }
        }
        let mut i = 0;
        while i < len {
            self.bytes[self.len + i] = bytes[i];
            i += 1;
        }
        self.len += len;
    }

    const fn number(&mut self, number: i128) {
        if number < 0 {
            self.text("-");
        }
        self.digits(number.unsigned_abs());
    }

    const fn digits(&mut self, number: u128) {
        if number >= 10 {
            self.digits(number / 10);
        }
        self.put(&[b'0' + (number % 10) as u8]);
    }

    const fn type_of(&mut self, schema: &Schema) {
        match schema.kind() {
            TypeKind::Primitive(primitive) => self.text(primitive.name()),
            TypeKind::Array { element, len } => {
                self.write("[{}; {}]", &[Type(element), Number(len as i128)]);
            }
            TypeKind::Str { size } => self.write("FixedStr<{}>", &[Number(size as i128)]),
            TypeKind::Opaque { size } => {
                let pieces = [Number(size as i128), Number(schema.align as i128)];
                self.write("Opaque<{}, {}>", &pieces);
            }
            TypeKind::Vec {
                element, capacity, ..
            } => {
                let pieces = [Type(element), Number(capacity as i128)];
                self.write("FixedVec<{}, {}>", &pieces);
            }
            TypeKind::Struct { name, .. } | TypeKind::Enum { name, .. } => self.text(name),
        }
    }
}
