//! Our own product for small matrices, where packing would take longer than the arithmetic.
//!
//! A tile of the output, up to 6 rows by two vectors or 12 rows by one, is held in registers: it
//! starts as the bias, takes one fused multiply-add for each element of the depth, in order, and
//! is stored after ReLU and mask. So an element is
//! `fma(a[k-1], b[k-1], ... fma(a[0], b[0], bias))` whatever the instruction set. Products with
//! one column, or with one row and a transposed matrix, are dot products of contiguous rows
//! instead, with [`PARTS`] partial sums.
//!
//! Tails: an output at least a vector wide needs no masks, for its last vector of columns moves
//! left until it ends with the row, and computes some columns twice. A narrower one is loaded
//! with a mask and, with AVX2, whose masked stores are slow, stored row by row in ascending order
//! with full vectors, whose surplus the next row overwrites, but for the last rows.
//!
//! A right operand that is not row-major is packed first, into panels as wide as a vector, each
//! row of which is stored and loaded whole, so that no load waits for several stores.

use pulp::{MemMask, Simd, WithSimd};

use super::panel::{Columns, Panels, load, store};
use super::place::{Address, Bases, PANELS};
use super::simd::Run;

/// The numbers that a packed pair of panels may have: 32 KiB of stack.
const PACKED: usize = 8192;

/// The numbers of a smaller buffer: 4 KiB of stack, a page, take no time to reach.
const PAGE: usize = 1024;

/// The most lanes that a vector has.
pub(super) const WIDEST: usize = 16;

/// The partial sums of a dot product.
const PARTS: usize = 16;

/// A product with its epilogue: sizes, addresses and strides.
///
/// `out`, and the mask with it, has column stride 1. Bias and mask may be null.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: *const f32,
    pub a_row: usize,
    pub a_column: usize,
    pub b: *const f32,
    pub b_row: usize,
    pub b_column: usize,
    pub bias: *const f32,
    pub relu: bool,
    pub mask: *const f32,
    pub out: *mut f32,
    pub out_row: usize,
}

// SAFETY: these are only addresses; who uses them says why that is allowed.
unsafe impl Send for Product {}
// SAFETY: as above.
unsafe impl Sync for Product {}

/// A product whose operands are at addresses, so that it can be divided before there are numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub a: Address,
    pub a_row: usize,
    pub a_column: usize,
    pub b: Address,
    pub b_row: usize,
    pub b_column: usize,
    pub bias: Address,
    pub relu: bool,
    pub mask: Address,
    pub out: Address,
    pub out_row: usize,
}

/// A part of a product, with its sizes and addresses worked out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// The code for this kind of piece, its height and the instruction set.
    code: Code,
    operands: Operands,
}

type Code = unsafe fn(&Operands, &Bases);

#[derive(Debug, Clone, Copy)]
enum Operands {
    Tile(Tile),
    Dots(Dots),
    /// Packs columns of the right operand for the tiles that follow.
    Pack(Pack),
    /// A product on a processor without vectors.
    Plain(Layout),
}

impl Piece {
    /// Computes the piece.
    ///
    /// # Safety
    ///
    /// All elements that its product describes must be readable, those of `out` writable and
    /// nobody else's, there must be room for its [`panels`], and the instruction set must be the
    /// one that it was made for.
    #[inline(always)]
    pub(super) unsafe fn run(&self, bases: &Bases) {
        // SAFETY: the caller's promise; a piece is made with the code for its operands.
        unsafe { (self.code)(&self.operands, bases) }
    }
}

/// Computes the product if it is one for this file; else gives false and leaves `out` alone.
///
/// # Safety
///
/// All elements that `p` describes must be readable, those of `out` writable and nobody else's.
/// `m` and `n` must not be zero. Where `n` is below 16, `out_row` must equal `n`.
#[inline(always)]
pub(super) unsafe fn run(here: impl Run, p: &Product) -> bool {
    let null = std::ptr::null_mut();
    let buffers = [p.a, p.b, p.bias, p.mask].map(<*const f32>::cast_mut);
    let [a, b, bias, mask] = buffers;
    let bases = Bases::new([a, b, bias, mask, p.out], null);
    let start = |buffer: u8, is_there: bool| match is_there {
        true => Address::start(buffer),
        false => Address::NOWHERE,
    };
    let layout = Layout {
        m: p.m,
        k: p.k,
        n: p.n,
        a: start(0, true),
        a_row: p.a_row,
        a_column: p.a_column,
        b: start(1, true),
        b_row: p.b_row,
        b_column: p.b_column,
        bias: start(2, !p.bias.is_null()),
        relu: p.relu,
        mask: start(3, !p.mask.is_null()),
        out: start(4, true),
        out_row: p.out_row,
    };
    // SAFETY: the caller's promise, about the same elements; there is room for the panels.
    unsafe {
        match panels(here, &layout) {
            0 => pieces(here, &layout, &mut |piece| piece.run(&bases)),
            1..=PAGE => in_panels::<PAGE>(here, &layout, bases),
            room if room <= PACKED => in_panels::<PACKED>(here, &layout, bases),
            _ => return false,
        }
    }
    true
}

