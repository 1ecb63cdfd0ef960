//! Four versions of one struct, as four releases of a program would have them, and what each of
//! them does to a value that all of them share.
//!
//! | version | what it adds |
//! |---|---|
//! | 1 | two counters, a nested struct, an enum, a generic, a name; a byte of padding at 55 |
//! | 2 | `flags`, in that byte: the size stays 56; a variant of the enum |
//! | 3 | `total`, which aligns to 16 bytes; the name is called `title` now |
//! | 4 | an array of structs with padding in them, and a `bool` |
//!
//! Two sides write to one value. A step raises the counter of its side and everything else that its
//! version knows, as one commit. So every value tells by itself whether it is whole, and whether
//! anything that only one side knows was lost to the other: see [`Version::fault`].

use shm_core::{Error, SharedLayout, Writer, field};

/// What the bytes that version 2 adds hold before a program stores to them.
pub const FLAGS: u8 = 0x5a;

/// The same for version 3.
pub const TOTAL: u128 = 1 << 100;

/// The same for version 4.
pub const MARK: u32 = 0xbeef;

/// The capacity that all versions fit into.
pub const CAPACITY: usize = 256;

/// A nested struct.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Point {
    x: i32,
    y: i32,
}

/// A generic one.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Pair<T> {
    first: T,
    second: T,
}

/// One with padding.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Mark {
    small: u8,
    large: u32,
}

/// What all marks hold before a program stores to them.
pub const fn marks() -> [Mark; 3] {
    [Mark {
        small: 1,
        large: MARK,
    }; 3]
}

/// The number of steps so far, in each of the fields that all versions know.
macro_rules! common {
    ($value:ident.$name:ident) => {{
        let steps = $value.left + $value.right;
        $value.place = Point {
            x: steps as i32,
            y: -(steps as i32),
        };
        $value.range = Pair {
            first: steps as u16,
            second: !(steps as u16),
        };
        $value.$name = shm_core::FixedStr::truncated(&format!("after step {steps}"));
        $value.mode = if steps % 2 == 0 { Mode::Off } else { Mode::On };
    }};
}

/// One release of the program.
pub trait Version: SharedLayout + std::fmt::Debug {
    /// Which.
    const VERSION: u32;

    /// What it creates the segment with.
    fn first() -> Self;

    /// One step of side 0 or 1.
    fn step(&mut self, side: usize);

    /// The counters of both sides.
    fn steps(&self) -> [u64; 2];

    /// The value that its common fields would have if it had come to be by steps alone.
    fn is_common(&self) -> bool;

    /// `flags`, as far as this version knows it: how many steps of sides that know it.
    fn flags(&self) -> Option<u8> {
        None
    }

    /// `total`, the same.
    fn total(&self) -> Option<u128> {
        None
    }

    /// What all three marks hold; 0 if they differ.
    fn mark(&self) -> Option<u32> {
        None
    }

