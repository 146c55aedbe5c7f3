//! The border between ndarray and the engine: any array as rows of `f32`.

use ndarray::{
    ArrayBase, ArrayRef, ArrayView1, ArrayView2, ArrayViewD, Axis, Data, Dimension, Ix2, IxDyn,
    Slice,
};
use std::fmt;
use std::ops::Range;

use crate::kernels::parallel::{self, GRAIN, PIECE};

/// What can be seen as rows of numbers: one row, one sample.
///
/// Implemented for ndarray's arrays and views of any rank, layout and [`Element`], and for
/// vectors, slices and fixed arrays of numbers as one-dimensional data.
///
/// # Examples
///
/// ```
/// use horn::data::AsRows;
/// use horn::prelude::*;
///
/// let dataset = array![[6, 148, 1], [1, 85, 0]];
/// let (x, y) = (dataset.slice(s![.., 0..2]), dataset.slice(s![.., 2]));
/// assert_eq!(x.as_rows().row_shape(), [2]);
/// assert_eq!(y.as_rows().shape(), [2]);
/// assert_eq!(vec![0.5, 1.5, 2.5].as_rows().len(), 3);
/// ```
///
/// A type of one's own hands out the rows of the array that it holds:
///
/// ```
/// use horn::data::{AsRows, Rows};
/// use horn::prelude::*;
///
/// struct Prices(Array2<f64>);
///
/// impl AsRows for Prices {
///     fn as_rows(&self) -> Rows<'_> {
///         self.0.as_rows()
///     }
/// }
/// assert_eq!(Prices(array![[1.0, 2.0]]).as_rows().shape(), [1, 2]);
/// ```
pub trait AsRows {
    /// The rows: what lies along the first axis. Nothing is copied.
    fn as_rows(&self) -> Rows<'_>;
}

impl<T: AsRows + ?Sized> AsRows for &T {
    fn as_rows(&self) -> Rows<'_> {
        (**self).as_rows()
    }
}

impl<S: Data<Elem: Element>, D: Dimension> AsRows for ArrayBase<S, D> {
    fn as_rows(&self) -> Rows<'_> {
        Rows::new(self.view().into_dyn())
    }
}

impl<T: Element, D: Dimension> AsRows for ArrayRef<T, D> {
    fn as_rows(&self) -> Rows<'_> {
        Rows::new(self.view().into_dyn())
    }
}

impl<T: Element> AsRows for [T] {
    fn as_rows(&self) -> Rows<'_> {
        Rows::new(ArrayView1::from(self).into_dyn())
    }
}

impl<T: Element, const N: usize> AsRows for [T; N] {
    fn as_rows(&self) -> Rows<'_> {
        self.as_slice().as_rows()
    }
}

impl<T: Element> AsRows for Vec<T> {
    fn as_rows(&self) -> Rows<'_> {
        self.as_slice().as_rows()
    }
}

/// A number that [`Rows`] can hold: `f32`, `f64`, `bool` (as 0 and 1) and the integers of up to
/// 64 bits.
///
/// It becomes the nearest `f32`; whole numbers are exact up to 2^24. No other type can implement
/// it.
pub trait Element: private::Convert {}

mod private {
    /// What [`super::Element`] does, out of sight.
    pub trait Convert: Copy + Send + Sync + 'static {
        fn to_f32(self) -> f32;
        fn to_f64(self) -> f64;
        fn erase(rows: super::Typed<'_, Self>) -> super::Erased<'_>;
    }
}

/// The rows of an array, whatever its element type and layout, borrowed.
///
/// A clone is a second view of the same numbers.
///
/// # Examples
///
/// ```
/// use horn::data::AsRows;
/// use horn::prelude::*;
///
/// let x = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
/// let rows = x.as_rows();
/// let mut batch = [0.0; 4];
/// rows.gather(&[2, 0], &mut batch);
/// assert_eq!(batch, [5.0, 6.0, 1.0, 2.0]);
/// ```
#[derive(Clone)]
pub struct Rows<'a> {
    /// As ndarray keeps it: up to four axes need no memory of their own.
    shape: IxDyn,
    row_size: usize,
    values: Erased<'a>,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("shape", &self.shape())
            .field("element", &self.values.element())
            .finish()
    }
}

