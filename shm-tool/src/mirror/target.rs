//! The end that writes: a segment that has the newest value of a source, under the source's versions.
//!
//! What is to be done with a value, by what the place holds (its version, and what the [`Record`] says was stored last):
//!
//! | the place | the value | |
//! |---|---|---|
//! | is empty | any | is made |
//! | has this life | is newer | is stored |
//! | has this life, as it was stored | is as old or older | is dropped |
//! | has this life, and a version that was not stored (a death in between, another writer) | is as old or older | waits |
//! | has another life | came while linked | is made anew |
//! | has another life | was kept by the broker, from whatever time | waits |
//! | has no record | is newer | is stored |
//! | has no record | is as old or older | waits |
//!
//! A value that waits is taken once a beat says that it is the newest: then the place is made to hold it, if it does not hold
//! the very same. Beats are never kept, so they tell of now. Of another type, which evolution does not lead to, nothing is
//! stored; a later version of the type makes the place anew, an earlier one leaves alone what it does not have.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use shm_core::layout::{Mismatch, Schema, Value};
use shm_core::{ErrorKind, FixedStr, Inspector, Place, SharedBox};

use super::message::{Kind, Message};
use super::record::{Link, Record, now, place_of};
use super::{Engine, Event, STOPPED, Subjects, ended, note};
use crate::failure::{Exit, Failure, of_place};
use crate::kernel::found::{Found, as_it_was};

pub struct Target<E> {
    engine: E,
    place: Place,
    subjects: Subjects,
    /// The source that this is a mirror of: the one that was named, or that came first.
    source: Option<String>,
    /// Whether it was named on the command line, and so may replace another.
    is_named: bool,
    mode: u32,
    held: Option<Held>,
    schemas: HashMap<u64, Schema>,
    newest: Option<Message>,
    /// Said once.
    refused: Option<String>,
}

/// The place, and what is known of it.
struct Held {
    inspector: Inspector,
    record: SharedBox<Record>,
}

/// What is known of a value that came.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    /// The broker kept it.
    Kept,
    /// It came while linked.
    Live,
    /// A beat says that it is the newest.
    Newest,
}

#[derive(Debug, PartialEq)]
enum Step {
    Store,
    Anew,
    Drop,
    Wait,
}

/// What is to be done with a value where one stands: see the head of this file.
fn step(record: &Record, stands: u64, value: &Message, proof: Proof) -> Step {
    let is_known = record.life != 0;
    if is_known && record.life != value.life {
        return match proof {
            Proof::Kept => Step::Wait,
            Proof::Live | Proof::Newest => Step::Anew,
        };
    }
    match proof {
        _ if value.version > stands => Step::Store,
        _ if is_known && record.stands == stands && value.version <= record.version => Step::Drop,
        Proof::Newest => Step::Anew,
        Proof::Kept | Proof::Live => Step::Wait,
    }
}

/// A later version of the type, which a program here has put in force, and a value of it.
type Later = (Schema, Vec<u8>);

/// Whether both are one value under a schema, whatever is in the padding and behind it.
fn is_alike(schema: &Schema, stands: &[u8], value: &[u8]) -> bool {
    let decode = |bytes: Option<&[u8]>| Value::decode(schema, bytes?).ok();
    let stands = stands.get(..schema.size());
    // Some numbers are not equal to themselves.
    stands == Some(value)
        || decode(stands).is_some_and(|stands| decode(Some(value)) == Some(stands))
}

impl<E: Engine> Target<E> {
    pub fn new(
        engine: E,
        place: Place,
        topic: &str,
        source: Option<String>,
        mode: u32,
    ) -> Target<E> {
        Target {
            engine,
            place,
            subjects: Subjects::of(topic),
            is_named: source.is_some(),
            source,
            mode,
            held: None,
            schemas: HashMap::new(),
            newest: None,
            refused: None,
        }
    }

    /// Until [`STOPPED`].
    pub fn run(&mut self) -> Result<(), Failure> {
        self.look()?;
        let subjects = [self.subjects.value.clone(), self.subjects.beat.clone()];
        let events = self.engine.subscribe(&subjects);
        let run = self.run_by(&events);
        self.note_link(Link::Down);
        run
    }

