//! Typed, versioned, crash-safe structs in System V shared memory.
//!
//! Processes on one machine share one struct under one key, whether they are written in Rust with
//! this library or in C without it: at rest, the first bytes of the segment are exactly the C
//! struct.
//!
//! [`derive(SharedLayout)`](derive@SharedLayout) proves at compile time that a struct may live in
//! shared memory. [`SharedBox`] creates or attaches the segment and gives consistent reads, commits
//! that are all or nothing, and waiting for a newer value. A process that dies in the middle of
//! anything loses nothing that was committed and blocks no other process for good.
//!
//! ```
//! use std::time::Duration;
//!
//! use shm_core::{FixedStr, SharedBox, SharedLayout};
//!
//! #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
//! #[repr(C)]
//! struct StPid {
//!     pid: i32,
//!     names: FixedStr<51>, // in C: char names[51]
//! }
//!
//! # fn main() -> Result<(), shm_core::Error> {
//! # let key = shm_core::Key::new(0x7b5d_1000);
//! let shared = SharedBox::open_or_create(key, || StPid { pid: 0, names: FixedStr::EMPTY })?;
//! let seen = shared.snapshot()?; // a consistent copy, and which version it is
//! shared.set(StPid { pid: 7, names: FixedStr::new("alice")? })?; // all of it or nothing
//! shared.update(|value| value.pid += 1)?; // no other process commits in between
//! let next = shared.wait_timeout(seen.version, Duration::from_secs(1))?;
//! assert_eq!(next.map(|next| next.value.pid), Some(8));
//! # shared.remove()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Which type
//!
//! | what the program does | type |
//! |---|---|
//! | reads and writes the value | [`SharedBox`] |
//! | reads it, or has no right to more | [`SharedView`]: any number of them, none takes a slot |
//! | writes what depends on what it read, in several steps | [`Writer`], from [`SharedBox::writer`] |
//! | says something of itself, beside others that do: heartbeats, workers, counters | [`SharedTable`]: a row for each process, which goes with it; for reading [`TableView`] |
//! | joins a segment that a program without this library laid out | [`RawBox`], [`RawView`], rows behind a header: [`RawTable`]; with its guard [`GuardedBox`], [`GuardedTable`]; or a `SharedBox` with [`Options::adopt`] |
//! | shows or changes any value, without its Rust type | [`Inspector`] |
//! | removes a segment, whatever is in it | [`remove`] |
//! | uses System V shared memory and semaphores for something else | [`sysv`] |
//!
//! Texts are [`FixedStr`], lists [`FixedVec`], both of a capacity that is part of the type.
//!
//! # Keys and places
//!
//! Programs find a segment by a [`Key`] of 32 bits. Choose a number at random, write it into the
//! source or the configuration of all of them, and keep off small ones, which others choose too.
//! [`Key::ftok`] is for joining programs that use it. [`Key::PRIVATE`] makes a segment without a key,
//! for a process and those that it tells the id; it is also right for tests. Calls take a
//! [`Place`]: a key, an id, a file ([`Place::file`], whose value may outlast a restart), or a name of POSIX shared memory.
//!
//! ```
//! use shm_core::{Key, Place, SharedBox, SharedView};
//!
//! # fn main() -> Result<(), shm_core::Error> {
//! let mut options = SharedBox::<u64>::options();
//! let shared = options.remove_on_drop(true).create_new(Key::PRIVATE, 5)?;
//! let view = SharedView::<u64>::open(Place::id(shared.id().unwrap()))?;
//! assert_eq!(view.get()?, 5);
//! # Ok(())
//! # }
//! ```
//!
//! # Modes and owners
//!
//! A new segment has mode `0o600`: its user alone. [`Options::mode`] and [`Options::group`] let others
//! read (`0o640`, `0o644`) or write (`0o660`). A process that opens one whose owner or creator is
//! neither its own user nor root is refused, since an owner can change anything at any time;
//! [`Options::owner`] says whom to trust besides. What a handle could do when it was opened it can
//! do after the process has given up its rights.
//!
//! ```
//! use shm_core::{Key, Owner, Place, SharedBox};
//!
//! # fn main() -> Result<(), shm_core::Error> {
//! let mut options = SharedBox::<u64>::options();
//! let shared = options.mode(0o640).remove_on_drop(true).create_new(Key::PRIVATE, 5)?;
//! assert_eq!(shared.info()?.mode.bits(), 0o640);
//! // In a program of the segment's group:
//! let mut options = SharedBox::<u64>::options();
//! let view = options.owner(Owner::User(1000)).open_read_only(Place::id(shared.id().unwrap()))?;
//! assert_eq!(view.get()?, 5);
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! A `SharedBox` or `SharedView` may be used by all threads of a process at once, by reference, in
//! an `Arc` or in a `static`. Open one for the process, not one for each thread: each open box has
//! one of the segment's [slots](Options::slots). A [`Writer`] stays in its thread. While a thread has
//! one, or is in the closure of `update`, its other writes to that segment are
//! [`ErrorKind::Reentrant`].
//!
//! ```
//! use shm_core::{Key, SharedBox};
//!
//! # fn main() -> Result<(), shm_core::Error> {
//! let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, 0_u64)?;
//! std::thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(|| shared.update(|count| *count += 1).unwrap());
//!     }
//! });
//! assert_eq!(shared.get()?, 4);
//! # Ok(())
//! # }
//! ```
//!
//! # When the segment is removed
//!
//! Calls that read or write say [`ErrorKind::Removed`] from then on, in all processes that are
//! attached; after `ipcrm -m` from when a writer has noticed, within 1,024 commits
//! ([`is_removed`](SharedView::is_removed) asks the kernel). To go on, a program opens the key again:
//! by [`reattach`](SharedView::reattach), or by [`reopen`](SharedBox::reopen) where threads share the
//! handle. As long as the key leads nowhere both fail with [`ErrorKind::System`], and may be tried
//! again.
//!
//! ```
//! use shm_core::{Error, ErrorKind, SharedView};
//!
//! /// The current value, of whatever segment the key leads to.
//! fn current(view: &mut SharedView<u64>) -> Result<u64, Error> {
//!     match view.get() {
//!         Err(error) if error.kind() == ErrorKind::Removed => {
//!             view.reattach()?;
//!             view.get()
//!         }
//!         value => value,
//!     }
//! }
//! # fn main() -> Result<(), Error> {
//! # let key = shm_core::Key::new(0x7b5d_1030);
//! # let old = shm_core::SharedBox::create_new(key, 5_u64)?;
//! # let mut view = SharedView::open(key)?;
//! # old.remove()?;
//! # let _new = shm_core::SharedBox::options().remove_on_drop(true).create_new(key, 6_u64)?;
//! # assert_eq!(current(&mut view)?, 6);
//! # Ok(())
//! # }
//! ```
//!
//! # Large values
//!
//! From 512 bytes on, take the calls that do not move the value:
//!
//! | instead of | |
//! |---|---|
//! | [`create_new`](SharedBox::create_new), [`open_or_create`](SharedBox::open_or_create) | [`Options::create_new_from`], [`Options::open_or_create_boxed`], of zeros [`Options::open_or_create_zeroed`] |
//! | [`get`](SharedView::get) | [`read_with`](SharedView::read_with), [`read_into`](SharedView::read_into), [`get_boxed`](SharedView::get_boxed) |
//! | [`set`](SharedBox::set) | [`set_from`](SharedBox::set_from) |
//! | the whole for one field | [`load`](SharedView::load), [`store`](SharedBox::store), [`Writer::batch`], each with a [`field!`] |
//!
//! ```
//! use shm_core::{Key, SharedBox, SharedLayout, field};
//!
//! #[derive(SharedLayout, Clone, Copy)]
//! #[repr(C)]
//! struct Metrics {
//!     requests: u64,
//!     by_route: [u64; 4096],
//! }
//!
//! # fn main() -> Result<(), shm_core::Error> {
//! let none = Box::new(Metrics { requests: 0, by_route: [0; 4096] });
//! let mut options = SharedBox::<Metrics>::options();
//! let metrics = options.remove_on_drop(true).create_new_from(Key::PRIVATE, &none)?;
//! metrics.store(field!(Metrics.requests), 1)?; // eight bytes
//! let mut writer = metrics.writer()?; // no other process commits until it is dropped
//! let route = field!(Metrics.by_route[7]);
//! let count = writer.load(route)?;
//! writer.batch().store(route, count + 1).store(field!(Metrics.requests), 2).commit()?;
//! drop(writer);
//! let sum = metrics.read_with(|metrics| metrics.by_route.iter().sum::<u64>())?;
//! assert_eq!((sum, metrics.load(field!(Metrics.requests))?), (1, 2));
//! # Ok(())
//! # }
//! ```
//!
//! # Costs, other languages, features
//!
//! [`SharedBox`] has the table of what each call costs. Programs in C and Python get their side
//! generated: [`SharedLayout::c_header`] and [`SharedLayout::python_module`]. The feature `async` gives views
//! and boxes streams of their changes for tasks of any runtime (`stream`, `into_stream`). The feature `serde`
//! serialises [`layout::Value`], which an [`Inspector`] reads, a [`Snapshot`], and rows of tables ([`RowView`],
//! [`InspectedRow`]), and reads and writes [`FixedStr`], [`FixedVec`], [`Opaque`], the ready-made types, [`RowId`], [`RowLife`] and
//! [`OnDeath`]. Linux only.

