//! Reads tokens into the [model](crate::model). Reports what it cannot read; judges nothing.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Fields, LitBool, LitInt, LitStr, Member, Meta, Path, Token,
};

use crate::ctxt::Ctxt;
use crate::field_type;
use crate::model::{Body, Field, History, Model, Repr, Settings, Variant, Version, Word};

pub(crate) fn model<'a>(cx: &Ctxt, input: &'a DeriveInput) -> Model<'a> {
    Model {
        ident: &input.ident,
        generics: &input.generics,
        settings: settings(cx, &input.attrs),
        reprs: reprs(cx, &input.attrs),
        body: body(cx, &input.data),
    }
}

/// Whether an attribute or a word of one is called `name`, also when written as `r#name`.
fn is(path: &Path, name: &str) -> bool {
    path.get_ident().is_some_and(|ident| ident.unraw() == name)
}

fn settings(cx: &Ctxt, attrs: &[Attribute]) -> Settings {
    let mut krate = None;
    let mut version = Version::default();
    let mut bytemuck = None;
    let mut name = None;

    read_keys(cx, attrs, |meta| {
        Ok(if is(&meta.path, "version") {
            read_version(cx, meta, &mut version)?
        } else if meta.path.is_ident("crate") {
            krate.replace(crate_override(meta)?).is_some()
        } else if is(&meta.path, "bytemuck") {
            let value = meta.value()?;
            let wrong = value.error("write `bytemuck = false`, or leave it out");
            let flag: LitBool = value.parse().map_err(|_| wrong)?;
            bytemuck.replace(flag.value).is_some()
        } else if is(&meta.path, "name") {
            let value = meta.value()?;
            let wrong = value.error("write the name in quotes: `name = \"st_pid\"`");
            name.replace(value.parse().map_err(|_| wrong)?).is_some()
        } else {
            let unknown = "unknown key: `#[shared(…)]` knows \
                `version = N`, `name = \"type\"`, `crate = path` and `bytemuck = false`";
            return Err(meta.error(unknown));
        })
    });

    Settings {
        krate: krate.unwrap_or_else(|| quote!(::shm_core)),
        version,
        name,
        bytemuck: bytemuck.unwrap_or(true),
    }
}

/// Reads each key of `#[shared(…)]`; `key` says whether it was there before.
fn read_keys(
    cx: &Ctxt,
    attrs: &[Attribute],
    mut key: impl FnMut(&ParseNestedMeta) -> syn::Result<bool>,
) {
    for attr in attrs.iter().filter(|attr| is(attr.path(), "shared")) {
        let read = attr.parse_nested_meta(|meta| match key(&meta)? {
            true => Err(meta.error("this key is given twice: keep one")),
            false => Ok(()),
        });
        if let Err(fault) = read {
            cx.syntax(fault);
        }
    }
}

/// Reads `key = N`; says whether it was there before.
fn read_version(cx: &Ctxt, meta: &ParseNestedMeta, version: &mut Version) -> syn::Result<bool> {
    let (key, repeated) = (&meta.path, version.is_given());
    // Also of one that cannot be read.
    version.tokens = key.to_token_stream();
    let number: LitInt = meta.value()?.parse()?;
    version.tokens = quote!(#key = #number);
    version.number = number.base10_parse().ok().filter(|number| *number > 0);
    if version.number.is_none() {
        cx.fault(number, "a schema version is a number from 1 to 4294967295");
    }
    Ok(repeated)
}

/// `crate = path`, or with the path in quotes as serde writes it.
fn crate_override(meta: &ParseNestedMeta) -> syn::Result<TokenStream> {
    let value = meta.value()?;
    let path: Path = if value.peek(LitStr) {
        value.parse::<LitStr>()?.parse()?
    } else {
        value.parse()?
    };
    Ok(path.into_token_stream())
}

fn reprs(cx: &Ctxt, attrs: &[Attribute]) -> Vec<Repr> {
    let mut words = Vec::new();
    for attr in attrs {
        if is(attr.path(), "repr") {
            match attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
                Ok(metas) => words.extend(metas.iter().map(repr)),
                Err(_) => cx.fault(attr, "this `repr` cannot be read: write `#[repr(C)]`"),
            }
        } else if is(attr.path(), "cfg_attr") && mentions_repr(attr.meta.to_token_stream()) {
            // The compiler resolves `cfg_attr` before it calls a derive. One that is still here
            // came by another way, and what it will turn into is not known.
            cx.fault(attr, "this `repr` is not decided yet when the layout is checked: write `#[repr(C)]` without `cfg_attr`");
        }
    }
    words
}

