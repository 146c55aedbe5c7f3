//! [`Program`]: small kernels whose sizes and places are known beforehand, one after another.
//!
//! A step of a small network is a few dozen loops of some 10 ns each. To check lengths, to choose
//! a kernel and to work out addresses would take as long again. So it is done once, when a plan
//! is made; a run only checks that the buffers are as long as the plan was promised.

use super::panel::Panels;
use super::place::{Address, Bases, Place};
use super::reduce;
use super::simd::Instructions;
use super::small_matmul::{Layout, Piece, panels, pieces};

/// The pieces of a product up to which they are worked out beforehand.
const PIECES: usize = 64;

/// The numbers of the room for panels of a product's right operand: 4 KiB of stack, a page.
const PANELS: usize = 1024;

/// A matrix at a place: its shape, and the steps from a row and a column to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    place: Place,
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl Grid {
    /// A row-major matrix.
    pub(crate) fn new(place: Place, rows: usize, columns: usize) -> Self {
        Grid {
            place,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Grid {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn fills_its_place(&self) -> bool {
        self.rows.checked_mul(self.columns) == Some(self.place.len())
    }
}

/// What follows a product, by places: as [`Epilogue`](super::matmul::Epilogue).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ends {
    pub(crate) bias: Option<Place>,
    pub(crate) relu: bool,
    pub(crate) mask: Option<Place>,
}

/// A function of up to three inputs that writes, or changes, an output.
pub(crate) type Function = fn([&[f32]; 3], &mut [f32]);

#[derive(Debug, Clone, Copy)]
enum Instruction {
    Piece(Piece),
    Product(Layout),
    Call(Function, [Span; 3], Span),
}

/// A place as an address and a length.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: Address,
    length: usize,
}

impl Span {
    fn of(place: Place) -> Self {
        Span {
            start: place.address(),
            length: place.len(),
        }
    }
}

/// The buffers that a program works on.
#[derive(Debug)]
pub(crate) struct Buffers<'a> {
    pub(crate) workspace: &'a mut [f32],
    pub(crate) parameters: &'a [f32],
    pub(crate) constants: &'a [f32],
    pub(crate) gradients: &'a mut [f32],
}

/// Small kernels to be run one after another, and how long the buffers must be for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    /// The length that each buffer must have at least.
    lengths: [usize; 4],
}

impl Program {
    /// Whether there is nothing to run.
    pub(crate) fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    /// Adds `out = epilogue(a b)`: `a` is `(m, k)`, `b` `(k, n)`, `out` row-major `(m, n)`.
    ///
    /// Gives false, and adds nothing, if the places do not fit the shapes, if what is written is
    /// also read, or if no kernel for small products does it.
    pub(crate) fn product(&mut self, a: Grid, b: Grid, ends: Ends, out: Place) -> bool {
        let (m, k, n) = (a.rows, a.columns, b.columns);
        let fits = b.rows == k
            && a.fills_its_place()
            && b.fills_its_place()
            && m.checked_mul(n) == Some(out.len())
            && ends.bias.is_none_or(|bias| bias.len() == n)
            && ends.mask.is_none_or(|mask| mask.len() == out.len());
        let reads = [Some(a.place), Some(b.place), ends.bias, ends.mask];
        let apart = reads.iter().flatten().all(|read| !read.meets(out));
        if !fits || !apart || !out.is_writable() || out.len() == 0 {
            return false;
        }
        let address = |place: Option<Place>| place.map_or(Address::NOWHERE, Place::address);
        let layout = Layout {
            m,
            k,
            n,
            a: a.place.address(),
            a_row: a.row_stride,
            a_column: a.column_stride,
            b: b.place.address(),
            b_row: b.row_stride,
            b_column: b.column_stride,
            bias: address(ends.bias),
            relu: ends.relu,
            mask: address(ends.mask),
            out: out.address(),
            out_row: n,
        };
        if !self.add(layout) {
            return false;
        }
        reads
            .into_iter()
            .flatten()
            .for_each(|read| self.reach(read));
        self.reach(out);
        true
    }

    /// Adds the pieces of a product, or the product if they are many; gives false if its panels
    /// need more room than there is.
    fn add(&mut self, layout: Layout) -> bool {
        let here = Instructions::here();
        if panels(here, &layout) > PANELS {
            return false;
        }
        let mut parts = Vec::new();
        pieces(here, &layout, &mut |piece| {
            parts.push(Instruction::Piece(piece));
        });
        if parts.len() > PIECES {
            parts = vec![Instruction::Product(layout)];
        }
        self.instructions.append(&mut parts);
        true
    }

