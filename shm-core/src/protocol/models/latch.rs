//! One writer that lives, and readers.

use loom::thread;

use super::{Board, Model};

/// `commits` by one writer, against readers that read `reads` times each.
fn model(commits: u64, readers: usize, reads: usize, preemptions: usize) -> Model {
    let name = format!("latch, {commits} commits, {readers} readers of {reads}");
    Model::new(name, preemptions, move |tally| {
        let board = Board::new();
        let readers: Vec<_> = (0..readers)
            .map(|_| {
                let (board, tally) = (board.clone(), tally.clone());
                thread::spawn(move || {
                    let mut last = 0;
                    for _ in 0..reads {
                        let seen = board.read();
                        tally.note(seen);
                        let Some(seen) = seen else { continue };
                        assert_eq!(
                            seen.value, seen.version,
                            "one version's value under another's number"
                        );
                        assert!(seen.version >= last, "back from {last} to {}", seen.version);
                        last = seen.version;
                    }
                })
            })
            .collect();
        for _ in 0..commits {
            board.commit();
        }
        for reader in readers {
            reader.join().expect("a reader's own panic comes first");
        }
    })
}

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![
        model(2, 1, 1, 4),
        model(2, 1, 2, 3),
        model(3, 1, 1, 3),
        model(2, 2, 1, 1),
        model(4, 1, 1, 3),
    ];
    if super::full() {
        models.extend([model(4, 1, 2, 2), model(2, 2, 1, 2)]);
    }
    models
}

#[test]
fn readers_see_whole_values_under_their_own_version() {
    for model in models() {
        let tally = model.check();
        let count = |count: &super::Count| count.load(super::Relaxed);
        assert!(
            count(&tally.even) > 0 && count(&tally.odd) > 0,
            "a parity was never accepted"
        );
    }
}
