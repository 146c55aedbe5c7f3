//! Step 6: predictions, from one row to many, from any number of threads.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayD, IxDyn};

use super::built::Built;
use super::examples::{check_ids, check_inputs, shape_text};
use super::network::Network;
use super::plans::{Key, Mode, Prepared};
use super::sequential::Sequential;
use crate::backend::cpu::Run;
use crate::data::AsRows;
use crate::error::{Error, Result};
use crate::kernels::aligned::Aligned;
use crate::kernels::parallel::chunks;
use crate::metrics::argmax;
use crate::ops::Draw;

/// How many rows are computed at a time.
const BATCH: usize = 256;

/// The work of a batch, in multiply-adds, from which another thread is woken for it.
const WORK: usize = 1 << 20;

impl Sequential {
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
    pub fn predict(&self, x: &(impl AsRows + ?Sized)) -> Result<Array2<f32>> {
        let (shape, values) = self.outputs(x)?;
        match shape.as_slice() {
            [rows, units] => {
                Array2::from_shape_vec((*rows, *units), values).map_err(|e| unfit(&shape, e))
            }
            _ => Err(Error::Shape {
                place: "`predict`".into(),
                expected: "outputs of shape (rows, units)".into(),
                found: shape_text(&shape),
                hint: "call `predict_nd`".into(),
            }),
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
    pub fn predict_nd(&self, x: &(impl AsRows + ?Sized)) -> Result<ArrayD<f32>> {
        let (shape, values) = self.outputs(x)?;
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| unfit(&shape, e))
    }

    /// The most probable class of each row, as Keras's `predict_classes` gave it: the place of the
    /// largest output, or with one output unit, whether it is above one half.
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
    /// assert!(model.predict_classes(&array![[1.0, 2.0]])?[0] < 3);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn predict_classes(&self, x: &(impl AsRows + ?Sized)) -> Result<Vec<usize>> {
        let class = |row: ndarray::ArrayView1<f32>| match row.len() {
            1 => usize::from(row.iter().any(|p| *p > 0.5)),
            // What `predict` gives is contiguous.
            _ => argmax(row.to_slice().unwrap_or(&[])),
        };
        Ok(self.predict(x)?.rows().into_iter().map(class).collect())
    }

    /// The outputs of a batch in one pass, as Keras's `predict_on_batch`.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    pub fn predict_on_batch(&self, x: &(impl AsRows + ?Sized)) -> Result<Array2<f32>> {
        self.predict(x)
    }

    fn outputs(&self, x: &(impl AsRows + ?Sized)) -> Result<(Vec<usize>, Vec<f32>)> {
        let (network, built) = self.built_parts("predict")?;
        let rows = x.as_rows();
        check(network, built, &rows)?;
        let shape = built.output(rows.len());
        let units = (shape.size() / rows.len().max(1)).max(1);
        let mut values = vec![0.0; shape.size()];
        let plan = |batch: usize| {
            let mode = Mode::Predict;
            built.plan(
                network,
                None,
                Key {
                    mode,
                    batch,
                    labels: 0,
                },
            )
        };
        let whole = plan(rows.len().min(BATCH))?;
        let rest = match rows.len() % BATCH {
            rest if rest > 0 && rows.len() > BATCH => plan(rest)?,
            _ => Arc::clone(&whole),
        };
        let batch = |start: usize, out: &mut [f32]| {
            let prepared = match out.len() == BATCH * units {
                true => &whole,
                false => &rest,
            };
            let mut workspace = prepared.workspace();
            if let Some(port) = prepared.plan.ports.first()
                && let Some(to) = workspace.get_mut(port.range.clone())
            {
                rows.gather_range(start..start + out.len() / units, to);
            }
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
        let key = Key {
            mode: Mode::Predict,
            batch: rows,
            labels: 0,
        };
        let prepared = built.plan(network, None, key)?;
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

/// A handle that predicts without allocating, made by [`Sequential::predictor`].
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
    /// See [`Sequential::predictor`].
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

/// Runs a plan whose input is written, and copies its output.
fn compute(prepared: &Prepared, workspace: &mut [f32], parameters: &[f32], output: &mut [f32]) {
    let mut run = Run {
        plan: &prepared.plan,
        workspace,
        parameters,
        draw: Draw::default(),
    };
    run.forward();
    for (to, from) in output.iter_mut().zip(run.output(0)) {
        *to = *from;
    }
}

fn check(network: &Network, built: &Built, rows: &crate::data::Rows) -> Result<()> {
    match rows.row_shape() == built.row && !rows.is_empty() {
        true if built.ids.is_none() => Ok(()),
        true => check_ids(rows, built),
        false => {
            let first = network.names().into_iter().next().unwrap_or_default();
            check_inputs(rows, built, &first, true)
        }
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