fn mentions_repr(tokens: TokenStream) -> bool {
    field_type::any_ident(tokens, &|ident| ident.unraw() == "repr")
}

fn repr(meta: &Meta) -> Repr {
    let name = meta
        .path()
        .get_ident()
        .map(|ident| ident.unraw().to_string());
    let word = match name.as_deref() {
        Some("C") => Word::C,
        Some("Rust") => Word::Rust,
        Some("transparent") => Word::Transparent,
        Some("packed") => Word::Packed,
        Some("align") => Word::Align(number(meta)),
        Some(
            integer @ ("u8" | "u16" | "u32" | "u64" | "u128" | "i8" | "i16" | "i32" | "i64"
            | "i128"),
        ) => Word::Integer(syn::Ident::new(integer, proc_macro2::Span::call_site())),
        Some(word @ ("usize" | "isize")) => {
            Word::Native(syn::Ident::new(word, proc_macro2::Span::call_site()))
        }
        _ => Word::Other(meta.path().to_token_stream().to_string().replace(' ', "")),
    };
    Repr {
        word,
        tokens: meta.to_token_stream(),
    }
}

/// The number in `align(N)`.
fn number(meta: &Meta) -> Option<u64> {
    let Meta::List(list) = meta else { return None };
    list.parse_args::<LitInt>().ok()?.base10_parse().ok()
}

fn body<'a>(cx: &Ctxt, data: &'a Data) -> Body<'a> {
    match data {
        Data::Struct(data) => Body::Struct(fields(cx, &data.fields)),
        Data::Enum(data) => Body::Enum(
            data.variants
                .iter()
                .map(|variant| Variant {
                    ident: &variant.ident,
                    other: other(cx, &variant.attrs),
                    fields: &variant.fields,
                })
                .collect(),
        ),
        Data::Union(data) => Body::Union(&data.union_token),
    }
}

fn fields<'a>(cx: &Ctxt, fields: &'a Fields) -> Vec<Field<'a>> {
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| Field {
            member: field
                .ident
                .clone()
                .map_or_else(|| Member::from(index), Member::from),
            ty: &field.ty,
            history: history(cx, &field.attrs),
            findings: field_type::examine(&field.ty),
        })
        .collect()
}

fn other(cx: &Ctxt, attrs: &[Attribute]) -> Option<Path> {
    let mut other = None;
    read_keys(cx, attrs, |meta| {
        if is(&meta.path, "other") {
            return Ok(other.replace(meta.path.clone()).is_some());
        }
        let unknown = "unknown key: on a variant `#[shared(…)]` knows `other`: it has no history of its own, \
            since the struct that holds the enum has a version, and a new variant needs a new one";
        Err(meta.error(unknown))
    });
    other
}

fn history(cx: &Ctxt, attrs: &[Attribute]) -> History {
    let mut history = History::default();
    read_keys(cx, attrs, |meta| {
        Ok(if is(&meta.path, "since") {
            read_version(cx, meta, &mut history.since)?
        } else if is(&meta.path, "default") {
            let value = meta.value().map_err(|_| {
                    meta.error("write `default = …` with a value of the field's type, or leave it out for zeros")
                })?;
            history.default.replace(value.parse()?).is_some()
        } else if is(&meta.path, "was") {
            let value = meta.value()?;
            let wrong = value.error("write the old name in quotes: `was = \"old_name\"`");
            history.was.push(value.parse().map_err(|_| wrong)?);
            false
        } else if is(&meta.path, "padding") {
            history.padding.replace(meta.path.clone()).is_some()
        } else if is(&meta.path, "counter") {
            history.counter.replace(meta.path.clone()).is_some()
        } else {
            let unknown = "unknown key: on a field `#[shared(…)]` knows \
                `since = N`, `default = value`, `was = \"old name\"`, `counter` and `padding`";
            return Err(meta.error(unknown));
        })
    });
    history
}
