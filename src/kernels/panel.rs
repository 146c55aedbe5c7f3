//! A panel: some columns of a product's right operand, copied so that each row is a vector.

use std::mem::MaybeUninit;

use pulp::Simd;

/// Room for panels, whose rows do not straddle cache lines.
#[repr(align(64))]
pub(super) struct Panels<const N: usize>([MaybeUninit<f32>; N]);

impl<const N: usize> Panels<N> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Panels([MaybeUninit::uninit(); N])
    }

    #[inline(always)]
    pub(super) fn start(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// A right operand, `k` deep and `n` wide, with any strides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub b: *const f32,
    pub b_row: usize,
    pub b_column: usize,
    pub k: usize,
    pub n: usize,
}

impl Columns {
    /// Copies the columns from `j` on to a panel, a vector wide and `k` high. A panel wider than
    /// the matrix repeats the last column.
    ///
    /// # Safety
    ///
    /// All elements must be readable, column `j` among them, and `k` vectors of `S` writable.
    #[inline(always)]
    pub(super) unsafe fn pack<S: Simd>(&self, simd: S, j: usize, to: *mut f32) {
        let _ = simd;
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.b_row == 1 && avx::is_there::<S>() {
                return avx::panel(simd, self, j, to);
            }
            panel::<S>(self, j, to);
        }
    }
}

/// Copies the columns from `j` on to a panel, with any strides.
///
/// # Safety
///
/// All elements of `b` must be readable, and `k` vectors of `S` writable.
#[inline(always)]
unsafe fn panel<S: Simd>(p: &Columns, j: usize, to: *mut f32) {
    let lanes = const { S::F32_LANES };
    for i in 0..p.k {
        for l in 0..lanes {
            let j = (j + l).min(p.n - 1);
            // SAFETY: the caller's promise.
            unsafe { *to.add(i * lanes + l) = *p.b.add(i * p.b_row + j * p.b_column) };
        }
    }
}

/// The transposition of blocks with AVX's shuffles.
#[cfg(target_arch = "x86_64")]
mod avx {
    use std::any::TypeId;
    use std::arch::x86_64::*;

    use pulp::Simd;
    use pulp::x86::{V3, V4};

    use super::{Columns, store};

    /// Whether `S` proves that the processor has AVX.
    #[inline(always)]
    pub(super) fn is_there<S: Simd>() -> bool {
        let this = TypeId::of::<S>();
        #[cfg(test)]
        if this == TypeId::of::<pulp::Scalar512b>() {
            // The tests run it where AVX2 is.
            return true;
        }
        this == TypeId::of::<V3>() || this == TypeId::of::<V4>()
    }

    /// Transposes the columns of `b` from `j` on, which are contiguous, to a panel.
    ///
    /// # Safety
    ///
    /// AVX must be there, all elements of `b` readable, and `k` vectors of `S` writable.
    #[inline(always)]
    pub(super) unsafe fn panel<S: Simd>(simd: S, p: &Columns, j: usize, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            if p.n >= S::F32_LANES && p.k >= 8 {
                blocks::<S, true>(simd, p, j, to);
            } else {
                blocks::<S, false>(simd, p, j, to);
            }
        }
    }

    /// The same, by blocks; whether all of them are whole.
    ///
    /// # Safety
    ///
    /// As for [`panel`].
    #[inline(always)]
    unsafe fn blocks<S: Simd, const WHOLE: bool>(simd: S, p: &Columns, j: usize, to: *mut f32) {
        // SAFETY: the caller's promise; loads are of 8 of the `k` numbers of a column, or masked.
        unsafe {
            /// From 8 - k on, a mask for the first `k` of 8 numbers.
            static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
            let halves = const { S::F32_LANES / 8 };
            let mut i = 0;
            while i < p.k {
                // The last block ends with the depth, and repeats some of the one before.
                let from = i.min(p.k.saturating_sub(8));
                let mut block = [[_mm256_setzero_ps(); 2]; 8];
                for half in 0..halves {
                    let mut x = [_mm256_setzero_ps(); 8];
                    for (r, x) in x.iter_mut().enumerate() {
                        let column = j + half * 8 + r;
                        let column = if WHOLE { column } else { column.min(p.n - 1) };
                        let at = p.b.add(column * p.b_column + from);
                        *x = if WHOLE || p.k >= 8 {
                            _mm256_loadu_ps(at)
                        } else {
                            let mask = _mm256_loadu_si256(MASK.as_ptr().add(8 - p.k).cast());
                            _mm256_maskload_ps(at, mask)
                        };
                    }
                    for (block, x) in block.iter_mut().zip(transpose(x)) {
                        block[half] = x;
                    }
                }
                let rows = if WHOLE { 8 } else { 8.min(p.k) };
                for (r, block) in block.iter().enumerate() {
                    if r < rows {
                        // The first half, or both, are a vector.
                        let vector = std::mem::transmute_copy::<[__m256; 2], S::f32s>(block);
                        store(simd, to.add((from + r) * S::F32_LANES), vector);
                    }
                }
                i += 8;
            }
        }
    }

    /// Exchanges the rows and columns of an 8 by 8 block.
    ///
    /// # Safety
    ///
    /// AVX must be there.
    #[inline(always)]
    unsafe fn transpose(x: [__m256; 8]) -> [__m256; 8] {
        // SAFETY: the caller's promise.
        unsafe {
            // Pairs of rows, then quarters of rows, then halves of columns.
            let mut pairs = x;
            for i in 0..4 {
                pairs[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
                pairs[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
            }
            let mut quads = x;
            for i in [0, 4] {
                quads[i] = _mm256_shuffle_ps::<0x44>(pairs[i], pairs[i + 2]);
                quads[i + 1] = _mm256_shuffle_ps::<0xee>(pairs[i], pairs[i + 2]);
                quads[i + 2] = _mm256_shuffle_ps::<0x44>(pairs[i + 1], pairs[i + 3]);
                quads[i + 3] = _mm256_shuffle_ps::<0xee>(pairs[i + 1], pairs[i + 3]);
            }
            let mut out = x;
            for i in 0..4 {
                out[i] = _mm256_permute2f128_ps::<0x20>(quads[i], quads[i + 4]);
                out[i + 4] = _mm256_permute2f128_ps::<0x31>(quads[i], quads[i + 4]);
            }
            out
        }
    }
}

/// A vector from any address.
///
/// # Safety
///
/// A vector's numbers must be readable there.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(_simd: S, from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; `f32s` is made of numbers alone.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// A vector to any address.
///
/// # Safety
///
/// A vector's numbers must be writable there.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(_simd: S, to: *mut f32, value: S::f32s) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}
