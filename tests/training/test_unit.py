"""Units: whose rows are drawn together, how many of them, and which places stay empty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.training.dp.unit import Units


def _data(who: list[str]) -> Dataset:
    columns = {"who": {"kind": "categorical", "role": "person"}, "x": {"kind": "boolean"}}
    frame = pd.DataFrame({"who": who, "x": [True] * len(who)})
    return Dataset.of(frame, Schema.from_dict({"columns": columns}), "train")


def test_records_are_units_of_one_row() -> None:
    """Every row is a unit, in order."""
    units = Units.of(_data(["a", "b", "a"]), "record", 1, np.random.default_rng(0))

    assert units.rows.tolist() == [[0], [1], [2]]
    assert units.kept.tolist() == [0, 1, 2]


def test_persons_have_places_for_the_cap() -> None:
    """Two places each: one person fills one, one both, and one has a row left out."""
    data = _data(["b", "a", "c", "b", "c", "c"])

    units = Units.of(data, "person", 2, np.random.default_rng(0))

    owner = data.frame["who"].to_numpy()[units.rows]
    assert [set(row) for row in owner] == [{"a"}, {"b"}, {"c"}]
    assert units.filled.sum(1).tolist() == [1, 2, 2]
    assert len(set(units.kept)) == 5


def test_which_rows_are_left_out_is_chance() -> None:
    """Over many draws every row of a person with too many is used about equally often."""
    data = _data(["a"] * 4 + ["b"])
    rng = np.random.default_rng(0)

    used = np.bincount(
        np.concatenate([Units.of(data, "person", 1, rng).kept for _ in range(2000)]), minlength=5
    )

    assert used[4] == 2000
    assert np.abs(used[:4] / 2000 - 0.25).max() < 0.05
