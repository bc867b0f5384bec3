"""The service's own log: readable in a terminal, JSON lines elsewhere, always on standard error.

What a library logs stands there too, in lines of its own form.
"""

import logging
import sys

import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Send what the service and its libraries log, from `level` up, to standard error."""
    in_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if in_terminal else [structlog.processors.dict_tracebacks]),
            structlog.dev.ConsoleRenderer() if in_terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
