//! The same segments from other languages: headers and modules generated from a schema.

mod c;
mod python;

use crate::layout::Added;
