//! Users who may read only, users who are not trusted. The peer becomes another user, where that
//! is allowed.

use shm_core::sysv::{Mode, shm};
use shm_core::{Error, ErrorKind, Owner, SharedBox, SharedView};
use shm_tests::{Guard, NOBODY, Peer, as_user, may_change_user, may_unshare};

fn as_nobody<const N: usize>(arguments: [&str; N]) -> String {
    let user = NOBODY.to_string();
    let arguments = ["--user", &user].into_iter().chain(arguments);
    Peer::start(env!("CARGO_BIN_EXE_peer"), arguments).succeed()
}

#[test]
fn who_may_only_read_is_shown_to_shared_view() {
    if !may_change_user("who_may_only_read_is_shown_to_shared_view") {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::options()
        .mode(0o644)
        .create_new(guard.key(), 5)
        .unwrap();
    shared.set(6).unwrap();
    let error = as_nobody(["open", &guard.arg()]);
    assert!(error.contains("no right to read and write"), "{error}");
    assert!(error.contains("SharedView"), "{error}");
    assert_eq!(as_nobody(["view", &guard.arg()]).trim_end(), "6");
}

#[test]
fn who_may_not_even_read_is_told_so() {
    if !may_change_user("who_may_not_even_read_is_told_so") {
        return;
    }
    let guard = Guard::new();
    let _shared = SharedBox::<u64>::options()
        .mode(0o600)
        .create_new(guard.key(), 5)
        .unwrap();
    for command in ["open", "view"] {
        let error = as_nobody([command, &guard.arg()]);
        assert!(
            error.contains("no right to read") && error.contains(&guard.arg()),
            "{error}"
        );
    }
}

#[test]
fn a_strangers_segment_is_refused_unless_allowed() {
    if !may_change_user("a_strangers_segment_is_refused_unless_allowed") {
        return;
    }
    let guard = Guard::new();
    as_nobody(["make", &guard.arg(), "666"]);
    let before = guard.memory().bytes();
    for error in [
        SharedBox::<u64>::open(guard.key()).unwrap_err(),
        SharedBox::<u64>::open_or_create(guard.key(), || 1).unwrap_err(),
        SharedView::<u64>::open(guard.key()).unwrap_err(),
        SharedBox::<u64>::options()
            .owner(Owner::User(1))
            .open(guard.key())
            .unwrap_err(),
    ] {
        assert!(is_untrusted(&error, NOBODY, NOBODY), "{error:?}");
        assert!(error.to_string().contains("Options::owner"), "{error}");
    }
    assert_eq!(guard.memory().bytes(), before);
    for owner in [Owner::User(NOBODY), Owner::Anybody] {
        let shared = SharedBox::<u64>::options()
            .owner(owner)
            .open(guard.key())
            .unwrap();
        assert_eq!(
            shared
                .update(|n| *n = 7)
                .and_then(|_| shared.get())
                .unwrap(),
            7
        );
    }
}

fn is_untrusted(error: &Error, owner: u32, creator: u32) -> bool {
    let words = format!("belongs to user {owner} and was created by user {creator},");
    error.kind() == ErrorKind::Untrusted && error.to_string().contains(&words)
}

#[test]
fn who_is_given_a_segment_is_trusted_only_if_allowed_and_its_creator_counts_too() {
    if !may_change_user(
        "who_is_given_a_segment_is_trusted_only_if_allowed_and_its_creator_counts_too",
    ) {
        return;
    }
    let guard = Guard::new();
    let _shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let memory = guard.memory();
    shm::set(memory.id(), NOBODY, NOBODY, Mode::new(0o666)).unwrap();
    let error = SharedBox::<u64>::open(guard.key()).unwrap_err();
    assert!(is_untrusted(&error, NOBODY, 0), "{error:?}");
    let mut options = SharedBox::<u64>::options();
    assert_eq!(
        options
            .owner(Owner::User(NOBODY))
            .open(guard.key())
            .unwrap()
            .get()
            .unwrap(),
        5
    );

    // The other way round: another user made it, and gave it away.
    let guard = Guard::new();
    as_nobody(["make", &guard.arg(), "666"]);
    let id = guard.memory().id();
    let given = as_user(NOBODY, || shm::set(id, 0, 0, Mode::new(0o666)));
    given.unwrap().unwrap();
    let error = SharedBox::<u64>::open_or_create(guard.key(), || 1).unwrap_err();
    assert!(is_untrusted(&error, 0, NOBODY), "{error:?}");
}

#[test]
fn who_may_read_and_write_commits_with_a_slot_of_the_owners_set_and_may_not_remove() {
    if !may_change_user(
        "who_may_read_and_write_commits_with_a_slot_of_the_owners_set_and_may_not_remove",
    ) {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::options()
        .mode(0o666)
        .create_new(guard.key(), 5)
        .unwrap();
    as_nobody(["count", &guard.arg(), "3"]);
    assert_eq!(shared.get().unwrap(), 8);
    // The mode that was asked for, without the mark of its birth.
    assert_eq!(shared.info().unwrap().mode.bits(), 0o666);
}

/// There the kernel refuses `IPC_SET`: no user has a number that it would take.
#[test]
fn a_segment_made_in_a_user_namespace_without_a_mapping_is_one_like_any_other() {
    if !may_unshare("a user namespace without a mapping", &["--user"]) {
        return;
    }
    let guard = Guard::new();
    let make = [
        "--user",
        env!("CARGO_BIN_EXE_peer"),
        "make",
        &guard.arg(),
        "600",
    ];
    Peer::start("unshare", make).succeed();
    let shared = SharedBox::<u64>::open(guard.key()).unwrap();
    shared.update(|n| *n += 1).unwrap();
    let count = [
        "--user",
        env!("CARGO_BIN_EXE_peer"),
        "count",
        &guard.arg(),
        "3",
    ];
    Peer::start("unshare", count).succeed();
    assert_eq!(shared.version(), 5);
    guard.memory();
    shared.remove().unwrap();
    guard.assert_nothing_left();
}
