//! What a model is compiled with, as Keras's `compile_config`, both ways.

use serde_json::{Map, Value as Json, json};

use super::model_json::check_module;
use super::whole::Trained;
use crate::error::{Error, Result};
use crate::losses::{self, Loss};
use crate::metrics::{self, Metric};
use crate::model::Compile;
use crate::model::compile::Asked;
use crate::optimizers;

/// The `compile_config` of a model of these outputs; with `all` what Keras does not know is there
/// too.
///
/// Nothing where Keras would not know the loss or the optimizer.
pub(crate) fn written(trained: &Trained, outputs: &[String], all: bool) -> Option<Json> {
    let asked = trained.asked;
    let optimizer = optimizers::to_keras(trained.optimizer);
    if !all && !optimizers::in_keras(trained.optimizer.class_name()) {
        return None;
    }
    let mut each: Vec<Option<&dyn Loss>> = vec![asked.loss.as_deref(); outputs.len()];
    for (key, loss) in &asked.losses {
        *each.get_mut(key.find("Compile", outputs).ok()?)? = Some(loss.as_ref());
    }
    if !all
        && each
            .iter()
            .flatten()
            .any(|loss| !losses::in_keras(loss.class_name()))
    {
        return None;
    }
    let one = |loss: &Option<&dyn Loss>| loss.map_or(Json::Null, loss_json);
    let loss = match (each.as_slice(), asked.losses.is_empty(), &asked.loss) {
        ([only], ..) => one(only),
        (_, true, Some(loss)) => loss_json(loss.as_ref()),
        _ => each.iter().map(one).collect(),
    };
    let mut weights = vec![1.0; outputs.len()];
    for (key, weight) in &asked.loss_weights {
        *weights.get_mut(key.find("Compile", outputs).ok()?)? = optimizers::decimal(*weight);
    }
    let weights = match asked.loss_weights.is_empty() {
        true => Json::Null,
        false => json!(weights),
    };
    let metrics = |weighted: bool| {
        let asked = asked.metrics.iter().filter(|one| one.weighted == weighted);
        let known: Vec<&Asked> = asked
            .filter(|one| all || known(one.metric.as_ref()))
            .collect();
        metrics_json(&known, outputs)
    };
    Some(json!({
        "optimizer": optimizer,
        "loss": loss,
        "loss_weights": weights,
        "metrics": metrics(false),
        "weighted_metrics": metrics(true),
        "run_eagerly": false,
        "steps_per_execution": 1,
        "jit_compile": true,
    }))
}

fn known(metric: &dyn Metric) -> bool {
    metrics::to_keras(metric).is_string() || metrics::in_keras(metric.class_name())
}

/// A loss with the module that Keras asks for.
fn loss_json(loss: &dyn Loss) -> Json {
    let known = losses::in_keras(loss.class_name());
    with_module(losses::to_keras(loss), "keras.losses", known)
}

fn metric_json(metric: &dyn Metric) -> Json {
    with_module(metrics::to_keras(metric), "keras.metrics", known(metric))
}

fn with_module(mut json: Json, module: &str, known: bool) -> Json {
    let class = json.get("class_name").cloned();
    if let (Some(json), Some(class)) = (json.as_object_mut(), class) {
        let class = class.as_str().unwrap_or("");
        let own = if known {
            Json::Null
        } else {
            json!(format!("Custom>{class}"))
        };
        json.insert(
            "module".into(),
            if known { json!(module) } else { Json::Null },
        );
        json.insert("registered_name".into(), own);
    }
    json
}

/// A list; of several outputs a list for each.
fn metrics_json(asked: &[&Asked], outputs: &[String]) -> Json {
    if asked.is_empty() {
        return Json::Null;
    }
    let of = |output: usize| -> Json {
        let own = asked.iter().filter(|one| match &one.output {
            None => true,
            Some(key) => key
                .find("Compile", outputs)
                .is_ok_and(|found| found == output),
        });
        own.map(|one| metric_json(one.metric.as_ref())).collect()
    };
    match outputs.len() {
        0 | 1 => of(0),
        count => (0..count).map(of).collect(),
    }
}

