use horn::prelude::*;
use std::time::Instant;
fn main() -> horn::Result<()> {
    let dataset = load_csv(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/data/pima-indians-diabetes.csv"
    ))?;
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    let mut best = f64::MAX;
    for _ in 0..7 {
        let mut model = Sequential::new()
            .seed(7)
            .add(Dense::new(12).input_dim(8).activation(Relu))
            .add(Dense::new(8).activation(Relu))
            .add(Dense::new(1).activation(Sigmoid));
        model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
        let t = Instant::now();
        model.fit(&x, &y, Fit::new().epochs(150).batch_size(10).verbose(0))?;
        best = best.min(t.elapsed().as_secs_f64());
    }
    println!(
        "fit {:.3} ms, {:.3} us a step",
        best * 1e3,
        best * 1e6 / 11550.0
    );
    Ok(())
}
