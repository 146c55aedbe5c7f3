//! Step 6: predictions, from one row to many, from any number of threads.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayD, IxDyn};

use super::arrays::{Arrays, AsArrays};
use super::built::Built;
use super::class::Class;
use super::examples::{check_ids, check_inputs, shape_text};
use super::feed::check_features;
use super::functional::Model;
use super::network::Network;
use super::plans::{Key, Mode, Prepared};
use crate::backend::cpu::Run;
use crate::data::dataset::{Batch, Dataset, Length, Pass, fill};
use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};
use crate::graph::plan::Plan;
use crate::kernels::aligned::Aligned;
use crate::kernels::parallel::chunks;
use crate::metrics::argmax;
use crate::ops::{Draw, Port};

/// How many rows are computed at a time.
pub(crate) const BATCH: usize = 256;

/// The work of a batch, in multiply-adds, from which another thread is woken for it.
const WORK: usize = 1 << 20;

impl Model {
    /// The outputs for inputs `x`: `(rows, ...)` gives `(rows, units)`.
    ///
    /// Takes a shared reference: any number of threads may predict at once, and none waits for
    /// another while it computes. NaN and infinity pass through.
    ///
    /// # Errors
    ///
    /// A model that is not built, inputs that do not fit it, outputs that have not two axes
    /// ([`predict_nd`](Self::predict_nd) takes any number).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(2).activation(Softmax::new()));
    /// model.build()?;
    /// let probabilities = model.predict(&array![[1.0, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(probabilities.dim(), (2, 3));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict(&self, x: impl AsArrays) -> Result<Array2<f32>> {
        let (shape, values) = self.outputs(x)?;
        match shape.as_slice() {
            [rows, units] => {
                Array2::from_shape_vec((*rows, *units), values).map_err(|e| unfit(&shape, e))
            }
            _ => Err(two_axes(&shape, "predict_nd")),
        }
    }

    /// The outputs for inputs `x`, with as many axes as the last layer gives.
    ///
    /// # Errors
    ///
    /// A model that is not built, inputs that do not fit it.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Input::new([6])).add(Reshape::new([2, 3]));
    /// model.build()?;
    /// let outputs = model.predict_nd(&Array2::<f32>::zeros((5, 6)))?;
    /// assert_eq!(outputs.shape(), [5, 2, 3]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_nd(&self, x: impl AsArrays) -> Result<ArrayD<f32>> {
        let (shape, values) = self.outputs(x)?;
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| unfit(&shape, e))
    }

    /// The most probable class of each row, as Keras's `predict_classes` gave it: the place of the
    /// largest output, or with one output unit, whether it is above one half. With its name, where the
    /// model [has names](Self::set_labels).
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
    /// model.build()?;
    /// assert!(model.predict_classes(&array![[1.0, 2.0]])?[0].index() < 3);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_classes(&self, x: impl AsArrays) -> Result<Vec<Class>> {
        let labels = self.extras.labels.as_slice();
        let labels: Option<Arc<[String]>> = (!labels.is_empty()).then(|| labels.into());
        let class = |row: ndarray::ArrayView1<f32>| match row.len() {
            1 => usize::from(row.iter().any(|p| *p > 0.5)),
            // What `predict` gives is contiguous.
            _ => argmax(row.to_slice().unwrap_or(&[])),
        };
        let predicted = self.predict(x)?;
        let classes = predicted.rows().into_iter().map(class);
        Ok(classes
            .map(|index| Class::new(index, labels.as_ref()))
            .collect())
    }

    /// The outputs of a batch in one pass, as Keras's `predict_on_batch`.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    pub fn predict_on_batch(&self, x: impl AsArrays) -> Result<Array2<f32>> {
        self.predict(x)
    }

    /// The outputs of a model that has several, one array for each.
    ///
    /// # Errors
    ///
    /// As [`predict_nd`](Self::predict_nd).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let x = Input::new([4]).tensor();
    /// let mut model = Model::new(&x, [Dense::new(2).apply(&x), Dense::new(3).apply(&x)]);
    /// model.build()?;
    /// let outputs = model.predict_all(&Array2::<f32>::zeros((5, 4)))?;
    /// assert_eq!((outputs[0].shape(), outputs[1].shape()), ([5, 2].as_slice(), [5, 3].as_slice()));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_all(&self, x: impl AsArrays) -> Result<Vec<ArrayD<f32>>> {
        let (network, built) = self.built_parts("predict_all")?;
        let given = x.as_arrays();
        let x = given.ordered("x", &network.input_names())?;
        check_inputs(&x, (network, built), true)?;
        let rows = x.first().map_or(0, Rows::len);
        let mut outputs: Vec<Vec<f32>> = Vec::new();
        for number in 0..built.outputs.len() {
            outputs.push(Vec::with_capacity(built.output(number, rows).size()));
        }
        for start in (0..rows).step_by(BATCH) {
            let batch = BATCH.min(rows - start);
            let prepared = plan(network, built, batch)?;
            let mut workspace = prepared.workspace();
            gather(&x, &prepared.plan, &mut workspace, start..start + batch);
            let run = forward(&prepared, &mut workspace, &built.parameters);
            for (number, output) in outputs.iter_mut().enumerate() {
                output.extend_from_slice(run.output(number));
            }
            prepared.give_back(workspace);
        }
        shaped(outputs, built, rows)
    }

    /// The outputs for the inputs of a dataset, which is gone through once: `(rows, units)`.
    ///
    /// Targets and weights may be there; they are not looked at.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and errors of the dataset; one without an end needs
    /// [`take`](Dataset::take).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::from_index;
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
    /// model.build()?;
    /// let outputs = model.predict_dataset(from_index(1000, |i| ([i, i + 1],)))?;
    /// assert_eq!(outputs.dim(), (1000, 3));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_dataset(&self, dataset: impl Dataset) -> Result<Array2<f32>> {
        let (_, built) = self.built_parts("predict_dataset")?;
        let [output] = built.outputs.as_slice() else {
            return Err(one_output(built.outputs.len(), "predict_all_dataset"));
        };
        if output.rank() != 2 {
            return Err(two_axes(output.dims(), "predict_all_dataset"));
        }
        let mut outputs = self.predict_all_dataset(dataset)?;
        let output = outputs.pop().unwrap_or_default();
        let shape = output.shape().to_vec();
        output.into_dimensionality().map_err(|e| unfit(&shape, e))
    }

    /// The outputs of a model that has several, one array for each, for the inputs of a dataset, which
    /// is gone through once; with as many axes as the last layers give.
    ///
    /// # Errors
    ///
    /// As [`predict_dataset`](Self::predict_dataset).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::dataset::from_index;
    /// use horn::prelude::*;
    ///
    /// let x = Input::new([2]).tensor();
    /// let mut model = Model::new(&x, [Dense::new(2).apply(&x), Dense::new(3).apply(&x)]);
    /// model.build()?;
    /// let outputs = model.predict_all_dataset(from_index(1000, |i| ([i, i + 1],)))?;
    /// assert_eq!(outputs[1].shape(), [1000, 3]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_all_dataset(&self, mut dataset: impl Dataset) -> Result<Vec<ArrayD<f32>>> {
        let (network, built) = self.built_parts("predict_dataset")?;
        if dataset.length() == Length::Endless {
            let wanted = "one with an end: add `.take(rows)`";
            return Err(Error::argument(
                "predict_dataset",
                "dataset",
                wanted,
                "none",
            ));
        }
        let mut outputs: Vec<Vec<f32>> = vec![Vec::new(); built.outputs.len()];
        let mut rows = 0;
        let mut batch = Batch::new();
        dataset.begin(Pass::default())?;
        loop {
            let count = fill(&mut dataset, BATCH, &mut batch)?;
            if count == 0 {
                break;
            }
            check_features(&batch, (network, built), true)?;
            let prepared = plan(network, built, count)?;
            let mut workspace = prepared.workspace();
            for place in &prepared.plan.ports {
                if let Port::Features(number) = place.port
                    && let Some(part) = batch.input(number)
                    && let Some(to) = workspace.get_mut(place.range.clone())
                {
                    part.as_rows().gather_range(0..count, to);
                }
            }
            let run = forward(&prepared, &mut workspace, &built.parameters);
            for (number, values) in outputs.iter_mut().enumerate() {
                values.extend_from_slice(run.output(number));
            }
            prepared.give_back(workspace);
            rows += count;
        }
        shaped(outputs, built, rows)
    }

    fn outputs(&self, x: impl AsArrays) -> Result<(Vec<usize>, Vec<f32>)> {
        let (network, built) = self.built_parts("predict")?;
        if built.outputs.len() != 1 {
            return Err(one_output(built.outputs.len(), "predict_all"));
        }
        let given = x.as_arrays();
        let ordered;
        let x: &[Rows] = match &given {
            Arrays::One(rows) if built.rows.len() == 1 => std::slice::from_ref(rows),
            _ => {
                ordered = given.ordered("x", &network.input_names())?;
                &ordered
            }
        };
        check(x, network, built)?;
        let rows = x.first().map_or(0, Rows::len);
        let shape = built.output(0, rows);
        let units = (shape.size() / rows.max(1)).max(1);
        let mut values = vec![0.0; shape.size()];
        let whole = plan(network, built, rows.min(BATCH))?;
        let rest = match rows % BATCH {
            rest if rest > 0 && rows > BATCH => plan(network, built, rest)?,
            _ => Arc::clone(&whole),
        };
        let batch = |start: usize, out: &mut [f32]| {
            let prepared = match out.len() == BATCH * units {
                true => &whole,
                false => &rest,
            };
            let mut workspace = prepared.workspace();
            let range = start..start + out.len() / units;
            gather(x, &prepared.plan, &mut workspace, range);
            compute(prepared, &mut workspace, &built.parameters, out);
            prepared.give_back(workspace);
        };
        // Where a batch is worth a thread, several threads take one batch each: they meet less
        // often than when each product is divided among them, and the numbers are the same.
        let grain = match whole.plan.work < WORK {
            true => usize::MAX,
            false => BATCH * units,
        };
        chunks(&mut values, grain, BATCH * units, |offset, out| {
            for (i, out) in out.chunks_mut(BATCH * units).enumerate() {
                batch(offset / units + i * BATCH, out);
            }
        });
        Ok((shape.dims().to_vec(), values))
    }

    /// A handle with buffers of its own, for loops that may not allocate; it predicts `rows` rows
    /// at a time.
    ///
    /// # Errors
    ///
    /// A model that is not built, or zero rows.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(2).activation(Sigmoid));
    /// model.build()?;
    /// let mut predictor = model.predictor(1)?;
    /// let mut risk = [0.0];
    /// predictor.predict_into(&[1.0, 2.0], &mut risk)?;
    /// assert_eq!(risk[0], model.predict(&array![[1.0, 2.0]])?[[0, 0]]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predictor(&self, rows: usize) -> Result<Predictor<'_>> {
        let (network, built) = self.built_parts("predictor")?;
        if rows == 0 {
            return Err(Error::argument("predictor", "rows", "at least 1", 0));
        }
        if built.rows.len() != 1 || built.outputs.len() != 1 {
            return Err(Error::argument(
                "predictor",
                "model",
                "one of one input and one output: call `predict_all`",
                format!("{} and {}", built.rows.len(), built.outputs.len()),
            ));
        }
        let prepared = plan(network, built, rows)?;
        let port = prepared.plan.ports.first();
        let output = prepared.plan.outputs.first();
        Ok(Predictor {
            input: port.map_or(0..0, |port| port.range.clone()),
            wanted: output.map_or(0, |(_, shape)| shape.size()),
            workspace: prepared.workspace(),
            prepared,
            parameters: &built.parameters,
        })
    }
}

