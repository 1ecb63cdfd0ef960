//! The project's documents: each block of code in them is run, or said to be not and why; links lead to something; what
//! they tell of messages, sizes and costs is so.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shm_core::{CHeader, FixedStr, Key, SharedBox, SharedLayout, SharedTable};
use shm_tests::{Compiler, Ledger, Python, compile_c, in_own_ipc_namespace};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

/// Blocks that are not Rust: the page, how the block begins, and the test here that runs it, or why none does.
const BLOCKS: &[(&str, &str, &str)] = &[
    (
        "README.md",
        "$ cargo run --example st_pid -- alice",
        "the_first_session_prints_what_the_readme_says",
    ),
    (
        "README.md",
        "$ ipcs -m",
        "the_first_session_prints_what_the_readme_says",
    ),
    (
        "README.md",
        "cargo add shm-core",
        "not run: it asks the registry",
    ),
    (
        "README.md",
        "segment 0x00001234 holds",
        "the_message_of_two_layouts_is_the_readme_s",
    ),
    (
        "docs/async.md",
        "cargo add shm-core",
        "not run: it asks the registry",
    ),
    (
        "docs/async.md",
        "cargo bench -p shm-tests",
        "not run: it measures for half a minute",
    ),
    (
        "docs/async.md",
        "cargo run --manifest-path",
        "a step of `.ci/run`: it builds a web server",
    ),
    (
        "docs/c.md",
        "struct st_pid {",
        "the_c_code_compiles_and_runs",
    ),
    (
        "docs/c.md",
        "#include \"st_pid.h\"",
        "the_c_code_compiles_and_runs",
    ),
    (
        "docs/c.md",
        "/* of struct ledger",
        "the_c_code_for_fields_compiles_and_runs",
    ),
    (
        "docs/c.md",
        "struct st_pid first",
        "the_code_that_creates_compiles_and_runs",
    ),
    (
        "docs/c.md",
        "st_pid_box box;",
        "the_code_that_creates_compiles_and_runs",
    ),
    (
        "docs/c.md",
        "$ bindgen existing.h",
        "the test `bindgen_still_makes_what_lies_here`, where there is a bindgen",
    ),
    (
        "docs/joining.md",
        "$ bindgen joined.h",
        "the test `the_recipe_still_makes_what_lies_here`, where there is a bindgen",
    ),
    (
        "docs/joining.md",
        "cc -o heartbeat_c",
        "the tests of `heartbeat.rs`",
    ),
    (
        "docs/joining.md",
        "     pid  name",
        "the tests of `heartbeat.rs`",
    ),
    (
        "docs/cookbook.md",
        "$ cargo run --example live_config",
        "the tests in `cookbook.rs`",
    ),
    (
        "docs/cookbook.md",
        "$ cargo run --example metrics",
        "the tests in `cookbook.rs`",
    ),
    (
        "docs/cookbook.md",
        "$ cargo run --example single_instance",
        "the tests in `cookbook.rs`",
    ),
    (
        "docs/cookbook.md",
        "$ cargo run --example process_table",
        "the tests in `cookbook.rs`",
    ),
    (
        "docs/cookbook.md",
        "$ cargo run --example st_pid",
        "the tests in `cookbook.rs`",
    ),
    (
        "docs/costs.md",
        "cargo run --release --manifest-path",
        "not run: it builds other libraries and measures for minutes",
    ),
    (
        "docs/operations.md",
        "[Login]",
        "not run: systemd's configuration",
    ),
    (
        "docs/operations.md",
        "$ ipcs -l",
        "the_commands_for_operators_work",
    ),
    (
        "docs/operations.md",
        "$ ipcs -m -p",
        "the_commands_for_operators_work",
    ),
    (
        "docs/tool.md",
        "cargo install --path shm-tool",
        "not run: it installs",
    ),
    (
        "docs/tool.md",
        "$ shm show 0x2001",
        "the tests in `shm-tool`, a workspace of its own",
    ),
    (
        "docs/tool.md",
        "$ shm dump 0x1234",
        "the tests in `shm-tool`, a workspace of its own",
    ),
    (
        "docs/mirror.md",
        "cargo install --path shm-tool",
        "not run: it installs",
    ),
    (
        "docs/mirror.md",
        "press$ shm mirror",
        "the tests in `shm-tool`, a workspace of its own",
    ),
    (
        "docs/mirror.md",
        "# /etc/shm-mirror",
        "the tests in `shm-tool`, a workspace of its own",
    ),
    (
        "docs/mirror.md",
        "[Unit]",
        "not run: systemd's configuration",
    ),
    (
        "docs/operations.md",
        "$ shm ls",
        "the tests in `shm-tool`, a workspace of its own",
    ),
    (
        "docs/tool.md",
        "$ shm ls",
        "the tests in `shm-tool`, a workspace of its own",
    ),
    (
        "docs/python.md",
        "$ cargo run --example inspect -- --python",
        "the_python_session_answers_as_the_page_says",
    ),
    (
        "docs/python.md",
        "$ cargo run --example inspect -- 0x1234",
        "inspect_prints_what_the_page_says",
    ),
    (
        "docs/table.md",
        "/* struct worker {",
        "the_c_code_for_tables_compiles_and_runs",
    ),
    (
        "docs/table.md",
        "row          pid life",
        "not compared: `supervisor.rs` runs the example and reads its screen",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The README and the pages beside it.
fn pages() -> Vec<String> {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        format!("docs/{}", name.to_str().unwrap())
    });
    let pages = pages.filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"));
    pages.chain(["README.md".to_owned()]).collect()
}

