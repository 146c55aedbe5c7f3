//! Models as Keras's JSON: `Sequential` and `Functional` configurations, both ways.
//!
//! Nothing is ever run by a name from a file: classes are looked up in the tables of this crate, and
//! what is not there is an error that names it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::layers::{self, Layer};
use crate::model::built::Built;
use crate::model::network::{Network, Source};
use crate::model::tensor::{self, Tensor};
use crate::model::{Model, Sequential};
use crate::shape::Shape;

/// More layers, or applications of layers, in one model are refused.
const MOST: usize = 5_000;

/// Layers that take several inputs as arguments of their own, not as one list.
const SEPARATE: [&str; 2] = ["MultiHeadAttention", "GroupQueryAttention"];

/// Layers that in Keras cannot be told whether they are trained.
const FIXED: [&str; 5] = [
    "InputLayer",
    "Discretization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
];

/// A model as Keras writes it, `{"module", "class_name", "config", ...}`. The shapes of its layers'
/// outputs go with it where they are known.
pub(crate) fn written(
    name: &str,
    network: &Network,
    shapes: &[Shape],
    rows: Option<&[Vec<usize>]>,
) -> Json {
    // Keras wants the shapes of a graph: they are found out where nobody has.
    let traced = match network.graph && shapes.is_empty() {
        true => Built::traced(network).ok().map(|(built, _)| built.layers),
        false => None,
    };
    let shapes = traced.as_deref().unwrap_or(shapes);
    let rows = rows.map(<[Vec<usize>]>::to_vec);
    let rows = rows.or_else(|| network.input_shapes().ok());
    match network.graph {
        true => functional(name, network, shapes),
        false => sequential(name, network, rows.and_then(|rows| rows.into_iter().next())),
    }
}

fn sequential(name: &str, network: &Network, row: Option<Vec<usize>>) -> Json {
    let mut layers = Vec::new();
    let has_input = matches!(
        network.nodes.first(),
        Some(node) if node.layer.class_name() == "InputLayer"
    );
    let shape = row.as_deref().map(batched);
    if let (false, Some(shape)) = (has_input, &shape) {
        layers.push(json!({
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {
                "batch_shape": shape,
                "dtype": "float32",
                "sparse": false,
                "ragged": false,
                "name": "input_layer",
                "optional": false,
            },
            "registered_name": null,
        }));
    }
    let nodes = network.nodes.iter().zip(network.names());
    layers.extend(nodes.map(|(node, name)| layer(node.layer.as_ref(), &name, node.trainable())));
    json!({
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": name,
            "trainable": true,
            "dtype": "float32",
            "layers": layers,
            "build_input_shape": shape,
        },
        "registered_name": null,
        "build_config": {"input_shape": shape},
    })
}

/// `[null, 3, 4]` of a row.
fn batched(row: &[usize]) -> Json {
    let row = row.iter().map(|length| Json::from(*length));
    std::iter::once(Json::Null).chain(row).collect()
}

