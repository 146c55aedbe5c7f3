"""Writes metric_settings.json: metrics of Keras with many settings, shapes and ranks of weights.

    KERAS_BACKEND=jax python tests/golden/metric_settings.py [SEED COUNT FILE]

A case has the format of metrics.json; `empty` is the result before the first batch, where Keras has
one. Among the data are targets of one class only, predictions at the thresholds, weights of 0 and
class ids that do not exist. Not-a-number and the infinities are written as strings.
"""

import json
import os
import pathlib
import sys
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
warnings.filterwarnings("ignore")
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import metrics as M  # noqa: E402

HERE = pathlib.Path(__file__).parent
SEED, COUNT, FILE = sys.argv[1:] or (7, 132, HERE / "metric_settings.json")
random = np.random.default_rng(int(SEED))
SHAPES = [(6,), (6, 1), (6, 3), (5, 2, 3), (6, 4)]


def one_of(options):
    return options[random.integers(len(options))]


def chance(p):
    return random.random() < p


def tensor(array):
    array = np.asarray(array, dtype="float32")
    number = lambda x: float(f"{x:.9g}") if np.isfinite(x) else str(x)
    return {"shape": list(array.shape), "data": [number(x) for x in array.reshape(-1)]}


def described(metric):
    """What Keras writes, with policies reduced to their names."""

    def short(value):
        if isinstance(value, dict):
            if value.get("class_name") == "DTypePolicy":
                return value["config"]["name"]
            left_out = ("module", "registered_name", "build_config")
            return {key: short(v) for key, v in value.items() if key not in left_out}
        return [short(v) for v in value] if isinstance(value, list) else value

    return short(keras.saving.serialize_keras_object(metric))


def probabilities(shape):
    return [
        np.round(random.random(shape), 4),
        np.round(random.random(shape) * 10) / 10,
        np.round(random.random(shape) * 4) / 4,
        np.round(np.clip(random.normal(0.5, 0.7, shape), 0, 1), 4),
    ][random.integers(4)]


def numbers(shape):
    return np.round(random.normal(0, 2, shape), 4)


def positives(shape):
    kind = random.random()
    return np.full(shape, kind < 0.1) if kind < 0.2 else random.random(shape) < 0.5


def weights(shape, most=3):
    """None, zeros, or one for each place along some of the first axes."""
    if chance(0.4):
        return None
    # Keras does not spread weights of rows over two more axes.
    least = 2 if len(shape) == 3 else 1
    rank = random.integers(least, max(min(most, len(shape)), least) + 1)
    return np.round(random.random(shape[:rank]) * one_of([0, 3, 3, 3]), 2)


def thresholds():
    return one_of(
        [None, 0.0, 0.3, 0.7, 1.0, [0.5], [0.0, 0.5, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0], [0.8, 0.2],
         [0.35, 0.1, 1.0, 0.35]]
    )  # fmt: skip


def counts(make):
    shape = one_of(SHAPES)
    data = lambda: (positives(shape), probabilities(shape), weights(shape))
    return make(thresholds=thresholds()), data


def of_a_column(shape, settings):
    """Data of which a column is looked at, for which Keras takes no weights of each value."""
    most = 3 if settings.get("class_id") is None else max(len(shape) - 1, 1)
    return lambda: (positives(shape), probabilities(shape), weights(shape, most))


def share(make):
    shape, settings = one_of(SHAPES), {"thresholds": thresholds()}
    if len(shape) > 1 and chance(0.4):
        settings["top_k"] = int(random.integers(1, shape[-1] + 1))
    if len(shape) > 1 and chance(0.4):
        settings["class_id"] = int(random.integers(shape[-1]))
    return make(**settings), of_a_column(shape, settings)


def at(make):
    shape, settings = one_of(SHAPES), {"num_thresholds": one_of([1, 2, 3, 11, 50, 200, 200])}
    if len(shape) > 1 and chance(0.4):
        settings["class_id"] = int(random.integers(shape[-1]))
    return make(one_of([0.0, 0.2, 0.5, 0.6, 1.0]), **settings), of_a_column(shape, settings)


def auc(make):
    shape, logits = one_of(SHAPES), chance(0.3)
    settings = {
        "curve": one_of(["ROC", "PR", "PRGAIN"]),
        "summation_method": one_of(["interpolation", "minoring", "majoring"]),
        "num_thresholds": one_of([2, 3, 11, 50, 200]),
        "thresholds": one_of([None, None, [0.5], [0.25, 0.5, 0.75], [0.7, 0.2]]),
        "multi_label": len(shape) == 2 and chance(0.5),
        "from_logits": logits,
    }
    if settings["multi_label"] and chance(0.5):
        settings["num_labels"] = shape[1]
    if len(shape) > 1 and chance(0.4):
        settings["label_weights"] = [round(random.random() * 2, 2) for _ in range(shape[-1])]
    predicted = numbers if logits else probabilities
    return make(**settings), lambda: (positives(shape), predicted(shape), weights(shape))


