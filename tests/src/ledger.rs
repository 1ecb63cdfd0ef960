//! The value that C processes and Rust processes share in tests: all its words are one number, and
//! the parts that are smaller hold its low bits.

use std::path::PathBuf;
use std::sync::OnceLock;

use shm_core::SharedLayout;

use crate::Compiler;

/// With padding behind `tag`, which some version of it may give to another field.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(8))]
pub struct Ledger {
    /// The low bits.
    pub tag: u8,
    /// Where words are aligned to 4 they lie as elsewhere by this.
    #[cfg(target_arch = "x86")]
    #[shared(padding)]
    gap: [u8; 7],
    /// All the same.
    pub words: [u64; 61],
    /// The low bits.
    pub small: u16,
}

impl Ledger {
    /// The value for this number.
    pub fn new(number: u64) -> Ledger {
        Ledger {
            tag: number as u8,
            #[cfg(target_arch = "x86")]
            gap: [0; 7],
            words: [number; 61],
            small: number as u16,
        }
    }

    /// The number.
    ///
    /// # Panics
    ///
    /// If it is torn.
    pub fn number(&self) -> u64 {
        assert_eq!(*self, Ledger::new(self.words[0]), "torn");
        self.words[0]
    }
}

/// The program `c/peer.c`, built by one compiler for the machine's width and by one for 32 bits, if
/// that is to be had. `out` is `CARGO_TARGET_TMPDIR`.
///
/// # Panics
///
/// If it does not compile.
pub fn c_peers(out: &str) -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let compilers = Compiler::widths();
        compilers.into_iter().map(|c| c_peer(c, out)).collect()
    })
}

/// The program `c/peer.c`, built by this compiler.
///
/// # Panics
///
/// If it does not compile.
pub fn c_peer(compiler: &Compiler, out: &str) -> PathBuf {
    let header = Ledger::c_header();
    let define = "-D_DEFAULT_SOURCE";
    compiler.compile_with_header(out, "peer.c", ("ledger.h", &header), &[define])
}
