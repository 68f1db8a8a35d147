"""One page that sets reports side by side, such as the same recipe with and without ε."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from genaudit.errors import OptionError
from genaudit.render import view
from genaudit.render.html import page
from genaudit.render.text import Text
from genaudit.result import AuditReport, Direction, Estimate, Figure, Finding, Message, message

#: Metrics of the chart, by how their id begins; those that exist in any report are drawn.
KEY_METRICS = ("privacy.", "bias.downstream.", "quality.utility.")


def compare(
    reports: Sequence[AuditReport],
    links: Sequence[str],
    lang: str = "en",
    on: dt.date | None = None,
) -> str:
    """The page; `links` are where each full report lies, relative to it. on: as of `to_html`.

    Raises:
        OptionError: fewer than two reports, as many links as reports are not given, or the language
            is not known.
    """
    if len(reports) < 2 or len(reports) != len(links):
        raise OptionError(
            f"Expected two or more reports with a link each, got {len(reports)} reports and "
            f"{len(links)} links."
        )
    text = Text(lang)
    rows, names = matched(reports), told_apart([r.subject.name for r in reports])
    return page(
        "compare.html",
        text,
        reports=reports,
        links=links,
        rows=rows,
        key_figures=key_figures(names, rows),
        tradeoffs=tradeoffs(names, reports),
        names=names,
        on=on,
    )


@dataclass(frozen=True)
class Line:
    """One group of a metric in every report; None where a report says nothing of it."""

    cells: tuple[Finding | None, ...]

    @property
    def first(self) -> Finding:
        """The finding of the first report that has one."""
        return next(f for f in self.cells if f is not None)

    @property
    def worst(self) -> tuple[int, float]:
        """Where it stands among the groups: the smaller the worse."""
        return min(_rank(f) for f in self.cells if f is not None)

    @property
    def telling(self) -> bool:
        """Whether a limit judges it, or reports differ in it."""
        found = [f for f in self.cells if f is not None]
        if len(found) < len(self.cells) or any(f.limit for f in found):
            return True
        return len({view.word(f) for f in found}) > 1 or any(
            _apart(a.estimate, b.estimate) for a, b in permutations(found, 2)
        )


@dataclass(frozen=True)
class Row:
    """One metric in every report with its worst group first; None where a report lacks it."""

    metric: str
    chapter: str
    label: Message
    cells: tuple[view.Metric | None, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that are there."""
        return tuple(c.first for c in self.cells if c is not None)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every group of any report, the worst first."""
        # Worst first, so that of two findings on one group the worse stays.
        found = [{_key(f): f for f in c.findings[::-1]} if c is not None else {}
                 for c in self.cells]  # fmt: skip
        keys = dict.fromkeys(key for groups in found for key in groups)
        lines = (Line(tuple(groups.get(key) for groups in found)) for key in keys)
        return tuple(sorted(lines, key=lambda line: line.worst))

    @property
    def grouped(self) -> bool:
        """Whether it has several groups, each with a line."""
        return len(self.lines) > 1

    @property
    def folded(self) -> tuple[Line, ...]:
        """Of many groups those that neither a limit judges nor reports differ in."""
        if len(self.lines) <= view.OPEN_GROUPS:
            return ()
        return tuple(line for line in self.lines if not line.telling)

    @property
    def open(self) -> tuple[Line, ...]:
        """The groups that do not fold away."""
        folded = self.folded
        return tuple(line for line in self.lines if line not in folded)

    @property
    def shared(self) -> Finding | None:
        """A finding whose limit is that of every group in every report; None where they differ."""
        found = [f for c in self.cells if c is not None for f in c.findings]
        alike = found[0].limit is not None and all(f.limit == found[0].limit for f in found)
        return found[0] if alike else None


def matched(reports: Sequence[AuditReport]) -> list[Row]:
    """Every metric of any report, in the order of the chapters."""
    found = [{m.id: _leading(m) for s in r.sections for m in view.metrics(s)} for r in reports]
    ids = dict.fromkeys(metric for metrics in found for metric in metrics)
    order = {chapter: i for i, chapter in enumerate(view.CHAPTERS)}
    rows = []
    for metric in sorted(ids, key=lambda m: order.get(m.split(".")[0], len(order))):
        cells = tuple(metrics.get(metric) for metrics in found)
        everything = view.Metric(metric, tuple(f for c in cells if c for f in c.findings))
        rows.append(Row(metric, metric.split(".")[0], everything.label, cells))
    return rows


def _leading(metric: view.Metric) -> view.Metric:
    """The worst verdict first; under one verdict the group that goes furthest to the outside."""
    return view.Metric(metric.id, tuple(sorted(metric.findings, key=_rank)))


def _rank(finding: Finding) -> tuple[int, float]:
    return view.severity(finding), -_reach(finding)


def _key(finding: Finding) -> tuple[tuple[str, str], ...]:
    """What a finding is paired by; columns in any order."""
    return tuple(sorted(finding.group.items()))


def _apart(one: Estimate, other: Estimate) -> bool:
    """Whether a value lies outside the interval of another; also where only one of them is there.

    An end that is not known excludes nothing.
    """
    if one.value is None or other.value is None:
        return one.value is not other.value
    low, high = other.low, other.high
    return (low is not None and one.value < low) or (high is not None and one.value > high)


def _reach(finding: Finding) -> float:
    """How far a value goes towards the outside of its limit; larger is worse.

    Without a limit there is no outside, so what counts is how far it is from zero, where nothing
    differs.
    """
    value, limit = finding.estimate.value, finding.limit
    if value is None:
        return float("-inf")
    match limit.direction if limit else Direction.ABS:
        case Direction.ABS:
            return abs(value)
        case Direction.MIN:
            return -value
        case Direction.MAX:
            return value


def told_apart(names: Sequence[str]) -> list[str]:
    """The names, numbered where several subjects have one name.

    >>> told_apart(["samples.csv", "other.csv", "samples.csv"])
    ['samples.csv (1)', 'other.csv', 'samples.csv (2)']
    """
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def key_figures(names: Sequence[str], rows: Sequence[Row]) -> list[Figure]:
    """A forest for each key metric that two reports or more have: one line a report."""
    return [
        _forest(names, row)
        for row in rows
        if row.metric.startswith(KEY_METRICS)
        and sum(f.estimate.value is not None for f in row.findings) > 1
        and any(f.limit for f in row.findings)
    ]


def tradeoffs(names: Sequence[str], reports: Sequence[AuditReport]) -> list[tuple[str, Figure]]:
    """What more of a mitigation brings and costs: names and pictures, where tuned."""
    return [
        (name, figure)
        for name, report in zip(names, reports, strict=True)
        for section in report.sections
        if section.audit == "bias.mitigation"
        for figure in section.figures
    ]


def _forest(names: Sequence[str], row: Row) -> Figure:
    shown = {n: c.first for n, c in zip(names, row.cells, strict=True) if c is not None}
    lines = tuple(
        (name, f.estimate.value, f.estimate.low, f.estimate.high, *_edges(f))
        for name, f in shown.items()
    )
    return Figure(
        id=f"compare.{row.metric}",
        kind="forest",
        title=row.label,
        description=_of_groups(shown),
        headers=tuple(
            message(f"compare.{h}", h) for h in ("name", "value", "low", "high", "from", "to")
        ),
        rows=lines,
        unit=row.findings[0].estimate.unit,
    )


def _of_groups(shown: Mapping[str, Finding]) -> Message:
    """Which group each line is of, where the metric has groups."""
    grouped = [_group(name, f) for name, f in shown.items() if f.group]
    if not grouped:
        return message("compare.key.intro", "Each point with its interval and limit.")
    if len({tuple(f.group.items()) for f in shown.values()}) == 1:
        grouped = [_group("", next(iter(shown.values())))]
    fields = {f"item{i}": group for i, group in enumerate(grouped)}
    text, zh = (sign.join(f"{{{name}}}" for name in fields) for sign in ("; ", "；"))
    which = message("", text, **fields).model_copy(update={"texts": {"zh": zh}})
    return message("compare.key.groups", "Of several groups one is shown: {which}.", which=which)


def _group(name: str, finding: Finding) -> Message:
    """The group of a finding, behind the name of its subject where it has one."""
    fields: dict[str, str | Message] = {"name": name}
    parts = []
    for i, pair in enumerate(finding.group.items()):
        fields |= {f"{k}{i}": finding.words.get(x, x) for k, x in zip("kv", pair, strict=True)}
        parts.append(f"{{k{i}}} = {{v{i}}}")
    en, zh = ("{name}: ", "{name}：") if name else ("", "")
    zh += "，".join(parts)
    said = message("", en + ", ".join(parts), **fields)
    return said.model_copy(update={"texts": {"zh": zh}})


def _edges(finding: Finding) -> tuple[float | None, float | None]:
    return view.limit_edges(finding.limit)
