"""What Keras 3.15 does with datasets in `fit`: run with `KERAS_BACKEND=jax python datasets.py`.

A model `y = w x + b` that begins with w = 0.5, b = 0, SGD of 0.01, batches of 10 of 65 rows.
"""

import json
import pathlib

import keras
import numpy as np

x = (np.arange(65) % 5).astype("float32").reshape(65, 1)
y = (np.arange(65) / 10).astype("float32").reshape(65, 1)


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        rows = slice(10 * index, 10 * index + 10)
        return x[rows], y[rows]


def model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.layers[0].set_weights([np.array([[0.5]], "float32"), np.zeros(1, "float32")])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def case(name, **fit):
    m = model()
    history = m.fit(Rows(), epochs=6, verbose=0, shuffle=False, **fit).history
    weights = [float(w.ravel()[0]) for w in m.get_weights()]
    return {"name": name, "history": history, "weights": weights}


held = (x[:20], y[:20])
cases = [
    case("all"),
    case("steps_per_epoch=3", steps_per_epoch=3),
    case("steps_per_epoch=7", steps_per_epoch=7),
    case("validation_freq=2", validation_data=held, validation_freq=2),
    case("validation_freq=[1, 5, 9]", validation_data=held, validation_freq=[1, 5, 9]),
    case("validation_steps=2", validation_data=Rows(), validation_steps=2),
]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"keras": keras.__version__, "cases": cases}, indent=1) + "\n")
