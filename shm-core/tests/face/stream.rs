//! Streams, polled by hand: what a waker is told, and when.

use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use shm_core::{
    ChangeStream, Error, ErrorKind, Key, Place, SharedBox, SharedTable, SharedView, Snapshot,
};

/// Counts its wakings, and wakes the thread that it was made in.
struct Bell {
    rung: AtomicUsize,
    thread: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, SeqCst);
        self.thread.unpark();
    }
}

impl Bell {
    fn new() -> (Arc<Bell>, Waker) {
        let bell = Arc::new(Bell {
            rung: AtomicUsize::new(0),
            thread: thread::current(),
        });
        (bell.clone(), bell.into())
    }

    fn wait_for(&self, rings: usize) {
        while self.rung.load(SeqCst) < rings {
            thread::park();
        }
    }
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    let (bell, waker) = Bell::new();
    let mut future = pin!(future);
    for n in 1.. {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        bell.wait_for(n);
    }
    unreachable!()
}

type Next = Option<Result<Snapshot<u64>, Error>>;

fn poll<V>(stream: &mut ChangeStream<u64, V>, waker: &Waker) -> Poll<Next>
where
    V: std::ops::Deref<Target: AsRef<SharedView<u64>>>,
{
    pin!(stream.next()).poll(&mut Context::from_waker(waker))
}

fn seen(next: Poll<Next>) -> u64 {
    match next {
        Poll::Ready(Some(Ok(next))) => next.value,
        other => panic!("{other:?}"),
    }
}

fn shared() -> SharedBox<u64> {
    let mut options = SharedBox::options();
    options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 0)
        .unwrap()
}

#[test]
fn a_stream_gives_the_value_that_stands_then_the_newest_and_ends_with_an_error() {
    let shared = shared();
    let view = SharedView::<u64>::open(Place::id(shared.id().unwrap())).unwrap();
    for stream in [&mut view.stream(), &mut shared.stream()] {
        let (bell, waker) = Bell::new();
        let before = shared.get().unwrap();
        assert_eq!(seen(poll(stream, &waker)), before);
        assert!(poll(stream, &waker).is_pending());
        shared.set(before + 1).unwrap();
        shared.set(before + 2).unwrap();
        bell.wait_for(1);
        assert_eq!(seen(poll(stream, &waker)), before + 2);
        assert!(poll(stream, &waker).is_pending());
    }
    let (bell, waker) = Bell::new();
    let mut streams = [view.stream(), shared.stream()];
    for stream in &mut streams {
        seen(poll(stream, &waker));
        assert!(poll(stream, &waker).is_pending());
    }
    let id = shared.id().unwrap();
    shm_core::remove(Place::id(id)).unwrap();
    bell.wait_for(2);
    for stream in &mut streams {
        let Poll::Ready(Some(Err(end))) = poll(stream, &waker) else {
            panic!("removed, and not told");
        };
        assert_eq!(
            (end.kind(), end.operation()),
            (ErrorKind::Removed, Some("stream"))
        );
        assert!(matches!(poll(stream, &waker), Poll::Ready(None)));
    }
}

fn ends_removed(shared: &SharedBox<u64>, remove: impl FnOnce() + Send) {
    let mut stream = shared.stream();
    assert!(block_on(stream.next()).unwrap().is_ok());
    thread::scope(|scope| {
        scope.spawn(remove);
        let end = block_on(stream.next()).unwrap().unwrap_err();
        assert_eq!(end.kind(), ErrorKind::Removed);
    });
}

#[test]
fn what_another_program_removes_wakes_those_who_wait() {
    // What no key leads to is meant to go with its last process.
    let shared = SharedBox::create_new(Key::new(0x7b5d_2031), 0).unwrap();
    ends_removed(&shared, || {
        shm_core::sysv::shm::remove(shared.id().unwrap()).unwrap();
    });
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stream-{}", std::process::id()));
    let shared = SharedBox::create_new(Place::file(&path), 0).unwrap();
    ends_removed(&shared, || std::fs::remove_file(path).unwrap());
}

#[test]
fn a_dropped_stream_keeps_no_waker() {
    let shared = shared();
    let mut stream = shared.stream();
    let (bell, waker) = Bell::new();
    seen(poll(&mut stream, &waker));
    assert!(poll(&mut stream, &waker).is_pending());
    assert_eq!(Arc::strong_count(&bell), 3, "the reactor has one");
    drop(stream);
    assert_eq!(Arc::strong_count(&bell), 2);
    shared.set(1).unwrap();
    assert_eq!(bell.rung.load(SeqCst), 0);
}

#[test]
fn a_stream_that_is_forgotten_keeps_no_box_and_no_memory_of_it() {
    let shared = shared();
    let (bell, waker) = Bell::new();
    let mut stream = shared.stream();
    seen(poll(&mut stream, &waker));
    assert!(poll(&mut stream, &waker).is_pending());
    std::mem::forget(stream);
    drop(shared);
    assert_eq!(Arc::strong_count(&bell), 2, "gone with the mapping");
}

