//! The same below a real file system: a log of every block that is written, replayed up to a random instant, of whose last writes
//! a random part is lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use shm_tests::Folder;

const CRASHES: u32 = 200;
const SECTOR: usize = 512;
const IMAGE: u64 = 24 << 20;

/// Makes a file system on a disk whose writes are logged, and lets the program `durable` write to a file on it.
const RECORD: &str = r#"
mount --make-rprivate /
cd "$DIR"
truncate -s 24M disk.img; truncate -s 0 log.img; touch exported.img; mkdir mnt
qemu-storage-daemon --blockdev driver=file,node-name=d,filename=disk.img --blockdev driver=file,node-name=l,filename=log.img \
    --blockdev driver=blklogwrites,node-name=w,file=d,log=l,log-sector-size=512,log-append=off \
    --export type=fuse,id=e,node-name=w,mountpoint=$PWD/exported.img,writable=on & daemon=$!
trap 'umount mnt || true; losetup -d $loop || true; kill $daemon; wait' EXIT
until [ "$(stat -c %s exported.img)" -gt 0 ]; do sleep 0.05; kill -0 $daemon; done
loop=$(losetup -f --show exported.img)
mkfs.ext4 -q -F -b 4096 $loop
mount $loop mnt
"$PROGRAM" write mnt/value 60 log.img
"#;

/// Lets the program write to a file on a disk, of which sector `$SECTOR` takes nothing.
const FAIL: &str = r#"
mount --make-rprivate /
cd "$DIR"
touch exported.img
qemu-storage-daemon --blockdev driver=file,node-name=d,filename=crashed.img \
    --blockdev driver=blkdebug,node-name=w,image=d,inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.errno=5,inject-error.0.once=off,inject-error.0.sector=$SECTOR \
    --export type=fuse,id=e,node-name=w,mountpoint=$PWD/exported.img,writable=on & daemon=$!
trap 'umount mnt || true; losetup -d $loop || true; kill $daemon; wait' EXIT
until [ "$(stat -c %s exported.img)" -gt 0 ]; do sleep 0.05; kill -0 $daemon; done
loop=$(losetup -f --show exported.img)
mount $loop mnt
"$PROGRAM" fail mnt/value || true
"#;

/// Makes a file whose snapshots hold versions 4 and 7.
const PREPARE: &str = r#"
mount --make-rprivate /
cd "$DIR"
truncate -s 24M crashed.img; mkdir mnt
loop=$(losetup -f --show crashed.img)
trap 'umount mnt || true; losetup -d $loop' EXIT
mkfs.ext4 -q -F -b 4096 $loop
mount $loop mnt
"$PROGRAM" write mnt/value 2 crashed.img
"#;

/// Looks what is in a crashed image, as if the machine had been started again.
const LOOK: &str = r#"
mount --make-rprivate /
cd "$DIR"
echo 12345678-1234-4234-8234-123456789abc > boot_id
mount --bind boot_id /proc/sys/kernel/random/boot_id
loop=$(losetup -f --show crashed.img)
trap 'umount mnt || true; losetup -d $loop' EXIT
mount -t ext4 $loop mnt || { echo unmountable; exit 0; }
"$PROGRAM" look mnt/value
"#;

fn script(text: &str, folder: &Folder) -> Option<String> {
    script_about(text, folder, 0)
}

fn script_about(text: &str, folder: &Folder, sector: usize) -> Option<String> {
    let output = Command::new("unshare")
        .env("SECTOR", sector.to_string())
        .args(["-m", "bash", "-ec", text])
        .env("DIR", folder.path())
        .env("PROGRAM", env!("CARGO_BIN_EXE_durable"))
        .stderr(Stdio::piped())
        .output()
        .ok()?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A write of the log: where in the log it ends, its first sector, whether what was written before is on the disk, and its bytes.
struct Write {
    end: usize,
    sector: usize,
    flushes: bool,
    bytes: Vec<u8>,
}

/// The entries of a log of `dm-log-writes`: a sector of the log each, and their bytes behind it.
fn parse(log: &[u8]) -> Vec<Write> {
    let word = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().unwrap()) as usize;
    let entries = word(16);
    let mut at = SECTOR;
    (0..entries)
        .map(|_| {
            let (sector, count, flags) = (word(at), word(at + 8), word(at + 16));
            at += SECTOR;
            let mut bytes = Vec::new();
            // Not of a discard.
            if flags & 4 == 0 {
                bytes = log[at..at + count * SECTOR].to_vec();
                at += count * SECTOR;
            }
            let flushes = flags & 1 != 0;
            Write {
                end: at,
                sector,
                flushes,
                bytes,
            }
        })
        .collect()
}

