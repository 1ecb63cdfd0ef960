//! What other processes do to a table: rows whose words are all one number, so that each tells by itself whether it is
//! whole and whose it is.

use std::error::Error;
use std::io::stdin;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, alarm, fork};
use shm_core::sysv::shm::Id;
use shm_core::{CHeader, ErrorKind, Place, SharedBox, SharedLayout, SharedTable, field};

use crate::{Compiler, Memory, own_ipc_namespace};

/// A row: the owner's pid in all words but one, and in that a count of its own.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Row {
    /// The owner's pid.
    pub owner: u64,
    /// How often the owner has committed.
    pub count: u64,
    /// Owner and count.
    pub sums: [u64; 6],
}

impl Row {
    /// What an owner commits.
    pub fn new(owner: u64, count: u64) -> Row {
        Row {
            owner,
            count,
            sums: [owner + count; 6],
        }
    }

    /// Whether it is one commit of one owner.
    pub fn is_whole(&self) -> bool {
        *self == Row::new(self.owner, self.count)
    }
}

/// The header for C of a table of [`Row`].
pub fn row_header() -> String {
    CHeader::of::<Row>().table().to_string()
}

/// The program `c/rows.c`, built by this compiler. `out` is `CARGO_TARGET_TMPDIR`.
///
/// # Panics
///
/// If it does not compile.
pub fn c_rows(compiler: &Compiler, out: &str) -> String {
    let define = "-D_DEFAULT_SOURCE";
    let built = compiler.compile_with_header(out, "rows.c", ("row.h", &row_header()), &[define]);
    built.to_str().expect("it was made of text").to_owned()
}

/// A row that counts.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Counted {
    /// What its owner is known by.
    pub owner: u64,
    /// What the owners count.
    #[shared(counter)]
    pub n: u64,
    /// Owner and version.
    pub sums: [u64; 6],
}

impl Counted {
    /// What its owner commits: the counter is not stored.
    pub fn new(owner: u64) -> Counted {
        Counted {
            owner,
            n: 0xbad,
            sums: [owner; 6],
        }
    }
}

/// What `table_act` counts in a row that it dies with.
pub const LAST_COUNT: u64 = 1000;

/// How many additions to counters were begun, and how many were done.
#[derive(SharedLayout, Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Additions {
    /// Begun.
    pub begun: u64,
    /// Done.
    pub done: u64,
}

type Outcome = Result<(), Box<dyn Error>>;

/// Does one thing to a table, as a process of its own.
///
/// # Errors
///
/// What the library says, and what was not as it had to be.
pub fn table_act(action: &str, place: &Place, number: u64) -> Outcome {
    let pid = u64::from(std::process::id());
    if let Some(action) = action.strip_prefix("count: ") {
        return counts(action, place, number);
    }
    let table = SharedTable::<Row>::open(place)?;
    match action {
        // Claims a row, and keeps it until it is told to go on.
        "sit" => {
            let mut seat = table.claim(Row::new(pid, 0))?;
            for count in 1..=number {
                seat.set(Row::new(pid, count))?;
            }
            println!("{}", seat.id());
            stdin().read_line(&mut String::new())?;
        }
        // The same with so many rows.
        "sit in some" => {
            let claims = (0..number).map(|count| table.claim(Row::new(pid, count)));
            let seats = claims.collect::<Result<Vec<_>, _>>()?;
            println!("{}", seats.len());
            stdin().read_line(&mut String::new())?;
        }
        // For ever, until it is killed.
        "wait" => {
            let mut seen = table.membership();
            println!("{seen}");
            loop {
                seen = table.wait_membership(seen)?;
            }
        }
        "claim and die" => {
            let _seat = table.claim(Row::new(number, 1))?;
            raise(Signal::SIGKILL)?;
        }
        // Also what a dead process has.
        "claim all" => {
            let claims = || table.claim(Row::new(number, 0)).ok();
            let seats: Vec<_> = std::iter::from_fn(claims).collect();
            assert!(seats.len() > 1, "{} rows", seats.len());
        }
        "claim and release" => {
            let mut seat = table.claim(Row::new(number, 0))?;
            seat.set(Row::new(number, 1))?;
            seat.set(Row::new(number, 2))?;
        }
        "look" => {
            table.look()?.count();
        }
        "reap" => {
            table.reap(|_, last| assert!(last.is_ok_and(|last| last.is_whole())))?;
        }
        // For ever, until it is killed.
        "churn" => loop {
            churn(&table, pid)?;
        },
        "be struck" => return struck(place, number),
        "fork" => return forked(&table),
        "leave" => return leave(&table, pid),
        _ => return Err(format!("no process does {action} to a table").into()),
    }
    Ok(())
}

