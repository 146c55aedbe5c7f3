//! [`Batch`]: rows on their way from a dataset into a model.

use crate::data::{AsRows, Rows};
use crate::error::{Error, Result};
use crate::shape::tuple;

use super::sample::Sample;

/// Rows of inputs, targets and weights, in buffers that are used again and again.
///
/// The first row says how many inputs and targets a row has and of which shapes. A row that has
/// other ones is an error, also after [`clear`](Batch::clear).
///
/// # Examples
///
/// ```
/// use horn::data::dataset::Batch;
///
/// let mut batch = Batch::new();
/// batch.push(([1.0, 2.0], 0))?;
/// batch.push(([3.0, 4.0], 1))?;
/// assert_eq!(batch.len(), 2);
/// assert_eq!(batch.input(0).unwrap().values(), [1.0, 2.0, 3.0, 4.0]);
///
/// let error = batch.push(([5.0], 1)).unwrap_err().to_string();
/// assert!(error.contains("row 2"), "{error}");
/// assert!(error.contains("(2,)") && error.contains("(1,)"), "{error}");
/// # Ok::<(), horn::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Batch {
    inputs: Vec<Part>,
    targets: Vec<Part>,
    /// One a row, or none.
    weights: Option<Part>,
    rows: usize,
    /// How many rows came before these: the number of the first.
    first: usize,
    /// Whether a first row has said what rows have.
    known: bool,
}

/// One input, or one target, of all rows of a [`Batch`].
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// The number of rows, then the shape of one.
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Part {
    fn new(row: &[usize]) -> Self {
        Part {
            shape: std::iter::once(0).chain(row.iter().copied()).collect(),
            values: Vec::new(),
        }
    }

    /// The shape of one row; empty for single numbers.
    pub fn row_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or_default()
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn row_size(&self) -> usize {
        self.row_shape().iter().product()
    }

    /// Makes it that many rows long.
    fn resize(&mut self, rows: usize) {
        self.values.resize(rows * self.row_size(), 0.0);
        if let Some(length) = self.shape.first_mut() {
            *length = rows;
        }
    }

    fn row(&self, row: usize) -> &[f32] {
        let size = self.row_size();
        let range = row * size..(row + 1) * size;
        self.values.get(range).unwrap_or(&[])
    }

    fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let size = self.row_size();
        let range = row * size..(row + 1) * size;
        self.values.get_mut(range).unwrap_or(&mut [])
    }
}

impl AsRows for Part {
    fn as_rows(&self) -> Rows<'_> {
        Rows::contiguous(&self.shape, &self.values)
    }
}

/// What a part is of a row, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Input,
    Target,
    Weight,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::Target => "target",
            Kind::Weight => "sample weight",
        }
    }
}

