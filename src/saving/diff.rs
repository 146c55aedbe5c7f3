//! [`diff`]: in what two models differ.

use std::collections::{HashMap, HashSet};
use std::fmt;

use ndarray::ArrayViewD;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{compile_json, model_json};
use crate::kernels::aligned::Aligned;
use crate::model::built::Built;
use crate::model::compile::Compiled;
use crate::model::{Model, fit_variables};

/// In what two models differ; made by [`diff`]. Printed, it is a line for each difference, and
/// nothing for models that are the same.
///
/// # Examples
///
/// See [`diff`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The entries of the configurations: layers, and what the models are trained with.
    pub config: Vec<ConfigDifference>,
    /// The weights, then the state of the optimizers.
    pub weights: Vec<WeightDifference>,
}

/// An entry that two configurations have not alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConfigDifference {
    /// Where it is in Keras's JSON: `config.layers[1].config.units`.
    pub path: String,
    /// The layer that it belongs to, inside models by its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// What the first model has there, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Json>,
    /// What the second model has there, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Json>,
}

/// A weight that two models have not alike, or only one of them has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WeightDifference {
    /// Its path: `dense/kernel`, and of an optimizer `optimizer/slots/0/dense/kernel`.
    pub path: String,
    /// Its shape in the first model, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Vec<usize>>,
    /// Its shape in the second model, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Vec<usize>>,
    /// How the numbers differ, where the shapes are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
}

/// How the numbers of a weight differ, of those that lie further apart than the tolerance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Numbers {
    /// How many there are.
    pub count: usize,
    /// How many numbers the weight has.
    pub of: usize,
    /// The largest `|a - b|`; infinite where one of the two is not a finite number.
    pub max_absolute: f64,
    /// The largest `|a - b| / max(|a|, |b|)`, from 0 to 2; infinite as above.
    pub max_relative: f64,
}

/// Compares two models: their configurations as Keras writes them, what they are compiled with, their
/// weights by path and the state of their optimizers.
///
/// Numbers of weights and states that are no more than `tolerance` apart count as the same, and so
/// do two NaN. Layers are found by their names, so that one more in between is one difference. Seeds
/// are not compared.
///
/// # Examples
///
/// ```
/// use horn::prelude::*;
/// use horn::saving::diff;
///
/// let model = |units| {
///     let hidden = Dense::new(units).input_dim(3).kernel_initializer(Zeros);
///     Sequential::new().add(hidden).add(Dropout::new(0.5))
/// };
/// # use horn::initializers::Zeros;
/// let (mut a, mut b) = (model(4), model(4));
/// (a.build()?, b.build()?);
/// assert!(diff(&a, &b, 0.0).is_same());
///
/// let mut weights = b.get_weights();
/// weights[0][[1, 2]] = 0.25;
/// b.set_weights(&weights)?;
/// let difference = diff(&a, &b, 1e-6);
/// assert_eq!(difference.weights[0].path, "dense/kernel");
/// assert_eq!(difference.weights[0].numbers.unwrap().max_absolute, 0.25);
///
/// let difference = diff(&a, &model(5), 0.0);
/// assert_eq!(difference.config[0].path, "config.layers[1].config.units");
/// # Ok::<(), horn::Error>(())
/// ```
pub fn diff(a: &Model, b: &Model, tolerance: f64) -> Difference {
    let mut entries = Entries::default();
    entries.compare("", &configuration(a), &configuration(b));
    let (own, other) = (arrays(a), arrays(b));
    Difference {
        config: entries.found,
        weights: weights(&own, &other, tolerance),
    }
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.config.is_empty() && self.weights.is_empty()
    }
}

/// The configuration as files keep it, with that of the training.
fn configuration(model: &Model) -> Json {
    let built = model.built.as_ref();
    let shapes = built.map_or(&[][..], |built| &built.layers);
    let rows = built.map(|built| built.rows.as_slice());
    let mut json = model_json::written(&model.name, &model.network, shapes, rows);
    let trained = model.trained().and_then(|trained| {
        let mut json = compile_json::written(&trained, &model.network.output_names(), true)?;
        let steps = json!(trained.state.iterations);
        json.as_object_mut()?.insert("iterations".into(), steps);
        Some(json)
    });
    if let (Some(object), Some(trained)) = (json.as_object_mut(), trained) {
        object.insert("compile_config".into(), trained);
    }
    json
}

