//! [`SwapEmaWeights`]: validation with the averages of the weights.

use super::{Callback, Control, Logs, Run};
use crate::error::{Error, Result};

/// Puts the optimizer's moving averages in the place of the weights for the time of each validation.
///
/// It needs an optimizer with `use_ema`. With `swap_on_epoch` the averages also stay there from an
/// epoch's end to the next one's begin, for callbacks behind this one in the list, such as
/// [`ModelCheckpoint`](super::ModelCheckpoint). The averages are the weights at the end, also when
/// training is stopped early; Keras then ends with the weights that are not averaged.
///
/// Source: <https://keras.io/api/callbacks/swap_ema_weights/>
///
/// # Examples
///
/// ```
/// use horn::callbacks::SwapEmaWeights;
/// use horn::prelude::*;
///
/// let x = Array2::from_shape_fn((20, 1), |(row, _)| row as f32 / 20.0);
/// let y = &x * 2.0;
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// let sgd = SGD::new().learning_rate(0.1).use_ema(true).ema_momentum(0.9);
/// model.compile(Compile::new(sgd, MeanSquaredError::new()))?;
/// let fit = Fit::new().epochs(5).validation_split(0.2).verbose(0);
/// let history = model.fit(&x, &y, fit.callback(SwapEmaWeights::new()))?;
///
/// // The last validation saw the weights that the model ends with.
/// let held = (x.slice(s![16.., ..]), y.slice(s![16.., ..]));
/// assert_eq!(model.evaluate(&held.0, &held.1)?["loss"], history["val_loss"][4]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SwapEmaWeights {
    swap_on_epoch: bool,
}

impl SwapEmaWeights {
    /// Swaps for validation only.
    pub fn new() -> Self {
        SwapEmaWeights::default()
    }

    /// Whether the averages stay from an epoch's end to the next one's begin. Default: false.
    pub fn swap_on_epoch(mut self, swap: bool) -> Self {
        self.swap_on_epoch = swap;
        self
    }
}

/// Swaps unless it is so already.
fn swap(control: &mut Control, wanted: bool) -> Result<()> {
    match control.ema_swapped() == wanted {
        true => Ok(()),
        false => control.swap_ema_weights(),
    }
}

impl Callback for SwapEmaWeights {
    fn on_train_begin(&mut self, control: &mut Control, _run: &Run) -> Result<()> {
        match control.uses_ema() {
            true => Ok(()),
            false => Err(Error::Callback {
                name: "SwapEmaWeights".into(),
                message: "it needs an optimizer with `.use_ema(true)`".into(),
            }),
        }
    }

    fn on_epoch_begin(&mut self, control: &mut Control, _epoch: usize) -> Result<()> {
        swap(control, false)
    }

    fn on_test_begin(&mut self, control: &mut Control) -> Result<()> {
        swap(control, true)
    }

    fn on_test_end(&mut self, control: &mut Control) -> Result<()> {
        swap(control, false)
    }

    fn on_epoch_end(&mut self, control: &mut Control, _epoch: usize, _logs: &Logs) -> Result<()> {
        match self.swap_on_epoch {
            true => swap(control, true),
            false => Ok(()),
        }
    }
}
