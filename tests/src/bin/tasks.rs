//! The other process of the tests of tasks: waits without a thread of its own, and says what came of it, line by line.

use std::error::Error;
use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, alarm, fork};
use shm_core::{
    ChangeStream, Key, MembershipStream, Place, RowLife, SharedBox, SharedTable, SharedView,
};
use tokio::runtime::{Builder, Runtime};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["play", key, turns, "one"] => play(
            &key.parse()?,
            turns.parse()?,
            &Builder::new_current_thread().build()?,
        ),
        ["play", key, turns, "many"] => play(&key.parse()?, turns.parse()?, &Runtime::new()?),
        ["crowd", boxes, tasks] => crowd(boxes.parse()?, tasks.parse()?),
        ["rest", what] => {
            let shared = private()?;
            let view = SharedView::open(Place::id(shared.id().expect("it lies in a segment")))?;
            let table = table()?;
            let table_view =
                SharedTable::options().open_read_only(table.place().expect("it has one"))?;
            let in_file = SharedTable::<u64>::options().rows(3).anonymous()?;
            let _seats = (table.claim(1)?, in_file.claim(1)?);
            let mut changes = if what == "box" { &shared } else { &view }.stream();
            let mut memberships = match what {
                "table" => table.stream(),
                "view of a table" => table_view.stream(),
                "table in a file" => in_file.stream(),
                _ => return rest(|context| pin!(changes.next()).poll(context).is_ready()),
            };
            rest(|context| pin!(memberships.next()).poll(context).is_ready())
        }
        ["fork"] => fork_and_wait(),
        ["fork table"] => fork_a_table(),
        _ => Err(format!("what is {arguments:?}?").into()),
    }
}

fn private() -> Result<SharedBox<u64>, shm_core::Error> {
    let mut options = SharedBox::options();
    options
        .slots(2)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 0)
}

fn table() -> Result<SharedTable<u64>, shm_core::Error> {
    let mut options = SharedTable::options();
    options
        .rows(3)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE)
}

