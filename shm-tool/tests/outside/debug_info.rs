//! Segments of C and C++ programs that know nothing of the library, read by their debug information.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::space::*;

const KEY: &str = "0x2001";
/// Of segments that this process has attached, too. A test beside it that knows no other than [`KEY`] would look into this
/// program for its types.
const ATTACHED: &str = "0x2101";
const MOTION: &str = "struct motion_status";

/// A folder of the test's own.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Builds a program; `None`, and says so, where the compiler can't.
    pub fn build(&self, compiler: &[&str], source: &str) -> Option<PathBuf> {
        let program = self.0.join("program");
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/outside/c")
            .join(source);
        let empty = self.0.join("empty.c");
        fs::write(&empty, "#include <stdio.h>\nint main(void) { return 0; }\n").unwrap();
        let builds = |source: &Path| {
            let mut command = Command::new(compiler[0]);
            command
                .args(&compiler[1..])
                .arg("-o")
                .arg(&program)
                .arg(source)
                .output()
        };
        if !builds(&empty).is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: {} builds nothing here", compiler.join(" "));
            return None;
        }
        let output = builds(&source).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(program)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that has filled its segment.
pub struct Program(Child);

impl Program {
    pub fn start(program: &Path, arguments: &[&str]) -> Program {
        let mut command = Command::new(program);
        command
            .arg(KEY)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Program(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs `shm` with arguments of which some have blanks.
fn shm_with(arguments: &[&str]) -> Ran {
    ran(command().args(arguments).output().unwrap())
}

fn shown(arguments: &[&str]) -> String {
    let ran = shm_with(arguments);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}");
    ran.out
}

/// What `show` is to print of `motion.c`, below the title.
const VALUE: &str = r#"  tail                17
  pos.x               1.25
  pos.y               -0.5
  pos.z               3.0
  axes[0].state       AXIS_MOVING
  axes[0].target[0]   [0, 0, 0]
  axes[0].target[1]   [0, 0, -12]
  axes[0].label       "left"
  axes[1].state       AXIS_BROKEN
  axes[1].target[0]   [0, 0, 0]
  axes[1].target[1]   [0, 0, 0]
  axes[1].label       "rightx"
  ready               1
  error               -3
  speed               777777
  mode                AXIS_BROKEN
  reading.raw         1069547520
  reading.volts       1.5
  reading.bytes       [0, 0, 192, 63]
  next                0x1000
  callback            null
  name                null
  low                 1
  high                2
  word                513
  wire.kind           9
  wire.length         70000
  wire.check          513
  on                  true
  small               -7
  flags               [0, 200, 0]
  letter              65
  title               "a\u{1b}[2Jb"
  level               HIGH
  exact               1.5
  huge                18446744073709551615
  many                5
  unnamed_type.inner  6
  fixed               0
  log                 "all is well"
"#;

#[test]
fn each_field_of_a_c_struct_is_shown_by_name_whatever_built_it() {
    in_own_namespace!();
    let folder = Folder::new("built");
    let compilers: &[&[&str]] = &[
        &["gcc", "-g"],
        &["gcc", "-gdwarf-4", "-O2"],
        &["gcc", "-gdwarf-2", "-gstrict-dwarf"],
        &["gcc", "-g", "-gz"],
        &["clang", "-g"],
        &["clang", "-gdwarf-4"],
        &["gcc", "-g", "-m32"],
    ];
    let mut built = 0;
    for compiler in compilers {
        let Some(program) = folder.build(compiler, "motion.c") else {
            continue;
        };
        let _running = Program::start(&program, &[]);
        let from = program.to_str().unwrap();
        let text = shown(&["show", KEY, "--type", MOTION, "--from", from]);
        let (title, value) = text.split_once('\n').unwrap();
        assert!(
            title.starts_with(&format!("{MOTION} (from the debug information of {from}, ")),
            "{title}"
        );
        // What a compiler for another machine lays out another way has the same values.
        assert_eq!(value, VALUE, "{compiler:?}");
        built += 1;
    }
    assert!(built > 0, "no C compiler");
}

#[test]
fn the_program_behind_the_segment_is_found_without_naming_it() {
    in_own_namespace!();
    let folder = Folder::new("behind");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let _running = Program::start(&program, &[]);
    let arguments = [
        "show",
        KEY,
        "--type",
        MOTION,
        "pos.x",
        "axes[1].label",
        "reading.volts",
    ];
    assert_eq!(shown(&arguments), "1.25\nrightx\n1.5\n");
    // Or comes through a pipe, as from `xz -dc`.
    let line = format!(
        "cat '{}' | '{}' show {KEY} tail --type '{MOTION}' --from /dev/stdin",
        program.display(),
        command().get_program().display()
    );
    let piped = ran(Command::new("sh").args(["-c", &line]).output().unwrap());
    assert_eq!((&*piped.out, &*piped.err), ("17\n", ""));
    let answer: serde_json::Value =
        serde_json::from_str(&shown(&["show", KEY, "--type", MOTION, "--json"])).unwrap();
    assert_eq!(answer["value"]["axes"][0]["target"][1][2], -12);
    assert_eq!(answer["value"]["next"], "0x1000");
    assert_eq!(answer["version"], serde_json::Value::Null);
}

#[test]
fn raw_bytes_stand_beside_the_fields_of_c() {
    in_own_namespace!();
    let folder = Folder::new("raw");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let _running = Program::start(&program, &[]);
    let text = shown(&["show", KEY, "--type", MOTION, "--raw"]);
    assert!(
        text.lines()
            .any(|line| line.ends_with("  ready, error, speed, mode")),
        "{text}"
    );
    assert!(text.lines().any(|line| line.ends_with("  pos.x")), "{text}");
    assert!(
        text.lines()
            .any(|line| line.contains("61 6c 6c 20") && line.ends_with("  log")),
        "{text}"
    );
}

#[test]
fn what_does_not_fit_or_is_not_there_is_refused_with_the_reason() {
    in_own_namespace!();
    let folder = Folder::new("refused");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let from = program.to_str().unwrap();
    foreign(0x2001, 100);
    let refused = |arguments: &[&str], code: i32, says: &[&str]| {
        let ran = shm_with(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.err);
        for says in says {
            assert!(ran.err.contains(says), "{arguments:?}: {}", ran.err);
        }
    };
    let show = ["show", KEY, "--from", from, "--type"];
    let with = |name: &'static str| [&show[..], &[name]].concat();
    refused(
        &with(MOTION),
        5,
        &["struct motion_status has 192 bytes", "the segment has 100"],
    );
    refused(
        &[&with("struct axis")[..], &["--at", "90"]].concat(),
        5,
        &["has 24 bytes", "has 10 from offset 90 on"],
    );
    refused(
        &with("struct motoin_status"),
        1,
        &["did you mean `motion_status`?"],
    );
    refused(&with("union motion_status"), 1, &["no type is called"]);
    refused(
        &["show", KEY, "--from", from],
        2,
        &["--from wants --type", "no struct of"],
    );
    refused(
        &["show", KEY, "--from", "/no/such", "--type", MOTION],
        1,
        &["can't be read"],
    );
    refused(
        &["show", KEY, "--from", "/etc/passwd", "--type", MOTION],
        5,
        &["no ELF file"],
    );
    refused(&["show", KEY], 5, &["--type 'struct NAME' --from PROGRAM"]);
    let stripped = folder.0.join("stripped");
    assert!(
        Command::new("strip")
            .arg("-o")
            .arg(&stripped)
            .arg(&program)
            .status()
            .unwrap()
            .success()
    );
    refused(
        &[
            "show",
            KEY,
            "--from",
            stripped.to_str().unwrap(),
            "--type",
            MOTION,
        ],
        5,
        &["no debug information"],
    );
    assert_eq!(
        shown(&[&with("struct axis")[..], &["--at", "50", "label"]].concat()),
        "\n"
    );
    let by_size = foreign(0x2002, 24);
    refused(
        &["show", &format!("id:{by_size}"), "--from", from],
        2,
        &["there is struct axis"],
    );
}

#[test]
fn a_stripped_program_has_its_debug_information_beside_it() {
    in_own_namespace!();
    let folder = Folder::new("beside");
    // By the program's number, and by the checksum in the link where there is none.
    for number in ["-Wl,--build-id", "-Wl,--build-id=none"] {
        let Some(program) = folder.build(&["cc", "-g", number], "motion.c") else {
            return;
        };
        let (debug, stripped) = (folder.0.join("program.debug"), folder.0.join("stripped"));
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .current_dir(&folder.0)
                .status()
                .unwrap()
                .success()
        };
        assert!(run(
            "objcopy",
            &["--only-keep-debug", "program", "program.debug"]
        ));
        assert!(run("strip", &["-o", "stripped", "program"]));
        assert!(run(
            "objcopy",
            &["--add-gnu-debuglink=program.debug", "stripped"]
        ));
        let running = Program::start(&program, &[]);
        let show = [
            "show",
            KEY,
            "tail",
            "--type",
            MOTION,
            "--from",
            stripped.to_str().unwrap(),
        ];
        assert_eq!(shown(&show), "17\n", "{number}");
        // Another program's, under that name.
        let mut other = fs::read(&debug).unwrap();
        let note = b"\x03\0\0\0GNU\0";
        match other.windows(8).position(|bytes| bytes == note) {
            Some(note) => other[note + 8] ^= 1,
            None => other.push(0),
        }
        fs::write(&debug, other).unwrap();
        assert_eq!(shm_with(&show).code, 5, "{number}");
        fs::remove_file(debug).unwrap();
        assert_eq!(shm_with(&show).code, 5, "{number}");
        drop(running);
    }
}

/// Of a library of the system's, whose debug information has a package of its own.
#[test]
fn a_struct_of_the_c_library_is_read_by_the_separate_file_that_its_package_brings() {
    in_own_namespace!();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let library = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let Some(library) = library.into_iter().find(|path| path.contains("/libc.so")) else {
        println!("SKIPPED: no C library is loaded");
        return;
    };
    let key: shm_core::Key = ATTACHED.parse().unwrap();
    let mut options = shm_core::RawBox::<[u8; 384]>::options();
    let segment = options.create_exact(true).open(key).unwrap();
    let mut bytes = [0; 384];
    bytes[0..2].copy_from_slice(&7_i16.to_ne_bytes());
    bytes[4..8].copy_from_slice(&4711_i32.to_ne_bytes());
    bytes[8..13].copy_from_slice(b"pts/3");
    bytes[44..49].copy_from_slice(b"alice");
    segment.set(bytes);
    let told = [
        "show",
        ATTACHED,
        "--type",
        "struct utmpx",
        "--from",
        library,
    ];
    let paths = ["ut_type", "ut_pid", "ut_line", "ut_user", "ut_tv.tv_sec"];
    let ran = shm_with(&[&told[..], &paths].concat());
    if ran.err.contains("no debug information") {
        println!("SKIPPED: {library} has none (apt-get install libc6-dbg)");
        return;
    }
    assert_eq!((&*ran.out, &*ran.err), ("7\n4711\npts/3\nalice\n0\n", ""));
}

#[test]
fn types_come_from_btf_of_a_program_and_of_the_kernel() {
    in_own_namespace!();
    let folder = Folder::new("btf");
    if let Some(program) = folder.build(&["gcc", "-gbtf"], "motion.c") {
        let running = Program::start(&program, &[]);
        let show = ["show", KEY, "--type", MOTION];
        let paths = [
            "pos.x",
            "axes[1].label",
            "error",
            "speed",
            "reading.volts",
            "next",
            "high",
            "wire.length",
            "on",
            "title",
            "exact",
            "unnamed_type.inner",
            "log",
        ];
        assert_eq!(
            shown(&[&show[..], &paths].concat()),
            "1.25\nrightx\n-3\n777777\n1.5\n0x1000\n2\n70000\ntrue\na\\u{1b}[2Jb\n1.5\n6\nall is well\n"
        );
        let ran = shm_with(&["show", KEY, "--type", "struct motoin_status"]);
        assert!(
            ran.err.contains("did you mean `motion_status`?"),
            "{}",
            ran.err
        );
        let whole = fs::read(&program).unwrap();
        let start = whole
            .windows(4)
            .position(|bytes| bytes == [0x9f, 0xeb, 1, 0])
            .unwrap();
        let damaged = folder.path("damaged");
        for at in (start..start + 4000).step_by(61) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            fs::write(&damaged, bytes).unwrap();
            let ran = shm_with(&["show", KEY, "--type", MOTION, "--from", &damaged]);
            assert!([0, 1, 5].contains(&ran.code), "{}: {}", ran.code, ran.err);
        }
        drop(running);
    }
    let kernel = "/sys/kernel/btf/vmlinux";
    if fs::metadata(kernel).is_err() {
        println!("SKIPPED: this kernel has no {kernel}");
        return;
    }
    foreign(0x2001, 64);
    let told = [KEY, "--type", "struct list_head", "--from", kernel];
    let text = shown(&[&["show"], &told[..]].concat());
    assert!(text.ends_with("  next  null\n  prev  null\n"), "{text}");
    let source = shown(&[&["schema"], &told[..], &["--format", "c"]].concat());
    assert!(source.contains("struct list_head {"), "{source}");
}

