//! A type as Rust source, with `SharedLayout`, ready to compile.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Field, Kind, Type};

/// The source of a type and of all that it consists of.
pub fn rust_source(ty: &Type) -> String {
    let mut writer = Writer::default();
    let whole = writer.type_of(ty);
    let mut uses = vec!["SharedLayout"];
    for used in ["FixedStr", "FixedVec"] {
        if writer.source.contains(&format!("{used}<")) || whole.contains(&format!("{used}<")) {
            uses.push(used);
        }
    }
    uses.sort_unstable();
    if ty.name.is_none() {
        return format!(
            "use shm_core::{{{}}};\n\npub type Value = {whole};\n",
            uses.join(", ")
        )
        .replace("{SharedLayout}", "SharedLayout");
    }
    let uses = if let [one] = uses[..] {
        one.to_owned()
    } else {
        format!("{{{}}}", uses.join(", "))
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
            Kind::Bool => "bool".to_owned(),
            Kind::Char => "char".to_owned(),
            Kind::Float => format!("f{}", ty.size * 8),
            Kind::Int { signed } => integer(ty.size, *signed),
            Kind::Text => format!("FixedStr<{}>", ty.size),
            Kind::Array { element, count } => format!("[{}; {count}]", self.type_of(element)),
            Kind::Vec {
                element, capacity, ..
            } => {
                format!("FixedVec<{}, {capacity}>", self.type_of(element))
            }
            Kind::Struct { version, fields } => {
                self.define(ty, |writer, name| writer.structure(name, *version, fields))
            }
            Kind::Enum { signed, variants } => self.define(ty, |_, name| {
                enumeration(name, &integer(ty.size, *signed), variants)
            }),
        }
    }

    /// Defines a type once; one of the same name that is another gets a number.
    fn define(&mut self, ty: &Type, source: impl FnOnce(&mut Writer, &str) -> String) -> String {
        let wanted = identifier(ty.name.as_deref().unwrap_or("Unnamed"));
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

    fn structure(&mut self, name: &str, version: Option<u32>, fields: &[Field]) -> String {
        let types: Vec<String> = fields.iter().map(|field| self.type_of(&field.ty)).collect();
        let mut source = String::from("\n#[derive(SharedLayout, Clone, Copy, Debug)]\n");
        if let Some(version) = version.filter(|version| *version > 1) {
            let _ = writeln!(source, "#[shared(version = {version})]");
        }
        source += "#[repr(C)]\n";
        let numbered = |(i, field): (usize, &Field)| field.name == i.to_string();
        let tuple = !fields.is_empty() && fields.iter().enumerate().all(numbered);
        let (open, close) = if tuple { ("(", ");") } else { (" {", "}") };
        let _ = writeln!(source, "pub struct {name}{open}");
        for (field, ty) in fields.iter().zip(types) {
            source += &attributes(field);
            if tuple {
                let _ = writeln!(source, "    pub {ty},");
            } else {
                let _ = writeln!(source, "    pub {}: {ty},", identifier(&field.name));
            }
        }
        source + close + "\n"
    }
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

fn enumeration(name: &str, repr: &str, variants: &[(String, i128)]) -> String {
    let mut source = format!(
        "\n#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]\n#[repr({repr})]\npub enum {name} {{\n"
    );
    for (variant, value) in variants {
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
