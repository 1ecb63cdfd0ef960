//! Gathers every fault of a type, so that one build shows them all.

use std::cell::RefCell;
use std::fmt::Display;

use quote::ToTokens;

/// The faults found so far.
#[derive(Default)]
#[must_use = "faults that are not handed out are lost"]
pub(crate) struct Ctxt {
    faults: RefCell<Vec<syn::Error>>,
}

impl Ctxt {
    /// Reports `message` on exactly `tokens`.
    pub(crate) fn fault(&self, tokens: impl ToTokens, message: impl Display) {
        self.syntax(syn::Error::new_spanned(tokens, message));
    }

    /// Reports what `syn` could not read.
    pub(crate) fn syntax(&self, fault: syn::Error) {
        self.faults.borrow_mut().push(fault);
    }

    /// Hands out the faults, in the order in which they were found.
    pub(crate) fn finish(self) -> Vec<syn::Error> {
        self.faults.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn every_fault_is_handed_out_in_order() {
        let cx = Ctxt::default();
        cx.fault(quote!(a), "first");
        cx.fault(quote!(b), "second");
        let texts: Vec<_> = cx.finish().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["first", "second"]);
    }
}
