//! Every public call on one segment, whatever lies in it: each is an error or a valid value, and
//! none takes long.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use shm_core::sysv::shm;
use shm_core::{
    Error, FixedStr, FixedVec, Inspector, Key, RawBox, SharedBox, SharedLayout, SharedView, field,
};

use crate::Small;

/// The limit that the calls of most tests are given.
pub const LIMIT: Duration = Duration::from_millis(1);

/// What no call may take: the limit some times over, and much more for a busy machine.
const TOO_LONG: Duration = Duration::from_secs(10);

/// A type to attack.
pub trait Target: SharedLayout + Debug {
    /// Some value.
    fn sample(seed: u8) -> Self;

    /// Whether the bits of this value are those of its type, as far as a reader can tell that already
    /// holds it.
    fn is_sound(&self) -> bool;

    /// The calls that reach one field.
    fn parts(_: &mut Tally, _: &SharedBox<Self>) {}
}

/// No byte is invalid, none is padding.
pub type Plain = [u64; 8];

/// 64 KiB.
pub type Large = [u64; 8192];

/// Hardly a byte is valid.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Strict {
    letter: char,
    on: bool,
    colour: Colour,
    flags: [bool; 5],
    letters: [char; 3],
    last: FixedVec<Colour, 3>,
}

/// An enum with gaps.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Colour {
    /// The first.
    Red = 1,
    /// The last.
    Blue = 200,
}

/// More padding than fields.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Padded {
    small: u8,
    wide: u64,
    on: bool,
    name: FixedStr<21>,
    last: i16,
}

/// A later version of [`Padded`].
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[shared(version = 2)]
#[repr(C, align(64))]
pub struct Later {
    small: u8,
    wide: u64,
    on: bool,
    name: FixedStr<21>,
    #[shared(was = "last")]
    end: i16,
    #[shared(since = 2, default = true)]
    more: bool,
    #[shared(since = 2, default = 'x')]
    letter: char,
    #[shared(since = 2)]
    wider: u128,
}

impl Target for Plain {
    fn sample(seed: u8) -> Plain {
        [u64::from(seed); 8]
    }

    fn is_sound(&self) -> bool {
        true
    }
}

impl Target for Large {
    fn sample(seed: u8) -> Large {
        [u64::from(seed); 8192]
    }

    fn is_sound(&self) -> bool {
        true
    }
}

impl Target for Small {
    fn sample(seed: u8) -> Small {
        Small {
            words: [u64::from(seed); 8],
        }
    }

    fn is_sound(&self) -> bool {
        true
    }
}

impl Target for Strict {
    fn parts(tally: &mut Tally, shared: &SharedBox<Strict>) {
        if let Some(letter) = tally.check("load", || shared.load(field!(Strict.letters[2]))) {
            assert!(char::from_u32(letter as u32).is_some());
        }
        tally.check("load", || shared.load(field!(Strict.colour)));
        tally.check("load", || shared.load(field!(Strict.last)));
        tally.check("store", || shared.store(field!(Strict.flags[4]), true));
        tally.check("update_field", || {
            shared.update_field(field!(Strict.colour), |colour| *colour = Colour::Red)
        });
        if let Some(mut writer) = tally.check("writer", || shared.writer()) {
            tally.check("Writer::load", || writer.load(field!(Strict.letter)));
            tally.check("Writer::store", || {
                writer.store(field!(Strict.colour), Colour::Blue)
            });
            let batch = writer
                .batch()
                .store(field!(Strict.on), false)
                .store(field!(Strict.letters), ['a'; 3]);
            tally.check("Batch::commit", || batch.commit());
        }
    }

    fn sample(seed: u8) -> Strict {
        let (on, letter) = (seed % 2 == 0, char::from(seed));
        let colour = if on { Colour::Red } else { Colour::Blue };
        Strict {
            letter,
            on,
            colour,
            flags: [on; 5],
            letters: [letter; 3],
            last: FixedVec::from_slice(&[colour; 2]).unwrap_or_default(),
        }
    }

