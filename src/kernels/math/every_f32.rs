//! The error of each function over every `f32`, against references in `f64`.
//!
//! ```sh
//! cargo test --release --lib every_f32 -- --nocapture
//! ```
//!
//! takes all of the 2^32 arguments; without `--release`, where it would take an hour, one block
//! in [`STRIDE`], so that every exponent is still met. The references are `f64` loops of our own,
//! so that they vectorise; `libm`'s functions, which are exact to an `f64`'s last place or so,
//! confirm them on a sample.

use rayon::prelude::*;

use super::super::simd::dispatch;
use super::*;

/// The arguments of a block: neighbours of one sign and exponent.
const BLOCK: usize = 1 << 10;
/// Of how many blocks one is looked at where the test is not optimised. A prime.
const STRIDE: u32 = if cfg!(debug_assertions) { 211 } else { 1 };
/// How far a reference may be from `libm`, in ulp of an `f32`.
const REFERENCE: f64 = 1e-4;

/// The largest error found, in ulp, and where.
#[derive(Clone, Copy)]
struct Worst {
    error: f64,
    at: f32,
}

impl Worst {
    fn new(error: f64, at: f32) -> Self {
        Worst { error, at }
    }

    fn or(self, other: Worst) -> Worst {
        if other.error > self.error {
            other
        } else {
            self
        }
    }
}

/// How far `got` is from `exact`, in units of the last place of an `f32` near `exact`.
///
/// Infinity counts as 2^128, the first number too large for an `f32`; NaN is infinitely far from
/// all but NaN, and so are the zeros from what has the other sign.
#[inline(always)]
fn distance(got: f64, exact: f64) -> f64 {
    const INFINITY: f64 = 3.402_823_669_209_385e38;
    // An ulp is 2 to the power of 23 less than the exponent of `exact`; the ulp of subnormals is
    // that of the smallest normal.
    let size = within(
        exact.abs(),
        f64::from(f32::MIN_POSITIVE),
        f64::from(f32::MAX),
    );
    let exponent = size.to_bits() & (0x7ff << 52);
    let inverse = f64::from_bits(((2046 + 23) << 52) - exponent);
    let difference = within(got, -INFINITY, INFINITY) - within(exact, -INFINITY, INFINITY);
    let far = difference.abs() * inverse;
    let signs = (got.to_bits() ^ exact.to_bits()) >> 63;
    let far = if (got == 0.0) & (signs != 0) {
        f64::INFINITY
    } else {
        far
    };
    let far = if got.is_nan() & exact.is_nan() {
        0.0
    } else {
        far
    };
    // NaN is what is left where one alone is NaN.
    if far >= 0.0 { far } else { f64::INFINITY }
}

/// A block's arguments, results, and exact results, which become their errors.
struct Block {
    x: [f32; BLOCK],
    got: [f32; BLOCK],
    errors: [f64; BLOCK],
}

impl Block {
    /// A block of zeros.
    fn new() -> Self {
        Block {
            x: [0.0; BLOCK],
            got: [0.0; BLOCK],
            errors: [0.0; BLOCK],
        }
    }

    /// Takes the arguments that follow a bit pattern; gives the first.
    fn begin(&mut self, from: u32) -> f32 {
        dispatch(
            #[inline(always)]
            || {
                for (i, x) in self.x.iter_mut().enumerate() {
                    *x = f32::from_bits(from + i as u32);
                }
            },
        );
        f32::from_bits(from)
    }

