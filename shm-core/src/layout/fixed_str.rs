//! `FixedStr<N>`: C's `char name[N]`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::CStr;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::{Schema, SharedLayout};

/// Text in place, as C keeps it: `N` bytes, of which the first NUL ends the text.
///
/// Holds up to `N - 1` bytes of text. What this program makes has always a NUL, and NULs only
/// behind the text. What comes from another program may be anything: reading it works, and
/// [`to_str`](Self::to_str) reports bytes that are not UTF-8 or lack the NUL.
///
/// Two values are equal if their texts are: what lies behind the first NUL counts neither for `==`
/// nor for the order nor for the hash. `FixedStr<0>` does not compile where it is used.
///
/// ```
/// use shm_core::FixedStr;
///
/// let name: FixedStr<51> = FixedStr::new("alice")?;
/// assert_eq!(name, "alice");
/// assert_eq!(name.to_str(), Ok("alice"));
/// assert_eq!((name.len(), name.capacity()), (5, 50));
/// assert!(FixedStr::<4>::new("alice").is_err());
/// # Ok::<(), shm_core::layout::FitError>(())
/// ```
///
/// ```compile_fail
/// let nothing = shm_core::FixedStr::<0>::default();
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct FixedStr<const N: usize> {
    bytes: [u8; N],
}

// SAFETY: `Zeroable`: "inhabited, and the all-zeroes bit pattern is valid": `repr(transparent)`
// over `[u8; N]`, which is `Zeroable`.
unsafe impl<const N: usize> bytemuck::Zeroable for FixedStr<N> {}

// SAFETY: `Pod` asks that any bit pattern be valid, that there be no padding, that all fields be
// `Pod`, that the representation be `C` or `transparent`, and that there be no interior mutability.
// The one field is `[u8; N]`, which is `Pod`, in a `repr(transparent)` struct. The type keeps no
// invariant beyond its bits: its methods take any bytes.
unsafe impl<const N: usize> bytemuck::Pod for FixedStr<N> {}

// SAFETY: a `repr(transparent)` array of N bytes, any of which are a value (`FixedStr` is `Pod`);
// `Schema::fixed_str` states one byte for each and refuses to compile for N = 0.
unsafe impl<const N: usize> SharedLayout for FixedStr<N> {
    const SCHEMA: &'static Schema = &Schema::fixed_str(N);

    #[inline]
    fn bits_are_valid(bytes: &[u8]) -> bool {
        bytes.len() == N
    }
}

impl<const N: usize> FixedStr<N> {
    /// The empty text.
    pub const EMPTY: Self = {
        // Does not compile where there is no such type.
        _ = Self::SCHEMA;
        FixedStr { bytes: [0; N] }
    };

    /// `text`, followed by NULs.
    ///
    /// # Errors
    ///
    /// If the text is longer than [`capacity`](Self::capacity) or has a NUL inside.
    ///
    /// ```
    /// use shm_core::FixedStr;
    ///
    /// let error = FixedStr::<4>::new("alice").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "text of 5 bytes does not fit `FixedStr<4>`, which holds 3 bytes and a NUL: \
    ///      shorten it, or cut it with `FixedStr::truncated`"
    /// );
    /// ```
    pub const fn new(text: &str) -> Result<Self, FitError> {
        Self::from_bytes(text.as_bytes())
    }

    /// As much of `text` as fits, cut between two characters, and before the first NUL if there is
    /// one.
    ///
    /// ```
    /// use shm_core::FixedStr;
    ///
    /// assert_eq!(FixedStr::<4>::truncated("alice"), "ali");
    /// assert_eq!(FixedStr::<4>::truncated("süß"), "sü");
    /// ```
    pub const fn truncated(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut len = match first_nul(bytes) {
            Some(nul) => nul,
            None => bytes.len(),
        };
        if len > Self::EMPTY.capacity() {
            len = Self::EMPTY.capacity();
            // In the middle of a character.
            while bytes[len] & 0xc0 == 0x80 {
                len -= 1;
            }
        }
        Self::filled(bytes.split_at(len).0)
    }

    /// Text in whatever encoding the other programs use, followed by NULs.
    ///
    /// # Errors
    ///
    /// If it is longer than [`capacity`](Self::capacity) or has a NUL inside.
    pub const fn from_bytes(text: &[u8]) -> Result<Self, FitError> {
        if let Some(nul) = first_nul(text) {
            return Err(FitError {
                size: N,
                fault: Fault::Nul(nul),
            });
        }
        if text.len() > Self::EMPTY.capacity() {
            return Err(FitError {
                size: N,
                fault: Fault::Length(text.len()),
            });
        }
        Ok(Self::filled(text))
    }

    /// Exactly these bytes, as a C program may have left them.
    pub const fn from_raw(bytes: [u8; N]) -> Self {
        // Does not compile where there is no such type.
        _ = Self::SCHEMA;
        FixedStr { bytes }
    }

    /// All `N` bytes, those behind the text included.
    pub const fn as_raw(&self) -> &[u8; N] {
        &self.bytes
    }

