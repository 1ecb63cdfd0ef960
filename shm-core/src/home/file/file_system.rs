//! On which file systems a file may be a home.

use std::fs::File;
use std::path::Path;

use super::error::Error;
use super::syscalls;

/// A file system whose locks are seen by every process that has the file, and whose mappings are shared by all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Whether it keeps nothing over a restart of the machine: then no boot but this one has seen the file.
    pub(super) volatile: bool,
    /// Whether a file may change its bytes' place when it is opened for writing (copy-up): what was mapped before sees no
    /// later store.
    pub(super) copies_up: bool,
}

// Number, name, and whether it is volatile: `include/uapi/linux/magic.h`; `statfs(2)`; OpenZFS's `include/sys/fs/zfs.h`.
const OVERLAY: u32 = 0x794c_7630;
const KNOWN: &[(u32, &str, bool)] = &[
    (0xef53, "ext", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683e, "btrfs", false),
    (0xf2f5_2010, "f2fs", false),
    (0x2fc1_2fc1, "zfs", false),
    (0xca45_1a4e, "bcachefs", false),
    (OVERLAY, "overlay", false),
    (0x0102_1994, "tmpfs", true),
    (0x8584_58f6, "ramfs", true),
];

/// Those that users meet, for words. On them a lock or a mapping ends at the machine, or `fsync` at a server.
const REFUSED: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x4d44, "FAT"),
    (0x2011_bab0, "exFAT"),
    (0x9584_58f6, "hugetlbfs"),
];

impl FileSystem {
    /// That of an open file.
    ///
    /// # Errors
    ///
    /// It is none of the known ones.
    pub(super) fn of(file: &File, path: &Path) -> Result<FileSystem, Error> {
        let magic = syscalls::file_system(file).map_err(|e| Error::of("fstatfs", path, &e))?;
        let known = KNOWN.iter().find(|(known, ..)| *known == magic);
        if let Some(&(_, _, volatile)) = known {
            let copies_up = magic == OVERLAY;
            return Ok(FileSystem {
                volatile,
                copies_up,
            });
        }
        let named = REFUSED.iter().find(|(refused, _)| *refused == magic);
        let name = named.map_or_else(
            || format!("of type {magic:#x}"),
            |(_, name)| (*name).to_owned(),
        );
        let cause = format!(
            "the file system is {name}: not every process would see the others' locks and stores there"
        );
        let hint = "name a path on a local file system (ext4, xfs, btrfs, f2fs, zfs, bcachefs, tmpfs): `stat -f` shows which it is";
        Err(Error::early("fstatfs", path, cause, hint))
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::tests::Scratch;

    #[test]
    fn proc_is_refused_in_words() {
        let path = Path::new("/proc/self/status");
        let error = FileSystem::of(&File::open(path).unwrap(), path).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("of type 0x9fa0") && text.contains("local file system"),
            "{text}"
        );
    }

    /// Of file systems that no machine of a test has, too: network file systems.
    #[test]
    fn each_has_the_number_that_the_kernel_gives_it() {
        let Ok(header) = std::fs::read_to_string("/usr/include/linux/magic.h") else {
            println!("SKIPPED: no header of the kernel has the numbers of file systems");
            return;
        };
        let defined = |name: &str| {
            let line = header
                .lines()
                .find(|line| line.split_whitespace().nth(1) == Some(name))?;
            let number = line.split_whitespace().nth(2)?.strip_prefix("0x")?;
            u32::from_str_radix(number, 16).ok()
        };
        let known = KNOWN.iter().map(|(magic, name, _)| (*magic, *name));
        let ours: Vec<_> = known.chain(REFUSED.iter().copied()).collect();
        let mut found = 0;
        for (constant, name) in [
            ("EXT4_SUPER_MAGIC", "ext"),
            ("XFS_SUPER_MAGIC", "xfs"),
            ("BTRFS_SUPER_MAGIC", "btrfs"),
            ("F2FS_SUPER_MAGIC", "f2fs"),
            ("OVERLAYFS_SUPER_MAGIC", "overlay"),
            ("TMPFS_MAGIC", "tmpfs"),
            ("RAMFS_MAGIC", "ramfs"),
            ("NFS_SUPER_MAGIC", "NFS"),
            ("SMB_SUPER_MAGIC", "SMB"),
            ("SMB2_SUPER_MAGIC", "SMB"),
            ("CIFS_SUPER_MAGIC", "CIFS"),
            ("FUSE_SUPER_MAGIC", "FUSE"),
            ("V9FS_MAGIC", "9p"),
            ("CEPH_SUPER_MAGIC", "Ceph"),
            ("AFS_SUPER_MAGIC", "AFS"),
            ("MSDOS_SUPER_MAGIC", "FAT"),
            ("EXFAT_SUPER_MAGIC", "exFAT"),
            ("HUGETLBFS_MAGIC", "hugetlbfs"),
        ] {
            // Older headers lack some.
            if let Some(magic) = defined(constant) {
                assert!(ours.contains(&(magic, name)), "{constant} {magic:#x}");
                found += 1;
            }
        }
        assert!(found >= 10, "{found}");
    }

    #[test]
    fn shared_memory_is_volatile() {
        let memory = Scratch::in_memory();
        let path = memory.file("file", b"x");
        let found = FileSystem::of(&File::open(&path).unwrap(), &path).unwrap();
        assert!(found.volatile);
    }
}