/// How many numbers a product wants for the panels of its right operand.
pub(super) fn panels(here: impl Run, p: &Layout) -> usize {
    let is_row_major = p.b_column == 1 || p.n == 1;
    let is_dots = p.m == 1 && p.b_row == 1 && p.a_column == 1;
    match is_row_major || is_dots || here.lanes() == 1 {
        true => 0,
        false => p.k.saturating_mul(2 * here.lanes()),
    }
}

/// Computes a product with a buffer of `N` numbers for its panels.
///
/// # Safety
///
/// As for [`Piece::run`]; the panels must not have more than `N` numbers.
#[inline(never)]
unsafe fn in_panels<const N: usize>(here: impl Run, p: &Layout, bases: Bases) {
    let mut room = Panels::<N>::new();
    let bases = bases.with_panels(room.start());
    // SAFETY: the caller's promise.
    pieces(here, p, &mut |piece| unsafe { piece.run(&bases) });
}

/// Divides a product into pieces, in the order in which they must run.
///
/// `m` and `n` must not be zero. Where `n` is below 16, `out_row` must equal `n`.
pub(super) fn pieces(here: impl Run, p: &Layout, each: &mut impl FnMut(Piece)) {
    here.run(Divide { p, each });
}

/// What [`pieces`] does, for one instruction set.
struct Divide<'a, E> {
    p: &'a Layout,
    each: &'a mut E,
}

impl<E: FnMut(Piece)> WithSimd for Divide<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Divide { p, each } = self;
        let is_row_major = p.b_column == 1 || p.n == 1;
        if p.n == 1 && p.b_row == 1 && p.a_column == 1 {
            // Whatever the stride to a second column is, there is none.
            each(dots_piece::<S>(Dots {
                count: p.m,
                depth: p.k,
                rows: p.a,
                stride: p.a_row,
                vector: p.b,
                bias: p.bias,
                bias_stride: 0,
                relu: p.relu,
                mask: p.mask,
                out: p.out,
            }));
        } else if p.n == 1 && p.a_row == 1 && p.bias.is_nowhere() && p.out_row == 1 {
            // A column is a row: (a b)^T = b^T a^T, whose right operand is row-major.
            let turned = Layout {
                m: 1,
                n: p.m,
                a: p.b,
                a_row: 0,
                a_column: p.b_row,
                b: p.a,
                b_row: p.a_column,
                b_column: 1,
                out_row: p.m,
                ..*p
            };
            tiles::<S>(&turned, false, each);
        } else if !is_row_major && p.m == 1 && p.b_row == 1 && p.a_column == 1 {
            each(dots_piece::<S>(Dots {
                count: p.n,
                depth: p.k,
                rows: p.b,
                stride: p.b_column,
                vector: p.a,
                bias: p.bias,
                bias_stride: 1,
                relu: p.relu,
                mask: p.mask,
                out: p.out,
            }));
        } else {
            tiles::<S>(p, !is_row_major, each);
        }
    }
}

/// Copies the columns of the right operand from `j` on to a panel, a vector wide and `k` high,
/// and those from `j + second` on, unless that is 0, to another behind it.
///
/// A panel wider than the matrix repeats the last column.
#[derive(Debug, Clone, Copy)]
struct Pack {
    p: Layout,
    j: usize,
    second: usize,
}

/// Packs one or two panels.
///
/// # Safety
///
/// As for [`Piece::run`].
unsafe fn pack<S: Simd>(operands: &Operands, bases: &Bases) {
    if let Operands::Pack(pack) = operands {
        // SAFETY: the caller's promise.
        unsafe { enter::<S>(Packing { pack, bases }) };
    }
}

