//! The header for C and C++: it compiles everywhere, lays structs out as Rust does, and its functions
//! keep the protocol with processes of this library.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::huge::Huge;
use shm_core::sysv::{Mode, shm};
use shm_core::{CHeader, FixedStr, FixedVec, SharedBox, SharedLayout};
use shm_tests::{Compiler, Guard, Ledger, Memory, NOBODY, c_peer, c_peers, may_change_user};

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

/// A directory of this test's own with the headers of these types.
fn headers(test: &str) -> PathBuf {
    let directory = out().join(format!("{test}.{}", std::process::id()));
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

/// Builds a text with each compiler, and has `check` look at the program.
fn with_each_compiler(
    test: &str,
    text: &str,
    levels: &[&str],
    mut check: impl FnMut(&Compiler, &Path),
) {
    let headers = headers(test);
    let (source, program) = (headers.join("source.c"), headers.join("program"));
    std::fs::write(&source, text).unwrap();
    for compiler in Compiler::all() {
        for level in levels {
            compiler.compile(&source, &program, &[level]);
            check(compiler, &program);
        }
    }
    std::fs::remove_dir_all(headers).unwrap();
}

#[test]
fn every_compiler_takes_several_headers_in_one_program() {
    let text = "\
        #include \"everything.h\"\n\
        #include \"packed.h\"\n\
        #include \"st_pid.h\"\n\
        #include \"words.h\"\n\
        #include \"st_pid.h\"\n\
        int main(void)\n\
        {\n\
        \tshmbox box;\n\
        \treturn everything_open(&box, 0) == SHMBOX_EARGUMENT && packed_open(&box, 0) != 0 ? 0 : 1;\n\
        }\n";
    with_each_compiler("several", text, &["-O0", "-O2"], |_, program| {
        assert!(Command::new(program).status().unwrap().success());
    });
}

#[test]
fn what_all_headers_have_in_common_compiles_alone() {
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shm-core/src/foreign");
    let include = |file: &str| format!("#include \"{}\"\n", foreign.join(file).display());
    let header = include("shmbox.h");
    let text = [&*header, &header, &include("python/glue.c")].concat();
    with_each_compiler("alone", &text, &["-c"], |_, _| ());
    // The example of it is in no other header.
    assert!(!StPid::c_header().contains("any_struct"));
}

#[test]
fn no_cast_or_conversion_in_a_header_is_one_that_a_strict_compiler_warns_of() {
    // Where clang has no such warning, or gcc has none of this name, that is no fault.
    const BOTH: [&str; 4] = [
        "-Wno-unknown-warning-option",
        "-Wconversion",
        "-Wsign-conversion",
        "-Wcast-qual",
    ];
    const CPP: [&str; 4] = [
        "-Woverloaded-virtual",
        "-Wold-style-cast",
        "-Wuseless-cast",
        "-Wzero-as-null-pointer-constant",
    ];
    let headers = headers("casts");
    let source = headers.join("source.c");
    let includes = "#include \"everything.h\"\n#include \"packed.h\"\n#include \"st_pid.h\"\n#include \"words.h\"\n";
    let main = "int main(void) { return 0; }\n";
    let mains = [main, CLASS];
    let linkage = |text| format!("#ifdef __cplusplus\n{text}\n#endif\n");
    let wrapped = [&*linkage("extern \"C\" {"), includes, &linkage("}"), main].concat();
    for text in [
        [includes, mains[0]].concat(),
        [includes, mains[1]].concat(),
        wrapped,
    ] {
        std::fs::write(&source, text).unwrap();
        for compiler in Compiler::all() {
            let mut arguments = BOTH.to_vec();
            if compiler.to_string().contains("c++") {
                arguments.extend(CPP);
            }
            compiler.compile(&source, &headers.join("program"), &arguments);
        }
    }
    std::fs::remove_dir_all(headers).unwrap();
}

/// Headers of POSIX, C11, glibc and Linux. Of those for C alone, C++ has others by the same name.
const SYSTEM: &str = "aio.h arpa/inet.h assert.h cpio.h ctype.h dirent.h dlfcn.h err.h errno.h fcntl.h fenv.h float.h \
    fmtmsg.h fnmatch.h ftw.h getopt.h glob.h grp.h iconv.h ifaddrs.h inttypes.h iso646.h langinfo.h libgen.h limits.h \
    linux/futex.h linux/membarrier.h linux/mman.h linux/random.h locale.h malloc.h math.h monetary.h mqueue.h ndbm.h \
    net/if.h netdb.h netinet/in.h netinet/tcp.h nl_types.h poll.h pthread.h pwd.h regex.h sched.h search.h semaphore.h \
    setjmp.h signal.h spawn.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h stropts.h \
    sys/auxv.h sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h sys/ioctl.h sys/ipc.h sys/mman.h sys/mount.h \
    sys/msg.h sys/param.h sys/prctl.h sys/random.h sys/resource.h sys/select.h sys/sem.h sys/sendfile.h sys/shm.h \
    sys/signalfd.h sys/socket.h sys/stat.h sys/statfs.h sys/statvfs.h sys/syscall.h sys/sysinfo.h sys/sysmacros.h \
    sys/time.h sys/timerfd.h sys/times.h sys/timex.h sys/types.h sys/uio.h sys/un.h sys/utsname.h sys/vfs.h sys/wait.h \
    sys/xattr.h syslog.h tar.h termios.h time.h uchar.h ulimit.h unistd.h utime.h utmpx.h wchar.h wctype.h wordexp.h";

#[test]
fn what_the_systems_headers_call_so_too_does_no_harm() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(u8)]
    enum Size {
        Min,
        Max,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(u8)]
    enum Map {
        Shared = 7,
        Private,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(i64)]
    enum Seek {
        Set = i64::MIN,
        Cur = i64::MAX,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Shm {
        size: Size,
        map: Map,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Fd {
        seek: Seek,
        shm: Shm,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    #[allow(non_snake_case, reason = "what other people's structs are like")]
    struct Stat {
        st_mtime: u64,
        si_pid: u32,
        INT_MAX: u32,
        EINVAL: u16,
        SHM_RDONLY: u8,
        EOF: u8,
        linux: u8,
        unix: u8,
        st: Time,
        sock: Sock,
        r#static: Option,
        mutex: PthreadMutex,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(u8)]
    enum Sock {
        Stream = 7,
        Dgram,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Time {
        mtime: u64,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Option {
        errno: u32,
        sa_handler: u32,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct PthreadMutex {
        major: u32,
    }
    let system: String = SYSTEM
        .split(' ')
        .map(|header| format!("#if __has_include(<{header}>)\n#include <{header}>\n#endif\n"))
        .collect();
    const OURS: &str =
        "#include \"fd.h\"\n#include \"shm.h\"\n#include \"stat.h\"\n#include \"mutex.h\"\n";
    const MAIN: &str = "int main(void)\n{\n\tstruct stat_ s;\n\tstruct stat t;\n\tshmbox box;\n\n\
        \tmemset(&box, 0, sizeof box);\n\
        \tmemset(&s, 0, sizeof s);\n\tmemset(&t, 0, sizeof t);\n\
        \ts.INT_MAX_ = 1;\n\ts.sock = SOCK__STREAM;\n\ts.EOF_ = s.linux_ = s.unix_ = 0;\n\
        \tif (t.st_size != 0 || stat__open(&box, 0) != SHMBOX_EARGUMENT || stat__load_EOF_(&box, &s.EOF_) == 0)\n\
        \t\treturn 1;\n\
        \tif (stat__create(&box, 0, 0600, &s) != SHMBOX_EARGUMENT || shmbox_now_() <= 0)\n\t\treturn 2;\n\
        \tshmbox_rest_a_millisecond_();\n\
        \treturn (int)s.INT_MAX_ + SOCK__DGRAM - 9;\n}\n";
    let headers = headers("names");
    for (name, text) in [
        ("fd.h", Fd::c_header()),
        ("shm.h", Shm::c_header()),
        ("stat.h", Stat::c_header()),
        ("mutex.h", PthreadMutex::c_header()),
    ] {
        std::fs::write(headers.join(name), text).unwrap();
    }
    let source = headers.join("source.c");
    for text in [
        format!("{OURS}{system}{MAIN}"),
        format!("{system}{OURS}{MAIN}"),
    ] {
        std::fs::write(&source, text).unwrap();
        for compiler in Compiler::all() {
            // Strict C hides most of the system; GNU's has the macros `linux` and `unix`.
            let gnu = match compiler.to_string().contains("c++") {
                true => "-std=gnu++17",
                false => "-std=gnu11",
            };
            for names in ["-O0", "-D_GNU_SOURCE", gnu] {
                let program = headers.join("program");
                compiler.compile(&source, &program, &[names]);
                let status = Command::new(program).status().unwrap();
                assert!(status.success(), "{compiler} {names}: {status}");
            }
        }
    }
    std::fs::remove_dir_all(headers).unwrap();
    // What is not renamed, is as before.
    assert!(StPid::c_header().contains("struct st_pid {"));
}

#[test]
fn a_processor_whose_64_bit_words_a_library_guards_with_a_lock_is_refused() {
    let headers = headers("library");
    let source = headers.join("source.c");
    std::fs::write(
        &source,
        "#include \"st_pid.h\"\nint main(void) { return 0; }\n",
    )
    .unwrap();
    for compiler in Compiler::all() {
        if compiler.to_string().ends_with("-m32") {
            let said = compiler.try_compile(&source, &headers.join("program"), &["-march=i486"]);
            let said = said.unwrap_err();
            assert!(said.contains("no lock-free 64-bit atomics"), "{said}");
        }
    }
    std::fs::remove_dir_all(headers).unwrap();
}

/// A program that is one in C too, where it has no class.
const CLASS: &str = r#"
#include "st_pid.h"
#ifdef __cplusplus
#include <type_traits>
#include <utility>

static_assert(!std::is_copy_constructible<st_pid_box>::value && !std::is_copy_assignable<st_pid_box>::value, "one owner");
static_assert(std::is_nothrow_move_constructible<st_pid_box>::value, "for vectors");

/* A class with such a member goes into a header. */
struct service {
	st_pid_box box;
	int names = 0;
};

static int run(key_t key)
{
	service first, second;
	struct st_pid value = st_pid();
	uint64_t version = 0;
	int32_t before = 0;

	if (first.box.open(key) != SHMBOX_ENOTFOUND || first.box.get(value) != SHMBOX_EARGUMENT)
		return 1;
	if (first.box.open_or_create(key, 0600, value) != 0 || !first.box.handle()->created)
		return 2;
	second.box = std::move(first.box);
	if (first.box.set(value) != SHMBOX_EARGUMENT || second.box.set(value, &version) != 0 || version != 2)
		return 3;
	if (second.box.update([](struct st_pid &now) { now.pid += 5; }, &version) != 0 || version != 3)
		return 4;
	try {
		if (second.box.update([](struct st_pid &now) { now.pid = 9; throw now.pid; }) != 0)
			return 5;
		return 6;
	} catch (int) {
	}
	/* Nothing was committed, and the lock is free. */
	if (st_pid_add_pid(second.box.handle(), 2, &before) != 0 || before != 5)
		return 7;
	if (first.box.create(key, 0600, value) != SHMBOX_EEXISTS || first.box.open(key) != 0 || first.box.get(value) != 0)
		return 8;
	return value.pid == 7 ? 0 : 9;
}
#else
static int run(key_t key)
{
	struct st_pid value = { 7, "" };
	shmbox box;
	int const code = st_pid_create(&box, key, 0600, &value);

	return code == 0 ? st_pid_close(&box) : code;
}
#endif

int main(int argc, char **argv)
{
	return argc == 2 ? run(SHMBOX_TO_(key_t, strtoul(argv[1], SHMBOX_NULL_, 0))) : 20;
}
"#;

#[test]
fn a_handle_in_cpp_closes_itself_and_an_exception_in_an_update_commits_nothing() {
    with_each_compiler("class", CLASS, &["-O2"], |compiler, program| {
        let guard = Guard::new();
        let status = Command::new(program).arg(guard.arg()).status().unwrap();
        assert!(status.success(), "{compiler}: {status}");
        let memory = guard.memory();
        assert_eq!(shm::stat(memory.id()).unwrap().attached, 1, "this one");
        let shared = SharedBox::<StPid>::open(guard.key()).unwrap();
        assert_eq!(shared.get().unwrap().pid, 7);
        assert_eq!(shared.writers().unwrap().len(), 1, "slots were given back");
    });
}

#[test]
fn with_prefixes_two_layouts_of_one_name_go_into_one_program() {
    let other = {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        struct StPid {
            light: Light,
            pid: u64,
        }
        CHeader::of::<StPid>().prefix("v2_").to_string()
    };
    let headers = headers("prefix");
    std::fs::write(headers.join("other.h"), other).unwrap();
    let source = headers.join("source.c");
    let text = "#include \"st_pid.h\"\n#include \"everything.h\"\n#include \"other.h\"\nint main(void)\n{\n\
        \tstruct v2_st_pid second;\n\tshmbox box;\n\tuint64_t pid;\n\n\tsecond.light = V2_LIGHT_DARK_GREEN;\n\
        \tsecond.pid = 0;\n\tif (v2_st_pid_open(&box, 0) == 0 || V2_ST_PID_SEGMENT_SIZE == 0)\n\t\treturn 1;\n\
        \treturn v2_st_pid_load_pid(&box, &pid) == SHMBOX_EARGUMENT ? second.light - 7 : 1;\n}\n";
    std::fs::write(&source, text).unwrap();
    for compiler in Compiler::all() {
        let program = headers.join("program");
        compiler.compile(&source, &program, &[]);
        assert!(Command::new(program).status().unwrap().success());
    }
    std::fs::remove_dir_all(headers).unwrap();
}

#[test]
fn two_layouts_of_one_name_do_not_pass_for_each_other() {
    let other = {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        struct StPid {
            pid: u32,
        }
        StPid::c_header()
    };
    let headers = headers("two");
    std::fs::write(headers.join("other.h"), other).unwrap();
    let source = headers.join("source.c");
    let text = "#include \"st_pid.h\"\n#include \"other.h\"\nint main(void) { return 0; }\n";
    std::fs::write(&source, text).unwrap();
    let said = Compiler::all()[0].try_compile(&source, &headers.join("program"), &[]);
    let said = said.unwrap_err();
    assert!(
        said.contains("two headers define different layouts of struct st_pid"),
        "{said}"
    );
    std::fs::remove_dir_all(headers).unwrap();
}

const EVERYTHING: Everything = Everything {
    int: 1,
    class: -2,
    linux: 3,
    letter: 'ß',
    lights: [[Light::Red; 3], [Light::DarkGreen; 3]],
    wide: Wide::Most,
    huge: Huge::MOST,
    points: [Point {
        x: 1,
        y: 2.5,
        visible: true,
    }; 5],
    point: Point {
        x: 2,
        y: -0.5,
        visible: false,
    },
    grid: [[Pair(4, 5); 2]; 3],
    three: Matrix { cells: [[6; 3]; 2] },
    four: Matrix { cells: [[7; 4]; 2] },
    packed: PACKED,
    half: HalfPacked {
        tag: 8,
        number: 9,
        ratio: 0.25,
        inner: PACKED,
    },
    aligned: [Aligned { id: 10 }; 2],
    texts: [FixedStr::EMPTY; 4],
    big: 1 << 100 | 11,
    signed: -12,
    ratio: 13.5,
    more: -14.25,
    yes: true,
    r#type: 15,
    größe: 16,
    few: FixedVec::EMPTY,
    lamps: [FixedVec::EMPTY; 2],
    pairs: FixedVec::EMPTY,
    end: Pair(17, 18),
};

const PACKED: Packed = Packed {
    tag: 19,
    number: 20,
    big: 1 << 64 | 21,
    point: [22, 23, 24],
};

#[test]
fn c_finds_in_each_field_what_rust_stored_and_the_other_way_round() {
    let text = r#"
#include "everything.h"
#include "st_pid.h"
#include <stdio.h>

#define CHECK(condition) do { if (!(condition)) { puts(#condition); return 1; } } while (0)

int main(int argc, char **argv)
{
	struct everything e;
	shmbox box;
	int code;

	if (argc != 2)
		return 2;
	code = everything_open(&box, (key_t)strtoul(argv[1], NULL, 0));
	if (code == 0)
		code = everything_get(&box, &e, NULL);
	if (code != 0) {
		puts(shmbox_strerror(code));
		return 1;
	}
	CHECK(EVERYTHING_SCHEMA_VERSION == 3);
	CHECK(e.int_ == 1 && e.class_ == -2 && e.linux_ == 3 && e.letter == 0xdf);
	CHECK(e.lights[0][2] == LIGHT_RED && e.lights[1][0] == LIGHT_DARK_GREEN && LIGHT_DARK_GREEN == 7);
	CHECK(e.wide == WIDE_MOST && WIDE_SMALL == -1 && WIDE_LEAST < WIDE_SMALL);
	CHECK(e.huge.low == UINT64_MAX && e.huge.high == UINT64_MAX);
	CHECK(e.points[4].x == 1 && e.points[4].y == 2.5 && e.points[4].visible);
	CHECK(e.point.x == 2 && e.point.y == -0.5 && !e.point.visible);
	CHECK(e.grid[2][1]._0 == 4 && e.grid[2][1]._1 == 5);
	CHECK(e.three.cells[1][2] == 6 && e.four.cells[1][3] == 7);
	CHECK(e.packed.tag == 19 && e.packed.number == 20 && e.packed.big.low == 21 && e.packed.big.high == 1);
	CHECK(e.packed.point[0] == 22 && e.packed.point[2] == 24);
	CHECK(e.half.tag == 8 && e.half.number == 9 && e.half.ratio == 0.25 && e.half.inner.number == 20);
	CHECK(e.aligned[1].id == 10 && e.texts[3][0] == 0);
	CHECK(e.big.low == 11 && e.big.high == UINT64_C(1) << 36);
	CHECK(e.signed_.low == (uint64_t)-12 && e.signed_.high == -1);
	CHECK(e.ratio == 13.5 && e.more == -14.25 && e.yes && e.type == 15 && e.gru00f6u00dfe == 16);
	CHECK(e.few.len == 0 && e.lamps[1].len == 0 && e.pairs.len == 0 && e.end._0 == 17 && e.end._1 == 18);

	e.int_ = 2;
	e.lights[1][1] = LIGHT_RED;
	e.wide = WIDE_LEAST;
	e.huge.low = 1;
	e.huge.high = 0;
	e.packed.number = 200;
	strcpy(e.texts[2], "hello");
	e.few.len = 2;
	e.few.items[1] = 7;
	e.lamps[1].len = 1;
	e.lamps[1].items[0][1] = LIGHT_DARK_GREEN;
	e.pairs.len = 2;
	e.pairs.items[1]._1 = 9;
	CHECK(everything_set(&box, &e, NULL) == 0);

	/* What is no value does not get into the segment. */
	e.letter = 0xd800;
	CHECK(everything_set(&box, &e, NULL) == SHMBOX_EINVALID);
	e.letter = 'x';
	e.lights[0][0] = 3;
	CHECK(everything_set(&box, &e, NULL) == SHMBOX_EINVALID);
	e.lights[0][0] = LIGHT_RED;
	e.few.len = 4;
	CHECK(everything_set(&box, &e, NULL) == SHMBOX_EINVALID);
	e.few.len = 2;
	e.lamps[1].items[0][0] = 8;
	CHECK(everything_set(&box, &e, NULL) == SHMBOX_EINVALID);
	/* Beyond a vector's length nothing counts. */
	e.lamps[1].len = 0;
	CHECK(everything_lock(&box) == 0);
	/* It is not open for that struct. */
	CHECK(st_pid_unlock(&box) == SHMBOX_EARGUMENT);
	CHECK(everything_commit(&box, &e, NULL) == 0 && everything_unlock(&box) == 0);
	return everything_close(&box);
}
"#;
    with_each_compiler("fields", text, &["-O2"], |compiler, program| {
        let guard = Guard::new();
        let shared = SharedBox::create_new(guard.key(), EVERYTHING).unwrap();
        // In the segment, padding belongs to no field: of `points[0]`, and behind `int`.
        let memory = guard.memory();
        let at = std::mem::offset_of!(Everything, points);
        let (in_point, behind_int) = (
            std::mem::offset_of!(Point, y) - 1,
            std::mem::offset_of!(Everything, class) - 1,
        );
        memory.write(at + 1, &vec![0xaa; in_point]);
        memory.write(1, &vec![0xbb; behind_int]);
        let output = Command::new(program).arg(guard.arg()).output().unwrap();
        assert!(output.status.success(), "{compiler}: {output:?}");
        let seen = shared.get().unwrap();
        let mut wanted = Everything {
            int: 2,
            letter: 'x',
            wide: Wide::Least,
            huge: Huge::ONE,
            ..EVERYTHING
        };
        wanted.lights[1][1] = Light::Red;
        wanted.packed.number = 200;
        wanted.texts[2] = FixedStr::new("hello").unwrap();
        wanted.few = FixedVec::from_slice(&[0, 7]).unwrap();
        wanted.pairs = FixedVec::from_slice(&[Pair(0, 0), Pair(0, 9)]).unwrap();
        assert_eq!(seen, wanted, "{compiler}");
        assert_eq!(
            memory.read(at + 1, in_point),
            vec![0xaa; in_point],
            "{compiler}"
        );
        assert_eq!(
            memory.read(1, behind_int),
            vec![0xbb; behind_int],
            "{compiler}"
        );
    });
}

#[test]
fn the_segments_size_is_what_rust_makes_by_default() {
    let text = "#include \"everything.h\"\n#include \"st_pid.h\"\n#include <stdio.h>\n\
        int main(void) { printf(\"%llu %llu\", (unsigned long long)EVERYTHING_SEGMENT_SIZE, \
        (unsigned long long)ST_PID_SEGMENT_SIZE); return 0; }\n";
    let guards = [Guard::new(), Guard::new()];
    SharedBox::create_new(guards[0].key(), EVERYTHING).unwrap();
    let nobody = StPid {
        pid: 0,
        names: FixedStr::EMPTY,
    };
    SharedBox::create_new(guards[1].key(), nobody).unwrap();
    let wanted = guards
        .each_ref()
        .map(|guard| guard.memory().len().to_string());
    with_each_compiler("sizes", text, &["-O0"], |_, program| {
        let output = Command::new(program).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted.join(" "));
    });
}

/// What each program in C says about whatever lies under the key; reading and writing must agree.
fn codes(guard: &Guard) -> Vec<i32> {
    let mut codes = Vec::new();
    for program in c_peers(env!("CARGO_TARGET_TMPDIR")) {
        for action in ["get", "set"] {
            let output = Command::new(program)
                .args([action, &guard.arg(), "1"])
                .env("SHM_LIMIT_MS", "20")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let code = said
                .split(": ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            let code = code.and_then(|code| code.parse().ok());
            codes.push(code.unwrap_or_else(|| panic!("{said:?} {output:?}")));
        }
    }
    codes
}

/// Has them all find this code, and leave every byte as it is.
fn refused(guard: &Guard, memory: &Memory, code: i32) {
    let before = memory.bytes();
    let found = codes(guard);
    assert!(
        found.iter().all(|found| *found == code),
        "{found:?}, not {code}"
    );
    assert!(memory.bytes() == before, "the segment was changed");
}

#[test]
fn whatever_a_key_leads_to_has_its_code_and_stays_as_it_is() {
    let guard = Guard::new();
    assert!(
        codes(&guard).iter().all(|code| *code == -2),
        "nothing there"
    );

    // Of another application.
    for (size, byte) in [(56, 0), (4096, 0), (4096, 0xff), (321, 7)] {
        let guard = Guard::new();
        let memory = guard.foreign(size);
        memory.write(0, &vec![byte; size]);
        refused(&guard, &memory, -3);
    }

    // A birth that no process ends.
    let guard = Guard::new();
    let memory = guard.foreign(4096);
    let stat = shm::stat(memory.id()).unwrap();
    shm::set(memory.id(), stat.uid, stat.gid, Mode::new(0o601)).unwrap();
    refused(&guard, &memory, -11);

    // Another layout.
    let guard = Guard::new();
    SharedBox::create_new(guard.key(), EVERYTHING).unwrap();
    refused(&guard, &guard.memory(), -7);

    // A control block that contradicts itself; offsets as `FORMAT.md` has them.
    for (offset, word, bytes, code) in [
        (8, 2, 4, -6),        // format
        (12, 1 << 31, 4, -5), // flags
        (16, 64, 8, -5),      // capacity
        (16, u64::MAX / 64 * 64, 8, -5),
        (24, 0, 8, -5), // room
        (40, 0, 4, -5), // slots
        (40, 257, 4, -5),
        (40, 1023, 4, -5),
        (40, u64::MAX, 4, -5),
        (136, 0, 4, -5), // state: newborn without the mark
        (136, 2, 4, -9), // removed
        (136, 3, 4, -5), // reserved
        (136, 9, 4, -5),
        (0, 1, 8, -3), // magic
    ] {
        let guard = Guard::new();
        SharedBox::create_new(guard.key(), Ledger::new(1)).unwrap();
        let memory = guard.memory();
        memory.store(memory.len() - 320 + offset, word, bytes);
        refused(&guard, &memory, code);
    }
}

#[test]
fn a_segment_of_another_user_is_refused_unless_trusted() {
    if !may_change_user("a_segment_of_another_user_is_refused_unless_trusted") {
        return;
    }
    let guard = Guard::new();
    SharedBox::create_new(guard.key(), Ledger::new(1)).unwrap();
    let memory = guard.memory();
    let stat = shm::stat(memory.id()).unwrap();
    shm::set(memory.id(), NOBODY, stat.gid, Mode::new(0o600)).unwrap();
    refused(&guard, &memory, -4);
    for program in c_peers(env!("CARGO_TARGET_TMPDIR")) {
        let output = Command::new(program)
            .args(["get", &guard.arg()])
            .env("SHM_TRUST", "anybody")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// Pseudo-random numbers, the same in every run (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % below
    }
}

/// Programs that end at the first access which is out of bounds, if there is a compiler for that.
fn sanitized() -> Vec<PathBuf> {
    match Compiler::sanitizing() {
        Some(compiler) => vec![c_peer(&compiler, env!("CARGO_TARGET_TMPDIR"))],
        None => c_peers(env!("CARGO_TARGET_TMPDIR")).to_vec(),
    }
}

#[test]
fn no_words_in_a_control_block_bring_a_program_in_c_down_or_keep_it() {
    const ROUNDS: usize = 300;
    let programs = sanitized();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut refusals = 0;
    for round in 0..ROUNDS {
        let guard = Guard::new();
        let shared = SharedBox::create_new(guard.key(), Ledger::new(1)).unwrap();
        let memory = guard.memory();
        guard.set();
        for _ in 0..=noise.next(2) {
            // A word of the block, or half of one: all that are used, at least.
            let at = [8, 12, 16, 24, 64, 68, 128, 132, 136, 144, 192, 256][noise.next(12)];
            let word = match noise.next(4) {
                0 => noise.next(4) as u64,
                1 => u64::MAX,
                2 => 1 << noise.next(32),
                _ => noise.next(usize::MAX) as u64,
            };
            memory.store(memory.len() - 320 + at, word, 4);
        }
        let action = ["get", "set", "commit", "wait", "count"][round % 5];
        let output = Command::new(&programs[round % programs.len()])
            .args([action, &guard.arg(), "3"])
            .env("SHM_LIMIT_MS", "20")
            .output()
            .unwrap();
        // A value may have been changed to another one, and be told to be torn.
        match output.status.code() {
            Some(0) => {}
            Some(1) => refusals += 1,
            _ => panic!("{output:?}"),
        }
        drop(shared);
    }
    println!("{ROUNDS} control blocks, {refusals} refused");
    assert!(refusals > ROUNDS / 4 && refusals < ROUNDS);
}

#[test]
fn a_name_longer_than_all_others_is_not_compared_beyond_their_end() {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), Ledger::new(1)).unwrap();
    let memory = guard.memory();
    let room = 3 * shared.capacity();
    let mut schema = Ledger::SCHEMA.encode();
    // A later version, so that it is compared field by field.
    schema[10] = 9;
    let name = schema.windows(4).position(|four| four == b"\x03tag");
    let name = name.unwrap();
    schema[name] = 255;
    schema.splice(name + 1..name + 4, [b't'; 255]);
    memory.write(room, &[9; 8]);
    memory.write(room + 16, &(schema.len() as u64).to_ne_bytes());
    memory.write(room + 32, &schema);
    for program in sanitized() {
        let output = Command::new(program)
            .args(["get", &guard.arg()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(": -7 "), "{output:?}");
    }
}

#[test]
fn no_bytes_in_a_schema_room_bring_a_program_in_c_down() {
    const ROUNDS: usize = 400;
    let programs = sanitized();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), Ledger::new(1)).unwrap();
    let memory = guard.memory();
    let room = 3 * shared.capacity();
    let schema = Ledger::SCHEMA.encode();
    let mut refusals = 0;
    for round in 0..ROUNDS {
        let mut bytes = schema.clone();
        // A version above its own, so that it is compared to the end.
        bytes[10] = 9;
        for _ in 0..noise.next(4) {
            let at = noise.next(bytes.len());
            bytes[at] = [0, 1, 0x20, 0x22, 0x23, 0x24, 0xff, noise.next(256) as u8][noise.next(8)];
        }
        let mut len = bytes.len() as u64;
        if noise.next(4) == 0 {
            len = [0, 1, len - 1, len + 1, u64::MAX, 1 << 40][noise.next(6)];
        }
        memory.write(room, &[9; 8]);
        memory.write(room + 16, &len.to_ne_bytes());
        memory.write(room + 32, &bytes);
        let output = Command::new(&programs[round % programs.len()])
            .args(["get", &guard.arg()])
            .env("SHM_LIMIT_MS", "20")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) => {}
            Some(1) if said.contains(": -7 ") || said.contains(": -5 ") => refusals += 1,
            _ => panic!("{bytes:?}: {output:?}"),
        }
    }
    drop(shared);
    println!("{ROUNDS} schemas, {refusals} refused");
    assert!(refusals > ROUNDS / 4 && refusals < ROUNDS);
}

