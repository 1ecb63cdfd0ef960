#![allow(dead_code)]

// Names that the output of the derive might have meant.
mod core {}
mod std {}
mod bytemuck {}
struct Option;
struct Result;
struct Some;
struct Ok;
struct Copy_;
trait Copy {}
trait Send {}
trait Sync {}
trait Sized {}
trait TryFrom {}
struct Schema;
struct Field;
struct Facts;
#[allow(non_camel_case_types)]
struct u8;
#[allow(non_camel_case_types)]
struct bool;
#[allow(non_upper_case_globals)]
const bytes: i32 = 0;
#[allow(non_upper_case_globals)]
const value: i32 = 0;
#[allow(non_upper_case_globals)]
const alike: i32 = 0;
#[allow(non_upper_case_globals)]
static place: i32 = 0;
#[allow(non_camel_case_types)]
struct from;
#[allow(unused_macros)]
macro_rules! offset_of {
    () => {};
}
#[allow(unused_macros)]
macro_rules! assert {
    () => {};
}

use shm_core::SharedLayout as Derive;

#[derive(Derive, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(C)]
#[shared(version = 2)]
struct StPid<T> {
    pid: i32,
    other: T,
    #[shared(since = 2, default = Mode::Some)]
    mode: Mode,
    #[shared(since = 2, default = older + each)]
    sum: i32,
    #[shared(since = 2)]
    zero: i32,
}

#[allow(non_upper_case_globals)]
const older: i32 = 1;
#[allow(non_upper_case_globals)]
const each: i32 = 2;

#[derive(Derive, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(u16)]
enum Mode {
    None,
    Some,
    Ok,
}

::shm_core::assert_shared!(StPid<Mode>);

#[derive(Derive, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(C)]
struct Rows<const Schema: usize> {
    rows: [StPid<Mode>; Schema],
}

fn main() {
    let _ = ::shm_core::field!(<Rows<2>>.rows[1].pid);
}