/// Language and text of each block of code.
fn blocks(page: &str) -> Vec<(String, String)> {
    let text = text(page);
    let fenced = text.split("```").skip(1).step_by(2);
    let block = |block: &str| {
        let (language, code) = block.split_once('\n').unwrap();
        (language.to_owned(), code.to_owned())
    };
    fenced.map(block).collect()
}

/// The one block of a page that begins so.
fn block(page: &str, begin: &str) -> String {
    let mut found = blocks(page)
        .into_iter()
        .map(|(_, code)| code)
        .filter(|code| code.starts_with(begin));
    let code = found.next().unwrap_or_else(|| panic!("{page}: {begin}"));
    assert_eq!(found.next(), None, "{page}: {begin}");
    code
}

#[test]
fn each_block_of_code_is_run_or_said_to_be_not() {
    let doctests = text("examples/lib.rs");
    let mut listed: BTreeSet<_> = BLOCKS
        .iter()
        .map(|&(page, begin, _)| (page, begin))
        .collect();
    for page in pages() {
        let mut tells_rust = false;
        for (language, code) in blocks(&page) {
            match &*language {
                "rust" | "rust,no_run" => tells_rust = true,
                _ => {
                    let entry = BLOCKS
                        .iter()
                        .find(|entry| entry.0 == page && code.starts_with(entry.1));
                    let &(page, begin, _) = entry.unwrap_or_else(|| {
                        panic!("{page} has a block that is not listed:\n{code}")
                    });
                    listed.remove(&(page, begin));
                }
            }
        }
        let included = doctests.contains(&format!("include_str!(\"../{page}\")"));
        assert!(
            included || !tells_rust,
            "examples/lib.rs does not name {page}"
        );
    }
    assert_eq!(listed, BTreeSet::new(), "listed, and in no page");
    let here = include_str!("documents.rs");
    for (_, begin, test) in BLOCKS {
        let told = test.contains(' ') || here.contains(&format!("fn {test}()"));
        assert!(told, "{begin}: no test `{test}`");
    }
}

/// Files, pictures and headings of this project that its documents name.
#[test]
fn links_lead_to_something() {
    let others = [
        "ARCHITECTURE.md",
        "FORMAT.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "tests/README.md",
        "shm-derive/README.md",
    ];
    for page in pages().into_iter().chain(others.map(str::to_owned)) {
        let text = text(&page);
        let links = text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("http") && !link.starts_with("crate::")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let page_of_link = root().join(&page);
            let target = if file.is_empty() {
                page_of_link
            } else {
                page_of_link.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{page}: {link}");
            // The README is the package's page too, which knows no file outside of it.
            let packaged = page != "README.md" || root().join("shm-core").join(file).exists();
            assert!(packaged, "{link} is not in the package");
            if !heading.is_empty() {
                let text = fs::read_to_string(target).unwrap();
                let found = text
                    .lines()
                    .any(|line| line.starts_with('#') && slug(line) == heading);
                assert!(found, "{page}: {link}");
            }
        }
    }
}

/// What leads to a heading.
fn slug(heading: &str) -> String {
    let heading = heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .replace(' ', "-");
    heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
        .collect()
}

/// Commands of a session, each with the lines that it printed.
fn session(code: &str) -> Vec<(&str, Vec<&str>)> {
    let mut session = Vec::new();
    for line in code.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => session.push((command, Vec::new())),
            None => session.last_mut().unwrap().1.push(line),
        }
    }
    session
}