#[test]
fn changes_of_a_c_program_are_watched_and_waited_for() {
    in_own_namespace!();
    let folder = Folder::new("watched");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let mut running = Program::start(&program, &["counting"]);
    let mut watch = Running::start(&format!("watch {KEY} --type struct:motion --json -n 1"));
    assert_eq!(watch.child.wait().unwrap().code(), Some(1), "no such type");
    let mut command = command();
    command.args(["watch", KEY, "--type", MOTION, "--json", "-n", "1"]);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["value"]["tail"], 17);
    running.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let next: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(
        next["changes"],
        serde_json::json!([{"path": "tail", "from": 17, "to": 18}])
    );
    assert!(watch.wait().unwrap().success());
    shown(&["wait", KEY, "--type", MOTION, "tail>=18", "--timeout", "60"]);
}

#[test]
fn classes_of_cpp_have_their_bases_and_private_members() {
    in_own_namespace!();
    let folder = Folder::new("cpp");
    for compiler in [["g++", "-g"], ["clang++", "-g"]] {
        let Some(program) = folder.build(&compiler, "shapes.cpp") else {
            continue;
        };
        let _running = Program::start(&program, &[]);
        for name in ["robot::Status", "class robot::Status", "Status"] {
            let text = shown(&["show", KEY, "--type", name]);
            let value = text.split_once('\n').unwrap().1;
            assert_eq!(
                value,
                "  Named.name  \"bob\"\n  at.x        1.5\n  at.y        3.0\n  mode        Running\n  where       null\n  wide        0\n  secret      42\n",
                "{compiler:?}, {name}"
            );
        }
    }
}