impl<'a> Rows<'a> {
    fn new<T: Element>(mut view: ArrayViewD<'a, T>) -> Self {
        // A lone number is one row of one value.
        if view.ndim() == 0 {
            view.insert_axis_inplace(Axis(0));
        }
        Rows {
            row_size: view.shape().iter().skip(1).product(),
            shape: view.raw_dim(),
            values: T::erase(Typed::new(view)),
        }
    }

    /// Numbers that lie row after row, in row-major order; none where there are not as many as the
    /// shape says.
    pub(crate) fn contiguous(shape: &[usize], values: &'a [f32]) -> Self {
        match ArrayViewD::from_shape(IxDyn(shape), values) {
            Ok(view) => Rows::new(view),
            Err(_) => Rows::new(ArrayView1::from(values.get(..0).unwrap_or(values)).into_dyn()),
        }
    }

    /// The same rows, borrowed for no longer than this.
    pub(crate) fn view(&self) -> Rows<'_> {
        Rows {
            shape: self.shape.clone(),
            row_size: self.row_size,
            values: self.values.view(),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of the whole, the number of rows first.
    pub fn shape(&self) -> &[usize] {
        self.shape.slice()
    }

    /// The shape of one row; empty for one-dimensional data.
    pub fn row_shape(&self) -> &[usize] {
        self.shape().get(1..).unwrap_or_default()
    }

    /// The number of values in one row; 1 for one-dimensional data.
    pub fn row_size(&self) -> usize {
        self.row_size
    }

    /// Copies the rows of the given indices one after the other, each in row-major order, into
    /// `out` of `indices.len() * row_size()` values. Allocates nothing.
    ///
    /// An index that is not one of a row leaves its place as it was.
    pub fn gather(&self, indices: &[u32], out: &mut [f32]) {
        debug_assert_eq!(out.len(), indices.len() * self.row_size);
        let size = self.row_size;
        if out.len() <= GRAIN {
            return self.values.gather(indices, size, out);
        }
        parallel::chunks(out, GRAIN, self.piece(), |offset, out| {
            let first = offset / size.max(1);
            let indices = indices.get(first..).unwrap_or(&[]);
            self.values.gather(indices, size, out);
        });
    }

    /// How many values are copied at a time where several threads do: whole rows.
    fn piece(&self) -> usize {
        let size = self.row_size.max(1);
        PIECE.div_ceil(size).saturating_mul(size)
    }

    /// Copies the rows `range` one after the other, each in row-major order, into `out` of
    /// `range.len() * row_size()` values. Allocates nothing.
    ///
    /// Indices that are not those of a row leave their places as they were.
    pub fn gather_range(&self, range: Range<usize>, out: &mut [f32]) {
        debug_assert_eq!(out.len(), range.len() * self.row_size);
        let size = self.row_size;
        if out.len() <= GRAIN {
            return self.values.gather_range(range, size, out);
        }
        parallel::chunks(out, GRAIN, self.piece(), |offset, out| {
            let start = range.start + offset / size.max(1);
            let rows = start..start + out.len() / size.max(1);
            self.values.gather_range(rows, size, out);
        });
    }

    /// The rows `range` alone, as far as they exist. Nothing is copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::AsRows;
    ///
    /// let y = [0, 1, 1, 0];
    /// let (train, validation) = (y.as_rows().slice(0..3), y.as_rows().slice(3..4));
    /// assert_eq!((train.len(), validation.len()), (3, 1));
    /// ```
    pub fn slice(&self, range: Range<usize>) -> Rows<'a> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let mut rows = self.clone();
        if let Some(len) = rows.shape.slice_mut().first_mut() {
            *len = end - start;
        }
        rows.values.slice(start..end);
        rows
    }

    /// The first value, in row-major order, that is NaN or infinite as an `f32`: its row, its
    /// column in the flattened row, and the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::AsRows;
    /// use horn::prelude::*;
    ///
    /// let x = array![[1.0, 2.0], [3.0, 1e300]];
    /// assert_eq!(x.as_rows().first_non_finite(), Some((1, 1, 1e300)));
    /// ```
    pub fn first_non_finite(&self) -> Option<(usize, usize, f64)> {
        if self.values.is_float() {
            self.first_where(|value| !value.is_finite())
        } else {
            None
        }
    }