def score(make):
    classes = one_of([1, 2, 4])
    shape = (6, classes)
    settings = {
        "average": one_of([None, "micro", "macro", "weighted"]),
        "threshold": one_of([None, 0.3, 1.0]),
    }
    if make is M.FBetaScore:
        settings["beta"] = one_of([0.5, 1.0, 2.0])

    def data():
        one_hot = np.eye(classes)[random.integers(0, classes, 6)]
        y_true = one_of([positives(shape), one_hot, probabilities(shape)])
        return y_true, one_of([probabilities, numbers, np.zeros])(shape), weights(shape, 1)

    return make(**settings), data


def iou(make):
    classes, places = one_of([2, 3, 4]), one_of([(6,), (4, 3), (2, 3, 2)])
    settings = {"dtype": one_of([None, None, "float32"])}
    weighed = lambda: one_of([None, np.round(random.random(places) * 3, 1)])
    if make is M.BinaryIoU:
        settings |= {"threshold": one_of([0.3, 0.5, 0.75])}
        settings |= {"target_class_ids": one_of([[0], [1], [0, 1], [1, 0]])}
        return make(**settings), lambda: (positives(places), probabilities(places), weighed())
    ids_are_true = make in (M.IoU, M.MeanIoU) and chance(0.6)
    settings |= {"sparse_y_pred": chance(0.5), "ignore_class": one_of([None, None, 0, 1, 255])}
    if make in (M.IoU, M.MeanIoU):
        settings["sparse_y_true"] = ids_are_true
    if make in (M.IoU, M.OneHotIoU):
        some = random.permutation(classes)[: random.integers(1, classes + 1)]
        settings["target_class_ids"] = some.tolist()

    def data():
        ids = lambda: random.integers(*one_of([(0, classes), (-1, classes + 2)]), places)
        y_true = ids() if ids_are_true else np.eye(classes)[random.integers(0, classes, places)]
        y_pred = ids() if settings["sparse_y_pred"] else probabilities((*places, classes))
        return y_true, y_pred, weighed()

    return make(classes, **settings), data


def root(make):
    shape = one_of(SHAPES)
    return make(), lambda: (numbers(shape), numbers(shape), weights(shape))


def r2(make):
    shape = one_of([(6, 1), (6, 3), (5, 2)])
    settings = {
        "class_aggregation": one_of([None, "uniform_average", "variance_weighted_average"]),
        "num_regressors": one_of([0, 0, 1, 2, 5, 11, 40]),
    }
    return make(**settings), lambda: (numbers(shape), numbers(shape), weights(shape))


def correlation(make):
    shape, axis = one_of([(6, 4), (5, 3), (4, 3, 5)]), one_of([-1, -1, 1, 0])
    weighed = lambda: None if axis == 0 else weights(shape[:1])
    return make(axis=axis), lambda: (numbers(shape), numbers(shape), weighed())


FAMILIES = [
    (counts, [M.TruePositives, M.TrueNegatives, M.FalsePositives, M.FalseNegatives]),
    (share, [M.Precision, M.Recall] * 2),
    (at, [M.PrecisionAtRecall, M.RecallAtPrecision]),
    (at, [M.SensitivityAtSpecificity, M.SpecificityAtSensitivity]),
    (auc, [M.AUC] * 8),
    (score, [M.F1Score, M.FBetaScore] * 2),
    (iou, [M.IoU, M.BinaryIoU, M.MeanIoU, M.OneHotIoU, M.OneHotMeanIoU]),
    (root, [M.RootMeanSquaredError]),
    (r2, [M.R2Score]),
    (correlation, [M.PearsonCorrelation, M.ConcordanceCorrelation]),
]
ALL = [(family, make) for family, classes in FAMILIES for make in classes]


def case(place):
    family, make = ALL[place % len(ALL)]
    metric, data = family(make)
    metric.name = make.__name__.lower()
    written = {"name": f"{make.__name__}_{place}", "metric": described(metric)}
    try:
        written["empty"] = tensor(metric.result())
    except AttributeError:
        pass  # It waits for the shapes.
    written |= {"batches": [], "results": []}
    for _ in range(3):
        y_true, y_pred, sample_weight = data()
        batch = {"y_true": np.float32(y_true), "y_pred": np.float32(y_pred)}
        if sample_weight is not None:
            batch["sample_weight"] = np.float32(sample_weight)
        metric.update_state(**batch)
        written["batches"].append({name: tensor(array) for name, array in batch.items()})
        written["results"].append(tensor(metric.result()))
    return written


cases = [case(place) for place in range(int(COUNT))]
text = ",\n".join(json.dumps(one) for one in cases)
pathlib.Path(FILE).write_text(f'{{"keras": "{keras.__version__}", "cases": [\n{text}\n]}}\n')
