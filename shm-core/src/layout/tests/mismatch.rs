//! The table of a mismatch says what differs, in columns.

use super::{leak, struct_of, structure};
use crate::layout::{FieldSchema, FixedStr, Mismatch, Schema, SharedLayout, Variant};

#[track_caller]
fn assert_shows(stored: &Schema, mine: &Schema, table: &str) {
    let shown = Mismatch::new(stored, mine).to_string();
    assert_eq!(shown, table, "\n{shown}\n");
}

fn st_pid(names: &Schema) -> Schema {
    let size = (4 + names.size()).next_multiple_of(4);
    structure(
        "StPid",
        1,
        size,
        4,
        &[("pid", 0, i32::SCHEMA), ("names", 4, names)],
    )
}

#[test]
fn a_longer_text() {
    assert_shows(
        &st_pid(FixedStr::<51>::SCHEMA),
        &st_pid(FixedStr::<64>::SCHEMA),
        "  field   in the segment        in this program
  pid     i32           @0      i32           @0
  names   FixedStr<51>  @4      FixedStr<64>  @4   <- size differs",
    );
}

#[test]
fn fields_that_moved_changed_came_went_and_were_renamed() {
    let stored = structure(
        "S",
        1,
        32,
        4,
        &[
            ("swapped", 0, u32::SCHEMA),
            ("with", 4, u32::SCHEMA),
            ("sign", 8, u32::SCHEMA),
            ("old", 12, f32::SCHEMA),
            ("gone", 16, u64::SCHEMA),
            ("wider", 24, u8::SCHEMA),
            ("list", 25, <[u8; 3]>::SCHEMA),
        ],
    );
    let mine = structure(
        "S",
        1,
        36,
        4,
        &[
            ("with", 0, u32::SCHEMA),
            ("swapped", 4, u32::SCHEMA),
            ("sign", 8, i32::SCHEMA),
            ("new", 12, f32::SCHEMA),
            ("fresh", 16, bool::SCHEMA),
            ("wider", 26, u16::SCHEMA),
            ("list", 28, <[u8; 5]>::SCHEMA),
        ],
    );
    assert_shows(
        &stored,
        &mine,
        "  field     in the segment   in this program
  swapped   u32      @0      u32      @4    <- offset differs
  with      u32      @4      u32      @0    <- offset differs
  sign      u32      @8      i32      @8    <- type differs
  old       f32      @12     f32      @12   <- renamed? `new` in this program
  gone      u64      @16     -              <- only in the segment
  fresh     -                bool     @16   <- only in this program
  wider     u8       @24     u16      @26   <- type and offset differ
  list      [u8; 3]  @25     [u8; 5]  @28   <- size and offset differ",
    );
}

#[test]
fn a_nested_struct_is_taken_apart_only_if_it_differs() {
    let point = |y: &Schema| structure("Point", 1, 8, 4, &[("x", 0, i32::SCHEMA), ("y", 4, y)]);
    let outer = |y: &Schema| {
        let points = Schema::array(leak(point(y)), 3);
        structure(
            "S",
            1,
            40,
            4,
            &[
                ("same", 0, &point(i32::SCHEMA)),
                ("pos", 8, &point(y)),
                ("all", 16, &points),
            ],
        )
    };
    assert_shows(
        &outer(i32::SCHEMA),
        &outer(f32::SCHEMA),
        "  field      in the segment   in this program
  same       Point    @0      Point  @0
  pos.x      i32      @8      i32    @8
  pos.y      i32      @12     f32    @12   <- type differs
  all[0].x   i32      @16     i32    @16
  all[0].y   i32      @20     f32    @20   <- type differs",
    );
}

