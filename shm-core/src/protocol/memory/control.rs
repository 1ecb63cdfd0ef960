//! The control block: what lies in the last 320 bytes of a segment, and how the rest is divided.
//!
//! `FORMAT.md` describes the same bytes for programmers in other languages; `contract.rs`
//! compares the two.

use super::atomics::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use crate::home::file::{BLOCK, slot_size};

/// Copies, rooms and the control block begin on multiples of this, so that they share no cache
/// line.
pub(crate) const LINE: usize = 64;

/// What a segment is made to fill, unless its creator asks for a capacity. It decides on sizes that
/// processes must agree on, so it stays where pages are larger.
const PAGE: usize = 4096;

/// `SHMBOX\x1a\n` in the byte order of the machine.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"SHMBOX\x1a\n");

/// Slots of a new segment, unless it is asked for another number. With two tags that makes 250
/// semaphores: kernels before 3.17 allow no more in a set unless told otherwise.
pub(crate) const SLOTS: u16 = 248;

/// The most slots that the lock's word can name.
pub(crate) const MOST_SLOTS: u16 = 1022;

/// The version of the format that this library reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// Writers without the protocol were announced: they store to the payload at any time.
pub(crate) const RAW_WRITERS: u32 = 1 << 0;

/// Every commit wakes, for waiters that can't announce themselves.
pub(crate) const ALWAYS_NOTIFY: u32 = 1 << 1;

/// Two snapshots for the disk lie before the records: of files alone.
pub(crate) const SNAPSHOTS: u32 = 1 << 2;

/// It is a table: the payload has rows.
pub(crate) const TABLE: u32 = 1 << 3;

/// A row whose owner has died is freed by the first process that notices, and its value with it.
pub(crate) const FREE_ON_DEATH: u32 = 1 << 4;

/// The rows have counters, and each of these a base for each row.
pub(crate) const COUNTERS: u32 = 1 << 5;

/// All flags that there are; an attacher refuses others.
pub(crate) const KNOWN_FLAGS: u32 =
    RAW_WRITERS | ALWAYS_NOTIFY | SNAPSHOTS | TABLE | FREE_ON_DEATH | COUNTERS;

/// The most rows that a table may have.
pub(crate) const MOST_ROWS: u32 = 1 << 20;

/// Bytes of a row's words: rows share no cache line.
pub(crate) const ROW_WORDS: usize = LINE;

/// The range word when the last commit may have changed any byte.
pub(in crate::protocol) const EVERYTHING: u64 = 0;

/// The last bytes of a segment. Nothing but atomics, the reserve too: peers may write there.
/// Fixed-width words with explicit places; one cache line for each kind of traffic.
#[repr(C, align(64))]
pub(crate) struct Control {
    // Line 0: who we are. Written at birth, before `state` says ready, and never again.
    pub(crate) magic: AtomicU64,
    pub(crate) format: AtomicU32,
    pub(crate) flags: AtomicU32,
    /// Bytes reserved for each copy of the payload.
    pub(crate) capacity: AtomicU64,
    /// Bytes reserved for each schema room.
    pub(crate) room: AtomicU64,
    /// Tells two lives of one key apart. Stored by exchange of 0 as soon as there is a newborn.
    pub(crate) unique: AtomicU64,
    /// How many slots there are.
    pub(crate) slots: AtomicU32,
    /// Of a table: how many rows there are.
    pub(crate) rows: AtomicU32,
    _line0: [AtomicU32; 4],

    // Line 1: how to join. Used already before the segment is ready.
    /// Id of the slots' semaphore set + 1; 0: none installed yet.
    pub(crate) set: AtomicU32,
    /// Counts claims of slots; the number of each goes into its word.
    pub(crate) claims: AtomicU32,
    /// How many sets were put in the place of lost ones. If any, a semaphore of 0 says nothing of a
    /// claimant that may have claimed under another set.
    pub(crate) replaced: AtomicU32,
    /// Of a file: 1 + the snapshot that was written last; 0: none.
    pub(crate) durable: AtomicU32,
    /// Of a file: the start of the machine, and the very file, that the live value belongs to.
    pub(crate) life: AtomicU64,
    /// Of a table: how many rows were claimed so far; the number of each claim is in its row.
    pub(crate) ids: AtomicU64,
    _line1: [AtomicU32; 8],

