//! What C does with the bytes of a value: whether they are one, and which of them are stored.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Types;
use super::types::{Member, primitive_type};
use crate::layout::{Primitive, Schema, TypeKind, Variant, is_dense};

/// The functions `…_is_valid_` and `…_store_` of a struct, as far as it needs them.
pub(super) fn functions(
    types: &mut Types,
    name: &str,
    schema: &Schema,
    members: &[Member<'_>],
) -> String {
    let mut text = String::new();
    if !schema.any_bits() {
        let checks: Vec<_> = match schema.kind() {
            TypeKind::Vec {
                element,
                capacity,
                offset,
            } => check_vec(types, element, capacity, offset),
            _ => members.iter().filter_map(|m| check(types, m)).collect(),
        };
        define(
            &mut text,
            &format!("int {name}_is_valid_(const unsigned char *bytes)"),
            &checks,
            "1",
        );
    }
    if !is_dense(schema) {
        let head = format!("void {name}_store_(unsigned char *to, const unsigned char *from)");
        let stores = stores(types, members);
        define(&mut text, &head, &stores, "");
    }
    text
}

fn define(text: &mut String, head: &str, statements: &[String], result: &str) {
    let _ = writeln!(text, "static inline {head}\n{{");
    if statements
        .iter()
        .any(|statement| statement.starts_with("for"))
    {
        text.push_str("\tsize_t i;\n\n");
    }
    for statement in statements {
        let _ = writeln!(text, "\t{statement}");
    }
    if !result.is_empty() {
        let _ = writeln!(text, "\treturn {result};");
    }
    text.push_str("}\n");
}

/// What an array of arrays consists of in the end, and of how many.
fn flat<'a>(member: &Member<'a>) -> (&'a Schema, u64) {
    let (mut element, mut count) = (member.schema, member.count.unwrap_or(1));
    while let TypeKind::Array {
        element: inner,
        len,
    } = element.kind()
    {
        element = inner;
        count *= len;
    }
    (element, count)
}

/// The statement that refuses wrong bytes of a member; `None` if all are right.
fn check(types: &mut Types, member: &Member<'_>) -> Option<String> {
    let (element, count) = flat(member);
    if element.any_bits() {
        return None;
    }
    let offset = member.offset;
    let at = if count == 1 {
        format!("bytes + {offset}")
    } else {
        format!("bytes + {offset} + i * {}", element.size())
    };
    let refuse = refuse(types, element, &at);
    Some(if count == 1 {
        refuse
    } else {
        let refuse = refuse.replace('\n', "\n\t");
        format!("for (i = 0; i < {count}; i++)\n\t\t{refuse}")
    })
}

/// The statement that refuses wrong bytes of a type without dimensions.
fn refuse(types: &mut Types, element: &Schema, at: &str) -> String {
    let wrong = match element.kind() {
        TypeKind::Primitive(Primitive::Char) => format!("!shmbox_is_char_({at})"),
        TypeKind::Primitive(_) => format!("*({at}) > 1"),
        _ => format!("!{}_is_valid_({at})", types.name(element)),
    };
    format!("if ({wrong})\n\t\treturn 0;")
}

/// The statements that refuse a wrong length, and wrong items within it.
fn check_vec(types: &mut Types, element: &Schema, capacity: u64, offset: u64) -> Vec<String> {
    let mut checks = vec![format!(
        "if (shmbox_length_(bytes) > UINT32_C({capacity}))\n\t\treturn 0;"
    )];
    let items = Member {
        name: String::new(),
        offset,
        schema: element,
        count: None,
    };
    let (element, count) = flat(&items);
    if !element.any_bits() {
        let at = format!("bytes + {offset} + i * {}", element.size());
        let refuse = refuse(types, element, &at).replace('\n', "\n\t");
        checks.push(format!(
            "for (i = 0; i < SHMBOX_TO_(size_t, shmbox_length_(bytes)) * {count}; i++)\n\t\t{refuse}"
        ));
    }
    checks
}

/// The statements that store the members: neighbours without padding in one go.
fn stores(types: &mut Types, members: &[Member<'_>]) -> Vec<String> {
    let mut stores = Vec::new();
    let mut pending: Option<(u64, u64)> = None;
    let flush = |pending: &mut Option<(u64, u64)>, stores: &mut Vec<String>| {
        if let Some((from, to)) = pending.take() {
            let bytes = to - from;
            stores.push(format!(
                "shmbox_store_bytes_(to + {from}, from + {from}, {bytes});"
            ));
        }
    };
    for member in members {
        let offset = member.offset;
        let end = offset + member.size();
        if is_dense(member.schema) {
            match &mut pending {
                Some((_, to)) if *to == offset => *to = end,
                _ => {
                    flush(&mut pending, &mut stores);
                    pending = Some((offset, end));
                }
            }
            continue;
        }
        flush(&mut pending, &mut stores);
        let (element, count) = flat(member);
        let (name, size) = (types.name(element), element.size());
        stores.push(if count == 1 {
            format!("{name}_store_(to + {offset}, from + {offset});")
        } else {
            format!(
                "for (i = 0; i < {count}; i++)\n\t\t{name}_store_(to + {offset} + i * {size}, from + {offset} + i * {size});"
            )
        });
    }
    flush(&mut pending, &mut stores);
    stores
}

/// The function that knows the variants of an enum.
pub(super) fn enum_function(name: &str, repr: Primitive, variants: &[Variant]) -> String {
    let mut text = format!(
        "static inline int {name}_is_valid_(const unsigned char *bytes)\n{{\n\t{} value;\n\n\
         \tmemcpy(&value, bytes, sizeof value);\n",
        primitive_type(repr)
    );
    if repr.size() == 16 {
        for variant in variants {
            let bits = variant.value().cast_unsigned();
            let (low, high) = (bits as u64, (bits >> 64) as u64);
            let _ = writeln!(
                text,
                "\tif (value.low == UINT64_C(0x{low:x}) && SHMBOX_TO_(uint64_t, value.high) == UINT64_C(0x{high:x}))\n\t\treturn 1;"
            );
        }
        text.push_str("\treturn 0;\n}\n");
        return text;
    }
    text.push_str("\tswitch (value) {\n");
    // A schema out of a segment may name one value twice, and no C compiler takes that.
    let mut values = BTreeSet::new();
    for variant in variants.iter().filter(|v| values.insert(v.value())) {
        let _ = writeln!(text, "\tcase {}:", case(variant.value()));
    }
    text.push_str("\t\treturn 1;\n\tdefault:\n\t\treturn 0;\n\t}\n}\n");
    text
}

fn case(value: i128) -> String {
    match u64::try_from(value) {
        Ok(value) if value > u64::from(u32::MAX >> 1) => format!("UINT64_C({value})"),
        _ => super::types::literal(value),
    }
}
