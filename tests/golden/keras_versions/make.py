"""Archives as Keras 3.0 to 3.14 write them, with what the models predict there.

    KERAS_BACKEND=jax PYTHONPATH=<folder of one version of Keras> python make.py

makes `<version>.tutorial.keras`, `<version>.graph.keras` and `<version>.json` beside this file; the
folder is one of `pip install --no-deps --target <folder> keras==<version>` (and `dm-tree` for Keras
3.0). All were run with the jax, h5py and numpy that Keras 3.15 asks for. `low` as an argument makes the archives of
lower precision instead, as `<version>.<policy>.keras`.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import numpy as np

if not hasattr(jax, "spmd_mode"):
    # Keras before 3.10 names it, and does not need it here.
    jax.spmd_mode = contextlib.nullcontext

import keras
from keras import layers

HERE = Path(__file__).parent
VERSION = keras.__version__
# Numbers that depend on no generator.
X = np.sin(np.arange(24 * 8) * 0.7).reshape(24, 8).astype("float32")
Y = (X.sum(-1) > 0).astype("float32")
IMAGES = np.sin(np.arange(2 * 8 * 8) * 0.3).reshape(2, 8, 8, 1).astype("float32")
WORDS = (np.arange(2 * 6) * 5 % 11).reshape(2, 6).astype("int32")


def numbers(array):
    array = np.asarray(array, "float32")
    return {"shape": list(array.shape), "data": [float(v) for v in array.ravel()]}


def tutorial():
    return keras.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(12, activation="relu"),
            layers.Dense(8, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def graph():
    image = layers.Input((8, 8, 1), name="image")
    words = layers.Input((6,), dtype="int32", name="words")
    a = layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    a = layers.BatchNormalization()(a)
    a = layers.Activation("relu")(a)
    a = layers.MaxPooling2D()(a)
    a = layers.DepthwiseConv2D(3)(a)
    a = layers.Flatten()(a)
    b = layers.Embedding(11, 5, mask_zero=True)(words)
    b = layers.LSTM(3, return_sequences=True)(b)
    b = layers.GRU(4)(b)
    both = layers.Concatenate()([a, b])
    both = layers.Dropout(0.3)(both)
    return keras.Model([image, words], layers.Dense(3, activation="softmax")(both))


def main():
    keras.utils.set_random_seed(1)
    model = tutorial()
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, epochs=1, batch_size=8, shuffle=False, verbose=0)
    model.save(HERE / f"{VERSION}.tutorial.keras")
    predicted = model.predict(X, verbose=0)
    more = model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    two = graph()
    # Statistics that are not those of the beginning.
    for layer in two.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.linspace(low, 1.5, 4) for low in (0.5, -0.5, -1.0, 0.2)])
    two.save(HERE / f"{VERSION}.graph.keras")
    result = {
        "x": numbers(X),
        "y": numbers(Y),
        "predictions": numbers(predicted),
        "more_loss": [float(loss) for loss in more.history["loss"]],
        "image": numbers(IMAGES),
        "words": numbers(WORDS),
        "graph": numbers(two.predict([IMAGES, WORDS], verbose=0)),
    }
    (HERE / f"{VERSION}.json").write_text(json.dumps(result))


def low():
    for policy in ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]:
        keras.utils.set_random_seed(1)
        keras.config.set_dtype_policy(policy)
        model = tutorial()
        model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        model.fit(X, Y, epochs=1, batch_size=8, shuffle=False, verbose=0)
        model.save(HERE / f"{VERSION}.{policy}.keras")
        result = {
            "weights": [numbers(keras.ops.convert_to_numpy(keras.ops.cast(w, "float32"))) for w in model.weights],
            "x": numbers(X),
            "y": numbers(Y),
            "predictions": numbers(keras.ops.cast(model.predict(X, verbose=0), "float32")),
        }
        (HERE / f"{VERSION}.{policy}.json").write_text(json.dumps(result))


low() if "low" in sys.argv else main()
