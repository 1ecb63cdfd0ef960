//! Python programs, run by the machine's interpreter on generated modules.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::Peer;

fn next() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Relaxed)
}

/// A directory with generated modules, and the interpreter that runs programs on them. The directory
/// is removed when this is dropped.
#[derive(Debug)]
pub struct Python {
    interpreter: String,
    modules: PathBuf,
    /// Where modules keep what the C compiler made.
    pub cache: PathBuf,
    /// A directory to be removed, if there is one.
    own: Option<PathBuf>,
}

impl Python {
    /// The interpreter that the environment variable `PYTHON` names, or `python3`. `out` is
    /// `CARGO_TARGET_TMPDIR`. `None` if there is no such interpreter: says so.
    ///
    /// # Panics
    ///
    /// If `PYTHON` names one that does not run, or the directory can't be made.
    pub fn find(test: &str, out: &str) -> Option<Python> {
        let named = std::env::var("PYTHON");
        let interpreter = named.clone().unwrap_or_else(|_| "python3".to_owned());
        let runs = Command::new(&interpreter).arg("--version").output();
        if !runs.is_ok_and(|output| output.status.success()) {
            assert!(
                named.is_err(),
                "PYTHON names {interpreter}, which does not run"
            );
            eprintln!("SKIPPED: {test}: there is no python3");
            return None;
        }
        let number = next();
        let modules = Path::new(out).join(format!("python-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&modules).expect("the directory for tests can be written");
        Some(Python {
            interpreter,
            modules,
            cache: Path::new(out).join("python-cache"),
            own: None,
        })
    }

    /// The same for programs that read tables, which the modules do on one processor.
    ///
    /// # Panics
    ///
    /// As [`Python::find`].
    pub fn find_for_tables(test: &str, out: &str) -> Option<Python> {
        if cfg!(not(target_arch = "x86_64")) {
            println!("SKIPPED: {test}: Python reads tables on x86-64 alone");
            return None;
        }
        Python::find(test, out)
    }

    /// Uses a cache that is this test's own, with nothing in it, where no other user may write:
    /// `out` may lie in a directory that all users share.
    ///
    /// # Panics
    ///
    /// If it can't be made.
    pub fn use_own_cache(&mut self) {
        let name = format!("shm-tests-{}-{}", std::process::id(), next());
        let own = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&own);
        made.expect("the directory for temporary files is writable");
        self.cache.clone_from(&own);
        self.own = Some(own);
    }

    /// Writes a module.
    ///
    /// # Panics
    ///
    /// If that is not possible.
    pub fn write(&self, module: &str, text: &str) {
        let path = self.modules.join(module).with_extension("py");
        std::fs::write(path, text).expect("the directory for tests can be written");
    }

    /// Where the modules are.
    pub fn modules(&self) -> &Path {
        &self.modules
    }

    /// Whether the interpreter has a module of other people's; says so if not.
    ///
    /// # Panics
    ///
    /// If it has not, and `PYTHON` names it.
    pub fn has(&self, test: &str, module: &str) -> bool {
        let found = self.output(&mut self.command(&format!("import {module}")));
        let found = found.status.success();
        if !found {
            assert!(
                std::env::var_os("PYTHON").is_none(),
                "PYTHON names {}, which has no module `{module}`",
                self.interpreter
            );
            eprintln!(
                "SKIPPED: {test}: {} has no module `{module}`",
                self.interpreter
            );
        }
        found
    }

    /// A file with this text, so that Python can show the line of a fault.
    fn program(&self, text: &str) -> PathBuf {
        let path = self.modules.join(format!("program_{}.py", next()));
        std::fs::write(&path, text).expect("the directory for tests can be written");
        path
    }

    /// A command that runs a program. Whatever warns is an error to it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.interpreter);
        command
            .args(["-W", "error"])
            .arg(self.program(program))
            .env("PYTHONPATH", &self.modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("XDG_CACHE_HOME", &self.cache);
        command
    }

    /// Runs a program that must succeed, with these arguments; what it prints.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(self.command(program).args(arguments));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command, however it ends.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn output(&self, command: &mut Command) -> Output {
        command.output().expect("it ran before")
    }

    /// Starts a program that is spoken with line by line.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Peer {
        let modules = self.modules.to_string_lossy();
        let cache = self.cache.to_string_lossy();
        let paths = [
            format!("PYTHONPATH={modules}"),
            format!("XDG_CACHE_HOME={cache}"),
        ];
        let fixed = [
            &paths[0],
            &paths[1],
            "PYTHONDONTWRITEBYTECODE=1",
            &self.interpreter,
        ];
        let fixed = fixed.into_iter().map(|argument: &str| argument);
        let program = self.program(program);
        let program = ["-u", "-W", "error", &program.to_string_lossy()];
        Peer::start("env", fixed.chain(program).chain(arguments.iter().copied()))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        for directory in [Some(&self.modules), self.own.as_ref()]
            .into_iter()
            .flatten()
        {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