    /// The first value, in row-major order, that `predicate` holds for: its row, its column in
    /// the flattened row, and the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use horn::data::AsRows;
    ///
    /// let labels = vec![0, 2, 1];
    /// assert_eq!(labels.as_rows().first_where(|y| y > 1.0), Some((1, 0, 2.0)));
    /// ```
    pub fn first_where(&self, predicate: impl Fn(f32) -> bool) -> Option<(usize, usize, f64)> {
        // A test of the whole piece without a branch inside vectorises; data is mostly good.
        let search = |piece: &[f32]| {
            let any = piece.iter().fold(false, |any, v| any | predicate(*v));
            any.then(|| piece.iter().position(|v| predicate(*v)))?
        };
        let (place, value) = self.values.search(&search)?;
        let size = self.row_size.max(1);
        Some((place / size, place % size, value))
    }
}

/// Rows of one element type.
///
/// Nearly all data can be seen as a matrix, one sample a row, once axes that lie evenly in
/// memory are taken as one. What cannot (images with permuted axes, say) stays as it is.
#[derive(Clone)]
pub enum Typed<'a, T> {
    Matrix(ArrayView2<'a, T>),
    Deep(ArrayViewD<'a, T>),
}

impl<'a, T: Element> Typed<'a, T> {
    fn new(mut view: ArrayViewD<'a, T>) -> Self {
        let mut into = view.ndim() - 1;
        for axis in (1..into).rev() {
            if !view.merge_axes(Axis(axis), Axis(into)) {
                into = axis;
            }
        }
        for axis in (1..view.ndim()).rev() {
            if view.len_of(Axis(axis)) == 1 {
                view = view.index_axis_move(Axis(axis), 0);
            }
        }
        if view.ndim() == 1 {
            view.insert_axis_inplace(Axis(1));
        }
        match view.clone().into_dimensionality::<Ix2>() {
            Ok(matrix) => Typed::Matrix(matrix),
            Err(_) => Typed::Deep(view),
        }
    }

    fn view(&self) -> Typed<'_, T> {
        match self {
            Typed::Matrix(view) => Typed::Matrix(view.view()),
            Typed::Deep(view) => Typed::Deep(view.view()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Typed::Matrix(view) => view.nrows(),
            Typed::Deep(view) => view.len_of(Axis(0)),
        }
    }

    /// All values in row-major order, when they lie so in memory.
    fn as_slice(&self) -> Option<&[T]> {
        match self {
            Typed::Matrix(view) => view.as_slice(),
            Typed::Deep(_) => None,
        }
    }

    fn slice(&mut self, range: Range<usize>) {
        match self {
            Typed::Matrix(view) => view.slice_axis_inplace(Axis(0), Slice::from(range)),
            Typed::Deep(view) => view.slice_axis_inplace(Axis(0), Slice::from(range)),
        }
    }

    #[inline]
    fn gather_each(&self, rows: impl Iterator<Item = usize>, size: usize, out: &mut [f32]) {
        if size == 0 {
            return;
        }
        let len = self.len();
        let rows = rows.inspect(|row| debug_assert!(*row < len, "row {row} of {len}"));
        match self {
            // One value a row is worth no slices.
            Typed::Matrix(view) if view.ncols() == 1 => {
                let column = view.column(0);
                for (row, out) in rows.zip(out) {
                    if let Some(value) = column.get(row) {
                        *out = value.to_f32();
                    }
                }
            }
            // Short rows go as two pieces of fixed size that overlap in the middle: a loop, or a
            // call of `memcpy`, would cost more than the values.
            Typed::Matrix(view) => match size {
                2..=3 => slices(view, rows, size, out, ends::<T, 2>),
                4..=7 => slices(view, rows, size, out, ends::<T, 4>),
                8..=15 => slices(view, rows, size, out, ends::<T, 8>),
                16..=32 => slices(view, rows, size, out, ends::<T, 16>),
                _ => slices(view, rows, size, out, |values, out| convert(values, out)),
            },
            Typed::Deep(view) => deep(view, rows, size, out),
        }
    }

    /// Never inlined: all element types in one function would share its registers and its stack.
    #[inline(never)]
    fn gather(&self, indices: &[u32], size: usize, out: &mut [f32]) {
        self.gather_each(indices.iter().map(|index| *index as usize), size, out);
    }

    fn gather_range(&self, range: Range<usize>, size: usize, out: &mut [f32]) {
        let flat = range.start.saturating_mul(size)..range.end.saturating_mul(size);
        match self.as_slice().and_then(|values| values.get(flat)) {
            Some(values) => convert(values, out),
            None => self.gather_each(range, size, out),
        }
    }

    /// Looks through the values in row-major order, a piece at a time, until `find` says at which
    /// place of a piece it found what it looks for: the place in the whole, and the value.
    ///
    /// `find` is a trait object so that this is compiled once for each element type only.
    fn search(&self, find: &dyn Fn(&[f32]) -> Option<usize>) -> Option<(usize, f64)> {
        match self {
            Typed::Matrix(view) => match view.as_slice() {
                Some(values) => search(values.iter(), values.len(), find),
                None => search(view.iter(), view.len(), find),
            },
            Typed::Deep(view) => search(view.iter(), view.len(), find),
        }
    }
}

/// [`Typed::search`] for an iterator over `len` values.
fn search<'v, T: Element>(
    mut values: impl Iterator<Item = &'v T> + Clone,
    len: usize,
    find: &dyn Fn(&[f32]) -> Option<usize>,
) -> Option<(usize, f64)> {
    let mut space = [0.0; 256];
    for before in (0..len).step_by(space.len()) {
        let size = space.len().min(len - before);
        let piece = space.get_mut(..size)?;
        let mut start = values.clone();
        convert(values.by_ref(), piece);
        if let Some(place) = find(piece) {
            return Some((before + place, start.nth(place)?.to_f64()));
        }
    }
    None
}

