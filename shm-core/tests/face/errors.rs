//! The next step of an error fits what was called, and the place that it was called for.

use std::time::Duration;

use shm_core::{Error, ErrorKind, Inspector, Key, Place, RawBox, SharedBox, SharedView};

#[test]
fn a_text_that_is_no_place_is_told_what_to_write_for_its_kind_of_place() {
    for (text, advice) in [
        ("0x", "0x1234"),
        ("id:-1", "shmid"),
        ("ftok:/proc", "ftok:PATH:ID"),
        ("ftok::1", "ftok:PATH:ID"),
        ("ftok:/no/such/file:1", "name a file that exists"),
        ("file:", "file:/srv/app/state"),
        ("posix:name", "such as /counter"),
        ("http://x", "id:5"),
        ("/srv/app/state", "file:PATH"),
    ] {
        let refused = text.parse::<Place>().unwrap_err();
        // What `unwrap` prints.
        assert_eq!(format!("{refused:?}"), refused.to_string());
        let error = Error::from(refused);
        assert_eq!(error.kind(), ErrorKind::Place);
        assert!(error.hint().contains(advice), "{text}: {}", error.hint());
    }
}

#[test]
fn errors_pass_between_threads_and_through_what_catches_panics() {
    fn passes<E: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    passes::<Error>();
    passes::<shm_core::ParsePlaceError>();
}

#[test]
fn what_is_removed_already_is_not_advised_to_be_opened_again() {
    let shared = SharedBox::create_new(Key::PRIVATE, 5_u32).unwrap();
    let place = Place::id(shared.id().unwrap());
    shared.remove().unwrap();
    for error in [
        shared.remove().unwrap_err(),
        shm_core::remove(&place).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Removed);
        assert_eq!(error.hint(), "nothing is left to remove");
        assert!(error.to_string().ends_with("; nothing is left to remove"));
    }
    for error in [
        shared.get().unwrap_err(),
        SharedView::<u32>::open(place).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Removed);
        assert!(!error.hint().contains("open"), "{error}");
    }
}

#[test]
fn what_cannot_create_a_segment_is_not_advised_to() {
    let key = Key::new(0x7b5d_0e01);
    for error in [
        RawBox::<u32>::open(key).unwrap_err(),
        Inspector::open(key).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::System);
        assert!(!error.hint().contains("open_or_create"), "{error}");
    }
}

#[test]
fn a_wait_of_less_than_a_millisecond_is_not_called_none() {
    let shared = SharedBox::options()
        .timeout(Duration::from_micros(300))
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 5_u32)
        .unwrap();
    let _writer = shared.writer().unwrap();
    let error = std::thread::scope(|scope| scope.spawn(|| shared.set(6)).join().unwrap());
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(!error.to_string().contains(" 0.0"), "{error}");
}
