//! Values per second and milliseconds behind, beside `mosquitto_pub` and `mosquitto_sub`.
#![allow(missing_docs, reason = "a bench")]

fn main() {}
