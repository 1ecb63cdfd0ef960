//! An id means whatever segment has it: it is asked what it is once it is attached.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::process::Command;

#[test]
fn an_id_that_another_segment_gets_meanwhile_is_judged_by_what_was_attached() {
    let output = Command::new(env!("CARGO_BIN_EXE_swapped"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("SKIPPED") {
        eprint!("{text}");
    }
    assert!(output.status.success(), "{output:?}");
}
