//! [`LearningRateFinder`]: a test of many learning rates in one short training.

use std::fmt;

use super::{Callback, Control, Logs, Run, Saved};
use crate::error::{Error, Result};

/// Trains with learning rates that grow from batch to batch, and tells with which the loss falls
/// fastest. Afterwards the model is as it was before, optimizer included.
///
/// In batch `i` of `n` the rate is `min_lr (max_lr / min_lr)^(i / (n - 1))`. The loss is smoothed,
/// `a <- β a + (1 - β) loss`, and divided by `1 - β^(i + 1)`; once it is more than `stop_factor` times
/// its smallest so far, or not finite, the test ends. A hundred batches or more tell well; give `fit`
/// the epochs that make them, and no other callback.
///
/// Defaults: `min_lr` 1e-7, `max_lr` 10, `beta` 0.98, `stop_factor` 4, as many batches as `fit` has.
///
/// Source: Smith 2015, <https://arxiv.org/abs/1506.01186>.
///
/// # Examples
///
/// ```
/// use horn::callbacks::LearningRateFinder;
/// use horn::prelude::*;
///
/// let x = Array2::from_shape_fn((256, 2), |(i, j)| ((i * 7 + j * 3) % 11) as f32 / 11.0);
/// let y = x.map_axis(ndarray::Axis(1), |row| row[0] - 2.0 * row[1]);
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(2));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
///
/// let mut finder = LearningRateFinder::new().min_lr(1e-4);
/// let fit = Fit::new().epochs(4).batch_size(8).verbose(0).callback(&mut finder);
/// model.fit(&x, &y, fit)?;
/// let rate = finder.suggestion().unwrap();
/// assert!((1e-3..1.0).contains(&rate), "{finder}");
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LearningRateFinder {
    min_lr: f32,
    max_lr: f32,
    beta: f64,
    stop_factor: f64,
    steps: Option<usize>,
    /// How many batches this test has.
    planned: usize,
    average: f64,
    rates: Vec<f32>,
    losses: Vec<f32>,
    before: Option<Saved>,
}

impl Default for LearningRateFinder {
    fn default() -> Self {
        LearningRateFinder::new()
    }
}

impl LearningRateFinder {
    /// With the defaults.
    pub fn new() -> Self {
        LearningRateFinder {
            min_lr: 1e-7,
            max_lr: 10.0,
            beta: 0.98,
            stop_factor: 4.0,
            steps: None,
            planned: 0,
            average: 0.0,
            rates: Vec::new(),
            losses: Vec::new(),
            before: None,
        }
    }

    /// The rate of the first batch. Default: 1e-7.
    pub fn min_lr(mut self, min_lr: f32) -> Self {
        self.min_lr = min_lr;
        self
    }

    /// The rate of the last batch. Default: 10.
    pub fn max_lr(mut self, max_lr: f32) -> Self {
        self.max_lr = max_lr;
        self
    }

    /// How slowly the smoothed loss forgets, from 0 to 1. Default: 0.98.
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// How many times its smallest the loss is when the test ends. Default: 4.
    pub fn stop_factor(mut self, factor: f64) -> Self {
        self.stop_factor = factor;
        self
    }

    /// How many batches the test has. Default: all of `fit`; a dataset that does not know its length
    /// needs it.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// The rates that were tried, in order.
    pub fn rates(&self) -> &[f32] {
        &self.rates
    }

    /// The smoothed loss at each of them.
    pub fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// The rate at which the loss falls fastest, against the logarithm of the rate: a good learning
    /// rate to begin with. Nothing where the loss does not fall.
    pub fn suggestion(&self) -> Option<f32> {
        // The first losses say more of their batches than of the rate; so does each alone, so that a
        // slope is taken over a tenth of the test.
        let least = self.place_of_least()?;
        let (skipped, span) = (self.losses.len() / 10, (self.losses.len() / 20).max(1));
        let slopes = (skipped.max(span)..least.saturating_sub(span)).filter_map(|i| {
            let (before, after) = (self.losses.get(i - span)?, self.losses.get(i + span)?);
            Some((after - before, i))
        });
        let (slope, place) = slopes.min_by(|a, b| a.0.total_cmp(&b.0))?;
        self.rates.get(place).copied().filter(|_| slope < 0.0)
    }

