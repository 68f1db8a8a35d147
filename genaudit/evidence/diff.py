"""What changed between two reports: each finding improved, became worse, or cannot be told apart.

The two reports are taken as independent. Of each finding that both have, the interval of the
difference comes from the two stored ladders (Zou & Donner 2008); Holm's correction over all of them
keeps the chance of telling any change where there is none at alpha. Estimates of one data set
share its noise, which makes their difference smaller than that of independent ones: the chance is
then less. What is told is about these two subjects, and not about other trainings of their recipes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from genaudit.data.disclosure import is_hidden
from genaudit.errors import DataError, OptionError
from genaudit.policy import BETTER
from genaudit.result import (
    AuditReport,
    Bound,
    Claim,
    Direction,
    Estimate,
    Finding,
    Section,
    Verdict,
    message,
)
from genaudit.stats.contrast import difference
from genaudit.stats.multiplicity import holm

#: Row of what the makers promise, which no audit measures.
CLAIM = "claim.epsilon"

#: Findings that are held against the claim.
_OF_CLAIM = ("privacy.claim.", "privacy.canaries.excess")

#: By how much numbers of samples may differ where an attacker gains from more of them.
_ALIKE = 0.1


class Change(StrEnum):
    """What happened to a finding, worst first."""

    WORSE = "worse"
    CHANGED = "changed"
    CANNOT_TELL = "cannot_tell"
    NOT_COMPARED = "not_compared"
    ONLY_OLD = "only_old"
    ONLY_NEW = "only_new"
    IMPROVED = "improved"
    SAME = "same"


@dataclass(frozen=True)
class Row:
    """One finding of either report.

    direction: which way is better; None where nobody says so. gap: new minus old with its 95%
    interval; None where one end is open. p: bound on the p-value of "they are equal" (of their
    sizes, where nearer to zero is better), before the correction; None where nothing was tested.
    """

    metric: str
    group: Mapping[str, str]
    change: Change
    old: Finding | None
    new: Finding | None
    direction: Direction | None = None
    gap: tuple[float, float, float] | None = None
    p: float | None = None
    reason: str = ""

    @property
    def turned(self) -> bool:
        """Whether its verdict is another one."""
        if self.old is None or self.new is None:
            return False
        return self.old.verdict is not self.new.verdict

    @property
    def lost(self) -> bool:
        """Whether a limit judges it in the old report, and what became of it cannot be told."""
        if self.old is None or self.old.limit is None:
            return False
        if self.new is None or self.new.limit is None:
            return True
        gone = self.old.estimate.value is not None and self.new.estimate.value is None
        shown = self.new.verdict is Verdict.OUTSIDE  # whatever its doubt is of
        doubted = not _untold(self.old) and self.new.doubt is not None and not shown
        # Where limits differ, an outside that is gone may be gone for that alone.
        eased = self.old.verdict is Verdict.OUTSIDE and not shown and not _same_limit(self)
        beside = self.change is Change.NOT_COMPARED
        return gone or doubted or eased or beside or _late(self.new)

    @property
    def broken(self) -> bool:
        """Whether it is outside a limit now, and was not before."""
        if self.new is None or self.new.verdict is not Verdict.OUTSIDE:
            return False
        return self.old is None or self.old.verdict is not Verdict.OUTSIDE


@dataclass(frozen=True)
class Difference:
    """Two reports held against each other: worst first, under one change new verdicts first.

    rows: of all findings, and of the claim (`CLAIM`), which is a promise and no finding.
    tested: findings among which the chance of any false change is at most alpha.
    notes: what a reader must know of the two.
    """

    old: AuditReport
    new: AuditReport
    alpha: float
    rows: tuple[Row, ...]
    tested: int
    notes: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether anything is worse."""
        return any(row.change is Change.WORSE for row in self.rows)

    @property
    def lost(self) -> int:
        """Findings that a limit judges in the old report alone, or whose values do not compare."""
        return sum(row.lost for row in self.rows)

    @property
    def broken(self) -> int:
        """Findings that are outside a limit in the new report, and were not in the old one."""
        return sum(row.broken for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return {
            "old": _about(self.old),
            "new": _about(self.new),
            "alpha": self.alpha,
            "tested": self.tested,
            "worse": self.worse,
            "lost": self.lost,
            "broken": self.broken,
            "notes": list(self.notes),
            "findings": [_plain(row) for row in self.rows],
        }


def diff(old: AuditReport, new: AuditReport, *, alpha: float = 0.05) -> Difference:
    """Every finding of two reports on one data set; verdicts are taken as they stand in them.

    Args:
        old: Earlier report.
        new: Later report.
        alpha: Chance of telling any change among all findings where nothing has changed, in (0, 1).

    Raises:
        DataError: the reports are on other data or another schema, as far as they show it.
        OptionError: alpha is out of range.

    Source: Zou & Donner 2008, Statistics in Medicine 27, equation 5; Holm 1979. That a size is
    another one needs the difference and the sum to be told from zero (intersection-union test,
    Berger 1982, Technometrics 24). Of a gap minus that of the real rows, which both reports share,
    it is the gap itself whose size is compared: one that became smaller is not worse for it.
    """
    if not 0 < alpha < 1:
        raise OptionError(f"Expected alpha in (0, 1), got {alpha:g}.")
    _check_same_data(old, new)
    pairs = _paired(old, new)
    rows = [_alone(a, b) or _beside(old, new, a, b) for a, b in pairs]
    tests = {
        i: _tested(row.old, row.new, row.direction)
        for i, row in enumerate(rows)
        if row.change is Change.CANNOT_TELL and not row.reason and row.old and row.new
    }
    told = holm({i: test.p for i, test in tests.items()}, alpha)
    rows = [
        replace(_turned(row, tests[i].sign) if i in told else row, p=tests[i].p)
        if i in tests
        else row
        for i, row in enumerate(rows)
    ]
    rows = [*_claimed(old.subject.claim, new.subject.claim), *rows]
    order = list(Change)
    ranked = sorted(rows, key=lambda row: (order.index(row.change), not row.turned))
    return Difference(old, new, alpha, tuple(ranked), len(tests), tuple(_notes(old, new)))


Placed = tuple[Section, Finding]


def _paired(old: AuditReport, new: AuditReport) -> list[tuple[Placed | None, Placed | None]]:
    """Findings of one metric and one group, of both reports or of one alone."""
    before, after = (
        {(f.metric, *sorted(f.group.items())): (s, f) for s, f in report.findings()}
        for report in (old, new)
    )
    return [(before.get(key), after.get(key)) for key in dict.fromkeys([*before, *after])]


def _alone(old: Placed | None, new: Placed | None) -> Row | None:
    """The row of a finding that one report has; None where both have it."""
    if old is not None and new is not None:
        return None
    one, other = old and old[1], new and new[1]
    found = one or other
    assert found is not None, "one of the two"
    change = Change.ONLY_OLD if other is None else Change.ONLY_NEW
    return Row(found.metric, found.group, change, one, other)


def _beside(old: AuditReport, new: AuditReport, a: Placed | None, b: Placed | None) -> Row:
    """The row of a finding that both have, before anything is tested."""
    assert a is not None, "as it is not alone"
    assert b is not None
    (section, one), (other_section, other) = a, b
    row = Row(other.metric, other.group, Change.CANNOT_TELL, one, other, _direction(one, other))
    if reason := _apart(old, new, section, other_section, one, other):
        return replace(row, change=Change.NOT_COMPARED, reason=reason)
    if reason := _untold(one) or _untold(other):
        return replace(row, reason=reason)
    row = replace(row, gap=_gap(one.estimate, other.estimate))
    return _counted(row) if _known(one.estimate) and _known(other.estimate) else row


@dataclass(frozen=True)
class _Test:
    """p: bound on the p-value. sign: where the new value, or its size, lies; 0 where untold."""

    p: float
    sign: int


def _direction(old: Finding, new: Finding) -> Direction | None:
    """The way that a limit says is better, the later one first; else what the metric means."""
    for finding in (new, old):
        if finding.limit is not None:
            return finding.limit.direction
    return BETTER.get(new.metric)


def _counted(row: Row) -> Row:
    """Of numbers that are known there is nothing to test: they differ or do not."""
    assert row.old is not None
    assert row.new is not None
    a, b = row.old.estimate.value or 0.0, row.new.estimate.value or 0.0
    sign = b - a
    if row.direction is Direction.ABS:
        sign *= (_addend(row.old, row.new).value or 0.0) + a
    return replace(row, change=Change.SAME) if sign == 0 else _turned(row, sign)


def _addend(old: Finding, new: Finding) -> Estimate:
    """What the old value is added to for the sum of the two whose sizes are compared.

    Of two gaps minus that of the real rows, g, it is the gaps: (new + g) + (old - g) = new + old.
    """
    return new.total if _gaps_of_gaps(old, new) and new.total is not None else new.estimate


def _gaps_of_gaps(old: Finding | None, new: Finding | None) -> bool:
    """Whether both are a gap minus that of the real rows."""
    return bool(old and new and old.total is not None and new.total is not None)


def _turned(row: Row, sign: float) -> Row:
    """What it means that the new value, or its size, lies on this side of the old one."""
    if row.direction is None:
        return replace(row, change=Change.CHANGED, reason="nobody says which way is better")
    worse = sign < 0 if row.direction is Direction.MIN else sign > 0
    change = Change.WORSE if worse else Change.IMPROVED
    if row.direction is not Direction.ABS or not _gaps_of_gaps(row.old, row.new):
        return replace(row, change=change)
    why = row.new.reason if row.new is not None else None
    if not worse and why is not None and why.id == "verdict.turned":
        reason = "the gap turned around, and nobody says which way is better"
        return replace(row, change=Change.CHANGED, reason=reason)
    return replace(
        row, change=change, reason=f"the gap itself is {'larger' if worse else 'smaller'}"
    )


def _tested(old: Finding, new: Finding, direction: Direction | None) -> _Test:
    """Whether the new value differs from the old one, or its size does."""
    ahead = _beyond_zero(new.estimate, old.estimate)
    if direction is not Direction.ABS:
        return ahead
    # |b| > |a| where b - a and b + a have one sign; both must be told.
    total = _beyond_zero(_addend(old, new), _negative(old.estimate))
    return _Test(max(ahead.p, total.p), ahead.sign * total.sign)


def _beyond_zero(one: Estimate, other: Estimate) -> _Test:
    """On which side of zero one - other lies, by the widest interval that leaves zero out."""
    best = _Test(1.0, 0)
    for confidence, low, high in _gaps(one, other):
        if (low > 0 or high < 0) and 1 - confidence < best.p:
            best = _Test(round(1 - confidence, 12), 1 if low > 0 else -1)
    return best


def _gaps(one: Estimate, other: Estimate) -> Iterator[tuple[float, float, float]]:
    """Confidence, low and high of one - other, at each level where both intervals have two ends."""
    beside = {b.confidence: b for b in other.ladder}
    for a in one.ladder:
        x = _ends(one.value, a)
        y = _ends(other.value, beside[a.confidence]) if a.confidence in beside else None
        if x is not None and y is not None:
            yield a.confidence, *difference(x[0], x[1:], y[0], y[1:])


def _ends(value: float | None, bound: Bound) -> tuple[float, float, float] | None:
    """Value, low and high; an end that lies beyond the value is taken to be there."""
    if value is None or bound.low is None or bound.high is None:
        return None
    return value, min(bound.low, value), max(bound.high, value)


def _negative(estimate: Estimate) -> Estimate:
    """The estimate of minus the value."""

    def minus(x: float | None) -> float | None:
        return None if x is None else -x

    rungs = tuple(
        Bound(confidence=b.confidence, low=minus(b.high), high=minus(b.low))
        for b in estimate.ladder
    )
    return estimate.model_copy(
        update={"value": minus(estimate.value), "low": minus(estimate.high),
                "high": minus(estimate.low), "ladder": rungs}
    )  # fmt: skip


def _gap(old: Estimate, new: Estimate) -> tuple[float, float, float] | None:
    """New minus old, with its 95% interval."""
    if old.value is None or new.value is None:
        return None
    for confidence, low, high in _gaps(new, old):
        if confidence == 0.95:
            return new.value - old.value, low, high
    return None


def _late(finding: Finding) -> bool:
    """Whether its limit had expired, so that nothing passes by it."""
    return finding.reason is not None and finding.reason.id == "verdict.expired"


def _known(estimate: Estimate) -> bool:
    """Whether it is a number that is known, such as a count."""
    return bool(estimate.ladder) and all(b.low == b.high for b in estimate.ladder)


def _untold(finding: Finding) -> str:
    """Why one of two findings says nothing, whatever the other is."""
    if finding.doubt is not None and finding.verdict is not Verdict.OUTSIDE:
        return finding.doubt.english
    if finding.estimate.value is not None:
        return ""
    why = finding.estimate.reason
    return why.english if why is not None and not is_hidden(why) else "not shown or not estimable"


def _apart(
    old: AuditReport, new: AuditReport, a: Section, b: Section, one: Finding, other: Finding
) -> str:
    """Why two findings of one name are no two values of one thing; empty where they are."""
    guarantees = _guarantees(old.subject.claim, new.subject.claim)
    if one.metric.startswith(_OF_CLAIM) and guarantees:
        return guarantees
    if one.estimate.unit != other.estimate.unit:
        return f"units differ: {one.estimate.unit!r} and {other.estimate.unit!r}"
    if reason := _opposed(one, other):
        return reason
    if a.params != b.params:
        names = sorted({k for k in {*a.params, *b.params} if a.params.get(k) != b.params.get(k)})
        return f"{a.audit} ran with other options: {', '.join(names)}"
    n, m = old.subject.n, new.subject.n
    grows = a.chapter == "privacy" and not one.metric.startswith(_OF_CLAIM)
    if grows and n and m and abs(n - m) > _ALIKE * max(n, m):
        return f"an attacker gains from more samples: {n:,} in the old report, {m:,} in the new"
    return ""


def _opposed(one: Finding, other: Finding) -> str:
    """That the better number of one is the worse of the other, or is of another guarantee."""
    if one.estimate.unit == "ε" and one.label.english != other.label.english:
        return f"guarantees differ: {one.label.english!r} and {other.label.english!r}"
    ways = [f.limit.direction for f in (one, other) if f.limit is not None]
    if set(ways) == {Direction.MIN, Direction.MAX}:
        return f"limits look opposite ways: {ways[0]} and {ways[1]}"
    return ""


def _same_limit(row: Row) -> bool:
    """Whether one limit judges both."""
    limits = [(f.limit.value, f.limit.direction) for f in (row.old, row.new) if f and f.limit]
    return len(limits) == 2 and limits[0] == limits[1]


def _guarantees(old: Claim | None, new: Claim | None) -> str:
    """Why two guarantees cannot be compared; empty where they can."""
    if old is None or new is None:
        return ""
    parts = [
        f"{name} {a} and {b}"
        for name, a, b in (
            ("unit", old.unit, new.unit),
            ("δ", old.delta, new.delta),
            ("neighbouring relation", old.relation, new.relation),
        )
        if a != b
    ]
    return f"guarantees differ: {'; '.join(parts)}" if parts else ""


def _claimed(old: Claim | None, new: Claim | None) -> list[Row]:
    """What became of the claim: it is a promise, so no chance is in it."""
    if old is None and new is None:
        return []
    reason = _guarantees(old, new)
    if old is None or new is None:
        change = Change.IMPROVED if old is None else Change.WORSE
        reason = "a claim where there was none" if old is None else "no claim where there was one"
    elif reason:
        change = Change.NOT_COMPARED
    elif old.epsilon == new.epsilon:
        change = Change.SAME
    else:
        change = Change.IMPROVED if new.epsilon < old.epsilon else Change.WORSE
    return [Row(CLAIM, {}, change, _promise(old), _promise(new), Direction.MAX, reason=reason)]


def _promise(claim: Claim | None) -> Finding | None:
    if claim is None:
        return None
    epsilon = Estimate.exact(claim.epsilon, n=1, method="claim", unit="ε")
    return Finding(metric=CLAIM, label=message(CLAIM, "ε that is claimed"), estimate=epsilon)


def _check_same_data(old: AuditReport, new: AuditReport) -> None:
    """Refuse what a report shows to be of other data: it holds no digest of private rows.

    Raises:
        DataError: kind of records, numbers of rows, or names of columns differ.
    """
    do = "audit both subjects on the same data, with one schema"
    if old.modality != new.modality:
        raise DataError(
            f"Expected two reports on the same data, got {old.modality} in the old and "
            f"{new.modality} in the new one; {do}."
        )
    before, after = ({d.name: d for d in r.knowledge} for r in (old, new))
    for name in sorted({*before, *after} - {"canaries"}):
        a, b = before.get(name), after.get(name)
        if a is None or b is None:
            continue
        for what, x, y in (("rows", a.n, b.n), ("distinct rows", a.n_distinct, b.n_distinct)):
            if x is not None and y is not None and x != y:
                raise DataError(
                    f"Expected two reports on the same data, got {name} of {x:,} {what} in the old "
                    f"and {y:,} in the new one; {do}."
                )
    ours, theirs = _columns(old), _columns(new)
    if ours and theirs and not ours & theirs:
        raise DataError(
            f"Expected two reports on one schema, got columns such as {min(ours)!r} in the old and "
            f"{min(theirs)!r} in the new one, and none in both; {do}."
        )


def _columns(report: AuditReport) -> set[str]:
    """Names of columns that its findings hold."""
    found = set()
    for _, finding in report.findings():
        for name, level in finding.group.items():
            found.add(level if name == "column" else name)
    return found


def _notes(old: AuditReport, new: AuditReport) -> Iterator[str]:
    before, after = ({d.name: d.n for d in r.knowledge} for r in (old, new))
    both = [f"{name} of {n:,} rows" for name, n in before.items() if name in after]
    yield (
        "That both are on the same data is told by "
        + ", ".join([*both, "kind of records", "names of columns"])
        + " alone: reports hold no digest of private rows."
    )
    if odd := sorted({*before} ^ {*after}):
        yield f"Only one of the two audits held: {', '.join(odd)}."
    if old.subject.digest and old.subject.digest == new.subject.digest:
        yield "Both are of the same subject."
    if old.policy.model_dump() != new.policy.model_dump():
        yield "Their policies differ, so a verdict may differ because its limit does."
    for what, a, b in (
        ("versions of genaudit", old.provenance.tool_version, new.provenance.tool_version),
        ("plans", old.provenance.plan, new.provenance.plan),
        ("numbers of samples", old.subject.n, new.subject.n),
    ):
        if a != b:
            yield f"Their {what} differ: {a} and {b}."


def _about(report: AuditReport) -> dict[str, Any]:
    claim = report.subject.claim
    return {
        "subject": report.subject.name,
        "digest": report.subject.digest,
        "n": report.subject.n,
        "claim": claim.model_dump(mode="json") if claim else None,
        "policy": {"name": report.policy.name, "version": report.policy.version,
                   "digest": report.policy.digest},
        "verdict": report.verdict.value,
    }  # fmt: skip


def _plain(row: Row) -> dict[str, Any]:
    return {
        "metric": row.metric,
        "group": dict(row.group),
        "change": row.change.value,
        "better": row.direction.value if row.direction else None,
        "old": _values(row.old),
        "new": _values(row.new),
        "difference": dict(zip(("value", "low", "high"), row.gap, strict=True))
        if row.gap
        else None,
        "p": row.p,
        "verdict_changed": row.turned,
        "reason": row.reason,
    }


def _values(finding: Finding | None) -> dict[str, Any] | None:
    if finding is None:
        return None
    e = finding.estimate
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "unit": e.unit,
            "limit": finding.limit.value if finding.limit else None,
            "verdict": finding.verdict.value if finding.verdict else None}  # fmt: skip
