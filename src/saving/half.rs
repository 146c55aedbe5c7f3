//! Floats of 16 bits, as files have them.

/// IEEE's `binary16`.
pub(crate) fn ieee(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        // Without a leading one: a multiple of the smallest.
        0 => f32::from_bits((fraction as f32 * 2f32.powi(-24)).to_bits() | sign),
        31 => f32::from_bits(sign | 0xff << 23 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// `bfloat16`: the first half of an `f32`.
pub(crate) fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_numbers_of_the_standard() {
        let all = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, number) in all {
            assert_eq!(ieee(bits), number, "{bits:#x}");
        }
        assert!(ieee(0x7e00).is_nan());
        assert!(ieee(0x8000).is_sign_negative() && ieee(0x8000) == 0.0);
        assert_eq!(
            [brain(0x3f80), brain(0xc000), brain(0x4049)],
            [1.0, -2.0, 3.140_625]
        );
    }
}
