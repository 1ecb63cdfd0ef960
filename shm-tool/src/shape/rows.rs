//! A type as lines, to compare it with another one.

use super::{Field, Kind, Type};

/// A part that has no named parts, or elements of such.
pub struct Row {
    pub path: String,
    /// As in Rust, where Rust has a word for it.
    pub ty: String,
    pub offset: u64,
}

/// The parts of a type; of an array of structs the first element stands for all.
pub fn rows(ty: &Type) -> Vec<Row> {
    let mut found = Vec::new();
    collect(ty, 0, "", &mut found);
    found
}

fn collect(ty: &Type, offset: u64, path: &str, found: &mut Vec<Row>) {
    match &ty.kind {
        Kind::Struct { fields, .. } | Kind::Union { members: fields } => {
            for field in fields {
                let dot = if path.is_empty() || field.name.is_empty() {
                    ""
                } else {
                    "."
                };
                let path = format!("{path}{dot}{}", field.name);
                match field.bits {
                    Some(bits) => found.push(bit_field(field, bits, offset, path)),
                    None => collect(&field.ty, offset + field.offset, &path, found),
                }
            }
        }
        Kind::Array { element, .. } if has_names(element) => {
            found.push(Row {
                path: path.to_owned(),
                ty: word(ty),
                offset,
            });
            collect(element, offset, &format!("{path}[0]"), found);
        }
        Kind::Vec {
            element,
            offset: first,
            ..
        } if has_names(element) => {
            found.push(Row {
                path: path.to_owned(),
                ty: word(ty),
                offset,
            });
            collect(element, offset + first, &format!("{path}[0]"), found);
        }
        _ => found.push(Row {
            path: path.to_owned(),
            ty: word(ty),
            offset,
        }),
    }
}

fn bit_field(field: &Field, (first, count): (u64, u64), offset: u64, path: String) -> Row {
    let ty = format!("{count} bits from bit {} of {}", first % 8, word(&field.ty));
    Row {
        path,
        ty,
        offset: offset + first / 8,
    }
}

fn has_names(ty: &Type) -> bool {
    match &ty.kind {
        Kind::Struct { .. } | Kind::Union { .. } => true,
        Kind::Array { element, .. } | Kind::Vec { element, .. } => has_names(element),
        _ => false,
    }
}

/// Structs and enums by their form alone: what they are called on either side is no difference.
fn word(ty: &Type) -> String {
    let bits = ty.size.saturating_mul(8);
    match &ty.kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Int { signed: true } | Kind::CChar { signed: true } => format!("i{bits}"),
        Kind::Int { signed: false } | Kind::CChar { signed: false } => format!("u{bits}"),
        Kind::Float => format!("f{bits}"),
        Kind::Char => "char".to_owned(),
        Kind::Text => format!("text of {}", ty.size),
        Kind::Array {
            element,
            count: Some(count),
        } if matches!(element.kind, Kind::CChar { .. }) => {
            format!("text of {count}")
        }
        Kind::Array { element, count } => {
            let count = count.map_or("…".to_owned(), |count| count.to_string());
            format!("[{}; {count}]", word(element))
        }
        Kind::Vec {
            element, capacity, ..
        } => format!("FixedVec<{}, {capacity}>", word(element)),
        Kind::Enum { signed, variants } => {
            let sign = if *signed { 'i' } else { 'u' };
            let mut values: Vec<i128> = variants.iter().map(|(_, value)| *value).collect();
            values.sort_unstable();
            values.dedup();
            let values: Vec<String> = values.iter().map(i128::to_string).collect();
            format!("enum {sign}{bits} of {}", values.join(", "))
        }
        Kind::Pointer { .. } => format!("pointer of {}", ty.size),
        Kind::Struct { .. } => format!("struct of {}", ty.size),
        Kind::Union { .. } => format!("union of {}", ty.size),
        Kind::Opaque => format!("{} opaque bytes", ty.size),
    }
}
