"""Shares that a user wants groups to have: what may be asked, and how far samples are from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    NOT_STATED,
    Grouping,
    Rate,
    absent,
    few,
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

_OPTION = "Option 'target' of audit 'bias.representation'"


def shape(value: Any) -> str | None:
    """What a target is expected to be, whatever the data; None where it is that.

    >>> shape({"sex": "equal", "race": {"a": 0.3, "b": 0.7}})
    >>> shape({"race": {"a": 0.3, "b": 0.6}})
    "shares of 'race' that sum to 1 (they sum to 0.9)"
    """
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        return "a table of sensitive columns, such as {sex = 'equal'}"
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


def _is_share(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x <= 1


def check_target(case: AuditCase, target: Mapping[str, Wanted] | None) -> None:
    """Refuse a target that does not fit the sensitive columns and their groups.

    Raises:
        OptionError: a column that is not sensitive or is a number, or other groups than it has.
    """
    sensitive = {column.name: column for column in case.schema.sensitive}
    for name, wanted in (target or {}).items():
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
        if not isinstance(wanted, str):
            _check_levels(name, wanted, _stated(Grouping.of(sensitive[name], case.train)))


def _check_levels(name: str, wanted: Mapping[str, float], levels: Sequence[str]) -> None:
    if unknown := sorted(set(wanted) - set(levels)):
        raise OptionError(
            f"{_OPTION}: {name!r} has no group {unknown[0]!r}; expected {', '.join(levels)}."
        )
    if missing := [level for level in levels if level not in wanted]:
        raise OptionError(
            f"{_OPTION}: expected a share for each group of {name!r}, but {missing[0]!r} has none; "
            "write 0 where there should be nobody."
        )


def _stated(grouping: Grouping) -> tuple[str, ...]:
    return tuple(level for level in grouping.levels if level != NOT_STATED)


def target_findings(
    case: AuditCase, groupings: Sequence[Grouping], target: Mapping[str, Wanted] | None
) -> list[Finding]:
    """One for each group of the columns that have a target."""
    by_name = {g.name: g for g in groupings}
    return [f for name, wanted in (target or {}).items()
            for f in _of_column(case, by_name[name], wanted)]  # fmt: skip


def _of_column(case: AuditCase, grouping: Grouping, wanted: Wanted) -> Iterator[Finding]:
    lacks = absent(grouping.name) if grouping.name in case.samples.absent else None
    levels, codes = _stated(grouping), grouping.codes(case.samples)
    if isinstance(wanted, str):
        wanted = dict.fromkeys(levels, 1 / len(levels))
    stated = np.isin(codes, np.arange(len(levels)))
    persons = case.samples.persons
    mine = None if persons is None else persons[stated]
    for i, level in enumerate(levels):
        made = share_of(codes[stated] == i, mine, worth_of_samples(case))
        each = [] if lacks else [_stated_share(case, grouping, part, i, len(levels))
                                 for part in case.subject.replicates]  # fmt: skip
        yield target_finding({grouping.name: level}, made, float(wanted[level]), lacks,
                             by_person(_METHOD, case.samples), len(case.samples), each)  # fmt: skip


def _stated_share(case: AuditCase, grouping: Grouping, part: Dataset, i: int, n: int) -> Rate:
    codes = grouping.codes(part)
    stated = (codes >= 0) & (codes < n)
    mine = None if part.persons is None else part.persons[stated]
    return share_of(codes[stated] == i, mine, worth_of_samples(case))


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
        doubt=few(group) if made.independent[1] < JUDGED else None,
    )
