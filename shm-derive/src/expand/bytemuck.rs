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
    let mut generics = model.generics.clone();
    let params: Vec<Ident> = generics
        .type_params()
        .map(|param| param.ident.clone())
        .collect();
    let clause = generics.make_where_clause();
    clause
        .predicates
        .push(parse_quote!(for<'__shm> Self: ::core::marker::Copy));
    for param in &params {
        clause.predicates.push(parse_quote!(#param: 'static));
    }
    let implement = |name: &str, further: &[TokenStream], body: TokenStream| {
        let rule = format_ident!("{name}");
        let mut generics = generics.clone();
        let clause = generics.make_where_clause();
        for field in model.fields() {
            let ty = field.ty;
            clause
                .predicates
                .push(parse_quote!(for<'__shm> #ty: #bytemuck::#rule));
        }
        for bound in further {
            clause.predicates.push(parse_quote!(for<'__shm> #bound));
        }
        let ident = model.ident;
        let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
        quote! {
            #[automatically_derived]
            unsafe impl #impl_generics #bytemuck::#rule for #ident #ty_generics #where_clause { #body }
        }
    };
    let proven =
        |fact: TokenStream| quote!(#krate::__private::Assert<{ #fact }>: #krate::__private::IsTrue);
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
                let size = quote!(::core::mem::size_of::<#ident>() == 0 #(+ ::core::mem::size_of::<#types>())*);
                implement("NoUninit", &[proven(size)], none())
            });
            quote!(#(#plain)* #packed)
        }
        Body::Enum(variants) => {
            let Some(integer) = model.integer() else {
                return none();
            };
            let idents = variants.iter().map(|variant| variant.ident);
            let zero = (!model.is_generic()).then(|| {
                let zero = quote!(false #(|| #ident::#idents as ::core::primitive::i128 == 0)*);
                implement("Zeroable", &[proven(zero)], none())
            });
            let initialised = implement("NoUninit", &[], none());
            let checked = implement(
                "CheckedBitPattern",
                &[],
                quote! {
                    type Bits = ::core::primitive::#integer;

                    #[inline]
                    fn is_valid_bit_pattern(__bits: &::core::primitive::#integer) -> ::core::primitive::bool {
                        <Self as #krate::layout::SharedLayout>::bits_are_valid(&__bits.to_ne_bytes())
                    }
                },
            );
            quote!(#zero #initialised #checked)
        }
        Body::Union(_) => none(),
    }
}
