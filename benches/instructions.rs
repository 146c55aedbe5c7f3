//! The tutorial's fit for as many epochs as the argument says, for `.ci/instructions` to count the
//! instructions of. Prints which vectors it computes with.

use horn::prelude::*;

fn main() -> horn::Result<()> {
    // `cargo bench` calls it too, with `--bench`: then one epoch shows that it works.
    let epochs = std::env::args().find_map(|argument| argument.parse().ok());
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/data/pima-indians-diabetes.csv"
    );
    let dataset = load_csv(path)?;
    let (x, y) = (dataset.slice(s![.., 0..8]), dataset.slice(s![.., 8]));
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(12).input_dim(8).activation(Relu))
        .add(Dense::new(8).activation(Relu))
        .add(Dense::new(1).activation(Sigmoid));
    model.compile(Compile::new(Adam::new(), BinaryCrossentropy::new()).metric(Accuracy))?;
    let fit = Fit::new().epochs(epochs.unwrap_or(1)).batch_size(10);
    model.fit(&x, &y, fit.verbose(0))?;
    println!("{}", vectors());
    Ok(())
}

/// What the processor, or who plays one, says that it has.
#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    match () {
        () if is_x86_feature_detected!("avx512f") => "avx512",
        () if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => "avx2",
        () => "other",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> &'static str {
    "other"
}
