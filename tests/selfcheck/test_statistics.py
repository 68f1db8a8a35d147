"""Exact statistics of columns are known wherever two of them stand side by side, and no others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from genaudit.training.dp.selfcheck.rows.statistics import Statistics, numbers

ROWS = np.random.default_rng(0).normal(3, 2, size=(200, 6))
KNOWN = Statistics(ROWS)

HELD: dict[str, Callable[[], np.ndarray]] = {
    "means": lambda: ROWS.mean(0),
    "single": lambda: ROWS.mean(0).astype(np.float32),
    "scale of one": lambda: np.array([ROWS[:, 2].mean(), ROWS[:, 2].std()]),
    "ends of one": lambda: np.array([ROWS[:, 2].min(), ROWS[:, 2].max()]),
    "table": lambda: numbers(pd.DataFrame(ROWS).describe()),
    "among others": lambda: np.concatenate([np.random.default_rng(1).normal(size=10_000),
                                            ROWS.std(0)]),
}  # fmt: skip

HONEST: dict[str, Callable[[], np.ndarray]] = {
    "noisy": lambda: ROWS.mean(0) + np.random.default_rng(1).normal(0, 1e-3, 6),
    "one number": lambda: ROWS[:, :1].mean(0),
    "weights": lambda: np.random.default_rng(1).normal(size=(1000, 1000)),
    "grid": lambda: np.linspace(-9, 9, 20_001),
    "nothing": lambda: np.zeros((0, 6)),
    "number alone": lambda: np.array(ROWS.mean()),
}


@pytest.mark.parametrize("name", HELD)
def test_statistics_are_known(name: str) -> None:
    """As vectors, in either precision, as two numbers of one column, or in a table."""
    assert KNOWN.held(HELD[name]())


@pytest.mark.parametrize("name", HONEST)
def test_others_are_not(name: str) -> None:
    """What is noised, or public, or a single number."""
    assert not KNOWN.held(HONEST[name]())


def test_levels_have_none() -> None:
    """Shares of levels are fractions, and a grid has them all."""
    coded = np.eye(12)[np.random.default_rng(0).integers(0, 12, 240)]

    assert not Statistics(coded).held(np.sort(coded.mean(0)))
    assert not Statistics(coded).held(np.linspace(0, 1, 241))
