//! Structs and enums in C, laid out as the schema says on every target.
//!
//! Where a member's natural place is the right one, on 64-bit targets and on i386 (which aligns 8
//! bytes to 4), it is declared plainly. Elsewhere attributes and padding put it in its place, and
//! assertions let the compiler check all of it.

use std::fmt::Write;

use super::names::{self, Scope};
use super::{Types, bytes};
use crate::layout::{Primitive, Schema, TypeKind};

/// One member of a struct, before its name in C is known.
pub(super) struct Member<'a> {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) schema: &'a Schema,
    /// An array of so many; the items of a vector are no schema of their own.
    pub(super) count: Option<u64>,
}

impl Member<'_> {
    pub(super) fn size(&self) -> u64 {
        self.schema.size() as u64 * self.count.unwrap_or(1)
    }
}

/// The C type of a member: `uint64_t` and `[3][4]`.
struct Declared {
    base: String,
    dimensions: String,
    /// On 64-bit targets.
    align: u64,
    /// 32-bit targets may align it to less.
    weak: bool,
}

const QUIET: &str = "#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \"-Wpacked-not-aligned\"
#endif
";
const LOUD: &str = "#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
";

/// Defines the struct `name` with these members, behind a guard that lets other headers define the
/// same one.
pub(super) fn define_struct(
    types: &mut Types,
    name: &str,
    schema: &Schema,
    members: &[Member<'_>],
    identity: u64,
) {
    let align = schema.align() as u64;
    let declared: Vec<_> = members
        .iter()
        .map(|member| {
            let mut declared = declare(types, member.schema);
            if let Some(count) = member.count {
                declared.dimensions.insert_str(0, &format!("[{count}]"));
            }
            declared
        })
        .collect();
    // One attribute for all of a packed struct, where that is enough.
    let packed = align == 1 && declared.iter().any(|d| d.align > 1);
    let mut scope = Scope::default();
    let names: Vec<_> = members
        .iter()
        .map(|m| scope.give(names::member(&m.name)))
        .collect();

    let mut body = String::new();
    let mut end = 0;
    let mut natural = 1;
    for ((member, declared), name) in members.iter().zip(&declared).zip(&names) {
        let (attribute, align) = if packed {
            (String::new(), 1)
        } else {
            place(declared, member.offset, align)
        };
        natural = natural.max(align);
        pad(&mut body, &mut scope, end, member.offset, align);
        let Declared {
            base, dimensions, ..
        } = declared;
        let _ = writeln!(body, "\t{base} {name}{dimensions}{attribute};");
        end = member.offset + member.size();
    }
    pad(&mut body, &mut scope, end, schema.size() as u64, align);

    let attribute = if packed {
        " __attribute__((__packed__))".to_owned()
    } else if natural < align {
        format!(" __attribute__((__aligned__({align})))")
    } else {
        String::new()
    };
    let mut checks = String::new();
    let size = schema.size();
    let _ = writeln!(
        checks,
        "SHMBOX_STATIC_ASSERT(sizeof(struct {name}) == {size}, \"size of struct {name}\");"
    );
    let _ = writeln!(
        checks,
        "SHMBOX_STATIC_ASSERT(__alignof__(struct {name}) == {align}, \"alignment of struct {name}\");"
    );
    for (member, field) in members.iter().zip(&names) {
        let offset = member.offset;
        let size = member.size();
        let _ = writeln!(
            checks,
            "SHMBOX_STATIC_ASSERT(offsetof(struct {name}, {field}) == {offset}, \"offset of {name}.{field}\");"
        );
        let _ = writeln!(
            checks,
            "SHMBOX_STATIC_ASSERT(SHMBOX_SIZE_OF_({name}, {field}) == {size}, \"size of {name}.{field}\");"
        );
    }
    let functions = bytes::functions(types, name, schema, members);
    // gcc warns where a type that asks for its alignment is packed; the assertions check what counts.
    let (quiet, loud) = if packed || body.contains("__packed__") {
        (QUIET, LOUD)
    } else {
        ("", "")
    };
    let text = format!("{quiet}struct{attribute} {name} {{\n{body}}};\n{loud}{checks}{functions}");
    guarded(types, "struct", name, identity, &text);
}

/// Padding in front of `offset`, where the compiler would not leave as much by itself.
fn pad(body: &mut String, scope: &mut Scope, end: u64, offset: u64, align: u64) {
    if end.next_multiple_of(align) < offset {
        let name = scope.give(format!("padding_{end}"));
        let _ = writeln!(body, "\tunsigned char {name}[{}];", offset - end);
    }
}

/// What puts a member at `offset` of a struct with this alignment: an attribute, or none; and to
/// what it is aligned then.
fn place(declared: &Declared, offset: u64, of_struct: u64) -> (String, u64) {
    let natural = declared.align;
    if offset.is_multiple_of(natural) && of_struct >= natural {
        let attribute = if declared.weak {
            format!(" __attribute__((__aligned__({natural})))")
        } else {
            String::new()
        };
        return (attribute, natural);
    }
    let lowest = if offset == 0 {
        of_struct
    } else {
        1 << offset.trailing_zeros()
    };
    let align = lowest.min(of_struct);
    let attribute = if align == 1 {
        " __attribute__((__packed__))".to_owned()
    } else {
        format!(" __attribute__((__packed__, __aligned__({align})))")
    };
    (attribute, align)
}

fn declare(types: &mut Types, schema: &Schema) -> Declared {
    let plain = |base: String, align, weak| Declared {
        base,
        dimensions: String::new(),
        align,
        weak,
    };
    match schema.kind() {
        TypeKind::Primitive(primitive) => {
            let size = primitive.size() as u64;
            plain(primitive_type(primitive).to_owned(), size, size == 8)
        }
        TypeKind::Array { element, len } => {
            let mut declared = declare(types, element);
            declared.dimensions.insert_str(0, &format!("[{len}]"));
            declared
        }
        TypeKind::Str { size } => Declared {
            dimensions: format!("[{size}]"),
            ..plain("char".to_owned(), 1, false)
        },
        TypeKind::Struct { .. } | TypeKind::Vec { .. } => {
            let name = types.name(schema);
            plain(format!("struct {name}"), schema.align() as u64, false)
        }
        TypeKind::Enum { repr, .. } => {
            let size = repr.size() as u64;
            // No typedef: in C++ a member may not have the name of its type.
            let name = types.name(schema);
            let base = format!("{} /* enum {name} */", primitive_type(repr));
            plain(base, size, size == 8)
        }
    }
}

/// What a vector is called: by its elements and its capacity.
pub(super) fn vec_name(schema: &Schema) -> String {
    match schema.kind() {
        TypeKind::Primitive(primitive) => primitive.name().to_owned(),
        TypeKind::Array { element, len } => format!("{}_{len}", vec_name(element)),
        TypeKind::Str { size } => format!("text_{size}"),
        TypeKind::Vec {
            element, capacity, ..
        } => format!("{}_vec_{capacity}", vec_name(element)),
        TypeKind::Struct { name, .. } | TypeKind::Enum { name, .. } => names::snake(name),
    }
}

pub(super) fn primitive_type(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::U8 => "uint8_t",
        Primitive::U16 => "uint16_t",
        Primitive::U32 => "uint32_t",
        Primitive::U64 => "uint64_t",
        Primitive::U128 => "shmbox_u128",
        Primitive::I8 => "int8_t",
        Primitive::I16 => "int16_t",
        Primitive::I32 => "int32_t",
        Primitive::I64 => "int64_t",
        Primitive::I128 => "shmbox_i128",
        Primitive::F32 => "float",
        Primitive::F64 => "double",
        Primitive::Bool => "bool",
        Primitive::Char => "uint32_t /* char: a Unicode scalar value */",
    }
}

