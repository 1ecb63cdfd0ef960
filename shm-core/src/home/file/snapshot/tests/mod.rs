//! Slots as they are, as a power loss leaves them, and as a hostile peer writes them.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

use proptest::prelude::*;

use super::*;
use crate::format_tables::{section, table};

const UNIQUE: u64 = 0x1234_5678_9abc_def0;
const SECTOR: usize = 512;

fn snapshot(version: u64, schema: &'static [u8], value: &[u8]) -> Vec<u8> {
    let snapshot = Snapshot {
        unique: UNIQUE,
        version,
        schema,
        value,
    };
    snapshot.encode()
}

fn version_of(bytes: &[u8]) -> Option<u64> {
    let mut bytes = bytes.to_vec();
    Snapshot::decode(&mut bytes, UNIQUE).map(|found| found.version)
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut bytes = snapshot(7, b"schema", b"the value");
    assert_eq!(bytes.len(), HEADER + 6 + 9);
    // A slot is longer than what stands in it.
    bytes.resize(slot_size(6, 9).unwrap(), 0xee);
    assert_eq!(version_of(&bytes), Some(7));
    let found = Snapshot::decode(&mut bytes, UNIQUE).unwrap();
    assert_eq!(
        (found.schema, found.value),
        (&b"schema"[..], &b"the value"[..])
    );
    let mut bytes = snapshot(7, b"schema", b"the value");
    assert_eq!(
        Snapshot::decode(&mut bytes, UNIQUE + 1),
        None,
        "another life"
    );
    assert_eq!(Snapshot::decode(&mut [], UNIQUE), None);
    assert_eq!(version_of(&[0; 4096]), None, "a slot of birth");
    assert_eq!(slot_size(usize::MAX, 1), None);
    assert_eq!(slot_size(1, usize::MAX / 2), None);
}

#[test]
fn a_snapshot_lies_as_the_format_says() {
    let bytes = snapshot(7, b"schema", b"the value");
    let mut blank = bytes.clone();
    blank[HEADER - 8..HEADER].fill(0);
    let rows = table("Snapshots");
    for row in &rows {
        let at: usize = row[0].parse().unwrap();
        let wanted = match row[2].split([' ', ',']).take(4).collect::<Vec<_>>()[..] {
            ["the", "bytes", text, ..] => {
                assert_eq!(text, format!("`{}`", b"SHMSNAP\n".escape_ascii()));
                b"SHMSNAP\n".to_vec()
            }
            ["*unique*", ..] => UNIQUE.to_ne_bytes().to_vec(),
            ["the", "version", ..] => 7_u64.to_ne_bytes().to_vec(),
            ["how", "many", "bytes", "of"] if row[2].contains("schema") => {
                6_u64.to_ne_bytes().to_vec()
            }
            ["how", "many", "bytes", "of"] => 9_u64.to_ne_bytes().to_vec(),
            ["0"] => vec![0; 8],
            ["XXH64", "with", "seed", "0"] => checksum(&blank).to_ne_bytes().to_vec(),
            ["the", "schema", ..] => b"schemathe value".to_vec(),
            _ => panic!("a word that this test does not know: {row:?}"),
        };
        assert_eq!(bytes[at..at + wanted.len()], wanted, "{row:?}");
    }
    assert_eq!(rows.len(), 9);
    let text = section("Snapshots");
    assert!(text.contains("the least multiple of 4096 bytes that holds 64 + S + C"));
    assert_eq!(
        [(6, 4026), (6, 4027)].map(|(s, c)| slot_size(s, c)),
        [Some(4096), Some(8192)]
    );
}

#[test]
fn each_bit_counts() {
    let whole = snapshot(7, b"schema", b"the value");
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(version_of(&bytes), None, "bit {bit}");
    }
    for len in 0..whole.len() {
        assert_eq!(version_of(&whole[..len]), None, "{len} bytes");
    }
}

/// A writer of whole values that each tell their version, on a disk that has, at a power loss, any mixture of the sectors that
/// were there and those that were on their way.
struct Disk {
    slots: [Vec<u8>; 2],
    /// Which slot `persist` has answered for last.
    durable: usize,
}

impl Disk {
    fn value(version: u64, len: usize) -> Vec<u8> {
        let word = version.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes();
        word.iter().copied().cycle().take(len).collect()
    }

    /// Writes a snapshot; `fate` says for each sector, by a bit, whether it got to the disk. Returns whether all did.
    fn write(&mut self, version: u64, len: usize, fate: &[u64]) -> bool {
        let bytes = snapshot(version, b"of a schema", &Disk::value(version, len));
        let slot = 1 - self.durable;
        let arrives = |sector: usize| fate[sector / 64 % fate.len()] >> (sector % 64) & 1 != 0;
        let mut whole = true;
        for (sector, new) in bytes.chunks(SECTOR).enumerate() {
            if arrives(sector) {
                self.slots[slot][sector * SECTOR..][..new.len()].copy_from_slice(new);
            } else {
                whole = false;
            }
        }
        whole
    }

    /// The version and the bytes of the value that are found afterwards.
    fn recover(&self) -> Option<(u64, Vec<u8>)> {
        let [mut one, mut two] = self.slots.clone();
        let (_, found) = newest([&mut one, &mut two], UNIQUE)?;
        Some((found.version, found.value.to_vec()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Each round: some that succeed, some that fail (and are tried anew, into the same slot), and a power loss in the last.
    #[test]
    fn after_a_power_loss_the_value_is_the_newest_persisted_one_and_whole(
        len in 8_usize..6_000,
        rounds in prop::collection::vec(
            prop_oneof![Just(vec![u64::MAX]), prop::collection::vec(any::<u64>(), 1..3)],
            1..12,
        ),
    ) {
        let size = slot_size(11, len).unwrap();
        let mut disk = Disk { slots: [vec![0; size], vec![0; size]], durable: 1 };
        prop_assert!(disk.write(1, len, &[u64::MAX]), "at birth");
        disk.durable = 0;
        let mut answered = 1;
        for (round, fate) in rounds.iter().enumerate() {
            let version = round as u64 + 2;
            let whole = disk.write(version, len, fate);
            // A power loss now.
            let (found, value) = disk.recover().unwrap();
            prop_assert!(found == version || found == answered, "{found} is neither {version} nor {answered}");
            prop_assert!(found >= answered && (found == version) == whole);
            prop_assert_eq!(value, Disk::value(found, len));
            if whole {
                answered = version;
                disk.durable = 1 - disk.durable;
            }
        }
    }

    #[test]
    fn any_bytes_are_taken(mut bytes in prop::collection::vec(any::<u8>(), 0..300), words in any::<[u64; 8]>(), whole in any::<bool>()) {
        for (at, word) in words.iter().enumerate() {
            if let Some(place) = bytes.get_mut(at * 8..at * 8 + 8) {
                place.copy_from_slice(&word.to_ne_bytes());
            }
        }
        if let Some(place) = bytes.get_mut(..16) {
            place[..8].copy_from_slice(&MAGIC.to_ne_bytes());
            place[8..].copy_from_slice(&UNIQUE.to_ne_bytes());
        }
        if let Some(reserved) = bytes.get_mut(40..56).filter(|_| whole) {
            reserved.fill(0);
        }
        prop_assert_eq!(version_of(&bytes), None);
    }
}
