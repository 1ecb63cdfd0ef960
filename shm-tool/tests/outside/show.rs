//! `shm show`.

use shm_core::{FixedStr, Key, SharedBox};

use crate::space::*;

#[test]
fn a_value_is_shown_by_name() {
    in_own_namespace!();
    let shared = worker_box();
    let pid = std::process::id();
    let text = printed("show 0x1234");
    let (title, value) = text.split_once('\n').unwrap();
    assert!(
        title.starts_with(&format!("Worker v1 · version 1 · may write: {pid} (")),
        "{title}"
    );
    assert_eq!(
        value,
        "  pid            4711\n  name           \"alice\"\n  limits.cpu     [1, 2, 3, 4]\n  limits.memory  0.5\n  moods          [Calm, Wild, Calm]\n"
    );
    let id = shared.id().unwrap();
    drop(shared);
    assert!(printed(&format!("show id:{id}")).starts_with("Worker v1 · version 1\n"));
}

#[test]
fn a_path_leads_to_a_bare_value_for_scripts() {
    in_own_namespace!();
    let _shared = worker_box();
    assert_eq!(printed("show 0x1234 name"), "alice\n");
    assert_eq!(
        printed("show 0x1234 pid limits.cpu[2] moods[1]"),
        "4711\n3\nWild\n"
    );
    assert_eq!(
        printed("show 0x1234 limits.cpu"),
        "  limits.cpu  [1, 2, 3, 4]\n"
    );
    fails("show 0x1234 nam", 1, "did you mean `name`?");
    fails(
        "show 0x1234 limits.cpu[4]",
        1,
        "no element 4; it has 4, numbered from 0",
    );
    fails("show 0x1234 a..b", 2, "limits.cpu[2]");
}

#[test]
fn json_has_every_digit_and_a_format() {
    in_own_namespace!();
    let _shared = worker_box();
    let answer = json("show 0x1234 --json");
    assert_eq!(answer["value"]["limits"]["cpu"][3], 4);
    assert_eq!(
        (&answer["type"], &answer["version"]),
        (&"Worker".into(), &1.into())
    );
    let parts = json("show 0x1234 --json name moods[1]");
    assert_eq!(parts["parts"]["name"], "alice");
    assert_eq!(parts["parts"]["moods[1]"], "Wild");
    let _huge = SharedBox::create_new(0x77, u128::MAX).unwrap();
    let text = printed("show 0x77 --json");
    assert!(text.contains(&format!("\"value\":{}", u128::MAX)), "{text}");
}

#[test]
fn raw_bytes_stand_beside_their_names() {
    in_own_namespace!();
    let _shared = worker_box();
    let table = rows(&printed("show 0x1234 --raw"));
    let pid = 4711_i32.to_ne_bytes().map(|byte| format!("{byte:02x}"));
    assert_eq!(
        table[0],
        [&["00000000".to_owned()][..], &pid, &["pid".to_owned()]].concat()
    );
    assert!(
        table.iter().any(|row| row.last().unwrap() == "(padding)"),
        "{table:?}"
    );
    foreign(0x77, 20);
    let table = printed("show 0x77 --raw");
    assert_eq!(table.lines().count(), 2);
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("00000010  00 00 00 00 "),
        "{table}"
    );
}

#[test]
fn of_a_value_that_is_too_large_the_bytes_are_shown_as_its_error_says() {
    in_own_namespace!();
    let options = SharedBox::<[u64; 20 << 17]>::options();
    let _shared = options.open_or_create_zeroed(KEY).unwrap();
    fails("show 0x1234", 5, "`shm show --raw 0x00001234`");
    assert!(printed("show 0x1234 --raw").lines().count() > 1);
}

#[test]
fn what_can_not_be_shown_says_why_and_what_to_do() {
    in_own_namespace!();
    fails(
        "show 0x1234",
        1,
        "no segment has this key in the IPC namespace ",
    );
    fails("show 0x1234", 1, "(a container's?); `shm ls` lists");
    fails("show id:12345", 1, "`shm ls` lists");
    foreign(0x77, 4096);
    fails("show 0x77", 5, "another program laid it out");
    fails("show 0", 2, "0 is IPC_PRIVATE");
    foreign(0x78, 4096);
    fails("show 1", 1, "but one has this id; write id:1");
    fails("show file", 2, "names no place");
    fails("show Cargo.toml", 2, "write file:Cargo.toml");
    fails("show 0x77 --colour", 2, "did you mean `--color`?");
}

#[test]
fn long_lists_are_cut_unless_all_is_asked_for() {
    in_own_namespace!();
    let mut value = [0_u32; 100];
    value[99] = 7;
    let _shared = SharedBox::create_new(KEY, value).unwrap();
    assert!(printed("show 0x1234").ends_with("… 84 more]\n"));
    assert!(printed("show 0x1234 --all").ends_with(", 7]\n"));
    assert_eq!(printed("show 0x1234 [99]"), "7\n");
}

#[test]
fn text_that_would_move_a_cursor_is_escaped() {
    in_own_namespace!();
    let evil = FixedStr::<20>::from_bytes(b"\x1b[2J\x07evil\n\xc2\x9b").unwrap();
    let shared = SharedBox::create_new(Key::PRIVATE, evil).unwrap();
    for arguments in ["show", "show --raw", "show --all"] {
        let text = printed(&format!("{arguments} id:{}", shared.id().unwrap()));
        let harmless = |c: char| c == '\n' || !c.is_control();
        assert!(text.chars().all(harmless), "{arguments}: {text:?}");
    }
}
