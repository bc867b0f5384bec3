#!/bin/sh
# Write the stubs of protos/ and the client without an event loop below a folder: generate.sh FOLDER.
set -eu
cd "$(dirname "$0")/.."
rm -f "$1"/msgstate/v1/*_pb2*.py*
PATH="$PWD/.venv-generate/bin:$PATH"
protoc() { python -m grpc_tools.protoc --proto_path=protos "$@"; }
protoc --python_out="$1" --mypy_out="quiet:$1" protos/msgstate/v1/*.proto
protoc --grpc_python_out="$1" --mypy_grpc_out="quiet:$1" protos/msgstate/v1/*_service.proto

sync=$1/msgstate/_sync
.venv/bin/python scripts/make_sync.py "$sync"
.venv/bin/ruff check --config pyproject.toml --select I,F401 --fix --exit-zero --quiet "$sync"
.venv/bin/ruff format --config pyproject.toml --quiet "$sync"
