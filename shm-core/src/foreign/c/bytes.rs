//! What C does with the bytes of a value: whether they are one, and which of them are stored.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::names::primitive_type;
use crate::foreign::scope::TypeNames;
use crate::layout::{
    BYTE_ORDER, FieldSchema, Primitive, Schema, SharedLayout as _, TypeKind, Variant, is_dense,
    other_of,
};

/// One member of a struct, before its name in C is known.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) offset: u64,
    pub(super) schema: &'a Schema,
    /// An array of so many; the items of a vector are no schema of their own.
    pub(super) count: Option<u64>,
}

impl<'a> Member<'a> {
    /// The members of a struct or a vector.
    pub(super) fn of(schema: &'a Schema) -> Vec<Self> {
        match schema.kind() {
            TypeKind::Vec {
                element,
                capacity,
                offset,
            } => {
                let items = Member {
                    name: "items",
                    offset,
                    schema: element,
                    count: Some(capacity),
                };
                vec![Member::at(0, "len", u32::SCHEMA), items]
            }
            _ => {
                let fields = schema.fields().iter();
                let member =
                    |f: &'a FieldSchema| Member::at(f.offset() as u64, f.name(), f.schema());
                fields.map(member).collect()
            }
        }
    }

    /// The members of the struct for a schema: of a type that is none, one around the value.
    pub(super) fn of_root(schema: &'a Schema) -> Vec<Self> {
        match schema.kind() {
            TypeKind::Struct { .. } => Member::of(schema),
            _ => vec![Member::at(0, "value", schema)],
        }
    }