fn functional(name: &str, network: &Network, shapes: &[Shape]) -> Json {
    let names = network.names();
    let history = |source: &Source| history(network, &names, *source);
    let mut layers: Vec<Json> = network
        .nodes
        .iter()
        .zip(&names)
        .map(|(node, name)| {
            let mut json = layer(node.layer.as_ref(), name, node.trainable());
            if let Some(json) = json.as_object_mut() {
                json.insert("name".into(), json!(name));
                json.insert("inbound_nodes".into(), json!([]));
            }
            json
        })
        .collect();
    for call in &network.calls {
        let tensors: Vec<Json> = call
            .inputs
            .iter()
            .filter(|source| matches!(source, Source::Call(..)))
            .map(|source| {
                let shape = of_source(network, shapes, *source);
                json!({
                    "class_name": "__keras_tensor__",
                    "config": {
                        "shape": shape,
                        "dtype": "float32",
                        "keras_history": history(source),
                    },
                })
            })
            .collect();
        let class = network.nodes.get(call.node);
        let class = class.map_or("", |node| node.layer.class_name());
        let args = match tensors.len() {
            0 => continue,
            1 => json!(tensors),
            _ if SEPARATE.contains(&class) => json!(tensors),
            _ => json!([tensors]),
        };
        let nodes = layers
            .get_mut(call.node)
            .and_then(|json| json.get_mut("inbound_nodes"));
        if let Some(Json::Array(nodes)) = nodes {
            nodes.push(json!({"args": args, "kwargs": {}}));
        }
    }
    let inputs = network.inputs.iter().filter_map(|node| names.get(*node));
    let inputs: Vec<Json> = inputs.map(|name| json!([name, 0, 0])).collect();
    let outputs: Vec<Json> = network.outputs.iter().map(history).collect();
    json!({
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": name,
            "trainable": true,
            "layers": layers,
            "input_layers": one_or_all(inputs),
            "output_layers": one_or_all(outputs),
        },
        "registered_name": "Functional",
        "build_config": {"input_shape": null},
    })
}

fn one_or_all(mut all: Vec<Json>) -> Json {
    match all.len() {
        1 => all.remove(0),
        _ => Json::Array(all),
    }
}

/// The layer, which of its calls, and which output.
fn history(network: &Network, names: &[String], source: Source) -> Json {
    let Source::Call(number, output) = source else {
        return Json::Null;
    };
    let node = network.calls.get(number).map_or(0, |call| call.node);
    let earlier = network.calls.get(..number).unwrap_or(&[]);
    let time = earlier.iter().filter(|call| call.node == node).count();
    json!([names.get(node), time, output])
}

/// The shape of what a call gives.
fn of_source(network: &Network, shapes: &[Shape], source: Source) -> Json {
    let Source::Call(number, output) = source else {
        return Json::Null;
    };
    let node = network.calls.get(number).map_or(0, |call| call.node);
    let shape = match output {
        0 => shapes.get(node).copied(),
        // Models alone give several.
        _ => network.nodes.get(node).and_then(|node| {
            let model = node.layer.as_any()?.downcast_ref::<Model>()?;
            Built::traced(&model.network)
                .ok()?
                .0
                .outputs
                .get(output)
                .copied()
        }),
    };
    match shape.as_ref().and_then(|shape| shape.dims().get(1..)) {
        Some(row) => batched(row),
        None => Json::Null,
    }
}

/// A layer as Keras writes it in a model that knows it under this name.
fn layer(layer: &dyn Layer, name: &str, trainable: bool) -> Json {
    if let Some(model) = layer.as_any().and_then(|any| any.downcast_ref::<Model>()) {
        let built = model.built.as_ref();
        let shapes = built.map_or(&[][..], |built| &built.layers);
        let mut json = written(name, &model.network, shapes, None);
        if let Some(Json::Object(config)) = json.get_mut("config") {
            config.insert("trainable".into(), json!(trainable));
        }
        return json;
    }
    let mut config = match layer.config() {
        Json::Object(config) => config,
        _ => Map::new(),
    };
    config.insert("name".into(), json!(name));
    match FIXED.contains(&layer.class_name()) {
        true => config.remove("trainable"),
        false => config.insert("trainable".into(), json!(trainable)),
    };
    config.entry("dtype").or_insert(json!("float32"));
    config.values_mut().for_each(name_modules);
    let class = layer.class_name();
    let known = layers::in_keras(class);
    json!({
        "module": if known { json!("keras.layers") } else { Json::Null },
        "class_name": class,
        "config": config,
        "registered_name": if known { Json::Null } else { json!(format!("Custom>{class}")) },
    })
}

