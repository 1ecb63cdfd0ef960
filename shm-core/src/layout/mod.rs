//! What a `T` in shared memory is: its schema, its fingerprint, which of its bytes carry values, and
//! which other versions of it may share a segment.
//!
//! This module knows no segment: it describes types and judges bytes. It calls nothing above it, but
//! for two methods of [`Schema`] that `foreign` adds, which write the headers and modules that
//! [`SharedLayout`] offers.
//!
#![doc = include_str!("own_types.md")]

/// Of errors, too, since those that `unwrap` or `main` meets are printed by it.
macro_rules! debug_as_text {
    ($($name:ident)+) => {$(
        impl fmt::Debug for $name {
            /// The text, as it is.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}

mod canonical;
mod declare;
mod decode;
mod enums;
mod extends;
mod facts;
mod fixed_str;
mod fixed_vec;
mod kept;
mod message;
mod mismatch;
mod octets;
mod opaque;
mod parse_error;
mod primitive;
mod runs;
mod schema;
#[cfg(feature = "serde")]
pub(crate) mod serde;
mod shared_layout;
mod time;
mod validity;
mod value;
mod walk;

pub use canonical::Fingerprint;
pub(crate) use canonical::{BYTE_ORDER, MAX_ENCODED};
pub use decode::SchemaError;
pub(crate) use enums::Enums;
pub use extends::Obstacle;
#[doc(hidden)]
pub use extends::assert_extends;
pub(crate) use facts::other_of;
pub use fixed_str::{FitError, FixedStr, TextError};
pub use fixed_vec::{CapacityError, FixedVec};
pub(crate) use kept::{keep, settle};
pub use mismatch::Mismatch;
pub use octets::{Id128, Ipv4, Ipv6};
pub use opaque::Opaque;
#[doc(hidden)]
pub use opaque::{Aligned, Alignment};
pub use parse_error::ParseTypeError;
pub use primitive::Primitive;
pub use runs::{Run, Runs};
pub(crate) use runs::{for_each_leaf, for_each_window, is_dense};
pub use schema::{FieldSchema, Schema, TypeKind, Variant};
pub(crate) use shared_layout::ForEachMissing;
pub use shared_layout::SharedLayout;
#[doc(hidden)]
pub use shared_layout::{Part, assert_shared};
pub use time::{Nanoseconds, Timestamp};
pub use validity::{InvalidValue, first_invalid, first_invalid_at, make_valid};
pub(crate) use validity::{Step, descend, first_other, path_of};
pub use value::{DecodeError, Value};
pub(crate) use value::{Sink, Unfit, encode, locate};

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests;
