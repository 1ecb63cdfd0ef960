//! Many who create one key at once, and a key that is removed and created anew under those who
//! attach.
//!
//! With `SHM_FULL` in the environment they take as many rounds as a release wants.

use std::collections::BTreeSet;

use shm_core::sysv::{Kind, Mode, shm};
use shm_core::{Error, ErrorKind, SharedBox, SharedLayout, SharedView};
use shm_tests::{Guard, Memory, Peer};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn rounds(few: u64, many: u64) -> u64 {
    match std::env::var_os("SHM_FULL") {
        Some(_) => many,
        None => few,
    }
}

#[test]
fn in_each_round_one_of_32_processes_creates_and_all_see_its_whole_value() {
    let rounds = rounds(50, 1000);
    let mut peers: Vec<Peer> = (0..32)
        .map(|_| Peer::start(PEER, ["create-rounds"]))
        .collect();
    for peer in &mut peers {
        peer.expect("ready");
    }
    let mut creators = BTreeSet::new();
    for round in 0..rounds {
        let guard = Guard::new();
        // Begin with another one each time: the first to be told has a lead.
        peers.rotate_left(1);
        for peer in &mut peers {
            peer.tell(&guard.arg());
        }
        let lines: Vec<String> = peers.iter_mut().map(Peer::line).collect();
        let created: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("true "))
            .collect();
        assert_eq!(created.len(), 1, "round {round}: {lines:?}");
        assert!(
            lines
                .iter()
                .all(|line| line.ends_with(&format!(" {}", created[0]))),
            "round {round}: {lines:?}"
        );
        creators.insert(created[0].to_owned());
    }
    println!("{rounds} rounds, {} processes were creator", creators.len());
    for peer in &mut peers {
        peer.succeed();
    }
}

/// Of the tests themselves: a key leads to nothing before its segment is made, and after it was removed.
#[test]
fn the_key_of_a_guard_is_no_other_guards_however_many_come_and_go() {
    let guard = Guard::new();
    for _ in 0..1100 {
        assert_ne!(Guard::new().key(), guard.key());
    }
}

#[test]
fn who_attaches_to_a_key_that_is_removed_and_made_anew_gets_one_of_them_or_a_clear_error() {
    let guard = Guard::new();
    let times = rounds(2000, 40_000).to_string();
    let mut churn = Peer::start(PEER, ["churn", &guard.arg(), &times]);
    let key = guard.key();
    let whole = |value: [u64; 512]| assert_eq!(value, [value[0]; 512]);
    let (mut reads, mut gone) = (0_u64, 0_u64);
    let mut expect = |result: Result<(), Error>| match result {
        Ok(()) => reads += 1,
        Err(error) if error.kind() == ErrorKind::Removed => gone += 1,
        Err(error)
            if error
                .sysv()
                .is_some_and(|error| error.kind() == Kind::NotFound) =>
        {
            gone += 1
        }
        Err(error) => panic!("{error}"),
    };
    let mut last = 0;
    while !churn.has_ended() {
        expect(
            SharedView::<[u64; 512]>::open(key)
                .and_then(|view| view.get())
                .map(whole),
        );
        let opened = SharedBox::<[u64; 512]>::open(key);
        expect(opened.and_then(|shared| {
            let value = shared.get()?;
            whole(value);
            // Each new one's value is higher than the last one's.
            assert!(value[0] >= last, "{} after {last}", value[0]);
            last = value[0];
            shared.update(|value| whole(*value))?;
            Ok(())
        }));
    }
    churn.succeed();
    println!("{reads} reached a segment, {gone} found none or lost it");
    assert!(reads > 0);
}

/// What a creator leaves that died while it wrote the first value: bytes of a longer type, perhaps.
#[test]
fn no_byte_of_a_creator_that_died_is_in_the_value_of_who_ends_its_birth() {
    /// Nothing of it is in bytes 1 to 3, and 12 to the end of the payload.
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Padded {
        small: u8,
        large: u32,
        last: u32,
    }
    let value = Padded {
        small: 1,
        large: 2,
        last: 3,
    };
    let model = Guard::new();
    let shared = SharedBox::create_new(model.key(), value).unwrap();
    let (size, capacity) = (model.memory().len(), shared.capacity());
    let guard = Guard::new();
    // The mark of a newborn is the execute permission of others.
    let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE;
    let id = shm::get(guard.key(), size, flags, Mode::new(0o601)).unwrap();
    let memory = Memory::attach(guard.watch(id));
    // Payload, mirrors and schema rooms; what lies behind, processes exchange from 0 on.
    let records = 248_usize * 8;
    let written = size - 320 - records.next_multiple_of(64);
    memory.write(0, &vec![0xa5; written]);
    let shared = SharedBox::open_or_create(guard.key(), || value).unwrap();
    assert_eq!(shared.id(), Some(id), "it was found, not made anew");
    assert!(shared.created());
    assert_eq!(shared.get().unwrap(), value);
    let expected = model.memory().read(0, capacity);
    assert_eq!(memory.read(0, capacity), expected, "the payload");
    for mirror in 1..=2 {
        let len = size_of::<Padded>();
        let copy = memory.read(mirror * capacity, len);
        assert_eq!(copy, expected[..len], "mirror {mirror}");
    }
}