/// What [`pack`] does.
struct Packing<'a> {
    pack: &'a Pack,
    bases: &'a Bases,
}

impl WithSimd for Packing<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Packing { pack, bases } = self;
        let (p, second) = (&pack.p, pack.second);
        let (mut j, mut to) = (pack.j, bases.at(Address::start(PANELS)));
        let columns = Columns {
            b: bases.at(p.b).cast_const(),
            b_row: p.b_row,
            b_column: p.b_column,
            k: p.k,
            n: p.n,
        };
        for _ in 0..1 + usize::from(second > 0) {
            // SAFETY: the elements of `b` are readable, and there is room for two panels.
            unsafe { columns.pack(simd, j, to) };
            to = to.wrapping_add(S::F32_LANES * p.k);
            j += second;
        }
    }
}

/// The vectors in a row of `n` numbers. The lanes are a power of two.
#[inline(always)]
fn count(n: usize, lanes: usize) -> usize {
    (n + lanes - 1) >> lanes.trailing_zeros()
}

/// The column at which a vector of the output starts: the last one ends with the row.
#[inline(always)]
fn column(vector: usize, lanes: usize, n: usize) -> usize {
    (vector * lanes).min(n.saturating_sub(lanes))
}

/// A tile: some rows by one or two vectors of the output.
#[derive(Debug, Clone, Copy)]
struct Tile {
    k: usize,
    /// The left operand's element in the first row and column.
    a: Address,
    a_row: usize,
    a_column: usize,
    /// The right operand's first row, in the tile's first column.
    b: Address,
    b_row: usize,
    /// How far the second vector is from the first, in the right operand.
    b_second: usize,
    /// The same in the output.
    second: usize,
    bias: Address,
    relu: bool,
    mask: Address,
    out: Address,
    out_row: usize,
    /// The numbers in a row of the output.
    width: usize,
    /// From the tile's first number to the end of the output.
    room: usize,
}

/// Makes all tiles. Each height of a tile is a function of its own.
///
/// `packs` tells whether the right operand is packed, a pair of panels before their tiles.
#[inline(always)]
fn tiles<S: Simd>(p: &Layout, packs: bool, each: &mut impl FnMut(Piece)) {
    let lanes = const { S::F32_LANES };
    if lanes == 1 {
        return each(Piece {
            code: plain,
            operands: Operands::Plain(*p),
        });
    }
    let vectors = count(p.n, lanes);
    let mut vector = 0;
    while vector < vectors {
        let j = column(vector, lanes, p.n);
        let is_pair = vector + 1 < vectors;
        let mut second = match is_pair {
            true => column(vector + 1, lanes, p.n) - j,
            false => 0,
        };
        let (mut b, mut b_row) = (p.b.further(j), p.b_row);
        let out_second = second;
        if packs {
            each(Piece {
                code: pack::<S>,
                operands: Operands::Pack(Pack { p: *p, j, second }),
            });
            (b, b_row) = (Address::start(PANELS), lanes);
            second = lanes * p.k;
        }
        let mut i = 0;
        while i < p.m {
            let (rows, code) = match is_pair {
                true => pair_code::<S>(p.m - i),
                false => single_code::<S>(p.m - i),
            };
            let at = i * p.out_row + j;
            let tile = Tile {
                k: p.k,
                a: p.a.further(i * p.a_row),
                a_row: p.a_row,
                a_column: p.a_column,
                b,
                b_row,
                b_second: second,
                second: out_second,
                bias: p.bias.further(j),
                relu: p.relu,
                mask: p.mask.further(at),
                out: p.out.further(at),
                out_row: p.out_row,
                width: p.n,
                room: p.m * p.out_row - at,
            };
            each(Piece {
                code,
                operands: Operands::Tile(tile),
            });
            i += rows;
        }
        vector += 1 + usize::from(is_pair);
    }
}

/// How many of the rows that are left a tile of two vectors takes, and its code.
#[inline(always)]
fn pair_code<S: Simd>(rest: usize) -> (usize, Code) {
    let rows = match rest {
        ..=6 => rest,
        7..=11 => rest.div_ceil(2),
        _ => 6,
    };
    let code: Code = match rows {
        1 => pair::<S, 1>,
        2 => pair::<S, 2>,
        3 => pair::<S, 3>,
        4 => pair::<S, 4>,
        5 => pair::<S, 5>,
        _ => pair::<S, 6>,
    };
    (rows, code)
}