/// Defines the constants of the enum `name`, which is an integer of the enum's size.
pub(super) fn define_enum(types: &mut Types, name: &str, schema: &Schema, identity: u64) {
    let TypeKind::Enum { repr, variants, .. } = schema.kind() else {
        return;
    };
    let prefix = names::screaming(name);
    let mut text = String::new();
    let small = |value: i128| i32::try_from(value).is_ok();
    let mut scope = Scope::default();
    let mut constants = String::new();
    let mut macros = String::new();
    for variant in variants {
        let constant = format!("{prefix}_{}", names::screaming_part(variant.name()));
        let constant = scope.give(constant);
        let value = variant.value();
        if small(value) {
            let _ = writeln!(constants, "\t{constant} = {},", literal(value));
        } else if let Ok(value) = i64::try_from(value) {
            let _ = writeln!(macros, "#define {constant} {}", literal(value.into()));
        } else if let Ok(value) = u64::try_from(value) {
            let _ = writeln!(macros, "#define {constant} UINT64_C({value})");
        } else {
            // No literal has so many bits.
            let bits = value.cast_unsigned();
            let _ = writeln!(macros, "/* {constant}: {bits:#034x} */");
        }
    }
    if !constants.is_empty() {
        let _ = writeln!(text, "enum {{\n{}\n}};", constants.trim_end_matches(",\n"));
    }
    text.push_str(&macros);
    text.push_str(&bytes::enum_function(name, repr, variants));
    guarded(types, "enum", name, identity, &text);
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

/// Two headers may define one type, if they agree.
fn guarded(types: &mut Types, kind: &str, name: &str, identity: u64, text: &str) {
    let guard = format!("SHMBOX_TYPE_{name}");
    let _ = write!(
        types.text,
        "\n#ifndef {guard}\n#define {guard} 0x{identity:016x}\n{text}\
         #elif {guard} != 0x{identity:016x}\n\
         #error \"two headers define different layouts of {kind} {name}: generate both from one version of it\"\n\
         #endif\n"
    );
}
