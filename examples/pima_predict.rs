//! The tutorial's second program: weights that begin small and even, one line an epoch, and the
//! list of all predictions.
//!
//! ```text
//! cargo run --release --example pima_predict
//! ```

use horn::prelude::*;

fn main() -> horn::Result<()> {
    // 1. Load the data.
    let dataset = load_csv(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/data/pima-indians-diabetes.csv"
    ))?;
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));

    // 2. Define the model. Every kernel begins between -0.05 and 0.05 rather than with Glorot's
    // limits, which are wider here. On these columns, which nobody scaled, that is the better
    // start: the first sums stay small, so no unit begins far out where it cannot learn.
    let mut model = Sequential::new()
        .seed(7)
        .add(
            Dense::new(12)
                .input_dim(8)
                .kernel_initializer(RandomUniform::new())
                .activation(Relu),
        )
        .add(
            Dense::new(8)
                .kernel_initializer(RandomUniform::new())
                .activation(Relu),
        )
        .add(
            Dense::new(1)
                .kernel_initializer(RandomUniform::new())
                .activation(Sigmoid),
        );

    // 3. Compile it.
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;

    // 4. Fit it; `verbose(2)` prints one line an epoch.
    let fit = Fit::new().epochs(150).batch_size(10).verbose(2);
    model.fit(&x, &y, fit)?;

    // 5. Calculate predictions.
    let predictions = model.predict(&x)?;

    // 6. Round them: a probability above one half is a 1.
    let rounded: Vec<f32> = predictions.iter().map(|p| p.round()).collect();
    println!("{rounded:?}");
    Ok(())
}
