//! What the compiler says to a user whose struct cannot be shared, word for word, and what it
//! accepts.
//!
//! Rewrite the snapshots with `TRYBUILD=overwrite cargo test -p shm-tests-messages`, then
//! read them as a user would. They hold for one compiler, since each release words and draws its
//! messages a little differently.

use std::io::Write;
use std::process::Command;

/// The compiler that wrote the snapshots; `CONTRIBUTING.md` names it too.
const SNAPSHOTS_OF: &str = "rustc 1.95.";

#[test]
fn messages_say_what_to_write_instead() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    let version = rustc_version();
    if version.starts_with(SNAPSHOTS_OF) {
        cases.compile_fail("ui/fail/*.rs");
    } else {
        // Not `eprintln!`: the test harness would swallow it, and a skipped test has to show.
        let skipped = format!(
            "SKIPPED: the compile-fail snapshots are of {SNAPSHOTS_OF}x, and this is {version}\n"
        );
        std::io::stderr()
            .write_all(skipped.as_bytes())
            .expect("standard error is open");
    }
}

#[test]
fn the_release_of_the_snapshots_is_told() {
    let told = include_str!("../../CONTRIBUTING.md");
    let release = SNAPSHOTS_OF
        .trim_start_matches("rustc ")
        .trim_end_matches('.');
    assert!(
        told.contains(&format!("of **Rust {release}**")),
        "{release}"
    );
}

fn rustc_version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("rustc runs: it has just compiled this test");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
