"""Canaries: valid rows with fair coins, planted so that no number tells of a coin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genaudit.data.canaries import FEWEST, Canaries, beside
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError, DataError, IntegrityError, OptionError

COLUMNS = {
    "who": {"kind": "integer", "role": "person"},
    "sex": {"kind": "categorical", "role": "sensitive", "categories": ["f", "m"]},
    "town": {"kind": "categorical", "categories": ["a", "b", "c"]},
    "pay": {"kind": "numeric", "bounds": [0, 1e5], "nullable": True},
    "age": {"kind": "integer", "bounds": [18, 90]},
    "half": {"kind": "numeric", "bounds": [0, 9], "step": 0.5},
    "born": {"kind": "datetime", "bounds": ["1950-01-01", "2000-01-01"], "step": 86400},
    "yes": {"kind": "boolean", "role": "target"},
    "remark": {"kind": "categorical", "role": "ignored"},
}


def _schema(rows: object = "public") -> Schema:
    return Schema.from_dict({"rows": rows, "columns": COLUMNS})


def _tossed(n: int = 200, seed: int = 0, rows: Dataset | None = None) -> Canaries:
    return Canaries.tossed(_schema(), n, np.random.default_rng(seed), rows)


def _data(n: int = 120, rows: object = "public") -> Dataset:
    """Rows of one sex in one town."""
    made = _tossed(n, 9).records.assign(sex="f", town="b", who=range(n))
    made.loc[0, "sex"] = "m"
    return Dataset.of(made, _schema(rows))


def test_canaries_are_valid_and_rare() -> None:
    """Every kind of column has values that the schema allows; no two canaries are alike."""
    canaries = _tossed()
    checked = canaries.checked(_schema())

    assert checked.n_distinct == 200
    assert checked.n_units() == 200
    assert (checked.frame["half"] % 0.5 == 0).all()
    assert checked.frame["age"].between(18, 90).all()
    assert 70 < canaries.included.sum() < 130


def test_common_part_is_of_real_rows() -> None:
    """Where rows may be looked at, levels that go together in one go together in a canary."""
    common = _tossed(rows=_data()).records

    assert (common["sex"] == "f").mean() > 0.9
    assert common["town"].nunique() == 3  # columns of the rare part are drawn evenly


@pytest.mark.parametrize(("rows", "declared"), [("public", "public"), (120, 320), (None, None)])
def test_no_number_tells_of_a_coin(rows: object, declared: object) -> None:
    """Where n is public it is the same whatever fell; what is left out contributes nothing."""
    for seed in (0, 1):
        canaries = _tossed(seed=seed)
        planted = canaries.plant(_data(rows=rows), private=True)
        included = int(canaries.included.sum())

        assert len(planted) == 120 + included
        assert len(planted) + planted.zeroed == (120 + included if rows is None else 320)
        assert planted.schema.rows == declared
        assert planted.frame.dtypes.equals(_data().frame.dtypes)
        assert planted.frame.index.equals(pd.RangeIndex(len(planted)))


def test_file_keeps_rows_and_coins(tmp_path: Path) -> None:
    """What is written reads back as the same records; it is never overwritten."""
    canaries, path = _tossed(), beside(tmp_path / "state")
    canaries.write(path)
    again = Canaries.read(path)

    assert again.checked(_schema()).frame.equals(canaries.checked(_schema()).frame)
    assert (again.included == canaries.included).all()
    with pytest.raises(OptionError, match="another training"):
        canaries.write(path)


def test_changed_coins_are_refused(tmp_path: Path) -> None:
    """A coin that was turned, a foreign file and a missing one: one sentence each."""
    path = _tossed().write(tmp_path / "c.json")
    raw = json.loads(path.read_text("utf-8"))
    raw["included"][0] = not raw["included"][0]
    path.write_text(json.dumps(raw), "utf-8")

    with pytest.raises(IntegrityError, match="digest"):
        Canaries.read(path)
    for text in ("[1]", "{", '{"format": "x"}', json.dumps({**raw, "included": []})):
        path.write_text(text, "utf-8")
        with pytest.raises(DataError, match="canaries with their coins"):
            Canaries.read(path)
    with pytest.raises(DataError):
        Canaries.read(tmp_path / "absent.json")


def test_impossible_canaries_are_refused() -> None:
    """Too few, no table, and values that nobody has declared."""
    with pytest.raises(OptionError, match=f"at least {FEWEST}"):
        _tossed(FEWEST - 1)
    text = Schema.from_dict({"columns": {"t": {"kind": "text", "alphabet": "ab", "max_length": 3}}})
    with pytest.raises(OptionError, match="rows of a table"):
        Canaries.tossed(text, 100, np.random.default_rng(0))
    open_ = Schema.from_dict({"columns": {"pay": {"kind": "numeric"}}})
    with pytest.raises(BudgetError, match="bounds of column 'pay'"):
        Canaries.tossed(open_, 100, np.random.default_rng(0))
