//! A struct that exists in a C header becomes a shared type: what `bindgen` makes of it, with the
//! command line of `docs/c.md`, is accepted by the derive and lies where C has it.

use std::path::Path;
use std::process::Command;

use shm_core::{CHeader, FixedStr, RawBox, SharedBox, SharedLayout};
use shm_tests::{Compiler, Guard};

/// What the command line made.
mod made {
    #![allow(
        non_camel_case_types,
        clippy::unreadable_literal,
        unused_qualifications,
        missing_docs,
        reason = "bindgen keeps C's names"
    )]

    include!("bindgen/station.rs");
}

use made::{station, station_mode};

/// As in `docs/c.md`, with the places of this package.
const ARGUMENTS: [&str; 10] = [
    "c/existing.h",
    "--allowlist-type=station",
    "--no-layout-tests",
    "--rustified-enum=.*",
    "--with-derive-custom-struct=.*=SharedLayout",
    "--with-derive-custom-enum=.*=SharedLayout",
    "--raw-line=use shm_core::SharedLayout;",
    "--disable-header-comment",
    "--rust-target=1.82",
    "--formatter=none",
];

/// What the recipe of `docs/joining.md` made.
mod joined {
    #![allow(
        clippy::all,
        clippy::pedantic,
        dead_code,
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        unsafe_op_in_unsafe_fn,
        clippy::undocumented_unsafe_blocks,
        unused_qualifications,
        reason = "bindgen's"
    )]

    include!("bindgen/joined.rs");
}

/// Formatted or not, and whatever version of it.
fn plain(text: &str) -> String {
    text.split_whitespace()
        .collect::<String>()
        .replace(",}", "}")
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a bindgen made is what lies here under this name; a `None` that none ran, if `BINDGEN` names none.
fn compare(test: &str, made: Result<String, String>, name: &str) {
    let lies = std::fs::read_to_string(here().join("tests/languages/bindgen").join(name)).unwrap();
    match made {
        Ok(made) => assert_eq!(plain(&made), plain(&lies)),
        Err(failed) => {
            assert!(std::env::var("BINDGEN").is_err(), "BINDGEN fails: {failed}");
            // Debian 12 has 0.60, which does not know the flag.
            eprintln!(
                "SKIPPED: {test}: bindgen with --with-derive-custom-struct, or its libclang, is missing: {failed}"
            );
        }
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.current_dir(here()).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8(output.stdout).unwrap()),
        failed => Err(format!("{failed:?}")),
    }
}

fn bindgen() -> String {
    std::env::var("BINDGEN").unwrap_or_else(|_| "bindgen".to_owned())
}

#[test]
fn bindgen_still_makes_what_lies_here() {
    let made = run(Command::new(bindgen()).args(ARGUMENTS));
    compare("bindgen_still_makes_what_lies_here", made, "station.rs");
}

/// With the page's own command line.
#[test]
fn the_recipe_still_makes_what_lies_here() {
    let page = include_str!("../../../docs/joining.md");
    let (_, recipe) = page.split_once("$ bindgen joined.h").unwrap();
    let (recipe, _) = recipe.split_once(" > joined.rs").unwrap();
    let script = format!("set -o pipefail; {} c/joined.h {recipe}", bindgen());
    let made = run(Command::new("bash").args(["-c", &script]));
    compare("the_recipe_still_makes_what_lies_here", made, "joined.rs");
}

/// The C compiler is asked, with the real headers of the machine's C library.
#[test]
fn structs_of_real_headers_lie_where_c_has_them() {
    use joined::{input_event, job_queue, motion_status, shmTime, sysinfo, utmpx};
    let header = include_str!("../../c/joined.h");
    for compiler in Compiler::all() {
        let name = compiler.to_string();
        if name.ends_with("-m32") || name.contains("++") {
            continue;
        }
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("joined-{name}"));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("joined.h"), header).unwrap();
        for (check, kind) in [
            (
                shmTime::c_layout_check("struct shmTime", "joined.h"),
                "shmTime",
            ),
            (
                motion_status::c_layout_check("struct motion_status", "joined.h"),
                "motion_status",
            ),
            (
                input_event::c_layout_check("struct input_event", "joined.h"),
                "input_event",
            ),
            (utmpx::c_layout_check("struct utmpx", "joined.h"), "utmpx"),
            (
                sysinfo::c_layout_check("struct sysinfo", "joined.h"),
                "sysinfo",
            ),
            (
                job_queue::c_layout_check("struct job_queue", "joined.h"),
                "job_queue",
            ),
        ] {
            let source = place.join(format!("{kind}.c"));
            std::fs::write(&source, check).unwrap();
            let object = place.join(format!("{kind}.o"));
            compiler.compile(&source, &object, &["-D_DEFAULT_SOURCE", "-c"]);
        }
    }
}

