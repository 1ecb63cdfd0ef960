//! The proof that the models can fail: every fence, order, store and exchange that they meet in the
//! protocol is made wrong, one at a time, and some model must break.
//!
//! The list of places is not kept by hand: the models report what they touch. So a fence added to
//! the protocol is tried by the next run, and a fault that breaks no model fails the test unless
//! [`HARMLESS`] says why it can't.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Once};
use std::{panic, slice};

use super::atomics::{Access, Fault, Site, take_met, with_fault};
use super::lock::Wrong;
use super::{
    Count, Model, Tally, birth, counters, latch, lock, repair, rows, slots, template, upgrade, wait,
};

/// Faults that no model breaks on, and why.
const HARMLESS: &[(&str, &str)] = &[
    (
        "lock/lock.rs inherit: match word.compare_exchange(seen, claim.word | WAITERS, Acquire, Relaxed) {: Order(Relaxed)",
        "the kernel gave the dead one's slot to this claimant: that orders already",
    ),
    (
        "lock/lock.rs release: .compare_exchange(claim.word, 0, SeqCst, Relaxed): Order(AcqRel)",
        "the handshake has a fence of its own; only where that is left out, on x86, must this be a full barrier",
    ),
    (
        "lock/lock.rs release_marked: word.compare_exchange(claim.word | WAITERS, 0, SeqCst, Relaxed): Order(AcqRel)",
        "as above",
    ),
    (
        "lock/lock.rs release_marked: word.compare_exchange(claim.word | WAITERS, 0, SeqCst, Relaxed): Blind",
        "it compares for the sake of a lock that a peer tampered with; the models' peers do not",
    ),
    (
        "lock/wait.rs announce: awaited.fetch_max(version, SeqCst);: Order(AcqRel)",
        "the fence after it does the work",
    ),
    (
        "lock/wait.rs announce: awaited.fetch_max(version, SeqCst);: Order(Acquire)",
        "as above",
    ),
    (
        "lock/wait.rs announce: awaited.fetch_max(version, SeqCst);: Order(Relaxed)",
        "as above",
    ),
    (
        "memory/control.rs declare_ready: word.compare_exchange(self.0, State::READY.0, Release, Relaxed): Blind",
        "it compares for the sake of a creator that gives the newborn up at that moment; the models' creators do not",
    ),
    (
        "rows/words.rs show: self.id.store(id, Relaxed);: Late",
        "the store that it changes places with is the owner's, which stands beside it",
    ),
    (
        "rows/words.rs show: self.owner.store(owner, Relaxed);: Late",
        "the store that it changes places with is that of the schema, which stands beside it",
    ),
    (
        "rows/words.rs show: self.schema.store(schema.into(), Relaxed);: Late",
        "what comes next is the exchange, which a late store does not pass",
    ),
];

const SOURCES: &[(&str, &str)] = &[
    ("memory/latch.rs", include_str!("../memory/latch.rs")),
    ("lock/lock.rs", include_str!("../lock/lock.rs")),
    ("lock/wait.rs", include_str!("../lock/wait.rs")),
    ("memory/control.rs", include_str!("../memory/control.rs")),
    ("segment/upgrade.rs", include_str!("../segment/upgrade.rs")),
    ("lock/slots.rs", include_str!("../lock/slots.rs")),
    ("rows/words.rs", include_str!("../rows/words.rs")),
];

/// Words that a person finds in the source, and that stay the same when lines move: file, function,
/// the line itself.
fn name(site: Site, fault: Fault) -> Option<String> {
    let (file, source) = SOURCES
        .iter()
        .find(|(file, _)| site.file.ends_with(&format!("/protocol/{file}")))?;
    let lines: Vec<_> = source.lines().take(site.line as usize).collect();
    let start = lines
        .iter()
        .rposition(|line| line.split_whitespace().any(|word| word == "fn"))?;
    let function = lines[start].split("fn ").nth(1)?.split(['(', '<']).next()?;
    let text = lines.last()?.trim();
    let same = lines[start..]
        .iter()
        .filter(|line| line.trim() == text)
        .count();
    let nth = if same > 1 {
        format!(" (no. {same})")
    } else {
        String::new()
    };
    Some(format!("{file} {function}: {text}{nth}: {fault:?}"))
}

