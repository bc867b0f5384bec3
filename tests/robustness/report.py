"""What a run counted and found, the same for every part of the proof."""

import dataclasses
import json
from collections import Counter

from tests.robustness.history import Finding


@dataclasses.dataclass
class Report:
    """Counts by what is counted, and findings; none of them means that every promise was kept.

    Notes say what was not done, and why. `longest` says of what took time, by what it was, how many seconds it took at
    most.
    """

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    longest: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(self, other: "Report") -> None:
        """Take in what another run counted and found."""
        self.counts.update(other.counts)
        self.findings += other.findings
        self.notes += other.notes
        for what, seconds in other.longest.items():
            self.longest[what] = max(seconds, self.longest.get(what, 0.0))

    def rules(self) -> set[str]:
        """The rules that were broken."""
        return {finding.rule for finding in self.findings}

    def table(self) -> str:
        """For people: a line for each count, then one for each finding."""
        width = max((len(name) for name in self.counts), default=0)
        lines = [f"{name:<{width}}  {number:>9,}" for name, number in sorted(self.counts.items())]
        lines += [f"{seconds:5.1f} s at most: {what}" for what, seconds in sorted(self.longest.items())]
        lines += self.notes
        lines += [f"BROKEN {finding.rule}: {finding.what}" for finding in self.findings]
        return "\n".join([*lines, f"{len(self.findings)} findings"])

    def to_json(self) -> str:
        """For programs: one object."""
        findings = [finding._asdict() for finding in self.findings]
        counts = dict(sorted(self.counts.items()))
        longest = {what: round(seconds, 3) for what, seconds in sorted(self.longest.items())}
        return json.dumps({"counts": counts, "findings": findings, "notes": self.notes, "longest": longest})
