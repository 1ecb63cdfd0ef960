//! The texts of the ready-made types lead back to them, and what is none is refused.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use crate::layout::{Id128, Ipv4, Ipv6, Nanoseconds, SharedLayout, Timestamp, Value};

/// Its text is that of its tree, and leads back to it.
fn comes_back<T: SharedLayout + Display + Debug + FromStr<Err: Debug> + PartialEq>(value: T) {
    let text = value.to_string();
    assert_eq!(text.parse::<T>().unwrap(), value);
    assert_eq!(format!("{value:?}"), text);
    assert_eq!(format!("{:?}", Value::of(&value).unwrap()), text);
}

proptest! {
    #[test]
    fn each_value_comes_back_from_its_text(nanos: i64, span: u64, digits in 0..20_u32, id: u128) {
        comes_back(Timestamp::from_nanos(nanos));
        comes_back(Timestamp::from_nanos(nanos / 10_i64.pow(digits.min(18))));
        comes_back(Nanoseconds::from_nanos(span / 10_u64.pow(digits.min(19))));
        comes_back(Id128::from(id));
        comes_back(Ipv4::from(std::net::Ipv4Addr::from(span as u32)));
        comes_back(Ipv6::from(std::net::Ipv6Addr::from(id)));
    }

    #[test]
    fn times_and_spans_are_those_of_std(nanos: i64, span: u64) {
        let time = Timestamp::from_nanos(nanos);
        prop_assert_eq!(Timestamp::try_from(SystemTime::from(time)), Ok(time));
        let span = Nanoseconds::from_nanos(span);
        prop_assert_eq!(Nanoseconds::try_from(Duration::from(span)), Ok(span));
        prop_assert_eq!(span.to_string(), format!("{:?}", Duration::from(span)));
    }

    #[test]
    fn any_text_is_a_value_or_an_error(text in "[-0-9a-fTZ:.+mnuµs ]{0,40}", other in any::<String>()) {
        for text in [text, other] {
            let _ = (text.parse::<Timestamp>(), text.parse::<Nanoseconds>(), text.parse::<Id128>());
        }
    }
}

#[test]
fn known_texts_are_what_they_mean() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-07-20T20:17:40Z", -14_182_940),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2026-11-26T02:52:23+00:00", 1_795_661_543),
        ("2026-11-26t03:52:23.000+01:00", 1_795_661_543),
        ("2026-11-25 23:22:23-03:30", 1_795_661_543),
    ] {
        let time: Timestamp = text.parse().unwrap();
        assert_eq!(time.as_nanos(), seconds * 1_000_000_000, "{text}");
    }
    let first = Timestamp::from_nanos(i64::MIN).to_string();
    assert_eq!(first, "1677-09-21T00:12:43.145224192Z");
    for wrong in [
        "",
        "2026-11-26",
        "2026-11-26T02:52:23",
        "2026-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:0Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00Zx",
        "2026-01-01T00:00:00+1:00",
        "1500-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "2026-01-01é00:00:00Z",
    ] {
        assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
    }
    for (text, nanos) in [
        ("0s", 0),
        ("7us", 7000),
        ("7µs", 7000),
        ("1.5ms", 1_500_000),
        ("3ns", 3),
    ] {
        assert_eq!(text.parse(), Ok(Nanoseconds::from_nanos(nanos)), "{text}");
    }
    for wrong in [
        "",
        "s",
        "5",
        "1.5ns",
        "-1s",
        "1 s",
        "1.s",
        ".5s",
        "1e3s",
        "99999999999s",
    ] {
        assert!(wrong.parse::<Nanoseconds>().is_err(), "{wrong}");
    }
    for wrong in [
        "",
        "67e55044-10b1-426f-9247-bb680e5fe0c",
        "67e5504410b1426f-9247-bb680e5fe0c8ff",
        "+7e5504410b1426f9247bb680e5fe0c8",
    ] {
        assert!(wrong.parse::<Id128>().is_err(), "{wrong}");
    }
    let error = "soon".parse::<Timestamp>().unwrap_err();
    let wanted = "the text is not a time as RFC 3339 has it: `2026-11-26T04:25:00.5Z`";
    assert_eq!(error.to_string(), wanted);
}
