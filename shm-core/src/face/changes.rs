//! `Changes`: the committed values of a view, one after the other, as an iterator.

use std::iter::FusedIterator;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::shared_view::SharedView;
use crate::layout::SharedLayout;
use crate::typed::Snapshot;

impl<T: SharedLayout> SharedView<T> {
    /// The values as they change: first the one that stands, then the newest each time that there is
    /// a newer one than the last, waiting as [`wait`](SharedView::wait) does.
    ///
    /// The value that stands comes first, so that no change is lost between a read and the first
    /// wait. There is never a backlog: of several commits between two calls of `next`, the last one
    /// is seen. Each item costs what a `wait` costs, without an allocation.
    ///
    /// The iterator ends with an error, its last item; it ends for no other reason. After
    /// [`ErrorKind::Removed`] go on with the segment that the key leads to then:
    /// [`reattach`](SharedView::reattach), or [`reopen`](SharedView::reopen) where threads share the
    /// view. After another error, call `changes` again, which begins with the value that stands.
    ///
    /// ```
    /// use shm_core::{Error, ErrorKind, SharedBox, SharedView};
    ///
    /// fn follow(view: &SharedView<u32>) -> Result<Vec<u32>, Error> {
    ///     let mut seen = Vec::new();
    ///     for change in view.changes() {
    ///         match change {
    ///             Ok(change) => seen.push(change.value),
    ///             Err(error) if error.kind() == ErrorKind::Removed => break,
    ///             Err(error) => return Err(error),
    ///         }
    ///     }
    ///     Ok(seen)
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1040);
    /// let shared = SharedBox::create_new(key, 5_u32)?;
    /// let mut view = SharedView::open(key)?;
    /// let mut changes = view.changes();
    /// assert_eq!(changes.next().transpose()?.map(|change| change.value), Some(5));
    /// shared.set(6)?;
    /// shared.set(7)?;
    /// assert_eq!(changes.next().transpose()?.map(|change| change.value), Some(7));
    /// shared.remove()?;
    /// assert!(changes.next().is_some_and(|end| end.is_err()));
    /// assert!(changes.next().is_none());
    ///
    /// let new = SharedBox::<u32>::options().create_new(key, 8)?;
    /// view.reattach()?;
    /// # std::thread::scope(|scope| {
    /// let follower = scope.spawn(|| follow(&view));
    /// new.remove()?;
    /// # let seen = follower.join().expect("it does not panic")?;
    /// # assert!(seen.is_empty() || seen == [8]);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Each item's: as for [`SharedView::wait`].
    pub fn changes(&self) -> Changes<'_, T> {
        Changes {
            view: self,
            seen: Some(0),
        }
    }
}

/// The committed values of a segment, the newest each time; made by [`SharedView::changes`].
#[must_use = "an iterator waits for nothing unless it is asked for the next value"]
pub struct Changes<'a, T: SharedLayout> {
    view: &'a SharedView<T>,
    /// The version of the last value given out; 0 before the first, which each value is newer than.
    /// `None` after an error.
    seen: Option<u64>,
}

impl<T: SharedLayout> Iterator for Changes<'_, T> {
    type Item = Result<Snapshot<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.view.wait_as(self.seen?, Operation::Changes);
        self.seen = next.as_ref().ok().map(|snapshot| snapshot.version);
        Some(next)
    }
}

impl<T: SharedLayout> FusedIterator for Changes<'_, T> {}

debug_in_segment!(Changes<'_, T>: view.typed);
