//! What the layers share that make one output of several inputs.

use crate::graph::{Scope, Value};

/// The inputs with as many axes as the one that has most: axes of length 1 come after the batch.
pub(super) fn aligned(inputs: &[Value]) -> Vec<Value> {
    let rank = inputs.iter().map(Value::rank).max().unwrap_or(0);
    let align = |x: &Value| {
        (x.rank()..rank).fold(x.clone(), |x, _| match x.rank() {
            0 => x,
            _ => x.expand_dims(1),
        })
    };
    inputs.iter().map(align).collect()
}

/// The first input with each of the others in turn.
pub(super) fn fold(first: &Value, rest: &[Value], op: impl Fn(&Value, &Value) -> Value) -> Value {
    rest.iter().fold(first.clone(), |so_far, x| op(&so_far, x))
}

/// The mask of each input, where all of them have one.
pub(super) fn masks(scope: &Scope, inputs: &[Value]) -> Option<Vec<Value>> {
    inputs.iter().map(|x| scope.mask(x)).collect()
}

/// The steps that count in any of the inputs.
pub(super) fn any(masks: &[Value]) -> Option<Value> {
    let (first, rest) = masks.split_first()?;
    Some(fold(first, rest, |a, b| a.maximum(b)))
}

/// A mask with a number for each number of `x`.
pub(super) fn stretched(mask: &Value, x: &Value) -> Value {
    let mut lengths = mask.shape().dims().to_vec();
    lengths.resize(x.rank(), 1);
    mask.reshape(lengths).broadcast_to(x.shape())
}

/// The inputs one after another, as [`fold`], where steps that do not count take no part.
fn fold_masked(
    (first, rest): (&Value, &[Value]),
    masks: &[Option<Value>],
    op: impl Fn(&Value, &Value) -> Value,
) -> Value {
    let full = |mask: &Option<Value>, x: &Value| mask.as_ref().map(|mask| stretched(mask, x));
    let mut so_far = first.clone();
    let mut counts = masks.first().and_then(|mask| full(mask, first));
    for (x, mask) in rest.iter().zip(masks.iter().skip(1)) {
        let mask = full(mask, x);
        let x = match &mask {
            Some(mask) => mask.select(x, &so_far),
            None => x.clone(),
        };
        if let Some(counts) = &counts {
            so_far = counts.select(&so_far, &x);
        }
        counts = match (counts, mask) {
            (Some(a), Some(b)) => Some(a.maximum(&b)),
            _ => None,
        };
        so_far = op(&so_far, &x);
    }
    so_far
}

/// Writes a layer that merges its inputs: `merge(layer, scope, inputs)` gives its output.
macro_rules! merging {
    ($(#[$doc:meta])* $Name:ident, $merge:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $Name {
            #[serde(flatten)]
            base: crate::layers::config::Base,
        }

        impl $Name {
            /// A layer with Keras's defaults.
            pub fn new() -> Self {
                Self::default()
            }

            crate::layers::shared_settings!(builder);
        }

        crate::layers::merging::merges!($Name, $merge);
    };
}
pub(super) use merging;

/// How a layer merges: what it does with at least one input, aligned or not as it says itself.
macro_rules! merges {
    ($Name:ident, $merge:expr) => {
        impl crate::layers::Layer for $Name {
            fn call(
                &self,
                scope: &mut crate::graph::Scope,
                x: &crate::graph::Value,
            ) -> crate::graph::Value {
                $merge(self, scope, std::slice::from_ref(x))
            }

            fn call_many(
                &self,
                scope: &mut crate::graph::Scope,
                inputs: &[crate::graph::Value],
            ) -> Vec<crate::graph::Value> {
                match inputs {
                    [] => vec![scope.fail("merges at least one input, got none".into())],
                    _ => vec![$merge(self, scope, inputs)],
                }
            }

            fn class_name(&self) -> &str {
                stringify!($Name)
            }

            crate::layers::shared_settings!(layer);
        }
    };
}
pub(super) use merges;

/// The inputs one after another, with the mask that they have together.
pub(super) fn elementwise(
    scope: &mut Scope,
    inputs: &[Value],
    op: impl Fn(&Value, &Value) -> Value,
) -> Value {
    let aligned = aligned(inputs);
    let Some((first, rest)) = aligned.split_first() else {
        return scope.fail("merges at least one input, got none".into());
    };
    let output = fold(first, rest, op);
    let mask = masks(scope, inputs).and_then(|masks| any(&masks));
    with_mask(scope, output, mask)
}

/// As [`elementwise`], where steps that do not count take no part.
pub(super) fn elementwise_masked(
    scope: &mut Scope,
    inputs: &[Value],
    op: impl Fn(&Value, &Value) -> Value,
) -> Value {
    let aligned = aligned(inputs);
    let own: Vec<Option<Value>> = inputs.iter().map(|x| scope.mask(x)).collect();
    let Some((first, rest)) = aligned.split_first() else {
        return scope.fail("merges at least one input, got none".into());
    };
    let output = fold_masked((first, rest), &own, op);
    let all: Option<Vec<Value>> = own.into_iter().collect();
    let mask = all.and_then(|masks| any(&masks));
    with_mask(scope, output, mask)
}

/// The value, of which these steps count.
pub(super) fn with_mask(scope: &mut Scope, value: Value, mask: Option<Value>) -> Value {
    if let Some(mask) = mask {
        scope.set_mask(&value, &mask);
    }
    value
}
