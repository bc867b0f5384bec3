"""Fuzz everything: `python -m tests.fuzz MINUTES [SEED] [TARGET]...`, or `python -m tests.fuzz again TARGET FILE`."""

import asyncio
import logging
import sys
from pathlib import Path

import structlog

from tests.fuzz.campaign import campaign, repeat, table


def main() -> int:
    """Give 1 where a promise was broken."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["again"]:
        error = asyncio.run(repeat(sys.argv[2], Path(sys.argv[3]).read_bytes()))
        if error is not None:
            raise error
        return 0
    minutes, seed, *names = [*sys.argv[1:], "6", "0"][: max(2, len(sys.argv) - 1)]
    report = asyncio.run(campaign(float(minutes) * 60, int(seed), names))
    print("\n".join(table(report)))  # noqa: T201
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
