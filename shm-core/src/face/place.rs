//! `Place`: what leads to a shared value.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::home::{FileHome, Home, file};
use crate::sysv::Key;
use crate::sysv::shm::Id;

/// What leads to a shared value: a [`Key`], the kernel's id of a segment, a file, or a name of POSIX
/// shared memory.
///
/// Calls that open take `impl Into<Place>`: a `u32` (`0x1234`) or a [`Key`] is the place of that
/// key; [`Place::id`] is the only way to a segment without one. As text a place is what a user
/// would type:
///
/// | text | leads to |
/// |---|---|
/// | `0x1234`, `4660` | the segment under that key |
/// | `id:5` | the segment with that id of the kernel's, as `ipcs -m` shows it |
/// | `ftok:PATH:ID` | the segment under the key of [`Key::ftok`]; ID from 0 to 255 |
/// | `file:PATH` | the file of that path |
/// | `posix:/NAME` | the object of POSIX shared memory with that name: the file `/dev/shm/NAME` |
///
/// ```
/// use shm_core::{Key, Place, SharedBox};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let private = SharedBox::<u32>::options().remove_on_drop(true).create_new(Key::PRIVATE, 5)?;
/// let place = Place::id(private.id().unwrap());
/// assert_eq!(SharedBox::<u32>::open(&place)?.get()?, 5);
/// assert_eq!(place.to_string().parse::<Place>()?, place);
/// assert_eq!("0x1234".parse::<Place>()?, Place::from(0x1234));
/// assert_eq!("ftok:/proc:82".parse::<Place>()?, Key::ftok("/proc", b'R')?.into());
/// assert_eq!("file:/srv/app/state".parse::<Place>()?, Place::file("/srv/app/state"));
/// assert_eq!("posix:/counter".parse::<Place>()?, Place::posix("/counter"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place(Way);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Way {
    Key(Key),
    Id(Id),
    File(Arc<Path>),
    Posix(Arc<OsStr>),
}

impl Place {
    /// The segment with this id of the kernel's, as `ipcs -m` and [`SharedView::id`] tell it.
    ///
    /// [`SharedView::id`]: crate::SharedView::id
    #[must_use]
    pub const fn id(id: Id) -> Place {
        Place(Way::Id(id))
    }

    /// The file of this path, which must be on a local file system; a relative one is looked for in the
    /// working directory whenever the place is opened.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Place {
        Place(Way::File(path.as_ref().into()))
    }

    /// The object of POSIX shared memory with this name, which C programs open by `shm_open(3)`: "an
    /// initial slash, followed by one or more characters, none of which are slashes", 255 bytes at most.
    /// Calls that open refuse another name.
    #[must_use]
    pub fn posix(name: impl AsRef<OsStr>) -> Place {
        Place(Way::Posix(name.as_ref().into()))
    }

    /// What leads to an attachment: a key, the id of a segment that has none, or a path; `None` for memory without a name.
    pub(super) fn of(home: &Home, key: Key) -> Option<Place> {
        match home {
            Home::Segment(mapping) if key.is_private() => Some(Place::id(mapping.id())),
            Home::Segment(_) => Some(key.into()),
            Home::File(file) => file.named().map(Place::file),
        }
    }

    /// What leads to the newest life of an attached value: a path, or the key, also where the segment was found by its id.
    pub(super) fn again(home: &Home, key: Key) -> Place {
        let path = home.file().and_then(FileHome::named);
        path.map_or_else(|| key.into(), Place::file)
    }

    /// The path of a file or a POSIX name.
    pub(super) fn file_path(&self) -> Option<Result<Cow<'_, Path>, file::Error>> {
        match &self.0 {
            Way::Posix(name) => Some(file::posix_path(name).map(Cow::Owned)),
            _ => self.path().map(Ok),
        }
    }

    /// Whether what is stored there may outlast the machine's running.
    pub(super) fn outlasts_boot(&self) -> bool {
        matches!(self.0, Way::File(_))
    }

    /// The key, if the place is one.
    #[must_use]
    pub const fn key(&self) -> Option<Key> {
        match self.0 {
            Way::Key(key) => Some(key),
            _ => None,
        }
    }

    /// The id of the segment, if the place is one.
    #[must_use]
    pub const fn segment_id(&self) -> Option<Id> {
        match self.0 {
            Way::Id(id) => Some(id),
            _ => None,
        }
    }

    /// The path of the file, if the place is one or a POSIX name; of a name that none can have, the
    /// name.
    #[must_use]
    pub fn path(&self) -> Option<Cow<'_, Path>> {
        match &self.0 {
            Way::File(path) => Some(Cow::Borrowed(path)),
            Way::Posix(name) => Some(match file::posix_path(name) {
                Ok(path) => Cow::Owned(path),
                Err(_) => Cow::Borrowed(Path::new(name)),
            }),
            Way::Key(_) | Way::Id(_) => None,
        }
    }
}

