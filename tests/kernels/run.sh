#!/usr/bin/env bash
# Runs the unit tests of the kernels, which hold all unsafe code, under AddressSanitizer.
#
# `tests/kernels/run.sh` runs them, `tests/kernels/run.sh build` does no more than build. It needs a
# nightly toolchain, and says so where there is none.
set -euo pipefail
cd "$(dirname "$0")"

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "skipped: there is no nightly toolchain ('rustup toolchain install nightly')"
    exit 0
fi
host=$(rustc -vV | sed -n 's/^host: //p')
folder=$(realpath -m "${CARGO_TARGET_DIR:-../../target}")
export CARGO_TARGET_DIR="$folder/asan" RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address"
# The versions that the library is tested with.
cp ../../Cargo.lock .
[ "${1:-}" = build ] && set -- --no-run || set --
cargo +nightly test --lib --target "$host" "$@"
