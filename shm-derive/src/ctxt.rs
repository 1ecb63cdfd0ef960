//! Gathers every fault of a type, so that one build shows them all.

use std::cell::RefCell;
use std::fmt::Display;
use std::thread;

use quote::ToTokens;

/// The faults found so far. It must be [finished](Ctxt::finish): dropping it unread is a bug in
/// this crate.
pub(crate) struct Ctxt {
    faults: RefCell<Option<Vec<syn::Error>>>,
}

impl Ctxt {
    pub(crate) fn new() -> Self {
        Ctxt {
            faults: RefCell::new(Some(Vec::new())),
        }
    }

    /// Reports `message` on exactly `tokens`.
    pub(crate) fn fault(&self, tokens: impl ToTokens, message: impl Display) {
        self.syntax(syn::Error::new_spanned(tokens, message));
    }

    /// Reports what `syn` could not read.
    pub(crate) fn syntax(&self, fault: syn::Error) {
        if let Some(faults) = self.faults.borrow_mut().as_mut() {
            faults.push(fault);
        }
    }

    /// Hands out the faults, in the order in which they were found.
    pub(crate) fn finish(self) -> Result<(), Vec<syn::Error>> {
        let faults = self.faults.take().unwrap_or_default();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

impl Drop for Ctxt {
    fn drop(&mut self) {
        if self.faults.get_mut().is_some() && !thread::panicking() {
            panic!("the faults of a type were gathered and never reported");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn every_fault_is_handed_out_in_order() {
        let cx = Ctxt::new();
        cx.fault(quote!(a), "first");
        cx.fault(quote!(b), "second");
        let faults = cx.finish().expect_err("two faults were reported");
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["first", "second"]);
    }

    #[test]
    #[should_panic(expected = "never reported")]
    fn dropping_unread_faults_is_a_bug() {
        drop(Ctxt::new());
    }
}
