"""From one webhook request to one submission: what was understood and what was not, to be committed together."""

from typing import NamedTuple

from msgstate_server.domain.decision import Candidate, Payload, Problem, Submission, candidate
from msgstate_server.domain.validation import violations
from msgstate_server.webhooks.fitting import fit
from msgstate_server.webhooks.providers import PROVIDERS


class Intake(NamedTuple):
    """What one request brings, and how many of its parts are acknowledged without being tracked."""

    submission: Submission
    ignored: int


def take_in(payload: Payload) -> Intake:
    """Read a payload of a known provider; never raises, whatever its body. A part that cannot enter is a problem.

    The same payload gives the same candidates again, so one from quarantine can be taken in anew.
    """
    reading = PROVIDERS[payload.provider].read(payload.body, payload.received_time)
    candidates: list[Candidate] = []
    problems = list(reading.problems)
    for pointer, event in reading.events:
        fitted = fit(event, payload.account)
        broken = violations(fitted)
        if broken:
            problems.append(Problem(pointer, "; ".join(f"{field} {description}" for field, description in broken)))
        else:
            candidates.append(candidate(fitted))
    return Intake(Submission(candidates, payload, problems), reading.ignored)
