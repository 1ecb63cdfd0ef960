//! Writes what fields say about other versions of their struct.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote};

use super::{at, ends, located};
use crate::model::{Field, Model};

/// The expression that describes `field`, whose type has this schema.
pub(super) fn description(model: &Model, field: &Field, schema: TokenStream) -> TokenStream {
    let krate = &model.settings.krate;
    let (name, member) = (field.name(), &field.member);
    let offset = quote!(::core::mem::offset_of!(Self, #member));
    let history = &field.history;
    let since = field.since();
    if since == 1 && history.was.is_empty() {
        return quote!(#krate::layout::Field::new(#name, #offset, #schema));
    }
    let was = history.was.iter().map(syn::LitStr::value);
    let has_default = history.default.is_some();
    // That zeros are no value of the type is found while this is evaluated, and is a matter of
    // `since`.
    let there = history.since_tokens.to_token_stream();
    let last = ends(there.clone()).map_or_else(Span::call_site, |(_, last)| last);
    let mut arguments = Group::new(
        Delimiter::Parenthesis,
        quote!(#name, #offset, #schema, #since, &[#(#was),*], #has_default),
    );
    arguments.set_span(at(last));
    let function = located(quote!(#krate::layout::Field::evolved), there);
    quote!(#function #arguments)
}

/// `for_each_missing`, for a struct that has fields which an older segment may lack.
pub(super) fn missing(model: &Model, fields: &[Field]) -> TokenStream {
    let krate = &model.settings.krate;
    let mut steps = fields
        .iter()
        .filter(|field| field.since() > 1)
        .map(|field| {
            let (ty, member, since) = (field.ty, &field.member, field.since());
            let offset = quote!(::core::mem::offset_of!(Self, #member));
            let step = match &field.history.default {
                Some(default) => quote! {
                    let __default: #ty = #default;
                    #krate::__private::for_each_byte_of(&__default, #offset, __each);
                },
                None => quote!(#krate::__private::for_each_zero_of::<#ty>(#offset, __each);),
            };
            quote!(if __older < #since { #step })
        })
        .peekable();
    if steps.peek().is_none() {
        return TokenStream::new();
    }
    quote! {
        fn for_each_missing(
            __older: ::core::primitive::u32,
            __each: &mut dyn ::core::ops::FnMut(::core::primitive::usize, &[::core::primitive::u8]),
        ) {
            #(#steps)*
        }
    }
}
