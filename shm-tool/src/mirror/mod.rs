//! Values on other machines, over an engine that exists. `docs/mirror.md` says what holds when what fails.
//!
//! | subject below the link's topic | holds, the newest only |
//! |---|---|
//! | `value` | a [`Message`](message::Message) with the bytes of one commit |
//! | `beat` | one without bytes, each second: what is the newest, and that its source lives |
//! | `schema/FINGERPRINT` | the encoded schema of values that name it |
//!
//! `source` reads a segment and publishes, `target` writes one; `record` is what a target leaves for `shm show`; `mqtt` is the
//! engine.

mod message;
mod mqtt;
mod record;
mod source;
mod target;

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;
use std::time::Duration;

pub use message::NAME;
pub use mqtt::{Broker, Trust, random};
pub use record::{Mirrored, record_beside};
pub use source::{Source, began, gone};
pub use target::Target;

use crate::failure::{Exit, Failure};

/// Set by SIGTERM and SIGINT.
pub static STOPPED: AtomicBool = AtomicBool::new(false);

/// Between two messages that say that the source lives.
pub const BEAT: Duration = Duration::from_secs(1);

/// Of two links under one name and topic the newer stays.
const TAKEN_OVER: &str =
    "another process has linked under the same name and topic, so this one's link has ended";

/// What carries messages. Of each subject it keeps the newest for those who come later.
pub trait Engine {
    /// Publishes in the place of what the subject held; [`Event::Stored`] follows, or [`Event::Refused`], or the link goes
    /// down.
    fn publish_newest(&mut self, subject: &str, bytes: Vec<u8>) -> Result<(), Lost>;

    /// What a subject holds.
    fn fetch(&mut self, subject: &str) -> Result<Option<Vec<u8>>, Lost>;

    /// Tells how the link fares, and after each [`Event::Up`] what these subjects hold, and then all that comes. Called
    /// once.
    fn subscribe(&mut self, subjects: &[String]) -> Receiver<Event>;
}

/// The link is down, or went down meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

#[derive(Debug)]
pub enum Event {
    /// It takes messages of at most so many bytes.
    Up {
        limit: usize,
    },
    /// It is tried again.
    Down(String),
    /// For good.
    Ended(String),
    /// `kept`: from before this link was up.
    Message {
        subject: String,
        bytes: Vec<u8>,
        kept: bool,
    },
    /// The oldest message under way is kept now.
    Stored,
    Refused(String),
    TooLarge(String),
}

/// The subjects below a topic.
struct Subjects {
    value: String,
    beat: String,
    topic: String,
}

impl Subjects {
    fn of(topic: &str) -> Subjects {
        Subjects {
            value: format!("{topic}/value"),
            beat: format!("{topic}/beat"),
            topic: topic.to_owned(),
        }
    }

    fn schema(&self, fingerprint: u64) -> String {
        format!("{}/schema/{fingerprint:016x}", self.topic)
    }
}

/// A line for the log, of a link that goes on.
fn note(text: String) {
    Failure::new(Exit::Other, text).say();
}

/// The link's own thread has ended, which it does not do by itself.
fn ended(why: &str) -> Failure {
    Failure::new(Exit::Other, format!("{why}; start it again"))
}
