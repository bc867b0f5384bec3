"""Makes an event fit to enter the log, or says which rules it breaks."""

from msgstate_server.domain.decision import Candidate, candidate
from msgstate_server.domain.events import Event
from msgstate_server.domain.identity import canonicalize
from msgstate_server.domain.validation import Violation, violations


def admit(event: Event) -> Candidate | list[Violation]:
    """The event with its ids and addresses normalized, in place, and its key; or every rule that it breaks."""
    canonicalize(event)
    attributes = event.attributes
    found = violations(event)
    if found:
        return found
    if len(attributes.aliases) > 1:
        # They are a set: the same ones in another order make the same event.
        attributes.aliases = sorted(set(attributes.aliases))
    return candidate(event)
