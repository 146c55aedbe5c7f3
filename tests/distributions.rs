//! Random initializers and layers have the moments and the distribution that they say.

use horn::graph::{Scope, Value};
use horn::initializers::{Distribution, Mode};
use horn::layers::{
    AlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D,
};
use horn::prelude::*;
use horn::random::{self, Purpose};
use horn::testing::Probe;

const COUNT: usize = 100_000;

/// The largest distance between the distribution of numbers and the one that they should have
/// (Kolmogorov and Smirnov), times the root of their count: above 1.95 once in a thousand.
fn distance(mut numbers: Vec<f32>, cumulative: impl Fn(f64) -> f64) -> f64 {
    numbers.sort_by(f32::total_cmp);
    let n = numbers.len() as f64;
    let apart = numbers.iter().enumerate().map(|(i, x)| {
        let wanted = cumulative(f64::from(*x));
        let (below, above) = (i as f64 / n, (i + 1) as f64 / n);
        (wanted - below).abs().max((above - wanted).abs())
    });
    apart.fold(0.0, f64::max) * n.sqrt()
}

/// The share of a standard normal distribution below `x`.
fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

fn check(what: &str, numbers: Vec<f32>, cumulative: impl Fn(f64) -> f64) {
    let apart = distance(numbers, cumulative);
    assert!(apart < 1.95, "{what}: {apart}");
}

/// Mean and standard deviation, within five standard errors of what they should be.
fn moments(what: &str, numbers: &[f32], mean: f64, deviation: f64) {
    let n = numbers.len() as f64;
    let got = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let squares = numbers.iter().map(|x| (f64::from(*x) - got).powi(2));
    let spread = (squares.sum::<f64>() / n).sqrt();
    assert!(
        (got - mean).abs() < 5.0 * deviation / n.sqrt(),
        "{what}: mean {got}"
    );
    assert!(
        (spread - deviation).abs() < 0.02 * deviation,
        "{what}: deviation {spread}"
    );
}

fn filled(initializer: &dyn Initializer, shape: &[usize]) -> Vec<f32> {
    let mut out = vec![0.0; shape.iter().product()];
    let mut rng = random::stream(11, Purpose::Weights, "layer/kernel", 0);
    initializer
        .fill(shape, &mut rng, &mut out)
        .expect("settings in range");
    out
}

#[test]
fn initializers_have_their_distributions() {
    let shape = [250, 400];
    let drawn = filled(&RandomNormal::new().mean(0.5).stddev(0.2), &shape);
    check("RandomNormal", drawn, |x| normal((x - 0.5) / 0.2));
    let drawn = filled(&RandomUniform::new().minval(-0.5).maxval(0.25), &shape);
    check("RandomUniform", drawn, |x| {
        ((x + 0.5) / 0.75).clamp(0.0, 1.0)
    });
    // Cut off at two standard deviations.
    let inside =
        |x: f64| ((normal(x) - normal(-2.0)) / (normal(2.0) - normal(-2.0))).clamp(0.0, 1.0);
    let drawn = filled(&TruncatedNormal::new().stddev(0.3), &shape);
    check("TruncatedNormal", drawn, |x| inside(x / 0.3));

    let scaling = |distribution| {
        let scaling = VarianceScaling::new().scale(2.0).mode(Mode::FanIn);
        filled(&scaling.distribution(distribution), &shape)
    };
    let deviation = (2.0_f64 / 250.0).sqrt();
    check(
        "untruncated",
        scaling(Distribution::UntruncatedNormal),
        |x| normal(x / deviation),
    );
    let wider = deviation / 0.879_625_66;
    check("truncated", scaling(Distribution::TruncatedNormal), |x| {
        inside(x / wider)
    });
    let limit = (6.0_f64 / 250.0).sqrt();
    let uniform = |x: f64, limit: f64| ((x + limit) / (2.0 * limit)).clamp(0.0, 1.0);
    check("uniform", scaling(Distribution::Uniform), |x| {
        uniform(x, limit)
    });

    let limit = (6.0_f64 / 650.0).sqrt();
    check(
        "GlorotUniform",
        filled(&GlorotUniform::new(), &shape),
        |x| uniform(x, limit),
    );
    let wider = (2.0_f64 / 250.0).sqrt() / 0.879_625_66;
    check("HeNormal", filled(&HeNormal::new(), &shape), |x| {
        inside(x / wider)
    });
    let limit = (3.0_f64 / 250.0).sqrt();
    check("LecunUniform", filled(&LecunUniform::new(), &shape), |x| {
        uniform(x, limit)
    });
}

