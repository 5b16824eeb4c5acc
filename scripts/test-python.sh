#!/usr/bin/env bash
# Runs the Python tests by an interpreter: test-python.sh PYTHON ["not slow"].
#
# What measures time or counts processes runs alone; the rest on all processors, a file at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 which=${2:+and $2}

"$python" -m pytest tests/python -q -n auto --dist loadfile -m "not alone $which"
"$python" -m pytest tests/python -q --durations=5 -m "alone $which"
