//! Our own product for small matrices, where `gemm` would spend its time on preparations.
//!
//! A tile of the output, up to 6 rows by two vectors or 12 rows by one, is held in registers: it
//! starts as the bias, takes one fused multiply-add for each element of the depth, in order, and
//! is stored after ReLU and mask. So an element is
//! `fma(a[k-1], b[k-1], ... fma(a[0], b[0], bias))` whatever the instruction set. Products with
//! one column, or with one row and a transposed matrix, are dot products of contiguous rows
//! instead, with [`PARTS`] partial sums.
//!
//! Tails: an output at least a vector wide needs no masks, for its last vector of columns moves
//! left until it ends with the row, and computes some columns twice. A narrower one is loaded
//! with a mask and, with AVX2, whose masked stores are slow, stored row by row in ascending order
//! with full vectors, whose surplus the next row overwrites, but for the last rows.
//!
//! A right operand that is not row-major is packed first, into panels as wide as a vector, each
//! row of which is stored and loaded whole, so that no load waits for several stores.

use std::mem::MaybeUninit;

use pulp::{MemMask, Simd, WithSimd};

use super::simd::Run;

/// The numbers that a packed pair of panels may have: 32 KiB of stack.
const PACKED: usize = 8192;

/// The numbers of a smaller buffer: 4 KiB of stack, a page, take no time to reach.
const PAGE: usize = 1024;

/// The most lanes that a vector has.
const WIDEST: usize = 16;

/// The partial sums of a dot product.
const PARTS: usize = 16;

/// A product with its epilogue: sizes, addresses and strides.
///
/// `out`, and the mask with it, has column stride 1. Bias and mask may be null.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: *const f32,
    pub a_row: usize,
    pub a_column: usize,
    pub b: *const f32,
    pub b_row: usize,
    pub b_column: usize,
    pub bias: *const f32,
    pub relu: bool,
    pub mask: *const f32,
    pub out: *mut f32,
    pub out_row: usize,
}

// SAFETY: these are only addresses; who uses them says why that is allowed.
unsafe impl Send for Product {}
// SAFETY: as above.
unsafe impl Sync for Product {}

/// Computes the product if it is one for this file; else gives false and leaves `out` alone.
///
/// # Safety
///
/// All elements that `p` describes must be readable, those of `out` writable and nobody else's.
/// `m` and `n` must not be zero. Where `n` is below 16, `out_row` must equal `n`.
#[inline(always)]
pub(super) unsafe fn run(here: impl Run, p: &Product) -> bool {
    if p.n == 1 {
        // Whatever the stride to a second column is, there is none.
        if p.b_row == 1 && p.a_column == 1 {
            here.run(Dots {
                count: p.m,
                depth: p.k,
                rows: p.a,
                stride: p.a_row,
                vector: p.b,
                bias: p.bias,
                bias_stride: 0,
                relu: p.relu,
                mask: p.mask,
                out: p.out,
            });
            return true;
        }
        if p.a_row == 1 && p.bias.is_null() && p.out_row == 1 {
            // A column is a row: (a b)^T = b^T a^T, whose right operand is row-major.
            let turned = Product {
                m: 1,
                n: p.m,
                a: p.b,
                a_row: 0,
                a_column: p.b_row,
                b: p.a,
                b_row: p.a_column,
                b_column: 1,
                out_row: p.m,
                ..*p
            };
            // SAFETY: the same elements.
            unsafe { tiles(here, &turned, std::ptr::null_mut()) };
            return true;
        }
    } else if p.b_column != 1 {
        if p.m == 1 && p.b_row == 1 && p.a_column == 1 {
            here.run(Dots {
                count: p.n,
                depth: p.k,
                rows: p.b,
                stride: p.b_column,
                vector: p.a,
                bias: p.bias,
                bias_stride: 1,
                relu: p.relu,
                mask: p.mask,
                out: p.out,
            });
            return true;
        }
        let room = p.k.saturating_mul(2 * here.lanes());
        // SAFETY: the caller's promise, and two panels fit.
        unsafe {
            if room <= PAGE {
                packed::<PAGE>(here, p);
            } else if room <= PACKED {
                packed::<PACKED>(here, p);
            } else {
                return false;
            }
        }
        return true;
    }
    // SAFETY: the caller's promise; `b` is row-major.
    unsafe { tiles(here, p, std::ptr::null_mut()) };
    true
}

