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

/// The numbers that a packed operand may have: 16 KiB of stack.
const PACKED: usize = 4096;

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
            unsafe { tiles(here, &turned, Right::RowMajor) };
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
        let panels = p.n.next_multiple_of(here.lanes());
        if p.k.saturating_mul(panels) > PACKED {
            return false;
        }
        // SAFETY: the caller's promise, and the panels fit.
        unsafe { packed(here, p) };
        return true;
    }
    // SAFETY: the caller's promise; `b` is row-major.
    unsafe { tiles(here, p, Right::RowMajor) };
    true
}

/// How the right operand of the tiles lies.
#[derive(Clone, Copy)]
enum Right {
    /// At `b`, rows with stride `b_row`.
    RowMajor,
    /// At this address, in panels as wide as a vector and `k` high.
    Panels(*const f32),
}

/// Packs the right operand, then computes the tiles.
///
/// # Safety
///
/// As for [`run`]; the panels must not have more than [`PACKED`] numbers.
#[inline(never)]
unsafe fn packed(here: impl Run, p: &Product) {
    /// The panels, whose rows do not straddle cache lines.
    #[repr(align(64))]
    struct Panels([MaybeUninit<f32>; PACKED]);

    let mut panels = Panels([MaybeUninit::uninit(); PACKED]);
    let to: *mut f32 = panels.0.as_mut_ptr().cast();
    here.run(Pack { p, to });
    // SAFETY: the panels have just been written.
    unsafe { tiles(here, p, Right::Panels(to)) };
}