/// Gives layers inside a layer's configuration the module that Keras asks for.
fn name_modules(json: &mut Json) {
    let Json::Object(object) = json else { return };
    let class = object.get("class_name").and_then(Json::as_str);
    if class.is_some_and(layers::in_keras) && !object.contains_key("module") {
        object.insert("module".into(), json!("keras.layers"));
        object.insert("registered_name".into(), Json::Null);
    }
    object.values_mut().for_each(name_modules);
}

/// The model that Keras's JSON describes.
///
/// # Errors
///
/// [`Error::Unknown`] and [`Error::Config`] for a class that is not there or not allowed, settings
/// that cannot be understood, and layers that do not make a model.
pub(crate) fn read(json: &Json) -> Result<Model> {
    check_module(json)?;
    let class = class_name(json);
    match class {
        "Sequential" => read_sequential(config(json)?),
        "Functional" | "Model" => read_functional(config(json)?),
        _ => Err(Error::unknown("model", class, ["Sequential", "Functional"])),
    }
}

fn broken(class: &str, message: impl Into<String>) -> Error {
    Error::Config {
        class_name: class.into(),
        message: message.into(),
    }
}

fn class_name(json: &Json) -> &str {
    let name = json.get("class_name").and_then(Json::as_str).unwrap_or("");
    name.rsplit('>').next().unwrap_or(name)
}

fn config(json: &Json) -> Result<&Json> {
    match json.get("config") {
        // Keras 1 and early 2 wrote the list of layers alone.
        Some(config) if config.is_object() || config.is_array() => Ok(config),
        _ => Err(broken(class_name(json), "has no `config`")),
    }
}

/// A class of Keras's name must be Keras's: a file could name the code of another package.
pub(crate) fn check_module(json: &Json) -> Result<()> {
    let Some(module) = json.get("module").and_then(Json::as_str) else {
        return Ok(());
    };
    let first = module.split('.').next().unwrap_or("");
    // A class of the user's own has the module that it had in Python.
    let named = json.get("registered_name").is_some_and(Json::is_string);
    let own = named && !layers::in_keras(class_name(json));
    match matches!(first, "keras" | "tf_keras" | "builtins")
        || module.starts_with("tensorflow.")
        || own
    {
        true => Ok(()),
        false => Err(broken(
            class_name(json),
            format!(
                "comes from the module `{module}`: only Keras's own classes are read from files"
            ),
        )),
    }
}

/// A layer, or a model that is one.
fn read_layer(json: &Json) -> Result<Arc<dyn Layer>> {
    let class = class_name(json);
    match class {
        "Lambda" | "TFOpLambda" | "SlicingOpLambda" => {
            return Err(broken(class, "holds code of Python, which is never run"));
        }
        "Sequential" | "Functional" | "Model" => return Ok(Arc::new(read(json)?)),
        _ => {}
    }
    check_module(json)?;
    let mut plain = json!({"class_name": class});
    if let (Some(plain), Some(config)) = (plain.as_object_mut(), json.get("config")) {
        plain.insert("config".into(), config.clone());
    }
    layers::from_keras(&plain)
}

fn read_sequential(config: &Json) -> Result<Model> {
    let layers = match config {
        Json::Array(layers) => Some(layers),
        config => config.get("layers").and_then(Json::as_array),
    };
    let layers = layers.ok_or_else(|| broken("Sequential", "has no list of `layers`"))?;
    check_count("Sequential", layers.len())?;
    let mut model = Sequential::new();
    if let Some(name) = config.get("name").and_then(Json::as_str) {
        model = model.name(name);
    }
    let first = layers.first();
    if first.is_some_and(|layer| class_name(layer) != "InputLayer")
        && let Some(shape) = given_shape(config, first)
    {
        model.push(layers::from_keras(&json!({
            "class_name": "InputLayer",
            "config": {"batch_shape": shape, "name": "input_layer"},
        }))?);
    }
    for json in layers {
        model.push(read_layer(json)?);
    }
    Ok(model.into())
}

