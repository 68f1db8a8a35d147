"""Raw columns to canonical ones and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset, learn
from genaudit.data.frame import (
    MAX_CELL,
    coerce,
    decoded,
    draft_column,
    draft_schema,
    learn_column,
    readable,
    restore,
    safe_text,
    unsafe_text,
)
from genaudit.data.schema import Column, Kind, Role, Schema
from genaudit.errors import DataError

MISSING = ("", "?")


def _column(kind: str, **fields: object) -> Column:
    return Column.model_validate({"name": "x", "kind": kind, "nullable": True, **fields})


COLUMNS = {
    "numeric": (_column("numeric", bounds=[-10, 10]), [1.5, -2.25, None, 10.0]),
    "integer": (_column("integer", bounds=[0, 9]), [3, None, 0, 9]),
    "big integer": (_column("integer", bounds=[0, 2**53]), [2**53 - 1, None, 1]),
    "categorical": (_column("categorical", categories=["a", "b", "3"]), ["a", None, "3", "b"]),
    "boolean": (_column("boolean"), [True, None, False]),
    "named boolean": (_column("boolean", categories=["No", "Yes"]), ["No", None, "Yes"]),
    "date": (_column("datetime", bounds=["1900-01-01", "2100-01-01"], step=86400),
             ["1969-07-20", None, "2020-02-29"]),
    "second": (_column("datetime", bounds=["1900-01-01", "2100-01-01"], step=1),
               ["1969-07-20T20:17:40", None, "2020-02-29T23:59:59"]),
    "microsecond": (_column("datetime", bounds=["1900-01-01", "2100-01-01"]),
                    ["1969-07-20T20:17:40.125", None]),
}  # fmt: skip


@pytest.mark.parametrize(("column", "values"), COLUMNS.values(), ids=COLUMNS)
def test_restore_undoes_coerce(column: Column, values: list[object]) -> None:
    """What a user would write comes back as the same canonical column, typed or as text."""
    first = coerce(pd.Series(values, dtype=object), column, MISSING)
    assert (first.problem, first.n_bad) == (None, 0)

    written = restore(first.values, column)

    for raw in (written, written.astype(object), written.astype(str).where(written.notna(), "?")):
        again = coerce(raw, column, MISSING)
        assert again.problem is None
        pd.testing.assert_series_equal(again.values, first.values)


@pytest.mark.parametrize(("column", "values"), COLUMNS.values(), ids=COLUMNS)
def test_coerce_is_idempotent(column: Column, values: list[object]) -> None:
    """A canonical column is its own canonical form."""
    first = coerce(pd.Series(values, dtype=object), column, MISSING).values

    pd.testing.assert_series_equal(coerce(first, column, MISSING).values, first)


@pytest.mark.parametrize(("column", "values"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_without_any_value_is_canonical(column: Column, values: list[object]) -> None:
    """All missing is no crash, in every way to write it, and keeps the column's type."""
    full = coerce(pd.Series(values, dtype=object), column, MISSING).values
    for raw in ([None, np.nan], ["", "?"], [pd.NaT, pd.NaT], [pd.NA, None], [np.nan, np.nan]):
        empty = coerce(pd.Series(raw), column, MISSING)
        assert empty.problem is None
        assert empty.values.isna().all()
        assert empty.values.dtype == full.dtype
        assert restore(empty.values, column).isna().all()


