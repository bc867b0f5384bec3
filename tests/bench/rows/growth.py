"""The rows of growth: what a store of 10,000,000 recipients and 40,000,000 events does, beside one of a hundredth."""

import time
from statistics import median
from typing import Final, NamedTuple

from tests.bench.bench import Bench
from tests.bench.processes import load, run, serve, started
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.rows.lists import bounds
from tests.bench.workload import NEW, SHARE

_TARGET: Final = Target(Kind.RATE, 0.6, 0.85)
_TIMES: Final = 100
_PER_MESSAGE: Final = 4


class _Found(NamedTuple):
    """What one store does, a second."""

    ingest: list[Sample]
    get: list[Sample]
    start: list[Sample]
    pages: dict[str, float]


def growth(bench: Bench) -> list[Row]:
    """Events in, look-ups, pages of lists and starts, a second; at 10,000,000 recipients and at 100,000.

    The list's row is that of the filter and page whose rate falls most.
    """
    large, small = _measured(bench, _TIMES), _measured(bench, 1)
    worst = min(large.pages, key=lambda name: large.pages[name] / small.pages[name])
    pages = Row("growth list", "/s", _TARGET, [Sample(large.pages[worst])], [Sample(small.pages[worst])])
    pages.details = {"worst": worst, "large": large.pages, "small": small.pages}
    return [
        Row("growth ingest", "/s", _TARGET, large.ingest, small.ingest),
        Row("growth get", "/s", _TARGET, large.get, small.get),
        pages,
        Row("growth start", "/s", _TARGET, large.start, small.start),
    ]


def _measured(bench: Bench, times: int) -> _Found:
    file = bench.folder / f"growth-{times}.db"
    messages = bench.sizes.grown_messages
    run("loads.fill", str(file), str(messages), str(_PER_MESSAGE), str(times))
    found = _Found([], [], [], {})
    for _ in range(bench.sizes.starts):
        began = time.perf_counter()
        with started(*serve(file)):
            found.start.append(Sample(1 / (time.perf_counter() - began)))
    # As many pages as the smaller store has of each filter.
    far_page = messages // bench.sizes.page // (SHARE + 1)
    with bench.server(file) as server:
        pages = run("loads.listing", server.grpc, *map(str, (*bounds(file), bench.sizes.page, far_page, 10)))
        found.pages.update({name: 1 / median(seconds) for name, seconds in pages.items()})
        for repeat in range(bench.sizes.repeats):
            known, first = str(messages * times), str(NEW + repeat * bench.sizes.events)
            found.get.append(load(server.grpc, server.pid, "get", bench.sizes.calls, 16, known))
            found.ingest.append(load(server.grpc, server.pid, "stream", bench.sizes.events, 1, first))
    file.unlink()
    return found
