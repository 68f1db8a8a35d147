"""Gaps in the favoured outcome between any two groups but the largest one, on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.bias._groups import (
    JUDGED,
    Grouping,
    GroupRates,
    absent,
    alike,
    favoured_rates,
    outcome,
    side,
    worth_of_samples,
)
from genaudit.audits.bias._labels import (
    CHANGE,
    HEADINGS,
    LABEL_GAP,
    METHODS,
    UNIT,
    doubted,
    trainings_of,
)
from genaudit.audits.bias._pairs import ANY_TWO_OTHERS, Pairs, furthest, of_rates
from genaudit.audits.words import by_person
from genaudit.case import AuditCase, Knowledge
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Finding, Message, Side, message, words_of

_LABELS = {
    LABEL_GAP: "Largest gap in the rate of “{outcome}” between any two groups of “{column}” but "
    "{reference}, among generated rows",
    CHANGE: "How far any two groups of “{column}” but {reference} have come apart in the rate of "
    "“{outcome}”, from real to generated rows",
}


def other_gaps(case: AuditCase, groupings: Sequence[Grouping]) -> list[Finding]:
    """For each column: two groups that are furthest apart among samples, and two that came apart.

    The group that the others are held against by name takes no part; each of two others may lie
    within the limit of it and yet beyond the limit of the other.
    """
    column = case.schema.target
    if column is None:
        return []
    target = Target.of(column, case.train)
    return [
        finding
        for grouping in groupings
        if len(grouping.levels) > 2
        for finding in _Rates.of(case, grouping, target).findings()
    ]


@dataclass(frozen=True, eq=False)
class _Rates:
    """Rates of all groups of a column, of which the largest among real rows is left aside.

    made: among samples; None where these lack a column, for which `lacks` says so. each: in every
    training, where there are several. unseen: among holdout rows, where there are some.
    """

    case: AuditCase
    grouping: Grouping
    target: Target
    real: GroupRates
    made: GroupRates | None
    each: Sequence[GroupRates]
    unseen: GroupRates | None
    lacks: Message | None

    @classmethod
    def of(cls, case: AuditCase, grouping: Grouping, target: Target) -> _Rates:
        """Counted in the data of a case."""
        missing = [n for n in (grouping.name, target.name) if n in case.samples.absent]
        worth = worth_of_samples(case)
        samples = () if missing else (case.samples, *case.subject.replicates)
        made = [favoured_rates(data, grouping, target, worth) for data in samples]
        held = Knowledge.HOLDOUT in case.data
        return cls(
            case,
            grouping,
            target,
            real=favoured_rates(case.train, grouping, target),
            made=made[0] if made else None,
            each=made[1:],
            unseen=favoured_rates(case.holdout, grouping, target) if held else None,
            lacks=absent(missing[0]) if missing else None,
        )

    def findings(self) -> Iterator[Finding]:
        """Of both metrics."""
        made = self.made
        doubt = None if made is None else alike(self.target, sum(made.k), sum(made.n))
        for metric in (LABEL_GAP, CHANGE):
            yield doubted(self._finding(metric), doubt)

    def _finding(self, metric: str) -> Finding:
        groups = self._large(metric)
        pairs = self._pairs(metric, groups)
        words = [self.grouping.words.get(level, level) for level in self.grouping.levels]
        few = [words[i] for i in self._others if i not in groups]
        return Finding(
            metric=metric,
            label=message(
                f"{metric}.others",
                _LABELS[metric],
                outcome=outcome(self.target),
                column=self.grouping.name,
                reference=self.grouping.levels[self._reference],
            ),
            heading=HEADINGS[metric],
            estimate=self._estimate(metric, pairs),
            group={self.grouping.name: ANY_TWO_OTHERS.text_en},
            words=words_of(ANY_TWO_OTHERS),
            null=None if pairs is None else self._null(metric, groups),
            sides=() if pairs is None else self._sides(metric, groups, pairs),
            note=furthest([words[i] for i in groups], pairs, few),
        )

    def _estimate(self, metric: str, pairs: Pairs | None) -> Estimate:
        data = (self.case.samples,) if metric == LABEL_GAP else (self.case.train, self.case.samples)
        n, method = min(map(len, data)), by_person(METHODS[metric], *data)
        if pairs is not None:
            return pairs.estimate(n=n, method=method, unit=UNIT)
        reason = self.lacks or message(
            "bias.pairs.one_group",
            "Not estimable: fewer than two other groups of {column} have {minimum:integer} rows "
            "with a label on each side.",
            column=self.grouping.name,
            minimum=JUDGED,
        )
        return Estimate.undefined(reason, n=n, method=method, unit=UNIT)

    @property
    def _reference(self) -> int:
        return int(np.argmax(self.real.n))

    @property
    def _others(self) -> list[int]:
        return [i for i in range(len(self.grouping.levels)) if i != self._reference]

    def _large(self, metric: str) -> list[int]:
        """Codes of the others with enough rows on each side, of which real ones may be told."""
        if self.made is None:
            return []
        enough = np.all([_enough(rates) for rates in (self.made, *self.each)], axis=0)
        if metric == CHANGE:
            enough &= _enough(self.real) & self.real.told
        return [i for i in self._others if enough[i]]

    def _pairs(self, metric: str, groups: Sequence[int]) -> Pairs | None:
        if self.made is None or len(groups) < 2:
            return None
        made, *each = ([side[i] for i in groups] for side in (self.made, *self.each))
        return of_rates(made, [self.real[i] for i in groups] if metric == CHANGE else (), each)

    def _null(self, metric: str, groups: Sequence[int]) -> Estimate | None:
        """The same of unseen rows in the place of samples."""
        if metric == LABEL_GAP or self.unseen is None:
            return None
        enough = _enough(self.unseen) & self.unseen.told
        both = [i for i in groups if enough[i]]
        if len(both) < 2:
            return None
        unseen, real = ([side[i] for i in both] for side in (self.unseen, self.real))
        return self._estimate(metric, of_rates(unseen, real))

    def _sides(self, metric: str, groups: Sequence[int], pairs: Pairs) -> tuple[Side, ...]:
        """What the two that look furthest apart add to the variance; any two where none do."""
        assert self.made is not None, "there are pairs of samples"
        one, other = (groups[i] for i in pairs.furthest or (0, 1))
        trainings = trainings_of([(rates[one], rates[other]) for rates in self.each])
        made = side("generated", len(self.case.samples), self.made[one], self.made[other])
        real = side("real", len(self.case.train), self.real[one], self.real[other])
        first = trainings.side if trainings else made
        return (first,) if metric == LABEL_GAP else (first, real)


def _enough(rates: GroupRates) -> np.ndarray:
    """Groups with enough independent rows to judge, bools (groups,)."""
    return np.array([rates[i].independent[1] >= JUDGED for i in range(len(rates.n))])
