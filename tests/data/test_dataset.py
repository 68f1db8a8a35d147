"""The border: real data that does not fit is refused in one sentence, samples never crash."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.frame import draft_schema
from genaudit.data.schema import Schema
from genaudit.errors import DataError, GenauditWarning

SCHEMA = Schema.from_dict({
    "missing": ["", "?"],
    "columns": {
        "who": {"kind": "integer", "role": "person"},
        "age": {"kind": "integer", "bounds": [0, 120]},
        "pay": {"kind": "numeric", "bounds": [0, 1e6], "nullable": True},
        "sex": {"kind": "categorical", "role": "sensitive", "categories": ["f", "m"]},
        "job": {"kind": "categorical", "categories": ["a", "b", "c"], "nullable": True},
        "hired": {"kind": "boolean", "role": "target"},
        "since": {"kind": "datetime", "bounds": ["2000-01-01", "2030-01-01"], "nullable": True},
        "note": {"kind": "categorical", "role": "ignored"},
    },
})  # fmt: skip


def _raw(n: int = 6) -> pd.DataFrame:
    i = np.arange(n)
    return pd.DataFrame({
        "who": i // 2, "age": 20 + i, "pay": np.where(i % 3 == 0, np.nan, i * 1.5),
        "sex": np.where(i % 2 == 0, "f", "m"), "job": np.array([*"abc"])[i % 3],
        "hired": i % 2 == 0, "since": pd.date_range("2020-01-01", periods=n),
        "note": [f"n{k}" for k in i],
    })  # fmt: skip


def _with(name: str, values: object) -> pd.DataFrame:
    raw = _raw()
    raw[name] = values
    return raw


def test_real_data_in_canonical_form() -> None:
    """Records are the modelled columns; attributes stand beside them."""
    data = Dataset.of(_raw(), SCHEMA, "train")

    assert len(data) == 6
    assert list(data.records) == ["age", "pay", "sex", "job", "hired", "since"]
    assert list(data.attributes) == ["who", "sex", "hired"]
    assert data.frame["age"].dtype == np.float64
    assert data.frame["since"][1] - data.frame["since"][0] == 86400
    assert list(data.frame["sex"].cat.categories) == ["f", "m"]
    assert data.attributes.equals(data.frame[["who", "sex", "hired"]])
    assert (data.invalid, data.absent, data.extra) == ({}, (), ())


def test_a_draft_that_is_too_narrow_is_named() -> None:
    """Bounds of a draft are those of the rows that it was drafted from."""
    seen = pd.DataFrame({"x": [1.0, 2.5, 4.0, 3.0], "g": list("abab")})
    schema = draft_schema(seen)

    with pytest.raises(DataError, match="drafted from data: widen"):
        Dataset.of(seen.assign(x=seen["x"] * 1000), schema, "holdout")


def test_a_frame_may_have_any_index_and_order() -> None:
    """Index and order of columns of the source are no part of the data."""
    raw = _raw()
    shuffled = raw[raw.columns[::-1]].set_axis(list("zyxwvu"), axis=0)

    pd.testing.assert_frame_equal(
        Dataset.of(shuffled, SCHEMA, "train").frame, Dataset.of(raw, SCHEMA, "train").frame
    )


def test_to_frame_reads_back() -> None:
    """What a user would write is the same data again."""
    data = Dataset.of(_raw(), SCHEMA, "train")

    frame = data.to_frame().assign(who=_raw()["who"], note=_raw()["note"])

    pd.testing.assert_frame_equal(Dataset.of(frame, SCHEMA, "train").frame, data.frame)
    assert str(frame["age"].dtype) == "Int64"
    assert str(frame["hired"].dtype) == "boolean"
    assert str(frame["since"].dtype).startswith("datetime64")


_BAD = {
    "no rows": (_raw().head(0), "at least two rows"),
    "one row": (_raw().head(1), "at least two rows"),
    "no such column": (_raw().drop(columns="job"), "'job'"),
    "two absent": (_raw().drop(columns=["age", "job"]), "'age'.*and 1 more"),
    "column too many": (_raw().assign(zip=1), "'zip'.*not in the schema"),
    "column twice": (pd.concat([_raw(), _raw()[["job"]]], axis=1), "'job'.*twice"),
    "nothing in a column": (_with("pay", None), "'pay'.*no value at all"),
    "nothing in a text column": (_with("job", "?"), "'job'.*no value at all"),
    "infinity": (_with("pay", [1, 2, 3, 4, 5, np.inf]), "'pay'.*'inf'"),
    "text in numbers": (_with("age", [*"12345", "old"]), "'age'.*'old'"),
    "out of bounds": (_with("age", [1, 2, 3, 4, 5, 121]), "'age'.*'121'.*from 0 to 120"),
    "broken number": (_with("age", [1, 2, 3, 4, 5, 6.5]), "'age'.*whole"),
    "missing number": (_with("age", [1, 2, 3, 4, 5, None]), "'age'.*nullable = true"),
    "missing text": (_with("sex", ["f", "m", "?", "", None, "f"]), "'sex'.*3 rows"),
    "category": (_with("job", ["a"] * 5 + ["<script>"]), "'job'.*'<script>'"),
    "no boolean": (_with("hired", [0, 1, 1, 1, 0, 2]), "'hired'.*'2'"),
    "no date": (_with("since", ["2020-01-01"] * 5 + ["soon"]), "'since'.*'soon'"),
    "one group": (_with("sex", "f"), "'sex'.*one group.*'f'"),
    "open quote": (_with("job", ["a"] * 5 + ["x" * 50_000_000]), "'job'.*50,000,000 characters"),
    "missing person": (_with("who", [1, 2, 3, None, 5, 6]), "'who'.*1 row;.*person"),
    "no number of a person": (_with("who", [*"12345", "six"]), "'who'.*'six' in 1 row;.*whole"),
    "broken number of a person": (_with("who", [1, 2, 3, 4, 5, 6.5]), "'who'.*'6.5'.*whole"),
    "endless person": (_with("who", [*"12345", "1e9999"]), "'who'.*'1e9999'.*whole"),
    "numbered columns": (_raw().set_axis(range(8), axis=1), "'who'"),
    "two headers": (_raw().set_axis(
        pd.MultiIndex.from_tuples([(c, "x") for c in _raw()]), axis=1), "'who'"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "why"), _BAD.values(), ids=_BAD)
def test_bad_real_data_is_one_sentence(raw: pd.DataFrame, why: str) -> None:
    """Each kind of bad input is refused with the column, the problem and the data set's name."""
    with pytest.raises(DataError, match=why) as caught:
        Dataset.of(raw, SCHEMA, "the holdout")

    text = str(caught.value)
    assert "the holdout" in text
    assert "\n" not in text
    assert len(text) < 300


