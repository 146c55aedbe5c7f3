//! Whole models and weights in `.h5` files of Keras 1 and 2 and `tf.keras` 2; read only.
//!
//! The configurations are texts in attributes, `model_config` and `training_config`; the weights are
//! data sets by their names, layer by layer in the order of `layer_names` and `weight_names`.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::hdf5::Reader;
use super::load::{self, Load};
use super::weights_h5::Matching;
use super::{compile_json, model_json};
use crate::error::{Error, Result};
use crate::graph::variables::{Spec, Variables};
use crate::model::built::Built;
use crate::model::network::Network;
use crate::model::{Model, fit_variables};

/// Whether a file is of this kind rather than Keras 3's.
pub(crate) fn is_legacy(reader: &Reader) -> bool {
    reader.texts(root(reader), "layer_names").is_some()
}

/// Where the layers are: files of weights alone have them at the top.
fn root(reader: &Reader) -> &'static str {
    match reader.has_group("model_weights") {
        true => "model_weights",
        false => "",
    }
}

fn under(root: &str, part: &str) -> String {
    match root.is_empty() {
        true => part.to_string(),
        false => format!("{root}/{part}"),
    }
}

/// Reads a whole model.
///
/// # Errors
///
/// [`Error::File`] for a file that is broken, refused, or holds what is not here.
pub(crate) fn read(reader: &Reader, path: &Path, (load, limit): (&Load, u64)) -> Result<Model> {
    const CONFIG: &str = "model_config";
    let text = reader.text("", CONFIG).ok_or_else(|| {
        let reason = "is not there: a file of weights alone is read by `load_weights`";
        reader.fail(CONFIG, reason)
    })?;
    let within = |error| match error {
        Error::File { .. } => error,
        error => Error::file(path, CONFIG, error),
    };
    let room = limit.saturating_sub(reader.size());
    let mut config = load::json(text.as_bytes(), (path, CONFIG), room / 3)?;
    rename(&mut config);
    let mut model = model_json::read(&config).map_err(within)?;
    let mut built = Built::blank(&model.network, super::most_weights(room)).map_err(within)?;
    let (variables, parameters) = (&built.variables, &mut built.parameters);
    weights(
        reader,
        &model.network,
        variables,
        parameters,
        Matching::default(),
    )?;
    model.built = Some(built);
    if let (true, Some(text)) = (load.compile, reader.text("", "training_config")) {
        let training = load::json(text.as_bytes(), (path, "training_config"), room / 3)?;
        let outputs = model.network.output_names();
        let asked = compile_json::read(&compile_config(&training), &outputs);
        let within = |error| Error::file(path, "training_config", error);
        if let Some(asked) = asked.map_err(within)? {
            super::check_state(&model, asked.optimizer.as_ref(), room).map_err(within)?;
            model.compile(asked).map_err(within)?;
            read_state(&mut model, reader)?;
        }
    }
    Ok(model)
}

/// Gives settings of Keras 1 and 2 the names that they have today.
fn rename(json: &mut Json) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(rename),
        Json::Object(object) => {
            let class = object.get("class_name").and_then(Json::as_str);
            let class = class.unwrap_or("").to_string();
            if let Some(Json::Object(config)) = object.get_mut("config") {
                rename_settings(&class, config);
            }
            object.values_mut().for_each(rename);
        }
        _ => {}
    }
}

fn rename_settings(class: &str, config: &mut Map<String, Json>) {
    let everywhere = [
        ("W_regularizer", "kernel_regularizer"),
        ("b_regularizer", "bias_regularizer"),
        ("W_constraint", "kernel_constraint"),
        ("b_constraint", "bias_constraint"),
        ("bias", "use_bias"),
        ("batch_input_shape", "batch_shape"),
    ];
    let own: &[(&str, &str)] = match class {
        "Dense" => &[("output_dim", "units"), ("init", "kernel_initializer")],
        "Embedding" => &[
            ("init", "embeddings_initializer"),
            ("W_regularizer", "embeddings_regularizer"),
            ("W_constraint", "embeddings_constraint"),
        ],
        "BatchNormalization" => &[
            ("beta_init", "beta_initializer"),
            ("gamma_init", "gamma_initializer"),
        ],
        "Dropout" | "SpatialDropout1D" | "SpatialDropout2D" | "SpatialDropout3D"
        | "GaussianDropout" => &[("p", "rate")],
        "GaussianNoise" => &[("sigma", "stddev")],
        _ => &[],
    };
    for (old, new) in own.iter().chain(&everywhere) {
        if !config.contains_key(*new)
            && let Some(value) = config.remove(*old)
        {
            config.insert((*new).into(), value);
        }
    }
    // Keras 2 writes an axis as a list.
    if class == "BatchNormalization"
        && let Some(Json::Array(axes)) = config.get("axis")
        && let [axis] = axes.as_slice()
    {
        let axis = axis.clone();
        config.insert("axis".into(), axis);
    }
}

