//! Claiming and giving back.

use super::{COUNT, SLOT, World, elsewhere};
use crate::protocol::fault::Fault;
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::process;
use crate::protocol::lock::record::Record;
use crate::protocol::lock::slots::{Occupied, occupy, search};
use crate::protocol::memory::atomics::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::sysv::sem;

#[test]
fn a_slot_is_claimed_only_from_the_released_and_the_gone() {
    let world = World::changed_by(1);
    let claims = AtomicU32::new(0);
    sem::set_values(world.set, &[0; COUNT as usize + 2]).expect("the set");
    // One each that has left its namespace, is gone, and is released; the semaphore of one is up.
    world.records[0].store(world.living().0, Relaxed);
    world.records[1].store(world.ended().0, Relaxed);
    sem::set_value(world.set, 3, 1).expect("the set");
    let slots = world.slots();
    let mut claimed = [0, 1].map(|_| {
        let claim = slots.claim(&claims).expect("a free slot");
        claim.slot().expect("it names one")
    });
    claimed.sort();
    assert_eq!(claimed, [1, 2]);
    assert_eq!(world.records[1].load(Relaxed), Record::own().0);
    match slots.claim(&claims) {
        Err(Fault::SlotsTaken { slots: 4, pids }) => {
            assert!(pids.contains(&world.living.id()), "{pids:?}");
            assert!(pids.contains(&std::process::id()), "{pids:?}");
        }
        other => panic!("{other:?}"),
    }
    let claim = Claim::new(2, 0, process::image());
    slots.release(claim);
    assert_eq!(world.records[2].load(Relaxed), 0);
    assert_eq!(sem::value(world.set, 2).expect("the set"), 0);
}

#[test]
fn a_claimant_whose_judged_record_has_changed_gives_the_semaphore_back() {
    let (own, faster) = (Record::own(), elsewhere(Record::own()));
    let claim = |changed: bool| {
        let (record, semaphore) = (AtomicU64::new(0), std::cell::Cell::new(0));
        let raise = || {
            semaphore.set(1);
            if changed {
                record.store(faster.0, Relaxed);
            }
            Ok(true)
        };
        let claimed = occupy(&record, own, |_| true, raise, || semaphore.set(0));
        let claimed = claimed.expect("nothing is refused");
        (claimed, semaphore.get(), Record(record.into_inner()))
    };
    assert_eq!(claim(false), (Occupied::Own, 1, own));
    assert_eq!(claim(true), (Occupied::Lost, 0, faster));
}

#[test]
fn a_claimant_that_was_too_slow_looks_at_those_again_that_it_had_passed() {
    let mut looks = vec![];
    let claimed = search(2, 0, |slot| {
        looks.push(slot);
        // The first is given back while the race for the second is lost.
        Ok([Occupied::Taken, Occupied::Lost, Occupied::Own][looks.len() - 1])
    });
    assert_eq!(claimed.expect("nothing is refused"), Some(0));
    assert_eq!(looks, [0, 1, 0]);

    for (always, wanted) in [(Occupied::Taken, 3), (Occupied::Lost, 3 * 64)] {
        let mut looks = 0;
        let claimed = search(3, 1, |_| {
            looks += 1;
            Ok(always)
        });
        assert_eq!(
            (claimed.expect("nothing is refused"), looks),
            (None, wanted)
        );
    }
}

#[test]
fn of_a_slot_that_was_given_away_neither_witness_is_touched() {
    let world = World::changed_by(1);
    let another = world.living();
    world.record(another);
    let claim = Claim::new(SLOT, 5, process::image());
    let semaphore = || sem::value(world.set, SLOT as u16).expect("the set");
    let before = semaphore();
    world.slots().release(claim);
    assert!(!world.slots().raise(claim).expect("the set"));
    assert_eq!(world.slots().record(SLOT), another);
    assert_eq!(semaphore(), before);
}

#[test]
fn a_claim_is_raised_again_by_its_own_record_or_over_none() {
    for record in [Record::own(), Record::RELEASED] {
        let world = World::changed_by(1);
        world.semaphore(0).record(record);
        let claim = Claim::new(SLOT, 5, process::image());
        assert!(world.slots().raise(claim).expect("the set"));
        assert_eq!(world.slots().record(SLOT), Record::own());
        assert_eq!(world.slots().is_raised(claim), Some(true));
        world.slots().release(claim);
        assert_eq!(world.slots().is_raised(claim), Some(false));
    }
}

#[test]
fn two_claims_of_one_slot_differ_in_their_number() {
    let world = World::changed_by(1);
    sem::set_values(world.set, &[0; COUNT as usize + 2]).expect("the set");
    let claims = AtomicU32::new(7);
    let slots = world.slots();
    let [one, other] = [(); 2].map(|()| {
        let claim = slots.claim(&claims).expect("a free slot");
        slots.release(claim);
        claim
    });
    assert_eq!(one.slot(), other.slot());
    assert_ne!(one, other);
    assert_eq!(claims.load(Relaxed), 9);
}
