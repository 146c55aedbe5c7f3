//! Windows over a stretch of time, by the names that SciPy gives them.

use std::f64::consts::PI;

/// A window of a name, `length` numbers; `None` for a name that is not there.
///
/// A periodic one is a symmetric one of one more without its last number, as a Fourier transform
/// wants it. A name may end with `_periodic` or `_symmetric`, which then counts.
pub(super) fn window(name: &str, length: usize, periodic: bool) -> Option<Vec<f64>> {
    let (name, periodic) = match (
        name.strip_suffix("_periodic"),
        name.strip_suffix("_symmetric"),
    ) {
        (Some(name), _) => (name, true),
        (_, Some(name)) => (name, false),
        _ => (name, periodic),
    };
    let function = function(name)?;
    if length < 2 {
        return Some(vec![1.0; length]);
    }
    let whole = length + usize::from(periodic);
    let at = |n: usize| function(n as f64, whole as f64);
    Some((0..length).map(at).collect())
}

/// A window's number at place `n` of `m`.
type Function = fn(f64, f64) -> f64;

/// Those of SciPy that need no setting; those with settings have SciPy's defaults.
fn function(name: &str) -> Option<Function> {
    Some(match name {
        "boxcar" | "box" | "ones" | "rect" | "rectangular" => |_, _| 1.0,
        "triang" | "triangle" | "tri" => |n, m| 1.0 - (2.0 * n - (m - 1.0)).abs() / (m + m % 2.0),
        "bartlett" | "bart" | "brt" => |n, m| 1.0 - off(n, m),
        "parzen" | "parz" | "par" => parzen,
        "bohman" | "bman" | "bmn" => |n, m| {
            let off = off(n, m);
            (1.0 - off) * (PI * off).cos() + (PI * off).sin() / PI
        },
        "barthann" | "brthan" | "bth" => |n, m| {
            let off = off(n, m) / 2.0;
            0.62 - 0.48 * off + 0.38 * (2.0 * PI * off).cos()
        },
        "cosine" | "halfcosine" => |n, m| (PI / m * (n + 0.5)).sin(),
        "exponential" | "poisson" => |n, m| (-(n - (m - 1.0) / 2.0).abs()).exp(),
        "tukey" | "tuk" => tukey,
        "lanczos" | "sinc" => |n, m| match PI * off(n, m) {
            0.0 => 1.0,
            x => x.sin() / x,
        },
        "taylor" | "taylorwin" => taylor,
        "hann" | "han" => |n, m| cosines(n, m, &[0.5, 0.5]),
        "hamming" | "hamm" | "ham" => |n, m| cosines(n, m, &[0.54, 0.46]),
        "blackman" | "black" | "blk" => |n, m| cosines(n, m, &[0.42, 0.5, 0.08]),
        "blackmanharris" | "blackharr" | "bkh" => {
            |n, m| cosines(n, m, &[0.358_75, 0.488_29, 0.141_28, 0.011_68])
        }
        "nuttall" | "nutl" | "nut" => {
            |n, m| cosines(n, m, &[0.363_581_9, 0.489_177_5, 0.136_599_5, 0.010_641_1])
        }
        "flattop" | "flat" | "flt" => |n, m| {
            let parts = [
                0.215_578_95,
                0.416_631_58,
                0.277_263_158,
                0.083_578_947,
                0.006_947_368,
            ];
            cosines(n, m, &parts)
        },
        _ => return None,
    })
}

/// How far a place lies from the middle: 0 there, 1 at both ends.
fn off(n: f64, m: f64) -> f64 {
    (2.0 * n / (m - 1.0) - 1.0).abs()
}

/// A sum of cosines of 0, 1, 2, ... waves, all at their tops in the middle.
fn cosines(n: f64, m: f64, parts: &[f64]) -> f64 {
    let angle = PI * (2.0 * n / (m - 1.0) - 1.0);
    let waves = parts.iter().enumerate();
    waves.map(|(k, part)| part * (k as f64 * angle).cos()).sum()
}

/// Four pieces of cubics (Parzen 1961).
fn parzen(n: f64, m: f64) -> f64 {
    let off = (2.0 * n - (m - 1.0)).abs() / m;
    match off <= (m - 1.0) / (2.0 * m) {
        true => 1.0 - 6.0 * off.powi(2) + 6.0 * off.powi(3),
        false => 2.0 * (1.0 - off).powi(3),
    }
}

/// 1 in the middle half, and half a wave of a cosine at both ends.
fn tukey(n: f64, m: f64) -> f64 {
    let from_end = n.min(m - 1.0 - n);
    let edge = (m - 1.0) / 4.0;
    match from_end <= edge.floor() {
        true => 0.5 * (1.0 - (PI * from_end / edge).cos()),
        false => 1.0,
    }
}

