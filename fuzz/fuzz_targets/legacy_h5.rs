//! Whole models in the HDF5 files of Keras 1 and 2.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| horn_fuzz::load_model(bytes, "h5"));