    fn is_sound(&self) -> bool {
        let chars = [&raw const self.letter]
            .into_iter()
            .chain(self.letters.iter().map(|c| &raw const *c));
        let bools = [&raw const self.on]
            .into_iter()
            .chain(self.flags.iter().map(|b| &raw const *b));
        let colours = [&raw const self.colour]
            .into_iter()
            .chain(self.last.iter().map(|c| &raw const *c));
        // SAFETY: fields of a value that this function borrows, read as integers of the same sizes:
        // every bit pattern is one.
        unsafe {
            chars
                .map(|c| c.cast::<u32>().read_volatile())
                .all(|c| char::from_u32(c).is_some())
                && bools.map(|b| b.cast::<u8>().read_volatile()).all(|b| b < 2)
                && colours
                    .map(|c| c.cast::<u8>().read_volatile())
                    .all(|c| [1, 200].contains(&c))
                && self.last.len() <= 3
        }
    }
}

impl Target for Padded {
    fn parts(tally: &mut Tally, shared: &SharedBox<Padded>) {
        tally.check("load", || shared.load(field!(Padded.wide)));
        tally.check("load", || shared.load(field!(Padded.on)));
        tally.check("store", || shared.store(field!(Padded.last), 3));
        tally.check("store", || {
            shared.store(field!(Padded.name), FixedStr::truncated("x"))
        });
    }

    fn sample(seed: u8) -> Padded {
        let name = FixedStr::truncated("somebody");
        Padded {
            small: seed,
            wide: u64::MAX,
            on: true,
            name,
            last: -1,
        }
    }

    fn is_sound(&self) -> bool {
        // SAFETY: as above.
        unsafe { (&raw const self.on).cast::<u8>().read_volatile() < 2 }
    }
}

impl Target for Later {
    fn parts(tally: &mut Tally, shared: &SharedBox<Later>) {
        tally.check("load", || shared.load(field!(Later.wide)));
        tally.check("load", || shared.load(field!(Later.letter)));
        tally.check("store", || shared.store(field!(Later.more), false));
        tally.check("store", || shared.store(field!(Later.wider), 7));
        tally.check("fetch_add", || shared.fetch_add(field!(Later.wider), 7));
    }

    fn sample(seed: u8) -> Later {
        let Padded {
            small,
            wide,
            on,
            name,
            last,
        } = Padded::sample(seed);
        Later {
            small,
            wide,
            on,
            name,
            end: last,
            more: on,
            letter: char::from(seed),
            wider: u128::from(seed),
        }
    }

    fn is_sound(&self) -> bool {
        let bools = [&raw const self.on, &raw const self.more];
        // SAFETY: as above.
        unsafe {
            bools
                .map(|b| b.cast::<u8>().read_volatile())
                .iter()
                .all(|b| *b < 2)
                && char::from_u32((&raw const self.letter).cast::<u32>().read_volatile()).is_some()
        }
    }
}

/// What the calls came to.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The limit that calls are given.
    pub limit: Duration,
    /// Calls that succeeded.
    pub good: u64,
    /// Calls that ended in an error.
    pub refused: u64,
    /// The longest call.
    pub longest: Duration,
}

impl Tally {
    /// None yet, with this limit for each to come.
    pub fn new(limit: Duration) -> Tally {
        Tally {
            limit,
            good: 0,
            refused: 0,
            longest: Duration::ZERO,
        }
    }

    fn check<R>(&mut self, name: &str, call: impl FnOnce() -> Result<R, Error>) -> Option<R> {
        let start = Instant::now();
        let result = call();
        let took = start.elapsed();
        assert!(took < TOO_LONG, "{name} took {took:?}");
        self.longest = self.longest.max(took);
        match result {
            Ok(value) => {
                self.good += 1;
                Some(value)
            }
            Err(error) => {
                self.refused += 1;
                assert!(!error.to_string().is_empty() && !format!("{error:?}").is_empty());
                None
            }
        }
    }

    fn value<T: Target>(&mut self, name: &str, call: impl FnOnce() -> Result<T, Error>) {
        if let Some(value) = self.check(name, call) {
            assert!(value.is_sound(), "{name} gave what is no value");
            assert!(!format!("{value:?}").is_empty());
        }
    }
}

