//! Loom's atomics, with three additions for the models: an actor may die between any two stores,
//! every access knows its place in the source, and one place at a time may be made wrong.
//!
//! The code under test names no model and no mutation: what it does is told from
//! [`Location::caller`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
pub(crate) use std::sync::atomic::Ordering;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use loom::sync::atomic as loomed;

/// A place in the protocol's source where an atomic is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    pub(super) file: &'static str,
    pub(super) line: u32,
    column: u32,
}

impl Site {
    fn of(place: &'static Location<'static>) -> Site {
        Site {
            file: place.file(),
            line: place.line(),
            column: place.column(),
        }
    }
}

/// What a place does, with the order that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Fence(Ordering),
    Load,
    Store(Ordering),
    Change(Ordering),
    Exchange(Ordering),
}

/// One way to make a place wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The fence is not there.
    NoFence,
    /// A weaker order.
    Order(Ordering),
    /// The store comes after the thread's next store.
    Late,
    /// A compare-exchange that does not compare.
    Blind,
    /// A reader's look after so many others sees what the first saw, or what stood that much below
    /// the present.
    Lag { looks: usize, by: u64 },
}

impl Access {
    /// Every way to weaken this access by one step or more.
    pub(super) fn faults(self) -> Vec<Fault> {
        let weaker = |order| match order {
            SeqCst => vec![
                Fault::Order(AcqRel),
                Fault::Order(Acquire),
                Fault::Order(Relaxed),
            ],
            AcqRel => vec![
                Fault::Order(Acquire),
                Fault::Order(Release),
                Fault::Order(Relaxed),
            ],
            Acquire | Release => vec![Fault::Order(Relaxed)],
            _ => vec![],
        };
        match self {
            Access::Fence(SeqCst) => vec![Fault::Order(AcqRel), Fault::NoFence],
            Access::Fence(_) => vec![Fault::NoFence],
            Access::Load => vec![],
            Access::Store(order) => [weaker(order), vec![Fault::Late]].concat(),
            Access::Change(order) => weaker(order),
            Access::Exchange(order) => [weaker(order), vec![Fault::Blind]].concat(),
        }
    }
}

