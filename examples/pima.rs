use horn::prelude::*;

fn main() -> horn::Result<()> {
    // 1. Load the data: eight input columns and one output column.
    let dataset = load_csv(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/pima-indians-diabetes.csv"))?;
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));

    // 2. Define the model.
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));

    // 3. Compile it.
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;

    // 4. Fit it.
    let history = model.fit(&x, &y, Fit::new().epochs(150).batch_size(10))?;

    // 5. Evaluate it.
    let scores = model.evaluate(&x, &y)?;
    println!("\n{}: {:.2}%", model.metrics_names()[1], scores[1] * 100.0);

    // 6. Predict with it.
    let rounded = model.predict(&x)?.mapv(f32::round);
    println!("{:?} {}", rounded.slice(s![..5, 0]), history.len());
    Ok(())
}
