//! Handwritten digits by a network that branches: one path sees the pixels, another their sums along
//! rows and columns, and what they say is refined by residual blocks.
//!
//! ```text
//! cargo run --release --example digits
//! ```

use std::path::Path;

use horn::layers::{Concatenate, GaussianNoise};
use horn::prelude::*;

/// Adds to `x` what two layers make of it, so that a block begins near the identity.
fn block(x: &Tensor, units: usize) -> Tensor {
    let y = Dense::new(units)
        .kernel_initializer(HeNormal::new())
        .apply(x);
    let y = Activation::new(Relu).apply(BatchNormalization::new().apply(y));
    let y = Dropout::new(0.3).apply(y);
    x + Dense::new(units).kernel_initializer(Zeros).apply(y)
}

fn network() -> Model {
    let pixels = Input::new([64]).name("pixels").tensor();
    let noisy = GaussianNoise::new(0.15).apply(&pixels);
    let image = Reshape::new([8, 8]).apply(&noisy);
    let rows = Flatten::new().apply(Dense::new(8).activation(Relu).name("rows").apply(&image));
    let columns = layers::Permute::new([2, 1]).apply(&image);
    let columns = Dense::new(8)
        .activation(Relu)
        .name("columns")
        .apply(columns);
    let columns = Flatten::new().apply(columns);
    let seen = Concatenate::new().apply([noisy, rows, columns]);
    let mut x = Dense::new(96).activation(Relu).name("stem").apply(seen);
    for _ in 0..2 {
        x = block(&x, 96);
    }
    let digit = Dense::new(10)
        .activation(Softmax::new())
        .name("digit")
        .apply(x);
    Model::new(&pixels, digit)
}

fn main() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits.csv");
    let table = load_csv(path)?;
    // Every fifth image is held out.
    let (held, rest): (Vec<usize>, Vec<usize>) = (0..table.nrows()).partition(|i| i % 5 == 0);
    let pick = |rows: &[usize]| {
        let rows = table.select(Axis(0), rows);
        (
            rows.slice(s![.., ..64]).mapv(|pixel| pixel / 16.0),
            rows.column(64).to_owned(),
        )
    };
    let ((x, y), (x_held, y_held)) = (pick(&rest), pick(&held));
    let mut model = network().seed(1);
    let steps = 30 * x.nrows().div_ceil(64);
    let adam = Adam::new().learning_rate(CosineDecay::new(0.003, steps));
    model.compile(Compile::new(adam, SparseCategoricalCrossentropy::new()).metric(Accuracy))?;
    println!("{}", model.summary());
    model.fit(&x, &y, Fit::new().epochs(30).batch_size(64).verbose(2))?;

    let scores = model.evaluate(&x_held, &y_held)?;
    println!("held out: {:.2} % right", 100.0 * scores["accuracy"]);
    Ok(())
}
