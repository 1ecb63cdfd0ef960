//! A key made from a file, as C programs make it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::diagnose;
use super::error::Error;
use super::key::Key;

impl Key {
    /// The key that C programs get from `ftok(path, id)`.
    ///
    /// It is made of `id` (the high 8 bits), the low 8 bits of the device number and the low 16
    /// bits of the inode number, as in glibc and musl. "No guarantee can be given that the
    /// resulting `key_t` is unique" (`ftok(3)`): two files whose inode numbers agree in 16 bits
    /// collide, and a file that is deleted and written anew gets another key. Prefer a fixed number
    /// unless a C program already uses `ftok`. Costs one `stat`.
    ///
    /// POSIX leaves an `id` of 0 undefined; glibc and musl take it as any other, and so does this.
    ///
    /// # Errors
    ///
    /// The file cannot be examined; the error names the path.
    ///
    /// ```
    /// use shm_core::sysv::Key;
    ///
    /// let key = Key::ftok("/proc", b'R')?;
    /// assert_eq!(key, Key::ftok("/proc/../proc", b'R')?);
    /// assert_ne!(key, Key::ftok("/proc", b'S')?);
    /// # Ok::<(), shm_core::sysv::Error>(())
    /// ```
    pub fn ftok(path: impl AsRef<Path>, id: u8) -> Result<Self, Error> {
        let path = path.as_ref();
        let meta = std::fs::metadata(path).map_err(|e| diagnose::ftok(path, id, &e))?;
        // Computed here and not by `ftok(3)`, whose error value -1 is also what a file may rightly
        // give.
        let number =
            (meta.ino() & 0xffff) as u32 | ((meta.dev() & 0xff) as u32) << 16 | u32::from(id) << 24;
        Ok(Self::new(number))
    }
}
