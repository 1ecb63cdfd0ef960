//! What makes a schema a successor of another one.
//!
//! Both lists of fields are in ascending order of offsets, and those of the older one are the first
//! ones of the newer one: so one walk side by side is enough, and takes time in proportion to the
//! schemas, however hostile they are. Only for the fault that it ends with is a list searched.

use super::words::{Fault, Pair, Path};
use crate::layout::{FieldSchema, Schema, TypeKind, Variant};

/// `Err` leaves the path at the field that is at fault.
pub(super) const fn check<'a>(
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
                Fault::SinceTooHigh(since)
            } else {
                Fault::SinceTooLow(since)
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
pub(super) const fn check_fields<'a>(
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

/// Why `older[i]` is not `newer[i]`.
const fn displaced<'a>(
    newer: &'a [FieldSchema],
    older: &'a [FieldSchema],
    i: usize,
    path: &mut Path<'a>,
) -> Fault<'a> {
    let field = &older[i];
    let Some(now) = successor_of(field, newer) else {
        path.push(field.name());
        return if i < newer.len() && newer[i].offset == field.offset {
            Fault::ReplacedBy(newer[i].name())
        } else {
            Fault::Removed
        };
    };
    if i < newer.len() && !is_known(&newer[i], older) {
        // What moved, moved because of this.
        path.push(newer[i].name());
        return Fault::InsertedBefore(now.name());
    }
    path.push(now.name());
    Fault::Moved(Pair {
        newer: now.offset,
        older: field.offset,
    })
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

/// Whether bytes of the older type are one of the newer type.
const fn check_type<'a>(
    newer: &'a Schema,
    older: &'a Schema,
    path: &mut Path<'a>,
) -> Result<(), Fault<'a>> {
    if let (Some(newer), Some(older)) = (newer.elements(), older.elements()) {
        if newer.lie_as(&older) {
            path.push(Path::ELEMENT);
            if let Err(fault) = check_type(newer.schema, older.schema, path) {
                return Err(fault);
            }
            path.pop();
            return Ok(());
        }
    }
    let same = match (newer.kind(), older.kind()) {
        (TypeKind::Primitive(newer), TypeKind::Primitive(older)) => newer.tag() == older.tag(),
        (TypeKind::Str { size: newer }, TypeKind::Str { size: older })
        | (TypeKind::Opaque { size: newer }, TypeKind::Opaque { size: older }) => newer == older,
        (TypeKind::Struct { .. }, TypeKind::Struct { .. }) => {
            return check_nested(newer, older, path);
        }
        (
            TypeKind::Enum {
                repr: newer_repr,
                variants: newer_variants,
                ..
            },
            TypeKind::Enum {
                repr: older_repr,
                variants: older_variants,
                ..
            },
        ) => {
            if newer_repr.tag() != older_repr.tag() {
                return Err(Fault::EnumRepr(Pair {
                    newer: newer_repr,
                    older: older_repr,
                }));
            }
            return check_variants(newer_variants, older_variants);
        }
        _ => false,
    };
    if same {
        Ok(())
    } else {
        Err(Fault::Retyped(Pair { newer, older }))
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
        return Err(Fault::NestedFieldOf(newer));
    }
    if newer.size != older.size {
        return Err(Fault::NestedSize(Pair {
            newer: newer.size,
            older: older.size,
        }));
    }
    match (newer.version(), older.version()) {
        (Some(newer), Some(older)) if newer < older => {
            Err(Fault::NestedVersion(Pair { newer, older }))
        }
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
            return Err(Fault::VariantRenumbered(Pair {
                newer: &newer[at],
                older: variant,
            }));
        }
        at += 1;
        i += 1;
    }
    Ok(())
}

/// Why `variant` does not come where it should.
const fn lost_variant<'a>(newer: &'a [Variant], variant: &'a Variant) -> Fault<'a> {
    let mut i = 0;
    while i < newer.len() {
        if same(newer[i].name(), variant.name()) {
            return if newer[i].value == variant.value {
                Fault::VariantsReordered(variant.name())
            } else {
                Fault::VariantRenumbered(Pair {
                    newer: &newer[i],
                    older: variant,
                })
            };
        }
        i += 1;
    }
    Fault::VariantRemoved(variant)
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