    /// Adds `out[j] = sum_i x[i, j]`, for a row-major `x`.
    ///
    /// Gives false, and adds nothing, if the places do not fit the shape, or meet.
    pub(crate) fn column_sums(&mut self, x: Grid, out: Place) -> bool {
        let fits = x.fills_its_place() && x.columns == out.len() && x.column_stride == 1;
        if !fits || x.place.meets(out) || !out.is_writable() || out.len() == 0 {
            return false;
        }
        if x.columns == 1 {
            let sum: Function = |[x, ..], out| out.fill(reduce::sum(x));
            return self.call(sum, [x.place, Place::NOTHING, Place::NOTHING], out);
        }
        // A product with a row of ones.
        let layout = Layout {
            m: 1,
            k: x.rows,
            n: x.columns,
            a: Address::ONES,
            a_row: 0,
            a_column: 0,
            b: x.place.address(),
            b_row: x.row_stride,
            b_column: 1,
            bias: Address::NOWHERE,
            relu: false,
            mask: Address::NOWHERE,
            out: out.address(),
            out_row: x.columns,
        };
        self.add(layout);
        self.reach(x.place);
        self.reach(out);
        true
    }

    /// Adds `f(inputs, output)`.
    ///
    /// Gives false, and adds nothing, if what is written is also read.
    pub(crate) fn call(&mut self, f: Function, inputs: [Place; 3], output: Place) -> bool {
        let apart = inputs.iter().all(|input| !input.meets(output));
        if !apart || !output.is_writable() {
            return false;
        }
        self.instructions
            .push(Instruction::Call(f, inputs.map(Span::of), Span::of(output)));
        inputs.into_iter().for_each(|input| self.reach(input));
        self.reach(output);
        true
    }

    fn reach(&mut self, place: Place) {
        if let Some(length) = self.lengths.get_mut(place.buffer()) {
            *length = (*length).max(place.bounds().1);
        }
    }

    /// Runs all of it.
    #[inline]
    pub(crate) fn run(&self, buffers: Buffers) {
        let Buffers {
            workspace,
            parameters,
            constants,
            gradients,
        } = buffers;
        let lengths = [
            workspace.len(),
            parameters.len(),
            constants.len(),
            gradients.len(),
        ];
        let fits = lengths
            .iter()
            .zip(&self.lengths)
            .all(|(has, needs)| has >= needs);
        debug_assert!(
            fits,
            "buffers of {lengths:?}, and {:?} are needed",
            self.lengths
        );
        if !fits {
            // A mistake of ours that tests did not find: loud in the loss, never out of bounds.
            return workspace.fill(f32::NAN);
        }
        let buffers = [
            workspace.as_mut_ptr(),
            parameters.as_ptr().cast_mut(),
            constants.as_ptr().cast_mut(),
            gradients.as_mut_ptr(),
            std::ptr::null_mut(),
        ];
        let mut room = Panels::<PANELS>::new();
        let bases = Bases::new(buffers, room.start());
        let here = Instructions::here();
        for instruction in &self.instructions {
            // SAFETY: all that an instruction reads and writes lies within the lengths just
            // checked, what it writes is in a buffer borrowed for writing and is not read by it,
            // as `product` and `call` have seen to. The instruction set of a processor stays.
            unsafe {
                match instruction {
                    Instruction::Piece(piece) => piece.run(&bases),
                    Instruction::Product(layout) => {
                        pieces(here, layout, &mut |piece| piece.run(&bases));
                    }
                    Instruction::Call(f, inputs, output) => call(*f, inputs, *output, &bases),
                }
            }
        }
    }
}

/// Calls a function on slices.
///
/// # Safety
///
/// The places must lie within the buffers, and the output must be writable and meet no input.
#[inline(always)]
unsafe fn call(f: Function, inputs: &[Span; 3], output: Span, bases: &Bases) {
    // SAFETY: the caller's promise. An empty slice is at a buffer's start, which is not null.
    unsafe {
        let inputs = inputs.map(|input| {
            std::slice::from_raw_parts(bases.at(input.start).cast_const(), input.length)
        });
        let at = bases.at(output.start);
        f(inputs, std::slice::from_raw_parts_mut(at, output.length));
    }
}

