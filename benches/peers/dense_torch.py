"""A stack of dense layers in PyTorch, eager or with --compile. Arguments: see dense.py."""

from turns import THREADS, rate, take_turns

import torch
from dense import BATCH, BINARY, CHUNK, ROWS, WIDTHS, arguments, data, products
from torch import nn

torch.set_num_threads(THREADS)
torch.manual_seed(7)
x, y = map(torch.from_numpy, data())
if BINARY:
    y = y[:, None].float()


def network():
    layers = []
    for inputs, units in zip(WIDTHS, WIDTHS[1:]):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


model = network()
adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True)
criterion = nn.BCEWithLogitsLoss() if BINARY else nn.CrossEntropyLoss()


def forward(inputs, targets):
    outputs = model(inputs)
    hits = (outputs > 0) == (targets > 0.5) if BINARY else outputs.argmax(1) == targets
    return criterion(outputs, targets), hits.sum()


def activate(inputs):
    outputs = model(inputs)
    return outputs.sigmoid() if BINARY else outputs.softmax(1)


if arguments.compile:
    forward, activate = torch.compile(forward), torch.compile(activate)


def epoch():
    total, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    for places in torch.randperm(ROWS).split(BATCH):
        adam.zero_grad()
        loss, hit = forward(x[places], y[places])
        loss.backward()
        adam.step()
        total += loss.detach() * len(places)
        hits += hit
    return total.item() / ROWS, hits.item() / ROWS


@torch.inference_mode()
def predict():
    for inputs in x.split(CHUNK):
        activate(inputs).numpy()


matrices = [(torch.rand(m, k), torch.rand(k, n), torch.empty(m, n)) for m, k, n in products()]


def multiply():
    for _ in range(ROWS // BATCH):
        for left, right, out in matrices:
            torch.mm(left, right, out=out)


for warm_up in (epoch, epoch, predict, predict, multiply):
    warm_up()
take_turns(
    {
        "fit": rate(epoch, ROWS),
        "predict": rate(predict, ROWS),
        "products": rate(multiply, ROWS // BATCH * BATCH),
    }
)
