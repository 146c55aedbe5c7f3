"""Writes configs.json: what Keras writes for each of its objects, and the strings that name them.

    KERAS_BACKEND=jax python tests/golden/configs.py

The layers that Keras builds on TensorFlow (Hashing, the lookups) are left out where that is absent.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402
from keras import (  # noqa: E402
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from keras.optimizers import schedules  # noqa: E402

# Arguments without which an object cannot be made.
NEEDED = {
    "Constant": {"value": 0.5},
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 10},
    "PiecewiseConstantDecay": {"boundaries": [2, 5], "values": [0.3, 0.2, 0.1]},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": 3},
    "Dense": {"units": 3},
    "EinsumDense": {"equation": "ab,bc->ac", "output_shape": 3},
    "Embedding": {"input_dim": 5, "output_dim": 2},
    "ReversibleEmbedding": {"input_dim": 5, "output_dim": 2},
    "Activation": {"activation": "relu"},
    "Dropout": {"rate": 0.25},
    "AlphaDropout": {"rate": 0.25},
    "GaussianDropout": {"rate": 0.25},
    "GaussianNoise": {"stddev": 0.25},
    "SpatialDropout1D": {"rate": 0.25},
    "SpatialDropout2D": {"rate": 0.25},
    "SpatialDropout3D": {"rate": 0.25},
    "Permute": {"dims": [2, 1]},
    "RepeatVector": {"n": 3},
    "Reshape": {"target_shape": [3, 2]},
    "Rescaling": {"scale": 0.5},
    "CategoryEncoding": {"num_tokens": 4},
    "Discretization": {"bin_boundaries": [0.0, 1.0]},
    "Hashing": {"num_bins": 7},
    "IntegerLookup": {"vocabulary": [3, 5]},
    "StringLookup": {"vocabulary": ["a", "b"]},
    "InputLayer": {"shape": [4]},
}

FAMILIES = {
    "losses": (
        losses,
        """BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy
        BinaryFocalCrossentropy CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CTC
        KLDivergence Poisson Hinge SquaredHinge CategoricalHinge MeanSquaredError MeanAbsoluteError
        MeanAbsolutePercentageError MeanSquaredLogarithmicError Huber LogCosh CosineSimilarity Dice
        Tversky Circle""",
    ),
    "metrics": (
        metrics,
        """Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy
        TopKCategoricalAccuracy SparseTopKCategoricalAccuracy AUC Precision Recall TruePositives
        TrueNegatives FalsePositives FalseNegatives PrecisionAtRecall RecallAtPrecision
        SensitivityAtSpecificity SpecificityAtSensitivity F1Score FBetaScore IoU BinaryIoU MeanIoU
        OneHotIoU OneHotMeanIoU Hinge SquaredHinge CategoricalHinge BinaryCrossentropy
        CategoricalCrossentropy SparseCategoricalCrossentropy KLDivergence Poisson CosineSimilarity
        LogCoshError MeanSquaredError RootMeanSquaredError MeanAbsoluteError
        MeanAbsolutePercentageError MeanSquaredLogarithmicError R2Score PearsonCorrelation
        ConcordanceCorrelation Mean Sum""",
    ),
    "optimizers": (
        optimizers,
        """SGD RMSprop Adam AdamW Adamax Nadam Adagrad Adadelta Adafactor Ftrl Lion Lamb Muon
        ScheduleFreeAdamW""",
    ),
    "schedules": (
        schedules,
        """ExponentialDecay PiecewiseConstantDecay PolynomialDecay InverseTimeDecay CosineDecay
        CosineDecayRestarts""",
    ),
    "initializers": (
        initializers,
        """Zeros Ones Constant Identity RandomNormal RandomUniform TruncatedNormal VarianceScaling
        GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Orthogonal STFT""",
    ),
    "regularizers": (regularizers, "L1 L2 L1L2 OrthogonalRegularizer"),
    "constraints": (constraints, "MaxNorm MinMaxNorm NonNeg UnitNorm"),
    "layers": (
        layers,
        """InputLayer Dense EinsumDense Embedding ReversibleEmbedding Identity Masking Activation
        ELU LeakyReLU PReLU ReLU Softmax BatchNormalization LayerNormalization GroupNormalization
        RMSNormalization UnitNormalization Dropout AlphaDropout GaussianDropout GaussianNoise
        SpatialDropout1D SpatialDropout2D SpatialDropout3D ActivityRegularization Flatten Reshape
        Permute RepeatVector Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D
        ZeroPadding1D ZeroPadding2D ZeroPadding3D Normalization Discretization CategoryEncoding
        Hashing IntegerLookup StringLookup Rescaling""",
    ),
}


def plain(value):
    """Dtype policies as their names, tuples as lists, and nothing that names a Python module."""
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return value["config"]["name"]
        if "class_name" in value:
            return {"class_name": value["class_name"], "config": plain(value["config"])}
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if hasattr(value, "item"):
        return value.item()
    return value


def names(module, cls, own_name):
    """The strings for which Keras makes this class, or takes the function that it wraps."""
    if not hasattr(module, "get"):
        return []
    source = __import__(module.get.__module__, fromlist=["ALL_OBJECTS_DICT"])
    found = getattr(source, "ALL_OBJECTS_DICT", {})
    function = own_name.removesuffix("_loss")
    return sorted(
        name
        for name, known in found.items()
        if known is cls or (not isinstance(known, type) and known.__name__ == function)
    )


def main():
    cases = []
    for family, (module, classes) in FAMILIES.items():
        for class_name in classes.split():
            cls = getattr(module, class_name)
            try:
                made = cls(**NEEDED.get(class_name, {}))
            except ImportError:
                continue
            written = plain(keras.saving.serialize_keras_object(made))
            own_name = getattr(made, "name", "")
            # Names that Keras counts up in a process say nothing.
            if family in ("layers", "optimizers"):
                written["config"].pop("name")
            cases.append(
                {
                    "family": family,
                    "object": written,
                    "given": list(NEEDED.get(class_name, {})),
                    "names": names(module, cls, own_name),
                }
            )
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = f'{{"keras": "{keras.__version__}", "cases": [\n{lines}\n]}}\n'
    pathlib.Path(__file__).with_suffix(".json").write_text(text)


main()
