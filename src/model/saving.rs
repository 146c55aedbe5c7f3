//! Models to files and back.

use std::path::Path;

use serde_json::Value as Json;

use super::functional::Model;
use super::sequential::Sequential;
use crate::error::{Error, Result};
use crate::saving::whole::{Trained, Whole};
use crate::saving::{self, Format, Load, model_json};

impl Model {
    /// Writes the model to a file: in a `.keras` archive everything, with what it is trained with and
    /// how far; in another format the weights, as [`save_weights`](Self::save_weights).
    ///
    /// Keras 3 opens it with `keras.saving.load_model`. What Keras does not have, a layer of your own
    /// or a loss, is kept for this crate alone; a loss that is a closure cannot be kept, and the model
    /// must be compiled again. The file is there as a whole or not at all.
    ///
    /// Source: <https://keras.io/api/models/model_saving_apis/model_saving_and_loading/>
    ///
    /// # Errors
    ///
    /// [`Error::NotBuilt`] for a model without weights, [`Error::Io`] when the file cannot be written,
    /// [`Error::File`] for a path of another ending.
    ///
    /// # Examples
    ///
    /// Training goes on where it was:
    ///
    /// ```
    /// use horn::prelude::*;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("model.keras");
    ///
    /// let (x, y) = (array![[0.0], [1.0], [2.0]], array![1.0, 3.0, 5.0]);
    /// let mut model = Sequential::new().seed(7).add(Dense::new(1).input_dim(1));
    /// model.compile(Compile::new(Adam::new(), MeanSquaredError::new()))?;
    /// model.fit(&x, &y, Fit::new().epochs(3).shuffle(false).verbose(0))?;
    /// model.save(&path)?;
    ///
    /// let mut loaded = Sequential::load(&path)?;
    /// let more = || Fit::new().epochs(2).shuffle(false).verbose(0);
    /// let (a, b) = (model.fit(&x, &y, more())?, loaded.fit(&x, &y, more())?);
    /// assert_eq!(a["loss"], b["loss"]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let check = match Format::of(path) {
            Some(Format::Keras) => self.check(),
            _ => None,
        };
        let whole = self.whole("save")?;
        let check = check.as_ref();
        saving::save(&Whole { check, ..whole }, path)
    }

    /// Reads a model from a `.keras` file, or from a whole model in an `.h5` file of Keras 2.
    ///
    /// It is compiled as it was, and its optimizer goes on where it stood.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be read, and [`Error::File`] for one that is broken or
    /// holds a class that is not here; it names the entry.
    ///
    /// # Examples
    ///
    /// See [`save`](Self::save).
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        Model::load_with(path, Load::new())
    }

    /// [`load`](Self::load), not compiled, or with another limit.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    ///
    /// # Examples
    ///
    /// See [`Load`].
    pub fn load_with(path: impl AsRef<Path>, load: Load) -> Result<Model> {
        saving::load(path.as_ref(), &load)
    }

    /// Writes the weights to a file that ends in `.weights.h5`, as Keras's `save_weights`, with the
    /// optimizer's state where the model is compiled; in `.safetensors` or `.npz`, by their paths.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("model.weights.h5");
    ///
    /// let model = |seed| Sequential::new().seed(seed).add(Dense::new(3).input_dim(2));
    /// let (mut one, mut other) = (model(1), model(2));
    /// (one.build()?, other.build()?);
    /// one.save_weights(&path)?;
    /// other.load_weights(&path)?;
    /// assert_eq!(other.get_weights(), one.get_weights());
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match Format::of(path) {
            Some(Format::Keras) | None => Err(Error::file(
                path,
                "",
                "must end in `.weights.h5`, `.safetensors` or `.npz`",
            )),
            Some(_) => saving::save(&self.whole("save_weights")?, path),
        }
    }

    /// Sets the weights to those of a file: `.weights.h5` and `.keras`, with the optimizer's state if
    /// the model is compiled with the same; `.h5` of Keras 2; `.safetensors` and `.npz` by paths.
    ///
    /// # Errors
    ///
    /// [`Error::NotBuilt`] for a model without weights, [`Error::Io`] and [`Error::File`] for a file
    /// that cannot be read, is broken or is of another model; then no weight is changed.
    ///
    /// # Examples
    ///
    /// See [`save_weights`](Self::save_weights).
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.load_weights_with(path, Load::new())
    }

    /// [`load_weights`](Self::load_weights) by the names of the layers, or of those that fit.
    ///
    /// # Errors
    ///
    /// As [`load_weights`](Self::load_weights).
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    /// use horn::saving::Load;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("base.weights.h5");
    ///
    /// let mut base = Sequential::new()
    ///     .add(Dense::new(4).input_dim(2).name("body"))
    ///     .add(Dense::new(3).name("old_head"));
    /// base.build()?;
    /// base.save_weights(&path)?;
    ///
    /// let mut fine = Sequential::new()
    ///     .add(Dense::new(4).input_dim(2).name("body"))
    ///     .add(Dense::new(1).name("new_head"));
    /// fine.build()?;
    /// fine.load_weights_with(&path, Load::new().by_name(true))?;
    /// assert_eq!(fine.get_weights()[0], base.get_weights()[0]);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn load_weights_with(&mut self, path: impl AsRef<Path>, load: Load) -> Result<()> {
        if self.built.is_none() {
            let method = "load_weights";
            return Err(Error::NotBuilt { method });
        }
        saving::load_weights(self, path.as_ref(), &load)
    }

    /// The layers and how they are connected, without weights, as Keras's `to_json`.
    ///
    /// Source: <https://keras.io/api/models/model_saving_apis/model_config_serialization/>
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let model = Sequential::new().add(Dense::new(12).input_dim(8)).add(Dense::new(1));
    /// let mut again = Sequential::from_json(&model.to_json())?;
    /// again.build()?;
    /// assert_eq!(again.count_params(), 121);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let built = self.built.as_ref();
        let shapes = built.map_or(&[][..], |built| &built.layers);
        let rows = built.map(|built| built.rows.as_slice());
        model_json::written(&self.name, &self.network, shapes, rows).to_string()
    }

    /// A model from Keras's JSON, without weights.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for what is no such JSON, and for settings that are not understood;
    /// [`Error::Unknown`] for a class that is not here.
    ///
    /// # Examples
    ///
    /// See [`to_json`](Self::to_json).
    pub fn from_json(json: &str) -> Result<Model> {
        let json: Json = serde_json::from_str(json).map_err(|error| Error::Config {
            class_name: "Model".into(),
            message: error.to_string(),
        })?;
        model_json::read(&json)
    }

    /// What the model is trained with, and how far it is.
    pub(crate) fn trained(&self) -> Option<Trained<'_>> {
        let compiled = self.compiled.as_ref()?;
        Some(Trained {
            asked: &compiled.asked,
            optimizer: compiled.optimizer.as_ref(),
            state: &compiled.state,
        })
    }

    /// All of the model that files keep.
    pub(crate) fn whole(&self, method: &'static str) -> Result<Whole<'_>> {
        let (network, built) = self.built_parts(method)?;
        Ok(Whole {
            name: &self.name,
            seed: self.seed,
            network,
            variables: &built.variables,
            parameters: &built.parameters,
            shapes: &built.layers,
            rows: &built.rows,
            extras: &self.extras,
            history: self.extras.history.as_ref(),
            check: None,
            training: self.trained(),
        })
    }
}

impl Sequential {
    /// [`Model::load`] of a model whose layers are in a row.
    ///
    /// # Errors
    ///
    /// As [`Model::load`], and [`Error::File`] for a model of another shape.
    pub fn load(path: impl AsRef<Path>) -> Result<Sequential> {
        Sequential::load_with(path, Load::new())
    }

    /// [`Model::load_with`] of a model whose layers are in a row.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with(path: impl AsRef<Path>, load: Load) -> Result<Sequential> {
        let path = path.as_ref();
        let model = Model::load_with(path, load)?;
        match model.network.graph {
            false => Ok(Sequential::of(model)),
            true => Err(Error::file(
                path,
                "",
                "holds a `Functional` model: use `Model::load`",
            )),
        }
    }

    /// [`Model::from_json`] of a model whose layers are in a row.
    ///
    /// # Errors
    ///
    /// As [`Model::from_json`], and [`Error::Config`] for a model of another shape.
    pub fn from_json(json: &str) -> Result<Sequential> {
        let model = Model::from_json(json)?;
        match model.network.graph {
            false => Ok(Sequential::of(model)),
            true => Err(Error::Config {
                class_name: "Functional".into(),
                message: "is not a `Sequential`: use `Model::from_json`".into(),
            }),
        }
    }
}