fn example(command: &str) -> Command {
    let mut words = command
        .strip_prefix("cargo run --example ")
        .unwrap()
        .split(' ')
        .filter(|word| *word != "--");
    let mut run = Command::new(match words.next().unwrap() {
        "st_pid" => env!("CARGO_BIN_EXE_st_pid"),
        "inspect" => env!("CARGO_BIN_EXE_inspect"),
        other => panic!("no example {other}"),
    });
    run.args(words);
    run
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// With `N` in place of each pid but 0.
fn without_pids<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let without = |line: &str| match line
        .strip_prefix("pid=")
        .and_then(|rest| rest.split_once(','))
    {
        Some((pid, rest)) if pid != "0" => format!("pid=N,{rest}"),
        _ => line.to_owned(),
    };
    lines.into_iter().map(without).collect()
}

/// The columns of `ipcs -m` that are the same on every machine: key, permissions, bytes, attachments.
fn columns<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let rows = lines.into_iter().filter(|line| line.starts_with("0x"));
    let columns = rows.map(|row| row.split_whitespace().collect::<Vec<_>>());
    columns
        .map(|row| [row[0], row[3], row[4], row[5]].join(" "))
        .collect()
}

#[test]
fn the_first_session_prints_what_the_readme_says() {
    in_own_ipc_namespace(|| {
        let c = compile_c(
            &root().join("examples/c/st_pid.c"),
            env!("CARGO_TARGET_TMPDIR"),
        );
        let sessions =
            block("README.md", "$ cargo run --example st_pid") + &block("README.md", "$ ipcs -m");
        for (command, wanted) in session(&sessions) {
            match command {
                "ipcs -m" => {
                    let printed = output(Command::new("ipcs").arg("-m"));
                    assert_eq!(columns(printed.lines()), columns(wanted));
                }
                "cargo test --workspace" => wanted
                    .into_iter()
                    .filter_map(|line| line.strip_prefix("test "))
                    .for_each(is_a_test),
                "cc -o st_pid examples/c/st_pid.c && ./st_pid bob" => {
                    let printed = output(Command::new(&c).arg("bob"));
                    assert_eq!(without_pids(printed.lines()), without_pids(wanted));
                }
                _ => {
                    let printed = output(&mut example(command));
                    assert_eq!(
                        without_pids(printed.lines()),
                        without_pids(wanted),
                        "{command}"
                    );
                }
            }
        }
        // The C program made none; the Rust one removed all.
        assert_eq!(
            columns(output(Command::new("ipcs").arg("-m")).lines()),
            [""; 0]
        );
    });
}

/// As the test harness prints it.
fn is_a_test(line: &str) {
    let name = line.strip_suffix(" ... ok").unwrap();
    let folder = root().join("tests/tests");
    let files = fs::read_dir(folder)
        .unwrap()
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let function = format!("fn {name}()");
    let mut texts = files.filter_map(|file| fs::read_to_string(file.unwrap().path()).ok());
    assert!(texts.any(|text| text.contains(&function)), "no test {name}");
}

/// Without what `rustfmt` decides.
fn bare(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",}", "}").replace(",)", ")")
}

/// Its wait ends when this test commits.
#[test]
fn the_readme_s_program_runs() {
    let code = block("README.md", "use shm_core::");
    assert!(bare(include_str!("../../src/bin/readme.rs")).ends_with(&bare(&code)));
    in_own_ipc_namespace(|| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_readme"));
        let mut program = program.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "pid=0,name=");
        let seen = lines.next().unwrap();
        assert!(seen.starts_with("version 3: StPid { pid: 8"), "{seen}");
        let shared = SharedBox::<StPid>::open(0x1234).unwrap();
        shared.update(|value| value.pid += 1).unwrap();
        let newer = lines.next().unwrap();
        assert!(newer.starts_with("version 4: StPid { pid: 9"), "{newer}");
        assert!(program.wait().unwrap().success());
        shared.remove().unwrap();
    });
}

#[test]
fn the_message_of_two_layouts_is_the_readme_s() {
    /// `StPid` of another program.
    mod other {
        use super::{FixedStr, SharedLayout};

        #[derive(SharedLayout, Clone, Copy, Debug)]
        #[repr(C)]
        pub(super) struct StPid {
            pid: i32,
            names: FixedStr<64>,
        }
    }
    in_own_ipc_namespace(|| {
        let _shared = made();
        let error = SharedBox::<other::StPid>::open(0x1234).unwrap_err();
        assert_eq!(format!("{error}\n"), block("README.md", "segment 0x"));
    });
}

