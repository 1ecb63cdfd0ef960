//! What stands in the way of a successor, and how to say it.

use crate::layout::message::Message;
use crate::layout::message::Piece::{Number, Text, Type};
use crate::layout::{Primitive, Schema};

/// What is wrong with the field that a path leads to, or with the struct as a whole.
///
/// `newer` and `older` are what the two schemas say.
pub(super) enum Fault<'a> {
    NotStructs,
    Version,
    Smaller,
    Moved {
        newer: u64,
        older: u64,
    },
    Retyped {
        newer: &'a Schema,
        older: &'a Schema,
    },
    Removed,
    Replaced {
        by: &'a str,
    },
    Inserted {
        before: &'a str,
    },
    SinceTooLow {
        since: u32,
    },
    SinceTooHigh {
        since: u32,
    },
    NestedField {
        of: &'a Schema,
    },
    NestedSize {
        newer: u64,
        older: u64,
    },
    NestedVersion {
        newer: u32,
        older: u32,
    },
    EnumRepr {
        newer: Primitive,
        older: Primitive,
    },
    VariantRemoved {
        name: &'a str,
        value: i128,
    },
    VariantRenumbered {
        name: &'a str,
        newer: i128,
        older: i128,
    },
    VariantsReordered {
        name: &'a str,
    },
}

/// Names of fields from the outside to the inside; [`Path::ELEMENT`] for those of an array.
pub(super) struct Path<'a> {
    steps: [&'a str; Schema::MAX_DEPTH],
    len: usize,
}

impl<'a> Path<'a> {
    /// No field's name.
    pub(super) const ELEMENT: &'static str = "[0]";

    pub(super) const fn new() -> Self {
        Path {
            steps: [""; Schema::MAX_DEPTH],
            len: 0,
        }
    }

    /// A path as deep as only a schema that was never checked can have stays as it is.
    pub(super) const fn push(&mut self, step: &'a str) {
        if self.len < self.steps.len() {
            self.steps[self.len] = step;
            self.len += 1;
        }
    }

    pub(super) const fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    pub(super) const fn write(&self, message: &mut Message) {
        let mut i = 0;
        while i < self.len {
            let step = self.steps[i];
            let is_field = step.as_bytes()[0] != b'[';
            message.write(&[Text(if i > 0 && is_field { "." } else { "" }), Text(step)]);
            i += 1;
        }
    }

    const fn last(&self) -> &'a str {
        if self.len == 0 {
            ""
        } else {
            self.steps[self.len - 1]
        }
    }
}

impl Fault<'_> {
    /// Says what is wrong with the field at `path`, where `newer` should follow `older`, and what
    /// to do about it.
    pub(super) const fn describe(
        &self,
        path: &Path<'_>,
        newer: &Schema,
        older: &Schema,
        message: &mut Message,
    ) {
        let (Some(new_version), Some(old_version)) = (newer.version(), older.version()) else {
            return message.write(&[Text(
                "only structs have versions that can follow each other",
            )]);
        };
        let (new_version, old_version) = (new_version as i128, old_version as i128);
        if path.len > 0 {
            message.write(&[Text("field `")]);
            path.write(message);
            message.write(&[Text("` ")]);
        }
        match *self {
            Fault::NotStructs => {}
            Fault::Version => message.write(&[
                Text("its version "),
                Number(new_version),
                Text(" is not above version "),
                Number(old_version),
                Text(" of the older one: write `#[shared(version = "),
                Number(old_version + 1),
                Text(")]` above it"),
            ]),
            Fault::Smaller => message.write(&[
                Text("it has "),
                Number(newer.size as i128),
                Text(" bytes, and version "),
                Number(old_version),
                Text(" has "),
                Number(older.size as i128),
                Text(": a struct only grows, so keep its `repr`"),
            ]),
            Fault::Moved { newer, older } => message.write(&[
                Text("lies at offset "),
                Number(newer as i128),
                Text(", and in version "),
                Number(old_version),
                Text(" at offset "),
                Number(older as i128),
                Text(": a field keeps its place, and new ones go behind all others"),
            ]),
            Fault::Retyped { newer, older } => message.write(&[
                Text("is `"),
                Type(newer),
                Text("`, and in version "),
                Number(old_version),
                Text(" it is `"),
                Type(older),
                Text(
                    "`: a field keeps its type, so leave it and add another one behind all others",
                ),
            ]),
            Fault::Removed => message.write(&[
                Text("of version "),
                Number(old_version),
                Text(" is missing: a field stays, even if nothing uses it any more"),
            ]),
            Fault::Replaced { by } => message.write(&[
                Text("of version "),
                Number(old_version),
                Text(" is missing: if `"),
                Text(by),
                Text("` in its place is its new name, write `#[shared(was = \""),
                Text(path.last()),
                Text("\")]` there, and else keep it"),
            ]),
            Fault::Inserted { before } => message.write(&[
                Text("is new and stands before `"),
                Text(before),
                Text("`: new fields go behind all others"),
            ]),
            Fault::SinceTooLow { since: 1 } => message.write(&[
                Text("is not in version "),
                Number(old_version),
                Text(": write `#[shared(since = "),
                Number(new_version),
                Text(")]` above it"),
            ]),
            Fault::SinceTooLow { since } => message.write(&[
                Text("says `since = "),
                Number(since as i128),
                Text("`, but version "),
                Number(old_version),
                Text(" lacks it: write `since = "),
                Number(new_version),
                Text("`"),
            ]),
            Fault::SinceTooHigh { since } => message.write(&[
                Text("says `since = "),
                Number(since as i128),
                Text("`, but version "),
                Number(old_version),
                Text(" has it already: write the version that brought it"),
            ]),
            Fault::NestedField { of } => message.write(&[
                Text("is new, and `"),
                Type(of),
                Text(
                    "` lies inside another struct, where it cannot grow: leave it as it is, \
                      and add a field of a new type behind all others of the outermost struct",
                ),
            ]),
            Fault::NestedSize { newer, older } => message.write(&[
                Text("has "),
                Number(newer as i128),
                Text(" bytes, and in version "),
                Number(old_version),
                Text(" it has "),
                Number(older as i128),
                Text(": a struct inside another one keeps its size"),
            ]),
            Fault::NestedVersion { newer, older } => message.write(&[
                Text("is of version "),
                Number(newer as i128),
                Text(", and in version "),
                Number(old_version),
                Text(" of the whole it is of version "),
                Number(older as i128),
                Text(": versions only rise"),
            ]),
            Fault::EnumRepr { newer, older } => message.write(&[
                Text("is stored as `"),
                Text(newer.name()),
                Text("`, and in version "),
                Number(old_version),
                Text(" as `"),
                Text(older.name()),
                Text("`: an enum keeps its integer"),
            ]),
            Fault::VariantRemoved { name, value } => message.write(&[
                Text("lacks the variant `"),
                Text(name),
                Text(" = "),
                Number(value),
                Text("` of version "),
                Number(old_version),
                Text(": a variant stays, even if nothing uses it any more"),
            ]),
            Fault::VariantRenumbered { name, newer, older } => message.write(&[
                Text("has the variant `"),
                Text(name),
                Text(" = "),
                Number(newer),
                Text("`, which in version "),
                Number(old_version),
                Text(" is "),
                Number(older),
                Text(": a variant keeps its value"),
            ]),
            Fault::VariantsReordered { name } => message.write(&[
                Text("has the variant `"),
                Text(name),
                Text("` in another order than version "),
                Number(old_version),
                Text(": variants keep their order, and new ones may stand between them"),
            ]),
        }
    }
}
