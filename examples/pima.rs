//! Your first neural network: will a person develop diabetes within five years?
//!
//! ```text
//! cargo run --release --example pima
//! ```
//!
//! Each row of the data is one person: eight measurements (pregnancies, glucose, blood pressure,
//! skin fold, insulin, body mass index, pedigree, age), then 1 if diabetes began within five
//! years and 0 if it did not. The network learns to tell the last column from the others.

use horn::prelude::*;

fn main() -> horn::Result<()> {
    // 1. Load the data: eight input columns and one output column.
    let dataset = load_csv(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/data/pima-indians-diabetes.csv"
    ))?; // Array2<f32>
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));

    // 2. Define the model.
    // Twelve units look at the eight columns, eight units at those twelve, and one unit at those
    // eight. Its sigmoid makes the last sum a probability. The seed makes each run the same.
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));

    // 3. Compile it.
    // The loss says how wrong a probability is, Adam how the weights change to make it less so;
    // the accuracy is for us to read.
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;

    // 4. Fit it.
    // All rows are gone through 150 times; the weights change after every ten rows.
    let history = model.fit(&x, &y, Fit::new().epochs(150).batch_size(10))?;

    // 5. Evaluate it.
    let scores = model.evaluate(&x, &y)?;
    println!("\n{}: {:.2}%", model.metrics_names()[1], scores[1] * 100.0);

    // 6. Predict with it.
    let rounded = model.predict(&x)?.mapv(f32::round);

    // Bonus: the predictions, 1 for diabetes and 0 for none ...
    println!("\npredictions: {}", rounded.column(0));

    // ... five people beside what was found with them five years later ...
    println!();
    for i in 0..5 {
        let person = x.row(i).to_vec();
        println!("{person:?} => {} (measured {})", rounded[[i, 0]], y[i]);
    }

    // ... and how far the loss came.
    let loss = &history["loss"];
    let (first, last) = (loss[0], loss[loss.len() - 1]);
    println!("\nloss: {first:.4} after the first epoch, {last:.4} after the last");
    Ok(())
}
