"""What a run found, as it is kept: `docs/bench.json` for programs, `docs/bench.svg` for people."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pysqlite3.dbapi2 as sqlite

from tests.bench.picture import draw
from tests.bench.result import Row

FOLDER: Final = Path(__file__).parents[2] / "docs"
_LIBRARIES: Final = ("grpcio", "protobuf", "msgspec", "uvicorn", "starlette", "sqlite-utils", "transitions")


def machine() -> dict[str, object]:
    """What was measured, where and when."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite.sqlite_version,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """The whole table with every sample, and whether it means anything."""
    return {
        "machine": machine(),
        "void": [row.void for row in rows if row.void],
        "rows": [_row(row) for row in rows],
    }


def write(rows: Sequence[Row], folder: Path = FOLDER) -> None:
    """Keep the table."""
    found = as_json(rows)
    (folder / "bench.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "bench.svg").write_text(draw(rows, str(found["machine"]["date"])), encoding="utf-8")


def _row(row: Row) -> dict[str, object]:
    kind, target, aim, bound = row.target
    return {
        "name": row.name,
        "unit": row.unit,
        "ours": row.figure,
        "limit": row.limit_figure,
        "compared": row.compared,
        "target": {"is": kind.value, "value": target, "aim": aim, "bound": bound},
        "met": row.reached >= 1,
        "spread": row.spread,
        "cpu_seconds_per_thousand": row.cpu,
        "p99_seconds": row.p99,
        "void": row.void,
        "samples": {
            "ours": [sample._asdict() for sample in row.ours],
            "limit": [sample._asdict() for sample in row.limit],
        },
        "details": row.details,
    }


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
