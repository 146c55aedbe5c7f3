//! One model of each layer and each activation, and models that are graphs.

use std::sync::Arc;

use horn::layers::Softmax;
use horn::layers::*;
use horn::prelude::*;
use ndarray::{ArrayD, IxDyn};

/// A model, and what it is given.
pub struct Case {
    pub name: String,
    pub model: Model,
    inputs: Vec<Kind>,
}

/// The numbers of an input.
#[derive(Clone)]
enum Kind {
    Floats(Vec<usize>),
    /// Whole numbers below a limit.
    Ids(usize, Vec<usize>),
}

impl Kind {
    fn shape(&self) -> &[usize] {
        match self {
            Kind::Floats(shape) | Kind::Ids(_, shape) => shape,
        }
    }

    fn rows(&self, rows: usize, phase: f32) -> ArrayD<f32> {
        let shape = [&[rows], self.shape()].concat();
        let size = shape.iter().product();
        let wave = |i: usize| (i as f32 * 1.7 + phase).sin();
        let number = |i: usize| match self {
            Kind::Floats(_) => 2.0 * wave(i),
            Kind::Ids(count, _) => ((wave(i) + 1.0) / 2.0 * *count as f32 * 0.999).floor(),
        };
        ArrayD::from_shape_vec(IxDyn(&shape), (0..size).map(number).collect()).expect("it fits")
    }
}

impl Case {
    fn new(name: impl Into<String>, mut model: Model, inputs: Vec<Kind>) -> Case {
        let name = name.into();
        model
            .build()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut weights = model.get_weights();
        let mut number = 0;
        for value in weights.iter_mut().flatten() {
            number += 1;
            // Above 0: some are variances.
            *value = 0.5 + 0.4 * (number as f32 * 0.9).sin();
        }
        model.set_weights(&weights).expect("the same shapes");
        Case {
            name,
            model,
            inputs,
        }
    }

    /// Inputs of so many rows.
    pub fn inputs(&self, rows: usize) -> Vec<ArrayD<f32>> {
        let inputs = self.inputs.iter().enumerate();
        inputs
            .map(|(number, kind)| kind.rows(rows, number as f32))
            .collect()
    }

    pub fn outputs(&self, rows: usize) -> Result<Vec<ArrayD<f32>>> {
        let inputs = self.inputs(rows);
        self.model.predict_all(inputs.iter().collect::<Vec<_>>())
    }
}

fn floats<const N: usize>(shape: [usize; N]) -> Kind {
    Kind::Floats(shape.to_vec())
}

fn ids<const N: usize>(count: usize, shape: [usize; N]) -> Kind {
    Kind::Ids(count, shape.to_vec())
}

/// A chain of layers, behind an input.
macro_rules! chain {
    ($input:expr, $($layer:expr),+) => {{
        let input = $input;
        let model = Sequential::new().add(Input::new(input.shape().to_vec()))$(.add($layer))+;
        ((*model).clone(), vec![input])
    }};
}

type Made = (Model, Vec<Kind>);

