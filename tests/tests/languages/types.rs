//! Types with a rule of their own cross to C and to Python, and back.

use std::num::{NonZero, NonZeroI128, NonZeroU8, NonZeroU32, Wrapping};
use std::path::Path;
use std::process::Command;

use shm_core::layout::Value;
use shm_core::{
    ErrorKind, FixedVec, Id128, Inspector, Ipv4, Ipv6, Nanoseconds, Opaque, SharedBox,
    SharedLayout, SharedView, Timestamp, field,
};
use shm_tests::{Compiler, Guard, Python};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");

/// Each type that has a rule of its own.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Types {
    id: NonZeroU32,
    few: [NonZeroU8; 3],
    wide: NonZeroI128,
    some: FixedVec<NonZero<i16>, 4>,
    none: Option<NonZeroU32>,
    count: Wrapping<i64>,
    lock: Opaque<40, 8>,
    mark: [u64; 0],
    cells: [Cell; 2],
    at: Timestamp,
    pause: Nanoseconds,
    hosts: [Ipv4; 2],
    host: Ipv6,
    ids: FixedVec<Id128, 2>,
    rest: [Cell; 0],
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Cell {
    theirs: Opaque<3>,
    ours: u8,
}

fn types() -> Types {
    let cell = |ours| Cell {
        theirs: Opaque::default(),
        ours,
    };
    Types {
        id: NonZeroU32::MAX,
        few: [1, 2, 3].map(|n| NonZeroU8::new(n).unwrap()),
        wide: NonZeroI128::MIN,
        some: FixedVec::from_slice(&[NonZero::new(-5).unwrap()]).unwrap(),
        none: None,
        count: Wrapping(i64::MAX),
        lock: Opaque::default(),
        mark: [],
        cells: [cell(1), cell(2)],
        at: "1969-07-20T20:17:40.000000007Z".parse().unwrap(),
        pause: "1.5ms".parse().unwrap(),
        hosts: [Ipv4::default(), "10.1.2.3".parse().unwrap()],
        host: "::1".parse().unwrap(),
        ids: FixedVec::from_slice(&[Id128::from(7)]).unwrap(),
        rest: [],
    }
}

/// What the programs in C and Python make of [`types`].
fn changed() -> Types {
    let mut wanted = types();
    wanted.id = NonZeroU32::new(7).unwrap();
    wanted.few[2] = NonZeroU8::MAX;
    wanted.wide = NonZeroI128::new(-1).unwrap();
    wanted.some.push(NonZero::new(6).unwrap()).unwrap();
    wanted.none = NonZeroU32::new(9);
    wanted.count += 1;
    wanted.cells[1].ours = 20;
    wanted.at = "2026-11-26T04:25:00Z".parse().unwrap();
    wanted.pause = "3s".parse().unwrap();
    wanted.hosts[0] = "192.168.0.1".parse().unwrap();
    wanted.host = "fe80::2".parse().unwrap();
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    wanted.ids.push(id.parse().unwrap()).unwrap();
    wanted
}

/// Has `program` change the value, and looks whether it was changed to what is wanted, and no byte
/// of the opaque ones with it.
fn changes(by: &str, program: impl FnOnce(&Guard)) {
    const THEIRS: [(usize, usize); 3] = [
        (std::mem::offset_of!(Types, lock), 40),
        (std::mem::offset_of!(Types, cells), 3),
        (std::mem::offset_of!(Types, cells) + 4, 3),
    ];
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), types()).unwrap();
    let memory = guard.memory();
    for (at, len) in THEIRS {
        memory.write(at, &vec![0xbb; len]);
    }
    program(&guard);
    assert_eq!(shared.get().unwrap(), changed(), "{by}");
    for (at, len) in THEIRS {
        assert_eq!(memory.read(at, len), vec![0xbb; len], "{by}: {at}");
    }
}

