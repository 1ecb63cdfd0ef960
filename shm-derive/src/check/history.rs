//! The rules for what fields say about other versions of their struct.

use std::collections::HashMap;

use quote::ToTokens;
use syn::LitStr;
use syn::parse::Parser;

use crate::ctxt::Ctxt;
use crate::model::{Field, History, Model};

/// A byte of the stored schema says how long a name is.
const MAX_NAME: usize = 255;

pub(super) fn faults(cx: &Ctxt, model: &Model, all: &[Field]) {
    let is_told = |history: &History| {
        history.since.is_given() || history.default.is_some() || !history.was.is_empty()
    };
    for field in all.iter().filter(|field| is_told(&field.history)) {
        if let Some(padding) = &field.history.padding {
            let fault =
                "padding has no history, since no program ever stores it: keep `padding` alone";
            cx.fault(padding, fault);
        }
    }
    for field in all.iter().filter(|field| field.is_padding()) {
        if let Some(counter) = &field.history.counter {
            cx.fault(counter, "no program counts in padding: keep one of the two");
        }
    }
    let fields: Vec<&Field> = all.iter().filter(|field| !field.is_padding()).collect();
    let fields = &fields[..];
    order(cx, model, fields);
    for field in fields {
        let history = &field.history;
        let instead = match history.since.known() {
            Some(1) if history.since.is_given() => "remove this default",
            Some(1) => "write `since = N` beside this default, or remove it",
            _ => continue,
        };
        if let Some(default) = &history.default {
            cx.fault(
                default,
                format_args!(
                    "no segment lacks a field that has been there since version 1: {instead}"
                ),
            );
        }
    }
    former_names(cx, fields);
}

/// New fields stand behind all others, and none is newer than the struct.
fn order(cx: &Ctxt, model: &Model, fields: &[&Field]) {
    let version = model.settings.version.known();
    let mut newest: Option<&Field> = None;
    for field in fields {
        let Some(since) = field.history.since.known() else {
            continue;
        };
        if let Some(version) = version.filter(|version| since > *version) {
            cx.fault(
                &field.history.since.tokens,
                format_args!(
                    "this field is newer than the struct, which is of version {version}: \
                     write `#[shared(version = {since})]` above the struct"
                ),
            );
        }
        match newest {
            Some(before) if since < before.since() => {
                let (name, before, newer) = (field.name(), before.name(), before.since());
                let stands = format!(
                    "`{name}` stands behind `{before}`, which is new since version {newer}"
                );
                let since = &field.history.since;
                let (there, hint) = if since.is_given() {
                    let hint =
                        "new fields go behind all others, since the older ones keep their places";
                    (since.tokens.clone(), hint.to_owned())
                } else {
                    let hint = format!(
                        "if `{name}` is new as well, write `#[shared(since = N)]` above it, and else move it up"
                    );
                    (field.member.to_token_stream(), hint)
                };
                cx.fault(there, format_args!("{stands}: {hint}"));
            }
            _ => newest = Some(field),
        }
    }
}

/// A former name leads to one field, and is one that a field can have.
fn former_names(cx: &Ctxt, fields: &[&Field]) {
    let present: Vec<String> = fields.iter().map(|field| field.name()).collect();
    let mut former: HashMap<String, String> = HashMap::new();
    for field in fields {
        for was in &field.history.was {
            let name = was.value();
            let fault = if !is_name(was) {
                "this is no name of a field: write it as it stood in the struct, without `r#`"
                    .to_owned()
            } else if name == field.name() {
                "this is the name that the field has now: remove it".to_owned()
            } else if present.contains(&name) {
                format!(
                    "another field is called `{name}` now, so an older segment's `{name}` could be either: \
                     give that field a new name"
                )
            } else {
                match former.insert(name.clone(), field.name()) {
                    None => continue,
                    Some(other) if other == field.name() => {
                        "this former name is given twice: keep one".to_owned()
                    }
                    Some(other) => format!(
                        "`{other}` was called `{name}` as well, and only one of them can have been: keep one"
                    ),
                }
            };
            cx.fault(was, fault);
        }
    }
}

fn is_name(was: &LitStr) -> bool {
    let name = was.value();
    let is_index = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    (is_index && name.len() <= MAX_NAME) || is_identifier(was)
}

/// Whether it is one of Rust's, or a keyword of Rust's, and short enough for a schema.
pub(super) fn is_identifier(name: &LitStr) -> bool {
    let name = name.value();
    name.len() <= MAX_NAME
        && !name.starts_with("r#")
        && name.trim() == name
        && <syn::Ident as syn::ext::IdentExt>::parse_any
            .parse_str(&name)
            .is_ok()
}
