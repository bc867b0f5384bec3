"""What a run found, as it is kept in `docs/`: `bench.json`, and what is made of it, a picture and the end of a page."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pysqlite3.dbapi2 as sqlite

from tests.bench.picture import draw
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.table import markdown

FOLDER: Final = Path(__file__).parents[2] / "docs"
HEADING: Final = "## The last run\n"
_LIBRARIES: Final = ("grpcio", "protobuf", "msgspec", "uvicorn", "starlette", "sqlite-utils", "transitions")


def machine() -> dict[str, object]:
    """What was measured, where and when."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite.sqlite_version,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """The whole table with every sample."""
    return {"machine": machine(), "rows": [_row(row) for row in rows]}


def write(rows: Sequence[Row], folder: Path = FOLDER) -> None:
    """Keep the rows, each in place of what was kept of it; those that were not measured stay."""
    file = folder / "bench.json"
    kept = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
    found = as_json(rows)
    new = {row["name"]: row for row in found["rows"]}
    found["rows"] = [*(new.pop(row["name"], row) for row in kept), *new.values()]
    file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "bench.svg").write_text(draw(read(found), str(found["machine"]["date"])), encoding="utf-8")
    page = folder / "performance.md"
    page.write_text(page.read_text(encoding="utf-8").partition(HEADING)[0] + section(found), encoding="utf-8")


def section(found: Mapping[str, Any]) -> str:
    """The section that ends docs/performance.md: where and when it was measured, the picture and the table."""
    at = found["machine"]
    where = (
        f"{at['date']}, {at['processor']}, {at['cores']} cores, Python {at['python']}, SQLite {at['sqlite']}, "
        f"grpcio {at['libraries']['grpcio']}"
    )
    picture = "![How much of its target each row reaches; the table below has the same figures](bench.svg)"
    return f"{HEADING}\n{where}.\n\n{picture}\n\n{markdown(read(found))}\n"


def read(found: Mapping[str, Any]) -> list[Row]:
    """The rows of what was kept."""
    return [
        Row(
            name=row["name"],
            unit=row["unit"],
            target=Target(Kind(row["target"]["is"]), *(row["target"][name] for name in ("value", "aim", "bound"))),
            ours=[Sample(**sample) for sample in row["samples"]["ours"]],
            limit=[Sample(**sample) for sample in row["samples"]["limit"]],
            void=row["void"],
            details=row["details"],
        )
        for row in found["rows"]
    ]


def _row(row: Row) -> dict[str, object]:
    kind, target, aim, bound = row.target
    return {
        "name": row.name,
        "commit": _commit(),
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


@cache
def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