/// The shape of a chain's inputs where there is no input layer.
fn given_shape<'j>(config: &'j Json, first: Option<&'j Json>) -> Option<&'j Json> {
    let own = first.and_then(|layer| layer.get("config"));
    let own = own.and_then(|own| {
        own.get("batch_input_shape")
            .or_else(|| own.get("batch_shape"))
    });
    let given = own.or_else(|| config.get("build_input_shape"))?;
    given.is_array().then_some(given)
}

fn check_count(class: &str, count: usize) -> Result<()> {
    match count > MOST {
        true => Err(broken(
            class,
            format!("has {count} parts, more than {MOST}"),
        )),
        false => Ok(()),
    }
}

/// A layer of a graph that is being read, and the tensors that it is applied to each time.
struct Waiting<'j> {
    name: &'j str,
    json: &'j Json,
    layer: Option<Arc<dyn Layer>>,
    calls: Vec<Vec<Place<'j>>>,
    done: usize,
}

/// A layer's name, which of its calls, and which output.
type Place<'j> = (&'j str, usize, usize);

fn read_functional(config: &Json) -> Result<Model> {
    let wrong = |message: String| broken("Functional", message);
    let list = config.get("layers").and_then(Json::as_array);
    let list = list.ok_or_else(|| wrong("has no list of `layers`".into()))?;
    let mut waiting = Vec::new();
    let mut names = HashSet::new();
    let mut count = 0;
    for json in list {
        let Some(one) = Waiting::read(json)? else {
            continue;
        };
        if !names.insert(one.name) {
            return Err(wrong(format!("has two layers named `{}`", one.name)));
        }
        count += one.calls.len().max(1);
        check_count("Functional", count)?;
        waiting.push(one);
    }
    let mut tensors: HashMap<(&str, usize), Tensor> = HashMap::new();
    loop {
        let mut moved = false;
        for one in &mut waiting {
            while let Some(inputs) = one.next(&tensors) {
                let is_input = class_name(one.json) == "InputLayer";
                let made = tensor::call(one.layer()?, inputs, is_input);
                tensors.insert((one.name, one.done), made);
                one.done += 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    if let Some(left) = waiting.iter().find(|one| one.done < one.calls.len()) {
        let message = format!("layer `{}` reads an output that no layer gives", left.name);
        return Err(wrong(message));
    }
    let ends = |key: &str| -> Result<Vec<Tensor>> {
        let places = ends(config.get(key).unwrap_or(&Json::Null));
        let found = places.into_iter().map(|place| {
            let place = place.ok_or_else(|| wrong(format!("`{key}` cannot be understood")))?;
            let made = tensors.get(&(place.0, place.1));
            let made = made.ok_or_else(|| wrong(format!("`{key}` names `{}`", place.0)))?;
            Ok(made.output(place.2))
        });
        found.collect()
    };
    let model = Model::new(ends("input_layers")?, ends("output_layers")?);
    Ok(match config.get("name").and_then(Json::as_str) {
        Some(name) => model.name(name),
        None => model,
    })
}

impl<'j> Waiting<'j> {
    /// Nothing for what Keras computes masks with: here they come by themselves.
    fn read(json: &'j Json) -> Result<Option<Self>> {
        let class = class_name(json);
        if class == "NotEqual" {
            return Ok(None);
        }
        let name = json.get("name").and_then(Json::as_str).or_else(|| {
            let config = json.get("config")?;
            config.get("name")?.as_str()
        });
        let name = name.ok_or_else(|| broken(class, "has no name"))?;
        let nodes = json.get("inbound_nodes").and_then(Json::as_array);
        let nodes = nodes.map_or(&[][..], Vec::as_slice);
        let mut calls = Vec::new();
        for node in nodes {
            calls.push(inputs(class, node)?);
        }
        if class == "InputLayer" {
            calls = vec![Vec::new()];
        }
        Ok(Some(Waiting {
            name,
            json,
            layer: None,
            calls,
            done: 0,
        }))
    }

    /// The tensors of the next call, once they are all there.
    fn next(&self, tensors: &HashMap<(&str, usize), Tensor>) -> Option<Vec<Tensor>> {
        let places = self.calls.get(self.done)?;
        let made = places.iter().map(|(name, call, output)| {
            let made = tensors.get(&(*name, *call))?;
            Some(made.output(*output))
        });
        made.collect()
    }

    fn layer(&mut self) -> Result<Arc<dyn Layer>> {
        if let Some(layer) = &self.layer {
            return Ok(Arc::clone(layer));
        }
        let layer = read_layer(self.json)?;
        // A graph knows its layers by the name beside the configuration.
        if layer.name() != Some(self.name) && layer.as_any().is_none() {
            return Err(broken(
                class_name(self.json),
                format!("is not named `{}`", self.name),
            ));
        }
        self.layer = Some(Arc::clone(&layer));
        Ok(layer)
    }
}

/// What a layer is applied to in one call: `{"args", "kwargs"}`, or in Keras 2 a list of
/// `[name, call, output, kwargs]`.
fn inputs<'j>(class: &str, node: &'j Json) -> Result<Vec<Place<'j>>> {
    let mut places = Vec::new();
    if let Json::Array(list) = node {
        // Of one input the list may stand alone.
        let alone = list.first().is_some_and(Json::is_string);
        let each: &[Json] = if alone {
            std::slice::from_ref(node)
        } else {
            list
        };
        for json in each {
            let place = place(json).ok_or_else(|| not_tensor(class, json))?;
            let kwargs = json.get(3).and_then(Json::as_object);
            check_kwargs(class, kwargs)?;
            places.push(place);
        }
        return Ok(places);
    }
    let args = node.get("args").unwrap_or(&Json::Null);
    collect(class, args, &mut places)?;
    check_kwargs(class, node.get("kwargs").and_then(Json::as_object))?;
    Ok(places)
}

/// The tensors among arguments, in order.
fn collect<'j>(class: &str, json: &'j Json, places: &mut Vec<Place<'j>>) -> Result<()> {
    match json {
        Json::Null => Ok(()),
        Json::Array(list) => list
            .iter()
            .try_for_each(|json| collect(class, json, places)),
        Json::Object(object) => {
            let history = object
                .get("config")
                .and_then(|config| config.get("keras_history"));
            let place = history.and_then(place);
            places.push(place.ok_or_else(|| not_tensor(class, json))?);
            Ok(())
        }
        other => Err(not_tensor(class, other)),
    }
}

