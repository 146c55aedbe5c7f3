//! [`matmul`], the product of two matrices with what follows it in a layer fused in.

use super::parallel::threads;
use super::simd::dispatch;
use super::small_matmul::{self, Small};

/// Multiply-adds up to which our own kernel is used whatever the shape.
const SMALL: usize = 48 * 48 * 48;

/// Multiply-adds from which the output is split into blocks that run in parallel.
const SPLIT: usize = 1 << 21;

/// Multiply-adds that one block should at least have.
const BLOCK: usize = 1 << 20;

/// A matrix: a slice, its shape, and the steps from a row and a column to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    /// The numbers; element `(i, j)` is `data[i * row_stride + j * column_stride]`.
    pub data: &'a [f32],
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
    /// The step from a row to the next.
    pub row_stride: usize,
    /// The step from a column to the next.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    #[inline]
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        debug_assert_eq!(data.len(), rows * columns);
        Matrix {
            data,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The same numbers with rows and columns exchanged.
    #[inline]
    pub(crate) fn transposed(self) -> Self {
        Matrix {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Whether all elements lie in `data`.
    #[inline]
    fn is_covered(&self) -> bool {
        if self.rows == 0 || self.columns == 0 {
            return true;
        }
        let down = (self.rows - 1).checked_mul(self.row_stride);
        let right = (self.columns - 1).checked_mul(self.column_stride);
        match (down, right) {
            (Some(down), Some(right)) => down
                .checked_add(right)
                .is_some_and(|last| last < self.data.len()),
            _ => false,
        }
    }
}

/// What is done to each element of a product: `relu(product + bias)`, zero where `mask <= 0`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Epilogue<'a> {
    /// Added to each row: `(columns,)`.
    pub bias: Option<&'a [f32]>,
    /// Whether negative results become zero; NaN stays NaN.
    pub relu: bool,
    /// ReLU's backward pass: the result is zero where this is at most zero. `(rows, columns)`.
    pub mask: Option<&'a [f32]>,
}

/// `out = epilogue(a b)`: `a` is `(m, k)`, `b` `(k, n)`, `out` row-major `(m, n)`.
///
/// The bits do not depend on the number of threads. Small products allocate nothing; large ones
/// let `gemm` keep its packing buffer.
#[inline]
pub(crate) fn matmul(a: Matrix, b: Matrix, out: &mut [f32], epilogue: Epilogue) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    let size = m.checked_mul(n);
    let fits = b.rows == k
        && size == Some(out.len())
        && a.is_covered()
        && b.is_covered()
        && epilogue.bias.is_none_or(|bias| bias.len() == n)
        && epilogue.mask.is_none_or(|mask| mask.len() == out.len());
    debug_assert!(fits, "matmul of {m}x{k} by {}x{n}", b.rows);
    if !fits {
        // A mistake of ours that tests did not find: loud in the loss, never out of bounds.
        out.fill(f32::NAN);
        return;
    }
    if out.is_empty() {
        return;
    }
    let work = out.len().saturating_mul(k);
    if work <= SMALL || n == 1 || m == 1 {
        let small = Small {
            rows: m,
            depth: k,
            columns: n,
            a,
            b,
            bias: epilogue.bias,
            relu: epilogue.relu,
            mask: epilogue.mask,
        };
        if small_matmul::run(small, out) {
            return;
        }
    }
    large(a, b, out, epilogue, work);
}