    /// Compares a function with a reference, in three loops, so that each vectorises.
    #[inline(always)]
    fn compare(
        &mut self,
        f: impl Fn(f32) -> f32,
        reference: impl Fn(f64) -> f64,
        known: fn(f64) -> f64,
    ) -> Worst {
        dispatch(
            #[inline(always)]
            || {
                for (got, x) in self.got.iter_mut().zip(&self.x) {
                    *got = f(*x);
                }
            },
        );
        let rounded = dispatch(
            #[inline(always)]
            || {
                let mut wrong = 0;
                for ((e, x), got) in self.errors.iter_mut().zip(&self.x).zip(&self.got) {
                    *e = reference(f64::from(*x));
                    wrong |= (*e as f32).to_bits() ^ got.to_bits();
                }
                wrong == 0
            },
        );
        // Each block confirms another place, so that all mantissas come.
        let place = self.x[0].to_bits() as usize / BLOCK % BLOCK;
        let sample = f64::from(self.x[place]);
        let (own, known) = (reference(sample), known(sample));
        assert!(
            distance(own, known) <= REFERENCE,
            "the reference at {sample:e} is {own:e}, not {known:e}",
        );
        // Where every result is the exact one rounded, as in most blocks, half an ulp is a bound.
        if rounded {
            return Worst::new(0.5, self.x[0]);
        }
        let worst = distances(&self.got, &mut self.errors);
        let i = self.errors.iter().position(|e| *e == worst).unwrap_or(0);
        Worst::new(worst, self.x[i])
    }
}

/// Puts the error of each result in the place of the exact one; gives the largest.
fn distances(got: &[f32; BLOCK], errors: &mut [f64; BLOCK]) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            for (e, got) in errors.iter_mut().zip(got) {
                *e = distance(f64::from(*got), *e);
            }
            let mut worst = [0.0; 8];
            for errors in errors.as_chunks::<8>().0 {
                for (worst, e) in worst.iter_mut().zip(errors) {
                    *worst = if *e > *worst { *e } else { *worst };
                }
            }
            worst.into_iter().fold(0.0, f64::max)
        },
    )
}

/// The largest error of a function over every `f32`, which may be `limit`.
///
/// `compare` is given each block and its first argument, to choose a reference that is simple
/// and as good there: what is compared is every value all the same.
fn check(name: &str, limit: f64, compare: impl Fn(&mut Block, f32) -> Worst + Sync) {
    let start = std::time::Instant::now();
    let blocks = ((1_u64 << 32) / BLOCK as u64) as u32;
    let worst = (0..blocks.div_ceil(STRIDE))
        .into_par_iter()
        .with_min_len(64)
        .map_init(Block::new, |block, i| {
            let first = block.begin(i * STRIDE * BLOCK as u32);
            compare(block, first)
        })
        .reduce(|| Worst::new(0.0, 0.0), Worst::or);
    println!(
        "{name}: {:.4} ulp at {:e} ({:08x}), {:.1} s",
        worst.error,
        worst.at,
        worst.at.to_bits(),
        start.elapsed().as_secs_f64()
    );
    assert!(
        worst.error <= limit,
        "{name}: {} ulp at {:e}, not {limit}",
        worst.error,
        worst.at
    );
}

/// `min(max(x, low), high)` that keeps NaN.
#[inline(always)]
fn within(x: f64, low: f64, high: f64) -> f64 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// Horner's rule, lowest coefficient first.
#[inline(always)]
fn horner<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let mut sum = 0.0;
    for c in coefficients.into_iter().rev() {
        sum = f64::mul_add(sum, x, c);
    }
    sum
}