/// The segment that the pages tell of.
fn made() -> SharedBox<StPid> {
    let empty = StPid {
        pid: 0,
        names: FixedStr::EMPTY,
    };
    let shared = SharedBox::options()
        .remove_on_drop(true)
        .create_new(Key::new(0x1234), empty)
        .unwrap();
    let alice = FixedStr::new("alice").unwrap();
    shared
        .set(StPid {
            pid: 12523,
            names: alice,
        })
        .unwrap();
    shared
}

#[test]
fn inspect_prints_what_the_page_says() {
    in_own_ipc_namespace(|| {
        let _shared = made();
        for (command, wanted) in session(&block(
            "docs/python.md",
            "$ cargo run --example inspect -- 0x",
        )) {
            assert_eq!(
                output(&mut example(command)).lines().collect::<Vec<_>>(),
                wanted
            );
        }
    });
}

#[test]
fn the_python_session_answers_as_the_page_says() {
    let Some(python) = Python::find(
        "the_python_session_answers_as_the_page_says",
        env!("CARGO_TARGET_TMPDIR"),
    ) else {
        return;
    };
    in_own_ipc_namespace(|| {
        let _shared = made();
        let code = block(
            "docs/python.md",
            "$ cargo run --example inspect -- --python",
        );
        let (command, rest) = code.split_once('\n').unwrap();
        let command = command
            .strip_prefix("$ ")
            .unwrap()
            .strip_suffix(" >st_pid.py")
            .unwrap();
        python.write("st_pid", &output(&mut example(command)));
        let page = python.modules().join("session.txt");
        fs::write(&page, rest.strip_prefix("$ python3 -q\n").unwrap()).unwrap();
        let run =
            "import doctest, sys\nprint(doctest.testfile(sys.argv[1], module_relative=False))";
        let printed = python.run(run, &[page.to_str().unwrap()]);
        assert_eq!(printed, "TestResults(failed=0, attempted=5)\n");
    });
}

/// Both blocks of the page in one program, against a segment of a Rust program.
#[test]
fn the_c_code_compiles_and_runs() {
    let plain = block("docs/c.md", "struct st_pid {");
    let protocol = block("docs/c.md", "#include \"st_pid.h\"");
    let (_, declared) = plain.split_once('\n').unwrap();
    let (_, protocol) = protocol.split_once('\n').unwrap();
    let header = root().join("examples/c/st_pid.h").canonicalize().unwrap();
    // Until another process commits: none does.
    assert!(protocol.contains("version, 1000);"));
    let protocol = protocol.replace("version, 1000);", "version, 1);");
    let program = format!(
        "#include {header:?}\n#include <stdio.h>\nint main(void)\n{{\n{declared}\
         if (shared == (void *)-1 || shared->pid != 12523)\n\treturn 1;\n{protocol}\
         return code != 0 || shared->pid != (int)getpid() + 1;\n}}\n"
    );
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents.c");
    fs::write(&source, program).unwrap();
    in_own_ipc_namespace(|| {
        let shared = made();
        output(&mut Command::new(compile_c(
            &source,
            env!("CARGO_TARGET_TMPDIR"),
        )));
        assert_eq!(shared.version(), 4);
    });
}

#[test]
fn the_c_code_for_fields_compiles_and_runs() {
    let code = block("docs/c.md", "/* of struct ledger");
    let program = format!(
        "int main(void)\n{{\nshmbox box;\nuint64_t version;\nint code = ledger_open(&box, 0x1234);\n{code}\
         return code != 0 || before != 42 || version != 2 || word != 3;\n}}\n"
    );
    run_c(
        &Compiler::all()[0],
        "fields",
        &Ledger::c_header(),
        &program,
        || SharedBox::create_new(Key::new(0x1234), Ledger::new(3)).unwrap(),
    );
}

#[test]
fn the_code_that_creates_compiles_and_runs() {
    let code = block("docs/c.md", "struct st_pid first");
    let c = format!(
        "int main(void)\n{{\nshmbox box;\nint code;\n{code}return code != SHMBOX_EEXISTS;\n}}\n"
    );
    let code = block("docs/c.md", "st_pid_box box;");
    let cpp = format!("static int run()\n{{\n{code}}}\nint main() {{ return run(); }}\n");
    let is_cpp = |compiler: &&Compiler| compiler.to_string().contains("c++");
    run_c(&Compiler::all()[0], "create", &StPid::c_header(), &c, || ());
    match Compiler::all().iter().find(is_cpp) {
        Some(compiler) => run_c(compiler, "class", &StPid::c_header(), &cpp, || ()),
        None => eprintln!("SKIPPED in part: there is no compiler for C++"),
    }
}

/// As the page has it.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Worker {
    beats: u64,
    doing: FixedStr<24>,
}

