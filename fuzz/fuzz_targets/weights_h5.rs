//! Weights in Keras 3's HDF5 files.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| horn_fuzz::load_weights(bytes, "weights.h5"));
