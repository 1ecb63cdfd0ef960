//! A list to which any thread adds at any time, and from which nothing goes before all of it does. So it is walked without a lock, also
//! in a child of a `fork`, where a thread that had one is not there to let go of it.

use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// # Invariants
///
/// **owned**: `first` is null or leads to a link, and so does the `next` of each. Links come from boxes, do not change once they can be
/// found, and live as long as this value. Values come from any thread, and go in the one that drops the chain.
#[derive(Debug)]
pub(super) struct Chain<T> {
    first: AtomicPtr<Link<T>>,
    owns: PhantomData<T>,
}

struct Link<T> {
    value: T,
    next: *const Link<T>,
}

impl<T: Send> Chain<T> {
    pub(super) const fn new() -> Chain<T> {
        Chain {
            first: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Adds a value, before all others.
    pub(super) fn push(&self, value: T) -> &T {
        let mut first = self.first.load(Relaxed);
        let link = Box::into_raw(Box::new(Link { value, next: first }));
        // Release pairs with the acquire of `iter`: a thread that finds the link finds what is in it.
        while let Err(other) = self
            .first
            .compare_exchange_weak(first, link, Release, Relaxed)
        {
            first = other;
            // SAFETY: `link` comes from a box just now, and no other thread knows it until the exchange.
            unsafe { (*link).next = first };
        }
        // SAFETY: a link does not change, and lives as long as `self` (**owned**).
        unsafe { &(*link).value }
    }

    /// The values, the last one added first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.first.load(Acquire).cast_const();
        core::iter::from_fn(move || {
            // SAFETY: `next` is null or leads to a link, which does not change, and lives as long as `self` (**owned**).
            let link = unsafe { next.as_ref() }?;
            next = link.next;
            Some(&link.value)
        })
    }
}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        let mut next = *self.first.get_mut();
        while !next.is_null() {
            // SAFETY: each link comes from a box (**owned**), and this is the only drop.
            let link = unsafe { Box::from_raw(next) };
            next = link.next.cast_mut();
        }
    }
}
