//! The way of x86-64: pieces of 64, 16, 8, 4, 2 and 1 bytes that pass through registers, and a loop
//! from memory to memory for the long ones.
//!
//! Each access is in an `asm!` block of its own, or four that lie side by side are in one: that spares their addresses. None declares `nomem` or `pure`, and stores do not
//! declare `readonly`, so the compiler moves none across a store or a fence and leaves none out.
//! Loads are `readonly`: they write nothing but registers. So the address of where a value is read
//! to stays the compiler's own, and it can save moves of the value on its way to the caller. A
//! store touches exactly the bytes it was asked for: padding is not even read. Only of long arrays
//! of padded elements whole blocks are loaded, merged and written (`masked.rs`).

use core::arch::asm;
use core::arch::x86_64::__m128i;

use crate::protocol::memory::atomics::AtomicU64;

pub(super) use super::masked::{differing_blocks, store_blocks};

/// From this many bytes on the loop wins over pieces.
const LOOP_FROM: usize = 256;

/// Bytes in the widest register that is used.
const WIDEST: usize = 32;

/// The loop's lengths are multiples of this.
const BLOCK: usize = 64;

/// # Safety
///
/// The words from `first` on hold `offset + len` bytes, and `dst` is valid for writes of `len`.
#[inline(always)]
pub(super) unsafe fn load(first: *const AtomicU64, offset: usize, dst: *mut u8, len: usize) {
    // SAFETY: `each_piece` stays within `len`, where both sides are valid. A piece is loaded by
    // assembly and written to private memory.
    unsafe {
        let src = first.cast::<u8>().add(offset);
        each_piece(len, BLOCK, |at, piece| match piece {
            Piece::Long(len) => {
                for block in (at..at + len).step_by(BLOCK) {
                    put(dst.add(block), load64(src.add(block)));
                }
            }
            Piece::Block => put(dst.add(at), load64(src.add(at))),
            Piece::Sixteen => put(dst.add(at), load16(src.add(at))),
            Piece::Eight => put(dst.add(at), load8(src.add(at))),
            Piece::Four => put(dst.add(at), load4(src.add(at))),
            Piece::Two => put(dst.add(at), load2(src.add(at))),
            Piece::One => put(dst.add(at), load1(src.add(at))),
        });
    }
}

/// # Safety
///
/// `dst` is valid for writes of as many bytes as `value` has.
#[inline(always)]
unsafe fn put<T>(dst: *mut u8, value: T) {
    // SAFETY: `dst` is valid for writes of as many bytes (this function's contract), and `write_unaligned` asks for no alignment.
    unsafe { dst.cast::<T>().write_unaligned(value) };
}

/// The same for many bytes, by the widest registers: twice as fast from some KiB on. Out of line,
/// so `dst` must be memory: the compiler can't know what becomes of its address.
///
/// # Safety
///
/// The words from `first` on hold `offset + len` bytes, and `dst` is valid for writes of `len`.
#[inline(never)]
pub(super) unsafe fn load_long(first: *const AtomicU64, offset: usize, dst: *mut u8, len: usize) {
    // A store that crosses into the next cache line takes twice the time of one that does not.
    let head = dst.align_offset(WIDEST).min(len);
    let blocks = (len - head) / BLOCK * BLOCK;
    let tail = head + blocks;
    // SAFETY: `head`, `blocks` and the rest are `len` bytes, one after the other: the words hold them,
    // and `dst` takes them. `blocks` is a multiple of `BLOCK`.
    unsafe {
        load(first, offset, dst, head);
        if blocks > 0 {
            copy_long(dst.add(head), first.cast::<u8>().add(offset + head), blocks);
        }
        load(first, offset + tail, dst.add(tail), len - tail);
    }
}

/// # Safety
///
/// `src` is readable for 64 bytes; others may write there meanwhile.
#[inline(always)]
unsafe fn load64(src: *const u8) -> [__m128i; 4] {
    let (a, b, c, d);
    // SAFETY: four loads of 16 bytes each, of the 64 that are readable; they demand no alignment and
    // touch no flags.
    unsafe {
        asm!(
            "movups {a}, [{src}]",
            "movups {b}, [{src} + 16]",
            "movups {c}, [{src} + 32]",
            "movups {d}, [{src} + 48]",
            src = in(reg) src,
            a = lateout(xmm_reg) a,
            b = lateout(xmm_reg) b,
            c = lateout(xmm_reg) c,
            d = lateout(xmm_reg) d,
            options(nostack, preserves_flags, readonly),
        );
    }
    [a, b, c, d]
}