/// Layers that change numbers, not shapes.
fn numbers() -> Vec<(&'static str, Made)> {
    let normalization =
        || Normalization::new().mean_and_variance([0.5, -0.5, 0.1], [2.0, 1.0, 0.3]);
    vec![
        ("dense", chain!(floats([4]), Dense::new(5).activation(Relu))),
        (
            "dense_3d",
            chain!(floats([2, 4]), Dense::new(5).activation(Tanh)),
        ),
        (
            "dense_without_bias",
            chain!(floats([4]), Dense::new(5).use_bias(false)),
        ),
        (
            "activation",
            chain!(floats([4]), Activation::new(Gelu::new())),
        ),
        (
            "activity_regularization",
            chain!(floats([4]), ActivityRegularization::new(0.1, 0.0)),
        ),
        ("elu", chain!(floats([4]), ELU::new().alpha(0.7))),
        (
            "leaky_relu",
            chain!(floats([4]), LeakyReLU::new().negative_slope(0.2)),
        ),
        ("prelu", chain!(floats([4]), PReLU::new())),
        (
            "prelu_shared",
            chain!(floats([3, 4]), PReLU::new().shared_axes([1])),
        ),
        (
            "relu",
            chain!(
                floats([4]),
                ReLU::new()
                    .max_value(1.0)
                    .negative_slope(0.1)
                    .threshold(0.2)
            ),
        ),
        ("softmax", chain!(floats([3, 4]), Softmax::new())),
        (
            "softmax_axis",
            chain!(floats([3, 4]), Softmax::new().axis(1)),
        ),
        (
            "rescaling",
            chain!(floats([4]), Rescaling::new(0.5).offset(1.0)),
        ),
        ("normalization", chain!(floats([3]), normalization())),
        (
            "normalization_inverse",
            chain!(floats([3]), normalization().invert(true)),
        ),
        (
            "batch_normalization",
            chain!(floats([4]), BatchNormalization::new()),
        ),
        (
            "batch_normalization_3d",
            chain!(floats([3, 4]), BatchNormalization::new()),
        ),
        (
            "batch_normalization_axis",
            chain!(floats([3, 4]), BatchNormalization::new().axis(1)),
        ),
        (
            "batch_renormalization",
            chain!(floats([4]), BatchNormalization::new().renorm(true)),
        ),
        (
            "layer_normalization",
            chain!(floats([4]), LayerNormalization::new()),
        ),
        (
            "layer_normalization_3d",
            chain!(floats([3, 4]), LayerNormalization::new()),
        ),
        (
            "layer_normalization_axis",
            chain!(floats([3, 4]), LayerNormalization::new().axis(1)),
        ),
        (
            "rms_normalization",
            chain!(floats([4]), RMSNormalization::new()),
        ),
        (
            "group_normalization",
            chain!(floats([4]), GroupNormalization::new().groups(2)),
        ),
        (
            "group_normalization_3d",
            chain!(floats([3, 4]), GroupNormalization::new().groups(2)),
        ),
        (
            "group_normalization_axis",
            chain!(floats([4, 3]), GroupNormalization::new().groups(2).axis(1)),
        ),
        (
            "unit_normalization",
            chain!(floats([4]), UnitNormalization::new()),
        ),
        (
            "spectral_normalization",
            chain!(floats([4]), SpectralNormalization::new(Dense::new(3))),
        ),
        ("dropout", chain!(floats([4]), Dropout::new(0.3))),
        ("alpha_dropout", chain!(floats([4]), AlphaDropout::new(0.3))),
        (
            "gaussian_dropout",
            chain!(floats([4]), GaussianDropout::new(0.3)),
        ),
        (
            "gaussian_noise",
            chain!(floats([4]), GaussianNoise::new(0.3)),
        ),
        (
            "spatial_dropout1d",
            chain!(floats([4, 2]), SpatialDropout1D::new(0.3)),
        ),
        (
            "spatial_dropout2d",
            chain!(floats([3, 3, 2]), SpatialDropout2D::new(0.3)),
        ),
        (
            "spatial_dropout3d",
            chain!(floats([2, 2, 2, 2]), SpatialDropout3D::new(0.3)),
        ),
        ("identity", chain!(floats([4]), Identity::new())),
        (
            "masking",
            chain!(
                ids(3, [3, 2]),
                Masking::new().mask_value(1.0),
                Dense::new(3)
            ),
        ),
        (
            "einsum_dense",
            chain!(
                floats([4, 2]),
                EinsumDense::new("abc,cd->abd", [None, Some(3)]).bias_axes("d")
            ),
        ),
        (
            "einsum_dense_of_two_axes",
            chain!(
                floats([4, 2]),
                EinsumDense::new("abc,bcde->ade", [Some(3), Some(5)]).bias_axes("de")
            ),
        ),
    ]
}

