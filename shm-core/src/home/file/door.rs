//! The one door through which bytes get to a disk.

use std::io;
use std::os::unix::fs::FileExt;

use super::description::Description;
use super::error::Error;
use super::syscalls;

impl Description {
    /// Writes the bytes to the file and waits until they are on the disk: what `Ok` was said of survives a power loss.
    ///
    /// # Errors
    ///
    /// The disk failed: then any part of the bytes may be on it, and a second `fsync` would say nothing of that. They have to be
    /// written anew, all of them.
    pub(crate) fn write_durably(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let there = match syscalls::write_and_sync(&self.file, bytes, offset) {
            Ok(written) if written == bytes.len() => return Ok(()),
            // A part, which lasts: a signal came, or there are too many for one call.
            Ok(written) => written,
            // A kernel or a file system that does not know the flag; a signal.
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENOSYS | libc::EINTR)
                ) =>
            {
                0
            }
            Err(e) => return Err(self.error("pwritev2", &e)),
        };
        let written = self
            .file
            .write_all_at(&bytes[there..], offset + there as u64);
        written.map_err(|e| self.error("pwrite", &e))?;
        self.sync()
    }

    /// Waits until all that the file has is on the disk, whichever process has written it.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let synced = self.file.sync_data();
        synced.map_err(|e| self.error("fdatasync", &e))
    }

    /// Reads bytes of the file as they are now; those behind its end are left as they are.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        match self.file.read_exact_at(bytes, offset) {
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => Err(self.error("pread", &e)),
            _ => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::tests::Scratch;

    #[test]
    fn what_is_written_durably_is_read_again() {
        for scratch in [Scratch::new(), Scratch::in_memory()] {
            let path = scratch.file("file", &[0; 10_000]);
            let file = Description::open(&path, true).unwrap();
            file.write_durably(&[7; 5000], 4096).unwrap();
            let mut bytes = [1; 6000];
            file.read_at(&mut bytes, 4095).unwrap();
            assert_eq!((bytes[0], bytes[1], bytes[5000], bytes[5001]), (0, 7, 7, 0));
            let reader = Description::open(&path, false).unwrap();
            let error = reader.write_durably(&[7], 0).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        }
    }

    /// Of the failures of a disk, one that a test can have: sealed memory takes no byte behind its end.
    #[test]
    fn what_is_refused_is_told() {
        let memory = crate::home::file::create_memory(4096, 0o600).unwrap();
        let file = Description::of_memory(&memory, true).unwrap();
        let error = file.write_durably(&[7; 8], 4096).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert!(error.to_string().starts_with("pwritev2("), "{error}");
    }
}