/// A handle that predicts without allocating, made by [`Model::predictor`].
#[derive(Debug, Clone)]
pub struct Predictor<'m> {
    prepared: Arc<Prepared>,
    workspace: Aligned,
    parameters: &'m [f32],
    /// Where the inputs go in the workspace.
    input: Range<usize>,
    /// How many outputs there are.
    wanted: usize,
}

impl Predictor<'_> {
    /// Writes the outputs for the rows in `x`, both row-major and of the full size.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when a slice is longer or shorter than the rows that it is for.
    ///
    /// # Examples
    ///
    /// See [`Model::predictor`].
    pub fn predict_into(&mut self, x: &[f32], output: &mut [f32]) -> Result<()> {
        if x.len() != self.input.len() || output.len() != self.wanted {
            return Err(Error::Shape {
                place: "`predict_into`".into(),
                expected: format!("{} inputs and {} outputs", self.input.len(), self.wanted),
                found: format!("{} and {}", x.len(), output.len()),
                hint: "make the slices as long as the rows of the predictor".into(),
            });
        }
        if let Some(to) = self.workspace.get_mut(self.input.clone()) {
            to.copy_from_slice(x);
        }
        compute(&self.prepared, &mut self.workspace, self.parameters, output);
        Ok(())
    }
}

/// The plan to predict so many rows.
pub(crate) fn plan(network: &Network, built: &Built, batch: usize) -> Result<Arc<Prepared>> {
    let key = Key {
        mode: Mode::Predict,
        batch,
        labels: 0,
    };
    built.plan(network, &[], key)
}

