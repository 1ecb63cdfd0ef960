//! A segment's bytes as a program sees that knows nothing of what lies in it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use shm_core::sysv::shm::{self, Access, Attachment};

/// A segment, byte by byte.
#[derive(Debug)]
pub struct Memory {
    attachment: Attachment,
    len: usize,
}

impl Memory {
    /// Attaches it for reading and writing.
    ///
    /// # Panics
    ///
    /// If it is gone.
    pub fn attach(id: shm::Id) -> Memory {
        Memory::try_attach(id).expect("the segment exists and this user may write it")
    }

    pub(crate) fn try_attach(id: shm::Id) -> Option<Memory> {
        let attachment = shm::attach(id, Access::ReadWrite).ok()?;
        let len = shm::stat(id).ok()?.size;
        Some(Memory { attachment, len })
    }

    /// The kernel's id.
    pub fn id(&self) -> shm::Id {
        self.attachment.id()
    }

    /// Bytes in the segment.
    #[expect(clippy::len_without_is_empty, reason = "no segment is")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.read(0, self.len)
    }

    /// `len` bytes from `offset` on.
    pub fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        (offset..offset + len)
            .map(|at| self.byte(at).load(Relaxed))
            .collect()
    }

    /// Stores bytes from `offset` on.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            self.byte(offset + at).store(*byte, Relaxed);
        }
    }

    /// Stores the low `bytes` bytes of `word`, 4 or 8, at once.
    pub fn store(&self, offset: usize, word: u64, bytes: usize) {
        assert!(
            offset % bytes == 0 && offset + bytes <= self.len,
            "word {offset} of {}",
            self.len
        );
        let place = self.attachment.as_ptr().wrapping_add(offset);
        // SAFETY: as in `byte`; the word is aligned, since mappings begin on page boundaries.
        unsafe {
            match bytes {
                4 => AtomicU32::from_ptr(place.cast()).store(word as u32, Relaxed),
                _ => AtomicU64::from_ptr(place.cast()).store(word, Relaxed),
            }
        }
    }

    fn byte(&self, at: usize) -> &AtomicU8 {
        assert!(at < self.len, "byte {at} of {}", self.len);
        // SAFETY: `at` lies within the segment, whose size never changes, and the mapping (for
        // reading and writing) lives as long as `self`. Every access here is atomic, and other
        // processes are not part of this program's memory model.
        unsafe { AtomicU8::from_ptr(self.attachment.as_ptr().add(at)) }
    }
}
