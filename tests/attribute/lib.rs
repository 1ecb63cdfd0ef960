//! What a derive cannot see: an attribute macro below it, which runs after it and may write another
//! struct.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Writes another type for each `u8`: `#[retype(bool)]`.
#[proc_macro_attribute]
pub fn retype(new: TokenStream, item: TokenStream) -> TokenStream {
    item.into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident.to_string() == "u8" => new.clone(),
            TokenTree::Group(group) => {
                let inner = retype(new.clone(), group.stream());
                TokenTree::Group(Group::new(group.delimiter(), inner)).into()
            }
            other => other.into(),
        })
        .collect()
}

/// Adds the field given to a struct with named fields: `#[add_field(address: *const u8)]`.
#[proc_macro_attribute]
pub fn add_field(field: TokenStream, item: TokenStream) -> TokenStream {
    let add = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut fields = group.stream();
            fields.extend(field.clone());
            TokenTree::Group(Group::new(Delimiter::Brace, fields))
        }
        other => other,
    };
    item.into_iter().map(add).collect()
}
