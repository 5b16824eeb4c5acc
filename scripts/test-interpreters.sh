#!/usr/bin/env bash
# Runs the tests that need no more than NumPy on the other supported interpreters.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python.sh

for version in ${*:-3.10 3.12 3.13 3.14}; do
    if ! ensure_venv ".venv-$version" "$version" requirements-test.txt; then
        echo "--- CPython $version: skipped, no such interpreter on this machine"
        continue
    fi
    link_package ".venv-$version"
    echo "--- CPython $version"
    scripts/test-python.sh ".venv-$version/bin/python" "not slow"
done
