"""From one webhook request to one submission: what was understood and what was not, to be committed together."""

from msgstate_server.domain.decision import Candidate, Intake, Payload, Problem, Submission, candidate
from msgstate_server.domain.validation import violations
from msgstate_server.webhooks.fitting import fit
from msgstate_server.webhooks.providers import PROVIDERS


def take_in(payload: Payload) -> Intake:
    """Read a payload of a known provider; never raises, whatever its body. A part that cannot enter is a problem.

    The same payload gives the same candidates again, so one from quarantine can be taken in anew.
    """
    reading = PROVIDERS[payload.provider].read(payload.body, payload.received_time)
    candidates: list[Candidate] = []
    pointers: list[str] = []
    problems = list(reading.problems)
    for pointer, event in reading.events:
        fitted = fit(event, payload.account)
        broken = violations(fitted)
        if broken:
            problems.append(Problem(pointer, "; ".join(f"{field} {description}" for field, description in broken)))
        else:
            candidates.append(candidate(fitted))
            pointers.append(pointer)
    return Intake(Submission(candidates, payload, problems), pointers, reading.ignored)


def take_in_again(payload: Payload) -> Intake | None:
    """Read a payload from quarantine anew; None where this version does not know its provider, as another one did."""
    return take_in(payload) if payload.provider in PROVIDERS else None