#[test]
fn the_source_in_rust_and_c_compiles_to_the_same_layout() {
    in_own_namespace!();
    let folder = Folder::new("source");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let _running = Program::start(&program, &[]);
    let schema = ["schema", KEY, "--type", MOTION, "--format"];
    let c = folder.0.join("motion.h");
    let text = shown(&[&schema[..], &["c"]].concat());
    let check = "\n_Static_assert(sizeof(struct motion_status) == 192, \"\");\n_Static_assert(__builtin_offsetof(struct motion_status, many) == 168, \"\");\n";
    fs::write(&c, text + check).unwrap();
    let compiled = Command::new("cc")
        .args(["-x", "c", "-fsyntax-only"])
        .arg(&c)
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );

    let number = shown(&["show", KEY, "--type", "unsigned int"]);
    assert!(number.starts_with("unsigned int (from"), "{number}");

    // Of what Rust has no word for, a name for its bytes.
    let union = ["schema", KEY, "--type", "union reading"];
    let reading = shown(&union);
    let wanted = "use shm_core::Opaque;\n\npub type Reading = Opaque<4, 4>;\n";
    assert_eq!(reading, wanted);

    let text = shown(&[&schema[..], &["rust"]].concat());
    let check = "\nconst _: () = assert!(size_of::<MotionStatus>() == 192);\nconst _: () = assert!(core::mem::offset_of!(MotionStatus, many) == 168);\nconst _: () = assert!(core::mem::offset_of!(MotionStatus, wire) == 114);\n";
    let rust = folder.0.join("motion.rs");
    fs::write(&rust, format!("#![deny(warnings)]\n{text}{check}")).unwrap();
    // What the tests are built with: the newest of the library's builds that lie there.
    let deps = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    let libraries = fs::read_dir(&deps).unwrap().flatten().filter(|file| {
        let name = file.file_name().into_string().unwrap_or_default();
        name.starts_with("libshm_core-") && name.ends_with(".rlib")
    });
    let newest = libraries
        .max_by_key(|file| file.metadata().unwrap().modified().unwrap())
        .unwrap();
    let compiled = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
            "--out-dir",
        ])
        .arg(&folder.0)
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("shm_core={}", newest.path().display()))
        .arg(&rust)
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
}

