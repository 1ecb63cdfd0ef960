//! Combs on x86-64: blocks that are loaded whole, and of which a mask says which bytes count.
//!
//! A block of a Rust value may hold padding, which is uninitialised: no Rust code looks at it. The
//! assembly below loads it into registers, and what it stores or finds depends on the masked bytes
//! alone. So it does what Rust code could do that reads the teeth and nothing else.

use core::arch::asm;

use super::{Comb, Span};
use crate::protocol::memory::atomics::AtomicU64;

/// The largest stride that a mask is made for; longer ones have long teeth.
const MOST: usize = 512;

/// Copied or compared at once.
const BLOCK: usize = 128;

/// One stride of a comb, 255 where a tooth is, repeated until a block can begin anywhere in the
/// first stride.
struct Mask {
    bytes: [u8; MOST + BLOCK],
    stride: usize,
}

impl Mask {
    /// The mask for a comb and the bytes of its whole blocks, where this way is a good one.
    #[inline]
    fn of(comb: Comb<'_>) -> Option<(Mask, usize)> {
        const DENSE: Comb<'static> = Comb {
            teeth: &[Span { offset: 0, len: 1 }],
            count: 1,
            stride: 1,
        };
        let len = comb.len() - comb.len() % BLOCK;
        if len < Comb::WORTH || !std::arch::is_x86_feature_detected!("avx2") {
            return None;
        }
        match *comb.teeth {
            [tooth] if comb.count == 1 && tooth.offset == 0 => Some((Mask::repeat(DENSE), len)),
            _ if comb.stride <= MOST => Some((Mask::repeat(comb), len)),
            _ => None,
        }
    }

    /// The mask of a comb whose stride is at most [`MOST`].
    #[inline(never)]
    fn repeat(comb: Comb<'_>) -> Mask {
        let mut bytes = [0; MOST + BLOCK];
        for tooth in comb.teeth {
            bytes[tooth.offset..tooth.offset + tooth.len].fill(255);
        }
        let (mut known, all) = (comb.stride, comb.stride + BLOCK);
        while known < all {
            let more = known.min(all - known);
            bytes.copy_within(..more, known);
            known += more;
        }
        let stride = comb.stride;
        Mask { bytes, stride }
    }

    /// How far the next block begins in the stride, after one that begins where a stride does.
    fn step(&self) -> usize {
        BLOCK % self.stride
    }
}

/// Stores the teeth of whole blocks; what lies between them is written back as it was found.
/// Returns how many bytes from the comb's start on are done.
///
/// # Safety
///
/// The words from `first` on hold `offset + comb.len()` bytes, may be written, and the caller is
/// their only writer. `src` is mapped for `comb.len()` bytes, and they are initialised where teeth
/// are.
#[inline]
pub(super) unsafe fn store_blocks(
    first: *const AtomicU64,
    offset: usize,
    src: *const u8,
    comb: Comb<'_>,
) -> usize {
    let Some((mask, len)) = Mask::of(comb) else {
        return 0;
    };
    // SAFETY: the loop touches `src[0..len]` and `dst[0..len]`: `rcx` runs from 0 in steps of 128,
    // and `len` is a positive multiple of 128, at most `comb.len()`. `rax` stays below the stride,
    // so the mask is read up to its stride plus 128. The processor has AVX2 (`Mask::of`).
    // `vzeroupper` and the list of lost registers: see `copy_avx`.
    unsafe {
        asm!(
            "2:",
            "vmovdqu ymm0, [{mask} + rax]",
            "vmovdqu ymm1, [{mask} + rax + 32]",
            "vmovdqu ymm2, [{mask} + rax + 64]",
            "vmovdqu ymm3, [{mask} + rax + 96]",
            "vmovdqu ymm4, [{dst} + rcx]",
            "vmovdqu ymm5, [{dst} + rcx + 32]",
            "vmovdqu ymm6, [{dst} + rcx + 64]",
            "vmovdqu ymm7, [{dst} + rcx + 96]",
            "vpblendvb ymm4, ymm4, [{src} + rcx], ymm0",
            "vpblendvb ymm5, ymm5, [{src} + rcx + 32], ymm1",
            "vpblendvb ymm6, ymm6, [{src} + rcx + 64], ymm2",
            "vpblendvb ymm7, ymm7, [{src} + rcx + 96], ymm3",
            "vmovdqu [{dst} + rcx], ymm4",
            "vmovdqu [{dst} + rcx + 32], ymm5",
            "vmovdqu [{dst} + rcx + 64], ymm6",
            "vmovdqu [{dst} + rcx + 96], ymm7",
            // The next block's place in the stride.
            "add rax, {step}",
            "mov rdx, rax",
            "sub rdx, {stride}",
            "cmovae rax, rdx",
            "add rcx, 128",
            "cmp rcx, {len}",
            "jb 2b",
            "vzeroupper",
            mask = in(reg) mask.bytes.as_ptr(),
            src = in(reg) src,
            dst = in(reg) first.cast::<u8>().cast_mut().add(offset),
            step = in(reg) mask.step(),
            stride = in(reg) mask.stride,
            len = in(reg) len,
            inout("rax") 0usize => _,
            inout("rcx") 0usize => _,
            out("rdx") _,
            clobber_abi("sysv64"),
            options(nostack),
        );
    }
    len
}

