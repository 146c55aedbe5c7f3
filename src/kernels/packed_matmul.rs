//! Our own product for larger matrices, whose operands are packed so that memory is read in order.
//!
//! A panel of the right operand, two vectors of columns wide and at most [`DEPTH`] deep, is copied
//! to where it stays near, and all rows of the left operand pass by it, [`tall`] at a time: a
//! tile of the output is held in registers. The left operand is read where it is if its rows are
//! contiguous; else blocks of it are packed too.
//!
//! The depth is cut into equal blocks, whatever the instruction set. An element is the sum of its
//! blocks, in order, each a chain of fused multiply-adds of which the first starts with the bias.
//! So the bits depend on neither the instruction set nor on how the output is divided among
//! threads; up to [`DEPTH`] deep they are those of [`small_matmul`](super::small_matmul).

use std::cell::Cell;

use pulp::{MemMask, Simd, WithSimd};

use super::panel::{Columns, Panels, load, store};
use super::simd::Run;
use super::small_matmul::{Product, WIDEST, masked};

/// How deep a block of the product is at most.
const DEPTH: usize = 512;

/// The numbers of the largest panel.
const PANEL: usize = 2 * WIDEST * DEPTH;

/// The numbers of the left operand that are worked on at a time: half of a small second-level
/// cache.
const LEFT: usize = 64 * 1024;

/// The steps of the depth in one round of the inner loop.
const UNROLLED: usize = 4;

thread_local! {
    /// Where a thread packs the left operand, kept for the next time.
    static PACKED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// The rows of a tile, for vectors of so many lanes: two sums for each, and room for the
/// operands, in 16 registers (AVX2) or 32.
const fn tall(lanes: usize) -> usize {
    if lanes == 8 { 6 } else { 12 }
}

/// Computes the product on this thread.
///
/// # Safety
///
/// All elements that `p` describes must be readable, those of `out` writable and nobody else's.
pub(super) unsafe fn run(here: impl Run, p: &Product) {
    let lanes = here.lanes();
    if lanes == 1 || p.k == 0 {
        // SAFETY: the caller's promise.
        return unsafe { plain(p) };
    }
    let tall = tall(lanes);
    let deep = depth(p.k);
    let height = (LEFT / deep / tall * tall).max(tall);
    let packs = p.a_column != 1;
    let mut left = Vec::new();
    if packs {
        left = PACKED.take();
        left.resize(LEFT.max(tall * DEPTH), 0.0);
    }
    let mut panel = Panels::<PANEL>::new();
    for top in (0..p.m).step_by(height) {
        for from in (0..p.k).step_by(deep) {
            let mut block = Block {
                p,
                top,
                rows: (p.m - top).min(height),
                from,
                depth: (p.k - from).min(deep),
                j: 0,
                a: p.a.wrapping_add(top * p.a_row + from * p.a_column),
                a_row: p.a_row,
                panel: panel.start(),
            };
            if packs {
                let to = left.as_mut_ptr();
                here.run(PackLeft { block: &block, to });
                block.a = to;
                block.a_row = block.depth;
            }
            for j in (0..p.n).step_by(2 * lanes) {
                block.j = j;
                here.run(PackRight(&block));
                match (p.n - j > lanes, packs) {
                    (true, true) => block.tiles::<2, true>(here),
                    (true, false) => block.tiles::<2, false>(here),
                    (false, true) => block.tiles::<1, true>(here),
                    (false, false) => block.tiles::<1, false>(here),
                }
            }
        }
    }
    if packs {
        PACKED.set(left);
    }
}

/// The depth of a block of a product `k` deep: all are equal, but for the last.
fn depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1)
}

/// The product by a plain loop, where there are no vectors.
///
/// # Safety
///
/// As for [`run`].
unsafe fn plain(p: &Product) {
    let deep = depth(p.k);
    for i in 0..p.m {
        for j in 0..p.n {
            // SAFETY: the caller's promise.
            unsafe {
                let mut total = 0.0_f32;
                for from in (0..p.k).step_by(deep) {
                    let is_first = from == 0;
                    let mut sum = 0.0_f32;
                    if is_first && !p.bias.is_null() {
                        sum = *p.bias.add(j);
                    }
                    for q in from..(from + deep).min(p.k) {
                        let left = *p.a.add(i * p.a_row + q * p.a_column);
                        let right = *p.b.add(q * p.b_row + j * p.b_column);
                        sum = left.mul_add(right, sum);
                    }
                    // The first sum is taken as it is, to the sign of a zero.
                    total = if is_first { sum } else { total + sum };
                }
                if p.k == 0 && !p.bias.is_null() {
                    total = *p.bias.add(j);
                }
                let at = i * p.out_row + j;
                let negative = p.relu && total < 0.0;
                let off = !p.mask.is_null() && *p.mask.add(at) <= 0.0;
                *p.out.add(at) = if negative || off { 0.0 } else { total };
            }
        }
    }
}