_FORMS = [
    (_column("categorical", categories=["1", "2"]), pd.Series([1, 2]), ["1", "2"]),
    (_column("categorical", categories=["1", "2"]), pd.Series([1.0, None, 2.0]), ["1", None, "2"]),
    (_column("categorical", categories=["1", "2"]), pd.Series([1, None], dtype="Int64"),
     ["1", None]),
    (_column("categorical", categories=["1.5"]), pd.Series([1.5]), ["1.5"]),
    (_column("categorical", categories=["True", "False"]), pd.Series([True, False]),
     ["True", "False"]),
    (_column("categorical", categories=["a", "=b"]), pd.Series(["a", "'=b"]), ["a", "=b"]),
    (_column("categorical", categories=["2020-01-31"]), pd.Series(["2020-01-31"]), ["2020-01-31"]),
    (_column("categorical", categories=["a"]), pd.Series(["a"], dtype="category"), ["a"]),
    (_column("boolean"), pd.Series([True, None], dtype="boolean"), ["True", None]),
    (_column("boolean"), pd.Series(["true", "FALSE", "0"]), ["True", "False", "False"]),
    (_column("boolean"), pd.Series([0, 1]), ["False", "True"]),
    (_column("boolean", categories=["n", "y"]), pd.Series([False, True]), ["n", "y"]),
    (_column("boolean", categories=["No", "Yes"]), pd.Series([0.0, np.nan, 1.0]),
     ["No", None, "Yes"]),
    (_column("integer"), pd.Series([1, None], dtype="Int64"), [1.0, None]),
    (_column("integer"), pd.Series(["1", "2.0", " 3"]), [1.0, 2.0, 3.0]),
    (_column("integer"), pd.Series([1, 2], dtype="uint8"), [1.0, 2.0]),
    (_column("integer"), pd.Series([1, 2], dtype="category"), [1.0, 2.0]),
    (_column("numeric"), pd.Series(["1e3", "-.5"]), [1000.0, -0.5]),
    (_column("numeric"), pd.Series([1.5, None], dtype="Float64"), [1.5, None]),
    (_column("numeric"), pd.Series([True, False]), [1.0, 0.0]),
    (_column("numeric"), pd.Series([1, "?", 2], dtype=object), [1.0, None, 2.0]),
    (_column("datetime"), pd.Series(pd.to_datetime(["1970-01-02", None])), [86400.0, None]),
    (_column("datetime"), pd.Series(pd.to_datetime(["1970-01-01T01:00+01:00"])), [0.0]),
    (_column("datetime"), pd.Series(["1970-01-01T01:00+01:00", "1970-01-02"]), [0.0, 86400.0]),
    (_column("datetime"), pd.Series([0, 60]), [0.0, 60.0]),
    (_column("datetime"), pd.Series([pd.Timestamp("1970-01-02").date(), None], dtype=object),
     [86400.0, None]),
    (_column("datetime"), pd.Series(["1500-01-01"]), [-14831769600.0]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "raw", "expected"), _FORMS)
def test_every_form_of_a_value_is_read(
    column: Column, raw: pd.Series, expected: list[object]
) -> None:
    """Numbers as text, levels read as numbers, nullable and time zone types all mean one thing."""
    found = coerce(raw, column, MISSING)

    assert found.problem is None
    values = found.values.astype(object)
    assert values.where(values.notna(), None).tolist() == expected


_BAD = [
    ("numeric", {}, ["1", "abc"], "value 'abc' in 1 row; expected numbers"),
    ("numeric", {}, [1.0, np.inf], "value 'inf'"),
    ("numeric", {}, ["1", "-Infinity"], "value '-Infinity'"),
    ("numeric", {}, ["1", "1e999"], "1e999"),
    ("numeric", {"bounds": [0, 1]}, [0, 7], "value '7' in 1 row; expected numbers from 0 to 1"),
    ("numeric", {}, [1 + 2j, 1], "value"),
    ("numeric", {}, [{"a": 1}, 2], "value"),
    ("integer", {}, [1, 1.5], "expected whole numbers"),
    ("integer", {"bounds": [0, 5]}, ["3", "-1"], "whole numbers from 0 to 5"),
    ("datetime", {}, ["2020-01-01", "31/12/2020"], "dates such as 2020-01-31T12:00:00"),
    ("datetime", {"bounds": ["2020-01-01", "2021-01-01"]}, ["2022-01-01"],
     "from 2020-01-01 to 2021-01-01"),
    ("datetime", {"bounds": [-1e15, 1e15]}, ["old"], "from -1e+15 to 1e+15"),
    ("integer", {"bounds": [0, 2e6]}, ["-1"], "from 0 to 2000000"),
    ("integer", {}, [2**53, 2**53 + 1], f"'{2**53 + 1}' in 1 row; expected whole numbers that a"),
    ("integer", {}, ["5", str(2**53 + 1)], "the role id, or the kind numeric"),
    ("integer", {}, [2**64 - 1, 1], "beyond 2^53"),
    ("categorical", {"categories": ["a"]}, ["a", b"\xff"], "category"),
    ("numeric", {}, [1, b"\xff"], "value"),
    ("datetime", {}, [0.0, np.inf], "'inf'"),
    ("datetime", {}, ["2020-01-01", True], "dates such as"),
    ("categorical", {"categories": ["a"]}, ["a", "<b>"], "category '<b>' in 1 row; expected one"),
    ("categorical", {"categories": ["a"]}, ["a", ["a"]], "category"),
    ("boolean", {}, ["True", "maybe"], "'maybe'"),
    ("boolean", {}, [0, 2], "'2'"),
    ("categorical", {"categories": list("abcdefghij")}, ["z"], "'h', ..."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "raw", "why"), _BAD)
