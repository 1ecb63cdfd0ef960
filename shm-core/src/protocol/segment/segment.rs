//! One process's attachment to a segment: the words, the copies, the slot, and what a caller does
//! with them.
//!
//! Everything here is bytes and versions; no type of the caller's is known. `find.rs` makes these
//! values.

use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicU32 as ProcessState, AtomicU64 as ProcessWord, AtomicUsize as ProcessSize,
};
use std::time::{Duration, Instant};

use super::kernel::{self, Leftover};
use super::upgrade;
use crate::home::Home;
use crate::protocol::fault::Fault;
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::futex;
use crate::protocol::lock::held::Handle;
use crate::protocol::lock::lock;
use crate::protocol::lock::set::Identity;
use crate::protocol::lock::wait::{self, ANNOUNCED_NAP, UNANNOUNCED_NAP};
use crate::protocol::memory::atomics::AtomicU64;
use crate::protocol::memory::atomics::Ordering::{Acquire, Relaxed, Release};
use crate::protocol::memory::control::{
    ALWAYS_NOTIFY, Control, EVERYTHING, Geometry, RAW_WRITERS, State,
};
use crate::protocol::memory::copy::{Area, Span};
use crate::protocol::memory::latch::{Latch, version_of};
use crate::protocol::memory::stop::stop;
use crate::protocol::rows::words::RowWords;
use crate::sysv::shm::{self, Attachment, Stat};
use crate::sysv::{Key, Kind, sem};

/// Where a schema room holds the size of the value, a `u64`. The rest of a room is above this
/// layer, but for the version, a `u32`.
pub(crate) const SIZE_IN_ROOM: usize = 8;
pub(crate) const VERSION_IN_ROOM: usize = 24;

/// Failed copies between two looks at the clock.
const TRIES: u32 = 64;

/// What [`Segment::read_as`] holds where no state was told: no version and state are that.
pub(in crate::protocol) const UNREAD: u64 = u64::MAX;

/// What [`Segment::write_as`] holds where no state lets this process write: no state is that.
const NEVER: u32 = u32::MAX;

/// Looks at the sequence before a waiter goes to sleep: less than a microsecond, and less than
/// falling asleep and waking up cost at least.
const SPINS: u32 = 32;

/// All owners of a table's rows were judged, and the kernel will tell of each death since.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Judgement {
    pub(in crate::protocol) set: sem::Id,
    /// How many deaths had been counted before it.
    pub(in crate::protocol) deaths: u16,
    /// How many claims of slots there had been.
    pub(in crate::protocol) claims: u32,
    pub(in crate::protocol) at: Instant,
}

/// An attached segment whose division has been verified.
///
/// # Invariants
///
/// - **divided**: `geometry` adds up to the size of what is mapped, and `control`, `latch`, `rooms`, `row_words` and
///   `records` are its parts: each within the mapping, on a multiple of 64 bytes, none over another.
/// - **mapped**: the mapping of `home` is this value's own, and stays until it is dropped.
/// - **shared**: nothing in this process touches those parts but atomics and the files of `copy/`; on a
///   mapping that is not `writable` they only load.
/// - **fits**: `stored` is at most the capacity.
/// - **rows**: the copies of row *i* of *n* lie *n - i* capacities before those of `latch`.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(in crate::protocol) home: Home,
    pub(in crate::protocol) control: *const Control,
    pub(in crate::protocol) latch: Latch,
    pub(in crate::protocol) rooms: [Area; 2],
    pub(in crate::protocol) geometry: Geometry,
    pub(in crate::protocol) key: Key,
    /// Owner and creator, when it was attached.
    pub(in crate::protocol) owners: [u32; 2],
    pub(in crate::protocol) unique: u64,
    pub(in crate::protocol) flags: u32,
    pub(in crate::protocol) writable: bool,
    /// How long to wait for others to get out of the way.
    pub(in crate::protocol) limit: Duration,
    /// The state whose schema lets bytes be read as they lie. In the high half, not 0 if that is an earlier one: its version.
    pub(in crate::protocol) read_as: ProcessWord,
    /// The state whose schema was found to let this process write. Changes under the lock only,
    /// like `stored`.
    pub(in crate::protocol) write_as: ProcessState,
    /// Bytes of the value under that schema.
    pub(in crate::protocol) stored: ProcessSize,
    /// The records of the slots' claimants, one for each slot.
    pub(in crate::protocol) records: *const AtomicU64,
    /// The words of a table's rows, one for each row.
    pub(in crate::protocol) row_words: *const RowWords,
    /// What [`Control::set`] held when the set was found to be this segment's; 0: not looked at yet.
    pub(in crate::protocol) set: ProcessState,
    /// This process's claim, if it has one: see [`Segment::is_left`].
    pub(in crate::protocol) handle: Handle,
    /// The kernel was told to remove the segment with its last process, and that is no news: it was
    /// when this process attached, or no key ever led here.
    pub(in crate::protocol) doomed: bool,
    /// Of a view of a snapshot: the state of the file as long as no process has restored the value. All but the control block
    /// is a copy of this process's own then.
    pub(in crate::protocol) frozen: Option<State>,
    /// The epoch in which tasks have waited; 0: in none.
    #[cfg(feature = "async")]
    pub(in crate::protocol) watched: ProcessState,
    /// What the kernel had said of deaths before this process last looked at who of a table lives; at first nothing
    /// that it says.
    #[cfg(feature = "async")]
    pub(in crate::protocol) judged: ProcessState,
    /// The newest judgement of all owners that holds.
    pub(in crate::protocol) judgement: Mutex<Option<Judgement>>,
    /// Dropped after the mapping.
    pub(in crate::protocol) leftover: Option<Box<Leftover>>,
}