#[test]
fn the_c_code_for_tables_compiles_and_runs() {
    let code = block("docs/table.md", "/* struct worker {").replace("0x7b5d2051", "0x1234");
    let program = format!(
        "#include <stdio.h>\nint main(void)\n{{\n{code}return strcmp(found.doing, \"serving\") != 0 || found.beats != 1 || \
         row.owner != (uint32_t)getpid();\n}}\n"
    );
    let header = CHeader::of::<Worker>().table().to_string();
    run_c(&Compiler::all()[0], "table", &header, &program, || {
        let mut options = SharedTable::<Worker>::options();
        let table = options.rows(2).create_new(Key::new(0x1234)).unwrap();
        move || assert_eq!(table.rows().count(), 0)
    });
}

/// Runs a program behind a header, with what `before` makes.
fn run_c<R>(
    compiler: &Compiler,
    name: &str,
    header: &str,
    program: &str,
    before: impl FnOnce() -> R + Send,
) {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [source, built] = ["c", "run"].map(|end| out.join(format!("documents.{name}.{end}")));
    fs::write(&source, format!("{header}\n{program}")).unwrap();
    compiler.compile(&source, &built, &[]);
    in_own_ipc_namespace(|| {
        let _made = before();
        output(&mut Command::new(&built));
        shm_core::remove(Key::new(0x1234)).unwrap();
    });
}

#[test]
fn the_commands_for_operators_work() {
    in_own_ipc_namespace(|| {
        let _shared = made();
        let blocks =
            block("docs/operations.md", "$ ipcs -l") + &block("docs/operations.md", "$ ipcs -m -p");
        for (command, _) in session(&blocks) {
            let this = format!("/proc/{}/maps", std::process::id());
            let told = match command {
                example_of if example_of.starts_with("cargo") => {
                    output(&mut example(example_of)).contains("12523")
                }
                // It can't read all processes' maps.
                grep if grep.starts_with("grep") => {
                    let printed = Command::new("sh").args(["-c", grep]).output().unwrap();
                    String::from_utf8(printed.stdout)
                        .unwrap()
                        .lines()
                        .any(|line| line == this)
                }
                other => !output(Command::new("sh").args(["-c", other])).is_empty(),
            };
            assert!(told, "{command}");
        }
    });
}

/// The rows of a table, each with its cells.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").collect()).collect()
}

#[test]
fn each_kind_of_error_is_in_the_table_for_operators_by_what_its_message_says() {
    let sources = [
        "shm-core/src/face/error/text.rs",
        "shm-core/src/face/error/mod.rs",
    ]
    .map(text);
    let [messages, kinds] = &sources;
    let page = text("docs/operations.md");
    let (_, night) = page.split_once("## What to do at night").unwrap();
    let kinds = kinds
        .split_once("pub enum ErrorKind {\n")
        .unwrap()
        .1
        .split_once("\n}")
        .unwrap()
        .0;
    for kind in kinds
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|kind| !kind.contains(' '))
    {
        assert!(night.contains(&format!("`{kind}`")), "{kind} is missing");
    }
    for row in rows(night).iter().skip(1) {
        for said in row[0].split('`').skip(1).step_by(2) {
            assert!(messages.contains(said), "no message says {said:?}");
        }
    }
}

#[test]
fn the_costs_are_those_of_the_call_s_documentation() {
    let rustdoc = text("shm-core/src/face/shared_box.rs")
        .replace("/// |", "|")
        .replace("](crate::remove)", "")
        .replace("[`shm_core::remove`", "`shm_core::remove`");
    let page = text("docs/costs.md");
    let (_, page) = page.split_once("## System calls").unwrap();
    let (page, _) = page.split_once("## A field").unwrap();
    assert!(rows(page).len() > 15);
    assert_eq!(rows(page), rows(&rustdoc));
}

#[test]
fn the_pictures_are_those_of_their_script() {
    let script = root().join("docs/pictures.py");
    match Command::new("python3").arg(script).arg("--check").output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => eprintln!("SKIPPED: the_pictures_are_those_of_their_script: there is no python3"),
    }
}

#[test]
fn sizes_in_the_pages_are_so() {
    let size = SharedBox::<StPid>::segment_size().unwrap();
    assert!(text("docs/operations.md").contains(&format!("`StPid` has {size} bytes")));
    let most = |slots| SharedBox::<u32>::options().slots(slots).segment_size();
    assert!(most(1022).is_ok(), "1,022 open boxes");
    let readme = text("README.md");
    assert!(readme.contains("More than 1,022 open boxes") && readme.contains("248 unless"));
    assert!(readme.lines().count() <= 120, "the README is one page");
}
