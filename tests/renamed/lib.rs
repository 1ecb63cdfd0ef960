//! The derive finds `shm-core` under the name that this package's manifest gives it.

use our_memory::{FixedStr, SharedLayout};

/// Every kind of output of the derive, without a word about the name of the crate.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct StPid<T> {
    /// A plain field.
    pub pid: i32,
    /// A type of the crate.
    pub names: FixedStr<51>,
    /// A generic one.
    pub more: [T; 2],
}

/// An enum, whose output is another one.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(u8)]
pub enum Mode {
    /// A variant.
    Off,
    /// A variant.
    On,
}

our_memory::assert_shared!(StPid<Mode>, StPid<f64>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_crate_derives_the_same_layout() {
        assert_eq!(StPid::<Mode>::SCHEMA.size(), size_of::<StPid<Mode>>());
        assert_eq!(
            StPid::<Mode>::SCHEMA.fields()[1].schema(),
            FixedStr::<51>::SCHEMA
        );
    }
}
