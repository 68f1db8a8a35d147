"""Whether train and holdout share what they must not share.

Equal rows are normal in tables, so they are counted, not refused: only a person or id on both
sides, or more equal rows than a random split of the same rows makes, makes a holdout that is none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.record import frozen
from genaudit.data.schema import Role
from genaudit.errors import DataError

#: Random splits that a holdout is held against: an honest one is refused once in so many, plus one.
_N_SPLITS = 999


def check_disjoint(
    train: Dataset, holdout: Dataset, names: tuple[str, str] = ("train", "holdout")
) -> None:
    """Refuse a holdout that was seen in training.

    Args:
        train: Rows that were trained on, or another part that none of the rest may be of.
        holdout: Rows that are to be others.
        names: What a message calls the two.

    Raises:
        DataError: a person or id value is in both, or more different rows are in both than in any
            of 999 random splits of the same rows into parts as large (persons are kept whole).
    """
    for column in (*train.schema.by_role(Role.PERSON), *train.schema.by_role(Role.ID)):
        both = set(train.frame[column.name].dropna()) & set(holdout.frame[column.name].dropna())
        if both:
            raise DataError(
                f"{len(both):,} values of {column.role} column {column.name!r} are in both "
                f"{' and '.join(names)}; expected none. Split by that column and train anew."
            )
    mine, other = row_hashes(train.records), row_hashes(holdout.records)
    units = (_units(train), _units(holdout))
    most = _most_by_chance((mine, other), units)
    if most is not None:
        raise DataError(
            f"{np.isin(other, mine).mean():.1%} of the {names[1]} rows equal a {names[0]} row. So "
            f"{len(np.intersect1d(mine, other)):,} different rows are in both; expected at most "
            f"{most:,}, as in {_N_SPLITS} random splits of the same rows. Bring rows that "
            + ("were not trained on" if names[0] == "train" else f"are not in {names[0]} too")
            + ", split at random: rows that are left once equal ones are taken out are rarer."
        )


def row_hashes(records: pd.DataFrame) -> np.ndarray:
    """A 64-bit hash of each row, shape (n,); equal rows have equal hashes."""
    plain = pd.DataFrame(
        {
            str(i): series.astype(object)
            if isinstance(series.dtype, pd.CategoricalDtype)
            else frozen(series)
            for i, (_, series) in enumerate(records.items())
        }
    )
    return pd.util.hash_pandas_object(plain, index=False).to_numpy()


def _units(data: Dataset) -> np.ndarray:
    """Number of the person of each row, or of the row itself, shape (n,)."""
    person = data.schema.person
    return pd.factorize(data.frame[person.name])[0] if person else np.arange(len(data))


def _most_by_chance(
    sides: tuple[np.ndarray, np.ndarray], units: tuple[np.ndarray, np.ndarray]
) -> int | None:
    """Most rows on both sides of any random split, where the given one has more; else None."""
    extremes = _splits_before(sides, units, lambda split, given: split >= given)
    return None if extremes is None else max(extremes)


def parted(
    sides: tuple[np.ndarray, np.ndarray], units: tuple[np.ndarray | None, np.ndarray | None]
) -> bool:
    """Whether fewer different rows are on both sides than in any of 999 random splits of the same.

    So it is where the rows of one side were taken out of the other: what is left there is rarer
    than the rest, and whoever can tell rare rows from common ones tells the two sides apart.

    Args:
        sides: Hashes of the rows of each side, shapes (n,) and (m,).
        units: For each row of each side, the number of what is dealt as a whole, from 0; None where
            that is the row.
    """
    whole = [np.arange(len(s)) if u is None else u for s, u in zip(sides, units, strict=True)]
    fewer = _splits_before(sides, (whole[0], whole[1]), lambda split, given: split <= given)
    return fewer is not None


def lopsided(
    sides: tuple[np.ndarray, np.ndarray], units: tuple[np.ndarray | None, np.ndarray | None]
) -> bool:
    """Whether rows of one side have more near twins than in any of 999 random splits of the same.

    Where repeats were removed from both sides together no row is left on both, and yet the common
    ones stand where they came first: those have twins that differ from them in little. In tables
    of a few hundred rows that is too faint to be noticed each time.

    Args:
        sides: Hashes of the rows of each side without one column each, shapes (n, k) and (m, k).
        units: As of `parted`.

    Source: Hope 1968, J. R. Stat. Soc. B 30 (Monte Carlo test).
    """
    twins = np.zeros(sum(map(len, sides)))
    for column in np.concatenate(sides).T:
        _, cells, size = np.unique(column, return_inverse=True, return_counts=True)
        twins += size[cells] - 1
    whole = [np.arange(len(s)) if u is None else u for s, u in zip(sides, units, strict=True)]
    dealt = np.concatenate([whole[0], whole[0].max() + 1 + whole[1]])
    rows, total = np.bincount(dealt), np.bincount(dealt, twins)
    label = np.arange(len(rows)) <= whole[0].max()

    def apart(label: np.ndarray) -> float:
        mine, other = (total[of].sum() / rows[of].sum() for of in (label, ~label))
        return abs(float(mine - other))

    rng, given = np.random.default_rng(0x5912), apart(label) * (1 - 1e-9)
    return not any(apart(rng.permutation(label)) >= given for _ in range(_N_SPLITS))


def _splits_before(
    sides: tuple[np.ndarray, np.ndarray], units: tuple[np.ndarray, np.ndarray],
    as_far: Callable[[int, int], bool],
) -> list[int] | None:  # fmt: skip
    """Rows on both sides of each of 999 random splits; None once a split goes as far as the given.

    The given split of honest rows is one among 1,000 random ones, so none of the others goes as far
    with a chance of at most 1 in 1,000, whatever the sizes of the sides and however rows repeat.
    The first that does ends the search, so honest data cost few of them.

    Args:
        sides: Hashes of the rows of each side, shapes (n,) and (m,).
        units: For each row of each side, the number of what is dealt as a whole, from 0.
        as_far: Whether a split with so many rows on both sides goes as far as the given one.

    Source: Hope 1968, J. R. Stat. Soc. B 30 (Monte Carlo test).
    """
    _, cells, size = np.unique(np.concatenate(sides), return_inverse=True, return_counts=True)
    n_mine = int(units[0].max()) + 1
    dealt = np.concatenate([units[0], n_mine + units[1]])
    label = np.arange(dealt.max() + 1) < n_mine
    # A row that nothing equals is never on both sides.
    again = size[cells] > 1
    kinds, cells = np.unique(cells[again], return_inverse=True)
    size, dealt = size[kinds], dealt[again]

    def on_both(label: np.ndarray) -> int:
        inside = np.bincount(cells[label[dealt]], minlength=len(kinds))
        return int(((inside > 0) & (inside < size)).sum())

    rng, given, found = np.random.default_rng(0x5911), on_both(label), list[int]()
    for _ in range(_N_SPLITS):
        found.append(on_both(rng.permutation(label)))
        if as_far(found[-1], given):
            return None
    return found
