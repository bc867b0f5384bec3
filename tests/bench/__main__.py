"""`make bench`: each row is our figure beside the limit that is measured in the same run, and how they compare.

Server and load are processes of their own; they share the machine's cores, so a ratio says more than a rate. A run of
all rows, or one with `--write`, is kept in `docs/`.
"""

import sys
import tempfile
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
    sizes = Sizes()
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
    if any(row.void for row in rows):
        print("VOID: this machine, or what else it did, did not let it be measured")  # noqa: T201
    if not named or "--write" in sys.argv:
        report.write(rows)


if __name__ == "__main__":
    main()
