//! What belongs to a model and travels with it: names of classes and features, its history, and a
//! prediction to check it by.

use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use super::functional::Model;
use super::history::History;
use super::predict::plan;
use crate::error::{Error, Result};

/// More numbers than this are not kept to check a model by.
const MOST: usize = 1 << 20;

/// A model that needs more numbers than this for a row is not run when it is loaded.
const MOST_WORK: u64 = 1 << 24;

/// How far apart what is computed on another machine may be, against the largest number.
const TOLERANCE: f32 = 1e-5;

/// What belongs to a model beside its layers and weights.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extras {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) feature_names: Vec<String>,
    /// Of the last training.
    #[serde(skip)]
    pub(crate) history: Option<History>,
}

impl Extras {
    /// Without the history, which a training makes anew.
    pub(crate) fn names(&self) -> Extras {
        Extras {
            labels: self.labels.clone(),
            feature_names: self.feature_names.clone(),
            history: None,
        }
    }
}

/// An input of zeros and ones, and what the model gave for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// The shape of a row of each input, without the batch.
    rows: Vec<Vec<usize>>,
    /// The outputs one after the other, to the bit.
    outputs: Vec<u32>,
}

impl Model {
    /// Names the classes that the outputs stand for, in their order: as many as there are output
    /// units, or two for one unit, that of 0 and that of 1. [`predict_classes`](Self::predict_classes)
    /// gives them, and `.keras` files keep them, where Keras leaves them alone.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for another number of names than the output has, once it is built.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("iris.keras");
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(4));
    /// model.build()?;
    /// model.set_labels(["setosa", "versicolor", "virginica"])?;
    /// model.save(&path)?;
    ///
    /// let model = Sequential::load(&path)?;
    /// let class = &model.predict_classes(&array![[5.1, 3.5, 1.4, 0.2]])?[0];
    /// assert_eq!(class.label(), Some(model.labels()[class.index()].as_str()));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn set_labels(
        &mut self,
        labels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<()> {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        let units = self.built.as_ref().and_then(|built| match &*built.outputs {
            [output] => output.dims().last().copied(),
            _ => None,
        });
        let wanted = units.map(|units| if units == 1 { 2 } else { units });
        match wanted.filter(|wanted| *wanted != labels.len() && !labels.is_empty()) {
            None => {
                self.extras.labels = labels;
                Ok(())
            }
            Some(wanted) => Err(Error::argument(
                "set_labels",
                "labels",
                format!("{wanted} names, one for each class"),
                labels.len(),
            )),
        }
    }

    /// The names of the classes; none unless they were set.
    pub fn labels(&self) -> &[String] {
        &self.extras.labels
    }

    /// Names the columns of the input; `.keras` files keep them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for another number of names than a row of the only input has numbers, once
    /// the model is built.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(2));
    /// model.build()?;
    /// model.set_feature_names(["age", "mass"])?;
    /// assert_eq!(model.feature_names(), ["age", "mass"]);
    /// assert!(model.set_feature_names(["age"]).is_err());
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn set_feature_names(
        &mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<()> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let columns = self.built.as_ref().and_then(|built| match &*built.rows {
            [row] => Some(row.iter().product::<usize>()),
            _ => None,
        });
        match columns.filter(|columns| *columns != names.len() && !names.is_empty()) {
            None => {
                self.extras.feature_names = names;
                Ok(())
            }
            Some(columns) => Err(Error::argument(
                "set_feature_names",
                "names",
                format!("{columns} names, one for each number of a row"),
                names.len(),
            )),
        }
    }

    /// The names of the columns of the input; none unless they were set.
    pub fn feature_names(&self) -> &[String] {
        &self.extras.feature_names
    }

    /// The history of the last training, in this program or before the model was loaded: Keras's
    /// `model.history`.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(1));
    /// assert!(model.history().is_none());
    /// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    /// let history = model.fit(&array![[1.0]], &array![2.0], Fit::new().epochs(3).verbose(0))?;
    /// assert_eq!(model.history(), Some(&history));
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn history(&self) -> Option<&History> {
        self.extras.history.as_ref()
    }

    /// What the model gives for a row of zeros and ones, which every layer takes, ids too; nothing
    /// where that is too much to keep, or no number.
    pub(crate) fn check(&self) -> Option<Check> {
        let rows = self.built.as_ref()?.rows.clone();
        let outputs = self.respond(&rows)?;
        let outputs = outputs.iter().map(|value| value.to_bits()).collect();
        Some(Check { rows, outputs })
    }

    /// How many numbers a prediction of one row works on.
    fn work(&self) -> Option<u64> {
        let (network, built) = self.built_parts("predict").ok()?;
        Some(plan(network, built, 1).ok()?.plan.workspace as u64)
    }

    /// The outputs for that row.
    fn respond(&self, rows: &[Vec<usize>]) -> Option<Vec<f32>> {
        let total = rows.iter().try_fold(0_usize, |total, row| {
            let size = row
                .iter()
                .try_fold(1_usize, |size, length| size.checked_mul(*length))?;
            total.checked_add(size)
        });
        total.filter(|total| *total <= MOST)?;
        let inputs: Option<Vec<ArrayD<f32>>> = rows
            .iter()
            .enumerate()
            .map(|(input, row)| {
                let shape = [&[1], row.as_slice()].concat();
                let values = (0..row.iter().product()).map(|place| pattern(input, place));
                ArrayD::from_shape_vec(IxDyn(&shape), values.collect()).ok()
            })
            .collect();
        let inputs = inputs?;
        let outputs = self.predict_all(inputs.iter().collect::<Vec<_>>()).ok()?;
        let outputs: Vec<f32> = outputs.into_iter().flatten().collect();
        let few = outputs.len() <= MOST && outputs.iter().all(|value| value.is_finite());
        few.then_some(outputs)
    }
}

/// Zeros and ones that change without a period.
fn pattern(input: usize, place: usize) -> f32 {
    let number = (input * 7919 + place + 1) as u64;
    // Multiples of the golden ratio.
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63) as f32
}

impl Check {
    /// Runs the model again, if that takes no more than so many numbers.
    ///
    /// # Errors
    ///
    /// What differs.
    pub(crate) fn run(&self, model: &Model, room: u64) -> std::result::Result<(), String> {
        if model.work().is_some_and(|work| work > room.min(MOST_WORK)) {
            return Ok(());
        }
        let Some(now) = model.respond(&self.rows) else {
            return Err("the model gives no numbers any more for the input that was kept".into());
        };
        let then = self.outputs.iter().map(|bits| f32::from_bits(*bits));
        let then: Vec<f32> = then.collect();
        if now.len() != then.len() {
            return Err(format!(
                "it gave {} numbers, and gives {}",
                then.len(),
                now.len()
            ));
        }
        let largest = then
            .iter()
            .fold(1.0_f32, |most, value| most.max(value.abs()));
        let far = |(_, (now, then)): &(usize, (&f32, &f32))| {
            let near = (*now - *then).abs() <= TOLERANCE * largest;
            !near
        };
        match now.iter().zip(&then).enumerate().find(far) {
            None => Ok(()),
            Some((place, (now, then))) => Err(format!(
                "for the input that was kept, output {place} was {then} and is {now}"
            )),
        }
    }
}
