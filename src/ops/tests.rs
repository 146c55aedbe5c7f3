//! Every op against finite differences, plain arithmetic and shapes that do not fit; every fused
//! path against the unfused one.

use crate::error::Error;
use crate::graph::{Scope, Shape, Value};
use crate::initializers::Zeros;
use crate::ops::group_normalize::GroupNormalize;
use crate::ops::groups::Groups;
use crate::ops::moments::Moments;
use crate::ops::normalize::Normalize;
use crate::testing::Probe;

/// A function of some inputs.
type Function = fn(&mut Scope, &[Value]) -> Value;

/// Each op with the shapes of its inputs: values are drawn between -2 and 2.
const SMOOTH: &[(&str, &[&[usize]], Function)] = &[
    ("negative", &[&[3, 2]], |_, v| -&v[0]),
    ("abs", &[&[3, 2]], |_, v| v[0].abs()),
    ("square", &[&[5]], |_, v| v[0].square()),
    ("sqrt", &[&[5]], |_, v| (v[0].square() + 1.0).sqrt()),
    ("rsqrt", &[&[5]], |_, v| (v[0].square() + 1.0).rsqrt()),
    ("reciprocal", &[&[5]], |_, v| {
        (v[0].square() + 1.0).reciprocal()
    }),
    ("exp", &[&[5]], |_, v| v[0].exp()),
    ("exp_m1", &[&[5]], |_, v| v[0].exp_m1()),
    ("ln", &[&[5]], |_, v| (v[0].square() + 1.0).ln()),
    ("ln_1p", &[&[5]], |_, v| v[0].square().ln_1p()),
    ("sin", &[&[5]], |_, v| v[0].sin()),
    ("cos", &[&[5]], |_, v| v[0].cos()),
    ("tanh", &[&[20]], |_, v| v[0].tanh()),
    ("sigmoid", &[&[20]], |_, v| v[0].sigmoid()),
    ("softplus", &[&[20]], |_, v| v[0].softplus()),
    ("erf", &[&[20]], |_, v| v[0].erf()),
    ("add", &[&[3, 2], &[3, 2]], |_, v| &v[0] + &v[1]),
    ("add a row", &[&[3, 2], &[2]], |_, v| &v[0] + &v[1]),
    ("subtract from a row", &[&[2], &[3, 2]], |_, v| {
        &v[0] - &v[1]
    }),
    ("subtract a column", &[&[3, 2], &[3, 1]], |_, v| {
        &v[0] - &v[1]
    }),
    ("subtract from a number", &[&[3, 2]], |_, v| 1.5 - &v[0]),
    ("multiply", &[&[3, 2], &[3, 2]], |_, v| &v[0] * &v[1]),
    ("multiply with itself", &[&[3, 2]], |_, v| &v[0] * &v[0]),
    ("multiply with a row", &[&[3, 2], &[2]], |_, v| {
        &v[0] * &v[1]
    }),
    ("multiply with one", &[&[3, 2], &[]], |_, v| &v[0] * &v[1]),
    ("multiply both ways", &[&[3, 1], &[1, 2]], |_, v| {
        &v[0] * &v[1]
    }),
    ("divide", &[&[3, 2], &[3, 2]], |_, v| {
        &v[0] / (v[1].square() + 1.0)
    }),
    ("divide a number", &[&[3]], |_, v| {
        2.0 / (v[0].square() + 1.0)
    }),
    ("power", &[&[4], &[4]], |_, v| {
        (v[0].square() + 0.5).pow(&v[1])
    }),
    ("power of a number", &[&[4]], |_, v| {
        (v[0].square() + 0.5).pow(1.7)
    }),
    ("maximum", &[&[7], &[7]], |_, v| v[0].maximum(&v[1])),
    ("minimum", &[&[7], &[7]], |_, v| v[0].minimum(&v[1])),
    ("select", &[&[7], &[7]], |_, v| {
        v[0].greater(&v[1]).select(v[0].square(), &v[1] * 3.0)
    }),
    ("sum of all", &[&[2, 3, 2]], |_, v| v[0].square().sum(..)),
    ("sum of rows", &[&[2, 3]], |_, v| v[0].square().sum(-1)),
    ("sum of columns", &[&[2, 3]], |_, v| v[0].square().sum(0)),
    ("sum in the middle", &[&[2, 3, 2]], |_, v| {
        v[0].square().sum(1)
    }),
    ("sum around", &[&[2, 3, 2]], |_, v| {
        v[0].square().sum([0, 2])
    }),
    ("mean kept", &[&[2, 3]], |_, v| {
        &v[0] * v[0].mean_keepdims(-1)
    }),
    ("max of rows", &[&[4, 5]], |_, v| v[0].max(-1)),
    ("max of columns", &[&[4, 5]], |_, v| v[0].max(0)),
    ("reshape", &[&[4, 3]], |_, v| v[0].square().reshape([2, 6])),
    ("transpose", &[&[2, 3, 4]], |_, v| {
        v[0].square().transpose([2, 0, 1])
    }),
    ("broadcast", &[&[2, 1]], |_, v| {
        v[0].broadcast_to(Shape::from([2, 3])).square()
    }),
    ("slice", &[&[2, 5]], |_, v| v[0].slice(1, 1..4).square()),
    ("slice in steps", &[&[5, 2]], |_, v| {
        v[0].slice_step(0, 0..5, 2).square()
    }),
    ("concat of columns", &[&[2, 3], &[2, 1]], |_, v| {
        v[0].concat(&[&v[1], &v[0]], -1).square()
    }),
    ("concat of rows", &[&[2, 3], &[1, 3]], |_, v| {
        v[0].concat(&[&v[1]], 0).square()
    }),
    ("gather", &[&[4, 2]], |s, v| {
        let ids = s.constant(&[3.0, 0.0, 3.0], [3]);
        v[0].gather(&ids, 0).square()
    }),
    ("gather of columns", &[&[2, 4]], |s, v| {
        let ids = s.constant(&[1.0, 1.0], [1, 2]);
        v[0].gather(&ids, 1).square()
    }),
    ("softmax", &[&[3, 4]], |_, v| v[0].softmax(-1)),
    ("softmax of columns", &[&[3, 4]], |_, v| v[0].softmax(0)),
    ("log_softmax", &[&[3, 4]], |_, v| v[0].log_softmax(-1)),
    ("log_softmax in the middle", &[&[2, 3, 2]], |_, v| {
        v[0].log_softmax(1)
    }),
    ("sparsemax", &[&[1, 4]], |_, v| (&v[0] * 0.3).sparsemax()),
    ("sparsemax of Keras", &[&[3, 4]], |_, v| {
        (&v[0] * 0.1).sparsemax_of_keras()
    }),
    ("matmul", &[&[3, 4], &[4, 2]], |_, v| v[0].matmul(&v[1])),
    ("matmul of more axes", &[&[2, 3, 4], &[4, 2]], |_, v| {
        v[0].matmul(&v[1])
    }),
    ("matmul in batches", &[&[2, 3, 4], &[2, 4, 2]], |_, v| {
        v[0].matmul(&v[1])
    }),
    ("matmul and all", &[&[3, 4], &[4, 2], &[2]], |_, v| {
        (v[0].matmul(&v[1]) + &v[2]).tanh()
    }),
    ("two readers", &[&[3, 3]], |_, v| {
        v[0].matmul(&v[0]) + v[0].tanh()
    }),
    ("stop_gradient", &[&[3]], |_, v| {
        v[0].square() + v[0].stop_gradient() * 0.0
    }),
    ("pad", &[&[2, 3, 2]], |_, v| v[0].pad(1, 2, 1).square()),
    ("pad the last axis", &[&[2, 3]], |_, v| {
        v[0].pad(-1, 0, 2).square()
    }),
    ("repeat", &[&[2, 3, 2]], |_, v| v[0].repeat(3, 1).square()),
    ("binary_crossentropy", &[&[6], &[6]], |_, v| {
        let p = v[1].sigmoid() * 0.9 + 0.05;
        p.binary_crossentropy(&v[0], false)
    }),
    ("binary_crossentropy of logits", &[&[6], &[6]], |_, v| {
        v[1].binary_crossentropy(&v[0], true)
    }),
    ("categorical_crossentropy", &[&[3, 4], &[3, 4]], |_, v| {
        v[1].exp().categorical_crossentropy(&v[0], false)
    }),
    (
        "categorical_crossentropy of logits",
        &[&[3, 4], &[3, 4]],
        |_, v| v[1].categorical_crossentropy(&v[0], true),
    ),
    ("sparse_categorical_crossentropy", &[&[3, 4]], |s, v| {
        let ids = s.constant(&[3.0, 0.0, 1.0], [3]);
        v[0].exp()
            .sparse_categorical_crossentropy(&ids, false, Some(1))
    }),
    (
        "sparse_categorical_crossentropy of logits",
        &[&[3, 4]],
        |s, v| {
            let ids = s.constant(&[3.0, 0.0, 1.0], [3]);
            v[0].sparse_categorical_crossentropy(&ids, true, None)
        },
    ),
];

