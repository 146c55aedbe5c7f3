//! What the layers that draw at random share: the range of a rate, and the shape of what is drawn.

use crate::error::{Error, Result};
use crate::graph::{Scope, Value};

/// The shape of what is drawn as Keras writes it: `None` stands for the input's own length.
pub(super) type NoiseShape = Option<Vec<Option<usize>>>;

/// A rate, or a deviation, lies between 0 and 1.
pub(super) fn check(class_name: &str, argument: &str, value: f32) -> Result<()> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::argument(
            class_name,
            argument,
            "between 0 and 1",
            value,
        )),
    }
}

/// Every length of a noise shape is at least 1.
pub(super) fn check_shape(class_name: &str, noise: &NoiseShape) -> Result<()> {
    match noise {
        Some(lengths) if lengths.contains(&Some(0)) => Err(Error::argument(
            class_name,
            "noise_shape",
            "lengths of at least 1, or none for the input's own",
            format!("{lengths:?}"),
        )),
        _ => Ok(()),
    }
}

/// What comes of training at a rate of 1 where nothing would be left to scale up.
pub(super) fn fail_at_one(scope: &mut Scope, class_name: &str, x: &Value) -> Value {
    let error = Error::argument(class_name, "rate", "below 1 in training", 1.0);
    let error = scope.named(error);
    scope.fail_with(error);
    x.clone()
}