/// The values of each output with its shape.
fn shaped(outputs: Vec<Vec<f32>>, built: &Built, rows: usize) -> Result<Vec<ArrayD<f32>>> {
    let shaped = outputs.into_iter().enumerate().map(|(number, values)| {
        let shape = built.output(number, rows);
        let shape = shape.dims();
        ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| unfit(shape, e))
    });
    shaped.collect()
}

/// Writes rows of the inputs where the plan reads them.
pub(crate) fn gather(x: &[Rows], plan: &Plan, workspace: &mut [f32], range: Range<usize>) {
    for place in &plan.ports {
        if let Port::Features(number) = place.port
            && let Some(rows) = x.get(number)
            && let Some(to) = workspace.get_mut(place.range.clone())
        {
            rows.gather_range(range.clone(), to);
        }
    }
}

/// Runs a plan whose inputs are written.
fn forward<'r>(prepared: &'r Prepared, workspace: &'r mut [f32], parameters: &'r [f32]) -> Run<'r> {
    let mut run = Run {
        plan: &prepared.plan,
        workspace,
        parameters,
        draw: Draw::default(),
    };
    run.forward();
    run
}

/// Runs a plan whose input is written, and copies its output.
fn compute(prepared: &Prepared, workspace: &mut [f32], parameters: &[f32], output: &mut [f32]) {
    let run = forward(prepared, workspace, parameters);
    for (to, from) in output.iter_mut().zip(run.output(0)) {
        *to = *from;
    }
}

/// Inputs that the model can take; with the shortest way for the usual ones.
fn check(x: &[Rows], network: &Network, built: &Built) -> Result<()> {
    match (x, built.rows.as_slice()) {
        ([x], [row]) if x.row_shape() == row.as_slice() && !x.is_empty() => check_ids(0, x, built),
        _ => check_inputs(x, (network, built), true),
    }
}

fn one_output(outputs: usize, instead: &str) -> Error {
    Error::Shape {
        place: "`predict`".into(),
        expected: "a model of one output".into(),
        found: format!("{outputs} outputs"),
        hint: format!("call `{instead}`"),
    }
}

fn two_axes(shape: &[usize], instead: &str) -> Error {
    Error::Shape {
        place: "`predict`".into(),
        expected: "outputs of shape (rows, units)".into(),
        found: shape_text(shape),
        hint: format!("call `{instead}`"),
    }
}

/// The last layer keeps the batch, so this cannot happen; if it did, it would be an error.
fn unfit(shape: &[usize], error: ndarray::ShapeError) -> Error {
    Error::Shape {
        place: "`predict`".into(),
        expected: shape_text(shape),
        found: error.to_string(),
        hint: "report this".into(),
    }
}
