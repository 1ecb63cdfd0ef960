//! Python modules made by `python_module`: they read, write and wait as Rust programs do, and refuse
//! what Rust programs refuse.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::huge::Huge;
use nix::libc;
use shm_core::sysv::shm;
use shm_core::{ErrorKind, FixedStr, FixedVec, Inspector, RawBox, SharedBox, SharedLayout};
use shm_tests::{Guard, Peer, Python, may_change_user, may_unshare, set_slots, slots};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const OUT: &str = env!("CARGO_TARGET_TMPDIR");

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

/// Every kind of field, padding, and names that mean something else to Python.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Everything {
    on: bool,
    letter: char,
    small: i8,
    huge: u128,
    negative: i128,
    single: f32,
    doubles: [f64; 2],
    name: FixedStr<16>,
    raw: FixedStr<4>,
    pair: Pair,
    nested: [[Inner; 2]; 2],
    mood: Mood,
    wide: Huge,
    numbers: FixedVec<u64, 5>,
    names: FixedVec<FixedStr<3>, 3>,
    from: u16,
    _reserved: u16,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, packed)]
struct Pair(u16, FixedStr<4>);

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Inner {
    moods: [Mood; 2],
    at: u64,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
enum Mood {
    Calm = -7,
    Wild = 300,
}

fn everything() -> Everything {
    let inner = |at| Inner {
        moods: [Mood::Wild, Mood::Calm],
        at,
    };
    let text = |text| FixedStr::new(text).unwrap();
    Everything {
        on: true,
        letter: 'ß',
        small: -128,
        huge: u128::MAX,
        negative: i128::MIN,
        single: 0.5,
        doubles: [1.0, -2.5],
        name: FixedStr::new("süß").unwrap(),
        raw: FixedStr::from_raw(*b"a\xff\0\0"),
        pair: Pair(9, FixedStr::new("ab").unwrap()),
        nested: [[inner(1), inner(2)], [inner(3), inner(u64::MAX)]],
        mood: Mood::Calm,
        wide: Huge::MOST,
        numbers: FixedVec::from_slice(&[1, 2, 3]).unwrap(),
        names: FixedVec::from_slice(&[text("x"), text("y")]).unwrap(),
        from: 7,
        _reserved: 8,
    }
}

fn alice() -> StPid {
    StPid {
        pid: 7,
        names: FixedStr::new("alice").unwrap(),
    }
}

#[test]
fn what_all_modules_have_in_common_is_a_module() {
    if let Some(python) = Python::find("what_all_modules_have_in_common", OUT) {
        let common = include_str!("../../../shm-core/src/foreign/shmbox.py");
        python.write("shmbox", common);
        python.run("import shmbox", &[]);
    }
}

#[test]
fn every_kind_of_field_crosses_in_both_directions() {
    let Some(python) = Python::find("every_kind_of_field", OUT) else {
        return;
    };
    python.write("everything", &Everything::python_module());
    for by in ["python", "c"] {
        cross(&python, by);
    }
}

/// What JSON may differ in: kinds of fields, names, and numbers that JSON has no word for.
#[cfg(feature = "json")]
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct AllKinds {
    everything: Everything,
    numbers: FixedVec<u64, 5>,
    id: std::num::NonZeroU8,
    wide: std::num::NonZeroI128,
    lock: shm_core::Opaque<4>,
    none: [u64; 0],
    singles: [f32; 5],
    doubles: [f64; 5],
    known: [Known; 3],
    class: bool,
    größe: char,
    quoted: FixedStr<16>,
}

#[cfg(feature = "json")]
#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Known {
    None = 1,
    #[shared(other)]
    Other = 0,
}

#[cfg(feature = "json")]
#[test]
fn rust_and_python_write_the_same_json() {
    let Some(python) = Python::find("rust_and_python_write_the_same_json", OUT) else {
        return;
    };
    let value = AllKinds {
        everything: everything(),
        numbers: FixedVec::from_slice(&[1, 2, 3]).unwrap(),
        id: std::num::NonZeroU8::MAX,
        wide: std::num::NonZeroI128::MIN,
        lock: shm_core::Opaque::default(),
        none: [],
        singles: [0.1, -1.0 / 3.0, 16_777_216.0, f32::NAN, 123_456.79],
        doubles: [0.1, -1.0 / 3.0, 1e15, f64::NEG_INFINITY, -0.0],
        known: [Known::None; 3],
        class: true,
        größe: '\u{2028}',
        quoted: FixedStr::new("\"\\/\n\t\u{1}\u{7f}").unwrap(),
    };
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), value).unwrap();
    let at = std::mem::offset_of!(AllKinds, known) + 1;
    guard.memory().write(at, &[0, 77]);
    let inspector = Inspector::open(guard.key()).unwrap();
    let rust = serde_json::to_string(&inspector.value().unwrap()).unwrap();
    for module in [
        AllKinds::python_module(),
        inspector.python_module().unwrap(),
    ] {
        python.write("all_kinds", &module);
        let printed = python.run(include_str!("python/json_.py"), &[&guard.arg()]);
        assert_eq!(printed, rust);
    }
    for part in [
        r#""mood":"Calm","wide":"Most""#,
        r#""from":7,"_reserved":8"#,
        r#""pair":{"0":9,"1":"ab"}"#,
        r#""known":["None","Other",77]"#,
        r#""class":true,"größe":""#,
        r#""raw":[97,255]"#,
        r#""singles":[0.1,-0.33333334,16777216.0,null,123456.79]"#,
    ] {
        assert!(rust.contains(part), "{part}: {rust}");
    }
}

