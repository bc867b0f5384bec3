"""All rows, by the names that `make bench ROW=...` takes."""

from collections.abc import Callable
from typing import Final, TypeAlias

from tests.bench.bench import Bench
from tests.bench.result import Row
from tests.bench.rows import costs, growth, ingest, lists, reads, replicas, watches

Measure: TypeAlias = Callable[[Bench], list[Row]]

DEFAULT: Final[dict[str, Measure]] = {
    "ingest-stream": ingest.stream,
    "ingest-literal": ingest.literal,
    "ingest-unary": ingest.unary,
    "webhook": ingest.webhook,
    "get": reads.get,
    "batch-get": reads.batch_get,
    "list": lists.lists,
    "catch-up": watches.catch_up,
    "fan-out": watches.fan_out,
    "narrow": ingest.narrow,
    "end-to-end": watches.end_to_end,
    "mixed": reads.mixed,
    "publish": ingest.publish,
    "size": costs.size,
    "start": costs.start,
    "memory": costs.memory,
    "ready": costs.ready,
    "stalled": costs.stalled,
    "costly": costs.costly,
    **replicas.ROWS,
}
ALONE: Final[dict[str, Measure]] = {"growth": growth.growth, "ceiling": replicas.ceiling}
"""Each measured on its own, and only where it is named."""