#[test]
fn what_c_accesses_by_atomic_operations_alone_is_no_integer_of_the_source() {
    in_own_namespace!();
    let folder = Folder::new("atomic");
    let source = folder.0.join("atomic.c");
    let text = "#include <stdatomic.h>
        struct counts { int plain; _Atomic int count; atomic_uchar flags[3]; _Atomic long total; const volatile _Atomic _Bool on; };
        struct counts counts;
        int main(void) { return 0; }";
    fs::write(&source, text).unwrap();
    let Some(program) = folder.build(&["cc", "-std=c11", "-g"], source.to_str().unwrap()) else {
        return;
    };
    let key: shm_core::Key = ATTACHED.parse().unwrap();
    let mut options = shm_core::RawBox::<[u64; 4]>::options();
    let _segment = options.create_exact(true).open(key).unwrap();
    let from = program.to_str().unwrap();
    let told = [ATTACHED, "--type", "struct counts", "--from", from];
    let format = |format| shown(&[&["schema"], &told[..], &["--format", format]].concat());
    let rust = format("rust");
    for line in [
        "pub plain: i32,\n",
        "pub count: Opaque<4, 4>, // an _Atomic\n",
        "pub flags: [Opaque<1>; 3],",
        "pub total: Opaque<8, 8>, // an _Atomic\n",
        "pub on: Opaque<1>, // an _Atomic\n",
    ] {
        assert!(rust.contains(line), "{line}: {rust}");
    }
    let c = format("c");
    for line in [
        "_Atomic int32_t count;",
        "_Atomic uint8_t flags[3];",
        "_Atomic bool on;",
    ] {
        assert!(c.contains(line), "{line}: {c}");
    }
    // It is shown as the number that it is.
    let text = shown(&[&["show"], &told[..]].concat());
    let of_count = |line: &&str| line.trim_start().starts_with("count");
    let line = text.lines().find(of_count).unwrap_or_default();
    assert!(line.trim_end().ends_with('0'), "{text}");
}

