"""The service user of the page of operations: a real one in a slow test as root, else whoever runs the tests."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.docs.pages import ROOT
from tests.postgres.account import OTHER_USER, server_account

_NAME: Final = "msgstate"
_INSTALLING: Final = re.compile(r"^(?:useradd|python3 -m venv|/opt/msgstate/bin/pip) .*\n", re.MULTILINE)


class NoServiceUser:
    """The service runs as who runs the tests, from the environment of the tests."""

    def here(self, text: str) -> str:
        """The page's commands without the installation and without another user."""
        text = _INSTALLING.sub("", text)
        text = re.sub(r"-o \w+ -g \w+ ", "", text)
        return text.replace(f"runuser -u {_NAME} -- ", "")

    def command(self, unit: Sequence[str]) -> Sequence[str]:
        """What systemd would start."""
        return unit


class ServiceUser(NoServiceUser):
    """Another user than root, and a Python that it may execute; needs root."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self.account = server_account()
        assert self.account.user, "only root can start programs as another user"

    def here(self, text: str) -> str:
        """The page's commands with this user, this Python, and this source."""
        # The machine's own list of users is left alone.
        text = re.sub(r"^useradd .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("python3 -m venv", f"{self._python} -m venv").replace("'.[server]'", f"'{ROOT}[server]'")
        text = text.replace(f"-o {_NAME} ", f"-o {self.account.user} ")
        text = text.replace(f"-g {_NAME} ", f"-g {self.account.group} ")
        return text.replace(f"runuser -u {_NAME} ", f"runuser -u {OTHER_USER} ")

    def command(self, unit: Sequence[str]) -> Sequence[str]:
        """What systemd would start: as the user, with a umask of 077."""
        return [*self.account.prefix(), "/bin/sh", "-c", 'umask 077; exec "$@"', "sh", *unit]