/// Padding that bindgen gives a name is none to a struct that is written by hand.
#[test]
fn a_struct_by_hand_is_the_one_of_the_header() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Cart {
        x: f64,
        y: f64,
        z: f64,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(u32)]
    #[allow(dead_code, reason = "for its layout")]
    enum State {
        #[allow(non_camel_case_types, reason = "C's")]
        MOTION_DISABLED = 0,
        #[allow(non_camel_case_types, reason = "C's")]
        MOTION_FREE = 1,
        #[allow(non_camel_case_types, reason = "C's")]
        MOTION_COORD = 5,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C, align(32))]
    struct MotionStatus {
        head: u8,
        command: i32,
        state: State,
        at: Cart,
        limits: [Cart; 2],
        #[shared(padding)]
        _pad: [u8; 8],
        feed: f64,
        name: [i8; 33],
        tail: u8,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Unit {
        _bitfield_align_1: [u8; 0],
        bits: u8,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Plain {
        bits: u8,
    }
    let made = joined::motion_status::SCHEMA.fingerprint();
    assert_eq!(made, MotionStatus::SCHEMA.fingerprint());
    assert_eq!(
        Unit::SCHEMA.fingerprint(),
        Plain::SCHEMA.fingerprint(),
        "what aligns a unit of bit-fields is no field"
    );
}

/// A program that has the struct of `existing.h` from there, and its functions from a generated header.
const PROGRAM: &str = r#"
#include "existing.h"
#include "shared.h"

int main(int argc, char **argv)
{
	struct station value;
	struct position where;
	uint16_t cell;
	shmbox box;
	int code;

	memset(&value, 0, sizeof value);
	value.mode = STATION_ON;
	value.where.longitude = 2.5;
	code = station_open_or_create(&box, SHMBOX_TO_(key_t, strtoul(argv[argc - 1], SHMBOX_NULL_, 0)), 0600, &value);
	if (code == 0)
		code = station_store_grid_at_at(&box, 1, 2, 9, SHMBOX_NULL_);
	if (code == 0)
		code = station_load_where(&box, &where);
	if (code == 0)
		code = station_store_where_latitude(&box, where.longitude * 2, SHMBOX_NULL_);
	if (code == 0)
		code = station_load_grid_at_at(&box, 1, 2, &cell);
	if (code != 0)
		return -code;
	if (cell != 9 || station_store_grid_at_at(&box, 1, 3, 9, SHMBOX_NULL_) != SHMBOX_EARGUMENT)
		return 40;
	if (station_store_mode(&box, 3, SHMBOX_NULL_) != SHMBOX_EINVALID)
		return 41;
	return station_close(&box);
}
"#;

#[test]
fn a_struct_of_an_existing_header_has_functions_without_another_definition() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = directory.join(format!("existing.{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let header = CHeader::of::<station>().existing("existing.h", "struct station");
    let existing = include_str!("../../c/existing.h");
    let [source, program] = ["source.c", "program"].map(|name| directory.join(name));
    std::fs::write(directory.join("shared.h"), header.to_string()).unwrap();
    std::fs::write(&source, PROGRAM).unwrap();
    for compiler in Compiler::all() {
        std::fs::write(
            directory.join("existing.h"),
            format!("#pragma once\n{existing}"),
        )
        .unwrap();
        let compiled = compiler.try_compile(&source, &program, &["-O2"]);
        if compiler.to_string().ends_with("-m32") {
            // i386 aligns 8 bytes to 4: another struct.
            assert!(compiled.unwrap_err().contains("size of struct station"));
            continue;
        }
        compiled.unwrap_or_else(|said| panic!("{compiler}: {said}"));
        let guard = Guard::new();
        let output = Command::new(&program).arg(guard.arg()).output().unwrap();
        assert!(output.status.success(), "{compiler}: {output:?}");
        let shared = SharedBox::<station>::open(guard.key()).unwrap();
        let value = shared.get().unwrap();
        assert_eq!(value.mode, station_mode::STATION_ON);
        assert_eq!((value.where_.latitude, value.where_.longitude), (5.0, 2.5));
        assert_eq!((value.grid[1][2], shared.version()), (9, 3));
        guard.memory();
        // A field that has moved since.
        let moved = existing.replace(
            "uint8_t flags;\n\tenum station_mode mode;",
            "enum station_mode mode;\n\tuint8_t flags;",
        );
        std::fs::write(
            directory.join("existing.h"),
            format!("#pragma once\n{moved}"),
        )
        .unwrap();
        let said = compiler.try_compile(&source, &program, &[]).unwrap_err();
        assert!(said.contains("offset of struct station."), "{said}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_struct_of_an_existing_header_is_shared_with_programs_that_know_only_the_header() {
    for compiler in Compiler::all() {
        let guard = Guard::new();
        let out = env!("CARGO_TARGET_TMPDIR");
        let header = include_str!("../../c/existing.h");
        let define = "-D_DEFAULT_SOURCE";
        let program =
            compiler.compile_with_header(out, "existing.c", ("existing.h", header), &[define]);
        let output = Command::new(program).arg(guard.arg()).output().unwrap();
        assert!(output.status.success(), "{compiler}: {output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let raw = RawBox::<station>::open(guard.key());
        if compiler.to_string().ends_with("-m32") {
            // i386 aligns 8 bytes to 4: another struct, and another size.
            assert!(said.contains("size 100"), "{said}");
            assert!(raw.is_err());
            continue;
        }
        let mut wanted: Vec<_> = station::SCHEMA
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name().trim_end_matches('_'), field.offset()))
            .collect();
        wanted.push(format!("size {}", size_of::<station>()));
        assert_eq!(said.lines().collect::<Vec<_>>(), wanted, "{compiler}");
        let value = raw.unwrap().get().unwrap();
        assert_eq!((value.pid, value.flags, value.seen), (7, 3, -1));
        assert_eq!(value.mode, station_mode::STATION_ON);
        assert_eq!(value.where_.longitude, 1.5);
        assert!(value.visible && value.grid[1][2] == 9);
        let name = FixedStr::from_raw(value.name.map(|letter| letter as u8));
        assert_eq!(name, "alice");
    }
}

/// What the compiler says of the check of `station` against a header.
fn check(compiler: &Compiler, header: &str) -> Result<(), String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{compiler}"));
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("existing.h"), header).unwrap();
    let source = place.join("check.c");
    std::fs::write(
        &source,
        station::c_layout_check("struct station", "existing.h"),
    )
    .unwrap();
    compiler.try_compile(&source, &place.join("check.o"), &["-c"])
}

#[test]
fn the_c_side_can_hold_its_own_header_against_the_rust_type() {
    let header = include_str!("../../c/existing.h");
    for compiler in Compiler::all() {
        let name = compiler.to_string();
        if name.ends_with("-m32") {
            let said = check(compiler, header).unwrap_err();
            assert!(said.contains("another size than the"), "{said}");
            continue;
        }
        check(compiler, header).unwrap();
        for (from, to, says, by_kind) in [
            (
                "uint8_t flags;",
                "uint16_t flags;",
                "flags has not 1 bytes",
                false,
            ),
            ("int pid;", "int id, pid;", "pid is not at byte 0", false),
            ("[2][3]", "[3][2]", "grid[0] has not 6 bytes", false),
            ("NAME 51", "NAME 50", "name has not 51 bytes", false),
            (
                "int64_t seen",
                "uint64_t seen",
                "seen is of another kind",
                true,
            ),
            (
                "double latitude,",
                "long latitude; double",
                "where.latitude is of another kind",
                true,
            ),
            ("int pid;", "_Atomic int pid;", "pid is _Atomic", true),
            (
                "bool visible",
                "volatile _Atomic signed char visible",
                "visible is _Atomic",
                true,
            ),
            (
                "bool visible",
                "signed char visible",
                "visible is of another kind",
                true,
            ),
            (
                "uint16_t grid",
                "int16_t grid",
                "grid[0][0] is of another kind",
                true,
            ),
        ] {
            assert!(header.contains(from), "{from}");
            if by_kind && name.contains("++") {
                continue;
            }
            let said = check(compiler, &header.replace(from, to)).unwrap_err();
            assert!(said.contains(says), "{compiler}: {from} -> {to}: {said}");
        }
    }
}

/// `bindgen` makes one type of the first two, and no other of the last.
#[test]
fn a_long_double_and_an_atomic_do_not_pass_for_integers() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Wide {
        wide: u128,
        mode: Mode,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(u32)]
    #[allow(dead_code, reason = "for its layout")]
    enum Mode {
        Off,
        On,
    }
    /// Whose members the compiler warns to take addresses of.
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C, packed)]
    struct Packed {
        first: u8,
        second: u32,
    }
    let packed = "struct packed { uint8_t first; uint32_t second; } __attribute__((packed));";
    for compiler in Compiler::all() {
        let name = compiler.to_string();
        if name.ends_with("-m32") || name.contains("++") {
            continue;
        }
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wide-{name}"));
        std::fs::create_dir_all(&place).unwrap();
        let source = place.join("check.c");
        let check = |check: String, header: &str, arguments: &[&str]| {
            let header = format!("#include <stdint.h>\n{header}\n");
            std::fs::write(place.join("wide.h"), header).unwrap();
            std::fs::write(&source, check).unwrap();
            let arguments = [&["-c"], arguments].concat();
            compiler.try_compile(&source, &place.join("check.o"), &arguments)
        };
        let wide = |members: &str, arguments: &[&str]| {
            let text = Wide::c_layout_check("struct wide", "wide.h");
            let header = format!("enum mode {{ OFF, ON }}; struct wide {{ {members} }};");
            check(text, &header, arguments)
        };
        wide("__extension__ unsigned __int128 wide; enum mode mode;", &[]).unwrap();
        let said = wide("long double wide; enum mode mode;", &[]).unwrap_err();
        assert!(said.contains("wide is of another kind"), "{name}: {said}");
        let atomic = "long double wide; _Atomic enum mode mode;";
        let said = wide(atomic, &[]).unwrap_err();
        assert!(said.contains("mode is _Atomic"), "{name}: {said}");
        let said = wide(atomic, &["-DSHM_ALLOW_ATOMIC"]).unwrap_err();
        assert!(!said.contains("mode is _Atomic"), "{name}: {said}");
        let text = Packed::c_layout_check("struct packed", "wide.h");
        check(text, packed, &[]).unwrap();
    }
}