// SAFETY: the pointers lead into a mapping that is this value's own (**mapped**), and no thread's.
unsafe impl Send for Segment {}
// SAFETY: what the pointers lead to is **shared**: atomics and `copy/` expect other threads; the rest
// is atomics and values that do not change.
unsafe impl Sync for Segment {}

impl Segment {
    #[inline(always)]
    pub(in crate::protocol) fn control(&self) -> &Control {
        // SAFETY: by **divided** and **mapped** the control block is there, aligned, as long as `self`.
        // All its words are atomics, which may change under a shared reference; on a read-only mapping
        // they are only loaded (**shared**).
        unsafe { &*self.control }
    }

    #[inline(always)]
    pub(in crate::protocol) fn state(&self) -> State {
        State(self.control().state.load(Relaxed))
    }

    /// The key that led here.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The random number of its creation.
    pub(crate) fn creation(&self) -> u64 {
        self.unique
    }

    /// Where its bytes live.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Whether writers without the protocol were announced at creation.
    pub(crate) fn has_raw_writers(&self) -> bool {
        self.flags & RAW_WRITERS != 0
    }

    /// The copies of a box's value, or of a table's template.
    pub(crate) fn copies(&self) -> &Latch {
        &self.latch
    }

    /// Bytes reserved for the value, or for each row.
    pub(crate) fn capacity(&self) -> usize {
        self.geometry.capacity
    }

    /// How many processes may write at once.
    pub(crate) fn slot_count(&self) -> usize {
        self.geometry.slots.into()
    }

