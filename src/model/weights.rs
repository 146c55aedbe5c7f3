//! Looking into a model: its layers and weights.

use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::examples::shape_text;
use super::functional::Model;
use crate::error::{Error, Result};
use crate::graph::Shape;
use crate::graph::variables::Spec;
use crate::layers::Layer;
use crate::saving::npz;

/// A weight of a model: its name, shape and values.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
/// model.build()?;
/// let kernel = &model.weights()[0];
/// assert_eq!((kernel.path(), kernel.shape()), ("dense/kernel", [2, 3].as_slice()));
/// assert!(kernel.trainable());
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Weight<'m> {
    path: &'m str,
    trainable: bool,
    values: ArrayViewD<'m, f32>,
}

impl<'m> Weight<'m> {
    /// Keras's path: the layer's name and the weight's, as in `dense/kernel`.
    pub fn path(&self) -> &'m str {
        self.path
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        self.values.shape()
    }

    /// Whether training changes it.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// The values.
    pub fn values(&self) -> ArrayViewD<'m, f32> {
        self.values.clone()
    }
}

/// A layer in its model: its name there, its output shape, its parameters.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
///
/// let mut model = Sequential::new().add(Dense::new(3).input_dim(2)).add(Dense::new(1));
/// model.build()?;
/// let layer = model.get_layer("dense_1")?;
/// assert_eq!(layer.class_name(), "Dense");
/// assert_eq!(layer.output_shape().as_deref(), Some("(None, 1)"));
/// assert_eq!(layer.count_params(), 4);
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LayerRef<'m> {
    name: String,
    layer: &'m dyn Layer,
    output: Option<Shape>,
    trainable: bool,
    weights: Vec<Weight<'m>>,
}

impl<'m> LayerRef<'m> {
    /// The layer's name in its model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its class.
    pub fn class_name(&self) -> &'m str {
        self.layer.class_name()
    }

    /// The layer itself.
    pub fn layer(&self) -> &'m dyn Layer {
        self.layer
    }

    /// The shape of its output as Keras prints it, once the model is built.
    pub fn output_shape(&self) -> Option<String> {
        self.output.map(|shape| shape.batched())
    }

    /// Whether training changes its weights.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Its weights.
    pub fn weights(&self) -> &[Weight<'m>] {
        &self.weights
    }

    /// How many numbers its weights hold.
    pub fn count_params(&self) -> usize {
        self.weights.iter().map(|weight| weight.values.len()).sum()
    }
}

