//! [`AUC`], the area under a curve of thresholds.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::at_threshold::{MOST, check_count};
use super::thresholded::{Counts, Look, Thresholded, Thresholds, check_probabilities, ratio};
use super::{Batch, Metric, check_same, parse};
use crate::error::{Error, Result};

/// What is drawn over what, for [`AUC`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Curve {
    /// The recall over the rate of false positives. The default.
    #[default]
    #[serde(alias = "roc")]
    ROC,
    /// The precision over the recall.
    #[serde(alias = "pr")]
    PR,
    /// The same in gains over guessing (Flach and Kull 2015).
    #[serde(alias = "prgain")]
    PRGAIN,
}

/// How the area between two thresholds is filled, for [`AUC`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SummationMethod {
    /// By a straight line; for [`Curve::PR`] by the curve that the counts would make. The default.
    #[default]
    #[serde(alias = "Interpolation")]
    Interpolation,
    /// By the higher of the two ends.
    #[serde(alias = "Majoring")]
    Majoring,
    /// By the lower.
    #[serde(alias = "Minoring")]
    Minoring,
}

/// The area under the curve that thresholds draw: how often a positive is predicted above a
/// negative (ROC), 0.5 for guessing and 1 for never wrong.
///
/// Targets other than 0 are positive; predictions are probabilities of the same shape
/// `(batch, ...)`. The memory is that of the thresholds, whatever the number of rows. With
/// `multi_label` each of the columns `(batch, labels)` has an area of its own, and the result is
/// their mean.
///
/// Source: <https://keras.io/api/metrics/classification_metrics/#auc-class>
///
/// # Examples
///
/// ```
/// use horn::metrics::{AUC, Batch, Metric};
///
/// let mut auc = AUC::new();
/// auc.update(&Batch {
///     y_true: &[0.0, 0.0, 1.0, 1.0],
///     y_true_shape: &[4],
///     y_pred: &[0.1, 0.5, 0.3, 0.9],
///     y_pred_shape: &[4],
///     sample_weight: None,
/// })?;
/// assert!((auc.result() - 0.75).abs() < 1e-6);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Config")]
pub struct AUC {
    settings: Config,
    look: Look,
    counts: Thresholded,
}

/// The settings, under Keras's names.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Config {
    name: String,
    num_thresholds: usize,
    curve: Curve,
    summation_method: SummationMethod,
    thresholds: Option<Thresholds>,
    multi_label: bool,
    num_labels: Option<usize>,
    label_weights: Option<LabelWeights>,
    from_logits: bool,
}

/// The setting `label_weights`: a list, or an array as Keras writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum LabelWeights {
    List(Vec<f32>),
    Array { config: Array },
}

#[derive(Debug, Clone, Deserialize)]
struct Array {
    value: Vec<f32>,
}

impl LabelWeights {
    fn values(&self) -> &[f32] {
        match self {
            LabelWeights::List(values) => values,
            LabelWeights::Array { config } => &config.value,
        }
    }

    /// As Keras writes an array.
    fn to_keras(&self) -> Value {
        json!({
            "class_name": "__tensor__",
            "config": { "value": self.values(), "dtype": "float32" },
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: "auc".into(),
            num_thresholds: 200,
            curve: Curve::default(),
            summation_method: SummationMethod::default(),
            thresholds: None,
            multi_label: false,
            num_labels: None,
            label_weights: None,
            from_logits: false,
        }
    }
}

impl From<Config> for AUC {
    fn from(mut settings: Config) -> Self {
        // As Keras keeps and writes them.
        if let Some(Thresholds::Several(all)) = &mut settings.thresholds {
            all.sort_by(f32::total_cmp);
        }
        let between = settings.thresholds.as_ref().map(Thresholds::values);
        // Where there are too many for memory, `check` says so.
        let mut counts = Thresholded::for_area(settings.num_thresholds.min(MOST), between);
        if let Some(labels) = settings.num_labels.filter(|labels| *labels < MOST) {
            counts.resize(labels);
        }
        AUC {
            look: Look {
                by_label: settings.multi_label,
                from_logits: settings.from_logits,
                // Of several labels the areas are weighed, not the counts.
                label_weights: match &settings.label_weights {
                    Some(weights) if !settings.multi_label => weights.values().to_vec(),
                    _ => Vec::new(),
                },
                ..Look::default()
            },
            counts,
            settings,
        }
    }
}

impl Default for AUC {
    fn default() -> Self {
        Config::default().into()
    }
}

impl AUC {
    /// With Keras's defaults: 200 thresholds, ROC, straight lines between them.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.settings);
        self.settings.into()
    }

    /// How many thresholds there are, at least 2. Default: 200.
    pub fn num_thresholds(self, count: usize) -> Self {
        self.with(|settings| settings.num_thresholds = count)
    }

    /// What is drawn over what. Default: [`Curve::ROC`].
    pub fn curve(self, curve: Curve) -> Self {
        self.with(|settings| settings.curve = curve)
    }

