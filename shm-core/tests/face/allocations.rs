//! What the documentation says makes no allocation makes none, also where the value is in a file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use shm_core::{ErrorKind, Key, Place, RawBox, RawTable, SharedBox, SharedLayout, field};

/// Counts what each thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: each call is passed on to `System`, which keeps the contract; a `Cell` of a constant value is initialised and
// dropped without an allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: `GlobalAlloc::alloc`: "layout has non-zero size", which is this function's contract too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: `GlobalAlloc::dealloc`: "ptr is a block of memory currently allocated via this allocator" with this layout: by
        // `System`, which all memory here is of.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a call returns that must make no allocation.
fn without<R>(name: &str, call: impl FnOnce() -> R) -> R {
    let before = ASKED.get();
    let returned = call();
    assert_eq!(ASKED.get(), before, "{name}");
    returned
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Pair {
    first: u32,
    second: u32,
}

const ONES: Pair = Pair {
    first: 1,
    second: 1,
};

/// POSIX shared memory, which is a file, of a test's own.
fn posix(name: &str) -> Place {
    Place::posix(format!("/shm-core-{name}-{}", std::process::id()))
}

#[test]
fn reads_commits_and_the_errors_of_signal_handlers_make_no_allocation() {
    let mut options = SharedBox::options();
    options.remove_on_drop(true);
    for shared in [
        options.create_new(Key::PRIVATE, ONES).unwrap(),
        options.create_new(posix("allocations"), ONES).unwrap(),
        options.anonymous(ONES).unwrap(),
    ] {
        let name = format!("{:?}", shared.place());
        let mut value = without(&name, || shared.get().unwrap());
        without(&name, || shared.read_into(&mut value).unwrap());
        without(&name, || shared.set(value).unwrap());
        without(&name, || shared.update(|value| value.first += 1).unwrap());
        without(&name, || shared.store(field!(Pair.first), 7).unwrap());

        let mut writer = shared.writer().unwrap();
        without(&name, || writer.set(value).unwrap());
        let error = without(&name, || shared.set(value).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Reentrant);
        drop(writer);

        shared.remove().unwrap();
        let error = without(&name, || shared.set(value).unwrap_err());
        let kind = without(&name, || error.kind());
        assert_eq!(kind, ErrorKind::Removed, "{error}");
    }
}

#[test]
fn accesses_of_what_another_program_laid_out_make_no_allocation() {
    let place = posix("raw-allocations");
    let raw = RawBox::<Pair>::options()
        .create_exact(true)
        .open(&place)
        .unwrap();
    let table = RawTable::<(), Pair>::open(&place).unwrap();
    std::fs::remove_file(place.path().unwrap()).unwrap();
    without("set", || raw.set(ONES));
    without("get", || raw.get().unwrap());
    without("load", || raw.load(field!(Pair.first), Relaxed).unwrap());
    without("store", || {
        raw.store(field!(Pair.first), 7, Relaxed).unwrap()
    });
    let rows = without("rows", || table.rows().unwrap());
    for row in rows {
        let mut pair = without("row", || row.get().unwrap());
        pair.second += 1;
        without("row", || row.set(pair).unwrap());
    }
    assert_eq!(raw.get().unwrap().second, 2);
    // An error has its place all the same.
    let none = table.row(9).err().unwrap();
    assert_eq!(none.place(), place.path().map(Place::file));
}
