//! Knows field types by sight, and what to write instead of those that cannot be shared.
//!
//! A derive sees spelling, not meaning: `Vec` may be the user's own. What only the language can
//! spell (`&T`, `*const T`, tuples, `usize`) is judged [at once](Verdict::Certain). Everything with
//! a name is merely [suspected](Verdict::Suspect): the generated code asks the compiler through a
//! trait that has the fitting words, and that every `SharedLayout` type implements. So a look-alike
//! passes, and nothing slips through: a type this file has never heard of still has to implement
//! `SharedLayout`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, GenericArgument, Lit, PathArguments, Type, TypePath};

/// Something to say about a field's type, or about one inside it.
pub(crate) struct Finding<'a> {
    pub(crate) ty: &'a Type,
    pub(crate) verdict: Verdict,
}

pub(crate) enum Verdict {
    /// Cannot be shared, whatever the names in scope mean.
    Certain(&'static str),
    /// Cannot be shared if the name means what it means in `std`: the trait in
    /// `shm_core::__private::advice` that says what to write instead.
    Suspect(&'static str),
}

/// Where a type stands: its bytes are the field's own, or it is an argument of a type that may use
/// it in any way.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Inline,
    Argument,
}

pub(crate) fn examine(ty: &Type) -> Vec<Finding<'_>> {
    let mut findings = Vec::new();
    walk(ty, Place::Inline, &mut findings);
    findings
}

fn walk<'a>(ty: &'a Type, place: Place, findings: &mut Vec<Finding<'a>>) {
    let verdict = match ty {
        Type::Group(group) => return walk(&group.elem, place, findings),
        Type::Paren(paren) => return walk(&paren.elem, place, findings),
        Type::Array(array) if !is_empty(&array.elem) => return walk(&array.elem, place, findings),
        Type::Path(path) => match name(path, place, findings) {
            Some(verdict) => verdict,
            None => return,
        },
        _ => match misfit(ty) {
            // A macro, `_`, or syntax of the future: the trait bound judges it.
            "" => return,
            message => Verdict::Certain(message),
        },
    };
    if let Type::Tuple(tuple) = ty {
        for elem in &tuple.elems {
            walk(elem, place, findings);
        }
    }
    let verdict = match (place, verdict) {
        (Place::Argument, Verdict::Certain(_)) if is_address(ty) => Verdict::Suspect("NoAddress"),
        (Place::Argument, Verdict::Certain(_)) => return,
        (_, verdict) => verdict,
    };
    findings.push(Finding { ty, verdict });
}

/// What is wrong with a type that only the language can spell.
fn misfit(ty: &Type) -> &'static str {
    match ty {
        Type::Array(_) => "an array of arrays of length 0 holds nothing to share: remove the field",
        Type::Tuple(tuple) if tuple.elems.is_empty() => {
            "`()` holds nothing to share: remove the field"
        }
        Type::Tuple(_) => {
            "the layout of a tuple differs from build to build: write a `#[repr(C)]` struct that derives `SharedLayout`"
        }
        Type::Never(_) => "`!` has no value to share: remove the field",
        Type::Slice(_) => "a slice has no fixed size: write `FixedVec<T, N>`, or an array `[T; N]`",
        Type::ImplTrait(_) => {
            "the layout of a hidden type is unknown: \
             write a concrete type, or a fieldless enum that names the choice"
        }
        Type::Reference(to) if is_named(&to.elem, "str") => {
            "an address means nothing in another process: write `FixedStr<N>`"
        }
        Type::Reference(to) if matches!(&*to.elem, Type::Slice(_)) => {
            "an address means nothing in another process: \
             write `FixedVec<T, N>`, or an array `[T; N]`"
        }
        Type::Reference(_) => {
            "an address means nothing in another process: \
             hold the value itself, or use `FixedStr<N>` for text and `[T; N]` for a slice"
        }
        Type::TraitObject(_) => {
            "an address means nothing in another process: \
             write a concrete type, or a fieldless enum that names the choice"
        }
        Type::Ptr(_) => {
            "a pointer means nothing in another process: \
             hold the value itself, or a `u64` offset or index that means the same everywhere; \
             in a C program's struct, `Opaque<8, 8>` leaves it alone"
        }
        Type::BareFn(_) => {
            "a function pointer means nothing in another process: \
             write a fieldless enum that names the function to call; \
             in a C program's struct, `Opaque<8, 8>` leaves it alone"
        }
        _ => "",
    }
}

