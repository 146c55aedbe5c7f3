//! Elementary functions of one number, written so that a loop over them vectorises.
//!
//! There are no branches, tables or calls in them, only arithmetic, fused multiply-adds and
//! selections, so that inside [`dispatch`](super::simd::dispatch) the compiler turns a loop over
//! them into vector code, and every instruction set gives the same bits. A scalar call outside
//! `dispatch` gives the same bits too, but is slow where the target lacks FMA.
//!
//! The polynomials are minimax fits of ours (Remez, 160 bits). At each function stands a bound of
//! its error over every `f32`, and the largest error there is; `every_f32.rs` measures them all.

use std::f32::consts::LOG2_E;

/// Adding this rounds to an integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2, to 24 bits.
const LN_2_HIGH: f32 = std::f32::consts::LN_2;
/// What [`LN_2_HIGH`] lacks.
const LN_2_LOW: f32 = -1.904_654_3e-9;

/// Horner's rule with fused multiply-adds, lowest coefficient first.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = 0.0;
    let mut first = true;
    for c in coefficients.into_iter().rev() {
        sum = if first { c } else { f32::mul_add(sum, x, c) };
        first = false;
    }
    sum
}

/// `min(x, limit)` that keeps NaN.
#[inline(always)]
fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit } else { x }
}

/// `max(x, limit)` that keeps NaN.
#[inline(always)]
fn at_least(x: f32, limit: f32) -> f32 {
    if x < limit { limit } else { x }
}

/// Splits `x` into `n ln 2 + r` with `|r| <= ln 2 / 2`; gives `(exp(r) - 1, n)`.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, i32) {
    let shifted = f32::mul_add(x, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = f32::mul_add(n, -LN_2_HIGH, x);
    let r = f32::mul_add(n, -LN_2_LOW, r);
    let p = polynomial(
        r,
        [
            0.5,
            1.666_666_7e-1,
            4.166_636e-2,
            8.333_273e-3,
            1.394_066e-3,
            1.991_391_3e-4,
        ],
    );
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    (f32::mul_add(r * r, p, r), n)
}

/// 2 to the power of `n`, for `-126 <= n <= 127`; anything for other `n`.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `x * 2^n` with one rounding, for `x` around 1 and `-252 <= n <= 254`.
#[inline(always)]
fn scale(x: f32, n: i32) -> f32 {
    let half = n >> 1;
    x * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `e^x`, to 1 ulp (0.988).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Beyond these the result is infinite, or rounds to zero.
    let (q, n) = exp_parts(at_most(at_least(x, -104.0), 89.0));
    scale(1.0 + q, n)
}

/// `e^x - 1`, to 1.5 ulp (1.440), also near zero.
#[inline(always)]
pub(crate) fn exp_m1(x: f32) -> f32 {
    // Below -20 the result rounds to -1.
    let (q, n) = exp_parts(at_most(at_least(x, -20.0), 89.0));
    // (1 + q) 2^n - 1 = (q + (1 - 2^-n)) 2^n; from 2^100 on the 1 is lost anyway.
    let inverse = power_of_two(0_i32.wrapping_sub(n.min(100)));
    scale(q + (1.0 - inverse), n).copysign(x)
}

/// The logarithm of a normal positive `x` times 2^`shift`, plus `correction`.
#[inline(always)]
fn ln_normal(x: f32, shift: f32, correction: f32) -> f32 {
    // x = m 2^e with 2/3 <= m < 4/3.
    let bits = x.to_bits().wrapping_sub(0x3f2a_aaab) as i32;
    let e = (bits >> 23) as f32 + shift;
    let f = f32::from_bits(((bits & 0x007f_ffff) as u32).wrapping_add(0x3f2a_aaab)) - 1.0;
    let p = polynomial(
        f,
        [
            3.333_324e-1,
            -2.499_971e-1,
            2.000_928_7e-1,
            -1.668_469_6e-1,
            1.402_182_1e-1,
            -1.212_416_6e-1,
            1.391_397_9e-1,
            -1.315_747e-1,
        ],
    );
    // ln m = f - f^2 / 2 + f^3 p; the small terms are added first.
    let tail = f32::mul_add(f * f, f32::mul_add(f, p, -0.5), correction);
    let low = f32::mul_add(e, LN_2_LOW, tail);
    f32::mul_add(e, LN_2_HIGH, f + low)
}

