//! [`OutputMode`], how the layers of categories give their ids out.

use serde::{Deserialize, Serialize};

use crate::graph::Value;

/// How a layer of categories gives its ids out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputMode {
    /// As ids. Shapes are unchanged.
    #[default]
    Int,
    /// As a row of zeros with a one: `(batch, ...)` gives `(batch, ..., categories)`; a last axis of
    /// length 1 is dropped first.
    OneHot,
    /// As one row for all ids along axis 1, with a one for each that is there.
    #[serde(alias = "binary")]
    MultiHot,
    /// The same, with how often each is there.
    Count,
    /// The same, each count times a weight that is larger for rare ids.
    #[serde(alias = "tf-idf")]
    TfIdf,
}

/// The ids of `depth` categories as a mode has them; `idf` are the weights of [`OutputMode::TfIdf`].
pub(super) fn encode(ids: &Value, mode: OutputMode, depth: usize, idf: &[f32]) -> Value {
    if mode == OutputMode::Int {
        return ids.clone();
    }
    if mode == OutputMode::OneHot {
        let alone = ids.rank() > 1 && ids.dim(-1) == 1;
        let ids = if alone { ids.squeeze(-1) } else { ids.clone() };
        return ids.one_hot(depth);
    }
    if ids.rank() < 2 {
        return ids.fail(format!(
            "expects inputs of shape (batch, ids), got {}",
            ids.shape()
        ));
    }
    let each = ids.one_hot(depth);
    match mode {
        OutputMode::MultiHot => each.max(1),
        OutputMode::Count => each.sum(1),
        _ if idf.len() == depth => each.sum(1) * ids.constant(idf, [depth]),
        _ => ids.fail(format!(
            "`idf_weights` must be one for each of {depth} categories, got {}",
            idf.len()
        )),
    }
}
