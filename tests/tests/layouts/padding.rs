//! Padding bytes belong to no field: they keep their values, and nothing of a process gets into them.

use std::fmt::Debug;
use std::mem::offset_of;

use shm_core::layout::{Schema, TypeKind};
use shm_core::sysv::{Mode, shm};
use shm_core::{Error, Opaque, RawBox, SharedBox, SharedLayout, field};
use shm_tests::Guard;

/// What the padding of the programs' own values is full of.
const POISON: u8 = 0xa5;

/// What the padding in the segment is full of.
const KEPT: u8 = 0x5a;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Padded {
    small: u8,
    large: u32,
    last: u16,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Nested {
    flag: bool,
    inner: [Padded; 5],
    tail: u8,
}

/// Bytes of another program, which count as padding here.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Foreign {
    lock: Opaque<40, 8>,
    small: u8,
    more: [Opaque<3>; 5],
    large: u32,
    inner: [Half; 2],
    end: Opaque<64, 64>,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Half {
    theirs: Opaque<6, 2>,
    ours: u16,
}

impl Foreign {
    fn of(n: u8) -> Foreign {
        Foreign {
            lock: Opaque::default(),
            small: n,
            more: Default::default(),
            large: u32::from(n) << 24 | 5,
            inner: [Half {
                theirs: Opaque::default(),
                ours: n.into(),
            }; 2],
            end: Opaque::default(),
        }
    }
}

macro_rules! ragged {
    ($($small:ident $large:ident)+) => {
        /// More stretches between paddings than a summary of a few holds.
        #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
        #[repr(C)]
        struct Ragged {
            $($small: u8, $large: u16,)+
            many: [Padded; 3],
            end: u8,
        }

        impl Ragged {
            fn of(n: u8) -> Ragged {
                let many = [Padded::of(n); 3];
                Ragged { $($small: n, $large: u16::from(n) << 8 | 7,)+ many, end: n }
            }
        }
    };
}

ragged!(a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd ee ff gg hh ii jj kk ll mm nn);

impl Padded {
    fn of(n: u8) -> Padded {
        Padded {
            small: n,
            large: u32::from(n) << 24 | 5,
            last: u16::from(n),
        }
    }
}

impl Nested {
    fn of(n: u8) -> Nested {
        Nested {
            flag: n % 2 == 0,
            inner: [Padded::of(n); 5],
            tail: n,
        }
    }
}

/// Which bytes of a type are not padding.
fn in_use(schema: &Schema) -> Vec<bool> {
    let mut used = vec![false; schema.size()];
    match schema.kind() {
        TypeKind::Struct { fields, .. } => {
            for field in fields {
                let part = in_use(field.schema());
                used[field.offset()..][..part.len()].copy_from_slice(&part);
            }
        }
        TypeKind::Array { element, .. } => {
            for part in used.chunks_mut(element.size()) {
                part.copy_from_slice(&in_use(element));
            }
        }
        TypeKind::Opaque { .. } => {}
        _ => used.fill(true),
    }
    used
}

fn padding<T: SharedLayout>() -> Vec<usize> {
    let used = in_use(T::SCHEMA);
    (0..used.len()).filter(|at| !used[*at]).collect()
}

/// This value, with poison in its padding.
fn poisoned<T: SharedLayout>(value: T) -> Box<T> {
    let mut boxed = Box::<T>::new_uninit();
    let (from, to) = (
        (&raw const value).cast::<u8>(),
        boxed.as_mut_ptr().cast::<u8>(),
    );
    for (at, used) in in_use(T::SCHEMA).into_iter().enumerate() {
        // SAFETY: `at` lies in both, and a byte that the schema calls part of a field is
        // initialised.
        unsafe {
            to.add(at)
                .write(if used { from.add(at).read() } else { POISON })
        };
    }
    // SAFETY: the bytes of all fields are those of `value`; padding may be anything.
    unsafe { boxed.assume_init() }
}

/// One way to write; returns the version.
type Write<'a, T> = &'a dyn Fn(T) -> Result<u64, Error>;

fn belongs_to_nobody<T: SharedLayout + PartialEq + Debug>(first: T, second: T) {
    let padding = padding::<T>();
    assert!(!padding.is_empty());
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), *poisoned(first)).unwrap();
    assert_eq!(shared.get().unwrap(), first);
    let memory = guard.memory();
    // At rest, the padding of all three copies is what the kernel gave: zeros.
    for copy in 0..3 {
        for at in &padding {
            assert_eq!(
                memory.read(copy * shared.capacity() + at, 1),
                [0],
                "copy {copy}, byte {at}"
            );
        }
    }

    for at in &padding {
        memory.write(*at, &[KEPT]);
    }
    let raw = RawBox::<T>::open(guard.key()).unwrap();
    let writes: [(&str, Write<T>); 8] = [
        ("set", &|value| shared.set(*poisoned(value))),
        ("set_from", &|value| shared.set_from(&poisoned(value))),
        ("set_from", &|value| shared.set_from(&poisoned(value))),
        ("set_if", &|value| {
            Ok(shared.set_if(shared.version(), *poisoned(value))?.unwrap())
        }),
        ("update", &|value| {
            shared.update(|now| *now = *poisoned(value))
        }),
        ("Writer::set", &|value| {
            shared.writer()?.set(*poisoned(value))
        }),
        ("Writer::set_from", &|value| {
            shared.writer()?.set_from(&poisoned(value))
        }),
        ("RawBox::set", &|value| {
            raw.set(*poisoned(value));
            Ok(shared.version())
        }),
    ];
    for (index, (name, write)) in writes.into_iter().enumerate() {
        let value = if index % 2 == 0 { second } else { first };
        write(value).unwrap();
        assert_eq!(shared.get().unwrap(), value, "{name}");
        for at in &padding {
            assert_eq!(memory.read(*at, 1), [KEPT], "{name}: byte {at}");
            for copy in 1..3 {
                let byte = memory.read(copy * shared.capacity() + at, 1)[0];
                assert_ne!(byte, POISON, "{name}: copy {copy}, byte {at}");
            }
        }
    }
}

