//! What a peer with write access can do to a segment and to its semaphores.

use std::fmt;
use std::str::FromStr;

use shm_core::Key;
use shm_core::sysv::{Mode, sem, shm};

use crate::{Memory, NOBODY};

/// Words of the control block, by their distance from the end of the segment, and how many bytes
/// each has.
const WORDS: [(&str, usize, usize); 15] = [
    ("magic", 320, 8),
    ("format", 312, 4),
    ("flags", 308, 4),
    ("capacity", 304, 8),
    ("room", 296, 8),
    ("unique", 288, 8),
    ("set", 256, 4),
    ("claims", 252, 4),
    ("seq", 192, 8),
    ("state", 184, 4),
    ("range", 176, 8),
    ("lock", 128, 4),
    ("awaited", 64, 8),
    ("slots", 280, 4),
    ("the last slot's record", 384, 8),
];

/// One stroke. `Display` and `FromStr` carry it to another process.
#[derive(Clone, Debug, PartialEq)]
pub enum Stroke {
    /// A byte anywhere, counted from the start and around the end.
    Byte(u32, u8),
    /// A bit in the schema rooms or the control block.
    Flip(u32),
    /// A word of the control block, by its index in the table above.
    Word(usize, u64),
    /// A word of the header of schema room 0 or 1 (fingerprint, size, length), 0 to 5.
    Room(usize, u64),
    /// `SETVAL` on a slot.
    Semaphore(u16, u16),
    /// The set is gone.
    RemoveSet,
    /// The set is given to another user.
    GiveSetAway,
    /// The segment names another set: one with a key, another user's, or one like its own.
    OtherSet(u8),
    /// `IPC_RMID` without a tombstone.
    RemoveSegment,
}

impl fmt::Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stroke::Byte(at, value) => write!(f, "byte {at} {value}"),
            Stroke::Flip(bit) => write!(f, "flip {bit} 0"),
            Stroke::Word(index, value) => write!(f, "word {index} {value}"),
            Stroke::Room(index, value) => write!(f, "room {index} {value}"),
            Stroke::Semaphore(index, value) => write!(f, "semaphore {index} {value}"),
            Stroke::RemoveSet => write!(f, "remove-set 0 0"),
            Stroke::GiveSetAway => write!(f, "give-set-away 0 0"),
            Stroke::OtherSet(kind) => write!(f, "other-set {kind} 0"),
            Stroke::RemoveSegment => write!(f, "remove-segment 0 0"),
        }
    }
}

impl FromStr for Stroke {
    type Err = String;

    fn from_str(line: &str) -> Result<Stroke, String> {
        let mut parts = line.split(' ');
        let name = parts.next().unwrap_or_default();
        let mut number = || {
            let number = parts.next().and_then(|part| part.parse::<u64>().ok());
            number.ok_or_else(|| format!("no stroke: {line:?}"))
        };
        let (a, b) = (number()?, number()?);
        Ok(match name {
            "byte" => Stroke::Byte(a as u32, b as u8),
            "flip" => Stroke::Flip(a as u32),
            "word" => Stroke::Word(a as usize, b),
            "room" => Stroke::Room(a as usize, b),
            "semaphore" => Stroke::Semaphore(a as u16, b as u16),
            "remove-set" => Stroke::RemoveSet,
            "give-set-away" => Stroke::GiveSetAway,
            "other-set" => Stroke::OtherSet(a as u8),
            "remove-segment" => Stroke::RemoveSegment,
            _ => return Err(format!("no stroke: {line:?}")),
        })
    }
}

/// A peer with its own attachment to a segment and all rights on its semaphores.
#[derive(Debug)]
pub struct Attacker {
    memory: Memory,
    /// Where the schema rooms begin, and how long each is.
    rooms: (usize, usize),
    set: sem::Id,
    others: [sem::Id; 3],
}

