//! Coming and going: to find the value that another process made, read it and leave; to make one
//! and remove it.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Instant;

use super::{Cost, Effort, Figure};
use crate::peer::{self, Candidate, Iceoryx, Ours, Peer, Pthread, RawSync, Robust, Segment};
use crate::place::Place;
use crate::value::{Block, Value};

type Small = Block<8>;

/// The bare C calls, in tables.
pub const BARE: &str = "bare C calls";

/// iceoryx2 in a process that has its node already.
pub const NODE_STANDS: &str = "iceoryx2, its node made before";

type Once = (&'static str, Box<dyn FnMut()>);

pub fn measure(effort: Effort) -> Vec<Figure> {
    let value = Small::numbered(1);
    let mut keep: Vec<Box<dyn std::any::Any>> = Vec::new();
    fn attach<P: Peer<Small> + 'static>(
        name: &'static str,
        keep: &mut Vec<Box<dyn std::any::Any>>,
    ) -> Once {
        let place = Place::fresh();
        keep.push(Box::new(P::create(place, &Small::numbered(1))));
        (
            name,
            Box::new(move || _ = black_box(P::open(place).get(Small::count))),
        )
    }
    fn create<P: Peer<Small> + 'static>(name: &'static str) -> Once {
        (
            name,
            Box::new(|| {
                drop(black_box(P::create(
                    Place::fresh_again(),
                    &Small::numbered(1),
                )))
            }),
        )
    }

    let place = Place::fresh();
    keep.push(Box::new(Segment::create(place.key(), 64)));
    let mut attaches: Vec<Once> = vec![
        (BARE, Box::new(move || bare(place.key()))),
        attach::<Ours<Small>>(Candidate::Ours.name(), &mut keep),
        attach::<peer::View<Small>>(Candidate::View.name(), &mut keep),
        attach::<RawSync<Small>>(Candidate::RawSync.name(), &mut keep),
    ];
    #[cfg(boost)]
    attaches.push(attach::<peer::Boost<Small>>(
        Candidate::Boost.name(),
        &mut keep,
    ));
    let place = Place::fresh();
    keep.push(Box::new(Iceoryx::create(place, &value)));
    let fresh = move || _ = black_box(peer::open_and_get::<Small>(&peer::node(), place));
    attaches.push((Candidate::Iceoryx.name(), Box::new(fresh)));
    let node = peer::node();
    let beside = move || _ = black_box(peer::open_and_get::<Small>(&node, place));
    attaches.push((NODE_STANDS, Box::new(beside)));

    let creates: Vec<Once> = vec![
        create::<Pthread<Small, Robust>>(BARE),
        create::<Ours<Small>>(Candidate::Ours.name()),
        create::<RawSync<Small>>(Candidate::RawSync.name()),
        #[cfg(boost)]
        create::<peer::Boost<Small>>(Candidate::Boost.name()),
        create::<Iceoryx<Small>>(Candidate::Iceoryx.name()),
    ];
    let mut figures = interleave("attach, get, detach", attaches, effort.rounds(300));
    figures.extend(interleave("create, remove", creates, effort.rounds(100)));
    figures
}

fn interleave(what: &str, mut all: Vec<Once>, rounds: u32) -> Vec<Figure> {
    let mut samples = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for (at, (_, once)) in all.iter_mut().enumerate() {
            // Once to warm up: the one before left the caches to its own use.
            once();
            let start = Instant::now();
            once();
            samples[at].push(start.elapsed().as_nanos() as f64);
        }
    }
    all.into_iter()
        .zip(samples)
        .map(|((candidate, _), samples)| Figure {
            what: what.into(),
            bytes: 64,
            candidate,
            cost: Cost::of(samples),
        })
        .collect()
}

/// What a careful C program does: find, ask for the size, attach, copy, detach.
fn bare(key: u32) {
    let mut stat = MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: a place of the right type; it is read after the kernel filled it.
    unsafe {
        let id = libc::shmget(key.cast_signed(), 0, 0);
        assert_eq!(libc::shmctl(id, libc::IPC_STAT, stat.as_mut_ptr()), 0);
        assert!(stat.assume_init_ref().shm_segsz >= size_of::<Small>());
        let address = libc::shmat(id, ptr::null(), 0);
        assert!(address.addr() != usize::MAX);
        black_box(address.cast::<Small>().read());
        libc::shmdt(address);
    }
}