/// How many of the rows that are left a tile of one vector takes, and its code.
#[inline(always)]
fn single_code<S: Simd>(rest: usize) -> (usize, Code) {
    let rows = match rest {
        ..=6 | 8 | 10 | 12 => rest,
        7 | 9 | 11 => 5,
        _ => 12,
    };
    let code: Code = match rows {
        1 => single::<S, 1>,
        2 => single::<S, 2>,
        3 => single::<S, 3>,
        4 => single::<S, 4>,
        5 => single::<S, 5>,
        6 => single::<S, 6>,
        8 => single::<S, 8>,
        10 => single::<S, 10>,
        _ => single::<S, 12>,
    };
    (rows, code)
}

/// Runs code that was chosen because `S`'s instructions are there.
///
/// # Safety
///
/// They must be.
#[inline(always)]
unsafe fn enter<S: Simd>(op: impl WithSimd) {
    const { assert!(size_of::<S>() == 0, "a proof holds no data") };
    // SAFETY: there is nothing to copy, and what `S` proves is so.
    let simd = unsafe { std::mem::transmute_copy::<(), S>(&()) };
    simd.vectorize(With(simd, op));
}

/// Code for one instruction set, whichever it is entered with: some of `pulp`'s hand on another.
struct With<S, Op>(S, Op);

impl<S: Simd, Op: WithSimd> WithSimd for With<S, Op> {
    type Output = Op::Output;

    #[inline(always)]
    fn with_simd<Other: Simd>(self, _: Other) -> Op::Output {
        self.1.with_simd(self.0)
    }
}

/// The addresses of every third row of the left operand.
///
/// The rows between are at one and two strides, which an instruction adds for free. Told only
/// the first, the compiler would reach each row from the one before, a chain of additions that
/// takes longer than the arithmetic.
#[inline(always)]
fn thirds<const G: usize>(a: *const f32, stride: usize) -> [*const f32; G] {
    std::array::from_fn(|g| a.wrapping_add((3 * g).wrapping_mul(stride)))
}

/// The element of row `r` in the column that the pointers are at.
///
/// # Safety
///
/// It must be readable.
#[inline(always)]
unsafe fn element<const G: usize>(a: &[*const f32; G], stride: usize, r: usize) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { *a[r / 3].wrapping_add(r % 3 * stride) }
}

/// Goes to the next column.
#[inline(always)]
fn step<const G: usize>(a: &mut [*const f32; G], stride: usize) {
    for a in a {
        *a = a.wrapping_add(stride);
    }
}

/// The product by a plain loop, where there are no vectors.
///
/// # Safety
///
/// As for [`Piece::run`].
unsafe fn plain(operands: &Operands, bases: &Bases) {
    let Operands::Plain(p) = operands else {
        return;
    };
    let (a, b, out) = (bases.at(p.a), bases.at(p.b), bases.at(p.out));
    let (bias, mask) = (bases.at(p.bias), bases.at(p.mask));
    for i in 0..p.m {
        for j in 0..p.n {
            // SAFETY: the caller's promise.
            unsafe {
                let mut sum = if bias.is_null() { 0.0 } else { *bias.add(j) };
                for q in 0..p.k {
                    let left = *a.add(i * p.a_row + q * p.a_column);
                    let right = *b.add(q * p.b_row + j * p.b_column);
                    sum = f32::mul_add(left, right, sum);
                }
                let at = i * p.out_row + j;
                let negative = p.relu && sum < 0.0;
                let off = !mask.is_null() && *mask.add(at) <= 0.0;
                *out.add(at) = if negative || off { 0.0 } else { sum };
            }
        }
    }
}

/// Computes a tile of `R` rows and two vectors.
///
/// # Safety
///
/// As for [`Piece::run`].
unsafe fn pair<S: Simd, const R: usize>(operands: &Operands, bases: &Bases) {
    if let Operands::Tile(tile) = operands {
        // SAFETY: the caller's promise.
        unsafe { enter::<S>(Pair::<R> { tile, bases }) };
    }
}

/// A tile of `R` rows and two vectors.
struct Pair<'a, const R: usize> {
    tile: &'a Tile,
    bases: &'a Bases,
}