/// Puts the logarithm's values outside `(0, inf)` in place: `x` is its argument.
#[inline(always)]
fn ln_edges(x: f32, result: f32) -> f32 {
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    let result = if x < 0.0 { f32::NAN } else { result };
    // Infinity and NaN pass through.
    if x < f32::INFINITY { result } else { x }
}

/// The natural logarithm, to 1 ulp (0.938).
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let normal = if subnormal { x * 8_388_608.0 } else { x };
    let shift = if subnormal { -23.0 } else { 0.0 };
    ln_edges(x, ln_normal(normal, shift, 0.0))
}

/// The natural logarithm of a positive `x` that is not subnormal, infinite or zero; NaN stays NaN.
#[inline(always)]
pub(crate) fn ln_of_normal(x: f32) -> f32 {
    let result = ln_normal(x, 0.0, 0.0);
    if x < f32::INFINITY { result } else { x }
}

/// `ln(1 + x)`, to 1 ulp (0.938), also near zero.
#[inline(always)]
pub(crate) fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from u, exactly.
    let lost = if x > 1.0 {
        1.0 - (u - x)
    } else {
        x - (u - 1.0)
    };
    ln_edges(u, ln_normal(u, 0.0, lost / u)).copysign(x)
}

/// The hyperbolic tangent, to 1.5 ulp (1.331).
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let p = polynomial(
        z,
        [
            -3.333_329e-1,
            1.333_161e-1,
            -5.375_170_7e-2,
            2.067_376_9e-2,
            -5.740_061_4e-3,
        ],
    );
    let near = f32::mul_add(a * z, p, a);
    let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
    (if a < 0.625 { near } else { far }).copysign(x)
}

/// `1 / (1 + e^-x)`, to 1 ulp (0.986), subnormal results included.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    // e = e^-|x| and what rounding took from it: (1 + q) 2^n is e exactly.
    let (q, n) = exp_parts(at_least(-x.abs(), -104.0));
    let mantissa = 1.0 + q;
    let e = scale(mantissa, n);
    let lost = scale(q - (mantissa - 1.0), n);
    // The quotient, and one step towards the exact one.
    let sum = 1.0 + e;
    let lost_of_sum = (e - (sum - 1.0)) + lost;
    let inverse = 1.0 / sum;
    let (numerator, lost) = if x < 0.0 { (e, lost) } else { (1.0, 0.0) };
    let quotient = numerator * inverse;
    let rest = f32::mul_add(-quotient, sum, numerator);
    let rest = f32::mul_add(-quotient, lost_of_sum, rest + lost);
    f32::mul_add(rest, inverse, quotient)
}

/// `ln(1 + e^x)`, to 2 ulp (1.735).
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    at_least(x, 0.0) + ln_1p(exp(-x.abs()))
}

/// The error function, to 1.5 ulp (1.227).
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let near = polynomial(
        x * x,
        [
            1.283_791_7e-1,
            -3.761_263_2e-1,
            1.128_367_3e-1,
            -2.685_810_4e-2,
            5.197_797_4e-3,
            -8.105_966e-4,
            8.215_427e-5,
        ],
    );
    let near = f32::mul_add(a, near, a);
    // From 4 on the result rounds to 1.
    let g = polynomial(
        at_most(a, 4.0),
        [
            1.956_821_8e-4,
            1.127_675_7,
            6.371_823e-1,
            1.039_315_5e-1,
            -2.222_689_8e-2,
            3.043_211_5e-3,
            -1.959_366_2e-4,
        ],
    );
    let far = 1.0 - exp(-g);
    (if a < 0.93 { near } else { far }).copysign(x)
}

#[cfg(test)]
mod every_f32;

#[cfg(test)]
mod tests {
    use super::super::simd::dispatch;
    use super::*;