impl Model {
    /// The layers, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let model = Sequential::new().add(Dense::new(3).input_dim(2)).add(Dense::new(1));
    /// let names: Vec<String> = model.layers().iter().map(|l| l.name().to_string()).collect();
    /// assert_eq!(names, ["dense", "dense_1"]);
    /// ```
    pub fn layers(&self) -> Vec<LayerRef<'_>> {
        let weights = self.weights();
        let nodes = self
            .network
            .nodes
            .iter()
            .zip(self.network.names())
            .enumerate();
        nodes
            .map(|(place, (node, name))| LayerRef {
                weights: weights
                    .iter()
                    .filter(|weight| weight.path.split('/').next() == Some(name.as_str()))
                    .cloned()
                    .collect(),
                name,
                layer: node.layer.as_ref(),
                output: self
                    .built
                    .as_ref()
                    .and_then(|b| b.layers.get(place).copied()),
                trainable: node.trainable(),
            })
            .collect()
    }

    /// The layer of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], with the nearest names.
    ///
    /// # Examples
    ///
    /// See [`LayerRef`].
    pub fn get_layer(&self, name: &str) -> Result<LayerRef<'_>> {
        let mut layers = self.layers();
        match layers.iter().position(|layer| layer.name == name) {
            Some(place) => Ok(layers.swap_remove(place)),
            None => {
                let known: Vec<String> = layers.into_iter().map(|layer| layer.name).collect();
                Err(Error::unknown(
                    "layer",
                    name,
                    known.iter().map(String::as_str),
                ))
            }
        }
    }

    /// The weights, in the order of the layers; none before the model is built.
    ///
    /// # Examples
    ///
    /// See [`Weight`].
    pub fn weights(&self) -> Vec<Weight<'_>> {
        let Some(built) = &self.built else {
            return Vec::new();
        };
        let weight = |spec: &'_ Spec| {
            let values = built.parameters.get(spec.range.clone())?;
            let values = ArrayViewD::from_shape(IxDyn(spec.shape.dims()), values).ok()?;
            Some((spec.trainable, values))
        };
        let specs = built.variables.specs.iter();
        specs
            .filter_map(|spec| {
                let (trainable, values) = weight(spec)?;
                Some(Weight {
                    path: &spec.path,
                    trainable,
                    values,
                })
            })
            .collect()
    }

    /// A copy of all weights, in the order of [`weights`](Self::weights).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(2));
    /// model.build()?;
    /// let mut weights = model.get_weights();
    /// weights[1].fill(0.5);
    /// model.set_weights(&weights)?;
    /// assert_eq!(model.get_weights(), weights);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn get_weights(&self) -> Vec<ArrayD<f32>> {
        self.weights()
            .iter()
            .map(|weight| weight.values.to_owned())
            .collect()
    }

    /// Sets all weights, in the order of [`weights`](Self::weights).
    ///
    /// # Errors
    ///
    /// A model that is not built, another number of weights, or one of another shape; then no
    /// weight is changed.
    ///
    /// # Examples
    ///
    /// See [`get_weights`](Self::get_weights).
    pub fn set_weights(&mut self, weights: &[ArrayD<f32>]) -> Result<()> {
        let Some(built) = &mut self.built else {
            return Err(Error::NotBuilt {
                method: "set_weights",
            });
        };
        let specs = &built.variables.specs;
        if weights.len() != specs.len() {
            return Err(Error::Shape {
                place: "`set_weights`".into(),
                expected: format!("{} arrays", specs.len()),
                found: format!("{}", weights.len()),
                hint: "give one array for each of `weights()`".into(),
            });
        }
        for (spec, weight) in specs.iter().zip(weights) {
            if weight.shape() != spec.shape.dims() {
                return Err(Error::Shape {
                    place: format!("weight `{}`", spec.path),
                    expected: shape_text(spec.shape.dims()),
                    found: shape_text(weight.shape()),
                    hint: "give the arrays in the order of `weights()`".into(),
                });
            }
        }
        for (spec, weight) in specs.iter().zip(weights) {
            if let Some(to) = built.parameters.get_mut(spec.range.clone()) {
                to.iter_mut()
                    .zip(weight.iter())
                    .for_each(|(to, from)| *to = *from);
            }
        }
        Ok(())
    }

    /// Writes the weights to a `.npz` file of numpy, each under its path.
    ///
    /// `numpy.load(path)["dense/kernel"]` reads one.
    ///
    /// # Errors
    ///
    /// [`Error::NotBuilt`] for a model without weights; [`Error::Io`] when the file cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("weights.npz");
    ///
    /// let mut model = Sequential::new().seed(1).add(Dense::new(3).input_dim(2));
    /// model.build()?;
    /// model.save_weights_npz(&path)?;
    ///
    /// let mut other = Sequential::new().seed(2).add(Dense::new(3).input_dim(2));
    /// other.build()?;
    /// other.load_weights_npz(&path)?;
    /// assert_eq!(other.get_weights(), model.get_weights());
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn save_weights_npz(&self, path: impl AsRef<Path>) -> Result<()> {
        let Some(built) = &self.built else {
            return Err(Error::NotBuilt {
                method: "save_weights_npz",
            });
        };
        let weights = built.variables.specs.iter().filter_map(|spec| {
            let values = built.parameters.get(spec.range.clone())?;
            Some((spec.path.as_str(), spec.shape.dims(), values))
        });
        npz::write(path.as_ref(), weights)
    }

    /// Sets the weights to those of a `.npz` file, found by their paths.
    ///
    /// # Errors
    ///
    /// [`Error::NotBuilt`] for a model without weights, [`Error::Io`] for a file that cannot be read,
    /// [`Error::Unknown`] for one that lacks a weight or has one too many, [`Error::Shape`] for one of
    /// another shape; then no weight is changed.
    ///
    /// # Examples
    ///
    /// See [`save_weights_npz`](Self::save_weights_npz).
    pub fn load_weights_npz(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let Some(built) = &self.built else {
            return Err(Error::NotBuilt {
                method: "load_weights_npz",
            });
        };
        let mut arrays = npz::read(path.as_ref())?;
        let mut weights = Vec::with_capacity(arrays.len());
        for spec in &built.variables.specs {
            match arrays.iter().position(|(name, _)| *name == spec.path) {
                Some(place) => weights.push(arrays.swap_remove(place).1),
                None => {
                    let names = arrays.iter().map(|(name, _)| name.as_str());
                    return Err(Error::unknown("array in the file", &spec.path, names));
                }
            }
        }
        if let Some((name, _)) = arrays.first() {
            let paths = built.variables.specs.iter().map(|spec| spec.path.as_str());
            return Err(Error::unknown("weight of the model", name, paths));
        }
        self.set_weights(&weights)
    }

    /// How many numbers the weights hold; 0 before the model is built.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(12).input_dim(8));
    /// model.build()?;
    /// assert_eq!(model.count_params(), 8 * 12 + 12);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn count_params(&self) -> usize {
        self.built.as_ref().map_or(0, |built| built.variables.total)
    }

    /// Freezes or thaws a layer: whether training changes its weights.
    ///
    /// As in Keras, it takes effect at the next `compile`; until then the model does not train.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], with the nearest names.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(3).input_dim(2)).add(Dense::new(1));
    /// model.build()?;
    /// model.set_trainable("dense", false)?;
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// assert!(!model.get_layer("dense")?.weights()[0].trainable());
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn set_trainable(&mut self, name: &str, trainable: bool) -> Result<()> {
        self.get_layer(name)?;
        let names = self.network.names();
        for (node, own) in self.network.nodes.iter_mut().zip(names) {
            if own == name {
                node.trainable = Some(trainable);
            }
        }
        self.compiled = None;
        Ok(())
    }
}