/// Calls `put` with each row and its place, as long as there are whole places of `size` values.
///
/// `chunks_exact_mut` would divide, which costs as much as a short row.
#[inline(always)]
fn places(
    rows: impl Iterator<Item = usize>,
    size: usize,
    mut out: &mut [f32],
    put: impl Fn(usize, &mut [f32]),
) {
    for row in rows {
        let Some((place, rest)) = out.split_at_mut_checked(size) else {
            return;
        };
        put(row, place);
        out = rest;
    }
}

/// Converts each row and its place: by `put` where the row lies in one piece.
#[inline(always)]
fn slices<T: Element>(
    view: &ArrayView2<T>,
    rows: impl Iterator<Item = usize>,
    size: usize,
    out: &mut [f32],
    put: impl Fn(&[T], &mut [f32]),
) {
    places(rows, size, out, |row, out| {
        if row < view.nrows() {
            let values = view.row(row);
            match values.to_slice() {
                Some(values) => put(values, out),
                None => convert(values, out),
            }
        }
    });
}

/// Converts each row, lane by lane, to its place.
#[inline(never)]
fn deep<T: Element>(
    view: &ArrayViewD<T>,
    rows: impl Iterator<Item = usize>,
    size: usize,
    out: &mut [f32],
) {
    let lane_len = view.shape().last().copied().unwrap_or(1).max(1);
    places(rows, size, out, |row, out| {
        if row < view.len_of(Axis(0)) {
            let row = view.index_axis(Axis(0), row);
            for (lane, out) in row.rows().into_iter().zip(out.chunks_exact_mut(lane_len)) {
                convert(lane, out);
            }
        }
    });
}

/// Writes `N` to `2 N` values as `f32`: the first `N`, and the last `N` if there are more.
#[inline(always)]
fn ends<T: Element, const N: usize>(values: &[T], out: &mut [f32]) {
    if let (Some(values), Some(out)) = (values.first_chunk::<N>(), out.first_chunk_mut::<N>()) {
        *out = values.map(T::to_f32);
    }
    if values.len() > N
        && let (Some(values), Some(out)) = (values.last_chunk::<N>(), out.last_chunk_mut::<N>())
    {
        *out = values.map(T::to_f32);
    }
}

/// Writes values as `f32`.
#[inline]
fn convert<'v, T: Element>(values: impl IntoIterator<Item = &'v T>, out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = value.to_f32();
    }
}

