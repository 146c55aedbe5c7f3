//! [`Direction`]: whether a metric is to grow or to shrink.

/// Whether a better model has a smaller or a larger value of a metric.
///
/// Source: Keras's `auto` mode of callbacks, which reads it off the metric.
///
/// # Examples
///
/// ```
/// use horn::metrics::{Accuracy, Direction, MeanAbsoluteError, Metric, Sum};
///
/// assert_eq!(Accuracy.direction(), Some(Direction::Max));
/// assert_eq!(MeanAbsoluteError::new().direction(), Some(Direction::Min));
/// assert_eq!(Sum::new().direction(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smaller is better, as for a loss.
    Min,
    /// Larger is better, as for an accuracy.
    Max,
}

/// Classes of metrics of which more is better.
const MAX: &[&str] = &[
    "accuracy",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "AUC",
    "Precision",
    "Recall",
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "F1Score",
    "FBetaScore",
    "IoU",
    "BinaryIoU",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
    "R2Score",
    "PearsonCorrelation",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "BalancedAccuracy",
    "CohenKappa",
    "MatthewsCorrelation",
];

/// Classes of metrics of which less is better; `MeanMetricWrapper` is the mean of any loss.
const MIN: &[&str] = &[
    "MeanMetricWrapper",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
    "LogCoshError",
    "Huber",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
    "ExpectedCalibrationError",
];

/// The direction of a class of metrics; none for counts and sums, of which neither is better.
pub(super) fn of(class_name: &str) -> Option<Direction> {
    if MAX.contains(&class_name) {
        Some(Direction::Max)
    } else {
        MIN.contains(&class_name).then_some(Direction::Min)
    }
}
