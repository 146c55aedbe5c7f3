//! [`IoU`], [`BinaryIoU`], [`MeanIoU`], [`OneHotIoU`] and [`OneHotMeanIoU`]: how much of two areas
//! they have in common.

use serde::Deserialize;
use serde_json::{Value, json};

use super::confusion_matrix::{ConfusionMatrix, largest_along};
use super::weights::Weights;
use super::{Batch, Metric, parse};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// The settings of all five; each has some of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Config {
    name: Option<String>,
    dtype: Value,
    num_classes: usize,
    target_class_ids: Vec<usize>,
    ignore_class: Option<i64>,
    sparse_y_true: bool,
    /// Where it is not said: whether the type is one of class ids.
    sparse_y_pred: Option<bool>,
    axis: isize,
    threshold: f32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: None,
            dtype: json!("int32"),
            num_classes: 0,
            target_class_ids: Vec::new(),
            ignore_class: None,
            sparse_y_true: true,
            sparse_y_pred: None,
            axis: -1,
            threshold: 0.5,
        }
    }
}

/// The most classes that are kept apart.
const MOST: usize = 4096;

/// How one side of a batch gives a class for each place.
#[derive(Clone, Copy)]
enum Side {
    /// It is the class.
    Ids,
    /// The largest of the numbers along an axis, `(classes, after)`.
    Largest(usize, usize),
    /// 1 from a threshold on.
    From(f32),
}

impl Side {
    fn class(self, values: &[f32], i: usize) -> i64 {
        match self {
            Side::Ids => values.get(i).map_or(-1, |v| *v as i64),
            Side::Largest(classes, after) => largest_along(values, (classes, after), i) as i64,
            Side::From(threshold) => values.get(i).map_or(-1, |v| i64::from(*v >= threshold)),
        }
    }

    /// How many classes a side of so many values gives.
    fn count(self, values: usize) -> usize {
        match self {
            Side::Largest(classes, _) => values / classes.max(1),
            _ => values,
        }
    }
}

impl Config {
    /// How a side of this shape gives classes.
    fn side(&self, class_name: &str, shape: &[usize], sparse: bool) -> Result<Side> {
        if sparse {
            return Ok(Side::Ids);
        }
        let shape = Shape::new(shape).unwrap_or(Shape::SCALAR);
        match shape.axis(self.axis).map(|axis| shape.around(axis)) {
            Some((_, classes, after)) if classes > 0 => Ok(Side::Largest(classes, after)),
            _ => Err(Error::argument(
                class_name,
                "axis",
                format!("an axis of arrays of shape {shape}"),
                self.axis,
            )),
        }
    }

    fn sides(&self, class_name: &str, y_true: &[usize], y_pred: &[usize]) -> Result<(Side, Side)> {
        let sides = match class_name {
            "BinaryIoU" => (Side::Ids, Side::From(self.threshold)),
            _ => (
                self.side(class_name, y_true, self.sparse_y_true)?,
                self.side(class_name, y_pred, self.sparse_y_pred.unwrap_or(true))?,
            ),
        };
        let count = |side: Side, shape: &[usize]| side.count(shape.iter().product());
        match count(sides.0, y_true) == count(sides.1, y_pred) {
            true => Ok(sides),
            false => Err(Error::Shape {
                place: format!("metric `{class_name}`"),
                expected: "a true class for each predicted one".into(),
                found: format!("targets {y_true:?} and outputs {y_pred:?}"),
                hint: "say with `sparse_y_true` and `sparse_y_pred` which are class ids".into(),
            }),
        }
    }

    fn check(&self, class_name: &str, y_true: &[usize], y_pred: &[usize]) -> Result<()> {
        if !(1..=MOST).contains(&self.num_classes) {
            let wanted = format!("from 1 to {MOST}");
            return Err(Error::argument(
                class_name,
                "num_classes",
                wanted,
                self.num_classes,
            ));
        }
        let outside = self
            .target_class_ids
            .iter()
            .find(|id| **id >= self.num_classes);
        if self.target_class_ids.is_empty() {
            let wanted = "one class at least";
            return Err(Error::argument(
                class_name,
                "target_class_ids",
                wanted,
                "none",
            ));
        }
        if let Some(id) = outside {
            let wanted = format!("classes below `num_classes`, {}", self.num_classes);
            return Err(Error::argument(class_name, "target_class_ids", wanted, id));
        }
        self.sides(class_name, y_true, y_pred).map(|_| ())
    }

    fn update(&self, class_name: &str, matrix: &mut ConfusionMatrix, batch: &Batch) -> Result<()> {
        let (truth, predicted) = self.sides(class_name, batch.y_true_shape, batch.y_pred_shape)?;
        let whole = self
            .dtype
            .as_str()
            .is_some_and(|dtype| dtype.starts_with("int"));
        let count = truth.count(batch.y_true.len());
        let weights = Weights::over(batch, count)?;
        for i in 0..count {
            let class = truth.class(batch.y_true, i);
            if self.ignore_class == Some(class) {
                continue;
            }
            let weight = f64::from(weights.at(i));
            let weight = if whole { weight.trunc() } else { weight };
            matrix.add(class, predicted.class(batch.y_pred, i), weight);
        }
        Ok(())
    }

