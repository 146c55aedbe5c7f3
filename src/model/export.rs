//! A model for other programs: [`Model::export`].

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use super::functional::Model;
use crate::error::{Error, Result};
use crate::saving::durable;
use crate::saving::onnx::Exported;
use crate::saving::onnx::symbolic::BATCHES;

impl Model {
    /// Writes what [`predict`](Self::predict) computes as an ONNX file, which other runtimes run:
    /// ONNX Runtime, browsers, databases, phones.
    ///
    /// The file holds ops of the set 17 and the weights. The size of the batch is open. Inputs and
    /// outputs are `f32`, ids of categories too, and have the names of their layers; where the first
    /// layer of a [`Sequential`](super::Sequential) is no [`Input`](crate::layers::Input), the input
    /// is called after it, as in `dense_input`. Layers whose ops ONNX does not have cannot be written:
    /// [`Hashing`](crate::layers::Hashing), [`HashedCrossing`](crate::layers::HashedCrossing),
    /// [`IntegerLookup`](crate::layers::IntegerLookup),
    /// [`Discretization`](crate::layers::Discretization), and kernels of one's own.
    ///
    /// Where `predict` gives NaN for an id that an `Embedding` does not have, a runtime gives an
    /// error; it counts negative ids from the last, and cuts off what follows the point.
    ///
    /// Source: <https://keras.io/api/models/model_saving_apis/export/>,
    /// <https://onnx.ai/onnx/operators/>
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a path that does not end in `.onnx`, and for weights of more than 2
    /// GiB, which such a file cannot hold; [`Error::NotBuilt`]; [`Error::Layer`] with the layer that
    /// cannot be written; [`Error::Io`].
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let folder = std::env::temp_dir().join("horn-export");
    /// let mut model = Sequential::new()
    ///     .add(Dense::new(12).input_dim(8).activation(Relu))
    ///     .add(Dense::new(1).activation(Sigmoid));
    /// model.build()?;
    /// model.export(folder.join("pima.onnx"))?;
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), horn::Error>(())
    /// ```
    ///
    /// A model of two inputs and two outputs, which a runtime knows as `words`, `price`, `class` and
    /// `size`:
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let words = Input::new([4]).name("words").tensor();
    /// let price = Input::new([2]).name("price").tensor();
    /// let class = Dense::new(3).name("class").apply(&words);
    /// let size = Dense::new(1).name("size").apply(&price);
    /// let mut model = Model::new([&words, &price], [&class, &size]);
    /// model.build()?;
    /// let folder = std::env::temp_dir().join("horn-export-graph");
    /// model.export(folder.join("shop.onnx"))?;
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn export(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.extension().is_none_or(|ending| ending != "onnx") {
            return Err(Error::argument(
                "export",
                "path",
                "a file that ends in `.onnx`",
                format!("`{}`", path.display()),
            ));
        }
        let bytes = self.onnx("export")?;
        durable::write(path, |file| file.write_all(&bytes))
    }

    /// The bytes that [`export`](Self::export) writes to a file.
    ///
    /// # Errors
    ///
    /// As those of [`export`](Self::export), but for the path's.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::prelude::*;
    ///
    /// let mut model = Sequential::new().add(Dense::new(1).input_dim(8));
    /// model.build()?;
    /// assert!(model.to_onnx()?.len() > 9 * 4);
    /// # Ok::<(), horn::Error>(())
    /// ```
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        self.onnx("to_onnx")
    }

    fn onnx(&self, method: &'static str) -> Result<Vec<u8>> {
        let Some(built) = &self.built else {
            return Err(Error::NotBuilt { method });
        };
        let [first, second] = BATCHES;
        let traces = [
            built.inference(&self.network, first)?,
            built.inference(&self.network, second)?,
        ];
        // Every value of a file has a name of its own.
        let mut taken = HashSet::new();
        let outputs = unique(self.network.output_names(), &mut taken);
        let own = self.network.graph || starts_with_input(self);
        let named = |name: String| match own && !taken.contains(&name) {
            true => name,
            false => format!("{name}_input"),
        };
        let inputs = self.network.input_names().into_iter().map(named).collect();
        let exported = Exported {
            name: &self.name,
            inputs: unique(inputs, &mut taken),
            outputs,
            variables: &built.variables,
            parameters: &built.parameters,
            traces,
        };
        exported.to_bytes()
    }
}

/// The names, with a number behind each that is taken.
fn unique(names: Vec<String>, taken: &mut HashSet<String>) -> Vec<String> {
    let mut free = |name: String| {
        let numbered = (1_usize..).map(|number| format!("{name}_{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let found = candidates.find(|candidate| taken.insert(candidate.clone()));
        found.unwrap_or(name)
    };
    names.into_iter().map(&mut free).collect()
}

/// Whether the first layer of a chain says nothing but what its inputs look like.
fn starts_with_input(model: &Model) -> bool {
    let first = model.network.nodes.first();
    first.is_some_and(|node| node.layer.class_name() == "InputLayer")
}