#[test]
fn gradients_agree_with_finite_differences() {
    for (name, shapes, function) in SMOOTH {
        let mut off: Vec<f32> = (1..6)
            .map(|seed| {
                let mut probe = Probe::new(shapes, true, function).expect(name);
                probe.randomize(seed);
                probe.check_gradients(seed).expect(name)
            })
            .collect();
        // A step across a kink of `abs`, `maximum`, ... spoils a difference, but hardly three of
        // five; a wrong gradient is off in all.
        off.sort_by(f32::total_cmp);
        assert!(off[2] < 1e-2, "{name}: off by {off:?}");
    }
}

/// What ops compute, on numbers that can be checked by hand.
#[test]
fn values_are_those_of_arithmetic() {
    let x = [-2.0, -0.5, 0.0, 0.5, 2.0, 3.0];
    let cases: &[(&str, Function, &[f32])] = &[
        (
            "sign",
            |_, v| v[0].sign(),
            &[-1.0, -1.0, 0.0, 1.0, 1.0, 1.0],
        ),
        (
            "floor",
            |_, v| v[0].floor(),
            &[-2.0, -1.0, 0.0, 0.0, 2.0, 3.0],
        ),
        (
            "round to even",
            |_, v| v[0].round(),
            &[-2.0, 0.0, 0.0, 0.0, 2.0, 3.0],
        ),
        ("relu", |_, v| v[0].relu(), &[0.0, 0.0, 0.0, 0.5, 2.0, 3.0]),
        (
            "clip",
            |_, v| v[0].clip(-1.0, 1.0),
            &[-1.0, -0.5, 0.0, 0.5, 1.0, 1.0],
        ),
        (
            "less",
            |_, v| v[0].less(0.0),
            &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        ),
        (
            "less_equal",
            |_, v| v[0].less_equal(0.0),
            &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        ),
        (
            "greater",
            |_, v| v[0].greater(0.0),
            &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
        ),
        (
            "greater_equal",
            |_, v| v[0].greater_equal(0.0),
            &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
        ),
        (
            "equal",
            |_, v| v[0].equal(2.0),
            &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        ),
        (
            "not_equal",
            |_, v| v[0].not_equal(2.0),
            &[1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        ),
        ("sum", |_, v| v[0].sum(-1), &[-2.5, 5.5]),
        ("mean of columns", |_, v| v[0].mean(0), &[-0.75, 0.75, 1.5]),
        ("max", |_, v| v[0].max(..), &[3.0]),
        (
            "transpose",
            |_, v| v[0].transpose([1, 0]),
            &[-2.0, 0.5, -0.5, 2.0, 0.0, 3.0],
        ),
        ("slice", |_, v| v[0].slice(1, 1..2), &[-0.5, 2.0]),
        (
            "pad columns",
            |_, v| v[0].pad(1, 1, 0),
            &[0.0, -2.0, -0.5, 0.0, 0.0, 0.5, 2.0, 3.0],
        ),
        (
            "pad rows",
            |_, v| v[0].pad(-2, 0, 1),
            &[-2.0, -0.5, 0.0, 0.5, 2.0, 3.0, 0.0, 0.0, 0.0],
        ),
        (
            "repeat",
            |_, v| v[0].slice(1, 0..2).repeat(2, 1),
            &[-2.0, -2.0, -0.5, -0.5, 0.5, 0.5, 2.0, 2.0],
        ),
    ];
    for (name, function, want) in cases {
        let mut probe = Probe::new(&[&[2, 3]], false, function).expect(name);
        probe.set_inputs(&[x.to_vec()]);
        assert_eq!(probe.forward(), *want, "{name}");
    }
}

#[test]
fn exact_sparsemax_sums_to_one() {
    let mut probe = Probe::new(&[&[4, 6]], false, |_, v| v[0].sparsemax().sum(-1)).expect("fits");
    probe.randomize(5);
    for sum in probe.forward() {
        assert!((sum - 1.0).abs() < 1e-6);
    }
}

#[test]
fn equal_maxima_share_the_gradient() {
    let mut probe = Probe::new(&[&[1, 4]], false, |_, v| v[0].max(-1)).expect("fits");
    probe.set_inputs(&[vec![1.0, 3.0, 3.0, 2.0]]);
    assert_eq!(probe.backward(&[1.0]).inputs[0], [0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn an_index_outside_gives_nan_and_no_gradient() {
    let mut probe =
        Probe::new(&[&[2, 1], &[3]], false, |_, v| v[0].gather(&v[1], 0)).expect("fits");
    probe.set_inputs(&[vec![5.0, 6.0], vec![1.0, 2.0, -1.0]]);
    let y = probe.forward();
    assert_eq!(y[0], 6.0);
    assert!(y[1].is_nan() && y[2].is_nan());
    assert_eq!(probe.backward(&[1.0; 3]).inputs[0], [0.0, 1.0]);
}

#[test]
fn infinite_and_missing_numbers_pass_through() {
    let inputs = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let cases: &[(&str, Function, [f32; 2])] = &[
        ("relu", |_, v| v[0].relu(), [f32::INFINITY, 0.0]),
        ("sigmoid", |_, v| v[0].sigmoid(), [1.0, 0.0]),
        ("tanh", |_, v| v[0].tanh(), [1.0, -1.0]),
        ("exp", |_, v| v[0].exp(), [f32::INFINITY, 0.0]),
        ("softplus", |_, v| v[0].softplus(), [f32::INFINITY, 0.0]),
        ("abs", |_, v| v[0].abs(), [f32::INFINITY, f32::INFINITY]),
        ("maximum", |_, v| v[0].maximum(0.0), [f32::INFINITY, 0.0]),
        ("sign", |_, v| v[0].sign(), [1.0, -1.0]),
    ];
    for (name, function, [positive, negative]) in cases {
        let mut probe = Probe::new(&[&[3]], false, function).expect(name);
        probe.set_inputs(&[inputs.to_vec()]);
        let y = probe.forward();
        assert!(y[0].is_nan(), "{name} of NaN is {}", y[0]);
        assert_eq!(y[1..], [*positive, *negative], "{name}");
    }
}

/// Shapes that do not fit, and what the message must name.
#[test]
fn shapes_that_do_not_fit_are_named() {
    let cases: &[(&[&[usize]], Function, &str)] = &[
        (&[&[2, 3], &[2]], |_, v| &v[0] + &v[1], "(2, 3)"),
        (&[&[3], &[3, 1]], |_, v| &v[0] * &v[1], "(3, 1)"),
        (&[&[2, 3], &[4, 5]], |_, v| v[0].matmul(&v[1]), "(4, 5)"),
        (
            &[&[2, 3, 4], &[3, 4, 2]],
            |_, v| v[0].matmul(&v[1]),
            "leading axes",
        ),
        (&[&[2, 3]], |_, v| v[0].reshape([7]), "(2, 3)"),
        (&[&[2, 3]], |_, v| v[0].sum(2), "no axis 2"),
        (&[&[2, 3]], |_, v| v[0].softmax(-3), "no axis -3"),
        (&[&[2, 3]], |_, v| v[0].transpose([0, 0]), "order"),
        (&[&[2, 3]], |_, v| v[0].transpose([0]), "order"),
        (&[&[2, 3]], |_, v| v[0].slice(1, 2..5), "2..5"),
        (&[&[2, 3]], |_, v| v[0].pad(2, 1, 1), "axis 2"),
        (&[&[2, 3]], |_, v| v[0].pad(1, usize::MAX, 1), "too large"),
        (&[&[2, 3]], |_, v| v[0].repeat(usize::MAX, 0), "too large"),
        (
            &[&[2, 3], &[3, 3]],
            |_, v| v[0].concat(&[&v[1]], 1),
            "axis 1",
        ),
        (&[&[2, 3]], |_, v| v[0].squeeze(1), "length 3"),
        (&[&[2, 3]], |_, v| v[0].expand_dims(4), "no place"),
        (
            &[&[2, 3]],
            |_, v| v[0].broadcast_to(Shape::from([4, 3])),
            "(4, 3)",
        ),
        (
            &[&[2, 3], &[2, 1]],
            |_, v| {
                v[0].less(0.0)
                    .select(&v[0], v[1].sum(..).reshape([1, 1, 1]))
            },
            "(1, 1, 1)",
        ),
        (&[&[2, 0]], |_, v| v[0].max(-1), "no numbers"),
        (
            &[&[2, 3], &[2]],
            |_, v| v[0].categorical_crossentropy(&v[1], true),
            "class",
        ),
        (
            &[&[2, 3], &[2, 3]],
            |_, v| v[0].sparse_categorical_crossentropy(&v[1], true, None),
            "one id",
        ),
        (
            &[&[2, 3], &[2]],
            |_, v| v[0].binary_crossentropy(&v[1], true),
            "equal",
        ),
        (&[&[2, 3, 4], &[2]], |_, v| v[0].ctc(&v[1]), "longest"),
        (&[&[2, 3, 4], &[1, 3]], |_, v| v[0].ctc(&v[1]), "(1, 3)"),
        (&[&[2, 0, 4], &[2, 3]], |_, v| v[0].ctc(&v[1]), "(2, 0, 4)"),
        (
            &[&[2, 3]],
            |s, v| &v[0] + s.constant(&[1.0], [2]),
            "1 numbers",
        ),
        (
            &[&[2, 3]],
            |_, v| v[0].fail("of its own".into()),
            "of its own",
        ),
    ];
    for (shapes, function, wanted) in cases {
        let error = Probe::new(shapes, false, function).expect_err(wanted);
        assert!(
            error.to_string().contains(wanted),
            "{error} does not name {wanted}"
        );
    }
}

#[test]
fn the_first_mistake_is_the_one_that_is_told() {
    let error = Probe::new(&[&[2, 3]], false, |_, v| {
        let wrong = v[0].reshape([5]);
        wrong.matmul(&v[0]).sum(7)
    });
    let text = error.expect_err("cannot be").to_string();
    assert!(text.contains("(5,)"), "{text}");
}

#[test]
fn a_weight_that_changes_its_shape_is_refused() {
    let error = Probe::new(&[&[2, 3]], false, |scope, v| {
        let first = scope.weight("w", [3], &Zeros);
        let second = scope.weight("w", [2], &Zeros);
        (&v[0] + first).sum(..) + second.sum(..)
    });
    assert!(matches!(error, Err(Error::Layer { .. })));
}

/// Networks whose ops fuse, and the same without fusion.
#[test]
fn fusion_changes_nothing_but_rounding() {
    let shapes: &[&[usize]] = &[&[5, 4], &[4, 3], &[3], &[3, 2], &[2], &[5, 2]];
    fn hidden(v: &[Value]) -> Value {
        (v[0].matmul(&v[1]) + &v[2]).relu()
    }
    fn sums(v: &[Value]) -> Value {
        hidden(v).matmul(&v[3]) + &v[4]
    }
    let cases: &[(&str, Function)] = &[
        ("bias", |_, v| sums(v)),
        ("sigmoid", |_, v| sums(v).sigmoid()),
        ("relu seen twice", |_, v| {
            let h = hidden(v);
            h.matmul(&v[3]).sum(..) + h.sum(..)
        }),
        ("sigmoid and loss", |_, v| {
            sums(v)
                .sigmoid()
                .binary_crossentropy(&v[5].sigmoid().stop_gradient(), false)
        }),
        ("sigmoid alone and loss", |_, v| {
            (sums(v) * 0.5)
                .sigmoid()
                .binary_crossentropy(&v[5].sigmoid().stop_gradient(), false)
        }),
        ("softmax and loss", |_, v| {
            sums(v)
                .softmax(-1)
                .categorical_crossentropy(&v[5].softmax(-1).stop_gradient(), false)
        }),
        ("softmax and sparse loss", |s, v| {
            let ids = s.constant(&[0.0, 1.0, 1.0, 0.0, 1.0], [5]);
            let loss = sums(v)
                .softmax(-1)
                .sparse_categorical_crossentropy(&ids, false, None);
            loss + v[5].sum(-1) * 0.0
        }),
    ];
    for (name, function) in cases {
        let mut results = Vec::new();
        for fused in [true, false] {
            let mut probe = Probe::with_fusion(shapes, true, fused, function).expect(name);
            probe.randomize(3);
            let y = probe.forward();
            let gradients = probe.backward(&vec![1.0; y.len()]);
            let all = gradients.inputs.into_iter().flatten().chain(y);
            results.push(all.collect::<Vec<f32>>());
        }
        for (fused, plain) in results[0].iter().zip(&results[1]) {
            assert!(
                (fused - plain).abs() < 1e-5 * (1.0 + plain.abs()),
                "{name}: {fused}, not {plain}"
            );
        }
    }
}

/// Where a probability is clipped, no gradient passes, fused or not.
#[test]
fn saturated_probabilities_stop_the_gradient_fused_or_not() {
    for fused in [true, false] {
        let function: Function = |_, v| {
            v[0].sigmoid()
                .binary_crossentropy(&v[1].stop_gradient(), false)
        };
        let mut probe = Probe::with_fusion(&[&[2], &[2]], true, fused, function).expect("fits");
        probe.set_inputs(&[vec![195.0, 1.0], vec![0.0, 1.0]]);
        let y = probe.forward();
        // -ln(1 - (1 - 1e-7)), where 1 - 1e-7 rounds to 1 - 2^-23.
        assert!((y[0] - 23.0 * 2f32.ln()).abs() < 1e-4, "{}", y[0]);
        let gradients = probe.backward(&[1.0, 1.0]);
        assert_eq!(gradients.inputs[0][0], 0.0);
        assert!((gradients.inputs[0][1] - (1.0 / (1.0 + (-1f32).exp()) - 1.0)).abs() < 1e-6);
    }
}

/// Normalization as one op and as arithmetic: values and all gradients, for groups that are rows
/// and groups that are columns, also of numbers far from 0.
#[test]
fn normalization_is_its_formula() {
    fn settings(groups: Groups, v: &[Value], through: bool) -> Normalize {
        Normalize {
            groups,
            columns: v[0].dim(-1),
            epsilon: 1e-3,
            centered: true,
            scale: true,
            center: true,
            through,
        }
    }
    fn moments(v: &[Value]) -> Value {
        v[0].moments(Moments {
            columns: v[0].dim(-1),
        })
    }
    fn formula(v: &[Value], axis: isize) -> Value {
        let d = &v[0] - v[0].mean_keepdims(axis);
        let variance = d.square().mean_keepdims(axis);
        d * (variance + 1e-3).rsqrt() * &v[1] + &v[2]
    }
    let cases: &[(Function, Function)] = &[
        (
            |_, v| {
                let op = settings(Groups::Rows, v, true);
                v[0].normalize(&[&v[1], &v[2]], op)
            },
            |_, v| formula(v, -1),
        ),
        (
            |_, v| {
                let op = settings(Groups::Columns, v, true);
                v[0].normalize(&[&moments(v), &v[1], &v[2]], op)
            },
            |_, v| formula(v, 0),
        ),
        (
            |_, v| {
                let op = settings(Groups::Columns, v, false);
                v[0].normalize(&[&moments(v), &v[1], &v[2]], op)
            },
            |_, v| {
                let mean = v[0].mean_keepdims(0).stop_gradient();
                let variance = (&v[0] - &mean).square().mean_keepdims(0).stop_gradient();
                (&v[0] - mean) * (variance + 1e-3).rsqrt() * &v[1] + &v[2]
            },
        ),
    ];
    let sizes = [
        [1, 1],
        [3, 1],
        [1, 5],
        [7, 16],
        [70, 63],
        [5, 64],
        [129, 131],
        [600, 130],
    ];
    for (rows, columns) in sizes.map(|[rows, columns]| (rows, columns)) {
        let shapes: &[&[usize]] = &[&[rows, columns], &[columns], &[columns]];
        for ((case, (op, formula)), shift) in cases.iter().enumerate().zip([0.0, 0.0, 50.0]) {
            let mut results = Vec::new();
            for function in [op, formula] {
                let mut probe = Probe::new(shapes, true, function).expect("fits");
                let wave = |n: usize, by: f32| -> Vec<f32> {
                    (0..n).map(|i| (i as f32 * by).sin() + shift).collect()
                };
                probe.set_inputs(&[
                    wave(rows * columns, 0.7),
                    wave(columns, 0.3),
                    wave(columns, 1.1),
                ]);
                let y = probe.forward();
                let dy: Vec<f32> = (0..y.len()).map(|i| (i as f32 * 0.37).cos()).collect();
                let gradients = probe.backward(&dy);
                results.push([vec![y], gradients.inputs].concat());
            }
            let [op, formula] = [&results[0], &results[1]];
            for (what, (op, formula)) in op.iter().zip(formula).enumerate() {
                let size = formula.iter().fold(1e-2_f32, |size, x| size.max(x.abs()));
                for (op, formula) in op.iter().zip(formula) {
                    assert!(
                        (op - formula).abs() < 3e-4 * size,
                        "case {case} of {rows} x {columns}, result {what}: {op}, not {formula}"
                    );
                }
            }
        }
    }
}

/// Group normalization as one op and as arithmetic, with weights and without, in one piece and in
/// several, and without a gradient of the inputs.
#[test]
fn group_normalization_is_its_formula() {
    // (samples, steps, groups, channels in each)
    let sizes = [
        [1, 1, 1, 1],
        [3, 2, 2, 1],
        [5, 1, 4, 3],
        [70, 1, 2, 17],
        [4, 9, 3, 8],
        [130, 8, 4, 16],
    ];
    for ([samples, steps, groups, each], weighted) in sizes
        .iter()
        .flat_map(|size| [(*size, true), (*size, false)])
    {
        let channels = groups * each;
        let shapes: &[&[usize]] = &[&[samples, steps, channels], &[channels], &[channels]];
        let op = |v: &[Value]| {
            let op = GroupNormalize {
                steps,
                channels,
                groups,
                epsilon: 1e-3,
                scale: weighted,
                center: weighted,
            };
            match weighted {
                true => v[0].group_normalize(&[&v[1], &v[2]], op),
                false => v[0].group_normalize(&[], op),
            }
        };
        let formula = |v: &[Value]| {
            let x = v[0].reshape([samples, steps, groups, each]);
            let d = &x - x.mean_keepdims([1, 3]);
            let variance = d.square().mean_keepdims([1, 3]);
            let hat = (d * (variance + 1e-3).rsqrt()).reshape([samples, steps, channels]);
            match weighted {
                true => hat * &v[1] + &v[2],
                false => hat,
            }
        };
        for stopped in [false, true] {
            let of = |v: &[Value]| match stopped {
                true => vec![v[0].stop_gradient(), v[1].clone(), v[2].clone()],
                false => v.to_vec(),
            };
            let run = |function: &dyn Fn(&[Value]) -> Value| {
                // What is unweighted and stopped has no gradient at all.
                let mut probe = Probe::new(shapes, true, |_, v| {
                    let y = function(&of(v));
                    if weighted { y } else { y + &v[1] * 0.0 }
                })
                .expect("fits");
                probe.randomize(5);
                let y = probe.forward();
                let dy: Vec<f32> = (0..y.len()).map(|i| (i as f32 * 0.37).cos()).collect();
                [vec![y], probe.backward(&dy).inputs].concat()
            };
            let results = run(&op).into_iter().zip(run(&formula));
            for (what, (op, formula)) in results.enumerate() {
                let size = formula.iter().fold(1e-2_f32, |size, x| size.max(x.abs()));
                for (op, formula) in op.iter().zip(&formula) {
                    assert!(
                        (op - formula).abs() < 1e-4 * size,
                        "{samples} {steps} {groups} {each}, result {what}: {op}, not {formula}"
                    );
                }
            }
        }
    }
}

/// A bias before batch normalization has no effect, so the gradients of a column sum to 0: to within
/// the rounding of the numbers that are summed, not that of what was subtracted from all of them.
#[test]
fn gradients_through_the_moments_of_columns_sum_to_nothing() {
    let mut probe = Probe::new(&[&[4096, 3]], true, |_, v| {
        let moments = v[0].moments(Moments { columns: 3 });
        let op = Normalize {
            groups: Groups::Columns,
            columns: 3,
            epsilon: 1e-3,
            centered: true,
            scale: false,
            center: false,
            through: true,
        };
        v[0].normalize(&[&moments], op)
    })
    .expect("fits");
    probe.randomize(4);
    probe.forward();
    let dy: Vec<f32> = (0..3 * 4096).map(|i| (i as f32 * 0.37).cos()).collect();
    let dx = probe.backward(&dy).inputs.swap_remove(0);
    for column in 0..3 {
        let sum: f64 = (0..4096).map(|row| f64::from(dx[3 * row + column])).sum();
        assert!(sum.abs() < 1e-5, "{sum}");
    }
}

/// Sums are split by the shape alone: the same bits on one thread as on several.
#[test]
fn normalizations_have_the_same_bits_at_any_thread_count() {
    let (rows, columns) = (700, 144);
    let shapes: &[&[usize]] = &[&[rows, columns], &[columns], &[columns]];
    let normalize = |groups, v: &[Value]| {
        let moments = v[0].moments(Moments { columns });
        let known = (groups == Groups::Columns).then_some(&moments);
        let others: Vec<&Value> = known.into_iter().chain([&v[1], &v[2]]).collect();
        let op = Normalize {
            groups,
            columns,
            epsilon: 1e-3,
            centered: true,
            scale: true,
            center: true,
            through: true,
        };
        v[0].normalize(&others, op)
    };
    let grouped = |v: &[Value]| {
        let op = GroupNormalize {
            steps: 7,
            channels: columns,
            groups: 4,
            epsilon: 1e-3,
            scale: true,
            center: true,
        };
        v[0].group_normalize(&[&v[1], &v[2]], op)
    };
    let all = || {
        let mut results = Vec::new();
        for which in 0..3 {
            let mut probe = Probe::new(shapes, true, |_, v| match which {
                0 => normalize(Groups::Rows, v),
                1 => normalize(Groups::Columns, v),
                _ => grouped(v),
            })
            .expect("fits");
            probe.randomize(6);
            let y = probe.forward();
            let gradients = probe.backward(&y);
            results.extend([vec![y], gradients.inputs].concat());
        }
        results
    };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads").install(all)
    };
    let expected = on(1);
    for threads in [2, 3] {
        assert!(on(threads) == expected, "{threads} threads");
    }
}