    const fn filled(text: &[u8]) -> Self {
        let mut filled = Self::EMPTY;
        let room = filled.bytes.split_at_mut(text.len()).0;
        let mut at = 0;
        while at < text.len() {
            room[at] = text[at];
            at += 1;
        }
        filled
    }

    /// The bytes of the text: up to the first NUL, or all `N` if there is none.
    pub const fn as_bytes(&self) -> &[u8] {
        match first_nul(&self.bytes) {
            Some(nul) => self.bytes.split_at(nul).0,
            None => &self.bytes,
        }
    }

    /// The text.
    ///
    /// # Errors
    ///
    /// If another program left bytes that are not UTF-8, or no NUL at the end.
    pub const fn to_str(&self) -> Result<&str, TextError> {
        let Some(nul) = first_nul(&self.bytes) else {
            return Err(TextError::NoNul { size: N });
        };
        match std::str::from_utf8(self.bytes.split_at(nul).0) {
            Ok(text) => Ok(text),
            Err(error) => Err(TextError::NotUtf8 {
                valid_up_to: error.valid_up_to(),
            }),
        }
    }

    /// The text, with U+FFFD in place of what is not UTF-8, and all `N` bytes if there is no NUL.
    ///
    /// Allocates only if something had to be replaced.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The text as C sees it, NUL included.
    ///
    /// # Errors
    ///
    /// If another program left no NUL.
    pub const fn as_c_str(&self) -> Result<&CStr, TextError> {
        match CStr::from_bytes_until_nul(&self.bytes) {
            Ok(text) => Ok(text),
            Err(_) => Err(TextError::NoNul { size: N }),
        }
    }

    /// Length of the text in bytes: those before the first NUL, or `N` if there is none.
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The longest text that fits, in bytes: `N - 1`.
    pub const fn capacity(&self) -> usize {
        // Does not compile where there is no such type.
        _ = Self::SCHEMA;
        N - 1
    }
}

/// Text as `Debug` shows it: like a `str`, with `\xNN` for bytes that are not UTF-8.
pub(super) fn fmt_text(text: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                // As in a `str`, whose quotes are the double ones.
                '\'' => f.write_char(c)?,
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    f.write_char('"')
}

const fn first_nul(bytes: &[u8]) -> Option<usize> {
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == 0 {
            return Some(i);
        }
        i += 1;
    }
    None
}

impl<const N: usize> Default for FixedStr<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for FixedStr<N> {
    /// Quoted and escaped like a `str`, with `\xNN` for bytes that are not UTF-8.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_text(self.as_bytes(), f)
    }
}

impl<const N: usize> fmt::Display for FixedStr<N> {
    /// As [`to_string_lossy`](FixedStr::to_string_lossy).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl<const N: usize, const M: usize> PartialEq<FixedStr<M>> for FixedStr<N> {
    fn eq(&self, other: &FixedStr<M>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for FixedStr<N> {}

impl<const N: usize> PartialEq<str> for FixedStr<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for FixedStr<N> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl<const N: usize> PartialOrd for FixedStr<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for FixedStr<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize> Hash for FixedStr<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const N: usize> TryFrom<&str> for FixedStr<N> {
    type Error = FitError;

    fn try_from(text: &str) -> Result<Self, FitError> {
        Self::new(text)
    }
}

impl<const N: usize> FromStr for FixedStr<N> {
    type Err = FitError;

    fn from_str(text: &str) -> Result<Self, FitError> {
        Self::new(text)
    }
}

debug_as_text! { FitError TextError }

/// Why a text cannot be kept in a [`FixedStr`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FitError {
    size: usize,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Length(usize),
    Nul(usize),
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size;
        match self.fault {
            Fault::Length(len) => write!(
                f,
                "text of {len} bytes does not fit `FixedStr<{size}>`, which holds {} bytes and a NUL: \
                 shorten it, or cut it with `FixedStr::truncated`",
                size - 1
            ),
            Fault::Nul(at) => write!(
                f,
                "text has a NUL at byte {at}, where a `FixedStr<{size}>` would end: \
                 remove it, or cut the text there with `FixedStr::truncated`"
            ),
        }
    }
}

impl std::error::Error for FitError {}

/// Why what another program left in a [`FixedStr`] is no text.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// No byte is a NUL.
    #[non_exhaustive]
    NoNul {
        /// All bytes of the `FixedStr`.
        size: usize,
    },
    /// The bytes before the NUL are not UTF-8.
    #[non_exhaustive]
    NotUtf8 {
        /// How many bytes from the start are UTF-8.
        valid_up_to: usize,
    },
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextError::NoNul { size } => write!(
                f,
                "none of the {size} bytes is the NUL that ends a text: the program that wrote them left it out; \
                 `as_bytes` gives them as they are"
            ),
            TextError::NotUtf8 { valid_up_to } => write!(
                f,
                "the text is not UTF-8 from byte {valid_up_to} on: the program that wrote it uses another encoding; \
                 `as_bytes` gives its bytes, `to_string_lossy` what can be read"
            ),
        }
    }
}

impl std::error::Error for TextError {}
