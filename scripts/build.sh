#!/usr/bin/env bash
# Builds the extension module into python/ferdelance.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --package ferdelance-python
built=${CARGO_TARGET_DIR:-target}/release/lib_core.so
module=python/ferdelance/_core.abi3.so
if ! cmp --silent "$built" "$module"; then
    # A new file, not new contents: processes that have the old one loaded keep it.
    cp "$built" "$module.new"
    mv "$module.new" "$module"
fi
