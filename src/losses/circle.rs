//! [`Circle`].

use serde::{Deserialize, Serialize};

use super::{Loss, Reduction, Targets, shared_settings};
use crate::error::{Error, Result};
use crate::graph::Value;

/// Draws the vectors of rows with the same id together and those of different ids apart.
///
/// With `d = max(1 - p pᵀ, 0)` between all pairs of rows of a batch, `softplus(P + N)` where
/// `P = logsumexp(-gamma max(margin + d, 0) (margin - d))` over the other rows of the same id and
/// `N = logsumexp(gamma max(1 + margin - d, 0) (1 - margin - d))` over those of other ids.
/// Ids `(batch,)`, any whole numbers, and vectors of length 1 `(batch, columns)` cost `(batch,)`.
/// Rows that cost nothing are left out of the mean, as in Keras.
///
/// Source: Sun et al. 2020, <https://arxiv.org/abs/2002.10857>;
/// <https://keras.io/api/losses/>, Keras's `Circle`.
///
/// # Examples
///
/// ```
/// use horn::losses::Circle;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(4).input_dim(3));
/// model.compile(Compile::new(Adam::new(), Circle::new().gamma(64.0)))?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Circle {
    name: String,
    reduction: Reduction,
    gamma: f32,
    margin: f32,
    remove_diagonal: bool,
}

impl Default for Circle {
    fn default() -> Self {
        Circle {
            name: "circle".into(),
            reduction: Reduction::default(),
            gamma: 80.0,
            margin: 0.4,
            remove_diagonal: true,
        }
    }
}

impl Circle {
    shared_settings!(builder);

    /// How sharp the distances are told apart. Default: 80.
    pub fn gamma(mut self, gamma: f32) -> Self {
        self.gamma = gamma;
        self
    }

    /// How far apart the two kinds of pairs shall be. Default: 0.4.
    pub fn margin(mut self, margin: f32) -> Self {
        self.margin = margin;
        self
    }

    /// Whether a row is not compared with itself. Default: true.
    pub fn remove_diagonal(mut self, remove: bool) -> Self {
        self.remove_diagonal = remove;
        self
    }
}

/// The logarithm of the sum of `exp(x)` along the rows, where `mask` is 1; very small without any.
fn log_sum_exp(x: &Value, mask: &Value) -> Value {
    let x = mask.select(x, -1e30);
    // Of an infinite largest one the others would have no difference.
    let top = x.max_keepdims(-1).minimum(f32::MAX).stop_gradient();
    (x - &top).exp().sum(-1).ln() + top.squeeze(-1)
}

impl Loss for Circle {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Value {
        if y_pred.rank() != 2 || y_true.rank() != 1 {
            return y_pred.fail(format!(
                "`Circle` expects ids of shape (batch,) and vectors of shape (batch, columns), \
                 got {} and {}",
                y_true.shape(),
                y_pred.shape()
            ));
        }
        let d = &(1.0 - y_pred.matmul(&y_pred.transpose([1, 0]))).maximum(0.0);
        let same = y_true.expand_dims(1).equal(y_true.expand_dims(0));
        let other = 1.0 - &same;
        let same = match self.remove_diagonal {
            true => {
                let rows = y_true.dim(0);
                let mut off = vec![1.0; rows * rows];
                off.iter_mut().step_by(rows + 1).for_each(|v| *v = 0.0);
                &same * same.constant(&off, [rows, rows])
            }
            false => same,
        };
        let near = (d + self.margin).maximum(0.0) * (self.margin - d) * -self.gamma;
        let far = (1.0 + self.margin - d).maximum(0.0) * (1.0 - self.margin - d) * self.gamma;
        (log_sum_exp(&near, &same) + log_sum_exp(&far, &other)).softplus()
    }

    fn targets(&self) -> Targets {
        Targets::Groups
    }

    fn mask(&self, _y_true: &Value, costs: &Value) -> Option<Value> {
        Some(costs.greater(0.0))
    }

    fn validate(&self) -> Result<()> {
        for (argument, value) in [("gamma", self.gamma), ("margin", self.margin)] {
            if !value.is_finite() {
                return Err(Error::argument("Circle", argument, "finite", value));
            }
        }
        Ok(())
    }

    shared_settings!(loss "Circle");
}
