//! [`EinsumDense`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{self, Absent, Base};
use super::einsum::Equation;
use super::{Layer, rules_builder, shared_settings};
use crate::activations::{Activation, Linear};
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::graph::{Scope, Value};
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::random::Rng;
use crate::regularizers::Regularizer;

/// A dense layer whose sums an equation describes: `y = activation(einsum(equation, x, kernel) +
/// bias)`.
///
/// `"abc,cd->abd"` is [`Dense`](super::Dense) on the last axis. Letters name the axes of inputs
/// (the batch first), kernel and outputs; `...` stands for axes that stay as they are, at the
/// beginning (`"...x,xy->...y"`) or the end (`"ab...,bc->ac..."`). `output_shape` holds the lengths
/// of the outputs' axes without the batch and the axes behind `...`, with nothing for those that the
/// inputs give. `bias_axes` names those of the outputs that the bias has.
///
/// | | shape |
/// |---|---|
/// | `kernel` | the lengths of its letters, `GlorotUniform` |
/// | `bias` | the lengths of the outputs from the first of `bias_axes` on, 1 where it has none; `Zeros` |
///
/// Initializers that look at the number of inputs and outputs count as inputs the axes of the kernel
/// that are summed over, as Keras does.
///
/// Source: <https://keras.io/api/layers/core_layers/einsum_dense/>
///
/// # Examples
///
/// ```
/// use horn::layers::EinsumDense;
/// use horn::prelude::*;
///
/// let mut model = Sequential::new()
///     .add(Input::new([32, 128]))
///     .add(EinsumDense::new("abc,cd->abd", [None, Some(64)]).bias_axes("d"));
/// model.build()?;
/// assert_eq!(model.output_shape()?, [32, 64]);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EinsumDense {
    #[serde(flatten)]
    base: Base,
    output_shape: Lengths,
    equation: String,
    #[serde(with = "config::activation")]
    activation: Arc<dyn Activation>,
    bias_axes: Option<String>,
    #[serde(with = "config::initializer")]
    kernel_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::initializer")]
    bias_initializer: Arc<dyn Initializer>,
    #[serde(with = "config::regularizer")]
    kernel_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    bias_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::regularizer")]
    activity_regularizer: Option<Arc<dyn Regularizer>>,
    #[serde(with = "config::constraint")]
    kernel_constraint: Option<Arc<dyn Constraint>>,
    #[serde(with = "config::constraint")]
    bias_constraint: Option<Arc<dyn Constraint>>,
    quantization_config: Absent,
    #[serde(skip_serializing)]
    lora_rank: Absent,
}

/// Lengths of axes, one alone or several, of which some may be open; written as a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "OneOrMore")]
struct Lengths(Vec<Option<usize>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(usize),
    More(Vec<Option<usize>>),
}

impl From<OneOrMore> for Lengths {
    fn from(read: OneOrMore) -> Self {
        match read {
            OneOrMore::One(length) => Lengths(vec![Some(length)]),
            OneOrMore::More(all) => Lengths(all),
        }
    }
}

impl Default for EinsumDense {
    fn default() -> Self {
        EinsumDense {
            base: Base::default(),
            output_shape: Lengths::default(),
            equation: String::new(),
            activation: Arc::new(Linear),
            bias_axes: None,
            kernel_initializer: Arc::new(GlorotUniform::new()),
            bias_initializer: Arc::new(Zeros),
            kernel_regularizer: None,
            bias_regularizer: None,
            activity_regularizer: None,
            kernel_constraint: None,
            bias_constraint: None,
            quantization_config: Absent::default(),
            lora_rank: Absent::default(),
        }
    }
}

impl EinsumDense {
    /// By this equation, for outputs of these lengths.
    pub fn new(equation: impl Into<String>, output_shape: impl Into<Vec<Option<usize>>>) -> Self {
        EinsumDense {
            equation: equation.into(),
            output_shape: Lengths(output_shape.into()),
            ..Self::default()
        }
    }

    /// What the sums go through. Default: nothing ([`Linear`]).
    pub fn activation(mut self, activation: impl Activation + 'static) -> Self {
        self.activation = Arc::new(activation);
        self
    }

    /// The letters of the outputs that the bias has. Default: no bias.
    pub fn bias_axes(mut self, axes: impl Into<String>) -> Self {
        self.bias_axes = Some(axes.into());
        self
    }

    rules_builder!(kernel);
    rules_builder!(bias);
    rules_builder!(activity);
    shared_settings!(builder plain);
}

/// An initializer that scales by the number of inputs, told which axes of the kernel they are.
#[derive(Debug)]
struct Fans {
    initializer: Arc<dyn Initializer>,
    fans: [usize; 2],
}

