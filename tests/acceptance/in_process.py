"""Calls commands where the tests run, for tests that are not about the process: one of its own takes half a second."""

import os
import sys
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from click.testing import CliRunner

from msgstate_server import __main__ as program
from msgstate_server.cli import main
from tests.acceptance.server_process import environment


def run(*arguments: str, stdin: str = "", folder: Path | None = None, **variables: str) -> CompletedProcess[str]:
    """Run `msgstate` to its end, its output captured, as `server_process.run` does."""
    # The first command that is called sets GRPC_VERBOSITY; given here, it is taken back.
    wanted = environment(GRPC_VERBOSITY="NONE", **variables)
    runner = CliRunner(env={name: wanted.get(name) for name in {*os.environ, *wanted}})
    with chdir(folder or Path.cwd()), patch.object(sys, "argv", [program.__file__, *arguments]):
        result = runner.invoke(main, arguments, input=stdin, catch_exceptions=False, prog_name="msgstate")
    return CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)
