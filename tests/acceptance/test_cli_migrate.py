from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from pysqlite3 import dbapi2
from sqlite_utils import Database

from msgstate_server.store.postgres.migrations import MIGRATIONS, Migration
from msgstate_server.store.sqlite import connection
from tests.acceptance.conftest import StartServer
from tests.acceptance.in_process import run

NAMES = sorted(
    file.name.removesuffix(".sql")
    for file in files("msgstate_server.store.sqlite").joinpath("migrations").iterdir()
    if file.name.endswith(".sql")
)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A store as the first version made it."""
    store = tmp_path / "older.db"
    with closing(dbapi2.connect(str(store), isolation_level=None)) as made:
        made.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
        connection._MIGRATIONS.apply(Database(made, execute_plugins=False), stop_before=NAMES[1])  # noqa: SLF001
    return store


def test_a_plan_says_what_would_be_done_and_does_nothing(older: Path) -> None:
    """`migrate --plan` prints a line per migration that is missing, and leaves the store as it is."""
    planned = [run("migrate", "--store", f"sqlite:///{older}", "--plan") for _ in range(2)]

    expected = "".join(f"would apply {name}\n" for name in NAMES[1:])
    assert [(result.returncode, result.stdout, result.stderr) for result in planned] == [(0, expected, "")] * 2


def test_a_store_is_brought_up_to_date_once(older: Path) -> None:
    """`migrate` prints a line per migration that it applied; the second time it says that there is nothing to do."""
    first, second = (run("migrate", MSGSTATE_STORE=f"sqlite:///{older}") for _ in range(2))

    assert (first.returncode, first.stdout) == (0, "".join(f"applied {name}\n" for name in NAMES[1:]))
    assert (second.returncode, second.stdout) == (0, "nothing to do: the schema is up to date\n")
    assert run("check", "--store", f"sqlite:///{older}").returncode == 0


def test_a_store_that_is_not_there_is_made(tmp_path: Path) -> None:
    """The plan for a new store is every migration and makes no file; `migrate` makes it."""
    url = f"sqlite:///{tmp_path / 'new.db'}"

    plan = run("migrate", "--store", url, "--plan")
    assert plan.stdout == "".join(f"would apply {name}\n" for name in NAMES)
    assert list(tmp_path.iterdir()) == []
    assert run("migrate", "--store", url).stdout == "".join(f"applied {name}\n" for name in NAMES)
    assert (tmp_path / "new.db").exists()


def test_a_store_that_is_served_is_refused(server_process: StartServer) -> None:
    """While a server runs on the store `migrate` names its process and exits with 1; a plan is told all the same."""
    server = server_process()
    url = f"sqlite:///{server.store}"

    refused, plan = run("migrate", "--store", url), run("migrate", "--store", url, "--plan")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"msgstate: another server (process {server.pid}) already runs on")
    assert (plan.returncode, plan.stdout) == (0, "nothing to do: the schema is up to date\n")


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("sqlite:///text.db", 1, "is not a SQLite database"),
        ("sqlite:///missing/store.db", 1, "cannot write in "),
        ("mysql://x", 2, "must be sqlite:///FILE"),
    ],
)
def test_a_store_that_cannot_be_migrated_is_one_line(url: str, code: int, said: str, tmp_path: Path) -> None:
    """What stands in the way is said in one line, with the mend."""
    (tmp_path / "text.db").write_text("This is no database, however long one looks at it.")

    result = run("migrate", "--store", url, folder=tmp_path)

    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (code, "", 1)
    assert said in result.stderr


LATER = Migration("9001_pre_note", "ALTER TABLE head ADD COLUMN note text NOT NULL DEFAULT 'none';")
LAST = Migration("9002_post_note", "ALTER TABLE head DROP COLUMN note;")


@pytest.fixture
def of_a_later_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program know two migrations more."""
    monkeypatch.setattr("msgstate_server.store.postgres.upkeep.MIGRATIONS", [*MIGRATIONS, LATER, LAST])


@pytest.mark.usefixtures("of_a_later_version")
def test_a_shared_store_is_migrated_in_two_parts(server_process: StartServer, postgres_dsn: str) -> None:
    """On PostgreSQL a plan says of each migration whether servers may run meanwhile; what they may not, waits."""
    server = server_process(postgres_dsn)
    post = f"{LAST.name} (post: none of the version before may run)"
    pre = f"{LATER.name} (pre: beside running servers)"
    later = f"left for later {LAST.name} (post: with --post, once no server of the version before runs)"
    outputs = [
        run("migrate", *flags, MSGSTATE_STORE=postgres_dsn).stdout.splitlines()
        for flags in (["--plan"], ["--plan", "--post"], [], [], ["--plan", "--post"], ["--post"], ["--post"], [])
    ]
    assert server.terminate() == 0
    assert outputs == [
        [f"would apply {pre}", later],
        [f"would apply {pre}", f"would apply {post}"],
        [f"applied {pre}", later],
        [later],
        [f"would apply {post}"],
        [f"applied {post}"],
        ["nothing to do: the schema is up to date"],
        ["nothing to do: the schema is up to date"],
    ]


def test_an_empty_database_is_planned_and_made(postgres_dsn: str) -> None:
    """The plan for an empty database is every migration and makes nothing; `migrate` makes the schema."""
    lines = [f"{migration.name} (pre: beside running servers)" for migration in MIGRATIONS]
    outputs = [
        run("migrate", *flags, MSGSTATE_STORE=postgres_dsn).stdout.splitlines()
        for flags in (["--plan"], ["--plan"], [])
    ]
    assert outputs[:2] == [[f"would apply {line}" for line in lines]] * 2
    assert outputs[2] == [f"applied {line}" for line in lines]
    assert run("check", MSGSTATE_STORE=postgres_dsn).returncode == 0
