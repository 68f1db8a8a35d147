"""Membership inference by distance: are training rows nearer to the samples than unseen rows?"""

from __future__ import annotations

from dataclasses import dataclass

from genaudit.audits.privacy._game import TAU, Sides, game, left_out
from genaudit.audits.privacy._membership import Attack, area, note, rate, rate_estimate, undefined
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.copies import incomparable
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.disclosure import SMALL_CELL, shown_share
from genaudit.result import Figure, message, words_of
from genaudit.stats.roc import roc_points
from genaudit.subject import Access

AUC = "privacy.distance.auc"
TPR_1 = "privacy.distance.tpr_at_1pct_fpr"
TPR_01 = "privacy.distance.tpr_at_01pct_fpr"

#: More than other attacks look at, as this one needs the nearest rows alone, which are found fast.
MAX_RECORDS, MAX_POOL = 25_000, 200_000

#: Rates of false accusation at which the figure shows the curve.
_GRID = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class DistanceOptions:
    """Parameters of the attack.

    max_records: most members, and most non-members, that are attacked.
    max_pool: most samples, and most reference rows, among which the nearest is sought.
    tau: distance, as a share of the longest, below which nearer means little; fixed beforehand.
    """

    max_records: int = ranged(MAX_RECORDS, 1)
    max_pool: int = ranged(MAX_POOL, 1)
    tau: float = ranged(TAU, 1e-6, 1)


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
    played, reach = game(case, options.max_records, options.max_pool)
    gone = left_out(case)
    if played is None:
        return Outcome(
            undefined("privacy.distance", _NAME, reach.n_train, (0.01, 0.001)), not_measured=gone
        )
    attack = Attack(
        "privacy.distance", _NAME, played.log_ratios(options.tau), played.near_reference, _BLIND,
        reach,
    )  # fmt: skip
    doubt = played.doubt(options.tau) or incomparable(case)
    findings = (area(attack), rate(attack, 0.01), rate(attack, 0.001))
    said = note(played)
    done = tuple(f.model_copy(update={"doubt": doubt, "note": f.note or said}) for f in findings)
    return Outcome(done, (_banded(_figure(attack.scores, attack.blind), attack),), gone)


_BLIND = message("privacy.distance.blind", "The same attacker without the samples")
_NAME = message("privacy.distance.name", "nearness to the samples")

_ATTACK, _WITHOUT, _CHANCE = (
    message("series.attack", "attack"),
    message("series.without_samples", "without the samples"),
    message("series.chance", "chance"),
)


def _figure(scores: Sides, blind: Sides) -> Figure:
    # A rate that stands for fewer people than the small-cell limit is not drawn.
    grid = [fpr for fpr in _GRID[:-1] if fpr * len(scores[1]) >= SMALL_CELL]
    pairs = (
        (_ATTACK, scores),
        (_WITHOUT, blind),
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


def _banded(figure: Figure, attack: Attack) -> Figure:
    """The curves with the interval of each of their points, as the findings state them."""
    sides: dict[str, tuple[Sides, Reach | None]] = {
        _ATTACK.text_en: (attack.scores, attack.reach), _WITHOUT.text_en: (attack.blind, None)
    }  # fmt: skip

    def ends(series: str, fpr: float, tpr: float) -> tuple[float | None, float | None]:
        if series not in sides or fpr == 1:  # everybody is accused, so everybody is found
            return None, None
        scores, seen = sides[series]
        found = rate_estimate(*scores, fpr, seen)
        inside = found.low is not None and found.high is not None and found.low <= tpr <= found.high
        return (found.low, found.high) if inside else (None, None)

    rows = tuple((s, x, y, *ends(str(s), float(x or 0), float(y or 0))) for s, x, y in figure.rows)
    headers = (message("figure.low", "95% interval from"), message("figure.high", "to"))
    return Figure.model_validate(
        {**dict(figure), "rows": rows, "headers": (*figure.headers, *headers)}
    )
