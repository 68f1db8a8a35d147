"""Membership inference by distance: are training rows nearer to the samples than unseen rows?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import binom

from genaudit.audits._power import (
    DOUBT_CONFIDENCE,
    POWER_CONFIDENCE,
    default_limit,
    shown,
    smallest,
)
from genaudit.audits.privacy._reach import Reach, auc_ceiling, auc_detectable
from genaudit.audits.privacy.copies import holdout_seen
from genaudit.audits.words import listed
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL, shown_share, taken_for
from genaudit.data.schema import Column
from genaudit.modalities.table.gaps import Gaps, compared, not_compared
from genaudit.modalities.table.space import Keys, Space, exact_hits, one_each
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval, clopper_pearson
from genaudit.stats.roc import auc, roc_points, tpr_at_fpr
from genaudit.subject import Access

AUC = "privacy.distance.auc"
TPR_1 = "privacy.distance.tpr_at_1pct_fpr"
TPR_01 = "privacy.distance.tpr_at_01pct_fpr"

_AUC_METHOD = "area under the ROC curve, DeLong on the logit scale"
_AUC_UNIT = "chance that a member scores above a non-member"
_TPR_UNIT = "share of members"
_TPR_METHOD = "exact binomial, threshold from non-members"

#: Rates of false accusation at which the figure shows the curve.
_GRID = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


#: Different samples without which nearness says nothing, for or against.
MIN_DISTINCT = 100


@dataclass(frozen=True)
class DistanceOptions:
    """Parameters of the attack.

    max_records: most members, and most non-members, that are attacked.
    max_pool: most samples, and most reference rows, among which the nearest is sought.
    tau: distance, as a share of the longest, below which nearer means little; fixed beforehand.
    """

    max_records: int = ranged(5000, 1)
    max_pool: int = ranged(50_000, 1)
    tau: float = ranged(0.01, 1e-6, 1)


@dataclass(frozen=True, eq=False)
class Scores:
    """Attack scores, higher = member, shape (n,) each.

    blind: have not seen the samples. shift: half of train stands for the samples and the other half
    is attacked, so that what tells members apart is not memory but another population.
    n_distinct: different samples among those that were searched.
    """

    members: np.ndarray
    non_members: np.ndarray
    blind_members: np.ndarray
    blind_non_members: np.ndarray
    shift_members: np.ndarray
    shift_non_members: np.ndarray
    n_distinct: int


@audit(
    title="Membership inference by distance, with a reference",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Hilprecht et al. 2019, Monte Carlo and Reconstruction Membership Inference Attacks; "
    "Chen et al. 2020, GAN-Leaks, section 4.4 (calibration by a reference); van Breugel et al. "
    "2023, DOMIAS; Carlini et al. 2022 (TPR at low FPR)",
    options=DistanceOptions,
    modalities=EVERY,
    described=True,
    metrics=(AUC, TPR_1, TPR_01),
)
def distance(case: AuditCase, options: DistanceOptions) -> Outcome:
    """Whether a person's record was in the training data, guessed from the samples alone.

    The attacker holds the record of a person, the samples, and rows of the same population that
    the generator never saw (the reference). They accuse the generator of having trained on the
    record when it lies nearer to the samples than to the reference: by log((d_R + tau) /
    (d_S + tau)), so that an unusual record, far from everything, is not taken for a stranger.
    Members are training rows and non-members unseen rows that occur once in all real tables (of a
    person with several rows a random one). Members and non-members meet the same samples and the
    same reference, so that neither side is nearer where nothing leaks, however many rows are
    searched. Where not all samples are, upper ends suppose that the others leak as much.
    """
    scores, reach = _scores(case, options)
    left_out = _left_out(case)
    if scores is None:
        return Outcome(_undefined(reach.n_train), not_measured=left_out)
    doubt = _doubt(scores) or holdout_seen(case)
    note = _note(scores, reach)
    findings = [_auc(scores, reach), _tpr(scores, reach, 0.01, TPR_1)]
    findings.append(_tpr(scores, reach, 0.001, TPR_01))
    done = tuple(f.model_copy(update={"doubt": doubt, "note": f.note or note}) for f in findings)
    return Outcome(done, (_banded(_figure(scores), scores, reach),), left_out)


def _scores(case: AuditCase, options: DistanceOptions) -> tuple[Scores | None, Reach]:
    """Scores (None where there are too few rows to attack) and what was looked at."""
    samples, train, unseen, reference = case.samples, case.train, case.non_members, case.reference
    columns = compared(samples, train, unseen, reference)
    rng = case.rng("privacy.distance")
    drawn = samples.take(rng.permutation(len(samples))[: options.max_pool])
    calm = reference.take(rng.permutation(len(reference))[: options.max_pool])
    n_unreadable = Gaps.of(samples, columns, train, unseen, reference).n_rows()
    reach = Reach(len(samples), len(drawn), len(calm), len(train), train.n_units(), n_unreadable)
    single = _singletons((train, unseen, reference), columns)
    positions = _some(one_each(train, single[0], rng), options.max_records, rng)
    others = _some(one_each(unseen, single[1], rng), options.max_records, rng)
    if min(len(positions), len(others)) < SMALL_CELL:
        return None, reach
    members, non_members = train.take(positions), unseen.take(others)
    space = Space.fit(calm, columns, drawn, members, non_members)
    near_samples = partial(space.nearest, pool=space.encode(drawn))
    near_reference = partial(space.nearest, pool=space.encode(calm))
    attacked = [space.encode(members), space.encode(non_members)]
    blind = [near_reference(rows) for rows in attacked]

    def scored(d_r: np.ndarray, d_s: np.ndarray) -> np.ndarray:
        return np.asarray(np.log((d_r + options.tau) / (d_s + options.tau)))

    main = [scored(d, near_samples(rows)) for rows, d in zip(attacked, blind, strict=True)]
    # Every other member is attacked with the rest of train as a pool, as if it were the samples.
    left_out = train.take(positions[1::2])
    rest = np.flatnonzero(~_of_persons(train, positions[1::2]))
    stand_in = train.take(rng.permutation(rest)[: len(drawn)])
    near_train = partial(space.nearest, pool=space.encode(stand_in))
    shift = [
        scored(d, near_train(rows))
        for rows, d in ((space.encode(left_out), blind[0][1::2]), (attacked[1], blind[1]))
    ]
    n_distinct = drawn.n_distinct
    return Scores(main[0], main[1], blind[0], blind[1], shift[0], shift[1], n_distinct), reach


def _of_persons(table: Dataset, rows: np.ndarray) -> np.ndarray:
    """Mask of the rows of the persons who have some rows (positions); of these where none is."""
    person = table.schema.person
    if person is None:
        return np.isin(np.arange(len(table)), rows)
    persons = table.frame[person.name]
    return np.asarray(persons.isin(persons.iloc[rows]).to_numpy())


def _left_out(case: AuditCase) -> tuple[Message, ...]:
    samples = case.samples
    columns = compared(samples, case.train, case.non_members, case.reference)
    gone = (*samples.absent, *not_compared(samples, columns))
    if case.description is not None:
        gone = case.description.said(gone)
    if not gone:
        return ()
    return (
        message(
            "privacy.distance.unread",
            "Nearness was measured without {columns}: the samples lack these columns, or most of "
            "their cells are missing or not allowed by the schema.",
            columns=listed(gone),
        ),
    )


def _note(scores: Scores, reach: Reach) -> Message:
    return message(
        "privacy.distance.note",
        "{members} training rows against {others} unseen rows, each occurring once in all real "
        "tables; looked for were the nearest of {samples} samples and of {reference} reference "
        "rows. {limits}",
        members=shown(len(scores.members)),
        others=shown(len(scores.non_members)),
        samples=shown(reach.n_samples),
        reference=shown(reach.n_reference),
        limits=_limits(reach),
    )


def _limits(reach: Reach) -> Message:
    """What of the samples the attack did not see, and what the interval makes of it."""
    if reach.n_searched == reach.n_samples and not reach.n_unreadable:
        return message("privacy.distance.whole", "All samples were searched and could be read.")
    return message(
        "privacy.distance.part",
        "Searched were {searched} of them, and cells of {unreadable} cannot be read. Upper ends "
        "suppose that samples that were not searched leak as much as the others, and that all that "
        "cannot be read are copies.",
        searched=shown(reach.n_searched),
        unreadable=shown(reach.n_unreadable),
    )


def _singletons(tables: tuple[Dataset, ...], columns: tuple[Column, ...]) -> list[np.ndarray]:
    """Positions of the rows of each table that one person alone has, in all of them together."""
    keys = [Keys.of(table, columns) for table in tables]
    pool = Keys.joined(keys)
    visible = exact_hits(pool, pool.take(np.arange(0))).visible
    parts = np.split(visible, np.cumsum([len(k) for k in keys])[:-1])
    return [np.flatnonzero(part) for part in parts]


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to attack: not quite all, as how many there are would tell of a few that repeat."""
    most = min(most, len(rows) - len(rows) % SMALL_CELL)
    return np.sort(rng.permutation(rows)[:most])


