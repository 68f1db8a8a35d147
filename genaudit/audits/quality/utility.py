"""Whether a model trained on the samples is as good on real rows as one trained on real rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genaudit.audits.figures import bar, bars
from genaudit.audits.learners import Comparison, comparison, learn_from
from genaudit.audits.quality import _baseline
from genaudit.audits.words import by_person
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Column, Schema
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Figure, Finding, Message, message
from genaudit.stats.clusters import cluster_sums, n_units
from genaudit.stats.components import auc_influence, component_interval
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval
from genaudit.subject import Access

LOSS = "quality.utility.loss"
TSTR = "quality.utility.tstr_auc"
TRTR = "quality.utility.trtr_auc"

_METHOD = "DeLong over holdout rows with a label, variance between learners, Satterthwaite's t"

#: What the models of the chart were trained on.
_REAL, _MADE, _BLIND = (
    message("series.real_rows", "real rows"),
    message("series.samples", "samples"),
    message("series.marginals", "independent marginals"),
)

_AUC = message("figure.auc", "AUC")

#: AUC that private samples are to give beyond independent marginals that spend as much.
WORTH = 0.1

#: Learners of the baseline: it is far from the subjects, so its own error matters little.
_BASELINE_LEARNERS = 4


@dataclass(frozen=True, eq=False)
class Skill:
    """AUC of each learner of a side, shape (K,), and influence of each holdout row on their mean.

    n_min: holdout rows of the smallest class that takes part, or that none of those has. persons:
    the number of each row's person; None where a row is a person.
    """

    aucs: np.ndarray
    influence: np.ndarray
    n_min: int
    persons: np.ndarray | None = None

    @property
    def value(self) -> float:
        """Mean AUC."""
        return float(self.aucs.mean())

    @property
    def between(self) -> list[tuple[float, float]]:
        """Variance of the mean that comes from the learners' own rows, with degrees of freedom."""
        k = len(self.aucs)
        return [(float(self.aucs.var(ddof=1)) / k, k - 1)] if k > 1 else []


@audit(
    title="Usefulness for training models",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Train-synthetic-test-real: Esteban, Hyland & Rätsch 2017; paired AUC: DeLong, DeLong & "
    "Clarke-Pearson 1988, Biometrics 44, eq. 5",
    modalities=EVERY,
    described=True,
    metrics=(LOSS, TSTR, TRTR),
)
def utility(case: AuditCase, _options: NoOptions) -> Outcome:
    """Predict the target of real holdout rows after training on samples and on real rows.

    Somebody has a question about real people but only the samples to learn from. How much worse do
    models get that way? Both sides have the same learner and the same number of rows; what is
    compared is the area under the ROC curve on the same holdout rows (1 = perfect, 0.5 = coin; for
    several classes the mean of each class against the rest, without classes of a few rows). Where
    records have no target, what they are asked for is the group: who speaks, who is shown.
    """
    column = asked(case.schema, of_records=case.description is not None)
    if column is None:
        text = "Usefulness for training models: the schema marks no column as target."
        return Outcome((), not_measured=(message("quality.utility.no_target", text),))
    target = Target.of(column, case.train)
    found = comparison(case, target)
    if isinstance(found, Message):
        return Outcome((_undefined(LOSS, target, found, len(case.holdout)),))
    real, made = (skill(side, found.y, found.persons) for side in (found.real, found.made))
    if real is None or made is None:
        reason = message(
            "quality.utility.few",
            "Not estimable: fewer than {minimum:integer} holdout rows have a value of {column}, or "
            "have any other.",
            minimum=SMALL_CELL,
            column=target.name,
        )
        return Outcome((_undefined(LOSS, target, reason, len(case.holdout)),))
    blind = _blind(case, found)
    findings = (
        Finding(
            metric=LOSS,
            label=_label(LOSS, target),
            estimate=auc_difference(real, made),
            null=_halves(found),
            baseline=None if blind is None else auc_difference(real, blind),
            baseline_label=None if blind is None else _baseline.label(case),
            doubt=found.doubt,
            note=found.note,
        ),
        _against(_level(TSTR, made, target, found), real, blind, case),
        _level(TRTR, real, target, found),
    )
    method = by_person(_METHOD, *found.data)
    named = tuple(_with_method(f, method) for f in findings)
    return Outcome(named, _figure(real, made, blind, target))


def asked(schema: Schema, *, of_records: bool) -> Column | None:
    """The column that models learn to tell: the target; of records without one their group."""
    if schema.target is not None or not of_records:
        return schema.target
    return next(iter(schema.sensitive), None)


def _against(finding: Finding, real: Skill, blind: Skill | None, case: AuditCase) -> Finding:
    """The skill that samples give with that of independent marginals, and a warning where a claim
    bought too little more than they give.
    """
    if blind is None:
        return finding
    claim, value = case.subject.claim, finding.estimate.value
    beside = {"baseline": _level_estimate(blind), "baseline_label": _baseline.label(case)}
    # Where marginals do worse than a coin, the coin is what has to be beaten.
    bar = max(blind.value, 0.5)
    if claim is None or value is None or round(value - bar, 9) >= WORTH:
        return finding.model_copy(update=beside)
    warning = message(
        "quality.utility.no_better",
        "Models that learnt from the samples (AUC {made:number}) are less than {least:number} "
        "better than a coin (0.5) or than models that learnt from independent marginals at the "
        "same ε = {epsilon:number} (AUC {blind:number}): the samples tell hardly more than the "
        "columns do one by one. Models that learnt from real rows reach {real:number}.",
        made=round(value, 3),
        blind=round(blind.value, 3),
        real=round(real.value, 3),
        least=WORTH,
        epsilon=claim.epsilon,
    )
    return finding.model_copy(update={**beside, "warning": warning})


