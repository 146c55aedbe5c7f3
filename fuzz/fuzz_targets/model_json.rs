//! Models as JSON; what is read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;

use horn::prelude::*;

fuzz_target!(|text: &str| {
    horn_fuzz::watched(text.len(), || {
        if let Ok(model) = Model::from_json(text) {
            let json = model.to_json();
            let _ = Model::from_json(&json);
        }
    });
});
