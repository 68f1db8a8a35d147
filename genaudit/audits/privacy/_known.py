"""Attackers who know one half of the columns: halves drawn by seed before anything is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genaudit.audits.privacy._game import game, left_out
from genaudit.audits.privacy._residual import (
    MAX_ATTACKS,
    NO_COLUMNS,
    NO_ROWS,
    findings,
    play,
    undefined,
)
from genaudit.case import AuditCase, Outcome, ranged
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.result import Message

#: Halves of the columns that rows are dealt over.
SPLITS = 8

#: Whether what is guessed of each query is right, by columns that are known, bools (queries,).
HalfAttack = Callable[[Space, Encoded, Encoded, frozenset[str]], np.ndarray]


@dataclass(frozen=True)
class HalvesOptions:
    """Parameters of an attack by halves of the columns.

    max_attacks: most training rows, and most unseen rows, that are attacked.
    splits: halves of the columns, drawn by the case's seed; rows are dealt over them.
    """

    max_attacks: int = ranged(MAX_ATTACKS, 1)
    splits: int = ranged(SPLITS, 1, 100)


def outcome(
    case: AuditCase,
    options: HalvesOptions,
    audit: str,
    attack: HalfAttack,
    labels: tuple[Message, Message],
) -> Outcome:
    """Risk over all halves, and with the worst, of an attack that is played with each."""
    played, reach = game(case)
    gone = left_out(case)
    if played is None or len(played.space.columns) < 2:
        reason = NO_ROWS if played is None else NO_COLUMNS
        found = undefined(audit, ("risk", "worst"), labels, reason, reach.n_train)
        return Outcome(found, not_measured=gone)
    space, rng = played.space, case.rng(audit)
    known = halves([c.name for c in space.columns], options.splits, rng)
    guesses = play(
        played, rng, options.max_attacks, len(known),
        lambda rows, pool, j: attack(space, rows, pool, known[j]),
    )  # fmt: skip
    named = tuple(" + ".join(sorted(half)) for half in known)
    found = findings(case, played, replace(guesses, names=named), audit, labels)
    return Outcome(found, not_measured=gone)


def halves(names: Sequence[str], n: int, rng: np.random.Generator) -> tuple[frozenset[str], ...]:
    """Different halves of two or more columns, n of them, or fewer where there are no more.

    >>> sorted(map(sorted, halves(["a", "b"], 5, np.random.default_rng(0))))
    [['a'], ['b']]
    """
    drawn = (rng.permutation(len(names))[: len(names) // 2] for _ in range(4 * n))
    distinct = dict.fromkeys(frozenset(names[j] for j in half) for half in drawn)
    return tuple(distinct)[:n]


def both(
    space: Space, queries: Encoded, pool: Encoded, known: frozenset[str]
) -> tuple[tuple[Space, Encoded, Encoded], tuple[Space, Encoded, Encoded]]:
    """The space of the columns that are known, and of all others, each with queries and pool."""
    others = frozenset(c.name for c in space.columns) - known
    (one, (a, b)), (other, (c, d)) = (space.part(n, queries, pool) for n in (known, others))
    return (one, a, b), (other, c, d)