thread_local! {
    /// The fault that the model on this thread of the test's runs with.
    static FAULT: Cell<Option<(Site, Fault)>> = const { Cell::new(None) };
    /// The places that were met.
    static MET: RefCell<BTreeMap<Site, Access>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs `model` with one place made wrong, or none.
pub(super) fn with_fault<R>(fault: Option<(Site, Fault)>, model: impl FnOnce() -> R) -> R {
    FAULT.set(fault);
    let result = model();
    FAULT.set(None);
    result
}

/// The places met on this thread since the last call.
pub(super) fn take_met() -> BTreeMap<Site, Access> {
    MET.take()
}

fn visit(place: &'static Location<'static>, access: Access) -> Option<Fault> {
    let site = Site::of(place);
    match FAULT.get() {
        Some((faulty, fault)) => (faulty == site).then_some(fault),
        None => {
            MET.with_borrow_mut(|met| {
                met.entry(site).or_insert(access);
            });
            None
        }
    }
}

/// What a model knows of one of its threads.
struct Actor {
    /// Stores left until it dies.
    stores_left: Cell<Option<u32>>,
    /// A store that is late.
    late: RefCell<Option<Box<dyn FnOnce()>>>,
    /// Inside [`watch_loads`]: what it loaded, copies excepted.
    loads: RefCell<Option<Vec<u64>>>,
    /// Whether others' barriers may interrupt it.
    interrupt: RefCell<Option<Box<dyn Fn()>>>,
}

loom::thread_local! {
    static ACTOR: Actor = Actor {
        stores_left: Cell::new(None),
        late: RefCell::new(None),
        loads: RefCell::new(None),
        interrupt: RefCell::new(None),
    };
}

/// The actor died.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Death;

/// Runs `body`, which dies instead of making its store number `stores` (counted from 0), if it
/// comes so far. Exchanges that fail count as stores.
pub(super) fn mortal<R>(stores: u32, body: impl FnOnce() -> R) -> Result<R, Death> {
    ACTOR.with(|actor| actor.stores_left.set(Some(stores)));
    let result = catch_unwind(AssertUnwindSafe(body));
    ACTOR.with(|actor| {
        actor.stores_left.set(None);
        actor.late.take();
    });
    result.map_err(|payload| match payload.downcast::<Death>() {
        Ok(_) => Death,
        Err(payload) => resume_unwind(payload),
    })
}

/// Runs `read` and returns, besides its result, what it loaded from words of the control block.
pub(super) fn watch_loads<R>(read: impl FnOnce() -> R) -> (R, Vec<u64>) {
    ACTOR.with(|actor| *actor.loads.borrow_mut() = Some(Vec::new()));
    let result = read();
    (
        result,
        ACTOR.with(|actor| actor.loads.take()).unwrap_or_default(),
    )
}

/// Has `interrupt` run before each access that this actor makes from now on.
pub(super) fn interruptible(interrupt: impl Fn() + 'static) {
    ACTOR.with(|actor| *actor.interrupt.borrow_mut() = Some(Box::new(interrupt)));
}

fn before_any_access() {
    // Taken out meanwhile: what the interrupt does is not interrupted.
    let interrupt = ACTOR.with(|actor| actor.interrupt.take());
    if let Some(interrupt) = interrupt {
        interrupt();
        ACTOR.with(|actor| *actor.interrupt.borrow_mut() = Some(interrupt));
    }
}

fn before_store() {
    before_any_access();
    ACTOR.with(|actor| match actor.stores_left.get() {
        Some(0) => resume_unwind(Box::new(Death)),
        Some(left) => actor.stores_left.set(Some(left - 1)),
        None => {}
    });
}

fn late_store() {
    if let Some(store) = ACTOR.with(|actor| actor.late.take()) {
        store();
    }
}

#[track_caller]
pub(crate) fn fence(order: Ordering) {
    before_any_access();
    match visit(Location::caller(), Access::Fence(order)) {
        Some(Fault::NoFence) => {}
        Some(Fault::Order(weaker)) => loomed::fence(weaker),
        _ => loomed::fence(order),
    }
}

/// The order to use and whether to compare.
fn exchange_fault(fault: Option<Fault>, order: Ordering) -> (Ordering, bool) {
    match fault {
        Some(Fault::Order(weaker)) => (weaker, true),
        Some(Fault::Blind) => (order, false),
        _ => (order, true),
    }
}

/// Has loom try each load of the lock's word in every order with others' exchanges.
///
/// Loom takes note of the last access to a word only. A thread that loads the word and then
/// exchanges it hides, by its own load, the loads that others made before, and loom does not try
/// the exchange before those. An exchange of a second word, which orders no memory, before every
/// load makes the loads known.
#[derive(Debug, Default)]
struct Turn(loomed::AtomicU32);

impl Turn {
    fn take(&self) {
        self.0.fetch_add(0, Relaxed);
    }
}

/// Not for the sequence and the copies: under fences even a relaxed exchange would order.
#[derive(Debug, Default)]
struct NoTurn;

impl NoTurn {
    fn take(&self) {}
}

macro_rules! atomic {
    ($name:ident, $int:ident, $turn:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(loomed::$name, $turn);

        #[allow(dead_code, reason = "each width is used in some of these ways")]
        impl $name {
            pub(crate) fn new(value: $int) -> $name {
                $name(loomed::$name::new(value), <$turn>::default())
            }

            /// Never called in a model: what needs an address is the kernel's.
            pub(crate) fn as_ptr(&self) -> *mut $int {
                std::ptr::null_mut()
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $int {
                before_any_access();
                let place = Location::caller();
                let fault = visit(place, Access::Load);
                self.1.take();
                let value = self.0.load(order);
                if place.file().contains("copy") {
                    return value;
                }
                ACTOR.with(|actor| {
                    let mut loads = actor.loads.borrow_mut();
                    let Some(loads) = loads.as_mut() else {
                        return value;
                    };
                    let seen = match (fault, loads.as_slice()) {
                        (Some(Fault::Lag { looks, by }), [first, ..]) if loads.len() == looks => {
                            u64::from(value).saturating_sub(by).max(*first)
                        }
                        _ => u64::from(value),
                    };
                    loads.push(seen);
                    seen as $int
                })
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $int, order: Ordering) {
                before_store();
                match visit(Location::caller(), Access::Store(order)) {
                    Some(Fault::Order(weaker)) => self.0.store(value, weaker),
                    Some(Fault::Late) => {
                        late_store();
                        let this: *const $name = self;
                        // SAFETY: the model's words outlive its actors, and a death drops what was
                        // late.
                        let store = move || unsafe { (*this).0.store(value, order) };
                        ACTOR.with(|actor| *actor.late.borrow_mut() = Some(Box::new(store)));
                        return;
                    }
                    _ => self.0.store(value, order),
                }
                late_store();
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                before_store();
                late_store();
                let fault = visit(Location::caller(), Access::Exchange(success));
                let (success, compare) = exchange_fault(fault, success);
                if compare {
                    self.0.compare_exchange(current, new, success, failure)
                } else {
                    Ok(self.0.swap(new, success))
                }
            }

            #[track_caller]
            pub(crate) fn fetch_max(&self, value: $int, order: Ordering) -> $int {
                before_store();
                late_store();
                let fault = visit(Location::caller(), Access::Change(order));
                self.0.fetch_max(value, exchange_fault(fault, order).0)
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                before_store();
                late_store();
                let fault = visit(Location::caller(), Access::Change(order));
                self.0.fetch_add(value, exchange_fault(fault, order).0)
            }
        }
    };
}

atomic!(AtomicU32, u32, Turn);
atomic!(AtomicU64, u64, NoTurn);