#[test]
fn an_enum_names_the_variants_that_differ() {
    let state = |repr: &'static Schema, variants: &[(&'static str, i128)]| {
        let variants: Vec<Variant> = variants
            .iter()
            .map(|&(name, value)| Variant::new(name, value))
            .collect();
        let state = Schema::enumeration("State", repr, leak(variants));
        structure("S", 1, 2, 1, &[("at", 0, &state)])
    };
    let stored = state(u8::SCHEMA, &[("Idle", 0), ("Busy", 1), ("Done", 2)]);
    assert_shows(
        &stored,
        &state(u8::SCHEMA, &[("Idle", 0), ("Busy", 2), ("Lost", 3)]),
        "  field   in the segment   in this program
  at      State    @0      State  @0   <- enum differs: `Busy` is 1 in the segment, 2 in this program; \
         `Done` only in the segment; `Lost` only in this program",
    );
    assert_shows(
        &stored,
        &state(u16::SCHEMA, &[("Idle", 0), ("Busy", 1), ("Done", 2)]),
        "  field   in the segment   in this program
  at      State    @0      State  @0   <- type differs: stored as u8 in the segment, as u16 in this program",
    );
    assert_shows(
        &stored,
        &state(u8::SCHEMA, &[("Busy", 1), ("Idle", 0), ("Done", 2)]),
        "  field   in the segment   in this program
  at      State    @0      State  @0   <- enum differs: its variants are declared in another order",
    );
}

#[test]
fn what_no_row_shows_is_said_below() {
    let of = |version, size, align| structure("S", version, size, align, &[("x", 0, i32::SCHEMA)]);
    let head = "  field   in the segment   in this program
  x       i32      @0      i32  @0";
    let shows =
        |mine: &Schema, note: &str| assert_shows(&of(1, 8, 4), mine, &format!("{head}\n  {note}"));
    shows(&of(2, 8, 4), "version 1 in the segment, 2 in this program");
    shows(
        &of(1, 12, 4),
        "size 8 bytes in the segment, 12 in this program",
    );
    shows(&of(1, 8, 4), "no difference");
}

#[test]
fn alignment_which_the_fingerprint_leaves_out_is_no_difference() {
    let inner = |align| structure("Inner", 1, 8, align, &[("x", 0, i64::SCHEMA)]);
    let of = |align, last: &Schema| {
        let fields = [("inner", 0, &inner(align)), ("last", 8, last)];
        structure("S", 1, 16, align, &fields)
    };
    assert_eq!(
        of(4, u32::SCHEMA).fingerprint(),
        of(8, u32::SCHEMA).fingerprint()
    );
    assert_shows(
        &of(4, u32::SCHEMA),
        &of(8, i32::SCHEMA),
        "  field   in the segment   in this program
  inner   Inner    @0      Inner  @0
  last    u32      @8      i32    @8   <- type differs",
    );
    let head = "  field   in the segment   in this program";
    let agreeing = Mismatch::new(&of(4, u32::SCHEMA), &of(8, u32::SCHEMA)).to_string();
    assert!(
        agreeing.starts_with(head) && agreeing.ends_with("no difference"),
        "{agreeing}"
    );
}

