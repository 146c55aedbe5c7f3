#!/usr/bin/env bash
# Lets ONNX's own checker and ONNX Runtime read what `export` writes, and predict. It makes a virtual
# environment under target/ for them, and says so where there is no Python or no network.
#
#     tests/onnx/check.sh [prepare]    prepare: no more than the environment
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${CARGO_TARGET_DIR:-target}/onnx
command -v python3 >/dev/null || {
    echo "skipped: there is no python3"
    exit 0
}
if ! [ -x "$folder/bin/python" ] || ! "$folder/bin/python" -c "import onnx, onnxruntime" 2>/dev/null; then
    python3 -m venv "$folder" && "$folder/bin/pip" install --quiet onnx onnxruntime || {
        echo "skipped: ONNX Runtime cannot be installed here"
        exit 0
    }
fi
[ "${1:-}" != prepare ] || exit 0
HORN_ONNX_PYTHON=$(realpath -s "$folder/bin/python") cargo test --features cli --test onnx -- --nocapture
