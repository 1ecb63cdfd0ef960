//! What a type is: what the derive makes of it and refuses, padding, other layouts, and other versions.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod derive;
mod evolution;
mod mismatch;
mod padding;
mod rows;
mod versions;
