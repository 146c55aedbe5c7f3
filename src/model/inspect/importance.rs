//! [`Model::permutation_importance`]: which columns of the inputs a model needs.

use std::fmt;

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::metrics::Direction;
use crate::model::arrays::AsArrays;
use crate::model::examples::shape_text;
use crate::model::functional::Model;
use crate::model::{Evaluate, Scores};
use crate::random::{Purpose, shuffle, stream};

/// How importances are measured: what [`Model::permutation_importance`] takes.
///
/// Defaults: the loss, 5 repeats, the seed of the model, columns named by their numbers.
///
/// # Examples
///
/// ```
/// use horn::model::PermutationImportance;
///
/// let options = PermutationImportance::new().repeats(20).names(["age", "income"]);
/// ```
#[derive(Debug, Clone)]
pub struct PermutationImportance {
    repeats: usize,
    seed: Option<u64>,
    metric: String,
    names: Vec<String>,
}

impl Default for PermutationImportance {
    fn default() -> Self {
        PermutationImportance::new()
    }
}

impl PermutationImportance {
    /// With the defaults.
    pub fn new() -> Self {
        PermutationImportance {
            repeats: 5,
            seed: None,
            metric: "loss".into(),
            names: Vec::new(),
        }
    }

    /// How often each column is shuffled. Default: 5.
    pub fn repeats(mut self, repeats: usize) -> Self {
        self.repeats = repeats;
        self
    }

    /// What the shuffles are drawn from. Default: the model's seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What is to become worse: `loss`, or a metric of the model. Default: `loss`.
    pub fn metric(mut self, metric: impl Into<String>) -> Self {
        self.metric = metric.into();
        self
    }

    /// Names of the columns, for the table that is printed. Default: their numbers.
    pub fn names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }
}

/// How much worse a model does without each column of its inputs; printed as a table, the most
/// important first.
///
/// # Examples
///
/// See [`Model::permutation_importance`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Importance {
    /// The names of the columns.
    pub names: Vec<String>,
    /// By how much the loss rises, or the metric worsens, when a column is shuffled: the mean of the
    /// repeats.
    pub mean: Vec<f32>,
    /// The standard deviation of the repeats.
    pub std: Vec<f32>,
    /// The loss or metric on the data as they are.
    pub baseline: f32,
    /// What was measured.
    pub metric: String,
}

impl Importance {
    /// The numbers of the columns, the most important first.
    pub fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.mean.len()).collect();
        let mean = |column: &usize| self.mean.get(*column).copied().unwrap_or(0.0);
        order.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
        order
    }
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.names.iter().map(|name| name.chars().count());
        let width = lengths.max().unwrap_or(0).max("column".len());
        write!(
            f,
            "{:width$}  worsens {} of {:.4} by",
            "column", self.metric, self.baseline
        )?;
        for column in self.ranking() {
            let name = self.names.get(column).map_or("", String::as_str);
            let mean = self.mean.get(column).copied().unwrap_or(0.0);
            let std = self.std.get(column).copied().unwrap_or(0.0);
            write!(f, "\n{name:width$}  {mean:.4} +- {std:.4}")?;
        }
        Ok(())
    }
}

impl Model {
    /// How much the loss or a metric worsens when one column of `x` at a time is shuffled among the
    /// rows: what the model needs that column for (Breiman 2001). Measure it on data that the model was
    /// not trained on. Of two columns that say the same, each alone may look unimportant.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate); inputs that are not `(rows, columns)`, no repeats, a metric
    /// that the model has not, a wrong number of names.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::model::PermutationImportance;
    /// use horn::prelude::*;
    ///
    /// // Only the first column matters.
    /// let x = Array2::from_shape_fn((100, 2), |(i, j)| ((i * (j + 3)) % 7) as f32 / 7.0);
    /// let y = x.column(0).mapv(|x| 3.0 * x);
    /// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
    /// model.compile(Compile::new(Adam::new().learning_rate(0.1), MeanSquaredError::new()))?;
    /// model.fit(&x, &y, Fit::new().epochs(40).verbose(0))?;
    /// let importance = model.permutation_importance(x.view(), &y, PermutationImportance::new())?;
    /// assert_eq!(importance.ranking(), [0, 1]);
    /// println!("{importance}");
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn permutation_importance(
        &self,
        x: ArrayView2<f32>,
        y: impl AsArrays,
        options: PermutationImportance,
    ) -> Result<Importance> {
        let method = "permutation_importance";
        if options.repeats == 0 {
            return Err(Error::argument(method, "repeats", "at least 1", 0));
        }
        let columns = x.ncols();
        let names = match options.names.len() {
            0 => (0..columns).map(|column| column.to_string()).collect(),
            _ => options.names,
        };
        if names.len() != columns {
            return Err(Error::Shape {
                place: format!("`{method}`"),
                expected: format!("{columns} names, one for each column"),
                found: shape_text(&[names.len()]),
                hint: "name all columns or none".into(),
            });
        }
        let (_, _, compiled) = self.parts(method)?;
        let known = compiled.names();
        if !known.contains(&options.metric) {
            let known = known.iter().map(String::as_str);
            return Err(Error::unknown("metric", &options.metric, known));
        }
        let metric = compiled
            .metrics
            .iter()
            .find(|own| own.name == options.metric);
        let rises = metric.is_some_and(|own| own.metric.direction() == Some(Direction::Max));
        let of = |scores: Scores| scores.get(&options.metric).unwrap_or(f32::NAN);
        let judge = |x: &Array2<f32>| -> Result<f32> {
            let options = Evaluate::new().batch_size(256);
            Ok(of(self.evaluate_with(x, y.as_arrays(), options)?))
        };
        let mut shuffled = x.to_owned();
        let baseline = judge(&shuffled)?;
        let seed = options.seed.unwrap_or(self.seed);
        let mut order: Vec<u32> = (0..u32::try_from(x.nrows()).unwrap_or(u32::MAX)).collect();
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for column in 0..columns {
            let mut drops = Vec::with_capacity(options.repeats);
            for repeat in 0..options.repeats {
                let index = (column * options.repeats + repeat) as u64;
                shuffle(&mut order, &mut stream(seed, Purpose::Data, method, index));
                for (to, from) in shuffled.column_mut(column).iter_mut().zip(&order) {
                    *to = x.get((*from as usize, column)).copied().unwrap_or(0.0);
                }
                let now = judge(&shuffled)?;
                let worse = if rises {
                    baseline - now
                } else {
                    now - baseline
                };
                drops.push(f64::from(worse));
            }
            shuffled.column_mut(column).assign(&x.column(column));
            let count = drops.len() as f64;
            let average = drops.iter().sum::<f64>() / count;
            let squares = drops.iter().map(|drop| (drop - average).powi(2));
            mean.push(average as f32);
            std.push((squares.sum::<f64>() / count).sqrt() as f32);
        }
        Ok(Importance {
            names,
            mean,
            std,
            baseline,
            metric: options.metric,
        })
    }
}