    /// The version that stands. One load.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        version_of(self.latch.sequence())
    }

    /// Copies some bytes of a committed value to `dst` and returns its version, unless writers
    /// overtook the copy or the segment is not what it was: then [`Segment::read`] tells. After
    /// `Some` all of `dst` is initialised.
    ///
    /// No system call, no allocation, no store to the segment, no waiting.
    ///
    /// # Safety
    ///
    /// The span lies within the segment's capacity if a state was named to [`Segment::read_as`] last without an older
    /// version, and `dst` is valid for writes of as many bytes.
    #[inline(always)]
    pub(crate) unsafe fn try_read(&self, span: Span, dst: *mut u8) -> Option<u64> {
        if u64::from(self.state().0) != self.read_as.load(Relaxed) {
            return None;
        }
        // SAFETY: a state was named without an older version, and still stands, so the span lies within the capacity, which is the
        // payload's size (**divided**); `dst` takes its bytes.
        unsafe { self.latch.read(span, dst) }
    }

    /// Does the same again and again, up to the time limit, as long as the schema of `state` is in
    /// force: its last look at that comes after the copy. After `Ok` all of `dst` is initialised.
    ///
    /// # Safety
    ///
    /// `copies` are this segment's, of its value or a row. The span lies within its capacity, and `dst` is valid for writes of as many bytes.
    #[cold]
    pub(crate) unsafe fn read(
        &self,
        copies: &Latch,
        state: State,
        span: Span,
        dst: *mut u8,
    ) -> Result<u64, Fault> {
        // Asked for when it is needed: a read with defaults comes here each time.
        let mut start = None;
        loop {
            for _ in 0..TRIES {
                let word = &self.control().state;
                // SAFETY: the span lies within the capacity, which is the payload's size (**divided**);
                // `dst` takes its bytes.
                match unsafe { upgrade::read_under(word, state, copies, span, dst) } {
                    Ok(Some(version)) => return Ok(version),
                    Ok(None) => {}
                    Err(()) => return Err(self.changed()),
                }
                core::hint::spin_loop();
            }
            let waited = start.get_or_insert_with(Instant::now).elapsed();
            if waited >= self.limit {
                return Err(Fault::Overtaken { waited });
            }
        }
    }

    /// The first `len` bytes of a committed value and its version, as long as the schema of `state`
    /// is in force.
    pub(crate) fn read_bytes(&self, state: State, len: usize) -> Result<(Vec<u8>, u64), Fault> {
        self.read_bytes_of(&self.latch, state, len)
    }

    /// The same of other copies: a row's.
    pub(super) fn read_bytes_of(
        &self,
        copies: &Latch,
        state: State,
        len: usize,
    ) -> Result<(Vec<u8>, u64), Fault> {
        if len > self.capacity() {
            return Err(Fault::Damaged(
                "its schema says that the value is larger than the room for it",
            ));
        }
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(len).is_err() {
            return Err(Fault::Damaged(
                "its schema says that the value is larger than the memory of this process",
            ));
        }
        bytes.resize(len, 0);
        // SAFETY: `len` is at most the capacity, which was checked above, and `bytes` has as many.
        let version = unsafe { self.read(copies, state, Span::whole(len), bytes.as_mut_ptr()) }?;
        Ok((bytes, version))
    }

    /// Whether the schema in force is the one that this process was found to be able to write.
    #[inline(always)]
    pub(crate) fn is_written_as_known(&self) -> bool {
        self.state().0 == self.write_as.load(Relaxed)
    }

    /// The same of a state that was looked at. What another thread found out then is seen from here on.
    pub(super) fn is_written_as(&self, state: State) -> bool {
        state.0 == self.write_as.load(Acquire)
    }

    /// What a state that was not expected says.
    #[cold]
    pub(crate) fn changed(&self) -> Fault {
        match self.state() {
            state if state.is_ready() => Fault::Changed,
            state if state.is_removed() => Fault::Removed,
            _ => Fault::Damaged("its state word is none that this library writes"),
        }
    }

    /// Whether what is read is not the newest value any more: it is a snapshot's, and the file has been restored.
    pub(in crate::protocol) fn is_outdated(&self) -> bool {
        self.frozen.is_some_and(|state| state != self.state())
    }

    /// Whether the segment has not been removed, whatever schema is in force.
    #[inline(always)]
    pub(super) fn check_life(&self) -> Result<(), Fault> {
        if self.state().is_ready() {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// From now on bytes may be read as they lie as long as `state` stands; not if its schema is an `older` one than the
    /// reader's.
    pub(crate) fn read_as(&self, state: State, older: Option<u32>) {
        let older = older.map_or(0, |version| version.max(1));
        let word = u64::from(older) << 32 | u64::from(state.0);
        self.read_as.store(word, Relaxed);
    }

    /// What [`Segment::read_as`] was told last.
    pub(crate) fn readable_as(&self) -> Option<(State, Option<u32>)> {
        let word = self.read_as.load(Relaxed);
        let older = (word >> 32) as u32;
        (word != UNREAD).then_some((State(word as u32), (older != 0).then_some(older)))
    }

    /// The slots' records.
    pub(in crate::protocol) fn records(&self) -> &[AtomicU64] {
        let count = usize::from(self.geometry.slots);
        // SAFETY: by **divided** and **mapped** as many records as the geometry has slots are there,
        // aligned, as long as `self`. They are atomics, which may change under a shared reference; on a
        // read-only mapping they are only loaded (**shared**).
        unsafe { core::slice::from_raw_parts(self.records, count) }
    }

    /// The words of the rows.
    pub(in crate::protocol) fn row_words(&self) -> &[RowWords] {
        let count = self.geometry.rows as usize;
        // SAFETY: by **divided** and **mapped** the words of as many rows as the geometry has are there,
        // aligned, as long as `self`. They are atomics, which may change under a shared reference; on a
        // read-only mapping they are only loaded (**shared**).
        unsafe { core::slice::from_raw_parts(self.row_words, count) }
    }

    /// Which words of a row are counters: those that are not 0 there, at the template's place among the bases.
    pub(in crate::protocol) fn mask(&self) -> Option<Area> {
        // SAFETY: the bases lie as far behind the payload as this says, and the mask as far behind the template (**divided**).
        let mask = || unsafe { self.latch.payload().behind(self.geometry.mirror(2)) };
        self.geometry.counters.then(mask)
    }

    /// Whether the word at this offset of each row is a counter, to which owners add and which no commit stores.
    #[inline]
    pub(crate) fn is_counter(&self, offset: usize) -> bool {
        let within = offset % 8 == 0 && offset < self.geometry.capacity;
        // SAFETY: the word lies within the capacity, which is the mask's size.
        within
            && self
                .mask()
                .is_some_and(|mask| unsafe { mask.word(offset) }.load(Relaxed) != 0)
    }

    /// The offsets of all counters.
    pub(crate) fn counters(&self) -> impl Iterator<Item = usize> + '_ {
        let words = if self.geometry.counters {
            self.geometry.capacity
        } else {
            0
        };
        (0..words)
            .step_by(8)
            .filter(|offset| self.is_counter(*offset))
    }

    /// How long to wait for others to get out of the way.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// From now on this process may write as long as `state` stands, under which the value has
    /// `stored` bytes. Called under the lock, or before another thread knows this attachment.
    pub(crate) fn write_as(&self, state: State, stored: usize) {
        debug_assert!(self.writable, "what is read only is never written");
        let stored = stored.min(self.geometry.capacity);
        self.stored.store(stored, Relaxed);
        // Pairs with `is_written_as`: who claims a row copies as many bytes as the value has under this state.
        self.write_as.store(state.0, Release);
    }

    /// Makes the copies whole after a takeover. Before birth is complete there is nothing to
    /// repair.
    pub(in crate::protocol) fn repair(&self) {
        if self.state().is_ready() {
            // SAFETY: this thread has just taken the lock, which is done on writable mappings only: so
            // the copies are **owned**, as the latch asks. `length_in_force` is within the capacity.
            unsafe { self.latch.repair(self.length_in_force()) };
            stop!("repair: done");
            // How the last commit's mirror differs from the other one is not known any more.
            self.control().range.store(EVERYTHING, Relaxed);
            stop!("repair: range forgotten");
            // Those who wait for what the dead one committed: no later commit looks at so old an
            // announcement.
            self.wake_waiters();
        }
    }

    /// Bytes of the value under the schema in force, for one who holds the lock: that may be a
    /// schema which this process has not looked at. The whole capacity where the room says more.
    pub(in crate::protocol) fn length_in_force(&self) -> usize {
        let room = self.rooms[State::look(&self.control().state).room()];
        let mut size = [0; size_of::<u64>()];
        // SAFETY: a room has at least 64 bytes (`Geometry::verified`), and `size` has its eight.
        unsafe { room.load(SIZE_IN_ROOM, size.as_mut_ptr(), size.len()) };
        let capacity = self.geometry.capacity;
        usize::try_from(u64::from_ne_bytes(size)).map_or(capacity, |size| size.min(capacity))
    }

    /// The state whose schema is in force, and the version of that. What an upgrade to it stored is seen from here on.
    pub(super) fn schema_in_force(&self) -> Result<(State, u32), Fault> {
        let mut room = [0; VERSION_IN_ROOM + size_of::<u32>()];
        let state = self.read_schema(&mut room)?;
        let version = room[VERSION_IN_ROOM..].try_into().unwrap_or_default();
        Ok((state, u32::from_ne_bytes(version)))
    }

    /// Copies bytes of a table's template to `dst`, as far as it has them.
    pub(crate) fn load_template(&self, offset: usize, dst: &mut [u8]) {
        if offset
            .checked_add(dst.len())
            .is_some_and(|end| end <= self.geometry.capacity)
        {
            // SAFETY: within the capacity, which is the template's size, and `dst` has as many bytes.
            unsafe {
                self.latch
                    .payload()
                    .load(offset, dst.as_mut_ptr(), dst.len())
            };
        }
    }

    #[inline(always)]
    pub(in crate::protocol) fn unlock(&self, claim: Claim) {
        stop!("unlock: begun");
        let word = &self.control().lock;
        let slept_on = lock::release(word, claim);
        stop!("unlock: let go");
        if slept_on {
            futex::wake(word.as_ptr(), 1);
            stop!("unlock: lock's sleeper woken");
        }
    }

    /// Sleeps until a version above `version` stands. `false`: the time is over.
    pub(crate) fn wait(&self, version: u64, deadline: Option<Instant>) -> Result<bool, Fault> {
        // An answer that is on its way comes before a sleep would have begun, and the committer
        // need not wake the waiter: that saves both sides their system calls.
        for _ in 0..SPINS {
            if self.version() > version {
                return Ok(true);
            }
            core::hint::spin_loop();
        }
        let mut looked = Instant::now();
        loop {
            let seq = self.latch.sequence();
            if version_of(seq) > version {
                return Ok(true);
            }
            if self.is_outdated() {
                return Err(Fault::Removed);
            }
            self.check_life()?;
            let now = Instant::now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            if now.duration_since(looked) >= ANNOUNCED_NAP {
                if self.is_orphan()? {
                    return Err(Fault::Removed);
                }
                looked = now;
            }
            let nap = if self.will_be_woken(version_of(seq).wrapping_add(1)) {
                ANNOUNCED_NAP
            } else {
                UNANNOUNCED_NAP
            };
            // Sleeps only if nothing was committed since the look above, which the announcement
            // lies behind.
            let nap = left.map_or(nap, |left| left.min(nap));
            if self.frozen.is_some() {
                std::thread::sleep(nap);
            } else if self.latch.sequence() == seq {
                futex::sleep(seq_low(self.control()), seq as u32, nap);
            }
        }
    }

    /// Announces a wait for `version`, if that is possible; whether committers will look at that.
    pub(super) fn will_be_woken(&self, version: u64) -> bool {
        if self.flags & ALWAYS_NOTIFY != 0 {
            return true;
        }
        if !self.writable {
            return false;
        }
        wait::announce(&self.control().awaited, version);
        stop!("wait: announced");
        futex::barrier_everywhere()
    }

    // A system call: it may stand far from the commits that nothing waits for.
    #[cold]
    pub(super) fn wake_waiters(&self) {
        futex::wake(seq_low(self.control()), i32::MAX);
    }

    /// Copies the beginning of the schema room in force to `dst`, as much as fits on either side;
    /// returns the state that put it in force.
    pub(crate) fn read_schema(&self, dst: &mut [u8]) -> Result<State, Fault> {
        for _ in 0..TRIES {
            if self.is_outdated() {
                return Err(Fault::Removed);
            }
            self.check_life()?;
            let state = upgrade::read_room(&self.control().state, self.rooms, dst);
            if let Some(state) = state.filter(|state| state.is_ready()) {
                return Ok(state);
            }
        }
        Err(Fault::Damaged("its schema changes without end"))
    }

    /// What tells this segment's set from others.
    pub(in crate::protocol) fn identity(&self, id: shm::Id) -> Identity {
        Identity {
            segment: id,
            unique: self.unique,
            // The death counter of a table stands where one slot more would be.
            slots: self.geometry.slots + u16::from(self.geometry.rows > 0),
        }
    }

    /// Whether the segment's id leads to this segment, in the namespace of this thread; `None` if it
    /// may not look. Ids begin at 0 in a new namespace, so the same id may lead to another's. A file is the
    /// same in every namespace.
    pub(in crate::protocol) fn leads_here(&self) -> Option<bool> {
        let Some(id) = self.home.id() else {
            return Some(true);
        };
        match shm::attach(id, shm::Access::ReadOnly) {
            Ok(mapping) => Some(self.is_same(&mapping)),
            Err(error) if error.kind() == Kind::Removed => Some(false),
            Err(_) => None,
        }
    }

    fn is_same(&self, mapping: &Attachment) -> bool {
        let size = kernel::stat(mapping.id())
            .ok()
            .flatten()
            .map(|stat| stat.size);
        if size != self.geometry.total() {
            return false;
        }
        let at = self.control.addr() - self.home.as_ptr().as_ptr().addr();
        // SAFETY: `mapping` has as many bytes as this segment's geometry: the kernel said so just now,
        // while it was attached. Both begin on a page, so its control block lies where this one's does
        // (**divided**), aligned. It is atomics, which are only loaded.
        let other = unsafe { &*mapping.as_ptr().add(at).cast::<Control>() };
        other.unique.load(Relaxed) == self.control().unique.load(Relaxed)
    }

    /// Whether another program has removed the segment (`ipcrm -m`): its key is free, and the next
    /// process to open that makes a second truth. Where this process may not look it can't be told.
    pub(in crate::protocol) fn is_orphan(&self) -> Result<bool, Fault> {
        let id = match &self.home {
            Home::Segment(mapping) => mapping.id(),
            Home::File(file) => {
                let stat = file.stat()?;
                return Ok(!self.doomed && stat.is_some_and(|stat| stat.nlink() == 0));
            }
        };
        match kernel::stat(id) {
            // Without an id, or with an id that leads to another's, it is the process that has left:
            // the segment is attached.
            Ok(stat) => Ok(stat.is_some_and(|stat| stat.dest && !self.doomed)
                && self.leads_here() != Some(false)),
            Err(fault) if fault.is_denied() => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Sets the tombstone, if the segment is ready.
    pub(in crate::protocol) fn set_tombstone(&self) {
        // Relaxed: nothing is told but the word itself. An upgrade that would overwrite it exchanges.
        let state = self.state().removed();
        self.control().state.store(state.0, Relaxed);
    }

    /// Removes the semaphore set that the segment names.
    pub(in crate::protocol) fn remove_set(&self, stat: &Stat) {
        if let Some(id) = self.home.id() {
            let word = self.control().set.load(Relaxed);
            kernel::remove_set(word, stat, id);
        }
    }

    /// What an attachment leaves, if it may be the last one of a segment that another program has
    /// removed (`ipcrm -m`), or that was made to go with its last process.
    ///
    /// A view does not ask the kernel unless the segment may have gone: that its key still leads to it
    /// is the usual case, and a set that only a view could remove is as good as left by a death.
    pub(super) fn leftover(&self) -> Option<Leftover> {
        if !(self.writable || self.doomed || self.state().is_removed()) {
            return None;
        }
        let id = self.home.id()?;
        let stat = kernel::stat(id).ok().flatten()?;
        if !stat.dest || self.leads_here() == Some(false) {
            return None;
        }
        if !self.doomed && self.writable && self.state().is_ready() {
            // No commit has noticed: those who stay attached are told by this.
            self.set_tombstone();
            wake_all(self.control());
        }
        Some(Leftover {
            segment: id,
            set: self.control().set.load(Relaxed),
            stat,
        })
    }

    /// From now on every call that would write looks closely first.
    pub(super) fn write_as_never(&self) {
        self.write_as.store(NEVER, Relaxed);
    }

    /// Bytes in a schema room.
    pub(crate) fn room(&self) -> usize {
        self.geometry.room
    }

    /// Whether this process may write.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }
}

/// The half of the sequence that changes with each store: a futex is 32 bits wide.
pub(super) fn seq_low(control: &Control) -> *const u32 {
    let word = (&raw const control.seq).cast::<u32>();
    if cfg!(target_endian = "big") {
        word.wrapping_add(1)
    } else {
        word
    }
}

/// Wakes all who sleep on a segment, for whatever reason.
pub(in crate::protocol) fn wake_all(control: &Control) {
    futex::wake(seq_low(control), i32::MAX);
    futex::wake(control.lock.as_ptr(), i32::MAX);
}