/// What a layer makes of ones while training.
fn of_ones(layer: &dyn Layer, shape: &[usize]) -> Vec<f32> {
    let mut probe = Probe::layer(layer, shape, true).expect("settings in range");
    probe.set_inputs(&[vec![1.0; shape.iter().product()]]);
    probe.forward()
}

#[test]
fn noise_has_its_distribution() {
    let shape = [COUNT / 100, 100];
    let drawn = of_ones(&GaussianNoise::new(0.25), &shape);
    moments("GaussianNoise", &drawn, 1.0, 0.25);
    check("GaussianNoise", drawn, |x| normal((x - 1.0) / 0.25));

    let deviation = (0.3_f64 / 0.7).sqrt();
    let drawn = of_ones(&GaussianDropout::new(0.3), &shape);
    moments("GaussianDropout", &drawn, 1.0, deviation);
    check("GaussianDropout", drawn, |x| normal((x - 1.0) / deviation));

    let drawn = Probe::new(&[], true, |scope: &mut Scope, _: &[Value]| {
        scope.random_uniform([COUNT], -1.0, 3.0, None)
    })
    .expect("a shape that fits")
    .forward();
    assert!(drawn.iter().all(|x| (-1.0..3.0).contains(x)));
    check("random_uniform", drawn, |x| (x + 1.0) / 4.0);
}

#[test]
fn dropouts_keep_what_they_promise() {
    let shape = [COUNT / 100, 100];
    // Kept ones are 1 / 0.6, the others 0.
    let drawn = of_ones(&Dropout::new(0.4), &shape);
    moments("Dropout", &drawn, 1.0, (0.4_f64 / 0.6).sqrt());
    assert!(
        drawn
            .iter()
            .all(|x| *x == 0.0 || (x - 1.0 / 0.6).abs() < 1e-6)
    );
    assert!(
        of_ones(&Dropout::new(1.0), &shape)
            .iter()
            .all(|x| *x == 0.0)
    );

    // Standard normal inputs keep mean 0 and deviation 1.
    let mut probe = Probe::layer(&AlphaDropout::new(0.3), &shape, true).expect("in range");
    let inputs = filled(&RandomNormal::new().stddev(1.0), &shape);
    probe.set_inputs(&[inputs]);
    moments("AlphaDropout", &probe.forward(), 0.0, 1.0);
}

#[test]
fn spatial_dropouts_drop_whole_channels() {
    let drawn = of_ones(&SpatialDropout1D::new(0.5), &[200, 5, 40]);
    for row in drawn.chunks(5 * 40) {
        let (first, rest) = row.split_at(40);
        assert!(rest.chunks(40).all(|step| step == first));
    }
    let kept = drawn.iter().filter(|x| **x > 0.0).count() as f64 / drawn.len() as f64;
    // 8000 draws of a half.
    assert!((kept - 0.5).abs() < 5.0 * 0.5 / 8000_f64.sqrt(), "{kept}");

    let first = SpatialDropout2D::new(0.5).data_format(horn::layers::DataFormat::ChannelsFirst);
    let drawn = of_ones(&first, &[20, 6, 3, 4]);
    assert!(
        drawn
            .chunks(12)
            .all(|image| image.iter().all(|x| *x == image[0]))
    );
    assert!(drawn.contains(&0.0) && drawn.contains(&2.0));
}

#[test]
fn draws_follow_the_seed_and_the_step() -> Result<()> {
    let x = Array2::<f32>::ones((8, 16));
    let train = |seed: u64| -> Result<Vec<f32>> {
        let mut model = Sequential::new()
            .seed(seed)
            .add(Input::new([16]))
            .add(GaussianNoise::new(0.5))
            .add(AlphaDropout::new(0.2))
            .add(Dense::new(2));
        model.compile(Compile::new(SGD::new(), MeanSquaredError::new()))?;
        let y = Array2::<f32>::zeros((8, 2));
        let history = model.fit(&x, &y, Fit::new().epochs(3).shuffle(false).verbose(0))?;
        Ok(history["loss"].to_vec())
    };
    assert_eq!(train(1)?, train(1)?);
    assert_ne!(train(1)?, train(2)?);

    // Outside training nothing is drawn.
    let mut model = Sequential::new()
        .add(Input::new([16]))
        .add(GaussianNoise::new(0.5));
    model.build()?;
    assert_eq!(model.predict(&x)?, x);
    Ok(())
}
