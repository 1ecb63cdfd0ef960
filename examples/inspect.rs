//! Prints any segment of this library's by its key, without the type of its value.
//!
//! ```console
//! $ cargo run --example inspect -- 0x1234
//! $ cargo run --example inspect --features json -- --json 0x1234
//! ```

use std::error::Error;

use lexopt::prelude::*;
use shm_core::layout::Value as Tree;
use shm_core::{Inspector, Key, Owner};

fn main() {
    if let Err(error) = run() {
        eprintln!("inspect: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut key, mut json, mut owner) = (None, false, Owner::SelfOrRoot);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("json") => json = true,
            Long("anybody") => owner = Owner::Anybody,
            Value(text) if key.is_none() => key = Some(text.parse::<Key>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let key = key.ok_or("usage: inspect [--json] [--anybody] <key>")?;
    let seen = Inspector::open_trusting(key, owner)?.snapshot()?;
    if json {
        println!("{}", to_json(&seen.value)?);
    } else {
        println!("version {}: {}", seen.version, seen.value);
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
