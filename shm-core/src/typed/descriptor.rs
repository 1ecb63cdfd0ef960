//! What has to be known of a type where its values are bytes.

use std::fmt;

use crate::layout::{
    self, Fingerprint, ForEachMissing, Schema, SharedLayout, first_invalid_at, first_other,
};
use crate::sysv::Key;
use crate::sysv::shm::Id;
use crate::typed::failure::Failure;

/// A type, as a value: code that opens, judges and upgrades is there once, and not once per type.
///
/// There may be several of one type, so they are compared by their fingerprints and never by
/// address.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) schema: &'static Schema,
    pub(crate) fingerprint: Fingerprint,
    /// Whether bytes in a segment are read as a value.
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
                bits_are_valid: if T::SCHEMA.has_others() {
                    read_as_valid::<T>
                } else {
                    T::bits_are_valid
                },
                for_each_missing: T::for_each_missing,
            }
        }
    }

    /// Bytes of a value.
    pub(crate) fn size(&self) -> usize {
        self.schema.size()
    }

    /// Its version, 1 unless it names one.
    pub(crate) const fn version(&self) -> u32 {
        match self.schema.version() {
            Some(version) => version,
            None => 1,
        }
    }

    /// Begins to show a value of this type that lies in a segment:
    /// `SharedBox<StPid> { key: 0x00001234, id: 5`.
    pub(crate) fn fmt_in_segment<'a, 'b>(
        &self,
        name: &str,
        key: Key,
        id: Option<Id>,
        f: &'a mut fmt::Formatter<'b>,
    ) -> fmt::DebugStruct<'a, 'b> {
        let mut shown = f.debug_struct(&format!("{name}<{}>", self.schema));
        shown.field("key", &format_args!("{key}"));
        if let Some(id) = id {
            shown.field("id", &format_args!("{id}"));
        }
        shown
    }

    /// The first part that is wrong of a value whose `bytes` from `offset` on were read.
    #[cold]
    pub(crate) fn invalid(&self, offset: usize, bytes: &[u8]) -> Failure {
        let invalid = first_invalid_at(self.schema, offset, bytes);
        let other = || (offset == 0).then(|| first_other(self.schema, offset, bytes));
        match invalid.or_else(|| other().flatten()) {
            Some(invalid) => Failure::Invalid(Box::new(invalid)),
            None => Failure::damaged("its bytes are no value of the type"),
        }
    }
}

/// [`SharedLayout::bits_are_valid`] of what is read where a variant stands for others.
#[cold]
fn read_as_valid<T: SharedLayout>(bytes: &[u8]) -> bool {
    let mut read = bytes.to_vec();
    layout::settle(T::SCHEMA, 0, &mut read);
    T::bits_are_valid(&read)
}
