//! Writes those traits of bytemuck that a faultless type has, so that its users need no second
//! derive.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::parse_quote;

use crate::model::{Body, Model};

/// The traits of bytemuck that hold. `for<'__shm>` lets a bound be false: then the impl is there
/// and never applies.
pub(super) fn traits(model: &Model) -> TokenStream {
    let krate = &model.settings.krate;
    let bytemuck = quote!(#krate::__private::bytemuck);
    let implement = |name: &str, further: &[TokenStream], body: TokenStream| {
        let rule = format_ident!("{name}");
        let mut bounds = vec![parse_quote!(for<'__shm> Self: ::core::marker::Copy)];
        bounds.extend(model.params().map(|param| parse_quote!(#param: 'static)));
        let types = model.fields().iter().map(|field| field.ty);
        bounds.extend(types.map(|ty| parse_quote!(for<'__shm> #ty: #bytemuck::#rule)));
        bounds.extend(further.iter().map(|bound| parse_quote!(for<'__shm> #bound)));
        let generics = model.generics_with(bounds);
        let ident = model.ident;
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let ty_generics = model.arguments();
        quote! {
            #[automatically_derived]
            unsafe impl #impl_generics #bytemuck::#rule for #ident #ty_generics #where_clause { #body }
        }
    };
    // A fact in the place of a bound, by the language's own means, since a trait behind the user's
    // path could hold for a false one: arrays of a type without a default have one themselves if
    // they have no element.
    let none_of = |count: TokenStream| quote!([::core::convert::Infallible; { #count }]: ::core::default::Default);
    let ident = model.ident;
    let none = TokenStream::new;

    match &model.body {
        Body::Struct(fields) => {
            let plain = [
                implement("Zeroable", &[], none()),
                implement("AnyBitPattern", &[], none()),
            ];
            // Only a concrete type's padding can be computed in a bound.
            let packed = (!model.is_generic()).then(|| {
                let types = fields.iter().map(|field| field.ty);
                let padding =
                    quote!(::core::mem::size_of::<#ident>() #(- ::core::mem::size_of::<#types>())*);
                implement("NoUninit", &[none_of(padding)], none())
            });
            quote!(#(#plain)* #packed)
        }
        Body::Enum(variants) => {
            let Some(integer) = model.integer() else {
                return none();
            };
            let idents: Vec<&Ident> = variants.iter().map(|variant| variant.ident).collect();
            let zero = (!model.is_generic()).then(|| {
                let no_zero = quote!((true #(&& #ident::#idents as ::core::primitive::i128 != 0)*) as ::core::primitive::usize);
                implement("Zeroable", &[none_of(no_zero)], none())
            });
            let initialised = implement("NoUninit", &[], none());
            let checked = implement(
                "CheckedBitPattern",
                &[],
                quote! {
                    type Bits = ::core::primitive::#integer;

                    #[inline]
                    fn is_valid_bit_pattern(__bits: &::core::primitive::#integer) -> ::core::primitive::bool {
                        #(if *__bits == Self::#idents as ::core::primitive::#integer { return true; })*
                        false
                    }
                },
            );
            quote!(#zero #initialised #checked)
        }
        Body::Union(_) => none(),
    }
}
