//! [`matmul`], the product of two matrices with what follows it in a layer fused in.

use std::cell::Cell;

use rayon::prelude::*;

use super::elementwise::add_assign;
use super::packed_matmul;
use super::parallel::threads;
use super::simd::Instructions;
use super::small_matmul::{self, Product};

/// Multiply-adds below which packing does not pay.
const SMALL: usize = 1 << 17;

/// Rows below which it does not.
const FEW_ROWS: usize = 24;

/// Columns below which it does not.
const FEW_COLUMNS: usize = 48;

/// Multiply-adds from which the output is split into stripes that run in parallel.
const SPLIT: usize = 1 << 21;

/// Multiply-adds that one stripe should at least have.
const BLOCK: usize = 1 << 20;

/// A product of no more elements than this is split in its depth, not in stripes...
const FEW: usize = 16 * 1024;

/// ... into parts at least so deep,
const DEEP: usize = 4096;

/// and no more than so many.
const MOST_PARTS: usize = 16;

/// A stripe has a multiple of so many rows, that of every kernel's tiles.
const ROWS: usize = 12;

/// A stripe has a multiple of so many columns: two of the widest vectors.
const COLUMNS: usize = 32;

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
/// The bits do not depend on the number of threads. Small products allocate nothing; for large ones
/// each thread keeps a buffer.
#[inline]
pub(crate) fn matmul(a: Matrix, b: Matrix, out: &mut [f32], epilogue: Epilogue) {
    matmul_in(None, a, b, out, epilogue);
}

/// The same, with an output that is large divided into so many stripes, or one for each thread.
#[inline(always)]
fn matmul_in(stripes: Option<usize>, a: Matrix, b: Matrix, out: &mut [f32], epilogue: Epilogue) {
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
    let address = |slice: Option<&[f32]>| slice.map_or(std::ptr::null(), <[f32]>::as_ptr);
    let product = Product {
        m,
        k,
        n,
        a: a.data.as_ptr(),
        a_row: a.row_stride,
        a_column: a.column_stride,
        b: b.data.as_ptr(),
        b_row: b.row_stride,
        b_column: b.column_stride,
        bias: address(epilogue.bias),
        relu: epilogue.relu,
        mask: address(epilogue.mask),
        out: out.as_mut_ptr(),
        out_row: n,
    };
    let work = out.len().saturating_mul(k);
    // SAFETY: the slices cover what the product describes, as has just been checked, and are
    // borrowed until it is done.
    unsafe {
        let kernel = choose(&product, work);
        if work < SPLIT {
            compute(&product, kernel);
        } else {
            split(&product, work, kernel, stripes);
        }
    }
}

/// Which of our two kernels a product is for.
#[derive(Clone, Copy, PartialEq)]
enum Kernel {
    Small,
    Packed,
}

/// The kernel that is faster for a product. It depends on the whole product, not on a stripe of
/// it, for the two add in different orders when they are deep.
#[inline]
fn choose(p: &Product, work: usize) -> Kernel {
    if work < SMALL || p.m < FEW_ROWS || p.n < FEW_COLUMNS {
        Kernel::Small
    } else {
        Kernel::Packed
    }
}

