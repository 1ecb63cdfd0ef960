//! `MembershipStream`: who comes to a table and goes, without a thread that waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use super::super::change_stream::Newest;
#[cfg(doc)]
use super::super::error::ErrorKind;
use super::super::error::{Error, Operation};
use super::table_view::TableView;
use crate::layout::SharedLayout;
use crate::typed::Typed;

impl<T: SharedLayout> TableView<T> {
    /// The [membership](TableView::membership) each time that it has changed, for tasks: first as it is, then whenever a
    /// process has claimed a row, let one go, or died with one. What [`changes`](TableView::changes) is to a thread. Wants
    /// the feature `async`.
    ///
    /// Between two items several may have, and commits to rows don't count. The stream owns what it uses, as a
    /// [`Seat`](crate::Seat) does; it, or the future of its [`next`](MembershipStream::next), may be dropped at any time.
    ///
    /// It waits on the same threads as [`SharedView::stream`](crate::SharedView::stream). Claims and releases wake them
    /// at once if the view is a [`SharedTable`](crate::SharedTable)'s; for all else they look every 20 ms, by one system
    /// call for each table in a segment, two for each process that may write to one in a file.
    ///
    /// # Errors
    ///
    /// Each item's: as for [`TableView::wait_membership`]; also [`ErrorKind::System`] if no thread can be started. An error
    /// is the last item.
    pub fn stream(&self) -> MembershipStream<T> {
        MembershipStream {
            newest: Newest::default(),
            typed: Arc::clone(&self.typed),
        }
    }
}

/// The memberships of a table, the newest each time, as a [`Stream`] for tasks; made by [`TableView::stream`].
#[must_use = "a stream waits for nothing unless it is polled"]
pub struct MembershipStream<T: SharedLayout> {
    newest: Newest,
    typed: Arc<Typed<T>>,
}

impl<T: SharedLayout> MembershipStream<T> {
    /// The next membership, once there is one; `None` after an error. For programs without the methods of a `StreamExt`.
    ///
    /// Dropped before its end, it has taken nothing.
    ///
    /// # Errors
    ///
    /// As for [`TableView::stream`].
    pub async fn next(&mut self) -> Option<Result<u64, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<T: SharedLayout> Stream for MembershipStream<T> {
    type Item = Result<u64, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let (attached, waker) = (this.typed.attached(), context.waker());
        let poll = |seen, waiting: &mut _| {
            let next = attached.segment().poll_membership(seen, waiting, waker);
            next.map_err(this.typed.explain(Operation::TableStream))
        };
        this.newest.poll(waker, poll, |now| *now)
    }
}

impl<T: SharedLayout> FusedStream for MembershipStream<T> {
    fn is_terminated(&self) -> bool {
        self.newest.has_ended()
    }
}

debug_in_segment!(MembershipStream<T>: typed);