#[test]
fn damaged_debug_information_is_an_error_or_a_value_and_nothing_else() {
    in_own_namespace!();
    let folder = Folder::new("damaged");
    let Some(program) = folder.build(&["cc", "-g", "-O1"], "motion.c") else {
        return;
    };
    let _running = Program::start(&program, &[]);
    let whole = fs::read(&program).unwrap();
    let damaged = folder.0.join("damaged");
    // A fixed sequence of strokes (xorshift).
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let rounds = match std::env::var_os("SHM_FULL") {
        Some(_) => 120,
        None => 40,
    };
    for _ in 0..rounds {
        let mut bytes = whole.clone();
        for _ in 0..1 + next() % 40 {
            // The debug information and the tables of sections lie behind the program's code and data.
            let at = bytes.len() / 3 + next() % (bytes.len() - bytes.len() / 3);
            bytes[at] = next() as u8;
        }
        fs::write(&damaged, &bytes).unwrap();
        for command in ["show", "schema"] {
            let ran = shm_with(&[
                command,
                KEY,
                "--type",
                MOTION,
                "--from",
                damaged.to_str().unwrap(),
            ]);
            assert!([0, 1, 5].contains(&ran.code), "{}: {}", ran.code, ran.err);
            let harmless = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
            assert!(
                ran.out.chars().chain(ran.err.chars()).all(harmless),
                "{}{}",
                ran.out,
                ran.err
            );
        }
    }
}

