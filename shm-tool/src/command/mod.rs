//! One file for each command.

pub mod doctor;
pub mod generate;
pub mod ls;
pub mod rm;
pub mod schema;
pub mod show;
pub mod stat;
pub mod wait;
pub mod watch;
pub mod who;
