"""The tutorial in Keras, on JAX unless KERAS_BACKEND says otherwise. Arguments: CSV [--whole]."""

from turns import each, milliseconds, take_turns

import keras
from keras import layers, ops
from tutorial import BATCH, EPOCHS, load, report, whole

keras.utils.set_random_seed(7)
x, y = load()


def network():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(12, activation="relu"),
            layers.Dense(8, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


model = network()
if whole():
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH)
    _, accuracy = model.evaluate(x, y)
    report(accuracy, model.predict(x))
else:
    model.fit(x, y, epochs=2, batch_size=BATCH, verbose=0)
    row = x[:1]
    model.predict(row, verbose=0)
    # Compiled for the first time by a model's first epoch, which a user waits for as well, but
    # only once: left out.
    again = lambda: model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    take_turns(
        {
            "fit": milliseconds(again),
            "one_row": each(lambda: model.predict(row, verbose=0), 100),
            "one_row_called": each(lambda: ops.convert_to_numpy(model(row)), 200),
        }
    )
