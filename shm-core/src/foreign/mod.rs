//! The same segments from other languages: headers and modules generated from a schema.

mod c;
mod python;
mod scope;

pub use c::CHeader;
