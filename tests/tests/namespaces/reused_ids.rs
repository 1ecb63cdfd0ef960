//! An id means whatever segment has it: it is asked what it is once it is attached.

use std::process::Command;

use shm_core::{FixedStr, SharedLayout};
use shm_tests::{Compiler, Python, in_own_ipc_namespace};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

#[test]
fn an_id_that_another_segment_gets_meanwhile_is_judged_by_what_was_attached() {
    let output = Command::new(env!("CARGO_BIN_EXE_swapped"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("SKIPPED") {
        eprint!("{text}");
    }
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn in_c_an_id_that_another_segment_gets_meanwhile_is_judged_by_what_was_attached() {
    let header = StPid::c_header();
    let programs: Vec<_> = Compiler::widths()
        .iter()
        .map(|compiler| {
            let out = env!("CARGO_TARGET_TMPDIR");
            compiler.compile_with_header(out, "reused.c", ("st_pid.h", &header), &[])
        })
        .collect();
    in_own_ipc_namespace(|| {
        for program in programs {
            let output = Command::new(&program)
                .args(["0x5a", "1048576"])
                .output()
                .unwrap();
            if output.status.code() == Some(3) {
                eprintln!("SKIPPED: kernel.shm_next_id can't be set");
                return;
            }
            assert!(output.status.success(), "{program:?}: {output:?}");
        }
    });
}

#[test]
fn in_python_an_id_that_another_segment_gets_meanwhile_is_judged_by_what_was_attached() {
    let Some(python) = Python::find("in_python_an_id", env!("CARGO_TARGET_TMPDIR")) else {
        return;
    };
    python.write("st_pid", &StPid::python_module());
    in_own_ipc_namespace(|| {
        print!("{}", python.run(include_str!("reused_ids.py"), &["0x5a"]));
    });
}
