//! `Timestamp` and `Nanoseconds`: `SystemTime` and `Duration` have a layout of their own in each build.

use std::fmt;
use std::num::TryFromIntError;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ParseTypeError;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 60 * 60;

debug_as_text! { Timestamp Nanoseconds }

/// An instant: nanoseconds since 1970 in UTC, from the year 1677 to 2262. In C `struct timestamp { int64_t nanoseconds; }`.
///
/// Its text is that of RFC 3339.
///
/// ```
/// use std::time::SystemTime;
///
/// use shm_core::Timestamp;
///
/// let moon: Timestamp = "1969-07-20T20:17:40Z".parse()?;
/// assert_eq!(moon.as_nanos(), -14_182_940_000_000_000);
/// assert!(moon < Timestamp::now());
/// assert_eq!(Timestamp::try_from(SystemTime::from(moon))?, moon);
/// assert_eq!(Timestamp::from_nanos(1_500_000_000).to_string(), "1970-01-01T00:00:01.5Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(shm_derive::SharedLayout, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[shared(crate = "crate")]
#[repr(transparent)]
pub struct Timestamp {
    nanoseconds: i64,
}

impl Timestamp {
    /// So many nanoseconds after 1970, or before.
    pub const fn from_nanos(nanoseconds: i64) -> Timestamp {
        Timestamp { nanoseconds }
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> i64 {
        self.nanoseconds
    }

    /// This instant, by the system's clock; the nearest that can be said where that is beyond.
    pub fn now() -> Timestamp {
        Timestamp::nearest(SystemTime::now())
    }

    fn nearest(time: SystemTime) -> Timestamp {
        let beyond = match time.duration_since(UNIX_EPOCH) {
            Ok(_) => i64::MAX,
            Err(_) => i64::MIN,
        };
        time.try_into().unwrap_or(Timestamp::from_nanos(beyond))
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = TryFromIntError;

    /// Not for times before 1677 and after 2262.
    fn try_from(time: SystemTime) -> Result<Timestamp, TryFromIntError> {
        let nanoseconds = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos())?,
            Err(before) => i64::try_from(-i128::try_from(before.duration().as_nanos())?)?,
        };
        Ok(Timestamp { nanoseconds })
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> SystemTime {
        let distance = Duration::from_nanos(time.nanoseconds.unsigned_abs());
        match time.nanoseconds {
            0.. => UNIX_EPOCH + distance,
            _ => UNIX_EPOCH - distance,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.nanoseconds.div_euclid(SECOND);
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let of_day = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let fraction = format!(".{:09}", self.nanoseconds.rem_euclid(SECOND));
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!(
            "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
        ))
    }
}

impl FromStr for Timestamp {
    type Err = ParseTypeError;

    /// Of RFC 3339, with `Z` or an offset, and up to nine digits of a fraction.
    fn from_str(text: &str) -> Result<Timestamp, ParseTypeError> {
        let wrong = ParseTypeError::new("a time as RFC 3339 has it: `2026-11-26T04:25:00.5Z`");
        instant(text).map(Timestamp::from_nanos).ok_or(wrong)
    }
}

fn instant(text: &str) -> Option<i64> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    let is_between = matches!(text.as_bytes()[10], b'T' | b't' | b' ');
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days(year, month, day);
    if !is_between || self::date(days) != (year, month, day) {
        return None;
    }
    let (clock, offset) = time.split_at(time.find(['Z', 'z', '+', '-'])?);
    let offset = match offset.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            let seconds = 60 * (60 * hours + minutes);
            match sign {
                "+" if hours < 24 && minutes < 60 => seconds,
                "-" if hours < 24 && minutes < 60 => -seconds,
                _ => return None,
            }
        }
    };
    let (clock, seconds) = clock.rsplit_once(':')?;
    let [hours, minutes] = numbers(clock, ':', [2, 2])?;
    let nanoseconds = i64::try_from(decimal(seconds, 9)?).ok()?;
    let two_digits = seconds.find('.').unwrap_or(seconds.len()) == 2;
    if hours > 23 || minutes > 59 || nanoseconds >= 60 * SECOND || !two_digits {
        return None;
    }
    let minutes = DAY * days + 60 * (60 * hours + minutes) - offset;
    let sum = i128::from(minutes) * i128::from(SECOND) + i128::from(nanoseconds);
    i64::try_from(sum).ok()
}

/// As many numbers of so many digits.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = i64::try_from(decimal(part, 0)?).ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number with at most so many digits behind its point, in units of the last of these.
fn decimal(text: &str, digits: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole)
        || !are_digits(fraction)
        || (text.contains('.') && fraction.len() > digits)
    {
        return None;
    }
    let fraction = if digits == 0 { "" } else { fraction };
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

/// Year, month and day, so many days after 1970-01-01: <https://howardhinnant.github.io/date_algorithms.html>,
/// `civil_from_days`. Years begin with March there, and eras have 400 of them.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The other way round, `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A span of time of up to 584 years. In C `struct nanoseconds { uint64_t nanoseconds; }`.
///
/// ```
/// use std::time::Duration;
///
/// use shm_core::Nanoseconds;
///
/// let pause: Nanoseconds = "1.5ms".parse()?;
/// assert_eq!(Duration::from(pause), Duration::from_micros(1500));
/// assert_eq!(Nanoseconds::try_from(Duration::from_secs(2))?.to_string(), "2s");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(shm_derive::SharedLayout, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[shared(crate = "crate")]
#[repr(transparent)]
pub struct Nanoseconds {
    nanoseconds: u64,
}

impl Nanoseconds {
    /// So many.
    pub const fn from_nanos(nanoseconds: u64) -> Nanoseconds {
        Nanoseconds { nanoseconds }
    }

    /// How many.
    pub const fn as_nanos(self) -> u64 {
        self.nanoseconds
    }
}

impl TryFrom<Duration> for Nanoseconds {
    type Error = TryFromIntError;

    /// Not for more than 584 years.
    fn try_from(duration: Duration) -> Result<Nanoseconds, TryFromIntError> {
        Ok(Nanoseconds {
            nanoseconds: duration.as_nanos().try_into()?,
        })
    }
}

impl From<Nanoseconds> for Duration {
    fn from(span: Nanoseconds) -> Duration {
        Duration::from_nanos(span.nanoseconds)
    }
}

impl fmt::Display for Nanoseconds {
    /// As the `Debug` of a `Duration`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Duration::from(*self), f)
    }
}

impl FromStr for Nanoseconds {
    type Err = ParseTypeError;

    /// A number, possibly with a fraction, and `ns`, `us`, `µs`, `ms` or `s` behind it.
    fn from_str(text: &str) -> Result<Nanoseconds, ParseTypeError> {
        const UNITS: [(&str, usize); 5] = [("ns", 0), ("us", 3), ("µs", 3), ("ms", 6), ("s", 9)];
        let of_unit = |&(unit, digits): &(&str, usize)| decimal(text.strip_suffix(unit)?, digits);
        let wrong =
            ParseTypeError::new("a span of time with its unit: `1.5s`, `20ms`, `7us` or `3ns`");
        UNITS
            .iter()
            .find_map(of_unit)
            .map(Nanoseconds::from_nanos)
            .ok_or(wrong)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_gives_the_nearest_instant() {
        let far = Duration::from_secs(10_000_000_000);
        for (time, nearest) in [
            (UNIX_EPOCH - far, i64::MIN),
            (UNIX_EPOCH - Duration::from_nanos(1), -1),
            (UNIX_EPOCH + far, i64::MAX),
        ] {
            assert_eq!(Timestamp::nearest(time).as_nanos(), nearest);
        }
    }
}