    /// The rate at which the loss was smallest: too large to train with, a tenth of it often is not.
    pub fn minimum(&self) -> Option<f32> {
        self.rates.get(self.place_of_least()?).copied()
    }

    fn place_of_least(&self) -> Option<usize> {
        let losses = self.losses.iter().enumerate();
        let least = losses.min_by(|a, b| a.1.total_cmp(b.1));
        least.map(|(place, _)| place)
    }

    /// The smoothed loss against the rate, as an SVG image. Needs the feature `plot`.
    ///
    /// # Errors
    ///
    /// [`Error::Callback`] where no test was made.
    #[cfg(feature = "plot")]
    pub fn to_svg(&self) -> Result<String> {
        let points = self.rates.iter().zip(&self.losses);
        let points = points.map(|(rate, loss)| (f64::from(*rate), f64::from(*loss)));
        let chart = crate::plot::Chart {
            title: "",
            x: "learning rate",
            y: "loss",
            logarithmic: true,
        };
        chart.lines(&[("loss".to_string(), points.collect())])
    }

    fn check(&self) -> Result<()> {
        let rates = self.min_lr > 0.0 && self.min_lr < self.max_lr && self.max_lr.is_finite();
        let wanted = |argument, expected: &str, found: &dyn fmt::Display| {
            Err(Error::argument(
                "LearningRateFinder",
                argument,
                expected,
                found,
            ))
        };
        if !rates {
            let found = format!("{} and {}", self.min_lr, self.max_lr);
            return wanted("min_lr, max_lr", "above 0, the first the smaller", &found);
        }
        if !(0.0..1.0).contains(&self.beta) {
            return wanted("beta", "from 0 up to, but not including, 1", &self.beta);
        }
        if self.stop_factor.is_nan() || self.stop_factor <= 1.0 {
            return wanted("stop_factor", "above 1", &self.stop_factor);
        }
        match self.planned {
            0 | 1 => wanted(
                "steps",
                "at least 2, or given where `fit` cannot know",
                &self.planned,
            ),
            _ => Ok(()),
        }
    }

    /// The rate of a batch, counted from 0.
    fn rate(&self, batch: usize) -> f32 {
        let share = batch as f64 / (self.planned - 1) as f64;
        let range = f64::from(self.max_lr) / f64::from(self.min_lr);
        (f64::from(self.min_lr) * range.powf(share)) as f32
    }
}

impl fmt::Display for LearningRateFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.suggestion(), self.minimum()) {
            (Some(rate), Some(minimum)) => write!(
                f,
                "learning rate {rate:.1e}: the loss falls fastest there, and is smallest at {minimum:.1e}"
            ),
            _ => f.write_str("no learning rate was found that makes the loss fall"),
        }
    }
}

impl Callback for LearningRateFinder {
    fn on_train_begin(&mut self, control: &mut Control, run: &Run) -> Result<()> {
        let all = run.steps * run.epochs.saturating_sub(run.initial_epoch);
        self.planned = self.steps.unwrap_or(all);
        self.check()?;
        self.rates.clear();
        self.losses.clear();
        self.average = 0.0;
        self.before = control.keep();
        Ok(())
    }

    fn wants_batches(&self) -> bool {
        true
    }

    fn on_batch_begin(&mut self, control: &mut Control, _batch: usize) -> Result<()> {
        let rate = self.rate(self.rates.len());
        control.set_learning_rate(rate);
        Ok(())
    }

    fn on_batch_end(&mut self, control: &mut Control, _batch: usize, _logs: &Logs) -> Result<()> {
        let loss = f64::from(control.batch_loss());
        if !loss.is_finite() {
            return Ok(());
        }
        let batch = self.rates.len();
        self.average = self.beta * self.average + (1.0 - self.beta) * loss;
        let smooth = self.average / (1.0 - self.beta.powi(batch as i32 + 1));
        self.rates.push(self.rate(batch));
        self.losses.push(smooth as f32);
        let least = self.losses.iter().copied().fold(f32::INFINITY, f32::min);
        let ruined = smooth > self.stop_factor * f64::from(least) && least > 0.0;
        if ruined || self.rates.len() == self.planned {
            control.stop();
        }
        Ok(())
    }