/// Layers that move numbers.
fn shapes() -> Vec<(&'static str, Made)> {
    let up = |interpolation| UpSampling2D::new([2, 3]).interpolation(interpolation);
    vec![
        ("flatten", chain!(floats([2, 3]), Flatten::new())),
        (
            "permute",
            chain!(floats([3, 2, 4]), Permute::new([3, 1, 2])),
        ),
        ("repeat_vector", chain!(floats([4]), RepeatVector::new(3))),
        ("reshape", chain!(floats([6]), Reshape::new([2, -1]))),
        (
            "cropping1d",
            chain!(floats([5, 2]), Cropping1D::new((1, 2))),
        ),
        (
            "cropping2d",
            chain!(floats([4, 5, 2]), Cropping2D::new([1, 2])),
        ),
        (
            "cropping3d",
            chain!(floats([3, 3, 3, 2]), Cropping3D::new(1)),
        ),
        (
            "zero_padding1d",
            chain!(floats([3, 2]), ZeroPadding1D::new((1, 2))),
        ),
        (
            "zero_padding2d",
            chain!(floats([3, 3, 2]), ZeroPadding2D::new([1, 2])),
        ),
        (
            "zero_padding2d_channels_first",
            chain!(
                floats([2, 3, 3]),
                ZeroPadding2D::new(1).data_format(DataFormat::ChannelsFirst)
            ),
        ),
        (
            "zero_padding3d",
            chain!(floats([2, 2, 2, 2]), ZeroPadding3D::new(1)),
        ),
        (
            "up_sampling1d",
            chain!(floats([3, 2]), UpSampling1D::new(2)),
        ),
        (
            "up_sampling2d",
            chain!(floats([3, 3, 2]), up(Interpolation::Nearest)),
        ),
        (
            "up_sampling2d_bilinear",
            chain!(floats([3, 3, 2]), up(Interpolation::Bilinear)),
        ),
        (
            "up_sampling2d_bicubic",
            chain!(floats([3, 3, 2]), up(Interpolation::Bicubic)),
        ),
        (
            "up_sampling3d",
            chain!(floats([2, 2, 2, 2]), UpSampling3D::new(2)),
        ),
    ]
}

/// Layers of whole numbers.
fn categories() -> Vec<(&'static str, Made)> {
    let encoding = |mode| CategoryEncoding::new(5).output_mode(mode);
    vec![
        ("one_hot", chain!(ids(5, [1]), encoding(OutputMode::OneHot))),
        (
            "multi_hot",
            chain!(ids(5, [3]), encoding(OutputMode::MultiHot)),
        ),
        ("count", chain!(ids(5, [3]), encoding(OutputMode::Count))),
        (
            "embedding",
            chain!(
                ids(9, [4]),
                Embedding::new(9, 3),
                Flatten::new(),
                Dense::new(2)
            ),
        ),
        (
            "embedding_masked",
            chain!(ids(9, [4]), Embedding::new(9, 3).mask_zero(true)),
        ),
        (
            "reversible_embedding",
            chain!(ids(9, [4]), ReversibleEmbedding::new(9, 3)),
        ),
    ]
}

fn named(name: &str) -> Arc<dyn horn::activations::Activation> {
    horn::activations::get(name).expect("a name")
}

/// Every activation, and what its settings change.
fn activations() -> Vec<(String, Made)> {
    const NAMES: &str = "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh \
        leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink \
        softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink \
        threshold";
    let mut made: Vec<(String, Made)> = Vec::new();
    for name in NAMES.split_whitespace() {
        made.push((
            format!("activation_{name}"),
            chain!(floats([6]), Activation::new(named(name))),
        ));
        let dense = Dense::new(6).activation(named(name));
        made.push((format!("dense_{name}"), chain!(floats([4]), dense)));
    }
    let gelu = Activation::new(horn::activations::Gelu::new().approximate(true));
    made.push((
        "activation_gelu_approximate".into(),
        chain!(floats([6]), gelu),
    ));
    made
}

/// A layer that merges inputs of one shape.
fn merged(layer: impl Layer + 'static, inputs: usize) -> Made {
    let tensors: Vec<Tensor> = (0..inputs).map(|_| Input::new([4]).tensor()).collect();
    let parts: Vec<Tensor> = tensors.iter().map(|x| Dense::new(3).apply(x)).collect();
    let model = Model::new(&tensors[..], layer.apply(&parts[..]));
    (model, vec![floats([4]); inputs])
}