/// `x = n ln 2 + r`; gives `(exp(r) - 1, 2^n)`, for `-700 <= x <= 700`.
#[inline(always)]
fn exp_parts_64(x: f64) -> (f64, f64) {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = f64::mul_add(x, std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = f64::mul_add(n, -std::f64::consts::LN_2, x);
    // The series of (exp(r) - 1) / r: the first term left out is r^12 / 13! < 5e-16.
    let p = horner(
        r,
        [
            1.0,
            1.0 / 2.0,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5_040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
            1.0 / 3_628_800.0,
            1.0 / 39_916_800.0,
            1.0 / 479_001_600.0,
        ],
    );
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    (r * p, power)
}

#[inline(always)]
fn exp_64(x: f64) -> f64 {
    let (q, power) = exp_parts_64(within(x, -700.0, 700.0));
    f64::mul_add(q, power, power)
}

#[inline(always)]
fn exp_m1_64(x: f64) -> f64 {
    let (q, power) = exp_parts_64(within(x, -700.0, 700.0));
    // Where `power` is 1 this is `q`, without a loss; where it is not, little cancels.
    (f64::mul_add(q, power, power - 1.0)).copysign(x)
}

/// `ln(u)` where `u` is `1 + lost / u` times too small, for a normal `u`.
#[inline(always)]
fn ln_parts_64(u: f64, lost: f64) -> f64 {
    // u = m 2^e with 1/sqrt 2 <= m < sqrt 2, s = (m - 1) / (m + 1), |s| < 0.1716.
    const HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = u.to_bits().wrapping_sub(HALF);
    let e = (bits as i64) >> 52;
    // The bits of 2^52 + 2^51 + e, less that number, are e as a number.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let e = f64::from_bits((e as u64).wrapping_add(ROUND.to_bits())) - ROUND;
    let m = f64::from_bits((bits & ((1 << 52) - 1)).wrapping_add(HALF));
    let s = (m - 1.0) / (m + 1.0);
    // 2 atanh(s) / s: the first term left out is 2 s^20 / 21 < 5e-17.
    let p = horner(
        s * s,
        [
            2.0,
            2.0 / 3.0,
            2.0 / 5.0,
            2.0 / 7.0,
            2.0 / 9.0,
            2.0 / 11.0,
            2.0 / 13.0,
            2.0 / 15.0,
            2.0 / 17.0,
            2.0 / 19.0,
        ],
    );
    f64::mul_add(e, std::f64::consts::LN_2, f64::mul_add(s, p, lost / u))
}

#[inline(always)]
fn ln_edges_64(x: f64, result: f64) -> f64 {
    let result = if x == 0.0 { f64::NEG_INFINITY } else { result };
    let result = if x < 0.0 { f64::NAN } else { result };
    if x < f64::INFINITY { result } else { x }
}

#[inline(always)]
fn ln_64(x: f64) -> f64 {
    // Every f32 is a normal f64.
    ln_edges_64(x, ln_parts_64(x, 0.0))
}

#[inline(always)]
fn ln_1p_64(x: f64) -> f64 {
    let u = 1.0 + x;
    let lost = if x > 1.0 {
        1.0 - (u - x)
    } else {
        x - (u - 1.0)
    };
    ln_edges_64(u, ln_parts_64(u, lost)).copysign(if x < -1.0 { f64::NAN } else { x })
}

#[inline(always)]
fn tanh_64(x: f64) -> f64 {
    // Beyond 20 it is 1 within 1e-17.
    let m = exp_m1_64(2.0 * within(x.abs(), 0.0, 20.0));
    (m / (m + 2.0)).copysign(x)
}

#[inline(always)]
fn sigmoid_64(x: f64) -> f64 {
    let e = exp_64(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

#[inline(always)]
fn softplus_64(x: f64) -> f64 {
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + ln_1p_64(exp_64(-x.abs()))
}

/// `erf(x)` for `|x| <= 5` by its series of positive terms, `N` of them; for `|x| > 5`, where it
/// is 1 within 2e-12, any number.
#[inline(always)]
fn erf_64<const N: usize>(x: f64) -> f64 {
    // 2 / sqrt(pi) e^-z sum_n x (2 z)^n / (1 3 5 ... (2 n + 1)), z = x^2
    let z = x * x;
    let mut sum = 1.0;
    for n in (1..N).rev() {
        sum = f64::mul_add(sum, z * (2.0 / (2 * n + 1) as f64), 1.0);
    }
    x * std::f64::consts::FRAC_2_SQRT_PI * exp_64(-z) * sum
}

/// Whether all of a block's arguments are numbers: the block of an infinity holds NaN too.
fn numbers(x: f32) -> bool {
    x.is_finite()
}

#[test]
fn exp_of_every_f32() {
    let known = libm::exp;
    let near = |x: f64| f64::mul_add(x, f64::mul_add(x, 0.5, 1.0), 1.0);
    check("exp", 1.0, |block, x| match x {
        _ if !numbers(x) => block.compare(exp, exp_64, known),
        128.0.. => block.compare(exp, |_| f64::INFINITY, known),
        ..=-128.0 => block.compare(exp, |_| 0.0, known),
        _ if x.abs() < 1e-5 => block.compare(exp, near, known),
        _ => block.compare(exp, exp_64, known),
    });
}

#[test]
fn exp_m1_of_every_f32() {
    let known = libm::expm1;
    let near = |x: f64| x * f64::mul_add(x, f64::mul_add(x, 1.0 / 6.0, 0.5), 1.0);
    check("exp_m1", 1.5, |block, x| match x {
        _ if !numbers(x) => block.compare(exp_m1, exp_m1_64, known),
        128.0.. => block.compare(exp_m1, |_| f64::INFINITY, known),
        ..=-64.0 => block.compare(exp_m1, |_| -1.0, known),
        _ if x.abs() < 1.0 / 16_384.0 => block.compare(exp_m1, near, known),
        _ => block.compare(exp_m1, exp_m1_64, known),
    });
}

#[test]
fn ln_of_every_f32() {
    let known = libm::log;
    check("ln", 1.0, |block, x| match x {
        _ if numbers(x) && x < 0.0 => block.compare(ln, |_| f64::NAN, known),
        _ => block.compare(ln, ln_64, known),
    });
}

#[test]
fn ln_1p_of_every_f32() {
    let known = libm::log1p;
    let near = |x: f64| x * f64::mul_add(x, f64::mul_add(x, 1.0 / 3.0, -0.5), 1.0);
    check("ln_1p", 1.0, |block, x| match x {
        _ if !numbers(x) => block.compare(ln_1p, ln_1p_64, known),
        ..=-2.0 => block.compare(ln_1p, |_| f64::NAN, known),
        _ if x.abs() < 1.0 / 16_384.0 => block.compare(ln_1p, near, known),
        _ => block.compare(ln_1p, ln_1p_64, known),
    });
}

#[test]
fn tanh_of_every_f32() {
    let known = libm::tanh;
    let near = |x: f64| x * f64::mul_add(x * x, -1.0 / 3.0, 1.0);
    check("tanh", 1.5, |block, x| match x.abs() {
        _ if !numbers(x) => block.compare(tanh, tanh_64, known),
        32.0.. => block.compare(tanh, |x| 1_f64.copysign(x), known),
        ..0.000_976_562_5 => block.compare(tanh, near, known),
        _ => block.compare(tanh, tanh_64, known),
    });
}

#[test]
fn sigmoid_of_every_f32() {
    let known = |x: f64| 1.0 / (1.0 + libm::exp(-x));
    let near = |x: f64| f64::mul_add(x, 0.25, 0.5);
    check("sigmoid", 1.0, |block, x| match x {
        _ if !numbers(x) => block.compare(sigmoid, sigmoid_64, known),
        32.0.. => block.compare(sigmoid, |_| 1.0, known),
        ..=-128.0 => block.compare(sigmoid, |_| 0.0, known),
        _ if x.abs() < 1e-6 => block.compare(sigmoid, near, known),
        _ => block.compare(sigmoid, sigmoid_64, known),
    });
}

#[test]
fn softplus_of_every_f32() {
    fn known(x: f64) -> f64 {
        let positive = if x < 0.0 { 0.0 } else { x };
        positive + libm::log1p(libm::exp(-x.abs()))
    }
    // ln 2 + x / 2 + x^2 / 8
    let near = |x: f64| f64::mul_add(x, f64::mul_add(x, 0.125, 0.5), std::f64::consts::LN_2);
    check("softplus", 2.0, |block, x| match x {
        _ if !numbers(x) => block.compare(softplus, softplus_64, known),
        32.0.. => block.compare(softplus, |x| x, known),
        ..=-128.0 => block.compare(softplus, |_| 0.0, known),
        _ if x.abs() < 1e-4 => block.compare(softplus, near, known),
        _ => block.compare(softplus, softplus_64, known),
    });
}

#[test]
fn erf_of_every_f32() {
    let known = libm::erf;
    let near = |x: f64| x * std::f64::consts::FRAC_2_SQRT_PI * f64::mul_add(x * x, -1.0 / 3.0, 1.0);
    check("erf", 1.5, |block, x| match x.abs() {
        5.0.. => block.compare(
            erf,
            |x| if x.is_nan() { x } else { 1_f64.copysign(x) },
            known,
        ),
        1.5.. => block.compare(erf, erf_64::<80>, known),
        0.125.. => block.compare(erf, erf_64::<24>, known),
        ..0.000_976_562_5 => block.compare(erf, near, known),
        _ if x.is_nan() => block.compare(erf, |x| x, known),
        _ => block.compare(erf, erf_64::<6>, known),
    });
}
