import json
from math import isfinite
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import report
from tests.bench.bench import Bench, Sizes
from tests.bench.picture import draw
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.rows import ALONE, DEFAULT
from tests.bench.table import line

LITTLE = Sizes(
    repeats=1,
    events=1_000,
    calls=120,
    keys=500,
    messages=1_600,
    watchers=4,
    shared_events=1_000,
    page=2,
    far_page=3,
    starts=1,
    grown_messages=160,
    transitions=2,
    posts=24,
    paced_calls=10,
    watched_events=1_000,
)
QUICK = {"ingest-unary", "webhook", "get", "catch-up"}
LONG = {"ceiling"}
"""Measures for minutes, whatever the sizes."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), LITTLE)


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in {**DEFAULT, **ALONE}
        if name not in LONG
    ],
)
def test_every_row_can_be_measured(name: str, bench: Bench) -> None:
    """A row, however little is done for it, has figures that can be compared, printed and kept."""
    for row in {**DEFAULT, **ALONE}[name](bench):
        assert row.ours
        assert isfinite(row.compared)
        assert row.name in line(row)
        (kept,) = report.read(json.loads(json.dumps({"rows": report.as_json([row])["rows"]})))
        assert kept == row


def rate(ours: float, limit: float) -> Row:
    return Row("get", "/s", Target(Kind.RATE, 0.8, 0.95), [Sample(ours)], [Sample(limit)])


@pytest.mark.parametrize(
    ("row", "compared", "reached"),
    [
        (rate(40, 100), 0.4, 0.5),
        (Row("list", "ms", Target(Kind.COST, 2), [Sample(8)], [Sample(2)]), 4, 0.5),
        (Row("fan-out", "ms", Target(Kind.COST, 2, bound=100), [Sample(200)], [Sample(200)]), 1, 0.5),
        (Row("memory", "MB", Target(Kind.EXCESS, 150), [Sample(340)], [Sample(40)]), 300, 0.5),
        (Row("costly", "s", Target(Kind.BOUND, 1), [Sample(2)]), 2, 0.5),
    ],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_a_target_is_reached_by_as_much_as_its_kind_says(row: Row, compared: float, reached: float) -> None:
    """A rate must be a part of the limit, a cost at most so many limits, an excess and a bound at most themselves."""
    assert (row.compared, row.reached) == (compared, reached)


def test_figures_are_medians() -> None:
    """One sample that is far off changes nothing but the spread."""
    row = Row("get", "/s", Target(Kind.RATE, 1), [Sample(value) for value in (10, 100, 110)], [Sample(100)])

    assert (row.figure, row.compared, row.spread) == (100, 1, 10)


def test_a_void_row_says_so() -> None:
    """What means nothing is neither met nor missed, in the table, in the JSON and in the picture."""
    row = rate(40, 100)
    row.void = "straight SQLite wrote 10 events/s"

    assert "VOID: straight SQLite wrote 10 events/s" in line(row)
    assert report.as_json([row])["rows"][0]["void"] == row.void
    assert "void" in draw([row], "today")


def test_the_picture_has_every_row() -> None:
    """It is well-formed, and names each row with its figure."""
    texts = [text.text for text in ET.fromstring(draw([rate(4_000, 10_000)], "today")).iter() if text.text]  # noqa: S314

    assert {"get", "4,000 /s", "0.4x, target ≥ 0.8x"} <= set(texts)


def test_a_run_is_kept_in_the_docs(tmp_path: Path) -> None:
    """The JSON, the picture and the end of the page are written anew; the rest of the page stays."""
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n\n{report.HEADING}\nold\n", encoding="utf-8")

    report.write([rate(40, 100)], tmp_path)

    written = page.read_text(encoding="utf-8")
    assert written.startswith("# Performance\n\n")
    assert "old" not in written
    assert written.endswith(report.section(json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))))
    assert (tmp_path / "bench.svg").exists()


def test_rows_that_were_not_measured_are_kept(tmp_path: Path) -> None:
    """A row that is measured on its own takes the place of what was kept of it, and of nothing else."""
    (tmp_path / "performance.md").touch()
    other = Row("list", "ms", Target(Kind.COST, 2), [Sample(8)], [Sample(2)])

    for rows in ([rate(40, 100), other], [rate(50, 100), Row("growth get", "/s", Target(Kind.BOUND, 1), [Sample(1)])]):
        report.write(rows, tmp_path)

    kept = report.read(json.loads((tmp_path / "bench.json").read_text(encoding="utf-8")))
    assert [(row.name, row.figure) for row in kept] == [("get", 50), ("list", 8), ("growth get", 1)]


def test_the_page_has_the_figures_of_the_last_run() -> None:
    """The end of docs/performance.md is what docs/bench.json says; a run of `make bench` writes both."""
    found = json.loads((report.FOLDER / "bench.json").read_text(encoding="utf-8"))

    assert (report.FOLDER / "performance.md").read_text(encoding="utf-8").endswith(report.section(found))
    assert (report.FOLDER / "bench.svg").read_text(encoding="utf-8") == draw(
        report.read(found), found["machine"]["date"]
    )