fn cross(python: &Python, by: &str) {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), everything()).unwrap();
    python.run(include_str!("python/everything.py"), &[&guard.arg(), by]);
    let mut wanted = everything();
    wanted.on = false;
    wanted.letter = '🦀';
    wanted.small = 127;
    wanted.huge = 1 << 64;
    wanted.negative = -1;
    wanted.single = 1.5;
    wanted.doubles = [8.0, 4.0];
    wanted.name = FixedStr::new("it's").unwrap();
    wanted.raw = FixedStr::from_raw(*b"\xff\xfe\0\0");
    wanted.pair = Pair(11, FixedStr::new("cd").unwrap());
    wanted.nested[0][0] = wanted.nested[1][1];
    wanted.nested[0][1].moods.reverse();
    wanted.mood = Mood::Wild;
    wanted.wide = Huge::ONE;
    wanted.numbers = FixedVec::from_slice(&[0, 9, 3, 5, 6]).unwrap();
    wanted.names.as_mut_slice().reverse();
    wanted.from = 8;
    assert_eq!(shared.get().unwrap(), wanted);
    assert_eq!(shared.version(), 4);
}

#[test]
fn a_live_segment_gives_the_same_module_as_the_type() {
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), everything()).unwrap();
    let inspector = Inspector::open(guard.key()).unwrap();
    assert_eq!(
        inspector.python_module().unwrap(),
        Everything::python_module()
    );
    assert_eq!(inspector.c_header().unwrap(), Everything::c_header());
}

#[test]
fn a_type_without_fields_is_the_field_value() {
    let Some(python) = Python::find("a_type_without_fields", OUT) else {
        return;
    };
    python.write("counter", &<[u32; 3]>::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), [1_u32, 2, 3]).unwrap();
    let program = "
import counter, sys
box = counter.open(int(sys.argv[1], 0))
assert box.get().value == [1, 2, 3]
box.set(counter.SharedValue(value=[4, 5, 6]))
";
    python.run(program, &[&guard.arg()]);
    assert_eq!(shared.get().unwrap(), [4, 5, 6]);
}

#[test]
fn modules_need_no_more_than_python_3_8() {
    let Some(python) = Python::find("modules_need_no_more", OUT) else {
        return;
    };
    python.write("everything", &Everything::python_module());
    let program = "
import ast, sys
with open(sys.argv[1] + '/everything.py', encoding='utf-8') as file:
    ast.parse(file.read(), feature_version=(3, 8))
";
    python.run(program, &[&python.modules().to_string_lossy()]);
}

/// Two halves that every commit keeps equal.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Halves {
    one: u64,
    between: [u64; 100],
    other: u64,
}

#[test]
fn no_update_of_python_or_rust_is_lost_and_none_is_torn() {
    const UPDATES: u64 = 600;
    let Some(python) = Python::find("no_update_is_lost", OUT) else {
        return;
    };
    python.write("halves", &Halves::python_module());
    let guard = Guard::new();
    let zero = Halves {
        one: 0,
        between: [0; 100],
        other: 0,
    };
    let shared = SharedBox::create_new(guard.key(), zero).unwrap();
    let program = "
import halves, sys
if sys.argv[3] == 'c':
    halves._ON_X86_64 = False
box = halves.open(int(sys.argv[1], 0))
def add(value):
    assert value.one == value.other == value.between[99], value
    value.one += 1
    value.other += 1
    value.between = [value.one] * 100
print('ready')
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    box.update(add)
    value = box.get()
    assert value.one == value.other and set(value.between) == {value.one}, value
print('done')
";
    let (key, updates) = (guard.arg(), UPDATES.to_string());
    // One of them reads as Python does on processors whose loads need fences.
    let mut peers = ["python", "c"].map(|by| python.start(program, &[&key, &updates, by]));
    for peer in &mut peers {
        peer.expect("ready");
        peer.tell("go");
    }
    let mut seen = 0;
    for _ in 0..3 * UPDATES {
        shared
            .update(|value| {
                assert_eq!(value.one, value.other);
                value.one += 1;
                value.other += 1;
                value.between = [value.one; 100];
            })
            .unwrap();
        let now = shared.get().unwrap();
        assert_eq!([now.one; 100], now.between);
        assert_eq!(now.one, now.other);
        assert!(now.one > seen);
        seen = now.one;
    }
    for peer in &mut peers {
        peer.expect("done");
        peer.succeed();
    }
    assert_eq!(shared.get().unwrap().one, 5 * UPDATES);
    assert_eq!(shared.version(), 5 * UPDATES + 1);
}

#[test]
fn no_read_of_python_is_torn_under_a_writer_that_never_pauses() {
    let Some(python) = Python::find("no_read_is_torn", OUT) else {
        return;
    };
    reads_whole::<8>(&python);
    reads_whole::<8192>(&python);
}

/// Python reads while all words of the value change together.
fn reads_whole<const WORDS: usize>(python: &Python) {
    python.write("words", &<[u64; WORDS]>::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), [0_u64; WORDS]).unwrap();
    let program = "
