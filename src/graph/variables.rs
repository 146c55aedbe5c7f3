//! The variables of a model: names, shapes, and where each lies in the one flat arena.

use std::ops::Range;
use std::sync::Arc;

use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::kernels::aligned::Aligned;
use crate::random::{Purpose, stream};
use crate::shape::Shape;

/// One variable.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Keras's path, for example `dense/kernel`.
    pub(crate) path: String,
    pub(crate) shape: Shape,
    /// Whether the optimizer may change it: a weight of a layer that is not frozen.
    pub(crate) trainable: bool,
    pub(crate) initializer: Arc<dyn Initializer>,
    /// What it is put back into after each update.
    pub(crate) constraint: Option<Arc<dyn Constraint>>,
    /// Where it lies in the arena.
    pub(crate) range: Range<usize>,
}

/// All variables, in the order in which the layers declare them.
///
/// In the arena the trainable ones come first, so that an optimizer's pass, a gradient's norm or
/// an exchange between machines is one run over contiguous memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    pub(crate) specs: Vec<Spec>,
    /// The length of the trainable part.
    pub(crate) trainable: usize,
    /// The length of the arena.
    pub(crate) total: usize,
}

impl Variables {
    /// The number of the variable with this path.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.specs.iter().position(|spec| spec.path == path)
    }

    /// Whether other variables have the same paths and shapes and lie in the same places.
    pub(crate) fn same_places(&self, other: &Variables) -> bool {
        let place = |spec: &Spec| (spec.shape, spec.range.clone());
        self.specs.len() == other.specs.len()
            && self
                .specs
                .iter()
                .zip(&other.specs)
                .all(|(own, other)| own.path == other.path && place(own) == place(other))
    }

    /// Gives every variable its place.
    pub(crate) fn lay_out(&mut self) {
        let mut end = 0;
        for trainable in [true, false] {
            for spec in self.specs.iter_mut().filter(|s| s.trainable == trainable) {
                let start = end;
                end = spec.shape.size().saturating_add(end);
                spec.range = start..end;
            }
            if trainable {
                self.trainable = end;
            }
        }
        self.total = end;
    }

    /// An arena of zeros.
    pub(crate) fn zeros(&self) -> Result<Aligned> {
        Aligned::try_zeros(self.total).ok_or_else(|| self.too_large())
    }

    /// An arena with fresh values, each variable from a stream of its own.
    pub(crate) fn initial(&self, seed: u64) -> Result<Aligned> {
        let mut arena = self.zeros()?;
        for spec in &self.specs {
            let mut rng = stream(seed, Purpose::Weights, &spec.path, 0);
            if let Some(out) = arena.get_mut(spec.range.clone()) {
                spec.initializer.fill(spec.shape.dims(), &mut rng, out)?;
            }
        }
        Ok(arena)
    }

    /// Puts constrained variables back into what their constraints allow.
    pub(crate) fn constrain(&self, arena: &mut [f32]) {
        for spec in self.specs.iter().filter(|spec| spec.trainable) {
            if let Some(constraint) = &spec.constraint
                && let Some(weights) = arena.get_mut(spec.range.clone())
            {
                constraint.apply(weights, spec.shape.dims());
            }
        }
    }

    /// The error of an arena that memory cannot hold, by its largest variable.
    fn too_large(&self) -> Error {
        let largest = self.specs.iter().max_by_key(|spec| spec.shape.size());
        let (path, shape) = largest.map_or(("", Shape::SCALAR), |s| (s.path.as_str(), s.shape));
        Error::Layer {
            layer: path.split('/').next().unwrap_or(path).to_string(),
            message: format!(
                "weight `{path}` of shape {shape} does not fit in memory: use fewer units"
            ),
        }
    }

    /// Copies the values of variables that another arena has too, by path and shape.
    pub(crate) fn carry(&self, arena: &mut Aligned, other: &Variables, values: &[f32]) {
        for spec in &self.specs {
            let twin = other.specs.iter().find(|o| o.path == spec.path);
            if let Some(twin) = twin.filter(|twin| twin.shape == spec.shape)
                && let Some(to) = arena.get_mut(spec.range.clone())
                && let Some(from) = values.get(twin.range.clone())
            {
                to.copy_from_slice(from);
            }
        }
    }
}
