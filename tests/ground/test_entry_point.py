import subprocess
import sys

# A light install cannot be had without a network, so the module is hidden from the import system instead.
WITHOUT = """
import runpy, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
sys.argv = ["msgstate", "version"]
runpy.run_module("msgstate_server", run_name="__main__")
"""


def run_without(module: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.format(module=module)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_light_install_names_the_extra() -> None:
    """Without the server's libraries the command names the missing one and the extra in one line, and exits with 2."""
    result = run_without("click")

    assert result.returncode == 2
    assert result.stderr == (
        "msgstate: click is not installed; install the extra `server` from where msgstate came: "
        "pip install '/path/to/msgstate[server]'\n"
    )


def test_a_missing_part_of_our_own_is_a_bug() -> None:
    """A module of our own that is missing is not explained away: it ends in a traceback."""
    result = run_without("msgstate_server.cli")

    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_the_client_needs_nothing_of_the_server() -> None:
    """The client and its stubs import with the three libraries of a light install."""
    program = (
        "import sys, msgstate, msgstate.v1.message_status_service_pb2_grpc\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'click', 'msgspec', 'rich', 'starlette'})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "set()\n"
