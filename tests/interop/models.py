"""Models of every layer, written by Keras for horn (`write`), and horn's read by Keras (`read`).

`write FOLDER` makes `FOLDER/keras/<name>.keras` with `<name>.json` beside it: inputs, targets,
predictions, and the losses of one more epoch. `read FOLDER` opens `FOLDER/horn/<name>.keras` with
`safe_mode=True` and compares with what horn says that it predicts and what comes of its training.
"""

import json
import os
import sys
import zipfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
from keras import layers, losses, metrics, optimizers

ROWS = 12
RNG = np.random.default_rng(7)


def floats(*shape):
    return RNG.uniform(-1, 1, (ROWS, *shape)).astype("float32")


def ids(count, *shape):
    return RNG.integers(0, count, (ROWS, *shape)).astype("float32")


def single(*chain, x):
    """A chain that ends in one number."""
    model = keras.Sequential([keras.Input(x.shape[1:]), *chain, layers.Flatten(), layers.Dense(1)])
    return model, x


def merged(layer, inputs=2):
    x = [keras.Input((4,)) for _ in range(inputs)]
    parts = [layers.Dense(3)(one) for one in x]
    model = keras.Model(x, layers.Dense(1)(layers.Flatten()(layer(parts))))
    return model, [floats(4) for _ in range(inputs)]


def shared():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    twin = layers.Dense(3, activation="tanh", name="twin")
    inner = keras.Sequential(
        [keras.Input((3,)), layers.Dense(3), layers.BatchNormalization()], name="inner"
    )
    both = layers.Concatenate()([inner(twin(a)), twin(b)])
    return keras.Model([a, b], layers.Dense(1)(both)), [floats(4), floats(4)]


def nested():
    z = keras.Input((4,))
    block = keras.Model(z, layers.Add()([layers.Dense(4)(z), z]), name="block")
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(1)(block(block(x)))), floats(4)


def normalization():
    x = floats(4)
    layer = layers.Normalization()
    layer.adapt(x)
    return single(layer, layers.Dense(3), x=x)


def discretization():
    return single(layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.4]), x=floats(4))