impl Batch {
    /// No rows, of any shape.
    pub fn new() -> Self {
        Batch::default()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// An input of all rows; most have one, number 0.
    pub fn input(&self, index: usize) -> Option<&Part> {
        self.inputs.get(index)
    }

    /// A target of all rows; most have one, number 0.
    pub fn target(&self, index: usize) -> Option<&Part> {
        self.targets.get(index)
    }

    /// All inputs.
    pub fn inputs(&self) -> &[Part] {
        &self.inputs
    }

    /// All targets.
    pub fn targets(&self) -> &[Part] {
        &self.targets
    }

    /// The weights of the rows, if they have any.
    pub fn sample_weights(&self) -> Option<&Part> {
        self.weights.as_ref()
    }

    /// The values of an input, to change; none where there is no such input.
    pub fn input_mut(&mut self, index: usize) -> &mut [f32] {
        let part = self.inputs.get_mut(index);
        part.map_or(&mut [], |part| &mut part.values)
    }

    /// The values of a target, to change; none where there is no such target.
    pub fn target_mut(&mut self, index: usize) -> &mut [f32] {
        let part = self.targets.get_mut(index);
        part.map_or(&mut [], |part| &mut part.values)
    }

    /// Removes the rows; their shapes stay.
    pub fn clear(&mut self) {
        self.first += self.rows;
        self.resize(0);
    }

    /// Appends a row: `(inputs, targets)`, `(inputs, targets, weight)` or `(inputs,)`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the row has not the shapes of those before; it is not appended.
    pub fn push(&mut self, sample: impl Sample) -> Result<()> {
        self.append(1, |row| sample.write(row))
    }

    /// Where no row has come yet: expects rows like those of another batch.
    pub(crate) fn expect(&mut self, other: &Batch) {
        if self.known || !other.known {
            return;
        }
        let empty = |part: &Part| Part::new(part.row_shape());
        self.inputs = other.inputs.iter().map(empty).collect();
        self.targets = other.targets.iter().map(empty).collect();
        self.weights = other.weights.as_ref().map(empty);
        self.known = true;
    }

    /// The number that the first row has in its pass.
    pub(crate) fn set_first(&mut self, first: usize) {
        self.first = first;
    }

    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// The number of values of all rows.
    pub(crate) fn values(&self) -> usize {
        self.parts().map(|(_, part)| part.values.len()).sum()
    }

    fn parts_mut(&mut self) -> impl Iterator<Item = &mut Part> {
        let both = self.inputs.iter_mut().chain(&mut self.targets);
        both.chain(&mut self.weights)
    }

    fn parts(&self) -> impl Iterator<Item = (Kind, &Part)> {
        let inputs = self.inputs.iter().map(|part| (Kind::Input, part));
        let targets = self.targets.iter().map(|part| (Kind::Target, part));
        let weights = self.weights.iter().map(|part| (Kind::Weight, part));
        inputs.chain(targets).chain(weights)
    }

    /// Drops what is left of a row that a panic has cut short.
    pub(crate) fn settle(&mut self) {
        match self.known {
            true => self.resize(self.rows),
            false => *self = Batch::after(self.first),
        }
    }

    fn resize(&mut self, rows: usize) {
        self.parts_mut().for_each(|part| part.resize(rows));
        self.rows = rows;
    }

    /// Appends `count` rows that `write` writes; none of them after an error.
    pub(crate) fn append(
        &mut self,
        count: usize,
        write: impl FnOnce(&mut Row) -> Result<()>,
    ) -> Result<()> {
        let known = self.known;
        let mut row = Row {
            batch: self,
            count,
            inputs: 0,
            targets: 0,
            weights: 0,
        };
        let written = write(&mut row).and_then(|()| row.complete());
        match written {
            Ok(()) => {
                self.rows += count;
                self.known = true;
            }
            Err(_) if known => self.resize(self.rows),
            Err(_) => *self = Batch::after(self.first),
        }
        written
    }

    fn after(first: usize) -> Self {
        Batch {
            first,
            ..Batch::default()
        }
    }

    /// Appends one row of another batch.
    pub(crate) fn push_from(&mut self, from: &Batch, row: usize) -> Result<()> {
        self.extend(from, row, 1)
    }

    /// Appends `count` rows of another batch, from row `start` on.
    pub(crate) fn extend(&mut self, from: &Batch, start: usize, count: usize) -> Result<()> {
        let count = count.min(from.rows.saturating_sub(start));
        if count == 0 {
            return Ok(());
        }
        self.append(count, |row| {
            for (kind, part) in from.parts() {
                let size = part.row_size();
                let values = part.values.get(start * size..(start + count) * size);
                let to = row.space(kind, part.row_shape())?;
                to.copy_from_slice(values.unwrap_or(&[]));
            }
            Ok(())
        })
    }

    /// Puts a row of a batch of the same shapes in the place of a row.
    pub(crate) fn replace(&mut self, row: usize, from: &Batch, source: usize) -> Result<()> {
        self.check_same(from)?;
        for (to, (_, part)) in self.parts_mut().zip(from.parts()) {
            to.row_mut(row).copy_from_slice(part.row(source));
        }
        Ok(())
    }

    /// Removes a row; the last takes its place.
    pub(crate) fn swap_remove(&mut self, row: usize) {
        let Some(last) = self.rows.checked_sub(1) else {
            return;
        };
        for part in self.parts_mut() {
            let size = part.row_size();
            part.values
                .copy_within(last * size..(last + 1) * size, row * size);
        }
        self.resize(last);
    }

    /// An error unless the rows of another batch have the shapes of the rows here, if any came.
    pub(crate) fn check_same(&self, other: &Batch) -> Result<()> {
        if !self.known || !other.known {
            return Ok(());
        }
        let same = self
            .parts()
            .map(|(kind, part)| (kind, part.row_shape()))
            .eq(other.parts().map(|(kind, part)| (kind, part.row_shape())));
        match same {
            true => Ok(()),
            false => Err(unlike(other.first, &self.layout(), &other.layout())),
        }
    }

    /// `input (8,), target ()`
    fn layout(&self) -> String {
        let part = |(kind, part): (Kind, &Part)| match kind {
            Kind::Weight => kind.text().to_string(),
            _ => format!("{} {}", kind.text(), text(part.row_shape())),
        };
        let parts: Vec<String> = self.parts().map(part).collect();
        parts.join(", ")
    }
}

/// `(8,)`
fn text(shape: &[usize]) -> String {
    tuple(&shape.iter().map(usize::to_string).collect::<Vec<_>>())
}

/// The error of a row that is not like those before.
fn unlike(row: usize, expected: &str, found: &str) -> Error {
    Error::Shape {
        place: format!("row {row} of the dataset"),
        expected: format!("{expected}, as in the rows before"),
        found: found.to_string(),
        hint: "all rows of a dataset have the same shapes".into(),
    }
}

/// One row that is being written; see [`Sample`].
#[derive(Debug)]
pub struct Row<'b> {
    batch: &'b mut Batch,
    /// How many rows it is in truth.
    count: usize,
    inputs: usize,
    targets: usize,
    weights: usize,
}

