//! Every version of a row beside every other, in one table that is upgraded under its owners: each row shows what its owner
//! stored, with the defaults of what its owner does not know, in whatever version it is read.

use std::time::Duration;

use shm_core::layout::Value;
use shm_core::sysv::shm::{self, Access};
use shm_core::{
    Error, ErrorKind, Inspector, Key, Place, RowId, RowLife, Seat, SharedLayout, SharedTable,
    TableView, field,
};
use shm_tests::family::{CAPACITY, FLAGS, TOTAL, Version, v1, v2, v4};
use shm_tests::rows::until;
use shm_tests::{Folder, Guard, Peer, with_version};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const VERSIONS: &str = env!("CARGO_BIN_EXE_versions");

const CONTROL: usize = 320;

/// Of the count of claims within the control block.
const CLAIMS: usize = 68;

/// What is wrong with a row of a version's owner, read by any version; an owner steps on its side 0 alone.
fn fault<V: Version>(row: Result<V, Error>, owner: u32) -> Option<String> {
    match row {
        Ok(row) => row.fault([owner, owner]),
        Err(error) => Some(error.to_string()),
    }
}

fn options<V: Version>() -> shm_core::Options<V, SharedTable<V>> {
    let mut options = SharedTable::<V>::options();
    options.rows(8).capacity(CAPACITY).upgrade(true);
    options
}

/// One owner of some version, and how it goes on.
struct Owner {
    version: u32,
    id: RowId,
    step: Box<dyn FnMut()>,
}

fn claims<V: Version + Copy + 'static>(place: &Place) -> Owner {
    let table = options::<V>().open(place.clone()).unwrap();
    let mut seat: Seat<V> = table.claim(V::first()).unwrap();
    let id = seat.id();
    let step = move || {
        seat.update(|row| row.step(0)).unwrap();
        let own = seat.get().unwrap();
        assert_eq!(own.fault([V::VERSION; 2]), None);
        seat.set(own).unwrap();
    };
    Owner {
        version: V::VERSION,
        id,
        step: Box::new(step),
    }
}

/// How a version sees all rows: through a view that was opened before anything else, or only now.
fn looks<V: Version>(view: &TableView<V>, owners: &[Owner]) {
    assert_eq!(view.rows().count(), owners.len());
    for owner in owners {
        let fault = fault(view.get(owner.id), owner.version);
        assert_eq!(
            fault,
            None,
            "version {} reads {}",
            V::VERSION,
            owner.version
        );
    }
}

fn opens<V: Version>(place: &Place, owners: &[Owner]) {
    looks(
        &options::<V>().open_read_only(place.clone()).unwrap(),
        owners,
    );
}

/// Each number in the row, as a program without the type prints it.
fn inspects(place: &Place, owners: &[Owner]) {
    let inspector = Inspector::open(place.clone()).unwrap();
    let rows = inspector.rows().unwrap();
    let of = |owner: &Owner| rows.iter().find(|row| row.id == owner.id).unwrap();
    for owner in owners {
        let number = |name| match of(owner).value.get(name) {
            Some(Value::UInt(number)) => Some(*number),
            None => None,
            other => panic!("{other:?}"),
        };
        let steps = number("left").unwrap();
        let known = |since: u32| if owner.version >= since { steps } else { 0 };
        for (name, since, default) in [("flags", 2, u128::from(FLAGS)), ("total", 3, TOTAL)] {
            if let Some(found) = number(name) {
                assert_eq!(found, default + known(since), "{name} of {}", owner.version);
            }
        }
    }
}

/// A table that is born for `first` and upgraded to each of `then`.
fn history(first: u32, then: &[u32]) {
    let guard = Guard::new();
    let place = Place::from(guard.key());
    fn born<V: Version>(key: Key) {
        drop(options::<V>().create_new(key).unwrap());
    }
    with_version!(first, born(guard.key()));
    let old = options::<v1::Station>()
        .open_read_only(place.clone())
        .unwrap();
    let new = options::<v4::Station>()
        .open_read_only(place.clone())
        .unwrap();
    let mut owners = Vec::new();
    for in_force in [&[first], then].concat() {
        // The first one of them upgrades; older programs claim rows afterwards as well.
        for version in (1..=in_force).rev() {
            if owners.len() < 7 && (version == in_force || version <= 2) {
                owners.push(with_version!(version, claims(&place)));
            }
        }
        for round in 0..3 {
            looks(&old, &owners);
            looks(&new, &owners);
            for version in 1..=4 {
                with_version!(version, opens(&place, &owners));
            }
            inspects(&place, &owners);
            owners
                .iter_mut()
                .skip(round % 2)
                .for_each(|owner| (owner.step)());
        }
    }
    let removed = options::<v1::Station>().open(place).unwrap();
    removed.remove().unwrap();
}

