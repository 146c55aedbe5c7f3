//! Tables of numbers as text, whole and row by row.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    horn_fuzz::watched(bytes.len(), || {
        let _ = horn::data::Csv::new().read(bytes);
        let _ = horn::data::Csv::new()
            .header(true)
            .delimiter(b';')
            .read(bytes);
    });
});