/// The differences of two configurations that are found so far, and the layer that is looked at.
#[derive(Default)]
struct Entries {
    found: Vec<ConfigDifference>,
    layers: Vec<String>,
}

impl Entries {
    fn push(&mut self, path: &str, a: Option<&Json>, b: Option<&Json>) {
        let layer = self.layers.join("/");
        self.found.push(ConfigDifference {
            path: path.to_string(),
            layer: (!layer.is_empty()).then_some(layer),
            a: a.cloned(),
            b: b.cloned(),
        });
    }

    fn compare(&mut self, path: &str, a: &Json, b: &Json) {
        match (a, b) {
            (Json::Object(a), Json::Object(b)) => self.objects(path, a, b),
            (Json::Array(own), Json::Array(other)) => {
                let named = (names(own), names(other));
                if let (true, (Some(own_names), Some(names))) = (path.ends_with("layers"), named) {
                    self.layers(path, (own, &own_names), (other, &names));
                } else if own.len() == other.len() {
                    for (place, (a, b)) in own.iter().zip(other).enumerate() {
                        self.compare(&format!("{path}[{place}]"), a, b);
                    }
                } else {
                    self.push(path, Some(a), Some(b));
                }
            }
            _ if same(a, b) => {}
            _ => self.push(path, Some(a), Some(b)),
        }
    }

    fn objects(&mut self, path: &str, a: &Map<String, Json>, b: &Map<String, Json>) {
        for (key, own) in a {
            let path = below(path, key);
            match b.get(key) {
                Some(other) => self.compare(&path, own, other),
                None => self.push(&path, Some(own), None),
            }
        }
        for (key, other) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
            self.push(&below(path, key), None, Some(other));
        }
    }

    /// Layers by their names, at their places in the model that has them, the first of the two.
    fn layers(&mut self, path: &str, a: (&[Json], &[&str]), b: (&[Json], &[&str])) {
        let places: HashMap<&str, &Json> = b.1.iter().copied().zip(b.0).collect();
        for (place, (name, own)) in a.1.iter().zip(a.0).enumerate() {
            let path = format!("{path}[{place}]");
            self.layers.push(name.to_string());
            match places.get(name) {
                Some(other) => self.compare(&path, own, other),
                None => self.push(&path, Some(own), None),
            }
            self.layers.pop();
        }
        let known: HashSet<&str> = a.1.iter().copied().collect();
        for (place, (name, other)) in b.1.iter().zip(b.0).enumerate() {
            if !known.contains(name) {
                self.layers.push(name.to_string());
                self.push(&format!("{path}[{place}]"), None, Some(other));
                self.layers.pop();
            }
        }
        let own: Vec<&&str> =
            a.1.iter()
                .filter(|name| places.contains_key(*name))
                .collect();
        let other: Vec<&&str> = b.1.iter().filter(|name| known.contains(*name)).collect();
        if own != other {
            self.push(path, Some(&json!(own)), Some(&json!(other)));
        }
    }
}

/// The names of layers, where all have one of their own.
fn names(layers: &[Json]) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> = layers.iter().map(name).collect();
    let names = names?;
    let different: HashSet<&str> = names.iter().copied().collect();
    (different.len() == names.len()).then_some(names)
}

fn name(layer: &Json) -> Option<&str> {
    layer.get("config")?.get("name")?.as_str()
}

/// Numbers are the same however they are written: a rate is kept as an `f32`, which is written with
/// more digits when it has been in a file.
fn same(a: &Json, b: &Json) -> bool {
    let whole = |json: &Json| json.is_i64() || json.is_u64();
    match (a.as_f64(), b.as_f64()) {
        (Some(own), Some(other)) if !(whole(a) && whole(b)) => own as f32 == other as f32,
        _ => a == b,
    }
}

