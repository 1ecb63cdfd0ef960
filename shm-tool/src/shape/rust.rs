//! A type as Rust source, with `SharedLayout`, ready to compile.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::{Field, Kind, Type};
use crate::output::visible;

/// The source of a type and of all that it consists of.
pub fn rust_source(ty: &Type) -> String {
    let mut writer = Writer::default();
    let whole = writer.type_of(ty);
    if !writer.defined.contains_key(&whole) {
        let former = ty.name.as_deref().filter(|_| !ty.is_atomic());
        let name = former.map_or("Value".to_owned(), type_name);
        let _ = write!(writer.source, "\npub type {name} = {whole};\n");
    }
    let of_library = [
        ("FixedStr", "FixedStr<"),
        ("FixedVec", "FixedVec<"),
        ("Opaque", "Opaque<"),
        ("SharedLayout", "derive(SharedLayout"),
    ];
    let uses: Vec<&str> = of_library
        .iter()
        .filter(|(_, used)| writer.source.contains(used))
        .map(|(name, _)| *name)
        .collect();
    let uses = match uses[..] {
        [] => return writer.source.trim_start().to_owned(),
        [one] => one.to_owned(),
        _ => format!("{{{}}}", uses.join(", ")),
    };
    format!("use shm_core::{uses};\n{}", writer.source)
}

#[derive(Default)]
struct Writer {
    /// Whole definitions, those that others consist of first.
    source: String,
    /// The types that are defined, by the name they got.
    defined: HashMap<String, Type>,
}

impl Writer {
    /// What the type is called in Rust; defines it if it has fields or variants.
    fn type_of(&mut self, ty: &Type) -> String {
        match &ty.kind {
            // No store of a whole value keeps the order in which a program accesses it.
            _ if ty.is_atomic() => opaque(ty.size, ty.align),
            Kind::Bool => "bool".to_owned(),
            Kind::Char => "char".to_owned(),
            Kind::Float if matches!(ty.size, 4 | 8) => format!("f{}", ty.size * 8),
            Kind::Int { signed } | Kind::CChar { signed }
                if matches!(ty.size, 1 | 2 | 4 | 8 | 16) =>
            {
                integer(ty.size, *signed)
            }
            Kind::Text => format!("FixedStr<{}>", ty.size),
            Kind::Array {
                element,
                count: Some(count),
            } => match element.kind {
                Kind::CChar { .. } if !element.is_atomic() => format!("FixedStr<{count}>"),
                _ => format!("[{}; {count}]", self.type_of(element)),
            },
            Kind::Vec {
                element, capacity, ..
            } => {
                format!("FixedVec<{}, {capacity}>", self.type_of(element))
            }
            Kind::Struct { version, fields } => self.define(ty, |writer, name| {
                writer.structure(name, ty, *version, fields)
            }),
            Kind::Enum { signed, variants } if !variants.is_empty() => {
                self.define(ty, |_, name| {
                    enumeration(
                        name,
                        ty.name.as_deref(),
                        &integer(ty.size, *signed),
                        variants,
                    )
                })
            }
            Kind::Enum { signed, .. } => integer(ty.size, *signed),
            _ => opaque(ty.size, ty.align),
        }
    }

    /// Defines a type once; one of the same name that is another gets a number.
    fn define(&mut self, ty: &Type, source: impl FnOnce(&mut Writer, &str) -> String) -> String {
        let wanted = type_name(ty.name.as_deref().unwrap_or("Unnamed"));
        let mut name = wanted.clone();
        let mut number = 2;
        while let Some(defined) = self.defined.get(&name) {
            if defined == ty {
                return name;
            }
            name = format!("{}{number}", wanted.trim_start_matches("r#"));
            number += 1;
        }
        self.defined.insert(name.clone(), ty.clone());
        let source = source(self, &name);
        self.source += &source;
        name
    }

    fn structure(
        &mut self,
        name: &str,
        ty: &Type,
        version: Option<u32>,
        fields: &[Field],
    ) -> String {
        let members = self.members(fields, ty.size);
        let mut shared = Vec::new();
        if let Some(version) = version.filter(|version| *version > 1) {
            shared.push(format!("version = {version}"));
        }
        shared.extend(former_name(name, ty.name.as_deref()));
        let mut source = String::from("\n#[derive(SharedLayout, Clone, Copy, Debug)]\n");
        if !shared.is_empty() {
            let _ = writeln!(source, "#[shared({})]", shared.join(", "));
        }
        source += "#[repr(C)]\n";
        let numbered = |(i, field): (usize, &Field)| field.name == i.to_string();
        let tuple = !fields.is_empty() && fields.iter().enumerate().all(numbered);
        let (open, close) = if tuple { ("(", ");") } else { (" {", "}") };
        let _ = writeln!(source, "pub struct {name}{open}");
        for Member {
            name,
            ty,
            before,
            behind,
        } in members
        {
            source += &before;
            let behind = if behind.is_empty() {
                behind
            } else {
                format!(" // {behind}")
            };
            if tuple {
                let _ = writeln!(source, "    pub {ty},{behind}");
            } else {
                let _ = writeln!(source, "    pub {name}: {ty},{behind}");
            }
        }
        source + close + "\n"
    }

