#!/usr/bin/env bash
# Builds the extension module and the profiler's agent into python/ferdelance.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --package ferdelance-python --package ferdelance-agent
for pair in lib_core.so:_core.abi3.so libferdelance_agent.so:_agent.so; do
    built=${CARGO_TARGET_DIR:-target}/release/${pair%:*}
    module=python/ferdelance/${pair#*:}
    if ! cmp --silent "$built" "$module"; then
        # A new file, not new contents: processes that have the old one loaded keep it.
        cp "$built" "$module.new"
        mv "$module.new" "$module"
    fi
done