/// A part of the product: some rows by the columns of a panel, over a block of the depth.
#[derive(Clone, Copy)]
struct Block<'a> {
    p: &'a Product,
    /// The first row and their number.
    top: usize,
    rows: usize,
    /// Where the block starts in the depth, and how deep it is.
    from: usize,
    depth: usize,
    /// The first column.
    j: usize,
    /// The left operand: its rows, `a_row` apart, or packed tiles.
    a: *const f32,
    a_row: usize,
    panel: *mut f32,
}

/// Copies the block's rows of the left operand, a tile after the other, column by column.
struct PackLeft<'a> {
    block: &'a Block<'a>,
    to: *mut f32,
}

impl WithSimd for PackLeft<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // SAFETY: `run` makes these for rows that exist, with room for them.
        unsafe {
            if const { tall(S::F32_LANES) } == 6 {
                self.pack::<6>();
            } else {
                self.pack::<12>();
            }
        }
    }
}

impl PackLeft<'_> {
    /// Packs tiles of `R` rows.
    ///
    /// # Safety
    ///
    /// The block's elements must be readable, and as many numbers, in whole tiles, writable.
    #[inline(always)]
    unsafe fn pack<const R: usize>(&self) {
        let Block { p, a, rows, .. } = *self.block;
        let depth = self.block.depth;
        let whole = if p.a_row == 1 { rows / R } else { 0 };
        for q in 0..depth {
            // SAFETY: the caller's promise.
            unsafe {
                let a = a.add(q * p.a_column);
                let to = self.to.add(q * R);
                for tile in 0..whole {
                    let from = a.add(tile * R).cast::<[f32; R]>();
                    let to = to.add(tile * R * depth).cast::<[f32; R]>();
                    to.write_unaligned(from.read_unaligned());
                }
                for i in whole * R..rows {
                    *to.add(i / R * R * depth + i % R) = *a.add(i * p.a_row);
                }
            }
        }
    }
}

/// Copies the block's columns of the right operand to the panel: `depth` vectors, and behind them
/// as many of the columns that follow.
struct PackRight<'a>(&'a Block<'a>);

impl WithSimd for PackRight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = const { S::F32_LANES };
        let Block {
            p, from, depth, j, ..
        } = *self.0;
        let width = p.n - j;
        let to = self.0.panel;
        let vectors = 1 + usize::from(width > lanes);
        if p.b_column != 1 {
            for v in 0..vectors {
                let columns = Columns {
                    b: p.b
                        .wrapping_add(from * p.b_row + (j + v * lanes) * p.b_column),
                    b_row: p.b_row,
                    b_column: p.b_column,
                    k: depth,
                    n: width - v * lanes,
                };
                // SAFETY: `run` makes these for columns that exist, with room for two panels.
                unsafe { columns.pack(simd, 0, to.wrapping_add(v * depth * lanes)) };
            }
            return;
        }
        // SAFETY: `run` makes these for rows and columns that exist; loads past them are masked.
        unsafe {
            let b = p.b.add(from * p.b_row + j);
            if width >= vectors * lanes {
                for i in 0..depth {
                    let (b, to) = (b.add(i * p.b_row), to.add(i * lanes));
                    store(simd, to, load(simd, b));
                    if vectors == 2 {
                        store(simd, to.add(depth * lanes), load(simd, b.add(lanes)));
                    }
                }
                return;
            }
            for v in 0..vectors {
                let inside = first(simd, width - v * lanes);
                let (b, to) = (b.add(v * lanes), to.add(v * depth * lanes));
                for i in 0..depth {
                    let vector = simd.mask_load_ptr_f32s(inside, b.wrapping_add(i * p.b_row));
                    store(simd, to.add(i * lanes), vector);
                }
            }
        }
    }
}