#[test]
fn the_broken_rule_is_said_below() {
    let of = |version, fields: &[(&'static str, usize, &Schema)], since| {
        let fields: Vec<FieldSchema> = fields
            .iter()
            .map(|&(name, offset, schema)| {
                let since = if name == "uid" { since } else { 1 };
                FieldSchema::evolved(name, offset, leak(schema.clone()), since, &[], false)
            })
            .collect();
        struct_of("StPid", version, 8, 4, fields)
    };
    let pid = ("pid", 0, i32::SCHEMA);
    let (uid, wide) = (("uid", 4, u32::SCHEMA), ("pid", 0, i64::SCHEMA));
    let shows = |stored: &Schema, mine: &Schema, notes: &[&str]| {
        let shown = Mismatch::new(stored, mine).to_string();
        let found: Vec<&str> = shown
            .lines()
            .skip_while(|line| !line.contains("<-"))
            .skip(1)
            .collect();
        assert_eq!(found, notes, "\n{shown}\n");
    };
    shows(
        &of(3, &[pid], 1),
        &of(3, &[pid, uid], 3),
        &["  this program changes version 3 without a higher one: \
           write `#[shared(version = 4)]` there, and `#[shared(since = 4)]` above each new field"],
    );
    shows(
        &of(1, &[pid, uid], 1),
        &of(1, &[pid], 1),
        &[
            "  the program that made the segment changes version 1 without a higher one: \
           write `#[shared(version = 2)]` there, and `#[shared(since = 2)]` above each new field",
        ],
    );
    shows(
        &of(3, &[pid], 1),
        &of(4, &[pid, uid], 3),
        &[
            "  version 3 in the segment, 4 in this program",
            "  version 4 cannot follow version 3: field `uid` says `since = 3`, but version 3 lacks it: write `since = 4`",
        ],
    );
    shows(
        &of(2, &[wide], 1),
        &of(1, &[pid], 1),
        &[
            "  version 2 in the segment, 1 in this program",
            "  version 2 cannot follow version 1: field `pid` is `i64`, and in version 1 it is `i32`: \
           a field keeps its type, so leave it and add another one behind all others",
        ],
    );
    shows(&of(1, &[wide], 1), &of(1, &[pid], 1), &[]);
    let strangers = Mismatch::new(&of(1, &[uid], 1), &of(2, &[pid], 1)).to_string();
    assert!(!strangers.contains("cannot follow"), "{strangers}");
}

#[test]
fn a_nested_version_is_said_in_its_row() {
    let of = |version| {
        let inner = structure("Inner", version, 4, 4, &[("x", 0, i32::SCHEMA)]);
        structure("S", 1, 4, 4, &[("inner", 0, &inner)])
    };
    assert_shows(
        &of(1),
        &of(2),
        "  field   in the segment   in this program
  inner   Inner    @0      Inner  @0   <- version 1 in the segment, 2 in this program
  this program changes version 1 without a higher one: write `#[shared(version = 2)]` there",
    );
}

#[test]
fn values_that_are_no_structs_are_one_row() {
    assert_shows(
        u32::SCHEMA,
        &st_pid(FixedStr::<51>::SCHEMA),
        "  field     in the segment   in this program
  (value)   u32      @0      StPid  @0   <- type differs",
    );
}

#[test]
fn a_long_table_keeps_what_differs() {
    let many = |last: &Schema| {
        let names: Vec<&'static str> = (0..100).map(|i| leak(format!("f{i}"))).collect();
        let mut fields: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, &name)| (name, 4 * i, u32::SCHEMA))
            .collect();
        let last: &'static Schema = leak(last.clone());
        fields[99].2 = last;
        structure("S", 1, 400, 4, &fields)
    };
    let shown = Mismatch::new(&many(u32::SCHEMA), &many(i32::SCHEMA)).to_string();
    assert_eq!(shown.lines().count(), 1 + 40 + 1, "{shown}");
    assert!(
        shown.contains("f99") && shown.ends_with("\n  ... and 60 more that agree"),
        "{shown}"
    );
    assert_eq!(shown.matches("<-").count(), 1);

    let all_gone = structure("S", 1, 4, 4, &[("other", 0, i32::SCHEMA)]);
    let shown = Mismatch::new(&many(u32::SCHEMA), &all_gone).to_string();
    assert!(
        shown.ends_with("\n  ... and 61 more that differ"),
        "{shown}"
    );
}

/// Only a hostile segment has such a schema. Each field of the program is compared once all the
/// same, and what a table does not show is counted and not put into words.
#[test]
fn fields_that_repeat_one_name_cost_no_more_than_their_number() {
    const REPEATED: usize = 1000;
    let inner = |count: usize, schema: &Schema| {
        let names = (0..count).map(|i| -> &'static str { leak(format!("f{i}")) });
        let fields: Vec<_> = names
            .enumerate()
            .map(|(i, name)| (name, 4 * i, schema))
            .collect();
        structure("Inner", 1, 4 * count, 4, &fields)
    };
    let (theirs, ours) = (inner(1, u32::SCHEMA), inner(REPEATED, i32::SCHEMA));
    let fields: Vec<_> = (0..REPEATED).map(|i| ("same", 4 * i, &theirs)).collect();
    let stored = structure("S", 1, 4 * REPEATED, 4, &fields);
    let mine = structure("S", 1, 4 * REPEATED, 4, &[("same", 0, &ours)]);

    let shown = Mismatch::new(&stored, &mine).to_string();
    let left_out = 2 * REPEATED - 1 - 40;
    assert!(
        shown.contains(&format!("... and {left_out} more that differ")),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1 + 40 + 1, "{shown}");
}
