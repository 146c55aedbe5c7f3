//! What optimizers with running averages share: their corrections, and no denormal numbers.

/// The magnitude below which a running average is set to zero.
///
/// Without gradients (a dead unit has none) an average decays at each step, within a few hundred
/// steps into denormal numbers, and each operation on one of those costs a hundred cycles. Against
/// an `epsilon` of ordinary size they are zero; a tiny `epsilon` only loses the denormals proper.
pub(super) fn floor(epsilon: f64) -> f32 {
    if epsilon >= 1e-12 {
        1e-30
    } else {
        f32::MIN_POSITIVE
    }
}

/// Zero for magnitudes below `floor`, else the value; NaN stays NaN.
#[inline(always)]
pub(super) fn flush(value: f32, floor: f32) -> f32 {
    if value.abs() < floor { 0.0 } else { value }
}

/// `average + (value - average) * weight`, flushed.
#[inline(always)]
pub(super) fn towards(average: f32, value: f32, weight: f32, floor: f32) -> f32 {
    flush((value - average).mul_add(weight, average), floor)
}

/// How many digits of an exponent, written in base 16, [`Decay`] keeps powers for.
const DIGITS: usize = 5;

/// The exponent from which on it keeps none.
const BEYOND: u64 = 1 << (4 * DIGITS);

/// A power below it is taken as 0: it is nothing beside 1, and working with denormal numbers is
/// slow.
const NOTHING: f64 = 1.0 / (1u128 << 100) as f64;

/// A decay rate such as `beta_1`, and some of its powers, so that all others are cheap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decay {
    /// The rate, from 0 up to, but not including, 1.
    pub(super) rate: f64,
    /// `rate^(digit * 16^place)` for each place and digit.
    powers: [[f64; 16]; DIGITS],
    /// `rate^BEYOND`.
    beyond: f64,
}

impl Decay {
    pub(super) fn new(rate: f64) -> Self {
        let mut powers = [[1.0; 16]; DIGITS];
        let mut base = rate;
        for place in &mut powers {
            let mut power = 1.0;
            for entry in place.iter_mut() {
                *entry = power;
                power = times(power, base);
            }
            base = power;
        }
        Decay {
            rate,
            powers,
            beyond: base,
        }
    }

    /// What a mean takes over of a new value, `1 - rate`.
    pub(super) fn fresh(&self) -> f32 {
        (1.0 - self.rate) as f32
    }

    /// `rate^exponent` in double precision.
    ///
    /// The product of the powers of the digits: the same bits on every machine, and whether
    /// training was interrupted or not, without a call into the mathematical library.
    #[inline]
    pub(super) fn power(&self, exponent: u64) -> f64 {
        let digit = |place: usize| (exponent >> (4 * place)) as usize % 16;
        let [a, b, c, d, e] = std::array::from_fn(|place| self.powers[place][digit(place)]);
        let power = (a * b) * (c * d) * e;
        if exponent < BEYOND {
            power
        } else {
            power * self.power_beyond(exponent / BEYOND)
        }
    }

    /// `rate^(BEYOND * times)`.
    #[cold]
    fn power_beyond(&self, mut exponent: u64) -> f64 {
        let (mut square, mut power) = (self.beyond, 1.0);
        while exponent > 0 {
            if exponent % 2 == 1 {
                power = times(power, square);
            }
            square = times(square, square);
            exponent /= 2;
        }
        power
    }
}

/// The product of two powers, or 0 where it is nothing. NaN stays NaN.
fn times(a: f64, b: f64) -> f64 {
    let product = a * b;
    if product < NOTHING { 0.0 } else { product }
}

/// Adam's step size with both corrections folded in:
/// `learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)`, where `t` counts from 1.
#[inline]
pub(super) fn step_size(learning_rate: f32, beta_1: &Decay, beta_2: &Decay, iteration: u64) -> f32 {
    let power_1 = beta_1.power(iteration + 1);
    let power_2 = beta_2.power(iteration + 1);
    (f64::from(learning_rate) * (1.0 - power_2).sqrt() / (1.0 - power_1)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_agree_with_powi() {
        for rate in [0.0, 0.5, 0.9, 0.96, 0.999, 0.9999, 0.999_999_9] {
            let decay = Decay::new(rate);
            assert_eq!(decay.power(0), 1.0);
            for exponent in [
                1, 2, 3, 16, 100, 257, 400, 11_550, 65_536, 999_999, 10_000_000,
            ] {
                let ours = decay.power(exponent);
                let theirs = rate.powi(exponent as i32);
                // Both multiply, and each product is off by 1e-16 at most.
                let tolerance = theirs * 2e-16 * exponent as f64 + NOTHING;
                assert!((ours - theirs).abs() <= tolerance, "{rate}^{exponent}");
            }
            assert_eq!(decay.power(u64::MAX), 0.0);
        }
    }

    #[test]
    fn powers_are_never_denormal() {
        let decay = Decay::new(0.9);
        for exponent in 0..20_000 {
            let power = decay.power(exponent);
            assert!(power == 0.0 || power.is_normal(), "0.9^{exponent}");
        }
    }

    #[test]
    fn small_values_vanish_and_nan_does_not() {
        assert_eq!(flush(1e-31, floor(1e-7)), 0.0);
        assert_eq!(flush(-1e-29, floor(1e-7)), -1e-29);
        assert_eq!(flush(1e-31, floor(1e-20)), 1e-31);
        assert!(flush(f32::NAN, floor(1e-7)).is_nan());
    }
}
