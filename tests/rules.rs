//! Regularizers and constraints in a model that is trained, and variables that layers update.

use horn::constraints::{MaxNorm, NonNeg, UnitNorm};
use horn::layers::ActivityRegularization;
use horn::prelude::*;
use horn::regularizers::{L1, L2, Regularizer};

fn data() -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((12, 3), |(i, j)| ((i * 3 + j) as f32 * 0.7).sin());
    let y = Array2::from_shape_fn((12, 1), |(i, _)| (i as f32 * 0.3).cos());
    (x, y)
}

fn compiled(layer: Dense) -> Result<Sequential> {
    let mut model = Sequential::new()
        .seed(3)
        .add(layer.input_dim(3).name("first"))
        .add(Dense::new(1));
    model.compile(Compile::new(
        SGD::new().learning_rate(0.1),
        MeanSquaredError::new(),
    ))?;
    Ok(model)
}

fn kernel(model: &Sequential) -> Vec<f32> {
    model.weights()[0].values().iter().copied().collect()
}

#[test]
fn the_loss_holds_the_penalty() -> Result<()> {
    let (x, y) = data();
    let plain = compiled(Dense::new(4))?;
    let ruled = compiled(Dense::new(4).kernel_regularizer(L2::new(0.5)))?;
    let penalty: f32 = 0.5 * kernel(&ruled).iter().map(|w| w * w).sum::<f32>();
    assert!(penalty > 0.1);
    let difference = ruled.evaluate(&x, &y)?[0] - plain.evaluate(&x, &y)?[0];
    assert!(
        (difference - penalty).abs() < 1e-5,
        "{difference} {penalty}"
    );
    Ok(())
}

/// Every layer can ask for it, as every layer of Keras can, and its configuration says so.
#[test]
fn the_outputs_of_any_layer_can_cost() -> Result<()> {
    let (x, y) = data();
    let ruled = LayerNormalization::new().activity_regularizer(L2::new(0.25));
    let json = horn::layers::to_keras(&ruled);
    assert_eq!(json["config"]["activity_regularizer"]["class_name"], "L2");
    let again = horn::layers::from_keras(&json)?;
    assert_eq!(horn::layers::to_keras(&again), json);
    let plain = horn::layers::to_keras(&LayerNormalization::new());
    assert!(plain["config"].get("activity_regularizer").is_none());
    let score = |add: &dyn Fn(Sequential) -> Sequential| {
        let mut model = add(Sequential::new().seed(1).add(Input::new([3]))).add(Dense::new(1));
        model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
        Ok::<f32, Error>(model.evaluate(&x, &y)?[0])
    };
    let apart = score(&|model| {
        model
            .add(LayerNormalization::new())
            .add(ActivityRegularization::new(0.0, 0.25))
    })?;
    assert_eq!(score(&|model| model.add(again.clone()))?, apart);
    assert_ne!(score(&|model| model.add(LayerNormalization::new()))?, apart);
    Ok(())
}

#[test]
fn outputs_can_cost_too() -> Result<()> {
    let (x, y) = data();
    let plain = compiled(Dense::new(4).activation(Relu))?;
    let ruled = compiled(
        Dense::new(4)
            .activation(Relu)
            .activity_regularizer(L1::new(0.25)),
    )?;
    // Keras divides by the rows, 12 of them.
    let first = ruled.weights()[0].values().to_owned();
    let first = first
        .into_dimensionality::<ndarray::Ix2>()
        .expect("a matrix");
    let outputs = x.dot(&first).mapv(|v| v.max(0.0));
    let penalty = 0.25 * outputs.sum() / 12.0;
    let difference = ruled.evaluate(&x, &y)?[0] - plain.evaluate(&x, &y)?[0];
    assert!(
        (difference - penalty).abs() < 1e-4,
        "{difference} {penalty}"
    );
    Ok(())
}

#[test]
fn frozen_weights_pay_no_penalty() -> Result<()> {
    let (x, y) = data();
    let plain = compiled(Dense::new(4).trainable(false))?;
    let ruled = compiled(
        Dense::new(4)
            .kernel_regularizer(L2::new(0.5))
            .trainable(false),
    )?;
    assert_eq!(ruled.evaluate(&x, &y)?[0], plain.evaluate(&x, &y)?[0]);
    Ok(())
}

