//! A unit of NTP's shared clock, and its two protocols: what `gpsd` feeds and `ntpd` and `chronyd` read.
//!
//! All fields but `valid` and `count` are accessed `Relaxed`: in any order, on any processor. What
//! makes samples whole is written beside the four accesses that are not.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use shm_core::{Error, Field, Key, Owner, RawBox, RawOptions, SharedLayout, field};

/// `time_t`.
#[cfg(target_pointer_width = "64")]
pub type Seconds = i64;
/// `time_t` as most programs of 32 bits have it.
#[cfg(target_pointer_width = "32")]
pub type Seconds = i32;

/// `struct shmTime` of `ntpd`.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct ShmTime {
    pub mode: i32,
    pub count: i32,
    pub clock_seconds: Seconds,
    pub clock_microseconds: i32,
    pub receive_seconds: Seconds,
    pub receive_microseconds: i32,
    pub leap: i32,
    pub precision: i32,
    pub samples: i32,
    pub valid: i32,
    pub clock_nanoseconds: u32,
    pub receive_nanoseconds: u32,
    pub dummy: [i32; 8],
}

/// What a clock said, and what time this machine had then.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds and nanoseconds.
    pub clock: (Seconds, u32),
    /// Seconds and nanoseconds.
    pub receive: (Seconds, u32),
    pub leap: i32,
    /// Of the clock, as a power of two in seconds.
    pub precision: i32,
}

/// How the two sides agree; the feeding side chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// They take turns: the feeder stores while `valid` is 0, the reader loads while it is 1.
    Turns = 0,
    /// The feeder stores when it likes; the reader tells by the count whether its copy is whole.
    Count = 1,
}

/// A unit that is attached.
pub struct Unit(pub RawBox<ShmTime>);

impl Unit {
    /// Attaches the unit, or makes it as `ntpd` does: the first two for root alone, others for all.
    pub fn open(number: u8) -> Result<Unit, Error> {
        let key = Key::new(0x4e54_5030 + u32::from(number));
        let mut options: RawOptions<ShmTime> = RawBox::options();
        options.create_exact(true);
        if number >= 2 {
            // Every process that is there may write to it: it does not matter which one made it.
            options.mode(0o666).owner(Owner::Anybody);
        }
        Ok(Unit(options.open(key)?))
    }

    /// Stores a sample. `false`: the reader has not taken the one before, in a mode of turns.
    pub fn feed(&self, mode: Mode, sample: &Sample) -> Result<bool, Error> {
        match mode {
            Mode::Turns => {
                // Acquire: it pairs with the reader's Release of 0, so these stores do not run ahead
                // into its copy.
                if self.load(field!(ShmTime.valid), Acquire)? != 0 {
                    return Ok(false);
                }
                self.store(field!(ShmTime.mode), 0, Relaxed)?;
                self.put(sample)?;
            }
            Mode::Count => {
                let count = self.load(field!(ShmTime.count), Relaxed)?;
                self.store(field!(ShmTime.mode), 1, Relaxed)?;
                self.store(field!(ShmTime.valid), 0, Relaxed)?;
                // Release: who sees this count sees that nothing is valid, until it is again.
                self.store(field!(ShmTime.count), count.wrapping_add(1), Release)?;
                // Who sees one of the stores below sees this count, by the fence before its second look.
                fence(Release);
                self.put(sample)?;
                // Release: who sees this count sees all of the sample.
                self.store(field!(ShmTime.count), count.wrapping_add(2), Release)?;
            }
        }
        // Release: who sees this sees the sample and its count.
        self.store(field!(ShmTime.valid), 1, Release)?;
        Ok(true)
    }

    /// Takes the sample that is there. `None`: there is none, or not a whole one.
    pub fn take(&self) -> Result<Option<Sample>, Error> {
        // The count before `valid`. The other way round: it was valid, then the feeder raises the count
        // and stores a half, and both looks at the count see the same.
        let first = self.load(field!(ShmTime.count), Acquire)?;
        if self.load(field!(ShmTime.valid), Acquire)? == 0 {
            return Ok(None);
        }
        let mode = self.load(field!(ShmTime.mode), Relaxed)?;
        let sample = self.copy()?;
        // Loads do not sink below this: if one of them saw a store of the next sample, this look sees
        // the count that was stored before it.
        fence(Acquire);
        let second = self.load(field!(ShmTime.count), Relaxed)?;
        match mode {
            0 => self.store(field!(ShmTime.count), second.wrapping_add(1), Relaxed)?,
            1 if first == second => {}
            _ => return Ok(None),
        }
        // One store of four bytes. `RawBox::set` would put back the whole copy, over what the feeder
        // stores at this moment. Release: the feeder that sees it does not disturb the loads above.
        self.store(field!(ShmTime.valid), 0, Release)?;
        Ok(Some(sample))
    }

    /// The sample that is there, whole or not.
    pub fn copy(&self) -> Result<Sample, Error> {
        let load = |field| self.load(field, Relaxed);
        let nanoseconds = |fine, coarse| -> Result<u32, Error> {
            let (fine, coarse): (u32, i32) =
                (self.load(fine, Relaxed)?, self.load(coarse, Relaxed)?);
            // Old feeders store microseconds alone.
            let whole = coarse.unsigned_abs().wrapping_mul(1000);
            Ok(if fine / 1000 == whole / 1000 {
                fine
            } else {
                whole
            })
        };
        Ok(Sample {
            clock: (
                self.load(field!(ShmTime.clock_seconds), Relaxed)?,
                nanoseconds(
                    field!(ShmTime.clock_nanoseconds),
                    field!(ShmTime.clock_microseconds),
                )?,
            ),
            receive: (
                self.load(field!(ShmTime.receive_seconds), Relaxed)?,
                nanoseconds(
                    field!(ShmTime.receive_nanoseconds),
                    field!(ShmTime.receive_microseconds),
                )?,
            ),
            leap: load(field!(ShmTime.leap))?,
            precision: load(field!(ShmTime.precision))?,
        })
    }

    fn put(&self, sample: &Sample) -> Result<(), Error> {
        let store = |field, value| self.store(field, value, Relaxed);
        let microseconds = |nanoseconds: u32| (nanoseconds / 1000) as i32;
        self.store(field!(ShmTime.clock_seconds), sample.clock.0, Relaxed)?;
        store(
            field!(ShmTime.clock_microseconds),
            microseconds(sample.clock.1),
        )?;
        self.store(field!(ShmTime.clock_nanoseconds), sample.clock.1, Relaxed)?;
        self.store(field!(ShmTime.receive_seconds), sample.receive.0, Relaxed)?;
        store(
            field!(ShmTime.receive_microseconds),
            microseconds(sample.receive.1),
        )?;
        self.store(
            field!(ShmTime.receive_nanoseconds),
            sample.receive.1,
            Relaxed,
        )?;
        store(field!(ShmTime.leap), sample.leap)?;
        store(field!(ShmTime.precision), sample.precision)
    }

    fn load<F: SharedLayout>(
        &self,
        field: Field<ShmTime, F>,
        order: std::sync::atomic::Ordering,
    ) -> Result<F, Error> {
        self.0.load(field, order)
    }

    fn store<F: SharedLayout>(
        &self,
        field: Field<ShmTime, F>,
        value: F,
        order: std::sync::atomic::Ordering,
    ) -> Result<(), Error> {
        self.0.store(field, value, order)
    }
}
