"""How many records are exposed for certain: members that stick out of all who never were in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genaudit.audits._power import shown
from genaudit.audits.privacy._game import Game, Sides, game, left_out, log_ratio
from genaudit.audits.privacy._membership import REFERENCE_ALONE, note, undefined
from genaudit.audits.privacy._pool import Pool
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.copies import incomparable
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.disclosure import taken_for
from genaudit.modalities.table.search import Encoded
from genaudit.result import Estimate, Finding, message
from genaudit.stats.conformal import accused
from genaudit.stats.intervals import Interval
from genaudit.subject import Access

_ID = "privacy.records"
ACCUSED = f"{_ID}.accused"

_METHOD = "conformal p-values from reference rows, Fisher exact against non-members"
_UNIT = "share of members"

#: Chance of being accused that a person has who was not in the training data; where there are fewer
#: reference rows they show no rarer one than one in as many, and fewer than `_LEAST` show none.
_RATE, _LEAST = 0.001, 99

#: Distance below which nearer means little: less than of any two different rows, so that whoever
#: stands among the samples sticks out more than all who do not, unless others are just like them.
_TAU = 1e-4

#: Most reference rows that show how near to the samples such a person comes.
_MOST = 10_000


@audit(
    title="Records that are exposed most",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, section 2.2 "
    "(conformal p-values); Carlini et al. 2022, section IV (why the mean hides the few)",
    modalities=EVERY,
    described=True,
    metrics=(ACCUSED,),
)
def records(case: AuditCase, _options: NoOptions) -> Outcome:
    """How many single people an attacker can name and hardly ever be wrong about.

    A mean over all members hides the few who are exposed. Here the attacker, who goes by nearness
    with a reference, accuses a record only if it sticks out of the reference rows themselves, each
    held against all others of them, with a conformal p-value of at most one in a thousand, or the
    smallest that so many rows can give. Someone who was not in the training data is accused with
    about that chance; how many really are is counted among non-members, and only members beyond
    that count. Nobody is named here, and a few who are accused count as any few.
    """
    played, reach = game(case)
    gone = left_out(case)
    if played is None:
        area = undefined(_ID, _LABEL, reach.n_train, ())[0]
        nobody = area.model_copy(update={"metric": ACCUSED, "label": _LABEL})
        return Outcome((nobody,), not_measured=gone)
    shares = _accused(case, played)
    if shares is None:
        return Outcome((_refused(reach),), not_measured=gone)
    main, blind, calm = shares
    finding = Finding(
        metric=ACCUSED,
        label=_LABEL,
        estimate=_estimate(main, reach),
        null=_estimate(calm),
        baseline=_estimate(blind),
        baseline_label=REFERENCE_ALONE,
        chance=0.0,
        ceiling=main.ceiling(),
        detectable=main.detectable(),
        doubt=played.doubt() or incomparable(case),
        note=note(played),
    )
    return Outcome((finding,), not_measured=gone)


def _accused(case: AuditCase, played: Game) -> tuple[Pool, Pool, Pool] | None:
    """Members against non-members, the same without the samples, and non-members as members.

    The last are held against reference rows, of whom those accused are known beforehand.
    """
    near, far = _alone(case, played)
    if len(far) < _LEAST:
        return None
    calm = log_ratio(far, near, _TAU)
    members, others = (_sticks_out(side, calm) for side in played.log_ratios(_TAU))
    blind = [_sticks_out(side, far) for side in played.near_reference]
    return _pool(members, others), _pool(*blind), _pool(others, _sticks_out(calm, calm))


def _sticks_out(scores: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    found = accused(scores, ordinary, max(_RATE, 1 / (len(ordinary) + 1)))
    assert found is not None, "the rate is one that they can show"
    return found


def _pool(members: np.ndarray, others: np.ndarray) -> Pool:
    return Pool(int(members.sum()), len(members), int(others.sum()), len(others))


def _alone(case: AuditCase, played: Game) -> Sides:
    """Distances of reference rows to the samples, and to all reference rows but themselves."""
    rows = case.rng(_ID).permutation(played.rows[2])[:_MOST]
    asked = played.space.encode(case.reference.take(np.sort(rows)))
    return played.space.nearest(asked, played.samples), _second(played, asked)


def _second(played: Game, asked: Encoded) -> np.ndarray:
    """Distance to the second nearest reference row: of rows that occur once, they are the first."""
    found = np.empty(len(asked))
    for block, squared in played.space.squared(asked, played.reference):
        found[block] = np.partition(squared, 1, axis=1)[:, 1]
    return np.sqrt(found)


def _estimate(pool: Pool, reach: Reach | None = None) -> Estimate:
    """The share, a few accused members as any few, of all samples where not all were searched."""
    least, most = (replace(pool, hit=k) for k in taken_for(pool.hit, pool.n))

    def interval(confidence: float) -> Interval:
        ends = least.interval(confidence)[0], most.interval(confidence)[1]
        return ends if reach is None else reach.whole(ends, 0.0)

    value = (least.value() + most.value()) / 2
    return Estimate.of(value, interval, n=pool.n, method=_METHOD, unit=_UNIT)


def _refused(reach: Reach) -> Finding:
    reason = message(
        "privacy.records.refused",
        "{n} reference rows do not show how far somebody sticks out who was not in the training "
        "data; at least {least:integer} that occur once do.",
        n=shown(reach.n_reference),
        least=_LEAST,
    )
    estimate = Estimate.undefined(reason, n=reach.n_train, method=_METHOD, unit=_UNIT)
    return Finding(metric=ACCUSED, label=_LABEL, estimate=estimate)


_LABEL = message(
    "privacy.records.accused",
    "Members who stick out of all reference rows, or all but one in a thousand, beyond chance",
)
