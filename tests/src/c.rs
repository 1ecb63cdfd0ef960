//! C programs, built by the system's compiler.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// One compiler at a time writes a program that several tests want.
static COMPILING: Mutex<()> = Mutex::new(());

/// Builds `source` with the strictest warnings and returns the program, which lies in `out`
/// (`CARGO_TARGET_TMPDIR`).
///
/// Also prints what the compiler says. `CC` names another compiler than `cc`.
///
/// # Panics
///
/// If there is no C compiler, or it does not accept the source.
pub fn compile_c(source: &Path, out: &str) -> PathBuf {
    let _one = COMPILING.lock();
    let name = source.file_stem().expect("a C file has a name");
    let program = Path::new(out).join(name);
    // Not in place: another test's process may be running it.
    let fresh = Path::new(out).join(format!("{}.{}", name.display(), std::process::id()));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o"])
        .arg(&fresh)
        .arg(source)
        .status()
        .unwrap_or_else(|error| {
            panic!(
                "these tests need a C compiler, and {} does not run: {error}",
                compiler.display()
            )
        });
    assert!(status.success(), "{} does not compile", source.display());
    std::fs::rename(&fresh, &program).expect("both names lie in one directory");
    program
}