/// The product by `gemm`, in blocks whose bounds depend on the shape alone.
fn large(a: Matrix, b: Matrix, out: &mut [f32], epilogue: Epilogue, work: usize) {
    let (m, n) = (a.rows, b.columns);
    let pointer = Out(out.as_mut_ptr());
    if work < SPLIT {
        // SAFETY: the block is the whole of `out`, which is `m` by `n`.
        unsafe { block(a, b, pointer, 0..m, 0..n, epilogue) };
        return;
    }
    // Blocks are stripes of the longer side, at least 64 wide where that is long enough, so that
    // the packing of the other operand, which each block repeats, stays cheap.
    let longer = m.max(n);
    let count = (work / BLOCK).clamp(1, 16).min(longer.div_ceil(64));
    let width = longer.div_ceil(count).next_multiple_of(16);
    let count = longer.div_ceil(width);
    let one = |i: usize| {
        let stripe = i * width..((i + 1) * width).min(longer);
        let (rows, columns) = if m >= n {
            (stripe, 0..n)
        } else {
            (0..m, stripe)
        };
        // SAFETY: stripes lie in `out` and do not overlap.
        unsafe { block(a, b, pointer, rows, columns, epilogue) };
    };
    if threads() == 1 || count == 1 {
        (0..count).for_each(one);
    } else {
        use rayon::prelude::*;
        (0..count).into_par_iter().with_max_len(1).for_each(one);
    }
}

/// The output's address, for blocks that write to disjoint parts of it.
#[derive(Clone, Copy)]
struct Out(*mut f32);

// SAFETY: it is only a number; who writes through it says why that is allowed.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// Rows and columns of the product, and their epilogue.
///
/// # Safety
///
/// `out` must point to `a.rows * b.columns` numbers, of which no one else uses those of the
/// block; the ranges must lie within `a.rows` and `b.columns`; `a`, `b` and the epilogue must be
/// covered by their slices.
unsafe fn block(
    a: Matrix,
    b: Matrix,
    out: Out,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    epilogue: Epilogue,
) {
    let n = b.columns;
    let (height, width) = (rows.len(), columns.len());
    if height == 0 || width == 0 {
        return;
    }
    // SAFETY: the first element of the block is in each of the three.
    let (left, right, to) = unsafe {
        (
            a.data.as_ptr().add(rows.start * a.row_stride),
            b.data.as_ptr().add(columns.start * b.column_stride),
            out.0.add(rows.start * n + columns.start),
        )
    };
    // `gemm` prefers a column-major output: the transposed product is one.
    // SAFETY: all elements of the block of `b`, of `a` and of `out` are in bounds, and `out` is
    // not read. Strides are below isize::MAX, for a slice is no longer.
    unsafe {
        (gemm_f32::gemm::f32::get_gemm_fn())(
            width,
            height,
            a.columns,
            to,
            n as isize,
            1,
            false,
            right,
            b.row_stride as isize,
            b.column_stride as isize,
            left,
            a.row_stride as isize,
            a.column_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            sequential(),
        );
    }
    if epilogue.bias.is_none() && epilogue.mask.is_none() && !epilogue.relu {
        return;
    }
    dispatch(
        #[inline(always)]
        || {
            for i in rows.clone() {
                let from = i * n + columns.start;
                // SAFETY: a stretch of row `i` inside the block.
                let row = unsafe { std::slice::from_raw_parts_mut(out.0.add(from), width) };
                if let Some(bias) = epilogue.bias {
                    for (out, bias) in row.iter_mut().zip(&bias[columns.clone()]) {
                        *out += bias;
                    }
                }
                if epilogue.relu {
                    for out in row.iter_mut() {
                        *out = if *out < 0.0 { 0.0 } else { *out };
                    }
                }
                if let Some(mask) = epilogue.mask {
                    for (out, mask) in row.iter_mut().zip(&mask[from..]) {
                        *out = if *mask <= 0.0 { 0.0 } else { *out };
                    }
                }
            }
        },
    );
}

/// `gemm_common::Parallelism::None`, whose crate `gemm_f32` does not re-export.
#[inline(always)]
fn sequential<P>() -> P {
    // Without `gemm_common`'s feature `rayon` the enum has this variant only and no size.
    const { assert!(size_of::<P>() == 0) };
    // SAFETY: an inhabited type without size has one value, made of no bytes.
    unsafe { std::mem::zeroed() }
}
