//! Which start of the machine this is.

use core::num::NonZeroU64;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use super::error::Error;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A number of this start of the machine, the same for all of its processes: made of the kernel's boot id, 128 bits of which
/// 122 are random.
///
/// # Errors
///
/// `/proc` is not there, or is none.
pub(super) fn boot_word() -> Result<NonZeroU64, Error> {
    static KNOWN: OnceLock<NonZeroU64> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let found = ask()?;
    // Two threads that come here at once have found the same.
    let _ = KNOWN.set(found);
    Ok(found)
}

fn ask() -> Result<NonZeroU64, Error> {
    let path = Path::new(BOOT_ID);
    let no_proc = |cause| {
        let hint = "mount it: `mount -t proc proc /proc` inside the chroot or container";
        Error::early("open", path, cause, hint)
    };
    let text = fs::read_to_string(path).map_err(|_| {
        no_proc("there is no /proc, which tells this start of the machine from the one before")
    })?;
    word_of(text.trim_end()).ok_or_else(|| no_proc("what it says is no boot id"))
}

/// Of a UUID as text, both halves in one.
fn word_of(text: &str) -> Option<NonZeroU64> {
    let digits: String = text.split('-').collect();
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let (high, low) = digits.split_at(16);
    let half = |digits| u64::from_str_radix(digits, 16).ok();
    NonZeroU64::new(half(high)? ^ half(low)?)
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;

    #[test]
    fn one_boot_has_one_word() {
        assert_eq!(boot_word().unwrap(), boot_word().unwrap());
        let word = word_of("11111111-2222-4333-8444-555555555555").map(NonZeroU64::get);
        assert_eq!(word, Some(0x1111_1111_2222_4333 ^ 0x8444_5555_5555_5555));
        for none in [
            "",
            "11111111-2222",
            "+1111111-2222-4333-8444-555555555555",
            &"0".repeat(32),
        ] {
            assert_eq!(word_of(none), None, "{none:?}");
        }
    }
}
