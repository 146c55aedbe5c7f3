//! [`Weights`]: a copy of what a model has learned, to look at and to put back.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use crate::graph::variables::Variables;
use crate::kernels::aligned::Aligned;

/// A copy of all weights of a model, made by [`Control::weights`](super::Control::weights).
///
/// It is one run of memory, so that copying and putting back cost no more than moving it, and are
/// exact to the bit.
///
/// # Examples
///
/// ```
/// use horn::callbacks::Weights;
/// use horn::prelude::*;
///
/// /// Keeps the weights of the first epoch.
/// #[derive(Default)]
/// struct First(Weights);
///
/// impl Callback for First {
///     fn on_epoch_end(&mut self, control: &mut Control, epoch: usize, _: &Logs) -> Result<()> {
///         if epoch == 0 {
///             self.0 = control.weights();
///         }
///         Ok(())
///     }
/// }
///
/// let mut model = Sequential::new().seed(1).add(Dense::new(1).input_dim(1));
/// model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
/// let mut first = First::default();
/// let fit = Fit::new().epochs(3).verbose(0).callback(&mut first);
/// model.fit(&array![[1.0]], &array![2.0], fit)?;
///
/// let shapes: Vec<_> = first.0.iter().map(|(path, shape, _)| (path, shape.to_vec())).collect();
/// assert_eq!(shapes, [("dense/kernel", vec![1, 1]), ("dense/bias", vec![1])]);
/// model.set_weights(&first.0.to_arrays())?;
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Weights {
    pub(super) variables: Arc<Variables>,
    pub(super) values: Aligned,
}

impl Weights {
    /// Path, shape and values of each weight, in the order of
    /// [`Model::weights`](crate::model::Model::weights).
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        each(&self.variables, &self.values)
    }

    /// The values of the weight at this path, row-major.
    pub fn get(&self, path: &str) -> Option<&[f32]> {
        let spec = self.variables.specs.get(self.variables.find(path)?)?;
        self.values.get(spec.range.clone())
    }

    /// Values of these variables, as they lie in the arena.
    pub(crate) fn new(variables: &Arc<Variables>, values: Aligned) -> Self {
        Weights {
            variables: Arc::clone(variables),
            values,
        }
    }

    /// The values as they lie in the arena.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// How many weights there are.
    pub fn len(&self) -> usize {
        self.variables.specs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`Model::set_weights`](crate::model::Model::set_weights) takes.
    pub fn to_arrays(&self) -> Vec<ArrayD<f32>> {
        self.iter()
            .filter_map(|(_, shape, values)| {
                ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).ok()
            })
            .collect()
    }
}

/// Path, shape and values of each variable of an arena.
pub(super) fn each<'a>(
    variables: &'a Variables,
    arena: &'a [f32],
) -> impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])> {
    variables.specs.iter().filter_map(|spec| {
        let values = arena.get(spec.range.clone())?;
        Some((spec.path.as_str(), spec.shape.dims(), values))
    })
}
