"""How likely it is that a file holds rows by chance: because others write such rows as well."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from genaudit.training.dp.selfcheck.rows.rounding import among, distinct


def by_company(found: int, needles: int, also: int, foreign: int) -> float:
    """Chance that so many of the rows found are real ones, if real ones were like all others.

    Args:
        found: Real rows that were found.
        needles: Real rows that were looked for.
        also: Rows that nobody has, and that were found.
        foreign: Rows that nobody has, and that were looked for.
    """
    share = needles / max(1, needles + foreign)
    return float(binom.sf(found - 1, found + also, share)) if found else 1.0


def by_drawing(
    known: np.ndarray, found: np.ndarray, n: float, *, tried: np.ndarray | None = None
) -> float:
    """Chance that as many rows that one record alone has are among n drawn from the population.

    Columns that hang together make real rows likelier than rows with the same values in other
    company. Rows that stand there once come again with the chance of those that stand there twice.

    Args:
        known: Codes of all real rows, shape (rows,).
        found: Codes of the rows that were found.
        n: Rows that the file holds, or can hold at most.
        tried: Codes of the rows that were looked for; None = all.

    Source: Good 1953, The population frequencies of species: the mass of species seen once is
    estimated by 2 f2 / n. Ours is an upper bound of it, about three deviations up.
    """
    codes, counts = np.unique(known, return_counts=True)
    once, twice = codes[counts == 1], int((counts == 2).sum())
    alone = len(once)
    if tried is not None:
        once = once[among(once, distinct(tried))]
    hits = int(among(once, distinct(found)).sum())
    if not hits:
        return 1.0
    mass = min(1.0, 2 * (twice + 3 * twice**0.5 + 3) / len(known))
    each = -np.expm1(-n * mass / alone)
    return float(binom.sf(hits - 1, len(once), each))
