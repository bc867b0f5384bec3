import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# It reads the number of the process to end, or an empty line for none. At `end`, or when nobody is left to write, it
# ends the process, a paused one too, and removes the folders.
SCRIPT: Final = """
while read -r line && [ "$line" != end ]; do process=$line; done
if [ -n "$process" ]; then
    kill -s QUIT "$process"
    kill -s CONT "$process"
    tries=0
    while [ "$tries" -lt 100 ] && kill -0 "$process"; do sleep 0.1; tries=$((tries + 1)); done
    kill -s KILL "$process"
fi 2>/dev/null
rm -rf "$@"
"""
END_SECONDS: Final = 60.0


class Guard:
    """Removes a server's folders, and ends the server too where whoever started it was killed."""

    def __init__(self, folders: Sequence[Path]) -> None:
        # In a session of its own, so that Ctrl-C does not end it before its work.
        self._process = subprocess.Popen(
            ["sh", "-c", SCRIPT, "guard", *map(str, folders)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
            cwd="/",
            bufsize=1,
        )

    def watch(self, pid: int | None) -> None:
        """Name the process to end, or none: the last word counts."""
        self._tell("" if pid is None else str(pid))

    def end(self) -> None:
        """Return when the folders are gone, and the process too if one was named."""
        self._tell("end")
        with self._process:
            self._process.wait(END_SECONDS)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
