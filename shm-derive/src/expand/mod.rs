//! Writes the impls of a faultless model, or the fallback of a faulty one.
//!
//! Everything is named by absolute path, and stands inside `const _: () = { … };`, so that no name
//! in the user's module can change what it means.
//!
//! The path to `shm-core` is the user's word (`#[shared(crate = …)]`), so behind it may stand a module
//! that has the true `SharedLayout` and nothing else that is true. Therefore what makes a type safe to
//! share is asked of that trait's own items alone, which are the library's wherever the impl counts:
//! a field is known by its `Part`, which only the library makes, and for the type that is written
//! out beside it. All else behind that path has words for people, and may be anything. The tokens of a field's type keep the user's
//! spans: that is where a bound that does not hold is reported.

mod bytemuck;
mod checks;
mod history;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Generics, Member, Type, parse_quote};

use crate::field_type::{self, Verdict};
use crate::model::{Body, Field, Model, Variant};

/// `SharedLayout`, bytemuck's traits, and the checks that need the finished type.
pub(crate) fn implementation(model: &Model) -> TokenStream {
    let shared = match &model.body {
        Body::Struct(fields) => structure(model, fields),
        Body::Enum(variants) => enumeration(model, variants),
        Body::Union(_) => TokenStream::new(),
    };
    let bytemuck = if model.settings.bytemuck {
        bytemuck::traits(model)
    } else {
        TokenStream::new()
    };
    let copy = checks::copy(model);
    let facts = checks::facts(model);
    wrap(quote!(#shared #bytemuck #copy #facts))
}

/// An impl that says nothing and whose bounds hold, so that the faults already reported do not come
/// back as "`X` does not implement `SharedLayout`" at every use. It still asks the compiler about
/// the suspects.
pub(crate) fn fallback(model: &Model) -> TokenStream {
    let krate = &model.settings.krate;
    let mut generics = bounded(model, false);
    if model.generics.lifetimes().next().is_some() {
        let clause = generics.make_where_clause();
        clause.predicates.push(parse_quote!(Self: 'static));
    }
    let asked = model
        .fields()
        .iter()
        .filter(|field| {
            field
                .findings
                .iter()
                .all(|finding| matches!(finding.verdict, Verdict::Suspect(_)))
        })
        .filter(|field| !mentions_lifetime(model, field.ty))
        .flat_map(|field| parts(model, field));
    let header = header(model, &generics);
    let copy = checks::copy(model);
    wrap(quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        unsafe #header {
            const SCHEMA: &'static #krate::layout::Schema = {
                #(let _ = #asked;)*
                <::core::primitive::u8 as #krate::layout::SharedLayout>::SCHEMA
            };

            fn bits_are_valid(_: &[::core::primitive::u8]) -> ::core::primitive::bool {
                false
            }
        }
        #copy
    })
}

fn wrap(items: TokenStream) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(clippy::all, clippy::pedantic, deprecated, non_upper_case_globals, unused_lifetimes, unused_qualifications)]
        const _: () = { #items };
    }
}

