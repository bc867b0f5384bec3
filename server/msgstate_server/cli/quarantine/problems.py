"""How quarantined webhooks and their problems read."""

from msgstate.v1.admin_service_pb2 import QuarantinedPayload, QuarantineProblem
from msgstate_server.cli.text import printable


def problem_text(problem: QuarantineProblem) -> str:
    """Where in the body, unless it is the whole of it, and why."""
    return printable(f"{problem.pointer}: {problem.reason}" if problem.pointer else problem.reason)


def source(payload: QuarantinedPayload) -> str:
    """The provider, and the account where there is one."""
    return printable(payload.provider + (f"/{payload.account}" if payload.account else ""))
