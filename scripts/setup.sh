#!/usr/bin/env bash
# Installs what the build needs and the machine lacks: system packages and .venv.
# Does nothing, quickly, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python.sh

PYTHON_VERSION=${PYTHON_VERSION:-3.11}
# Debian's and Ubuntu's names. clang is for the comparisons with C only.
PACKAGES=(gcc g++ make binutils llvm-22-dev libpolly-22-dev libffi-dev libzstd-dev zlib1g-dev clang-22)
find_python "$PYTHON_VERSION" > /dev/null || PACKAGES+=("python$PYTHON_VERSION-venv")

missing=()
if command -v dpkg-query > /dev/null; then
    for package in "${PACKAGES[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
    done
elif [ ! -x "${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}/bin/llvm-config" ]; then
    missing=("${PACKAGES[@]}")
fi
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    if command -v apt-get > /dev/null && "${as_root[@]}" true 2> /dev/null; then
        echo "--- system packages: ${missing[*]}"
        "${as_root[@]}" apt-get update -q=2
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q=2 --no-install-recommends "${missing[@]}" > /dev/null
    else
        echo "These packages are missing; install them, then run make again:" >&2
        echo "    sudo apt-get install ${missing[*]}" >&2
        echo "(On other systems: LLVM 22 with its static libraries, in /usr/lib/llvm-22" >&2
        echo "or where LLVM_SYS_221_PREFIX says.)" >&2
        exit 1
    fi
fi

if ! command -v cargo > /dev/null; then
    echo "Rust is missing: install it with rustup, version 1.95 or later, then run make again." >&2
    exit 1
fi

if ! ensure_venv .venv "$PYTHON_VERSION" requirements-dev.txt; then
    echo "CPython $PYTHON_VERSION is missing (PYTHON_VERSION=3.12 make ... takes another one, 3.11 or later)." >&2
    exit 1
fi
link_package .venv
