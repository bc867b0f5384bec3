"""`make bench`: each row is our figure beside the limit that is measured in the same run, and how they compare.

Server and load are processes of their own; they share the machine's cores, so a ratio says more than a rate. The rows
of a run of all, or of one with `--write`, are kept in `docs/`.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.bench import report
from tests.bench.bench import Bench, Sizes
from tests.bench.rows import ALONE, DEFAULT
from tests.bench.table import HEADING, line


def main() -> None:
    """Measure the rows that are named, or all."""
    known = {**DEFAULT, **ALONE}
    named = [argument for argument in sys.argv[1:] if argument != "--write"]
    if unknown := [name for name in named if name not in known]:
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}")
    sizes, began = Sizes(), time.perf_counter()
    machine = report.machine()
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {sizes.repeats} repeats")  # noqa: T201
    print(HEADING)  # noqa: T201
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), sizes)
        for name in named or DEFAULT:
            for row in known[name](bench):
                print(line(row), flush=True)  # noqa: T201
                rows.append(row)
    print("It took {:.0f} min {:02.0f} s".format(*divmod(time.perf_counter() - began, 60)))  # noqa: T201
    if any(row.void for row in rows):
        raise SystemExit("VOID: this machine, or what else it did, did not let it be measured, so nothing is kept")
    if not named or "--write" in sys.argv:
        report.write(rows)


if __name__ == "__main__":
    main()