/// Puts a file's weights into an arena: of the layers that have any, in order, or by name.
///
/// # Errors
///
/// [`Error::File`] for a layer or weight that is missing or has another shape.
pub(crate) fn weights(
    reader: &Reader,
    network: &Network,
    variables: &Variables,
    parameters: &mut [f32],
    matching: Matching,
) -> Result<()> {
    let root = root(reader);
    let layers = reader.texts(root, "layer_names");
    let layers = layers.ok_or_else(|| reader.fail(root, "has no `layer_names`"))?;
    let mut stored: Vec<(String, Vec<String>)> = Vec::new();
    for layer in layers {
        let names = reader.texts(&under(root, &layer), "weight_names");
        let names: Vec<String> = names.unwrap_or_default();
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        if !names.is_empty() {
            stored.push((layer, names));
        }
    }
    let mut own: Vec<(String, Vec<&Spec>)> = Vec::new();
    for name in network.names() {
        let begin = format!("{name}/");
        let specs = variables.specs.iter();
        let mut specs: Vec<&Spec> = specs.filter(|s| s.path.starts_with(&begin)).collect();
        // Of a model in the model, those that are trained come first.
        specs.sort_by_key(|spec| !spec.trainable);
        if !specs.is_empty() {
            own.push((name, specs));
        }
    }
    let lenient = matching.by_name || matching.skip_mismatch;
    if stored.len() != own.len() && !lenient {
        let (found, expected) = (stored.len(), own.len());
        let reason = format!("{found} layers with weights, the model has {expected}");
        return Err(reader.fail(root, reason));
    }
    for (place, (name, specs)) in own.iter().enumerate() {
        let found = match matching.by_name {
            true => stored.iter().find(|(layer, _)| layer == name),
            false => stored.get(place),
        };
        let Some((layer, names)) = found else {
            continue;
        };
        if names.len() != specs.len() {
            if matching.skip_mismatch {
                continue;
            }
            let (found, expected) = (names.len(), specs.len());
            let reason = format!("has {found} weights, layer `{name}` has {expected}");
            return Err(reader.fail(&under(root, layer), reason));
        }
        for (weight, spec) in names.iter().zip(specs) {
            let entry = under(&under(root, layer), weight);
            let values = match reader.read(&entry, spec.shape.dims()) {
                Err(_) if matching.skip_mismatch => continue,
                read => read?,
            };
            if let Some(to) = parameters.get_mut(spec.range.clone()) {
                to.iter_mut()
                    .zip(&values)
                    .for_each(|(to, from)| *to = *from);
            }
        }
    }
    Ok(())
}

/// Keras 2's `training_config` as the `compile_config` of today.
fn compile_config(training: &Json) -> Json {
    let take = |key: &str| training.get(key).cloned().unwrap_or(Json::Null);
    let mut metrics = take("metrics");
    unwrap(&mut metrics);
    let mut weighted = take("weighted_metrics");
    unwrap(&mut weighted);
    let mut optimizer = take("optimizer_config");
    if let Some(Json::Object(config)) = optimizer.get_mut("config") {
        // The name in the file is that of the class.
        config.remove("name");
    }
    json!({
        "optimizer": optimizer,
        "loss": take("loss"),
        "loss_weights": take("loss_weights"),
        "metrics": metrics,
        "weighted_metrics": weighted,
    })
}

