//! The rules: which models may live in shared memory. Reports every fault, each on its own token.

mod history;

use syn::Fields;

use crate::ctxt::Ctxt;
use crate::field_type::Verdict;
use crate::model::{Body, Field, Model, Repr, Variant, Word};

/// The segment begins on a page; copies inside it begin on cache lines, which are this long.
const MAX_ALIGN: u64 = 64;

pub(crate) fn faults(cx: &Ctxt, model: &Model) {
    match &model.body {
        Body::Struct(fields) => {
            struct_repr(cx, model);
            struct_fields(cx, model, fields);
        }
        Body::Enum(variants) => {
            enum_repr(cx, model);
            enum_variants(cx, model, variants);
        }
        Body::Union(keyword) => cx.fault(
            keyword,
            "a union does not say which of its fields is in use, so no other process could tell: \
             write a `#[repr(C)]` struct with a tag field (a fieldless enum) beside the values",
        ),
    }
    if let Some(name) = model
        .settings
        .name
        .as_ref()
        .filter(|name| !history::is_identifier(name))
    {
        cx.fault(
            name,
            "this is no name of a type: write it as C declares it, without `struct` and without a path",
        );
    }
    for lifetime in model.generics.lifetimes() {
        cx.fault(
            &lifetime.lifetime,
            "what a lifetime borrows ends with this process: hold the values themselves, \
             such as `FixedStr<N>` for text and `[T; N]` for a slice",
        );
    }
}

fn struct_repr(cx: &Ctxt, model: &Model) {
    let mut laid_out = false;
    let mut faulty = false;
    let mut partial = None;
    for repr in &model.reprs {
        let fault = match &repr.word {
            Word::C | Word::Transparent => {
                laid_out = true;
                continue;
            }
            Word::Packed => {
                partial = Some(repr);
                continue;
            }
            Word::Align(bytes) => {
                if align(cx, repr, *bytes) {
                    partial = Some(repr);
                }
                continue;
            }
            Word::Rust => {
                "`repr(Rust)` lets every build order the fields anew: write `#[repr(C)]`".to_owned()
            }
            Word::Integer(word) | Word::Native(word) => {
                format!("`repr({word})` is for enums: write `#[repr(C)]` for a struct")
            }
            Word::Other(word) => unknown_repr(word, "`#[repr(C)]`"),
        };
        cx.fault(&repr.tokens, fault);
        faulty = true;
    }
    if laid_out || faulty {
        return;
    }
    match partial {
        Some(Repr { tokens, .. }) => {
            let word = tokens.to_string().replace(' ', "");
            cx.fault(
                tokens,
                format_args!(
                    "`{word}` alone leaves the order of the fields open: write `#[repr(C, {word})]`"
                ),
            );
        }
        None => cx.fault(
            model.ident,
            format_args!(
                "the layout of `{}` differs from build to build: write `#[repr(C)]` above it",
                model.ident
            ),
        ),
    }
}

/// Whether the alignment is one that shared memory gives.
fn align(cx: &Ctxt, repr: &Repr, bytes: Option<u64>) -> bool {
    let fault = match bytes {
        Some(bytes) if bytes > MAX_ALIGN => format!(
            "shared memory aligns to at most {MAX_ALIGN} bytes, not {bytes}: write `align({MAX_ALIGN})` or less"
        ),
        Some(_) => return true,
        None => "this alignment cannot be read: write a number, such as `align(64)`".to_owned(),
    };
    cx.fault(&repr.tokens, fault);
    false
}

fn unknown_repr(word: &str, instead: &str) -> String {
    format!("`repr({word})` has no layout that other programs can rely on: write {instead}")
}