    /// The members as Rust lays them out where C has them: what it can't name is opaque, and gaps that it would not
    /// leave are filled.
    fn members(&mut self, fields: &[Field], size: u64) -> Vec<Member> {
        let mut members = Vec::new();
        let (mut at, mut align) = (0, 1);
        let mut rest = fields;
        while let Some((field, others)) = rest.split_first() {
            rest = others;
            let (offset, end, field_align, member) = if field.bits.is_some() {
                let run = rest.iter().take_while(|field| field.bits.is_some()).count();
                let (these, others) = rest.split_at(run);
                rest = others;
                bit_fields(
                    field,
                    these,
                    others.first().map_or(size, |next| next.offset),
                )
            } else if let Kind::Array {
                count: None | Some(0),
                ..
            } = field.ty.kind
            {
                // Behind the struct, as much as there is.
                continue;
            } else {
                self.member(field)
            };
            fill(&mut members, at, offset, field_align);
            members.push(member);
            align = align.max(field_align);
            at = end;
        }
        fill(&mut members, at, size, align);
        members
    }

    fn member(&mut self, field: &Field) -> (u64, u64, u64, Member) {
        let Field { offset, ty, .. } = field;
        let aligned = offset.is_multiple_of(ty.align);
        let behind = match &ty.kind {
            _ if !aligned => "not aligned: its struct is packed".to_owned(),
            Kind::Pointer { written } => {
                format!("{}: an address of another process", visible(written))
            }
            Kind::Union { .. } => "a union".to_owned(),
            _ if ty.is_atomic() => "an _Atomic".to_owned(),
            _ => String::new(),
        };
        let (written, align) = match ty.kind {
            _ if !aligned => (opaque(ty.size, 1), 1),
            _ => (self.type_of(ty), ty.align),
        };
        let name = match &*field.name {
            "" => format!("unnamed_{offset}"),
            name => identifier(name),
        };
        let member = Member {
            name,
            ty: written,
            before: attributes(field),
            behind,
        };
        (*offset, offset + ty.size, align, member)
    }
}

/// A line of a struct.
struct Member {
    name: String,
    ty: String,
    /// Attributes.
    before: String,
    /// A comment.
    behind: String,
}

/// Fills what Rust would not leave between two members, or at the end.
fn fill(members: &mut Vec<Member>, at: u64, next: u64, align: u64) {
    if next > at && at.next_multiple_of(align.max(1)) != next {
        let (name, ty) = (format!("gap_{at}"), opaque(next - at, 1));
        members.push(Member {
            name,
            ty,
            before: String::new(),
            behind: String::new(),
        });
    }
}

/// Neighbouring bit-fields as one integer where there is one of their place and size, else as bytes.
fn bit_fields(first: &Field, others: &[Field], next: u64) -> (u64, u64, u64, Member) {
    let all = || std::iter::once(first).chain(others);
    let start = first.offset;
    let end = all()
        .filter_map(|field| field.bits)
        .map(|(at, count)| (at + count).div_ceil(8));
    let end = end.max().unwrap_or(start);
    let fits =
        |size: &u64| start.is_multiple_of(*size) && start + size >= end && start + size <= next;
    let (ty, end, align) = match [1, 2, 4, 8].into_iter().find(fits) {
        Some(size) => (integer(size, false), start + size, size),
        None => (format!("[u8; {}]", end - start), end, 1),
    };
    let names: Vec<String> = all()
        .map(|field| {
            let (at, count) = field.bits.unwrap_or_default();
            format!(
                "{}: {count} from bit {}",
                visible(&field.name),
                at - start * 8
            )
        })
        .collect();
    let (name, behind) = (format!("bits_{start}"), names.join(", "));
    (
        start,
        end,
        align,
        Member {
            name,
            ty,
            before: String::new(),
            behind,
        },
    )
}

fn opaque(size: u64, align: u64) -> String {
    if align > 1 && size.is_multiple_of(align) {
        format!("Opaque<{size}, {align}>")
    } else {
        format!("Opaque<{size}>")
    }
}

