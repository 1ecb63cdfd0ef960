//! The types without parts, and what each of them is called, weighs and accepts.

use std::fmt;
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128,
};

/// Hands the list of all primitives to a macro: what each is called here and in Rust, in the order of its tag in the stored
/// form.
macro_rules! each_primitive {
    ($of:ident) => {
        $of! {
            U8 u8 U16 u16 U32 u32 U64 u64 U128 u128
            I8 i8 I16 i16 I32 i32 I64 i64 I128 i128
            F32 f32 F64 f64 Bool bool Char char
            NonZeroU8 NonZeroU8 NonZeroU16 NonZeroU16 NonZeroU32 NonZeroU32
            NonZeroU64 NonZeroU64 NonZeroU128 NonZeroU128
            NonZeroI8 NonZeroI8 NonZeroI16 NonZeroI16 NonZeroI32 NonZeroI32
            NonZeroI64 NonZeroI64 NonZeroI128 NonZeroI128
        }
    };
}

pub(super) use each_primitive;

macro_rules! declare {
    ($($name:ident $type:ident)*) => {
        /// A type without parts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Primitive {
            $($name,)*
        }

        impl Primitive {
            /// Every primitive: `ALL[i]` has the tag `i + 1`. The last ones are the integers of the first tags,
            /// without zero.
            pub(super) const ALL: [Primitive; 24] = [$(Primitive::$name),*];

            const NAMES: [&'static str; Primitive::ALL.len()] = [$(stringify!($type)),*];

            const SIZES: [usize; Primitive::ALL.len()] = [$(size_of::<$type>()),*];

            const ALIGNS: [usize; Primitive::ALL.len()] = [$(align_of::<$type>()),*];
        }
    };
}

each_primitive!(declare);

impl Primitive {
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

    /// What it is stored as: the integer for an integer without zero, else itself.
    pub const fn stored_as(self) -> Primitive {
        if self.is_non_zero() {
            Primitive::ALL[self as usize - Primitive::NonZeroU8 as usize]
        } else {
            self
        }
    }

    /// Size in bytes, the same on every target.
    pub const fn size(self) -> usize {
        Primitive::SIZES[self as usize]
    }

    /// Alignment in bytes on the target this program was built for.
    pub const fn align(self) -> usize {
        Primitive::ALIGNS[self as usize]
    }

    /// Whether this is an integer, and so may store a fieldless enum.
    pub const fn is_integer(self) -> bool {
        (self as usize) < Primitive::F32 as usize
    }

    /// Whether this is an integer that is never zero.
    pub const fn is_non_zero(self) -> bool {
        self as usize >= Primitive::NonZeroU8 as usize
    }

    /// Whether this is an integer with a sign.
    pub const fn is_signed(self) -> bool {
        matches!(
            self.stored_as(),
            Primitive::I8 | Primitive::I16 | Primitive::I32 | Primitive::I64 | Primitive::I128
        )
    }

    /// Whether every bit pattern is a value: not so for `bool`, `char` and integers without zero.
    pub const fn any_bits(self) -> bool {
        (self as usize) < Primitive::Bool as usize
    }

    /// The name Rust gives it.
    pub const fn name(self) -> &'static str {
        Primitive::NAMES[self as usize]
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
