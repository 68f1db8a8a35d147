"""Singling out: do the samples describe single people of the training data?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genaudit.audits.privacy._game import MAX_POOL, Game, Sides, game, left_out
from genaudit.audits.privacy._predicates import (
    Predicates,
    coded,
    of_one_column,
    of_several_columns,
)
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy._residual import MAX_ATTACKS, NO_ROWS, Guesses, overall, undefined
from genaudit.audits.privacy.copies import incomparable
from genaudit.case import AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.modalities.table.gaps import compared
from genaudit.modalities.table.space import one_row_each
from genaudit.result import Finding, Message, message
from genaudit.subject import Access

_ID = "privacy.singling_out"

#: Makes predicates from coded samples: which columns are ordered, how many, a random stream.
Make = Callable[[np.ndarray, Sequence[bool], int, np.random.Generator], Predicates]


@dataclass(frozen=True)
class SinglingOutOptions:
    """Parameters of the attack.

    max_attacks: most predicates that are tried on training rows, and most on unseen rows.
    """

    max_attacks: int = ranged(MAX_ATTACKS, 1)


@audit(
    title="Singling out",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Article 29 Working Party 2014, Opinion 05/2014 on Anonymisation Techniques (WP216), "
    "section 2; Cohen & Nissim 2020, Towards Formalizing the GDPR's Notion of Singling Out "
    "(isolation by a predicate); Giomi et al. 2023, A Unified Framework for Quantifying Privacy "
    "Risk in Synthetic Data, section 4.2, with tables of one size for a model of their sizes",
    options=SinglingOutOptions,
    metrics=(f"{_ID}.univariate", f"{_ID}.multivariate"),
)
def singling_out(case: AuditCase, options: SinglingOutOptions) -> Outcome:
    """Whether sentences that fit one sample alone fit one person of the training data alone.

    The attacker reads the samples, finds a description that only one of them fits (a value that one
    has, or a few columns together), and claims that there is exactly one such person. In a column
    where nearly everybody has a value of their own that is often right by chance, of people whom
    the generator has never seen too. So the same is tried on unseen rows, as many as training
    rows, a row for each person: no description on both, and no person is singled out twice. What
    counts is how much oftener it is right about training rows.
    """
    played, reach = game(case)
    gone = left_out(case)
    if played is None:
        found = undefined(_ID, tuple(_MAKERS), tuple(_LABELS.values()), NO_ROWS, reach.n_train)
        return Outcome(found, not_measured=gone)
    tables = _tables(case)
    found = tuple(_finding(case, played, tables, kind, options.max_attacks) for kind in _MAKERS)
    return Outcome(found, not_measured=gone)


@dataclass(frozen=True, eq=False)
class Tables:
    """Codes of samples, of reference rows, and of as many members as controls, a row a person.

    controls: of the whole holdout. unseen: members and controls of who has the reference, which
    controls are not. ordered: which columns are of numbers. share: of the training rows that are
    members here.
    """

    samples: np.ndarray
    reference: np.ndarray
    members: np.ndarray
    controls: np.ndarray
    unseen: Sides
    ordered: tuple[bool, ...]
    share: float


def _tables(case: AuditCase) -> Tables:
    samples, train, unseen, reference = case.samples, case.train, case.non_members, case.reference
    rng = case.rng(_ID)
    columns = compared(samples, train, unseen, reference)
    one_each = [one_row_each(data, rng) for data in (train, case.holdout, unseen, reference)]
    members, controls, others, calm = (d.take(rng.permutation(len(d))) for d in one_each)
    made = samples.take(rng.permutation(len(samples))[:MAX_POOL])
    # Whether a description fits one row alone depends on how many rows there are.
    n, m = (min(len(members), len(side)) for side in (controls, others))
    codes = coded((made, calm, members, controls, others), columns)
    # In an order of their own, so that the same samples in another order are described alike.
    pools = [pool[np.lexsort(pool.T)] for pool in (codes[0], codes[1][:MAX_POOL])]
    ordered = tuple(c.modelled and not c.discrete for c in columns)
    blind = (codes[2][:m], codes[4][:m])
    return Tables(pools[0], pools[1], codes[2][:n], codes[3][:n], blind, ordered, n / len(train))


def _finding(case: AuditCase, played: Game, tables: Tables, kind: str, most: int) -> Finding:
    rng, make = case.rng(f"{_ID}.{kind}"), _MAKERS[kind]
    pools = ((tables.samples, (tables.members, tables.controls)),
             (tables.reference, tables.unseen))  # fmt: skip
    right, blind = (
        _tried(make(pool, tables.ordered, 2 * most, rng), sides) for pool, sides in pools
    )
    if min(map(len, right)) == 0:
        return undefined(_ID, (kind,), (_LABELS[kind],), _NONE, played.reach.n_train)[0]
    # Of training rows that were left out nothing is seen, as of samples that were not searched.
    searched = max(1, round(played.reach.n_searched * tables.share))
    reach: Reach = replace(played.reach, n_searched=searched)
    part = tuple(np.zeros(len(side), dtype=int) for side in right)
    guesses = Guesses(right, blind, (part[0], part[1]), (kind,), reach)
    doubt = played.doubt() or incomparable(case) or guesses.doubt()
    found = overall(f"{_ID}.{kind}", _LABELS[kind], guesses, played.reach)
    return found.model_copy(update={"doubt": doubt})


def _tried(predicates: Predicates, sides: Sides) -> Sides:
    """Whether predicates single out a member, by every other one, and a control by the others.

    One that singles out the same row as one before it is not right: it is no other person, and
    guesses that stand and fall together would count as many.
    """
    order = np.arange(len(predicates))
    members = predicates.take(order % 2 == 0).isolated(sides[0])
    controls = predicates.take(order % 2 == 1).isolated(sides[1])
    return _first(members), _first(controls)


def _first(isolated: np.ndarray) -> np.ndarray:
    """Which guesses single out a row that none before them does, bools of its shape."""
    first = np.zeros(len(isolated), dtype=bool)
    first[np.unique(isolated, return_index=True)[1]] = True
    return first & (isolated >= 0)


_MAKERS: dict[str, Make] = {"univariate": of_one_column, "multivariate": of_several_columns}
_LABELS: dict[str, Message] = {
    "univariate": message(
        "privacy.singling_out.univariate",
        "How much better single training rows than single unseen rows are picked out by one column",
    ),
    "multivariate": message(
        "privacy.singling_out.multivariate",
        "How much better single training rows than single unseen rows are picked out by several "
        "columns",
    ),
}
_NONE = message(
    "privacy.singling_out.none",
    "No description fits one sample alone, so that nobody can be picked out by it.",
)
