"""The middle one of several random halvings."""

from __future__ import annotations

import numpy as np

from genaudit.stats.halves import N_HALVINGS, middle_halves


def test_halves_share_nothing_and_are_of_one_size() -> None:
    """An odd position is left out."""
    one, other = middle_halves(11, lambda a, b: float(a.sum() - b.sum()))
    assert len(one) == len(other) == 5
    assert not set(one.tolist()) & set(other.tolist())


def test_the_value_is_the_median_of_those_asked() -> None:
    """And the same rows are halved the same way again."""
    asked: list[float] = []

    def value(a: np.ndarray, b: np.ndarray) -> float:
        asked.append(float(a.mean() - b.mean()))
        return asked[-1]

    one, other = middle_halves(40, value)
    assert len(asked) == N_HALVINGS
    assert float(one.mean() - other.mean()) == np.median(asked)
    again, _ = middle_halves(40, value)
    assert (again == one).all()


def test_middle_halves_exclude_the_null_far_less_often_than_one_does() -> None:
    """Of 400 nulls of noise one halving would be beyond 1.96 errors 20 times."""
    rng, beyond = np.random.default_rng(0), 0
    for _ in range(400):
        x = rng.normal(size=60)
        one, other = middle_halves(60, lambda a, b, x=x: float(x[a].mean() - x[b].mean()))
        error = np.sqrt(x[one].var(ddof=1) / 30 + x[other].var(ddof=1) / 30)
        beyond += abs(x[one].mean() - x[other].mean()) > 1.96 * error
    assert beyond <= 2


def test_a_value_that_is_missing_leaves_the_first_halving() -> None:
    """Nothing can be in the middle of what is not known."""
    first = middle_halves(8, lambda *_: None)
    assert (first[0] == middle_halves(8, lambda *_: float("nan"))[0]).all()