#[cfg(not(target_os = "linux"))]
compile_error!("shm-core shares memory the way Linux does and supports no other system yet");

extern crate self as shm_core;

#[doc(hidden)]
pub mod __private;
mod face;
mod foreign;
#[cfg(all(test, not(loom)))]
mod format_tables;
mod home;
pub mod layout;
mod protocol;
pub mod sysv;
mod typed;

pub use bytemuck::Zeroable;
pub use face::{
    Batch, Changes, Error, ErrorKind, Guard, Guarded, GuardedBox, GuardedTable, InspectedRow,
    Inspector, InspectorOptions, Missing, OnDeath, Options, ParsePlaceError, Place, RawBox,
    RawOptions, RawRow, RawTable, RawTableOptions, RawView, RowId, RowLife, RowView, Rows, Seat,
    SemGuard, SharedBox, SharedTable, SharedView, TableView, Writer, orphaned_sets, remove,
};
#[cfg(feature = "async")]
pub use face::{ChangeStream, MembershipStream};
pub use foreign::CHeader;
pub use layout::{
    FixedStr, FixedVec, Id128, Ipv4, Ipv6, Nanoseconds, Opaque, SharedLayout, Timestamp,
};
pub use protocol::{Claimant, Holder, HolderState, Owner};
pub use shm_derive::SharedLayout;
pub use sysv::Key;
pub use typed::{Field, Integer, Snapshot};
