"""What findings say of each group, on one card each, in everyday words.

Nothing is computed here: each line shows one finding, with its own number, interval and verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from genaudit.render import view
from genaudit.render.text import Text, isolated
from genaudit.result import AuditReport, Finding, Message, Verdict

#: Line of a card -> metrics that it shows, the first that a group has, each with the value at which
#: nothing differs. The words of a line are in the catalogue (`card.share.up`).
LINES: dict[str, dict[str, float]] = {
    "share": {"bias.representation.share_difference": 0.0, "bias.predicted.share_difference": 0.0},
    "outcome": {"bias.representation.label_gap_change": 0.0},
    "models": {"bias.downstream.selection_rate_change": 0.0},
    "accuracy": {"bias.cost.accuracy_change": 0.0},
    "likeness": {"bias.conditional.excess": 0.0},
    "exposure": {"privacy.groups.auc": 0.5},
}

#: Words in the place of a group's name where a finding is of no single group.
_NO_GROUP = {"group.all", "group.any_two", "group.any_two_of_all"}

_METRICS = {metric: (line, even) for line, known in LINES.items() for metric, even in known.items()}


@dataclass(frozen=True)
class Line:
    """One finding about one group; None where the report has it of other groups alone.

    like: a finding of any group that this line is of. reference: whether others are held against
    this group.
    """

    id: str
    finding: Finding | None
    like: Finding
    reference: bool = False

    def name(self, text: Text) -> Markup:
        """What the line is about."""
        return text.say_html(f"card.{self.id}", outcome=_named(self.like, "outcome", text))

    @property
    def verdict(self) -> Verdict | None:
        """What to mark it with; a number that its own audit doubts tells nothing."""
        if self.finding is None:
            return None
        if self._doubted or self.finding.estimate.value is None:
            return Verdict.CANNOT_TELL
        return self.finding.verdict or Verdict.INFO

    @property
    def _doubted(self) -> bool:
        """Whether its own audit doubts it, and it is not shown to be beyond its limit anyhow."""
        f = self.finding
        return f is not None and f.doubt is not None and f.verdict is not Verdict.OUTSIDE

    def said(self, text: Text) -> Markup:
        """What the number means; nothing where there is none, as its reason then stands there."""
        f = self.finding
        if f is None:
            return text.say_html("card.reference" if self.reference else "card.missing")
        if f.estimate.value is None:
            return Markup("")
        if self._doubted:
            return text.say_html("card.doubt")
        return text.say_html(f"card.{self.id}.{self._way}", reference=_named(f, "reference", text))

    @property
    def _way(self) -> str:
        """`up` or `down` where the interval leaves one way alone; else `same` within a limit.

        What a limit allows may be a difference that is shown, and most of a small group.
        """
        assert self.finding is not None, "asked of findings only"
        even = _METRICS[self.finding.metric][1]
        low, high = self.finding.estimate.low, self.finding.estimate.high
        if low is not None and low > even:
            return "up"
        if high is not None and high < even:
            return "down"
        return "same" if self.finding.verdict is Verdict.WITHIN else "open"


@dataclass(frozen=True)
class Card:
    """All that is shown of a group: its column and level, with their words, and its lines."""

    column: str
    level: str
    words: dict[str, Message]
    lines: tuple[Line, ...]

    @property
    def severity(self) -> int:
        """0 where its worst finding lies outside a limit."""
        return min(view.severity(line.finding) for line in self.lines if line.finding is not None)


def cards(report: AuditReport) -> list[Card]:
    """A card for each group of each sensitive column, the worst of a column first.

    Groups without a number have one too. There is none where the report says nothing of bias.
    """
    found: dict[tuple[str, str], dict[str, Finding]] = {}
    for column, level, finding in _of_groups(report):
        found.setdefault((column, level), {}).setdefault(_METRICS[finding.metric][0], finding)
    if not any(f.metric.startswith("bias.") for of in found.values() for f in of.values()):
        return []
    held = {
        (column, f.label.params.get("reference"))
        for (column, _), of in found.items()
        for f in of.values()
    }
    likes = {line: of[line] for line in LINES for of in found.values() if line in of}
    made = [
        Card(column, level, _words(of), tuple(
            Line(line, of.get(line), like, reference=line == "outcome" and (column, level) in held)
            for line, like in likes.items()
        ))
        for (column, level), of in found.items()
    ]  # fmt: skip
    columns = list(dict.fromkeys(card.column for card in made))
    return sorted(made, key=lambda card: (columns.index(card.column), card.severity))


def _of_groups(report: AuditReport) -> Iterator[tuple[str, str, Finding]]:
    """Column, level and finding of all that a card can show; not of all groups, nor of several."""
    for _, finding in report.findings():
        if finding.metric in _METRICS and len(finding.group) == 1:
            ((column, level),) = finding.group.items()
            word = finding.words.get(level)
            if word is None or word.id not in _NO_GROUP:
                yield column, level, finding


def _words(findings: dict[str, Finding]) -> dict[str, Message]:
    return {text: word for f in findings.values() for text, word in f.words.items()}


def _named(finding: Finding, field: str, text: Text) -> Markup:
    """A group or an outcome that the label of a finding names; nothing where it names none."""
    if (word := finding.label.words.get(field)) is not None:
        return text.html(word)
    return isolated(str(finding.label.params.get(field, "")))
