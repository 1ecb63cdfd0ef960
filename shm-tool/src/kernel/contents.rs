//! The bytes of a segment or a file, for values that do not say what they are.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Release};

use rustix::fs::OFlags;
use shm_core::Place;
use shm_core::sysv::{self, shm};

use super::found::Found;
use crate::failure::Failure;

/// So many bytes are looked at: a file may claim to have more than there is memory.
const LIMIT: usize = 64 << 20;

/// What is attached, or open.
pub struct Contents {
    place: Place,
    len: usize,
    bytes: Bytes,
}

enum Bytes {
    Segment(shm::Attachment),
    /// A file is read and written, which shows what is mapped from it, and nothing that others do to it ends this process.
    File(fs::File),
}

impl Contents {
    pub fn open(found: &Found, writable: bool) -> Result<Contents, Failure> {
        let place = found.place();
        let (len, bytes) = match found {
            Found::Segment(segment) => {
                let access = if writable {
                    shm::Access::ReadWrite
                } else {
                    shm::Access::ReadOnly
                };
                let memory = shm::attach(segment.id, access);
                let memory = memory.map_err(|error| Failure::of_sysv(&place, &error))?;
                (memory.len(), Bytes::Segment(memory))
            }
            Found::File(file) => {
                let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
                let opened = OpenOptions::new()
                    .read(true)
                    .write(writable)
                    .custom_flags(flags)
                    .open(&file.path)
                    .and_then(|file| Ok((file.metadata()?.len(), file)));
                let (len, file) = opened.map_err(|error| Failure::of_io(&place, &error))?;
                (
                    usize::try_from(len).unwrap_or(usize::MAX),
                    Bytes::File(file),
                )
            }
        };
        Ok(Contents { place, len, bytes })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes from there on, as far as they are looked at.
    pub fn from(&self, at: usize) -> Result<Vec<u8>, Failure> {
        self.part(at, LIMIT)
    }

    /// The first bytes, at most so many.
    pub fn up_to(&self, most: usize) -> Result<Vec<u8>, Failure> {
        self.part(0, most)
    }

    fn part(&self, at: usize, most: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; self.len.saturating_sub(at).min(most)];
        match &self.bytes {
            Bytes::Segment(memory) => {
                let read = memory.read_at(&mut bytes, at);
                read.map_err(|error| Failure::of_sysv(&self.place, &error))?;
            }
            Bytes::File(file) => {
                let read = file.read_exact_at(&mut bytes, at as u64);
                read.map_err(|error| Failure::of_io(&self.place, &error))?;
            }
        }
        Ok(bytes)
    }

    /// Stores a number at once, where it is aligned, and anything else byte by byte.
    pub fn store(&self, at: usize, bytes: &[u8]) -> Result<(), Failure> {
        match &self.bytes {
            Bytes::Segment(memory) => {
                store(memory, at, bytes).map_err(|error| Failure::of_sysv(&self.place, &error))
            }
            Bytes::File(file) => within(at, bytes, self.len)
                .and_then(|()| file.write_all_at(bytes, at as u64))
                .map_err(|error| Failure::of_io(&self.place, &error)),
        }
    }
}

/// A write behind the end would make a file longer.
fn within(at: usize, bytes: &[u8], len: usize) -> io::Result<()> {
    let end = at.checked_add(bytes.len());
    match end.filter(|end| *end <= len) {
        Some(_) => Ok(()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn store(memory: &shm::Attachment, at: usize, bytes: &[u8]) -> Result<(), sysv::Error> {
    let aligned = at.is_multiple_of(bytes.len().max(1));
    match *bytes {
        [a, b] if aligned => {
            let word = u16::from_ne_bytes([a, b]);
            memory.atomic::<AtomicU16>(at)?.store(word, Release);
        }
        [a, b, c, d] if aligned => {
            let word = u32::from_ne_bytes([a, b, c, d]);
            memory.atomic::<AtomicU32>(at)?.store(word, Release);
        }
        [a, b, c, d, e, f, g, h] if aligned => {
            let word = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            memory.atomic::<AtomicU64>(at)?.store(word, Release);
        }
        _ => {
            for (i, byte) in bytes.iter().enumerate() {
                memory.atomic::<AtomicU8>(at + i)?.store(*byte, Release);
            }
        }
    }
    Ok(())
}
