//! A writer that dies at any store, an owner that repairs and may die of it too, and a reader all
//! the while.
//!
//! The death reaches the survivor as the kernel brings it: after all that the dead process stored.
//! Here the survivor joins the dead thread, which is that order and no more. The reader hears
//! nothing of it.

use std::sync::Arc;

use loom::thread;

use super::atomics::mortal;
use super::{Board, Copied, Model};

/// Stores of one commit, and of the longest repair: two sequences, two copies.
const STORES: u32 = 2 + 2 * super::WORDS as u32;

/// Commits of a writer that lives long enough: a reader that is still at the first may meet what
/// the second left.
const COMMITS: u64 = 2;

/// A writer at version `first` dies at its store `stores`; if `again` is given, who repairs dies at
/// that store. The last one commits.
fn model(
    copied: Copied,
    first: u64,
    (stores, again): (u32, Option<u32>),
    preemptions: usize,
) -> Model {
    let deaths = match again {
        None => format!("death at store {stores}"),
        Some(again) => format!("deaths at stores {stores} and {again}"),
    };
    let name = format!("repair from version {first}, {deaths}, {copied:?}");
    Model::new(name, preemptions, move |tally| {
        let board = Board::with(2 * first, first, copied);
        let reader = thread::spawn({
            let (board, tally) = (board.clone(), tally.clone());
            move || {
                let mut last = 0;
                for _ in 0..if super::full() { 2 } else { 1 } {
                    let seen = board.read();
                    tally.note(seen);
                    let Some(seen) = seen else { continue };
                    // A repair may number the old value anew; nothing else keeps a value.
                    assert!(
                        seen.value <= seen.version && seen.value + 2 >= seen.version,
                        "{seen:?}"
                    );
                    assert!(seen.version >= last, "back from {last} to {}", seen.version);
                    last = seen.version;
                }
            }
        });
        let writer = thread::spawn({
            let board = board.clone();
            move || {
                let _ = mortal(stores, || (0..COMMITS).map(|_| board.commit()).max());
            }
        });
        let dead = match again {
            None => writer,
            Some(again) => thread::spawn({
                let (board, tally) = (board.clone(), tally.clone());
                move || {
                    writer.join().expect("its own panic comes first");
                    if mortal(again, || board.repair()).is_err() {
                        tally.special();
                    }
                }
            }),
        };
        dead.join().expect("its own panic comes first");
        board.repair();
        check_what_stands(&board, first, stores);
        reader.join().expect("its own panic comes first");
    })
}

/// What stands after the repair, and a commit on top of it.
fn check_what_stands(board: &Arc<Board>, first: u64, stores: u32) {
    let seen = board.read().expect("no other thread writes");
    // A commit counts from its even sequence on, which is the store after the odd one and the
    // payload.
    let committed = (0..COMMITS as u32)
        .filter(|commit| stores > commit * STORES + 1 + super::WORDS as u32)
        .count() as u64;
    assert_eq!(
        seen.value,
        first + committed,
        "what the dead writer committed stands, and nothing else"
    );
    let version = board.commit();
    assert!(version > seen.version);
    let seen = board.read().expect("no other thread writes");
    assert_eq!((seen.version, seen.value), (version, version));
}

pub(super) fn models() -> Vec<Model> {
    let all = STORES * COMMITS as u32;
    let single =
        (0..=all).flat_map(|stores| Copied::BOTH.map(|copied| model(copied, 1, (stores, None), 3)));
    // The second commit's: those of the first add nothing that its reader would not meet there too.
    let second = if super::full() {
        0..=all
    } else {
        STORES + 2..=all - 2
    };
    // Here the one and the other way of copying take turns.
    let turn = |number: u32| Copied::BOTH[number as usize % 2];
    let pairs = second.flat_map(|stores| {
        (0..STORES).map(move |again| model(turn(stores + again), 1, (stores, Some(again)), 2))
    });
    // The other mirror.
    let other = (STORES + 2..all)
        .flat_map(|stores| Copied::BOTH.map(|copied| model(copied, 2, (stores, None), 2)));
    single.chain(pairs).chain(other).collect()
}