import sys, words
box = words.open(int(sys.argv[1], 0), read_only=True)
last = 0
for _ in range(3000):
    value, version = box.snapshot()
    text = bytes(value)
    assert text == text[:8] * (len(text) // 8), version
    assert int.from_bytes(text[:8], sys.byteorder) == version - 1
    assert version >= last
    last = version
print(last)
";
    let mut peer = python.start(program, &[&guard.arg()]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = shared.writer().unwrap();
            let mut number = 0;
            while !over.load(Relaxed) {
                number += 1;
                writer.set([number; WORDS]).unwrap();
            }
        });
        let last: u64 = peer.line().parse().unwrap_or(0);
        over.store(true, Relaxed);
        assert!(last > 1, "the writer wrote meanwhile");
    });
    peer.succeed();
}

#[test]
fn waiters_in_python_and_in_rust_wake_each_other() {
    const ROUNDS: u64 = 50;
    let Some(python) = Python::find("waiters_wake_each_other", OUT) else {
        return;
    };
    python.write("number", &u64::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), 0_u64).unwrap();
    let program = "
import number, sys, time
box = number.open(int(sys.argv[1], 0))
assert box.wait(box.version(), timeout=0.05) is None
assert box.wait(0).version == 1
print('ready')
version = 1
while version < int(sys.argv[2]):
    seen = box.wait(version)
    assert seen.value.value == seen.version - 1, seen
    version = box.set(number.SharedValue(value=seen.version))
print('done')
";
    let mut peer = python.start(program, &[&guard.arg(), &(2 * ROUNDS).to_string()]);
    peer.expect("ready");
    let start = Instant::now();
    let mut version = 1;
    for _ in 0..ROUNDS {
        version = shared.set(version).unwrap();
        let seen = shared
            .wait_timeout(version, Duration::from_secs(10))
            .unwrap();
        let seen = seen.expect("the peer answers");
        assert_eq!(seen.value, seen.version - 1);
        version = seen.version;
    }
    peer.expect("done");
    peer.succeed();
    // Far less than the naps of those who are not woken would take: 200 to 250 ms for each.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_lock_of_a_killed_python_process_is_taken_over() {
    let Some(python) = Python::find("killed_python", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = "
import st_pid, sys
box = st_pid.open(int(sys.argv[1], 0))
def hold(value):
    value.pid = 99
    print('locked')
    sys.stdin.readline()
box.update(hold)
";
    let mut peer = python.start(program, &[&guard.arg()]);
    peer.expect("locked");
    peer.kill();
    shared.update(|value| value.pid += 1).unwrap();
    assert_eq!(shared.get().unwrap().pid, 8);
}

#[test]
fn a_python_daemon_that_gives_up_its_rights_can_do_what_it_could() {
    let test = "a_python_daemon_that_gives_up_its_rights_can_do_what_it_could";
    if !may_change_user(test) {
        return;
    }
    let Some(python) = Python::find(test, OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    for by in ["python", "c"] {
        give_up_rights(&python, by);
    }
}

fn give_up_rights(python: &Python, by: &str) {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = include_str!("python/gave_up.py");
    let mut daemon = python.start(program, &[&guard.arg(), by]);
    daemon.expect("went on");
    assert_eq!(shared.get().unwrap().pid, 11);
    // It judges the owner by its record: alive while it lives, dead when it has been killed.
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg(), "st_pid"]);
    owner.expect("locked");
    daemon.tell("while it lives");
    daemon.expect("Busy");
    owner.kill();
    owner.finish();
    daemon.tell("when it is dead");
    daemon.expect("12");
    assert_eq!(shared.get().unwrap().pid, 12);
    daemon.expect("child: Permission denied");
    // It has the right to what was upgraded since, too.
    let upgraded = SharedBox::<LaterPid>::options()
        .upgrade(true)
        .open(guard.key());
    upgraded.unwrap().update(|value| value.flags = 3).unwrap();
    daemon.tell("upgraded");
    daemon.expect("13");
    assert_eq!(shared.get().unwrap().pid, 13);
    daemon.succeed();
}

/// A later version of [`StPid`], in the padding of that.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 2)]
struct LaterPid {
    pid: i32,
    names: FixedStr<51>,
    #[shared(since = 2)]
    flags: u8,
}

