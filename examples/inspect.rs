//! Prints any segment of this library's by its key, without the type of its value.
//!
//! ```console
//! $ cargo run --example inspect -- 0x1234
//! $ cargo run --example inspect --features json -- --json 0x1234
//! $ cargo run --example inspect -- --python 0x1234 >st_pid.py
//! $ cargo run --example inspect -- --c-header 0x1234 >st_pid.h
//! ```

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use shm_core::layout::Value as Tree;
use shm_core::{Inspector, Key, Owner};
use shm_examples::ended;

/// What to print.
#[derive(Clone, Copy)]
enum As {
    Text,
    Json,
    Python,
    CHeader,
}

fn main() -> ExitCode {
    ended("inspect", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut key, mut form, mut owner) = (None, As::Text, Owner::SelfOrRoot);
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--json" => form = As::Json,
            "--python" => form = As::Python,
            "--c-header" => form = As::CHeader,
            "--anybody" => owner = Owner::Anybody,
            text if key.is_none() && !text.starts_with('-') => key = Some(text.parse::<Key>()?),
            other => return Err(format!("{other:?} is not expected here").into()),
        }
    }
    let key = key.ok_or("usage: inspect [--json | --python | --c-header] [--anybody] <key>")?;
    let inspector = Inspector::options().owner(owner).open(key)?;
    let text = match form {
        As::Text => {
            let seen = inspector.snapshot()?;
            format!("version {}: {}\n", seen.version, seen.value)
        }
        As::Json => to_json(&inspector.value()?)? + "\n",
        As::Python => inspector.python_module()?,
        As::CHeader => inspector.c_header()?,
    };
    Ok(stdout().write_all(text.as_bytes())?)
}

#[cfg(feature = "json")]
fn to_json(value: &Tree) -> Result<String, Box<dyn Error>> {
    Ok(serde_json::to_string_pretty(value)?)
}

#[cfg(not(feature = "json"))]
fn to_json(_: &Tree) -> Result<String, Box<dyn Error>> {
    Err("--json needs the feature `json`: cargo run --example inspect --features json".into())
}
