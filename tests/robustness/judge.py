"""Holds what was recorded against the log as it should be: every rule is a function that gives what breaks it."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.status import RecipientStatus
from tests.robustness import log_rules, read_rules, watch_rules
from tests.robustness.history import Finding, History
from tests.robustness.model import Model

_SHOWN: Final = 5
"""Findings of one rule that are told; one broken promise may show a thousand times."""


class Case(NamedTuple):
    """What there is to judge; `retained` are the events and `statuses` the statuses that the file has in the end."""

    history: History
    model: Model
    retained: dict[int, LogEntry]
    statuses: list[RecipientStatus]


Rule = Callable[[Case], Iterator[str]]

RULES: Final[dict[str, Rule]] = {
    "acknowledged_events_are_in_the_log": lambda case: log_rules.acknowledged(case.history, case.model),
    "each_event_is_in_the_log_once": lambda case: log_rules.once(case.model),
    "the_log_holds_only_what_was_sent": lambda case: log_rules.only_what_was_sent(case.history, case.model),
    "the_log_never_changes": lambda case: log_rules.unchanged(case.model, case.retained),
    "retention_removes_all_or_none": lambda case: log_rules.all_or_none(case.model, case.retained),
    "versions_are_dense": lambda case: log_rules.versions(case.model),
    "commit_times_never_fall": lambda case: log_rules.commit_times(case.model),
    "statuses_are_the_fold_of_the_log": lambda case: log_rules.statuses(case.model, case.statuses),
    "watches_begin_where_asked": lambda case: watch_rules.begins(case.history, case.model),
    "watches_are_in_order": lambda case: watch_rules.in_order(case.history),
    "watches_miss_nothing": lambda case: watch_rules.nothing_missed(case.history, case.model),
    "watches_tell_only_the_log": lambda case: watch_rules.only_the_log(case.history, case.model),
    "tokens_name_their_row": lambda case: watch_rules.tokens(case.history, case.model),
    "watches_are_refused_for_a_reason": lambda case: watch_rules.refused(case.history, case.model),
    "reads_never_go_back": lambda case: read_rules.never_back(case.history),
    "reads_see_what_was_acknowledged": lambda case: read_rules.acknowledged(case.history, case.model),
    "reads_see_what_their_token_covers": lambda case: read_rules.covered(case.history, case.model),
    "reads_agree_with_the_log": lambda case: read_rules.agree(case.history, case.model),
    "no_call_fails_for_unknown_reasons": lambda case: read_rules.known_errors(case.history),
}
"""Each promise by its name. Those that are noticed while a campaign runs are in `run.py` and `archive.py`."""


def judge(case: Case) -> list[Finding]:
    """Everything that is wrong, a few of each kind."""
    findings = [*case.history.findings, *case.model.archive.findings]
    for name, rule in RULES.items():
        findings += [Finding(name, what) for what in islice(rule(case), _SHOWN)]
    return findings
