//! What stands in the way of a successor, and how to say it.

use crate::layout::message::Message;
use crate::layout::message::Piece::{Number, Text, Type};
use crate::layout::{Primitive, Schema, Variant};

/// What is wrong with the field that a path leads to, or with the struct as a whole.
pub(super) enum Fault<'a> {
    NotStructs,
    Version,
    Smaller,
    Moved(Pair<u64>),
    Retyped(Pair<&'a Schema>),
    Removed,
    ReplacedBy(&'a str),
    InsertedBefore(&'a str),
    SinceTooLow(u32),
    SinceTooHigh(u32),
    NestedFieldOf(&'a Schema),
    NestedSize(Pair<u64>),
    NestedVersion(Pair<u32>),
    EnumRepr(Pair<Primitive>),
    VariantRemoved(&'a Variant),
    VariantRenumbered(Pair<&'a Variant>),
    VariantsReordered(&'a str),
}

/// What the two schemas say.
#[derive(Clone, Copy)]
pub(super) struct Pair<T> {
    pub(super) newer: T,
    pub(super) older: T,
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
            message.text(if i > 0 && is_field { "." } else { "" });
            message.text(step);
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
            return message.write("only structs have versions that can follow each other", &[]);
        };
        let (new_version, version) = (new_version as i128, Number(old_version as i128));
        if path.len > 0 {
            message.write("field `", &[]);
            path.write(message);
            message.write("` ", &[]);
        }
        match *self {
            Fault::NotStructs => {}
            Fault::Version => message.write(
                "its version {} is not above version {} of the older one: write \
                 `#[shared(version = {})]` above it",
                &[
                    Number(new_version),
                    version,
                    Number(old_version as i128 + 1),
                ],
            ),
            Fault::Smaller => message.write(
                "it has {} bytes, and version {} has {}: a struct only grows, so keep its \
                 `repr`",
                &[
                    Number(newer.size as i128),
                    version,
                    Number(older.size as i128),
                ],
            ),
            Fault::Moved(Pair { newer, older }) => message.write(
                "lies at offset {}, and in version {} at offset {}: a field keeps its \
                 place, and new ones go behind all others",
                &[Number(newer as i128), version, Number(older as i128)],
            ),
            Fault::Retyped(Pair { newer, older }) => message.write(
                "is `{}`, and in version {} it is `{}`: a field keeps its type, so leave \
                 it and add another one behind all others",
                &[Type(newer), version, Type(older)],
            ),
            Fault::Removed => message.write(
                "of version {} is missing: a field stays, even if nothing uses it any \
                 more",
                &[version],
            ),
            Fault::ReplacedBy(by) => message.write(
                "of version {} is missing: if `{}` in its place is its new name, write \
                 `#[shared(was = \"{}\")]` there, and else keep it",
                &[version, Text(by), Text(path.last())],
            ),
            Fault::InsertedBefore(before) => message.write(
                "is new and stands before `{}`: new fields go behind all others",
                &[Text(before)],
            ),
            Fault::SinceTooLow(1) => message.write(
                "is not in version {}: write `#[shared(since = {})]` above it",
                &[version, Number(new_version)],
            ),
            Fault::SinceTooLow(since) => message.write(
                "says `since = {}`, but version {} lacks it: write `since = {}`",
                &[Number(since as i128), version, Number(new_version)],
            ),
            Fault::SinceTooHigh(since) => message.write(
                "says `since = {}`, but version {} has it already: write the version that \
                 brought it",
                &[Number(since as i128), version],
            ),
            Fault::NestedFieldOf(of) => message.write(
                "is new, and `{}` lies inside another struct, where it cannot grow: leave \
                 it as it is, and add a field of a new type behind all others of the \
                 outermost struct",
                &[Type(of)],
            ),
            Fault::NestedSize(Pair { newer, older }) => message.write(
                "has {} bytes, and in version {} it has {}: a struct inside another one \
                 keeps its size",
                &[Number(newer as i128), version, Number(older as i128)],
            ),
            Fault::NestedVersion(Pair { newer, older }) => message.write(
                "is of version {}, and in version {} of the whole it is of version {}: \
                 versions only rise",
                &[Number(newer as i128), version, Number(older as i128)],
            ),
            Fault::EnumRepr(Pair { newer, older }) => message.write(
                "is stored as `{}`, and in version {} as `{}`: an enum keeps its integer",
                &[Text(newer.name()), version, Text(older.name())],
            ),
            Fault::VariantRemoved(variant) => message.write(
                "lacks the variant `{} = {}` of version {}: a variant stays, even if \
                 nothing uses it any more",
                &[Text(variant.name()), Number(variant.value), version],
            ),
            Fault::VariantRenumbered(Pair { newer, older }) => message.write(
                "has the variant `{} = {}`, which in version {} is {}: a variant keeps \
                 its value",
                &[
                    Text(newer.name()),
                    Number(newer.value),
                    version,
                    Number(older.value),
                ],
            ),
            Fault::VariantsReordered(name) => message.write(
                "has the variant `{}` in another order than version {}: variants keep \
                 their order, and new ones may stand between them",
                &[Text(name), version],
            ),
        }
    }
}
