//! The derive finds `shm-core` under another name where the type says which: this package's manifest renames it.

use our_memory::{FixedStr, SharedLayout};

/// Every kind of output of the derive.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
#[shared(crate = our_memory)]
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
#[shared(crate = our_memory)]
pub enum Mode {
    /// A variant.
    Off,
    /// A variant.
    On,
}

our_memory::assert_shared!(StPid<Mode>, StPid<f64>);

pub use our_memory;

/// Makes a shared type for a crate that need not know the library.
#[macro_export]
macro_rules! counter {
    ($name:ident) => {
        /// Made by a macro.
        #[derive($crate::our_memory::SharedLayout, Clone, Copy)]
        #[repr(C)]
        #[shared(crate = $crate::our_memory)]
        pub struct $name {
            /// Its field.
            pub count: u64,
        }
    };
}

counter!(Counter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_crate_derives_the_same_layout() {
        assert_eq!(StPid::<Mode>::SCHEMA.size(), size_of::<StPid<Mode>>());
        assert_eq!(Counter::SCHEMA.size(), size_of::<u64>());
        assert_eq!(
            StPid::<Mode>::SCHEMA.fields()[1].schema(),
            FixedStr::<51>::SCHEMA
        );
    }
}
