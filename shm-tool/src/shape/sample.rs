//! A value of a type with all parts that one can have: it tells which paths lead somewhere where no value is yet.

use std::sync::Arc;

use super::{Kind, Type};
use crate::value::{Leaf, Node};

/// All elements that there is room for, and no values.
pub fn sample(ty: &Type) -> Node {
    match &ty.kind {
        Kind::Struct { fields, .. } | Kind::Union { members: fields } => {
            let fields = fields.iter();
            Node::Struct(
                fields
                    .map(|field| (Arc::from(&*field.name), sample(&field.ty)))
                    .collect(),
            )
        }
        Kind::Array {
            element,
            count: Some(count),
        }
        | Kind::Vec {
            element,
            capacity: count,
            ..
        } => {
            let count = usize::try_from(*count).unwrap_or(0);
            Node::List(vec![sample(element); count])
        }
        _ => Node::Leaf(Leaf::Opaque(ty.size)),
    }
}