/// Every call that attaches by id, and every call on what that gives; and what a key leads to if
/// there is one.
pub fn every_call<T: Target>(tally: &mut Tally, key: Option<Key>, id: shm::Id) {
    let (limit, mut options) = (tally.limit, SharedBox::<T>::options());
    options.timeout(limit);
    if let Some(view) = tally.check("open_id_read_only", || options.open_read_only(id)) {
        on_view(tally, &view);
    }
    if let Some(shared) = tally.check("open_id", || options.open(id)) {
        on_box(tally, &shared);
    }
    let mut upgrading = options.clone();
    upgrading.upgrade(true);
    if let Some(shared) = tally.check("open_id, upgrade", || upgrading.open(id)) {
        on_box(tally, &shared);
    }
    if let Some(raw) = tally.check("RawBox::open_id", || RawBox::<T>::open(id)) {
        tally.value("RawBox::get", || raw.get());
        raw.set(T::sample(3));
        tally.check("RawBox::info", || raw.info());
        tally.check("RawBox::is_removed", || raw.is_removed());
        tally.value("RawBox::get", || raw.get());
    }
    on_inspector(tally, Inspector::options().timeout(limit).open(id));
    let Some(key) = key else { return };
    on_inspector(tally, Inspector::options().timeout(limit).open(key));
    if let Some(view) = tally.check("open_read_only", || options.open_read_only(key)) {
        on_view(tally, &view);
    }
    if let Some(shared) = tally.check("open", || options.open(key)) {
        on_box(tally, &shared);
    }
    tally.check("create_new", || options.create_new(key, T::sample(4)));
    if let Some(mut shared) = tally.check("open_or_create", || {
        options.open_or_create(key, || T::sample(5))
    }) {
        on_box(tally, &shared);
        tally.check("reopen", || shared.reopen());
        tally.check("reattach", || shared.reattach());
    }
    tally.check("RawBox::open", || RawBox::<T>::open(key));
    tally.check("open", || options.adopt(true).open(key));
}

/// Every call of an inspector, which knows no type.
fn on_inspector(tally: &mut Tally, inspector: Result<Inspector, Error>) {
    let Some(inspector) = tally.check("Inspector::open", || inspector) else {
        return;
    };
    let inspector = inspector.limit(1 << 17);
    let schema = tally.check("Inspector::schema", || inspector.schema());
    assert!(schema.is_none_or(|schema| schema.size() <= isize::MAX as usize));
    if let Some(value) = tally.check("Inspector::value", || inspector.value()) {
        assert!(!value.to_string().is_empty() && value.path("").is_some());
    }
    if let Some(module) = tally.check("python_module", || inspector.python_module()) {
        assert_eq!(module.matches("'''").count(), 2);
    }
    tally.check("Inspector::info", || inspector.info());
    tally.check("snapshot_bytes", || inspector.snapshot_bytes());
    tally.check("wait_timeout", || inspector.wait_timeout(0, Duration::ZERO));
    tally.check("Inspector::semaphores", || inspector.semaphores());
}

/// Every reading call.
pub fn on_view<T: Target>(tally: &mut Tally, view: &SharedView<T>) {
    tally.value("get", || view.get());
    tally.value("get_boxed", || view.get_boxed().map(|value| *value));
    tally.value("snapshot", || view.snapshot().map(|seen| seen.value));
    tally.check("read_with", || {
        view.read_with(|value| assert!(value.is_sound()))
    });
    let mut value = T::sample(1);
    tally.check("read_into", || view.read_into(&mut value));
    assert!(value.is_sound(), "read_into left what is no value");
    let limit = tally.limit;
    for version in [0, view.version(), view.version() + 1, u64::MAX] {
        tally.check("wait_timeout", || view.wait_timeout(version, limit));
    }
    tally.check("wait_version", || view.wait_version(u64::MAX, limit));
    tally.check("info", || view.info());
    tally.check("is_removed", || view.is_removed());
    assert!(!format!("{view:?}").is_empty() && view.capacity() > 0);
}

/// Every call but `remove`.
pub fn on_box<T: Target>(tally: &mut Tally, shared: &SharedBox<T>) {
    on_view(tally, shared);
    tally.check("update", || {
        shared.update(|value| assert!(value.is_sound()))
    });
    tally.check("try_update", || {
        shared.try_update(|value| {
            assert!(value.is_sound());
            Ok::<_, Error>(())
        })
    });
    if let Some(mut writer) = tally.check("writer", || shared.writer()) {
        tally.value("Writer::get", || writer.get());
        tally.check("Writer::update", || {
            writer.update(|value| assert!(value.is_sound()))
        });
        tally.check("Writer::set", || writer.set(T::sample(6)));
        assert!(!format!("{writer:?}").is_empty());
        tally.check("set while writing", || shared.set(T::sample(6)));
    }
    T::parts(tally, shared);
    tally.check("set", || shared.set(T::sample(7)));
    tally.check("set_from", || shared.set_from(&T::sample(8)));
    tally.check("set_if", || shared.set_if(shared.version(), T::sample(9)));
    assert!(!format!("{shared:?}").is_empty() && shared.capacity() >= size_of::<T>());
}