impl<const R: usize> WithSimd for Pair<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if const { S::F32_LANES == 1 } {
            return; // `plain` does these.
        }
        let Pair { tile, bases } = self;
        let (a_row, a_column, out_row) = (tile.a_row, tile.a_column, tile.out_row);
        let mut a: [*const f32; 2] = thirds(bases.at(tile.a), a_row);
        let mut b = bases.at(tile.b).cast_const();
        // SAFETY: `tiles` makes these for rows and columns that exist.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); 2]; R];
            let bias = bases.at(tile.bias);
            if !bias.is_null() {
                sums = [[load(simd, bias), load(simd, bias.add(tile.second))]; R];
            }
            for _ in 0..tile.k {
                let right = [load(simd, b), load(simd, b.wrapping_add(tile.b_second))];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let left = simd.splat_f32s(element(&a, a_row, r));
                    sums[0] = simd.mul_add_f32s(left, right[0], sums[0]);
                    sums[1] = simd.mul_add_f32s(left, right[1], sums[1]);
                }
                step(&mut a, a_column);
                b = b.wrapping_add(tile.b_row);
            }
            let floor = floor(simd, tile.relu);
            sums = sums.map(|row| row.map(|sum| simd.max_f32s(floor, sum)));
            let mask = bases.at(tile.mask);
            if !mask.is_null() {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let mask = mask.add(r * out_row);
                    sums[0] = masked(simd, sums[0], load(simd, mask));
                    sums[1] = masked(simd, sums[1], load(simd, mask.add(tile.second)));
                }
            }
            let out = bases.at(tile.out);
            for (r, sums) in sums.iter().enumerate() {
                let out = out.add(r * out_row);
                store(simd, out, sums[0]);
                store(simd, out.add(tile.second), sums[1]);
            }
        }
    }
}

/// Computes a tile of `R` rows and one vector.
///
/// # Safety
///
/// As for [`Piece::run`].
unsafe fn single<S: Simd, const R: usize>(operands: &Operands, bases: &Bases) {
    if let Operands::Tile(tile) = operands {
        // SAFETY: the caller's promise.
        unsafe { enter::<S>(Single::<R> { tile, bases }) };
    }
}

/// A tile of `R` rows and one vector, masked if rows are shorter.
struct Single<'a, const R: usize> {
    tile: &'a Tile,
    bases: &'a Bases,
}

impl<const R: usize> WithSimd for Single<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if const { S::F32_LANES == 1 } {
            return; // `plain` does these.
        }
        let Single { tile, bases } = self;
        let (a_row, a_column, out_row) = (tile.a_row, tile.a_column, tile.out_row);
        let mut a: [*const f32; 4] = thirds(bases.at(tile.a), a_row);
        let mut b = bases.at(tile.b).cast_const();
        let lanes = const { S::F32_LANES };
        // SAFETY: `tiles` makes these for rows and columns that exist. Masked loads touch what is
        // inside of a row. A full store at a row shorter than a vector is made only where a
        // vector's numbers follow in `out`: those past the row belong to rows stored later.
        unsafe {
            let inside = MemMask::new(
                simd.mask_between_m32s(0, tile.width.min(lanes) as u32)
                    .mask(),
            );
            let mut sums = [simd.splat_f32s(0.0); R];
            let bias = bases.at(tile.bias);
            if !bias.is_null() {
                sums = [simd.mask_load_ptr_f32s(inside, bias); R];
            }
            for _ in 0..tile.k {
                let right = simd.mask_load_ptr_f32s(inside, b);
                for (r, sum) in sums.iter_mut().enumerate() {
                    let left = simd.splat_f32s(element(&a, a_row, r));
                    *sum = simd.mul_add_f32s(left, right, *sum);
                }
                step(&mut a, a_column);
                b = b.wrapping_add(tile.b_row);
            }
            let floor = floor(simd, tile.relu);
            sums = sums.map(|sum| simd.max_f32s(floor, sum));
            let mask = bases.at(tile.mask);
            if !mask.is_null() {
                for (r, sum) in sums.iter_mut().enumerate() {
                    let mask = simd.mask_load_ptr_f32s(inside, mask.add(r * out_row));
                    *sum = masked(simd, *sum, mask);
                }
            }
            let out = bases.at(tile.out);
            if tile.width >= lanes {
                for (r, sum) in sums.iter().enumerate() {
                    store(simd, out.add(r * out_row), *sum);
                }
            } else {
                // How far from the end of the output a row must be for a full store.
                let room = tile.room.wrapping_sub(lanes) as isize;
                for (r, sum) in sums.iter().enumerate() {
                    let out = out.add(r * out_row);
                    if lanes < WIDEST && (r * out_row) as isize <= room {
                        store(simd, out, *sum);
                    } else {
                        simd.mask_store_ptr_f32s(inside, out, *sum);
                    }
                }
            }
        }
    }
}