/// Computes the tiles with a buffer for panels of the right operand.
///
/// # Safety
///
/// As for [`run`]; two panels must not have more than `N` numbers.
#[inline(never)]
unsafe fn packed<const N: usize>(here: impl Run, p: &Product) {
    /// The panels, whose rows do not straddle cache lines.
    #[repr(align(64))]
    struct Panels<const N: usize>([MaybeUninit<f32>; N]);

    let mut panels = Panels([MaybeUninit::uninit(); N]);
    // SAFETY: the caller's promise.
    unsafe { tiles(here, p, panels.0.as_mut_ptr().cast()) };
}

/// Copies the columns of the right operand from `j` on to a panel, a vector wide and `k` high,
/// and those from `j + second` on, unless that is 0, to another behind it.
///
/// A panel wider than the matrix repeats the last column.
struct Pack<'a> {
    p: &'a Product,
    j: usize,
    second: usize,
    to: *mut f32,
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Pack { p, second, .. } = self;
        let (mut j, mut to) = (self.j, self.to);
        let _ = simd;
        for _ in 0..1 + usize::from(second > 0) {
            // SAFETY: the elements of `b` are readable, and there is room for two panels.
            unsafe {
                #[cfg(target_arch = "x86_64")]
                if p.b_row == 1 && avx::is_there::<S>() {
                    avx::panel(simd, p, j, to);
                } else {
                    panel::<S>(p, j, to);
                }
                #[cfg(not(target_arch = "x86_64"))]
                panel::<S>(p, j, to);
                to = to.wrapping_add(S::F32_LANES * p.k);
            }
            j += second;
        }
    }
}

