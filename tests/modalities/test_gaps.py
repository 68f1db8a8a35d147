"""What samples do not show is left out or counted, never taken for a difference."""

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table.gaps import Gaps, compared, not_compared
from genaudit.modalities.table.space import Keys

SCHEMA = Schema.from_dict(
    {
        "columns": {
            "colour": {"kind": "categorical", "categories": ["red", "green"], "nullable": True},
            "size": {"kind": "numeric", "bounds": [0, 100], "nullable": True},
            "count": {"kind": "integer", "bounds": [0, 3]},
            "code": {"kind": "categorical"},
            "name": {"kind": "categorical", "role": "ignored", "nullable": True},
        }
    }
)


def _table(n, seed, n_codes=80):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "colour": rng.choice(["red", "green", ""], n),
            "size": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 30, n) / 4),
            "count": rng.integers(0, 4, n),
            "code": rng.choice([f"c{i}" for i in range(n_codes)], n),
            "name": None,
        }
    )


def _dataset(raw):
    return Dataset.of(raw, SCHEMA)


def test_columns_that_are_compared():
    """Absent columns are not compared; ignored ones are where every table has them."""
    raw = _table(4, 1)
    named = _dataset(raw.assign(name="n"))
    lacking = Dataset.of_samples(raw.drop(columns="size").assign(name="n"), SCHEMA)

    assert "size" not in [c.name for c in compared(lacking, named)]
    assert "name" in [c.name for c in compared(lacking, named)]
    assert "name" not in [c.name for c in compared(_dataset(raw), named)]


def test_columns_that_samples_do_not_show():
    """Misspelt levels and missing values beyond the real ones are like an absent column."""
    real = _dataset(_table(100, 1))
    for column, unread in (("colour", "RED"), ("size", np.nan), ("count", np.nan)):
        raw = _table(100, 2)
        for share in (0.3, 1.0):
            raw[column] = raw[column].where(np.arange(100) >= 100 * share, unread)
            samples = Dataset.of_samples(raw, SCHEMA)
            columns = compared(samples, real)

            assert (column in [c.name for c in columns]) == (share < 0.5)
            assert not_compared(samples, columns) == (() if share < 0.5 else (column,))


def test_gaps_on_paper():
    """Of four broken cells in three rows, two may hide the real row that is equal elsewhere."""
    real = _table(3, 1).assign(colour="red", size=1.0, count=[0, 1, 2], code=["a", "b", "c"])
    raw = real.assign(colour=["RED", "RED", "red"], count=[0, 3, 2])
    raw["code"] = raw["code"].where(raw["count"] > 0, None)
    raw = pd.concat([raw] * 2)
    samples = Dataset.of_samples(raw, SCHEMA)
    columns = [SCHEMA[c] for c in ("colour", "count", "code")]
    gaps = Gaps.of(samples, columns, _dataset(real))
    keys = [Keys.of(data, columns) for data in (samples, _dataset(real))]

    # Twice: two lost cells; one lost cell in a row whose count no real row has; an intact row.
    assert (gaps.n_rows(1), gaps.n_rows(2), gaps.most) == (4, 2, 6)
    assert gaps.n_hiding(*keys) == 2


def test_missing_values_that_real_rows_have_are_no_gaps():
    """As many missing values as in real rows, give or take chance, are values like others."""
    real = _dataset(_table(300, 1))
    samples = Dataset.of_samples(_table(300, 2), SCHEMA)

    assert Gaps.of(samples, SCHEMA.modelled, real).most == 0
