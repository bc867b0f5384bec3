#!/bin/sh
# Run the client's tests with the oldest and the newest libraries that a light install admits. The server that they speak
# to runs in the main environment.
set -eu
cd "$(dirname "$0")/.."
for age in oldest newest; do
    sh scripts/setup.sh "compat-$age"
    echo "compat: the $age libraries"
    MSGSTATE_TEST_SERVER_PYTHON=$PWD/.venv/bin/python MSGSTATE_TEST_LIGHT=yes \
        ".venv-compat-$age/bin/python" -m pytest -q -n 4 -m "not slow" tests/client
done