_ODD = {
    "bools as text": _with("hired", ["true", "False", "TRUE", "false", "1", "0"]),
    "bools as numbers": _with("hired", [1, 0, 1, 0, 1, 0]),
    "nullable bools": _with("hired", pd.array([True, False] * 3, dtype="boolean")),
    "nullable integers": _with("age", pd.array([1, 2, 3, 4, 5, 6], dtype="Int64")),
    "floats for integers": _with("age", [1.0, 2, 3, 4, 5, 6]),
    "text for numbers": _raw().astype(str).replace({"nan": "?"}),
    "time zone": _with("since", pd.date_range("2020-01-01", periods=6, tz="Asia/Shanghai")),
    "dates as objects": _with("since", pd.date_range("2020-01-01", periods=6).date),
    "missing dates": _with("since", [pd.NaT, *pd.date_range("2020-01-01", periods=5)]),
    "categoricals": _raw().astype({"sex": "category", "job": "category"}),
    "a level that no row has": _with("sex", pd.Categorical(["m", "f"] * 3, list("fmx"))),
    "levels in another order": _with("sex", pd.Categorical(["m", "f"] * 3, list("mf"))),
    "missing as a level": _with("job", pd.Categorical(["a", "?"] * 3)),
    "numbers as levels": _raw().astype({"age": "category", "since": "category"}),
    "mixed missing": _with("job", ["a", "?", "", None, np.nan, pd.NA]),
    "nothing in an ignored column": _with("note", None),
}  # fmt: skip


@pytest.mark.parametrize("raw", _ODD.values(), ids=_ODD)
def test_odd_types_are_real_data(raw: pd.DataFrame) -> None:
    """Types that pandas, Parquet or a careless CSV bring are read for what they mean."""
    data = Dataset.of(raw, SCHEMA, "train")

    assert len(data) == 6