/// Makes the element types and [`Erased`], which holds the rows of any of them.
macro_rules! elements {
    ($($variant:ident: $type:ty, $float:literal, $to_f32:expr, $to_f64:expr;)*) => {
        /// Rows of some element type.
        #[derive(Clone)]
        pub enum Erased<'a> {
            $($variant(Typed<'a, $type>),)*
        }

        $(
            impl Element for $type {}

            impl private::Convert for $type {
                #[inline(always)]
                fn to_f32(self) -> f32 {
                    $to_f32(self)
                }

                #[inline(always)]
                fn to_f64(self) -> f64 {
                    $to_f64(self)
                }

                fn erase(rows: Typed<'_, Self>) -> Erased<'_> {
                    Erased::$variant(rows)
                }
            }
        )*

        impl Erased<'_> {
            fn element(&self) -> &'static str {
                match self {
                    $(Erased::$variant(_) => stringify!($type),)*
                }
            }

            fn view(&self) -> Erased<'_> {
                match self {
                    $(Erased::$variant(rows) => Erased::$variant(rows.view()),)*
                }
            }

            fn gather(&self, indices: &[u32], size: usize, out: &mut [f32]) {
                match self {
                    $(Erased::$variant(rows) => rows.gather(indices, size, out),)*
                }
            }

            fn gather_range(&self, range: Range<usize>, size: usize, out: &mut [f32]) {
                match self {
                    $(Erased::$variant(rows) => rows.gather_range(range, size, out),)*
                }
            }

            fn slice(&mut self, range: Range<usize>) {
                match self {
                    $(Erased::$variant(rows) => rows.slice(range),)*
                }
            }

            fn is_float(&self) -> bool {
                match self {
                    $(Erased::$variant(_) => $float,)*
                }
            }

            fn search(&self, find: &dyn Fn(&[f32]) -> Option<usize>) -> Option<(usize, f64)> {
                match self {
                    $(Erased::$variant(rows) => rows.search(find),)*
                }
            }
        }
    };
}

