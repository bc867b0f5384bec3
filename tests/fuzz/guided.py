"""Coverage-guided fuzzing by atheris, where it installs: `sh scripts/setup.sh fuzz` makes the environment for it.

As a program, in that environment: `python -m tests.fuzz.guided TARGET SECONDS SEED`.
"""

import asyncio
import logging
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

PYTHON: Final = Path(".venv-fuzz/bin/python")
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")
_CORPUS: Final = 300
_SPARE_SECONDS: Final = 120


class Guided(NamedTuple):
    """How many cases ran, and what was printed where one broke a promise."""

    cases: int
    broken: str


def why_not() -> str:
    """Why inputs cannot be guided; empty where they can."""
    if not PYTHON.exists():
        return f"{PYTHON} is not there: run sh scripts/setup.sh fuzz"
    tried = subprocess.run([str(PYTHON), "-c", "import atheris"], capture_output=True, check=False)
    return f"{PYTHON} has no atheris: sh scripts/setup.sh fuzz says why" if tried.returncode else ""


def guide(name: str, seconds: int, seed: int) -> Guided:
    """Fuzz one target in a process of its own; raises FileNotFoundError where its environment was not made."""
    command = [str(PYTHON), "-m", "tests.fuzz.guided", name, str(seconds), str(seed)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + _SPARE_SECONDS,
                env=os.environ | {"TMPDIR": folder},
            )
        except subprocess.TimeoutExpired:
            return Guided(0, f"{name}: it did not end within {_SPARE_SECONDS} s of its time")
    executed = _EXECUTED.search(done.stderr)
    return Guided(int(executed[1]) if executed else 0, "" if done.returncode == 0 else done.stderr[-4_000:])


def _fuzz(name: str, seconds: str, seed: str) -> None:
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415  (only its own environment has it)

    with atheris.instrument_imports(include=["msgstate", "msgstate_server"]):
        from tests.fuzz.campaign import TARGETS, run  # noqa: PLC0415  (what it imports is instrumented)

    logging.disable(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # It is never left: atheris ends the process. Whoever started this one removes the folder.
    folder = Path(tempfile.mkdtemp())
    opened = TARGETS[name].open(folder)
    drive = loop.run_until_complete(opened.__aenter__())
    corpus = folder / "corpus"
    corpus.mkdir()
    chance = random.Random(seed)  # noqa: S311  (a seed that repeats)
    for number in range(_CORPUS):
        (corpus / str(number)).write_bytes(drive.draw(chance))

    def one(data: bytes) -> None:
        error = loop.run_until_complete(run(drive.case, data))
        if error is not None:
            raise error

    kept = Path("tmp")
    kept.mkdir(exist_ok=True)
    prefix = f"-artifact_prefix=tmp/fuzz-{name.replace(' ', '-')}-"
    options = [f"-max_total_time={seconds}", f"-seed={int(seed) + 1}", "-print_final_stats=1", "-max_len=8192", prefix]
    atheris.Setup([sys.argv[0], *options, "-timeout=90", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(*sys.argv[1:])
