"""Writes callbacks.json: trainings of a tiny model in Keras, each with some callbacks.

    KERAS_BACKEND=jax python tests/golden/callbacks.py

Each case has the settings of its callbacks, the history that Keras gives, the epoch it stopped at,
the last weights, what was printed, and the files that were written.
"""

import contextlib
import csv
import io
import json
import os
import pathlib
import random
import shutil
import tempfile
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
warnings.filterwarnings("ignore")
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import callbacks, metrics, optimizers  # noqa: E402

FOLDER = pathlib.Path(tempfile.mkdtemp())

# The line that fits the training rows is not the one that fits those of validation, so that the
# validation loss falls and then rises.
DATA = {
    "x": [[-1.0], [-0.5], [0.25], [0.5], [0.75], [1.0]],
    "y": [[-1.75], [-1.25], [0.625], [0.75], [1.75], [2.0]],
    "val_x": [[-0.75], [0.125], [0.625], [0.875]],
    "val_y": [[-0.5], [0.25], [0.5], [1.0]],
    "kernel": [[-0.75]],
    "bias": [0.5],
}

SCHEDULES = {
    "halve from epoch 3": lambda epoch, rate: rate if epoch < 3 else rate / 2,
    "by the epoch": lambda epoch, rate: 0.25 / (1 + epoch),
}

CLASSES = {
    "EarlyStopping": callbacks.EarlyStopping,
    "ReduceLROnPlateau": callbacks.ReduceLROnPlateau,
    "ModelCheckpoint": callbacks.ModelCheckpoint,
    "SwapEMAWeights": callbacks.SwapEMAWeights,
    "TerminateOnNaN": callbacks.TerminateOnNaN,
    "CSVLogger": callbacks.CSVLogger,
}


def make(entry):
    name, settings = entry["class"], dict(entry["settings"])
    if name == "LearningRateScheduler":
        settings["schedule"] = SCHEDULES[settings["schedule"]]
        return callbacks.LearningRateScheduler(**settings)
    for path in ("filepath", "filename"):
        if path in settings:
            settings[path] = str(FOLDER / settings[path].replace(".npz", ".weights.h5"))
    if name == "ModelCheckpoint":
        settings["save_weights_only"] = True
    return CLASSES[name](**settings)


def build(optimizer):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(
        optimizer=optimizers.SGD(**optimizer),
        loss="mean_squared_error",
        metrics=[metrics.MeanAbsoluteError(), metrics.R2Score()],
    )
    model.set_weights([np.array(DATA["kernel"]), np.array(DATA["bias"])])
    return model


def number(value):
    """With the digits that a single needs."""
    value = float(str(np.float32(value)))
    return value if np.isfinite(value) else str(value)


def flat(weights):
    return [number(value) for weight in weights for value in np.ravel(weight)]