/// What ReLU takes the maximum with, or what a maximum with leaves all as it is.
///
/// In `max_f32s(floor, x)` a NaN in `x` stays: the vector instructions give their second operand
/// (x86) or NaN (the others).
#[inline(always)]
fn floor<S: Simd>(simd: S, relu: bool) -> S::f32s {
    simd.splat_f32s(if relu { 0.0 } else { f32::NEG_INFINITY })
}

/// Zero where `mask` is at most zero.
#[inline(always)]
pub(super) fn masked<S: Simd>(simd: S, x: S::f32s, mask: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_or_equal_f32s(mask, zero), zero, x)
}

/// Dot products of `count` contiguous rows with one vector. Bias and mask may be nowhere.
#[derive(Debug, Clone, Copy)]
struct Dots {
    count: usize,
    depth: usize,
    rows: Address,
    stride: usize,
    vector: Address,
    bias: Address,
    bias_stride: usize,
    relu: bool,
    mask: Address,
    out: Address,
}

/// Computes dot products.
///
/// # Safety
///
/// As for [`Piece::run`].
unsafe fn dots<S: Simd>(operands: &Operands, bases: &Bases) {
    if let Operands::Dots(dots) = operands {
        // SAFETY: the caller's promise.
        unsafe { enter::<S>(AllDots { dots, bases }) };
    }
}

fn dots_piece<S: Simd>(of: Dots) -> Piece {
    Piece {
        code: dots::<S>,
        operands: Operands::Dots(of),
    }
}

/// What [`dots`] does.
struct AllDots<'a> {
    dots: &'a Dots,
    bases: &'a Bases,
}

impl WithSimd for AllDots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `run` makes these with everything in bounds.
        unsafe {
            let (dots, bases) = (self.dots, self.bases);
            if dots.count < 4 {
                for i in 0..dots.count {
                    dots.rows::<S, 1>(simd, bases, i);
                }
                return;
            }
            let mut i = 0;
            while i < dots.count {
                // The last four may repeat some of the ones before.
                dots.rows::<S, 4>(simd, bases, i.min(dots.count - 4));
                i += 4;
            }
        }
    }
}

impl Dots {
    /// The dot products of `R` rows from `i` on.
    ///
    /// # Safety
    ///
    /// They must exist.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize>(&self, simd: S, bases: &Bases, i: usize) {
        let lanes = const { S::F32_LANES };
        // The registers that hold the partial sums of a row.
        let registers = const { PARTS / S::F32_LANES };
        // SAFETY: the caller's promise; loads at the end of a row are masked.
        unsafe {
            let rows = bases.at(self.rows).add(i * self.stride);
            let vectors = bases.at(self.vector).cast_const();
            let mut parts = [[simd.splat_f32s(0.0); PARTS]; R];
            let whole = self.depth / PARTS * PARTS;
            let mut at = 0;
            while at < whole {
                for g in 0..registers {
                    let at = at + g * lanes;
                    let vector = load(simd, vectors.add(at));
                    for (r, parts) in parts.iter_mut().enumerate() {
                        let row = load(simd, rows.add(r * self.stride + at));
                        parts[g] = simd.mul_add_f32s(row, vector, parts[g]);
                    }
                }
                at += PARTS;
            }
            for g in 0..registers {
                if at < self.depth {
                    let inside = (self.depth - at).min(lanes) as u32;
                    let inside = MemMask::new(simd.mask_between_m32s(0, inside).mask());
                    let vector = simd.mask_load_ptr_f32s(inside, vectors.add(at));
                    for (r, parts) in parts.iter_mut().enumerate() {
                        let row = rows.add(r * self.stride + at);
                        let row = simd.mask_load_ptr_f32s(inside, row);
                        parts[g] = simd.mul_add_f32s(row, vector, parts[g]);
                    }
                    at += lanes;
                }
            }
            let mut sums = [0.0_f32; R];
            for (sum, mut parts) in sums.iter_mut().zip(parts) {
                let mut half = registers / 2;
                while half > 0 {
                    for g in 0..half {
                        parts[g] = simd.add_f32s(parts[g], parts[g + half]);
                    }
                    half /= 2;
                }
                *sum = total(simd, parts[0]);
            }
            let bias = bases.at(self.bias);
            if !bias.is_null() {
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum += *bias.add((i + r) * self.bias_stride);
                }
            }
            let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
            for sum in &mut sums {
                *sum = if *sum < floor { floor } else { *sum };
            }
            let mask = bases.at(self.mask);
            if !mask.is_null() {
                for (r, sum) in sums.iter_mut().enumerate() {
                    let mask = *mask.add(i + r);
                    *sum = if mask <= 0.0 { 0.0 } else { *sum };
                }
            }
            std::ptr::copy_nonoverlapping(sums.as_ptr(), bases.at(self.out).add(i), R);
        }
    }
}