    /// The end of the test, not of the world.
    fn on_non_finite(&mut self, control: &mut Control, _batch: usize, _loss: f32) -> Result<()> {
        control.stop();
        Ok(())
    }

    fn on_train_end(&mut self, control: &mut Control, _logs: &Logs) -> Result<()> {
        if let Some(before) = self.before.take() {
            control.put_back(before);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn data() -> (Array2<f32>, Array1<f32>) {
        let x = Array2::from_shape_fn((200, 3), |(i, j)| ((i * (j + 5)) as f32 * 0.37).sin());
        let y = x.map_axis(ndarray::Axis(1), |row| row[0] - 0.5 * row[1] + row[2]);
        (x, y)
    }

    fn model(optimizer: impl Optimizer + 'static) -> Sequential {
        let mut model = Sequential::new()
            .seed(1)
            .add(Dense::new(8).input_dim(3).activation(Tanh))
            .add(Dense::new(1));
        model
            .compile(Compile::new(optimizer, MeanSquaredError::new()))
            .unwrap();
        model
    }

    #[test]
    fn a_rate_is_found_and_the_model_is_as_before() {
        let (x, y) = data();
        for ema in [false, true] {
            let fit = || Fit::new().epochs(3).batch_size(10).verbose(0);
            let mut finder = LearningRateFinder::new().min_lr(1e-5);
            let mut model = model(Adam::new().learning_rate(0.003).use_ema(ema));
            let mut untouched = model.clone();
            // Moments and steps are there already.
            let short = || Fit::new().batch_size(50).verbose(0);
            model.fit(&x, &y, short()).unwrap();
            untouched.fit(&x, &y, short()).unwrap();
            let long = Fit::new().epochs(10).batch_size(10).verbose(0);
            model.fit(&x, &y, long.callback(&mut finder)).unwrap();
            let rate = finder.suggestion().unwrap();
            assert!((1e-4..1.0).contains(&rate), "{finder}");
            assert!(rate <= finder.minimum().unwrap());
            assert_eq!(finder.rates().len(), finder.losses().len());
            assert!((finder.rates()[0] / 1e-5 - 1.0).abs() < 1e-6);
            assert_eq!(model.get_weights(), untouched.get_weights());
            let (again, same) = (model.fit(&x, &y, fit()), untouched.fit(&x, &y, fit()));
            assert_eq!(again.unwrap(), same.unwrap());
        }
    }

    #[test]
    fn the_test_ends_where_the_loss_is_ruined() {
        let (x, y) = data();
        let mut finder = LearningRateFinder::new().max_lr(1e12).min_lr(1.0).beta(0.0);
        let fit = Fit::new()
            .epochs(5)
            .batch_size(10)
            .verbose(0)
            .callback(&mut finder);
        let mut model = model(SGD::new());
        let before = model.get_weights();
        model.fit(&x, &y, fit).unwrap();
        assert!(finder.rates().len() < 50, "{:?}", finder.losses());
        assert_eq!(model.get_weights(), before);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let (x, y) = data();
        let new = LearningRateFinder::new;
        for (finder, part) in [
            (new().min_lr(0.0), "min_lr"),
            (new().min_lr(2.0).max_lr(1.0), "max_lr"),
            (new().beta(1.0), "beta"),
            (new().stop_factor(1.0), "stop_factor"),
            (new().steps(1), "steps"),
        ] {
            let fit = Fit::new().verbose(0).callback(finder);
            let error = model(SGD::new()).fit(&x, &y, fit).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(new().suggestion().is_none());
        assert!(new().to_string().starts_with("no learning rate"));
    }

    #[cfg(feature = "plot")]
    #[test]
    fn the_curve_is_drawn() {
        let (x, y) = data();
        let mut finder = LearningRateFinder::new();
        assert!(finder.to_svg().is_err());
        let fit = Fit::new()
            .epochs(5)
            .batch_size(10)
            .verbose(0)
            .callback(&mut finder);
        model(SGD::new()).fit(&x, &y, fit).unwrap();
        let svg = finder.to_svg().unwrap();
        assert!(
            svg.starts_with("<svg") && svg.contains("learning rate"),
            "{svg}"
        );
    }
}