impl Row<'_> {
    /// Writes the next input: an array, a vector or a slice of numbers, or a single number.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when it has not the shape of the rows before.
    pub fn input(&mut self, values: &(impl AsRows + ?Sized)) -> Result<()> {
        self.write(Kind::Input, &values.as_rows())
    }

    /// Writes the next target: an array, a vector or a slice of numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when it has not the shape of the rows before.
    pub fn target(&mut self, values: &(impl AsRows + ?Sized)) -> Result<()> {
        self.write(Kind::Target, &values.as_rows())
    }

    /// Writes the row's weight.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the rows before have none.
    pub fn sample_weight(&mut self, weight: f32) -> Result<()> {
        self.space(Kind::Weight, &[])?.fill(weight);
        Ok(())
    }

    /// Writes the next input, a single number.
    pub(crate) fn input_number(&mut self, value: f32) -> Result<()> {
        self.space(Kind::Input, &[])?.fill(value);
        Ok(())
    }

    /// Writes the next target, a single number.
    pub(crate) fn target_number(&mut self, value: f32) -> Result<()> {
        self.space(Kind::Target, &[])?.fill(value);
        Ok(())
    }

    fn write(&mut self, kind: Kind, values: &Rows) -> Result<()> {
        let to = self.space(kind, values.shape())?;
        values.gather_range(0..values.len(), to);
        Ok(())
    }

    /// Where the next input of all rows goes.
    pub(crate) fn input_space(&mut self, shape: &[usize]) -> Result<&mut [f32]> {
        self.space(Kind::Input, shape)
    }

    /// Where the next target of all rows goes.
    pub(crate) fn target_space(&mut self, shape: &[usize]) -> Result<&mut [f32]> {
        self.space(Kind::Target, shape)
    }

    /// Where the weights of all rows go.
    pub(crate) fn weight_space(&mut self) -> Result<&mut [f32]> {
        self.space(Kind::Weight, &[])
    }

    /// Where the values of a part go, which has one row of this shape for each row.
    fn space(&mut self, kind: Kind, shape: &[usize]) -> Result<&mut [f32]> {
        let batch = &mut *self.batch;
        let (rows, known, row) = (batch.rows, batch.known, batch.first + batch.rows);
        let (part, index) = match kind {
            Kind::Input => (batch.inputs.get_mut(self.inputs), &mut self.inputs),
            Kind::Target => (batch.targets.get_mut(self.targets), &mut self.targets),
            Kind::Weight => (
                batch.weights.as_mut().filter(|_| self.weights == 0),
                &mut self.weights,
            ),
        };
        let place = *index;
        *index += 1;
        let kind_text = kind.text();
        if let Some(part) = &part
            && part.row_shape() != shape
        {
            let expected = format!("{kind_text} {place} of shape {}", text(part.row_shape()));
            return Err(unlike(row, &expected, &text(shape)));
        }
        if part.is_none() && (known || kind == Kind::Weight && place > 0) {
            let expected = match (kind, place) {
                (Kind::Weight, 0) => "no sample weight".to_string(),
                (_, 1) => format!("one {kind_text}"),
                _ => format!("{place} {kind_text}s"),
            };
            return Err(unlike(row, &expected, "one more"));
        }
        if part.is_none() {
            let part = Part::new(shape);
            match kind {
                Kind::Input => batch.inputs.push(part),
                Kind::Target => batch.targets.push(part),
                Kind::Weight => batch.weights = Some(part),
            }
        }
        let part = match kind {
            Kind::Input => batch.inputs.get_mut(place),
            Kind::Target => batch.targets.get_mut(place),
            Kind::Weight => batch.weights.as_mut(),
        };
        let Some(part) = part else {
            return Ok(&mut []);
        };
        let start = part.values.len();
        part.resize(rows + self.count);
        Ok(part.values.get_mut(start..).unwrap_or(&mut []))
    }

    /// An error unless everything is there that the rows before have.
    fn complete(&self) -> Result<()> {
        let batch = &*self.batch;
        let missing = if self.inputs < batch.inputs.len() || self.inputs == 0 {
            Some((Kind::Input, batch.inputs.len().max(1), self.inputs))
        } else if self.targets < batch.targets.len() {
            Some((Kind::Target, batch.targets.len(), self.targets))
        } else if batch.weights.is_some() && self.weights == 0 {
            Some((Kind::Weight, 1, 0))
        } else {
            None
        };
        match missing {
            None => Ok(()),
            Some((kind, expected, found)) => Err(unlike(
                batch.first + batch.rows,
                &format!(
                    "{expected} {}{}",
                    kind.text(),
                    if expected == 1 { "" } else { "s" }
                ),
                &found.to_string(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    fn refused(batch: &mut Batch, sample: impl Sample) -> String {
        let before = (
            batch.len(),
            batch
                .parts()
                .map(|(_, p)| p.clone().values)
                .collect::<Vec<_>>(),
        );
        let error = batch.push(sample).unwrap_err().to_string();
        let after = (
            batch.len(),
            batch
                .parts()
                .map(|(_, p)| p.clone().values)
                .collect::<Vec<_>>(),
        );
        assert_eq!(before, after, "a row that is refused leaves nothing");
        error
    }

    #[test]
    fn rows_of_any_kind_are_taken() {
        let mut batch = Batch::new();
        let image = Array3::<u8>::from_elem((2, 2, 1), 7);
        batch
            .push(((&image, 3), (vec![1, 0], 0.5_f64), 2.0))
            .unwrap();
        batch
            .push(((&image, 4), (vec![0, 1], 1.5_f64), 3.0))
            .unwrap();
        let shapes: Vec<&[usize]> = batch.inputs().iter().map(Part::row_shape).collect();
        assert_eq!(shapes, [&[2, 2, 1][..], &[]]);
        assert_eq!(batch.input(1).unwrap().values(), [3.0, 4.0]);
        assert_eq!(batch.target(0).unwrap().values(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(batch.target(1).unwrap().values(), [0.5, 1.5]);
        assert_eq!(batch.sample_weights().unwrap().values(), [2.0, 3.0]);
        assert_eq!(batch.input(0).unwrap().as_rows().shape(), [2, 2, 2, 1]);
    }

    #[test]
    fn rows_that_differ_are_refused_with_both_shapes() {
        let mut batch = Batch::new();
        batch.push(([1.0, 2.0], 0)).unwrap();
        batch.clear();
        batch.push(([1.0, 2.0], 0)).unwrap();
        let wide = refused(&mut batch, ([1.0, 2.0, 3.0], 0));
        assert!(
            wide.starts_with("row 2 of the dataset expects input 0 of shape (2,)"),
            "{wide}"
        );
        assert!(wide.contains("got (3,)"), "{wide}");
        let target = refused(&mut batch, ([1.0, 2.0], [0, 1]));
        assert!(target.contains("target 0 of shape ()"), "{target}");
        let more = refused(&mut batch, (([1.0, 2.0], [1.0]), 0));
        assert!(
            more.contains("one input, as in the rows before, got one more"),
            "{more}"
        );
        let none = refused(&mut batch, ([1.0, 2.0],));
        assert!(
            none.contains("1 target, as in the rows before, got 0"),
            "{none}"
        );
        let weight = refused(&mut batch, ([1.0, 2.0], 0, 1.0));
        assert!(weight.contains("no sample weight"), "{weight}");
    }

    #[test]
    fn rows_are_copied_replaced_and_removed() {
        let mut from = Batch::new();
        for i in 0..4 {
            from.push(([i, 10 * i], i, i as f32)).unwrap();
        }
        let mut batch = Batch::new();
        batch.extend(&from, 1, 9).unwrap();
        batch.push_from(&from, 0).unwrap();
        assert_eq!(batch.target(0).unwrap().values(), [1.0, 2.0, 3.0, 0.0]);
        batch.replace(3, &from, 2).unwrap();
        batch.swap_remove(0);
        assert_eq!(
            batch.input(0).unwrap().values(),
            [2.0, 20.0, 2.0, 20.0, 3.0, 30.0]
        );
        assert_eq!(batch.sample_weights().unwrap().values(), [2.0, 2.0, 3.0]);
        batch.swap_remove(2);
        assert_eq!(batch.target(0).unwrap().values(), [2.0, 2.0]);
        let mut other = Batch::new();
        other.push(([1.0], 1, 1.0)).unwrap();
        let error = batch.replace(0, &other, 0).unwrap_err().to_string();
        assert!(
            error.contains("input (2,), target (), sample weight"),
            "{error}"
        );
        assert!(
            error.contains("input (1,), target (), sample weight"),
            "{error}"
        );
    }

    #[test]
    fn a_first_row_that_is_refused_says_nothing_of_shapes() {
        struct Broken;
        impl Sample for Broken {
            fn write(self, row: &mut Row) -> Result<()> {
                row.input(&[1.0, 2.0])?;
                Err(Error::dataset("broken"))
            }
        }
        let mut batch = Batch::new();
        assert!(batch.push(Broken).is_err());
        batch.push((array![1.0, 2.0, 3.0], 1)).unwrap();
        assert_eq!(batch.input(0).unwrap().row_shape(), [3]);
    }
}