/// Copies the columns of the right operand from `j` on to a panel, with any strides.
///
/// # Safety
///
/// All elements of `b` must be readable, and `k` vectors of `S` writable.
#[inline(always)]
unsafe fn panel<S: Simd>(p: &Product, j: usize, to: *mut f32) {
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

    use super::{Product, store};

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
    pub(super) unsafe fn panel<S: Simd>(simd: S, p: &Product, j: usize, to: *mut f32) {
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
    unsafe fn blocks<S: Simd, const WHOLE: bool>(simd: S, p: &Product, j: usize, to: *mut f32) {
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

/// The vectors in a row of `n` numbers. The lanes are a power of two.
#[inline(always)]
fn count(n: usize, lanes: usize) -> usize {
    (n + lanes - 1) >> lanes.trailing_zeros()
}

/// The column at which a vector of the output starts: the last one ends with the row.
#[inline(always)]
fn column(vector: usize, lanes: usize, n: usize) -> usize {
    (vector * lanes).min(n.saturating_sub(lanes))
}

/// Computes all tiles. Each height of a tile is a function of its own.
///
/// # Safety
///
/// As for [`run`]. `panels` may be null if `b` is row-major, else there must be room for two.
#[inline(never)]
unsafe fn tiles(here: impl Run, p: &Product, panels: *mut f32) {
    macro_rules! tall {
        ($rows:expr, $tile:ident $fields:tt, $($r:literal)*) => {
            match $rows {
                $($r => here.run($tile::<$r> $fields),)*
                _ => {}
            }
        };
    }
    let lanes = here.lanes();
    if lanes == 1 {
        // SAFETY: the caller's promise.
        return unsafe { plain(p) };
    }
    let vectors = count(p.n, lanes);
    let mut vector = 0;
    while vector < vectors {
        let j = column(vector, lanes, p.n);
        let is_pair = vector + 1 < vectors;
        let second = if is_pair {
            column(vector + 1, lanes, p.n) - j
        } else {
            0
        };
        let (b, b_row) = if panels.is_null() {
            let b = p.b.wrapping_add(j);
            ([b.cast_mut(), b.cast_mut().wrapping_add(second)], p.b_row)
        } else {
            here.run(Pack {
                p,
                j,
                second,
                to: panels,
            });
            ([panels, panels.wrapping_add(lanes * p.k)], lanes)
        };
        let b = b.map(<*mut f32>::cast_const);
        let mut i = 0;
        if is_pair {
            while i < p.m {
                let rows = match p.m - i {
                    rest @ ..=6 => rest,
                    rest @ 7..=11 => rest.div_ceil(2),
                    _ => 6,
                };
                let (a, at) = (thirds(p, i), i * p.out_row + j);
                tall!(rows, Pair { p, a, b, b_row, j, at, second }, 1 2 3 4 5 6);
                i += rows;
            }
            vector += 2;
        } else {
            let b = b[0];
            while i < p.m {
                let rows = match p.m - i {
                    rest @ (..=6 | 8 | 10 | 12) => rest,
                    7 | 9 | 11 => 5,
                    _ => 12,
                };
                let (a, at) = (thirds(p, i), i * p.out_row + j);
                tall!(rows, Single { p, a, b, b_row, j, at }, 1 2 3 4 5 6 8 10 12);
                i += rows;
            }
            vector += 1;
        }
    }
}

/// The addresses of every third row of the left operand, from row `i` on.
///
/// The rows between are at one and two strides, which an instruction adds for free. Told only
/// the first, the compiler would reach each row from the one before, a chain of additions that
/// takes longer than the arithmetic.
#[inline(always)]
fn thirds<const G: usize>(p: &Product, i: usize) -> [*const f32; G] {
    std::array::from_fn(|g| p.a.wrapping_add((i + 3 * g).wrapping_mul(p.a_row)))
}

/// The element of row `r` in the column that the pointers are at.
///
/// # Safety
///
/// It must be readable.
#[inline(always)]
unsafe fn element<const G: usize>(a: &[*const f32; G], stride: usize, r: usize) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { *a[r / 3].wrapping_add(r % 3 * stride) }
}

/// Goes to the next column.
#[inline(always)]
fn step<const G: usize>(a: &mut [*const f32; G], stride: usize) {
    for a in a {
        *a = a.wrapping_add(stride);
    }
}

/// The product by a plain loop, where there are no vectors.
///
/// # Safety
///
/// As for [`tiles`].
unsafe fn plain(p: &Product) {
    for i in 0..p.m {
        for j in 0..p.n {
            // SAFETY: the caller's promise.
            unsafe {
                let mut sum = if p.bias.is_null() {
                    0.0
                } else {
                    *p.bias.add(j)
                };
                for q in 0..p.k {
                    let left = *p.a.add(i * p.a_row + q * p.a_column);
                    let right = *p.b.add(q * p.b_row + j * p.b_column);
                    sum = f32::mul_add(left, right, sum);
                }
                let at = i * p.out_row + j;
                let negative = p.relu && sum < 0.0;
                let off = !p.mask.is_null() && *p.mask.add(at) <= 0.0;
                *p.out.add(at) = if negative || off { 0.0 } else { sum };
            }
        }
    }
}

/// A tile of `R` rows and two vectors, at the columns `j` and `j + second`.
struct Pair<'a, const R: usize> {
    p: &'a Product,
    /// Every third row of the left operand.
    a: [*const f32; 2],
    /// The first row of the vectors of the right operand.
    b: [*const f32; 2],
    b_row: usize,
    j: usize,
    /// Where the tile starts in the output and the mask.
    at: usize,
    second: usize,
}

impl<const R: usize> WithSimd for Pair<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if const { S::F32_LANES == 1 } {
            return; // `plain` does these.
        }
        let Pair {
            p,
            mut a,
            mut b,
            b_row,
            second,
            ..
        } = self;
        let (a_row, a_column, out_row) = (p.a_row, p.a_column, p.out_row);
        // SAFETY: `tiles` makes these for rows and columns that exist.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); 2]; R];
            if !p.bias.is_null() {
                let bias = p.bias.add(self.j);
                sums = [[load(simd, bias), load(simd, bias.add(second))]; R];
            }
            for _ in 0..p.k {
                let right = [load(simd, b[0]), load(simd, b[1])];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let left = simd.splat_f32s(element(&a, a_row, r));
                    sums[0] = simd.mul_add_f32s(left, right[0], sums[0]);
                    sums[1] = simd.mul_add_f32s(left, right[1], sums[1]);
                }
                step(&mut a, a_column);
                step(&mut b, b_row);
            }
            let floor = floor(simd, p.relu);
            sums = sums.map(|row| row.map(|sum| simd.max_f32s(floor, sum)));
            if !p.mask.is_null() {
                let mask = p.mask.add(self.at);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let mask = mask.add(r * out_row);
                    sums[0] = masked(simd, sums[0], load(simd, mask));
                    sums[1] = masked(simd, sums[1], load(simd, mask.add(second)));
                }
            }
            let out = p.out.add(self.at);
            for (r, sums) in sums.iter().enumerate() {
                let out = out.add(r * out_row);
                store(simd, out, sums[0]);
                store(simd, out.add(second), sums[1]);
            }
        }
    }
}