def test_levels_read_as_numbers_are_levels() -> None:
    """A CSV read with guessed types gives numbers for the levels `1`, `2`; missing gives floats."""
    schema = Schema.from_dict({"columns": {
        "grade": {"kind": "categorical", "categories": ["1", "2"], "nullable": True},
    }})  # fmt: skip

    for values in ([1, 2], [1.0, 2.0], ["1", "2"], [1, None]):
        data = Dataset.of(pd.DataFrame({"grade": values}), schema, "train")
        assert data.frame["grade"][0] == "1"


_SAMPLES = {
    "missing category": _with("job", "a"),
    "unknown category": _with("job", ["a"] * 5 + ["zzz"]),
    "one group": _with("sex", "m"),
    "no group": _with("sex", None),
    "all missing": _with("age", np.nan),
    "all missing text": _with("job", ""),
    "all missing dates": _with("since", pd.NaT),
    "all missing target": _with("hired", None),
    "absent column": _raw().drop(columns="age"),
    "only one column": _raw()[["age"]],
    "extra column": _raw().assign(extra=1),
    "extra lists": _raw().assign(extra=[[1]] * 6),
    "infinity": _with("pay", [np.inf, -np.inf, 1, 2, 3, 4]),
    "out of bounds": _with("age", -5),
    "text in numbers": _with("age", "old"),
    "text in dates": _with("since", "soon"),
    "numbers in dates": _with("since", 5),
    "lists in cells": _with("job", [["a"]] * 6),
    "dicts in numbers": _with("age", [{}] * 6),
    "huge cell": _with("job", ["x" * 2_000_000] * 6),
    "complex": _with("pay", [1j] * 6),
    "huge number": _with("age", [10**400] * 6),
    "bytes": _with("job", [b"a"] * 6),
    "one row": _raw(1),
    "all nothing": pd.DataFrame({c: [None] * 6 for c in _raw()}),
    "column twice": pd.concat([_raw(), _raw()[["job"]]], axis=1),
    "numbers for names": _raw().rename(columns={"note": 7}),
}  # fmt: skip


@pytest.mark.parametrize("raw", _SAMPLES.values(), ids=_SAMPLES)
def test_samples_never_raise(raw: pd.DataFrame) -> None:
    """Bad samples are what an audit looks for: every row is kept, every column has its type."""
    good = Dataset.of(_raw(), SCHEMA, "train")

    data = Dataset.of_samples(raw, SCHEMA)

    assert len(data) == len(raw)
    assert list(data.frame) == list(SCHEMA.names)
    for name in (c.name for c in SCHEMA.modelled):
        assert data.frame[name].dtype == good.frame[name].dtype
    data.to_frame()


def test_what_is_wrong_with_samples_is_counted() -> None:
    """Invalid cells by column, absent and extra columns."""
    raw = _raw().drop(columns=["hired", "note", "who"]).assign(zip=1, more=2)
    raw["age"] = [1, 2, 3, 999, None, 6]
    raw["job"] = ["a", "zzz", None, "b", "c", "a"]

    data = Dataset.of_samples(raw, SCHEMA)

    assert data.invalid == {"age": 2, "job": 1}
    assert data.absent == ("hired",)
    assert data.extra == ("zip", "more")
    assert data.frame["job"].isna().sum() == 2


def test_a_doubled_column_of_samples_is_read_once() -> None:
    """The first of two columns with one name counts, the other is named as extra."""
    raw = pd.concat([_raw(), _raw()[["job"]].replace("a", "zzz")], axis=1)

    data = Dataset.of_samples(raw, SCHEMA)

    assert (data.extra, data.invalid) == (("job",), {})


def test_samples_without_rows_or_columns_are_refused() -> None:
    """Nothing at all is no sample."""
    for raw in (_raw().head(0), pd.DataFrame({"x": [1, 2]}), pd.DataFrame()):
        with pytest.raises(DataError, match="Expected samples"):
            Dataset.of_samples(raw, SCHEMA)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_a_split_is_a_partition(arrests: Dataset, fraction: float) -> None:
    """Both parts together are the whole; the first has its share; the seed decides."""
    one, two = arrests.split(fraction, seed=3)
    again, _ = arrests.split(fraction, seed=3)

    assert len(one) == round(fraction * len(arrests))
    assert len(one) + len(two) == len(arrests)
    whole = pd.concat([one.frame, two.frame])
    order = list(arrests.frame)
    pd.testing.assert_frame_equal(
        whole.sort_values(order, ignore_index=True),
        arrests.frame.sort_values(order, ignore_index=True),
    )
    pd.testing.assert_frame_equal(one.frame, again.frame)


