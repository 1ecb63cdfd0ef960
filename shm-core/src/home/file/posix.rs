//! Names of POSIX shared memory, checked as `shm_open(3)` has them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::Error;

/// Where `shm_open(3)` keeps its objects: "a dedicated tmpfs(5) filesystem that is normally mounted under /dev/shm".
const FOLDER: &str = "/dev/shm";

/// `NAME_MAX`.
const LONGEST: usize = 255;

/// The file of the POSIX name `/name`: "an initial slash, followed by one or more characters, none of which are slashes", "of up
/// to `NAME_MAX` (i.e., 255) characters" (`shm_open(3)`).
///
/// # Errors
///
/// The name is another; it says what is wrong.
pub(crate) fn posix_path(name: &OsStr) -> Result<PathBuf, Error> {
    let refused = |cause| {
        let hint = "write a slash and then 1 to 254 bytes without another one, such as /counter";
        Err(Error::early("shm_open", Path::new(name), cause, hint))
    };
    let bytes = name.as_bytes();
    match bytes.strip_prefix(b"/") {
        None => refused("the name does not begin with a slash"),
        Some(b"") => refused("there is nothing behind the slash"),
        Some(b"." | b"..") => refused("the name is one of a directory"),
        Some(rest) if rest.contains(&b'/') => refused("the name has a second slash"),
        Some(rest) if rest.contains(&0) => refused("the name has a zero byte"),
        Some(_) if bytes.len() > LONGEST => refused("the name has more than 255 bytes"),
        Some(rest) => Ok(Path::new(FOLDER).join(OsStr::from_bytes(rest))),
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_shm_open_has_them() {
        let of = |name: &str| posix_path(OsStr::new(name)).map_err(|e| e.to_string());
        assert_eq!(of("/counter").as_deref(), Ok(Path::new("/dev/shm/counter")));
        assert_eq!(of("/...").as_deref(), Ok(Path::new("/dev/shm/...")));
        let longest = format!("/{}", "n".repeat(254));
        assert!(of(&longest).is_ok());
        for (name, cause) in [
            ("", "begin with a slash"),
            ("counter", "begin with a slash"),
            ("/", "nothing behind"),
            ("/.", "of a directory"),
            ("/..", "of a directory"),
            ("//x", "second slash"),
            ("/x/y", "second slash"),
            ("/x\0y", "zero byte"),
            (&format!("{longest}n"), "more than 255"),
        ] {
            let error = of(name).unwrap_err();
            assert!(
                error.contains(cause) && error.contains("such as /counter"),
                "{error}"
            );
        }
        let odd = OsStr::from_bytes(b"/\xff");
        assert_eq!(
            posix_path(odd).unwrap().as_os_str().as_bytes(),
            b"/dev/shm/\xff"
        );
    }
}