impl Block<'_> {
    /// Computes all tiles of the block. Each height of a tile is a function of its own.
    #[inline(always)]
    fn tiles<const V: usize, const PACKED: bool>(&self, here: impl Run) {
        macro_rules! tall {
            ($first:expr, $rows:expr, $count:expr, $($r:literal)*) => {
                match $rows {
                    $($r => here.run(Tiles::<V, $r, PACKED> {
                        block: self,
                        first: $first,
                        count: $count,
                    }),)*
                    _ => {}
                }
            };
        }
        let tall = tall(here.lanes());
        let whole = self.rows / tall;
        tall!(0, tall, whole, 6 12);
        tall!(whole * tall, self.rows % tall, 1, 1 2 3 4 5 6 7 8 9 10 11);
    }
}

/// Tiles of `R` rows and `V` vectors, from the block's row `first` on.
///
/// `PACKED` says that the left operand is.
struct Tiles<'a, const V: usize, const R: usize, const PACKED: bool> {
    block: &'a Block<'a>,
    first: usize,
    count: usize,
}

impl<const V: usize, const R: usize, const PACKED: bool> WithSimd for Tiles<'_, V, R, PACKED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // `plain` does a vector of one; no tile is higher than `tall`.
        if const { S::F32_LANES == 1 || R > tall(S::F32_LANES) } {
            return;
        }
        for t in 0..self.count {
            // SAFETY: `run` makes these for rows and columns that exist, and has packed them.
            unsafe {
                let i = self.first + t * R;
                let width = self.block.p.n - self.block.j;
                if width >= V * S::F32_LANES {
                    self.tile(simd, [All; V], i);
                } else {
                    let part = |v| First(first(simd, width - v * S::F32_LANES));
                    self.tile(simd, std::array::from_fn(part), i);
                }
            }
        }
    }
}

impl<const V: usize, const R: usize, const PACKED: bool> Tiles<'_, V, R, PACKED> {
    /// Computes the rows from `i` on.
    ///
    /// # Safety
    ///
    /// As for [`sums`](Self::sums) and [`finish`](Self::finish).
    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, simd: S, access: [impl Access<S>; V], i: usize) {
        let Block { p, from, j, .. } = *self.block;
        // SAFETY: the caller's promise.
        unsafe {
            let mut start = [simd.splat_f32s(0.0); V];
            if from == 0 && !p.bias.is_null() {
                for (v, start) in start.iter_mut().enumerate() {
                    *start = access[v].load(simd, p.bias.wrapping_add(j + v * S::F32_LANES));
                }
            }
            let sums = self.sums(simd, start, i);
            self.finish(simd, access, sums, i);
        }
    }

    /// The products of the rows from `i` on with the panel, added to `start`.
    ///
    /// # Safety
    ///
    /// They must exist and be packed, as must the panel.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, simd: S, start: [S::f32s; V], i: usize) -> [[S::f32s; V]; R] {
        let lanes = const { S::F32_LANES };
        let Block {
            a,
            a_row,
            depth,
            panel,
            ..
        } = *self.block;
        let a = a.wrapping_add(i * a_row);
        let (row, column) = if PACKED {
            (1, const { tall(S::F32_LANES) })
        } else {
            (a_row, 1)
        };
        // Every third row: the rows between are at strides that an instruction adds for free.
        let mut a: [*const f32; 4] = std::array::from_fn(|g| a.wrapping_add(3 * g * row));
        let mut b: [*const f32; 2] = [panel, panel.wrapping_add(lanes * depth)];
        let mut sums = [start; R];
        let mut rest = depth;
        while rest > 0 {
            let steps = if rest < UNROLLED { 1 } else { UNROLLED };
            // SAFETY: the caller's promise.
            unsafe {
                if steps == 1 {
                    multiply(simd, &mut sums, (a, row), b);
                } else {
                    for step in 0..UNROLLED {
                        let a = a.map(|a| a.wrapping_add(step * column));
                        let b = b.map(|b| b.wrapping_add(step * lanes));
                        multiply(simd, &mut sums, (a, row), b);
                    }
                }
            }
            for a in &mut a {
                *a = a.wrapping_add(steps * column);
            }
            for b in &mut b {
                *b = b.wrapping_add(steps * lanes);
            }
            rest -= steps;
        }
        sums
    }

    /// Adds what was there to the sums of the rows from `i` on, and stores them;
    /// those of the last block after ReLU and mask.
    ///
    /// # Safety
    ///
    /// The rows must exist, and `access` touch none but the product's columns.
    #[inline(always)]
    unsafe fn finish<S: Simd>(
        &self,
        simd: S,
        access: [impl Access<S>; V],
        mut sums: [[S::f32s; V]; R],
        i: usize,
    ) {
        let lanes = const { S::F32_LANES };
        let Block {
            p, top, from, j, ..
        } = *self.block;
        let at = (top + i) * p.out_row + j;
        let out = p.out.wrapping_add(at);
        let zero = simd.splat_f32s(0.0);
        // SAFETY: the caller's promise.
        unsafe {
            if from > 0 {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let out = out.wrapping_add(r * p.out_row + v * lanes);
                        *sum = simd.add_f32s(access[v].load(simd, out), *sum);
                    }
                }
            }
            let is_last = from + self.block.depth == p.k;
            if is_last && p.relu {
                for sums in &mut sums {
                    for sum in sums {
                        // In this order a NaN stays.
                        *sum = simd.max_f32s(zero, *sum);
                    }
                }
            }
            if is_last && !p.mask.is_null() {
                let mask = p.mask.wrapping_add(at);
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let mask = mask.wrapping_add(r * p.out_row + v * lanes);
                        *sum = masked(simd, *sum, access[v].load(simd, mask));
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let out = out.wrapping_add(r * p.out_row + v * lanes);
                    access[v].store(simd, out, *sum);
                }
            }
        }
    }
}

