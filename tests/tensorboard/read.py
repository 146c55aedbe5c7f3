"""Prints as JSON what TensorBoard's own reader finds in a folder of event files.

    python tests/tensorboard/read.py LOG_DIR
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, TENSORS
from tensorboard.util import tensor_util

found = {}
for run in ("train", "validation"):
    folder = pathlib.Path(sys.argv[1]) / run
    if not folder.is_dir():
        continue
    reader = EventAccumulator(str(folder), size_guidance={TENSORS: 0})
    reader.Reload()
    for tag in reader.Tags()["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        events = [
            [event.step, tensor_util.make_ndarray(event.tensor_proto).tolist()]
            for event in reader.Tensors(tag)
        ]
        found[f"{run}/{tag}"] = {"plugin": plugin, "events": events}
print(json.dumps(found))