#[test]
fn only_the_last_waker_is_woken() {
    let shared = shared();
    let mut stream = shared.stream();
    let ((first, old), (last, new)) = (Bell::new(), Bell::new());
    seen(poll(&mut stream, &old));
    for waker in [&old, &new, &old, &new] {
        assert!(poll(&mut stream, waker).is_pending());
    }
    assert_eq!(
        (Arc::strong_count(&first), Arc::strong_count(&last)),
        (2, 3)
    );
    shared.set(1).unwrap();
    last.wait_for(1);
    assert_eq!(first.rung.load(SeqCst), 0);
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_woken() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker's own"));
        }
    }
    let shared = shared();
    let mut streams = [(); 3].map(|()| shared.stream());
    let (bell, waker) = Bell::new();
    for (stream, waker) in streams
        .iter_mut()
        .zip([&Arc::new(Bomb).into(), &waker, &waker])
    {
        seen(poll(stream, waker));
        assert!(poll(stream, waker).is_pending());
    }
    shared.set(1).unwrap();
    bell.wait_for(2);
}

#[test]
fn under_a_writer_that_never_pauses_other_tasks_have_their_turn() {
    let shared = shared();
    let mut stream = shared.stream();
    let (bell, waker) = Bell::new();
    for n in 1..1000 {
        if poll(&mut stream, &waker).is_pending() {
            assert!(n > 1 && bell.rung.load(SeqCst) == 1, "asked again at once");
            return;
        }
        shared.set(n).unwrap();
    }
    panic!("never pending");
}

#[test]
fn streams_own_what_they_show() {
    fn is_free<S: futures_core::FusedStream + Send + 'static>(stream: S) -> Pin<Box<S>> {
        Box::pin(stream)
    }
    let writer = shared();
    let place = || Place::id(writer.id().unwrap());
    let mut view = is_free(SharedView::<u64>::open(place()).unwrap().into_stream());
    let mut whole = is_free(SharedBox::<u64>::open(place()).unwrap().into_stream());
    let shared = Arc::new(SharedBox::<u64>::open(place()).unwrap());
    let mut arc = is_free(ChangeStream::new(shared.clone()));
    let task = thread::spawn(move || {
        // One after the other: each shows the last value once, whatever it has shown before.
        let is_last = |next: Next| next.unwrap().unwrap().value == 5;
        while !is_last(block_on(view.next())) {}
        while !is_last(block_on(whole.next())) {}
        while !is_last(block_on(arc.next())) {}
    });
    while !task.is_finished() && writer.get().unwrap() < 5 {
        writer.update(|value| *value += 1).unwrap();
    }
    task.join().unwrap();
    assert_eq!(Arc::strong_count(&shared), 1);
}

#[test]
fn a_snapshot_that_is_shown_until_its_file_is_restored_is_waited_for_without_haste() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = |what| folder.join(format!("{what}-{}", std::process::id()));
    let (path, copy) = (name("kept"), name("copied"));
    let original = SharedBox::create_new(Place::file(&path), 7_u64).unwrap();
    original.persist().unwrap();
    original.set(8).unwrap();
    std::fs::copy(&path, &copy).unwrap();
    original.remove().unwrap();
    let view = SharedView::<u64>::open(Place::file(&copy)).unwrap();
    let mut stream = view.stream();
    let (bell, waker) = Bell::new();
    assert_eq!(seen(poll(&mut stream, &waker)), 7);
    for _ in 0..3 {
        assert!(poll(&mut stream, &waker).is_pending());
    }
    // Time in which one that finds a change where there is none would be woken.
    thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(bell.rung.load(SeqCst), 0);
    let restored = SharedBox::<u64>::open(Place::file(&copy)).unwrap();
    let end = block_on(stream.next()).unwrap().unwrap_err();
    assert_eq!(end.kind(), ErrorKind::Removed);
    restored.remove().unwrap();
}

#[test]
fn claims_and_releases_wake_a_task_and_heartbeats_do_not() {
    let mut options = SharedTable::<u64>::options();
    options.rows(2).remove_on_drop(true);
    let table = options.create_new(Key::PRIVATE).unwrap();
    let mut seat = table.claim(0).unwrap();
    let mut stream = table.stream();
    let (bell, waker) = Bell::new();
    let mut poll = || pin!(stream.next()).poll(&mut Context::from_waker(&waker));
    let Poll::Ready(Some(Ok(first))) = poll() else {
        panic!("none stands");
    };
    assert!(poll().is_pending());
    (1..100).for_each(|beat| assert!(seat.set(beat).is_ok()));
    // Time in which one that goes by a row's commits would be woken, or one that asks for deaths.
    thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(bell.rung.load(SeqCst), 0);
    let other = table.claim(1).unwrap();
    drop(seat);
    bell.wait_for(1);
    assert!(matches!(poll(), Poll::Ready(Some(Ok(now))) if now == first + 2));
    drop((stream, table));
    drop(other);
}
