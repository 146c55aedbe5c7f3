//! Weights in safetensors files.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| horn_fuzz::load_weights(bytes, "safetensors"));
