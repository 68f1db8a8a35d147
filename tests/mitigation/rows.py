"""Made-up samples of a table whose groups differ, by a known amount."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema

SCHEMA = Schema.from_dict(
    {
        "columns": {
            "skill": {"kind": "numeric", "bounds": [-9, 9]},
            "age": {"kind": "integer", "bounds": [0, 99]},
            "sex": {"kind": "categorical", "categories": ["F", "M"], "role": "sensitive"},
            "paid": {"kind": "categorical", "categories": ["no", "yes"], "role": "target"},
        }
    }
)


def frame(n: int, seed: int = 0) -> pd.DataFrame:
    """A third are women; equal skill pays them half as often."""
    rng = np.random.default_rng(seed)
    women = rng.random(n) < 1 / 3
    skill = rng.normal(size=n).clip(-9, 9)
    paid = skill + np.where(women, -0.8, 0.2) + 0.3 * rng.normal(size=n) > 0
    return pd.DataFrame(
        {
            "skill": skill,
            "age": rng.integers(20, 60, n),
            "sex": np.where(women, "F", "M"),
            "paid": np.where(paid, "yes", "no"),
        }
    )


def samples(n: int, seed: int = 0) -> Dataset:
    """The same as a data set."""
    return Dataset.of_samples(frame(n, seed), SCHEMA)


def counted(**groups: int) -> Dataset:
    """Rows by `F_yes=3`, in the order given."""
    rows = [name.split("_") for name, n in groups.items() for _ in range(n)]
    made = pd.DataFrame(rows, columns=["sex", "paid"])
    return Dataset.of_samples(made.assign(skill=np.arange(len(made)) / 100, age=30), SCHEMA)


def draw(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
    """A generator of such rows that sets conditions."""
    data = samples(20 * n + 100 if where else n, seed)
    for column, value in (where or {}).items():
        data = data.take((data.frame[column].astype(str) == value).to_numpy())
    return data.take(np.arange(min(n, len(data))))


def rate(data: Dataset, sex: str) -> float:
    """Share of a group that is paid."""
    mine = data.frame["sex"].astype(str) == sex
    return float((data.frame["paid"][mine].astype(str) == "yes").mean())