/// A tile of `R` rows and one vector at the column `j`, masked if rows are shorter.
struct Single<'a, const R: usize> {
    p: &'a Product,
    /// Every third row of the left operand.
    a: [*const f32; 4],
    /// The first row of the vector of the right operand.
    b: *const f32,
    b_row: usize,
    j: usize,
    /// Where the tile starts in the output and the mask.
    at: usize,
}

impl<const R: usize> WithSimd for Single<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if const { S::F32_LANES == 1 } {
            return; // `plain` does these.
        }
        let Single {
            p,
            mut a,
            mut b,
            b_row,
            ..
        } = self;
        let (a_row, a_column, out_row) = (p.a_row, p.a_column, p.out_row);
        let lanes = const { S::F32_LANES };
        // SAFETY: `tiles` makes these for rows and columns that exist. Masked loads touch what is
        // inside of a row. A full store at a row shorter than a vector is made only where a
        // vector's numbers follow in `out`: those past the row belong to rows stored later.
        unsafe {
            let inside = MemMask::new(simd.mask_between_m32s(0, p.n.min(lanes) as u32).mask());
            let mut sums = [simd.splat_f32s(0.0); R];
            if !p.bias.is_null() {
                sums = [simd.mask_load_ptr_f32s(inside, p.bias.add(self.j)); R];
            }
            for _ in 0..p.k {
                let right = simd.mask_load_ptr_f32s(inside, b);
                for (r, sum) in sums.iter_mut().enumerate() {
                    let left = simd.splat_f32s(element(&a, a_row, r));
                    *sum = simd.mul_add_f32s(left, right, *sum);
                }
                step(&mut a, a_column);
                b = b.wrapping_add(b_row);
            }
            let floor = floor(simd, p.relu);
            sums = sums.map(|sum| simd.max_f32s(floor, sum));
            if !p.mask.is_null() {
                let mask = p.mask.add(self.at);
                for (r, sum) in sums.iter_mut().enumerate() {
                    let mask = simd.mask_load_ptr_f32s(inside, mask.add(r * out_row));
                    *sum = masked(simd, *sum, mask);
                }
            }
            let out = p.out.add(self.at);
            if p.n >= lanes {
                for (r, sum) in sums.iter().enumerate() {
                    store(simd, out.add(r * out_row), *sum);
                }
            } else {
                // How far from the end of the output a row must be for a full store.
                let room = (p.m * out_row - self.at).wrapping_sub(lanes) as isize;
                for (r, sum) in sums.iter().enumerate() {
                    let out = out.add(r * out_row);
                    if lanes < WIDEST && (r * out_row) as isize <= room {
                        store(simd, out, *sum);
                    } else {
                        simd.mask_store_ptr_f32s(inside, out, *sum);
                    }
                }
            }
        }
    }
}