def test_a_bad_value_is_named(
    kind: str, fields: dict[str, object], raw: list[object], why: str
) -> None:
    """The first bad value, how many rows have one, and what was expected."""
    found = coerce(pd.Series(raw, dtype=object), _column(kind, **fields), MISSING)

    assert found.n_bad == 1
    assert found.problem is not None
    assert why in found.problem
    assert "\n" not in found.problem


def test_missing_where_nothing_may_be_missing() -> None:
    """Every kind of missing value is counted, and the message says how to allow it."""
    column = Column(name="x", kind=Kind.INTEGER)

    found = coerce(pd.Series(["1", "?", "", None]), column, MISSING)

    assert found.n_bad == 3
    assert "3 rows" in str(found.problem)
    assert "nullable = true" in str(found.problem)


@pytest.mark.parametrize("kind", ["numeric", "categorical", "datetime", "boolean"])
def test_a_huge_cell_is_refused_fast(kind: str) -> None:
    """A cell of 50 MB is an open quote, not a value, and is not repeated in the message."""
    raw = pd.Series(["a", "x" * 50_000_000])

    found = coerce(raw, _column(kind), MISSING)

    assert "50,000,000 characters" in str(found.problem)
    assert len(str(found.problem)) < 200
    assert coerce(pd.Series(["x" * MAX_CELL]), _column("categorical"), ()).problem is None


def test_a_long_value_is_cut_in_the_message() -> None:
    """A message stays one readable line."""
    found = coerce(pd.Series(["x" * 5000]), _column("categorical", categories=["a"]), MISSING)

    assert len(str(found.problem)) < 150


def test_ids_and_ignored_columns_stay_text() -> None:
    """Columns that are not modelled are kept as text, whatever they hold."""
    column = Column(name="x", kind=Kind.CATEGORICAL, role=Role.ID)

    values = coerce(pd.Series([1.0, None, "é\u202e", True], dtype=object), column, ()).values

    assert values.tolist()[0] == "1"
    assert values.isna().tolist() == [False, True, False, False]
    assert values.tolist()[2:] == ["é\u202e", "True"]


@pytest.mark.parametrize("text", [
    "=1+1", "+a", "-b", "@c", "\tx", "\r", "plain", "'", "''=", "", "\n=1", " =1", "\ufeff=1",
    "\uff1d1", "\uff0ba", "\uff0db", "\uff20c", "'=1", "'-3.5", "-3.5",
])  # fmt: skip
def test_harmless_text_reads_back(text: str) -> None:
    """What was made harmless for spreadsheets comes back as it was."""
    assert unsafe_text(str(safe_text(text))) == text
    if text != "-3.5":
        shown = str(safe_text(text)).lstrip("\ufeff ")
        assert not shown.startswith(
            ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
        )


_DRAFTS = [
    ([1, 2, 3], Kind.INTEGER, Role.FEATURE),
    (["1", "2.5", ""], Kind.NUMERIC, Role.FEATURE),
    (["2020-01-01", "2020-01-02"], Kind.DATETIME, Role.FEATURE),
    ([True, False], Kind.BOOLEAN, Role.FEATURE),
    (["yes", "no"], Kind.BOOLEAN, Role.FEATURE),
    (["a", "b", "c"], Kind.CATEGORICAL, Role.FEATURE),
    ([f"id{i}" for i in range(60)], Kind.CATEGORICAL, Role.ID),
    ([f"name{i // 1.5:g}" for i in range(90)], Kind.CATEGORICAL, Role.IGNORED),
    ([None, None], Kind.CATEGORICAL, Role.IGNORED),
    (pd.to_datetime(["2020-01-01T10:00+02:00", None]), Kind.DATETIME, Role.FEATURE),
    (pd.array([1, None], dtype="Int64"), Kind.INTEGER, Role.FEATURE),
    (pd.array([True, None], dtype="boolean"), Kind.BOOLEAN, Role.FEATURE),
    (pd.Categorical(["a", "b"]), Kind.CATEGORICAL, Role.FEATURE),
    (["01234", "98765"], Kind.CATEGORICAL, Role.FEATURE),
    (["00", "2020"], Kind.CATEGORICAL, Role.FEATURE),
    (["0", "0.5", "-0"], Kind.NUMERIC, Role.FEATURE),
    (["0001-01-01", "9999-12-31"], Kind.DATETIME, Role.FEATURE),
    (np.array([True, None, False], dtype=object), Kind.BOOLEAN, Role.FEATURE),
    (pd.Categorical([True, False]), Kind.BOOLEAN, Role.FEATURE),
    ([2**53 + 1, 3], Kind.CATEGORICAL, Role.FEATURE),
    ([str(2**60 + i) for i in range(60)], Kind.CATEGORICAL, Role.ID),
    (pd.Series([2**64 - 1, 2**63], dtype="uint64"), Kind.CATEGORICAL, Role.FEATURE),
    ([2**53, 2**54], Kind.INTEGER, Role.FEATURE),
    ([2.0**60, 1.0], Kind.INTEGER, Role.FEATURE),
]  # fmt: skip