#[test]
fn programs_in_c_change_what_is_theirs_and_refuse_zero() {
    let text = r#"
#include "types.h"
#include <arpa/inet.h>
#include <stdio.h>

#define CHECK(condition) do { if (!(condition)) { puts(#condition); return 1; } } while (0)

int main(int argc, char **argv)
{
	static const unsigned char id[16] = {
		0x67, 0xe5, 0x50, 0x44, 0x10, 0xb1, 0x42, 0x6f, 0x92, 0x47, 0xbb, 0x68, 0x0e, 0x5f, 0xe0, 0xc8
	};
	struct types t;
	shmbox box;

	CHECK(argc == 2 && types_open(&box, (key_t)strtoul(argv[1], NULL, 0)) == 0);
	CHECK(types_get(&box, &t, NULL) == 0);
	CHECK(t.id == UINT32_MAX && t.few[2] == 3 && t.wide.high == INT64_MIN && t.none == 0);
	CHECK(t.some.len == 1 && t.some.items[0] == -5 && t.count == INT64_MAX && t.cells[1].ours == 2);
	CHECK(sizeof t.lock == 40 && offsetof(struct types, lock) % 8 == 0 && sizeof t.cells[0].theirs == 3);

	CHECK(t.at.nanoseconds == -14182939999999993 && t.pause.nanoseconds == 1500000);
	CHECK(t.hosts[1].octets[0] == 10 && t.hosts[1].octets[3] == 3 && t.host.octets[15] == 1);
	CHECK(t.ids.len == 1 && t.ids.items[0].bytes[15] == 7);

	/* Opaque bytes are not stored, whatever a program has there. */
	memset(t.lock, 0xcc, sizeof t.lock);
	memset(t.cells[0].theirs, 0xcc, sizeof t.cells[0].theirs);
	t.id = 0;
	CHECK(types_set(&box, &t, NULL) == SHMBOX_EINVALID);
	t.id = 7;
	t.few[2] = 0;
	CHECK(types_set(&box, &t, NULL) == SHMBOX_EINVALID);
	t.few[2] = 255;
	t.wide.high = 0;
	CHECK(types_set(&box, &t, NULL) == SHMBOX_EINVALID);
	t.wide.high = -1;
	t.wide.low = UINT64_MAX;
	t.some.len = 2;
	CHECK(types_set(&box, &t, NULL) == SHMBOX_EINVALID);
	t.some.items[1] = 6;
	t.none = 9;
	t.count = INT64_MIN;
	t.cells[1].ours = 20;
	t.at.nanoseconds = INT64_C(1795667100000000000);
	t.pause.nanoseconds = UINT64_C(3000000000);
	CHECK(inet_pton(AF_INET, "192.168.0.1", t.hosts[0].octets) == 1);
	CHECK(inet_pton(AF_INET6, "fe80::2", t.host.octets) == 1);
	t.ids.len = 2;
	memcpy(t.ids.items[1].bytes, id, 16);
	CHECK(types_set(&box, &t, NULL) == 0);
	return types_close(&box);
}
"#;
    let place = Path::new(OUT).join(format!("types.{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("types.h"), Types::c_header()).unwrap();
    std::fs::write(place.join("types.c"), text).unwrap();
    for compiler in Compiler::all() {
        let program = place.join("types");
        compiler.compile(&place.join("types.c"), &program, &["-O2"]);
        changes(&compiler.to_string(), |guard| {
            let output = Command::new(&program).arg(guard.arg()).output().unwrap();
            assert!(output.status.success(), "{compiler}: {output:?}");
        });
    }
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn programs_in_python_change_what_is_theirs_and_refuse_zero() {
    let Some(python) = Python::find("programs_in_python_change", OUT) else {
        return;
    };
    python.write("types_", &Types::python_module());
    changes("python", |guard| {
        python.run(include_str!("python/types_.py"), &[&guard.arg()]);
    });
}

#[test]
fn what_another_program_left_is_named_without_its_type_and_with_it() {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), types()).unwrap();
    let inspector = Inspector::open(guard.key()).unwrap();
    let value = inspector.value().unwrap();
    assert_eq!(value, Value::of(&types()).unwrap());
    assert_eq!(value.path("lock"), Some(&Value::Opaque(40)));
    assert_eq!(value.path("rest"), Some(&Value::List(Vec::new())));
    assert_eq!(value.path("few[1]"), Some(&Value::UInt(2)));
    let shown = format!("{:?}", types()).replace("none: None", "none: 0");
    assert_eq!(format!("{value:?}"), shown);
    assert_eq!(inspector.c_header().unwrap(), Types::c_header());
    assert_eq!(inspector.python_module().unwrap(), Types::python_module());

    let at = std::mem::offset_of!(Types, few) + 1;
    guard.memory().write(at, &[0]);
    let wrong = "field `few[1]` holds 0, which is no `NonZeroU8`";
    for error in [shared.get().unwrap_err(), inspector.value().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(wrong), "{error}");
    }
    assert_eq!(
        shared.fetch_add(field!(Types.count), Wrapping(1)).unwrap(),
        types().count
    );
}

#[test]
fn an_integer_that_may_be_zero_is_another_type_and_none_is_zero() {
    let guard = Guard::new();
    SharedBox::create_new(guard.key(), [NonZeroU32::MIN]).unwrap();
    let error = SharedView::<[u32; 1]>::open(guard.key()).unwrap_err();
    let row = "(value)   [NonZeroU32; 1]  @0      [u32; 1]  @0   <- type differs";
    assert!(error.to_string().contains(row), "{error}");

    let guard = Guard::new();
    SharedBox::create_new(guard.key(), [Some(NonZeroU32::MIN), None]).unwrap();
    let plain = SharedView::<[Wrapping<u32>; 2]>::open(guard.key()).unwrap();
    assert_eq!(plain.get().unwrap().map(|n| n.0), [1, 0]);
}