/// That a [`Place`] is made from such a value: of numbers from a `u32` alone. If it were from an
/// `i32` as well, a literal would be an `i32`, which has no room for `0xdeadbeef`.
// Of the place, and not of the value: of what a value lacks, the compiler names the outermost trait
// alone, which would be `Into`, and says nothing else.
#[diagnostic::on_unimplemented(
    message = "`{N}` is no place of a shared value",
    label = "a place is a `u32`, a `Key` or a `Place`",
    note = "from text make one with `.parse::<Place>()`",
    note = "from a `key_t` of C, or another `i32`, make a key with `Key::from_raw`; from an id of the kernel's, a place with `Place::id`",
    note = "from a path make a place with `Place::file`, or a key with `Key::ftok`; to create a segment without a key say `Key::PRIVATE`"
)]
pub trait LeadsTo<N> {
    #[doc(hidden)]
    fn led_by(value: N) -> Self;
}

impl LeadsTo<u32> for Place {
    fn led_by(number: u32) -> Place {
        Place(Way::Key(Key::new(number)))
    }
}

impl LeadsTo<Key> for Place {
    fn led_by(key: Key) -> Place {
        Place(Way::Key(key))
    }
}

impl LeadsTo<Id> for Place {
    fn led_by(id: Id) -> Place {
        Place(Way::Id(id))
    }
}

impl LeadsTo<&Place> for Place {
    fn led_by(place: &Place) -> Place {
        place.clone()
    }
}

/// From a `u32`, a [`Key`], an [`Id`] or another place, and from nothing else.
impl<N> From<N> for Place
where
    Place: LeadsTo<N>,
{
    fn from(value: N) -> Place {
        Place::led_by(value)
    }
}

/// As it is read: `0x00001234`, `id:5`, `file:/srv/app/state`. [`Key::PRIVATE`], which leads nowhere, is `private`, and is
/// not read.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Key(key) => key.fmt(f),
            Way::Id(id) => write!(f, "id:{id}"),
            Way::File(path) => write_escaped("file:", path.as_os_str(), f),
            Way::Posix(name) => write_escaped("posix:", name, f),
        }
    }
}

/// Bytes that are no UTF-8 become `\xFF`, and so do control characters, for which no line has a place, and a backslash that
/// would be read as one of those.
fn write_escaped(scheme: &str, text: &OsStr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(scheme)?;
    for chunk in text.as_bytes().utf8_chunks() {
        let valid = chunk.valid();
        for (at, letter) in valid.char_indices() {
            match escaped(&valid.as_bytes()[at..]) {
                Some(_) => f.write_str("\\x5C")?,
                None if letter.is_control() => {
                    write_bytes(letter.encode_utf8(&mut [0; 4]).as_bytes(), f)?
                }
                None => f.write_char(letter)?,
            }
        }
        write_bytes(chunk.invalid(), f)?;
    }
    Ok(())
}

fn write_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))
}

/// The byte that stands as `\xFF` at the beginning of `text`.
fn escaped(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"\\x")?.get(..2)?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    Some((digit(digits[0])? << 4 | digit(digits[1])?) as u8)
}