/// Copies the right operand to panels; those past the last column hold anything.
struct Pack<'a> {
    p: &'a Product,
    to: *mut f32,
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Pack { p, to } = self;
        let lanes = const { S::F32_LANES };
        let _ = simd;
        for vector in 0..p.n.div_ceil(lanes) {
            let j = column(vector, lanes, p.n);
            // SAFETY: there is room for `k` vectors a panel.
            let to = unsafe { to.add(vector * lanes * p.k) };
            #[cfg(target_arch = "x86_64")]
            if p.b_row == 1 && avx::is_there::<S>() {
                // SAFETY: AVX is there, and so are the elements of `b`.
                unsafe { avx::panel(simd, p, j, to) };
                continue;
            }
            for i in 0..p.k {
                for l in 0..lanes {
                    // A panel wider than the matrix repeats its last column.
                    let j = (j + l).min(p.n - 1);
                    // SAFETY: the element is readable; the panel has room.
                    unsafe { *to.add(i * lanes + l) = *p.b.add(i * p.b_row + j * p.b_column) };
                }
            }
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
        if this == TypeId::of::<pulp::x86::V3_512b>() {
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
                        let column = (j + half * 8 + r).min(p.n - 1);
                        let at = p.b.add(column * p.b_column + from);
                        *x = if p.k >= 8 {
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
                let rows = 8.min(p.k);
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

/// The column at which a vector of the output starts: the last one ends with the row.
#[inline(always)]
fn column(vector: usize, lanes: usize, n: usize) -> usize {
    (vector * lanes).min(n.saturating_sub(lanes))
}

/// Computes all tiles. Each height of a tile is a function of its own.
///
/// # Safety
///
/// As for [`run`]; `b` as `right` says.
#[inline(never)]
unsafe fn tiles(here: impl Run, p: &Product, right: Right) {
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
        return unsafe { plain(p, right) };
    }
    // SAFETY: the column exists, or the panel.
    let at = |vector: usize, j: usize| unsafe {
        match right {
            Right::RowMajor => p.b.add(j),
            Right::Panels(panels) => panels.add(vector * lanes * p.k),
        }
    };
    let b_row = match right {
        Right::RowMajor => p.b_row,
        Right::Panels(_) => lanes,
    };
    let vectors = p.n.div_ceil(lanes);
    let mut vector = 0;
    while vector < vectors {
        let j = column(vector, lanes, p.n);
        let mut i = 0;
        if vector + 1 < vectors {
            let second = column(vector + 1, lanes, p.n) - j;
            let b = [at(vector, j), at(vector + 1, j + second)];
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
            let b = at(vector, j);
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
    std::array::from_fn(|g| p.a.wrapping_add((i + 3 * g) * p.a_row))
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
unsafe fn plain(p: &Product, right: Right) {
    for i in 0..p.m {
        for j in 0..p.n {
            // SAFETY: the caller's promise.
            unsafe {
                let (b, b_row) = match right {
                    Right::RowMajor => (p.b.add(j), p.b_row),
                    Right::Panels(panels) => (panels.add(j * p.k), 1),
                };
                let mut sum = if p.bias.is_null() {
                    0.0
                } else {
                    *p.bias.add(j)
                };
                for q in 0..p.k {
                    let left = *p.a.add(i * p.a_row + q * p.a_column);
                    sum = f32::mul_add(left, *b.add(q * b_row), sum);
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
                for r in 0..R {
                    let left = simd.splat_f32s(element(&a, a_row, r));
                    sums[r][0] = simd.mul_add_f32s(left, right[0], sums[r][0]);
                    sums[r][1] = simd.mul_add_f32s(left, right[1], sums[r][1]);
                }
                step(&mut a, a_column);
                step(&mut b, b_row);
            }
            let floor = floor(simd, p.relu);
            for r in 0..R {
                sums[r] = sums[r].map(|sum| simd.max_f32s(floor, sum));
            }
            if !p.mask.is_null() {
                let mask = p.mask.add(self.at);
                for r in 0..R {
                    let mask = mask.add(r * out_row);
                    sums[r][0] = masked(simd, sums[r][0], load(simd, mask));
                    sums[r][1] = masked(simd, sums[r][1], load(simd, mask.add(second)));
                }
            }
            let out = p.out.add(self.at);
            for r in 0..R {
                let out = out.add(r * out_row);
                store(simd, out, sums[r][0]);
                store(simd, out.add(second), sums[r][1]);
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
                for r in 0..R {
                    let left = simd.splat_f32s(element(&a, a_row, r));
                    sums[r] = simd.mul_add_f32s(left, right, sums[r]);
                }
                step(&mut a, a_column);
                b = b.wrapping_add(b_row);
            }
            let floor = floor(simd, p.relu);
            sums = sums.map(|sum| simd.max_f32s(floor, sum));
            if !p.mask.is_null() {
                let mask = p.mask.add(self.at);
                for r in 0..R {
                    let mask = simd.mask_load_ptr_f32s(inside, mask.add(r * out_row));
                    sums[r] = masked(simd, sums[r], mask);
                }
            }
            let out = p.out.add(self.at);
            if p.n >= lanes {
                for r in 0..R {
                    store(simd, out.add(r * out_row), sums[r]);
                }
            } else {
                // How far from the end of the output a row must be for a full store.
                let room = (p.m * out_row - self.at).wrapping_sub(lanes) as isize;
                for r in 0..R {
                    let out = out.add(r * out_row);
                    if lanes < WIDEST && (r * out_row) as isize <= room {
                        store(simd, out, sums[r]);
                    } else {
                        simd.mask_store_ptr_f32s(inside, out, sums[r]);
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
            for (r, mut parts) in parts.into_iter().enumerate() {
                let mut half = registers / 2;
                while half > 0 {
                    for g in 0..half {
                        parts[g] = simd.add_f32s(parts[g], parts[g + half]);
                    }
                    half /= 2;
                }
                let mut sum = total(simd, parts[0]);
                let i = i + r;
                if !self.bias.is_null() {
                    sum += *self.bias.add(i * self.bias_stride);
                }
                let negative = self.relu && sum < 0.0;
                let off = !self.mask.is_null() && *self.mask.add(i) <= 0.0;
                *self.out.add(i) = if negative || off { 0.0 } else { sum };
            }
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