#[test]
fn rows_of_all_versions_read_right_in_all_versions_through_all_upgrades() {
    for then in [
        &[][..],
        &[2],
        &[3],
        &[4],
        &[2, 3],
        &[2, 4],
        &[3, 4],
        &[2, 3, 4],
    ] {
        history(1, then);
    }
    history(2, &[4]);
    history(2, &[3, 4]);
    history(3, &[4]);
    history(4, &[]);
}

#[test]
fn a_row_whose_owner_died_keeps_its_version_until_it_is_reaped() {
    let guard = Guard::new();
    let old = options::<v1::Station>().create_new(guard.key()).unwrap();
    let mut peer = Peer::start(VERSIONS, ["own a row", &guard.arg(), "1"]);
    peer.line();
    let new = options::<v4::Station>().open(guard.key()).unwrap();
    let id = old.rows().next().unwrap().id();
    peer.kill();
    until("its death is noticed", || {
        let mut rows = new.look().unwrap();
        rows.next().unwrap().life() == RowLife::Dead
    });
    assert_eq!(fault(new.get(id), 1), None);
    let mut reaped = 0;
    new.reap(|_, last| {
        assert_eq!(fault(last, 1), None);
        reaped += 1;
    })
    .unwrap();
    assert_eq!(reaped, 1);
    // The row is claimed by the newer version, which lets it go, and by the older one again.
    let mut seat = new.claim(v4::Station::first()).unwrap();
    assert_eq!(seat.id().index(), id.index());
    seat.update(|row| row.step(0)).unwrap();
    assert_eq!(fault(new.get(seat.id()), 4), None);
    drop(seat);
    let mut seat = old.claim(v1::Station::first()).unwrap();
    assert_eq!(seat.id().index(), id.index());
    seat.update(|row| row.step(0)).unwrap();
    assert_eq!(fault(new.get(seat.id()), 1), None);
    assert_eq!(new.get(seat.id()).unwrap().flags, FLAGS);
    old.remove().unwrap();
}

/// Owners of the first version write without a pause, the table is upgraded under them, and readers of the newest version see
/// what these commit, and defaults.
#[test]
fn owners_that_write_without_a_pause_are_read_whole_through_upgrades() {
    let full = std::env::var_os("SHM_FULL").is_some();
    let rounds = if full { 20 } else { 3 };
    let reads = if full { 100_000 } else { 4_000 };
    for round in 0..rounds {
        let guard = Guard::new();
        let table = options::<v1::Station>().create_new(guard.key()).unwrap();
        let mut owners: Vec<_> = (0..2)
            .map(|_| Peer::start(VERSIONS, ["own a row", &guard.arg(), "1"]))
            .collect();
        for owner in &mut owners {
            owner.line();
        }
        let mut watching = Peer::start(VERSIONS, ["watch rows", &guard.arg(), "4"]);
        watching.expect("watching");
        if round % 2 == 0 {
            drop(options::<v2::Station>().open(guard.key()).unwrap());
        }
        let new = options::<v4::Station>().open(guard.key()).unwrap();
        // Claims of either version under way.
        owners.push(Peer::start(VERSIONS, ["churn rows", &guard.arg(), "1"]));
        owners.push(Peer::start(VERSIONS, ["churn rows", &guard.arg(), "4"]));
        let mut seen = 0;
        while seen < reads {
            for row in new.rows() {
                match row.get() {
                    // The first version has stepped side 0, the last one side 1.
                    Ok(row) => assert_eq!(row.fault([1, 4]), None, "{row:?}"),
                    Err(error) if error.kind() == ErrorKind::Stale => continue,
                    Err(error) => panic!("{error}"),
                }
                seen += 1;
            }
        }
        watching.succeed();
        assert!(
            owners.iter_mut().all(|owner| !owner.has_ended()),
            "they write on"
        );
        owners.iter().for_each(Peer::kill);
        until("all of them are reaped", || {
            new.reap(|_, last| assert_eq!(last.unwrap().fault([1, 4]), None))
                .unwrap();
            new.look().unwrap().count() == 0
        });
        table.remove().unwrap();
    }
}

