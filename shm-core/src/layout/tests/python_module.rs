//! Python modules from random schemas: whatever a segment says it holds, Python imports it, and the
//! assertions in the module find each field where it should be.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::any_schema::any_schema;

/// What Python says about a program; `None`: there is none.
fn said(program: &str) -> Option<String> {
    let mut child = Command::new("python3")
        .args(["-W", "error", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(program.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("SHM_FULL").map_or(8, |_| 100)
    ))]

    #[test]
    fn python_takes_the_module_of_any_schema(schema in any_schema()) {
        let module = schema.python_module();
        let size = schema.size();
        let use_it = format!(
            "\nvalue = _TYPE()\nassert _ctypes.sizeof(value) == {size}\nrepr(value), value == value\n"
        );
        let said = said(&(module + &use_it)).unwrap_or_default();
        prop_assert!(said.is_empty(), "{said}\n{schema:#?}");
    }
}