    // Line 2: what readers read.
    /// The sequence, see `latch.rs`.
    pub(crate) seq: AtomicU64,
    /// Life and schema generation, see [`State`].
    pub(crate) state: AtomicU32,
    _line2a: AtomicU32,
    /// What the last commit changed: offset in the low half, length in the high half; 0 is
    /// everything.
    pub(crate) range: AtomicU64,
    _line2b: [AtomicU32; 10],

    // Line 3: what writers fight for.
    /// The lock, see `lock.rs`.
    pub(crate) lock: AtomicU32,
    _line3: [AtomicU32; 15],

    // Line 4: what waiters write.
    /// The highest version that a waiter sleeps for, see `wait.rs`.
    pub(crate) awaited: AtomicU64,
    _line4: [AtomicU32; 14],
}

/// Bytes of the control block.
pub(crate) const CONTROL: usize = 320;

#[cfg(not(all(test, loom)))]
const _: () = assert!(size_of::<Control>() == CONTROL);

/// Whether that many bytes, from a page's first on, may end in a control block: it is within them, and aligned.
pub(crate) fn may_end_in_control(size: usize) -> bool {
    size >= CONTROL && size % LINE == 0
}

/// The word that every call compares with what it expects.
///
/// | bits | meaning |
/// |---|---|
/// | 0..8 | life: 0 newborn (nothing else is valid yet), 1 ready, 2 removed (a tombstone), 3 reserved, 4 adopted (a newborn around a value that stands already) |
/// | 8..32 | generation of the schema: 0 is room 0; each change in place adds 1 and moves to the other room |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(pub(crate) u32);

impl State {
    /// What the kernel's zeros say.
    pub(crate) const NEWBORN: State = State(0);
    /// Ready, with the schema of birth.
    pub(crate) const READY: State = State(1);
    const REMOVED: u32 = 2;
    /// Another program made the segment, and its value stands in the payload.
    pub(crate) const ADOPTED: State = State(4);

    /// The state that `word` says. If it is ready, all that its birth wrote is seen from here on.
    pub(crate) fn look(word: &AtomicU32) -> State {
        let state = State(word.load(Relaxed));
        // Pairs with the release store in `declare_ready`. No acquire load: this may be a read-only
        // page, see `latch.rs`.
        fence(Acquire);
        state
    }

    /// Ends the birth of a newborn that `self` says: header, schema and copies are written.
    /// `false`: it has been given up meanwhile.
    pub(crate) fn declare_ready(self, word: &AtomicU32) -> bool {
        // Release pairs with the acquire fence in `look`.
        word.compare_exchange(self.0, State::READY.0, Release, Relaxed)
            .is_ok()
    }

    /// Whether the segment has been made ready and not been removed.
    pub(crate) fn is_ready(self) -> bool {
        self.0 & 0xff == 1
    }

    /// Whether the tombstone stands.
    pub(crate) fn is_removed(self) -> bool {
        self.0 & 0xff == State::REMOVED
    }

    /// This state with the tombstone in it.
    pub(crate) fn removed(self) -> State {
        State(self.0 & !0xff | State::REMOVED)
    }

    /// This state with the next generation in it, which is in the other room.
    pub(in crate::protocol) fn succeeded(self) -> State {
        State(self.0 & 0xff | (self.0 >> 8).wrapping_add(1) << 8)
    }

    /// The first state of another life: of the generation behind that of `last`, whatever that says.
    pub(in crate::protocol) fn after(self, last: State) -> State {
        State(self.0 & 0xff | last.succeeded().0 & !0xff)
    }

    /// Which schema room is in force.
    pub(crate) fn room(self) -> usize {
        (self.0 >> 8) as usize % 2
    }
}

