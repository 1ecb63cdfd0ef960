//! C programs, built by the system's compiler, and by every other one that is there.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

/// What this process has built, or is building: several tests want the same.
static BUILT: Mutex<BTreeMap<PathBuf, Arc<OnceLock<()>>>> = Mutex::new(BTreeMap::new());

/// How the programs that several tests want are compiled.
const OPTIMIZED: &str = "-O2";

/// What some of the sources include beside the header.
const STOP_AT: &str = include_str!("../c/stop_at.h");

/// What makes a compiler say all that it has to say, and take it seriously.
const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

/// Builds `source` with the strictest warnings and returns the program, which lies in `out`
/// (`CARGO_TARGET_TMPDIR`).
///
/// For what this program was built for. Also prints what the compiler says. `CC` names another compiler than `cc`, or than
/// `SHM_CC` elsewhere than on x86.
///
/// # Panics
///
/// If there is no C compiler, or it does not accept the source.
pub fn compile_c(source: &Path, out: &str) -> PathBuf {
    let x86 = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
    let other = || std::env::var("SHM_CC").ok().filter(|_| !x86);
    let named = std::env::var("CC").ok().or_else(other);
    let compiler = named.unwrap_or_else(|| "cc".to_owned());
    let name = source.file_stem().expect("a C file has a name");
    let program = Path::new(out).join(name);
    let compiler = Compiler {
        program: compiler,
        language: Language::C,
        bits: cfg!(target_arch = "x86").then_some(32),
        sanitizes: false,
    };
    // Times are of 64 bits in the examples, as new programs of 32 bits have them.
    let wide: &[&str] = match compiler.bits {
        Some(_) => &["-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64"],
        None => &[],
    };
    compiler.compile(source, &program, wide);
    program
}

/// The language that a source is taken for: C11 or C++17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    C,
    Cpp,
}

/// A compiler and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    program: String,
    language: Language,
    /// `-m32` or `-m64`; `None`: what the compiler makes by itself.
    bits: Option<u32>,
    sanitizes: bool,
}

/// The end of a file's name that no other call has got, here or in another process.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standard = match self.language {
            Language::C => "c11",
            Language::Cpp => "c++17",
        };
        let name = Path::new(&self.program).file_name().unwrap_or_default();
        write!(f, "{}-{standard}", name.to_string_lossy())?;
        self.bits.map_or(Ok(()), |bits| write!(f, "-m{bits}"))?;
        f.write_str(if self.sanitizes { "-sanitizer" } else { "" })
    }
}

