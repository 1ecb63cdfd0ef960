//! What the user wrote, in the terms of this crate. No room but this one names `syn::Data`'s
//! shapes.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{
    Expr, Fields, GenericParam, Generics, Index, LitStr, Member, Path, Token, Type, WherePredicate,
};

use crate::field_type::Finding;

/// A type under `#[derive(SharedLayout)]`.
pub(crate) struct Model<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) settings: Settings,
    /// The words of all `#[repr(…)]` attributes, as if they had been written in one.
    pub(crate) reprs: Vec<Repr>,
    pub(crate) body: Body<'a>,
}

/// What `#[shared(…)]` says.
pub(crate) struct Settings {
    /// The path to `shm-core`.
    pub(crate) krate: TokenStream,
    /// The schema version.
    pub(crate) version: Version,
    /// What the schema calls the type, if not as Rust does.
    pub(crate) name: Option<LitStr>,
    /// Whether to implement bytemuck's traits.
    pub(crate) bytemuck: bool,
}

/// A schema version, and the key that says it.
#[derive(Default)]
pub(crate) struct Version {
    /// `None` when the user did not give one, or gave nonsense.
    pub(crate) number: Option<u32>,
    /// What the user wrote, to report on.
    pub(crate) tokens: TokenStream,
}

/// One word of a `#[repr(…)]`.
pub(crate) struct Repr {
    pub(crate) word: Word,
    pub(crate) tokens: TokenStream,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    C,
    Rust,
    Transparent,
    Packed,
    /// `None` when the number could not be read.
    Align(Option<u64>),
    /// An integer type of the same width on every target.
    Integer(Ident),
    /// `usize` or `isize`.
    Native(Ident),
    /// Something this crate does not know.
    Other(String),
}

pub(crate) enum Body<'a> {
    Struct(Vec<Field<'a>>),
    Enum(Vec<Variant<'a>>),
    Union(&'a Token![union]),
}

pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) history: History,
    /// What can be said about the type from its spelling.
    pub(crate) findings: Vec<Finding<'a>>,
}

/// What `#[shared(…)]` on a field says: how other versions of the struct see it.
#[derive(Default)]
pub(crate) struct History {
    /// The version that brought the field.
    pub(crate) since: Version,
    /// What an older segment has for it.
    pub(crate) default: Option<Expr>,
    /// What earlier versions called it.
    pub(crate) was: Vec<LitStr>,
    /// The token `padding`, if it is no field to other programs.
    pub(crate) padding: Option<Path>,
    /// The token `counter`, if it is one in a table's row.
    pub(crate) counter: Option<Path>,
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    /// The token `other`, if unknown numbers read as this variant.
    pub(crate) other: Option<Path>,
    pub(crate) fields: &'a Fields,
}

impl Version {
    pub(crate) fn is_given(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The number, 1 if none was given; `None` of one that could not be read: it has been reported.
    pub(crate) fn known(&self) -> Option<u32> {
        self.number.or((!self.is_given()).then_some(1))
    }
}

impl Model<'_> {
    /// The name that goes into the schema: what a C header would call it.
    pub(crate) fn name(&self) -> String {
        match &self.settings.name {
            Some(name) => name.value(),
            None => self.ident.unraw().to_string(),
        }
    }

    pub(crate) fn fields(&self) -> &[Field<'_>] {
        match &self.body {
            Body::Struct(fields) => fields,
            Body::Enum(_) | Body::Union(_) => &[],
        }
    }

    /// The type parameters' names.
    pub(crate) fn params(&self) -> impl Iterator<Item = &Ident> {
        self.generics.type_params().map(|param| &param.ident)
    }

    /// Its parameters as arguments: a constant in braces, since a type of that name may be in scope.
    pub(crate) fn arguments(&self) -> TokenStream {
        let arguments = self.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
            GenericParam::Type(param) => param.ident.to_token_stream(),
            GenericParam::Const(param) => {
                let ident = &param.ident;
                quote!({ #ident })
            }
        });
        // The user's own, at which the compiler points.
        let (open, close) = (self.generics.lt_token, self.generics.gt_token);
        quote!(#open #(#arguments),* #close)
    }

    /// The generics with further bounds.
    pub(crate) fn generics_with(
        &self,
        bounds: impl IntoIterator<Item = WherePredicate>,
    ) -> Generics {
        let mut generics = self.generics.clone();
        generics.make_where_clause().predicates.extend(bounds);
        generics
    }

    /// Whether the type has type or const parameters, so that its facts are known only per
    /// instance.
    pub(crate) fn is_generic(&self) -> bool {
        self.generics.type_params().next().is_some()
            || self.generics.const_params().next().is_some()
    }

    /// The integer that stores a fieldless enum.
    pub(crate) fn integer(&self) -> Option<&Ident> {
        self.reprs.iter().find_map(|repr| match &repr.word {
            Word::Integer(ident) => Some(ident),
            _ => None,
        })
    }
}

impl Variant<'_> {
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

impl Field<'_> {
    /// Whether it is padding to other programs: by its attribute, or as bindgen calls what fills C's gaps.
    pub(crate) fn is_padding(&self) -> bool {
        let name = self.name();
        let fillers = ["__bindgen_padding_", "_bitfield_align_"];
        self.history.padding.is_some() || fillers.iter().any(|filler| name.starts_with(filler))
    }

    /// The version that brought it.
    pub(crate) fn since(&self) -> u32 {
        self.history.since.number.unwrap_or(1)
    }

    pub(crate) fn name(&self) -> String {
        match &self.member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(Index { index, .. }) => index.to_string(),
        }
    }
}
