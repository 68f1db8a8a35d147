"""Tables of shares: what is meant, and what is refused with one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rows import SCHEMA

from genaudit.errors import OptionError
from genaudit.mitigation.target import TargetTable


def test_equal_is_over_all_crossed_levels() -> None:
    """Of the sensitive columns, or of those that are named."""
    assert TargetTable.of("equal", SCHEMA).shares == {("F",): 0.5, ("M",): 0.5}
    crossed = TargetTable.of("equal", SCHEMA, ("sex", "paid"))
    assert crossed.columns == ("sex", "paid")
    assert set(crossed.shares.values()) == {0.25}


def test_tables_of_columns_are_multiplied() -> None:
    """A column may also be given as the word equal."""
    found = TargetTable.of({"sex": {"F": 0.25, "M": 0.75}, "paid": "equal"}, SCHEMA)

    assert found.shares == {
        ("F", "no"): 0.125, ("F", "yes"): 0.125, ("M", "no"): 0.375, ("M", "yes"): 0.375,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[target]\nsex = {F = 0.4, M = 0.6}",
        '[[cells]]\nsex = "F"\nshare = 0.4\n[[cells]]\nsex = "M"\nshare = 0.6',
    ],
)
def test_a_file_says_the_same(text: str, tmp_path: Path) -> None:
    """As a table for each column, or cell by cell."""
    (tmp_path / "t.toml").write_text(text, "utf-8")

    assert TargetTable.of(tmp_path / "t.toml", SCHEMA).shares == {("F",): 0.4, ("M",): 0.6}


def test_cells_that_are_written_out_are_read_back() -> None:
    """`to_rows` gives what `of` takes."""
    table = TargetTable.of({"sex": {"F": 0.25, "M": 0.75}, "paid": "equal"}, SCHEMA)

    assert TargetTable.of(table.to_rows(), SCHEMA) == table


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"sex": {"F": 0.5, "M": 0.6}}, "sum to 1, got a sum of 1.1"),
        ({"sex": {"F": 0.5, "M": 0.4}}, "sum to 1, got a sum of 0.9"),
        ({"sex": {"F": 0.3334, "M": 0.6667}}, "sum to 1, got a sum of 1.0001"),
        ({"sex": {"F": 0.5, "X": 0.5}}, "no level 'X' exists; there are 'F', 'M'"),
        ({"sex": {"F": 1}}, "none for sex = M"),
        ({"sex": {"F": 1, "M": 0}}, "at least two groups"),
        ({"sex": {"F": 1.5, "M": -0.5}}, "from 0 to 1 for sex = F, got 1.5"),
        ({"sex": {"F": True, "M": 0}}, "from 0 to 1"),
        ({"sex": {"F": "half", "M": 0.5}}, "got 'half'"),
        ({"sex": 3}, "got 3 for 'sex'"),
        ({"age": "equal"}, "'age', which is integer"),
        ({"skill": {"1": 1.0}}, "'skill', which is numeric"),
        ({"nose": "equal"}, "got 'nose'"),
        ({}, "an empty table"),
        ([], "cells without a share"),
        ([{"sex": "F", "share": 1.0}], "none for sex = M"),
        ([{"sex": "F", "share": 0.5}, {"sex": "F", "share": 0.5}], "two shares"),
        ([{"sex": "F", "share": 0.5}, {"paid": "no", "share": 0.5}], "different columns"),
        (7, "got a int"),
    ],
)
def test_what_is_no_table_is_refused(spec: Any, says: str) -> None:
    """One sentence says what was expected and what came."""
    with pytest.raises(OptionError, match=r"Expected|exists|shares") as said:
        TargetTable.of(spec, SCHEMA)
    assert says in str(said.value)


@pytest.mark.parametrize("text", ["", "sex = 1", "[target]\nsex = 'equal'\n[[cells]]\nshare = 1"])
def test_a_file_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    """It holds one of the two forms."""
    (tmp_path / "t.toml").write_text(text, "utf-8")

    with pytest.raises(OptionError, match=r"one of \[target\] and \[\[cells\]\]"):
        TargetTable.of(tmp_path / "t.toml", SCHEMA)


def test_numbers_of_numpy_are_shares() -> None:
    """As its own floats are; a data frame is no table of shares."""
    given = {"sex": {"F": np.float32(0.25), "M": np.float64(0.75)}}

    assert TargetTable.of(given, SCHEMA).shares == {("F",): 0.25, ("M",): 0.75}
    with pytest.raises(OptionError, match="got a DataFrame"):
        TargetTable.of(pd.DataFrame({"sex": ["F", "M"], "share": 0.5}), SCHEMA)  # type: ignore[arg-type]  # wrong on purpose


def test_columns_beside_a_table_are_refused() -> None:
    """It names its own."""
    with pytest.raises(OptionError, match="beside the word equal alone"):
        TargetTable.of({"sex": "equal"}, SCHEMA, ("sex",))