impl Attacker {
    /// Attaches a segment that is in order, and makes the sets that it will be told to name.
    ///
    /// # Panics
    ///
    /// If it is not in order.
    pub fn new(id: shm::Id) -> Attacker {
        let memory = Memory::attach(id);
        let control = memory.len() - 320;
        let word = |from_end: usize| {
            let bytes = memory.read(memory.len() - from_end, 4);
            u32::from_ne_bytes(bytes.try_into().expect("four were asked for"))
        };
        let (room, set) = (word(296) as usize, word(256) as i32 - 1);
        let new = |key, count| {
            sem::get(key, count, sem::GetFlags::CREATE, Mode::new(0o600)).expect("sets can be made")
        };
        let keyed = new(Key::new(0x5e7), 250);
        let (given, like) = (new(Key::PRIVATE, 250), new(Key::PRIVATE, 7));
        // Without the right to give it away it is one more like its own.
        let _ = sem::set(given, NOBODY, NOBODY, Mode::new(0o666));
        Attacker {
            rooms: (control - 2 * room, room),
            memory,
            set: sem::Id::from_raw(set),
            others: [keyed, given, like],
        }
    }

    /// One of the words of the table: a value that it might have, chosen by `pick`.
    pub fn plausible(&self, index: usize, pick: u64) -> u64 {
        let len = self.memory.len() as u64;
        let sizes = [
            0,
            1,
            63,
            64,
            65,
            128,
            1024,
            len,
            len - 320,
            len - 321,
            len / 2,
            len / 3 / 64 * 64,
            u64::MAX,
            u64::MAX - 63,
            1 << 63,
            (1 << 63) - 64,
            u64::MAX / 3,
            u64::MAX / 3 + 1,
            u64::from(u32::MAX),
            1 << 32,
        ];
        let small = pick >> 8;
        match WORDS[index % WORDS.len()].0 {
            "capacity" | "room" => sizes[small as usize % sizes.len()],
            "seq" | "awaited" => [small % 16, u64::MAX - small % 16, small][small as usize % 3],
            "state" => {
                [0, 1, 2, 3, 4, 0x101, 0x103, 0x201, 0xffff_ff01, small][small as usize % 10]
            }
            "lock" => [0, small % 252, small, 1 << 31 | small, 1023, 1 << 31][small as usize % 6],
            "flags" => small % 9,
            "format" => small % 3,
            "set" => u64::from(self.others[small as usize % 3].as_raw() as u32 + 1),
            _ => small,
        }
    }

    /// How many words the table has.
    pub fn words() -> usize {
        WORDS.len()
    }

    /// Does it.
    pub fn strike(&self, stroke: &Stroke) {
        let memory = &self.memory;
        match *stroke {
            Stroke::Byte(at, value) => memory.write(at as usize % memory.len(), &[value]),
            Stroke::Flip(bit) => {
                let span = memory.len() - self.rooms.0;
                let at = self.rooms.0 + bit as usize / 8 % span;
                memory.write(at, &[memory.read(at, 1)[0] ^ 1 << (bit % 8)]);
            }
            Stroke::Word(index, value) => {
                let (_, from_end, bytes) = WORDS[index % WORDS.len()];
                memory.store(memory.len() - from_end, value, bytes);
            }
            Stroke::Room(index, value) => {
                let room = self.rooms.0 + self.rooms.1 * (index / 3 % 2);
                memory.store(room + index % 3 * 8, value, 8);
            }
            Stroke::Semaphore(index, value) => {
                let _ = sem::set_value(self.set, index % 250, value % 32768);
            }
            Stroke::RemoveSet => {
                let _ = sem::remove(self.set);
            }
            Stroke::GiveSetAway => {
                let _ = sem::set(self.set, NOBODY, NOBODY, Mode::new(0o666));
            }
            Stroke::OtherSet(kind) => {
                let other = self.others[usize::from(kind) % 3].as_raw() as u32 + 1;
                memory.store(memory.len() - 256, u64::from(other), 4);
            }
            Stroke::RemoveSegment => {
                let _ = shm::remove(memory.id());
            }
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        for set in self.others.into_iter().chain([self.set]) {
            let _ = sem::remove(set);
        }
        let _ = shm::remove(self.memory.id());
    }
}
