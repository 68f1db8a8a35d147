"""Shadow models: the subject's training is repeated, with and without some records, and compared.

The records are chosen by distance before anything is trained: those far from all others are where
memory shows first. For each of them and each model a recorded coin decides whether the model's
training data hold the record or a random unseen row in its place; everything else of the training
data is the same for all models. So models with and without a record come from the same training,
and one set of models serves all records and all attacks.

An attack learns from some of the models, whose coins it is shown, and is judged on others. Models
are independent, records of one model are not; `stats.shadows` counts models.

Source: Carlini et al. 2022, LiRA (one set of models for all records); Meeus, Guépin, Creţu & de
Montjoye 2023, Achilles' Heels (vulnerable records by their distance to the nearest ones).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genaudit.audits._power import POWER_CONFIDENCE, shown
from genaudit.case import AuditCase, Outcome, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.errors import DataError
from genaudit.modalities.table.gaps import compared
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Keys, Space, exact_hits, one_each
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.shadows import (
    MIN_MODELS,
    ManyModels,
    ModelArea,
    pooled_area,
    record_area,
    record_rate,
    understated,
)
from genaudit.subject import Subject

#: Neighbours whose mean distance says how vulnerable a record is.
_NEIGHBOURS = 5

#: Training rows among which vulnerable records are sought, by chance where there are more.
_MOST_ROWS = 10_000

#: Reference rows that stand for the population.
_MOST_REFERENCE = 500

#: Parts into which models are split to be judged by the others: for areas; and for the rate, which
#: needs many models in each part, and epsilon, where each has a share of the chance of error.
_FOLDS, _HALVES = 4, 2

#: Rate of false accusation at which the share of models found is told.
_FPR = 0.01

#: Coins that decided nothing, on which an attack is tried to see how far chance alone carries it.
_GHOSTS = 60

#: From models (positions) whose coins are known to scores of others, shape (others, records).
Attack = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ShadowOptions:
    """What the models cost; all four attacks share them where these numbers are the same.

    n_shadow: trainings. n_targets: records that are attacked. n_samples: records drawn from each
    model.
    """

    n_shadow: int = ranged(48, 4, 10_000)
    n_targets: int = ranged(16, 1, 1000)
    n_samples: int = ranged(2000, 10, 1_000_000)


@dataclass(frozen=True, eq=False)
class Shadows:
    """Models that were trained with and without some records, as an attacker sees them.

    space: of the distance. members: what the coins decided, shape (models, records). ghosts: sets
    of coins that decided nothing, for nulls, shape (sets, models, records). targets, population:
    the attacked records, and reference rows that no model was trained on. samples: of each model.
    scores: of targets and population by each score that all models offer, shape (models, records)
    and (models, rows); none where they have none. n_rows: rows that each model was trained on.
    """

    space: Space
    members: np.ndarray
    ghosts: np.ndarray
    targets: Encoded
    population: Encoded
    samples: Sequence[Encoded]
    scores: tuple[tuple[np.ndarray, np.ndarray], ...]
    n_rows: int


def metrics(audit: str) -> tuple[str, ...]:
    """What `outcome` finds: ids of both areas, the rate and the bound."""
    return tuple(f"{audit}.{end}" for end in ("auc", "pooled_auc", "tpr_at_1pct_fpr", "epsilon"))


def outcome(
    case: AuditCase, options: ShadowOptions, audit: str, name: Message,
    attack: Callable[[Shadows], Attack],
) -> Outcome:  # fmt: skip
    """Findings of one attack on the shadow models of the case.

    Args:
        case: Attacked.
        options: What the models cost.
        audit: Its id.
        name: Of the attack, as it stands in a sentence.
        attack: What it learns from some models and says of others.
    """
    models = shadows(case, options)
    if models is None:
        return Outcome(_undefined(audit, name, len(case.train)))
    score = attack(models)
    found = _judged(score, models.members, _FOLDS)
    # The same attack on coins that nothing depends on.
    null = [_judged(score, ghosts, _FOLDS) for ghosts in models.ghosts]
    halves = _judged(score, models.members, _HALVES)
    said = _note(models)
    main = (
        _area(f"{audit}.auc", _area_label(name), record_area, found, null),
        _area(f"{audit}.pooled_auc", _POOLED, pooled_area, found, null),
        _rate(f"{audit}.tpr_at_1pct_fpr", halves),
    )
    noted = (f.model_copy(update={"note": said}) for f in main)
    return Outcome((*noted, _epsilon(case, f"{audit}.epsilon", halves)))


def shadows(case: AuditCase, options: ShadowOptions) -> Shadows | None:
    """The shadow models of a case, trained once; None where there are too few rows."""
    key = ("privacy.shadows", options.n_shadow, options.n_targets, options.n_samples)
    return case.once(key, lambda: _train(case, options))


def _train(case: AuditCase, options: ShadowOptions) -> Shadows | None:
    rng = case.rng("privacy.shadows")
    seen = case.described
    chosen = _vulnerable(seen, options.n_targets, rng)
    unseen = case.non_members
    n = min(options.n_targets, len(chosen), len(unseen) // 2)
    base = _others(case.train, chosen[:n])
    if n < 1 or len(base) < SMALL_CELL or len(unseen) < SMALL_CELL:
        return None
    pool = _joined(case.train, unseen)
    members, *ghosts = rng.random((1 + _GHOSTS, options.n_shadow, n)) < 0.5
    stand_ins = len(case.train) + np.stack(
        [rng.permutation(len(unseen))[:n] for _ in range(options.n_shadow)]
    )
    rows = np.where(members, chosen[:n], stand_ins)
    subjects = _retrained(case.subject, [pool.take(np.append(base, r)) for r in rows], rng)
    made = [_drawn(case, s, options.n_samples, int(rng.integers(2**31))) for s in subjects]
    calm = _calm(case)
    columns = compared(made[0], seen.train, calm[1])
    space = Space.fit(calm[1], columns, seen.train.take(chosen[:n]), *made)
    return Shadows(
        space, members, np.stack(ghosts),
        space.encode(seen.train.take(chosen[:n])),
        space.encode(calm[1]),
        [space.encode(data) for data in made],
        _scores(subjects, (case.train.take(chosen[:n]), calm[0])),
        len(base) + n,
    )  # fmt: skip


def _vulnerable(case: AuditCase, n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of training rows that one person alone has, farthest from their neighbours first.

    Whatever the models turn out to be, these are the records that are attacked.
    """
    train, unseen = case.train, case.non_members
    columns = compared(train, unseen, case.reference)
    keys = Keys.joined([Keys.of(table, columns) for table in (train, unseen)])
    single = exact_hits(keys, keys.take(np.arange(0))).visible[: len(train)]
    rows = one_each(train, np.flatnonzero(single), rng)
    rows = np.sort(rng.permutation(rows)[:_MOST_ROWS])
    if len(rows) <= _NEIGHBOURS:
        return rows[:0]
    some = train.take(rows)
    space = Space.fit(case.reference, columns, some)
    coded, far = space.encode(some), np.empty(len(rows))
    for block, squared in space.squared(coded, coded):
        # The nearest of all is the record itself, at distance 0.
        near = np.partition(squared, _NEIGHBOURS, axis=1)[:, 1 : _NEIGHBOURS + 1]
        far[block] = np.sqrt(np.maximum(near, 0)).mean(axis=1)
    return np.asarray(rows[np.argsort(-far, kind="stable")[:n]])


