"""Inference: do the samples give away one thing about a person to who knows the others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.privacy._game import game, left_out
from genaudit.audits.privacy._residual import (
    MAX_ATTACKS,
    NO_COLUMNS,
    NO_ROWS,
    findings,
    forest,
    play,
    undefined,
)
from genaudit.case import AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.schema import Column, Role
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.result import Message, message
from genaudit.subject import Access

_ID = "privacy.inference"

#: Columns that are guessed where the schema names none that are sensitive or a target.
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class InferenceOptions:
    """Parameters of the attack.

    max_attacks: most training rows, and most unseen rows, that are attacked; they are dealt over
        the columns that are guessed.
    sets: what the attacker knows, for each column that is guessed: all other columns, and random
        halves of them. Rows are dealt over these too.
    tolerance: a number is guessed right within this share of the population; fixed beforehand.
    """

    max_attacks: int = ranged(MAX_ATTACKS, 1)
    sets: int = ranged(4, 1, 100)
    tolerance: float = ranged(0.025, 0, 0.5)


@audit(
    title="Inference of attributes",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Article 29 Working Party 2014, Opinion 05/2014 on Anonymisation Techniques (WP216), "
    "section 2; Giomi et al. 2023, A Unified Framework for Quantifying Privacy Risk in Synthetic "
    "Data, section 4.4, with known columns drawn by seed",
    options=InferenceOptions,
    metrics=(f"{_ID}.risk", f"{_ID}.worst"),
)
def inference(case: AuditCase, options: InferenceOptions) -> Outcome:
    """Whether the samples tell one thing about people in train that holds for nobody else.

    The attacker knows a person's record but for one column, or but for that and half of the others,
    looks for the nearest sample by what they know, and takes over its value. That is often right
    about anybody, as columns depend on each other: what can be learned of a population is no leak.
    It is how much better it goes for training rows than for unseen rows that counts. Guessed are
    the sensitive columns and the target, or all columns where the schema names none.
    """
    played, reach = game(case)
    gone = left_out(case)
    if played is None or len(played.space.columns) < 2:
        reason = NO_ROWS if played is None else NO_COLUMNS
        found = undefined(_ID, ("risk", "worst"), (_RISK, _WORST), reason, reach.n_train)
        return Outcome(found, not_measured=gone)
    space, rng = played.space, case.rng(_ID)
    secrets = _secrets(space.columns, rng)
    cells = [(j, known) for j, secret in enumerate(secrets)
             for known in _known(space.columns, secret, options.sets, rng)]  # fmt: skip

    def attack(rows: Encoded, pool: Encoded, cell: int) -> np.ndarray:
        j, known = cells[cell]
        return inferred(space, rows, pool, secrets[j], known, options.tolerance)

    guesses = play(played, rng, options.max_attacks, len(cells), attack)
    guesses = guesses.named(secrets, np.array([j for j, _ in cells]))
    done = findings(case, played, guesses, _ID, (_RISK, _WORST))
    return Outcome(done, forest(guesses, _ID, _TITLE), gone)


def inferred(
    space: Space,
    queries: Encoded,
    pool: Encoded,
    secret: str,
    known: frozenset[str],
    tolerance: float,
) -> np.ndarray:
    """Whether the row of the pool that is nearest by the known columns has a query's secret.

    A level has to be the same, a number within a share `tolerance` of the population, and a missing
    value has to be missing.
    """
    near, rows = space.part(known, queries, pool)
    _, (told, answers) = space.part({secret}, queries, pool)
    right = np.zeros(len(queries), dtype=bool)
    for block, steps in near.steps(*rows):
        guess = answers.take(steps.argmin(axis=1))
        within = np.isclose(guess.numbers, told.numbers[block], rtol=0,
                            atol=tolerance * space.unit, equal_nan=True)  # fmt: skip
        right[block] = within.all(axis=1) & (guess.codes == told.codes[block]).all(axis=1)
    return right


def _secrets(columns: Sequence[Column], rng: np.random.Generator) -> list[str]:
    """Columns to guess: the sensitive ones and the target, or some of all."""
    named = [c.name for c in columns if c.role in (Role.SENSITIVE, Role.TARGET)]
    drawn = np.sort(rng.permutation(len(columns))[:_MOST_COLUMNS])
    return named or [columns[j].name for j in drawn]


def _known(
    columns: Sequence[Column], secret: str, n: int, rng: np.random.Generator
) -> list[frozenset[str]]:
    """Sets of columns that the attacker knows: all but the secret, and random halves of those."""
    others = [c.name for c in columns if c.name != secret]
    half = max(1, len(others) // 2)
    drawn = [rng.permutation(len(others))[:half] for _ in range(n - 1)]
    sets = [frozenset(others), *(frozenset(others[j] for j in rows) for rows in drawn)]
    return list(dict.fromkeys(sets))


_RISK: Message = message(
    "privacy.inference.risk",
    "How much better attributes of training rows are guessed than those of unseen rows",
)
_WORST: Message = message(
    "privacy.inference.worst", "The same for the attribute that is guessed best"
)
_TITLE: Message = message("privacy.inference.parts", "Inference by the attribute that is guessed")