#[test]
fn no_words_of_a_control_block_or_a_record_bring_a_program_in_c_down() {
    let programs = sanitized();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let (mut runs, mut refusals) = (0, 0);
    // All words that are used, as `FORMAT.md` has them, and the first records.
    let control = [8, 12, 16, 24, 32, 40, 64, 68, 72, 128, 136, 144, 192, 256];
    let records = 248_usize.next_multiple_of(8) * 8;
    for offset in control
        .map(|offset| offset + records)
        .into_iter()
        .chain([0, 8, 16, 1000])
    {
        let words = [
            0,
            1,
            2,
            248,
            249,
            1023,
            0x3fff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            1 << 40,
            u64::MAX,
            noise.next(usize::MAX) as u64,
        ];
        for word in words {
            let guard = Guard::new();
            let shared = SharedBox::create_new(guard.key(), Ledger::new(1)).unwrap();
            let memory = guard.memory();
            let bytes = if offset % 8 == 0 { 8 } else { 4 };
            memory.store(memory.len() - 320 - records + offset, word, bytes);
            for action in ["get", "set"] {
                let output = Command::new(&programs[runs % programs.len()])
                    .args([action, &guard.arg(), "1"])
                    .env("SHM_LIMIT_MS", "20")
                    .output()
                    .unwrap();
                let code = output.status.code();
                assert!(
                    matches!(code, Some(0 | 1)),
                    "{offset} {word:#x}: {output:?}"
                );
                assert!(output.stderr.is_empty(), "{offset} {word:#x}: {output:?}");
                refusals += u32::from(code == Some(1));
                runs += 1;
            }
            drop(shared);
        }
    }
    println!("{runs} runs, {refusals} refused");
}
