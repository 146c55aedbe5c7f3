"""Checks `FOLDER/<name>.onnx` and predicts with ONNX Runtime what `FOLDER/<name>.json` says."""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5


def array(case):
    # What is not a number in JSON is null.
    data = [np.nan if value is None else value for value in case["data"]]
    return np.array(data, "float32").reshape(case["shape"])


def check(path):
    """What is wrong with a file."""
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    for one in [*session.get_inputs(), *session.get_outputs()]:
        if one.shape[0] != "batch":
            yield f"`{one.name}` has the shape {one.shape}"
    for batch in json.loads(path.with_suffix(".json").read_text())["batches"]:
        inputs = [array(one) for one in batch["inputs"]]
        found = session.run(None, dict(zip(names, inputs, strict=True)))
        for got, want in zip(found, map(array, batch["outputs"]), strict=True):
            if got.shape != want.shape:
                yield f"{len(inputs[0])} rows: shape {got.shape} in place of {want.shape}"
                continue
            if not np.allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
                yield f"{len(inputs[0])} rows: off by {np.nanmax(np.abs(got - want))}"


def main(folder):
    paths = sorted(pathlib.Path(folder).glob("*.onnx"))
    right = 0
    for path in paths:
        try:
            wrong = list(check(path))
        except Exception as error:
            wrong = [f"{type(error).__name__}: {str(error)[:600]}"]
        for what in wrong:
            print(f"{path.stem}: {what}")
        right += not wrong
    print(f"ONNX {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}, files that agree: {right}")
    sys.exit(right != len(paths) or not paths)


if __name__ == "__main__":
    main(sys.argv[1])
