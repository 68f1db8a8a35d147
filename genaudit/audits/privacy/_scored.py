"""Attacks that ask the model itself: one game for all scores that a subject gives of records.

Members are training rows and non-members unseen rows that occur once in all real tables. They are
asked about together with reference rows, in one random order, so that the subject cannot tell who
is who, whatever its score does with what it is given.

Some records score high with every model, because they are usual. What is usual is learned from the
reference rows alone: a score is compared with the mean score of the nearest of them, as far as that
tells the score of a reference row that is left out (one slope, fitted on the reference).

Source: calibration by a reference as in Chen et al. 2020, GAN-Leaks, section 4.4, and Watson et al.
2022, On the Importance of Difficulty Calibration, with neighbours in the place of other models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from genaudit.audits._power import shown
from genaudit.audits.privacy._game import (
    MAX_POOL,
    Sides,
    shift_of,
    sides,
    singletons,
    some,
    unlike,
)
from genaudit.audits.privacy._membership import Attack, area, rate, strongest_blind, undefined
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy._shift import told_apart
from genaudit.audits.privacy.copies import incomparable
from genaudit.audits.words import listed
from genaudit.case import AuditCase, Outcome, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.errors import DataError
from genaudit.modalities.table.gaps import compared
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space, one_each
from genaudit.result import Message, message

#: Nearest reference rows whose scores say what is usual.
NEIGHBOURS = 10


@dataclass(frozen=True)
class ScoredOptions:
    """Parameters of an attack by a score.

    max_records: most members, and most non-members, that are asked about.
    max_reference: most reference rows that are.
    """

    max_records: int = ranged(2000, 1)
    max_reference: int = ranged(2000, 1)


@dataclass(frozen=True, eq=False)
class Asked:
    """Records that the model is asked about: members, non-members and reference rows, n together.

    records: as the model reads them, in random order. place: where each of the three kinds, one
    after the other, stands in that order, shape (n,). n_members, n_others: of the first two kinds.
    around: the nearest reference rows of each, itself left out, as positions among them, shape
    (n, k). blind: scores of the strongest attacker who has not seen the model, and who that is.
    doubt: why no attack on them can be believed, if there is a reason.
    """

    records: Dataset
    place: np.ndarray
    n_members: int
    n_others: int
    around: np.ndarray
    blind: tuple[Sides, Message]
    doubt: Message | None

    def calibrated(self, scores: np.ndarray) -> tuple[Sides, float]:
        """Scores less what is usual near a record; and the slope of what is.

        Args:
            scores: Of `records`, shape (n,).
        """
        ordered = scores[self.place]
        n = self.n_members + self.n_others
        usual = ordered[n:][self.around].mean(axis=1) if self.around.shape[1] else np.zeros(n)
        slope = _slope(usual[n:], ordered[n:])
        found = ordered[:n] - slope * usual[:n]
        return (found[: self.n_members], found[self.n_members :]), slope


def outcome(
    case: AuditCase, audit: str, score: str, name: Message, options: ScoredOptions
) -> Outcome:
    """Area and TPR at 1% of an attack by one score; skipped where the subject has none such.

    Args:
        case: Attacked; its records as they are, not as numbers that describe them.
        audit: Its id.
        score: What the subject calls the score.
        name: Of the attack, as it stands in a sentence.
        options: Of the attack.

    Raises:
        DataError: the score is not one finite number for each record.
    """
    if score not in case.subject.scores:
        return Outcome((), not_measured=(_absent(case, score),))
    asked = ask(case, options)
    if asked is None:
        return Outcome(undefined(audit, name, len(case.train)))
    found = case.once(("privacy.scored", score, asked), lambda: _scores(case, score, asked))
    sides, slope = asked.calibrated(found)
    attack = Attack(audit, name, sides, *asked.blind, _everything(case, asked))
    said = _note(asked, slope)
    findings = (area(attack).model_copy(update={"note": said}), rate(attack, 0.01))
    return Outcome(tuple(f.model_copy(update={"doubt": asked.doubt}) for f in findings))


def ask(case: AuditCase, options: ScoredOptions) -> Asked | None:
    """Whom to ask about, the same for all scores; None where there are too few rows."""
    key = ("privacy.asked", options.max_records, options.max_reference)
    return case.once(key, lambda: _ask(case, options))


def _ask(case: AuditCase, options: ScoredOptions) -> Asked | None:
    seen, rng = case.described, case.rng("privacy.scored")
    train, unseen, reference = seen.train, seen.non_members, seen.reference
    columns = compared(reference, train, unseen)
    single = singletons((train, unseen, reference), columns)
    members = some(one_each(train, single[0], rng), options.max_records, rng)
    others = some(one_each(unseen, single[1], rng), options.max_records, rng)
    calm = rng.permutation(len(reference))[: options.max_reference]
    if min(len(members), len(others)) < SMALL_CELL:
        return None
    tables = train.take(members), unseen.take(others), reference.take(calm)
    space = Space.fit(tables[2], columns, *tables[:2])
    member, other, pool = map(space.encode, tables)
    near = partial(space.nearest, pool=pool)
    calmness = near(member), near(other)
    shift = sides(shift_of(space, train, members, other, MAX_POOL, rng))
    raw = case.train.take(members), case.non_members.take(others), case.reference.take(calm)
    records, place = _mixed(raw, rng)
    around = [_around(space, rows, pool, own=rows is pool) for rows in (member, other, pool)]
    told = told_apart(member, other, case.rng("privacy.shift"))
    doubt = unlike(calmness, shift, told) or incomparable(seen)
    return Asked(
        records, place, len(members), len(others), np.concatenate(around),
        strongest_blind(told, calmness), doubt,
    )  # fmt: skip


def _mixed(parts: tuple[Dataset, ...], rng: np.random.Generator) -> tuple[Dataset, np.ndarray]:
    """All records in one random order, and where those of the parts, in order, stand in it."""
    whole = pd.concat([part.frame for part in parts], ignore_index=True)
    order = rng.permutation(len(whole))
    return Dataset(parts[0].schema, whole).take(order), np.argsort(order)


def _around(space: Space, rows: Encoded, pool: Encoded, *, own: bool) -> np.ndarray:
    """Positions of the nearest rows of the pool, shape (rows, k); `own` where they are its rows."""
    k = min(NEIGHBOURS, len(pool) - 1)
    found = np.empty((len(rows), k), dtype=np.int64)
    everyone = np.arange(len(rows))
    for block, squared in space.squared(rows, pool):
        if own:
            here = everyone[block]
            squared[here - here[0], here] = np.inf
        found[block] = np.argpartition(squared, k - 1, axis=1)[:, :k] if k else 0
    return found


def _slope(usual: np.ndarray, scores: np.ndarray) -> float:
    """Least squares of the scores on what is usual, never below 0; 0 where nothing varies."""
    spread = usual.var() if len(usual) > 1 else 0.0
    if not spread > 0:
        return 0.0
    shared = float(np.mean((usual - usual.mean()) * (scores - scores.mean())))
    return max(0.0, shared / float(spread))


def _scores(case: AuditCase, score: str, asked: Asked) -> np.ndarray:
    """What the subject says of all records, in one call."""
    found = np.asarray(case.subject.scores[score](asked.records))
    n = len(asked.records)
    if found.shape != (n,) or found.dtype.kind not in "fiub" or not np.isfinite(found).all():
        raise DataError(
            f"Expected score {score!r} of {case.subject.name} to give one finite number for each "
            f"of {n:,} records, got an array of shape {found.shape} and type {found.dtype} or "
            "numbers that are not finite; correct it."
        )
    return found.astype(float)


def _everything(case: AuditCase, asked: Asked) -> Reach:
    """A model that is asked hides nothing."""
    n = len(case.train)
    n_reference = len(asked.records) - asked.n_members - asked.n_others
    return Reach(n, n, n_reference, n, case.train.n_units(), 0)


def _absent(case: AuditCase, score: str) -> Message:
    return message(
        "privacy.scored.absent",
        "Not run: the model has no score {score}; it has {given}.",
        score=score,
        given=listed(sorted(case.subject.scores)),
    )


def _note(asked: Asked, slope: float) -> Message:
    n_reference = len(asked.records) - asked.n_members - asked.n_others
    return message(
        "privacy.scored.note",
        "{members} training rows against {others} unseen rows, each occurring once in all real "
        "tables. The model was asked about these and {reference} reference rows; from each score "
        "{slope:number} times the mean score of the {k:integer} nearest reference rows was taken.",
        members=shown(asked.n_members),
        others=shown(asked.n_others),
        reference=shown(n_reference),
        slope=slope,
        k=asked.around.shape[1],
    )