    /// The mean over the classes that are looked at and that there were.
    fn result(&self, matrix: &ConfusionMatrix) -> f32 {
        let (mut total, mut count) = (0.0, 0.0);
        for class in self
            .target_class_ids
            .iter()
            .filter(|id| **id < matrix.classes())
        {
            let hits = matrix.hits(*class);
            let either = matrix.of_truth(*class) + matrix.of_predictions(*class) - hits;
            if either > 1e-9 {
                total += hits / (either + 1e-7);
                count += 1.0;
            }
        }
        (total / (count + 1e-7)) as f32
    }
}

/// A type of the family: its docs, its name, what of its settings is fixed, its builder methods,
/// and what Keras writes of it beside name and dtype.
macro_rules! iou {
    (
        $(#[$doc:meta])* $Name:ident, $name:literal, |$config:ident| $fix:expr,
        { $($builder:tt)* }, [$($key:ident),*]
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(from = "Config")]
        pub struct $Name {
            name: String,
            settings: Config,
            matrix: ConfusionMatrix,
        }

        impl From<Config> for $Name {
            fn from($config: Config) -> Self {
                let $config: Config = $fix;
                $Name {
                    name: $config.name.clone().unwrap_or($name.into()),
                    // Where there are too many for memory, `check` says so.
                    matrix: ConfusionMatrix::new($config.num_classes.min(MOST)),
                    settings: $config,
                }
            }
        }

        impl $Name {
            $($builder)*

            /// The name that is logged.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.name = name.into();
                self
            }

            pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
                parse::<Self>(stringify!($Name), config)
            }
        }

        impl Metric for $Name {
            fn name(&self) -> &str {
                &self.name
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            fn config(&self) -> Value {
                json!({
                    "name": self.name,
                    "dtype": self.settings.dtype,
                    $(stringify!($key): self.settings.$key,)*
                })
            }

            fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
                self.settings.check(stringify!($Name), y_true_shape, y_pred_shape)
            }

            fn update(&mut self, batch: &Batch) -> Result<()> {
                self.settings.update(stringify!($Name), &mut self.matrix, batch)
            }

            fn result(&self) -> f32 {
                self.settings.result(&self.matrix)
            }

            fn state(&self) -> &[f64] {
                self.matrix.state()
            }

            fn state_mut(&mut self) -> &mut [f64] {
                self.matrix.state_mut()
            }
        }
    };
}

/// What all take but [`BinaryIoU`], as builder methods.
macro_rules! of_several {
    () => {
        /// A class whose targets are left out. Default: none.
        pub fn ignore_class(mut self, class: i64) -> Self {
            self.settings.ignore_class = Some(class);
            self
        }

        /// The axis of the classes where they are not ids. Default: -1.
        pub fn axis(mut self, axis: isize) -> Self {
            self.settings.axis = axis;
            self
        }
    };
}

/// Which side is class ids, as a builder method.
macro_rules! sparse {
    ($key:ident, $side:literal, $default:literal) => {
        #[doc = concat!("Whether ", $side, " are class ids. Default: ", $default, ".")]
        pub fn $key(mut self, sparse: bool) -> Self {
            self.settings.$key = sparse.into();
            self
        }
    };
}

iou! {
    /// The intersection over union, `tp / (tp + fp + fn)`, mean over some classes.
    ///
    /// Targets and predictions are class ids of one shape, or with `sparse_y_true(false)` and
    /// `sparse_y_pred(false)` numbers for each class along `axis`, of which the largest counts.
    /// Classes that come nowhere are left out of the mean. Weights are cut to whole numbers, as in
    /// Keras, whose counts are integers.
    ///
    /// Source: <https://keras.io/api/metrics/segmentation_metrics/#iou-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Batch, IoU, Metric};
    ///
    /// let mut metric = IoU::new(2, [0]);
    /// metric.update(&Batch {
    ///     y_true: &[0.0, 0.0, 1.0, 1.0],
    ///     y_true_shape: &[4],
    ///     y_pred: &[0.0, 1.0, 0.0, 1.0],
    ///     y_pred_shape: &[4],
    ///     sample_weight: None,
    /// })?;
    /// // One 0 in common of three places where either is 0.
    /// assert!((metric.result() - 1.0 / 3.0).abs() < 1e-6);
    /// # Ok::<(), horn::Error>(())
    /// ```
    IoU, "io_u", |config| ids(config),
    {
        /// Of so many classes, the mean over these.
        pub fn new(num_classes: usize, target_class_ids: impl Into<Vec<usize>>) -> Self {
            Config {
                num_classes,
                target_class_ids: target_class_ids.into(),
                ..Config::default()
            }
            .into()
        }

        sparse!(sparse_y_true, "targets", "true");
        of_several!();
        sparse!(sparse_y_pred, "predictions", "true");
    },
    [num_classes, target_class_ids, ignore_class, sparse_y_true, sparse_y_pred, axis]
}