/// The name that the type has in a schema, where it is not the one in Rust.
fn former_name(name: &str, former: Option<&str>) -> Option<String> {
    let former = former.filter(|former| *former != name.trim_start_matches("r#"))?;
    let harmless = former.chars().all(|c| c.is_alphanumeric() || c == '_');
    harmless.then(|| format!("name = {former:?}"))
}

fn attributes(field: &Field) -> String {
    let mut attributes = Vec::new();
    if field.since > 1 {
        attributes.push(format!("since = {}", field.since));
    }
    attributes.extend(
        field
            .former_names
            .iter()
            .map(|name| format!("was = {name:?}")),
    );
    if attributes.is_empty() {
        String::new()
    } else {
        format!("    #[shared({})]\n", attributes.join(", "))
    }
}

fn enumeration(
    name: &str,
    former: Option<&str>,
    repr: &str,
    variants: &[(String, i128)],
) -> String {
    let former = former_name(name, former);
    let mut shared = former.map_or(String::new(), |former| format!("#[shared({former})]\n"));
    let is_camel = |name: &str| !name.contains('_') && name.starts_with(char::is_uppercase);
    if !variants.iter().all(|(variant, _)| is_camel(variant)) {
        shared += "#[allow(non_camel_case_types)]\n";
    }
    let mut source = format!(
        "\n#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]\n{shared}#[repr({repr})]\npub enum {name} {{\n"
    );
    let mut used = HashSet::new();
    for (variant, value) in variants {
        // C has several names for one number, Rust one.
        if !used.insert(*value) {
            let _ = writeln!(source, "    // {} = {value},", identifier(variant));
            continue;
        }
        // A u128's is to be read as one.
        let value = if repr == "u128" {
            value.cast_unsigned().to_string()
        } else {
            value.to_string()
        };
        let _ = writeln!(source, "    {} = {value},", identifier(variant));
    }
    source + "}\n"
}

fn integer(size: u64, signed: bool) -> String {
    format!("{}{}", if signed { 'i' } else { 'u' }, size * 8)
}

/// `motion_status` as `MotionStatus`; a name that is written so already stays.
fn type_name(name: &str) -> String {
    let snake = name.contains('_') || name.chars().next().is_some_and(char::is_lowercase);
    if !snake {
        return identifier(name);
    }
    let words = name.split('_').filter(|word| !word.is_empty());
    let camel = words.flat_map(|word| {
        let mut chars = word.chars();
        let first = chars.next().into_iter().flat_map(char::to_uppercase);
        first.chain(chars).collect::<Vec<char>>()
    });
    identifier(&camel.collect::<String>())
}

/// A name of another program's as one of Rust's: what is no letter, digit or underscore becomes an underscore, and a
/// word of the language is written raw.
fn identifier(name: &str) -> String {
    let mut made: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect();
    if made.chars().next().is_none_or(|first| first.is_numeric()) {
        made.insert(0, '_');
    }
    match &*made {
        // Those that can't be raw.
        "self" | "Self" | "super" | "crate" | "_" => made + "_",
        word if KEYWORDS.contains(&word) => format!("r#{made}"),
        _ => made,
    }
}

/// Strict and reserved (Rust reference, "Keywords").
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use shm_core::{FixedStr, FixedVec, SharedLayout};

    use super::*;
    use crate::shape::from_schema;

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(u8)]
    enum Mood {
        Calm = 1,
        Wild = 7,
    }

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Pair(u16, [Mood; 2]);

    #[derive(SharedLayout, Clone, Copy)]
    #[shared(version = 2)]
    #[repr(C)]
    struct All {
        r#type: f64,
        name: FixedStr<8>,
        pairs: FixedVec<Pair, 3>,
        #[shared(since = 2)]
        late: u64,
    }

    #[test]
    fn a_schema_becomes_the_source_that_it_came_from() {
        let _ = (Mood::Calm, Mood::Wild);
        let wanted = "\
use shm_core::{FixedStr, FixedVec, SharedLayout};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Mood {
    Calm = 1,
    Wild = 7,
}

#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct Pair(
    pub u16,
    pub [Mood; 2],
);

#[derive(SharedLayout, Clone, Copy, Debug)]
#[shared(version = 2)]
#[repr(C)]
pub struct All {
    pub r#type: f64,
    pub name: FixedStr<8>,
    pub pairs: FixedVec<Pair, 3>,
    #[shared(since = 2)]
    pub late: u64,
}
";
        assert_eq!(rust_source(&from_schema(All::SCHEMA)), wanted);
    }

    #[test]
    fn a_hostile_name_is_no_code() {
        assert_eq!(identifier("a; fn x() {}"), "a__fn_x_____");
        assert_eq!(identifier("self"), "self_");
        assert_eq!(identifier("9"), "_9");
        assert_eq!(identifier("match"), "r#match");
    }
}