/// A peer may store any number where a row says by which version it was claimed.
#[test]
fn a_row_that_names_a_version_that_never_was_reads_as_one_of_some_version() {
    let guard = Guard::new();
    let old = options::<v1::Station>().create_new(guard.key()).unwrap();
    let mut seats = vec![old.claim(v1::Station::first()).unwrap()];
    let new = options::<v4::Station>().open(guard.key()).unwrap();
    seats.push(old.claim(v1::Station::first()).unwrap());
    for seat in &mut seats {
        seat.update(|row| row.step(0)).unwrap();
    }
    let id = Place::from(guard.key());
    let memory = shm::attach(
        Inspector::open(id.clone()).unwrap().id().unwrap(),
        Access::ReadWrite,
    );
    let memory = memory.unwrap();
    let control = memory.len() - 320;
    let word = |at| memory.load::<AtomicU64>(control + at, Relaxed).unwrap() as usize;
    let words = 3 * 9 * CAPACITY + 2 * word(24);
    for number in [
        0,
        1,
        2,
        3,
        4,
        5,
        1 << 31,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX,
    ] {
        for seat in &seats {
            let at = words + 64 * seat.id().index() as usize + 40;
            memory
                .atomic::<AtomicU64>(at)
                .unwrap()
                .store(number, Relaxed);
            let row = new.get(seat.id());
            // A row of before the upgrade may have anything in what it lacks, and a reader is told what is no value.
            let is_right = row.as_ref().is_ok_and(|row| row.steps() == [1, 0])
                || row.is_err_and(|error| error.kind() == ErrorKind::Invalid);
            assert!(is_right, "{number:#x}");
        }
        let rows = Inspector::open(id.clone()).unwrap().rows();
        assert!(rows.is_ok() || rows.is_err_and(|error| error.kind() == ErrorKind::Invalid));
    }
    drop(seats);
    old.remove().unwrap();
}

/// The first claim after an upgrade is one claim, although that process has not written under the schema before.
#[test]
fn a_claim_after_an_upgrade_is_told_once() {
    let guard = Guard::new();
    let table = options::<v1::Station>().create_new(guard.key()).unwrap();
    drop(options::<v2::Station>().open(guard.key()).unwrap());
    let before = table.membership();
    let seat = table.claim(v1::Station::first()).unwrap();
    assert_eq!(table.membership(), before + 1);
    drop(seat);
    table.remove().unwrap();
}

mod small {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Worker {
        #[shared(counter)]
        pub served: u64,
        pub job: u64,
    }
}

mod large {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Worker {
        #[shared(counter)]
        pub served: u64,
        pub job: u64,
        #[shared(since = 2)]
        pub more: [u64; 8],
    }
}

mod counting {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Worker {
        #[shared(counter)]
        pub served: u64,
        pub job: u64,
        #[shared(since = 2, counter)]
        pub failed: u64,
    }
}

mod fitting {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Worker {
        #[shared(counter)]
        pub served: u64,
        pub job: u64,
        #[shared(since = 2, default = 7)]
        pub more: u64,
    }
}

