//! `shm diff`.

use shm_core::{FixedStr, SharedBox, SharedLayout};

use crate::space::*;

#[derive(SharedLayout, Clone, Copy)]
#[shared(name = "Worker", version = 2)]
#[repr(C)]
struct LaterWorker {
    pid: i32,
    name: FixedStr<20>,
    limits: Limits,
    moods: [Mood; 3],
    #[shared(since = 2)]
    uid: u32,
}

fn differ(arguments: &str) -> String {
    let ran = shm(arguments);
    assert_eq!((ran.code, &*ran.err), (3, ""), "{arguments}");
    ran.out
}

#[test]
fn equal_types_are_told_from_equal_values() {
    in_own_namespace!();
    let _first = worker_box();
    let second = SharedBox::create_new(0x77, worker()).unwrap();
    assert!(printed("diff 0x1234 0x77").starts_with("one layout"));
    second.update(|worker| worker.limits.cpu[1] = 9).unwrap();
    assert_eq!(
        differ("diff 0x1234 0x77").lines().nth(1),
        Some("  limits.cpu[1]  2 | 9")
    );
}

#[test]
fn types_stand_side_by_side_and_a_later_version_is_known() {
    in_own_namespace!();
    let _first = worker_box();
    let worker = worker();
    let (limits, moods) = (worker.limits, worker.moods);
    let later = LaterWorker {
        pid: 1,
        name: worker.name,
        limits,
        moods,
        uid: 7,
    };
    let _later = SharedBox::create_new(0x77, later).unwrap();
    let text = differ("diff 0x1234 0x77");
    assert!(
        text.starts_with("the second is a later version of the first (48 and 48 bytes)"),
        "{text}"
    );
    assert!(text.contains("\nuid    -      u32 @44\n"), "{text}");
    assert!(differ("diff 0x77 0x1234").starts_with("the first is a later version"));
    let _other = SharedBox::create_new(0x78, [1_u8; 3]).unwrap();
    assert!(differ("diff 0x1234 0x78").starts_with("two layouts"));
    foreign(0x79, 64);
    fails("diff 0x1234 0x79", 5, "another program laid it out");
    fails("diff 0x1234 nonsense", 2, "FILE:NAME");
}

#[test]
fn a_c_programs_type_is_held_against_a_segment() {
    in_own_namespace!();
    // struct axis of motion.c.
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(i32)]
    enum State {
        Idle = 0,
        Moving = 3,
        Broken = -1,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Axis {
        state: State,
        target: [[i16; 3]; 2],
        label: FixedStr<6>,
    }
    let _ = (State::Moving, State::Broken);
    let axis = Axis {
        state: State::Idle,
        target: [[0; 3]; 2],
        label: FixedStr::EMPTY,
    };
    let _shared = SharedBox::create_new(KEY, axis).unwrap();
    let folder = crate::debug_info::Folder::new("diff");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let run = |name: &str| {
        let side = format!("{}:{name}", program.display());
        ran(command().args(["diff", "0x1234", &side]).output().unwrap())
    };
    let same = run("struct axis");
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    let other = run("struct wire");
    assert_eq!(other.code, 3);
    assert!(
        other.out.contains("length  -") && other.out.contains("u32 @1"),
        "{}",
        other.out
    );
}

#[test]
fn files_of_schemas_and_dumps_are_sides_too() {
    in_own_namespace!();
    let shared = worker_box();
    let folder = crate::debug_info::Folder::new("kept-sides");
    let (schema, dump, none) = (
        folder.path("worker.json"),
        folder.path("worker.dump"),
        folder.path("none.json"),
    );
    std::fs::write(&schema, printed("schema 0x1234 --format json")).unwrap();
    printed(&format!("dump 0x1234 {dump}"));
    assert!(printed(&format!("diff {schema} 0x1234")).starts_with("one layout"));
    assert!(printed(&format!("diff {dump} {schema}")).starts_with("one layout"));
    assert!(printed(&format!("diff {dump} 0x1234")).starts_with("one layout"));
    shared.update(|worker| worker.pid = 1).unwrap();
    assert!(differ(&format!("diff {dump} 0x1234")).contains("  pid  4711 | 1\n"));
    let _other = SharedBox::create_new(0x78, [1_u8; 3]).unwrap();
    assert!(differ(&format!("diff {schema} 0x78")).starts_with("two layouts (48 and 3 bytes)"));
    for text in ["{", "{}", "{\"type\":{\"kind\":\"int\"}}"] {
        std::fs::write(&none, text).unwrap();
        fails(&format!("diff {none} 0x1234"), 5, "it is no schema");
    }
    std::fs::write(&none, "shmdump1 and no more").unwrap();
    fails(&format!("diff {none} 0x1234"), 5, "no whole dump");
    std::fs::write(&none, "text").unwrap();
    fails(
        &format!("diff {none} 0x1234"),
        5,
        "another program laid it out",
    );
}
