//! A layer, a loss and an activation of your own: how far does a car drive on a gallon, at most?
//!
//! ```text
//! cargo run --release --example auto_mpg
//! ```
//!
//! None of the three needs a gradient: each says what happens to a `Value`, and the gradient
//! comes by itself.

use std::path::Path;

use horn::prelude::*;

/// A layer made of another: it adds to its inputs what a dense layer makes of them.
#[derive(Debug, Clone)]
struct Residual(Dense);

impl Layer for Residual {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        x + scope.layer(&self.0, x)
    }
}

fn main() -> Result<()> {
    // 1. Load the data. The file has a header. `origin` is text and `horsepower` has empty cells,
    // so that the columns wanted are named: cylinders, displacement, weight, acceleration and
    // model year, and the miles per gallon to predict.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/auto-mpg.csv");
    let csv = Csv::new().header(true);
    let cars = csv.clone().columns([1, 2, 4, 5, 6]).load(&path)?;
    let mpg = csv.columns([0]).load(&path)?;

    // 2. Keep every fifth car for the end.
    let (kept, rest): (Vec<usize>, Vec<usize>) = (0..cars.nrows()).partition(|i| i % 5 == 4);
    let pick = |rows: &[usize]| (cars.select(Axis(0), rows), mpg.select(Axis(0), rows));
    let ((x, y), (x_test, y_test)) = (pick(&rest), pick(&kept));

    // 3. Scale the inputs to mean 0 and standard deviation 1. The kept cars have no say in it.
    let mean = x.sum_axis(Axis(0)) / x.nrows() as f32;
    let deviation = x.std_axis(Axis(0), 0.0);
    let (x, x_test) = ((&x - &mean) / &deviation, (&x_test - &mean) / &deviation);

    // 4. An activation is a closure. This one is smooth, and keeps the sign of what it sees.
    let soft_root = activation_fn("soft_root", |x| x / (x.abs() + 1.0).sqrt());

    // 5. So is a loss. Pinball loss asks for a quantile rather than a mean: being 1 mile too low
    // costs 0.9, being 1 mile too high costs 0.1. It is least where nine in ten cars stay below
    // the prediction.
    let pinball = loss_fn("pinball", |t, p| {
        let e = t - p;
        (&e * 0.9).maximum(&(&e * -0.1)).mean(-1)
    });

    // 6. The layer stands among ours, and so do its weights.
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(16).input_dim(5).activation(Relu))
        .add(Residual(Dense::new(16).activation(soft_root)))
        .add(Dense::new(1));
    model.compile(Compile::new(Adam::new().learning_rate(0.01), pinball))?;
    println!("{}", model.summary());
    for weight in model.weights() {
        println!("{:<24} {:?}", weight.path(), weight.shape());
    }

    // 7. Fit it, and see how it does on the cars that it has never seen.
    let history = model.fit(&x, &y, Fit::new().epochs(200).verbose(0))?;
    println!("\n{history}");
    println!("on other cars: {}", model.evaluate(&x_test, &y_test)?);

    // 8. Nine in ten should drive no farther than the model says.
    let at_most = model.predict(&x_test)?;
    let below = y_test.iter().zip(&at_most).filter(|(t, p)| t <= p).count();
    println!("{below} of {} cars stay below the prediction", kept.len());
    for i in 0..3 {
        let (most, real) = (at_most[[i, 0]], y_test[[i, 0]]);
        println!("at most {most:.1} miles per gallon (measured {real:.1})");
    }
    Ok(())
}
