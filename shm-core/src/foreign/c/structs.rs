//! Structs and enums in C, laid out as the schema says on every target.
//!
//! Where a member's natural place is the right one, on 64-bit targets and on i386 (which aligns 8
//! bytes to 4), it is declared plainly. Elsewhere attributes and padding put it in its place, and
//! assertions let the compiler check all of it.

use std::fmt::Write;

use super::bytes::{self, Member, literal};
use super::names::{self, primitive_type};
use crate::foreign::scope::{Scope, TypeNames};
use crate::layout::{Fingerprint, Schema, TypeKind, Variant};

/// What a type without a name is called: the one member of a struct.
const NAMELESS: &str = "SharedValue";

/// The name of the struct for a schema: of its own, or around the value.
pub(in crate::foreign) fn struct_name(schema: &Schema) -> String {
    match schema.kind() {
        TypeKind::Struct { name, .. } => names::snake(name),
        _ => names::snake(NAMELESS),
    }
}

/// The definitions of a struct for this schema and of all types in it, and the names of those. `existing`: the struct, if
/// another header defines it.
pub(super) fn definitions(
    schema: &Schema,
    prefix: &str,
    existing: Option<&str>,
) -> (String, TypeNames) {
    let mut types = Types {
        text: String::new(),
        names: TypeNames::default(),
        prefix: prefix.to_owned(),
        exists: existing.is_some(),
    };
    let name = format!("{prefix}{}", struct_name(schema));
    let of = existing.map_or_else(|| format!("struct {name}"), str::to_owned);
    types.names.scope.give(format!("{name}_box"));
    if let TypeKind::Struct { .. } = schema.kind() {
        types.name(schema, &of);
    } else {
        types.names.scope.give(name.clone());
        types.define_struct(&name, &of, schema, &Member::of_root(schema));
    }
    (types.text, types.names)
}

/// The types defined so far.
struct Types {
    text: String,
    names: TypeNames,
    /// What begins each name.
    prefix: String,
    /// Whether another header defines all structs and enums.
    exists: bool,
}

/// The names of members in C: those of a header that exists.
pub(super) fn member_names(members: &[Member<'_>], exists: bool) -> Vec<String> {
    let mut scope = Scope::default();
    let name = |member: &Member<'_>| match exists {
        true => names::existing(member.name),
        false => names::member(member.name),
    };
    members.iter().map(|m| scope.give(name(m))).collect()
}

/// The C type of a member: `uint64_t` and `[3][4]`.
struct Declared {
    base: String,
    dimensions: String,
    /// On 64-bit targets.
    align: u64,
    /// Some targets align it to less.
    weak: bool,
}

/// What opaque bytes are made of: C places it anywhere.
const BYTE: &str = "unsigned char";

const QUIET: &str = "#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \"-Wpacked-not-aligned\"
#endif
";
const LOUD: &str = "#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
";

impl Types {
    /// The name in C of a struct, an enum or a vector, which is defined unless it was before. `of`: what another
    /// header calls it.
    fn name(&mut self, schema: &Schema, of: &str) -> String {
        if let Some(name) = self.names.of(schema) {
            return name;
        }
        let name = format!("{}{}", self.prefix, type_name(schema));
        let name = self.names.give(schema, name);
        if let TypeKind::Enum { repr, variants, .. } = schema.kind() {
            let constants = match self.exists {
                true => String::new(),
                false => enum_constants(&name, variants),
            };
            let text = constants + &bytes::enum_function(&name, repr, variants);
            self.guarded("enum", &name, schema, &text);
        } else if self.exists {
            self.define_struct(&name, of, schema, &Member::of(schema));
        } else {
            let of = format!("struct {name}");
            self.define_struct(&name, &of, schema, &Member::of(schema));
        }
        name
    }

