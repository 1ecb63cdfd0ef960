//! `ChangeStream`: the committed values of a view, one after the other, without a thread that waits.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::{FusedStream, Stream};

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::shared_box::SharedBox;
use super::shared_view::SharedView;
use crate::layout::SharedLayout;
use crate::protocol::Waiting;
use crate::typed::{Field, Snapshot};

/// What a stream knows of what it has given out.
#[derive(Debug, Default)]
pub(super) struct Newest {
    waiting: Waiting,
    /// The version of the last item; 0 before the first, which each is newer than.
    seen: u64,
    /// An error was the last one.
    ended: bool,
    /// Items since it was last pending.
    at_once: u32,
}

impl Newest {
    /// The next item, by what is ready once there is one of a higher version than this.
    pub(super) fn poll<R>(
        &mut self,
        waker: &Waker,
        poll: impl FnOnce(u64, &mut Waiting) -> Poll<Result<R, Error>>,
        version: impl FnOnce(&R) -> u64,
    ) -> Poll<Option<Result<R, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.at_once == AT_ONCE {
            // Under a writer that never pauses there always is a newer one.
            self.at_once = 0;
            waker.wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(next) = poll(self.seen, &mut self.waiting) else {
            self.at_once = 0;
            return Poll::Pending;
        };
        self.at_once += 1;
        match &next {
            Ok(next) => self.seen = version(next),
            Err(_) => self.ended = true,
        }
        Poll::Ready(Some(next))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

/// Values that a stream hands out without a pause before it lets other tasks run.
const AT_ONCE: u32 = 64;

impl<T: SharedLayout> SharedView<T> {
    /// The values as they change, for tasks: first the one that stands, then the newest each time that there is a
    /// newer one than the last. What [`changes`](SharedView::changes) is to a thread. Wants the feature `async`.
    ///
    /// There is never a backlog: of several commits between two polls the last one is seen. A stream, or the future
    /// of its [`next`](ChangeStream::next), may be dropped at any time; no value is lost by that but with the stream
    /// itself. It works with any executor and needs none of its parts.
    ///
    /// Threads of the library, named `shm-async/0` and so on, sleep until a value changes: one for each 127 boxes that
    /// are waited for, however many tasks wait. They start with the first wait and end a second after the last. While
    /// nothing changes they look four times a second whether the segment was removed by another program. As with
    /// [`wait`](SharedView::wait), a view that may only read can't announce that it waits: for those a thread looks
    /// every 2 ms, and every 16 ms once nothing has changed for a second, unless the segment was created with [`always_notify`](crate::Options::always_notify).
    ///
    /// ```
    /// use shm_core::{ChangeStream, Key, SharedBox};
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # futures_executor(async {
    /// let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, 5_u32)?;
    /// let mut changes = shared.stream();
    /// assert_eq!(changes.next().await.transpose()?.map(|change| change.value), Some(5));
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| shared.set(6).unwrap());
    /// });
    /// assert_eq!(changes.next().await.transpose()?.map(|change| change.value), Some(6));
    /// # Ok(())
    /// # })
    /// # }
    /// # fn futures_executor<R>(future: impl Future<Output = R>) -> R {
    /// #     struct Thread(std::thread::Thread);
    /// #     impl std::task::Wake for Thread {
    /// #         fn wake(self: std::sync::Arc<Self>) {
    /// #             self.0.unpark();
    /// #         }
    /// #     }
    /// #     let waker = std::sync::Arc::new(Thread(std::thread::current())).into();
    /// #     let mut future = std::pin::pin!(future);
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
    /// #             std::task::Poll::Ready(value) => return value,
    /// #             std::task::Poll::Pending => std::thread::park(),
    /// #         }
    /// #     }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Each item's: as for [`SharedView::wait`]; also [`ErrorKind::System`] if no thread can be started. An error is the
    /// last item.
    pub fn stream(&self) -> ChangeStream<T, &SharedView<T>> {
        ChangeStream::new(self)
    }

    /// The same of a view that the stream owns, for tasks that live on by themselves. Of a box, see
    /// [`SharedBox::into_stream`]; of one that several tasks have, [`ChangeStream::new`].
    ///
    /// # Errors
    ///
    /// Each item's: as for [`SharedView::stream`].
    pub fn into_stream(self) -> ChangeStream<T, Box<SharedView<T>>> {
        ChangeStream::new(Box::new(self))
    }
}

impl<T: SharedLayout> SharedBox<T> {
    /// [`stream`](SharedView::stream) of a box that the stream owns.
    ///
    /// # Errors
    ///
    /// Each item's: as for [`SharedView::stream`].
    pub fn into_stream(self) -> ChangeStream<T, SharedBox<T>> {
        ChangeStream::new(self)
    }
}

/// The committed values of a segment, the newest each time, as a [`Stream`] for tasks; made by
/// [`SharedView::stream`].
///
/// `V` leads to the view: a reference, the view itself in a `Box`, a [`SharedBox`], or an `Arc` of either.
#[must_use = "a stream waits for nothing unless it is polled"]
pub struct ChangeStream<T: SharedLayout, V> {
    newest: Newest,
    shared: V,
    of: PhantomData<fn() -> T>,
}

// What is shared is never pinned.
impl<T: SharedLayout, V> Unpin for ChangeStream<T, V> {}

impl<T: SharedLayout, V> ChangeStream<T, V> {
    /// What it shows.
    pub fn into_inner(self) -> V {
        self.shared
    }
}

impl<T: SharedLayout, V: Deref<Target: AsRef<SharedView<T>>>> ChangeStream<T, V> {
    /// The values of what `shared` leads to; for an `Arc` of a box or view that other tasks have, too.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use shm_core::{ChangeStream, Key, SharedBox};
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, 5_u32)?;
    /// let shared = Arc::new(shared);
    /// let changes: ChangeStream<u32, _> = ChangeStream::new(shared.clone());
    /// # drop(changes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(shared: V) -> ChangeStream<T, V> {
        ChangeStream {
            newest: Newest::default(),
            shared,
            of: PhantomData,
        }
    }

    /// The next value, once there is one; `None` after an error. For programs without the methods of a `StreamExt`.
    ///
    /// Dropped before its end, it has taken nothing.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::stream`].
    pub async fn next(&mut self) -> Option<Result<Snapshot<T>, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<T: SharedLayout, V: Deref<Target: AsRef<SharedView<T>>>> Stream for ChangeStream<T, V> {
    type Item = Result<Snapshot<T>, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let (view, waker) = ((*this.shared).as_ref(), context.waker());
        let poll = |seen, waiting: &mut Waiting| {
            let newer = view.segment().poll_newer(seen, waiting, waker);
            newer.map(|newer| match newer {
                Ok(()) => view
                    .typed
                    .read(Field::WHOLE, view.typed.explain(Operation::Stream)),
                Err(fault) => Err(view.typed.explain(Operation::Stream)(fault)),
            })
        };
        this.newest.poll(waker, poll, |next| next.version)
    }
}

impl<T: SharedLayout, V: Deref<Target: AsRef<SharedView<T>>>> FusedStream for ChangeStream<T, V> {
    fn is_terminated(&self) -> bool {
        self.newest.has_ended()
    }
}

impl<T: SharedLayout, V: fmt::Debug> fmt::Debug for ChangeStream<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream")
            .field("shared", &self.shared)
            .field("newest", &self.newest)
            .finish_non_exhaustive()
    }
}