/// # Safety
///
/// `dst` is writable for 64 bytes; others may touch them meanwhile.
#[inline(always)]
unsafe fn store64(dst: *mut u8, [a, b, c, d]: [__m128i; 4]) {
    // SAFETY: four stores of 16 bytes each, of the 64 that are writable; they demand no alignment and
    // touch no flags.
    unsafe {
        asm!(
            "movups [{dst}], {a}",
            "movups [{dst} + 16], {b}",
            "movups [{dst} + 32], {c}",
            "movups [{dst} + 48], {d}",
            dst = in(reg) dst,
            a = in(xmm_reg) a,
            b = in(xmm_reg) b,
            c = in(xmm_reg) c,
            d = in(xmm_reg) d,
            options(nostack, preserves_flags),
        );
    }
}

/// # Safety
///
/// The words from `first` on hold `offset + len` bytes and may be written, and `src` is valid for
/// reads of `len` initialised bytes.
#[inline(always)]
pub(super) unsafe fn store(first: *const AtomicU64, offset: usize, src: *const u8, len: usize) {
    // SAFETY: `each_piece` stays within `len`, where both sides are valid. A piece is read from
    // private memory and stored by assembly.
    unsafe {
        let dst = first.cast::<u8>().cast_mut().add(offset);
        each_piece(len, BLOCK, |at, piece| match piece {
            Piece::Long(len) => copy_long(dst.add(at), src.add(at), len),
            Piece::Block => store64(dst.add(at), take(src.add(at))),
            Piece::Sixteen => store16(dst.add(at), take(src.add(at))),
            Piece::Eight => store8(dst.add(at), take(src.add(at))),
            Piece::Four => store4(dst.add(at), take(src.add(at))),
            Piece::Two => store2(dst.add(at), take(src.add(at))),
            Piece::One => store1(dst.add(at), take(src.add(at))),
        });
    }
}

/// # Safety
///
/// `src` is valid for reads of as many initialised bytes as a `T` has, for which any bytes are valid.
#[inline(always)]
unsafe fn take<T>(src: *const u8) -> T {
    // SAFETY: the bytes can be read and are a `T` (this function's contract), and `read_unaligned` asks for no alignment.
    unsafe { src.cast::<T>().read_unaligned() }
}

/// # Safety
///
/// The words from each pointer on hold `len` bytes, a multiple of 8; they do not overlap, and those
/// of `to` may be written.
#[inline(always)]
pub(super) unsafe fn copy(to: *const AtomicU64, from: *const AtomicU64, len: usize) {
    let (dst, src) = (to.cast::<u8>().cast_mut(), from.cast::<u8>());
    // SAFETY: `each_piece` stays within `len`, where both sides are valid; `len` has no pieces
    // below 8.
    unsafe {
        each_piece(len, 16, |at, piece| match piece {
            Piece::Long(len) => copy_long(dst.add(at), src.add(at), len),
            Piece::Sixteen => store16(dst.add(at), load16(src.add(at))),
            _ => store8(dst.add(at), load8(src.add(at))),
        });
    }
}

enum Piece {
    /// A positive multiple of [`BLOCK`].
    Long(usize),
    /// [`BLOCK`] bytes.
    Block,
    Sixteen,
    Eight,
    Four,
    Two,
    One,
}

/// Divides `len` bytes into pieces of `most` bytes at most, a block or 16, in ascending order. Blocks are for lengths that the
/// compiler knows, most often: to ask for them takes longer than they save.
#[inline(always)]
fn each_piece(len: usize, most: usize, mut each: impl FnMut(usize, Piece)) {
    let mut at = 0;
    if len >= LOOP_FROM {
        at = len - len % BLOCK;
        each(0, Piece::Long(at));
    }
    while most == BLOCK && len - at >= BLOCK {
        each(at, Piece::Block);
        at += BLOCK;
    }
    while len - at >= 16 {
        each(at, Piece::Sixteen);
        at += 16;
    }
    for (bytes, piece) in [
        (8, Piece::Eight),
        (4, Piece::Four),
        (2, Piece::Two),
        (1, Piece::One),
    ] {
        if len & bytes != 0 {
            each(at, piece);
            at += bytes;
        }
    }
}