/// What a `compile_config` asks for, of a model of these outputs; nothing where it has no loss.
///
/// # Errors
///
/// [`Error::Unknown`] and [`Error::Config`] for names and settings that are not understood.
pub(crate) fn read(json: &Json, outputs: &[String]) -> Result<Option<Compile>> {
    let get = |key: &str| json.get(key).filter(|value| !value.is_null());
    let (Some(optimizer), Some(loss)) = (get("optimizer"), get("loss")) else {
        return Ok(None);
    };
    check_module(optimizer)?;
    let mut compile = Compile::per_output(optimizers::from_keras(optimizer)?);
    match per_output(loss, outputs)? {
        None => compile.loss = Some(read_loss(loss)?),
        Some(each) => {
            for (output, loss) in each {
                compile = compile.loss_for(output, read_loss(loss)?);
            }
        }
    }
    if let Some(weights) = get("loss_weights") {
        let each = match per_output(weights, outputs)? {
            Some(each) => each,
            None => vec![(0, weights)],
        };
        for (output, weight) in each {
            let number = weight
                .as_f64()
                .ok_or_else(|| wrong("loss_weights", weight))?;
            compile = compile.loss_weight(output, number as f32);
        }
    }
    for (key, weighted) in [("metrics", false), ("weighted_metrics", true)] {
        if let Some(json) = get(key) {
            read_metrics(&mut compile, json, outputs, weighted)?;
        }
    }
    Ok(Some(compile))
}

fn wrong(key: &str, json: &Json) -> Error {
    Error::Config {
        class_name: "compile".into(),
        message: format!("`{key}` cannot be understood: {json}"),
    }
}

/// What is given for each output, by a list or by names; nothing for one that is for all.
fn per_output<'j>(json: &'j Json, outputs: &[String]) -> Result<Option<Vec<(usize, &'j Json)>>> {
    let each: Vec<(usize, &Json)> = match json {
        Json::Array(list) => list.iter().enumerate().collect(),
        Json::Object(object) if !object.contains_key("class_name") => by_name(object, outputs)?,
        _ => return Ok(None),
    };
    match each.iter().find(|(output, _)| *output >= outputs.len()) {
        Some((_, extra)) => Err(wrong("an output that is not there", extra)),
        None => Ok(Some(
            each.into_iter()
                .filter(|(_, json)| !json.is_null())
                .collect(),
        )),
    }
}

fn by_name<'j>(
    object: &'j Map<String, Json>,
    outputs: &[String],
) -> Result<Vec<(usize, &'j Json)>> {
    let each = object.iter().map(|(name, json)| {
        let place = outputs.iter().position(|output| output == name);
        let known = || outputs.iter().map(String::as_str);
        Ok((
            place.ok_or_else(|| Error::unknown("output", name, known()))?,
            json,
        ))
    });
    each.collect()
}

fn read_loss(json: &Json) -> Result<std::sync::Arc<dyn Loss>> {
    check_module(json)?;
    losses::from_keras(json)
}

fn read_metrics(
    compile: &mut Compile,
    json: &Json,
    outputs: &[String],
    weighted: bool,
) -> Result<()> {
    let is_one = |json: &Json| json.is_string() || json.get("class_name").is_some();
    let mut ask = |output: Option<usize>, json: &Json| -> Result<()> {
        check_module(json)?;
        compile.metrics.push(Asked {
            output: output.map(Into::into),
            metric: metrics::from_keras(json)?,
            weighted,
        });
        Ok(())
    };
    match json {
        // One output: a list of metrics, in a list of its own or not.
        Json::Array(list) if outputs.len() <= 1 => {
            let flat = list.iter().flat_map(|json| match json {
                Json::Array(inner) => inner.iter().collect::<Vec<_>>(),
                other => vec![other],
            });
            for one in flat.filter(|json| !json.is_null()) {
                ask(None, one)?;
            }
            Ok(())
        }
        one if is_one(one) => ask(None, one),
        // A list that is not one for each output is for all.
        Json::Array(list) if list.len() != outputs.len() && list.iter().all(is_one) => {
            list.iter().try_for_each(|one| ask(None, one))
        }
        _ => {
            let each = per_output(json, outputs)?.ok_or_else(|| wrong("metrics", json))?;
            for (output, json) in each {
                match json {
                    Json::Array(list) => {
                        let all = list.iter().filter(|json| !json.is_null());
                        for one in all {
                            ask(Some(output), one)?;
                        }
                    }
                    one => ask(Some(output), one)?,
                }
            }
            Ok(())
        }
    }
}
