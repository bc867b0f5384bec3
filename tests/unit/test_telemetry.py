"""What stands in the service's own log."""

import subprocess
import sys

FAULT = """
import structlog
from msgstate_server.telemetry import configure_logging

configure_logging()
recipient = "ada@example.com"
try:
    raise ValueError("a fault")
except ValueError:
    structlog.get_logger().exception("it failed")
"""


def test_a_traceback_shows_no_recipients() -> None:
    """A fault is logged as one line of JSON with its place in the code, and without the values it had in hand."""
    done = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert "a fault" in line
    assert "ada@example.com" not in line
