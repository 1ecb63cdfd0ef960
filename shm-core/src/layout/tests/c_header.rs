//! Headers for C from random schemas: whatever a segment says it holds, a compiler takes it and finds
//! each field where it should be.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use proptest::prelude::*;

use super::any_schema::any_schema;

/// What a compiler says about `text`, called so; `None`: there is none, or none for this target.
fn said(compiler: &str, width: &str, text: &str) -> Option<String> {
    let mut child = Command::new(compiler)
        .args([
            "-fsyntax-only",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            // A header is made to be included, and is the main file here.
            "-Wno-unused-function",
            width,
        ])
        .args(if compiler.ends_with("++") {
            ["-std=c++17", "-xc++", "-"]
        } else {
            ["-std=c11", "-xc", "-"]
        })
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Each compiler and width that takes what the header includes of the system's. A compiler may be
/// there for C and not for C++, and for its own width only. Says which are missing.
fn compilers(header: &str) -> &'static [(&'static str, &'static str)] {
    static FOUND: OnceLock<Vec<(&str, &str)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let includes = header.lines().filter(|line| line.starts_with("#include <"));
        let probe: String = includes.flat_map(|line| [line, "\n"]).collect();
        let all = ["gcc", "g++", "clang", "clang++"]
            .into_iter()
            .flat_map(|compiler| [(compiler, "-m64"), (compiler, "-m32")]);
        all.filter(|(compiler, width)| {
            let works = said(compiler, width, &probe).is_some_and(|said| said.is_empty());
            if !works {
                eprintln!("SKIPPED in part: {compiler} {width} can't compile here");
            }
            works
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("SHM_FULL").map_or(8, |_| 100)
    ))]

    #[test]
    fn compilers_take_the_header_of_any_schema(schema in any_schema()) {
        let header = schema.c_header();
        for (compiler, width) in compilers(&header) {
            let said = said(compiler, width, &header).unwrap_or_default();
            prop_assert!(said.is_empty(), "{compiler} {width}: {said}\n{schema:#?}");
        }
    }
}
