//! Whole models in `.keras` archives, as they are and with their checksums set right.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mended = horn_fuzz::with_right_checksums(bytes);
    if mended != bytes {
        horn_fuzz::load_model(bytes, "keras");
    }
    horn_fuzz::load_model(&mended, "keras");
});