/// One step of the depth: adds the products of `R` numbers, `a.1` apart, with `V` vectors.
///
/// # Safety
///
/// All of them must be readable.
#[inline(always)]
unsafe fn multiply<S: Simd, const V: usize, const R: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; R],
    a: ([*const f32; 4], usize),
    b: [*const f32; 2],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut right = [load(simd, b[0]); V];
        if V == 2 {
            right[V - 1] = load(simd, b[1]);
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let left = simd.splat_f32s(*a.0[r / 3].wrapping_add(r % 3 * a.1));
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_f32s(left, right, *sum);
            }
        }
    }
}

/// How a vector of the output, and what belongs to it, is reached.
trait Access<S: Simd>: Copy {
    /// Reads a vector.
    ///
    /// # Safety
    ///
    /// What this touches must be readable.
    unsafe fn load(self, simd: S, from: *const f32) -> S::f32s;

    /// Writes a vector.
    ///
    /// # Safety
    ///
    /// What this touches must be writable.
    unsafe fn store(self, simd: S, to: *mut f32, value: S::f32s);
}

/// All lanes of a vector.
#[derive(Clone, Copy)]
struct All;

impl<S: Simd> Access<S> for All {
    #[inline(always)]
    unsafe fn load(self, simd: S, from: *const f32) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { load(simd, from) }
    }

    #[inline(always)]
    unsafe fn store(self, simd: S, to: *mut f32, value: S::f32s) {
        // SAFETY: the caller's promise.
        unsafe { store(simd, to, value) }
    }
}

/// The first lanes, as the mask says.
#[derive(Clone, Copy)]
struct First<M>(M);

impl<S: Simd> Access<S> for First<MemMask<S::m32s>> {
    #[inline(always)]
    unsafe fn load(self, simd: S, from: *const f32) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { simd.mask_load_ptr_f32s(self.0, from) }
    }

    #[inline(always)]
    unsafe fn store(self, simd: S, to: *mut f32, value: S::f32s) {
        // SAFETY: the caller's promise.
        unsafe { simd.mask_store_ptr_f32s(self.0, to, value) }
    }
}

/// A mask for the first `count` lanes.
#[inline(always)]
fn first<S: Simd>(simd: S, count: usize) -> MemMask<S::m32s> {
    MemMask::new(
        simd.mask_between_m32s(0, count.min(S::F32_LANES) as u32)
            .mask(),
    )
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use pulp::x86::{V3, V3_128b};

    use super::super::small_matmul::tests::{Fixed, product};
    use super::*;

    /// Four lanes are NEON's, sixteen are AVX-512's.
    #[test]
    fn products_have_the_same_bits_with_any_instruction_set() {
        let Some(v3) = V3::try_new() else { return };
        for m in [1, 5, 6, 7, 13, 23, 130] {
            for k in [0, 1, 9, 17, 513] {
                for n in [1, 3, 8, 9, 16, 17, 31, 33, 65] {
                    if m * k * n > 300_000 && m != 130 {
                        continue; // Enough of the large ones remain.
                    }
                    for case in 0..32 {
                        let shape = (m, k, n);
                        let expected = product(Fixed(v3, pulp::Scalar), run, shape, case);
                        let same = product(Fixed(v3, v3), run, shape, case) == expected
                            && product(Fixed(v3, pulp::Scalar512b), run, shape, case) == expected
                            && product(Fixed(v3, V3_128b(v3)), run, shape, case) == expected;
                        assert!(same, "{shape:?} case {case}");
                    }
                }
            }
        }
    }
}