#[test]
fn a_box_that_may_not_be_written_says_so_when_it_is_opened() {
    let test = "a_box_that_may_not_be_written_says_so_when_it_is_opened";
    let Some(python) = Python::find(test, OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::<StPid>::options()
        .mode(0o644)
        .create_new(guard.key(), alice())
        .unwrap();
    let program = include_str!("python/refused.py");
    let refused = |how: &str| {
        let said = python.run(program, &[&guard.arg(), how]);
        assert!(said.contains("open it with `read_only=True`"), "{said}");
        // The advice of the message.
        assert!(said.ends_with("\nalice\n"), "{said}");
        said
    };
    let before = slots(guard.set());
    if may_change_user(test) {
        let said = refused("user");
        assert!(said.contains("Permission denied"), "{said}");
    }
    set_slots(guard.set(), &vec![1; before.len()]);
    let said = refused("slots");
    assert!(said.contains("-14 ") && said.contains("slots"), "{said}");
    set_slots(guard.set(), &before);
    for by in ["python", "c"] {
        let said = python.run(program, &[&guard.arg(), by]);
        assert_eq!(said, "alice\n", "for reading only");
    }
    assert_eq!(slots(guard.set()), before, "and nothing is claimed");
    shared.set(alice()).unwrap();
}

#[test]
fn where_the_kernel_undoes_no_semaphores_python_is_told_and_can_read() {
    let test = "where_the_kernel_undoes_no_semaphores_python_is_told_and_can_read";
    let Some(python) = Python::find(test, OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = python.command(include_str!("python/refused.py"));
    let mut filtered = Command::new(PEER);
    filtered
        .args(["exec-without-undo", &libc::ENOTSUP.to_string()])
        .arg(program.get_program())
        .args(program.get_args())
        .args([&guard.arg(), "sandbox"]);
    for (name, value) in program.get_envs() {
        filtered.env(name, value.unwrap());
    }
    let output = python.output(&mut filtered);
    let said = String::from_utf8(output.stdout).unwrap();
    let Some(said) = said.strip_prefix("filtered\n") else {
        eprintln!("SKIPPED: {test}: no seccomp filter is to be had here");
        return;
    };
    for wanted in [
        "-25 ",
        "SEM_UNDO",
        "open it with `read_only=True`",
        "\nalice\n",
    ] {
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_python_process_that_leaves_its_namespace_keeps_its_lock_and_is_told() {
    let test = "a_python_process_that_leaves_its_namespace_keeps_its_lock_and_is_told";
    if !may_unshare(test, &["--ipc"]) {
        return;
    }
    let Some(python) = Python::find("left_python", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = "
import ctypes, st_pid, sys
libc = ctypes.CDLL(None)
box = st_pid.open(int(sys.argv[1], 0))
def hold(value):
    if libc.unshare(0x08000000) != 0 and libc.unshare(0x18000000) != 0:
        raise OSError('unshare')
    print('left', flush=True)
    sys.stdin.readline()
    value.pid += 1
box.update(hold)
try:
    for _ in range(3000):
        box.set(box.get())
    print('never told')
except st_pid.Left as error:
    print(error.code, box.get().pid)
";
    let mut peer = python.start(program, &[&guard.arg()]);
    peer.expect("left");
    let impatient = SharedBox::<StPid>::options()
        .timeout(Duration::from_millis(50))
        .open(guard.key())
        .unwrap();
    let error = impatient.update(|value| value.pid = 99).unwrap_err();
    assert!(error.kind() == ErrorKind::Busy, "{error:?}");
    peer.tell("");
    peer.expect("-22 8");
    shared.update(|value| value.pid += 1).unwrap();
    assert_eq!(shared.get().unwrap().pid, 9);
}

#[test]
fn no_interrupt_of_a_call_keeps_the_lock_or_half_a_commit() {
    let Some(python) = Python::find("no_interrupt_of_a_call", OUT) else {
        return;
    };
    python.write("halves", &Halves::python_module());
    let guard = Guard::new();
    let zero = Halves {
        one: 0,
        between: [0; 100],
        other: 0,
    };
    let shared = SharedBox::create_new(guard.key(), zero).unwrap();
    let program = include_str!("python/interrupted.py");
    for what in ["update", "set", "wait"] {
        let mut peer = python.start(program, &[&guard.arg(), what]);
        peer.expect("ready");
        for round in 0..400_u32 {
            // By a timer of its own and, every other time, by this process: at instants that no two
            // rounds share.
            let after = Duration::from_nanos(20_000 + u64::from(round * 7919 % 1009) * 731);
            if round % 2 == 0 {
                peer.tell(&format!("{:.9}", after.as_secs_f64()));
            } else {
                peer.tell("5");
                std::thread::sleep(after);
                peer.interrupt();
            }
            let said = peer.line();
            assert_eq!(said, "free whole", "{what}, round {round}");
        }
        shared.update(|value| value.one = value.other).unwrap();
        peer.kill();
    }
}

#[test]
fn an_exception_in_an_update_comes_out_and_commits_nothing() {
    let Some(python) = Python::find("an_exception_in_an_update", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = "
import st_pid, sys
box = st_pid.open(int(sys.argv[1], 0), timeout=3600.0)
class Mine(BaseException):
    pass
def fail(value):
    value.pid = 99
    raise Mine('in the middle')
try:
    box.update(fail)
except Mine as error:
    assert str(error) == 'in the middle'
else:
    raise AssertionError('swallowed')
for inside in (lambda: box.set(st_pid.StPid()), lambda: box.update(lambda value: None), box.close):
    try:
        box.update(lambda value: inside())
    except st_pid.ShmboxError as error:
        assert 'holds the lock already' in str(error), error
    else:
        raise AssertionError('taken twice')
assert box.update(lambda value: st_pid.StPid(pid=8, names='bob')) == 2
";
    python.run(program, &[&guard.arg()]);
    assert_eq!((shared.get().unwrap().pid, shared.version()), (8, 2));
}

#[test]
fn an_interrupt_ends_the_wait_for_a_lock_that_another_process_holds() {
    let Some(python) = Python::find("an_interrupt_ends_the_wait", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    // What runs in the background of a shell script may have inherited that interrupts are ignored.
    let program = "
import signal, st_pid, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
box = st_pid.open(int(sys.argv[1], 0), timeout=3600.0)
box.set(st_pid.StPid(pid=1))
print('ready')
sys.stdin.readline()
try:
    box.set(st_pid.StPid(pid=2))
except KeyboardInterrupt:
    print('interrupted')
";
    let mut peer = python.start(program, &[&guard.arg()]);
    peer.expect("ready");
    let writer = shared.writer().unwrap();
    peer.tell("go on");
    let memory = guard.memory();
    let sleeps = || memory.read(memory.len() - 320 + 192, 4)[3] & 0x80 != 0;
    while !sleeps() {
        std::thread::yield_now();
    }
    peer.interrupt();
    peer.expect("interrupted");
    drop(writer);
    peer.succeed();
    assert_eq!(shared.get().unwrap().pid, 1);
}

#[test]
fn a_fork_beside_calls_of_other_threads_leaves_a_child_that_works() {
    let Some(python) = Python::find("a_fork_beside_calls", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let mut peer = python.start(include_str!("python/forked.py"), &[&guard.arg()]);
    peer.expect("child: Busy");
    peer.expect("child: told");
    peer.tell("go on");
    peer.succeed();
    assert_eq!(shared.get().unwrap().pid, 10);
}

#[test]
fn boxes_and_values_go_to_worker_processes() {
    let Some(python) = Python::find("boxes_and_values_go", OUT) else {
        return;
    };
    python.write("everything", &Everything::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), everything()).unwrap();
    python.run(include_str!("python/workers.py"), &[&guard.arg()]);
    assert_eq!(shared.get().unwrap().small, -126);
}

/// Runs a program that catches an exception and prints its class and its message.
fn refusal(python: &Python, guard: &Guard, call: &str) -> String {
    let program = format!(
        "
import st_pid, sys
try:
    box = st_pid.open(int(sys.argv[1], 0))
    {call}
    print('accepted')
except Exception as error:
    print(type(error).__name__ + ': ' + str(error))
"
    );
    python.run(&program, &[&guard.arg()])
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let Some(python) = Python::find("what_does_not_fit", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let key = guard.key();
    assert_eq!(
        refusal(&python, &guard, "box.get()").trim(),
        format!(
            "NotFound: segment {key}: no segment has this key: start the program that creates it"
        )
    );
    let other = SharedBox::create_new(guard.key(), [1_u32; 14]).unwrap();
    let message = refusal(&python, &guard, "box.get()");
    let wanted = format!(
        "Mismatch: segment {key}: it holds another layout (fingerprint {}, 56 bytes, version 1) than this \
         module's StPid ({}, 56 bytes, version 1): generate the module anew, with `python_module()` of the type \
         in use or of an `Inspector` on the segment",
        <[u32; 14]>::FINGERPRINT,
        StPid::FINGERPRINT
    );
    assert_eq!(message.trim(), wanted);
    other.remove().unwrap();
    let foreign = guard.foreign(56);
    assert!(refusal(&python, &guard, "box.get()").contains("no control block"));
    shm::remove(foreign.id()).unwrap();
    drop(foreign);
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = "
import st_pid, sys
box = st_pid.open(int(sys.argv[1], 0))
print(box.get().pid)
sys.stdin.readline()
for call in (box.get, box.version, lambda: box.set(st_pid.StPid()), lambda: box.wait(9)):
    try:
        call()
    except st_pid.Removed as error:
        print(error)
";
    let mut peer = python.start(program, &[&guard.arg()]);
    peer.expect("7");
    shared.remove().unwrap();
    peer.tell("go on");
    assert_eq!(
        peer.succeed()
            .matches("the segment has been removed")
            .count(),
        4
    );
}

#[test]
fn an_argument_that_is_none_is_refused_in_words_and_a_key_may_be_text() {
    let Some(python) = Python::find("an_argument_that_is_none", OUT) else {
        return;
    };
    python.write("st_pid", &Everything::python_module());
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), everything()).unwrap();
    for (call, wanted) in [
        ("st_pid.open(sys.argv[1])", "accepted"),
        ("st_pid.open('-1')", "NotFound: segment 0xffffffff: "),
        (
            "st_pid.open('0xffffffff')",
            "NotFound: segment 0xffffffff: ",
        ),
        (
            "st_pid.open('4294967295')",
            "NotFound: segment 0xffffffff: ",
        ),
        (
            "st_pid.open('0x')",
            "ValueError: '0x' is no key: one is written as 0x1234, 4660 or -5",
        ),
        ("st_pid.open('-0x5')", "ValueError: '-0x5' is no key"),
        (
            "st_pid.open('0x100000000')",
            "ValueError: a key has 32 bits",
        ),
        ("st_pid.open('0')", "ValueError: key 0 is IPC_PRIVATE"),
        (
            "st_pid.open(None)",
            "TypeError: key: an integer, or text such as '0x1234', is wanted, and this is a NoneType",
        ),
        (
            "st_pid.open(1, owner='bob')",
            "TypeError: owner: the number of a user, or 'anybody', is wanted",
        ),
        (
            "st_pid.open(1, timeout='5')",
            "TypeError: timeout: a number of seconds is wanted, and this is a str",
        ),
        (
            "box.wait(box.version, 1)",
            "TypeError: version: an integer, such as `box.version()` or `box.snapshot().version`, is wanted, and \
             this is a method",
        ),
        ("box.wait(box.snapshot())", "TypeError: version: "),
        ("box.wait(-1)", "OverflowError: version: -1 is none"),
        (
            "box.wait(1, 'soon')",
            "TypeError: timeout: a number of seconds is wanted",
        ),
        ("assert box.wait(1, -1) is None", "accepted"),
        (
            "box.update(5)",
            "TypeError: change: a function is wanted, and this is a int",
        ),
        (
            "box.get().on = 2",
            "ValueError: 2 is no bool: True or False is wanted",
        ),
        (
            "box.get().on = 'y'",
            "TypeError: a bool is wanted, and this is a str",
        ),
        (
            "box.get().on = None",
            "TypeError: a bool is wanted, and this is a NoneType",
        ),
        ("box.get().on = 1", "accepted"),
        (
            "box.get().small = '1'",
            "TypeError: 'str' object cannot be interpreted as an integer",
        ),
        (
            "box.get().huge = '1'",
            "TypeError: 'str' object cannot be interpreted as an integer",
        ),
        ("box.get().huge = -1", "OverflowError: -1 is no u128"),
        (
            "box.get().single = '1.5'",
            "TypeError: a number is wanted, and this is a str",
        ),
        (
            "box.get().letter = 5",
            "TypeError: text of one character is wanted, and this is 5",
        ),
        (
            "box.get().name = 5",
            "TypeError: text is wanted, and this is a int",
        ),
        (
            "box.get().doubles['x']",
            "TypeError: 'str' object cannot be interpreted as an integer",
        ),
        (
            "type(box.get())(1)",
            "TypeError: Everything takes its fields by name, as in Everything(",
        ),
    ] {
        let said = refusal(&python, &guard, call);
        assert!(said.starts_with(wanted), "{call}: {said}");
    }
}

#[test]
fn a_module_of_a_later_version_reads_an_earlier_segment_with_defaults() {
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    #[shared(version = 3)]
    struct Later {
        pid: i32,
        names: FixedStr<51>,
        /// In what is padding of the earlier version.
        #[shared(since = 2, default = 7)]
        flags: u8,
        #[shared(since = 2, default = Mood::Wild)]
        mood: Mood,
        #[shared(since = 3, default = [3; 40])]
        more: [u64; 40],
    }
    let Some(python) = Python::find("a_module_of_a_later_version", OUT) else {
        return;
    };
    python.write("later", &Later::python_module());
    // What a segment tells of a type is all but the defaults.
    python.write("told", &Later::SCHEMA.python_module());
    let guard = Guard::new();
    let room = SharedBox::options().capacity(4096).clone();
    let shared = room.create_new(guard.key(), alice()).unwrap();
    let program = "
import later, sys, told
if sys.argv[2] == 'c':
    later._ON_X86_64 = told._ON_X86_64 = False
box = later.open(sys.argv[1])
def look():
    value = box.get()
    print(value.pid, value.names, value.flags, value.mood.name, sum(value.more), box.version())
look()
try:
    box.set(later.Later(mood=300))
except later.Mismatch as error:
    print(error)
try:
    told.open(sys.argv[1])
except told.Mismatch as error:
    assert 'an earlier version' in str(error) and 'generated from the Rust type' in str(error), error
for line in sys.stdin:
    look()
";
    let mut peers = ["python", "c"].map(|by| python.start(program, &[&guard.arg(), by]));
    for peer in &mut peers {
        peer.expect("7 alice 7 Wild 120 1");
        let said = peer.line();
        assert!(
            said.contains("holds an earlier version of this struct: open it for reading only")
                && said.contains("SharedBox::<T>::options().upgrade(true).open(key)"),
            "{said}"
        );
        peer.tell("again");
        peer.expect("7 alice 7 Wild 120 1");
    }
    shared.update(|value| value.pid = 8).unwrap();
    for peer in &mut peers {
        peer.tell("again");
        peer.expect("8 alice 7 Wild 120 2");
    }
    // The advice of the message.
    let upgraded = SharedBox::<Later>::options()
        .upgrade(true)
        .open(guard.key());
    let upgraded = upgraded.unwrap();
    upgraded.update(|value| value.flags = 1).unwrap();
    for peer in &mut peers {
        peer.tell("again");
        peer.expect("8 alice 1 Wild 120 3");
    }
}

#[test]
fn a_wrong_part_is_named() {
    let Some(python) = Python::find("a_wrong_part_is_named", OUT) else {
        return;
    };
    python.write("st_pid", &Everything::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), everything()).unwrap();
    let mood = std::mem::offset_of!(Everything, nested) + 2 * size_of::<Inner>() + 2;
    guard.memory().write(mood, &5_i16.to_ne_bytes());
    let wanted = "field `nested[1][0].moods[1]` holds 5, which is no `Mood`";
    let ours = shared.get().unwrap_err().to_string();
    assert!(ours.contains(wanted), "{ours}");
    for call in ["box.get()", "box.update(lambda value: None)"] {
        assert_eq!(
            refusal(&python, &guard, call).trim(),
            format!("Invalid: {wanted}")
        );
    }
}

#[test]
fn without_a_compiler_reading_works_and_writing_says_what_to_install() {
    let Some(mut python) = Python::find("without_a_compiler", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    python.use_own_cache();
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = "
import st_pid, sys
box = st_pid.open(int(sys.argv[1], 0))
try:
    print(box.get().names)
    box.set(st_pid.StPid())
except st_pid.NoCompiler as error:
    print(error)
";
    let run = |compiler: &str| {
        let mut command = python.command(program);
        let output = python.output(command.arg(guard.arg()).env("CC", compiler));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run("/nowhere/cc");
    if cfg!(target_arch = "x86_64") {
        assert!(said.starts_with("alice\n"), "{said}");
    }
    let wanted = "need a C compiler, and `/nowhere/cc` does not run (No such file or directory): install one (Debian \
                  and Ubuntu: `apt install gcc libc6-dev`";
    assert!(said.contains(wanted), "{said}");
    let said = run("false");
    assert!(said.contains("`false` does not compile"), "{said}");
    let left = std::fs::read_dir(python.cache.join("shmbox")).unwrap();
    assert_eq!(left.count(), 0, "nothing half-made stays");
    // Nor is there a place for what it would make.
    if cfg!(target_arch = "x86_64") {
        let program = "
import st_pid, sys
def nowhere():
    raise OSError('no place')
st_pid._cache = nowhere
box = st_pid.open(sys.argv[1])
print(box.get().names)
try:
    box.set(st_pid.StPid())
except st_pid.NoCompiler as error:
    print(error)
";
        let said = python.run(program, &[&guard.arg()]);
        assert!(said.starts_with("alice\n"), "{said}");
        assert!(said.ends_with("compiled and loaded: no place\n"), "{said}");
    }
}

#[test]
fn a_segment_that_is_replaced_while_a_box_opens_it_is_opened_anew() {
    let test = "a_segment_that_is_replaced_while_a_box_opens_it_is_opened_anew";
    let Some(python) = Python::find(test, OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let program = "
import st_pid, sys
attach = st_pid.SharedBox._reader
def attach_and_pause(box):
    reading = attach(box)
    st_pid.SharedBox._reader = attach
    print('attached')
    sys.stdin.readline()
    return reading
st_pid.SharedBox._reader = attach_and_pause
box = st_pid.open(sys.argv[1])
print(box.get().pid)
box.set(st_pid.StPid(pid=9))
";
    for buries in [true, false] {
        let first = SharedBox::create_new(guard.key(), alice()).unwrap();
        let mut peer = python.start(program, &[&guard.arg()]);
        peer.expect("attached");
        let set = guard.set();
        if buries {
            first.remove().unwrap();
        } else {
            guard.ipcrm();
        }
        let value = StPid { pid: 8, ..alice() };
        let second = SharedBox::create_new(guard.key(), value).unwrap();
        peer.tell("go on");
        peer.expect("8");
        peer.succeed();
        assert_eq!(second.get().unwrap().pid, 9);
        second.remove().unwrap();
        if !buries {
            drop(first);
            let _ = shm_core::sysv::sem::remove(set);
        }
    }
}

#[test]
fn what_was_compiled_is_kept_where_nobody_else_can_write() {
    let Some(mut python) = Python::find("what_was_compiled", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    python.use_own_cache();
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let set = "
import st_pid, sys
st_pid.open(int(sys.argv[1], 0)).set(st_pid.StPid(pid=1))
";
    // Several at once: the last one replaces the same file by the same.
    let mut peers = [(); 3].map(|()| python.start(set, &[&guard.arg()]));
    for peer in &mut peers {
        peer.succeed();
    }
    assert_eq!(shared.version(), 4);
    let directory = python.cache.join("shmbox");
    let kept = || -> Vec<_> {
        let files = std::fs::read_dir(&directory).unwrap();
        files
            .map(|file| {
                (
                    file.as_ref().unwrap().file_name(),
                    file.unwrap().metadata().unwrap().modified().unwrap(),
                )
            })
            .collect()
    };
    let first = kept();
    assert_eq!(first.len(), 1, "{first:?}");
    python.run(set, &[&guard.arg()]);
    assert_eq!(kept(), first, "it was not compiled again");
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    assert_eq!(
        std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777,
        0o700
    );
    std::fs::set_permissions(&directory, mode(0o777)).unwrap();
    let message = refusal(&python, &guard, "box.set(st_pid.StPid())");
    assert!(
        message.contains("no other user may read or write (mode 0700)"),
        "{message}"
    );
}

#[test]
fn nothing_is_loaded_from_where_others_can_put_something_and_what_is_kept_need_not_fit() {
    let Some(mut python) = Python::find("nothing_is_loaded", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let set = "
import st_pid, sys
st_pid.open(int(sys.argv[1], 0)).set(st_pid.StPid(pid=1))
";
    // A user who can write here could put another directory in the place of one that was checked.
    let everybodys = python.modules().join("everybodys");
    std::fs::create_dir(&everybodys).unwrap();
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&everybodys, mode).unwrap();
    let inside = everybodys.join("inside");
    for cache in [&everybodys, &inside] {
        python.cache = cache.clone();
        python.run(set, &[&guard.arg()]);
        assert!(!cache.join("shmbox").exists());
    }
    // Relative to whatever directory a program is started in.
    let mut command = python.command(set);
    command
        .arg(guard.arg())
        .env("XDG_CACHE_HOME", "relative")
        .current_dir(python.modules());
    assert!(python.output(&mut command).status.success());
    assert!(!python.modules().join("relative").exists());
    assert_eq!(shared.version(), 4);

    python.use_own_cache();
    python.run(set, &[&guard.arg()]);
    let kept = std::fs::read_dir(python.cache.join("shmbox")).unwrap();
    for file in kept {
        std::fs::write(file.unwrap().path(), "made for another system").unwrap();
    }
    python.run(set, &[&guard.arg()]);
    assert_eq!(shared.version(), 6);
}

#[test]
fn a_module_of_an_earlier_version_goes_on_with_a_later_segment() {
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    #[shared(version = 2)]
    struct Later {
        pid: i32,
        names: FixedStr<51>,
        #[shared(since = 2)]
        flags: u8,
    }
    let Some(python) = Python::find("a_module_of_an_earlier_version", OUT) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    let guard = Guard::new();
    let value = Later {
        pid: 7,
        names: FixedStr::new("alice").unwrap(),
        flags: 0xa5,
    };
    let shared = SharedBox::create_new(guard.key(), value).unwrap();
    let change = "box.update(lambda value: setattr(value, 'pid', value.pid + 1)); print(box.get())";
    assert_eq!(
        refusal(&python, &guard, change),
        "StPid(pid=8, names='alice')\naccepted\n"
    );
    let after = shared.get().unwrap();
    assert_eq!(
        (after.pid, after.flags),
        (8, 0xa5),
        "its field is not touched"
    );
    // Which takes the C functions.
    if cfg!(target_arch = "x86_64") {
        let mut command = python.command(
            "
import st_pid, sys
try:
    st_pid.open(int(sys.argv[1], 0))
except st_pid.Mismatch as error:
    print(error)
",
        );
        let output = command.arg(guard.arg()).env("CC", "/nowhere/cc").output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(
            said.contains("if it is another version") && said.contains("/nowhere/cc"),
            "{said}"
        );
    }
    // And while a module is attached.
    shared.remove().unwrap();
    let shared = SharedBox::create_new(guard.key(), alice()).unwrap();
    let program = "
import st_pid, sys
box = st_pid.open(int(sys.argv[1], 0))
box.set(st_pid.StPid(pid=1))
print('attached')
sys.stdin.readline()
assert box.get().pid == 1
box.update(lambda value: setattr(value, 'pid', 2))
assert box.get().pid == 2
";
    let mut peer = python.start(program, &[&guard.arg()]);
    peer.expect("attached");
    let upgraded = SharedBox::<Later>::options()
        .upgrade(true)
        .open(guard.key())
        .unwrap();
    upgraded.update(|value| value.flags = 3).unwrap();
    peer.tell("go on");
    peer.succeed();
    assert_eq!(
        (upgraded.get().unwrap().pid, upgraded.get().unwrap().flags),
        (2, 3)
    );
    assert_eq!(shared.get().unwrap().pid, 2);
}

#[test]
fn numpy_reads_the_bytes_as_they_lie() {
    let Some(python) = Python::find("numpy_reads_the_bytes", OUT) else {
        return;
    };
    if !python.has("numpy_reads_the_bytes", "numpy") {
        return;
    }
    python.write("everything", &Everything::python_module());
    let guard = Guard::new();
    let _shared = SharedBox::create_new(guard.key(), everything()).unwrap();
    let program = "
import ctypes, everything, numpy, sys
box = everything.open(int(sys.argv[1], 0))
layout = everything.dtype()
assert layout.itemsize == ctypes.sizeof(everything.Everything)
for name in layout.names:
    field = getattr(everything.Everything, name)
    kind, offset = layout.fields[name][:2]
    assert offset == field.offset and kind.itemsize == field.size, name
value = numpy.frombuffer(box.get(), layout)[0]
assert value['small'] == -128 and value['on'] and value['single'] == 0.5
assert list(value['doubles']) == [1.0, -2.5]
assert value['name'].decode() == 'süß'
assert value['nested']['at'].tolist() == [[1, 2], [3, 2**64 - 1]]
assert value['nested'][1][0]['moods'].tolist() == [300, -7]
assert value['numbers']['len'] == 3 and value['numbers']['items'][:3].tolist() == [1, 2, 3]
assert value['pair']['_0'] == 9
";
    python.run(program, &[&guard.arg()]);
}

#[test]
fn a_segment_of_sysv_ipc_is_read_and_written_by_raw_box() {
    let test = "a_segment_of_sysv_ipc";
    let Some(python) = Python::find(test, OUT) else {
        return;
    };
    if !python.has(test, "sysv_ipc") {
        return;
    }
    let guard = Guard::new();
    let program = "
import struct, sys, sysv_ipc
memory = sysv_ipc.SharedMemory(int(sys.argv[1], 0), sysv_ipc.IPC_CREX, mode=0o600, size=56)
memory.write(struct.pack('=i51sx', 7, b'alice'))
print('made')
sys.stdin.readline()
print(struct.unpack('=i51sx', memory.read(56)))
memory.detach()
";
    let mut peer = python.start(program, &[&guard.arg()]);
    peer.expect("made");
    let error = SharedBox::<StPid>::open(guard.key()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    let raw = RawBox::<StPid>::open(guard.key()).unwrap();
    assert_eq!(raw.get().unwrap(), alice());
    let mut value = alice();
    value.names = FixedStr::new("bob").unwrap();
    raw.set(value);
    peer.tell("go on");
    let said = peer.succeed();
    assert!(said.starts_with("(7, b'bob\\x00"), "{said}");
}
