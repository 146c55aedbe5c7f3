"""What the peers' larger networks share: the arguments, and data drawn at random.

Arguments: --widths 784-512-512-10 --rows 12800 --batch 128 [--compile].
With one output it learns two classes, otherwise as many as there are outputs.
"""

import argparse

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--widths", required=True)
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--compile", action="store_true")
arguments = parser.parse_args()

ROWS, BATCH = arguments.rows, arguments.batch
WIDTHS = [int(width) for width in arguments.widths.split("-")]
BINARY = WIDTHS[-1] == 1
# Rows predicted at a time.
CHUNK = 1024


def data():
    """The inputs (rows, columns) and the classes (rows,)."""
    random = np.random.default_rng(7)
    x = random.random((ROWS, WIDTHS[0]), dtype="float32")
    return x, random.integers(0, max(WIDTHS[-1], 2), ROWS)


def products():
    """The shapes (m, k, n) of the products that a step of training is made of."""
    shapes = []
    for place, (inputs, units) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        shapes.append((BATCH, inputs, units))
        shapes.append((inputs, BATCH, units))
        # Nobody asks for the gradients of the inputs of the first layer.
        if place > 0:
            shapes.append((BATCH, units, inputs))
    return shapes