/// How a segment is divided: `[payload][mirror 0][mirror 1][room 0][room 1][records][control block]`. A file may have two
/// snapshots before the records, each on blocks of its own; a table has the rows' words there.
///
/// The payload of a table, and so each mirror, has its rows one behind the other, `capacity` bytes each, and then the
/// template. That of a box has the value: a box is laid out like a table without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of each of the three copies of a value: the payload's, or a row's.
    pub(crate) capacity: usize,
    /// Bytes of each of the two schema rooms.
    pub(crate) room: usize,
    /// How many slots there are, each with a record of 8 bytes.
    pub(crate) slots: u16,
    /// Whether there are snapshots.
    pub(crate) snapshots: bool,
    /// How many rows there are; 0: a box.
    pub(crate) rows: u32,
    /// Whether the rows have counters: then bases lie behind the mirrors, like one more copy.
    pub(crate) counters: bool,
}

impl Geometry {
    /// Room for `payload` bytes and a schema of `schema` bytes, rounded up to whole lines; `None`
    /// if that is more than a process can address.
    pub(crate) fn for_sizes(payload: usize, schema: usize, slots: u16) -> Option<Geometry> {
        let capacity = payload.checked_next_multiple_of(LINE)?;
        let room = schema.checked_next_multiple_of(LINE)?;
        let geometry = Geometry {
            capacity,
            room,
            slots,
            snapshots: false,
            rows: 0,
            counters: false,
        };
        geometry.total().map(|_| geometry)
    }

    /// The same as a table.
    pub(crate) fn with_rows(self, rows: u32, counters: bool) -> Option<Geometry> {
        let geometry = Geometry {
            rows,
            counters,
            ..self
        };
        geometry.total().map(|_| geometry)
    }

    /// The same with snapshots.
    pub(crate) fn with_snapshots(self) -> Option<Geometry> {
        let geometry = Geometry {
            snapshots: true,
            ..self
        };
        geometry.total().map(|_| geometry)
    }

    /// The same, with the payload grown to what the segment's last page has left: room for later
    /// versions that costs nothing.
    ///
    /// The total is no multiple of [`PAGE`], as other programs' segments mostly are: that tells them
    /// from those that were made for [adoption](crate::protocol::life::adoption).
    pub(crate) fn filling(payload: usize, schema: usize, slots: u16) -> Option<Geometry> {
        let least = Geometry::for_sizes(payload, schema, slots)?;
        let filled = least.total()?.checked_add(LINE)?;
        let filled = filled.checked_next_multiple_of(PAGE)? - LINE;
        let copy = (filled - least.fixed()?) / 3;
        Geometry::for_sizes(copy / LINE * LINE, schema, slots)
    }

    /// Bytes of the records, rounded up to whole lines.
    pub(crate) fn records(self) -> usize {
        (usize::from(self.slots) * size_of::<u64>()).next_multiple_of(LINE)
    }

    /// Bytes of the words of all rows.
    fn row_words(self) -> usize {
        self.rows as usize * ROW_WORDS
    }

    /// Bytes of one copy of the payload: of a table, of the rows and the template.
    fn payload(self) -> Option<usize> {
        self.capacity.checked_mul(self.rows as usize + 1)
    }

    /// Bytes of a segment besides the copies of the payload, and the bases.
    fn fixed(self) -> Option<usize> {
        let rooms = self.room.checked_mul(2)?;
        let beside = self.row_words() + self.records() + CONTROL;
        rooms.checked_add(beside)
    }

    /// Bytes of the whole segment.
    pub(crate) fn total(self) -> Option<usize> {
        let copies = self
            .payload()?
            .checked_mul(3 + usize::from(self.counters))?;
        let mut total = copies.checked_add(self.fixed()?)?;
        if self.snapshots {
            let before = copies.checked_add(self.room.checked_mul(2)?)?;
            let slots = slot_size(self.room, self.capacity)?.checked_mul(2)?;
            let pad = before.checked_next_multiple_of(BLOCK)? - before;
            total = total.checked_add(slots)?.checked_add(pad)?;
        }
        (total <= isize::MAX as usize).then_some(total)
    }

    /// Where the first snapshot begins, and how many bytes each has.
    pub(crate) fn snapshots(self) -> Option<(usize, usize)> {
        let size = self
            .snapshots
            .then(|| slot_size(self.room, self.capacity))??;
        let before = self.capacity * 3 + self.room * 2;
        Some((before.next_multiple_of(BLOCK), size))
    }

