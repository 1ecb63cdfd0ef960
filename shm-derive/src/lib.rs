#![doc = include_str!("../README.md")]

// parse     tokens -> model         what the user wrote
// check     model  -> faults        whether it may live in shared memory
// expand    model  -> tokens        the impls, or a fallback when there are faults
//
// `field_type` knows field types by sight, and `ctxt` gathers every fault of a type before one of them is reported. Nothing
// here reads a file or the environment: the output depends on the input alone.

mod check;
mod ctxt;
mod expand;
mod field_type;
mod model;
mod parse;

use ctxt::Ctxt;
use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_macro_input};

#[doc = include_str!("shared_layout.md")]
#[proc_macro_derive(SharedLayout, attributes(shared))]
pub fn derive_shared_layout(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    shared_layout(&input).into()
}

fn shared_layout(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let model = parse::model(&cx, input);
    check::faults(&cx, &model);
    let faults = cx.finish();
    if faults.is_empty() {
        return expand::implementation(&model);
    }
    let messages = faults.iter().map(syn::Error::to_compile_error);
    messages.chain([expand::fallback(&model)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn faults(input: &DeriveInput) -> Vec<String> {
        let cx = Ctxt::default();
        check::faults(&cx, &parse::model(&cx, input));
        cx.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_faultless_type_has_no_faults() {
        let input = parse_quote! { #[repr(C)] struct StPid { pid: i32, names: FixedStr<51> } };
        assert_eq!(faults(&input), [""; 0]);
    }

    /// The compiler resolves `cfg_attr` before it calls a derive; another caller may not.
    #[test]
    fn a_repr_that_is_not_decided_yet_is_a_fault() {
        let input = parse_quote! { #[repr(C)] #[cfg_attr(any(), r#repr(packed))] struct StPid { pid: i32 } };
        let faults = faults(&input);
        assert!(
            faults.len() == 1 && faults[0].contains("without `cfg_attr`"),
            "{faults:?}"
        );
        let harmless =
            parse_quote! { #[repr(C)] #[cfg_attr(any(), doc = "repr")] struct StPid { pid: i32 } };
        assert_eq!(self::faults(&harmless), [""; 0]);
    }

    #[test]
    fn a_faulty_type_still_gets_an_impl() {
        let input = parse_quote! { struct StPid { pid: usize } };
        let output = shared_layout(&input).to_string();
        assert_eq!(output.matches("compile_error !").count(), 2, "{output}");
        assert!(output.contains("SharedLayout for StPid"), "{output}");
    }
}
