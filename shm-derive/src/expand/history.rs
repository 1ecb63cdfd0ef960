//! Writes what fields say about other versions of their struct.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::described;
use crate::model::{Field, Model};

/// The expression that describes `field`; `part` is the one of its type.
pub(super) fn description(model: &Model, field: &Field, part: &TokenStream) -> TokenStream {
    let history = &field.history;
    let since = field.since();
    if since == 1 && history.was.is_empty() {
        return described(model, field, "of", quote!(#part), TokenStream::new());
    }
    let was = history.was.iter().map(syn::LitStr::value);
    let has_default = history.default.is_some();
    let arguments = quote!(#part, #since, &[#(#was),*], #has_default);
    // That zeros are no value of the type is found while this is evaluated, and is a matter of
    // `since`.
    let there = history.since.tokens.clone();
    described(model, field, "evolved_of", arguments, there)
}

/// `for_each_missing`, for a struct that has fields which an older segment may lack.
///
/// A default is the user's code. It stands in a closure, so that a `return` in it ends nothing else,
/// and the names of the expansion are hygienic, so that it cannot meet them. (They begin with two
/// underscores all the same: a pattern would take a constant of that name for what it is.)
pub(super) fn missing(model: &Model, fields: &[&Field]) -> TokenStream {
    let krate = &model.settings.krate;
    let name = |name| Ident::new(name, Span::mixed_site());
    let (older, each, default) = (name("__older"), name("__each"), name("__default"));
    let shared = quote!(#krate::layout::SharedLayout);
    let mut steps = fields
        .iter()
        .filter(|field| field.since() > 1)
        .map(|field| {
            let (ty, member, since) = (field.ty, &field.member, field.since());
            let offset = quote!(::core::mem::offset_of!(Self, #member));
            let step = match &field.history.default {
                Some(value) => quote! {
                    let #default: #ty = (|| -> #ty { #value })();
                    <#ty as #shared>::for_each_byte(&#default, #offset, #each);
                },
                None => quote!(<#ty as #shared>::for_each_zero(#offset, #each);),
            };
            quote!(if #older < #since { #step })
        })
        .peekable();
    if steps.peek().is_none() {
        return TokenStream::new();
    }
    quote! {
        fn for_each_missing(
            #older: ::core::primitive::u32,
            #each: &mut dyn ::core::ops::FnMut(::core::primitive::usize, &[::core::primitive::u8]),
        ) {
            #(#steps)*
        }
    }
}
