#!/usr/bin/env bash
# Sets up the programs that horn is timed beside: a Python virtual environment with Keras, PyTorch,
# JAX and scikit-learn, from PyPI (some 5 GB). Only `cargo bench --bench jobs` looks at it, and
# leaves the peers out where it is absent: nothing else here needs Python.
#
# `benches/peers.sh [FOLDER]`; FOLDER is target/peers unless told, or HORN_PEERS_ENV where that is
# set. Run again, it changes nothing that is there. To be rid of it, remove the folder.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-${HORN_PEERS_ENV:-${CARGO_TARGET_DIR:-target}/peers}}
python=${PYTHON:-python3}
packages=(keras torch jax optax scikit-learn)

command -v "$python" >/dev/null || {
    echo "there is no $python: install Python 3.11 or newer, or name one with PYTHON=..." >&2
    exit 1
}
cat <<END
This makes a Python virtual environment in
    $folder
with ${packages[*]} from PyPI, to time horn beside them.
Nothing else in this repository needs Python; remove the folder to be rid of it.
END

[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}"

echo
"$folder/bin/python" benches/peers/versions.py
echo
if [ "$folder" = "${HORN_PEERS_ENV:-${CARGO_TARGET_DIR:-target}/peers}" ]; then
    echo "ready: cargo bench --bench jobs"
else
    echo "ready: HORN_PEERS_ENV=$folder cargo bench --bench jobs"
fi
command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
    echo "there is no C++ compiler, without which torch.compile is left out"