thread_local! {
    /// Where a thread keeps the sums over parts of the depth, for the next time.
    static SUMS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Computes a product that is deep and has few elements: sums over parts of the depth, whose
/// bounds depend on the depth alone, in parallel, which are added in order.
///
/// # Safety
///
/// As for [`compute`]. There must be no epilogue, and `out_row` must equal `n`.
unsafe fn split_depth(product: &Product, kernel: Kernel) {
    let size = product.m * product.n;
    let count = (product.k / DEEP).clamp(1, MOST_PARTS);
    let deep = product.k.div_ceil(count);
    let count = product.k.div_ceil(deep);
    // Taken, not borrowed: while this thread waits it may be given another product.
    let mut sums = SUMS.take();
    sums.resize(sums.len().max((count - 1) * size), 0.0);
    let others = Others(sums.as_mut_ptr());
    let one = |i: usize| {
        // SAFETY: the parts lie within the product, and each has a place of its own.
        unsafe {
            compute(
                &Product {
                    k: deep.min(product.k - i * deep),
                    a: product.a.add(i * deep * product.a_column),
                    b: product.b.add(i * deep * product.b_row),
                    out: match i {
                        0 => product.out,
                        _ => others.at((i - 1) * size),
                    },
                    ..*product
                },
                kernel,
            );
        }
    };
    if threads() == 1 {
        (0..count).for_each(one);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(one);
    }
    // SAFETY: the output has `size` elements, and nobody else's now.
    let out = unsafe { std::slice::from_raw_parts_mut(product.out, size) };
    for part in sums.chunks_exact(size).take(count - 1) {
        add_assign(out, part);
    }
    SUMS.set(sums);
}

/// The address of the sums over all parts of the depth but the first.
struct Others(*mut f32);

impl Others {
    fn at(&self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

// SAFETY: it is only an address; who uses it says why that is allowed.
unsafe impl Sync for Others {}

/// Computes stripes of the output in parallel.
///
/// # Safety
///
/// As for [`compute`].
unsafe fn split(product: &Product, work: usize, kernel: Kernel, stripes: Option<usize>) {
    let is_plain = product.bias.is_null() && product.mask.is_null() && !product.relu;
    let size = product.m * product.n;
    if product.k >= 2 * DEEP && size <= FEW && is_plain && product.out_row == product.n {
        // SAFETY: the caller's promise.
        return unsafe { split_depth(product, kernel) };
    }
    let by_rows = product.m >= product.n;
    let (longer, unit) = if by_rows {
        (product.m, ROWS)
    } else {
        (product.n, COLUMNS)
    };
    // Each stripe packs an operand again, so there are no more than there are threads: an element's
    // bits do not depend on the stripe that it is in.
    let stripes = stripes.unwrap_or_else(threads);
    let units = longer / unit;
    let count = (work / BLOCK).min(stripes).min(units).max(1);
    // What is left after whole units goes to the last stripe: none is narrower than a unit.
    let edge = |i: usize| match i < count {
        true => i * units / count * unit,
        false => longer,
    };
    let one = |i: usize| {
        let (from, to) = (edge(i), edge(i + 1));
        // SAFETY: stripes lie within the product and do not overlap.
        unsafe {
            let stripe = if by_rows {
                let at = from * product.out_row;
                Product {
                    m: to - from,
                    a: product.a.add(from * product.a_row),
                    mask: product
                        .mask
                        .wrapping_add(at * usize::from(!product.mask.is_null())),
                    out: product.out.add(at),
                    ..*product
                }
            } else {
                Product {
                    n: to - from,
                    b: product.b.add(from * product.b_column),
                    bias: product
                        .bias
                        .wrapping_add(from * usize::from(!product.bias.is_null())),
                    mask: product
                        .mask
                        .wrapping_add(from * usize::from(!product.mask.is_null())),
                    out: product.out.add(from),
                    ..*product
                }
            };
            compute(&stripe, kernel);
        }
    };
    if count == 1 {
        one(0);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(one);
    }
}

/// Computes a product on this thread.
///
/// # Safety
///
/// All elements that it describes must be readable, those of `out` writable and nobody else's;
/// `m` and `n` must not be zero.
#[inline]
unsafe fn compute(product: &Product, kernel: Kernel) {
    let here = Instructions::here();
    // SAFETY: the caller's promise.
    unsafe {
        if kernel == Kernel::Packed || !small_matmul::run(here, product) {
            packed_matmul::run(here, product);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between -1 and 1.
    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..len)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    /// The product by a plain loop in `f64`, and a bound on the error of one in `f32`.
    fn plain(a: Matrix, b: Matrix, epilogue: Epilogue) -> Vec<(f64, f64)> {
        let n = b.columns;
        let mut out = Vec::new();
        for i in 0..a.rows {
            for j in 0..n {
                let bias = epilogue.bias.map_or(0.0, |bias| f64::from(bias[j]));
                let (mut sum, mut size) = (bias, bias.abs());
                for p in 0..a.columns {
                    let left = a.data[i * a.row_stride + p * a.column_stride];
                    let right = b.data[p * b.row_stride + j * b.column_stride];
                    sum += f64::from(left) * f64::from(right);
                    size += (f64::from(left) * f64::from(right)).abs();
                }
                if epilogue.relu {
                    sum = sum.max(0.0);
                }
                if epilogue.mask.is_some_and(|mask| mask[i * n + j] <= 0.0) {
                    sum = 0.0;
                }
                out.push((sum, size * 6e-8 * (2.0 + (a.columns as f64).sqrt())));
            }
        }
        out
    }

    /// A slice that does not start on a boundary, inside NaNs that must not be touched or used.
    struct Fenced {
        data: Vec<f32>,
        from: usize,
        len: usize,
    }

    impl Fenced {
        fn new(values: &[f32], from: usize) -> Self {
            let mut data = vec![f32::NAN; from + values.len() + 17];
            data[from..][..values.len()].copy_from_slice(values);
            Fenced {
                data,
                from,
                len: values.len(),
            }
        }

        fn get(&self) -> &[f32] {
            &self.data[self.from..][..self.len]
        }

        fn get_mut(&mut self) -> &mut [f32] {
            &mut self.data[self.from..][..self.len]
        }

        fn is_whole(&self) -> bool {
            let (before, rest) = self.data.split_at(self.from);
            before.iter().chain(&rest[self.len..]).all(|v| v.is_nan())
        }
    }

    /// Tries a shape with all layouts and epilogues.
    fn try_shape(m: usize, k: usize, n: usize) {
        for case in 0..32_u64 {
            let bit = |b: u64| case >> b & 1 == 1;
            let seed = (m * 1_000_003 + k * 1009 + n) as u64 + case;
            let shift = seed as usize % 5;
            let a_data = Fenced::new(&numbers(m * k, seed), shift);
            let b_data = Fenced::new(&numbers(k * n, seed + 1), (shift + 3) % 4);
            let bias = Fenced::new(&numbers(n, seed + 2), (shift + 1) % 5);
            let mask = Fenced::new(&numbers(m * n, seed + 3), (shift + 2) % 5);
            let a = if bit(0) {
                Matrix::new(a_data.get(), k, m).transposed()
            } else {
                Matrix::new(a_data.get(), m, k)
            };
            let b = if bit(1) {
                Matrix::new(b_data.get(), n, k).transposed()
            } else {
                Matrix::new(b_data.get(), k, n)
            };
            let epilogue = Epilogue {
                bias: bit(2).then(|| bias.get()),
                relu: bit(3),
                mask: bit(4).then(|| mask.get()),
            };
            let mut out = Fenced::new(&vec![f32::NAN; m * n], shift);
            matmul(a, b, out.get_mut(), epilogue);
            assert!(out.is_whole(), "{m}x{k}x{n} case {case} wrote outside");
            for (at, (got, (exact, bound))) in
                out.get().iter().zip(plain(a, b, epilogue)).enumerate()
            {
                assert!(
                    (f64::from(*got) - exact).abs() <= bound + 1e-12,
                    "{m}x{k}x{n} case {case}, element {at}: {got} instead of {exact}"
                );
            }
        }
    }

    #[test]
    fn products_are_those_of_a_plain_loop_around_the_vector_widths() {
        for m in [0, 1, 2, 5, 10, 12, 13] {
            for k in [0, 1, 2, 7, 8, 9, 16, 17] {
                for n in [0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 24, 25, 31, 32, 33, 41] {
                    try_shape(m, k, n);
                }
            }
        }
    }

    #[test]
    fn products_of_every_number_of_rows() {
        for m in 1..40 {
            for n in [1, 5, 8, 12, 16, 20] {
                try_shape(m, 6, n);
            }
        }
    }

    #[test]
    fn products_of_random_shapes() {
        let random = numbers(3 * 40, 7);
        for shape in random.chunks(3) {
            let size = |x: f32| ((x + 1.0) * 40.0) as usize;
            try_shape(size(shape[0]), size(shape[1]), size(shape[2]));
        }
    }

    #[test]
    fn large_products_and_those_that_are_split() {
        let shapes = [
            (64, 64, 64),
            (65, 130, 67),
            (1, 700, 300),
            (300, 700, 1),
            (128, 784, 128),
            (20, 300, 700),
            (700, 300, 20),
            (2000, 40, 33),
            (33, 2048, 40),
            (130, 130, 130),
            (30, 8200, 64),
            (5, 33_000, 13),
            (65, 1030, 97),
        ];
        for (m, k, n) in shapes {
            try_shape(m, k, n);
        }
    }

    #[test]
    fn a_matrix_may_be_a_part_of_a_wider_one() {
        let (a, b) = (numbers(10 * 20, 1), numbers(8 * 30, 2));
        let a = Matrix {
            data: &a[3..],
            rows: 10,
            columns: 8,
            row_stride: 20,
            column_stride: 1,
        };
        let b = Matrix {
            data: &b[5..],
            rows: 8,
            columns: 12,
            row_stride: 30,
            column_stride: 1,
        };
        let mut out = vec![0.0; 120];
        matmul(a, b, &mut out, Epilogue::default());
        for (got, (exact, bound)) in out.iter().zip(plain(a, b, Epilogue::default())) {
            assert!((f64::from(*got) - exact).abs() <= bound);
        }
    }

    #[test]
    fn relu_keeps_nan_and_the_mask_cuts_it() {
        let a = [f32::NAN, 1.0, -1.0];
        let b = [1.0];
        let mut out = [0.0; 3];
        let (a, b) = (Matrix::new(&a, 3, 1), Matrix::new(&b, 1, 1));
        matmul(
            a,
            b,
            &mut out,
            Epilogue {
                relu: true,
                ..Epilogue::default()
            },
        );
        assert!(out[0].is_nan() && out[1..] == [1.0, 0.0]);
        let mask = [0.0, 2.0, f32::NAN];
        matmul(
            a,
            b,
            &mut out,
            Epilogue {
                mask: Some(&mask),
                ..Epilogue::default()
            },
        );
        assert_eq!(out, [0.0, 1.0, -1.0]);
    }

    #[test]
    fn an_elements_bits_do_not_depend_on_its_stripe() {
        for (m, k, n) in [
            (128, 530, 300),
            (700, 128, 130),
            (300, 700, 1),
            (30, 9000, 64),
            (4, 4096, 965),
            (23, 300, 1123),
        ] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let (bias, mask) = (numbers(n, 3), numbers(m * n, 4));
            for case in 0..8_u64 {
                let a = match case & 1 {
                    0 => Matrix::new(&a, m, k),
                    _ => Matrix::new(&a, k, m).transposed(),
                };
                let b = match case & 2 {
                    0 => Matrix::new(&b, k, n),
                    _ => Matrix::new(&b, n, k).transposed(),
                };
                let mut epilogue = Epilogue::default();
                if case & 4 > 0 {
                    epilogue.bias = Some(&bias);
                    epilogue.mask = Some(&mask);
                }
                let product = |stripes| {
                    let mut out = vec![f32::NAN; m * n];
                    matmul_in(Some(stripes), a, b, &mut out, epilogue);
                    out
                };
                let expected = product(1);
                assert!(expected.iter().all(|x| x.is_finite()));
                for stripes in [2, 3, 7, 40] {
                    assert_eq!(product(stripes), expected, "{m}x{k}x{n} case {case}");
                }
            }
        }
    }

    #[test]
    fn products_have_the_same_bits_at_any_thread_count() {
        let shapes = [
            (128, 300, 200),
            (40, 500, 300),
            (300, 300, 40),
            (30, 9000, 64),
            (700, 900, 50),
        ];
        for (m, k, n) in shapes {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let product = || {
                let mut out = vec![0.0; m * n];
                let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
                matmul(a, b, &mut out, Epilogue::default());
                out
            };
            let pool = |n| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(n)
                    .build()
                    .unwrap()
            };
            let expected = pool(1).install(product);
            for threads in [2, 3, 7] {
                assert_eq!(pool(threads).install(product), expected);
            }
        }
    }
}
