//! What a user meets: boxes, views, inspectors, how they are opened, and the error of all of them.
//!
//! Only `lib.rs` names this. It may name everything else; it holds no `unsafe` and no protocol. `Options`,
//! `SharedBox` and `SharedView` name each other, as `File` and `OpenOptions` do in `std`.

/// The methods of a builder that take a value and give the builder back.
macro_rules! setters {
    (
        impl [$($generics:tt)*] $of:ty;
        $($(#[$doc:meta])* $name:ident($value:ident: $type:ty) => $($place:ident).+ = $to:expr;)*
    ) => {
        impl<$($generics)*> $of {
            $(
                $(#[$doc])*
                pub fn $name(&mut self, $value: $type) -> &mut Self {
                    self.$($place).+ = $to;
                    self
                }
            )*
        }
    };
}

/// `Debug` of what leads to a `Typed`: its name, and where the value is.
macro_rules! debug_in_segment {
    ($of:ident<$($lifetime:lifetime,)? T>: $($typed:ident).+) => {
        impl<T: SharedLayout> std::fmt::Debug for $of<$($lifetime,)? T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.$($typed).+.attached().fmt_as(stringify!($of), f)
            }
        }
    };
}

#[cfg(feature = "async")]
mod change_stream;
mod changes;
mod error;
mod guard;
mod in_files;
mod inspector;
mod opening;
mod options;
mod place;
mod raw;
mod raw_box;
mod raw_table;
mod remove;
#[cfg(feature = "serde")]
mod serde;
mod shared_box;
mod shared_view;
mod table;
mod writer;

#[cfg(feature = "async")]
pub use change_stream::ChangeStream;
pub use changes::Changes;
pub use error::{Error, ErrorKind, Missing};
pub use guard::{Guard, Guarded, GuardedBox, GuardedTable, SemGuard};
pub use inspector::{InspectedRow, Inspector, InspectorOptions};
pub use options::Options;
pub use place::{ParsePlaceError, Place};
pub use raw_box::{RawBox, RawOptions, RawView};
pub use raw_table::{RawRow, RawTable, RawTableOptions};
pub use remove::{orphaned_sets, remove};
pub use shared_box::SharedBox;
pub use shared_view::SharedView;
#[cfg(feature = "async")]
pub use table::MembershipStream;
pub use table::{OnDeath, RowId, RowLife, RowView, Rows, Seat, SharedTable, TableView};
pub use writer::{Batch, Writer};
