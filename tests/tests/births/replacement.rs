//! `Options::replace_unused`: a segment that is of no use to a program, and that no other process is
//! attached to, makes room for one that is.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use shm_core::sysv::{Kind, Mode, sem, shm};
use shm_core::{ErrorKind, Options, Owner, SharedBox, SharedLayout, SharedView};
use shm_tests::{Guard, Memory, NOBODY, Peer, may_change_user};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

const CONTROL: usize = 320;

/// What the program under test wants, and no other type here is.
type Wanted = [u32; 24];

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Early {
    words: [u64; 8],
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[shared(version = 2)]
#[repr(C)]
struct Late {
    words: [u64; 8],
    #[shared(since = 2, default = [7; 4])]
    more: [u64; 4],
}

fn replacing<T: SharedLayout>() -> Options<T> {
    let mut options = SharedBox::<T>::options();
    options.replace_unused(true);
    options
}

type Make = fn(&Guard);

/// What may stand under a key that is of no use to a program that wants [`Wanted`].
const UNFIT: [(&str, Make); 7] = [
    ("another type", another_type),
    ("a damaged header", |guard| {
        another_type(guard);
        let memory = guard.memory();
        memory.write(memory.len() - CONTROL + 16, &[0xff; 8]);
    }),
    ("an unknown state", |guard| {
        another_type(guard);
        let memory = guard.memory();
        memory.write(memory.len() - CONTROL + 136, &[9]);
    }),
    ("a damaged schema", |guard| {
        let shared = SharedBox::create_new(guard.key(), [1_u64; 8]).unwrap();
        guard.memory().write(3 * shared.capacity(), &[0xee; 200]);
    }),
    ("a newborn of another size", |guard| {
        let memory = guard.foreign(64 * 200);
        let stat = shm::stat(memory.id()).unwrap();
        shm::set(memory.id(), stat.uid, stat.gid, Mode::new(0o601)).unwrap();
    }),
    ("another program's", |guard| {
        guard.foreign(4096).write(0, &[1; 4096]);
    }),
    ("a small one", |guard| {
        guard.foreign(56).write(0, b"alice");
    }),
];

fn another_type(guard: &Guard) {
    drop(SharedBox::create_new(guard.key(), [1_u64; 8]).unwrap());
    guard.memory();
}

#[test]
fn what_is_of_no_use_to_anybody_is_replaced_and_nothing_of_it_is_left() {
    for (kind, make) in UNFIT {
        let guard = Guard::new();
        make(&guard);
        let mut options = replacing::<Wanted>();
        options.timeout(Duration::from_millis(20));
        let refused = SharedBox::<Wanted>::options()
            .timeout(Duration::from_millis(20))
            .open_or_create(guard.key(), || [5; 24])
            .map(drop);
        assert!(refused.is_err(), "{kind}");
        let shared = options.open_or_create(guard.key(), || [5; 24]).unwrap();
        assert_eq!(shared.get().unwrap(), [5; 24], "{kind}");
        assert!(shared.created());
        guard.memory();
        shared.set([6; 24]).unwrap();
        // And now it fits.
        let again = options.open_or_create(guard.key(), || [7; 24]).unwrap();
        assert!(!again.created() && again.id() == shared.id(), "{kind}");
        shared.remove().unwrap();
        drop((shared, again));
        guard.assert_nothing_left();
    }
}

#[test]
fn where_a_later_version_has_no_room_the_segment_is_made_anew() {
    let guard = Guard::new();
    let small = SharedBox::options()
        .capacity(64)
        .create_new(guard.key(), Early { words: [1; 8] });
    drop(small.unwrap());
    guard.memory();
    let first = Late {
        words: [2; 8],
        more: [3; 4],
    };
    let error = SharedBox::<Late>::options()
        .upgrade(true)
        .open_or_create(guard.key(), || first)
        .unwrap_err();
    let text = error.to_string();
    for words in [
        "32 bytes are missing for the value; ",
        "`Options::capacity`",
        "`Options::replace_unused`",
    ] {
        assert!(text.contains(words), "{text}");
    }
    // Advice is followed.
    let shared = replacing::<Late>()
        .upgrade(true)
        .open_or_create(guard.key(), || first)
        .unwrap();
    assert_eq!((shared.get().unwrap(), shared.created()), (first, true));
}

#[test]
fn what_fits_or_can_be_made_to_fit_is_never_replaced() {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), Early { words: [1; 8] }).unwrap();
    let id = shared.id().unwrap();
    drop(shared);
    guard.memory();
    let late = || Late {
        words: [2; 8],
        more: [3; 4],
    };
    let same = replacing().open_or_create(guard.key(), || Early { words: [2; 8] });
    assert_eq!(same.unwrap().get().unwrap().words, [1; 8]);
    let error = replacing().open_or_create(guard.key(), late).unwrap_err();
    assert!(error.kind() == ErrorKind::NeedsUpgrade, "{error}");
    // No other call replaces anything.
    let error = replacing::<Wanted>().open(guard.key()).unwrap_err();
    assert!(error.kind() == ErrorKind::Mismatch, "{error}");
    let error = replacing::<Wanted>()
        .open_read_only(guard.key())
        .unwrap_err();
    assert!(error.kind() == ErrorKind::Mismatch, "{error}");
    let error = replacing()
        .create_new(guard.key(), [1_u32; 24])
        .unwrap_err();
    assert!(
        error
            .sysv()
            .is_some_and(|error| error.kind() == Kind::Exists),
        "{error}"
    );
    let upgraded = replacing().upgrade(true).open_or_create(guard.key(), late);
    let upgraded: SharedBox<Late> = upgraded.unwrap();
    assert_eq!(
        (upgraded.id().unwrap(), upgraded.get().unwrap().more),
        (id, [7; 4])
    );
    // A later version, for a program that knows the earlier one.
    let early = replacing().open_or_create(guard.key(), || Early { words: [2; 8] });
    assert_eq!(early.unwrap().id(), Some(id));
    // A format of the future.
    drop(upgraded);
    let memory = guard.memory();
    memory.write(memory.len() - CONTROL + 8, &[2]);
    drop(memory);
    let error = replacing()
        .open_or_create(guard.key(), || [1_u32; 24])
        .unwrap_err();
    assert!(error.kind() == ErrorKind::Format, "{error}");
    assert!(!shm::stat(id).unwrap().dest);
}

