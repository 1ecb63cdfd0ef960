//! The same segments for other languages: C, Python, and what `bindgen` makes of a header.
#![allow(clippy::unwrap_used, reason = "a test may")]

// What lies there was made for 64 bits.
#[cfg(target_pointer_width = "64")]
mod bindgen;
mod c_alive;
mod c_births;
mod c_durable;
mod c_evolution;
mod c_files;
mod c_header;
mod c_programs;
mod c_protocol;
mod cookbook;
mod documents;
mod examples;
mod guards;
mod heartbeat;
mod huge;
// NTP programs have times of 64 bits here.
#[cfg(target_pointer_width = "64")]
mod ntp;
mod others;
mod python;
mod row_versions;
mod supervisor;
mod tables;
mod types;
