//! Which schema may follow which: fields are only ever added, behind all others.
//!
//! One `const fn` decides, for `assert_extends!` at compile time and for an attach at run time. It
//! walks both lists of fields side by side, which works since both are in ascending order of
//! offsets: so it takes time in proportion to the schemas, however hostile they are. Only for the
//! one obstacle that it ends with may it search a list.

use std::fmt;

use super::message::{Message, Piece};
use super::{Field, Kind, Schema, SharedLayout, Variant};

mod words;

use words::{Fault, Path};

impl Schema {
    /// Whether this layout is an append-only successor of `older`: a program that knows only
    /// `older` can go on using a segment of this one, and a segment of `older` can be extended to
    /// this one in place.
    ///
    /// That holds if both are structs, this one of a higher version, and
    ///
    /// - each field of `older` is here at the same offset, with the same type, and under the same
    ///   name or one that lists the old one as a former name;
    /// - each field that `older` lacks says so by its [`since`](Field::since);
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
        let mut path = Path::new();
        let Err(fault) = check(self, older, &mut path) else {
            return Ok(());
        };
        let mut field = Message::new();
        path.write(&mut field);
        let mut text = Message::new();
        fault.describe(&path, self, older, &mut text);
        Err(Obstacle {
            field: field.as_str().to_owned(),
            text: text.as_str().to_owned(),
        })
    }
}

/// Why one layout is no append-only successor of another.
///
/// `Display` names the field and says what is wrong and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    let mut path = Path::new();
    if let Err(fault) = check(Newer::SCHEMA, Older::SCHEMA, &mut path) {
        let mut message = Message::new();
        message.write(&[
            Piece::Type(Newer::SCHEMA),
            Piece::Text(" is no safe successor of "),
            Piece::Type(Older::SCHEMA),
            Piece::Text(": "),
        ]);
        fault.describe(&path, Newer::SCHEMA, Older::SCHEMA, &mut message);
        panic!("{}", message.as_str());
    }
}

/// `Err` leaves the path at the field that is at fault.
const fn check<'a>(
    newer: &'a Schema,
    older: &'a Schema,
    path: &mut Path<'a>,
) -> Result<(), Fault<'a>> {
    let (Some(newer_version), Some(older_version)) = (newer.version(), older.version()) else {
        return Err(Fault::NotStructs);
    };
    if newer_version <= older_version {
        return Err(Fault::Version);
    }
    if let Err(fault) = check_fields(newer, older, path) {
        return Err(fault);
    }
    let fields = newer.fields();
    let mut i = 0;
    while i < fields.len() {
        let is_old = i < older.fields().len();
        if is_old != (fields[i].since <= older_version) {
            path.push(fields[i].name());
            let since = fields[i].since;
            return Err(if is_old {
                Fault::SinceTooHigh { since }
            } else {
                Fault::SinceTooLow { since }
            });
        }
        i += 1;
    }
    if newer.size < older.size {
        return Err(Fault::Smaller);
    }
    Ok(())
}

/// Whether the fields of `older` are the first ones of `newer`.
const fn check_fields<'a>(
    newer: &'a Schema,
    older: &'a Schema,
    path: &mut Path<'a>,
) -> Result<(), Fault<'a>> {
    let (newer, older) = (newer.fields(), older.fields());
    let mut i = 0;
    while i < older.len() {
        if i == newer.len() || newer[i].offset != older[i].offset || !is_named(&newer[i], &older[i])
        {
            return Err(displaced(newer, older, i, path));
        }
        path.push(newer[i].name());
        if let Err(fault) = check_type(newer[i].schema(), older[i].schema(), path) {
            return Err(fault);
        }
        path.pop();
        i += 1;
    }
    Ok(())
}

/// Whether `newer` is what `older` is called now.
const fn is_named(newer: &Field, older: &Field) -> bool {
    if same(newer.name(), older.name()) {
        return true;
    }
    let mut i = 0;
    while i < newer.former_names.len() {
        if same(newer.former_names.at(i), older.name()) {
            return true;
        }
        i += 1;
    }
    false
}

