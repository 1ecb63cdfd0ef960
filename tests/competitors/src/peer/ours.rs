//! This project: the box, the view, and the writer that keeps the lock.

use shm_core::{SharedBox, SharedView, Writer};

use super::Peer;
use crate::place::Place;
use crate::value::Value;

/// [`SharedBox`].
pub struct Ours<T: Value> {
    shared: SharedBox<T>,
}

fn create<T: Value>(place: Place, value: &T) -> SharedBox<T> {
    SharedBox::options()
        .remove_on_drop(true)
        .create_new(place.key(), *value)
        .expect("created")
}

impl<T: Value> Peer<T> for Ours<T> {
    fn create(place: Place, value: &T) -> Self {
        Ours {
            shared: create(place, value),
        }
    }

    fn open(place: Place) -> Self {
        Ours {
            shared: SharedBox::open(place.key()).expect("opened"),
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        let value = self.shared.get().expect("read");
        look(&value)
    }

    #[inline(always)]
    fn read_into(&mut self, place: &mut T) {
        self.shared.read_into(place).expect("read");
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        self.shared.set_from(value).expect("set");
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        self.shared.update(change).expect("updated");
    }

    #[inline(always)]
    fn load(&mut self) -> u64 {
        self.shared.load(T::COUNT).expect("read")
    }

    #[inline(always)]
    fn store(&mut self, value: u64) {
        self.shared.store(T::COUNT, value).expect("stored");
    }
}

/// [`SharedView`]: a read-only attachment.
pub struct View<T: Value> {
    view: SharedView<T>,
    /// The creator's, which a view cannot be.
    _home: Option<SharedBox<T>>,
}

impl<T: Value> Peer<T> for View<T> {
    fn create(place: Place, value: &T) -> Self {
        let home = create(place, value);
        View {
            view: SharedView::open(place.key()).expect("opened"),
            _home: Some(home),
        }
    }

    fn open(place: Place) -> Self {
        View {
            view: SharedView::open(place.key()).expect("opened"),
            _home: None,
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        let value = self.view.get().expect("read");
        look(&value)
    }

    #[inline(always)]
    fn read_into(&mut self, place: &mut T) {
        self.view.read_into(place).expect("read");
    }

    fn set(&mut self, _value: &T) {
        unreachable!("a view has no method that writes");
    }

    fn update(&mut self, _change: impl FnOnce(&mut T)) {
        unreachable!("a view has no method that writes");
    }

    #[inline(always)]
    fn load(&mut self) -> u64 {
        self.view.load(T::COUNT).expect("read")
    }
}

/// [`Writer`]: the lock is taken at the first write and kept.
pub struct Held<T: Value> {
    // Dropped in this order.
    writer: Option<Writer<'static, T>>,
    shared: Box<SharedBox<T>>,
}

impl<T: Value> Held<T> {
    #[inline(always)]
    fn writer(&mut self) -> &mut Writer<'static, T> {
        if self.writer.is_none() {
            self.take();
        }
        self.writer.as_mut().expect("just taken")
    }

    #[cold]
    fn take(&mut self) {
        let shared: *const SharedBox<T> = &raw const *self.shared;
        // SAFETY: the box stays on the heap until after the writer was dropped, and is never
        // borrowed mutably.
        let shared = unsafe { &*shared };
        self.writer = Some(shared.writer().expect("the lock"));
    }
}

impl<T: Value> Peer<T> for Held<T> {
    fn create(place: Place, value: &T) -> Self {
        Held {
            writer: None,
            shared: Box::new(create(place, value)),
        }
    }

    fn open(place: Place) -> Self {
        Held {
            writer: None,
            shared: Box::new(SharedBox::open(place.key()).expect("opened")),
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        let value = self.shared.get().expect("read");
        look(&value)
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        self.writer().set_from(value).expect("set");
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        self.writer().update(change).expect("updated");
    }

    #[inline(always)]
    fn store(&mut self, value: u64) {
        self.writer().store(T::COUNT, value).expect("stored");
    }
}