    fn run_by(&mut self, events: &Receiver<Event>) -> Result<(), Failure> {
        while !STOPPED.load(Relaxed) {
            match events.recv_timeout(Duration::from_millis(100)) {
                Ok(first) => {
                    let all: Vec<Event> = std::iter::once(first).chain(events.try_iter()).collect();
                    self.take_all(all)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ended("the link has ended")),
            }
        }
        Ok(())
    }

    /// Of values that came together only the last is stored.
    fn take_all(&mut self, events: Vec<Event>) -> Result<(), Failure> {
        let is_value = |event: &Event| matches!(event, Event::Message { subject, .. } if *subject == self.subjects.value);
        let last = events.iter().rposition(is_value);
        let passed: Vec<bool> = events.iter().map(is_value).collect();
        for (at, event) in events.into_iter().enumerate() {
            if !passed[at] || last == Some(at) {
                self.take(event)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Up { .. } => note(format!("{}: link up", self.place)),
            Event::Down(why) => {
                note(format!(
                    "{}: link down ({why}); it is tried again",
                    self.place
                ));
                self.note_link(Link::Down);
            }
            Event::Ended(why) | Event::Refused(why) | Event::TooLarge(why) => {
                return Err(ended(&format!("{}: {why}", self.place)));
            }
            Event::Stored => {}
            Event::Message { bytes, kept, .. } => {
                let message = Message::decode(&bytes).map_err(|why| {
                    let topic = &self.subjects.topic;
                    let text = format!(
                        "{}: what came below {topic} is not taken: {why}",
                        self.place
                    );
                    Failure::new(Exit::Misfit, text)
                })?;
                if !self.is_of_source(&message) {
                    return Ok(());
                }
                match message.kind {
                    Kind::Value => {
                        let proof = if kept { Proof::Kept } else { Proof::Live };
                        self.newest = Some(message);
                        self.store(proof)?;
                    }
                    Kind::Beat if kept => {}
                    Kind::Beat => self.meet(&message)?,
                    Kind::Gone => self.note_link(Link::SourceGone),
                }
            }
        }
        Ok(())
    }

    /// Whether a message is of the one source that the place is a mirror of.
    fn is_of_source(&mut self, message: &Message) -> bool {
        let source = self.source.get_or_insert_with(|| message.name.clone());
        if *source == message.name {
            return true;
        }
        if message.kind != Kind::Gone && self.refused.as_ref() != Some(&message.name) {
            note(format!(
                "{}: it is a mirror of {source}, so what {} publishes below {} is refused; end that one, or start this \
                 with --name {}",
                self.place, message.name, self.subjects.topic, message.name
            ));
            self.refused = Some(message.name.clone());
        }
        false
    }

    /// The source lives, and says what is the newest.
    fn meet(&mut self, beat: &Message) -> Result<(), Failure> {
        self.look()?;
        self.note_link(Link::Up);
        if beat.life == 0 || self.confirm(beat.which())? {
            return Ok(());
        }
        if self.newest.as_ref().map(Message::which) != Some(beat.which()) {
            let Ok(Some(bytes)) = self.engine.fetch(&self.subjects.value) else {
                return Ok(());
            };
            match Message::decode(&bytes) {
                // A later one has its own beat.
                Ok(value) if value.which() == beat.which() && value.name == beat.name => {
                    self.newest = Some(value);
                }
                _ => return Ok(()),
            }
        }
        self.store(Proof::Newest)
    }

    /// Whether the place holds what is the newest; notes when that was so.
    fn confirm(&mut self, (life, version): (u64, u64)) -> Result<bool, Failure> {
        let Some(Held { inspector, record }) = &self.held else {
            return Ok(false);
        };
        let is_newest = |record: &Record| {
            (record.life, record.version, record.stands) == (life, version, inspector.version())
        };
        let mut confirmed = false;
        let noted = record.update(|record| {
            confirmed = is_newest(record);
            if confirmed {
                record.heard = now();
            }
        });
        noted.map_err(of_place(&place_of(inspector.creation())))?;
        Ok(confirmed)
    }

    /// Holds what the place leads to now.
    fn look(&mut self) -> Result<(), Failure> {
        let open = |write| {
            let mut options = Inspector::options();
            let patient = options.timeout(Duration::from_secs(1));
            patient.write(write).open(&self.place)
        };
        let held = self.held.as_ref().map(|held| held.inspector.creation());
        let inspector = match open(false) {
            Ok(found) if held == Some(found.creation()) => return Ok(()),
            Ok(_) => open(true),
            Err(error) => Err(error),
        };
        let inspector = match inspector {
            Ok(inspector) => inspector,
            Err(error) => {
                let failure = Failure::of(&self.place, &error);
                return match failure.exit {
                    Exit::NotFound => {
                        self.forget();
                        Ok(())
                    }
                    _ => Err(failure),
                };
            }
        };
        self.hold(inspector)
    }

    /// What was held is gone: its record is of no use any more.
    fn forget(&mut self) {
        if let Some(Held { inspector, record }) = self.held.take() {
            drop(record);
            let _ = shm_core::remove(place_of(inspector.creation()));
        }
    }

    fn hold(&mut self, inspector: Inspector) -> Result<(), Failure> {
        self.forget();
        let place = place_of(inspector.creation());
        let record = Record::open(inspector.creation(), self.mode).map_err(of_place(&place))?;
        let known = record.get().map_err(of_place(&place))?;
        if known.life != 0 {
            let source = known.source.to_string();
            if self.source.as_ref().is_some_and(|named| *named != source) && self.is_named {
                // Its versions are none of this one's.
                let other = |record: &mut Record| record.life = u64::MAX;
                record.update(other).map_err(of_place(&place))?;
            } else {
                self.source = Some(source);
            }
        }
        self.held = Some(Held { inspector, record });
        Ok(())
    }

    /// Does with the newest value what is to be done.
    fn store(&mut self, proof: Proof) -> Result<(), Failure> {
        let Some(value) = self.newest.take() else {
            return Ok(());
        };
        let Some(schema) = self.schema_of(&value)? else {
            // The next beat asks again.
            return Ok(());
        };
        let done = self.store_as(&value, &schema, proof);
        self.newest = Some(value);
        match done {
            Err(error) if matches!(error.kind(), ErrorKind::Removed) => {
                self.forget();
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Overtaken) => {
                note(Failure::of(&self.place, &error).to_string());
                Ok(())
            }
            Err(error) => Err(of_place(&self.place)(error)),
            Ok(done) => done,
        }
    }

    fn store_as(
        &mut self,
        value: &Message,
        schema: &Schema,
        proof: Proof,
    ) -> Result<Result<(), Failure>, shm_core::Error> {
        let Some(Held { inspector, record }) = &self.held else {
            return Ok(self.make(value, schema, None));
        };
        let in_force = inspector.schema()?;
        let is_same = in_force.fingerprint() == schema.fingerprint();
        let is_later = !is_same && schema.extends(&in_force).is_ok();
        let is_earlier = !is_same && in_force.extends(schema).is_ok();
        if !is_same && !is_later && !is_earlier {
            return Ok(Err(self.misfit(&in_force, schema, value)));
        }
        let known = record.get()?;
        let stands = inspector.version();
        match step(&known, stands, value, proof) {
            Step::Drop | Step::Wait => Ok(Ok(())),
            // The record was not written before a death, or a program here has put a later version in force.
            Step::Anew
                if (known.life == 0 || known.life == value.life)
                    && (value.version == stands || is_earlier)
                    && is_alike(schema, &inspector.snapshot_bytes()?.value, &value.bytes) =>
            {
                Ok(self.note_stored(value))
            }
            Step::Store if !is_later => {
                inspector.store_version(value.version, schema, &value.bytes)?;
                Ok(self.note_stored(value))
            }
            Step::Store | Step::Anew => {
                // What the later version has brought stays as it is.
                let kept = match is_earlier && value.version > 1 {
                    true => Some((in_force, inspector.snapshot_bytes()?.value)),
                    false => None,
                };
                let old = self.held.take();
                Ok(self.make(value, schema, old.map(|old| (old, kept))))
            }
        }
    }

    /// Makes the place, in that of an old one, and as that was.
    fn make(
        &mut self,
        value: &Message,
        schema: &Schema,
        old: Option<(Held, Option<Later>)>,
    ) -> Result<(), Failure> {
        let place = self.place.clone();
        let failed = of_place(&place);
        let mut options = Inspector::options();
        options.mode(self.mode);
        let mut later = None;
        if let Some((Held { inspector, record }, kept)) = old {
            later = kept;
            let found = Found::at(&self.place)?;
            options = as_it_was(&found, &inspector);
            options.capacity(inspector.capacity().max(schema.size()));
            let creation = inspector.creation();
            inspector.remove().map_err(&failed)?;
            drop(record);
            shm_core::remove(place_of(creation)).map_err(&failed)?;
            note(format!(
                "{}: made anew for another life of {}",
                self.place, value.name
            ));
        }
        options
            .version(value.version)
            .timeout(Duration::from_secs(1));
        let made = match &later {
            None => options.create_new(&self.place, schema, &value.bytes),
            Some((schema, bytes)) => {
                options
                    .version(value.version - 1)
                    .create_new(&self.place, schema, bytes)
            }
        };
        let made = made.map_err(&failed)?;
        if later.is_some() {
            let stored = made.store_version(value.version, schema, &value.bytes);
            stored.map_err(&failed)?;
        }
        self.hold(made)?;
        self.note_stored(value)
    }

    fn note_stored(&mut self, value: &Message) -> Result<(), Failure> {
        let Some(Held { inspector, record }) = &self.held else {
            return Ok(());
        };
        let now = now();
        let stored = Record {
            source: FixedStr::truncated(&value.name),
            life: value.life,
            version: value.version,
            stands: inspector.version(),
            heard: now,
            beat: now,
            link: Link::Up,
        };
        record
            .set(stored)
            .map(drop)
            .map_err(of_place(&place_of(inspector.creation())))
    }

    fn note_link(&self, link: Link) {
        if let Some(held) = &self.held {
            // Of use to those who look only.
            let _ = held.record.update(|record| {
                record.link = link;
                if link == Link::Up {
                    record.beat = now();
                }
            });
        }
    }

    /// The schema that a value names; `None` if it is not to be had now.
    fn schema_of(&mut self, value: &Message) -> Result<Option<Schema>, Failure> {
        if let Some(schema) = self.schemas.get(&value.fingerprint) {
            return Ok(Some(schema.clone()));
        }
        let Ok(Some(bytes)) = self.engine.fetch(&self.subjects.schema(value.fingerprint)) else {
            return Ok(None);
        };
        let schema = Schema::decode(&bytes).ok();
        let schema = schema.filter(|schema| schema.fingerprint().to_bits() == value.fingerprint);
        let Some(schema) = schema else {
            return Err(Failure::new(
                Exit::Misfit,
                format!(
                    "{}: the schema that {} publishes is none; use one version of shm on both machines",
                    self.place, value.name
                ),
            ));
        };
        self.schemas.insert(value.fingerprint, schema.clone());
        Ok(Some(schema))
    }

    fn misfit(&self, in_force: &Schema, schema: &Schema, value: &Message) -> Failure {
        Failure::new(
            Exit::Misfit,
            format!(
                "{}: it has another layout than what {} publishes (below: in this program):\n{}\n; nothing was stored; name \
                 another place, or remove this one with `shm rm`",
                self.place,
                value.name,
                Mismatch::new(in_force, schema)
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_only_if_nothing_newer_was_shown() {
        let value = |life, version| Message {
            kind: Kind::Value,
            life,
            version,
            fingerprint: 0,
            began: 0,
            name: String::new(),
            bytes: Vec::new(),
        };
        let record = |life, version| Record {
            life,
            version,
            stands: version,
            ..Record::default()
        };
        use Proof::{Kept, Live, Newest};
        for (record, stands, value, steps) in [
            (
                record(1, 5),
                5,
                value(1, 6),
                [Step::Store, Step::Store, Step::Store],
            ),
            (
                record(1, 5),
                5,
                value(1, 5),
                [Step::Drop, Step::Drop, Step::Drop],
            ),
            (
                record(1, 5),
                5,
                value(1, 4),
                [Step::Drop, Step::Drop, Step::Drop],
            ),
            (
                record(1, 5),
                6,
                value(1, 6),
                [Step::Wait, Step::Wait, Step::Anew],
            ),
            (
                record(2, 5),
                5,
                value(1, 9),
                [Step::Wait, Step::Anew, Step::Anew],
            ),
            (
                record(0, 0),
                5,
                value(1, 9),
                [Step::Store, Step::Store, Step::Store],
            ),
            (
                record(0, 0),
                5,
                value(1, 2),
                [Step::Wait, Step::Wait, Step::Anew],
            ),
        ] {
            let taken = [Kept, Live, Newest].map(|proof| step(&record, stands, &value, proof));
            assert_eq!(
                taken, steps,
                "{value:?} where {stands} of {record:?} stands"
            );
        }
    }
}