/// A key below a path.
fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (plain, path.is_empty()) {
        (true, true) => key.to_string(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Json::from(key)),
    }
}

/// An array of a model: its path, shape and numbers.
struct Array<'m> {
    path: String,
    values: ArrayViewD<'m, f32>,
}

/// The weights of a model, and the state of its optimizer.
fn arrays(model: &Model) -> Vec<Array<'_>> {
    let weights = model.weights();
    let mut arrays: Vec<Array> = weights
        .iter()
        .map(|weight| Array {
            path: weight.path().to_string(),
            values: weight.values(),
        })
        .collect();
    if let (Some(built), Some(compiled)) = (&model.built, &model.compiled) {
        add_state(built, compiled, &mut arrays);
    }
    arrays
}

fn add_state<'m>(built: &'m Built, compiled: &'m Compiled, arrays: &mut Vec<Array<'m>>) {
    let state = &compiled.state;
    let slots = state.slots().iter().enumerate();
    let slots = slots.map(|(number, arena)| (format!("optimizer/slots/{number}"), arena));
    let others = [
        ("optimizer/average", state.average()),
        ("optimizer/accumulator", state.accumulator()),
    ];
    let others = others.into_iter();
    let others = others.filter_map(|(name, arena)| Some((name.to_string(), arena?)));
    let all: Vec<(String, &Aligned)> = slots.chain(others).collect();
    let variables = fit_variables(&built.variables);
    for (name, arena) in all {
        for variable in &variables {
            let values = arena.get(variable.range.clone());
            let values = values.and_then(|v| ArrayViewD::from_shape(variable.shape, v).ok());
            arrays.extend(values.map(|values| Array {
                path: format!("{name}/{}", variable.path),
                values,
            }));
        }
    }
}

fn weights(a: &[Array], b: &[Array], tolerance: f64) -> Vec<WeightDifference> {
    let places: HashMap<&str, &Array> = b.iter().map(|array| (&*array.path, array)).collect();
    let known: HashSet<&str> = a.iter().map(|array| &*array.path).collect();
    let shape = |array: &Array| Some(array.values.shape().to_vec());
    let mut found = Vec::new();
    for own in a {
        let other = places.get(&*own.path);
        let mut numbers = None;
        if let Some(other) = other
            && own.values.shape() == other.values.shape()
        {
            let pairs = own.values.iter().zip(other.values.iter());
            let apart = apart(pairs.map(|(a, b)| (*a, *b)), tolerance);
            if apart.count == 0 {
                continue;
            }
            numbers = Some(apart);
        }
        found.push(WeightDifference {
            path: own.path.clone(),
            a: shape(own),
            b: other.and_then(|other| shape(other)),
            numbers,
        });
    }
    let more = b.iter().filter(|array| !known.contains(&*array.path));
    found.extend(more.map(|other| WeightDifference {
        path: other.path.clone(),
        a: None,
        b: shape(other),
        numbers: None,
    }));
    found
}

fn apart(pairs: impl Iterator<Item = (f32, f32)>, tolerance: f64) -> Numbers {
    let mut numbers = Numbers::default();
    for (a, b) in pairs {
        numbers.of += 1;
        if a == b || a.is_nan() && b.is_nan() {
            continue;
        }
        let (a, b) = (f64::from(a), f64::from(b));
        let gap = (a - b).abs();
        if gap <= tolerance {
            continue;
        }
        let (absolute, relative) = match gap.is_finite() {
            true => (gap, gap / a.abs().max(b.abs())),
            false => (f64::INFINITY, f64::INFINITY),
        };
        numbers.count += 1;
        numbers.max_absolute = numbers.max_absolute.max(absolute);
        numbers.max_relative = numbers.max_relative.max(relative);
    }
    numbers
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let config = self.config.iter().map(ToString::to_string);
        let lines = config.chain(self.weights.iter().map(ToString::to_string));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl fmt::Display for ConfigDifference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(layer) = &self.layer {
            write!(f, " (`{layer}`)")?;
        }
        match (&self.a, &self.b) {
            (Some(a), Some(b)) => write!(f, ": {} | {}", short(a), short(b)),
            (Some(a), None) => write!(f, ": only in a: {}", short(a)),
            (None, Some(b)) => write!(f, ": only in b: {}", short(b)),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for WeightDifference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match (&self.a, &self.b, &self.numbers) {
            (.., Some(numbers)) => write!(
                f,
                "{} of {} numbers differ, by {:.3e} at most, relative {:.3e}",
                numbers.count, numbers.of, numbers.max_absolute, numbers.max_relative
            ),
            (Some(a), Some(b), _) => write!(f, "shape {a:?} | {b:?}"),
            (Some(a), None, _) => write!(f, "only in a, shape {a:?}"),
            (None, Some(b), _) => write!(f, "only in b, shape {b:?}"),
            (None, None, _) => Ok(()),
        }
    }
}