def _with_method(finding: Finding, method: str) -> Finding:
    estimates = {k: getattr(finding, k) for k in ("estimate", "null", "baseline")}
    return finding.model_copy(
        update={k: e and e.model_copy(update={"method": method}) for k, e in estimates.items()}
    )


def skill(
    probabilities: np.ndarray, y: np.ndarray, persons: np.ndarray | None = None
) -> Skill | None:
    """AUC of each learner, one class against the rest averaged over classes.

    Classes of a few rows, or of all but a few, are left out: an area has their number of rows in
    its denominator. None where none is left.

    Args:
        probabilities: Shape (K, n, classes).
        y: Class of each row, shape (n,).
        persons: The number of each row's person; None where a row is a person.
    """
    classes = np.unique(y)
    n_min = np.array([n_units((y == c).astype(int), persons, 2).min() for c in classes], dtype=int)
    enough = n_min >= SMALL_CELL
    classes, n_min = classes[enough], n_min[enough]
    if not len(classes):
        return None
    # With two classes either one against the other is the same question.
    classes = classes[1:] if probabilities.shape[2] == 2 else classes
    found = [[auc_influence(p[:, c], y == c) for c in classes] for p in probabilities]
    aucs = np.array([np.mean([auc for auc, _ in learner]) for learner in found])
    influence = np.mean([[row for _, row in learner] for learner in found], axis=(0, 1))
    return Skill(aucs, influence, int(n_min.min()), persons)


def auc_difference(one: Skill, other: Skill) -> Estimate:
    """Mean AUC of one side minus the other's on the same rows."""
    rows = one.influence - other.influence
    between = [*one.between, *other.between]
    return _auc_estimate(one.value - other.value, replace(one, influence=rows), between)


def _auc_estimate(value: float, side: Skill, between: Sequence[tuple[float, float]]) -> Estimate:
    """An area or a difference of areas, from the influence of each row of a side on it."""
    influence, df = side.influence, math.inf
    if side.persons is not None:
        # What the rows of a person move together, so that it adds up before squaring.
        influence = cluster_sums(influence, side.persons)
        df = max(len(influence) - 1.0, 1.0)
    # Rows that all agree cannot show how they may differ: the error is at least one rare row's.
    holdout = max(float(np.sum(influence**2)), 1 / side.n_min**2)
    components = [(holdout, df), *between]

    def interval(confidence: float) -> Interval:
        low, high = component_interval(value, components, confidence)
        return max(low, -1.0), min(high, 1.0)

    return Estimate.of(value, interval, n=len(side.influence), method=_METHOD, unit="AUC")


def _level(metric: str, side: Skill, target: Target, found: Comparison) -> Finding:
    return Finding(
        metric=metric,
        label=_label(metric, target),
        estimate=_level_estimate(side),
        doubt=found.doubt,
        note=found.note,
    )


def _level_estimate(side: Skill) -> Estimate:
    """The mean AUC of one side."""
    return _auc_estimate(side.value, side, side.between)


def _halves(found: Comparison) -> Estimate | None:
    """The same difference between learners that were all trained on real rows, two a side at least.

    One a side would not tell how much chance in its rows moves it.
    """
    if found.n_learners < 4:
        return None

    def difference(one: np.ndarray, other: np.ndarray) -> Estimate | None:
        a, b = (skill(found.real[side], found.y, found.persons) for side in (one, other))
        return None if a is None or b is None else auc_difference(a, b)

    def value(one: np.ndarray, other: np.ndarray) -> float | None:
        estimate = difference(one, other)
        return None if estimate is None else estimate.value

    return difference(*middle_halves(found.n_learners, value))


def _blind(case: AuditCase, found: Comparison) -> Skill | None:
    k = min(found.n_learners, _BASELINE_LEARNERS)
    data = _baseline.independent_marginals(case)
    if not (found.target.encode(data) >= 0).sum() >= k:
        return None
    learned = learn_from(case, data, found, k, "learners.baseline")
    return skill(learned, found.y, found.persons)


def _label(metric: str, target: Target) -> Message:
    text = {
        LOSS: "How much worse models predict “{column}” in real rows after training on samples",
        TSTR: "How well models trained on samples predict “{column}” in real rows",
        TRTR: "How well models trained on real rows predict “{column}” in other real rows",
    }[metric]
    return message(metric, text, column=target.name)


def _undefined(metric: str, target: Target, reason: Message, n: int) -> Finding:
    estimate = Estimate.undefined(reason, n=n, method=_METHOD, unit="AUC")
    return Finding(metric=metric, label=_label(metric, target), estimate=estimate)


def _figure(real: Skill, made: Skill, blind: Skill | None, target: Target) -> tuple[Figure, ...]:
    sides = ((_REAL, real), (_MADE, made), (_BLIND, blind))
    rows = [
        bar(name.text_en, _AUC, _level_estimate(side)) for name, side in sides if side is not None
    ]
    return bars(
        "quality.utility.aucs",
        rows,
        message("figure.aucs.title", "How well models predict “{column}”", column=target.name),
        message(
            "figure.aucs.text",
            "Area under the ROC curve on real holdout rows after training on each kind of rows: 1 "
            "is perfect, 0.5 is a coin.",
        ),
        _AUC,
        series=[name for name, _ in sides],
        unit="AUC",
    )
