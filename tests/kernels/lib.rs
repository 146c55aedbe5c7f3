//! The kernels of the library and their unit tests, without the rest of it.

// What only the rest of the library calls is not called here.
#![allow(dead_code, unused_imports)]

#[path = "../../src/kernels/mod.rs"]
mod kernels;