#[test]
fn padding_between_fields_and_at_the_end_belongs_to_nobody() {
    assert_eq!(padding::<Padded>(), [1, 2, 3, 10, 11]);
    belongs_to_nobody(Padded::of(1), Padded::of(2));
}

#[test]
fn padding_in_arrays_of_structs_belongs_to_nobody() {
    assert_eq!(offset_of!(Nested, inner), 4);
    belongs_to_nobody(Nested::of(1), Nested::of(2));
}

#[test]
fn padding_in_a_hundred_places_belongs_to_nobody() {
    belongs_to_nobody([Padded::of(1); 50], [Padded::of(2); 50]);
}

#[test]
fn padding_of_a_struct_with_many_stretches_belongs_to_nobody() {
    belongs_to_nobody(Ragged::of(1), Ragged::of(2));
}

#[test]
fn opaque_bytes_belong_to_another_program() {
    assert_eq!(
        padding::<Foreign>().len(),
        size_of::<Foreign>() - 1 - 4 - 2 * 2
    );
    belongs_to_nobody(Foreign::of(1), Foreign::of(2));
    belongs_to_nobody([Foreign::of(1); 40], [Foreign::of(2); 40]);
}

#[test]
fn a_store_of_what_opaque_bytes_are_part_of_leaves_them_alone() {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), Foreign::of(1)).unwrap();
    let (memory, opaque) = (guard.memory(), padding::<Foreign>());
    for at in &opaque {
        memory.write(*at, &[KEPT]);
    }
    let new = *poisoned(Foreign::of(2));
    shared.store(field!(Foreign.inner), new.inner).unwrap();
    shared.store(field!(Foreign.lock), new.lock).unwrap();
    let change = |inner: &mut [Half; 2]| inner[1] = new.inner[1];
    shared.update_field(field!(Foreign.inner), change).unwrap();
    let mut writer = shared.writer().unwrap();
    let batch = writer.batch().store(field!(Foreign.small), 2);
    batch
        .store(field!(Foreign.inner[0]), new.inner[0])
        .store(field!(Foreign.end), new.end)
        .commit()
        .unwrap();
    drop(writer);
    assert_eq!(shared.get().unwrap().inner, new.inner);
    for at in opaque {
        assert_eq!(memory.read(at, 1), [KEPT], "byte {at}");
    }
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Before {
    ours: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[shared(version = 2)]
#[repr(C)]
struct After {
    ours: u32,
    #[shared(since = 2)]
    theirs: Opaque<8, 4>,
    #[shared(since = 2, default = 7)]
    more: u32,
}

#[test]
fn neither_an_upgrade_nor_an_adoption_stores_opaque_bytes() {
    let guard = Guard::new();
    let _before = SharedBox::create_new(guard.key(), Before { ours: 1 }).unwrap();
    guard.memory().write(4, &[KEPT; 8]);
    let mut options = SharedBox::<After>::options();
    let after = options.upgrade(true).open(guard.key()).unwrap();
    assert_eq!(after.get().unwrap().more, 7);
    assert_eq!(guard.memory().read(4, 8), [KEPT; 8]);

    let guard = Guard::new();
    let size = SharedBox::<Half>::segment_size().unwrap();
    let flags = shm::GetFlags::CREATE;
    let id = shm::get(guard.key(), size, flags, Mode::new(0o600)).unwrap();
    guard.memory().write(0, &[KEPT; 6]);
    let mut options = SharedBox::<Half>::options();
    let adopted = options.adopt(true).open(guard.key()).unwrap();
    assert_eq!((adopted.id(), adopted.get().unwrap().ours), (Some(id), 0));
    adopted.update(|half| half.ours = 1).unwrap();
    assert_eq!(guard.memory().read(0, 6), [KEPT; 6]);
}

#[test]
fn padding_in_a_large_array_belongs_to_nobody() {
    belongs_to_nobody([Padded::of(1); 1000], [Padded::of(2); 1000]);
}

#[test]
fn an_update_of_a_large_padded_array_commits_what_it_changed_to_all_copies() {
    let guard = Guard::new();
    let mut wanted = [Padded::of(1); 1000];
    let shared = SharedBox::create_new(guard.key(), wanted).unwrap();
    let (memory, used) = (guard.memory(), in_use(<[Padded; 1000]>::SCHEMA));
    let fields = |copy: usize| {
        let bytes = memory.read(copy * shared.capacity(), used.len());
        let bytes = bytes.into_iter().zip(&used);
        bytes
            .map(|(byte, used)| if *used { byte } else { 0 })
            .collect::<Vec<u8>>()
    };
    let changes: [&[usize]; 8] = [
        &[0],
        &[999],
        &[],
        &[3, 4, 5],
        &[500],
        &[0, 999],
        &[990, 998],
        &[10, 600],
    ];
    let mut before = fields(0);
    for (n, places) in changes.into_iter().enumerate() {
        for at in places {
            wanted[*at] = Padded::of(n as u8 + 2);
        }
        let version = shared
            .update(|value| {
                for at in places {
                    value[*at] = Padded::of(n as u8 + 2);
                }
            })
            .unwrap();
        assert_eq!(shared.get().unwrap(), wanted, "{places:?}");
        let now = fields(0);
        let follows = 1 + version as usize % 2;
        assert!(
            fields(follows) == now,
            "{places:?}: the mirror of this commit"
        );
        assert!(fields(3 - follows) == before, "{places:?}: the one before");
        before = now;
    }
}

/// Whole blocks of a large array are merged under the lock, which a raw writer does not know.
#[cfg(target_arch = "x86_64")]
mod beside_a_raw_writer {
    use std::arch::asm;
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering::Relaxed};

    use nix::libc;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;

    /// Each step is a signal, so there are few stretches.
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Wide {
        small: u8,
        large: [u32; 127],
    }

    impl Wide {
        fn of(n: u8) -> Wide {
            Wide {
                small: n,
                large: [n.into(); 127],
            }
        }
    }

    /// Bytes of padding that the raw writer stores to.
    static PADDING: [AtomicPtr<u8>; 8] = [const { AtomicPtr::new(null_mut()) }; 8];
    /// What it stored last.
    static STORED: AtomicU8 = AtomicU8::new(0);
    static STEPS: AtomicU64 = AtomicU64::new(0);
    static LOST: AtomicU64 = AtomicU64::new(0);

    /// Runs between any two instructions of a commit, as a raw writer may on another processor.
    extern "C" fn raw_writer(_: libc::c_int) {
        let stored = STORED.load(Relaxed);
        let next = stored.wrapping_add(1);
        for place in &PADDING {
            // SAFETY: a byte of a segment that is attached as long as signals come.
            let byte = unsafe { AtomicU8::from_ptr(place.load(Relaxed)) };
            if byte.swap(next, Relaxed) != stored {
                LOST.fetch_add(1, Relaxed);
            }
        }
        STORED.store(next, Relaxed);
        STEPS.fetch_add(1, Relaxed);
    }

    /// Has the processor trap after each instruction of `work`.
    fn step_by_step<R>(work: impl FnOnce() -> R) -> R {
        // SAFETY: sets the trap flag; the signal that it raises from then on is handled.
        unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
        let result = work();
        // SAFETY: clears it.
        unsafe { asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq") };
        result
    }

    /// The same with bytes that belong to the raw writer, where Rust has padding.
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Theirs {
        small: u8,
        theirs: Opaque<3>,
        large: [u32; 127],
    }

    impl Theirs {
        fn of(n: u8) -> Theirs {
            Theirs {
                small: n,
                theirs: Opaque::default(),
                large: [n.into(); 127],
            }
        }
    }

    #[test]
    fn what_a_raw_writer_stores_to_the_padding_of_a_large_array_is_not_put_back() {
        is_not_put_back(true, [Wide::of(1); 5], [Wide::of(2); 5]);
        is_not_put_back(false, [Theirs::of(1); 5], [Theirs::of(2); 5]);
    }

    fn is_not_put_back<T: SharedLayout + PartialEq + Debug>(announced: bool, first: T, value: T) {
        let guard = Guard::new();
        let shared = SharedBox::options()
            .raw_writers(announced)
            .create_new(guard.key(), first)
            .unwrap();
        let raw = shm::attach(shared.id().unwrap(), shm::Access::ReadWrite).unwrap();
        for (place, at) in PADDING.iter().zip(padding::<T>()) {
            place.store(raw.as_ptr().wrapping_add(at), Relaxed);
        }
        STORED.store(0, Relaxed);
        STEPS.store(0, Relaxed);
        let handler = SigHandler::Handler(raw_writer);
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler touches atomics only.
        unsafe { sigaction(Signal::SIGTRAP, &action) }.unwrap();
        let version = step_by_step(|| shared.set_from(&value));
        assert_eq!(version.unwrap(), 2);
        assert_eq!(shared.get().unwrap(), value);
        assert!(STEPS.load(Relaxed) > 100, "{STEPS:?}");
        assert_eq!(LOST.load(Relaxed), 0, "stores to the padding, of {STEPS:?}");
    }
}
