//! What the targets share: files of bytes, and the limits that a reader keeps.

mod limits;
mod zip;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use horn::prelude::*;

pub use limits::watched;
pub use zip::with_right_checksums;

/// A file of these bytes, whose name ends so; in memory where the system has a place for that.
pub fn file(bytes: &[u8], ending: &str) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let shared = Path::new("/dev/shm");
        match shared.is_dir() {
            true => shared.to_path_buf(),
            false => std::env::temp_dir(),
        }
    });
    let path = FOLDER.join(format!("horn-fuzz-{}.{ending}", std::process::id()));
    fs::write(&path, bytes).expect("a file can be written");
    path
}

/// The model whose weights are in `tests/golden/tutorial.weights.h5`, compiled, so that a file's state
/// of the optimizer is read too.
pub fn tutorial() -> Model {
    let mut model: Model = Sequential::new()
        .seed(1)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid))
        .into();
    let compile = Compile::new(Adam::new(), BinaryCrossentropy::new());
    model.compile(compile).expect("it fits");
    model
}

/// Reads weights into a [`tutorial`] from a file of these bytes, strictly and leniently.
pub fn load_weights(bytes: &[u8], ending: &str) {
    static TUTORIAL: LazyLock<Model> = LazyLock::new(tutorial);
    let path = file(bytes, ending);
    let strict = horn::saving::Load::new();
    let lenient = strict.clone().by_name(true).skip_mismatch(true);
    for load in [strict, lenient] {
        let mut model = TUTORIAL.clone();
        let before = model.get_weights();
        watched(bytes.len(), || {
            if model.load_weights_with(&path, load).is_err() {
                assert_eq!(model.get_weights().len(), before.len());
            }
        });
    }
}

/// Reads a whole model from a file of these bytes.
pub fn load_model(bytes: &[u8], ending: &str) {
    let path = file(bytes, ending);
    watched(bytes.len(), || drop(Model::load(&path)));
}