/// Lost semaphores are damage, but not of the value.
#[test]
fn a_value_whose_semaphores_are_gone_is_not_thrown_away() {
    let guard = Guard::new();
    drop(SharedBox::create_new(guard.key(), Early { words: [1; 8] }).unwrap());
    guard.memory();
    sem::remove(guard.set()).unwrap();
    let late = || Late {
        words: [2; 8],
        more: [3; 4],
    };
    let opened = replacing().upgrade(true).open_or_create(guard.key(), late);
    if let Ok(shared) = opened {
        assert_eq!(shared.get().unwrap().words, [1; 8]);
    }
    let view = SharedView::<Early>::open(guard.key()).unwrap();
    assert_eq!(view.get().unwrap().words, [1; 8]);
}

#[test]
fn as_long_as_another_process_is_attached_it_stays_and_the_error_says_who() {
    for (kind, make) in UNFIT {
        let guard = Guard::new();
        make(&guard);
        let id = guard.memory().id();
        let mut other = Peer::start(PEER, ["attach", &id.as_raw().to_string()]);
        other.expect("attached");
        let memory = Memory::attach(id);
        let before = memory.bytes();
        drop(memory);
        let mut options = replacing::<Wanted>();
        options.timeout(Duration::from_millis(20));
        let refuse = || {
            options
                .open_or_create(guard.key(), || [5; 24])
                .map(drop)
                .unwrap_err()
        };
        let error = refuse();
        let text = error.to_string();
        assert!(text.contains("it is attached 1 more times"), "{text}");
        let command = text
            .split('`')
            .find(|part| part.starts_with("grep -l SYSV"));
        let named = std::process::Command::new("sh")
            .args(["-c", command.unwrap()])
            .output()
            .unwrap();
        let named = String::from_utf8(named.stdout).unwrap();
        let maps = format!("/proc/{}/maps", other.pid());
        assert!(
            named.lines().any(|line| line == maps),
            "{named}, not {maps}"
        );
        let memory = Memory::attach(id);
        assert_same_but_claims(&memory, &before, kind);
        drop(memory);
        other.tell("go on");
        other.succeed();
        let shared = options.open_or_create(guard.key(), || [5; 24]).unwrap();
        assert!(shared.created() && shared.id() != Some(id), "{kind}");
        guard.memory();
    }
}

/// All but what a claim of a slot leaves, if one had to be made.
fn assert_same_but_claims(memory: &Memory, before: &[u8], kind: &str) {
    let after = memory.bytes();
    for (at, (was, is)) in before.iter().zip(&after).enumerate() {
        let claims = after.len().wrapping_sub(CONTROL).wrapping_add(68);
        let counted = (claims..claims + 4).contains(&at);
        assert!(was == is || counted, "{kind}: byte {at}");
    }
}