def _persons(kind: str, who: list[object], role: str = "person") -> Dataset:
    columns = {"who": {"kind": kind, "role": role}, "x": {"kind": "boolean"}}
    frame = pd.DataFrame({"who": who, "x": [True] * len(who)})
    return Dataset.of(frame, Schema.from_dict({"columns": columns}), "train")


@pytest.mark.parametrize(("kind", "who"), [
    ("integer", ["12", "12.0", " 12", "12.00", "1.2e1", "012", "+12"]),
    ("integer", [12, 12.0, "12"]),
    ("numeric", ["1.5", "1.50", " 15e-1", 1.5]),
    ("datetime", ["2020-01-31", "2020-01-31T00:00", "2020-01-31T01:00+01:00"]),
])  # fmt: skip
def test_one_person_is_one_however_written(kind: str, who: list[object]) -> None:
    """A number or a date is compared as such, not as text; an id too."""
    assert _persons(kind, who).n_units() == 1
    assert len(set(_persons(kind, who, "id").frame["who"])) == 1


def test_other_persons_stay_apart() -> None:
    """Numbers that no float tells apart are two persons; codes keep their zeros; ids any text."""
    assert _persons("integer", ["9007199254740992", "9007199254740993"]).n_units() == 2
    assert _persons("integer", ["7", "x7"], "id").frame["who"].tolist() == ["7", "x7"]


def test_persons_that_hardly_differ_are_named() -> None:
    """Case, spaces, letters and digits may make two persons of one, so a warning says it."""
    with pytest.warns(GenauditWarning, match=r"names 2 persons.*' ann' from 'Ann'"):
        data = _persons("categorical", ["Ann", "Bob", " ann", "ANN ", "Bob"])
    assert data.n_units() == 4

    for one, other in (("12", "012"), ("1", "1.0"), ("1e3", "+1000"), ("é", "e\u0301")):
        with pytest.warns(GenauditWarning, match="names 1 persons"):
            assert _persons("categorical", [one, other, "b"]).n_units() == 3
    assert _persons("categorical", ["nan", "NA n", "1_0", "10", "a1"]).n_units() == 5


def test_a_split_keeps_persons_together() -> None:
    """No person is on both sides, over many seeds, and seeds differ."""
    data = Dataset.of(_raw(60), SCHEMA, "train")
    firsts = []

    for seed in range(20):
        one, two = data.split(0.5, seed)
        assert not set(one.frame["who"]) & set(two.frame["who"])
        assert one.frame["who"].nunique() == two.frame["who"].nunique() == 15
        firsts.append(tuple(one.frame["age"]))

    assert any(a != b for a, b in pairwise(firsts))


def test_take_by_position_and_by_mask() -> None:
    """Positions may repeat, a mask may not; rows are renumbered."""
    data = Dataset.of(_raw(), SCHEMA, "train")

    assert data.take(np.array([4, 4, 0])).frame["age"].tolist() == [24, 24, 20]
    mask = data.frame["age"].to_numpy() > 23
    assert data.take(mask).frame["age"].tolist() == [24, 25]
    assert list(data.take(mask).frame.index) == [0, 1]
    assert len(data.take(np.array([], dtype=int))) == 0


def test_cells_of_samples_without_a_place_are_kept_as_text() -> None:
    """Undeclared levels, words among numbers and columns beyond the schema stay with their rows."""
    raw = _raw().assign(zip=[1.0, 2.5, None, 4.0, 5.0, 6.0])
    raw["job"], raw["age"] = [*"abcxya"], [20, "old", 22, 23, 24, 25]
    data = Dataset.of_samples(raw, SCHEMA)

    kept = data.take(np.array([1, 4])).unplaced

    assert data.unplaced.notna().sum().to_dict() == {"age": 1, "job": 2, "zip": 5}
    assert kept["zip"].tolist() == ["2.5", "5"]
    assert kept["age"].fillna("").tolist() == ["old", ""]
    assert kept["job"].fillna("").tolist() == ["", "y"]
    assert Dataset.of_samples(_raw(), SCHEMA).unplaced.empty