    /// Defines the struct `name`, which C calls `of`, with these members, behind a guard that lets other headers
    /// define the same one.
    fn define_struct(&mut self, name: &str, of: &str, schema: &Schema, members: &[Member<'_>]) {
        let align = schema.align() as u64;
        let names = member_names(members, self.exists);
        let declared: Vec<_> = members
            .iter()
            .zip(&names)
            .map(|(member, name)| {
                let items = member.count.map_or("", |_| "[0]");
                let mut declared = self.declare(member.schema, (of, &format!("{name}{items}")));
                if let Some(count) = member.count {
                    declared.dimensions.insert_str(0, &format!("[{count}]"));
                }
                declared
            })
            .collect();
        // One attribute for all of a packed struct, where that is enough.
        let packed = align == 1 && declared.iter().any(|d| d.align > 1);
        let mut scope = Scope::default();
        names.iter().for_each(|name| drop(scope.give(name.clone())));

        let mut body = String::new();
        let mut end = 0;
        let mut natural = 1;
        for ((member, declared), name) in members.iter().zip(&declared).zip(&names) {
            let Member { offset, .. } = *member;
            // Not every compiler takes it for a member.
            if member.size() == 0 {
                let _ = writeln!(body, "\t/* {name}: an array of length 0, at {offset} */");
                continue;
            }
            let (attribute, align) = if packed {
                (String::new(), 1)
            } else {
                place(declared, offset, align)
            };
            natural = natural.max(align);
            pad(&mut body, &mut scope, end, offset, align);
            let Declared {
                base, dimensions, ..
            } = declared;
            let _ = writeln!(body, "\t{base} {name}{dimensions}{attribute};");
            end = offset + member.size();
        }
        pad(&mut body, &mut scope, end, schema.size() as u64, align);

        let attribute = if packed {
            " __attribute__((__packed__))".to_owned()
        } else if natural < align {
            format!(" __attribute__((__aligned__({align})))")
        } else {
            String::new()
        };
        // What another header defines, lies where its own alignment says.
        let aligned = match self.exists {
            true => format!("__alignof__({of})"),
            false => align.to_string(),
        };
        let mut checks = format!("SHMBOX_STRUCT_({of}, {}, {aligned});\n", schema.size());
        let fields = members.iter().zip(&names);
        for (member, field) in fields.filter(|(member, _)| member.size() > 0) {
            let (offset, size) = (member.offset, member.size());
            let _ = writeln!(checks, "SHMBOX_MEMBER_({of}, {field}, {offset}, {size});");
        }
        let functions = bytes::functions(&self.names, name, schema, members);
        // gcc warns where a type that asks for its alignment is packed; the assertions check what counts.
        let (quiet, loud) = if packed || body.contains("__packed__") {
            (QUIET, LOUD)
        } else {
            ("", "")
        };
        let defined = match self.exists {
            true => String::new(),
            false => format!("{quiet}struct{attribute} {name} {{\n{body}}};\n{loud}"),
        };
        let text = format!("{defined}{checks}{functions}");
        self.guarded("struct", name, schema, &text);
    }

    /// `at`: the struct that it is in, and which member it is.
    fn declare(&mut self, schema: &Schema, at: (&str, &str)) -> Declared {
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
                let (of, member) = at;
                let mut declared = self.declare(element, (of, &format!("{member}[0]")));
                declared.dimensions.insert_str(0, &format!("[{len}]"));
                declared
            }
            TypeKind::Str { size } => Declared {
                dimensions: format!("[{size}]"),
                ..plain("char".to_owned(), 1, false)
            },
            TypeKind::Opaque { size } => Declared {
                dimensions: format!("[{size}]"),
                ..plain(BYTE.to_owned(), schema.align() as u64, true)
            },
            TypeKind::Struct { .. } | TypeKind::Vec { .. } => {
                let name = self.name(schema, &type_of(at));
                plain(format!("struct {name}"), schema.align() as u64, false)
            }
            TypeKind::Enum { repr, .. } => {
                let size = repr.size() as u64;
                // No typedef: in C++ a member may not have the name of its type.
                let name = self.name(schema, "");
                let base = format!("{} /* enum {name} */", primitive_type(repr));
                plain(base, size, size == 8)
            }
        }
    }

    /// Two headers may define one type, if they agree in everything: names and alignments too.
    fn guarded(&mut self, kind: &str, name: &str, schema: &Schema, text: &str) {
        let identity = Fingerprint::of_bytes(&schema.encode()).to_bits();
        let guard = format!("SHMBOX_TYPE_{name}");
        let _ = write!(
            self.text,
            "\n#ifndef {guard}\n#define {guard} 0x{identity:016x}\n{text}\
             #elif {guard} != 0x{identity:016x}\n\
             #error \"two headers define different layouts of {kind} {name}: generate both from one version of it\"\n\
             #endif\n"
        );
    }
}

/// The type of a member.
pub(super) fn type_of((of, member): (&str, &str)) -> String {
    format!("SHMBOX_TYPE_({of}, {member})")
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
    if offset % natural == 0 && of_struct >= natural {
        let attribute = if declared.weak && natural > 1 {
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
    let attribute = if declared.base == BYTE && align == 1 {
        String::new()
    } else if declared.base == BYTE {
        format!(" __attribute__((__aligned__({align})))")
    } else if align == 1 {
        " __attribute__((__packed__))".to_owned()
    } else {
        format!(" __attribute__((__packed__, __aligned__({align})))")
    };
    (attribute, align)
}

/// What a type is called: a vector by its elements and its capacity.
fn type_name(schema: &Schema) -> String {
    match schema.kind() {
        TypeKind::Primitive(primitive) => primitive.name().to_owned(),
        TypeKind::Array { element, len } => format!("{}_{len}", type_name(element)),
        TypeKind::Str { size } => format!("text_{size}"),
        TypeKind::Opaque { size } => format!("opaque_{size}"),
        TypeKind::Vec {
            element, capacity, ..
        } => format!("{}_vec_{capacity}", type_name(element)),
        TypeKind::Struct { name, .. } | TypeKind::Enum { name, .. } => names::snake(name),
    }
}

/// The constants of the enum `name`, which is an integer of the enum's size.
fn enum_constants(name: &str, variants: &[Variant]) -> String {
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
            let bits = value as u128;
            let _ = writeln!(macros, "/* {constant}: {bits:#034x} */");
        }
    }
    if !constants.is_empty() {
        let _ = writeln!(text, "enum {{\n{}\n}};", constants.trim_end_matches(",\n"));
    }
    text.push_str(&macros);
    text
}
