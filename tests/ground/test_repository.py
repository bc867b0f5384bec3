import re
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# Written in two halves, so that this file does not hold what it forbids.
FORBIDDEN = {
    "package registry": "|".join(
        map(re.escape, ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"])
    ),
    "machine path": "|".join(["/" + "root/", "/" + r"home/\w", "/" + r"Users/\w", r"(?<![\w.-])/" + "work/"]),
}


def repository_files() -> list[Path]:
    """The files that are tracked or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"not a git clone: {listed.stderr.strip()}")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_file_names_a_place_of_one_machine(kind: str) -> None:
    """No file holds the address of a package registry or a path that exists on one machine only."""
    pattern = re.compile(FORBIDDEN[kind])

    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in repository_files()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def wanted(requirements: Iterable[str], extras: frozenset[str] = frozenset()) -> set[str]:
    """The names of what is installed for these requirements, and for theirs in turn."""
    found: set[str] = set()
    pending = [(text, extras) for text in requirements]
    seen = set()
    while pending:
        text, chosen = pending.pop()
        requirement = Requirement(text)
        if (text, chosen) in seen or not applies(requirement, chosen):
            continue
        seen.add((text, chosen))
        found.add(canonicalize_name(requirement.name))
        try:
            pending += [(inner, frozenset(requirement.extras)) for inner in requires(requirement.name) or ()]
        except PackageNotFoundError:
            pytest.fail(f"{requirement.name} is wanted and not installed")
    return found


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def test_everything_installed_is_pinned() -> None:
    """What the project needs, and what that needs in turn, stands in constraints.txt with its exact version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = wanted([*project["dependencies"], *extras["server"], *extras["dev"]])

    # pip comes with the environment itself.
    assert needed - pinned().keys() - {"pip"} == set()
    assert all(re.fullmatch(r"[\w.]+", version) for version in pinned().values())


def test_the_base_install_is_light() -> None:
    """Who installs the client gets three libraries and no server."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    names = {Requirement(text).name for text in project["dependencies"]}

    assert names == {"googleapis-common-protos", "grpcio", "protobuf"}


def test_the_driver_is_none_that_was_not_tried() -> None:
    """The oldest asyncpg that is admitted is the one that the tests run with: an older one leaks connections."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    (text,) = project["optional-dependencies"]["postgres"]

    assert str(Requirement(text).specifier) == f">={pinned()['asyncpg']}"


def test_make_help_lists_every_target_that_a_person_calls() -> None:
    """`make` alone shows each documented target with its sentence."""
    result = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)

    shown = {line.split()[0] for line in result.stdout.splitlines()}

    assert {"help", "demo", "serve", "test", "test-all", "check", "lint", "fmt", "generate", "verify"} <= shown
    assert {"bench", "compat", "diagram"} <= shown