/// Keras 2 wraps a metric that is a function: `{"fn": "binary_accuracy", "name": "accuracy"}`.
fn unwrap(json: &mut Json) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(unwrap),
        Json::Object(object) => {
            let class = object
                .get("class_name")
                .and_then(Json::as_str)
                .unwrap_or("");
            if !class.ends_with("MetricWrapper") {
                object.values_mut().for_each(unwrap);
                return;
            }
            let setting = |key: &str| object.get("config").and_then(|config| config.get(key));
            let (function, name) = (setting("fn").cloned(), setting("name").cloned());
            if let Some(function) = function {
                *json = json!({"class_name": function, "config": {"name": name}});
            }
        }
        _ => {}
    }
}

/// Reads the optimizer's state where it is one that is understood; else it begins anew.
///
/// # Errors
///
/// [`Error::File`] for a state that is broken.
fn read_state(model: &mut Model, reader: &Reader) -> Result<()> {
    const ROOT: &str = "optimizer_weights";
    let Some(names) = reader.texts(ROOT, "weight_names") else {
        return Ok(());
    };
    let (Some(built), Some(compiled)) = (&model.built, &mut model.compiled) else {
        return Ok(());
    };
    let variables = fit_variables(&built.variables);
    let optimizer = compiled.optimizer.as_ref();
    let mut state = compiled.state.clone();
    let Some((first, slots)) = names.split_first() else {
        return Ok(());
    };
    // Since 2.11 the slots alternate variable by variable as today; before, one came after another.
    let alternate = first.starts_with("iteration");
    let groups = match alternate {
        true => optimizer.slot_groups(),
        false => vec![1; optimizer.slots()],
    };
    let mut order = Vec::new();
    let mut begin = 0;
    for group in groups {
        for variable in &variables {
            order.extend((begin..begin + group).map(|slot| (slot, variable)));
        }
        begin += group;
    }
    let plain = state.average().is_none() && state.accumulator().is_none();
    if !plain || order.len() != slots.len() {
        return Ok(());
    }
    let entry = |name: &str| under(ROOT, name);
    state.iterations = reader.whole(&entry(first))?;
    for (name, (slot, variable)) in slots.iter().zip(order) {
        let values = reader.read(&entry(name), variable.shape)?;
        let arena = state.slots_mut().get_mut(slot);
        if let Some(to) = arena.and_then(|arena| arena.get_mut(variable.range.clone())) {
            to.copy_from_slice(&values);
        }
    }
    compiled.state = state;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keras_1_are_those_of_today() {
        let mut config = json!({"class_name": "Sequential", "config": [
            {"class_name": "Dense", "config": {
                "name": "dense_1", "output_dim": 12, "init": "uniform", "activation": "relu",
                "batch_input_shape": [null, 8], "W_regularizer": null, "bias": true,
            }},
            {"class_name": "Dropout", "config": {"name": "dropout_1", "p": 0.25}},
            {"class_name": "Embedding", "config": {"output_dim": 3, "input_dim": 5}},
        ]});
        rename(&mut config);
        let [dense, dropout, embedding] = [0, 1, 2].map(|i| &config["config"][i]["config"]);
        assert_eq!(
            (&dense["units"], &dense["kernel_initializer"]),
            (&json!(12), &json!("uniform"))
        );
        assert_eq!(
            (&dense["use_bias"], &dropout["rate"]),
            (&json!(true), &json!(0.25))
        );
        assert_eq!(embedding["output_dim"], 3);
        let two = json!({"class_name": "Sequential", "config": [config["config"][0], config["config"][1]]});
        let mut model = model_json::read(&two).unwrap();
        model.build().unwrap();
        assert_eq!(model.count_params(), 8 * 12 + 12);
    }

    #[test]
    fn metrics_that_keras_2_wrapped_are_found() {
        let mut metrics = json!([[{"class_name": "MeanMetricWrapper", "config": {
            "name": "acc", "dtype": "float32", "fn": "binary_accuracy"}}]]);
        unwrap(&mut metrics);
        let expected = json!([[{"class_name": "binary_accuracy", "config": {"name": "acc"}}]]);
        assert_eq!(metrics, expected);
    }
}