@pytest.mark.parametrize(("values", "kind", "role"), _DRAFTS)
def test_a_draft_fits_its_own_data(values: object, kind: Kind, role: Role) -> None:
    """The guess is the one a person would make, and accepts the values it was made from."""
    raw = pd.Series(values)

    column = draft_column(raw, "x", MISSING)

    assert (column.kind, column.role) == (kind, role)
    found = coerce(raw, column, MISSING)
    assert (found.problem, found.n_bad) == (None, 0)


_NO_KIND = {
    "timedelta64": (pd.to_timedelta([1, 2], "D"), r"timedelta64.*total_seconds"),
    "timedelta objects": (np.array([pd.Timedelta(1), None], dtype=object), "total_seconds"),
    "timedelta of arrow": (pd.array(pd.to_timedelta([1, 2], "s"), dtype="duration[s][pyarrow]"),
                           "total_seconds"),
    "complex": (np.array([1, 2], dtype=complex), "two columns of numbers"),
    "period": (pd.period_range("2020-01", periods=2, freq="M"), "to_timestamp"),
    "interval": (pd.interval_range(0, 2), "astype"),
    "lists": ([[1], [2]], "one value in each cell"),
    "one dict": ([1, {"a": 2}], "one value in each cell"),
    "objects": ([object(), object()], "objects of type object.*turn them into text"),
    "one function": (["a", len, lambda: 1], "objects of type function"),
    "arrays": ([np.zeros(2), np.ones(2)], "one value in each cell"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "why"), _NO_KIND.values(), ids=_NO_KIND)
def test_a_draft_takes_nothing_for_what_it_is_not(values: object, why: str) -> None:
    """Values that no kind of column models are refused by name, with what to make of them."""
    with pytest.raises(DataError, match=f"'x'.*{why}") as caught:
        draft_column(pd.Series(values), "x", MISSING)

    assert "\n" not in str(caught.value)


def test_intervals_of_a_categorical_are_levels() -> None:
    """What `pd.cut` makes are levels by their text, also where the last one has no row."""
    raw = pd.cut(pd.Series([1, 2, 5, None]), [0, 3, 6, 9])

    column = draft_column(raw, "x", MISSING)

    assert (column.kind, column.categories) == (Kind.CATEGORICAL, ("(0, 3]", "(3, 6]"))
    assert coerce(raw, column, MISSING).problem is None


@pytest.mark.parametrize("values", [
    pd.to_timedelta([1, 2], "D"), pd.period_range("2020-01", periods=2, freq="M"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["numeric", "integer"])
def test_ticks_are_no_numbers(kind: str, values: object) -> None:
    """Spans of time are not read as the ticks that pandas keeps them in."""
    found = coerce(pd.Series(values), _column(kind), MISSING)

    assert found.n_bad == 2
    assert "expected" in str(found.problem)


def test_lists_are_no_levels_to_learn() -> None:
    """A column of undeclared levels holds one value in each cell."""
    found = coerce(pd.Series([[1], "a"], dtype=object), _column("categorical"), MISSING)

    assert found.n_bad == 1
    assert "expected one value in each cell" in str(found.problem)
    assert coerce(pd.Series([object(), "a"]), _column("categorical"), MISSING).n_bad == 1


def test_a_level_that_no_row_has_is_none() -> None:
    """Of a categorical the values count, not what its type lists; a present level must be known."""
    column = _column("categorical", categories=["a", "b"])
    raw = pd.Series(pd.Categorical(["b", "a"], categories=["c", "b", "a"]))

    assert coerce(raw, column, MISSING).values.tolist() == ["b", "a"]
    assert draft_column(raw, "x", MISSING).categories == ("a", "b")
    raw[0] = "c"
    assert "category 'c' in 1 row; expected one of 'a', 'b'" in str(
        coerce(raw, column, MISSING).problem
    )


def test_a_draft_leaves_endless_values_to_the_check() -> None:
    """A column of numbers with one infinity is numeric, so that the check names the infinity."""
    raw = pd.Series([np.inf, 1.0, 2.5])

    column = draft_column(raw, "x", MISSING)

    assert (column.kind, column.bounds) == (Kind.NUMERIC, (1, 2.5))
    assert "'inf'" in str(coerce(raw, column, MISSING).problem)


def test_a_draft_finds_spikes() -> None:
    """A value that a tenth of the records share in a widely spread column is a spike."""
    column = draft_column(pd.Series([0] * 100 + list(range(1, 200))), "gain", MISSING)

    assert column.spikes == (0.0,)


def test_a_draft_is_marked() -> None:
    """A drafted schema says so; an empty table cannot be drafted from."""
    assert draft_schema(pd.DataFrame({"a": [1, 2]})).origin == "drafted"
    with pytest.raises(DataError, match="rows and columns"):
        draft_schema(pd.DataFrame({"a": []}))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["", ""], "b": [None, None]}),
        pd.DataFrame({"who": [f"p{i}" for i in range(60)]}),
    ],
)
def test_a_draft_without_anything_to_model_is_refused(frame: pd.DataFrame) -> None:
    """Empty columns and ids alone make no schema, which is said by name."""
    with pytest.raises(
        DataError, match=f"at least one column to model, got only '{frame.columns[0]}'"
    ):
        draft_schema(frame)


