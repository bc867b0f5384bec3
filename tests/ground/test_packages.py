"""What is published holds what belongs to it and nothing else, and is the same to the byte wherever it is built."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md")
SOURCES = ("client", "server", "protos", "docs", "pyproject.toml", *PAGES)
STRAY = ("msgstate.toml", "follow.token", "msgstate.db", "msgstate.db-wal", "server/notes.txt", "tmp/other.db")
EPOCH = "1790000000"


def build(folder: Path, umask: int = 0o022) -> dict[str, Path]:
    """Build both packages from a copy of the project in a folder, beside files that lie about."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for name in STRAY:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build"],
        cwd=folder,
        check=True,
        capture_output=True,
        env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH},
        umask=umask,
    )
    return {path.suffix: path for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both packages, built below a folder named tmp."""
    return build(tmp_path_factory.mktemp("packages") / "tmp" / "project")


def test_the_source_package_has_no_stray_files(packages: dict[str, Path]) -> None:
    """Settings, tokens and databases that lie in the folder are not packed, and the sources are."""
    with tarfile.open(packages[".gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.partition("/")[0] for name in names}
    assert tops - {".gitignore"} == {*SOURCES, "PKG-INFO"}
    assert not names & set(STRAY)
    assert "client/msgstate/py.typed" in names
    assert "server/msgstate_server/store/sqlite/queries.sql" in names


def test_the_wheel_has_code_types_protos_and_licence(packages: dict[str, Path]) -> None:
    """The wheel holds both packages with their marks of types, the protos for other languages, and the licence."""
    with zipfile.ZipFile(packages[".whl"]) as archive:
        names = set(archive.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"msgstate", "msgstate_server"}
    for name in ("msgstate/py.typed", "msgstate_server/py.typed", "msgstate/protos/msgstate/v1/event.proto"):
        assert name in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.endswith((".db", ".token", ".toml", ".txt")) for name in names if "dist-info" not in name)


def test_packages_are_reproducible(packages: dict[str, Path], tmp_path: Path) -> None:
    """Another folder, at another time and with another umask, gives the same bytes."""
    again = build(tmp_path / "elsewhere", umask=0o077)
    assert {kind: path.read_bytes() for kind, path in again.items()} == {
        kind: path.read_bytes() for kind, path in packages.items()
    }