#[test]
fn fields_of_a_c_program_are_stored_only_where_that_was_said_and_checked() {
    in_own_namespace!();
    let folder = Folder::new("stored");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let _running = Program::start(&program, &[]);
    let set = ["set", KEY, "--type", MOTION];
    let raw = |fields: &[&str]| shm_with(&[&set[..], &["--raw-write"], fields].concat());
    let before = shown(&["show", KEY, "--type", MOTION]);
    let ran = shm_with(&[&set[..], &["tail=1"]].concat());
    assert!(
        ran.code == 2 && ran.err.contains("--raw-write"),
        "{}",
        ran.err
    );
    for (fields, code, says) in [
        (&["tail=99", "pos.x=far"][..], 5, "wanted is a number"),
        (&["pos.x=1e309"], 5, "wanted is a number from"),
        (&["tail=2147483648"], 5, "a number of 32 bits, signed"),
        (&["flags[1]=256"], 5, "unsigned"),
        (
            &["axes[0].state=FLYING"],
            5,
            "one of AXIS_IDLE, AXIS_MOVING",
        ),
        (&["axes[0].label=sixsix"], 5, "at most 5 bytes"),
        (&["error=1"], 5, "no bit-field"),
        (&["next=7"], 5, "not stored by name"),
        (&["axes[2].label=x"], 1, "it has 2"),
        (&["tial=1"], 1, "did you mean `tail`?"),
    ] {
        let ran = raw(fields);
        assert_eq!(ran.code, code, "{fields:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{fields:?}: {}", ran.err);
    }
    let _typed = worker_box();
    let ran = shm_with(&[
        "set",
        "0x1234",
        "--type",
        "struct axis",
        "--from",
        program.to_str().unwrap(),
        "--raw-write",
        "state=0",
    ]);
    assert!(
        ran.code == 5 && ran.err.contains("without --type"),
        "{}",
        ran.err
    );
    assert_eq!(
        shown(&["show", KEY, "--type", MOTION]),
        before,
        "nothing was stored"
    );
    let ran = raw(&[
        "tail=-1",
        "pos.x=2.5",
        "axes[1].state=AXIS_MOVING",
        "axes[0].label=up",
        "high=0x7f",
        "wire.length=9",
        "on=false",
    ]);
    assert_eq!((ran.code, &*ran.err), (0, ""));
    assert!(
        ran.out
            .starts_with("  tail           17 → -1\n  pos.x          1.25 → 2.5\n"),
        "{}",
        ran.out
    );
    let paths = [
        "tail",
        "pos.x",
        "axes[1].state",
        "axes[0].label",
        "word",
        "wire.length",
        "wire.check",
        "on",
    ];
    let shown = shown(&[&["show", KEY, "--type", MOTION][..], &paths].concat());
    assert_eq!(shown, "-1\n2.5\nAXIS_MOVING\nup\n32513\n9\n513\nfalse\n");
}

#[test]
fn types_that_dwz_moved_are_found_where_it_moved_them() {
    in_own_namespace!();
    let folder = Folder::new("dwz");
    let Some(program) = folder.build(&["cc", "-g", "-Wl,--build-id"], "motion.c") else {
        return;
    };
    for copy in ["alone", "one", "two"] {
        fs::copy(&program, folder.0.join(copy)).unwrap();
    }
    let dwz = |arguments: &[&str]| {
        let mut command = Command::new("dwz");
        let output = command.args(arguments).current_dir(&folder.0).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !dwz(&["alone"]) || !dwz(&["-m", "common", "one", "two"]) {
        println!("SKIPPED: dwz moves nothing here");
        return;
    }
    let common = folder.0.join("common");
    assert!(common.exists());
    let _running = Program::start(&program, &[]);
    let show = |from: &str| {
        let from = folder.path(from);
        let arguments = ["show", KEY, "--type", MOTION, "--from", &*from];
        shm_with(&arguments)
    };
    for from in ["alone", "one", "two"] {
        let ran = show(from);
        assert_eq!(ran.code, 0, "{from}: {}", ran.err);
        assert!(ran.out.ends_with(VALUE), "{from}: {}", ran.out);
    }
    fs::remove_file(common).unwrap();
    assert_eq!(show("one").code, 1, "its types are gone");
}
