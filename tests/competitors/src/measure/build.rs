//! A clean release build: how long, and of how many crates. Takes minutes, so its result is
//! recorded beside the plots.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// One library's build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub library: String,
    pub seconds: f64,
    pub crates: usize,
}

const LIBRARIES: [&str; 2] = ["shm-core", "iceoryx2"];

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn record() -> PathBuf {
    home().join("build-times.json")
}

/// What the last measurement found.
pub fn recorded() -> Vec<Row> {
    let text = std::fs::read_to_string(record()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Builds both, twice, in turns, and records the better times.
pub fn measure() -> std::io::Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..2 {
        for library in LIBRARIES {
            let seconds = build(library)?;
            match rows.iter_mut().find(|row| row.library == library) {
                Some(row) => row.seconds = row.seconds.min(seconds),
                None => rows.push(Row {
                    library: library.into(),
                    seconds,
                    crates: crates(library)?,
                }),
            }
        }
    }
    std::fs::write(record(), serde_json::to_string_pretty(&rows)? + "\n")?;
    Ok(rows)
}

fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(home());
    command
}

fn build(library: &str) -> std::io::Result<f64> {
    let target = std::env::temp_dir().join(format!("competitors-build-{}", std::process::id()));
    let start = Instant::now();
    let status = cargo(&["build", "--release", "--quiet", "-p", library])
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&target)?;
    assert!(status.success(), "{library} does not build");
    Ok(seconds)
}

fn crates(library: &str) -> std::io::Result<usize> {
    let tree = cargo(&[
        "tree",
        "-p",
        library,
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ])
    .stderr(Stdio::inherit())
    .output()?;
    let text = String::from_utf8_lossy(&tree.stdout).replace(" (*)", "");
    let mut names: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.len())
}
