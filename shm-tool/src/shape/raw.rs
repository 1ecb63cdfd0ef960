//! Bytes beside the names of the fields that they are, padding included.

use std::fmt::Write as _;

use super::{Kind, Type};
use crate::output::{FAINT, styled, visible};
use crate::value::Extent;

/// Bytes on a line.
const WIDTH: usize = 16;

/// Lines of one field that are shown in short.
const LINES: usize = 8;

/// Bytes that belong to one name.
struct Span {
    offset: u64,
    size: u64,
    /// `None`: padding, or what nothing names.
    path: Option<String>,
}

/// The bytes of a segment, by the type if there is one.
pub fn raw_lines(bytes: &[u8], ty: Option<&Type>, extent: Extent) -> String {
    let mut spans = Vec::new();
    if let Some(ty) = ty {
        collect(ty, 0, "", &mut spans);
    }
    let mut text = String::new();
    let mut at = 0;
    for span in spans {
        if span.offset > at {
            dump(&mut text, bytes, at, span.offset, Some("(padding)"), extent);
        }
        let end = span.offset + span.size;
        dump(
            &mut text,
            bytes,
            span.offset.max(at),
            end,
            span.path.as_deref(),
            extent,
        );
        at = at.max(end);
    }
    let rest = if ty.is_some() {
        Some("(padding)")
    } else {
        None
    };
    dump(&mut text, bytes, at, bytes.len() as u64, rest, extent);
    text
}

/// The leaves, in the order in which they lie; an array of leaves is one.
fn collect(ty: &Type, offset: u64, path: &str, spans: &mut Vec<Span>) {
    match &ty.kind {
        Kind::Struct { fields, .. } => {
            for field in fields {
                let path = format!("{path}{}{}", dot(path, &field.name), visible(&field.name));
                match field.bits {
                    Some(bits) => bit_field(bits, offset, &path, spans),
                    None => collect(&field.ty, offset + field.offset, &path, spans),
                }
            }
        }
        // Up to the end of the segment.
        Kind::Array { count: None, .. } => {
            let path = Some(path.to_owned());
            spans.push(Span {
                offset,
                size: u64::MAX / 2,
                path,
            });
        }
        Kind::Array { element, count } => {
            let count = count.unwrap_or(0);
            elements(element, count, offset, path, ty.size, spans);
        }
        Kind::Vec {
            element,
            capacity,
            offset: first,
        } => {
            let len = format!("{path} (length)");
            spans.push(Span {
                offset,
                size: 4,
                path: Some(len),
            });
            let size = ty.size.saturating_sub(*first);
            elements(element, *capacity, offset + first, path, size, spans);
        }
        _ => spans.push(Span {
            offset,
            size: ty.size,
            path: Some(if path.is_empty() { "(the value)" } else { path }.to_owned()),
        }),
    }
}

/// One that shares bytes with the one before stands beside that.
fn bit_field((first, count): (u64, u64), offset: u64, path: &str, spans: &mut Vec<Span>) {
    let (start, end) = (offset + first / 8, offset + (first + count).div_ceil(8));
    match spans.last_mut() {
        Some(Span {
            offset,
            size,
            path: Some(beside),
        }) if *offset + *size > start => {
            *beside = format!("{beside}, {path}");
            *size = end.max(*offset + *size) - *offset;
        }
        _ => spans.push(Span {
            offset: start,
            size: end - start,
            path: Some(path.to_owned()),
        }),
    }
}

/// What stands between the path of a struct and the name of its part.
fn dot(path: &str, name: &str) -> &'static str {
    if path.is_empty() || name.is_empty() {
        ""
    } else {
        "."
    }
}

/// So many structs are shown one by one.
const STRUCTS: u64 = 64;

fn elements(element: &Type, count: u64, offset: u64, path: &str, size: u64, spans: &mut Vec<Span>) {
    if element.is_leaf() || count > STRUCTS {
        spans.push(Span {
            offset,
            size,
            path: Some(path.to_owned()),
        });
        return;
    }
    for i in 0..count {
        collect(
            element,
            offset + i * element.size,
            &format!("{path}[{i}]"),
            spans,
        );
    }
}

fn dump(text: &mut String, bytes: &[u8], from: u64, to: u64, name: Option<&str>, extent: Extent) {
    let (from, to) = (from as usize, (to as usize).min(bytes.len()));
    let Some(shown) = bytes.get(from..to) else {
        return;
    };
    let limit = match (extent, name) {
        (Extent::Full, _) => usize::MAX,
        (Extent::Short, Some(_)) => LINES,
        // Without names there is nothing else to see.
        (Extent::Short, None) => 256,
    };
    let lines = shown.chunks(WIDTH);
    let count = lines.len();
    let mut last = None;
    let mut alike = false;
    for (i, line) in lines.enumerate() {
        if i == limit {
            let left = shown.len() - i * WIDTH;
            let _ = writeln!(
                text,
                "{}",
                styled(FAINT, &format!("{left} bytes more (--all shows them)"))
            );
            return;
        }
        // As `hexdump` does.
        if last == Some(line) && i + 1 < count {
            if !alike {
                text.push_str("*\n");
            }
            alike = true;
            continue;
        }
        alike = false;
        last = Some(line);
        let mut hex = String::new();
        for byte in line {
            let _ = write!(hex, "{byte:02x} ");
        }
        let beside = match name {
            Some(name) if i == 0 => name.to_owned(),
            Some(_) => String::new(),
            None => line
                .iter()
                .map(|byte| {
                    if byte.is_ascii_graphic() || *byte == b' ' {
                        *byte as char
                    } else {
                        '.'
                    }
                })
                .collect(),
        };
        let offset = styled(FAINT, &format!("{:08x}", from + i * WIDTH));
        let line = format!("{offset}  {hex:<48} {beside}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use shm_core::{FixedStr, SharedLayout};

    use super::*;
    use crate::shape::from_schema;

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Padded {
        a: u8,
        b: u32,
        name: FixedStr<3>,
    }

    #[test]
    fn each_byte_stands_beside_its_field_or_is_padding() {
        let ty = from_schema(Padded::SCHEMA);
        let bytes = [1, 0xee, 0xee, 0xee, 2, 0, 0, 0, b'h', b'i', 0, 0xdd];
        let text = raw_lines(&bytes, Some(&ty), Extent::Short);
        let plain = anstream::adapter::strip_str(&text).to_string();
        let words: Vec<Vec<&str>> = plain
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            words,
            [
                vec!["00000000", "01", "a"],
                vec!["00000001", "ee", "ee", "ee", "(padding)"],
                vec!["00000004", "02", "00", "00", "00", "b"],
                vec!["00000008", "68", "69", "00", "name"],
                vec!["0000000b", "dd", "(padding)"],
            ]
        );
    }
}