def _others(train: Dataset, targets: np.ndarray) -> np.ndarray:
    """Positions of training rows of nobody who is attacked."""
    person = train.schema.person
    if person is None:
        return np.setdiff1d(np.arange(len(train)), targets)
    persons = train.frame[person.name]
    return np.flatnonzero(~persons.isin(persons.iloc[targets]).to_numpy())


def _joined(*tables: Dataset) -> Dataset:
    """Rows of several real tables, one table after the other."""
    schema = tables[0].schema
    return Dataset(schema, pd.concat([t.frame for t in tables], ignore_index=True))


def _retrained(
    subject: Subject, data: Sequence[Dataset], rng: np.random.Generator
) -> Sequence[Subject]:
    assert subject.retrain is not None, "an audit that trains again declares RETRAIN"
    seeds = rng.choice(2**31, len(data), replace=False, shuffle=False)
    subjects = subject.retrain(data, [int(seed) for seed in seeds])
    if len(subjects) != len(data):
        raise DataError(
            f"Expected {len(data):,} models from training {subject.name} again so many times, got "
            f"{len(subjects):,}; return one subject for each data set, in their order."
        )
    return subjects


def _drawn(case: AuditCase, subject: Subject, n: int, seed: int) -> Dataset:
    """Samples of one model as audits of tables see them."""
    if subject.draw is not None:
        made = subject.draw(n, seed)
    elif subject.samples is not None:
        made = subject.samples
        made = made.take(np.random.default_rng(seed).permutation(len(made))[:n])
    else:
        raise DataError(
            f"Expected models with samples from training {case.subject.name} again, got one "
            "without; give each subject a draw or samples."
        )
    description = case.described.description
    return made if description is None else description.of(made)


