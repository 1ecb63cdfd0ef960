//! Permission bits, as `chmod` knows them, for segments and semaphore sets.

use core::fmt;

/// Who may read and write: nine bits such as `0o640` (owner reads and writes, group reads).
///
/// For a segment, write permission always comes with the need for read permission: "there is no
/// notion of a write-only shared memory segment" (`shmat(2)`). For a semaphore set, write means
/// alter. The execute bits are kept by the kernel and asked for by
/// [`exec`](super::shm::AttachOptions::exec) only.
///
/// Bits outside `0o777` can be stored here, and are refused by each call that takes a mode.
///
/// ```
/// use shm_core::sysv::Mode;
///
/// assert_eq!(Mode::new(0o640).to_string(), "0640");
/// assert!(!Mode::from(0o1640).is_valid());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mode(u32);

impl Mode {
    /// These permission bits.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits as a number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether no bit outside `0o777` is set.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 & !0o777 == 0
    }
}

impl From<u32> for Mode {
    fn from(bits: u32) -> Self {
        Self::new(bits)
    }
}

/// Octal with a leading zero: `0640`.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mode({self})")
    }
}
