"""Prints the versions of the peers in one line."""

import platform
from importlib import metadata

NAMES = {
    "keras": "Keras",
    "torch": "PyTorch",
    "jax": "JAX",
    "optax": "Optax",
    "scikit-learn": "scikit-learn",
    "numpy": "NumPy",
}


def version(package):
    try:
        return f"{NAMES[package]} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {NAMES[package]}"


print(f"Python {platform.python_version()}, " + ", ".join(map(version, NAMES)))