def _calm(case: AuditCase) -> tuple[Dataset, Dataset]:
    """Some reference rows, as they are and as audits of tables see them."""
    rows = case.rng("privacy.shadows.reference").permutation(len(case.reference))
    rows = np.sort(rows[:_MOST_REFERENCE])
    return case.reference.take(rows), case.described.reference.take(rows)


def _scores(
    subjects: Sequence[Subject], data: tuple[Dataset, Dataset]
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Of each score that all models have, its values of targets and of the population."""
    names = set.intersection(*(set(s.scores) for s in subjects))

    def of(name: str, rows: Dataset) -> np.ndarray:
        return np.stack([np.asarray(s.scores[name](rows), dtype=float) for s in subjects])

    return tuple((of(name, data[0]), of(name, data[1])) for name in sorted(names))


#: Scores and coins of all models, shape (models, records) each, and the part of each model.
Judged = tuple[np.ndarray, np.ndarray, np.ndarray]


def _judged(attack: Attack, members: np.ndarray, k: int) -> Judged:
    """All models, each part of them by an attack that has seen the coins of the others alone."""
    # Coins are random, so any order of the models will do.
    parts, scores = np.arange(len(members)) % k, np.empty(members.shape)
    for part in np.unique(parts):
        held, known = np.flatnonzero(parts == part), np.flatnonzero(parts != part)
        scores[held] = attack(known, members[known], held)
    return scores, members, parts


def _area(
    metric: str, label: Message,
    area: Callable[[np.ndarray, np.ndarray, np.ndarray], ModelArea], found: Judged,
    null: Sequence[Judged],
) -> Finding:  # fmt: skip
    n = len(found[0])
    calms = [area(*judged) for judged in null]
    # Models that are judged have taught the attack about others: areas vary more than models do.
    more = understated(calms)
    main, calm = area(*found).widened(more), calms[0].widened(more)
    if n < MIN_MODELS or not np.isfinite(main.value):
        return Finding(metric=metric, label=label, estimate=Estimate.undefined(
            _few_models(), n=n, method=_AUC_METHOD, unit=_AUC_UNIT))  # fmt: skip
    best = ModelArea(1.0, 0.0, n, main.n_pairs)
    return Finding(
        metric=metric,
        label=label,
        estimate=_area_estimate(main, n),
        null=_area_estimate(calm, n),
        chance=0.5,
        ceiling=best.interval(POWER_CONFIDENCE)[0],
        detectable=_detectable(calm),
    )


def _area_estimate(found: ModelArea, n: int) -> Estimate:
    return Estimate.of(found.value, found.interval, n=n, method=_AUC_METHOD, unit=_AUC_UNIT)


def _detectable(calm: ModelArea) -> float | None:
    """Smallest area told from chance four times of five, with an error as that of the null."""
    half = calm.interval(POWER_CONFIDENCE)
    needed = 0.5 + (half[1] - half[0]) / 2 + 0.85 * calm.se
    return needed if needed < 1 else None


def _rate(metric: str, halves: Judged) -> Finding:
    n = len(halves[0])
    found = record_rate(*halves, _FPR)
    if found is None:
        reason = message(
            "privacy.shadow.few_without",
            "Each record has a threshold of its own, and {fpr:percent} of the models without it "
            "is less than one of them; {least:integer} models without each record in either half, "
            "so about {models:integer} in all, would do.",
            fpr=_FPR, least=round(1 / _FPR), models=round(5 / _FPR),
        )  # fmt: skip
        estimate = Estimate.undefined(reason, n=n, method=_TPR_METHOD, unit=_TPR_UNIT)
    else:
        estimate = Estimate.of(found.value, found.interval, n=n, method=_TPR_METHOD, unit=_TPR_UNIT)
    return Finding(metric=metric, label=_RATE, estimate=estimate, chance=_FPR)


def _epsilon(case: AuditCase, metric: str, halves: Judged) -> Finding:
    """A bound that supposes nothing, as coins decided; beside the claim where there is one."""
    claim = case.subject.claim
    delta = claim.delta if claim else 0.0
    scores, members, parts = halves
    n = scores.size
    runs = ManyModels([(scores[parts == p], members[parts == p]) for p in np.unique(parts)], delta)
    low, most = runs.bound(0.05), runs.ceiling(0.05)

    def interval(confidence: float) -> tuple[float, float]:
        return runs.bound((1 - confidence) / 2), np.inf

    note = message(
        "privacy.shadow.epsilon_note",
        "Fair coins decided {coins:integer} times whether a record or another one in its place was "
        "trained on, so the bound supposes nothing of the training. It is at δ = {delta}, and at "
        "most ε = {most:number} could have been shown. It is no upper bound.",
        coins=n, delta=f"{delta:.3g}", most=round(most, 2),
    )  # fmt: skip
    beyond = None
    if claim is not None and interval(0.99)[0] > claim.epsilon:
        beyond = message(
            "privacy.shadow.beyond",
            "Training leaks more than the ε = {epsilon:number} that is claimed.",
            epsilon=claim.epsilon,
        )
    return Finding(
        metric=metric, label=_EPSILON,
        estimate=Estimate.of(low, interval, n=n, method=_EPSILON_METHOD, unit="ε"),
        chance=0.0, ceiling=most, note=note, warning=beyond,
    )  # fmt: skip


def _note(models: Shadows) -> Message:
    n, k = models.members.shape
    return message(
        "privacy.shadow.note",
        "{models:integer} trainings on {rows} rows each, with or without {records:integer} records "
        "that lie far from all others; {samples:integer} samples of each, judged by an attack that "
        "learned from the other trainings.",
        models=n, rows=shown(models.n_rows), records=k, samples=len(models.samples[0]),
    )  # fmt: skip


def _undefined(audit: str, name: Message, n: int) -> tuple[Finding, ...]:
    """The same findings where there is nobody to attack."""
    labels = (_area_label(name), _POOLED, _RATE, _EPSILON)
    means = ((_AUC_METHOD, _AUC_UNIT), (_AUC_METHOD, _AUC_UNIT), (_TPR_METHOD, _TPR_UNIT),
             (_EPSILON_METHOD, "ε"))  # fmt: skip
    reason = message(
        "privacy.shadow.nobody",
        "Too few training rows, or unseen rows, occur once in all real tables.",
    )
    return tuple(
        Finding(metric=metric, label=label,
                estimate=Estimate.undefined(reason, n=n, method=method, unit=unit))
        for metric, label, (method, unit) in zip(metrics(audit), labels, means, strict=True)
    )  # fmt: skip


def _few_models() -> Message:
    return message(
        "privacy.shadow.few_models",
        "Fewer than {least:integer} trainings, or none with a record or none without it.",
        least=MIN_MODELS,
    )


def _area_label(name: Message) -> Message:
    return message(
        "privacy.shadow.auc",
        "How well {attack} tells trainings with a record from those without it (AUC)",
        attack=name,
    )


_POOLED = message(
    "privacy.shadow.pooled",
    "The same with one threshold for all records (AUC over pairs of record and training)",
)
_RATE = message(
    "privacy.shadow.tpr",
    "Share of trainings found that had the record, where {fpr:percent} of those without it are "
    "accused",
    fpr=_FPR,
)
_EPSILON = message(
    "privacy.shadow.epsilon", "Lower bound on the ε of the training, whatever it promises"
)

_AUC_METHOD = "area under the ROC curve over trainings, clustered by training"
_AUC_UNIT = "chance that a training with the record scores above one without it"
_TPR_METHOD = "mean over records of exact binomials, threshold of each from trainings without it"
_TPR_UNIT = "share of trainings with the record"
_EPSILON_METHOD = "one-run theorem over all coins of independent trainings, halved for replacement"
