//! A key: the number under which unrelated processes find the same segment or semaphore set.

use core::{fmt, str::FromStr};

/// The name of a System V object: a 32-bit number, or [`Key::PRIVATE`] for an object without a
/// name.
///
/// [`Key::PRIVATE`] and the *number* 0 are two different keys here. System V gives the number 0 the
/// meaning "create a private object", so a program that computes or reads a 0 by mistake silently
/// gets an object that no other process can find. A key made from the number 0 is therefore refused by
/// every call that takes a key.
///
/// ```
/// use shm_core::sysv::Key;
///
/// assert_eq!(Key::new(0x1234).to_string(), "0x00001234");
/// assert_eq!("0x1234".parse::<Key>()?, Key::new(0x1234));
/// assert_eq!("4660".parse::<Key>()?, Key::new(0x1234));
/// assert_eq!(Key::from_raw(-559038737), Key::new(0xdeadbeef)); // what C prints by %d
/// assert_ne!(Key::new(0), Key::PRIVATE);
/// # Ok::<(), shm_core::sysv::ParseKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
// `None` is the private one.
pub struct Key(Option<u32>);

impl Key {
    /// `IPC_PRIVATE`: creates a new object that has no key, and never leads to an existing one.
    ///
    /// Others reach such an object by its id only.
    pub const PRIVATE: Self = Self(None);

    /// The key with this number; `From<u32>` is the same.
    ///
    /// 0 is accepted here and refused on use: it is not [`Key::PRIVATE`].
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(Some(number))
    }

    /// The key that is this `key_t` in C: the same 32 bits, with a sign.
    ///
    /// 0 is accepted here and refused on use, as by [`Key::new`].
    #[must_use]
    pub const fn from_raw(raw: i32) -> Self {
        Self::new(raw as u32)
    }

    /// The `key_t` that the kernel sees; 0 for [`Key::PRIVATE`], and for a key wrongly made from 0.
    #[must_use]
    pub const fn raw(self) -> i32 {
        match self.0 {
            None => 0,
            Some(number) => number as i32,
        }
    }

    /// Whether this is [`Key::PRIVATE`].
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0.is_none()
    }

    /// Whether this key was made from the number 0, which no call accepts.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        matches!(self.0, Some(0))
    }

    /// What `__key` says in the kernel's answer: there 0 does mean "no key".
    pub(super) const fn from_kernel(raw: i32) -> Self {
        if raw == 0 {
            Self::PRIVATE
        } else {
            Self::from_raw(raw)
        }
    }
}

impl From<u32> for Key {
    fn from(number: u32) -> Self {
        Self::new(number)
    }
}

/// `0x00001234`, as `ipcs` prints it; `private` for [`Key::PRIVATE`].
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.pad("private"),
            Some(number) => write!(f, "{number:#010x}"),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Reads `0x1234`, `0X1234`, `4660` or `-4660`; 32 bits, no blanks.
///
/// Decimal numbers go from `i32::MIN` to `u32::MAX`, since C programs print the upper half of the
/// keys either way.
impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let refused = |why| ParseKeyError {
            text: text.into(),
            why,
        };
        let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
        let (digits, radix, sign) = match (hex, text.strip_prefix('-')) {
            (Some(hex), _) => (hex, 16, 1),
            (None, Some(decimal)) => (decimal, 10, -1),
            (None, None) => (text, 10, 1),
        };
        // `from_str_radix` would also take a sign of its own.
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(refused(NOT_A_NUMBER));
        }
        match i64::from_str_radix(digits, radix).map(|number| sign * number) {
            Ok(0) => Err(refused(ZERO)),
            Ok(number @ -0x8000_0000..=0xffff_ffff) => Ok(Self::new(number as u32)),
            _ => Err(refused(TOO_BIG)),
        }
    }
}

/// The text is no key; says what was read and what is expected.
#[derive(Clone, PartialEq, Eq)]
pub struct ParseKeyError {
    text: Box<str>,
    why: &'static str,
}

const NOT_A_NUMBER: &str =
    "is no key; write a number such as 0x1234, 4660 or -4660, without blanks";
const TOO_BIG: &str = "does not fit a key; a key has 32 bits: 0x00000001 to 0xffffffff";
const ZERO: &str = "is no key: 0 is IPC_PRIVATE, which never leads to an existing object; \
     write another number, or say Key::PRIVATE in the program to create a private one";

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.text, self.why)
    }
}

/// As `Display`, for those who `unwrap` it.
impl fmt::Debug for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for ParseKeyError {}
