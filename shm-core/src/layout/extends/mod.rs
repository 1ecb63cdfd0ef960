//! Which schema may follow which: fields are only ever added, behind all others.
//!
//! One `const fn` decides, for `assert_extends!` at compile time and for an attach at run time.

use std::fmt;

use super::message::{Message, Piece};
use super::{Schema, SharedLayout};

mod rules;

use rules::Check;

impl Schema {
    /// Whether this layout is an append-only successor of `older`: a program that knows only
    /// `older` can go on using a segment of this one, and a segment of `older` can be extended to
    /// this one in place.
    ///
    /// That holds if both are structs, this one of a higher version, and
    ///
    /// - each field of `older` is here at the same offset, with the same type, and under the same
    ///   name or one that lists the old one as a former name;
    /// - each field that `older` lacks says so by its [`since`](super::FieldSchema::since), and no other;
    /// - structs inside are the same down to the last field, but for renamed ones;
    /// - enums inside have all variants of the older ones with the same values, in the same order,
    ///   and possibly more.
    ///
    /// Names of types do not count, and neither does alignment. Takes time in proportion to the two
    /// schemas, and allocates only for an answer of "no".
    ///
    /// # Errors
    ///
    /// The first thing that stands in the way.
    ///
    /// ```
    /// use shm_core::SharedLayout;
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct V1 {
    ///     pid: i32,
    /// }
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// #[shared(version = 2)]
    /// struct V2 {
    ///     pid: i32,
    ///     #[shared(since = 2)]
    ///     uid: u32,
    /// }
    ///
    /// assert_eq!(V2::SCHEMA.extends(V1::SCHEMA), Ok(()));
    /// assert!(V1::SCHEMA.extends(V2::SCHEMA).is_err());
    /// ```
    pub fn extends(&self, older: &Schema) -> Result<(), Obstacle> {
        let mut check = Check::new(self, older);
        if check.whole(self, older) {
            return Ok(());
        }
        Err(Obstacle {
            field: check.path.as_str().to_owned(),
            text: check.fault.as_str().to_owned(),
        })
    }
}

/// Whether `newer` is `older` and possibly more, whatever their versions say.
pub(super) fn only_adds(newer: &Schema, older: &Schema) -> bool {
    Check::new(newer, older).fields(newer, older)
}

debug_as_text! { Obstacle }

/// Why one layout is no append-only successor of another.
///
/// `Display` names the field and says what is wrong and what to write instead.
#[derive(Clone, PartialEq, Eq)]
pub struct Obstacle {
    field: String,
    text: String,
}

impl Obstacle {
    /// The field in question, as one would write it in Rust: `pos.x`. `None` if it is the struct as
    /// a whole.
    pub fn field(&self) -> Option<&str> {
        Some(self.field.as_str()).filter(|field| !field.is_empty())
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Obstacle {}

/// Checks at compile time that a struct is a safe successor of an earlier version of it.
///
/// Keep the earlier version where it is used for nothing else, such as in a test, and no later edit
/// can break the programs that still run with it. What it checks is
/// [`Schema::extends`](crate::layout::Schema::extends).
///
/// ```
/// use shm_core::{FixedStr, SharedLayout, assert_extends};
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// struct StPidV1 {
///     pid: i32,
///     names: FixedStr<51>,
/// }
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// #[shared(version = 2)]
/// struct StPidV2 {
///     pid: i32,
///     #[shared(was = "names")]
///     user: FixedStr<51>,
///     #[shared(since = 2)]
///     flags: u8, // in what version 1 calls padding: the size stays 56
/// }
///
/// assert_extends!(StPidV2, StPidV1);
/// ```
///
/// ```compile_fail
/// # use shm_core::{SharedLayout, assert_extends};
/// # #[derive(SharedLayout, Clone, Copy)]
/// # #[repr(C)]
/// # struct StPidV1 { pid: i32 }
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// #[shared(version = 2)]
/// struct StPidV2 {
///     pid: u32, // was signed
/// }
///
/// assert_extends!(StPidV2, StPidV1);
/// ```
#[macro_export]
macro_rules! assert_extends {
    ($newer:ty, $older:ty $(,)?) => {
        const _: () = $crate::layout::assert_extends::<$newer, $older>();
    };
}

/// For `assert_extends!`.
#[doc(hidden)]
#[track_caller]
pub const fn assert_extends<Newer: SharedLayout, Older: SharedLayout>() {
    let mut check = Check::new(Newer::SCHEMA, Older::SCHEMA);
    if !check.whole(Newer::SCHEMA, Older::SCHEMA) {
        let mut message = Message::new();
        message.write(
            "{} is no safe successor of {}: ",
            &[Piece::Type(Newer::SCHEMA), Piece::Type(Older::SCHEMA)],
        );
        message.text(check.fault.as_str());
        panic!("{}", message.as_str());
    }
}
