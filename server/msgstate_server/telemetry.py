"""The service's own log: readable in a terminal, JSON lines elsewhere, always on standard error.

What a library logs stands there too, in lines of its own form.
"""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer


def configure_logging(level: int = logging.INFO) -> None:
    """Send what the service and its libraries log, from `level` up, to standard error."""
    in_terminal = sys.stderr.isatty()
    # Without the frames' variables, in which addresses of recipients stand.
    traceback = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([console] if in_terminal else [traceback, structlog.processors.JSONRenderer()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
