"""A table that two-way marginals say nothing about: private generators learn it all the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.training.fit import fit
from genaudit.training.recipe import Recipe

WORDS = {"kind": "categorical", "categories": ["no", "yes"]}
SCHEMA = Schema.from_dict(
    {"rows": "public", "columns": {"a": WORDS, "b": WORDS, "c": {**WORDS, "role": "target"}}}
)


def _rows(n: int = 20_000) -> Dataset:
    """C is the parity of a and b, but for 5%."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, n))
    c = a ^ b ^ (rng.random(n) < 0.05)
    return Dataset.of(
        pd.DataFrame(
            {k: np.array(["no", "yes"])[v] for k, v in zip("abc", (a, b, c), strict=True)}
        ),
        SCHEMA,
    )


def _agreement(data: Dataset) -> float:
    a, b, c = (data.frame[name].astype(str).eq("yes") for name in "abc")
    return float(((a ^ b) == c).mean())


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gan", "cgan"])
def test_a_private_discriminator_finds_parity(family: str) -> None:
    """At ε = 1 made records have the parity, though all pairs of columns are independent."""
    data = _rows()
    assert _agreement(data) == pytest.approx(0.95, abs=0.01)

    made = fit(Recipe.of(family=family, epsilon=1.0, delta=1e-6), data).sample(10_000)

    assert _agreement(made) > 0.8
    for one, other in ("ab", "bc", "ac"):
        table = pd.crosstab(made.frame[one], made.frame[other], normalize=True)
        assert np.abs(table.to_numpy() - 0.25).max() < 0.05
