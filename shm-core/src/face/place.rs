//! `Place`: what leads to a shared value.

use std::fmt;
use std::str::FromStr;

use crate::sysv::shm::Id;
use crate::sysv::{self, Key, ParseKeyError};

/// What leads to a shared value: a [`Key`], or the kernel's id of a segment.
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
///
/// ```
/// use shm_core::{Key, Place, SharedBox};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let private = SharedBox::<u32>::options().remove_on_drop(true).create_new(Key::PRIVATE, 5)?;
/// let place = Place::id(private.id());
/// assert_eq!(SharedBox::<u32>::open(place)?.get()?, 5);
/// assert_eq!(place.to_string().parse::<Place>()?, place);
/// assert_eq!("0x1234".parse::<Place>()?, Place::from(0x1234));
/// assert_eq!("ftok:/proc:82".parse::<Place>()?, Key::ftok("/proc", b'R')?.into());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(Way);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Key(Key),
    Id(Id),
}

impl Place {
    /// The segment with this id of the kernel's, as `ipcs -m` and [`SharedView::id`] tell it.
    ///
    /// [`SharedView::id`]: crate::SharedView::id
    #[must_use]
    pub const fn id(id: Id) -> Place {
        Place(Way::Id(id))
    }

    /// What leads to an attached segment: its key, or its id where it has none.
    pub(super) fn of_segment(key: Key, id: Id) -> Place {
        if key.is_private() {
            Place::id(id)
        } else {
            key.into()
        }
    }

    /// The key, unless the place is an id.
    #[must_use]
    pub const fn key(self) -> Option<Key> {
        match self.0 {
            Way::Key(key) => Some(key),
            Way::Id(_) => None,
        }
    }

    /// The id of the segment, unless the place is a key.
    #[must_use]
    pub const fn segment_id(self) -> Option<Id> {
        match self.0 {
            Way::Key(_) => None,
            Way::Id(id) => Some(id),
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
    note = "from a path make a key with `Key::ftok`; to create a segment without a key say `Key::PRIVATE`"
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

/// From a `u32`, a [`Key`] or an [`Id`], and from nothing else.
impl<N> From<N> for Place
where
    Place: LeadsTo<N>,
{
    fn from(value: N) -> Place {
        Place::led_by(value)
    }
}

/// As it is read: `0x00001234` or `id:5`. [`Key::PRIVATE`], which leads nowhere, is `private`, and is
/// not read.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Way::Key(key) => key.fmt(f),
            Way::Id(id) => write!(f, "id:{id}"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Place, ParsePlaceError> {
        let refused = |fault| ParsePlaceError {
            text: text.into(),
            fault,
        };
        match text.split_once(':') {
            None => match text.parse::<Key>() {
                Ok(key) => Ok(key.into()),
                Err(error) => Err(refused(Fault::Key(error))),
            },
            Some(("id", id)) => match id.parse::<i32>() {
                // The standard library also reads a plus.
                Ok(id) if !text.contains('+') && id >= 0 => Ok(Place::id(Id::from_raw(id))),
                _ => Err(refused(Fault::Id)),
            },
            Some(("ftok", rest)) => {
                let (path, id) = rest.rsplit_once(':').ok_or_else(|| refused(Fault::Ftok))?;
                let id = id.parse::<u8>().map_err(|_| refused(Fault::Ftok))?;
                if path.is_empty() {
                    return Err(refused(Fault::Ftok));
                }
                match Key::ftok(path, id) {
                    Ok(key) => Ok(key.into()),
                    Err(error) => Err(refused(Fault::File(Box::new(error)))),
                }
            }
            Some(_) => Err(refused(Fault::Scheme)),
        }
    }
}

/// The text names no place; says what was read and what is expected.
#[derive(Debug)]
pub struct ParsePlaceError {
    text: Box<str>,
    fault: Fault,
}

impl ParsePlaceError {
    /// What to write instead.
    pub(super) fn hint(&self) -> &'static str {
        match &self.fault {
            Fault::Key(_) => "write a key as 0x1234 or as a decimal number",
            Fault::Id => "write the number that `ipcs -m` shows as shmid, such as id:5",
            Fault::Ftok => "write ftok:PATH:ID with an ID from 0 to 255, such as ftok:/etc/app:82",
            Fault::File(error) => error.hint(),
            Fault::Scheme => "write a key such as 0x1234 or 4660, id:5, or ftok:PATH:ID",
        }
    }
}

#[derive(Debug)]
enum Fault {
    Key(ParseKeyError),
    Id,
    Ftok,
    File(Box<sysv::Error>),
    Scheme,
}

impl fmt::Display for ParsePlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, hint) = (&self.text, self.hint());
        match &self.fault {
            // These say themselves what would be right.
            Fault::Key(error) => error.fmt(f),
            Fault::File(error) => error.fmt(f),
            Fault::Id => write!(f, "{text:?} names no segment: {hint}"),
            Fault::Ftok => write!(f, "{text:?} names no key: {hint}"),
            Fault::Scheme => write!(f, "{text:?} names no place: {hint}"),
        }
    }
}

impl std::error::Error for ParsePlaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Key(error) => Some(error),
            Fault::File(error) => Some(error),
            _ => None,
        }
    }
}
