//! The header for C and C++: it compiles everywhere, lays structs out as Rust does, and its functions
//! keep the protocol with processes of this library.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::{Path, PathBuf};

use shm_core::{FixedStr, FixedVec, SharedLayout};
use shm_tests::Compiler;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Light {
    Red,
    DarkGreen = 7,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i64)]
enum Wide {
    Least = i64::MIN,
    Small = -1,
    Most = i64::MAX,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u128)]
enum Huge {
    One = 1,
    Most = u128::MAX,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Point {
    x: u8,
    y: f64,
    visible: bool,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Matrix<const N: usize> {
    cells: [[i16; N]; 2],
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, packed)]
struct Packed {
    tag: u8,
    number: u64,
    big: u128,
    point: [u16; 3],
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, packed(2))]
struct HalfPacked {
    tag: u8,
    number: u64,
    ratio: f32,
    inner: Packed,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
struct Aligned {
    id: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Pair(u8, u64);

/// A bit of everything.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 3)]
struct Everything {
    int: u8,
    class: i64,
    linux: u16,
    letter: char,
    lights: [[Light; 3]; 2],
    wide: Wide,
    huge: Huge,
    points: [Point; 5],
    point: Point,
    grid: [[Pair; 2]; 3],
    three: Matrix<3>,
    four: Matrix<4>,
    packed: Packed,
    half: HalfPacked,
    aligned: [Aligned; 2],
    texts: [FixedStr<7>; 4],
    big: u128,
    signed: i128,
    ratio: f32,
    more: f64,
    yes: bool,
    r#type: u64,
    größe: u8,
    few: FixedVec<u16, 3>,
    lamps: [FixedVec<[Light; 2], 5>; 2],
    pairs: FixedVec<Pair, 2>,
    end: Pair,
}

fn out() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The headers of these tests, written once.
fn headers() -> PathBuf {
    let directory = out().join(format!("c_header.{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in [
        ("st_pid.h", StPid::c_header()),
        ("everything.h", Everything::c_header()),
        ("packed.h", Packed::c_header()),
        ("words.h", <[u64; 8]>::c_header()),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    directory
}

#[test]
fn every_compiler_takes_several_headers_in_one_program() {
    let headers = headers();
    let source = headers.join("several.c");
    let text = "\
        #include \"everything.h\"\n\
        #include \"packed.h\"\n\
        #include \"st_pid.h\"\n\
        #include \"words.h\"\n\
        #include \"st_pid.h\"\n\
        int main(void) { shmbox box; struct everything all; return everything_open(&box, 0) == SHMBOX_EARGUMENT && sizeof all > 0 ? 0 : 1; }\n";
    std::fs::write(&source, text).unwrap();
    for compiler in Compiler::all() {
        for level in ["-O0", "-O2"] {
            compiler.compile(&source, &headers.join("several"), &[level]);
        }
    }
}
