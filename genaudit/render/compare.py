"""One page that sets reports side by side, such as the same recipe with and without ε."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genaudit.data.disclosure import is_hidden
from genaudit.errors import OptionError
from genaudit.render import view
from genaudit.render.html import page
from genaudit.render.text import Text
from genaudit.result import AuditReport, Direction, Figure, Finding, Message, message

#: Metrics of the chart, by how their id begins; those that exist in any report are drawn.
KEY_METRICS = ("privacy.", "bias.downstream.", "quality.utility.")


def compare(reports: Sequence[AuditReport], links: Sequence[str], lang: str = "en") -> str:
    """The page; `links` are where each full report lies, relative to it.

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
        n_without=n_without,
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
    ranked = sorted(metric.findings, key=lambda f: (view.severity(f), -_reach(f)))
    return view.Metric(metric.id, tuple(ranked))


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


def n_without(metric: view.Metric, *, hidden: bool) -> int:
    """Groups without a number, withheld or not estimable, beside one that is shown with its own."""
    if metric.first.estimate.value is None:
        return 0
    gone = [f.estimate for f in metric.findings if f.estimate.value is None]
    return sum(is_hidden(e.reason) == hidden for e in gone)


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
