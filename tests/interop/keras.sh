#!/bin/sh
# Keras reads what horn writes, and horn what Keras writes: models of every layer, their predictions
# and one more epoch of training. Needs Python with venv; Keras is installed once, under target/; `keras.sh prepare`
# does no more than that.
set -eu
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"
if [ -n "${HORN_PYTHON:-}" ]; then
    python="$HORN_PYTHON"
else
    if ! command -v python3 >/dev/null || ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        echo "interop with Keras: NOT RUN, there is no Python 3 with venv here"
        exit 0
    fi
    python="$target/interop-venv/bin/python"
    if [ ! -x "$python" ] || ! "$python" -c 'import keras, jax' 2>/dev/null; then
        python3 -m venv "$target/interop-venv"
        if ! "$python" -m pip install --quiet 'keras==3.15.*' jax h5py; then
            echo "interop with Keras: NOT RUN, Keras could not be installed"
            exit 0
        fi
    fi
fi
[ "${1:-}" != prepare ] || exit 0
folder="$target/interop"
rm -rf "$folder"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
export KERAS_BACKEND=jax TF_CPP_MIN_LOG_LEVEL=3
"$python" tests/interop/models.py write "$folder"
HORN_INTEROP="$folder" cargo test --features cli --quiet --test interop -- --ignored --nocapture
"$python" tests/interop/models.py read "$folder"
