#!/bin/sh
# Make the environment that a make target needs: setup.sh server|dev|generate|fuzz|compat-oldest|compat-newest.
# A second call with nothing changed does nothing and needs no network.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Prints the version of a Python; fails for what is older than 3.11 or does not run, as a version manager's shim may not.
version() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3]); sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        version "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON is not a Python 3.11 or newer that runs"
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if version "$candidate" >/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer on PATH: install one, or name it with PYTHON=/path/to/python3 make ..."
}

is_usable() {
    [ -x "$folder/bin/python" ] && found=$(version "$folder/bin/python") || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$found" ]
}

is_installed() {
    for name in $stamps; do
        if [ -f "$folder/$name" ] && [ "$(cat "$folder/$name")" = "$wanted" ]; then return 0; fi
    done
    return 1
}

make_environment() {
    python=$(find_python)
    rm -rf "$folder"
    if command -v uv >/dev/null; then
        output=$(uv venv --python "$python" "$folder" 2>&1) && return
    else
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$python lacks the venv module: install it (Debian, Ubuntu: apt install python3-venv) and try again"
        output=$("$python" -m venv "$folder" 2>&1) && return
    fi
    rm -rf "$folder"
    echo "$output" >&2
    fail "$python could not make the virtual environment $folder"
}

run_installer() {
    if command -v uv >/dev/null; then
        uv pip install --python "$folder/bin/python" "$@"
    else
        [ -x "$folder/bin/pip" ] || "$folder/bin/python" -m ensurepip
        "$folder/bin/python" -m pip install --quiet --retries 2 --disable-pip-version-check \
            --root-user-action=ignore --no-input "$@"
    fi
}

install() {
    rm -f "$folder"/.installed-*
    log=$folder/setup.log
    if run_installer "$@" >"$log" 2>&1; then
        echo "$wanted" >"$folder/.installed-$mode"
        return
    fi
    case $(cat "$log") in
    *"onnection broken"* | *"name resolution"* | *"timed out"* | *"error sending request"*)
        fail "the package index cannot be reached: connect to the network and try again (details: $log)" ;;
    esac
    tail -n 20 "$log" >&2
    fail "the libraries could not be installed: the reason stands above, and in $log"
}

# Prints constraints.txt with the oldest releases that the client's own requirements admit.
oldest() {
    awk -F '[ ">=,]+' '
        /^dependencies = / { inside = 1; next }
        /^]/ { inside = 0 }
        inside { oldest[$2] = 1; print $2 "==" $3 }
        FILENAME == "constraints.txt" && !($1 in oldest)
    ' pyproject.toml constraints.txt
}

mode=${1:-}
folder=.venv
stamps=".installed-$mode"
inputs="pyproject.toml constraints.txt"
case $mode in
server)
    stamps=".installed-server .installed-dev"
    set -- --constraint constraints.txt --editable '.[server]' ;;
dev)
    set -- --constraint constraints.txt --editable '.[server,dev]' ;;
generate)
    folder=.venv-generate
    inputs=protos/generator-requirements.txt
    set -- --requirement "$inputs" ;;
fuzz)
    folder=.venv-fuzz
    set -- --constraint constraints.txt --only-binary atheris --editable '.[server]' atheris ;;
compat-oldest)
    folder=.venv-compat-oldest
    set -- --constraint "$folder/oldest.txt" --editable . pytest pytest-asyncio pytest-xdist ;;
compat-newest)
    folder=.venv-compat-newest
    set -- --constraint constraints.txt --editable . pytest pytest-asyncio pytest-xdist ;;
*)
    fail "usage: setup.sh server|dev|generate|fuzz|compat-oldest|compat-newest" ;;
esac
# shellcheck disable=SC2086  # a list of names without spaces
wanted="$PWD $(cksum $inputs)"

if is_usable; then
    if is_installed; then exit 0; fi
else
    make_environment
fi
[ "$mode" != compat-oldest ] || oldest >"$folder/oldest.txt"
echo "setup: installing into $folder (only when something changed)" >&2
install "$@"