/// A load and a store of one width.
macro_rules! width {
    ($load:ident, $store:ident, $type:ty, $class:ident, $instruction:literal, $modifier:literal) => {
        /// # Safety
        ///
        /// `src` is readable for the width; others may write there meanwhile.
        #[inline(always)]
        unsafe fn $load(src: *const u8) -> $type {
            let value;
            // SAFETY: one load of as many bytes as are readable; it demands no alignment and touches
            // no flags.
            unsafe {
                asm!(
                    concat!($instruction, " {value", $modifier, "}, [{src}]"),
                    src = in(reg) src, value = lateout($class) value, options(nostack, preserves_flags, readonly),
                );
            }
            value
        }

        /// # Safety
        ///
        /// `dst` is writable for the width; others may touch it meanwhile.
        #[inline(always)]
        unsafe fn $store(dst: *mut u8, value: $type) {
            // SAFETY: one store of as many bytes as are writable; it demands no alignment and touches
            // no flags.
            unsafe {
                asm!(
                    concat!($instruction, " [{dst}], {value", $modifier, "}"),
                    dst = in(reg) dst, value = in($class) value, options(nostack, preserves_flags),
                );
            }
        }
    };
}

width!(load16, store16, __m128i, xmm_reg, "movups", "");
width!(load8, store8, u64, reg, "mov", "");
width!(load4, store4, u32, reg, "mov", ":e");
width!(load2, store2, u16, reg, "mov", ":x");
width!(load1, store1, u8, reg_byte, "mov", "");

/// Copies `len` bytes, each read once and written once.
///
/// # Safety
///
/// `src` is readable and `dst` writable for `len` bytes, they do not overlap, and `len` is a
/// positive multiple of [`BLOCK`]. Other threads and processes may touch either meanwhile.
#[inline]
unsafe fn copy_long(dst: *mut u8, src: *const u8, len: usize) {
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the two stretches of `len` bytes, a positive multiple of `BLOCK`, are there and do not
        // overlap; the processor has AVX.
        unsafe { copy_avx(dst, src, len) }
    } else {
        // SAFETY: the two stretches of `len` bytes, a positive multiple of `BLOCK`, are there and do not
        // overlap.
        unsafe { copy_blocks(dst, src, len) }
    }
}

/// # Safety
///
/// `src` is readable and `dst` writable for `len` bytes, a multiple of [`BLOCK`], and they do not overlap.
#[cold]
pub(super) unsafe fn copy_blocks(dst: *mut u8, src: *const u8, len: usize) {
    for at in (0..len).step_by(BLOCK) {
        // SAFETY: a block of the two stretches of `len` bytes, a multiple of `BLOCK`.
        unsafe { store64(dst.add(at), load64(src.add(at))) };
    }
}

/// # Safety
///
/// `src` is readable and `dst` writable for `len` bytes, a positive multiple of [`BLOCK`], and they do
/// not overlap. The processor has AVX.
#[inline]
pub(super) unsafe fn copy_avx(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: `src[0..len]` and `dst[0..len]` are touched and nothing else: one block of 64 if `len` is
    // an odd number of them, then steps of 128 up to `len`. No stack is used. `vzeroupper` ends the use of wide registers as the ABI demands; it clears
    // halves of all of them, so all are declared as lost (`clobber_abi`): a caller that was itself
    // compiled for AVX may have had values there.
    unsafe {
        asm!(
            "test rsi, 64",
            "jz 2f",
            "vmovups ymm0, [{src}]",
            "vmovups ymm1, [{src} + 32]",
            "vmovups [{dst}], ymm0",
            "vmovups [{dst} + 32], ymm1",
            "mov eax, 64",
            "cmp rax, rsi",
            "jae 3f",
            "2:",
            "vmovups ymm0, [{src} + rax]",
            "vmovups ymm1, [{src} + rax + 32]",
            "vmovups ymm2, [{src} + rax + 64]",
            "vmovups ymm3, [{src} + rax + 96]",
            "vmovups [{dst} + rax], ymm0",
            "vmovups [{dst} + rax + 32], ymm1",
            "vmovups [{dst} + rax + 64], ymm2",
            "vmovups [{dst} + rax + 96], ymm3",
            "add rax, 128",
            "cmp rax, rsi",
            "jb 2b",
            "3:",
            "vzeroupper",
            src = in(reg) src,
            dst = in(reg) dst,
            in("rsi") len,
            inout("rax") 0usize => _,
            clobber_abi("sysv64"),
            options(nostack),
        );
    }
}
