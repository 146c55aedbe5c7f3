"""Keras for horn's benchmark of files: a model of 100 MB, and the cold start of a service."""

import os
import subprocess
import sys
import tempfile

import turns

COLD = """
import sys
import keras
import numpy as np
model = keras.saving.load_model(sys.argv[1])
row = np.array([[6.0, 148.0, 72.0, 35.0, 0.0, 33.6, 0.627, 50.0]], "float32")
print(float(model.predict(row, verbose=0)[0, 0]))
"""

import keras

folder = tempfile.TemporaryDirectory(dir=os.environ.get("HORN_FOLDER"))
archive = os.path.join(folder.name, "a.keras")
weights = os.path.join(folder.name, "a.weights.h5")
small = os.path.join(folder.name, "small.keras")

model = keras.Sequential([keras.Input((2500,)), keras.layers.Dense(5000), keras.layers.Dense(2500)])
model.save(archive)
model.save_weights(weights)

tutorial = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(12, activation="relu"),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
tutorial.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
tutorial.fit(keras.ops.ones((20, 8)), keras.ops.zeros((20, 1)), verbose=0)
tutorial.save(small)
print(f"Keras: {os.path.getsize(archive)} and {os.path.getsize(small)} bytes", file=sys.stderr)


def cold():
    subprocess.run([sys.executable, "-c", COLD, small], check=True, capture_output=True)


JOBS = {
    "save_keras": lambda: model.save(archive),
    "load_keras": lambda: keras.saving.load_model(archive),
    "save_weights": lambda: model.save_weights(weights),
    "load_weights": lambda: model.load_weights(weights),
    "cold": cold,
}
turns.take_turns({name: turns.milliseconds(job) for name, job in JOBS.items()})