/// The sum of a vector's lanes: its halves are added until one is left.
#[inline(always)]
fn total<S: Simd>(simd: S, x: S::f32s) -> f32 {
    if S::F32_LANES == 4 {
        // Elsewhere than on x86 the order may be another.
        let mut lanes = [0.0_f32; 4];
        // SAFETY: there is room for four lanes.
        unsafe { store(simd, lanes.as_mut_ptr(), x) };
        return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    }
    simd.reduce_sum_f32s(x)
}

#[cfg(all(test, target_arch = "x86_64"))]
pub(super) mod tests {
    use pulp::x86::{V3, V3_128b};

    use super::*;

    /// An instruction set of the test's choice, run with AVX2's instructions.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Fixed<S>(pub V3, pub S);

    impl<S: Simd> Run for Fixed<S> {
        fn lanes(self) -> usize {
            S::F32_LANES
        }

        fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
            Simd::vectorize(self.0, With(self.1, op))
        }
    }

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 7919 + seed * 31) % 257) as f32 / 128.0 - 1.0)
            .collect()
    }

    /// The bits of a product by `kernel`; `case` chooses layouts and epilogue.
    pub(in super::super) fn product<H: Run>(
        here: H,
        kernel: unsafe fn(H, &Product),
        (m, k, n): (usize, usize, usize),
        case: usize,
    ) -> Vec<u32> {
        let bit = |b: usize| case >> b & 1 == 1;
        // Exactly as long as needed, so that a sanitizer sees each step outside.
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let (bias, mask) = (numbers(n, 3), numbers(m * n, 4));
        let mut out = vec![f32::NAN; m * n];
        let (a_row, a_column) = if bit(0) { (1, m) } else { (k, 1) };
        let (b_row, b_column) = if bit(1) { (1, k) } else { (n, 1) };
        let address = |is_there: bool, x: &[f32]| {
            if is_there {
                x.as_ptr()
            } else {
                std::ptr::null()
            }
        };
        let p = Product {
            m,
            k,
            n,
            a: a.as_ptr(),
            a_row,
            a_column,
            b: b.as_ptr(),
            b_row,
            b_column,
            bias: address(bit(2), &bias),
            relu: bit(3),
            mask: address(bit(4), &mask),
            out: out.as_mut_ptr(),
            out_row: n,
        };
        // SAFETY: the vectors are as long as the product says.
        unsafe { kernel(here, &p) };
        out.into_iter().map(f32::to_bits).collect()
    }

    /// The product by this file.
    unsafe fn small(here: impl Run, p: &Product) {
        // SAFETY: the caller's promise.
        assert!(unsafe { run(here, p) });
    }

    /// Four lanes are NEON's, sixteen are AVX-512's.
    #[test]
    fn products_have_the_same_bits_with_any_instruction_set() {
        let Some(v3) = V3::try_new() else { return };
        let sizes = [1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 17, 20, 25, 33, 47];
        for m in [1, 2, 4, 5, 7, 10, 12, 13, 29] {
            for k in [0, 1, 3, 8, 12, 16, 19, 40] {
                for n in sizes {
                    for case in 0..32 {
                        let shape = (m, k, n);
                        let expected = product(Fixed(v3, pulp::Scalar), small, shape, case);
                        let same = product(Fixed(v3, v3), small, shape, case) == expected
                            && product(Fixed(v3, pulp::Scalar512b), small, shape, case) == expected
                            && product(Fixed(v3, V3_128b(v3)), small, shape, case) == expected;
                        assert!(same, "{shape:?} case {case}");
                    }
                }
            }
        }
    }
}
