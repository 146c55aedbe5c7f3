"""Keras and scikit-learn for horn's benchmark of metrics, on the same data.

`--values` prints what each computes instead of taking turns.
"""

import sys

import turns

import jax
import jax.numpy as jnp
import keras
import numpy as np
from sklearn.metrics import f1_score, roc_auc_score, top_k_accuracy_score

ROWS, CLASSES, K = 1_000_000, 10, 3


def uniform(stream, count):
    """Numbers from 0 to 1 that horn's side of the benchmark draws the same way."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint64) + np.uint64(stream << 32)
        x *= np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(29)
        x *= np.uint64(0xBF58476D1CE4E5B9)
    return (x >> np.uint64(40)).astype("float32") / np.float32(1 << 24)


# Two classes, of which the second has the higher risks.
risks = uniform(1, ROWS)
happened = (uniform(2, ROWS) < risks).astype("float32")
# Ten classes; one prediction in two is right.
scores = uniform(3, ROWS * CLASSES).reshape(ROWS, CLASSES)
ids = (uniform(4, ROWS) * np.float32(CLASSES)).astype("int64")
right = uniform(5, ROWS) < 0.5
scores[np.arange(ROWS)[right], ids[right]] = 1.0
one_hot = np.eye(CLASSES, dtype="float32")[ids]

METRICS = {
    "auc": (keras.metrics.AUC, {}, happened, risks),
    "f1": (keras.metrics.F1Score, {"average": "macro"}, one_hot, scores),
    "top_k": (keras.metrics.TopKCategoricalAccuracy, {"k": K}, one_hot, scores),
}


def eager(make, settings, y_true, y_pred):
    """As a user calls it, with the arrays where Keras wants them."""
    metric = make(**settings)
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)

    def job():
        metric.reset_state()
        metric.update_state(y_true, y_pred)
        return float(np.asarray(metric.result()))

    return job


def compiled(make, settings, y_true, y_pred):
    """As `fit` runs it: compiled to one function."""
    metric = make(**settings)
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    metric.update_state(y_true[:8], y_pred[:8])
    metric.reset_state()
    start = [variable.value for variable in metric.variables]

    @jax.jit
    def both(state, y_true, y_pred):
        return metric.stateless_result(metric.stateless_update_state(state, y_true, y_pred))

    return lambda: float(both(start, y_true, y_pred))


JOBS = {f"{name}_keras": eager(*metric) for name, metric in METRICS.items()}
JOBS |= {f"{name}_compiled": compiled(*metric) for name, metric in METRICS.items()}
JOBS |= {
    "auc_sklearn": lambda: roc_auc_score(happened, risks),
    "f1_sklearn": lambda: f1_score(ids, scores.argmax(axis=1), average="macro"),
    "top_k_sklearn": lambda: top_k_accuracy_score(ids, scores, k=K, labels=np.arange(CLASSES)),
}

if "--values" in sys.argv:
    for name, job in JOBS.items():
        print(name, f"{job():.6f}")
else:
    wanted = [argument for argument in sys.argv[1:] if argument in JOBS]
    for name in wanted or JOBS:
        JOBS[name]()
    turns.take_turns({name: turns.milliseconds(job) for name, job in JOBS.items()})
