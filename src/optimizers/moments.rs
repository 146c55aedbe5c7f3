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

/// A decay rate such as `beta_1`, and its logarithm, so that a power of it is cheap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decay {
    /// The rate, from 0 up to, but not including, 1.
    pub(super) rate: f64,
    log2: f64,
}

impl Decay {
    pub(super) fn new(rate: f64) -> Self {
        let log2 = rate.log2();
        Decay { rate, log2 }
    }

    /// What a mean takes over of a new value, `1 - rate`.
    pub(super) fn fresh(self) -> f32 {
        (1.0 - self.rate) as f32
    }

    /// `rate^exponent` in double precision, for an exponent of at least 1.
    ///
    /// From the logarithm rather than by multiplying at each step, so no error grows. Powers far
    /// too small to matter beside 1 are 0, as working with denormal numbers is slow.
    #[inline]
    pub(super) fn power(self, exponent: u64) -> f64 {
        let log2 = exponent as f64 * self.log2;
        if log2 < -100.0 { 0.0 } else { log2.exp2() }
    }
}

/// Adam's step size with both corrections folded in:
/// `learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)`, where `t` counts from 1.
#[inline]
pub(super) fn step_size(learning_rate: f32, beta_1: Decay, beta_2: Decay, iteration: u64) -> f32 {
    let power_1 = beta_1.power(iteration + 1);
    let power_2 = beta_2.power(iteration + 1);
    (f64::from(learning_rate) * (1.0 - power_2).sqrt() / (1.0 - power_1)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_agree_with_powi() {
        for rate in [0.0, 0.5, 0.9, 0.999, 0.9999] {
            for exponent in [1, 2, 3, 100, 400, 11_550, 10_000_000] {
                let ours = Decay::new(rate).power(exponent);
                let theirs = rate.powi(exponent as i32);
                assert!(
                    (ours - theirs).abs() <= 1e-12 * theirs + 1e-30,
                    "{rate}^{exponent}"
                );
            }
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
