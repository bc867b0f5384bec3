"""The row of lists: each filter, its first page and its 1,000th, beside the index that is ideal for it."""

from contextlib import closing
from pathlib import Path
from statistics import median

import pysqlite3.dbapi2 as sqlite

from tests.bench.bench import Bench
from tests.bench.processes import bare, run, started
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.workload import SHARE


def lists(bench: Bench) -> list[Row]:
    """`ListMessageStatuses` of each filter over 1,000,000 recipients, 50 a page, beside a bare server's ideal index.

    The row is that of the filter and page which compare worst; all are in the JSON.
    """
    arguments = [str(number) for number in (*bounds(bench.filled), bench.sizes.page, bench.sizes.far_page, 10)]
    with bench.server(bench.filled) as server:
        ours = run("loads.listing", server.grpc, *arguments)
    with started(*bare("bare_server", "list", str(bench.copy_of_filled("ideal.db")))) as server:
        limit = run("loads.listing", server.grpc, *arguments)
    ratios = {name: median(ours[name]) / median(limit[name]) for name in ours}
    worst = max(ratios, key=lambda name: ratios[name])
    row = Row("list", "ms", Target(Kind.COST, 2, 1.3))
    row.ours, row.limit = ([Sample(1_000 * each) for each in found[worst]] for found in (ours, limit))
    row.details = {
        "worst": worst,
        "filters": {
            name: {"ours": 1_000 * median(ours[name]), "limit": 1_000 * median(limit[name]), "ratio": ratio}
            for name, ratio in ratios.items()
        },
    }
    return [row]


def bounds(file: Path) -> tuple[int, int]:
    """The times before and after which a sixteenth of the recipients were updated."""
    query = "SELECT update_time FROM recipient_status ORDER BY id LIMIT 1 OFFSET ?"
    with closing(sqlite.connect(file)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM recipient_status").fetchone()
        (before,) = connection.execute(query, (count // SHARE,)).fetchone()
        (after,) = connection.execute(query, (count - count // SHARE,)).fetchone()
    return before, after
