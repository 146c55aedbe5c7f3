"""The tutorial in scikit-learn. Arguments: CSV [--whole]."""

from turns import each, milliseconds, take_turns

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from tutorial import BATCH, EPOCHS, WIDTHS, load, report, whole

# It warns that 150 epochs are not enough for its own test of convergence, switched off here.
warnings.simplefilter("ignore", ConvergenceWarning)
x, y = load()


def network():
    return MLPClassifier(
        hidden_layer_sizes=WIDTHS[1:-1],
        batch_size=BATCH,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        alpha=0.0,
        epsilon=1e-7,
        random_state=7,
    )


model = network().fit(x, y)
if whole():
    report(model.score(x, y), model.predict(x))
else:
    row = x[:1]
    take_turns(
        {
            "fit": milliseconds(lambda: network().fit(x, y)),
            "one_row": each(lambda: model.predict_proba(row), 500),
        }
    )