iou! {
    /// The intersection over union of two classes, of which predictions from a threshold on are 1;
    /// see [`IoU`].
    ///
    /// Source: <https://keras.io/api/metrics/segmentation_metrics/#binaryiou-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{BinaryIoU, Metric};
    ///
    /// assert_eq!(Metric::name(&BinaryIoU::new().threshold(0.3)), "binary_io_u");
    /// ```
    BinaryIoU, "binary_io_u",
    |config| Config {
        num_classes: 2,
        target_class_ids: match config.target_class_ids.is_empty() {
            true => vec![0, 1],
            false => config.target_class_ids,
        },
        ..config
    },
    {
        /// The mean over both classes, with a threshold of 0.5.
        pub fn new() -> Self {
            Config::default().into()
        }

        /// From which on a prediction counts as 1. Default: 0.5.
        pub fn threshold(mut self, threshold: f32) -> Self {
            self.settings.threshold = threshold;
            self
        }

        /// The classes that the mean is over. Default: both.
        pub fn target_class_ids(mut self, classes: impl Into<Vec<usize>>) -> Self {
            self.settings.target_class_ids = classes.into();
            self
        }
    },
    [target_class_ids, threshold]
}

impl Default for BinaryIoU {
    fn default() -> Self {
        BinaryIoU::new()
    }
}

iou! {
    /// The intersection over union, mean over all classes; see [`IoU`].
    ///
    /// Source: <https://keras.io/api/metrics/segmentation_metrics/#meaniou-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{MeanIoU, Metric};
    ///
    /// assert_eq!(Metric::name(&MeanIoU::new(3)), "mean_io_u");
    /// ```
    MeanIoU, "mean_io_u", |config| of_all(ids(config)),
    {
        /// Of so many classes.
        pub fn new(num_classes: usize) -> Self {
            Config {
                num_classes,
                ..Config::default()
            }
            .into()
        }

        sparse!(sparse_y_true, "targets", "true");
        of_several!();
        sparse!(sparse_y_pred, "predictions", "true");
    },
    [num_classes, ignore_class, sparse_y_true, sparse_y_pred, axis]
}

iou! {
    /// The intersection over union of one-hot targets and numbers for each class, mean over some
    /// classes; see [`IoU`].
    ///
    /// Source: <https://keras.io/api/metrics/segmentation_metrics/#onehotiou-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Metric, OneHotIoU};
    ///
    /// assert_eq!(Metric::name(&OneHotIoU::new(3, [1, 2])), "one_hot_io_u");
    /// ```
    OneHotIoU, "one_hot_io_u", |config| one_hot(config),
    {
        /// Of so many classes, the mean over these.
        pub fn new(num_classes: usize, target_class_ids: impl Into<Vec<usize>>) -> Self {
            let target_class_ids = target_class_ids.into();
            Config { num_classes, target_class_ids, ..Config::default() }.into()
        }

        of_several!();
        sparse!(sparse_y_pred, "predictions", "false");
    },
    [num_classes, target_class_ids, ignore_class, sparse_y_pred, axis]
}

iou! {
    /// The intersection over union of one-hot targets and numbers for each class, mean over all
    /// classes; see [`IoU`].
    ///
    /// Source: <https://keras.io/api/metrics/segmentation_metrics/#onehotmeaniou-class>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::metrics::{Metric, OneHotMeanIoU};
    ///
    /// assert_eq!(Metric::name(&OneHotMeanIoU::new(3)), "one_hot_mean_io_u");
    /// ```
    OneHotMeanIoU, "one_hot_mean_io_u", |config| of_all(one_hot(config)),
    {
        /// Of so many classes.
        pub fn new(num_classes: usize) -> Self {
            Config { num_classes, ..Config::default() }.into()
        }

        of_several!();
        sparse!(sparse_y_pred, "predictions", "false");
    },
    [num_classes, ignore_class, sparse_y_pred, axis]
}

/// The mean is over all classes.
fn of_all(config: Config) -> Config {
    Config {
        target_class_ids: (0..config.num_classes.min(MOST)).collect(),
        ..config
    }
}

/// Predictions are class ids where nothing else is said.
fn ids(config: Config) -> Config {
    Config {
        sparse_y_pred: config.sparse_y_pred.or(Some(true)),
        ..config
    }
}

/// Targets are one-hot whatever is said, predictions numbers where nothing else is said.
fn one_hot(config: Config) -> Config {
    Config {
        sparse_y_true: false,
        sparse_y_pred: config.sparse_y_pred.or(Some(false)),
        ..config
    }
}