impl Fans {
    /// The initializer with these fans, or itself where it does not look at them.
    fn around(initializer: &Arc<dyn Initializer>, fans: [usize; 2]) -> Arc<dyn Initializer> {
        let scales = [
            "VarianceScaling",
            "GlorotUniform",
            "GlorotNormal",
            "HeUniform",
            "HeNormal",
            "LecunUniform",
            "LecunNormal",
        ];
        let initializer = Arc::clone(initializer);
        match scales.contains(&initializer.class_name()) {
            true => Arc::new(Fans { initializer, fans }),
            false => initializer,
        }
    }
}

impl Initializer for Fans {
    fn class_name(&self) -> &str {
        self.initializer.class_name()
    }

    /// Every axis of the kernel is either summed over or one of the outputs: as a matrix of the
    /// two it has the same numbers.
    fn fill(&self, _shape: &[usize], rng: &mut Rng, out: &mut [f32]) -> Result<()> {
        self.initializer.fill(&self.fans, rng, out)
    }

    fn config(&self) -> serde_json::Value {
        self.initializer.config()
    }
}

impl Layer for EinsumDense {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let equation = Equation::parse(&self.equation)
            .and_then(|equation| equation.resolve(x.shape().dims(), &self.output_shape.0));
        let equation = match equation {
            Ok(equation) => equation,
            Err(message) => return x.fail(format!("`equation` {:?}: {message}", self.equation)),
        };
        let kernel = scope.ruled_weight(
            "kernel",
            &equation.kernel,
            &Fans::around(&self.kernel_initializer, equation.fans()),
            &self.kernel_regularizer,
            &self.kernel_constraint,
        );
        let mut y = equation.apply(x, &kernel);
        if let Some(axes) = &self.bias_axes {
            let (shape, beside) = match equation.bias(axes) {
                Ok(shapes) => shapes,
                Err(message) => return x.fail(format!("`bias_axes` {axes:?}: {message}")),
            };
            let bias = scope.ruled_weight(
                "bias",
                &shape,
                &self.bias_initializer,
                &self.bias_regularizer,
                &self.bias_constraint,
            );
            // A bias of the last axes is one that products of matrices add themselves.
            y = match y.shape().dims().ends_with(&shape) {
                true => y + bias,
                false => y + bias.reshape(beside),
            };
        }
        let y = self.activation.call(&y);
        if let Some(regularizer) = &self.activity_regularizer {
            scope.regularize_activity(&y, regularizer);
        }
        y
    }

    fn class_name(&self) -> &str {
        "EinsumDense"
    }

    fn validate(&self) -> Result<()> {
        match Equation::parse(&self.equation) {
            Ok(_) => Ok(()),
            Err(message) => {
                let found = format!("{:?}", self.equation);
                Err(Error::argument("EinsumDense", "equation", message, found))
            }
        }
    }

    shared_settings!(layer masked);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Probe;

    /// Keras 3.15 draws the kernel (4, 2, 5) of this equation between the limits of `fan_in` 4 and
    /// `fan_out` 10, not those of the last two axes.
    #[test]
    fn initializers_count_the_axes_that_are_summed_over() -> Result<()> {
        let equation = || EinsumDense::new("abc,cde->abde", [None, Some(200), Some(5)]);
        let largest = |layer: &EinsumDense| -> Result<f32> {
            let mut model = crate::model::Sequential::new().seed(3);
            model.push(super::super::Input::new([3, 4]));
            model.push(layer.clone());
            model.build()?;
            let weights = model.get_weights();
            Ok(weights[0].iter().fold(0.0, |most, w| w.abs().max(most)))
        };
        let limit = (6.0_f32 / (4.0 + 1000.0)).sqrt();
        let got = largest(&equation())?;
        assert!(got <= limit && got > 0.98 * limit, "{got} {limit}");
        // An initializer that does not look is left as it is.
        let uniform = crate::initializers::RandomUniform::new();
        assert!(largest(&equation().kernel_initializer(uniform))? <= 0.05);
        Ok(())
    }

    #[test]
    fn gradients_are_those_of_finite_differences() -> Result<()> {
        for (equation, output, axes, shape) in [
            (
                "abc,cde->abde",
                vec![None, Some(2), Some(3)],
                "be",
                &[2, 3, 4][..],
            ),
            ("...b,bc->...c", vec![Some(3)], "c", &[2, 2, 4]),
            ("ab...,bc->ac...", vec![Some(3)], "c", &[2, 4, 2]),
            ("abc,cb->ab", vec![None], "b", &[2, 3, 4]),
        ] {
            let layer = EinsumDense::new(equation, output)
                .bias_axes(axes)
                .activation(crate::activations::Tanh);
            let mut probe = Probe::layer(&layer, shape, true)?;
            probe.randomize(5);
            assert!(probe.check_gradients(5)? < 1e-2, "{equation}");
        }
        Ok(())
    }
}