fn unescape(text: &str) -> OsString {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some(first) = rest.first() {
        let (byte, length) = escaped(rest).map_or((*first, 1), |byte| (byte, 4));
        bytes.push(byte);
        rest = &rest[length..];
    }
    OsString::from_vec(bytes)
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Place, ParsePlaceError> {
        let none = |what, hint| ParsePlaceError {
            text: text.into(),
            what,
            hint,
            source: None,
        };
        let refused = |hint, source| ParsePlaceError {
            source: Some(source),
            ..none("place", hint)
        };
        match text.split_once(':') {
            None => match text.parse::<Key>() {
                Ok(key) => Ok(key.into()),
                // Such as a path by itself.
                Err(_)
                    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) =>
                {
                    Err(none("place", A_PLACE))
                }
                Err(error) => Err(refused(NO_KEY, error.into())),
            },
            Some(("id", id)) => match id.parse::<i32>() {
                // The standard library also reads a plus.
                Ok(id) if !text.contains('+') && id >= 0 => Ok(Place::id(Id::from_raw(id))),
                _ => {
                    let hint = "write the number that `ipcs -m` shows as shmid, such as id:5";
                    Err(none("segment", hint))
                }
            },
            Some(("ftok", rest)) => {
                let hint = "write ftok:PATH:ID with an ID from 0 to 255, such as ftok:/etc/app:82";
                let parts = rest.rsplit_once(':').filter(|(path, _)| !path.is_empty());
                let parts = parts.and_then(|(path, id)| Some((path, id.parse::<u8>().ok()?)));
                let (path, id) = parts.ok_or_else(|| none("key", hint))?;
                match Key::ftok(path, id) {
                    Ok(key) => Ok(key.into()),
                    Err(error) => Err(refused(error.hint(), error.into())),
                }
            }
            Some(("file", "")) => Err(none("file", "write file:PATH, such as file:/srv/app/state")),
            Some(("file", path)) => Ok(Place::file(unescape(path))),
            Some(("posix", name)) => {
                let name = unescape(name);
                match file::posix_path(&name) {
                    Ok(_) => Ok(Place::posix(name)),
                    Err(error) => Err(refused(error.hint(), error.into())),
                }
            }
            Some(_) => Err(none("place", A_PLACE)),
        }
    }
}

const A_PLACE: &str =
    "write a key such as 0x1234 or 4660, id:5, ftok:PATH:ID, file:PATH, or posix:/NAME";

/// What to write where no key could be read.
pub(super) const NO_KEY: &str = "write a key as 0x1234 or as a decimal number";

/// The text names no place; says what was read and what is expected.
pub struct ParsePlaceError {
    text: Box<str>,
    /// What it names none of.
    what: &'static str,
    /// What to write instead.
    pub(super) hint: &'static str,
    /// What was wrong with what it does name, and would be right.
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

// Nothing in an error changes, whatever unwinds.
impl std::panic::UnwindSafe for ParsePlaceError {}
impl std::panic::RefUnwindSafe for ParsePlaceError {}

impl fmt::Display for ParsePlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, what, hint) = (&self.text, self.what, self.hint);
        match &self.source {
            Some(source) => source.fmt(f),
            None => write!(f, "{text:?} names no {what}; {hint}"),
        }
    }
}

/// As `Display`, for those who `unwrap` it.
impl fmt::Debug for ParsePlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ParsePlaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_read_as_it_is_written() {
        for bytes in [
            &b"/srv/app/state"[..],
            b"state",
            b"a:b %41 \n\xc3\xa4 \xff\xfe/\xc3",
            b"\\ \\x \\x4 \\x41 \\x5C \\\\x41",
            b"\\x\xff",
        ] {
            let place = Place::file(OsStr::from_bytes(bytes));
            assert_eq!(
                place.to_string().parse::<Place>().ok(),
                Some(place.clone()),
                "{place}"
            );
            let name = [b"/", bytes].concat();
            let place = Place::posix(OsStr::from_bytes(&name));
            if !bytes.contains(&b'/') {
                assert_eq!(
                    place.to_string().parse::<Place>().ok(),
                    Some(place.clone()),
                    "{place}"
                );
            }
        }
        let odd = Place::file(OsStr::from_bytes(b"/\xff\\x41"));
        assert_eq!(odd.to_string(), r"file:/\xFF\x5Cx41");
        let lines = Place::posix("/a\n\u{9b}");
        assert_eq!(lines.to_string(), r"posix:/a\x0A\xC2\x9B");
        assert_eq!(
            r"file:/\xff\y".parse::<Place>().unwrap(),
            Place::file(OsStr::from_bytes(b"/\xff\\y"))
        );
    }

    #[test]
    fn a_posix_name_leads_to_the_file_of_shm_open() {
        let path = |name| Place::posix(name).path().map(Cow::into_owned);
        assert_eq!(
            path("/counter").as_deref(),
            Some(Path::new("/dev/shm/counter"))
        );
        assert_eq!(path("odd/name").as_deref(), Some(Path::new("odd/name")));
        assert_eq!(Place::from(0x1234).path(), None);
    }
}