/// Answers each even number with the next one.
fn play(key: &Place, turns: u64, runtime: &Runtime) -> Outcome {
    let shared = Arc::new(SharedBox::<u64>::open(key.clone())?);
    let mut changes: ChangeStream<u64, _> = ChangeStream::new(shared.clone());
    let task = runtime.spawn(async move {
        while let Some(seen) = changes.next().await.transpose()? {
            if seen.value % 2 == 0 {
                shared.set(seen.value + 1)?;
            }
            if seen.value + 2 > 2 * turns {
                break;
            }
        }
        Ok::<_, shm_core::Error>(())
    });
    match runtime.block_on(task)? {
        Ok(()) => println!("played"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// Tasks that wait for boxes, and the threads that it takes.
fn crowd(boxes: usize, tasks: usize) -> Outcome {
    let runtime = Builder::new_current_thread().build()?;
    let boxes = (0..boxes).map(|_| Ok(Arc::new(private()?)));
    let boxes = boxes.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let begun = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..tasks)
        .map(|n| {
            let mut changes: ChangeStream<u64, _> =
                ChangeStream::new(boxes[n % boxes.len()].clone());
            let begun = begun.clone();
            runtime.spawn(async move {
                assert!(changes.next().await.is_some_and(|first| first.is_ok()));
                begun.fetch_add(1, SeqCst);
                changes
                    .next()
                    .await
                    .and_then(Result::ok)
                    .map(|next| next.value)
            })
        })
        .collect();
    let wait = async {
        while begun.load(SeqCst) < tasks.len() {
            tokio::task::yield_now().await;
        }
        // Each gives itself its name, once it runs.
        while threads().is_empty() {
            thread::yield_now();
        }
        println!("{}", threads().len());
        println!("{}", threads().iter().all(|status| blocks_signals(status)));
        for (shared, n) in boxes.iter().zip(1..) {
            shared.set(n).expect("written");
        }
        for (n, task) in tasks.into_iter().enumerate() {
            let next = task.await.expect("it does not panic");
            assert_eq!(next, Some(1 + (n % boxes.len()) as u64));
        }
    };
    runtime.block_on(wait);
    println!("woken");
    if std::env::var_os("SHM_FULL").is_some() {
        while !threads().is_empty() {
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// The library's threads: what the kernel says of each.
fn threads() -> Vec<String> {
    let all = fs::read_dir("/proc/self/task").expect("it is there");
    let status = |entry: std::io::Result<fs::DirEntry>| {
        fs::read_to_string(entry.ok()?.path().join("status")).ok()
    };
    let ours = |status: &String| status.starts_with("Name:\tshm-async/");
    all.filter_map(status).filter(ours).collect()
}

fn number(status: &str, name: &str, radix: u32) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    u64::from_str_radix(line.expect("the kernel says it").trim(), radix).expect("a number")
}

fn blocks_signals(status: &str) -> bool {
    let blocked = number(status, "SigBlk:", 16);
    [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGCHLD,
        libc::SIGUSR1,
        libc::SIGALRM,
    ]
    .iter()
    .all(|signal| blocked >> (signal - 1) & 1 == 1)
}

/// How often the library's thread sleeps in a second in which nothing changes.
fn rest(mut is_ready: impl FnMut(&mut Context<'_>) -> bool) -> Outcome {
    while is_ready(&mut Context::from_waker(Waker::noop())) {}
    let sleeps = || {
        threads()
            .iter()
            .map(|status| number(status, "voluntary_ctxt_switches:", 10))
            .sum::<u64>()
    };
    // It may be starting.
    while sleeps() == 0 {
        thread::yield_now();
    }
    let (before, span) = (sleeps(), Duration::from_millis(500));
    thread::sleep(span);
    println!("{}", (sleeps() - before) * 2);
    Ok(())
}

/// Counts its wakings, and wakes the thread that it was made in.
struct Bell(AtomicUsize, Thread);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        self.1.unpark();
    }
}

/// A child waits with what it inherits, and with what it makes, beside its parent.
fn fork_and_wait() -> Outcome {
    let shared = private()?;
    let mut changes = shared.stream();
    let bell = Arc::new(Bell(AtomicUsize::new(0), thread::current()));
    let waker = bell.clone().into();
    let poll = |changes: &mut ChangeStream<u64, &SharedView<u64>>| match pin!(changes.next())
        .poll(&mut Context::from_waker(&waker))
    {
        Poll::Ready(next) => Some(next.expect("no end").expect("no error").value),
        Poll::Pending => None,
    };
    assert_eq!((poll(&mut changes), poll(&mut changes)), (Some(0), None));
    let (answers, answer) = std::os::unix::net::UnixStream::pair()?;
    // SAFETY: the child calls nothing that another thread's lock could keep from it: the C library's allocator sees to forks.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(answers);
            // Its own first wait ends the inherited one.
            assert_eq!(poll(&mut changes), None);
            let mut further = shared.stream();
            let mut forgotten = shared.stream();
            for stream in [&mut further, &mut forgotten] {
                assert_eq!((poll(stream), poll(stream)), (Some(0), None));
            }
            drop(forgotten);
            drop(answer);
            while bell.0.load(SeqCst) < 2 {
                thread::park();
            }
            assert_eq!((poll(&mut changes), poll(&mut further)), (Some(1), Some(1)));
            drop(changes);
            // What goes with the parent is not this process's to remove.
            std::process::exit(threads().len() as i32);
        }
        ForkResult::Parent { child } => {
            drop(answer);
            std::io::Read::read(&mut &answers, &mut [0])?;
            println!("{}", bell.0.load(SeqCst));
            shared.set(1)?;
            while bell.0.load(SeqCst) == 0 {
                thread::park();
            }
            assert_eq!(poll(&mut changes), Some(1));
            assert_eq!(waitpid(child, None)?, WaitStatus::Exited(child, 1));
            println!("both");
        }
    }
    Ok(())
}

/// A child waits with the stream that it inherits; its parent is woken by its rows, and by its end.
fn fork_a_table() -> Outcome {
    // The end, if it is never woken.
    alarm::set(60);
    let table = table()?;
    let mut stream = table.stream();
    let bell = Arc::new(Bell(AtomicUsize::new(0), thread::current()));
    let waker = bell.clone().into();
    let poll = |stream: &mut MembershipStream<u64>| {
        pin!(stream.next()).poll(&mut Context::from_waker(&waker))
    };
    while poll(&mut stream).is_ready() {}
    // SAFETY: the child calls nothing that another thread's lock could keep from it: the C library's allocator sees to forks.
    match unsafe { fork() }? {
        ForkResult::Child => {
            while poll(&mut stream).is_ready() {}
            let before = bell.0.load(SeqCst);
            let seat = table.claim(1).expect("claimed");
            while bell.0.load(SeqCst) == before {
                thread::park();
            }
            assert!(poll(&mut stream).is_ready());
            std::mem::forget(seat);
            // Without a release: the row is a dead process's.
            std::process::exit(threads().len() as i32);
        }
        ForkResult::Parent { child } => {
            let mut now = 0;
            while !table.rows().any(|row| row.life() == RowLife::Dead) {
                match poll(&mut stream) {
                    Poll::Ready(next) => {
                        let before = now;
                        now = next.expect("no end")?;
                        assert!(now > before, "{before}, then {now}");
                    }
                    Poll::Pending => thread::park(),
                }
            }
            assert_eq!(waitpid(child, None)?, WaitStatus::Exited(child, 1));
            println!("told");
        }
    }
    Ok(())
}