/// One claim with some commits; at times a look or a reaping.
fn churn(table: &SharedTable<Row>, pid: u64) -> Outcome {
    let mut seat = match table.claim(Row::new(pid, 0)) {
        Err(error) if error.kind() == ErrorKind::Full => return Ok(()),
        seat => seat?,
    };
    for count in 1..=20 {
        seat.set(Row::new(pid, count))?;
        let own = table.get(seat.id())?;
        assert_eq!(own, Row::new(pid, count), "another wrote to {}", seat.id());
    }
    if seat.id().number() % 8 == 0 {
        table.reap(|id, last| match last {
            Ok(last) => assert!(last.is_whole(), "{id}: {last:?}"),
            Err(error) => panic!("{id}: {error}"),
        })?;
    }
    Ok(())
}

/// The same for a table whose rows count.
fn counts(action: &str, place: &Place, number: u64) -> Outcome {
    let n = field!(Counted.n);
    let table = SharedTable::<Counted>::open(place)?;
    let claim = || table.claim(Counted::new(number));
    match action {
        "claim and die" => {
            claim()?.fetch_add(n, LAST_COUNT)?;
            let mut seat = claim()?;
            seat.fetch_add(n, LAST_COUNT)?;
            raise(Signal::SIGKILL)?;
        }
        "claim all" => {
            for mut seat in std::iter::from_fn(|| claim().ok()).collect::<Vec<_>>() {
                seat.fetch_add(n, 1)?;
            }
        }
        "claim and release" => {
            let mut seat = claim()?;
            seat.fetch_add(n, 1)?;
            seat.set(Counted::new(number))?;
            seat.fetch_add(n, 1)?;
            seat.store(field!(Counted.sums), [number; 6])?;
        }
        "reap" => {
            table.reap(|_, last| assert!(last.is_ok_and(|last| last.n == LAST_COUNT)))?;
        }
        // For ever, until it is killed; what it does is known from another segment.
        "churn" => {
            let known = SharedBox::<Additions>::open(Place::id(Id::from_raw(number.try_into()?)))?;
            loop {
                count_some(&table, &known)?;
            }
        }
        _ => return Err(format!("no process does {action} to a table").into()),
    }
    Ok(())
}

/// One claim with some additions and commits; at times a reaping.
fn count_some(table: &SharedTable<Counted>, known: &SharedBox<Additions>) -> Outcome {
    let mut seat = match table.claim(Counted::new(7)) {
        Err(error) if error.kind() == ErrorKind::Full => return Ok(()),
        seat => seat?,
    };
    for count in 0..8 {
        known.fetch_add(field!(Additions.begun), 1)?;
        assert_eq!(seat.fetch_add(field!(Counted.n), 1)?, count);
        known.fetch_add(field!(Additions.done), 1)?;
        seat.set(Counted::new(7))?;
        assert_eq!(table.get(seat.id())?.n, count + 1);
    }
    if seat.id().number() % 8 == 0 {
        table.reap(|id, last| match last {
            Ok(last) => assert!(last.n <= 8, "{id}: {last:?}"),
            Err(error) => panic!("{id}: {error}"),
        })?;
    }
    Ok(())
}

