//! The tables of `FORMAT.md` on the stored form, compared with the code.

use super::{Schema, SharedLayout};
use crate::format_tables::tables;
use crate::layout::Primitive;
use crate::layout::canonical::tag;

#[test]
fn the_stored_form_begins_as_the_format_says() {
    let [parts, _] = &tables("Stored form")[..] else {
        panic!("the parts, and the tags");
    };
    let stored = u8::SCHEMA.encode();
    assert_eq!(parts[0], ["form", "1", &format!("`{}`", stored[0])]);
    let order = if cfg!(target_endian = "big") {
        "big"
    } else {
        "little"
    };
    let number = format!("`{}` {order}-endian", stored[1]);
    assert!(parts[1][2].contains(&number), "{:?}", parts[1]);
    assert_eq!(&parts[2][..2], ["type", ""]);
    assert_eq!(parts.len(), 3);
}

#[test]
fn types_have_the_tags_that_the_format_says() {
    let [_, tags] = &tables("Stored form")[..] else {
        panic!("the parts, and the tags");
    };
    let mut primitives = 0_usize;
    let mut others = Vec::new();
    for row in tags {
        if let Some(number) = row[0].strip_prefix("0x") {
            let number = u8::from_str_radix(number, 16).expect("a tag");
            let name = row[1].split([' ', ',']).next().unwrap_or_default();
            others.push((number, name.to_owned()));
            continue;
        }
        let numbers = row[0]
            .split([' ', ','])
            .filter_map(|cell| cell.parse().ok());
        let numbers: Vec<u8> = numbers.collect();
        let numbers = numbers[0]..=*numbers.last().expect("one tag or several");
        // Every other piece between backticks is a name.
        let names = row[1].split('`').skip(1).step_by(2);
        let names: Vec<&str> = names.collect();
        assert_eq!(numbers.clone().count(), names.len(), "{row:?}");
        for (number, name) in numbers.zip(names) {
            let primitive = Primitive::from_tag(number).expect("a tag");
            assert_eq!(primitive.name(), name, "{row:?}");
            assert_eq!(Schema::primitive(primitive).encode()[2..], [number]);
            primitives += 1;
        }
    }
    assert_eq!(primitives, Primitive::ALL.len(), "all of them");
    let ours = [
        (tag::ARRAY, "array"),
        (tag::STR, "text"),
        (tag::STRUCT, "struct"),
        (tag::ENUM, "enum"),
        (tag::VEC, "vector"),
        (tag::OPAQUE, "opaque"),
    ];
    assert_eq!(others, ours.map(|(number, name)| (number, name.to_owned())));
}