/// Taylor's window with side lobes of -30 dB, the first four of them alike.
///
/// Source: Carrara et al., Spotlight Synthetic Aperture Radar (1995), Appendix D.
fn taylor(n: f64, m: f64) -> f64 {
    const LOBES: [f64; 3] = [1.0, 2.0, 3.0];
    let a2 = ((10_f64.powf(30.0 / 20.0)).acosh() / PI).powi(2);
    let widening = 16.0 / (a2 + 3.5_f64.powi(2));
    let part = |k: f64| {
        let zeros = LOBES.map(|j| 1.0 - k * k / (widening * (a2 + (j - 0.5).powi(2))));
        let others = LOBES.map(|j| if j == k { 1.0 } else { 1.0 - k * k / (j * j) });
        let sign = if k % 2.0 == 0.0 { -1.0 } else { 1.0 };
        sign * zeros.iter().product::<f64>() / (2.0 * others.iter().product::<f64>())
    };
    let parts = LOBES.map(part);
    let at = |place: f64| {
        let waves = LOBES.iter().zip(parts);
        1.0 + 2.0
            * waves
                .map(|(k, part)| part * (2.0 * PI * k * place / m).cos())
                .sum::<f64>()
    };
    at(n - m / 2.0 + 0.5) / at(0.0)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_1_SQRT_2;

    use super::*;

    fn close(got: &[f64], want: &[f64]) -> bool {
        got.len() == want.len() && got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-8)
    }

    #[test]
    fn windows_are_those_of_scipy() {
        // The first halves of symmetric windows of 7 and of 6, from SciPy 1.17.
        let cases: [(&str, [f64; 4], [f64; 3]); 17] = [
            ("boxcar", [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
            (
                "triang",
                [0.25, 0.5, 0.75, 1.0],
                [0.166_666_667, 0.5, 0.833_333_333],
            ),
            (
                "bartlett",
                [0.0, 0.333_333_333, 0.666_666_667, 1.0],
                [0.0, 0.4, 0.8],
            ),
            (
                "parzen",
                [0.005_830_904, 0.157_434_402, 0.650_145_773, 1.0],
                [0.009_259_259, 0.25, 0.861_111_111],
            ),
            (
                "bohman",
                [0.0, 0.108_997_781, 0.608_997_781, 1.0],
                [0.0, 0.179_123_894, 0.834_311_452],
            ),
            (
                "barthann",
                [0.0, 0.27, 0.73, 1.0],
                [0.0, 0.358_573_542, 0.879_426_458],
            ),
            (
                "cosine",
                [0.222_520_934, 0.623_489_802, 0.900_968_868, 1.0],
                [0.258_819_045, FRAC_1_SQRT_2, 0.965_925_826],
            ),
            (
                "exponential",
                [0.049_787_068, 0.135_335_283, 0.367_879_441, 1.0],
                [0.082_084_999, 0.223_130_16, 0.606_530_66],
            ),
            ("tukey", [0.0, 0.75, 1.0, 1.0], [0.0, 0.904_508_497, 1.0]),
            (
                "lanczos",
                [0.0, 0.413_496_672, 0.826_993_343, 1.0],
                [0.0, 0.504_551_152, 0.935_489_284],
            ),
            (
                "taylor",
                [0.290_095_313, 0.578_212_601, 0.878_008_225, 1.0],
                [0.306_346_927, 0.662_064_779, 0.957_002_127],
            ),
            (
                "hann",
                [0.0, 0.25, 0.75, 1.0],
                [0.0, 0.345_491_503, 0.904_508_497],
            ),
            (
                "hamming",
                [0.08, 0.31, 0.77, 1.0],
                [0.08, 0.397_852_183, 0.912_147_817],
            ),
            (
                "blackman",
                [0.0, 0.13, 0.63, 1.0],
                [0.0, 0.200_770_143, 0.849_229_857],
            ),
            (
                "blackmanharris",
                [0.000_06, 0.055_645, 0.520_575, 1.0],
                [0.000_06, 0.103_011_489, 0.793_833_511],
            ),
            (
                "nuttall",
                [0.000_362_8, 0.061_334_5, 0.529_229_8, 1.0],
                [0.000_362_8, 0.110_515_253, 0.798_258_097],
            ),
            (
                "flattop",
                [-0.000_421_051, -0.051_263_156, 0.198_210_53, 1.000_000_003],
                [-0.000_421_051, -0.067_714_252, 0.606_872_153],
            ),
        ];
        for (name, odd, even) in cases {
            let got = window(name, 7, false).unwrap();
            let mirrored = [odd[0], odd[1], odd[2], odd[3], odd[2], odd[1], odd[0]];
            assert!(close(&got, &mirrored), "{name}: {got:?}");
            assert!(
                close(&window(name, 6, true).unwrap(), &mirrored[..6]),
                "{name}"
            );
            let got = window(name, 6, false).unwrap();
            let mirrored = [even[0], even[1], even[2], even[2], even[1], even[0]];
            assert!(close(&got, &mirrored), "{name}: {got:?}");
            assert_eq!(window(name, 1, true).unwrap(), [1.0], "{name}");
            assert!(window(name, 0, false).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn an_ending_says_whether_a_window_repeats() {
        assert_eq!(window("hann_periodic", 6, false), window("hann", 6, true));
        assert_eq!(window("hann_symmetric", 6, true), window("hann", 6, false));
        assert_eq!(window("kaiser", 6, false), None);
        assert_eq!(window("Hann", 6, false), None);
    }
}