/// The shape of what is drawn for `x`, with as many axes.
///
/// A noise shape of fewer axes is for the last ones. A number for the batch stands for the batch:
/// the last one of an epoch may be smaller.
pub(super) fn concrete_shape(
    x: &Value,
    noise: &NoiseShape,
) -> std::result::Result<Vec<usize>, Value> {
    let own = x.shape();
    let Some(noise) = noise else {
        return Ok(own.dims().to_vec());
    };
    let whole = noise.len() == own.rank();
    let mut shape = vec![1; own.rank().saturating_sub(noise.len())];
    if noise.len() > own.rank() || (!whole && noise.contains(&None)) {
        return Err(x.fail(format!(
            "`noise_shape` {noise:?} must have as many axes as the inputs {own}"
        )));
    }
    for (length, wanted) in own.dims().iter().skip(shape.len()).zip(noise) {
        let of_batch = whole && shape.is_empty();
        shape.push(match *wanted {
            None => *length,
            Some(1) => 1,
            Some(number) if of_batch || number == *length => *length,
            Some(number) => {
                return Err(x.fail(format!(
                    "each length of `noise_shape` {noise:?} must be 1 or that of the inputs \
                     {own}, got {number} for {length}"
                )));
            }
        });
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use crate::layers::{
        AlphaDropout, DataFormat, Dropout, GaussianDropout, GaussianNoise, Layer, SpatialDropout1D,
        SpatialDropout2D, SpatialDropout3D,
    };
    use crate::random::tests::critical;
    use crate::testing::Probe;

    const N: usize = 200 * 500;

    fn probe(layer: &dyn Layer, shape: &[usize], x: &[f32], training: bool) -> Probe {
        let mut probe = Probe::layer(layer, shape, training).unwrap();
        probe.set_inputs(&[x.to_vec()]);
        probe
    }

    /// What comes out of training with ones.
    fn of_ones(layer: &dyn Layer, shape: &[usize]) -> Vec<f32> {
        let ones = vec![1.0; shape.iter().product()];
        probe(layer, shape, &ones, true).forward()
    }

    #[test]
    fn dropout_drops_without_a_pattern() {
        let (rows, columns, rate) = (5000, 20, 0.3_f64);
        let y = of_ones(&Dropout::new(rate as f32), &[rows, columns]);
        // How many of a row are dropped is binomial, along rows and along columns of 20.
        let by_columns: Vec<f32> = (0..N).map(|i| y[i % rows * columns + i / rows]).collect();
        for y in [y, by_columns] {
            let mut counts = [0_usize; 21];
            for row in y.chunks(columns) {
                counts[row.iter().filter(|y| **y == 0.0).count()] += 1;
            }
            let (mut found, mut wanted, mut worst) = (0.0, 0.0, 0.0_f64);
            let mut chance = (1.0 - rate).powi(20);
            for (k, count) in counts.into_iter().enumerate() {
                found += count as f64 / rows as f64;
                wanted += chance;
                worst = worst.max((found - wanted).abs());
                chance *= (20 - k) as f64 / (k + 1) as f64 * rate / (1.0 - rate);
            }
            assert!(worst < critical(rows), "{worst}");
        }
    }

    #[test]
    fn alpha_dropout_gives_the_numbers_of_its_formula() {
        // Of x = 1 there are a + b and a s + b, with a = 0.860 953 and b = 0.454 092.
        let y = of_ones(&AlphaDropout::new(0.3), &[200, 500]);
        let (kept, dropped) = (1.315_044_7, -1.059_548_1);
        let near = |y: f32, to: f32| (y - to).abs() < 1e-5;
        assert!(y.iter().all(|y| near(*y, kept) || near(*y, dropped)));
        let share = y.iter().filter(|y| near(**y, dropped)).count() as f64 / N as f64;
        assert!((share - 0.3).abs() < 5.0 * (0.21 / N as f64).sqrt());
    }

    #[test]
    fn spatial_dropout_drops_whole_channels() {
        let first = DataFormat::ChannelsFirst;
        let first2 = SpatialDropout2D::new(0.4).data_format(first);
        let first3 = SpatialDropout3D::new(0.4).data_format(first);
        // (layer, shape, the axis of the channels)
        let cases: [(&dyn Layer, &[usize], usize); 5] = [
            (&SpatialDropout1D::new(0.4), &[20, 3, 50], 2),
            (&SpatialDropout2D::new(0.4), &[20, 3, 2, 50], 3),
            (&first2, &[20, 50, 3, 2], 1),
            (&SpatialDropout3D::new(0.4), &[20, 3, 2, 2, 50], 4),
            (&first3, &[20, 50, 3, 2, 2], 1),
        ];
        for (layer, shape, axis) in cases {
            let y = of_ones(layer, shape);
            let inner: usize = shape[axis + 1..].iter().product();
            let sample = y.len() / 20;
            let channel = |i: usize| i / sample * 50 + i / inner % 50;
            let mut dropped = [None; 1000];
            for (i, y) in y.iter().enumerate() {
                assert_eq!(*dropped[channel(i)].get_or_insert(*y), *y, "{layer:?}");
            }
            let share = dropped.iter().filter(|y| **y == Some(0.0)).count() as f64 / 1000.0;
            assert!((share - 0.4).abs() < 5.0 * (0.24_f64 / 1000.0).sqrt());
        }
    }

    /// One of each, with a seed.
    fn all(seed: u64) -> Vec<Box<dyn Layer>> {
        vec![
            Box::new(GaussianNoise::new(0.3).seed(seed)),
            Box::new(GaussianDropout::new(0.3).seed(seed)),
            Box::new(Dropout::new(0.3).seed(seed)),
            Box::new(AlphaDropout::new(0.3).seed(seed)),
            Box::new(SpatialDropout1D::new(0.3).seed(seed)),
        ]
    }

    #[test]
    fn a_seed_and_a_step_say_what_is_drawn() {
        let (shape, x) = ([40, 2, 9], [0.5; 720]);
        for (layer, other) in all(3).iter().zip(all(4)) {
            let mut one = probe(&**layer, &shape, &x, true);
            let y = one.forward();
            assert_eq!(y, probe(&**layer, &shape, &x, true).forward(), "{layer:?}");
            assert_ne!(y, probe(&*other, &shape, &x, true).forward(), "{layer:?}");
            one.at_step(1);
            assert_ne!(y, one.forward(), "{layer:?}");
            one.at_step(0);
            assert_eq!(y, one.forward(), "{layer:?}");
        }
    }

    #[test]
    fn outside_training_nothing_is_drawn() {
        let (shape, x) = (
            [3, 2, 2],
            [1.0, -2.0, f32::MIN, 0.1, f32::INFINITY, 5.0].repeat(2),
        );
        for layer in all(3) {
            assert_eq!(probe(&*layer, &shape, &x, false).forward(), x);
        }
        let ones: [&dyn Layer; 3] = [
            &AlphaDropout::new(1.0),
            &GaussianDropout::new(1.0),
            &Dropout::new(1.0),
        ];
        for layer in ones {
            assert_eq!(probe(layer, &shape, &x, false).forward(), x);
        }
    }

    #[test]
    fn gradients_go_through_what_is_drawn() {
        for layer in all(3) {
            let mut probe = Probe::layer(&*layer, &[3, 4, 2], true).unwrap();
            probe.randomize(1);
            assert!(probe.check_gradients(1).unwrap() < 1e-2, "{layer:?}");
        }
    }

    #[test]
    fn rates_at_the_ends() {
        assert_eq!(of_ones(&Dropout::new(1.0), &[2, 3]), [0.0; 6]);
        assert_eq!(of_ones(&SpatialDropout1D::new(1.0), &[1, 2, 3]), [0.0; 6]);
        assert_eq!(of_ones(&Dropout::new(0.0), &[2, 3]), [1.0; 6]);
        assert_eq!(of_ones(&AlphaDropout::new(0.0), &[2, 3]), [1.0; 6]);
        for (layer, class) in [
            (&AlphaDropout::new(1.0) as &dyn Layer, "AlphaDropout"),
            (&GaussianDropout::new(1.0), "GaussianDropout"),
        ] {
            let found = Probe::layer(layer, &[2, 3], true).unwrap_err().to_string();
            let wanted = format!("`{class}`: `rate` must be below 1 in training, got 1");
            assert!(found.contains(&wanted), "{found}");
        }
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        for value in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
            let all: [(&dyn Layer, &str); 7] = [
                (&Dropout::new(value), "`Dropout`: `rate`"),
                (&AlphaDropout::new(value), "`AlphaDropout`: `rate`"),
                (&GaussianDropout::new(value), "`GaussianDropout`: `rate`"),
                (&GaussianNoise::new(value), "`GaussianNoise`: `stddev`"),
                (&SpatialDropout1D::new(value), "`SpatialDropout1D`: `rate`"),
                (&SpatialDropout2D::new(value), "`SpatialDropout2D`: `rate`"),
                (&SpatialDropout3D::new(value), "`SpatialDropout3D`: `rate`"),
            ];
            for (layer, wanted) in all {
                let found = layer.validate().unwrap_err().to_string();
                let wanted = format!("{wanted} must be between 0 and 1, got {value}");
                assert!(found.contains(&wanted), "{found}");
            }
        }
        let found = Probe::layer(&SpatialDropout2D::new(0.5), &[2, 3, 4], false);
        assert!(found.unwrap_err().to_string().contains("4 axes"));
    }

    #[test]
    fn a_noise_shape_pairs_with_the_inputs() {
        let noise = |shape: &[Option<usize>]| Dropout::new(0.5).noise_shape(shape);
        let rows = |y: Vec<f32>| y.chunks(100).map(<[f32]>::to_vec).collect::<Vec<_>>();
        // One draw for all rows: by a length of 1, or by an axis that is not there.
        for shape in [&[Some(1), None][..], &[Some(1), Some(100)], &[Some(100)]] {
            let y = rows(of_ones(&noise(shape), &[4, 100]));
            assert!(y.iter().all(|row| *row == y[0]), "{shape:?}");
            assert!(y[0].contains(&0.0) && y[0].contains(&2.0));
        }
        // One draw for each row, whatever number the batch is given.
        for shape in [&[None, Some(1)][..], &[Some(64), Some(1)]] {
            let y = rows(of_ones(&noise(shape), &[30, 100]));
            assert!(
                y.iter().all(|row| row.iter().all(|v| *v == row[0])),
                "{shape:?}"
            );
            assert!(y.iter().any(|row| row[0] == 0.0) && y.iter().any(|row| row[0] == 2.0));
        }
        let alpha = AlphaDropout::new(0.5).noise_shape([Some(1), None]);
        let y = rows(of_ones(&alpha, &[4, 100]));
        assert!(y.iter().all(|row| *row == y[0]));
    }

    #[test]
    fn noise_shapes_that_do_not_fit_are_errors() {
        let refused = |shape: &[Option<usize>], wanted: &str| {
            for layer in [
                &Dropout::new(0.5).noise_shape(shape) as &dyn Layer,
                &AlphaDropout::new(0.5).noise_shape(shape),
            ] {
                let found = Probe::layer(layer, &[2, 3], true).unwrap_err().to_string();
                assert!(found.contains(wanted), "{found}");
            }
        };
        refused(&[None], "as many axes as the inputs (2, 3)");
        refused(&[None, None, None], "as many axes");
        refused(
            &[None, Some(2)],
            "must be 1 or that of the inputs (2, 3), got 2 for 3",
        );
        refused(&[Some(2)], "got 2 for 3");
        refused(
            &[None, Some(0)],
            "`noise_shape` must be lengths of at least 1",
        );
    }
}
