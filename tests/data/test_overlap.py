"""Train and holdout: equal rows are normal, shared people are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.overlap import check_disjoint, lopsided, parted, row_hashes
from genaudit.data.schema import Schema
from genaudit.errors import DataError


def _refused(one: Dataset, two: Dataset) -> bool:
    try:
        check_disjoint(one, two)
    except DataError:
        return True
    return False


def _wide(n: int, seed: int) -> Dataset:
    """Rows that are all different: three continuous columns."""
    columns = {name: {"kind": "numeric", "bounds": [-99, 99]} for name in "abc"}
    values = np.random.default_rng(seed).normal(size=(n, 3))
    frame = pd.DataFrame(values, columns=[*"abc"])
    return Dataset.of(frame, Schema.from_dict({"columns": columns}), "train")


def _joined(*parts: Dataset) -> Dataset:
    frame = pd.concat([p.frame for p in parts], ignore_index=True)
    return Dataset(parts[0].schema, frame)


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.8])
def test_random_splits_of_a_table_with_many_equal_rows_pass(
    arrests: Dataset, fraction: float
) -> None:
    """At most one of 200 honest splits is refused, though many rows are on both sides."""
    pool = [arrests.take(np.random.default_rng(i).permutation(len(arrests))[:1500])
            for i in range(67)]  # fmt: skip

    refused = sum(_refused(*part.split(fraction, seed)) for seed, part in enumerate(pool))

    assert refused <= 1


def test_random_splits_of_adult_pass(adult: Callable[[str], pd.DataFrame]) -> None:
    """Nor on Adult, in 200 splits of 2,000 rows."""
    data = Dataset.of(adult("train"), Schema.read("adult"), "train")

    parts = [data.take(np.random.default_rng(i).permutation(len(data))[:2000]) for i in range(200)]

    assert sum(_refused(*part.split(0.5, i)) for i, part in enumerate(parts)) <= 1


def _one_column(values: np.ndarray) -> Dataset:
    """Rows of one whole number."""
    schema = Schema.from_dict({"columns": {"x": {"kind": "integer", "bounds": [0, 10**6]}}})
    return Dataset(schema, pd.DataFrame({"x": values.astype(float)}))


@pytest.mark.parametrize(("n", "m", "cells"), [(100, 5000, 10**5), (200, 2000, 10**4)])
def test_a_holdout_much_larger_than_train_passes(n: int, m: int, cells: int) -> None:
    """Few training rows repeat none of themselves; that a large holdout repeats some is chance."""
    rng = np.random.default_rng([n, m])
    pairs = [[rng.integers(cells, size=k) for k in (n, m)] for _ in range(60)]

    assert sum(np.isin(*pair).any() for pair in pairs) > 15
    assert not any(_refused(*map(_one_column, pair)) for pair in pairs)


@pytest.mark.parametrize(("n", "m"), [(100, 5000), (1000, 1000), (5000, 500)])
def test_one_copy_in_twenty_is_refused(n: int, m: int) -> None:
    """Where equal rows are rare, a holdout with 5% copied training rows is found at any size."""
    rng = np.random.default_rng([n, m])
    train, holdout = rng.integers(10**6, size=n), rng.integers(10**6, size=m)
    holdout[: m // 20] = rng.choice(train, m // 20)

    assert _refused(_one_column(train), _one_column(holdout))


def test_persons_are_split_whole() -> None:
    """Twenty couples with forty equal rows each, parted by chance: persons decide, not rows."""
    columns = {"x": {"kind": "integer", "bounds": [0, 10**6]}, "who": {"kind": "categorical",
               "role": "person"}}  # fmt: skip
    refused = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        couple = np.repeat(np.arange(20), 2)
        rows = pd.DataFrame({
            "x": (1000.0 * couple[:, None] + np.arange(40)).ravel(),
            "who": np.repeat([f"p{i}" for i in range(40)], 40),
        })  # fmt: skip
        mine = np.isin(np.repeat(np.arange(40), 40), rng.permutation(40)[:20])
        parts = (rows[m].reset_index(drop=True) for m in (mine, ~mine))
        refused += _refused(*(Dataset(Schema.from_dict({"columns": columns}), p) for p in parts))

    assert refused == 0


def test_the_same_file_is_refused(arrests: Dataset) -> None:
    """Train given as holdout, in any order of rows, whether rows are unique or not."""
    for data in (arrests, _wide(200, 0)):
        shuffled = data.take(np.random.default_rng(0).permutation(len(data)))
        with pytest.raises(DataError, match=r"100\.0% of the holdout rows.*not trained on"):
            check_disjoint(data, shuffled)


def test_half_a_holdout_from_train_is_refused(arrests: Dataset) -> None:
    """A holdout of which half was trained on is found even where equal rows are normal."""
    train, rest = arrests.split(0.5, 0)

    mixed = _joined(rest.take(np.arange(1000)), train.take(np.arange(1000)))

    with pytest.raises(DataError, match="holdout rows equal a train row"):
        check_disjoint(train, mixed)


def test_a_few_copies_of_unique_rows_are_refused() -> None:
    """Where chance makes no equal rows, fifteen copied rows in 500 are enough."""
    train, holdout = _wide(500, 1), _wide(500, 2)

    check_disjoint(train, holdout)
    with pytest.raises(DataError, match="equal a train row"):
        check_disjoint(train, _joined(holdout.take(np.arange(485)), train.take(np.arange(15))))


@pytest.mark.parametrize("role", ["person", "id"])
def test_a_shared_person_or_id_is_refused(role: str) -> None:
    """One value in both is enough, and the message counts but does not show it."""
    schema = Schema.from_dict({"columns": {
        "key": {"kind": "categorical", "role": role}, "x": {"kind": "integer", "bounds": [0, 999]},
    }})  # fmt: skip
    train = Dataset.of(pd.DataFrame({"key": ["anna", "bert"], "x": [1, 2]}), schema, "train")
    other = Dataset.of(pd.DataFrame({"key": ["carl", "dora"], "x": [3, 4]}), schema, "holdout")
    shared = Dataset.of(pd.DataFrame({"key": ["anna", "dora"], "x": [3, 4]}), schema, "holdout")

    check_disjoint(train, other)
    with pytest.raises(DataError, match=rf"1 values of {role} column 'key'") as caught:
        check_disjoint(train, shared)
    assert "anna" not in str(caught.value)


def test_missing_ids_are_no_shared_id() -> None:
    """Two rows without an id do not share one."""
    schema = Schema.from_dict({"columns": {
        "key": {"kind": "categorical", "role": "id"}, "x": {"kind": "integer", "bounds": [0, 999]},
    }})  # fmt: skip
    one, two = (Dataset.of(pd.DataFrame({"key": ["", name], "x": [1, 2 + i]}), schema, "train")
                for i, name in enumerate("ab"))  # fmt: skip

    check_disjoint(one, two)


def test_equal_rows_have_equal_hashes_whatever_their_order_of_levels() -> None:
    """The hash sees values: not positions, not codes of levels, and missing equals missing."""
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y", None, "x"]), "b": [1.0, np.nan, 2.0, 1.0]})
    other = frame.assign(a=pd.Categorical(frame["a"], categories=["y", "z", "x"]))

    one = row_hashes(frame)

    assert one[0] == one[3]
    assert len(set(one)) == 3
    assert (one == row_hashes(other)).all()
    assert (one[[1]] == row_hashes(frame.iloc[[1]])).all()


def test_hashes_see_which_column_a_value_is_in() -> None:
    """Exchanged values make another row."""
    one = row_hashes(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    two = row_hashes(pd.DataFrame({"a": [2.0], "b": [1.0]}))

    assert one != two


def _parted(one: np.ndarray, two: np.ndarray) -> bool:
    return parted((one, two), (None, None))


def test_random_splits_are_not_parted() -> None:
    """At most one of 300 honest splits, of rows that repeat often, seldom, or not at all."""
    rng, found = np.random.default_rng(0), 0
    for i in range(300):
        rows = rng.permutation(rng.integers(0, (30, 2000, 10**9)[i % 3], 1000))
        found += _parted(rows[:400], rows[400:])

    assert found <= 1


@pytest.mark.parametrize("clean", ["holdout", "both"])
def test_rows_taken_out_of_the_holdout_are_noticed(clean: str) -> None:
    """Where rows repeat, none on both sides is no chance; of single rows it says nothing."""
    rng = np.random.default_rng(1)
    rows = rng.zipf(1.5, 2000) % 500
    train, holdout = rows[:1000], rows[1000:]
    train = np.unique(train) if clean == "both" else train

    assert _parted(train, holdout[~np.isin(holdout, train)])
    assert not _parted(np.arange(500), np.arange(500, 1000))


def test_rows_of_a_person_are_dealt_together() -> None:
    """Persons whose rows are all alike share none with others; that is no sign of cleaning."""
    person = np.repeat(np.arange(50), 4)

    assert not parted((person, person + 50), (person, person))
    assert _parted(person, person + 50)


def _near(rows: np.ndarray) -> np.ndarray:
    """Each row without one column each; `rows` of shape (n, 2)."""
    return rows[:, ::-1].astype(np.uint64)


def test_random_splits_are_seldom_lopsided() -> None:
    """One in a thousand may be: more than two of 200 are not, but for one time in a thousand."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(200):
        rows = rng.zipf(1.7, (600, 2)).clip(max=50)
        found += lopsided((_near(rows[:250]), _near(rows[250:])), (None, None))

    assert found <= 2


def test_common_rows_that_are_left_on_one_side_are_noticed() -> None:
    """Repeats removed from both sides together: no row is left twice, twins in one column are."""
    rng = np.random.default_rng(3)
    rows = rng.zipf(1.7, (4000, 2)).clip(max=50)
    first = np.unique(rows, axis=0, return_index=True)[1]
    train, holdout = np.sort(first[first < 2000]), np.sort(first[first >= 2000])

    assert not parted((train, holdout), (None, None))  # by the place of a row: all are single
    assert lopsided((_near(rows[train]), _near(rows[holdout])), (None, None))