#[test]
fn two_hundred_replayed_crashes_lose_and_mix_nothing() {
    let folder = Folder::in_memory();
    let Some(told) = script(RECORD, &folder) else {
        eprintln!("SKIPPED: it takes root, qemu-storage-daemon, FUSE and a loop device");
        return;
    };
    // "VERSION LENGTH": that version was persisted when the log had that length.
    let answered: Vec<(u64, usize)> = told
        .lines()
        .map(|line| {
            let (version, length) = line.split_once(' ').unwrap();
            (version.parse().unwrap(), length.parse().unwrap())
        })
        .collect();
    let log = parse(&fs::read(folder.file("log.img")).unwrap());
    let first = log
        .iter()
        .position(|write| write.end >= answered[0].1)
        .unwrap();
    let mut dice = 0x5eed_u64;
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % sides as u64) as usize
    };
    // What follows is the end of the file system.
    let last = answered.last().unwrap().1;
    let last = log.iter().rposition(|write| write.end <= last).unwrap();
    assert!(last > first, "nothing was waited for");
    let (mut newer, mut unmountable) = (0, 0);
    for number in 0..CRASHES {
        let cut = first + 1 + roll(last - first);
        crash(&folder.file("crashed.img"), &log[..cut], &mut roll);
        let end = log[cut - 1].end;
        let least = answered.iter().rev().find(|(_, length)| *length <= end);
        let least = least.map_or(1, |(version, _)| *version);
        let found = script(LOOK, &folder).unwrap_or_else(|| panic!("crash {number} at {cut}"));
        if found.trim() == "unmountable" {
            unmountable += 1;
            continue;
        }
        let found: u64 = found.trim().parse().unwrap();
        assert!(
            found >= least,
            "crash {number}: {found} is older than {least}, which was persisted"
        );
        newer += u32::from(found > least);
    }
    eprintln!(
        "{CRASHES} crashes: {newer} with a newer value than was answered for, {unmountable} that the file system did not outlive"
    );
    assert!(unmountable < CRASHES / 10);
}

/// Makes the disk after all that a flush has followed, and a random part, in random order, of the sectors after that.
fn crash(path: &Path, log: &[Write], roll: &mut impl FnMut(usize) -> usize) {
    let _ = fs::remove_file(path);
    let image = fs::File::create_new(path).unwrap();
    image.set_len(IMAGE).unwrap();
    let put = |sector: usize, bytes: &[u8]| {
        let at = (sector * SECTOR) as u64;
        image.write_all_at(bytes, at).unwrap();
    };
    let flushed = log.iter().rposition(|write| write.flushes).unwrap_or(0);
    for write in &log[..flushed] {
        put(write.sector, &write.bytes);
    }
    let mut sectors: Vec<(usize, &[u8])> = log[flushed..]
        .iter()
        .flat_map(|write| (write.sector..).zip(write.bytes.chunks(SECTOR)))
        .collect();
    let kept = roll(sectors.len() + 1);
    for place in 0..kept {
        let other = place + roll(sectors.len() - place);
        sectors.swap(place, other);
        put(sectors[place].0, sectors[place].1);
    }
}

/// The sectors of a disk at which a snapshot begins, by its version.
fn snapshots(disk: &[u8]) -> BTreeMap<u64, usize> {
    let sectors = disk.chunks(SECTOR).enumerate();
    let snapshots = sectors.filter(|(_, sector)| sector.starts_with(b"SHMSNAP\n"));
    let version = |sector: &[u8]| u64::from_ne_bytes(sector[16..24].try_into().unwrap());
    snapshots
        .map(|(number, sector)| (version(sector), number))
        .collect()
}

#[test]
fn a_disk_that_fails_leaves_the_old_snapshot_and_is_tried_anew() {
    let folder = Folder::in_memory();
    if script(PREPARE, &folder).is_none() {
        eprintln!("SKIPPED: it takes root and a loop device");
        return;
    }
    let image = folder.file("crashed.img");
    let found = snapshots(&fs::read(&image).unwrap());
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [4, 7]);
    // In the middle of the one that is written next.
    let bad = found[&4] + 5;
    let Some(told) = script_about(FAIL, &folder, bad) else {
        eprintln!("SKIPPED: it takes qemu-storage-daemon and FUSE");
        return;
    };
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    for (line, version) in lines.iter().zip([8, 9]) {
        assert!(
            line.starts_with(&format!("{version} is not: ")) && line.contains("the disk failed"),
            "{line}"
        );
    }
    assert_eq!(script(LOOK, &folder).unwrap().trim(), "7");
    // The disk is well again.
    let told = script_about(FAIL, &folder, IMAGE as usize / SECTOR + 1).unwrap();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        ["8 is durable", "9 is durable"]
    );
    assert_eq!(script(LOOK, &folder).unwrap().trim(), "9");
}
