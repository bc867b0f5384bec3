#!/bin/sh
# Write the stubs of protos/ below a folder: generate.sh FOLDER.
set -eu
cd "$(dirname "$0")/.."
rm -f "$1"/msgstate/v1/*_pb2*.py*
PATH="$PWD/.venv-generate/bin:$PATH"
protoc() { python -m grpc_tools.protoc --proto_path=protos "$@"; }
protoc --python_out="$1" --mypy_out="quiet:$1" protos/msgstate/v1/*.proto
protoc --grpc_python_out="$1" --mypy_grpc_out="quiet:$1" protos/msgstate/v1/*_service.proto
