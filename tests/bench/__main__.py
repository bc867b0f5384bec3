"""`make bench`: each row is our figure beside the limit that is measured in the same run, and their ratio.

Server and load are processes of their own; they share the machine's cores, so a ratio says more than a rate.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.bench.bench import Bench, Sizes
from tests.bench.rows import ALONE, DEFAULT
from tests.bench.table import HEADING, line


def main() -> None:
    """Measure the rows that are named, or all."""
    rows = {**DEFAULT, **ALONE}
    wanted = sys.argv[1:] or [*DEFAULT]
    print(HEADING)  # noqa: T201
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), Sizes())
        for name in wanted:
            began = time.perf_counter()
            for row in rows[name](bench):
                print(line(row), flush=True)  # noqa: T201
                measured.append(row)
            print(f"# {name} {time.perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
