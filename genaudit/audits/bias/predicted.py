"""Groups among records that nobody labelled: an attribute that a model has to predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    Rate,
    in_words,
    no_sensitive,
    share_of,
    too_few,
    with_words,
    worth_of_samples,
)
from genaudit.audits.figures import Bar, bar, bars, forest, rate_bar
from genaudit.audits.words import by_person, listed
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import hidden, in_tens, shown_share
from genaudit.data.schema import Column
from genaudit.modalities.table.learner import Features, fit_predict, levels_of
from genaudit.result import Estimate, Figure, Finding, Message, message
from genaudit.stats.clusters import equal_worth, n_units
from genaudit.stats.contrast import difference
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval, wilson
from genaudit.stats.misclassified import MAX_BLUR, Misclassified
from genaudit.subject import Access

SHARE = "bias.predicted.share_difference"

#: Real records that a predictor learns from at most: more make it slower, not much better.
MAX_ROWS = 10_000

_UNIT = "difference of shares"
_METHOD = (
    "predicted shares corrected by the predictor's errors (Rogan-Gladen), of which the interval "
    "carries the uncertainty (inverted MOVER contrast)"
)

#: What the chart compares.
_MADE = message("series.generated_corrected", "generated, corrected")
_REAL = message("series.real", "real")

_HEADING = message(
    f"{SHARE}.heading",
    "Share of each group among generated records, as far as a model can tell it, minus its share "
    "among real records",
)


@audit(
    title="Groups among generated records that do not say their group",
    needs={Access.SAMPLES, Knowledge.TRAIN},
    source="Rogan & Gladen 1978, Am. J. Epidemiol. 107, 71-76; Lipton, Wang & Smola 2018; "
    "CLEAM: Teo, Abdollahzadeh & Cheung 2023, whose interval takes the predictor's errors as known",
    modalities=EVERY,
    described=True,
    metrics=(SHARE,),
)
def predicted(case: AuditCase, _options: NoOptions) -> Outcome:
    """Predict the group of generated records that lack it, and set its share against real data.

    Somebody publishes faces, voices or texts without saying whose they are, and others take their
    mix of groups for that of the population. A model learns the group from real records that the
    generator has not seen, if there are any; its errors are measured on other real records, and
    the share that it predicts among generated records is corrected for them. What is supposed, and
    cannot be checked without labels: that about the generated records of a group it errs as often
    as about real ones. Where the predictions fit no mix of the groups, that is said.
    """
    if not case.schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    columns = [c for c in case.schema.sensitive if c.name in case.samples.absent]
    if not columns:
        names = listed([c.name for c in case.schema.sensitive])
        return Outcome((), not_measured=(_beside(names),))
    findings: list[Finding] = []
    rows: list[Bar] = []
    unmeasured: list[Message] = []
    groupings: list[Grouping] = []
    others = [case.data[k] for k in (Knowledge.HOLDOUT,) if k in case.data]
    for column in columns:
        grouping = Grouping.of(column, case.train, *others)
        asked = _ask(case, column, grouping)
        if isinstance(asked, Message):
            unmeasured.append(asked)
            continue
        groupings.append(grouping)
        findings += _findings(case, asked)
        rows += _bars(case, asked)
    outcome = Outcome(tuple(findings), _figures(rows, findings), tuple(unmeasured))
    return with_words(outcome, groupings)


# Prediction --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Asked:
    """What a predictor says of one column, in classes that have enough real records.

    classes: level of each class, and last the number of levels where small ones are taken together.
    true, said: class and prediction of each measured real record, shape (n,). made: prediction of
    each generated record that is one, shape (m,). persons: of the measured records; None where each
    is of its own. worth: of a generated record in independent ones. learned: records learned from.
    """

    grouping: Grouping
    classes: tuple[int, ...]
    true: np.ndarray
    said: np.ndarray
    made: np.ndarray
    persons: np.ndarray | None
    worth: float
    learned: int

    def corrected(self) -> Misclassified:
        """Predictions about generated records beside all that are measured."""
        everybody = np.arange(len(self.true))
        said = np.bincount(self.made, minlength=len(self.classes)) * self.worth
        return Misclassified(said, self.checked(everybody))

    def checked(self, rows: np.ndarray) -> np.ndarray:
        """Measured records among `rows` by class and prediction, in independent ones, (C, C)."""
        n = len(self.classes)
        cells = n * self.true[rows] + self.said[rows]
        counts = np.bincount(cells, minlength=n * n).reshape(n, n).astype(float)
        if self.persons is None:
            return counts
        units = [self.persons[rows][self.true[rows] == c] for c in range(n)]
        worth = np.array([equal_worth(u) / max(len(u), 1) for u in units])
        return counts * worth[:, None]

    def null(self, c: int) -> Estimate | None:
        """Half of the measured records as if they were generated; None where a half lacks a class.

        What is unknown about them is known: the errors and the share of the other half.
        """
        units = np.arange(len(self.true)) if self.persons is None else self.persons
        distinct = np.unique(units)

        def of(one: np.ndarray, other: np.ndarray) -> tuple[Misclassified, Rate] | None:
            asked, known = (np.flatnonzero(np.isin(units, distinct[h])) for h in (one, other))
            checked = self.checked(known)
            if not len(asked) or (checked.sum(axis=1) < ESTIMABLE).any():
                return None
            said = self.checked(asked).sum(axis=0)
            mine = None if self.persons is None else self.persons[known]
            return Misclassified(said, checked), share_of(self.true[known] == c, mine)

        def value(one: np.ndarray, other: np.ndarray) -> float | None:
            found = of(one, other)
            return None if found is None else float(found[0].shares[c]) - found[1].value

        found = of(*middle_halves(len(distinct), value))
        if found is None or np.isinf(found[0].blur(c)):
            return None
        return share_difference(found[0], c, found[1], n=len(self.true) // 2)


def _ask(case: AuditCase, column: Column, grouping: Grouping) -> Asked | Message:
    """Learn the column from some real records, and ask about others and about the generated."""
    present = [c for c in case.schema.modelled if c.name not in case.samples.absent]
    features = Features(tuple(present), tuple(levels_of(c, case.train.frame[c.name])
                                              for c in present))  # fmt: skip
    learn, measure = _parts(case)
    codes = [_stated(grouping, d) for d in (learn, measure)]
    counts = [n_units(y[y >= 0], _some(d.persons, y >= 0), len(grouping.levels))
              for y, d in zip(codes, (learn, measure), strict=True)]  # fmt: skip
    classes, place = _classes(np.minimum(*counts))
    if len(classes) < 2:
        return message(
            "bias.predicted.too_few",
            "Shares of {column} among generated records: fewer than two groups have {n:integer} "
            "real records to learn from, and as many to measure errors on.",
            column=column.name,
            n=JUDGED,
        )
    y, true = (np.where(c < 0, -1, place[c]) for c in codes)
    x, x_measure, x_made = (features.encode(d) for d in (learn, measure, case.samples))
    whole = ~np.isnan(x_made).all(axis=1) if present else np.zeros(len(x_made), bool)
    if not whole.any():
        return message(
            "bias.predicted.nothing",
            "Shares of {column} among generated records: they hold nothing to predict it from.",
            column=column.name,
        )
    rng = case.rng(f"{SHARE}.{column.name}")
    rows = rng.permutation(np.flatnonzero(y >= 0))[:MAX_ROWS]
    known = true >= 0
    test = np.concatenate([x_measure[known], x_made[whole]])
    said = _predict(x[rows], y[rows], len(classes), test)
    n = int(known.sum())
    own = case.samples.persons
    worth = worth_of_samples(case) if own is None else equal_worth(own) / len(own)
    asked = Asked(grouping, classes, true[known], said[:n], said[n:],
                  _some(measure.persons, known), worth, len(rows))  # fmt: skip
    corrected = asked.corrected()
    if all(np.isinf(corrected.blur(c)) for c in range(len(classes))):
        return message(
            "bias.predicted.chance",
            "Shares of {column} among generated records: a model that learned it from real records "
            "is no better than chance, so that its errors cannot be corrected.",
            column=column.name,
        )
    return asked


def _parts(case: AuditCase) -> tuple[Dataset, Dataset]:
    """Real records to learn from, and others to measure errors on.

    A generator that repeats its training records shows records about which a model that learned
    from them hardly errs. So it learns from unseen ones and is measured on those.
    """
    if Knowledge.HOLDOUT in case.data:
        return case.holdout, case.train
    return case.train.split(0.5, case.seed)


def _stated(grouping: Grouping, data: Dataset) -> np.ndarray:
    """Level of each record, shape (n,); -1 where its group is not stated."""
    codes = grouping.codes(data)
    if grouping.rest is not None:
        codes = np.where(codes == len(grouping.levels) - 1, -1, codes)
    return codes


def _classes(people: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Levels that are classes, and the class of each level: -1 where it is in none.

    Levels with few people are one class, if together they have enough of them.
    """
    large = np.flatnonzero(people >= JUDGED)
    place = np.full(len(people), -1)
    place[large] = np.arange(len(large))
    classes = tuple(int(i) for i in large)
    small = (people > 0) & (people < JUDGED)
    if people[small].sum() >= JUDGED:
        place[small] = len(large)
        classes = (*classes, len(people))
    return classes, place


