"""Sampling: conditions, rare values, seeds, refusals, with weights set by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from genaudit.data.schema import Schema
from genaudit.errors import GenauditWarning, OptionError
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models.sampler import Sampler


def _sampler(weights: tuple[float, float] = (0.25, 0.75), rare: float = -4.0) -> Sampler:
    """`b` is y with odds e^rare; `day` and `k` are uniform; the condition `a` is as `weights`."""
    schema = Schema.from_dict(
        {
            "missing": ["", "NA"],
            "columns": {
                "id": {"kind": "categorical", "role": "ignored", "nullable": True},
                "a": {"kind": "boolean"},
                "b": {"kind": "categorical", "categories": ["x", "y"]},
                "k": {"kind": "integer", "bounds": [0, 3], "nullable": True},
                "day": {"kind": "datetime", "bounds": ["2020-01-01", "2020-01-04"], "step": 86400},
            },
        }
    )
    layout = Layout(Grid.public(schema), ("a",))
    odds = np.zeros(layout.sizes[0])
    odds[1] = rare
    blocks = [odds, *(np.zeros(k) for k in layout.sizes[1:])]
    shares = np.concatenate([b - np.log(np.exp(b).sum()) for b in blocks])
    return Sampler(schema, layout, shares[None], np.zeros(1), np.array(weights))


def test_samples_follow_the_probabilities() -> None:
    """Cells are drawn by their probabilities, never the likeliest alone."""
    made = _sampler().sample(20_000, seed=0).frame

    assert (made["a"] == "True").mean() == pytest.approx(0.75, abs=0.015)
    assert (made["b"] == "y").mean() == pytest.approx(1 / (1 + np.exp(4)), abs=0.005)
    assert made["k"].isna().mean() == pytest.approx(0.2, abs=0.015)
    assert made["id"].isna().all()


def test_seed() -> None:
    """The same seed gives the same records whatever torch's own state; another seed others."""
    torch.manual_seed(1)
    first = _sampler().sample(500, seed=3).frame
    torch.manual_seed(2)

    assert _sampler().sample(500, seed=3).frame.equals(first)
    assert not _sampler().sample(500, seed=4).frame.equals(first)


def test_where() -> None:
    """Levels, numbers, dates and missing values, alone and together."""
    sampler = _sampler()
    for where, holds in [
        ({"a": "false"}, lambda f: f["a"] == "False"),
        ({"b": "y", "a": "True"}, lambda f: (f["b"] == "y") & (f["a"] == "True")),
        ({"k": "2"}, lambda f: f["k"] == 2),
        ({"k": "2.0"}, lambda f: f["k"] == 2),
        ({"k": "NA"}, lambda f: f["k"].isna()),
        ({"day": "2020-01-03"}, lambda f: f["day"] == 1578009600.0),
    ]:
        made = sampler.sample(40, seed=0, where=where).frame
        assert len(made) == 40, where
        assert holds(made).all(), where


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT])
def test_where_missing_as_pandas_holds_it(value: object) -> None:
    """None, NaN, NA and NaT mean missing where that exists, and are refused where it does not."""
    made = _sampler().sample(40, seed=0, where={"k": value}).frame

    assert len(made) == 40
    assert made["k"].isna().all()
    with pytest.raises(OptionError, match="'b'"):
        _sampler().sample(3, where={"b": value})


@pytest.mark.parametrize("where", ["k", ["k"], 3])
def test_where_is_a_mapping(where: Any) -> None:
    """Anything else is refused in a sentence."""
    with pytest.raises(OptionError, match="Expected where as column -> value"):
        _sampler().sample(3, where=where)


def test_a_rare_value_comes_back_short() -> None:
    """What is too rare to wait for gives fewer records and a warning with the reason."""
    with pytest.warns(GenauditWarning, match=r"0 of 10 records.*b = y"):
        made = _sampler(rare=-40.0).sample(10, where={"b": "y"})

    assert len(made) == 0


def test_a_condition_without_share_can_be_asked_for() -> None:
    """A condition that the reference gave nothing is set all the same."""
    made = _sampler(weights=(1.0, 0.0)).sample(10, where={"a": "True"}).frame

    assert set(made["a"]) == {"True"}


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"zzz": "1"}, "'zzz'.*'a', 'b', 'k', 'day'"),
        ({"id": "1"}, "'id'"),
        ({"b": "z"}, "'z'.*'x', 'y'"),
        ({"k": "77"}, "77.*0 to 3, or nothing at all for a missing one"),
        ({"k": "two"}, "two"),
        ({"b": ""}, "b"),
        ({"day": "1999-01-01"}, "from 2020-01-01 to 2020-01-04"),
    ],
)
def test_unknown_columns_and_values(where: dict[str, str], says: str) -> None:
    """The error names what exists."""
    with pytest.raises(OptionError, match=says):
        _sampler().sample(3, where=where)


def test_a_rare_date_is_named_as_a_date() -> None:
    """What was asked for is repeated as it was asked."""
    with pytest.warns(GenauditWarning, match="b = y, day = 2020-01-03, k missing"):
        _sampler(rare=-40.0).sample(9, where={"b": "y", "day": "2020-01-03", "k": "NA"})


@pytest.mark.parametrize("n", [-1, 1.5, 2.0, "3", None, float("nan")])
def test_a_number_of_records_is_whole(n: Any) -> None:
    """A negative number of records is refused, and what is no whole number; NumPy's own is one."""
    with pytest.raises(OptionError, match=f"whole number of at least 0 records, got {n!r}"):
        _sampler().sample(n)
    assert len(_sampler().sample(np.int64(2))) == 2


@pytest.mark.parametrize("seed", [-3, 2**63, 1.5, None])
def test_a_seed_out_of_range(seed: Any) -> None:
    """A seed that no random stream takes is refused."""
    with pytest.raises(OptionError, match=f"seed from 0 .* got {seed}"):
        _sampler().sample(3, seed=seed)
