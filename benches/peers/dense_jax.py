"""A stack of dense layers in JAX, an epoch one compiled program. Arguments: see dense.py."""

from turns import rate, take_turns

import jax
import jax.numpy as jnp
import numpy as np
import optax
from dense import BATCH, BINARY, CHUNK, ROWS, WIDTHS, data

inputs, classes = data()
x, y = jnp.asarray(inputs), jnp.asarray(classes)
adam = optax.adam(1e-3, eps=1e-7)


def initial(key):
    glorot = jax.nn.initializers.glorot_uniform()
    shapes = list(zip(WIDTHS, WIDTHS[1:]))
    keys = jax.random.split(key, len(shapes))
    return [(glorot(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes)]


def logits(weights, values):
    *hidden, (kernel, bias) = weights
    for w, b in hidden:
        values = jax.nn.relu(values @ w + b)
    return values @ kernel + bias


def loss(weights, values, targets):
    z = logits(weights, values)
    if BINARY:
        costs = optax.sigmoid_binary_cross_entropy(z[:, 0], targets)
        hits = (z[:, 0] > 0) == (targets > 0)
    else:
        costs = optax.softmax_cross_entropy_with_integer_labels(z, targets)
        hits = z.argmax(1) == targets
    return costs.mean(), (costs.sum(), hits.sum())


def step(state, places):
    weights, moments = state
    gradients, sums = jax.grad(loss, has_aux=True)(weights, x[places], y[places])
    updates, moments = adam.update(gradients, moments)
    return (optax.apply_updates(weights, updates), moments), sums


def whole_epoch(state, key):
    order = jax.random.permutation(key, ROWS)
    full = ROWS // BATCH * BATCH
    state, sums = jax.lax.scan(step, state, order[:full].reshape(-1, BATCH))
    if full < ROWS:
        state, _ = step(state, order[full:])
    return state, sums


compiled = jax.jit(whole_epoch, donate_argnums=0)
start = initial(jax.random.key(7))
state, key = (start, adam.init(start)), jax.random.key(1)


def epoch():
    global state, key
    key, own = jax.random.split(key)
    state, sums = jax.block_until_ready(compiled(state, own))
    return sums


@jax.jit
def activate(weights, values):
    z = logits(weights, values)
    return jax.nn.sigmoid(z) if BINARY else jax.nn.softmax(z)


def predict():
    for place in range(0, ROWS, CHUNK):
        np.asarray(activate(state[0], inputs[place : place + CHUNK]))


for warm_up in (epoch, epoch, predict, predict):
    warm_up()
take_turns({"fit": rate(epoch, ROWS), "predict": rate(predict, ROWS)})
