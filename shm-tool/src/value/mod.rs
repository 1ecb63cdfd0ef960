//! Values as trees of named parts, wherever they come from: how people read them, how programs do, and how a path
//! leads to a part.

mod changes;
mod json;
mod lines;
mod node;
mod path;

pub use changes::{Change, changes};
pub use lines::{Extent, lines, one_line};
pub use node::{Leaf, Node};
pub use path::{Path, Step, beyond, lines_at};
