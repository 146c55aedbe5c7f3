//! What [`PearsonCorrelation`](super::PearsonCorrelation),
//! [`ConcordanceCorrelation`](super::ConcordanceCorrelation) and
//! [`CosineSimilarity`](super::CosineSimilarity) are the means of, written in ops.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::graph::Value;
use crate::losses::Loss;

/// A function of targets and predictions along an axis.
macro_rules! along {
    ($(#[$doc:meta])* $Name:ident, $name:literal, |$t:ident, $p:ident, $axis:ident| $value:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct $Name {
            axis: isize,
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name { axis: -1 }
            }
        }

        impl $Name {
            pub(crate) fn new() -> Self {
                Self::default()
            }

            pub(crate) fn along(axis: isize) -> Self {
                $Name { axis }
            }
        }

        impl Loss for $Name {
            fn name(&self) -> &str {
                $name
            }

            fn call(&self, $t: &Value, $p: &Value) -> Value {
                let $axis = self.axis;
                $value
            }

            fn config(&self) -> Json {
                serde_json::to_value(self).unwrap_or_default()
            }
        }
    };
}

along! {
    /// `mean((t - mean(t)) / std(t) · (p - mean(p)) / std(p))`
    Pearson, "pearson_correlation", |t, p, axis| {
        let standard = |x: &Value| {
            let x = x - x.mean_keepdims(axis);
            let deviation = x.square().mean_keepdims(axis).sqrt();
            x / deviation
        };
        (standard(t) * standard(p)).mean(axis)
    }
}

along! {
    /// `mean(2 (t - mean(p)) (p - mean(p)) / (var(t) + var(p) + (mean(t) - mean(p))² + 1e-7))`
    Concordance, "concordance_correlation", |t, p, axis| {
        let (t_mean, p_mean) = (t.mean_keepdims(axis), p.mean_keepdims(axis));
        let variance = |x: &Value, mean: &Value| (x - mean).square().mean_keepdims(axis);
        let norm = variance(t, &t_mean) + variance(p, &p_mean) + (&t_mean - &p_mean).square();
        let both = (t - &p_mean) * (p - &p_mean) * 2.0;
        (both / (norm + 1e-7)).mean(axis)
    }
}

along! {
    /// `sum(t / ‖t‖ · p / ‖p‖)`
    Cosine, "cosine_similarity", |t, p, axis| {
        (t.l2_normalize(axis) * p.l2_normalize(axis)).sum(axis)
    }
}