/// What the last name of a path suggests. A name that suggests nothing is searched for arguments
/// that do.
fn name<'a>(path: &'a TypePath, place: Place, findings: &mut Vec<Finding<'a>>) -> Option<Verdict> {
    if path.qself.is_some() {
        return None;
    }
    let last = path.path.segments.last()?;
    let name = last.ident.unraw().to_string();
    // No program gives a type of its own the name of a primitive, and a message without a trait reads
    // better.
    if place == Place::Inline {
        let message = match name.as_str() {
            "usize" => {
                "`usize` differs between 32-bit and 64-bit processes: write `u64` \
                 (of C's `size_t` bindgen makes it with `--no-size_t-is-usize`)"
            }
            "f128" => {
                "`f128` is what only some machines have for C's `long double`: \
                 in a C program's struct, `Opaque<16, 16>` leaves it alone"
            }
            "isize" => "`isize` differs between 32-bit and 64-bit processes: write `i64`",
            "str" => "`str` has no fixed size: write `FixedStr<N>`",
            _ => "",
        };
        if !message.is_empty() {
            return Some(Verdict::Certain(message));
        }
    }
    let suspect = match name.as_str() {
        "usize" | "isize" => "SameWidth",
        "str" | "String" | "CString" | "CStr" | "OsString" | "OsStr" | "PathBuf" | "Path" => {
            "InlineText"
        }
        "Vec" | "VecDeque" | "LinkedList" | "BinaryHeap" | "HashMap" | "HashSet" | "BTreeMap"
        | "BTreeSet" => "InlineItems",
        "Box" | "Rc" | "Arc" | "Weak" | "NonNull" | "Pin" | "Cow" | "Ref" | "RefMut" => "NoAddress",
        "Option" if arguments(path).any(|ty| matches!(ty, Type::BareFn(_))) => "NoFunction",
        "Option" | "Result" if arguments(path).any(holds_address) => "NoAddress",
        "Option" => "AlwaysThere",
        "Result" => "OneOfTwo",
        "Cell" | "RefCell" | "UnsafeCell" | "OnceCell" | "LazyCell" | "Mutex" | "RwLock"
        | "OnceLock" | "LazyLock" | "Once" | "Condvar" | "Barrier" => "NoLock",
        atomic
            if atomic
                .strip_prefix("Atomic")
                .is_some_and(|width| width.starts_with(['U', 'I', 'B', 'P'])) =>
        {
            "NotAtomic"
        }
        "Duration" => "PlainSpan",
        "Instant" | "SystemTime" | "DateTime" | "NaiveDateTime" | "OffsetDateTime" => "PlainTime",
        "Uuid" => "PlainId",
        "IpAddr" | "Ipv4Addr" | "Ipv6Addr" | "SocketAddr" | "SocketAddrV4" | "SocketAddrV6" => {
            "PlainAddress"
        }
        "PhantomData" | "PhantomPinned" => "NotEmpty",
        "__BindgenBitfieldUnit" => "NoBitFields",
        "__BindgenComplex" => "NoComplex",
        "__IncompleteArrayField" => "NoFlexibleArray",
        "pthread_mutex_t" | "pthread_cond_t" | "pthread_rwlock_t" | "pthread_barrier_t"
        | "sem_t" => "NoLockOfC",
        // Those that bindgen makes integers of.
        "pthread_spinlock_t" => "Untouched",
        atomic if is_atomic_of_c(atomic) => "Untouched",
        anonymous if anonymous.contains("__bindgen_ty_") => "NoAnonymous",
        _ => {
            for argument in arguments(path) {
                walk(argument, Place::Argument, findings);
            }
            return None;
        }
    };
    Some(Verdict::Suspect(suspect))
}

/// Whether `stdatomic.h` has a type of this name.
fn is_atomic_of_c(name: &str) -> bool {
    name.strip_prefix("atomic_").is_some_and(|of| {
        let plain = "bool flag char schar uchar short ushort int uint long ulong llong ullong";
        of.ends_with("_t") || plain.split(' ').any(|word| word == of)
    })
}

fn arguments(path: &TypePath) -> impl Iterator<Item = &Type> {
    path.path
        .segments
        .iter()
        .flat_map(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(list) => list.args.iter().collect::<Vec<_>>(),
            PathArguments::None | PathArguments::Parenthesized(_) => Vec::new(),
        })
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

/// Whether `ty` is, or visibly contains, something that points elsewhere.
fn holds_address(ty: &Type) -> bool {
    is_address(ty)
        || examine(ty).iter().any(|finding| {
            is_address(finding.ty)
                || matches!(
                    finding.verdict,
                    Verdict::Suspect("NoAddress" | "InlineText" | "InlineItems")
                )
        })
}

fn is_address(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Reference(_) | Type::Ptr(_) | Type::BareFn(_) | Type::TraitObject(_)
    )
}

fn is_named(ty: &Type, name: &str) -> bool {
    last_name(ty).is_some_and(|last| last == name)
}

fn last_name(ty: &Type) -> Option<Ident> {
    match ty {
        Type::Group(group) => last_name(&group.elem),
        Type::Paren(paren) => last_name(&paren.elem),
        Type::Path(path) => Some(path.path.segments.last()?.ident.unraw()),
        _ => None,
    }
}

/// Whether this is an array of length 0.
fn is_empty(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_empty(&group.elem),
        Type::Paren(paren) => is_empty(&paren.elem),
        Type::Array(array) => is_zero(&array.len),
        _ => false,
    }
}

