//! Where the bytes of a value live, and which processes live beside them.

pub(crate) mod file;
