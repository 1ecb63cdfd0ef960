//! How much of each segment is in memory and in swap: figures that only `/proc/sysvipc/shm` has. Of a file in memory the
//! kernel tells both as one.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::fs::statfs;

use super::files::SharedFile;

/// Bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    pub swapped: u64,
}

impl Memory {
    /// Of a file in memory.
    pub fn of(file: &SharedFile) -> Option<Memory> {
        // `TMPFS_MAGIC`, include/uapi/linux/magic.h.
        let is_in_memory = statfs(&file.path).is_ok_and(|found| found.f_type == 0x0102_1994);
        is_in_memory.then(|| Memory {
            resident: file.meta.blocks() * 512,
            swapped: 0,
        })
    }
}

/// By id; empty where the kernel does not tell.
pub fn by_segment() -> HashMap<i32, Memory> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    parse(&table)
}

/// Columns are found by their names, of which kernels may add more.
fn parse(table: &str) -> HashMap<i32, Memory> {
    let mut lines = table.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name| names.iter().position(|found| *found == name);
    let (Some(id), Some(rss), Some(swap)) = (column("shmid"), column("rss"), column("swap")) else {
        return HashMap::new();
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let resident = cells.get(rss)?.parse().ok()?;
        let swapped = cells.get(swap)?.parse().ok()?;
        Some((cells.get(id)?.parse().ok()?, Memory { resident, swapped }))
    };
    lines.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read_by_the_names_of_its_columns() {
        let table = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n      4660          7   640                  5632  4711  4712      2     0     0     0     0          0          0          0                  8192                     0\n";
        let memory = Memory {
            resident: 8192,
            swapped: 0,
        };
        assert_eq!(parse(table), HashMap::from([(7, memory)]));
        assert_eq!(parse("nothing of the kind\n"), HashMap::new());
    }
}
