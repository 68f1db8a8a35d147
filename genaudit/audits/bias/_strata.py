"""Gaps between groups within the strata of a control column, by Fairlearn's control features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from genaudit.audits.bias._gaps import (
    GAP_METHOD,
    UNIT,
    Table,
    apart_change,
    counted_gap,
    extremes_change,
    fairlearn_gaps,
    gap_change,
    left_out,
    parity_gap,
    undecided,
    untaught,
)
from genaudit.audits.bias._groups import JUDGED, Grouping, as_real, large_anywhere, outcome
from genaudit.audits.bias._pairs import ANY_TWO, is_any_two, no_part
from genaudit.audits.figures import forest
from genaudit.audits.learners import Comparison
from genaudit.audits.words import by_person
from genaudit.case import AuditCase
from genaudit.data.disclosure import shown_parts
from genaudit.data.schema import Role
from genaudit.errors import OptionError
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.clusters import n_units

GAP = "bias.downstream.stratum_gap_change"

#: In the place of a group's name, as a gap is about all of them.
_ALL = message("group.all", "all groups")

_HEADING = message(
    f"{GAP}.heading",
    "How much further apart groups within one stratum are in how often the favoured outcome is "
    "predicted for them, by models trained on samples instead of real rows",
)


def control_of(case: AuditCase, name: str) -> Grouping:
    """The strata of the control column.

    Raises:
        OptionError: the schema models no such column, or it is the target.
    """
    columns = [c for c in case.schema.modelled if c.role is not Role.TARGET]
    column = next((c for c in columns if c.name == name), None)
    if column is None:
        raise OptionError(
            f"Option 'control' of audit 'bias.downstream': expected a column that is modelled and "
            f"not the target, got {name!r}; choose one of {', '.join(c.name for c in columns)}."
        )
    return Grouping.of(column, case.train, case.holdout)


def findings(
    table: Table, control: Grouping, found: Comparison, case: AuditCase, n_resamples: int
) -> Iterator[tuple[Finding, tuple[Table, Table] | None]]:
    """The change of the gap within each stratum, and of any two groups there, none left out.

    Beside each finding the rows of groups that have enough, and of those of them that may be told
    of where that counts; None where these are fewer than two.
    """
    assert table.stratum is not None, "the table was made with a control column"
    column = table.grouping.name
    method = by_person(GAP_METHOD, *found.data)
    n_rows = np.bincount(table.stratum[table.stratum >= 0], minlength=len(control.levels))
    n_people = n_units(
        table.stratum[table.stratum >= 0],
        None if table.person is None else table.person[table.stratum >= 0],
        len(control.levels),
    )
    told = shown_parts(n_rows) & shown_parts(n_people)
    parts = [_judged_groups(table.take(table.stratum == s)) for s in range(len(control.levels))]
    gaps = _gaps_of_sides(table, parts)
    anywhere = large_anywhere(case, [table.grouping, control]).reshape(-1, len(control.levels))
    for s, level in enumerate(control.levels):
        n = int(n_rows[s]) if told[s] and n_rows[s] else len(table.group)
        same = {"n": n, "method": method}
        part = parts[s] if s in gaps else None
        for who, text in _TEXTS:
            rows = None if part is None else part if who is _ALL else _told(part)
            both, empty, note = None, None, None
            if rows is None or part is None:
                reason = _one_group(column, control, level, told=part is not None)
                estimate, null = Estimate.undefined(reason, n=n, method=method, unit=UNIT), None
                note = _no_part(parts[s], told=who is not _ALL)
            else:
                both, large = (part, rows), np.flatnonzero(anywhere[:, s])
                empty = (
                    untaught(case, rows, found) or undecided(rows, found) or left_out(rows, large)
                )
                rng = case.rng(f"{GAP}.{column}.{control.name}.{s}.{who.id}")
                change = _change if who is _ALL else _apart
                estimate, null = change(rows, gaps[s], rng, n_resamples)
            yield (
                Finding(
                    metric=GAP,
                    label=_label(text, who, table.grouping, control, level, found),
                    heading=_HEADING,
                    estimate=estimate.model_copy(update=same),
                    group={column: who.text_en, control.name: level},
                    words=words_of(who),
                    sides=as_real(estimate, len(table.group)),
                    null=None if null is None else null.model_copy(update=same),
                    doubt=None if rows is None else found.doubt or empty,
                    hollow=found.doubt is None and empty is not None,
                    note=note,
                ),
                both,
            )


def _no_part(part: Table, *, told: bool) -> Message | None:
    """Which groups have too few rows in a stratum, or may not be told of where that counts."""
    taking = np.unique(part.group)
    if told:
        taking = taking[part.told[taking]]
    words = [part.grouping.words.get(level, level) for level in part.grouping.levels]
    return no_part([word for i, word in enumerate(words) if i not in taking])


def _told(part: Table) -> Table | None:
    """The rows of groups whose rates may be told; None where these are not two."""
    rows = part.where(np.flatnonzero(part.told))
    return rows if len(np.unique(rows.group)) > 1 else None


_TEXTS = (
    (
        _ALL,
        "How much further apart groups of “{column}” are in how often “{outcome}” is predicted for "
        "them where “{control}” is “{stratum}”, by models trained on samples instead of real rows",
    ),
    (
        ANY_TWO,
        "How far any two groups of “{column}” have come apart in how often “{outcome}” is "
        "predicted for them where “{control}” is “{stratum}”, by models trained on samples instead "
        "of real rows",
    ),
)


def _label(
    text: str, who: Message, grouping: Grouping, control: Grouping, level: str, found: Comparison
) -> Message:
    return message(
        GAP if who is _ALL else f"{GAP}.any_two",
        text,
        column=grouping.name,
        outcome=outcome(found.target),
        control=control.name,
        stratum=control.words.get(level, level),
    )


def _one_group(column: str, control: Grouping, level: str, *, told: bool) -> Message:
    """told: whether there are two with enough rows, of which fewer than two may be told of."""
    known = {
        "column": column,
        "control": control.name,
        "stratum": control.words.get(level, level),
    }
    if told:
        return message(
            "bias.downstream.one_told_in_stratum",
            "Not estimable: where {control} is {stratum}, fewer than two groups of {column} have "
            "enough holdout rows and may be told of.",
            **known,
        )
    return message(
        "bias.downstream.one_group_in_stratum",
        "Not estimable: where {control} is {stratum}, fewer than two groups of {column} have "
        "enough holdout rows.",
        **known,
    )


def _change(
    part: Table, gap: float, rng: np.random.Generator, n_resamples: int
) -> tuple[Estimate, Estimate | None]:
    """The change of one stratum's gap, and that of learners on real rows; None with few of them."""
    halves = _halves(part)
    estimate = gap_change(part, parity_gap, gap, rng, n_resamples)
    null = None if halves is None else extremes_change(halves, parity_gap, rng, n_resamples)
    return estimate, null