fn is_zero(len: &Expr) -> bool {
    match len {
        Expr::Group(group) => is_zero(&group.expr),
        Expr::Paren(paren) => is_zero(&paren.expr),
        Expr::Lit(lit) => {
            matches!(&lit.lit, Lit::Int(int) if int.base10_parse::<u64>().is_ok_and(|len| len == 0))
        }
        _ => false,
    }
}

/// Whether an identifier for which `test` holds stands anywhere in `tokens`.
pub(crate) fn any_ident(tokens: impl ToTokens, test: &dyn Fn(&Ident) -> bool) -> bool {
    fn search(tokens: TokenStream, test: &dyn Fn(&Ident) -> bool) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => test(&ident),
            TokenTree::Group(group) => search(group.stream(), test),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    search(tokens.into_token_stream(), test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_str;

    fn suspicion(ty: &str) -> Vec<String> {
        let ty: Type = parse_str(ty).expect("a type");
        examine(&ty)
            .into_iter()
            .map(|finding| {
                let text = finding.ty.to_token_stream().to_string().replace(' ', "");
                match finding.verdict {
                    Verdict::Certain(_) => format!("{text}!"),
                    Verdict::Suspect(name) => format!("{text}?{name}"),
                }
            })
            .collect()
    }

    #[test]
    fn plain_types_are_not_suspected() {
        for ty in [
            "i32",
            "[u8; 51]",
            "FixedStr<51>",
            "Point<f64>",
            "[[Cell3; 4]; N]",
            "my_type!()",
            "<T as Trait>::Out",
        ] {
            assert_eq!(suspicion(ty), [""; 0], "{ty}");
        }
    }

    #[test]
    fn addresses_are_seen_through_parentheses_and_arrays() {
        for ty in [
            "&'static u8",
            "(&'static u8)",
            "[*const u8; 4]",
            "((fn(u8)))",
            "[[&'static str; 2]; 2]",
        ] {
            let found = suspicion(ty);
            assert!(
                found.len() == 1 && found[0].ends_with('!'),
                "{ty}: {found:?}"
            );
        }
    }

    #[test]
    fn every_spelling_of_a_name_is_seen() {
        for ty in [
            "String",
            "std::string::String",
            "::std::string::String",
            "alloc::string::String",
            "r#String",
        ] {
            let found = suspicion(ty);
            assert!(
                found.len() == 1 && found[0].ends_with("?InlineText"),
                "{ty}: {found:?}"
            );
        }
        for ty in [
            "usize",
            "r#usize",
            "core::primitive::usize",
            "::std::primitive::usize",
        ] {
            let found = suspicion(ty);
            assert!(
                found.len() == 1 && found[0].ends_with('!'),
                "{ty}: {found:?}"
            );
        }
    }

    #[test]
    fn arguments_are_searched_but_never_condemned_by_sight() {
        assert_eq!(suspicion("Wrapper<String>"), ["String?InlineText"]);
        assert_eq!(
            suspicion("Pair<usize, &'static u8>"),
            ["usize?SameWidth", "&'staticu8?NoAddress"]
        );
        assert_eq!(
            suspicion("Outer<Inner<[Vec<u8>; 2]>>"),
            ["Vec<u8>?InlineItems"]
        );
    }

    #[test]
    fn names_of_c_are_seen_where_they_are_whole() {
        assert_eq!(suspicion("[atomic_ulong; 2]"), ["atomic_ulong?Untouched"]);
        assert_eq!(
            suspicion("atomic_uint_fast8_t"),
            ["atomic_uint_fast8_t?Untouched"]
        );
        for ty in [
            "atomic_thing",
            "atomic",
            "pthread_t",
            "my_sem_t",
            "bindgen_ty_1",
        ] {
            assert_eq!(suspicion(ty), [""; 0], "{ty}");
        }
    }

    #[test]
    fn one_container_is_one_finding() {
        assert_eq!(suspicion("Vec<String>"), ["Vec<String>?InlineItems"]);
        assert_eq!(suspicion("Option<Box<u8>>"), ["Option<Box<u8>>?NoAddress"]);
        assert_eq!(
            suspicion("Option<&'static u8>"),
            ["Option<&'staticu8>?NoAddress"]
        );
        assert_eq!(suspicion("Option<u8>"), ["Option<u8>?AlwaysThere"]);
    }

    #[test]
    fn a_tuple_and_what_is_in_it_are_two_findings() {
        assert_eq!(suspicion("(usize, u8)"), ["usize!", "(usize,u8)!"]);
    }

    #[test]
    fn a_length_of_zero_is_seen_in_any_spelling() {
        for ty in ["[u8; 0]", "[u8; 0usize]", "[u8; (0)]", "[u8; 0x0]"] {
            assert_eq!(suspicion(ty).len(), 0, "{ty}");
            assert_eq!(suspicion(&format!("[{ty}; 2]")).len(), 1, "{ty}");
        }
    }
}