def files():
    """The files that were written: the rows of tables, the weights of checkpoints."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        name = str(path.relative_to(FOLDER))
        if name.endswith(".csv"):
            with open(path, newline="") as file:
                found[name] = list(csv.reader(file))
        elif path.is_file():
            model = build({})
            model.load_weights(path)
            found[name.replace(".weights.h5", ".npz")] = flat(model.get_weights())
    return found


def train(name, entries, optimizer=None, epochs=25, fits=1, **options):
    optimizer = {"learning_rate": 0.1, "momentum": 0.9, **(optimizer or {})}
    fit = {"batch_size": 2, "validates": True, **options}
    case = {"name": name, "callbacks": entries, "optimizer": optimizer, "epochs": epochs}
    case.update(fits=fits, **fit)
    shutil.rmtree(FOLDER)
    FOLDER.mkdir()
    model = build(optimizer)
    data = {key: np.array(value, "float32") for key, value in DATA.items()}
    held = (data["val_x"], data["val_y"]) if fit["validates"] else None
    made = [make(entry) for entry in entries]
    printed = io.StringIO()
    case["runs"] = []
    for _ in range(fits):
        with contextlib.redirect_stdout(printed):
            history = model.fit(
                data["x"],
                data["y"],
                batch_size=fit["batch_size"],
                epochs=epochs,
                validation_data=held,
                validation_freq=fit.get("validation_freq", 1),
                shuffle=False,
                verbose=0,
                callbacks=made,
            )
        columns = {key: [number(v) for v in values] for key, values in history.history.items()}
        run = {"epochs": history.epoch, "history": columns, "weights": flat(model.get_weights())}
        run["learning_rate"] = number(model.optimizer.learning_rate)
        case["runs"].append(run)
    lines = [line for line in printed.getvalue().splitlines() if line]
    case["printed"] = [
        line.replace(str(FOLDER) + "/", "").replace(".weights.h5", ".npz") for line in lines
    ]
    case["files"] = files()
    return case


def some(rng, choices):
    """A setting of each, left out where the choice is `...`."""
    picked = {key: rng.choice(values) for key, values in choices.items()}
    return {key: value for key, value in picked.items() if value is not ...}


MONITORED = [
    ("val_loss", "auto"),
    ("val_loss", "min"),
    ("loss", "auto"),
    ("val_mean_absolute_error", "auto"),
    ("val_r2_score", "auto"),
    ("r2_score", "max"),
    ("val_loss", "max"),
]


def monitored(rng):
    name, mode = rng.choice(MONITORED)
    settings = {"monitor": name} if name != "val_loss" or rng.random() < 0.5 else {}
    return settings if mode == "auto" else {**settings, "mode": mode}


def early_stopping():
    rng = random.Random(1)
    choices = {
        "min_delta": [..., 0.003, 0.05, -0.02],
        "patience": [..., 1, 2, 5, 9],
        "baseline": [..., ..., 0.11, 0.35, 3.0],
        "restore_best_weights": [..., True, True],
        "start_from_epoch": [..., ..., 3, 8],
        "verbose": [1],
    }
    for number in range(70):
        settings = {**monitored(rng), **some(rng, choices)}
        entry = {"class": "EarlyStopping", "settings": settings}
        extra = {"validation_freq": 2} if number % 10 == 9 else {}
        yield train(f"EarlyStopping {number}", [entry], fits=1 + number % 2, **extra)


def reduce_on_plateau():
    rng = random.Random(2)
    choices = {
        "factor": [..., 0.5, 0.3, 0.9],
        "patience": [0, 1, 2, 4],
        "min_delta": [..., 0.003, 0.05, 0],
        "cooldown": [..., 1, 3],
        "min_lr": [..., 0.02, 0.004],
        "verbose": [1],
    }
    for number in range(60):
        settings = {**monitored(rng), **some(rng, choices)}
        entry = {"class": "ReduceLROnPlateau", "settings": settings}
        yield train(f"ReduceLROnPlateau {number}", [entry], fits=1 + number % 2)
    slower = {"class": "ReduceLROnPlateau", "settings": {"patience": 1, "factor": 0.5}}
    stopping = {"class": "EarlyStopping", "settings": {"patience": 4, "restore_best_weights": True}}
    yield train("ReduceLROnPlateau and EarlyStopping", [slower, stopping], epochs=60)


def scheduler():
    for schedule in SCHEDULES:
        entry = {
            "class": "LearningRateScheduler",
            "settings": {"schedule": schedule, "verbose": 1},
        }
        yield train(f"LearningRateScheduler {schedule}", [entry], epochs=8, fits=2)
        slower = {"class": "ReduceLROnPlateau", "settings": {"patience": 1, "monitor": "loss"}}
        yield train(f"{schedule}, and a plateau", [entry, slower], epochs=8, validates=False)


def checkpoints():
    name = "{epoch:02d}-{val_loss:.2f}.npz"
    for number, (settings, extra) in enumerate(
        [
            ({"filepath": name}, {"epochs": 6}),
            ({"filepath": "deep/" + name, "save_best_only": True}, {}),
            ({"filepath": name, "save_best_only": True, "monitor": "val_r2_score"}, {}),
            ({"filepath": name, "save_best_only": True, "mode": "max"}, {}),
            ({"filepath": name, "save_best_only": True, "initial_value_threshold": 0.06}, {}),
            ({"filepath": "best.npz", "save_best_only": True}, {}),
            ({"filepath": "{epoch}-{loss:.3e}.npz", "monitor": "loss", "save_best_only": True}, {}),
            ({"filepath": "{epoch}.npz"}, {"epochs": 4, "fits": 2}),
            ({"filepath": "{epoch:03d}.npz", "save_best_only": True}, {"fits": 2}),
            ({"filepath": "{epoch}-{batch:02d}.npz", "save_freq": 2}, {"epochs": 5}),
            ({"filepath": "{epoch}-{batch}.npz", "save_freq": 5}, {"epochs": 7}),
            ({"filepath": "{epoch}-{loss:.3f}.npz", "save_freq": 4}, {"epochs": 5, "fits": 2}),
        ]
    ):
        entry = {"class": "ModelCheckpoint", "settings": {"verbose": 1, **settings}}
        yield train(f"ModelCheckpoint {number}", [entry], **extra)


def averages():
    ema = {"use_ema": True, "ema_momentum": 0.75}
    checkpoint = {"class": "ModelCheckpoint", "settings": {"filepath": "{epoch:02d}.npz"}}
    for on_epoch in (False, True):
        entry = {"class": "SwapEMAWeights", "settings": {"swap_on_epoch": on_epoch}}
        name = f"SwapEMAWeights {on_epoch}"
        yield train(name, [entry, checkpoint], ema, epochs=5)
        yield train(name + ", no validation", [entry, checkpoint], ema, epochs=3, validates=False)
    stopping = {"class": "EarlyStopping", "settings": {"patience": 2, "restore_best_weights": True}}
    for first in (False, True):
        entry = {"class": "SwapEMAWeights", "settings": {"swap_on_epoch": first}}
        yield train(f"SwapEMAWeights {first} and EarlyStopping", [entry, stopping], ema)


def others():
    nan = {"class": "TerminateOnNaN", "settings": {}}
    yield train("TerminateOnNaN", [nan], {"learning_rate": 1e12}, epochs=9, validates=False)
    log = {"class": "CSVLogger", "settings": {"filename": "log.csv"}}
    yield train("CSVLogger", [log], epochs=4, fits=2)
    yield train("CSVLogger without validation", [log], epochs=3, validates=False)
    yield train("CSVLogger now and then", [log], epochs=4, validation_freq=2)
    more = {"class": "CSVLogger", "settings": {"filename": "log.csv", "append": True}}
    slower = {"class": "ReduceLROnPlateau", "settings": {"patience": 0}}
    yield train("CSVLogger appends", [slower, more], epochs=3, fits=2)


def directions():
    """Whether Keras wants more or less of each metric that needs no arguments."""
    found = {}
    for name in dir(metrics):
        made = getattr(metrics, name)
        if isinstance(made, type) and issubclass(made, metrics.Metric):
            with contextlib.suppress(TypeError, NotImplementedError):
                found[name] = getattr(made(), "_direction", None)
    return found


cases = []
for family in (early_stopping, reduce_on_plateau, scheduler, checkpoints, averages, others):
    cases.extend(family())
    print(family.__name__, len(cases))
shutil.rmtree(FOLDER)
golden = {"keras": keras.__version__, "data": DATA, "directions": directions(), "cases": cases}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