def _apart(
    part: Table, _: float, rng: np.random.Generator, n_resamples: int
) -> tuple[Estimate, Estimate | None]:
    """How far any two groups of one stratum have come apart, and the same of learners on rows."""
    halves = _halves(part)
    estimate = apart_change(part, parity_gap, rng, n_resamples)
    null = None if halves is None else apart_change(halves, parity_gap, rng, n_resamples)
    return estimate, null


def _halves(part: Table) -> Table | None:
    return part.halves(lambda side: counted_gap(part, parity_gap, side))


def _judged_groups(part: Table) -> Table:
    """The rows of groups that have enough people."""
    return part.where(np.flatnonzero(part.n_people >= JUDGED))


def _gaps_of_sides(table: Table, parts: list[Table]) -> dict[int, float]:
    """Stratum -> gap after training on samples minus gap after training on real rows.

    Only of strata in which two groups or more can be compared.
    """
    assert table.stratum is not None, "the table was made with a control column"
    rows = np.zeros(len(table.group), dtype=bool)
    for s, part in enumerate(parts):
        groups = np.unique(part.group)
        if len(groups) > 1:
            rows |= (table.stratum == s) & np.isin(table.group, groups)
    if not rows.any():
        return {}
    compared = table.take(rows)
    made, real = (fairlearn_gaps(compared, s.mean(axis=0)) for s in (compared.made, compared.real))
    return {s: made[s] - real[s] for s in made}


def no_stratum(control: Grouping) -> Message:
    """What is not measured where the control column is the sensitive one."""
    return message(
        "bias.downstream.control_itself",
        "Gaps between groups of {column} within strata of {column}: a stratum has one group.",
        column=control.name,
    )


def figure(within: list[Finding], control: Grouping | None) -> tuple[Figure, ...]:
    """Gap changes by stratum, of one sensitive column or more."""
    if control is None:
        return ()

    def name(finding: Finding) -> Message:
        level = finding.group[control.name]
        return message(
            "figure.stratum",
            "{stratum} ({control}): {column}",
            stratum=control.words.get(level, level),
            control=control.name,
            column=next(c for c in finding.group if c != control.name),
        )

    drawn = forest(
        "bias.downstream.stratum_gap_changes",
        [f for f in within if not is_any_two(f.words)],
        lambda f: name(f).english,
        message("figure.stratum_gaps.title", "Gaps within strata: samples minus real rows"),
        message("figure.stratum_gaps.text", "Right of zero the groups of a stratum are further "
                "apart in the predictions of models trained on samples than in those of models "
                "trained on real rows. Strata without two groups of enough rows are left out here "
                "and listed with the findings."),
    )  # fmt: skip
    words = words_of(*map(name, within))
    return tuple(figure.model_copy(update={"words": words}) for figure in drawn)
