//! Any bytes as a stored schema: an error, or a schema whose stored form is these very bytes, and
//! which every function takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shm_core::SharedLayout;
use shm_core::layout::{Mismatch, Schema, first_invalid, make_valid};
use shm_tests::every_call::{Padded, Strict};

fuzz_target!(|bytes: &[u8]| {
    // Two schemas, if there is a second one behind the first.
    let stored = match Schema::decode(bytes) {
        Ok(schema) => schema,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(
        stored.encode() == bytes,
        "decoded and encoded again it is another"
    );
    assert_eq!(Schema::decode(&stored.encode()).as_ref(), Ok(&stored));
    assert!(!stored.to_string().is_empty() && !format!("{stored:?}").is_empty());
    for mine in [Strict::SCHEMA, Padded::SCHEMA, <[u64; 8]>::SCHEMA, &stored] {
        let difference = Mismatch::new(&stored, mine).to_string();
        assert!(difference.lines().count() < 60, "{difference}");
        assert!(!Mismatch::new(mine, &stored).to_string().is_empty());
        for (newer, older) in [(&stored, mine), (mine, &stored)] {
            if let Err(obstacle) = newer.extends(older) {
                assert!(!obstacle.to_string().is_empty());
            } else {
                assert!(newer.version() > older.version() && newer.size() >= older.size());
            }
        }
        assert!(stored != *mine || stored.fingerprint() == mine.fingerprint());
    }
    // Some value of it, made valid.
    if stored.size() <= 1 << 16 {
        let mut value: Vec<u8> = bytes.iter().copied().cycle().take(stored.size()).collect();
        if let Some(invalid) = first_invalid(&stored, &value) {
            assert!(!invalid.to_string().is_empty());
        }
        make_valid(&stored, &mut value);
        assert_eq!(first_invalid(&stored, &value), None);
    }
});