L = layers
# What draws in training cannot be compared after it; and with JAX, Keras forgets the kernel that
# spectral normalization has divided.
DRAWS = {
    "spectral_normalization",
    "dropout", "gaussian_dropout", "gaussian_noise", "alpha_dropout", "spatial_dropout1d",
    "spatial_dropout2d", "spatial_dropout3d",
}
MODELS = {
    "activation": lambda: single(L.Activation("gelu"), x=floats(4)),
    "activity_regularization": lambda: single(L.ActivityRegularization(0.1, 0.2), L.Dense(2), x=floats(4)),
    "alpha_dropout": lambda: single(L.AlphaDropout(0.3), x=floats(4)),
    "batch_normalization": lambda: single(L.BatchNormalization(), x=floats(4)),
    "batch_renormalization": lambda: single(L.BatchNormalization(renorm=True), x=floats(4)),
    "category_encoding": lambda: single(L.CategoryEncoding(5, output_mode="one_hot"), x=ids(5, 1)),
    "cropping1d": lambda: single(L.Cropping1D(1), x=floats(4, 2)),
    "cropping2d": lambda: single(L.Cropping2D(1), x=floats(4, 4, 2)),
    "cropping3d": lambda: single(L.Cropping3D(1), x=floats(3, 3, 3, 2)),
    "dense": lambda: single(
        L.Dense(5, activation="relu", kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(1.0)),
        x=floats(4),
    ),
    "discretization": discretization,
    "dropout": lambda: single(L.Dropout(0.3), x=floats(4)),
    "einsum_dense": lambda: single(L.EinsumDense("abc,cd->abd", output_shape=(4, 3), bias_axes="d"), x=floats(4, 2)),
    "elu": lambda: single(L.Dense(3), L.ELU(0.7), x=floats(4)),
    "embedding": lambda: single(L.Embedding(9, 3), x=ids(9, 4)),
    "flatten": lambda: single(L.Flatten(), x=floats(2, 3)),
    "gaussian_dropout": lambda: single(L.GaussianDropout(0.3), x=floats(4)),
    "gaussian_noise": lambda: single(L.GaussianNoise(0.3), x=floats(4)),
    "group_normalization": lambda: single(L.GroupNormalization(2), x=floats(4)),
    "hashing": lambda: single(L.Hashing(5, output_mode="one_hot"), x=ids(50, 1).astype("int64")),
    "identity": lambda: single(L.Identity(), x=floats(4)),
    "integer_lookup": lambda: single(L.IntegerLookup(vocabulary=[3, 5, 7], output_mode="one_hot"), x=ids(9, 1).astype("int64")),
    "layer_normalization": lambda: single(L.LayerNormalization(), x=floats(4)),
    "leaky_relu": lambda: single(L.Dense(3), L.LeakyReLU(0.2), x=floats(4)),
    "masking": lambda: single(L.Masking(0.5), L.Dense(3), x=floats(3, 2)),
    "normalization": normalization,
    "permute": lambda: single(L.Permute((2, 1)), x=floats(3, 2)),
    "prelu": lambda: single(L.Dense(3), L.PReLU(), x=floats(4)),
    "relu": lambda: single(L.Dense(3), L.ReLU(max_value=1.0, negative_slope=0.1), x=floats(4)),
    "repeat_vector": lambda: single(L.RepeatVector(3), x=floats(4)),
    "rescaling": lambda: single(L.Rescaling(0.5, offset=1.0), x=floats(4)),
    "reshape": lambda: single(L.Reshape((2, 2)), x=floats(4)),
    "reversible_embedding": lambda: single(L.ReversibleEmbedding(9, 3), x=ids(9, 4)),
    "rms_normalization": lambda: single(L.RMSNormalization(), x=floats(4)),
    "softmax": lambda: single(L.Softmax(), x=floats(4)),
    "spatial_dropout1d": lambda: single(L.SpatialDropout1D(0.3), x=floats(4, 2)),
    "spatial_dropout2d": lambda: single(L.SpatialDropout2D(0.3), x=floats(3, 3, 2)),
    "spatial_dropout3d": lambda: single(L.SpatialDropout3D(0.3), x=floats(2, 2, 2, 2)),
    "spectral_normalization": lambda: single(L.SpectralNormalization(L.Dense(3)), x=floats(4)),
    "unit_normalization": lambda: single(L.UnitNormalization(), x=floats(4)),
    "up_sampling1d": lambda: single(L.UpSampling1D(2), x=floats(3, 2)),
    "up_sampling2d": lambda: single(L.UpSampling2D(2, interpolation="bilinear"), x=floats(3, 3, 2)),
    "up_sampling3d": lambda: single(L.UpSampling3D(2), x=floats(2, 2, 2, 2)),
    "zero_padding1d": lambda: single(L.ZeroPadding1D(1), x=floats(3, 2)),
    "zero_padding2d": lambda: single(L.ZeroPadding2D(1), x=floats(3, 3, 2)),
    "zero_padding3d": lambda: single(L.ZeroPadding3D(1), x=floats(2, 2, 2, 2)),
    "add": lambda: merged(L.Add(), 3),
    "average": lambda: merged(L.Average()),
    "concatenate": lambda: merged(L.Concatenate()),
    "dot": lambda: merged(L.Dot(axes=1)),
    "maximum": lambda: merged(L.Maximum()),
    "minimum": lambda: merged(L.Minimum()),
    "multiply": lambda: merged(L.Multiply()),
    "subtract": lambda: merged(L.Subtract()),
    "shared": shared,
    "nested": nested,
}
# The optimizers go in turn over the models.
OPTIMIZERS = [
    lambda: optimizers.Adam(0.01),
    lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    lambda: optimizers.RMSprop(0.01, centered=True, momentum=0.1),
    lambda: optimizers.AdamW(0.01, clipnorm=1.0),
    lambda: optimizers.Adam(0.01, amsgrad=True, use_ema=True),
    lambda: optimizers.Adamax(0.01),
    lambda: optimizers.Adagrad(0.01),
    lambda: optimizers.Adadelta(0.1),
    lambda: optimizers.Lion(0.001),
    lambda: optimizers.Ftrl(0.01),
    lambda: optimizers.Lamb(0.01),
    lambda: optimizers.Adafactor(0.01),
    lambda: optimizers.Nadam(0.01),
    lambda: optimizers.Muon(0.01),
    lambda: optimizers.ScheduleFreeAdamW(0.01),
    lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)),
    lambda: optimizers.SGD(0.01, gradient_accumulation_steps=2),
]
LOSSES = [losses.MeanSquaredError(), "mae", losses.Huber(delta=0.5), "log_cosh"]


