//! [`Model::copy_weights_from`]: weights moved between models by the names of their layers.

use super::examples::shape_text;
use super::functional::Model;
use crate::error::{Error, Result};

/// What [`Model::copy_weights_from`] has done.
///
/// # Examples
///
/// See [`Model::copy_weights_from`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// The layers whose weights were copied.
    pub copied: Vec<String>,
    /// The layers with weights that the other model has not, or of other shapes; they are as they
    /// were.
    pub left: Vec<String>,
}

impl Model {
    /// Copies the weights of the layers of another model that have the same name, as Keras's
    /// `load_weights(by_name=True)` does from a file. Layers of names of their own stay as they are.
    ///
    /// Layers of the same name and other shapes are an error, unless `skip_mismatch`: then they stay,
    /// too.
    ///
    /// # Errors
    ///
    /// A model that is not built; shapes that do not fit, with the layer and both shapes; no layer of
    /// the same name. Then no weight is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut trained = Sequential::new()
    ///     .add(Dense::new(8).input_dim(4).name("features"))
    ///     .add(Dense::new(1).name("price"));
    /// trained.build()?;
    /// let mut model = Sequential::new()
    ///     .add(Dense::new(8).input_dim(4).name("features"))
    ///     .add(Dense::new(3).name("kind"));
    /// model.build()?;
    ///
    /// let transfer = model.copy_weights_from(&trained, false)?;
    /// assert_eq!((transfer.copied, transfer.left), (vec!["features".into()], vec!["kind".into()]));
    /// assert_eq!(model.get_weights()[0], trained.get_weights()[0]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn copy_weights_from(&mut self, other: &Model, skip_mismatch: bool) -> Result<Transfer> {
        let method = "copy_weights_from";
        self.built_parts(method)?;
        other.built_parts(method)?;
        let mut transfer = Transfer::default();
        let mut copies = Vec::new();
        let theirs = other.layers();
        for own in self.layers() {
            if own.weights().is_empty() {
                continue;
            }
            let known = theirs.iter().find(|layer| layer.name() == own.name());
            let shapes = |layer: &super::LayerRef| -> Vec<Vec<usize>> {
                let weights = layer.weights().iter();
                weights.map(|weight| weight.shape().to_vec()).collect()
            };
            match known {
                Some(layer) if shapes(layer) == shapes(&own) => {
                    for (to, from) in own.weights().iter().zip(layer.weights()) {
                        let from: Vec<f32> = from.values().iter().copied().collect();
                        copies.push((to.path().to_string(), from));
                    }
                    transfer.copied.push(own.name().to_string());
                }
                Some(layer) if !skip_mismatch => {
                    let text = |shapes: Vec<Vec<usize>>| -> String {
                        let shapes = shapes.iter().map(|shape| shape_text(shape));
                        shapes.collect::<Vec<_>>().join(" and ")
                    };
                    return Err(Error::Shape {
                        place: format!("layer `{}`", own.name()),
                        expected: format!("weights of shapes {}", text(shapes(&own))),
                        found: text(shapes(layer)),
                        hint: "give the layer another name, or skip what does not match".into(),
                    });
                }
                _ => transfer.left.push(own.name().to_string()),
            }
        }
        if transfer.copied.is_empty() && !skip_mismatch {
            return Err(Error::argument(
                method,
                "other",
                format!("a model with a layer named {}", transfer.left.join(" or ")),
                "none",
            ));
        }
        let Some(built) = &mut self.built else {
            return Err(Error::NotBuilt { method });
        };
        for (path, from) in copies {
            let spec = built.variables.find(&path);
            let spec = spec.and_then(|number| built.variables.specs.get(number));
            if let Some(spec) = spec
                && let Some(to) = built.parameters.get_mut(spec.range.clone())
            {
                to.copy_from_slice(&from);
            }
        }
        Ok(transfer)
    }
}
