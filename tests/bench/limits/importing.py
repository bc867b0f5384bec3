"""The limit of a start: a process that imports the same libraries as a command does.

These are all modules but ours that it imported up to its first line of output.
"""

import re
import subprocess
import sys
import tempfile
from typing import Final

_IMPORTED: Final = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
_THERE: Final = """
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
        print(name)
"""


def libraries(command: list[str]) -> list[str]:
    """What a command of Python imports that is neither ours nor the standard library's."""
    with tempfile.TemporaryFile("w+") as errors:
        traced = [sys.executable, "-X", "importtime", *command]
        with subprocess.Popen(traced, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.terminate()
            process.communicate()
        errors.seek(0)
        names = dict.fromkeys(_IMPORTED.findall(errors.read()))
    own = (*sys.stdlib_module_names, "msgstate", "msgstate_server", "__main__")
    foreign = [name for name in names if name.partition(".")[0] not in own]
    # Some are only looked for, and are not there.
    there = subprocess.run([sys.executable, "-c", _THERE, *foreign], stdout=subprocess.PIPE, text=True, check=True)
    return there.stdout.split()


def command(names: list[str]) -> list[str]:
    """The command of Python that imports them and ends."""
    return ["-c", "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)", *names]