    /// The division that a control block claims, if it fits a segment of `size` bytes exactly.
    pub(crate) fn verified(
        capacity: u64,
        room: u64,
        slots: u32,
        flags: u32,
        rows: u32,
        size: usize,
    ) -> Option<Geometry> {
        let snapshots = flags & SNAPSHOTS != 0;
        let geometry = Geometry {
            capacity: capacity.try_into().ok()?,
            room: room.try_into().ok()?,
            slots: slots.try_into().ok()?,
            snapshots,
            rows,
            counters: flags & COUNTERS != 0,
        };
        let aligned = geometry.capacity % LINE == 0 && geometry.room % LINE == 0;
        let present = geometry.capacity > 0 && geometry.room > 0;
        let nameable = (1..=MOST_SLOTS).contains(&geometry.slots);
        let few = rows <= MOST_ROWS && !(snapshots && rows > 0) && (rows > 0 || !geometry.counters);
        let right = aligned && present && nameable && few;
        (right && geometry.total() == Some(size)).then_some(geometry)
    }

    /// Where a row begins in each copy of the payload, or behind the last one the template: of a box, the value.
    pub(crate) fn row(self, index: u32) -> usize {
        self.capacity * index as usize
    }

    /// Where mirror `index` (0 or 1) begins, or behind them whatever comes next.
    pub(crate) fn mirror(self, index: usize) -> usize {
        self.row(self.rows + 1) * (1 + index)
    }

    /// Where schema room `index` (0 or 1) begins.
    pub(crate) fn schema_room(self, index: usize) -> usize {
        self.mirror(2 + usize::from(self.counters)) + self.room * index
    }

    /// Where the rows' words begin.
    pub(crate) fn row_words_at(self) -> usize {
        self.schema_room(2)
    }

    /// Where the slots' records begin.
    pub(crate) fn records_at(self) -> usize {
        match self.snapshots() {
            Some((at, size)) => at + 2 * size,
            None => self.row_words_at() + self.row_words(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_segment_fills_the_pages_that_it_takes_and_no_more() {
        let sizes =
            (1..20_000).chain((1..usize::BITS * 5 / 8).map(|power| 1_usize.rotate_left(power) + 1));
        for payload in sizes {
            for room in [1024, 1088, 4800] {
                let least = Geometry::for_sizes(payload, room, SLOTS).expect("it is small");
                let filling = Geometry::filling(payload, room, SLOTS).expect("it is small");
                let (Some(needed), Some(total)) = (least.total(), filling.total()) else {
                    panic!("both are small");
                };
                assert!(filling.capacity >= payload, "{payload}");
                assert_eq!((filling.capacity % LINE, filling.room), (0, least.room));
                assert_ne!(total % PAGE, 0, "{payload}: like a stranger's");
                // A segment that fills its pages to the last byte takes one more.
                assert_eq!(total.div_ceil(PAGE), (needed + LINE).div_ceil(PAGE));
                let unused = total.next_multiple_of(PAGE) - total;
                assert!(unused <= LINE + 2 * LINE, "{payload}: {unused}");
            }
        }
    }

    #[test]
    fn no_size_makes_the_division_wrap_around() {
        for size in [usize::MAX, usize::MAX / 2, isize::MAX as usize / 2] {
            assert_eq!(Geometry::filling(size, 1024, SLOTS), None);
            assert_eq!(Geometry::filling(64, size, SLOTS), None);
        }
    }

    /// A creator that fails sets the tombstone while another process, which ends its birth, is about
    /// to declare it ready.
    #[test]
    fn a_newborn_that_was_given_up_is_not_declared_ready() {
        for newborn in [State::NEWBORN, State::ADOPTED] {
            let word = AtomicU32::new(newborn.0);
            assert!(newborn.declare_ready(&word));
            assert_eq!(State::look(&word), State::READY);
            assert!(!newborn.declare_ready(&word), "another process was faster");
            let tombstone = newborn.removed();
            word.store(tombstone.0, Relaxed);
            assert!(!newborn.declare_ready(&word));
            assert_eq!(State::look(&word), tombstone, "the tombstone stays");
        }
    }
}