fn not_tensor(class: &str, json: &Json) -> Error {
    broken(
        class,
        format!("is applied to {json}, which is no output of a layer"),
    )
}

/// Arguments by name must be left at their defaults; masks come by themselves.
fn check_kwargs(class: &str, kwargs: Option<&Map<String, Json>>) -> Result<()> {
    let mut all = kwargs.into_iter().flatten();
    let set =
        all.find(|(key, value)| !value.is_null() && *key != "mask" && *value != &json!(false));
    match set {
        Some((key, value)) => Err(broken(
            class,
            format!("is called with `{key}` = {value}, which is not supported"),
        )),
        None => Ok(()),
    }
}

/// `[name, call, output]`.
fn place(json: &Json) -> Option<Place<'_>> {
    let number = |place: usize| usize::try_from(json.get(place)?.as_u64()?).ok();
    Some((json.get(0)?.as_str()?, number(1)?, number(2)?))
}

/// The inputs or outputs of a model: one, a list, or one for each name.
fn ends(json: &Json) -> Vec<Option<Place<'_>>> {
    match json {
        Json::Array(list) if list.first().is_some_and(Json::is_string) => vec![place(json)],
        Json::Array(list) => list.iter().flat_map(ends).collect(),
        Json::Object(all) => all.values().flat_map(ends).collect(),
        _ => vec![None],
    }
}
