"""Writes multi_optimizer.json: steps of Keras's MultiOptimizer.

    KERAS_BACKEND=jax python tests/golden/multi_optimizer.py

A case has the format of optimizers.json, with the path of each variable, and with the variables
after the end of the training.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import optimizers as O  # noqa: E402

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(5)
SHAPES = {"a/kernel": (3, 2), "a/bias": (2,), "b/kernel": (2, 4), "b/bias": (4,), "c/gamma": (3,)}


def tensor(array):
    array = np.asarray(array, dtype="float32")
    return {"shape": list(array.shape), "data": [float(f"{x:.9g}") for x in array.reshape(-1)]}


def variable(path, value):
    scope, name = path.split("/")
    with keras.name_scope(scope):
        made = keras.Variable(value, name=name)
    assert made.path == path
    return made


def case(name, default, others):
    optimizer = O.MultiOptimizer(O.OptimizerMap(default, others))
    described = keras.saving.serialize_keras_object(optimizer)
    initial = [random.uniform(-1, 1, shape) for shape in SHAPES.values()]
    variables = [variable(path, value) for path, value in zip(SHAPES, initial)]
    steps = []
    for _ in range(7):
        grads = [random.uniform(-1, 1, shape).astype("float32") for shape in SHAPES.values()]
        optimizer.apply([keras.ops.array(g) for g in grads], variables)
        steps.append({
            "grads": [tensor(g) for g in grads],
            "variables": [tensor(v) for v in variables],
        })
    optimizer.finalize_variable_values(variables)
    return {
        "name": name,
        "optimizer": described,
        "paths": list(SHAPES),
        "initial": [tensor(value) for value in initial],
        "steps": steps,
        "final": [tensor(v) for v in variables],
    }


CASES = [
    case("two_layers", O.SGD(0.1, momentum=0.9), {"a/.*": O.Adam(0.01)}),
    case(
        "clipped_apart",
        O.Adam(0.02, global_clipnorm=0.7),
        {".*/bias": O.SGD(0.3, clipnorm=0.5), "c/gamma": O.RMSprop(0.05, clipvalue=0.2)},
    ),
    case(
        "averaged_and_accumulated",
        O.AdamW(0.01, weight_decay=0.1, use_ema=True, ema_momentum=0.7),
        {
            "a/.*": O.Adagrad(0.1, gradient_accumulation_steps=2, global_clipnorm=0.5),
            "b/kernel": O.Lion(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
        },
    ),
    case(
        "by_shape_and_schedule",
        O.Muon(0.02),
        {
            "b/.*": O.Adafactor(0.05),
            "c/.*": O.SGD(O.schedules.ExponentialDecay(0.5, 2, 0.5), weight_decay=0.01),
            "a/bias": O.ScheduleFreeAdamW(0.01, warmup_steps=3),
        },
    ),
]

cases = {"keras": keras.__version__, "cases": CASES}
(HERE / "multi_optimizer.json").write_text(json.dumps(cases) + "\n")