    /// The bit patterns at which functions like to go wrong.
    const EDGES: [f32; 24] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.0,
        -2.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MIN_POSITIVE,
        -f32::MIN_POSITIVE,
        1e-45,
        -1e-45,
        1e-40,
        -1e-40,
        f32::MAX,
        f32::MIN,
        88.72284,
        -103.97208,
        0.625,
        0.93,
        1.0 + f32::EPSILON,
        1.0 - f32::EPSILON / 2.0,
    ];

    /// The distance of `got` from `exact` in units of the last place of an `f32` near `exact`.
    fn ulps(got: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        if got.is_nan() || rounded.is_nan() {
            return if got.is_nan() && rounded.is_nan() {
                0.0
            } else {
                f64::INFINITY
            };
        }
        if got.is_infinite() || rounded.is_infinite() {
            return if got == rounded { 0.0 } else { f64::INFINITY };
        }
        let exponent = libm::ilogb(exact).max(-126) - 23;
        (f64::from(got) - exact).abs() / libm::ldexp(1.0, exponent)
    }

    #[test]
    fn the_logarithm_of_a_normal_number_has_the_bits_of_the_logarithm() {
        assert!(ln_of_normal(f32::NAN).is_nan());
        for bits in (0x0080_0000..0x7f80_0000).step_by(9973) {
            let x = f32::from_bits(bits);
            assert_eq!(ln_of_normal(x).to_bits(), ln(x).to_bits(), "{x}");
        }
    }

    /// Compares a function with `exact` over all exponents, signs and a stride of mantissas,
    /// inside `dispatch` and outside, where the bits must agree.
    fn check(name: &str, f: impl Fn(f32) -> f32 + Sync, exact: fn(f64) -> f64, limit: f64) {
        let mut x: Vec<f32> = EDGES.to_vec();
        // A prime stride, so that the low bits take all values.
        x.extend((0..=u32::MAX / STRIDE).map(|i| f32::from_bits(i * STRIDE)));
        let mut out = vec![0.0; x.len()];
        dispatch(
            #[inline(always)]
            || {
                for (out, x) in out.iter_mut().zip(&x) {
                    *out = f(*x);
                }
            },
        );
        let (mut worst, mut at) = (0.0, 0.0);
        for (i, (x, got)) in x.iter().zip(&out).enumerate() {
            let error = ulps(*got, exact(f64::from(*x)));
            if error > worst {
                (worst, at) = (error, *x);
            }
            if i < EDGES.len() {
                let exact = exact(f64::from(*x)) as f32;
                assert!(
                    exact.is_nan() || exact.is_sign_negative() == got.is_sign_negative(),
                    "{name}({x}) = {got}, sign of {exact}"
                );
            }
            if i < EDGES.len() || i % 16 == 0 {
                let alone = f(std::hint::black_box(*x));
                assert!(
                    alone.to_bits() == got.to_bits() || (alone.is_nan() && got.is_nan()),
                    "{name}({x}): {alone} alone, {got} in a vector"
                );
            }
        }
        println!("{name}: {worst:.3} ulp at {at:e}");
        assert!(worst <= limit, "{name}: {worst} ulp at {at:e}");
    }

    const STRIDE: u32 = 997;

    #[test]
    fn exp_is_right() {
        check("exp", exp, libm::exp, 1.0);
    }

    #[test]
    fn exp_m1_is_right() {
        check("exp_m1", exp_m1, libm::expm1, 1.5);
    }

    #[test]
    fn ln_is_right() {
        check("ln", ln, libm::log, 1.5);
    }

    #[test]
    fn ln_1p_is_right() {
        check("ln_1p", ln_1p, libm::log1p, 1.5);
    }

    #[test]
    fn tanh_is_right() {
        check("tanh", tanh, libm::tanh, 1.5);
    }

    #[test]
    fn sigmoid_is_right() {
        fn exact(x: f64) -> f64 {
            1.0 / (1.0 + libm::exp(-x))
        }
        check("sigmoid", sigmoid, exact, 1.5);
    }

    #[test]
    fn softplus_is_right() {
        fn exact(x: f64) -> f64 {
            x.max(0.0)
                + if x.is_nan() {
                    x
                } else {
                    libm::log1p(libm::exp(-x.abs()))
                }
        }
        check("softplus", softplus, exact, 2.0);
    }

    #[test]
    fn erf_is_right() {
        check("erf", erf, libm::erf, 1.5);
    }
}