/// What ReLU takes the maximum with, or what a maximum with leaves all as it is.
///
/// In `max_f32s(floor, x)` a NaN in `x` stays: the vector instructions give their second operand
/// (x86) or NaN (the others).
#[inline(always)]
fn floor<S: Simd>(simd: S, relu: bool) -> S::f32s {
    simd.splat_f32s(if relu { 0.0 } else { f32::NEG_INFINITY })
}

/// Zero where `mask` is at most zero.
#[inline(always)]
fn masked<S: Simd>(simd: S, x: S::f32s, mask: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_or_equal_f32s(mask, zero), zero, x)
}

/// A vector from any address.
///
/// # Safety
///
/// A vector's numbers must be readable there.
#[inline(always)]
unsafe fn load<S: Simd>(_simd: S, from: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; `f32s` is made of numbers alone.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// A vector to any address.
///
/// # Safety
///
/// A vector's numbers must be writable there.
#[inline(always)]
unsafe fn store<S: Simd>(_simd: S, to: *mut f32, value: S::f32s) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}

/// Dot products of `count` contiguous rows with one vector. Bias and mask may be null.
struct Dots {
    count: usize,
    depth: usize,
    rows: *const f32,
    stride: usize,
    vector: *const f32,
    bias: *const f32,
    bias_stride: usize,
    relu: bool,
    mask: *const f32,
    out: *mut f32,
}

impl WithSimd for Dots {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `run` makes these with everything in bounds.
        unsafe {
            if self.count < 4 {
                for i in 0..self.count {
                    self.rows::<S, 1>(simd, i);
                }
                return;
            }
            let mut i = 0;
            while i < self.count {
                // The last four may repeat some of the ones before.
                self.rows::<S, 4>(simd, i.min(self.count - 4));
                i += 4;
            }
        }
    }
}

impl Dots {
    /// The dot products of `R` rows from `i` on.
    ///
    /// # Safety
    ///
    /// They must exist.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize>(&self, simd: S, i: usize) {
        let lanes = const { S::F32_LANES };
        // The registers that hold the partial sums of a row.
        let registers = const { PARTS / S::F32_LANES };
        // SAFETY: the caller's promise; loads at the end of a row are masked.
        unsafe {
            let rows = self.rows.add(i * self.stride);
            let mut parts = [[simd.splat_f32s(0.0); PARTS]; R];
            let whole = self.depth / PARTS * PARTS;
            let mut at = 0;
            while at < whole {
                for g in 0..registers {
                    let at = at + g * lanes;
                    let vector = load(simd, self.vector.add(at));
                    for (r, parts) in parts.iter_mut().enumerate() {
                        let row = load(simd, rows.add(r * self.stride + at));
                        parts[g] = simd.mul_add_f32s(row, vector, parts[g]);
                    }
                }
                at += PARTS;
            }
            for g in 0..registers {
                if at < self.depth {
                    let inside = (self.depth - at).min(lanes) as u32;
                    let inside = MemMask::new(simd.mask_between_m32s(0, inside).mask());
                    let vector = simd.mask_load_ptr_f32s(inside, self.vector.add(at));
                    for (r, parts) in parts.iter_mut().enumerate() {
                        let row = rows.add(r * self.stride + at);
                        let row = simd.mask_load_ptr_f32s(inside, row);
                        parts[g] = simd.mul_add_f32s(row, vector, parts[g]);
                    }
                    at += lanes;
                }
            }
            let mut sums = [0.0_f32; R];
            for (sum, mut parts) in sums.iter_mut().zip(parts) {
                let mut half = registers / 2;
                while half > 0 {
                    for g in 0..half {
                        parts[g] = simd.add_f32s(parts[g], parts[g + half]);
                    }
                    half /= 2;
                }
                *sum = total(simd, parts[0]);
            }
            if !self.bias.is_null() {
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum += *self.bias.add((i + r) * self.bias_stride);
                }
            }
            let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
            for sum in &mut sums {
                *sum = if *sum < floor { floor } else { *sum };
            }
            if !self.mask.is_null() {
                for (r, sum) in sums.iter_mut().enumerate() {
                    let mask = *self.mask.add(i + r);
                    *sum = if mask <= 0.0 { 0.0 } else { *sum };
                }
            }
            std::ptr::copy_nonoverlapping(sums.as_ptr(), self.out.add(i), R);
        }
    }
}

