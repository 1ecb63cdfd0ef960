//! Tables: rows that belong to processes, and go with them.

mod row_view;
mod seat;
mod shared_table;
mod table_view;

pub use row_view::{RowId, RowLife, RowView, Rows};
pub use seat::Seat;
pub use shared_table::{OnDeath, SharedTable};
pub use table_view::TableView;