def _predict(x: np.ndarray, y: np.ndarray, n_classes: int, test: np.ndarray) -> np.ndarray:
    """Class of each test row, were all classes as frequent, shape (n,).

    A model that knows how rare a class is never predicts it, and then tells nothing about it.
    """
    probabilities = fit_predict(x, y, n_classes, test, seed=0)
    shares = np.bincount(y, minlength=n_classes) / len(y)
    said: np.ndarray = (probabilities / np.maximum(shares, 1 / len(y))).argmax(axis=1)
    return said


def _some(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


# Findings ----------------------------------------------------------------------------------------


def share_difference(
    made: Misclassified, c: int, real: Rate, *, n: int, method: str = _METHOD
) -> Estimate:
    """Corrected share of class c among generated records minus its share among real ones."""
    share = float(made.shares[c])

    def interval(confidence: float) -> Interval:
        known = wilson(*real.independent, confidence)
        low, high = difference(share, made.interval(c, confidence), real.value, known)
        return max(low, -1.0), min(high, 1.0)

    return Estimate.of(share - real.value, interval, n=n, method=method, unit=_UNIT)


def _findings(case: AuditCase, asked: Asked) -> Iterator[Finding]:
    corrected, grouping = asked.corrected(), asked.grouping
    told, real = grouping.told(case.train), _real_shares(case, grouping)
    method = by_person(_METHOD, case.train, case.samples)
    n = min(len(asked.made), in_tens(real[0].n, len(case.train)))
    for i, level in enumerate(grouping.levels):
        if level == grouping.rest:
            continue
        group = {grouping.name: level}
        reason, c = _reason(asked, corrected, i, told=bool(told[i]))
        estimate = (
            Estimate.undefined(reason, n=n, method=method, unit=_UNIT)
            if reason
            else share_difference(corrected, c, real[i], n=n, method=method)
        )
        yield Finding(
            metric=SHARE,
            label=message(
                SHARE,
                "Share of {group} among generated records, as far as a model can tell it, minus "
                "their share among real records",
                group=in_words(group),
            ),
            heading=_HEADING,
            estimate=estimate,
            group=group,
            null=None if reason else asked.null(c),
            doubt=None if reason else _doubt(corrected, c, group),
            note=None if reason else _note(asked, c),
        )


def _reason(
    asked: Asked, corrected: Misclassified, level: int, *, told: bool
) -> tuple[Message | None, int]:
    """Why a level has no number, if so, and its class."""
    group = {asked.grouping.name: asked.grouping.levels[level]}
    if level not in asked.classes:
        return too_few(group, JUDGED), -1
    c = asked.classes.index(level)
    if not told:
        return hidden(), c
    if np.isinf(corrected.blur(c)):
        return message(
            "bias.predicted.blurred",
            "Not estimable: a model that learned from real records does not tell {group} from the "
            "others.",
            group=in_words(group),
        ), c
    return None, c


def _real_shares(case: AuditCase, grouping: Grouping) -> list[Rate]:
    """Share of each level among the training records whose group is stated."""
    codes, persons = _stated(grouping, case.train), case.train.persons
    known = codes >= 0
    mine = _some(persons, known)
    return [share_of(codes[known] == i, mine) for i in range(len(grouping.levels))]


def _beside(columns: Message) -> Message:
    return message(
        "bias.predicted.beside",
        "Nothing has to be predicted: generated records say their group ({columns}).",
        columns=columns,
    )


def _doubt(corrected: Misclassified, c: int, group: dict[str, str]) -> Message | None:
    """Why there is no verdict on a class, if so; its interval is right for all that.

    Numbers of a weak predictor are not left out: of those that happened to seem strong enough to
    be shown, too few intervals would hold the truth.
    """
    if corrected.misfit:
        return _misfit()
    if corrected.blur(c) <= MAX_BLUR:
        return None
    return message(
        "bias.predicted.weak",
        "A model that learned from real records hardly tells {group} from the others, so the "
        "interval is wide and there is no verdict.",
        group=in_words(group),
    )


def _misfit() -> Message:
    return message(
        "bias.predicted.misfit",
        "No mix of the groups would be predicted like this: the model errs about generated records "
        "in another way than about real ones, so that its errors cannot be corrected.",
    )


def _note(asked: Asked, c: int) -> Message:
    """How well the predictor does, where that tells of no few people, and what is supposed."""
    mine, hit = asked.true == c, asked.said == c
    right = shown_share(int((mine & hit).sum()), int(mine.sum()))
    wrong = shown_share(int((~mine & hit).sum()), int((~mine).sum()))
    learned = asked.learned - asked.learned % ESTIMABLE
    if right is None or wrong is None:
        return message(
            "bias.predicted.note",
            "By a model that learned from {n:integer} real records or a few more. It is supposed "
            "to err about the generated records of a group as about real ones.",
            n=learned,
        )
    return message(
        "bias.predicted.note_rates",
        "By a model that learned from {n:integer} real records or a few more; among others it "
        "recognised {right:percent} of the group and took {wrong:percent} of the rest for it. It "
        "is supposed to err about the generated records of a group as about real ones.",
        n=learned,
        right=right,
        wrong=wrong,
    )


# Figures -----------------------------------------------------------------------------------------


def _bars(case: AuditCase, asked: Asked) -> Iterator[Bar]:
    corrected, grouping = asked.corrected(), asked.grouping
    told, real = grouping.told(case.train), _real_shares(case, grouping)
    for i, level in enumerate(grouping.levels):
        if level == grouping.rest:
            continue
        reason, c = _reason(asked, corrected, i, told=bool(told[i]))
        name = in_words({grouping.name: level})
        if reason:
            yield bar(name, _MADE, None)
        else:
            low, high = corrected.interval(c, 0.95)
            yield name, _MADE.text_en, float(corrected.shares[c]), low, high
        yield (
            rate_bar(name, _REAL, real[i].k, real[i].n, rows=case.train)
            if told[i]
            else bar(name, _REAL, None)
        )


def _figures(rows: Sequence[Bar], findings: Sequence[Finding]) -> tuple[Figure, ...]:
    return (
        *bars(
            "bias.predicted.shares", rows,
            message("figure.predicted_shares.title", "Share of each group, as predicted"),
            message("figure.predicted_shares.text", "Each group's share of the generated records, "
                    "corrected for the errors of the model that predicts it, and of the real ones. "
                    "Shares that would tell of a few real people are left out."),
            message("figure.share", "Share"), series=(_MADE, _REAL),
        ),
        *forest(
            "bias.predicted.share_differences", findings, lambda f: in_words(f.group),
            message("figure.predicted_difference.title", "Predicted shares: generated minus real"),
            message("figure.predicted_difference.text", "Right of zero a group is larger among the "
                    "generated records than in real data, left of zero smaller; each line covers "
                    "what is not known of the model's errors."),
        ),
    )  # fmt: skip
