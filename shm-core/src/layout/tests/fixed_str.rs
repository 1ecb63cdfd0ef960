//! `FixedStr` holds what fits, never more, and reports what is no text.

use std::collections::HashSet;

use crate::FixedStr;
use crate::layout::TextError;

#[test]
fn text_up_to_the_capacity_fits() {
    assert_eq!(FixedStr::<4>::new("abc").unwrap(), "abc");
    assert_eq!(FixedStr::<1>::new("").unwrap(), "");
    assert_eq!(FixedStr::<4>::new("").unwrap().as_raw(), &[0; 4]);
}

#[test]
fn longer_text_is_refused_with_both_lengths() {
    let error = FixedStr::<51>::new(&"x".repeat(51))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("51 bytes") && error.contains("FixedStr<51>") && error.contains("50 bytes"),
        "{error}"
    );
}

#[test]
fn a_nul_inside_is_refused() {
    let error = "a\0b".parse::<FixedStr<8>>().unwrap_err().to_string();
    assert!(error.contains("NUL at byte 1"), "{error}");
    assert_eq!(FixedStr::<8>::truncated("a\0b"), "a");
}

#[test]
fn cutting_splits_no_character() {
    assert_eq!(FixedStr::<3>::truncated("aß"), "a");
    assert_eq!(FixedStr::<4>::truncated("aß"), "aß");
    assert_eq!(FixedStr::<3>::truncated("🦀"), "");
    assert_eq!(FixedStr::<1>::truncated("abc"), "");
}

#[test]
fn bytes_behind_the_nul_do_not_count() {
    let (a, b) = (
        FixedStr::from_raw(*b"ab\0xy"),
        FixedStr::from_raw(*b"ab\0\0\0"),
    );
    assert_eq!(a, b);
    assert_eq!(HashSet::from([a, b]).len(), 1);
    assert!(a.cmp(&b).is_eq());
    assert_eq!(a, FixedStr::<9>::new("ab").unwrap());
    assert_ne!(a, FixedStr::from_raw(*b"aby\0\0"));
}

#[test]
fn text_of_c_is_judged_only_when_read_as_text() {
    let unended = FixedStr::from_raw(*b"abcd");
    assert_eq!(unended.to_str(), Err(TextError::NoNul { size: 4 }));
    assert!(unended.as_c_str().is_err());
    assert_eq!((unended.as_bytes(), unended.len()), (&b"abcd"[..], 4));
    assert_eq!(unended.to_string(), "abcd");

    let latin1 = FixedStr::from_raw(*b"M\xfcller\0");
    assert_eq!(latin1.to_str(), Err(TextError::NotUtf8 { valid_up_to: 1 }));
    assert_eq!(latin1.to_string_lossy(), "M\u{fffd}ller");
    assert_eq!(format!("{latin1:?}"), r#""M\xfcller""#);
    assert_eq!(FixedStr::<7>::from_bytes(b"M\xfcller").unwrap(), latin1);
}

#[test]
fn shown_like_a_str() {
    let text = FixedStr::<20>::new("say \"hi\"\n").unwrap();
    assert_eq!(format!("{text:?}"), format!("{:?}", "say \"hi\"\n"));
    assert_eq!(
        format!("{:>4}|", FixedStr::<8>::new("ab").unwrap()),
        "  ab|"
    );
    assert_eq!(FixedStr::<8>::new("ab").unwrap().as_c_str(), Ok(c"ab"));
}

#[test]
fn constants_can_hold_text() {
    const NAME: FixedStr<8> = match FixedStr::new("alice") {
        Ok(name) => name,
        Err(_) => FixedStr::EMPTY,
    };
    assert_eq!(NAME, "alice");
    assert!(FixedStr::<8>::default().is_empty());
}
