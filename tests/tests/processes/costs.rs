//! What calls take of the kernel, counted, and what `docs/costs.md` says of it.

use std::collections::HashMap;
use std::fs::{read_to_string, remove_file};
use std::path::Path;
use std::process::Command;

use shm_tests::Guard;

/// Behind which mark of the peer's they are counted, and what the page says; `{}` is their number.
const TOLD: [(&str, &str); 13] = [
    (
        "open",
        "| `open` | {} (find, map, facts, the own user, three for",
    ),
    (
        "drop",
        ", claim a slot); {} to drop; about 10 more once per process |",
    ),
    (
        "open_read_only",
        "| `open_read_only` | {} (find, map, facts, the own user);",
    ),
    (
        "drop of a view",
        "(find, map, facts, the own user); {} to drop | 0 | a birth under way |",
    ),
    (
        "get",
        "| `get`, `snapshot`, `read_with`, `read_into` | {} |",
    ),
    ("first writer", "| `writer` | 0; once per process {} more |"),
    ("set", "`fetch_add` | {}; 1 to wake a waiter |"),
    ("1,024 versions", "| any write, each 1,024 versions | {}: "),
    ("info", "| `info` | {}: "),
    (
        "is_removed",
        "| 0 if the library removed it; else 5, under a key {} |",
    ),
    ("remove", "| `remove` | {} |"),
    (
        "is_removed afterwards",
        "| `is_removed` | {} if the library removed it;",
    ),
    (
        "shm_core::remove",
        "| `shm_core::remove` | {}; of an id 14 |",
    ),
];

#[test]
fn calls_take_as_many_system_calls_as_the_page_says() {
    let guard = Guard::new();
    let trace =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("costs.{}", std::process::id()));
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(&trace);
    strace.args([env!("CARGO_BIN_EXE_peer"), "costs", &guard.arg()]);
    let ran = strace.output();
    let traced = read_to_string(&trace).unwrap_or_default();
    let _ = remove_file(&trace);
    if !traced.contains("write(2, \"## ") {
        println!(
            "SKIPPED: calls_take_as_many_system_calls_as_the_page_says: strace can't be used here: {ran:?}"
        );
        return;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut mark = "";
    // Reading a clock is a system call on some machines.
    for line in traced
        .lines()
        .filter(|line| !line.starts_with("clock_gettime"))
    {
        match line
            .strip_prefix("write(2, \"## ")
            .and_then(|rest| rest.split('"').next())
        {
            Some(next) => (mark, _) = (next, counts.insert(next, 0)),
            None => *counts.entry(mark).or_default() += 1,
        }
    }
    assert!(counts.contains_key("end"), "{ran:?}");
    let page = include_str!("../../../docs/costs.md");
    let told = TOLD.map(|(mark, told)| told.replace("{}", &counts[mark].to_string()));
    let wrong: Vec<_> = told.iter().filter(|told| !page.contains(*told)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
