# Finds interpreters and keeps virtual environments. Sourced by the other scripts.

# Prints the path of CPython $1 ("3.11"), or fails. PATH first, then pyenv's and uv's folders.
# One that cannot make environments (Debian's without python3-venv) does not count.
find_python() {
    local candidate
    for candidate in "$(command -v "python$1" || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1."*/bin/python \
        "$HOME/.local/share/uv/python/cpython-$1."*/bin/python; do
        if [ -x "$candidate" ] && [[ "$("$candidate" --version 2>/dev/null)" == "Python $1."* ]] &&
            "$candidate" -c "import ensurepip" 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# Makes or renews the virtual environment $1 of CPython $2 with the packages of $3.
# Nothing happens while the requirement files and the interpreter stay the same.
# Returns 1 if there is no such interpreter; what goes wrong after that ends the script.
ensure_venv() {
    local folder=$1 version=$2 requirements=$3 python stamp
    python=$(find_python "$version") || return 1
    stamp="$python $(cat requirements-test.txt "$requirements" | sha256sum | cut -c1-16)"
    if [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    echo "--- $folder: CPython $version with $requirements"
    if [[ "$("$folder/bin/python" --version 2>/dev/null)" != "Python $version."* ]]; then
        "$python" -m venv --clear "$folder" || exit 1
    fi
    "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" || exit 1
    echo "$stamp" > "$folder/.stamp"
}

# Lets the environment $1 import the package from this checkout; nothing is copied.
link_package() {
    local site
    site=$(echo "$1"/lib/python3.*/site-packages)
    echo "$PWD/python" > "$site/ferdelance.pth"
    cp python/data/purelib/ferdelance_record.pth "$site"
}