#[test]
fn what_another_user_owns_or_has_made_is_never_replaced() {
    let test = "what_another_user_owns_or_has_made_is_never_replaced";
    if !may_change_user(test) {
        return;
    }
    let guard = Guard::new();
    another_type(&guard);
    let id = guard.memory().id();
    shm::set(id, NOBODY, NOBODY, Mode::new(0o666)).unwrap();
    let error = replacing::<Wanted>()
        .open_or_create(guard.key(), || [5; 24])
        .map(drop)
        .unwrap_err();
    assert!(error.kind() == ErrorKind::Untrusted, "{error}");
    assert!(!shm::stat(id).unwrap().dest);
    // Trusted, and root may remove it.
    let shared = replacing::<Wanted>()
        .owner(Owner::User(NOBODY))
        .open_or_create(guard.key(), || [5; 24])
        .unwrap();
    assert!(shared.created());
    guard.memory();
}

#[test]
fn of_many_that_replace_one_segment_at_once_one_makes_the_new_one() {
    const RACERS: usize = 4;
    for round in 0..5 * UNFIT.len() {
        let (kind, make) = UNFIT[round % UNFIT.len()];
        let guard = Guard::new();
        make(&guard);
        let barrier = Barrier::new(RACERS);
        let key = guard.key();
        let boxes: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|number| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let mut options = replacing::<Wanted>();
                        // A newborn is waited for until the time limit.
                        let seconds = if kind.contains("newborn") { 1 } else { 5 };
                        options.timeout(Duration::from_secs(seconds));
                        barrier.wait();
                        options.open_or_create(key, || [number as u32; 24])
                    })
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        guard.memory();
        let boxes: Vec<_> = boxes
            .into_iter()
            .map(|shared| shared.unwrap_or_else(|error| panic!("{kind}: {error}")))
            .collect();
        let created = boxes.iter().filter(|shared| shared.created()).count();
        assert_eq!(created, 1, "{kind}");
        assert!(boxes.iter().all(|shared| shared.id() == boxes[0].id()));
        boxes[0].remove().unwrap();
        drop(boxes);
        guard.assert_nothing_left();
    }
}

/// Attachments are counted under the lock: so a process that is not counted commits nothing. Here it is held
/// by a process that has let its attachment go.
#[test]
fn a_segment_whose_lock_a_living_process_holds_is_not_replaced() {
    let guard = Guard::new();
    another_type(&guard);
    let mut other = Peer::start(PEER, ["claim", &guard.set().as_raw().to_string()]);
    other.expect("claimed");
    let memory = guard.memory();
    memory.store(memory.len() - CONTROL + 192, 1, 4);
    let id = memory.id();
    drop(memory);
    let mut options = replacing::<Wanted>();
    options.timeout(Duration::from_millis(20));
    let error = options
        .open_or_create(guard.key(), || [5; 24])
        .map(drop)
        .unwrap_err();
    let pid = other.pid();
    assert!(
        error.holder().is_some_and(|holder| holder.pid == pid),
        "{error}"
    );
    assert!(!shm::stat(id).unwrap().dest);
    // As the kernel does when it dies.
    sem::op(guard.set(), &[sem::Op::add(0, -1)]).unwrap();
    let shared = options.open_or_create(guard.key(), || [5; 24]).unwrap();
    assert!(shared.created());
    guard.memory();
    other.succeed();
}

/// Between the count of attachments and the removal a process may attach: what is committed then was
/// not committed to a segment that goes.
#[test]
fn nobody_commits_to_a_segment_that_is_being_replaced() {
    let guard = Guard::new();
    let key = guard.key();
    let (over, replaced) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut commits = 0;
    std::thread::scope(|scope| {
        let (over, replaced) = (&over, &replaced);
        scope.spawn(move || {
            while !over.load(Relaxed) {
                let mut options = replacing::<Wanted>();
                options.timeout(Duration::ZERO).remove_on_drop(true);
                if options
                    .open_or_create(key, || [5; 24])
                    .is_ok_and(|new| new.created())
                {
                    replaced.fetch_add(1, Relaxed);
                }
            }
        });
        // The other thread may come to run late.
        let met = || replaced.load(Relaxed) > 0;
        while commits < 1_500 || !met() && commits < 1_000_000 {
            drop(SharedBox::open_or_create(key, || 1_u64));
            let Ok(shared) = SharedBox::<u64>::open(key) else {
                continue;
            };
            if shared.set(2).is_ok() {
                commits += 1;
                let kept = shared.get();
                assert!(kept.is_ok(), "it was committed, and lost: {kept:?}");
            }
        }
        over.store(true, Relaxed);
        println!("{commits} commits, {replaced:?} replacements");
        assert!(met());
    });
    drop(replacing::<Wanted>().open_or_create(key, || [5; 24]));
    guard.memory();
}