fn struct_fields(cx: &Ctxt, model: &Model, fields: &[Field]) {
    if fields.iter().all(Field::is_padding) {
        let ident = model.ident;
        cx.fault(
            ident,
            format_args!("`{ident}` has no fields, and nothing can be shared in zero bytes: give it at least one field"),
        );
    }
    for finding in fields.iter().flat_map(|field| &field.findings) {
        if let Verdict::Certain(message) = &finding.verdict {
            cx.fault(finding.ty, message);
        }
    }
    for blob in fields
        .iter()
        .filter(|field| field.name() == "_bindgen_opaque_blob")
    {
        let fault = "what `--opaque-type` hides would be shared as integers, and stored: \
            name the type in `--blocklist-type`, and make it an `Opaque<SIZE, ALIGN>` in a `--raw-line`";
        cx.fault(&blob.member, fault);
    }
    history::faults(cx, model, fields);
}

fn enum_repr(cx: &Ctxt, model: &Model) {
    let mut integer: Option<&Repr> = None;
    let mut faulty = false;
    let given = model
        .integer()
        .map_or_else(|| "i32".to_owned(), ToString::to_string);
    for repr in &model.reprs {
        let fault = match (&repr.word, integer) {
            (Word::Integer(word), Some(first)) if first.word != repr.word => {
                let first = &first.tokens;
                format!("an enum has one size: keep either `{first}` or `{word}`")
            }
            (Word::Integer(_), _) => {
                integer = Some(repr);
                continue;
            }
            (Word::C, _) if model.integer().is_some() => format!(
                "`C` adds nothing to the integer of a fieldless enum: write `#[repr({given})]`"
            ),
            (Word::C, _) => "the C compiler chooses the size of a `repr(C)` enum: \
                 write `#[repr(i32)]`, or with the integer that it chose"
                .to_owned(),
            (Word::Native(word), _) => {
                let fixed = if word == "usize" { "u64" } else { "i64" };
                format!(
                    "`{word}` differs between 32-bit and 64-bit processes: write `#[repr({fixed})]`"
                )
            }
            (Word::Rust, _) => {
                format!("`repr(Rust)` leaves the size of the enum open: write `#[repr({given})]`")
            }
            (Word::Transparent, _) => {
                format!("a transparent enum stores no discriminant: write `#[repr({given})]`")
            }
            (Word::Packed | Word::Align(_), _) => {
                let word = repr.tokens.to_string().replace(' ', "");
                format!(
                    "an enum is exactly as large as its integer: write `#[repr({given})]`, \
                     and `{word}` on the struct that holds it"
                )
            }
            (Word::Other(word), _) => unknown_repr(word, &format!("`#[repr({given})]`")),
        };
        cx.fault(&repr.tokens, fault);
        faulty = true;
    }
    if integer.is_none() && !faulty {
        cx.fault(
            model.ident,
            format_args!(
                "the size of `{}` is not fixed: write `#[repr(u8)]` (or another integer) above it",
                model.ident
            ),
        );
    }
}

fn enum_variants(cx: &Ctxt, model: &Model, variants: &[Variant]) {
    if variants.is_empty() {
        cx.fault(
            model.ident,
            format_args!(
                "`{}` has no variants, so no value of it can be shared: give it at least one",
                model.ident
            ),
        );
    }
    for variant in variants {
        let name = variant.name();
        if matches!(variant.fields, Fields::Unit) {
            continue;
        }
        let fault = if variant.fields.is_empty() {
            format!("a fieldless variant needs no brackets: write `{name}`")
        } else {
            format!(
                "`{name}` carries data, and which of its bytes count depends on the variant, which no schema can say: \
                 keep the enum fieldless and put the data into a struct beside it"
            )
        };
        cx.fault(variant.fields, fault);
    }
    for second in variants.iter().filter_map(|v| v.other.as_ref()).skip(1) {
        let fault = "an unknown number reads as one variant: keep `other` on one of them";
        cx.fault(second, fault);
    }
    if let [
        Variant {
            other: Some(other), ..
        },
    ] = variants
    {
        let fault = "no program can store a variant that stands for unknown numbers: give the enum one more";
        cx.fault(other, fault);
    }
    if model.settings.version.is_given() {
        cx.fault(
            &model.settings.version.tokens,
            "an enum has no version of its own: its variants are part of every struct that holds it, so put the version there",
        );
    }
}