def test_numbers_are_shown_as_they_are_meant() -> None:
    """Dates as dates, times where there are any, numbers with all digits that matter."""
    when, number = _column("datetime"), _column("numeric")

    assert readable(0.0, when) == "1970-01-01"
    assert readable(86400.5, when) == "1970-01-02T00:00:00.500000"
    assert readable(1e15, when) == "1e+15"
    assert readable(1234567.0, number) == "1234567"
    assert readable(0.1, number) == "0.1"


def test_bytes_are_text_or_refused() -> None:
    """Bytes in a data frame are read as UTF-8; the rest of the frame is left alone."""
    raw = pd.DataFrame({"a": ["é".encode(), None], "b": [1, 2]})

    assert decoded(raw, "train")["a"].tolist()[0] == "é"
    assert decoded(raw[["b"]], "train")["b"].tolist() == [1, 2]
    with pytest.raises(DataError, match="'a' of train holds bytes"):
        decoded(pd.DataFrame({"a": ["x", b"\xff"]}), "train")


def test_learning_leaves_what_does_not_fit_to_the_check() -> None:
    """An absent column, or one of which no value fits, is for the check of the data to name."""
    schema = Schema.from_dict({"columns": {"a": {"kind": "integer"}, "b": {"kind": "boolean"}}})

    for raw in (pd.DataFrame({"b": [0, 1]}), pd.DataFrame({"a": ["x", "y"], "b": [0, 1]})):
        learned = learn(schema, raw)
        with pytest.raises(DataError, match=r"'a' of (the schema|train has value 'x')"):
            Dataset.of(raw, learned, "train")


def test_learning_takes_what_is_undeclared_alone() -> None:
    """Bounds and levels that are declared stay; the rest spans all files given."""
    schema = Schema.from_dict({"columns": {
        "a": {"kind": "integer"}, "b": {"kind": "categorical"},
        "c": {"kind": "integer", "bounds": [0, 99]},
    }})  # fmt: skip
    one = pd.DataFrame({"a": ["1", "5"], "b": ["x", "y"], "c": ["1", "2"]})
    two = pd.DataFrame({"a": ["-3", "2"], "b": ["z", "x"], "c": ["1", "2"]})

    learned = learn(schema, one, two)

    assert learned["a"].bounds == (-3, 5)
    assert learned["b"].categories == ("x", "y", "z")
    assert learned["c"] == schema["c"]


def test_learning_from_nothing_is_refused() -> None:
    """A column without a value teaches nothing; a constant one gets bounds a step wide."""
    column = Column(name="x", kind=Kind.INTEGER, nullable=True)

    with pytest.raises(DataError, match="'x' has no value at all"):
        learn_column(column, pd.Series([np.nan, np.nan]))
    assert learn_column(column, pd.Series([4.0, 4.0])).bounds == (4, 5)
    assert learn_column(column, pd.Series([2.0**60])).bounds == (2**60, 2**60 + 256)


@pytest.mark.parametrize(
    ("time", "step"), [("", 86400.0), ("T07:00:01", 1.0), ("T07:00:01.5", None)]
)
def test_a_draft_keeps_to_days_and_seconds(time: str, step: float | None) -> None:
    """Times in whole seconds are drafted so: no microseconds are made of them."""
    raw = pd.DataFrame({"when": [f"2020-01-{day:02d}{time}" for day in range(1, 29)]})

    assert draft_schema(raw)["when"].step == step
