#!/usr/bin/env bash
# Lets TensorBoard's own reader read what the callback writes. It makes a virtual environment under
# target/ for it, and says so where there is no Python or no network.
#
#     tests/tensorboard/check.sh [prepare]    prepare: no more than the environment
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${CARGO_TARGET_DIR:-target}/tensorboard
command -v python3 >/dev/null || {
    echo "skipped: there is no python3"
    exit 0
}
if ! [ -x "$folder/bin/python" ] || ! "$folder/bin/python" -c "import tensorboard" 2>/dev/null; then
    python3 -m venv "$folder" && "$folder/bin/pip" install --quiet tensorboard || {
        echo "skipped: TensorBoard cannot be installed here"
        exit 0
    }
fi
[ "${1:-}" != prepare ] || exit 0
HORN_TENSORBOARD_PYTHON=$(realpath -s "$folder/bin/python") cargo test --features cli --test tensorboard
