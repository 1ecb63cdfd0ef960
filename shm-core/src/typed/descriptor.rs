//! What has to be known of a type where its values are bytes.

use crate::layout::{Fingerprint, InvalidValue, Schema, SharedLayout, first_invalid_at};
use crate::typed::failure::Failure;

/// Calls back with offset and default of each field that a version lacks.
type ForEachMissing = fn(u32, &mut dyn FnMut(usize, &[u8]));

/// A type, as a value: code that opens, judges and upgrades is there once, and not once per type.
///
/// There may be several of one type, so they are compared by their fingerprints and never by
/// address.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) schema: &'static Schema,
    pub(crate) fingerprint: Fingerprint,
    /// [`SharedLayout::bits_are_valid`].
    pub(crate) bits_are_valid: fn(&[u8]) -> bool,
    /// [`SharedLayout::for_each_missing`].
    pub(crate) for_each_missing: ForEachMissing,
}

impl Type {
    /// The type `T`.
    #[inline(always)]
    pub(crate) const fn of<T: SharedLayout>() -> &'static Type {
        const {
            &Type {
                schema: T::SCHEMA,
                fingerprint: T::FINGERPRINT,
                bits_are_valid: T::bits_are_valid,
                for_each_missing: T::for_each_missing,
            }
        }
    }

    /// Bytes of a value.
    pub(crate) fn size(&self) -> usize {
        self.schema.size()
    }

    /// Its version, 1 unless it names one.
    pub(crate) fn version(&self) -> u32 {
        self.schema.version().unwrap_or(1)
    }

    /// The first part that is wrong of a value whose `bytes` from `offset` on were read.
    #[cold]
    pub(crate) fn invalid(&self, offset: usize, bytes: &[u8]) -> Failure {
        let found: Option<InvalidValue> = first_invalid_at(self.schema, offset, bytes);
        match found {
            Some(invalid) => Failure::Invalid(Box::new(invalid)),
            None => Failure::damaged("its bytes are no value of the type"),
        }
    }
}
