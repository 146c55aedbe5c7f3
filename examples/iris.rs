//! Many classes: which of three species is an iris, by the size of its petals and sepals?
//!
//! ```text
//! cargo run --release --example iris
//! ```
//!
//! Shown here: text in a column, class ids as targets, scaled inputs, rows kept for validation,
//! and the history of a training.

use std::path::Path;

use horn::prelude::*;

const SPECIES: [&str; 3] = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"];

fn main() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/iris.csv");

    // 1. Load the data. The first four columns are numbers; the fifth is a name, which becomes a
    // class id: its place in `SPECIES`.
    let sizes = Csv::new().columns(0..4).load(&path)?;
    let species = species_ids(&path)?;

    // 2. Keep every fifth flower for validation. The file is sorted by species: its last rows
    // (what `validation_split` would take) are all of one.
    let (kept, rest): (Vec<usize>, Vec<usize>) = (0..species.len()).partition(|i| i % 5 == 4);
    let pick = |rows: &[usize]| (sizes.select(Axis(0), rows), species.select(Axis(0), rows));
    let ((x, y), (x_val, y_val)) = (pick(&rest), pick(&kept));

    // 3. Scale it: every column to mean 0 and standard deviation 1, so that none outweighs the
    // others only because of its unit. The flowers kept for validation have no say in it.
    let mean = x.sum_axis(Axis(0)) / x.nrows() as f32;
    let deviation = x.std_axis(Axis(0), 0.0);
    let (x, x_val) = ((&x - &mean) / &deviation, (&x_val - &mean) / &deviation);

    // 4. Define the model: one output a class, and a softmax that makes them probabilities which
    // sum to one.
    let mut model = Sequential::new()
        .seed(7)
        .add(Dense::new(8).input_dim(4).activation(Relu))
        .add(Dense::new(3).activation(Softmax::new()));

    // 5. Compile it. "Sparse" means that targets are class ids rather than rows such as [0, 1, 0].
    let adam = Adam::new().learning_rate(0.01);
    model.compile(Compile::new(adam, SparseCategoricalCrossentropy::new()).metric(Accuracy))?;
    println!("{}", model.summary());

    // 6. Fit it, in silence. The history holds what the lines would have said.
    let fit = Fit::new().epochs(60).batch_size(10).verbose(0);
    let history = model.fit(&x, &y, fit.validation_data(&x_val, &y_val))?;
    println!("{history}");

    // 7. Evaluate it on the flowers that it has never seen.
    println!("validation: {}\n", model.evaluate(&x_val, &y_val)?);

    // 8. Predict with it: the class of the largest probability, by the names that are saved with the
    // model.
    model.set_labels(SPECIES)?;
    let probabilities = model.predict(&x_val)?;
    let classes = model.predict_classes(&x_val)?;
    for i in [0, 10, 20] {
        let (class, is) = (&classes[i], SPECIES[y_val[i]]);
        let sure = probabilities[[i, class.index()]] * 100.0;
        println!(
            "{:?} => {class}, {sure:.0}% sure (is {is})",
            sizes.row(kept[i]).to_vec()
        );
    }
    Ok(())
}

/// The class ids in the fifth column, read line by line.
fn species_ids(path: &Path) -> Result<Array1<usize>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    let mut ids = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let name = text.rsplit(',').next().unwrap_or("").trim();
        let id = SPECIES.iter().position(|species| *species == name);
        ids.push(id.ok_or_else(|| Error::Csv {
            path: path.into(),
            line,
            column: 5,
            message: format!("expected one of {SPECIES:?}, got `{name}`"),
        })?);
    }
    Ok(ids.into())
}
