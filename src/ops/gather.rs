//! Rows picked by their numbers: embeddings, class probabilities.

use super::{Backward, Forward, Needs, Operation, pair};
use crate::kernels::parallel::{GRAIN, PIECE, chunks};
use crate::shape::Shape;

/// Elements of the first input along an axis, picked by the whole numbers in the second.
///
/// `(..., n, ...)` and indices of shape `(i, j)` give `(..., i, j, ...)`. An index outside
/// `0..n` gives NaN, which the training loop reports; layers check theirs before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gather {
    pub(crate) axis: usize,
}

/// The place that a number names, if there is one.
fn place(index: f32, length: usize) -> Option<usize> {
    // What is negative, broken or NaN is not what it is rounded to.
    let whole = index as usize;
    (whole as f32 == index && whole < length).then_some(whole)
}

impl Operation for Gather {
    fn name(&self) -> &str {
        "gather"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (data, indices) = pair("gather", inputs)?;
        if self.axis >= data.rank() {
            return Err(format!("{data} has no axis {}", self.axis));
        }
        let (before, after) = (&data.dims()[..self.axis], &data.dims()[self.axis + 1..]);
        Shape::new(&[before, indices.dims(), after].concat()).ok_or_else(|| {
            format!("gathering {indices} from {data} gives too many axes or numbers")
        })
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn forward(&self, run: &Forward, output: &mut [f32], _scratch: &mut [f32]) {
        let (data, indices) = (run.input(0), run.input(1));
        let (before, length, after) = run.input_shape(0).around(self.axis);
        if before == 1 && after > 0 {
            let piece = PIECE.div_ceil(after) * after;
            // Copying is quick: another thread pays later than where numbers are computed.
            return chunks(output, 4 * GRAIN, piece, |offset, output| {
                pick(data, length, &indices[offset / after..], output, after);
            });
        }
        for outer in 0..before {
            let data = &data[outer * length * after..][..length * after];
            let output = &mut output[outer * indices.len() * after..][..indices.len() * after];
            pick(data, length, indices, output, after);
        }
    }

    fn backward(&self, _input: usize, run: &Backward, gradient: &mut [f32], _: &mut [f32]) {
        let (dy, indices) = (run.gradient(), run.input(1));
        let (before, length, after) = run.input_shape(0).around(self.axis);
        if before == 1 && after > 0 {
            // Every piece of rows looks through all indices: few pieces, and in each the terms of
            // a row are added in the order of the indices, whoever adds them.
            let rows = length.div_ceil(PIECES).max(PIECE.div_ceil(after));
            return chunks(gradient, GRAIN, rows * after, |offset, gradient| {
                let first = offset / after;
                add(dy, indices, first, length, gradient, after);
            });
        }
        for outer in 0..before {
            let dy = &dy[outer * indices.len() * after..][..indices.len() * after];
            let gradient = &mut gradient[outer * length * after..][..length * after];
            add(dy, indices, 0, length, gradient, after);
        }
    }
}

/// How many pieces of a table are added to at a time, at most.
const PIECES: usize = 8;

/// Copies the rows that the indices name, one behind the other, as far as `output` goes.
fn pick(data: &[f32], length: usize, indices: &[f32], output: &mut [f32], after: usize) {
    for (to, index) in output.chunks_exact_mut(after.max(1)).zip(indices) {
        match place(*index, length) {
            Some(row) => to.copy_from_slice(&data[row * after..][..after]),
            None => to.fill(f32::NAN),
        }
    }
}

/// The sums of the rows of `dy` by the row that each index names, for the rows from `first` on that
/// `gradient` holds.
fn add(
    dy: &[f32],
    indices: &[f32],
    first: usize,
    length: usize,
    gradient: &mut [f32],
    after: usize,
) {
    gradient.fill(0.0);
    let rows = gradient.len() / after.max(1);
    // Rounded bounds may let a neighbour through; what is exact comes after.
    let (low, high) = (first as f32, (first + rows) as f32);
    for (from, index) in dy.chunks_exact(after.max(1)).zip(indices) {
        if !(low..=high).contains(index) {
            continue;
        }
        if let Some(row) = place(*index, length).and_then(|row| row.checked_sub(first))
            && row < rows
        {
            let to = &mut gradient[row * after..][..after];
            to.iter_mut().zip(from).for_each(|(g, d)| *g += d);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Probe;

    /// Large enough for pieces, with ids that are named many times and some that are none.
    #[test]
    fn pieces_give_the_bits_of_one_loop() {
        let (rows, columns, count) = (1000, 70, 5000);
        let ids: Vec<f32> = (0..count)
            .map(|i| match i % 97 {
                0 => -1.0,
                1 => rows as f32,
                2 => 0.5,
                _ => ((i * i * 31 + i) % (rows / (1 + i % 40))) as f32,
            })
            .collect();
        let numbers = |n: usize| -> Vec<f32> { (0..n).map(|i| (i as f32 * 0.37).sin()).collect() };
        let (table, dy) = (numbers(rows * columns), numbers(count * columns));
        let shapes: [&[usize]; 2] = [&[rows, columns], &[count]];
        let mut probe = Probe::new(&shapes, true, |_, v| v[0].gather(&v[1], 0)).expect("fits");
        probe.set_inputs(&[table.clone(), ids.clone()]);
        let y = probe.forward();
        let mut sums = vec![0.0_f32; table.len()];
        for (i, id) in ids.iter().enumerate() {
            let own = &y[i * columns..][..columns];
            if *id < 0.0 || *id >= rows as f32 || id.fract() != 0.0 {
                assert!(own.iter().all(|y| y.is_nan()));
                continue;
            }
            let row = *id as usize * columns;
            assert_eq!(own, &table[row..][..columns]);
            let terms = sums[row..][..columns].iter_mut();
            terms.zip(&dy[i * columns..]).for_each(|(sum, d)| *sum += d);
        }
        assert_eq!(probe.backward(&dy).inputs[0], sums);
    }
}
