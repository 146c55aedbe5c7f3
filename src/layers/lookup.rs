//! Tokens at the border of a model: arrays of them become arrays of indices, and indices tokens.

use ndarray::ArrayD;

use super::encoding::OutputMode;
use super::vocabulary::{Token, Vocabulary};
use crate::error::{Error, Result};

impl<T: Token> Vocabulary<T> {
    /// The indices of an array of tokens of this shape, as the output mode has them.
    pub(super) fn look_up(
        &self,
        class_name: &str,
        tokens: impl Iterator<Item = T>,
        shape: &[usize],
    ) -> Result<ArrayD<f32>> {
        self.validate(class_name)?;
        if self.tokens().is_none() {
            let wanted = "called before tokens are looked up";
            return Err(Error::argument(class_name, "adapt", wanted, "no tokens"));
        }
        let table = self.table();
        let in_a_row = shape.iter().skip(1).product::<usize>().max(1);
        let mut indices = Vec::new();
        for (place, token) in tokens.enumerate() {
            match table.index(&token) {
                Some(index) => indices.push(index),
                // Counts for nothing: no row has that many places.
                None if table.masks(&token) => indices.push(usize::MAX),
                None => {
                    return Err(Error::argument(
                        class_name,
                        format!("tokens, row {}", place / in_a_row),
                        "in the vocabulary, where `num_oov_indices` is 0",
                        format!("{token:?}"),
                    ));
                }
            }
        }
        self.encoded(class_name, &indices, shape)
    }

    fn encoded(&self, class_name: &str, indices: &[usize], shape: &[usize]) -> Result<ArrayD<f32>> {
        let whole = |shape: &[usize], numbers: Vec<f32>| {
            ArrayD::from_shape_vec(shape, numbers)
                .map_err(|error| Error::argument(class_name, "tokens", "an array", error))
        };
        let depth = self.depth();
        // The axes that stay, and how many tokens share a row of the outputs.
        let (outer, together) = match (self.output_mode, shape) {
            (OutputMode::Int, _) => {
                return whole(shape, indices.iter().map(|index| *index as f32).collect());
            }
            (OutputMode::OneHot, [outer @ .., 1]) if !outer.is_empty() => (outer, 1),
            (OutputMode::OneHot, all) => (all, 1),
            (_, [rows, tokens]) => (std::slice::from_ref(rows), *tokens),
            _ => {
                let wanted = "of shape (batch, tokens) in this `output_mode`";
                let found = format!("{shape:?}");
                return Err(Error::argument(class_name, "tokens", wanted, found));
            }
        };
        let mut out = vec![0.0; outer.iter().product::<usize>() * depth];
        let weights = match self.output_mode {
            OutputMode::TfIdf => self.weights(),
            _ => Vec::new(),
        };
        let rows = out.chunks_exact_mut(depth.max(1));
        for (row, indices) in rows.zip(indices.chunks(together.max(1))) {
            for index in indices {
                if let Some(place) = row.get_mut(*index) {
                    *place += 1.0;
                }
            }
            if self.output_mode == OutputMode::MultiHot {
                row.iter_mut()
                    .for_each(|count: &mut f32| *count = count.min(1.0));
            }
            let weighted = row.iter_mut().zip(&weights);
            weighted.for_each(|(count, weight)| *count *= weight);
        }
        whole(&[outer, &[depth]].concat(), out)
    }

    /// The token of each index; that of the unknown for numbers that are none.
    pub(super) fn inverse<'a>(
        &'a self,
        indices: &'a [f32],
    ) -> impl Iterator<Item = Option<T>> + 'a {
        indices.iter().map(|index| {
            let known = *index >= 0.0 && index.fract() == 0.0;
            self.token(if known { *index as usize } else { usize::MAX })
        })
    }

    /// The token of each index, those of mask and unknown included.
    pub(super) fn all(&self) -> Vec<T> {
        (0..self.size()).filter_map(|i| self.token(i)).collect()
    }
}