    /// How the area between two thresholds is filled. Default: [`SummationMethod::Interpolation`].
    pub fn summation_method(self, method: SummationMethod) -> Self {
        self.with(|settings| settings.summation_method = method)
    }

    /// The thresholds between 0 and 1, in place of evenly spaced ones.
    pub fn thresholds(self, thresholds: impl Into<Vec<f32>>) -> Self {
        let thresholds = thresholds.into();
        self.with(|settings| {
            settings.num_thresholds = thresholds.len() + 2;
            settings.thresholds = Some(Thresholds::Several(thresholds));
        })
    }

    /// Whether each column has an area of its own. Default: false.
    pub fn multi_label(self, multi_label: bool) -> Self {
        self.with(|settings| settings.multi_label = multi_label)
    }

    /// How many columns there are, with `multi_label`. Default: as many as come.
    pub fn num_labels(self, labels: usize) -> Self {
        self.with(|settings| settings.num_labels = Some(labels))
    }

    /// A weight for each column: of its area with `multi_label`, else of its predictions.
    pub fn label_weights(self, weights: impl Into<Vec<f32>>) -> Self {
        let weights = weights.into();
        self.with(|settings| settings.label_weights = Some(LabelWeights::List(weights)))
    }

    /// Whether the predictions are logits, which then go through a sigmoid. Default: false.
    pub fn from_logits(self, from_logits: bool) -> Self {
        self.with(|settings| settings.from_logits = from_logits)
    }

    /// The name that is logged.
    pub fn name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|settings| settings.name = name)
    }

    pub(super) fn from_config(config: &Value) -> Result<Box<dyn Metric>> {
        parse::<Self>("AUC", config)
    }

    /// How many areas there are.
    fn labels(&self) -> usize {
        let of_one = 2 * (self.counts.len() + 1);
        self.counts.state().len() / of_one
    }

    /// The area of one label.
    fn area(&self, label: usize) -> f64 {
        let pairs = self.counts.descending(label);
        let pairs = pairs.clone().skip(1).zip(pairs);
        use SummationMethod::*;
        if (self.settings.curve, self.settings.summation_method) == (Curve::PR, Interpolation) {
            return pairs.map(|(low, high)| by_counts(&low, &high)).sum();
        }
        let between = |(low, high)| {
            let ((x, y), (next_x, next_y)) = (self.point(&low), self.point(&high));
            let height = match self.settings.summation_method {
                Interpolation => (y + next_y) / 2.0,
                Majoring => y.max(next_y),
                Minoring => y.min(next_y),
            };
            (x - next_x) * height
        };
        pairs.map(between).sum()
    }

    /// A point of the curve.
    fn point(&self, counts: &Counts) -> (f64, f64) {
        match self.settings.curve {
            Curve::ROC => (counts.false_positive_rate(), counts.recall()),
            Curve::PR => (counts.recall(), counts.precision()),
            Curve::PRGAIN if counts.tp == 0.0 => (0.0, 1.0),
            Curve::PRGAIN => {
                let odds = ratio(counts.tp + counts.fn_, counts.tn + counts.fp);
                let recall_gain = 1.0 - odds * ratio(counts.fn_, counts.tp);
                (
                    recall_gain.max(0.0),
                    1.0 - odds * ratio(counts.fp, counts.tp),
                )
            }
        }
    }
}

/// The area under precision over recall between two thresholds, where true and false positives
/// grow in proportion (Davis and Goadrich 2006).
fn by_counts(low: &Counts, high: &Counts) -> f64 {
    let (p_low, p_high) = (low.tp + low.fp, high.tp + high.fp);
    let dtp = low.tp - high.tp;
    let slope = ratio(dtp, (p_low - p_high).max(0.0));
    let intercept = high.tp - slope * p_high;
    let growth = match p_low > 0.0 && p_high > 0.0 {
        true => p_low / p_high,
        false => 1.0,
    };
    ratio(slope * (dtp + intercept * growth.ln()), high.tp + high.fn_)
}

impl Metric for AUC {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn class_name(&self) -> &str {
        "AUC"
    }

    fn config(&self) -> Value {
        let settings = &self.settings;
        let mut config = json!({
            "name": settings.name,
            "dtype": "float32",
            "num_thresholds": self.counts.len(),
            "curve": settings.curve,
            "summation_method": settings.summation_method,
            "multi_label": settings.multi_label,
            "num_labels": settings.num_labels,
            "label_weights": settings.label_weights.as_ref().map(LabelWeights::to_keras),
            "from_logits": settings.from_logits,
        });
        if let (Some(thresholds), Some(config)) = (&settings.thresholds, config.as_object_mut()) {
            config.insert("thresholds".into(), json!(thresholds));
        }
        config
    }

    fn resolve(&self, _y_true: &[usize], y_pred: &[usize]) -> Option<Box<dyn Metric>> {
        let labels = y_pred
            .last()
            .filter(|_| self.settings.multi_label && y_pred.len() == 2)?;
        let mut metric = self.clone();
        metric.counts.resize(*labels);
        Some(Box::new(metric))
    }