_LABEL_AUC = message(
    "privacy.distance.auc", "How well nearness to the samples tells members from non-members (AUC)"
)
_BLIND = message("privacy.distance.blind", "The same attacker without the samples")
_UNLIKE = message(
    "privacy.distance.unlike",
    "Members and non-members can be told apart without the samples, so the two are not alike and "
    "the attack proves nothing. Bring a holdout drawn at random from the same rows as train.",
)


_FEW = message(
    "privacy.distance.few",
    "Fewer than {least:integer} different samples: too few to be near to many records.",
    least=MIN_DISTINCT,
)


def _doubt(scores: Scores) -> Message | None:
    if scores.n_distinct < MIN_DISTINCT:
        return _FEW
    for members, others in (
        (scores.blind_members, scores.blind_non_members),
        (scores.shift_members, scores.shift_non_members),
    ):
        low, high = auc(members, others).interval(DOUBT_CONFIDENCE)
        if not low <= 0.5 <= high:
            return _UNLIKE
    return None


def _halves(
    scores: Scores, value: Callable[[np.ndarray, np.ndarray], float | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Non-members as members of a null attack: two halves of them, by the value of the attack."""
    rows = scores.non_members
    one, other = middle_halves(len(rows), lambda a, b: value(rows[a], rows[b]))
    return rows[one], rows[other]


def _auc(scores: Scores, reach: Reach) -> Finding:
    def estimate(members: np.ndarray, non_members: np.ndarray) -> Estimate:
        found = auc(members, non_members)
        n = len(members) + len(non_members)
        return Estimate.of(found.value, found.interval, n=n, method=_AUC_METHOD, unit=_AUC_UNIT)

    main = auc(scores.members, scores.non_members)
    m, k = len(scores.members), len(scores.non_members)
    return Finding(
        metric=AUC,
        label=_LABEL_AUC,
        estimate=Estimate.of(
            main.value,
            lambda confidence: reach.whole(main.interval(confidence), 0.5),
            n=m + k,
            method=_AUC_METHOD,
            unit=_AUC_UNIT,
        ),
        null=estimate(*_halves(scores, lambda a, b: auc(a, b).value)),
        baseline=estimate(scores.blind_members, scores.blind_non_members),
        baseline_label=_BLIND,
        ceiling=auc_ceiling(m, k, reach.seen),
        detectable=auc_detectable(m, k, reach),
    )


def _tpr(scores: Scores, reach: Reach, fpr: float, metric: str) -> Finding:
    m, k = len(scores.members), len(scores.non_members)
    found = tpr_at_fpr(scores.members, scores.non_members, fpr)
    base = Finding(
        metric=metric,
        label=_tpr_label(fpr),
        estimate=_tpr_estimate(scores.members, scores.non_members, fpr, reach),
        null=_tpr_estimate(*_halves(scores, lambda a, b: _tpr_estimate(a, b, fpr).value), fpr),
        baseline=_tpr_estimate(scores.blind_members, scores.blind_non_members, fpr),
        baseline_label=_BLIND,
    )
    if found is None:
        return base
    # The limit of the 1% rate is the yardstick; the rarer rate is measured against chance.
    limit = default_limit(metric) or fpr
    # The threshold is stricter than fpr, to be sure of it; a concave curve keeps this share there.
    kept = found.strictness(POWER_CONFIDENCE)

    def flagged(share: float) -> bool:
        hits = int(binom.ppf(0.2, m, share * kept * reach.searched))
        return clopper_pearson(taken_for(hits, m)[0], m, (1 + POWER_CONFIDENCE) / 2)[0] > limit

    note = message(
        "privacy.distance.tpr_note",
        "The threshold accuses at most {fpr:percent} of {others} non-members; the interval also "
        "pays for a threshold estimated from so many. A few members found may be any number from "
        "one to nine in value and interval.",
        fpr=fpr,
        others=shown(k),
    )
    update = {
        "ceiling": found.ceiling(POWER_CONFIDENCE, reach.seen),
        "detectable": smallest(flagged, limit, reach.held) if reach.held > limit else None,
        "note": note,
    }
    return base.model_copy(update=update)


def _tpr_estimate(
    members: np.ndarray, non_members: np.ndarray, fpr: float, reach: Reach | None = None
) -> Estimate:
    n = len(members)
    found = tpr_at_fpr(members, non_members, fpr)
    if found is None:
        reason = message(
            "privacy.distance.refused",
            "{n} non-members cannot show a rate of {fpr:percent}; at least {least:integer} can.",
            n=shown(len(non_members)),
            fpr=fpr,
            least=math.ceil(1 / fpr - 1e-9),
        )
        return Estimate.undefined(reason, n=max(n, 1), method=_TPR_METHOD, unit=_TPR_UNIT)

    def interval(confidence: float) -> Interval:
        searched = found.interval(confidence, taken_for)
        return searched if reach is None else reach.whole(searched, fpr)

    value = sum(taken_for(round(found.value * n), n)) / 2 / n
    return Estimate.of(value, interval, n=n, method=_TPR_METHOD, unit=_TPR_UNIT)


def _undefined(n: int) -> tuple[Finding, ...]:
    reason = message(
        "privacy.distance.no_singletons",
        "Fewer than ten training rows, or ten unseen rows, occur once in all real tables.",
    )
    tpr = Estimate.undefined(reason, n=n, method=_TPR_METHOD, unit=_TPR_UNIT)
    area = Estimate.undefined(reason, n=n, method=_AUC_METHOD, unit=_AUC_UNIT)
    return (
        Finding(metric=AUC, label=_LABEL_AUC, estimate=area),
        Finding(metric=TPR_1, label=_tpr_label(0.01), estimate=tpr),
        Finding(metric=TPR_01, label=_tpr_label(0.001), estimate=tpr),
    )


def _tpr_label(fpr: float) -> Message:
    return message(
        "privacy.distance.tpr",
        "Share of members found where {fpr:percent} of non-members are accused",
        fpr=fpr,
    )


_ATTACK, _WITHOUT, _CHANCE = (
    message("series.attack", "attack"),
    message("series.without_samples", "without the samples"),
    message("series.chance", "chance"),
)


def _figure(scores: Scores) -> Figure:
    # A rate that stands for fewer people than the small-cell limit is not drawn.
    grid = [fpr for fpr in _GRID[:-1] if fpr * len(scores.non_members) >= SMALL_CELL]
    pairs = (
        (_ATTACK, (scores.members, scores.non_members)),
        (_WITHOUT, (scores.blind_members, scores.blind_non_members)),
    )
    rows = [
        (name.text_en, fpr, tpr)
        for name, (members, non_members) in pairs
        for fpr, tpr in (*roc_points(members, non_members, grid), (1.0, 1.0))
        if shown_share(round(tpr * len(members)), len(members)) is not None
    ]
    rows += [(_CHANCE.text_en, fpr, fpr) for fpr in (*grid, 1.0)]
    return Figure(
        id="privacy.distance.roc",
        kind="curve",
        title=message("privacy.distance.roc", "Members found against non-members accused"),
        description=message(
            "privacy.distance.roc.description",
            "A curve above chance at the left end means that some members are found with "
            "confidence, whatever the average over all members.",
        ),
        headers=(
            message("header.attacker", "Attacker"),
            message("header.fpr", "Non-members accused"),
            message("header.tpr", "Members found"),
        ),
        rows=tuple(rows),
        unit="share",
        words=words_of(_ATTACK, _WITHOUT, _CHANCE),
        metric=TPR_1,
        limit_at=0.01,
    )


def _banded(figure: Figure, scores: Scores, reach: Reach) -> Figure:
    """The curves with the interval of each of their points, as the findings state them."""
    sides = {
        _ATTACK.text_en: (scores.members, scores.non_members, reach),
        _WITHOUT.text_en: (scores.blind_members, scores.blind_non_members, None),
    }

    def ends(series: str, fpr: float, tpr: float) -> tuple[float | None, float | None]:
        if series not in sides or fpr == 1:  # everybody is accused, so everybody is found
            return None, None
        members, non_members, seen = sides[series]
        found = _tpr_estimate(members, non_members, fpr, seen)
        inside = found.low is not None and found.high is not None and found.low <= tpr <= found.high
        return (found.low, found.high) if inside else (None, None)

    rows = tuple((s, x, y, *ends(str(s), float(x or 0), float(y or 0))) for s, x, y in figure.rows)
    headers = (message("figure.low", "95% interval from"), message("figure.high", "to"))
    return Figure.model_validate(
        {**dict(figure), "rows": rows, "headers": (*figure.headers, *headers)}
    )