/// Panics of models that are meant to break are not worth a line.
pub(super) fn quietly<R>(work: impl FnOnce() -> R) -> R {
    thread_local! {
        static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = work();
    QUIET.set(false);
    result
}

/// Explores `models` as they are; then makes each place in `file` that they meet wrong in each way, and says which faults
/// broke none.
fn undetected(
    file: &str,
    models: &[Model],
    extra: impl Fn(Site, Access) -> Vec<Fault>,
) -> (Vec<Arc<Tally>>, Vec<String>) {
    let mut places: BTreeMap<Site, (Access, Vec<&Model>)> = BTreeMap::new();
    let mut tallies = Vec::new();
    take_met();
    for model in models {
        tallies.push(model.check());
        for (site, access) in take_met() {
            places
                .entry(site)
                .or_insert((access, Vec::new()))
                .1
                .push(model);
        }
    }
    let mut missed = Vec::new();
    for (site, (access, models)) in places {
        for fault in access.faults().into_iter().chain(extra(site, access)) {
            let Some(name) = name(site, fault).filter(|name| name.starts_with(file)) else {
                continue;
            };
            let breaks =
                |model: &&&Model| quietly(|| with_fault(Some((site, fault)), || model.breaks()));
            match models.iter().find(breaks) {
                Some(model) => println!("caught: {name}, by {}", model.name),
                None => {
                    println!("breaks no model: {name}");
                    missed.push(name);
                }
            }
        }
    }
    (tallies, missed)
}

/// Asserts that no model breaks, and that each does by every fault in `file` but those in [`HARMLESS`]. One test for both: the
/// places are what an exploration meets. Returns what the models counted.
fn assert_caught(
    file: &str,
    models: &[Model],
    extra: impl Fn(Site, Access) -> Vec<Fault>,
) -> Vec<Arc<Tally>> {
    let (tallies, missed) = undetected(file, models, extra);
    let unexplained: Vec<_> = missed
        .iter()
        .filter(|name| HARMLESS.iter().all(|(harmless, _)| harmless != name))
        .collect();
    assert!(
        unexplained.is_empty(),
        "faults that no model breaks on: {unexplained:#?}"
    );
    let listed = HARMLESS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.starts_with(file));
    let stale: Vec<_> = listed
        .filter(|name| !missed.iter().any(|missed| missed == name))
        .collect();
    assert!(
        stale.is_empty(),
        "listed as harmless, and caught or gone: {stale:#?}"
    );
    tallies
}

/// Asserts that some model breaks that does `what`.
fn assert_breaks(what: &str, models: &[Model]) {
    let broken = models.iter().find(|model| quietly(|| model.breaks()));
    let broken = broken.unwrap_or_else(|| panic!("no execution shows that this is wrong: {what}"));
    println!("caught: {what}, by {}", broken.name);
}

/// How often the models met what they are about.
fn special(tallies: &[Arc<Tally>]) -> u64 {
    let counts = tallies.iter().map(|tally| tally.special.load(Relaxed));
    counts.sum()
}

/// How many reads were accepted after an even and after an odd number of commits.
fn accepted(tallies: &[Arc<Tally>]) -> [u64; 2] {
    let of = |count: fn(&Tally) -> &Count| tallies.iter().map(|t| count(t).load(Relaxed)).sum();
    [of(|tally| &tally.even), of(|tally| &tally.odd)]
}

#[test]
fn readers_see_whole_values_also_of_the_dead_and_every_fault_of_the_latch_is_caught() {
    // What a reader looks at after its copy, or after either of two pieces: not at all, and one
    // commit too wide a window. After both pieces it looks at the mirror's window only, and refuses
    // what it saw at first.
    let not_at_all = u64::MAX;
    let looks = [(1, not_at_all), (1, 2), (2, not_at_all), (2, 2), (3, 2)];
    let relook = |site: Site, access| match access {
        Access::Load if site.file.ends_with("latch.rs") => {
            let lag = |(looks, by)| Fault::Lag { looks, by };
            looks.into_iter().map(lag).collect()
        }
        _ => vec![],
    };
    let living = latch::models();
    let models = [&*living, &*repair::models()].concat();
    let tallies = assert_caught("memory/latch.rs", &models, relook);
    let (living, repaired) = tallies.split_at(living.len());
    for reads in living.iter().map(slice::from_ref).chain([repaired]) {
        let [even, odd] = accepted(reads);
        assert!(even > 0 && odd > 0, "a parity was never accepted");
    }
}

#[test]
fn no_two_own_the_lock_and_a_dead_owner_is_followed_once_and_every_fault_of_it_is_caught() {
    let tallies = assert_caught("lock/lock.rs", &lock::models(), |_, _| vec![]);
    assert!(special(&tallies) > 0, "no contender ever took over");
}

#[test]
fn no_wake_up_is_lost_and_every_fault_of_the_handshake_is_caught() {
    for tally in assert_caught("lock/wait.rs", &wait::models(), |_, _| vec![]) {
        assert!(special(&[tally]) > 0, "no waiter slept");
    }
}

#[test]
fn a_ready_segment_is_whole_and_every_fault_of_a_birth_is_caught() {
    let tallies = assert_caught("memory/control.rs", &birth::models(), |_, _| vec![]);
    assert!(special(&tallies) > 0, "the reader never found it ready");
}