fn assert_refused<T: SharedLayout>(place: &Place, upgrade: bool, kind: ErrorKind, says: &[&str]) {
    let mut options = SharedTable::<T>::options();
    options.upgrade(upgrade).timeout(Duration::from_secs(5));
    let error = options.open(place.clone()).unwrap_err();
    assert_eq!(error.kind(), kind);
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn an_upgrade_that_can_not_be_is_refused_with_its_reason_and_changes_nothing() {
    let guard = Guard::new();
    let mut options = SharedTable::<small::Worker>::options();
    let table = options.rows(2).create_new(guard.key()).unwrap();
    let place = table.place().unwrap();
    let mut seat = table.claim(small::Worker::default()).unwrap();
    seat.fetch_add(field!(small::Worker.served), 3).unwrap();
    let memory = guard.memory();
    let before = memory.bytes();

    let advice = ["SharedTable::options().upgrade(true)"];
    assert_refused::<fitting::Worker>(&place, false, ErrorKind::NeedsUpgrade, &advice);
    // 80 bytes, in rows of 64.
    let says = ["16 bytes are missing for the value", "Options::capacity"];
    assert_refused::<large::Worker>(&place, true, ErrorKind::NoRoom, &says);
    let says = [
        "`failed` is a counter in `Worker`",
        "Options::replace_unused",
    ];
    assert_refused::<counting::Worker>(&place, true, ErrorKind::Mismatch, &says);

    let after = memory.bytes();
    let mut changed = (0..before.len()).filter(|at| before[*at] != after[*at]);
    let count = before.len() - CONTROL + CLAIMS;
    assert!(
        changed.all(|at| (count..count + 4).contains(&at)),
        "more than the count of claims"
    );
    seat.set(small::Worker { served: 0, job: 9 }).unwrap();

    // One that fits: counters go on as they were.
    let mut options = SharedTable::<fitting::Worker>::options();
    let new = options.upgrade(true).open(place).unwrap();
    assert_eq!(seat.fetch_add(field!(small::Worker.served), 1).unwrap(), 3);
    let row = new.get(seat.id()).unwrap();
    assert_eq!((row.served, row.job, row.more), (4, 9, 7));
    let mut own = new
        .claim(fitting::Worker {
            more: 1,
            ..fitting::Worker::default()
        })
        .unwrap();
    own.fetch_add(field!(fitting::Worker.served), 2).unwrap();
    let row = new.get(own.id()).unwrap();
    assert_eq!((row.served, row.more), (2, 1));
    assert_eq!(table.total(field!(small::Worker.served)).unwrap(), 6);
}

/// What both refusals advise, followed: see above for their words.
#[test]
fn a_table_that_can_not_be_upgraded_is_made_anew_where_that_is_asked_for() {
    fn made_anew<T: SharedLayout + Default>(kind: ErrorKind) {
        let guard = Guard::new();
        let mut options = SharedTable::<small::Worker>::options();
        drop(options.rows(2).create_new(guard.key()).unwrap());
        guard.memory();
        let mut options = SharedTable::<T>::options();
        let error = options.rows(2).upgrade(true).open_or_create(guard.key());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind);
        let text = error.to_string();
        assert!(text.contains("`open_or_create` with"), "{text}");
        let new = options.replace_unused(true).open_or_create(guard.key());
        let new = new.unwrap();
        let seat = new.claim(T::default()).unwrap();
        assert_eq!(
            new.rows().map(|row| row.id()).collect::<Vec<_>>(),
            [seat.id()]
        );
        drop(seat);
        new.remove().unwrap();
    }
    made_anew::<large::Worker>(ErrorKind::NoRoom);
    made_anew::<counting::Worker>(ErrorKind::Mismatch);
}

/// A file and what is left of it after a restart of the machine, which a copy of it stands for: another life, with all rows free.
#[test]
fn a_table_in_a_file_is_upgraded_like_one_in_a_segment_and_stays_so_after_a_restart() {
    let folder = Folder::new();
    let path = folder.path().join("stations");
    let old = options::<v1::Station>()
        .create_new(Place::file(&path))
        .unwrap();
    let mut seat = old.claim(v1::Station::first()).unwrap();
    let new = options::<v4::Station>().open(Place::file(&path)).unwrap();
    let mut own = new.claim(v4::Station::first()).unwrap();
    for _ in 0..3 {
        seat.update(|row| row.step(0)).unwrap();
        own.update(|row| row.step(0)).unwrap();
        assert_eq!(fault(new.get(seat.id()), 1), None);
        assert_eq!(fault(new.get(own.id()), 4), None);
    }
    let copy = folder.path().join("copied");
    std::fs::copy(&path, &copy).unwrap();
    let old = SharedTable::<v1::Station>::open(Place::file(&copy)).unwrap();
    let new = SharedTable::<v4::Station>::open(Place::file(&copy)).unwrap();
    assert_eq!(new.rows().count(), 0);
    let seat = old.claim(v1::Station::first()).unwrap();
    assert_eq!(fault(new.get(seat.id()), 1), None);
    assert_eq!(new.get(seat.id()).unwrap().flags, FLAGS);
}
