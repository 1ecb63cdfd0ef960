//! A segment that holds another layout: both are shown, and nothing is touched.

use shm_core::{ErrorKind, FixedStr, SharedBox, SharedLayout, SharedView};
use shm_tests::Guard;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

/// Other programs' ideas of the same struct.
mod other {
    use super::*;

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    pub struct StPid {
        pub pid: i32,
        pub names: FixedStr<64>,
    }

    pub mod unsigned {
        use super::super::*;

        #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
        #[repr(C)]
        pub struct StPid {
            pub pid: u32,
            pub names: FixedStr<51>,
        }
    }

    pub mod renamed {
        use super::super::*;

        #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
        #[repr(C)]
        pub struct StPid {
            pub pid: i32,
            pub name: FixedStr<51>,
        }
    }

    pub mod later {
        use super::super::*;

        #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
        #[repr(C)]
        #[shared(version = 2)]
        pub struct StPid {
            pub pid: i32,
            pub names: FixedStr<51>,
        }
    }

    pub mod same {
        use super::super::*;

        #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
        #[repr(C)]
        pub struct Twin {
            pub pid: i32,
            pub names: FixedStr<51>,
        }
    }
}

fn stored(guard: &Guard) -> SharedBox<StPid> {
    let names = FixedStr::new("alice").unwrap();
    SharedBox::create_new(guard.key(), StPid { pid: 7, names }).unwrap()
}

#[test]
fn the_error_shows_both_layouts_side_by_side() {
    let guard = Guard::new();
    let shared = stored(&guard);
    let before = guard.memory().bytes();
    let nobody = other::StPid {
        pid: 0,
        names: FixedStr::EMPTY,
    };
    for error in [
        SharedBox::<other::StPid>::open(guard.key()).unwrap_err(),
        SharedBox::open_or_create(guard.key(), || nobody).unwrap_err(),
        SharedView::<other::StPid>::open(guard.key()).unwrap_err(),
    ] {
        assert!(
            error.mismatch().is_some() && error.to_string().contains("layout than `StPid`"),
            "{error:?}"
        );
        let text = error.to_string().replace(&guard.arg(), "0x00001234");
        let table = "\
segment 0x00001234 holds a different layout than `StPid`
  field   in the segment        in this program
  pid     i32           @0      i32           @0
  names   FixedStr<51>  @4      FixedStr<64>  @4   <- size differs
";
        assert!(text.starts_with(table), "{text}");
        println!("{text}");
    }
    assert_eq!(guard.memory().bytes(), before);
    assert_eq!(shared.get().unwrap().names, "alice");
}

#[test]
fn sign_and_names_count_as_layout() {
    let guard = Guard::new();
    let _shared = stored(&guard);
    let errors = [
        (
            SharedBox::<other::unsigned::StPid>::open(guard.key()).map(drop),
            "u32",
        ),
        (
            SharedBox::<other::renamed::StPid>::open(guard.key()).map(drop),
            "renamed? `name`",
        ),
        (SharedBox::<u64>::open(guard.key()).map(drop), "u64"),
        (SharedBox::<[u8; 56]>::open(guard.key()).map(drop), "u8"),
    ];
    for (result, word) in errors {
        let error = result.unwrap_err();
        assert!(error.kind() == ErrorKind::Mismatch, "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
    // A later version without another field: the schema alone is to be replaced.
    let later = SharedBox::<other::later::StPid>::open(guard.key()).unwrap_err();
    assert!(later.kind() == ErrorKind::NeedsUpgrade, "{later:?}");
}

#[test]
fn the_structs_own_name_does_not_count() {
    let guard = Guard::new();
    let _shared = stored(&guard);
    let twin = SharedBox::<other::same::Twin>::open(guard.key()).unwrap();
    assert_eq!(twin.get().unwrap().names, "alice");
}
