"""scripts/setup.sh, run with nothing on PATH but the plain tools and a Python of our own making."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup.sh"
TOOLS = ("awk", "cat", "cksum", "cp", "dirname", "mkdir", "rm", "sh", "tail")

# A test sets in its environment the VERSION that it reports, and what FAILS: venv, or an installation with these words.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*version_info*) exec "$REAL" -ISc "import sys; sys.version_info = ($VERSION); $2" ;;
*"import ensurepip"*) [ "$FAILS" != venv ] ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/pip" ;;
"-m pip install "*) if [ -n "$FAILS" ]; then echo "$FAILS"; exit 1; fi ;;
esac
"""


class Project:
    """A project folder with the set-up script and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.folder / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(SETUP, self.folder / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            (self.folder / name).write_text("as released\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def add_program(self, name: str, text: str = FAKE_PYTHON) -> None:
        """Put a program on the project's PATH."""
        program = self.bin / name
        program.write_text(text)
        program.chmod(0o755)

    def requirements(self, *texts: str) -> None:
        """Give the project requirements of its own."""
        lines = "".join(f'    "{text}",\n' for text in texts)
        extra = '[project.optional-dependencies]\ndev = [\n    "mypy>=2",\n]\n'
        (self.folder / "pyproject.toml").write_text(f"[project]\ndependencies = [\n{lines}]\n{extra}")

    def set_up(self, mode: str = "server", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script, and forget what the fake Python was asked before."""
        self.calls.write_text("")
        defaults = {"PATH": str(self.bin), "CALLS": str(self.calls), "REAL": sys.executable}
        defaults |= {"VERSION": "3, 11, 0", "FAILS": ""}
        command = [str(self.bin / "sh"), "scripts/setup.sh", mode]
        return subprocess.run(
            command, cwd=self.folder, env=defaults | environment, capture_output=True, text=True, check=False
        )

    @property
    def installed(self) -> list[str]:
        """The installations that the last run asked for."""
        return [call for call in self.calls.read_text().splitlines() if call.startswith("-m pip install")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    ("program", "environment", "remedy"),
    [
        (None, {}, "no Python 3.11 or newer on PATH: install one"),
        (FAKE_PYTHON, {"VERSION": "3, 10, 14"}, "no Python 3.11 or newer on PATH: install one"),
        ("#!/bin/sh\necho no such version >&2\nexit 127\n", {}, "no Python 3.11 or newer on PATH: install one"),
        (FAKE_PYTHON, {"PYTHON": "/nowhere/python"}, "PYTHON=/nowhere/python is not a Python 3.11 or newer"),
        (FAKE_PYTHON, {"FAILS": "venv"}, "apt install python3-venv"),
    ],
    ids=["none", "old", "broken shim", "wrong PYTHON", "no venv module"],
)
def test_an_unfit_python_is_answered_with_one_line(
    project: Project, program: str | None, environment: dict[str, str], remedy: str
) -> None:
    """Without a fit Python the script fails with one line that says what to do."""
    if program:
        project.add_program("python3", program)

    result = project.set_up(**environment)

    assert result.returncode == 1
    assert remedy in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_newer_python_beside_an_unfit_one_is_found(project: Project) -> None:
    """A `python3` that does not run is passed over for a `python3.12` that does."""
    project.add_program("python3", "#!/bin/sh\nexit 127\n")
    project.add_program("python3.12")

    assert project.set_up().returncode == 0
    assert len(project.installed) == 1


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            "Temporary failure in name resolution",
            ["setup: the package index cannot be reached: connect"],
        ),
        ("ResolutionImpossible", ["ResolutionImpossible", "setup: the libraries could not be installed"]),
    ],
)
def test_a_failed_installation_is_explained(project: Project, words: str, shown: list[str]) -> None:
    """A missing network is named in one line, any other failure is shown, and the next run tries again."""
    project.add_program("python3")

    result = project.set_up(FAILS=words)

    lines = result.stderr.splitlines()[1:]
    assert result.returncode == 1
    assert [line.startswith(start) for line, start in zip(lines, shown, strict=True)] == [True] * len(shown)
    project.set_up()
    assert len(project.installed) == 1


@pytest.mark.parametrize(("first", "second"), [("server", "server"), ("dev", "dev"), ("dev", "server")])
def test_a_warm_run_installs_nothing(project: Project, first: str, second: str) -> None:
    """A second run is silent and asks Python for its version only, also where the first brought more than it needs."""
    project.add_program("python3")
    project.set_up(first)

    result = project.set_up(second)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert len(project.calls.read_text().splitlines()) == 1
    assert project.installed == []


def test_the_tests_need_more_than_the_server(project: Project) -> None:
    """An environment made for the server is completed for the tests."""
    project.add_program("python3")
    project.set_up("server")

    project.set_up("dev")

    assert ".[server,dev]" in project.installed[0]


def test_the_oldest_libraries_are_those_of_the_project(project: Project) -> None:
    """The oldest releases that the client admits replace the pinned ones; everything else stays pinned."""
    project.add_program("python3")
    project.requirements("grpcio>=1.72.1", "protobuf>=6.30.0")
    (project.folder / "constraints.txt").write_text("grpcio==1.85.1\nprotobuf==7.36.2\npytest==9.2.0\n")

    assert project.set_up("compat-oldest").returncode == 0

    constraints = project.folder / ".venv-compat-oldest" / "oldest.txt"
    assert constraints.read_text().splitlines() == ["grpcio==1.72.1", "protobuf==6.30.0", "pytest==9.2.0"]
    assert "--constraint .venv-compat-oldest/oldest.txt --editable . pytest" in project.installed[0]
    assert project.set_up("compat-oldest").stderr == ""
    assert project.installed == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(project: Project, name: str) -> None:
    """A change of what is wanted makes the next run install it."""
    project.add_program("python3")
    project.set_up()
    (project.folder / name).write_text("changed\n")

    project.set_up()

    assert len(project.installed) == 1


@pytest.mark.parametrize(("broken", "environment"), [(True, {}), (False, {"PYTHON": "python3.12"})])
def test_an_unfit_environment_is_made_anew(project: Project, broken: bool, environment: dict[str, str]) -> None:
    """An environment whose Python is gone, or is not the one asked for, is replaced."""
    project.add_program("python3")
    project.add_program("python3.12", FAKE_PYTHON.replace("$VERSION", "3, 12, 1"))
    project.set_up()
    python = project.folder / ".venv" / "bin" / "python"
    if broken:
        python.unlink()

    project.set_up(**environment)

    assert python.is_file()
    assert len(project.installed) == 1


def test_a_moved_project_is_installed_again(project: Project, tmp_path: Path) -> None:
    """A copied or moved environment still points to the old folder, so it is not taken for warm."""
    project.add_program("python3")
    project.set_up()
    project.folder = project.folder.rename(tmp_path / "moved")

    project.set_up()

    assert len(project.installed) == 1


def test_uv_is_used_where_it_is(project: Project) -> None:
    """With uv on PATH neither the venv module nor pip is asked."""
    project.add_program("python3")
    project.add_program("uv", '#!/bin/sh\n[ "$1" = pip ] || { mkdir -p "$4/bin" && cp "$3" "$4/bin/python"; }\n')

    result = project.set_up(FAILS="venv")

    assert result.returncode == 0
    assert project.installed == []
