//! The homes of values that lie in files.

use std::fs;
use std::path::PathBuf;

use shm_core::Place;

use crate::Folder;

/// A place for one value, to which nothing leads at first; what is there is removed when it is dropped.
#[derive(Debug)]
pub struct Home {
    folder: Folder,
    place: Place,
}

impl Home {
    /// A file in a folder of its own.
    pub fn file(folder: Folder) -> Home {
        let place = Place::file(folder.file("state"));
        Home { folder, place }
    }

    /// A file on a disk, and one in memory.
    pub fn files() -> [Home; 2] {
        [Folder::new(), Folder::in_memory()].map(Home::file)
    }

    /// A file on a disk, one in memory, and a POSIX name.
    pub fn each() -> [Home; 3] {
        let [disk, memory] = Home::files();
        let folder = Folder::new();
        let own = folder
            .path()
            .file_name()
            .expect("it has one")
            .to_string_lossy();
        let place = Place::posix(format!("/{own}"));
        [disk, memory, Home { folder, place }]
    }

    /// Where the value is to be.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The place as an argument of a program.
    pub fn arg(&self) -> String {
        self.place.to_string()
    }

    /// The file of the place.
    ///
    /// # Panics
    ///
    /// Never: all of these places have one.
    pub fn path(&self) -> PathBuf {
        self.place.path().expect("all have one").into_owned()
    }

    /// The folder of the file. A POSIX name has another one.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}
