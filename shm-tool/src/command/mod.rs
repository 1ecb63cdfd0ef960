//! One file for each command.

pub mod diff;
pub mod doctor;
pub mod dump;
pub mod generate;
pub mod ls;
#[cfg(feature = "mirror")]
pub mod mirror;
pub mod restore;
pub mod rm;
pub mod schema;
pub mod set;
pub mod show;
pub mod show_rows;
pub mod stat;
pub mod top;
pub mod unlock;
pub mod wait;
pub mod watch;
pub mod who;