/// Why `older[i]` is not `newer[i]`.
const fn displaced<'a>(
    newer: &'a [Field],
    older: &'a [Field],
    i: usize,
    path: &mut Path<'a>,
) -> Fault<'a> {
    let field = &older[i];
    let mut at = 0;
    while at < newer.len() && !is_named(&newer[at], field) {
        at += 1;
    }
    if at < newer.len() && newer[at].offset != field.offset {
        path.push(newer[at].name());
        return Fault::Moved {
            newer: newer[at].offset,
            older: field.offset,
        };
    }
    if at < newer.len() {
        path.push(newer[i].name());
        return Fault::Inserted {
            before: newer[at].name(),
        };
    }
    path.push(field.name());
    if i < newer.len() && newer[i].offset == field.offset {
        return Fault::Replaced {
            by: newer[i].name(),
        };
    }
    Fault::Removed
}

/// Whether bytes of the older type are one of the newer type.
const fn check_type<'a>(
    newer: &'a Schema,
    older: &'a Schema,
    path: &mut Path<'a>,
) -> Result<(), Fault<'a>> {
    let same = match (newer.kind(), older.kind()) {
        (Kind::Primitive(newer), Kind::Primitive(older)) => newer.tag() == older.tag(),
        (Kind::Str { size: newer }, Kind::Str { size: older }) => newer == older,
        (
            Kind::Array {
                element: newer,
                len: newer_len,
            },
            Kind::Array {
                element: older,
                len: older_len,
            },
        ) if newer_len == older_len => {
            path.push(Path::ELEMENT);
            if let Err(fault) = check_type(newer, older, path) {
                return Err(fault);
            }
            path.pop();
            true
        }
        (Kind::Struct { .. }, Kind::Struct { .. }) => return check_nested(newer, older, path),
        (
            Kind::Enum {
                repr: newer_repr,
                variants: newer_variants,
                ..
            },
            Kind::Enum {
                repr: older_repr,
                variants: older_variants,
                ..
            },
        ) => {
            if newer_repr.tag() != older_repr.tag() {
                return Err(Fault::EnumRepr {
                    newer: newer_repr,
                    older: older_repr,
                });
            }
            return check_variants(newer_variants, older_variants);
        }
        _ => false,
    };
    if same {
        Ok(())
    } else {
        Err(Fault::Retyped { newer, older })
    }
}

/// A struct inside another one: what follows it would have to move if it grew.
const fn check_nested<'a>(
    newer: &'a Schema,
    older: &'a Schema,
    path: &mut Path<'a>,
) -> Result<(), Fault<'a>> {
    if let Err(fault) = check_fields(newer, older, path) {
        return Err(fault);
    }
    if newer.fields().len() > older.fields().len() {
        path.push(newer.fields()[older.fields().len()].name());
        return Err(Fault::NestedField { of: newer });
    }
    if newer.size != older.size {
        return Err(Fault::NestedSize {
            newer: newer.size,
            older: older.size,
        });
    }
    match (newer.version(), older.version()) {
        (Some(newer), Some(older)) if newer < older => Err(Fault::NestedVersion { newer, older }),
        _ => Ok(()),
    }
}

/// Whether the older variants are all there, between others that came later.
const fn check_variants<'a>(newer: &'a [Variant], older: &'a [Variant]) -> Result<(), Fault<'a>> {
    let mut at = 0;
    let mut i = 0;
    while i < older.len() {
        let variant = &older[i];
        while at < newer.len() && !same(newer[at].name(), variant.name()) {
            at += 1;
        }
        if at == newer.len() {
            return Err(lost_variant(newer, variant));
        }
        if newer[at].value != variant.value {
            return Err(Fault::VariantRenumbered {
                name: variant.name(),
                newer: newer[at].value,
                older: variant.value,
            });
        }
        at += 1;
        i += 1;
    }
    Ok(())
}

/// Why `variant` does not come where it should.
const fn lost_variant<'a>(newer: &'a [Variant], variant: &'a Variant) -> Fault<'a> {
    let (name, older) = (variant.name(), variant.value);
    let mut i = 0;
    while i < newer.len() {
        if same(newer[i].name(), name) {
            return if newer[i].value == older {
                Fault::VariantsReordered { name }
            } else {
                Fault::VariantRenumbered {
                    name,
                    newer: newer[i].value,
                    older,
                }
            };
        }
        i += 1;
    }
    Fault::VariantRemoved { name, value: older }
}

/// `==` of texts is no `const fn`.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
