"""How many records are exposed for certain: members that stick out of all who never were in it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from genaudit.audits._power import shown
from genaudit.audits.privacy._game import Game, Sides, game, left_out, log_ratio
from genaudit.audits.privacy._membership import REFERENCE_ALONE, note, undefined
from genaudit.audits.privacy._pool import Pool
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.copies import holdout_seen
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.disclosure import taken_for
from genaudit.modalities.table.space import Encoded
from genaudit.result import Estimate, Finding, message
from genaudit.stats.conformal import accused
from genaudit.stats.intervals import Interval
from genaudit.subject import Access

_ID = "privacy.records"
ACCUSED = f"{_ID}.accused"

_METHOD = "conformal p-values from reference rows, Fisher exact against non-members"
_UNIT = "share of members"

#: Chance of being accused that a person has who was not in the training data.
_RATE = 0.001

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
    held against all others of them, with a conformal p-value of at most one in a thousand. Someone
    who was not in the training data is accused with about that chance; how many really are is
    counted among non-members, and only members beyond that count. Nobody is named here, and a few
    who are accused count as any few.
    """
    played, reach = game(case)
    gone = left_out(case)
    if played is None:
        area = undefined(_ID, _LABEL, reach.n_train, ())[0]
        return Outcome((area.model_copy(update={"metric": ACCUSED}),), not_measured=gone)
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
        ceiling=main.ceiling(),
        detectable=main.detectable(),
        doubt=played.doubt() or holdout_seen(case),
        note=note(played),
    )
    return Outcome((finding,), not_measured=gone)


def _accused(case: AuditCase, played: Game) -> tuple[Pool, Pool, Pool] | None:
    """Members against non-members, the same without the samples, and non-members as members.

    The last are held against reference rows, of whom those accused are known beforehand.
    """
    near, far = _alone(case, played)
    ratios = played.log_ratios(_TAU)
    hits = [accused(side, log_ratio(far, near, _TAU), _RATE) for side in ratios]
    blind = [accused(side, far, _RATE) for side in played.near_reference]
    own = accused(log_ratio(far, near, _TAU), log_ratio(far, near, _TAU), _RATE)
    if own is None:
        return None
    return _pool(hits[0], hits[1]), _pool(blind[0], blind[1]), _pool(hits[1], own)


def _pool(members: np.ndarray | None, others: np.ndarray | None) -> Pool:
    assert members is not None, "as many are ordinary"
    assert others is not None, "as many are ordinary"
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
        "{n} reference rows cannot show what happens to one in {times:integer}; at least "
        "{least:integer} that occur once can.",
        n=shown(reach.n_reference),
        times=round(1 / _RATE),
        least=math.ceil(1 / _RATE) - 1,
    )
    estimate = Estimate.undefined(reason, n=reach.n_train, method=_METHOD, unit=_UNIT)
    return Finding(metric=ACCUSED, label=_LABEL, estimate=estimate)


_LABEL = message(
    "privacy.records.accused",
    "Members who stick out of all but one in a thousand of those who never were in the training "
    "data, beyond chance",
)
