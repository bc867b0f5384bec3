"""What a run counted and found, the same for every part of the proof."""

import dataclasses
import json
from collections import Counter

from tests.robustness.history import Finding


@dataclasses.dataclass
class Report:
    """Counts by what is counted, and findings; none of them means that every promise was kept.

    Notes say what was not done, and why.
    """

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Take in what another run counted and found."""
        self.counts.update(other.counts)
        self.findings += other.findings
        self.notes += other.notes

    def rules(self) -> set[str]:
        """The rules that were broken."""
        return {finding.rule for finding in self.findings}

    def table(self) -> str:
        """For people: a line for each count, then one for each finding."""
        width = max((len(name) for name in self.counts), default=0)
        lines = [f"{name:<{width}}  {number:>9,}" for name, number in sorted(self.counts.items())]
        lines += self.notes
        lines += [f"BROKEN {finding.rule}: {finding.what}" for finding in self.findings]
        return "\n".join([*lines, f"{len(self.findings)} findings"])

    def to_json(self) -> str:
        """For programs: one object."""
        findings = [finding._asdict() for finding in self.findings]
        counts = dict(sorted(self.counts.items()))
        return json.dumps({"counts": counts, "findings": findings, "notes": self.notes})
