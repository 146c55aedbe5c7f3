"""PyTorch's layers for horn's benchmark of layers, on the same shapes."""

import math

import turns

import torch
from torch import nn

torch.set_num_threads(turns.THREADS)

SHAPES = [(128, 512), (1024, 256), (32, 64, 128)]
TABLES = [(1000, 16, 32, 10), (10_000, 64, 128, 32), (50_000, 128, 256, 64)]
TURN = 0.015


def text(lengths):
    return "x".join(map(str, lengths))


def channels_first(shape):
    """PyTorch's order of axes: of the last axis, which horn normalizes, it makes the second."""
    batch, *middle, channels = shape
    return (batch, channels, *middle)


def gaussian_dropout(x):
    return x * torch.normal(1.0, 1.0, x.shape)


def gaussian_noise(x):
    return x + torch.normal(0.0, 0.5, x.shape)


def layers(shape):
    """The layers for this shape, and the shape that each is given."""
    columns = shape[-1]
    flat = (math.prod(shape[:-1]), columns)
    # Keras's defaults: momentum 0.99, epsilon 1e-3, 32 groups.
    made = {
        "batch_norm": (nn.BatchNorm1d(columns, eps=1e-3, momentum=0.01), flat),
        "layer_norm": (nn.LayerNorm(columns, eps=1e-3), shape),
        "rms_norm": (nn.RMSNorm(columns, eps=1e-6), shape),
        "group_norm": (nn.GroupNorm(32, columns, eps=1e-3), channels_first(shape)),
        "dropout": (nn.Dropout(0.5), shape),
        "alpha_dropout": (nn.AlphaDropout(0.5), shape),
        "gaussian_dropout": (gaussian_dropout, shape),
        "gaussian_noise": (gaussian_noise, shape),
    }
    if len(shape) == 3:
        made["spatial_dropout"] = (nn.Dropout1d(0.5), channels_first(shape))
    return made


def for_a_while(job):
    """A turn of calls that fill its time."""

    def turn():
        job()
        calls = max(2, int(TURN / max(turns.seconds(job), 1e-7)))
        return turns.each(job, calls)()

    return turn


def passes(layer, x):
    """The forward pass, and both."""
    parameters = list(layer.parameters()) if isinstance(layer, nn.Module) else []
    dy = torch.ones_like(layer(x))
    wanted = [x] if x.is_floating_point() else []

    def both():
        for tensor in wanted + parameters:
            tensor.grad = None
        layer(x).backward(dy)

    return {"forward": lambda: layer(x), "both": both}


def of_layers():
    for shape in SHAPES:
        for name, (layer, given) in layers(shape).items():
            x = torch.randn(given, requires_grad=True)
            yield f"{name}:{text(shape)}", passes(layer, x)


def of_tables():
    for table in TABLES:
        rows, columns, samples, ids = table
        for name, among in [("embedding", rows), ("embedding_repeated", rows // 100)]:
            numbers = torch.arange(samples * ids) * 7919 % among
            layer = nn.Embedding(rows, columns)
            yield f"{name}:{text(table)}", passes(layer, numbers.reshape(samples, ids))


turns.take_turns(
    {
        f"{name}:{word}": for_a_while(job)
        for name, jobs in [*of_layers(), *of_tables()]
        for word, job in jobs.items()
    }
)
