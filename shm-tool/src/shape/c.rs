//! A type from debug information as C.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::{Field, Kind, Type};

/// The declaration of a type, with the types that it consists of inside it.
pub fn c_source(ty: &Type) -> String {
    let mut writer = Writer::default();
    let declared = writer.declaration(ty, "", 0);
    format!(
        "#include <stdbool.h>\n#include <stdint.h>\n\n{};\n/* {} bytes */\n",
        declared.trim_end(),
        ty.size
    )
}

#[derive(Default)]
struct Writer {
    /// Tags of which the members stand above: C takes them once.
    defined: HashSet<String>,
}

impl Writer {
    /// `int32_t name[4]`.
    fn declaration(&mut self, ty: &Type, name: &str, depth: usize) -> String {
        let named = |of: &str| {
            let before = if ty.is_atomic() { "_Atomic " } else { "" };
            if name.is_empty() {
                format!("{before}{of}")
            } else {
                format!("{before}{of} {name}")
            }
        };
        match &ty.kind {
            Kind::Bool => named("bool"),
            Kind::CChar { .. } => named("char"),
            Kind::Char => named("uint32_t"),
            Kind::Int { signed } => named(&integer(ty.size, *signed)),
            Kind::Float if ty.size == 4 => named("float"),
            Kind::Float if ty.size == 8 => named("double"),
            Kind::Float => named("long double"),
            Kind::Text => format!("char {name}[{}]", ty.size),
            Kind::Pointer { written } if written.contains("function") => {
                format!("void (*{name})()")
            }
            Kind::Pointer { written } => named(&cleaned(written)),
            Kind::Array { element, count } => {
                let count = count.map_or(String::new(), |count| count.to_string());
                self.declaration(element, &format!("{name}[{count}]"), depth)
            }
            Kind::Struct { fields, .. } => {
                let unaligned = |field: &Field| {
                    field.bits.is_none() && !field.offset.is_multiple_of(field.ty.align)
                };
                let packed = fields.iter().any(unaligned);
                let word = if packed {
                    "struct __attribute__((packed))"
                } else {
                    "struct"
                };
                named(&self.tagged(word, ty, depth, |writer| writer.members(fields, depth + 1)))
            }
            Kind::Union { members } => named(&self.tagged("union", ty, depth, |writer| {
                writer.members(members, depth + 1)
            })),
            Kind::Enum { variants, .. } => {
                let tabs = "\t".repeat(depth + 1);
                let line = |(name, value): &(String, i128)| {
                    format!("{tabs}{} = {value},\n", cleaned(name))
                };
                named(&self.tagged("enum", ty, depth, |_| variants.iter().map(line).collect()))
            }
            Kind::Vec { .. } | Kind::Opaque => format!("unsigned char {name}[{}]", ty.size),
        }
    }

    /// `struct tag { … }`, or `struct tag` alone where it is known.
    fn tagged(
        &mut self,
        word: &str,
        ty: &Type,
        depth: usize,
        inside: impl FnOnce(&mut Writer) -> String,
    ) -> String {
        let tag = ty.name.as_deref().map(cleaned).unwrap_or_default();
        if !tag.is_empty() && !self.defined.insert(tag.clone()) {
            let word = word.split(' ').next().unwrap_or(word);
            return format!("{word} {tag}");
        }
        let space = if tag.is_empty() { "" } else { " " };
        let inside = inside(self);
        format!("{word} {tag}{space}{{\n{inside}{}}}", "\t".repeat(depth))
    }

    fn members(&mut self, fields: &[Field], depth: usize) -> String {
        let mut text = String::new();
        for field in fields {
            let declared = self.declaration(&field.ty, &cleaned(&field.name), depth);
            let bits = field
                .bits
                .map_or(String::new(), |(_, count)| format!(" : {count}"));
            let tabs = "\t".repeat(depth);
            let _ = writeln!(text, "{tabs}{declared}{bits}; /* @{} */", field.offset);
        }
        text
    }
}

fn integer(size: u64, signed: bool) -> String {
    let unsigned = if signed { "" } else { "u" };
    match size {
        1 | 2 | 4 | 8 => format!("{unsigned}int{}_t", size * 8),
        _ => format!("{}__int128", if signed { "" } else { "unsigned " }),
    }
}

/// A name of a file's that is not trusted: what no name in C or C++ has becomes an underscore.
fn cleaned(name: &str) -> String {
    let belongs = |c: char| c.is_alphanumeric() || "_ *:<>,&~…{}".contains(c);
    name.chars()
        .map(|c| if belongs(c) { c } else { '_' })
        .collect()
}
