//! Writes the checks that need the compiler: what the macro was shown has to be all of the type.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse_quote;

use super::located;
use crate::model::{Field, Model};

/// Refuses fields that the derive was not shown, and types other than it was shown: an attribute
/// macro below it may add the former and write the latter.
pub(super) fn complete(model: &Model, fields: &[Field]) -> TokenStream {
    let ident = model.ident;
    let (impl_generics, _, where_clause) = model.generics.split_for_impl();
    let ty_generics = model.arguments();
    let members = fields.iter().map(|field| &field.member);
    let types = fields.iter().map(|field| field.ty);
    let values: Vec<Ident> = (0..fields.len())
        .map(|n| format_ident!("__field{n}"))
        .collect();
    let pattern = located(
        quote!(#ident { #(#members: #values),* }),
        ident.to_token_stream(),
    );
    // By value, since there may be no reference to a packed field. No type that may be shared
    // coerces to another.
    quote! {
        const _: () = {
            #[allow(dead_code)]
            fn __complete #impl_generics (__value: #ident #ty_generics) #where_clause {
                let #pattern = __value;
                #(let _: #types = #values;)*
            }
        };
    }
}

/// Says in words that the type has to be `Copy`. The supertrait alone would say it in the
/// compiler's.
pub(super) fn copy(model: &Model) -> TokenStream {
    let krate = &model.settings.krate;
    let ident = model.ident;
    // What `#[derive(Clone, Copy)]` gives `Copy` for: every type parameter is shared.
    let shared = |param| parse_quote!(#param: #krate::layout::SharedLayout);
    let generics = model.generics_with(model.params().map(shared));
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let ty_generics = model.arguments();
    let span = ident.span();
    let target = quote_spanned!(span=> #ident);
    quote! {
        const _: () = {
            #[allow(dead_code)]
            fn __copy #impl_generics () #where_clause {
                <#target #ty_generics as #krate::__private::advice::PlainCopy>::HOLDS
            }
        };
    }
}

/// Lets `cargo check` evaluate what depends on the finished type: its size, alignment and nesting.
pub(super) fn facts(model: &Model) -> TokenStream {
    if model.is_generic() {
        return TokenStream::new();
    }
    let krate = &model.settings.krate;
    let ident = model.ident;
    let facts = located(
        quote!(#krate::__private::Facts::<#ident>::HOLD),
        ident.to_token_stream(),
    );
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private::Unjudged as _;
            #facts
        };
    }
}
