//! What C is told of the bytes of a value: whether they are one, and which of them are stored.

use std::collections::BTreeSet;
use std::fmt::Write;

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

/// What the common part is told of a type's bytes: `SHMBOX_BYTES_, SHMBOX_NULL_`.
///
/// A type with a name has a table of its own, `NAME_parts_` or `NAME_variants_`, unless its bytes are stored whole, whatever
/// they are.
pub(super) fn kind(names: &TypeNames, schema: &Schema) -> String {
    let (kind, table) = match schema.kind() {
        _ if is_plain(schema) => ("BYTES", ""),
        TypeKind::Primitive(Primitive::Bool) => ("BOOL", ""),
        TypeKind::Primitive(Primitive::Char) => ("CHAR", ""),
        TypeKind::Primitive(_) => ("NON_ZERO", ""),
        TypeKind::Enum { .. } if schema.has_others() => ("OPEN", "other"),
        TypeKind::Enum { .. } => ("VARIANT", "variants"),
        _ => (stored(schema), "parts"),
    };
    match names.of(schema).filter(|_| !table.is_empty()) {
        Some(name) if kind == "VARIANT" => format!("SHMBOX_{kind}_, &{name}_{table}_"),
        Some(name) => format!("SHMBOX_{kind}_, {name}_{table}_"),
        None => format!("SHMBOX_{kind}_, SHMBOX_NULL_"),
    }
}

/// How what has parts is stored.
fn stored(schema: &Schema) -> &'static str {
    match is_stored_whole(schema) {
        true => "CHECKED",
        false => "PARTS",
    }
}

/// Whether all bytes of a value are stored, whatever they are.
fn is_stored_whole(schema: &Schema) -> bool {
    is_dense(schema) && !schema.has_others()
}

/// Whether nothing is to be known of its bytes.
fn is_plain(schema: &Schema) -> bool {
    schema.any_bits() && is_stored_whole(schema) && schema.counters().is_empty()
}

/// The table of a struct's or a vector's parts, if there is something to know of them. The types of its members have names.
pub(super) fn parts(
    names: &TypeNames,
    name: &str,
    schema: &Schema,
    members: &[Member<'_>],
) -> String {
    if is_plain(schema) {
        return String::new();
    }
    let mut before = String::new();
    let mut lines = Vec::new();
    // Neighbours of which nothing is to be known are one part.
    let mut pending: Option<(u64, u64)> = None;
    let plain = |(from, to): (u64, u64)| format!("{from}, {}, 1, {PLAIN}", to - from);
    for member in members.iter().filter(|member| !member.schema.is_bare()) {
        let (offset, end) = (member.offset, member.offset + member.size());
        let (element, mut count) = flat(member.schema, member.count.unwrap_or(1));
        let is_counter = |counter: &FieldSchema| counter.offset() as u64 == offset;
        let mut of = match schema.counters().iter().any(is_counter) {
            true => "SHMBOX_COUNTED_, SHMBOX_NULL_".to_owned(),
            false => kind(names, element),
        };
        let mut size = element.size() as u64;
        match schema.kind() {
            TypeKind::Vec { capacity, .. } if member.count.is_none() => {
                (count, of) = (capacity, "SHMBOX_LENGTH_, SHMBOX_NULL_".to_owned());
            }
            // Its length counts arrays.
            TypeKind::Vec { capacity, .. } if count > capacity && of != PLAIN => {
                let each = count / capacity;
                let item = format!("{name}_item_parts_");
                before = table(&item, &[format!("0, {size}, {each}, {of}")]);
                (size, count) = (size * each, capacity);
                of = format!("SHMBOX_{}_, {item}", stored(element));
            }
            _ => {}
        }
        match &mut pending {
            Some((_, to)) if of == PLAIN && *to == offset => *to = end,
            _ => {
                lines.extend(pending.take().map(plain));
                if of == PLAIN {
                    pending = Some((offset, end));
                } else {
                    lines.push(format!("{offset}, {size}, {count}, {of}"));
                }
            }
        }
    }
    lines.extend(pending.map(plain));
    before + &table(&format!("{name}_parts_"), &lines)
}

/// Bytes that are stored whole, whatever they are.
const PLAIN: &str = "SHMBOX_BYTES_, SHMBOX_NULL_";

fn table(name: &str, lines: &[String]) -> String {
    let lines: String = lines
        .iter()
        .map(|part| format!("\t{{ {part} }},\n"))
        .collect();
    format!(
        "static const shmbox_part_ {name}[] = {{\n{lines}\t{{ 0, 0, 0, SHMBOX_END_, SHMBOX_NULL_ }}\n}};\n"
    )
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

/// The table of an enum's numbers, in the order of their bytes; or the one that stands for those that are none, and is not
/// stored.
pub(super) fn variants(name: &str, repr: Primitive, variants: &[Variant]) -> String {
    let bytes = |variant: &Variant| {
        let bytes = variant.value().to_ne_bytes();
        match BYTE_ORDER {
            1 => bytes[..repr.size()].to_vec(),
            _ => bytes[bytes.len() - repr.size()..].to_vec(),
        }
    };
    if let Some(other) = other_of(variants) {
        let other = &variants[other];
        return format!(
            "/* Reads as `{}`: a number that is none of these. To store that one leaves in the segment what is there. */\n\
             static const unsigned char {name}_other_[] = {{{}\n}};\n",
            other.name(),
            listed(&bytes(other)),
        );
    }
    // A schema out of a segment may name one value twice.
    let values: BTreeSet<_> = variants.iter().map(bytes).collect();
    let count = values.len();
    let values: Vec<u8> = values.into_iter().flatten().collect();
    format!(
        "static const unsigned char {name}_values_[] = {{{}\n}};\n\
         static const shmbox_variants_ {name}_variants_ = {{ {count}, {name}_values_ }};\n",
        listed(&values),
    )
}

/// Bytes as an initialiser.
pub(super) fn listed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 6);
    for (index, byte) in bytes.iter().enumerate() {
        text.push_str(if index % 16 == 0 { "\n\t\t" } else { " " });
        let _ = write!(text, "0x{byte:02x}");
        if index + 1 < bytes.len() {
            text.push(',');
        }
    }
    text
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
