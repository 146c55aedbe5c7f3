//! TensorBoard's own reader reads what the callback writes.
//!
//! It needs a Python with the package `tensorboard`, named by `HORN_TENSORBOARD_PYTHON`, as
//! `tests/tensorboard/check.sh` makes one; without it there is nothing to be checked here.

use std::process::Command;

use horn::callbacks::TensorBoard;
use horn::prelude::*;
use serde_json::Value as Json;

#[test]
fn tensorboard_reads_what_is_written() -> Result<()> {
    let Ok(python) = std::env::var("HORN_TENSORBOARD_PYTHON") else {
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("a folder");
    let x = Array2::from_shape_fn((50, 2), |(i, j)| ((i * (j + 2)) as f32 * 0.3).sin());
    let y = x.column(0).to_owned();
    let mut model = Sequential::new()
        .seed(1)
        .add(Dense::new(3).input_dim(2))
        .add(Dense::new(1));
    model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    let board = TensorBoard::new(folder.path()).histogram_freq(1);
    let fit = Fit::new().epochs(4).validation_split(0.2).verbose(0);
    let history = model.fit(&x, &y, fit.callback(board))?;

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tensorboard/read.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output();
    let output = output.expect("python runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let found: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    for (tag, name) in [
        ("train/epoch_loss", "loss"),
        ("validation/epoch_loss", "val_loss"),
    ] {
        assert_eq!(found[tag]["plugin"], "scalars");
        for (epoch, value) in history[name].iter().enumerate() {
            let event = &found[tag]["events"][epoch];
            assert_eq!(event[0], epoch);
            assert_eq!(event[1].as_f64().map(|read| read as f32), Some(*value));
        }
    }
    let histogram = &found["train/dense/kernel/histogram"];
    assert_eq!(histogram["plugin"], "histograms");
    let bars = histogram["events"][3][1].as_array().expect("bars");
    let count: f64 = bars.iter().filter_map(|bar| bar[2].as_f64()).sum();
    assert_eq!(count, 6.0);
    let kernel = &model.get_weights()[0];
    let lowest = kernel.iter().copied().fold(f32::INFINITY, f32::min);
    assert_eq!(bars[0][0].as_f64().map(|read| read as f32), Some(lowest));
    Ok(())
}
