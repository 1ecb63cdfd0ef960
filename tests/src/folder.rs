//! A directory of a test's own, which goes with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A directory that no other test has. Dropping it removes it and what is in it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Where temporary files are: on a disk, if these are.
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Folder {
        Folder::below(&std::env::temp_dir())
    }

    /// On a file system in memory.
    pub fn in_memory() -> Folder {
        Folder::below(Path::new("/dev/shm"))
    }

    fn below(folder: &Path) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let path = folder.join(format!("shm-tests-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory can be made there");
        Folder(path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The names of what lies in it.
    ///
    /// # Panics
    ///
    /// If the folder is gone.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("it is there until the drop");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.flatten().map(name).collect();
        names.sort();
        names
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
