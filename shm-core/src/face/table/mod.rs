//! Tables: rows that belong to processes, and go with them.

#[cfg(feature = "async")]
mod membership_stream;
mod row_view;
mod seat;
mod shared_table;
mod table_view;

#[cfg(feature = "async")]
pub use membership_stream::MembershipStream;
pub use row_view::{RowId, RowLife, RowView, Rows};
pub use seat::Seat;
pub use shared_table::{OnDeath, SharedTable};
pub use table_view::TableView;
