//! Prints any segment of this library's by its key, without the type of its value.
//!
//! ```console
//! $ cargo run --example inspect -- 0x1234
//! $ cargo run --example inspect --features json -- --json 0x1234
//! $ cargo run --example inspect -- --python 0x1234 >st_pid.py
//! $ cargo run --example inspect -- --c-header 0x1234 >st_pid.h
//! ```

use std::error::Error;

use lexopt::prelude::*;
use shm_core::layout::Value as Tree;
use shm_core::{Inspector, Key, Owner};

/// What to print.
#[derive(Clone, Copy)]
enum As {
    Text,
    Json,
    Python,
    CHeader,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("inspect: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut key, mut form, mut owner) = (None, As::Text, Owner::SelfOrRoot);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => form = As::Json,
            Long("python") => form = As::Python,
            Long("c-header") => form = As::CHeader,
            Long("anybody") => owner = Owner::Anybody,
            Value(text) if key.is_none() => key = Some(text.parse::<Key>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let key = key.ok_or("usage: inspect [--json | --python | --c-header] [--anybody] <key>")?;
    let inspector = Inspector::options().owner(owner).open(key)?;
    match form {
        As::Text => {
            let seen = inspector.snapshot()?;
            println!("version {}: {}", seen.version, seen.value);
        }
        As::Json => println!("{}", to_json(&inspector.value()?)?),
        As::Python => print!("{}", inspector.python_module()?),
        As::CHeader => print!("{}", inspector.c_header()?),
    }
    Ok(())
}

#[cfg(feature = "json")]
fn to_json(value: &Tree) -> Result<String, Box<dyn Error>> {
    Ok(serde_json::to_string_pretty(value)?)
}

#[cfg(not(feature = "json"))]
fn to_json(_: &Tree) -> Result<String, Box<dyn Error>> {
    Err("--json needs the feature `json`: cargo run --example inspect --features json".into())
}
