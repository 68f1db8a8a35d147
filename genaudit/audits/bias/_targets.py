"""Shares that a user wants groups to have: what may be asked, and how far samples are from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    Rate,
    absent,
    few,
    gone,
    in_words,
    share_of,
    side,
    too_few,
    worth_of_samples,
)
from genaudit.audits.bias._trainings import ALONE, Trainings
from genaudit.audits.words import by_person
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column
from genaudit.errors import OptionError
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.intervals import Interval, wilson

TARGET = "bias.representation.target_difference"

UNIT = "difference of shares"
_METHOD = "Wilson, rows that state a group"

_HEADING = message(
    f"{TARGET}.heading", "Share of each group among generated rows minus the share set as target"
)

#: The target of one column: shares of its groups, or the same for each.
Wanted = Mapping[str, float] | Literal["equal"]

#: A target: of columns one by one, or of people of several groups at once, as a mitigation takes
#: it: cells with a level of every column and a `share`.
Wants = Mapping[str, Wanted] | Sequence[Mapping[str, Any]]

#: What of a cell is no column.
_CELL_SHARE = "share"

_OPTION = "Option 'target' of audit 'bias.representation'"


def shape(value: Any) -> str | None:
    """What a target is expected to be, whatever the data; None where it is that.

    >>> shape({"sex": "equal", "race": {"a": 0.3, "b": 0.7}})
    >>> shape({"race": {"a": 0.3, "b": 0.6}})
    "shares of 'race' that sum to 1 (they sum to 0.9)"
    >>> shape([{"sex": "f", "race": "a", "share": 0.4}, {"sex": "m", "race": "a", "share": 0.6}])
    """
    if value is None:
        return None
    if isinstance(value, list) and value:
        return _misshapen_cells(value)
    if not isinstance(value, dict) or not value:
        return "a table of sensitive columns, such as {sex = 'equal'}, or cells with a share each"
    return next((said for column, wanted in value.items() if (said := _misshapen(column, wanted))),
                None)  # fmt: skip


def _misshapen(column: str, wanted: Any) -> str | None:
    if wanted == "equal":
        return None
    if not isinstance(wanted, dict) or not all(_is_share(x) for x in wanted.values()):
        return f"'equal' or a share between 0 and 1 for each group of {column!r}"
    total = math.fsum(wanted.values())
    if abs(total - 1) > 1e-6:
        return f"shares of {column!r} that sum to 1 (they sum to {total:.6g})"
    return None


def _misshapen_cells(cells: Sequence[Any]) -> str | None:
    if not all(isinstance(c, dict) and _is_share(c.get(_CELL_SHARE)) for c in cells):
        return (
            "cells with a share between 0 and 1 each, such as {sex = 'f', race = 'a', share = 0.4}"
        )
    columns = list(cells[0].keys() - {_CELL_SHARE})
    if not columns or any(c.keys() != cells[0].keys() for c in cells):
        return "cells that name a group of the same columns each"
    found = Counter(tuple(str(c[name]) for name in columns) for c in cells)
    twice, times = found.most_common(1)[0]
    if times > 1:
        return (
            f"one share for each cell ({in_words(dict(zip(columns, twice, strict=True)))} has more)"
        )
    total = math.fsum(c[_CELL_SHARE] for c in cells)
    if abs(total - 1) > 1e-6:
        return f"shares of cells that sum to 1 (they sum to {total:.6g})"
    return None


def _is_share(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x <= 1


def check_target(case: AuditCase, target: Wants | None) -> None:
    """Refuse a target that does not fit the sensitive columns and their groups.

    Raises:
        OptionError: a column that is not sensitive or is a number, or other groups than it has.
    """
    if isinstance(target, Mapping):
        for name, wanted in target.items():
            column = _sensitive(case, name)
            if not isinstance(wanted, str):
                _check_levels(name, wanted, _stated(Grouping.of(column, case.train)))
    elif target:
        _check_cells(case, target)


def _sensitive(case: AuditCase, name: str) -> Column:
    sensitive = {column.name: column for column in case.schema.sensitive}
    if name not in sensitive:
        known = ", ".join(map(repr, sensitive)) or "none"
        raise OptionError(
            f"{_OPTION}: expected sensitive columns ({known}), got {name!r}; correct its name "
            "or the schema."
        )
    if not sensitive[name].discrete:
        raise OptionError(
            f"{_OPTION}: expected a column of categories, but {name!r} is a number, which has "
            "no groups; leave it out, or bring it as categories."
        )
    return sensitive[name]


def _check_cells(case: AuditCase, cells: Sequence[Mapping[str, Any]]) -> None:
    names = _columns_of(cells)
    levels = [_stated(Grouping.of(_sensitive(case, name), case.train)) for name in names]
    for name, known in zip(names, levels, strict=True):
        if unknown := sorted({str(c[name]) for c in cells} - set(known)):
            raise _no_group(name, unknown[0], known)
    given = _shares_of(names, cells)
    if missing := next((cell for cell in product(*levels) if cell not in given), None):
        raise OptionError(
            f"{_OPTION}: expected a share for each cell, but "
            f"{in_words(dict(zip(names, missing, strict=True)))} has none; write 0 where there "
            "should be nobody."
        )


def _check_levels(name: str, wanted: Mapping[str, float], levels: Sequence[str]) -> None:
    if unknown := sorted(set(wanted) - set(levels)):
        raise _no_group(name, unknown[0], levels)
    if missing := [level for level in levels if level not in wanted]:
        raise OptionError(
            f"{_OPTION}: expected a share for each group of {name!r}, but {missing[0]!r} has none; "
            "write 0 where there should be nobody."
        )


def _no_group(name: str, got: str, known: Sequence[str]) -> OptionError:
    return OptionError(f"{_OPTION}: {name!r} has no group {got!r}; expected {', '.join(known)}.")


def _columns_of(cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(name for name in cells[0] if name != _CELL_SHARE)


def _shares_of(
    names: Sequence[str], cells: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, ...], float]:
    return {tuple(str(c[name]) for name in names): float(c[_CELL_SHARE]) for c in cells}


def _stated(grouping: Grouping) -> tuple[str, ...]:
    return tuple(level for level in grouping.levels if level != grouping.rest)


def target_findings(
    case: AuditCase, groupings: Sequence[Grouping], target: Wants | None
) -> list[Finding]:
    """One for each group of the columns that have a target, or for each cell of it."""
    by_name = {g.name: g for g in groupings}
    if isinstance(target, Mapping):
        return [f for name, wanted in target.items()
                for f in _of_column(case, by_name[name], wanted)]  # fmt: skip
    if not target:
        return []
    names = _columns_of(target)
    return list(_of_cells(case, [by_name[n] for n in names], _shares_of(names, target)))


def _of_column(case: AuditCase, grouping: Grouping, wanted: Wanted) -> Iterator[Finding]:
    levels = _stated(grouping)
    if isinstance(wanted, str):
        wanted = dict.fromkeys(levels, 1 / len(levels))
    return _of_cells(case, [grouping], {(level,): float(wanted[level]) for level in levels})


def _of_cells(
    case: AuditCase, groupings: Sequence[Grouping], wanted: Mapping[tuple[str, ...], float]
) -> Iterator[Finding]:
    """One for each joint group of some columns; shares are of rows that state all of them."""
    lacks = next((absent(g.name) for g in groupings if g.name in case.samples.absent), None)
    made = _stated_shares(case, groupings, case.samples)
    parts = [] if lacks else [_stated_shares(case, groupings, part)
                              for part in case.subject.replicates]  # fmt: skip
    method = by_person(_METHOD, case.samples)
    for i, cell in enumerate(product(*map(_stated, groupings))):
        group = {g.name: level for g, level in zip(groupings, cell, strict=True)}
        yield target_finding(group, made[i], wanted[cell], lacks, method, len(case.samples),
                             [part[i] for part in parts])  # fmt: skip


def _stated_shares(case: AuditCase, groupings: Sequence[Grouping], data: Dataset) -> list[Rate]:
    """Share of each joint group, in the order of `product`, among rows that state all columns."""
    sizes = [len(_stated(g)) for g in groupings]
    codes = [g.codes(data) for g in groupings]
    stated = np.all([(c >= 0) & (c < n) for c, n in zip(codes, sizes, strict=True)], axis=0)
    joint = np.ravel_multi_index([c[stated] for c in codes], sizes)
    mine = None if data.persons is None else data.persons[stated]
    return [share_of(joint == i, mine, worth_of_samples(case)) for i in range(math.prod(sizes))]


def target_finding(
    group: dict[str, str],
    made: Rate,
    wanted: float,
    lacks: Message | None = None,
    method: str = _METHOD,
    n: int = 1,
    each: Sequence[Rate] = (),
) -> Finding:
    """A share minus what it should be; n is stated where there is no number.

    each: the share in every training, where there are several, of which `made` is all together.
    """
    label = message(
        TARGET,
        "Share of {group} among generated rows minus the {target:percent} set as target",
        group=in_words(group),
        target=wanted,
    )
    if lacks or made.n < ESTIMABLE:
        reason = lacks or too_few(group, ESTIMABLE)
        estimate = Estimate.undefined(reason, n=n, method=method, unit=UNIT)
        return Finding(metric=TARGET, label=label, heading=_HEADING, estimate=estimate,
                       group=group)  # fmt: skip

    lost = gone(group, made, wanted)
    small = min([r.n for r in (made, *each)]) < ESTIMABLE
    trainings = Trainings.of([[(1, r)] for r in each]) if each and not small else None

    def interval(confidence: float) -> Interval:
        if trainings:
            low, high = trainings.interval(confidence)
            return max(low, 0.0) - wanted, min(high, 1.0) - wanted
        low, high = wilson(*made.independent, confidence)
        return low - wanted, high - wanted

    return Finding(
        metric=TARGET,
        label=label,
        heading=_HEADING,
        estimate=Estimate.of(
            (trainings.value if trainings else made.value) - wanted,
            interval,
            n=len(each) if trainings else made.n,
            method=ALONE if trainings else method,
            unit=UNIT,
        ),
        group=group,
        sides=(trainings.side if trainings else side("generated", made.n, made),),
        note=trainings.note if trainings else None,
        doubt=few(group) if made.independent[1] < JUDGED else lost,
        hollow=lost is not None and made.independent[1] >= JUDGED,
    )
