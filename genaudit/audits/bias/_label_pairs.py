"""Gaps in the favoured outcome between any two groups, whichever they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genaudit.audits.bias._groups import (
    JUDGED,
    Grouping,
    GroupRates,
    absent,
    alike,
    favoured_rates,
    large_anywhere,
    outcome,
    side,
    unlabelled,
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
from genaudit.audits.bias._pairs import (
    Pairs,
    any_two,
    both,
    furthest,
    of_rates,
    too_few_groups,
    untold,
)
from genaudit.audits.bias._trainings import ALONE, METHOD, Trainings
from genaudit.audits.words import by_person
from genaudit.case import AuditCase, Knowledge
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Finding, Message, Side, message, words_of

_LABELS = {
    LABEL_GAP: "Largest gap in the rate of “{outcome}” between any two groups of “{column}”, among "
    "generated rows",
    CHANGE: "How far any two groups of “{column}” have come apart in the rate of “{outcome}”, from "
    "real to generated rows",
}

#: Added to how several trainings are counted.
_OVER_PAIRS = ", over all pairs (Bonferroni)"


def label_pairs(case: AuditCase, groupings: Sequence[Grouping]) -> list[Finding]:
    """For each column: two groups that are furthest apart among samples, and two that came apart.

    Each of two groups may lie within the limit of the largest one and yet beyond it of the other;
    and two that trade places are as far apart as before. The gap of two groups among samples is
    that to the largest one, and is not said twice.
    """
    column = case.schema.target
    if column is None:
        return []
    target = Target.of(column, case.train)
    return [
        finding
        for grouping in groupings
        if len(grouping.levels) > 1
        for finding in _Rates.of(case, grouping, target).findings()
    ]


@dataclass(frozen=True, eq=False)
class _Rates:
    """Rates of all groups of a column.

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
        """Of both metrics; of the gap alone where there are more than two groups."""
        made = self.made
        doubt = None if made is None else alike(self.target, sum(made.k), sum(made.n))
        everybody = range(len(self.grouping.levels))
        doubt = doubt or unlabelled(self.case, [self.grouping], self.target, everybody)
        for metric in (LABEL_GAP, CHANGE)[len(self.grouping.levels) == 2 :]:
            yield doubted(self._finding(metric), doubt)

    def _finding(self, metric: str) -> Finding:
        groups, who = self._taking(metric), any_two(self.grouping.levels)
        pairs = self._pairs(metric, groups)
        words = [self.grouping.words.get(level, level) for level in self.grouping.levels]
        found = Finding(
            metric=metric,
            label=message(
                f"{metric}.any_two",
                _LABELS[metric],
                outcome=outcome(self.target),
                column=self.grouping.name,
            ),
            heading=HEADINGS[metric],
            estimate=self._estimate(metric, pairs),
            group={self.grouping.name: who.text_en},
            words=words_of(who),
            null=None if pairs is None else self._null(metric, groups),
            sides=() if pairs is None else self._sides(metric, groups, pairs),
            note=self._note(metric, words, groups, pairs),
        )
        large = np.flatnonzero(large_anywhere(self.case, [self.grouping]))
        return doubted(found, untold([words[i] for i in large if i not in groups]))

    def _note(
        self,
        metric: str,
        words: Sequence[str | Message],
        groups: Sequence[int],
        pairs: Pairs | None,
    ) -> Message | None:
        """Which two groups it is of, which take no part, and how far trainings are apart."""
        if self.made is None:
            return None
        few = [word for i, word in enumerate(words) if i not in groups]
        named = [words[i] for i in groups]
        form: Literal["gap", "ahead"] = "gap" if metric == LABEL_GAP else "ahead"
        pair = furthest(self.grouping.name, named, pairs, few, form)
        trainings = None if pairs is None else self._trainings(groups, pairs)
        return both(pair, None if trainings is None else trainings.note)

    def _estimate(self, metric: str, pairs: Pairs | None, *, null: bool = False) -> Estimate:
        data = (self.case.samples,) if metric == LABEL_GAP else (self.case.train, self.case.samples)
        n, method = min(map(len, data)), by_person(METHODS[metric], *data)
        if self.each and not null:
            n, method = len(self.each), (ALONE if metric == LABEL_GAP else METHOD) + _OVER_PAIRS
        if pairs is not None:
            return pairs.estimate(n=n, method=method, unit=UNIT)
        reason = self.lacks or too_few_groups(self.grouping.name, JUDGED)
        return Estimate.undefined(reason, n=n, method=method, unit=UNIT)

    def _taking(self, metric: str) -> list[int]:
        """Codes of the groups with enough rows on each side, of which real ones may be told."""
        if self.made is None:
            return []
        enough = np.all([_enough(rates) for rates in (self.made, *self.each)], axis=0)
        if metric == CHANGE:
            enough &= _enough(self.real) & self.real.told
        return [int(i) for i in np.flatnonzero(enough)]

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
        told = [i for i in groups if enough[i]]
        if len(told) < 2:
            return None
        unseen, real = ([side[i] for i in told] for side in (self.unseen, self.real))
        return self._estimate(metric, of_rates(unseen, real), null=True)

    def _trainings(self, groups: Sequence[int], pairs: Pairs) -> Trainings | None:
        one, other = (groups[i] for i in pairs.furthest or (0, 1))
        return trainings_of([(rates[one], rates[other]) for rates in self.each])

    def _sides(self, metric: str, groups: Sequence[int], pairs: Pairs) -> tuple[Side, ...]:
        """What the two that look furthest apart add to the variance; any two where none do."""
        assert self.made is not None, "there are pairs of samples"
        one, other = (groups[i] for i in pairs.furthest or (0, 1))
        trainings = self._trainings(groups, pairs)
        made = side("generated", len(self.case.samples), self.made[one], self.made[other])
        real = side("real", len(self.case.train), self.real[one], self.real[other])
        first = trainings.side if trainings else made
        return (first,) if metric == LABEL_GAP else (first, real)


def _enough(rates: GroupRates) -> np.ndarray:
    """Groups with enough independent rows to judge, bools (groups,)."""
    return np.array([rates[i].independent[1] >= JUDGED for i in range(len(rates.n))])
