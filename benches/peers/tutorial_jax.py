"""The tutorial in JAX: all 150 epochs, with shuffles, losses and accuracies, one compiled program.

Arguments: CSV [--whole].
"""

from turns import each, milliseconds, take_turns

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from tutorial import BATCH, EPOCHS, WIDTHS, load, report, whole

x, y = map(jnp.asarray, load())
rows = len(y)
adam = optax.adam(1e-3, eps=1e-7)


def initial(key):
    glorot = jax.nn.initializers.glorot_uniform()
    shapes = list(zip(WIDTHS, WIDTHS[1:]))
    keys = jax.random.split(key, len(shapes))
    return [(glorot(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes)]


# All weights in one vector, so that Adam's step is one loop: faster here than six small ones.
start, unravel = ravel_pytree(initial(jax.random.key(7)))


def logits(weights, inputs):
    *hidden, (kernel, bias) = unravel(weights)
    for w, b in hidden:
        inputs = jax.nn.relu(inputs @ w + b)
    return (inputs @ kernel + bias)[:, 0]


def loss(weights, inputs, targets):
    z = logits(weights, inputs)
    cost = optax.sigmoid_binary_cross_entropy(z, targets).sum()
    return cost / len(targets), (cost, jnp.sum((z > 0) == (targets > 0.5)))


def step(state, places):
    weights, moments = state
    gradients, sums = jax.grad(loss, has_aux=True)(weights, x[places], y[places])
    updates, moments = adam.update(gradients, moments)
    return (optax.apply_updates(weights, updates), moments), sums


def epoch(state, key):
    order = jax.random.permutation(key, rows)
    full = rows // BATCH * BATCH
    state, sums = jax.lax.scan(step, state, order[:full].reshape(-1, BATCH))
    state, rest = step(state, order[full:])
    return state, [(s.sum() + r) / rows for s, r in zip(sums, rest)]


@jax.jit
def train(weights, key):
    keys = jax.random.split(key, EPOCHS)
    (weights, _), history = jax.lax.scan(epoch, (weights, adam.init(weights)), keys)
    return weights, history


predict = jax.jit(lambda weights, inputs: jax.nn.sigmoid(logits(weights, inputs)))


def fit():
    return jax.block_until_ready(train(start, jax.random.key(1)))


weights, _ = fit()
if whole():
    probabilities = np.asarray(predict(weights, x))
    report(np.mean((probabilities > 0.5) == (np.asarray(y) > 0.5)), probabilities)
else:
    row = np.asarray(x[:1])
    one = lambda: np.asarray(predict(weights, row))
    one()
    take_turns({"fit": milliseconds(fit, tries=7), "one_row": each(one, 2000)})