impl Compiler {
    /// Every compiler that can link a program which runs here: gcc and clang, as C and as C++, for
    /// 64 and for 32 bits; and one for another processor, which `SHM_CC` names. Says which are missing.
    ///
    /// # Panics
    ///
    /// If there is none at all.
    fn working() -> &'static [Compiler] {
        static WORKING: OnceLock<Vec<Compiler>> = OnceLock::new();
        WORKING.get_or_init(|| {
            let mut works = Vec::new();
            let programs = [
                ("gcc", Language::C),
                ("g++", Language::Cpp),
                ("clang", Language::C),
                ("clang++", Language::Cpp),
            ];
            let named = std::env::var("SHM_CC").ok();
            let other = named.iter().map(|program| (&**program, Language::C));
            for (program, language) in programs.into_iter().chain(other) {
                for bits in [None, Some(32)] {
                    let compiler = Compiler {
                        program: program.to_owned(),
                        language,
                        bits,
                        sanitizes: false,
                    };
                    if compiler.works() {
                        works.push(compiler);
                    } else {
                        eprintln!("SKIPPED in part: {compiler} can't link a program here");
                    }
                }
            }
            assert!(!works.is_empty(), "these tests need a C compiler");
            works
        })
    }

    /// The compilers that what every compiler must take is tried with: the first one, the first one for C++, for 32 bits if it
    /// can, and the one for another processor; with `SHM_FULL=1` all of them, for both widths.
    ///
    /// # Panics
    ///
    /// If there is none at all.
    pub fn all() -> &'static [Compiler] {
        static ALL: OnceLock<Vec<Compiler>> = OnceLock::new();
        ALL.get_or_init(|| {
            let working = Compiler::working();
            if std::env::var_os("SHM_FULL").is_some() {
                return working.to_vec();
            }
            // Those of one program stand side by side, the narrower one last.
            let cpp = working
                .chunk_by(|a, b| a.program == b.program)
                .find(|of_one| of_one[0].language == Language::Cpp)
                .and_then(<[_]>::last);
            let named = std::env::var("SHM_CC").ok();
            let other = working.iter().find(|c| Some(&c.program) == named.as_ref());
            let mut all = vec![working[0].clone()];
            all.extend(cpp.into_iter().chain(other).cloned());
            all
        })
    }

    /// One compiler for 64 bits, one for 32 if there is one, and the one for another processor. First the one that builds
    /// for what this program was built for.
    pub fn widths() -> Vec<&'static Compiler> {
        let all = Compiler::working();
        let named = std::env::var("SHM_CC").unwrap_or_default();
        let widths = [None, Some(32)].map(|bits| all.iter().find(|c| c.bits == bits));
        let other = all.iter().find(|compiler| compiler.program == named);
        let mut widths: Vec<_> = widths.into_iter().flatten().chain(other).collect();
        let own = if cfg!(target_arch = "x86") {
            widths.iter().position(|c| c.bits == Some(32))
        } else if cfg!(target_arch = "x86_64") {
            Some(0)
        } else {
            widths.iter().position(|c| c.program == named)
        };
        widths.swap(0, own.unwrap_or(0));
        widths
    }

    /// One whose programs end at the first access that is out of bounds or undefined; says so if
    /// there is none.
    pub fn sanitizing() -> Option<Compiler> {
        let found = Compiler::working()
            .iter()
            .filter(|compiler| compiler.bits.is_none())
            .map(|compiler| Compiler {
                sanitizes: true,
                ..compiler.clone()
            })
            .find(Compiler::works);
        if found.is_none() {
            eprintln!("SKIPPED in part: no compiler has a sanitizer that works here");
        }
        found
    }

    /// Whether a program of it does run.
    fn works(&self) -> bool {
        let place = std::env::temp_dir().join(format!("{self}.{}", std::process::id()));
        let source = place.with_extension("probe.c");
        // Headers of the language and of the kernel: a compiler may be there without them. In C++
        // `stdlib.h` is one of the C++ library's, which comes with a package of its own.
        let text = "#include <errno.h>\n#include <stdint.h>\n#include <stdlib.h>\n\
                    int main(void) { return errno; }\n";
        std::fs::write(&source, text).expect("the directory for temporary files is writable");
        let built = self
            .command()
            .arg("-o")
            .arg(&place)
            .arg(&source)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        let runs = built
            && Command::new(&place)
                .status()
                .is_ok_and(|status| status.success());
        let _ = (std::fs::remove_file(&source), std::fs::remove_file(&place));
        runs
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        match self.language {
            Language::C => command.args(["-std=c11", "-x", "c"]),
            Language::Cpp => command.args(["-std=c++17", "-x", "c++"]),
        };
        if let Some(bits) = self.bits {
            command.arg(format!("-m{bits}"));
        }
        if self.sanitizes {
            command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        }
        command
    }

    /// Builds `source` with the strictest warnings; `arguments` go before it.
    ///
    /// # Panics
    ///
    /// If the compiler does not accept the source.
    pub fn compile(&self, source: &Path, program: &Path, arguments: &[&str]) {
        if let Err(said) = self.try_compile(source, program, arguments) {
            panic!("{self}: {said}");
        }
    }

    /// Builds a source of these tests that includes one generated header; returns the program, which
    /// lies in `out` (`CARGO_TARGET_TMPDIR`). It is named after all that it is made of, so that what an earlier run has built
    /// is built no more.
    ///
    /// # Panics
    ///
    /// If the compiler does not accept it.
    pub fn compile_with_header(
        &self,
        out: &str,
        source: &str,
        (name, header): (&str, &str),
        defines: &[&str],
    ) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(source);
        let text = std::fs::read_to_string(&path).expect("these tests have their sources");
        let version = Command::new(&self.program).arg("--version").output();
        let version = version.map(|said| said.stdout).unwrap_or_default();
        let mut made_of = DefaultHasher::new();
        (&text, header, STOP_AT, STRICT, OPTIMIZED, version).hash(&mut made_of);
        let program = format!("{source}-{self}{}-{:x}", defines.concat(), made_of.finish());
        let program = Path::new(out).join(program);
        let mut all = BUILT.lock().expect("nothing panics under it");
        let built = Arc::clone(all.entry(program.clone()).or_default());
        drop(all);
        built.get_or_init(|| {
            if program.exists() {
                return;
            }
            let place = Path::new(out).join(format!("{source}.{}", unique()));
            std::fs::create_dir_all(&place).expect("cargo made the directory around it");
            std::fs::write(place.join(name), header).expect("it was just made");
            let include = format!("-I{}", place.display());
            let arguments: Vec<_> = [OPTIMIZED, &include]
                .iter()
                .chain(defines)
                .copied()
                .collect();
            self.compile(&path, &program, &arguments);
            let _ = std::fs::remove_dir_all(&place);
        });
        program
    }

    /// The same as [`Compiler::compile`]; what the compiler says if it does not accept the source.
    ///
    /// # Errors
    ///
    /// What it says.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn try_compile(
        &self,
        source: &Path,
        program: &Path,
        arguments: &[&str],
    ) -> Result<(), String> {
        // Not in place: another test may be running it, or building it too.
        let name = program.file_name().expect("a program has a name");
        let fresh = program.with_file_name(format!("{}.{}", name.to_string_lossy(), unique()));
        let output = self
            .command()
            .args(STRICT)
            .args(arguments)
            .arg("-o")
            .arg(&fresh)
            .arg(source)
            .output()
            .unwrap_or_else(|error| {
                panic!(
                    "these tests need a C compiler, and {} does not run: {error}",
                    self.program
                )
            });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(said);
        }
        eprint!("{said}");
        std::fs::rename(&fresh, program).expect("both names lie in one directory");
        Ok(())
    }
}