#[test]
fn an_upgrade_is_whole_for_readers_and_rows_of_every_version_and_every_fault_of_it_is_caught() {
    let models = [upgrade::models(), template::models()].concat();
    let tallies = assert_caught("segment/upgrade.rs", &models, |_, _| vec![]);
    let [with, without] = accepted(&tallies);
    assert!(with > 0 && without > 0, "rows of both versions");
    for tally in tallies {
        assert!(special(&[tally]) > 0, "a model never met what it is about");
    }
}

#[test]
fn the_checks_of_a_claim_beside_an_upgrade_are_needed() {
    let right = template::Wrong::default();
    for (what, wrong) in [
        (
            "a template that is copied before the look at the schema",
            template::Wrong {
                copies_first: true,
                ..right
            },
        ),
        (
            "a room that is read once",
            template::Wrong {
                reads_room_once: true,
                ..right
            },
        ),
        (
            "a row that names its version once it is shown",
            template::Wrong {
                names_late: true,
                ..right
            },
        ),
        (
            "a reader that goes by the schema in force",
            template::Wrong {
                trusts_state: true,
                ..right
            },
        ),
    ] {
        assert_breaks(what, &template::models_with(wrong));
    }
}

#[test]
fn no_two_living_hold_one_slot_and_none_is_lost_and_every_fault_of_a_claim_is_caught() {
    let tallies = assert_caught("lock/slots.rs", &slots::models(), |_, _| vec![]);
    assert!(special(&tallies) > 0, "no process ever got the slot");
}

#[test]
fn a_row_has_one_owner_and_shows_its_value_alone_and_every_fault_of_it_is_caught() {
    let tallies = assert_caught("rows/words.rs", &rows::models(), |_, _| vec![]);
    let [read, _] = accepted(&tallies);
    assert!(
        special(&tallies) > 0 && read > 0,
        "no process ever had the row, or read it"
    );
}

#[test]
fn the_rows_checks_are_needed() {
    let right = rows::Wrong::default();
    let wrongs = [
        (
            "a row that is taken from an owner that is not judged",
            rows::Wrong {
                unjudged: true,
                ..right
            },
        ),
        (
            "a row that is not repaired",
            rows::Wrong {
                no_repair: true,
                ..right
            },
        ),
        (
            "a slot whose new claimant leaves the rows of the one before",
            rows::Wrong {
                no_burial: true,
                ..right
            },
        ),
        (
            "a reader that looks at the word once",
            rows::Wrong {
                looks_once: true,
                ..right
            },
        ),
        (
            "a row that is free before it is cleared",
            rows::Wrong {
                frees_first: true,
                ..right
            },
        ),
    ];
    for (what, wrong) in wrongs {
        assert_breaks(what, &rows::models_with(wrong));
    }
}

#[test]
fn the_counters_checks_are_needed() {
    let right = counters::Wrong::default();
    for (what, wrong) in [
        (
            "a repair that stores cells",
            counters::Wrong {
                repairs_cells: true,
                ..right
            },
        ),
        (
            "a release that stores cells",
            counters::Wrong {
                clears_cells: true,
                ..right
            },
        ),
        (
            "a claimant that notes no base",
            counters::Wrong {
                no_base: true,
                ..right
            },
        ),
        (
            "a base that is noted once the row is shown",
            counters::Wrong {
                late_base: true,
                ..right
            },
        ),
    ] {
        assert_breaks(what, &counters::models_with(wrong));
    }
}

#[test]
fn the_claims_checks_are_needed() {
    let right = slots::Wrong::default();
    for (what, wrong) in [
        (
            "a record that is stored, and not exchanged",
            slots::Wrong {
                plain_record: true,
                ..right
            },
        ),
        (
            "a record that is not judged",
            slots::Wrong {
                unjudged: true,
                ..right
            },
        ),
        (
            "a semaphore that is lowered before the record is released",
            slots::Wrong {
                lowers_first: true,
                ..right
            },
        ),
    ] {
        assert_breaks(what, &slots::models_with(wrong));
    }
}

#[test]
fn the_locks_checks_are_needed() {
    for (what, wrong) in [
        (
            "claims without a generation",
            Wrong {
                no_generation: true,
                ..Wrong::default()
            },
        ),
        (
            "an heir that does not look",
            Wrong {
                no_heir: true,
                ..Wrong::default()
            },
        ),
        (
            "a judgement before the look at the word",
            Wrong {
                judges_first: true,
                ..Wrong::default()
            },
        ),
        (
            "a kernel that does not order GETVAL",
            Wrong {
                only_loads: true,
                ..Wrong::default()
            },
        ),
    ] {
        assert!(
            quietly(|| lock::heir(wrong, 4).breaks()),
            "no execution shows that this is wrong: {what}"
        );
        println!("caught: {what}");
    }
}