#[test]
fn weights_stay_within_their_constraints() -> Result<()> {
    let (x, y) = data();
    let fit = || Fit::new().epochs(3).batch_size(4).verbose(0);

    let mut model = compiled(Dense::new(4).kernel_constraint(NonNeg))?;
    assert!(kernel(&model).iter().any(|w| *w < 0.0));
    model.fit(&x, &y, fit())?;
    assert!(kernel(&model).iter().all(|w| *w >= 0.0));

    let mut model = compiled(Dense::new(4).kernel_constraint(UnitNorm::new()))?;
    model.fit(&x, &y, fit())?;
    let weights = kernel(&model);
    for unit in 0..4 {
        let norm = (0..3)
            .map(|row| weights[row * 4 + unit].powi(2))
            .sum::<f32>();
        assert!((norm - 1.0).abs() < 1e-5, "{norm}");
    }

    let mut model = compiled(Dense::new(4).bias_constraint(MaxNorm::new(0.01)))?;
    model.fit(&x, &y, fit())?;
    let bias = model.weights()[1].values().to_owned();
    assert!(bias.iter().any(|b| *b != 0.0));
    assert!(bias.iter().map(|b| b * b).sum::<f32>().sqrt() <= 0.010_001);
    Ok(())
}

#[test]
fn frozen_weights_are_not_constrained() -> Result<()> {
    let (x, y) = data();
    let mut model = compiled(Dense::new(4).kernel_constraint(NonNeg).trainable(false))?;
    let before = kernel(&model);
    model.fit(&x, &y, Fit::new().verbose(0))?;
    assert_eq!(kernel(&model), before);
    Ok(())
}

#[test]
fn wrong_rules_are_named_with_their_layer() {
    for (layer, words) in [
        (
            Dense::new(4).kernel_constraint(MaxNorm::new(1.0).axis(2)),
            ["`axis`", "got 2"],
        ),
        (
            Dense::new(4).kernel_constraint(MaxNorm::new(-1.0)),
            ["`max_value`", "got -1"],
        ),
        (
            Dense::new(4).bias_regularizer(L2::new(f32::NAN)),
            ["`l2`", "got NaN"],
        ),
        (
            Dense::new(4).kernel_regularizer(Wide),
            ["a single number", "(3, 4)"],
        ),
    ] {
        let message = compiled(layer).expect_err("a wrong rule").to_string();
        assert!(message.contains("first"), "{message}");
        for word in words {
            assert!(message.contains(word), "{message}");
        }
    }
}

/// A penalty that is not a single number.
#[derive(Debug)]
struct Wide;

impl Regularizer for Wide {
    fn call(&self, x: &horn::graph::Value) -> horn::graph::Value {
        x.square()
    }
    fn class_name(&self) -> &str {
        "Wide"
    }
}

/// Keeps the mean of its inputs of the last step.
#[derive(Debug, Clone)]
struct Mean {
    of_weight: bool,
}

impl Layer for Mean {
    fn call(&self, scope: &mut Scope, x: &Value) -> Value {
        let mean = match self.of_weight {
            true => scope.weight("mean", [x.dim(-1)], &Zeros),
            false => scope.fixed("mean", [x.dim(-1)], &Zeros),
        };
        scope.assign(&mean, &x.mean(0));
        x + &mean * 0.0
    }
}

#[test]
fn layers_keep_variables_of_their_own() -> Result<()> {
    let (x, y) = data();
    let mut model = Sequential::new()
        .add(Input::new([3]))
        .add(Mean { of_weight: false })
        .add(Dense::new(1));
    model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
    let mean = |model: &Sequential| -> Vec<f32> {
        let weights = model.weights();
        let mean = weights.iter().find(|w| w.path() == "mean/mean");
        mean.expect("it is there")
            .values()
            .iter()
            .copied()
            .collect()
    };
    model.evaluate(&x, &y)?;
    model.predict(&x)?;
    assert_eq!(mean(&model), [0.0; 3]);

    model.fit(&x, &y, Fit::new().batch_size(12).verbose(0))?;
    let wanted = x.mean_axis(ndarray::Axis(0)).expect("rows");
    for (got, want) in mean(&model).iter().zip(&wanted) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
    Ok(())
}

#[test]
fn what_training_changes_is_not_assigned_to() {
    let mut model = Sequential::new()
        .add(Input::new([3]))
        .add(Mean { of_weight: true });
    let message = model.build().expect_err("both").to_string();
    assert!(message.contains("cannot be assigned to"), "{message}");
}