fn graphs() -> Vec<(&'static str, Made)> {
    vec![
        ("add", merged(Add::new(), 3)),
        ("average", merged(Average::new(), 2)),
        ("concatenate", merged(Concatenate::new(), 2)),
        ("dot", merged(Dot::new(1), 2)),
        ("dot_normalized", merged(Dot::new(1).normalize(true), 2)),
        ("maximum", merged(Maximum::new(), 2)),
        ("minimum", merged(Minimum::new(), 2)),
        ("multiply", merged(Multiply::new(), 2)),
        ("subtract", merged(Subtract::new(), 2)),
        ("dot_3d", dot_3d()),
        ("shared", shared()),
        ("nested", nested()),
        ("several_outputs", several_outputs()),
        ("input_is_output", input_is_output()),
        ("names_that_meet", names_that_meet()),
        ("unnamed_input", unnamed_input()),
    ]
}

fn dot_3d() -> Made {
    let (a, b) = (Input::new([3, 4]).tensor(), Input::new([5, 4]).tensor());
    let model = Model::new([&a, &b], Dot::new((2, 2)).apply([&a, &b]));
    (model, vec![floats([3, 4]), floats([5, 4])])
}

fn shared() -> Made {
    let (a, b) = (
        Input::new([4]).name("a").tensor(),
        Input::new([4]).name("b").tensor(),
    );
    let twin = Dense::new(3).activation(Tanh).name("twin").shared();
    let inner = Sequential::new()
        .name("inner")
        .add(Dense::new(3).input_dim(3))
        .add(BatchNormalization::new());
    let both = Concatenate::new().apply([&inner.apply(twin.apply(&a)), &twin.apply(&b)]);
    let model = Model::new([&a, &b], Dense::new(1).name("distance").apply(&both));
    (model, vec![floats([4]), floats([4])])
}

fn nested() -> Made {
    let z = Input::new([4]).tensor();
    let block = Model::new(&z, Dense::new(4).apply(&z) + &z)
        .name("block")
        .shared();
    let x = Input::new([4]).tensor();
    let model = Model::new(&x, Dense::new(1).apply(block.apply(block.apply(&x))));
    (model, vec![floats([4])])
}

fn several_outputs() -> Made {
    let (words, price) = (
        Input::new([4]).name("words").tensor(),
        Input::new([2]).name("price").tensor(),
    );
    let words_in = Flatten::new().apply(Embedding::new(9, 3).apply(&words));
    let both = Concatenate::new().apply([&words_in, &price]);
    let hidden = Dense::new(5).activation(Relu).apply(&both);
    let hidden = Dropout::new(0.5).apply(&hidden);
    let class = Dense::new(3)
        .activation(horn::activations::Softmax::new())
        .name("class")
        .apply(&hidden);
    let size = Dense::new(1).name("size").apply(&hidden);
    let model = Model::new([&words, &price], [&class, &size, &class]);
    (model, vec![ids(9, [4]), floats([2])])
}

fn input_is_output() -> Made {
    let x = Input::new([4]).name("x").tensor();
    let model = Model::new(&x, [&x, &Dense::new(2).apply(&x)]);
    (model, vec![floats([4])])
}

/// The second output of `y` would be called as another layer is.
fn names_that_meet() -> Made {
    let x = Input::new([4]).name("y_input").tensor();
    let y = Dense::new(2).name("y").apply(&x);
    let other = Dense::new(3).name("y_1").apply(&x);
    (Model::new(&x, [&y, &y, &other, &x]), vec![floats([4])])
}

fn unnamed_input() -> Made {
    let model = Sequential::new().add(Dense::new(1).input_dim(3));
    ((*model).clone(), vec![floats([3])])
}

pub fn cases() -> Vec<Case> {
    let layers = [numbers(), shapes(), categories(), graphs()]
        .into_iter()
        .flatten();
    let layers = layers.map(|(name, made)| (name.to_string(), made));
    let all = layers.chain(activations());
    all.map(|(name, (model, inputs))| Case::new(name, model, inputs))
        .collect()
}
