//! The types without parts, and what each of them is called, weighs and accepts.

use std::fmt;

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Primitive {
    U8,
    U16,
    U32,
    U64,
    U128,
    I8,
    I16,
    I32,
    I64,
    I128,
    F32,
    F64,
    Bool,
    Char,
}

impl Primitive {
    /// Every primitive, in the order of its tag in the stored form: `ALL[i]` has the tag `i + 1`.
    const ALL: [Primitive; 14] = {
        use Primitive::{Bool, Char, F32, F64, I8, I16, I32, I64, I128, U8, U16, U32, U64, U128};
        [
            U8, U16, U32, U64, U128, I8, I16, I32, I64, I128, F32, F64, Bool, Char,
        ]
    };

    /// The byte that stands for this primitive in the stored form and in the fingerprint.
    pub(super) const fn tag(self) -> u8 {
        self as u8 + 1
    }

    pub(super) const fn from_tag(tag: u8) -> Option<Primitive> {
        if tag >= 1 && tag as usize <= Primitive::ALL.len() {
            Some(Primitive::ALL[tag as usize - 1])
        } else {
            None
        }
    }

    /// Size in bytes, the same on every target.
    pub const fn size(self) -> usize {
        match self {
            Primitive::U8 | Primitive::I8 | Primitive::Bool => 1,
            Primitive::U16 | Primitive::I16 => 2,
            Primitive::U32 | Primitive::I32 | Primitive::F32 | Primitive::Char => 4,
            Primitive::U64 | Primitive::I64 | Primitive::F64 => 8,
            Primitive::U128 | Primitive::I128 => 16,
        }
    }

    /// Alignment in bytes on the target this program was built for.
    pub const fn align(self) -> usize {
        match self {
            Primitive::U8 | Primitive::I8 | Primitive::Bool => 1,
            Primitive::U16 | Primitive::I16 => align_of::<u16>(),
            Primitive::U32 | Primitive::I32 | Primitive::Char => align_of::<u32>(),
            Primitive::F32 => align_of::<f32>(),
            Primitive::U64 | Primitive::I64 => align_of::<u64>(),
            Primitive::F64 => align_of::<f64>(),
            Primitive::U128 | Primitive::I128 => align_of::<u128>(),
        }
    }

    /// Whether this is an integer, and so may store a fieldless enum.
    pub const fn is_integer(self) -> bool {
        !matches!(
            self,
            Primitive::F32 | Primitive::F64 | Primitive::Bool | Primitive::Char
        )
    }

    /// Whether this is an integer with a sign.
    pub const fn is_signed(self) -> bool {
        matches!(
            self,
            Primitive::I8 | Primitive::I16 | Primitive::I32 | Primitive::I64 | Primitive::I128
        )
    }

    /// Whether every bit pattern is a value: true for all but `bool` and `char`.
    pub const fn any_bits(self) -> bool {
        !matches!(self, Primitive::Bool | Primitive::Char)
    }

    /// The name Rust gives it.
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; Primitive::ALL.len()] = [
            "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64",
            "bool", "char",
        ];
        NAMES[self as usize]
    }

    /// Whether an enum stored as this integer can hold `value`. A `u128` above `i128::MAX` travels
    /// as its two's complement.
    pub(super) const fn holds(self, value: i128) -> bool {
        if !self.is_integer() {
            return false;
        }
        let bits = 8 * self.size() as u32;
        if bits == 128 {
            true
        } else if self.is_signed() {
            value >= -(1 << (bits - 1)) && value < 1 << (bits - 1)
        } else {
            value >= 0 && value < 1 << bits
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