elements! {
    F32: f32, true, |x| x, f64::from;
    F64: f64, true, |x| x as f32, |x| x;
    I8: i8, false, f32::from, f64::from;
    I16: i16, false, f32::from, f64::from;
    I32: i32, false, |x| x as f32, f64::from;
    I64: i64, false, |x| x as f32, |x| x as f64;
    Isize: isize, false, |x| x as f32, |x| x as f64;
    U8: u8, false, f32::from, f64::from;
    U16: u16, false, f32::from, f64::from;
    U32: u32, false, |x| x as f32, f64::from;
    U64: u64, false, |x| x as f32, |x| x as f64;
    Usize: usize, false, |x| x as f32, |x| x as f64;
    Bool: bool, false, f32::from, f64::from;
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, Array1, Array2, Array4, ArrayD, CowArray, IxDyn, ShapeBuilder, arr0, s};
    use proptest::prelude::*;

    /// Whatever way they are asked for, the rows are those that ndarray iterates over.
    fn check<T: Element, S: Data<Elem = T>, D: Dimension>(array: &ArrayBase<S, D>) {
        check_view(array.view().into_dyn());
    }

    fn check_view<T: Element>(view: ArrayViewD<T>) {
        let wanted = view.iter().map(|v| v.to_f32()).collect();
        check_rows(view.as_rows(), view.shape(), wanted);
    }

    /// Apart from [`check_view`] and so compiled once.
    fn check_rows(rows: Rows, shape: &[usize], wanted: Vec<f32>) {
        let (len, size) = (rows.len(), rows.row_size());
        assert_eq!(rows.shape(), shape);
        assert_eq!(rows.row_shape(), &shape[1..]);
        assert_eq!(len * size, wanted.len());

        let mut all = vec![-1.0; wanted.len()];
        rows.gather_range(0..len, &mut all);
        assert_eq!(all, wanted);

        let backwards: Vec<u32> = (0..len as u32).rev().chain([0]).take(len).collect();
        let mut gathered = vec![-1.0; wanted.len()];
        rows.gather(&backwards, &mut gathered);
        let row = |i: usize| &wanted[i * size..(i + 1) * size];
        let reversed: Vec<f32> = backwards
            .iter()
            .flat_map(|i| row(*i as usize).to_vec())
            .collect();
        assert_eq!(gathered, reversed);

        let (start, end) = (len / 3, len - len / 4);
        let part = rows.slice(start..end);
        assert_eq!(
            (part.len(), part.row_shape()),
            (end - start, rows.row_shape())
        );
        let mut sliced = vec![-1.0; (end - start) * size];
        part.gather_range(0..end - start, &mut sliced);
        assert_eq!(sliced, wanted[start * size..end * size]);
        rows.gather_range(start..end, &mut sliced);
        assert_eq!(sliced, wanted[start * size..end * size]);

        // Every value is found at its first place.
        for value in &wanted {
            let place = wanted.iter().position(|w| w == value).unwrap();
            let found = rows.first_where(|v| v == *value);
            assert_eq!(found, Some((place / size, place % size, f64::from(*value))));
        }
        assert_eq!(rows.first_where(|v| v == -7.0), None);
        assert_eq!(rows.first_non_finite(), None);
    }

    fn counting<D: Dimension>(shape: impl ShapeBuilder<Dim = D>) -> Array<f32, D> {
        let mut next = 0.0;
        Array::from_shape_simple_fn(shape, || {
            next += 1.0;
            next
        })
    }

    #[test]
    fn every_layout_of_every_rank_gives_its_rows() {
        check(&counting(7));
        check(&counting((6, 4)));
        check(&counting((6, 4).f()));
        check(&counting((6, 3, 2)));
        check(&counting((6, 3, 2).f()));
        check(&counting((6, 3, 2, 2)));
        check(&counting((6, 3, 2, 2).f()));
        check(&counting(IxDyn(&[4, 2, 1, 2, 3, 2])));
        check(&counting(IxDyn(&[4, 2, 1, 2, 3, 2])).reversed_axes());

        let wide = counting((9, 12));
        check(&wide.slice(s![.., 0..8]));
        check(&wide.slice(s![.., 8]));
        check(&wide.slice(s![..;2, 1..;3]));
        check(&wide.slice(s![..;-1, ..]));
        check(&wide.slice(s![1..;-2, ..;-1]));
        check(&wide.t());
        check(&wide.slice(s![3, ..]));

        let deep = counting((5, 4, 6, 3));
        check(&deep.slice(s![..;2, .., .., ..]));
        check(&deep.slice(s![..;-1, .., .., ..]));
        check(&deep.slice(s![.., 1..3, .., ..]));
        check(&deep.slice(s![.., .., ..;2, ..]));
        check(&deep.slice(s![.., .., .., 0..1]));
        check(&deep.slice(s![.., .., 0, 1..]));
        check(&deep.slice(s![.., ..;-1, ..;-1, ..;-1]));
        check(&deep.view().permuted_axes([0, 3, 1, 2]));
        check(&deep.view().permuted_axes([2, 0, 3, 1]));
        check(&deep.view().reversed_axes());

        let one = counting((1, 3));
        check(&one.broadcast((4, 3)).unwrap());
        check(&one.broadcast((2, 4, 3)).unwrap());
        check(&counting((4, 1)).broadcast((4, 3)).unwrap());
        check(&counting((4, 1, 2)).broadcast((4, 3, 2)).unwrap());
        check(&counting((4, 1, 1)).broadcast((4, 3, 2)).unwrap());
    }

    #[test]
    fn nearly_everything_is_a_matrix_inside() {
        let matrix = |view: ArrayViewD<f32>| matches!(Typed::new(view), Typed::Matrix(_));
        let deep = counting((5, 4, 6, 3));
        assert!(matrix(deep.view().into_dyn()));
        assert!(matrix(deep.slice(s![..;-2, .., .., ..]).into_dyn()));
        assert!(matrix(deep.slice(s![.., 1..3, .., ..]).into_dyn()));
        assert!(matrix(deep.slice(s![.., .., .., 1]).into_dyn()));
        assert!(matrix(deep.slice(s![.., 0, .., 1]).into_dyn()));
        assert!(!matrix(deep.view().permuted_axes([0, 3, 1, 2]).into_dyn()));
    }

    #[test]
    fn empty_arrays_have_no_values() {
        for shape in [
            &[0][..],
            &[0, 3],
            &[3, 0],
            &[0, 2, 3],
            &[3, 0, 2],
            &[3, 2, 0],
            &[0, 0],
        ] {
            check(&ArrayD::<f32>::zeros(shape));
            check(&ArrayD::<u8>::zeros(IxDyn(shape).f()));
        }
        assert!(Vec::<f32>::new().as_rows().is_empty());
    }

    macro_rules! check_elements {
        ($($element:ty),*) => {$({
            let matrix = Array2::from_shape_fn((6, 4), |(i, j)| (i * 4 + j) as $element);
            check(&matrix);
            check(&matrix.t());
            check(&matrix.slice(s![.., 1]));
            let images = Array4::from_shape_fn((3, 2, 2, 3), |(i, j, k, l)| (36 - i * 12 - j * 6 - k * 3 - l) as $element);
            check(&images);
            check(&images.permuted_axes([0, 3, 1, 2]));
            assert_eq!(vec![3 as $element, 5 as $element].as_rows().first_where(|v| v > 4.0), Some((1, 0, 5.0)));
            assert!(format!("{:?}", [0 as $element].as_rows()).contains(stringify!($element)));
        })*};
    }

    #[test]
    fn every_element_type_becomes_f32() {
        check_elements!(f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
        check(&Array2::from_shape_fn((6, 4), |(i, j)| (i + j) % 3 == 0));
        let mut out = [0.0; 3];
        [-128i8, 0, 127].as_rows().gather_range(0..3, &mut out);
        assert_eq!(out, [-128.0, 0.0, 127.0]);
        [u64::MAX, 16_777_217, 1]
            .as_rows()
            .gather_range(0..3, &mut out);
        assert_eq!(out, [18_446_744_073_709_551_615.0, 16_777_216.0, 1.0]);
        [0.1f64, 1e300, f64::NAN]
            .as_rows()
            .gather_range(0..3, &mut out);
        assert_eq!(out[..2], [0.1, f32::INFINITY]);
        assert!(out[2].is_nan());
    }

    /// As a function of a model takes its data.
    fn shape_of(x: &(impl AsRows + ?Sized)) -> Vec<usize> {
        x.as_rows().shape().to_vec()
    }

    #[test]
    fn owned_arrays_views_vectors_slices_and_references_are_taken() {
        let array = counting((3, 2));
        assert_eq!(shape_of(&array), [3, 2]);
        assert_eq!(shape_of(&array.view()), [3, 2]);
        assert_eq!(shape_of(&&array), [3, 2]);
        assert_eq!(shape_of(&array.to_shared()), [3, 2]);
        assert_eq!(shape_of(&CowArray::from(array.view())), [3, 2]);
        assert_eq!(shape_of(&*array), [3, 2]);
        assert_eq!(shape_of(&array.clone().into_dyn()), [3, 2]);
        assert_eq!(shape_of(&vec![1.0, 2.0]), [2]);
        assert_eq!(shape_of(&[1, 2, 3]), [3]);
        assert_eq!(shape_of([1, 2, 3].as_slice()), [3]);
        assert_eq!(shape_of(&[true, false][..1]), [1]);
        // A lone number is one row.
        assert_eq!(shape_of(&arr0(4.0)), [1]);
        let mut out = [0.0];
        arr0(4.0).as_rows().gather(&[0], &mut out);
        assert_eq!(out, [4.0]);
        let text = format!("{:?}", array.as_rows());
        assert_eq!(text, "Rows { shape: [3, 2], element: \"f32\" }");
    }

    #[test]
    fn what_is_not_finite_is_found_wherever_it_lies() {
        for (row, column) in [(0, 0), (0, 6), (3, 2), (99, 6)] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
                let mut array = Array2::<f64>::zeros((100, 7));
                array[[row, column]] = bad;
                let same = |found: Option<(usize, usize, f64)>, at: (usize, usize)| {
                    let (row, column, value) = found.unwrap();
                    assert_eq!((row, column), at);
                    assert!(value == bad || value.is_nan() && bad.is_nan());
                };
                same(array.as_rows().first_non_finite(), (row, column));
                same(array.t().as_rows().first_non_finite(), (column, row));
                same(
                    array.slice(s![.., ..;-1]).as_rows().first_non_finite(),
                    (row, 6 - column),
                );
                let rest = array.as_rows().slice(row..100);
                same(rest.first_non_finite(), (0, column));
                let deep = array.to_shape((100, 1, 7, 1)).unwrap();
                same(deep.as_rows().first_non_finite(), (row, column));
                // The first of several counts.
                array.slice_mut(s![row.., column..]).fill(bad);
                same(array.as_rows().first_non_finite(), (row, column));
            }
        }
        let mut images = counting((4, 2, 3, 5)).permuted_axes([0, 3, 1, 2]);
        images[[2, 1, 1, 0]] = f32::NAN;
        // A flattened row (5, 2, 3): 1 * 6 + 1 * 3 + 0 = 9.
        let (row, column, _) = images.as_rows().first_non_finite().unwrap();
        assert_eq!((row, column), (2, 9));
        assert_eq!([u64::MAX].as_rows().first_non_finite(), None);
    }

    #[test]
    fn ranges_beyond_the_end_are_cut() {
        let rows_of = counting((3, 2));
        let rows = rows_of.as_rows();
        assert_eq!(rows.slice(1..9).len(), 2);
        assert_eq!(rows.slice(7..9).shape(), [0, 2]);
        #[expect(clippy::reversed_empty_ranges, reason = "it must not panic")]
        let none = rows.slice(2..1);
        assert!(none.is_empty());
        assert_eq!(
            rows.slice(1..3).slice(1..2).first_where(|_| true),
            Some((0, 0, 5.0))
        );
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn indices_that_are_no_rows_leave_their_place() {
        let array = counting((3, 2));
        let mut out = [-1.0; 6];
        array.as_rows().gather(&[2, 3, u32::MAX], &mut out);
        assert_eq!(out, [5.0, 6.0, -1.0, -1.0, -1.0, -1.0]);
        array.as_rows().gather_range(2..5, &mut out);
        assert_eq!(out, [5.0, 6.0, -1.0, -1.0, -1.0, -1.0]);
        array.as_rows().gather_range(2..usize::MAX, &mut out);
        let mut short = [-1.0; 3];
        array.as_rows().gather(&[0, 1], &mut short);
        assert_eq!(short, [1.0, 2.0, -1.0]);
        Array1::<f32>::zeros(0).as_rows().gather(&[0], &mut out);
    }

    #[test]
    fn rows_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: T) {}
        shared([1.0].as_rows());
        let _: Array1<f32> = Array1::zeros(1);
    }

    proptest! {
        #[test]
        fn any_view_of_any_array_gives_its_rows(
            shape in proptest::collection::vec(1usize..5, 1..5),
            fortran in any::<bool>(),
            cuts in proptest::collection::vec((0usize..3, 1isize..3, any::<bool>()), 4),
            order in Just([0usize, 1, 2, 3]).prop_shuffle(),
        ) {
            let mut array = counting(IxDyn(&shape));
            if fortran {
                array = counting(IxDyn(&shape).f());
            }
            let mut view = array.view();
            for (axis, (start, step, back)) in cuts.into_iter().take(shape.len()).enumerate() {
                let start = start.min(shape[axis] - 1) as isize;
                let step = if back { -step } else { step };
                view.slice_axis_inplace(Axis(axis), Slice::new(start, None, step));
            }
            let axes: Vec<usize> = order.into_iter().filter(|axis| *axis < shape.len()).collect();
            check(&view.permuted_axes(axes));
        }
    }

    #[test]
    fn many_values_are_gathered_in_pieces() {
        // Rows of 3 do not fill a piece evenly.
        let rows = GRAIN / 3 + 1000;
        let all = Array::from_shape_fn((rows, 3), |(i, j)| (i * 3 + j) as f32);
        let indices: Vec<u32> = (0..rows as u32).map(|i| i * 7 % rows as u32).collect();
        let mut out = vec![f32::NAN; rows * 3];
        all.as_rows().gather(&indices, &mut out);
        for (place, index) in indices.iter().enumerate() {
            let first = *index as f32 * 3.0;
            assert_eq!(
                out[place * 3..place * 3 + 3],
                [first, first + 1.0, first + 2.0]
            );
        }
        let mut part = vec![f32::NAN; (rows - 5) * 3];
        // Not contiguous, so that the rows are gathered one by one.
        let backwards = all.slice(ndarray::s![..;-1, ..]);
        backwards.as_rows().gather_range(5..rows, &mut part);
        let wanted = (0..(rows - 5) * 3).map(|i| {
            let row = rows - 6 - i / 3;
            (row * 3 + i % 3) as f32
        });
        assert!(part.iter().copied().eq(wanted));
    }
}