    /// Commits `value` as one batch of its fields, of which there is no other way to store parts.
    ///
    /// # Errors
    ///
    /// As for `Batch::commit`.
    fn store(writer: &mut Writer<'_, Self>, value: &Self) -> Result<u64, Error>;

    /// What is wrong with this value if the two sides have these versions; `None`: nothing.
    fn fault(&self, versions: [u32; 2]) -> Option<String> {
        let steps = self.steps();
        // Steps of those sides that know a field since this version.
        let known = |since: u32| -> u64 {
            let sides = versions.into_iter().zip(steps);
            sides
                .filter(|(version, _)| *version >= since)
                .map(|(_, steps)| steps)
                .sum()
        };
        if !self.is_common() {
            return Some(format!("torn after steps {steps:?}"));
        }
        let wanted = FLAGS.wrapping_add(known(2) as u8);
        if self.flags().is_some_and(|flags| flags != wanted) {
            return Some(format!("flags {:?}, not {wanted}: {steps:?}", self.flags()));
        }
        let wanted = TOTAL + u128::from(known(3));
        if self.total().is_some_and(|total| total != wanted) {
            return Some(format!("total {:?}, not {wanted}: {steps:?}", self.total()));
        }
        let wanted = MARK + known(4) as u32;
        if self.mark().is_some_and(|mark| mark != wanted) {
            return Some(format!("mark {:?}, not {wanted}: {steps:?}", self.mark()));
        }
        None
    }
}

macro_rules! version {
    (
        $module:ident = $version:literal, $name:ident, [$($was:meta)?], { $($variants:tt)* },
        $($since:literal $field:ident: $type:ty = $default:expr, $step:expr;)*
        => { $($methods:item)* }
    ) => {
        /// One release of the program.
        pub mod $module {
            use super::*;
            use shm_core::FixedStr;

            /// Its modes.
            #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
            #[repr(u8)]
            #[allow(missing_docs)]
            pub enum Mode {
                $($variants)*
            }

            /// Its struct.
            #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
            #[shared(version = $version)]
            #[repr(C)]
            #[allow(missing_docs)]
            pub struct Station {
                pub left: u64,
                pub right: u64,
                pub place: Point,
                pub mode: Mode,
                pub range: Pair<u16>,
                $(#[shared($was)])?
                pub $name: FixedStr<25>,
                $(
                    #[shared(since = $since, default = $default)]
                    pub $field: $type,
                )*
            }

            impl Version for Station {
                const VERSION: u32 = $version;

                fn first() -> Station {
                    let mut value = Station {
                        left: 0,
                        right: 0,
                        place: Point { x: 0, y: 0 },
                        mode: Mode::Off,
                        range: Pair { first: 0, second: 0 },
                        $name: FixedStr::EMPTY,
                        $($field: $default,)*
                    };
                    common!(value.$name);
                    value
                }

                fn step(&mut self, side: usize) {
                    if side == 0 {
                        self.left += 1;
                    } else {
                        self.right += 1;
                    }
                    common!(self.$name);
                    $({
                        let step: fn(&mut $type) = $step;
                        step(&mut self.$field);
                    })*
                }

                fn steps(&self) -> [u64; 2] {
                    [self.left, self.right]
                }

                fn is_common(&self) -> bool {
                    let mut wanted = *self;
                    common!(wanted.$name);
                    let parts = |value: &Station| {
                        (value.place, value.mode, value.range, value.$name)
                    };
                    parts(&wanted) == parts(self)
                }

                fn store(writer: &mut Writer<'_, Self>, value: &Self) -> Result<u64, Error> {
                    writer
                        .batch()
                        .store(field!(Station.left), value.left)
                        .store(field!(Station.right), value.right)
                        .store(field!(Station.place), value.place)
                        .store(field!(Station.mode), value.mode)
                        .store(field!(Station.range), value.range)
                        .store(field!(Station.$name), value.$name)
                        $(.store(field!(Station.$field), value.$field))*
                        .commit()
                }

                $($methods)*
            }
        }
    };
}

version! {
    v1 = 1, names, [], { Off, On },
    => {}
}

version! {
    v2 = 2, names, [], { Off, On, Standby = 7 },
    2 flags: u8 = FLAGS, |flags| *flags = flags.wrapping_add(1);
    => {
        fn flags(&self) -> Option<u8> {
            Some(self.flags)
        }
    }
}

version! {
    v3 = 3, title, [was = "names"], { Off, On, Standby = 7 },
    2 flags: u8 = FLAGS, |flags| *flags = flags.wrapping_add(1);
    3 total: u128 = TOTAL, |total| *total += 1;
    => {
        fn flags(&self) -> Option<u8> {
            Some(self.flags)
        }

        fn total(&self) -> Option<u128> {
            Some(self.total)
        }
    }
}

version! {
    v4 = 4, title, [was = "names"], { Off, On, Standby = 7 },
    2 flags: u8 = FLAGS, |flags| *flags = flags.wrapping_add(1);
    3 total: u128 = TOTAL, |total| *total += 1;
    4 marks: [Mark; 3] = marks(), |marks| for mark in marks { mark.large += 1; };
    4 even: bool = true, |even| *even = !*even;
    => {
        fn flags(&self) -> Option<u8> {
            Some(self.flags)
        }

        fn total(&self) -> Option<u128> {
            Some(self.total)
        }

        fn mark(&self) -> Option<u32> {
            let first = self.marks[0];
            let same = self.marks.iter().all(|mark| *mark == first);
            let even = first.large.wrapping_sub(MARK) % 2 == 0;
            Some(if same && first.small == 1 && even == self.even { first.large } else { 0 })
        }
    }
}

const _: () = {
    use core::mem::offset_of;
    // The new field lies in what the first version calls padding, and the size stays.
    assert!(size_of::<v1::Station>() == 56 && size_of::<v2::Station>() == 56);
    assert!(offset_of!(v2::Station, flags) == 55);
    assert!(align_of::<v2::Station>() == align_of::<u64>());
    assert!(align_of::<v3::Station>() == align_of::<u128>());
    assert!(size_of::<v4::Station>() <= CAPACITY);
};

shm_core::assert_extends!(v2::Station, v1::Station);
shm_core::assert_extends!(v3::Station, v1::Station);
shm_core::assert_extends!(v3::Station, v2::Station);
shm_core::assert_extends!(v4::Station, v1::Station);
shm_core::assert_extends!(v4::Station, v2::Station);
shm_core::assert_extends!(v4::Station, v3::Station);

/// Calls a generic function with the `Station` of a version.
#[macro_export]
macro_rules! with_version {
    ($version:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $version {
            1 => $function::<$crate::family::v1::Station>($($argument),*),
            2 => $function::<$crate::family::v2::Station>($($argument),*),
            3 => $function::<$crate::family::v3::Station>($($argument),*),
            4 => $function::<$crate::family::v4::Station>($($argument),*),
            other => panic!("no version {other}"),
        }
    };
}
