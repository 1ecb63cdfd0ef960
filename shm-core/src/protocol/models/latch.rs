//! One writer that lives, and readers.

use loom::thread;

use super::{Board, Copied, Model};

/// `commits` by one writer, the second of which is `later` than the first, against readers that read `reads` times each.
fn model(
    copied: Copied,
    (commits, later, readers, reads, preemptions): (u64, u64, usize, usize, usize),
) -> Model {
    let name = format!(
        "latch, {commits} commits, the second {later} later, {readers} readers of {reads}, {copied:?}"
    );
    Model::new(name, preemptions, move |tally| {
        let board = Board::new(copied);
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
        for nth in 0..commits {
            match (nth, later) {
                (1, 2..) => board.commit_as(later),
                _ => _ = board.commit(),
            }
        }
        for reader in readers {
            reader.join().expect("a reader's own panic comes first");
        }
    })
}

pub(super) fn models() -> Vec<Model> {
    let mut bounds = vec![
        (2, 1, 1, 1, 4),
        (2, 1, 1, 2, 3),
        (3, 1, 1, 1, 3),
        (2, 1, 2, 1, 1),
        (4, 1, 1, 1, 3),
        (3, 2, 1, 1, 3),
        (3, 3, 1, 1, 3),
    ];
    if super::full() {
        bounds.extend([(4, 1, 1, 2, 2), (2, 1, 2, 1, 2), (4, 2, 1, 2, 2)]);
    }
    let both = |bounds| Copied::BOTH.map(|copied| model(copied, bounds));
    bounds.into_iter().flat_map(both).collect()
}
