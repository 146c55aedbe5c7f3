"""The tutorial in PyTorch, as its users write it. Arguments: CSV [--whole]."""

from turns import each, milliseconds, take_turns

import torch
from torch import nn
from tutorial import BATCH, EPOCHS, load, report, whole

# One thread is what it is fastest with here: two wait for each other at every small operation.
torch.set_num_threads(1)
torch.manual_seed(7)
x, y = map(torch.from_numpy, load())
y = y[:, None]
criterion = nn.BCEWithLogitsLoss()


def network():
    return nn.Sequential(
        nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1)
    )


def fit(model, epochs=EPOCHS):
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True)
    for _ in range(epochs):
        total, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for places in torch.randperm(len(x)).split(BATCH):
            inputs, targets = x[places], y[places]
            adam.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, targets)
            loss.backward()
            adam.step()
            total += loss.detach() * len(places)
            hits += ((outputs > 0) == (targets > 0.5)).sum()
    return total / len(x), hits / len(x)


@torch.inference_mode()
def predict(model, inputs):
    return model(inputs).sigmoid().numpy()


model = network()
if whole():
    fit(model)
    probabilities = predict(model, x)
    report(((probabilities > 0.5) == (y.numpy() > 0.5)).mean(), probabilities)
else:
    fit(model, 2)
    row = x[:1]
    take_turns(
        {
            "fit": milliseconds(lambda: fit(network())),
            "one_row": each(lambda: predict(model, row), 2000),
        }
    )