#[cfg(test)]
mod tests {
    use super::super::matmul::{Epilogue, Matrix, matmul};
    use super::*;

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 7919 + seed * 31) % 257) as f32 / 128.0 - 1.0)
            .collect()
    }

    /// `x w + bias`, ReLU and mask, `x^T dy` and `dy w^T`, and column sums, by a program.
    #[test]
    fn products_are_those_of_matmul() {
        for (m, k, n) in [
            (1, 1, 1),
            (10, 8, 12),
            (7, 3, 9),
            (13, 17, 1),
            (1, 20, 5),
            (300, 4, 3),
        ] {
            let (x, w, bias) = (numbers(m * k, 1), numbers(k * n, 2), numbers(n, 3));
            let (mask, dy) = (numbers(m * n, 4), numbers(m * n, 5));
            // Workspace: x, mask, dy, y, dx. Parameters: w, bias. Gradients: dw, db.
            let mut workspace = [&x[..], &mask, &dy, &vec![0.0; m * n + m * k]].concat();
            let parameters = [&w[..], &bias].concat();
            let mut gradients = vec![0.0; (k + 1) * n];
            let mut starts = [m * k, m * n, m * n, m * n, m * k].into_iter();
            let mut at = 0;
            let places: Vec<Place> = starts
                .by_ref()
                .map(|length| {
                    at += length;
                    Place::Workspace(at - length, length)
                })
                .collect();
            let (x_at, mask_at, dy_at) = (places[0], places[1], places[2]);
            let (w_at, bias_at) = (Place::Parameters(0, k * n), Place::Parameters(k * n, n));
            let (dw_at, db_at) = (Place::Gradients(0, k * n), Place::Gradients(k * n, n));

            let mut program = Program::default();
            let grids = (
                Grid::new(x_at, m, k),
                Grid::new(w_at, k, n),
                Grid::new(dy_at, m, n),
            );
            let ends = Ends {
                bias: Some(bias_at),
                relu: true,
                mask: Some(mask_at),
            };
            assert!(program.product(grids.0, grids.1, ends, places[3]));
            assert!(program.product(grids.2, grids.1.transposed(), Ends::default(), places[4]));
            assert!(program.product(grids.0.transposed(), grids.2, Ends::default(), dw_at));
            assert!(program.column_sums(grids.2, db_at));
            program.run(Buffers {
                workspace: &mut workspace,
                parameters: &parameters,
                constants: &[],
                gradients: &mut gradients,
            });

            let (mut y, mut dx, mut dw) = (vec![0.0; m * n], vec![0.0; m * k], vec![0.0; k * n]);
            let (x, w) = (Matrix::new(&x, m, k), Matrix::new(&w, k, n));
            let epilogue = Epilogue {
                bias: Some(&bias),
                relu: true,
                mask: Some(&mask),
            };
            matmul(x, w, &mut y, epilogue);
            let dy = Matrix::new(&dy, m, n);
            matmul(dy, w.transposed(), &mut dx, Epilogue::default());
            matmul(x.transposed(), dy, &mut dw, Epilogue::default());
            let read = |place: Place| workspace[place.bounds().0..place.bounds().1].to_vec();
            assert_eq!(read(places[3]), y, "{m} {k} {n}");
            assert_eq!(read(places[4]), dx, "{m} {k} {n}");
            assert_eq!(gradients[..k * n], dw, "{m} {k} {n}");
            for j in 0..n {
                let sum: f64 = (0..m).map(|i| f64::from(dy.data[i * n + j])).sum();
                assert!(
                    (f64::from(gradients[k * n + j]) - sum).abs() < 1e-4,
                    "{m} {n}"
                );
            }
        }
    }

    #[test]
    fn a_call_reads_and_writes_its_places() {
        let mut program = Program::default();
        let add: Function = |[a, b, _], out| {
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = a + b;
            }
        };
        let (a, b) = (Place::Constants(1, 2), Place::Parameters(0, 2));
        assert!(program.call(add, [a, b, Place::NOTHING], Place::Workspace(1, 2)));
        let mut workspace = [9.0; 4];
        program.run(Buffers {
            workspace: &mut workspace,
            parameters: &[10.0, 20.0],
            constants: &[0.0, 1.0, 2.0],
            gradients: &mut [],
        });
        assert_eq!(workspace, [9.0, 11.0, 22.0, 9.0]);
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let mut program = Program::default();
        let (a, b) = (Place::Workspace(0, 6), Place::Workspace(6, 6));
        let (a, b) = (Grid::new(a, 2, 3), Grid::new(b, 3, 2));
        let ends = Ends::default();
        let out = Place::Workspace(12, 4);
        assert!(
            !program.product(a, a, ends, out),
            "the inner lengths differ"
        );
        assert!(
            !program.product(a, b, ends, Place::Workspace(12, 5)),
            "too long"
        );
        assert!(
            !program.product(a, b, ends, Place::Workspace(11, 4)),
            "meets the right operand"
        );
        assert!(
            !program.product(a, b, ends, Place::Parameters(0, 4)),
            "not to be written"
        );
        let bias = Ends {
            bias: Some(Place::Parameters(0, 3)),
            ..ends
        };
        assert!(!program.product(a, b, bias, out), "a bias that is too long");
        let short = Grid::new(Place::Workspace(0, 5), 2, 3);
        assert!(
            !program.product(short, b, ends, out),
            "a place that is too short"
        );
        assert!(
            !program.column_sums(a, Place::Workspace(5, 3)),
            "meets what it reads"
        );
        let nothing: Function = |_, _| {};
        let inputs = [Place::Workspace(0, 3), Place::NOTHING, Place::NOTHING];
        assert!(!program.call(nothing, inputs, Place::Workspace(2, 2)));
        assert!(!program.call(nothing, inputs, Place::Constants(2, 2)));
        assert!(program.is_empty());
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn buffers_that_are_too_short_give_nan() {
        let mut program = Program::default();
        let one: Function = |_, out| out.fill(1.0);
        assert!(program.call(one, [Place::NOTHING; 3], Place::Workspace(0, 9)));
        let mut workspace = [0.0; 8];
        program.run(Buffers {
            workspace: &mut workspace,
            parameters: &[],
            constants: &[],
            gradients: &mut [],
        });
        assert!(workspace.iter().all(|x| x.is_nan()));
    }
}