    fn check(&self, y_true_shape: &[usize], y_pred_shape: &[usize]) -> Result<()> {
        match &self.settings.thresholds {
            Some(thresholds) => thresholds.validate("AUC")?,
            None => check_count("AUC", 2, self.settings.num_thresholds)?,
        }
        check_same(&self.settings.name, y_true_shape, y_pred_shape)?;
        let labels = y_pred_shape.last().copied().unwrap_or(1);
        let (multi_label, rank) = (self.settings.multi_label, y_pred_shape.len());
        let bad = |argument: &'static str, expected: String, found: String| {
            Err(Error::argument("AUC", argument, expected, found))
        };
        if multi_label && rank != 2 {
            let found = format!("true for outputs of {rank} axes");
            return bad(
                "multi_label",
                "false, or for outputs (batch, labels)".into(),
                found,
            );
        }
        match self.settings.num_labels {
            Some(count) if !multi_label => {
                return bad(
                    "num_labels",
                    "given with `multi_label` only".into(),
                    count.to_string(),
                );
            }
            Some(count) if count != labels => {
                return bad(
                    "num_labels",
                    format!("the {labels} columns of the outputs"),
                    count.to_string(),
                );
            }
            _ => {}
        }
        match self
            .settings
            .label_weights
            .as_ref()
            .map(LabelWeights::values)
        {
            Some(weights) if weights.len() != labels => bad(
                "label_weights",
                format!("one for each of {labels} columns"),
                format!("{} weights", weights.len()),
            ),
            Some(weights) if !weights.iter().all(|w| *w >= 0.0 && w.is_finite()) => bad(
                "label_weights",
                "finite and at least 0".into(),
                format!("{weights:?}"),
            ),
            _ => Ok(()),
        }
    }

    fn update(&mut self, batch: &Batch) -> Result<()> {
        check_same(&self.settings.name, batch.y_true_shape, batch.y_pred_shape)?;
        if !self.settings.from_logits {
            check_probabilities(&self.settings.name, batch)?;
        }
        self.counts.update(batch, &self.look)
    }

    fn result(&self) -> f32 {
        let areas = (0..self.labels()).map(|label| self.area(label));
        let area = match &self.settings.label_weights {
            Some(weights) if self.settings.multi_label => {
                let weights = || weights.values().iter().map(|w| f64::from(*w));
                let total: f64 = areas.zip(weights()).map(|(a, w)| a * w).sum();
                ratio(total, weights().sum())
            }
            _ => ratio(areas.sum(), self.labels() as f64),
        };
        area as f32
    }

    fn state(&self) -> &[f64] {
        self.counts.state()
    }

    fn state_mut(&mut self) -> &mut [f64] {
        self.counts.state_mut()
    }

    fn merge(&mut self, other: &dyn Metric) {
        self.counts.merge(other.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(auc: &mut AUC, y_true: &[f32], y_pred: &[f32]) -> Result<()> {
        let shape = [y_pred.len()];
        auc.update(&Batch {
            y_true,
            y_true_shape: &shape,
            y_pred,
            y_pred_shape: &shape,
            sample_weight: None,
        })
    }

    #[test]
    fn nothing_and_one_class_only_give_zero() {
        let mut auc = AUC::new();
        assert_eq!(auc.result(), 0.0);
        update(&mut auc, &[1.0, 1.0], &[0.2, 0.9]).expect("fits");
        assert_eq!(auc.result(), 0.0);
    }

    #[test]
    fn what_is_no_probability_is_named() {
        let error = update(&mut AUC::new(), &[1.0, 0.0], &[0.2, 1.5]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("y_pred[1]") && message.contains("1.5"),
            "{message}"
        );
        assert!(update(&mut AUC::new().from_logits(true), &[1.0, 0.0], &[0.2, 1.5]).is_ok());
    }

    #[test]
    fn halves_merge_into_the_whole() {
        let (t, p) = (
            [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
            [0.9, 0.1, 0.4, 0.6, 0.7, 0.2],
        );
        let (mut whole, mut one, mut other) = (AUC::new(), AUC::new(), AUC::new());
        update(&mut whole, &t, &p).expect("fits");
        update(&mut one, &t[..2], &p[..2]).expect("fits");
        update(&mut other, &t[2..], &p[2..]).expect("fits");
        one.merge(&other);
        assert_eq!(one.result(), whole.result());
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |auc: AUC| auc.check(&[4, 2], &[4, 2]).unwrap_err().to_string();
        assert!(message(AUC::new().num_thresholds(1)).contains("`num_thresholds`"));
        assert!(message(AUC::new().thresholds([0.5, 1.5])).contains("got 1.5"));
        assert!(message(AUC::new().num_labels(2)).contains("`num_labels`"));
        assert!(message(AUC::new().multi_label(true).num_labels(3)).contains("got 3"));
        assert!(message(AUC::new().label_weights([1.0])).contains("`label_weights`"));
    }
}
