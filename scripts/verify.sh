#!/bin/sh
# Prove that everything generated is fresh, and that the contract is well formed.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

sh scripts/generate.sh "$fresh"
.venv/bin/msgstate diagram >"$fresh/lifecycle.mmd"
stale=
diff -r -u --exclude=__pycache__ --exclude=__init__.py client/msgstate/v1 "$fresh/msgstate/v1" || stale=yes
diff -r -u --exclude=__pycache__ --exclude=__init__.py --exclude=transport.py client/msgstate/_sync "$fresh/msgstate/_sync" ||
    stale=yes
diff -u docs/lifecycle.mmd "$fresh/lifecycle.mmd" || stale=yes
.venv/bin/python scripts/api_docs.py | diff -u docs/api.md - || stale=yes
if [ -n "$stale" ]; then
    echo "verify: generated files are stale: run make generate" >&2
    exit 1
fi
.venv/bin/buf lint
.venv/bin/buf format --diff --exit-code
.venv/bin/buf breaking --against protos/released.binpb