def as_json(array):
    array = np.asarray(array)
    return {"shape": list(array.shape), "data": [float(v) for v in array.reshape(-1)]}


def from_json(json):
    return np.array(json["data"], "float32").reshape(json["shape"])


def more(model, x, y):
    return model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0).history["loss"]


def write(folder):
    os.makedirs(f"{folder}/keras", exist_ok=True)
    for number, (name, make) in enumerate(MODELS.items()):
        keras.utils.set_random_seed(number)
        try:
            model, x = make()
        except ImportError:
            print(f"{name}: Keras makes it with TensorFlow only, left out")
            continue
        y = floats(1)
        model.compile(
            OPTIMIZERS[number % len(OPTIMIZERS)](),
            LOSSES[number % len(LOSSES)],
            metrics=["mae", metrics.RootMeanSquaredError()],
        )
        more(model, x, y)
        path = f"{folder}/keras/{name}.keras"
        model.save(path)
        model.save_weights(f"{folder}/keras/{name}.weights.h5")
        case = {
            "x": [as_json(one) for one in (x if isinstance(x, list) else [x])],
            "y": as_json(y),
            "predictions": as_json(model.predict(x, verbose=0)),
            "draws": name in DRAWS,
            # Read again: with JAX, Keras cannot go on with a model whose averages became weights.
            "loss": more(keras.saving.load_model(path), x, y),
        }
        with open(f"{folder}/keras/{name}.json", "w") as out:
            json.dump(case, out)
        if number % 7 == 3:
            deflate(path)


def deflate(path):
    """The same entries, compressed."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)


def close(name, what, found, expected, tolerance):
    found, expected = np.asarray(found), np.asarray(expected)
    worst = float(np.max(np.abs(found - expected))) if found.shape == expected.shape else np.inf
    if worst <= tolerance * max(1.0, float(np.max(np.abs(expected)))):
        return 0
    print(f"{name}: {what} differs by {worst}: {found.reshape(-1)[:3]}, {expected.reshape(-1)[:3]}")
    return 1


def read(folder):
    wrong = 0
    names = sorted(name[:-5] for name in os.listdir(f"{folder}/horn") if name.endswith(".json"))
    for name in names:
        with open(f"{folder}/horn/{name}.json") as text:
            case = json.load(text)
        try:
            model = keras.saving.load_model(f"{folder}/horn/{name}.keras", safe_mode=True)
            inputs = [from_json(one) for one in case["x"]]
            kinds = [str(one.dtype) for one in model.inputs]
            x = [one.astype(kind) for one, kind in zip(inputs, kinds)]
            x = x if len(x) > 1 else x[0]
            y = from_json(case["y"])
            said = model.predict(x, verbose=0)
            wrong += close(name, "prediction", said, from_json(case["predictions"]), 1e-6)
            model.load_weights(f"{folder}/horn/{name}.weights.h5")
            said = model.predict(x, verbose=0)
            wrong += close(name, "prediction by weights", said, from_json(case["predictions"]), 1e-6)
            if not case["draws"]:
                wrong += close(name, "loss", more(model, x, y), case["loss"], 1e-5)
        except Exception as error:
            wrong += 1
            print(f"{name}: {type(error).__name__}: {str(error)[:600]}")
    print(f"Keras {keras.__version__} read {len(names)} models of horn, {wrong} disagreements")
    sys.exit(1 if wrong or not names else 0)


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
