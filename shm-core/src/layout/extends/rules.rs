//! What makes a schema a successor of another one.
//!
//! Both lists of fields are in ascending order of offsets, and those of the older one are the first
//! ones of the newer one: so one walk side by side is enough, and takes time in proportion to the
//! schemas, however hostile they are. Only for the fault that it ends with is a list searched.

use crate::layout::message::Message;
use crate::layout::message::Piece::{self, Number, Text, Type};
use crate::layout::{FieldSchema, Schema, TypeKind, Variant};

/// A comparison of two structs.
pub(super) struct Check {
    /// The version of the older one, as a piece of each message.
    version: Piece<'static>,
    new_version: Piece<'static>,
    /// To the field that is compared now, as one would write it in Rust: a fault leaves it at what is at fault.
    pub(super) path: Message,
    /// What stands in the way, and what to do about it.
    pub(super) fault: Message,
}

impl Check {
    pub(super) const fn new(newer: &Schema, older: &Schema) -> Check {
        Check {
            version: Number(version(older) as i128),
            new_version: Number(version(newer) as i128),
            path: Message::new(),
            fault: Message::new(),
        }
    }

    /// Says what is wrong with what the path leads to.
    const fn refuse(&mut self, template: &str, pieces: &[Piece<'_>]) -> bool {
        if self.path.len() > 0 {
            self.fault.write("field `{}` ", &[Text(self.path.as_str())]);
        }
        self.fault.write(template, pieces);
        false
    }

    /// Lets the path lead to a field, or to the elements, of what it leads to.
    const fn enter(&mut self, step: &str) {
        let is_field = step.as_bytes()[0] != b'[';
        self.path.text(if is_field && self.path.len() > 0 {
            "."
        } else {
            ""
        });
        self.path.text(step);
    }

    /// Whether `newer` is a successor of `older`.
    pub(super) const fn whole(&mut self, newer: &Schema, older: &Schema) -> bool {
        let (Some(newer_version), Some(older_version)) = (newer.version(), older.version()) else {
            return self.refuse("only structs have versions that can follow each other", &[]);
        };
        if newer_version <= older_version {
            return self.refuse(
                "its version {} is not above version {} of the older one: write \
                 `#[shared(version = {})]` above it",
                &[
                    self.new_version,
                    self.version,
                    Number(older_version as i128 + 1),
                ],
            );
        }
        if !self.fields(newer, older) || !self.history(newer, older, older_version) {
            return false;
        }
        if newer.size < older.size {
            return self.refuse(
                "it has {} bytes, and version {} has {}: a struct only grows, so keep its \
                 `repr`",
                &[
                    Number(newer.size as i128),
                    self.version,
                    Number(older.size as i128),
                ],
            );
        }
        true
    }

    /// Whether each field says rightly whether the older version has it.
    const fn history(&mut self, newer: &Schema, older: &Schema, older_version: u32) -> bool {
        let fields = newer.fields();
        let mut i = 0;
        while i < fields.len() {
            let (is_old, since) = (i < older.fields().len(), fields[i].since);
            if is_old != (since <= older_version) {
                self.enter(fields[i].name());
                let says = Number(since as i128);
                return match (is_old, since) {
                    (true, _) => self.refuse(
                        "says `since = {}`, but version {} has it already: write the version that \
                         brought it",
                        &[says, self.version],
                    ),
                    (false, 1) => self.refuse(
                        "is not in version {}: write `#[shared(since = {})]` above it",
                        &[self.version, self.new_version],
                    ),
                    (false, _) => self.refuse(
                        "says `since = {}`, but version {} lacks it: write `since = {}`",
                        &[says, self.version, self.new_version],
                    ),
                };
            }
            i += 1;
        }
        true
    }

    /// Whether the fields of `older` are the first ones of `newer`.
    pub(super) const fn fields(&mut self, newer: &Schema, older: &Schema) -> bool {
        let (newer, older) = (newer.fields(), older.fields());
        let mut i = 0;
        while i < older.len() {
            if i == newer.len()
                || newer[i].offset != older[i].offset
                || !is_named(&newer[i], &older[i])
            {
                return self.displaced(newer, older, i);
            }
            let outer = self.path.len();
            self.enter(newer[i].name());
            if !self.types(newer[i].schema(), older[i].schema()) {
                return false;
            }
            self.path.truncate(outer);
            i += 1;
        }
        true
    }

    /// Why `older[i]` is not `newer[i]`.
    const fn displaced(&mut self, newer: &[FieldSchema], older: &[FieldSchema], i: usize) -> bool {
        let field = &older[i];
        let Some(now) = successor_of(field, newer) else {
            self.enter(field.name());
            if i < newer.len() && newer[i].offset == field.offset {
                return self.refuse(
                    "of version {} is missing: if `{}` in its place is its new name, write \
                     `#[shared(was = \"{}\")]` there, and else keep it",
                    &[self.version, Text(newer[i].name()), Text(field.name())],
                );
            }
            return self.refuse(
                "of version {} is missing: a field stays, even if nothing uses it any \
                 more",
                &[self.version],
            );
        };
        if i < newer.len() && !is_known(&newer[i], older) {
            // What moved, moved because of this.
            self.enter(newer[i].name());
            return self.refuse(
                "is new and stands before `{}`: new fields go behind all others",
                &[Text(now.name())],
            );
        }
        self.enter(now.name());
        self.refuse(
            "lies at offset {}, and in version {} at offset {}: a field keeps its \
             place, and new ones go behind all others",
            &[
                Number(now.offset as i128),
                self.version,
                Number(field.offset as i128),
            ],
        )
    }

    /// Whether bytes of the older type are one of the newer type.
    const fn types(&mut self, newer: &Schema, older: &Schema) -> bool {
        if let (Some(newer), Some(older)) = (newer.elements(), older.elements()) {
            if newer.lie_as(&older) {
                self.enter("[0]");
                return self.types(newer.schema, older.schema);
            }
        }
        let same = match (newer.kind(), older.kind()) {
            (TypeKind::Primitive(newer), TypeKind::Primitive(older)) => newer.tag() == older.tag(),
            (TypeKind::Str { size: newer }, TypeKind::Str { size: older })
            | (TypeKind::Opaque { size: newer }, TypeKind::Opaque { size: older }) => {
                newer == older
            }
            (TypeKind::Struct { .. }, TypeKind::Struct { .. }) => return self.nested(newer, older),
            (
                TypeKind::Enum {
                    repr,
                    variants: newer,
                    ..
                },
                TypeKind::Enum {
                    repr: older_repr,
                    variants: older,
                    ..
                },
            ) => {
                if repr.tag() == older_repr.tag() {
                    return self.variants(newer, older);
                }
                return self.refuse(
                    "is stored as `{}`, and in version {} as `{}`: an enum keeps its integer",
                    &[Text(repr.name()), self.version, Text(older_repr.name())],
                );
            }
            _ => false,
        };
        if same {
            return true;
        }
        self.refuse(
            "is `{}`, and in version {} it is `{}`: a field keeps its type, so leave \
             it and add another one behind all others",
            &[Type(newer), self.version, Type(older)],
        )
    }

    /// A struct inside another one: what follows it would have to move if it grew.
    const fn nested(&mut self, newer: &Schema, older: &Schema) -> bool {
        if !self.fields(newer, older) {
            return false;
        }
        if newer.fields().len() > older.fields().len() {
            self.enter(newer.fields()[older.fields().len()].name());
            return self.refuse(
                "is new, and `{}` lies inside another struct, where it cannot grow: leave \
                 it as it is, and add a field of a new type behind all others of the \
                 outermost struct",
                &[Type(newer)],
            );
        }
        if newer.size != older.size {
            return self.refuse(
                "has {} bytes, and in version {} it has {}: a struct inside another one \
                 keeps its size",
                &[
                    Number(newer.size as i128),
                    self.version,
                    Number(older.size as i128),
                ],
            );
        }
        let (newer, older) = (version(newer), version(older));
        if newer < older {
            return self.refuse(
                "is of version {}, and in version {} of the whole it is of version {}: \
                 versions only rise",
                &[Number(newer as i128), self.version, Number(older as i128)],
            );
        }
        true
    }

    /// Whether the older variants are all there, between others that came later.
    const fn variants(&mut self, newer: &[Variant], older: &[Variant]) -> bool {
        let mut at = 0;
        let mut i = 0;
        while i < older.len() {
            let variant = &older[i];
            while at < newer.len() && !same(newer[at].name(), variant.name()) {
                at += 1;
            }
            if at == newer.len() || newer[at].value != variant.value {
                return self.lost(newer, variant);
            }
            at += 1;
            i += 1;
        }
        true
    }

    /// Why `variant` does not come where it should.
    const fn lost(&mut self, newer: &[Variant], variant: &Variant) -> bool {
        let (name, value) = (Text(variant.name()), Number(variant.value));
        let mut i = 0;
        while i < newer.len() && !same(newer[i].name(), variant.name()) {
            i += 1;
        }
        if i == newer.len() {
            return self.refuse(
                "lacks the variant `{} = {}` of version {}: a variant stays, even if \
                 nothing uses it any more",
                &[name, value, self.version],
            );
        }
        if newer[i].value != variant.value {
            return self.refuse(
                "has the variant `{} = {}`, which in version {} is {}: a variant keeps \
                 its value",
                &[name, Number(newer[i].value), self.version, value],
            );
        }
        self.refuse(
            "has the variant `{}` in another order than version {}: variants keep \
             their order, and new ones may stand between them",
            &[name, self.version],
        )
    }
}

const fn version(schema: &Schema) -> u32 {
    match schema.version() {
        Some(version) => version,
        None => 0,
    }
}

/// Whether `newer` is what `older` is called now.
const fn is_named(newer: &FieldSchema, older: &FieldSchema) -> bool {
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

const fn successor_of<'a>(
    older: &FieldSchema,
    newer: &'a [FieldSchema],
) -> Option<&'a FieldSchema> {
    let mut i = 0;
    while i < newer.len() {
        if is_named(&newer[i], older) {
            return Some(&newer[i]);
        }
        i += 1;
    }
    None
}

const fn is_known(newer: &FieldSchema, older: &[FieldSchema]) -> bool {
    let mut i = 0;
    while i < older.len() {
        if is_named(newer, &older[i]) {
            return true;
        }
        i += 1;
    }
    false
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
