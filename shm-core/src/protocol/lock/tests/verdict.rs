//! The table of `FORMAT.md` on who lives, row by row.

use super::{COUNT, SLOT, World, elsewhere, former};
use crate::format_tables::table;
use crate::protocol::fault::Fault;
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::process;
use crate::protocol::lock::record::Record;
use crate::protocol::lock::verdict::Look::{Last, Long, Short};
use crate::protocol::memory::atomics::Ordering::Relaxed;

#[test]
fn a_claim_is_judged_as_the_format_says() {
    let looks = [Short, Long, Last];
    for row in table("Verdict") {
        let world = World::changed_by(1);
        let dead = |look| world.is_dead(look);
        let own = Record::own();
        match row[0].as_str() {
            "no slot i" => {
                let claim = Claim::new(u32::from(COUNT), 5, 0);
                let verdict = world.slots().alive(claim, world.own(), Short);
                assert!(!verdict.expect("it can be told"));
            }
            "slot i is the judge's own, with its record, and the word is not its claim" => {
                world.records[0].store(own.0, Relaxed);
                let judge = |claim| world.slots().alive(claim, world.own(), Short);
                let forged = Claim::new(0, 2, process::image());
                assert!(!judge(forged).expect("it can be told"));
                assert!(judge(world.own()).expect("it can be told"));
            }
            "semaphore 0, record 0" => {
                world.semaphore(0);
                assert!(looks.into_iter().all(dead));
            }
            "semaphore 0, record comparable" => {
                world.semaphore(0).record(world.living());
                assert!(!looks.into_iter().any(dead));
                world.record(world.ended());
                assert!(looks.into_iter().all(dead));
            }
            "semaphore 0, record not comparable" => {
                world.semaphore(0).record(elsewhere(own));
                assert!(!looks.into_iter().any(dead), "this process changed it last");
                world.record(Record(elsewhere(own).0 ^ 1 << 22));
                assert!(looks.into_iter().all(dead), "another start");
                let world = World::changed_by(-1);
                world.record(elsewhere(world.ended()));
                assert!(world.is_dead(Short), "it changed it last, and ended");
            }
            "the same, and *replaced* is not 0" => {
                world.semaphore(0).record(elsewhere(own));
                let judged = looks.map(|look| world.replaced(look).ok());
                assert_eq!(judged, [Some(true); 3], "this process changed it last");
                world.record(Record(elsewhere(own).0 ^ 1 << 22));
                assert_eq!(
                    [Short, Long].map(|look| world.replaced(look).ok()),
                    [Some(true); 2]
                );
                assert!(matches!(world.replaced(Last), Err(Fault::Unjudged)));
            }
            "semaphore above 0" => {
                for record in [world.living(), elsewhere(world.ended()), own] {
                    world.semaphore(1).record(record);
                    assert!(!looks.into_iter().any(dead), "{record:?}");
                }
                world.record(world.ended());
                assert!(!dead(Short));
            }
            "pid and start are the judge's own, an image half is not" => {
                world.semaphore(1).record(former(own));
                assert!(looks.into_iter().all(dead));
                world.record(own);
                let other_half = Claim::new(SLOT, 5, process::image() ^ 1);
                let verdict = world.slots().alive(other_half, world.own(), Short);
                assert!(!verdict.expect("it can be told"));
            }
            row if row.starts_with("after the first sleep:") => {
                world.record(world.ended());
                assert!(!dead(Short) && dead(Long));
                assert!(!dead(Last), "no peer has set the semaphore");
                world.record(Record(world.ended().0 ^ 1 << 22));
                assert!(!dead(Long), "another start");
            }
            row if row.starts_with("at the time limit:") => {
                world.semaphore(1).record(world.ended());
                assert!(!dead(Short) && !dead(Long) && dead(Last));
                world.record(elsewhere(world.ended()));
                assert!(!dead(Last), "not comparable");
            }
            "semaphore unreadable, record 0" => {
                assert!(!world.unread(Last).expect("it can be told"));
            }
            "semaphore unreadable, record comparable" => {
                world.record(world.living());
                assert!(world.unread(Last).expect("it can be told"));
                world.record(world.ended());
                assert!(!world.unread(Last).expect("it can be told"));
            }
            "semaphore unreadable, record not comparable" => {
                world.record(elsewhere(world.ended()));
                assert!(matches!(world.unread(Last), Err(Fault::Unjudged)));
                assert!(world.unread(Long).expect("alive so far"));
            }
            _ => panic!("a row that this test does not know: {row:?}"),
        }
    }
}

#[test]
fn a_set_is_replaced_only_where_each_claimant_is_known() {
    let world = World::changed_by(1);
    assert!(world.slots().can_be_replaced());
    for (record, known) in [
        (world.living(), true),
        (world.ended(), true),
        (elsewhere(world.ended()), false),
    ] {
        world.record(record);
        assert_eq!(world.slots().can_be_replaced(), known, "{record:?}");
    }
}
