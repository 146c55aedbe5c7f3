//! The loops over numbers, on plain `f32` slices: the only place with `unsafe`.
//!
//! Everything here works on row-major slices, allocates nothing, and gives the same bits at
//! any number of threads: work is split into pieces whose size depends on the data alone.
//! Lengths are checked by whoever traced the model; a mistake here is caught by a
//! `debug_assert` and never becomes undefined behaviour.

pub(crate) mod aligned;
pub(crate) mod elementwise;
mod huge_pages;
pub(crate) mod math;
pub(crate) mod matmul;
mod packed_matmul;
mod panel;
pub(crate) mod parallel;
pub(crate) mod place;
pub(crate) mod program;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod simd;
mod small_matmul;