/// A value as a line can hold it: of an object its class alone, of an `f32` no more digits than it
/// needs.
fn short(json: &Json) -> String {
    const LONGEST: usize = 60;
    if let Some(class) = json.get("class_name").and_then(Json::as_str) {
        return class.to_string();
    }
    let single = json.as_f64().filter(|_| json.is_f64());
    let single = single.filter(|number| f64::from(*number as f32) == *number);
    let text = single.map_or_else(|| json.to_string(), |number| format!("{:?}", number as f32));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(a: Json, b: Json) -> Vec<String> {
        let mut entries = Entries::default();
        entries.compare("", &a, &b);
        entries.found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn entries_are_told_by_their_paths() {
        let a = json!({"rate": 0.5, "one": 1, "list": [1, 2], "only": {}, "odd key": 1, "steps": 16_777_216, "f32": 0.1});
        let b = json!({"rate": 0.25, "one": 1.0, "list": [1, 3], "more": null, "odd key": 2, "steps": 16_777_217, "f32": 0.1_f32});
        let expected = [
            "list[1]: 2 | 3",
            "[\"odd key\"]: 1 | 2",
            "only: only in a: {}",
            "rate: 0.5 | 0.25",
            "steps: 16777216 | 16777217",
            "more: only in b: null",
        ];
        let mut found = entries(a, b);
        found.sort();
        let mut expected = expected.map(String::from);
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(entries(json!([1, 2]), json!([1])), [": [1,2] | [1]"]);
    }

    #[test]
    fn layers_are_found_by_their_names() {
        let layer = |name: &str, units: usize| json!({"class_name": "Dense", "config": {"name": name, "units": units}});
        let a = json!({"layers": [layer("x", 1), layer("y", 2)]});
        let b = json!({"layers": [layer("new", 9), layer("x", 1), layer("y", 3)]});
        let expected = [
            "layers[1].config.units (`y`): 2 | 3",
            "layers[0] (`new`): only in b: Dense",
        ];
        assert_eq!(entries(a.clone(), b), expected);
        let turned = json!({"layers": [layer("y", 2), layer("x", 1)]});
        assert_eq!(
            entries(a, turned),
            ["layers: [\"x\",\"y\"] | [\"y\",\"x\"]"]
        );
    }

    #[test]
    fn numbers_are_apart_beyond_the_tolerance() {
        let pairs = [
            (1.0, 1.0),
            (1.0, 1.5),
            (0.0, -0.0),
            (f32::NAN, f32::NAN),
            (2.0, 4.0),
        ];
        let found = apart(pairs.into_iter(), 0.0);
        let expected = Numbers {
            count: 2,
            of: 5,
            max_absolute: 2.0,
            max_relative: 0.5,
        };
        assert_eq!(found, expected);
        assert_eq!(apart(pairs.into_iter(), 2.0).count, 0);
        let lost = apart(
            [(f32::NAN, 1.0), (f32::INFINITY, f32::MAX)].into_iter(),
            1e30,
        );
        assert_eq!((lost.count, lost.max_absolute), (2, f64::INFINITY));
        // Beyond what an `f32` holds, and not infinite.
        assert!(apart([(f32::MAX, f32::MIN)].into_iter(), 0.0).max_absolute < 7e38);
    }
}