/// `impl<…> SharedLayout for X<…> where …`; the caller writes `unsafe` before it.
fn header(model: &Model, generics: &Generics) -> TokenStream {
    let krate = &model.settings.krate;
    let ident = model.ident;
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let ty_generics = model.arguments();
    quote!(impl #impl_generics #krate::layout::SharedLayout for #ident #ty_generics #where_clause)
}

/// The user's generics, and what has to hold for an instance to be shared; without the bounds on
/// fields if `fields` is false, as in a fallback.
///
/// The supertraits of `SharedLayout` are asked for with `for<'__shm>` because such a bound may be
/// false: that the type has to be `Copy` is said by [`checks::copy`], in words.
fn bounded(model: &Model, fields: bool) -> Generics {
    let krate = &model.settings.krate;
    let shared = quote!(#krate::layout::SharedLayout);
    let mut bounds = vec![parse_quote!(for<'__shm> Self: #krate::__private::advice::Movable)];
    bounds.extend(model.params().map(|param| parse_quote!(#param: 'static)));
    let mut params_are_shared = !fields;
    for field in model.fields() {
        let ty = field.ty;
        if !mentions_param(model, ty) {
            continue;
        }
        if !field.findings.is_empty() {
            // A bound on a suspect would be taken on trust until the type is used. Bounds on
            // the parameters let the body be checked at once.
            params_are_shared = true;
        } else if fields {
            bounds.push(parse_quote!(#ty: #shared));
        }
    }
    if params_are_shared {
        bounds.extend(model.params().map(|param| parse_quote!(#param: #shared)));
    }
    model.generics_with(bounds)
}

fn structure(model: &Model, fields: &[Field]) -> TokenStream {
    let krate = &model.settings.krate;
    let name = model.name();
    let version = model.settings.version.number.unwrap_or(1);
    let generics = bounded(model, true);
    let header = header(model, &generics);

    let complete = checks::complete(model, fields);
    let (padding, fields): (Vec<&Field>, Vec<&Field>) =
        fields.iter().partition(|field| field.is_padding());
    let members: Vec<&Member> = fields.iter().map(|field| &field.member).collect();
    let types: Vec<&Type> = fields.iter().map(|field| field.ty).collect();
    let asked: Vec<Vec<TokenStream>> = fields.iter().map(|field| parts(model, field)).collect();
    let parts: Vec<&TokenStream> = asked.iter().filter_map(|parts| parts.first()).collect();
    let further = asked.iter().flat_map(|parts| parts.iter().skip(1));
    let described = fields
        .iter()
        .copied()
        .zip(&parts)
        .map(|(field, part)| history::description(model, field, part));
    let counters = fields.iter().copied();
    let counters: Vec<&Field> = counters.filter(|f| f.history.counter.is_some()).collect();
    let lists = [
        ("PADDING", "padding_of", &padding),
        ("COUNTERS", "counter_of", &counters),
    ];
    let further_lists = lists.iter().filter(|(_, _, fields)| !fields.is_empty());
    let further_lists = further_lists.map(|(name, function, fields)| {
        let name = format_ident!("{name}");
        let described = fields.iter().map(|field| listed(model, field, function));
        quote! {
            const #name: &'static [#krate::layout::FieldSchema] = &[#(#described),*];
        }
    });
    // A fault found while these are evaluated is reported on the name of the struct.
    let [all, padding, counters] = ["FIELDS", "PADDING", "COUNTERS"].map(|name| {
        let name = format_ident!("{name}");
        let list = quote!(<Self as #krate::layout::SharedLayout>::#name);
        located(list, model.ident.to_token_stream())
    });
    let schema = quote! {
        &#krate::layout::Schema::structure(
            #name,
            #version,
            ::core::mem::size_of::<Self>(),
            ::core::mem::align_of::<Self>(),
            #all,
            #padding,
            #counters,
        )
    };
    let schema = located(schema, model.ident.to_token_stream());

    let missing = history::missing(model, &fields);

    quote! {
        // SAFETY: the macro has seen `repr(C)` or `repr(transparent)`, so the layout is fixed. Each
        // field is named with its true offset, and is `SharedLayout` itself by the calls below;
        // `Schema::structure` refuses overlaps, a size of zero and too large an alignment. A value
        // is valid if each of its fields is.
        #[automatically_derived]
        unsafe #header {
            const FIELDS: &'static [#krate::layout::FieldSchema] = {
                #(let _ = #further;)*
                &[#(#described),*]
            };

            #(#further_lists)*

            const SCHEMA: &'static #krate::layout::Schema = #schema;

            #[inline]
            fn bits_are_valid(__bytes: &[::core::primitive::u8]) -> ::core::primitive::bool {
                // Known here, the length lets the compiler drop the bounds checks below.
                __bytes.len() == ::core::mem::size_of::<Self>()
                    #(&& <Self as #krate::layout::SharedLayout>::holds::<#types>(
                        #parts, __bytes, ::core::mem::offset_of!(Self, #members)
                    ))*
            }

            #missing
        }

        #complete
    }
}

/// The expression that describes a field of one of the lists; what is wrong with it is told on its type.
fn listed(model: &Model, field: &Field, function: &str) -> TokenStream {
    let part = parts(model, field).into_iter().next();
    let there = field.ty.to_token_stream();
    described(model, field, function, quote!(#part), there)
}

/// Has `function` describe `field`; what is wrong with it is told at the place of `there`. Behind name and offset it takes
/// `arguments`.
fn described(
    model: &Model,
    field: &Field,
    function: &str,
    arguments: TokenStream,
    there: TokenStream,
) -> TokenStream {
    let krate = &model.settings.krate;
    let (name, member, ty) = (field.name(), &field.member, field.ty);
    let function = format_ident!("{function}");
    let offset = quote!(::core::mem::offset_of!(Self, #member));
    let last = ends(there.clone()).map_or_else(Span::call_site, |(_, last)| last);
    let arguments = quote!(#name, #offset, #arguments);
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(at(last));
    let function = quote!(#krate::layout::FieldSchema::#function::<#ty>);
    let function = located(function, there);
    quote!(#function #arguments)
}

/// The library's word for the type of `field`, `<Type as Trait>::PART`, asked for where the type stands: once for each suspect
/// in it, reported on that suspect, or else once.
///
/// Written as a qualified path only, because then a failed bound is the same message each time, and
/// shown once.
fn parts(model: &Model, field: &Field) -> Vec<TokenStream> {
    let krate = &model.settings.krate;
    let ask = |ty: TokenStream, rule: &str| {
        let (first, last) = ends(ty.clone()).unwrap_or((Span::call_site(), Span::call_site()));
        let (rule, part) = (format_ident!("{rule}"), Ident::new("PART", at(last)));
        let open = quote_spanned!(at(first)=> <);
        quote!(#open #ty as #krate::__private::advice::#rule>::#part)
    };
    let ty = field.ty.to_token_stream();
    let suspects = field.findings.iter().filter_map(|finding| {
        let Verdict::Suspect(rule) = finding.verdict else {
            return None;
        };
        let there = finding.ty.to_token_stream();
        Some(ask(located(ty.clone(), there), rule))
    });
    let mut parts: Vec<TokenStream> = suspects.collect();
    if parts.is_empty() {
        parts.push(ask(ty, "Shareable"));
    }
    parts
}

/// The place of `span`, for tokens that are the macro's own.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// `tokens` with the meaning they have, reported at the place of `there`.
fn located(tokens: TokenStream, there: TokenStream) -> TokenStream {
    let Some((first, last)) = ends(there) else {
        return tokens;
    };
    let count = tokens.clone().into_iter().count();
    let relocate = |(index, mut token): (usize, TokenTree)| {
        let place = if index > 0 && index + 1 == count {
            last
        } else {
            first
        };
        token.set_span(token.span().located_at(place));
        token
    };
    tokens.into_iter().enumerate().map(relocate).collect()
}

fn ends(tokens: TokenStream) -> Option<(Span, Span)> {
    let mut spans = tokens.into_iter().map(|token| token.span());
    let first = spans.next()?;
    Some((first, spans.last().unwrap_or(first)))
}

fn enumeration(model: &Model, variants: &[Variant]) -> TokenStream {
    let krate = &model.settings.krate;
    let Some(integer) = model.integer() else {
        return TokenStream::new();
    };
    let integer = quote!(::core::primitive::#integer);
    let name = model.name();
    let generics = bounded(model, true);
    let header = header(model, &generics);
    let idents: Vec<&Ident> = variants.iter().map(|variant| variant.ident).collect();
    let described = variants.iter().map(|variant| {
        let (name, ident) = (variant.name(), variant.ident);
        let new = if variant.other.is_some() {
            quote!(other)
        } else {
            quote!(new)
        };
        quote!(#krate::layout::Variant::#new(#name, Self::#ident as ::core::primitive::i128))
    });

    quote! {
        // SAFETY: "the layout of a primitive representation of a fieldless enum is that of the
        // primitive" (Rust reference, "Type layout"), and all its variants are named with their
        // discriminants.
        #[automatically_derived]
        unsafe #header {
            const VARIANTS: &'static [#krate::layout::Variant] = &[#(#described),*];

            const SCHEMA: &'static #krate::layout::Schema = &#krate::layout::Schema::enumeration(
                #name,
                <#integer as #krate::layout::SharedLayout>::SCHEMA,
                <Self as #krate::layout::SharedLayout>::VARIANTS,
            );

            #[inline]
            fn bits_are_valid(__bytes: &[::core::primitive::u8]) -> ::core::primitive::bool {
                let ::core::result::Result::Ok(__bytes) = ::core::convert::TryFrom::try_from(__bytes) else {
                    return false;
                };
                let __value = <#integer>::from_ne_bytes(__bytes);
                // One compare each; the optimiser makes a range or a table of them.
                #(if __value == Self::#idents as #integer { return true; })*
                false
            }
        }
    }
}

fn mentions_param(model: &Model, ty: &Type) -> bool {
    let consts = || model.generics.const_params().map(|param| &param.ident);
    field_type::any_ident(ty, &|ident| {
        model.params().chain(consts()).any(|param| param == ident)
    })
}

/// Whether `ty` borrows through one of the type's lifetimes; any other but `'static` is the
/// compiler's to refuse.
fn mentions_lifetime(model: &Model, ty: &Type) -> bool {
    field_type::any_ident(ty, &|ident| {
        model
            .generics
            .lifetimes()
            .any(|param| param.lifetime.ident == *ident)
    })
}