/// The sum of a vector's lanes: its halves are added until one is left.
#[inline(always)]
fn total<S: Simd>(simd: S, x: S::f32s) -> f32 {
    if S::F32_LANES == 4 {
        // Elsewhere than on x86 the order may be another.
        let mut lanes = [0.0_f32; 4];
        // SAFETY: there is room for four lanes.
        unsafe { store(simd, lanes.as_mut_ptr(), x) };
        return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    }
    simd.reduce_sum_f32s(x)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use pulp::x86::{V3, V3_128b};

    use super::*;

    /// An instruction set of the test's choice, run with AVX2's instructions.
    #[derive(Clone, Copy)]
    struct Fixed<S>(V3, S);

    /// Code for one instruction set, whichever it is run with.
    struct With<S, Op>(S, Op);

    impl<S: Simd, Op: WithSimd> WithSimd for With<S, Op> {
        type Output = Op::Output;

        #[inline(always)]
        fn with_simd<Other: Simd>(self, _: Other) -> Op::Output {
            self.1.with_simd(self.0)
        }
    }

    impl<S: Simd> Run for Fixed<S> {
        fn lanes(self) -> usize {
            S::F32_LANES
        }

        fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
            Simd::vectorize(self.0, With(self.1, op))
        }
    }

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 7919 + seed * 31) % 257) as f32 / 128.0 - 1.0)
            .collect()
    }

    /// The bits of a product; `case` chooses layouts and epilogue.
    fn product(here: impl Run, (m, k, n): (usize, usize, usize), case: usize) -> Vec<u32> {
        let bit = |b: usize| case >> b & 1 == 1;
        // Exactly as long as needed, so that a sanitizer sees each step outside.
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let (bias, mask) = (numbers(n, 3), numbers(m * n, 4));
        let mut out = vec![f32::NAN; m * n];
        let (a_row, a_column) = if bit(0) { (1, m) } else { (k, 1) };
        let (b_row, b_column) = if bit(1) { (1, k) } else { (n, 1) };
        let address = |is_there: bool, x: &[f32]| {
            if is_there {
                x.as_ptr()
            } else {
                std::ptr::null()
            }
        };
        let p = Product {
            m,
            k,
            n,
            a: a.as_ptr(),
            a_row,
            a_column,
            b: b.as_ptr(),
            b_row,
            b_column,
            bias: address(bit(2), &bias),
            relu: bit(3),
            mask: address(bit(4), &mask),
            out: out.as_mut_ptr(),
            out_row: n,
        };
        // SAFETY: the vectors are as long as the product says.
        assert!(unsafe { run(here, &p) });
        out.into_iter().map(f32::to_bits).collect()
    }

    /// Four lanes are NEON's, sixteen are AVX-512's.
    #[test]
    fn products_have_the_same_bits_with_any_instruction_set() {
        let Some(v3) = V3::try_new() else { return };
        let sizes = [1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 17, 20, 25, 33, 47];
        for m in [1, 2, 4, 5, 7, 10, 12, 13, 29] {
            for k in [0, 1, 3, 8, 12, 16, 19, 40] {
                for n in sizes {
                    for case in 0..32 {
                        let shape = (m, k, n);
                        let expected = product(Fixed(v3, pulp::Scalar), shape, case);
                        let same = product(Fixed(v3, v3), shape, case) == expected
                            && product(Fixed(v3, pulp::Scalar512b), shape, case) == expected
                            && product(Fixed(v3, V3_128b(v3)), shape, case) == expected;
                        assert!(same, "{shape:?} case {case}");
                    }
                }
            }
        }
    }
}