/// Compares the teeth of whole blocks. Returns how many bytes from the comb's start on are done,
/// and from the first to the last block that differs.
///
/// # Safety
///
/// The words from `first` on hold `offset + comb.len()` bytes. `src` is mapped for `comb.len()`
/// bytes, and they are initialised where teeth are.
#[inline]
pub(super) unsafe fn differing_blocks(
    first: *const AtomicU64,
    offset: usize,
    src: *const u8,
    comb: Comb<'_>,
) -> (usize, Option<Span>) {
    let Some((mask, len)) = Mask::of(comb) else {
        return (0, None);
    };
    let (mut earliest, mut latest) = (usize::MAX, 0);
    // SAFETY: the loop reads `src[0..len]` and `dst[0..len]`: `rcx` runs from 0 in steps of 128, and
    // `len` is a positive multiple of 128, at most `comb.len()`. `rax` stays below the stride, so the
    // mask is read up to its stride plus 128. The processor has AVX2 (`Mask::of`). `vzeroupper` and
    // the list of lost registers: see `copy_avx`.
    unsafe {
        asm!(
            "2:",
            "vmovdqu ymm0, [{src} + rcx]",
            "vmovdqu ymm1, [{src} + rcx + 32]",
            "vmovdqu ymm2, [{src} + rcx + 64]",
            "vmovdqu ymm3, [{src} + rcx + 96]",
            "vpxor ymm0, ymm0, [{dst} + rcx]",
            "vpxor ymm1, ymm1, [{dst} + rcx + 32]",
            "vpxor ymm2, ymm2, [{dst} + rcx + 64]",
            "vpxor ymm3, ymm3, [{dst} + rcx + 96]",
            "vpand ymm0, ymm0, [{mask} + rax]",
            "vpand ymm1, ymm1, [{mask} + rax + 32]",
            "vpand ymm2, ymm2, [{mask} + rax + 64]",
            "vpand ymm3, ymm3, [{mask} + rax + 96]",
            "vpor ymm0, ymm0, ymm1",
            "vpor ymm2, ymm2, ymm3",
            "vpor ymm0, ymm0, ymm2",
            "vptest ymm0, ymm0",
            "jz 3f",
            "mov r9, rcx",
            "cmp r8, rcx",
            "cmova r8, rcx",
            "3:",
            "add rax, {step}",
            "mov rdx, rax",
            "sub rdx, {stride}",
            "cmovae rax, rdx",
            "add rcx, 128",
            "cmp rcx, {len}",
            "jb 2b",
            "vzeroupper",
            mask = in(reg) mask.bytes.as_ptr(),
            src = in(reg) src,
            dst = in(reg) first.cast::<u8>().add(offset),
            step = in(reg) mask.step(),
            stride = in(reg) mask.stride,
            len = in(reg) len,
            inout("rax") 0usize => _,
            inout("rcx") 0usize => _,
            out("rdx") _,
            inout("r8") earliest,
            inout("r9") latest,
            clobber_abi("sysv64"),
            options(nostack, readonly),
        );
    }
    let span = (earliest <= latest).then(|| Span::between(earliest, latest + BLOCK));
    (len, span)
}