/// The child's copy of a seat does nothing; a row of the child's own is one.
fn forked(table: &SharedTable<Row>) -> Outcome {
    let mut seat = table.claim(Row::new(1, 0))?;
    // SAFETY: this process has a single thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let refused = seat.set(Row::new(2, 0)).map_err(|error| error.kind());
            assert_eq!(refused, Err(ErrorKind::Forked));
            let refused = seat
                .store(field!(Row.owner), 7)
                .map_err(|error| error.kind());
            assert_eq!(refused, Err(ErrorKind::Forked));
            let own = table.claim(Row::new(3, 0))?;
            assert_ne!(own.id(), seat.id());
            drop(seat);
            assert_eq!(table.rows().count(), 2);
        }
        ForkResult::Parent { child } => {
            let ended = waitpid(child, None)?;
            assert!(format!("{ended:?}").ends_with(", 0)"), "{ended:?}");
            seat.set(Row::new(1, 1))?;
            let rows: Vec<Row> = table
                .rows()
                .map(|row| row.get())
                .collect::<Result<_, _>>()?;
            assert_eq!(rows, [Row::new(1, 1)]);
        }
    }
    Ok(())
}

/// Makes every call while words of the segment hold what no program of this library writes.
fn struck(place: &Place, seed: u64) -> Outcome {
    let mut options = SharedTable::<Row>::options();
    options.timeout(Duration::from_millis(2));
    let name = place.to_string();
    let id = name
        .strip_prefix("id:")
        .ok_or("the table is named by its id")?;
    let memory = Memory::attach(Id::from_raw(id.parse()?));
    let mut number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number
    };
    for _ in 0..40 {
        alarm::set(30);
        let before = memory.bytes();
        let Ok(table) = options.open(place.clone()) else {
            return Err("what was put back is a table".into());
        };
        let view = options.open_read_only(place.clone())?;
        let seat = table.claim(Row::new(1, 0));
        for _ in 0..1 + next() % 6 {
            let words = memory.len() / 8;
            // The last third: rows' words, records, control block.
            let word = if next() % 4 == 0 { 0 } else { words / 3 * 2 };
            let at = (word + next() as usize % (words - word)) * 8;
            let value = match next() % 4 {
                0 => 0,
                1 => u64::MAX,
                2 => 1 << (next() % 64),
                _ => next(),
            };
            memory.write(at, &value.to_ne_bytes());
        }
        for table in [&*table, &view] {
            table
                .rows()
                .for_each(|row| drop((row.get(), row.owner(), row.version())));
            let _ = table
                .look()
                .map(|rows| rows.for_each(|row| drop(row.get())));
            let _ = table.wait_membership_timeout(table.membership(), Duration::from_millis(1));
            let _ = (table.writers(), table.info(), table.is_removed());
        }
        let other = table.claim(Row::new(2, 0));
        let _ = table.reap(|_, last| drop(last));
        if let Ok(mut seat) = seat {
            let _ = (seat.set(Row::new(1, 1)), seat.update(|row| row.count += 1));
            let _ = (
                seat.fetch_add(field!(Row.count), 1),
                seat.get(),
                table.get(seat.id()),
            );
        }
        drop((other, options.open(place.clone())));
        drop((table, view));
        memory.write(0, &before);
    }
    Ok(())
}

/// Claims a row, leaves its IPC namespace, and writes on until it learns of it.
fn leave(table: &SharedTable<Row>, pid: u64) -> Outcome {
    let mut seat = table.claim(Row::new(pid, 0))?;
    let left = own_ipc_namespace();
    println!("{}", if left { "left" } else { "can't leave" });
    stdin().read_line(&mut String::new())?;
    let mut count = 0;
    while count < 5000 {
        count += 1;
        match seat.set(Row::new(pid, count)) {
            Err(error) if error.kind() == ErrorKind::Left => break,
            set => set?,
        };
    }
    println!("{count}");
    stdin().read_line(&mut String::new())?;
    Ok(())
}