    /// One member.
    pub(super) fn at(offset: u64, name: &'a str, schema: &'a Schema) -> Self {
        Member {
            name,
            offset,
            schema,
            count: None,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.schema.size() as u64 * self.count.unwrap_or(1)
    }
}

/// The functions `…_is_value_` and `…_store_` of a struct, as far as it needs them. The types of its members have names.
pub(super) fn functions(
    names: &TypeNames,
    name: &str,
    schema: &Schema,
    members: &[Member<'_>],
) -> String {
    let mut text = String::new();
    if !schema.any_bits() {
        let head = format!("int {name}_is_value_(const unsigned char *bytes, int first)");
        define(&mut text, &head, &checks(names, schema, members), "1");
    }
    if !is_stored_whole(schema) {
        define_store(&mut text, &format!("{name}_store_"), stores(names, members));
    }
    text
}

/// The function that stores by these statements.
fn define_store(text: &mut String, name: &str, mut stores: Vec<String>) {
    if stores.is_empty() {
        stores = vec!["(void)to;".to_owned(), "(void)from;".to_owned()];
    }
    let head = format!("void {name}(unsigned char *to, const unsigned char *from)");
    define(text, &head, &stores, "");
}

/// The functions of an element, as an argument each: whether bytes are one, and what stores it.
pub(super) fn functions_of(names: &TypeNames, element: &Schema) -> String {
    let store = (!is_stored_whole(element))
        .then(|| names.of(element))
        .flatten();
    let function = |name: Option<String>| name.unwrap_or_else(|| "SHMBOX_NULL_".to_owned());
    let store = store.map(|name| format!("{name}_store_"));
    format!("{}, {}", function(judge(names, element)), function(store))
}

/// The functions of a table: which words of a row count, and what a commit stores of it.
pub(super) fn row_functions(
    names: &TypeNames,
    name: &str,
    schema: &Schema,
    members: &[Member<'_>],
) -> String {
    let counters = schema.counters();
    let mut text = String::new();
    let ranges: Vec<_> = (counters.iter())
        .map(|counter| {
            let (at, size) = (counter.offset(), counter.schema().size());
            format!("offset - {at} < {size}")
        })
        .collect();
    let head = format!("int {name}_counts_(size_t offset)");
    let (statements, result) = match counters {
        [] => (vec!["(void)offset;".to_owned()], "0".to_owned()),
        _ => (Vec::new(), ranges.join(" || ")),
    };
    define(&mut text, &head, &statements, &result);
    let head = format!("shmbox_part_ {name}_row_(void)");
    let mut part = format!("shmbox_whole_({name}_type_())");
    if !counters.is_empty() {
        let is_counter = |member: &&Member<'_>| {
            let is = |counter: &FieldSchema| counter.offset() as u64 == member.offset;
            counters.iter().any(is) && member.size() > 0
        };
        let stored = members.iter().filter(|member| !is_counter(member));
        define_store(
            &mut text,
            &format!("{name}_row_store_"),
            stores(names, stored),
        );
        let size = schema.size();
        part = format!(
            "shmbox_part_at_(1, 0, {size}, 1, {name}_type_()->is_value, {name}_row_store_)"
        );
    }
    define(&mut text, &head, &[], &part);
    text
}

/// The statements that refuse wrong bytes.
fn checks(names: &TypeNames, schema: &Schema, members: &[Member<'_>]) -> Vec<String> {
    match schema.kind() {
        TypeKind::Vec {
            element,
            capacity,
            offset,
        } => check_vec(names, element, (capacity, offset)),
        _ => members
            .iter()
            .filter_map(|member| check(names, member))
            .collect(),
    }
}

/// Whether all bytes of a value are stored, whatever they are.
pub(super) fn is_stored_whole(schema: &Schema) -> bool {
    is_dense(schema) && !schema.has_others()
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
pub(super) fn flat(mut element: &Schema, mut count: u64) -> (&Schema, u64) {
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
fn check(names: &TypeNames, member: &Member<'_>) -> Option<String> {
    if member.size() == 0 {
        return None;
    }
    let (element, count) = flat(member.schema, member.count.unwrap_or(1));
    refuse(names, element, member.offset, &count.to_string())
}

/// The statement that refuses `count` elements from `offset` on, where one has wrong bytes.
fn refuse(names: &TypeNames, element: &Schema, offset: u64, count: &str) -> Option<String> {
    let judge = judge(names, element)?;
    let (each, tab, at) = if count == "1" {
        (String::new(), "", format!("bytes + {offset}"))
    } else {
        let each = format!("for (i = 0; i < {count}; i++)\n\t\t");
        let at = format!("bytes + {offset} + i * {}", element.size());
        (each, "\t", at)
    };
    Some(format!(
        "{each}if (!{judge}({at}, first))\n\t\t{tab}return 0;"
    ))
}

/// The function that says whether bytes are an element; `None` if all are.
fn judge(names: &TypeNames, element: &Schema) -> Option<String> {
    match element.kind() {
        _ if element.any_bits() => None,
        TypeKind::Primitive(Primitive::Char) => Some("shmbox_is_char_".to_owned()),
        TypeKind::Primitive(integer) if integer.is_non_zero() => {
            Some(format!("shmbox_is_non_zero_{}_", integer.size()))
        }
        TypeKind::Primitive(_) => Some("shmbox_is_bool_".to_owned()),
        _ => Some(format!("{}_is_value_", names.of(element)?)),
    }
}

/// The statements that refuse a wrong length, and wrong items within it.
fn check_vec(names: &TypeNames, element: &Schema, (capacity, offset): (u64, u64)) -> Vec<String> {
    let length =
        format!("(void)first;\n\tif (shmbox_length_(bytes) > UINT32_C({capacity}))\n\t\treturn 0;");
    let (element, each) = flat(element, 1);
    let count = format!("SHMBOX_TO_(size_t, shmbox_length_(bytes)) * {each}");
    let items = refuse(names, element, offset, &count);
    [Some(length), items].into_iter().flatten().collect()
}

/// The statements that store the members: neighbours without padding in one go.
fn stores<'a>(names: &TypeNames, members: impl IntoIterator<Item = &'a Member<'a>>) -> Vec<String> {
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
    for member in (members.into_iter()).filter(|member| !member.schema.is_bare()) {
        let offset = member.offset;
        let end = offset + member.size();
        if is_stored_whole(member.schema) {
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
        let (element, count) = flat(member.schema, member.count.unwrap_or(1));
        let (name, size) = (names.of(element).unwrap_or_default(), element.size());
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

/// The functions of an enum in which a variant stands for numbers that are none: each is a value, and
/// that variant's is not stored.
fn open_enum_functions(name: &str, repr: Primitive, other: &Variant) -> String {
    let bytes = other.value().to_ne_bytes();
    let bytes = match BYTE_ORDER {
        1 => &bytes[..repr.size()],
        _ => &bytes[bytes.len() - repr.size()..],
    };
    let listed: Vec<_> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let listed = listed.join(", ");
    format!(
        "/* Reads as `{}`: a number that is none of these. To store that one leaves in the segment what is there. */\n\
         static inline int {name}_is_value_(const unsigned char *bytes, int first)\n{{\n\
         \tstatic const unsigned char other[] = {{ {listed} }};\n\n\
         \treturn !first || memcmp(bytes, other, sizeof other) != 0;\n}}\n\
         static inline void {name}_store_(unsigned char *to, const unsigned char *from)\n{{\n\
         \tstatic const unsigned char other[] = {{ {listed} }};\n\n\
         \tif (memcmp(from, other, sizeof other) != 0)\n\
         \t\tshmbox_store_bytes_(to, from, sizeof other);\n}}\n",
        other.name()
    )
}

/// The function that knows the variants of an enum.
pub(super) fn enum_function(name: &str, repr: Primitive, variants: &[Variant]) -> String {
    if let Some(other) = other_of(variants) {
        return open_enum_functions(name, repr, &variants[other]);
    }
    let mut text = format!(
        "static inline int {name}_is_value_(const unsigned char *bytes, int first)\n{{\n\t{} value;\n\n\t(void)first;\n\
         \tmemcpy(&value, bytes, sizeof value);\n",
        primitive_type(repr)
    );
    if repr.size() == 16 {
        for variant in variants {
            let bits = variant.value() as u128;
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
        _ => literal(value),
    }
}

/// An integer constant of at most 64 bits.
pub(super) fn literal(value: i128) -> String {
    match i32::try_from(value) {
        Ok(i32::MIN) => "(-2147483647 - 1)".to_owned(),
        Ok(value) => value.to_string(),
        Err(_) if value == i128::from(i64::MIN) => "(-INT64_C(9223372036854775807) - 1)".to_owned(),
        Err(_) if value < 0 => format!("(-INT64_C({}))", -value),
        Err(_) => format!("INT64_C({value})"),
    }
}
