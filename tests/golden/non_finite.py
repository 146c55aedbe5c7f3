"""Writes non_finite.json: what Keras's activations and losses make of NaN and infinities.

    KERAS_BACKEND=jax python tests/golden/non_finite.py

Activations run on a column of special numbers, those over an axis on rows of them. Losses give the
cost of each sample, with `reduction="none"`. Not-a-number and the infinities are written as
strings.
"""

import json
import math
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402
import numpy as np  # noqa: E402

NAN, INF = math.nan, math.inf
MAX = float(np.finfo(np.float32).max)
NUMBERS = [NAN, INF, -INF, MAX, -MAX, 100.0, -100.0, 1e-40, -1e-40, 1.0, -1.0, 0.0]
ROWS = [
    [1.0, NAN, 2.0, 0.0],
    [NAN, NAN, NAN, NAN],
    [1.0, INF, 2.0, 0.0],
    [1.0, -INF, 2.0, 0.0],
    [INF, INF, 0.0, -INF],
    [-INF, -INF, -INF, -INF],
    [MAX, -MAX, 0.0, 1.0],
    [200.0, -200.0, 100.0, 0.0],
]
POINTWISE = """celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu
linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign sparse_plus
sparse_sigmoid squareplus tanh tanh_shrink""".split()
BY_ROW = "glu log_softmax softmax sparsemax".split()
# Pairs of a target and a prediction.
PAIRS = [
    (0.5, NAN), (NAN, 0.5), (NAN, NAN), (0.5, INF), (0.5, -INF), (INF, 0.5), (-INF, 0.5),
    (INF, INF), (-INF, -INF), (0.5, MAX), (0.5, -MAX), (0.0, 1e-40), (0.0, -2.0), (-2.0, 0.0),
]
# Pairs for the binary cross-entropy.
BINARY = [(t, p) for t in (0.0, 1.0) for p in (NAN, INF, -INF, MAX, -MAX, 0.0, 1.0, -2.0, 200.0)]
BINARY += [(NAN, 0.5), (INF, 0.5)]
REGRESSION = """MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError
MeanSquaredLogarithmicError Huber LogCosh KLDivergence Poisson Hinge SquaredHinge""".split()
# Pairs whose targets are all 0 or 1, which hinge losses take as -1 and 1.
SIDES = [(t, p) for t in (0.0, 1.0) for p in (NAN, INF, -INF, MAX, -MAX, 0.5)]
OF_ROWS = """CategoricalHinge CosineSimilarity""".split()


def tensor(array, dtype="float32"):
    array = np.asarray(array, dtype)
    plain = [v if math.isfinite(v) else str(v) for v in map(float, array.ravel())]
    return {"shape": list(array.shape), "data": plain}


def activation(name, x, **params):
    x = np.asarray(x, "float32")
    y = getattr(keras.activations, name)(x, **params)
    return {"activation": name, "params": params, "x": tensor(x), "y": tensor(y)}


def loss(name, y_true, y_pred, **config):
    made = getattr(keras.losses, name)(reduction="none", **config)
    y_true, y_pred = np.asarray(y_true, "float32"), np.asarray(y_pred, "float32")
    costs = made(y_true, y_pred)
    return {
        "loss": keras.saving.serialize_keras_object(made),
        "y_true": tensor(y_true),
        "y_pred": tensor(y_pred),
        "costs": tensor(costs),
    }


def losses():
    column = lambda pairs, side: [[pair[side]] for pair in pairs]  # noqa: E731
    for name in REGRESSION:
        yield loss(name, column(PAIRS, 0), column(PAIRS, 1))
    one_hot = [[0, 0, 1, 0]] * len(ROWS)
    spread = [[0.1, 0.2, 0.3, 0.4]] * len(ROWS)
    for name in ("Hinge", "SquaredHinge"):
        yield loss(name, column(SIDES, 0), column(SIDES, 1))
    for target in (one_hot, spread):
        for name in OF_ROWS:
            yield loss(name, target, ROWS)
        for name in ("Dice", "Tversky"):
            yield loss(name, target, ROWS, axis=-1)
    for place in range(4):
        ids = [place] * len(ROWS)
        yield loss("CategoricalGeneralizedCrossEntropy", ids, ROWS)
    # A row beside two that are finite, as another vector and as another step.
    for row in ROWS:
        yield loss("Circle", [0, 1, 0], [row, [0.6, 0.0, 0.8, 0.0], [0.0, 1.0, 0.0, 0.0]])
        yield loss("CTC", [[1, 3]], [[row, [0.5, 1.0, 0.0, 0.2], [0.0, 0.3, 0.1, 1.0]]])
    for logits in (False, True):
        yield loss("BinaryCrossentropy", column(BINARY, 0), column(BINARY, 1), from_logits=logits)
        for balanced in (False, True):
            yield loss(
                "BinaryFocalCrossentropy",
                column(BINARY, 0),
                column(BINARY, 1),
                from_logits=logits,
                apply_class_balancing=balanced,
            )
        for target in (one_hot, spread):
            yield loss("CategoricalCrossentropy", target, ROWS, from_logits=logits)
            yield loss("CategoricalFocalCrossentropy", target, ROWS, from_logits=logits)
        for place in range(4):
            ids = [place] * len(ROWS)
            yield loss("SparseCategoricalCrossentropy", ids, ROWS, from_logits=logits)


made = {
    "keras": keras.__version__,
    "backend": keras.backend.backend(),
    "activations": [activation(name, NUMBERS) for name in POINTWISE]
    + [activation("threshold", NUMBERS, threshold=0.5, default_value=0.25)]
    + [activation("gelu", NUMBERS, approximate=True)]
    + [activation(name, ROWS) for name in BY_ROW],
    "losses": list(losses()),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(made, indent=None).replace('}, {"', '},\n{"') + "\n")
