"""What a private run learns before training: honest noise, useful bounds, no rare level shown."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.frame import draft_schema
from genaudit.data.schema import Schema
from genaudit.errors import GenauditWarning, OptionError
from genaudit.training.dp import preprocessing
from genaudit.training.dp.preprocessing import (
    OTHER,
    count_margin,
    learn_schema,
    measures,
    private_count,
    project,
    undraft,
)


def _data(columns: dict[str, dict[str, object]], **values: object) -> Dataset:
    schema = Schema.from_dict({"columns": columns})
    return Dataset.of(pd.DataFrame(values), schema, "train")


@pytest.fixture(scope="module")
def workers() -> Dataset:
    """10,000 records of each kind of column, nothing declared."""
    rng = np.random.default_rng(0)
    n = 10_000
    return _data(
        {
            "age": {"kind": "integer"},
            "debt": {"kind": "numeric"},
            "job": {"kind": "categorical"},
            "since": {"kind": "datetime", "step": 86400},
            "pay": {"kind": "numeric", "nullable": True},
        },
        age=rng.integers(17, 91, n),
        debt=-np.exp(rng.normal(3, 1, n)),
        job=rng.choice(["cook", "nurse", "=clerk", "drei\u202e"], n),
        since=pd.Timestamp("2019-05-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        pay=np.where(rng.random(n) < 0.3, np.nan, rng.normal(0, 1, n)),
    )


def test_noise_of_the_count_has_the_right_scale() -> None:
    """The noise on a count is two-sided geometric: its variance and mean over 8,000 draws fit."""
    epsilon, n, draws = 0.5, 10_000, 8000
    alpha = math.exp(-epsilon)
    variance = 2 * alpha / (1 - alpha) ** 2

    noise = (
        np.array([private_count(n, epsilon)[0] for _ in range(draws)]) + count_margin(epsilon) - n
    )

    # The fourth moment of Laplace noise is 6 variance², so its variance has error sqrt(5/draws).
    # The noise has no seed: six errors, which an honest run exceeds once in 1e8.
    assert abs(noise.var() / variance - 1) < 6 * math.sqrt(5 / draws)
    assert abs(noise.mean()) < 6 * math.sqrt(variance / draws)


def test_two_neighbouring_counts_cannot_be_told_apart() -> None:
    """Over 8,000 draws each, no event separates n from n + 1 by more than e^ε."""
    epsilon, draws = 1.0, 8000
    with_record = np.array([private_count(1001, epsilon)[0] for _ in range(draws)])
    without = np.array([private_count(1000, epsilon)[0] for _ in range(draws)])

    for cut in range(990, 1003):
        p, q = (with_record >= cut).mean(), (without >= cut).mean()
        error = 6 * math.sqrt(0.25 / draws) * (1 + math.e)
        assert p <= math.exp(epsilon) * q + error
        assert 1 - q <= math.exp(epsilon) * (1 - p) + error


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 1.0, 4.0])
def test_a_lowered_count_stays_below(epsilon: float) -> None:
    """The margin is the smallest that keeps the noisy count at or below n with 99.9%."""
    alpha, k = math.exp(-epsilon), count_margin(epsilon)

    def tail(above: int) -> float:
        return alpha ** (above + 1) / (1 + alpha)

    assert tail(k) <= 0.001
    assert k == 0 or tail(k - 1) > 0.001


def test_a_count_is_at_least_one() -> None:
    """Even of nothing at all, the lowered count is a usable number."""
    count, mechanism = private_count(0, 0.1)

    assert count == 1
    assert (mechanism.name, mechanism.epsilon, mechanism.delta) == ("pure", 0.1, 0.0)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf])
def test_epsilon_must_be_positive(epsilon: float, workers: Dataset) -> None:
    """No count and no schema is learned for an ε that is none."""
    with pytest.raises(OptionError, match="above 0"):
        private_count(10, epsilon)
    with pytest.raises(OptionError, match="above 0"):
        learn_schema(workers, workers.schema, epsilon, 1e-6, 10_000)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1])
def test_levels_need_delta(delta: float, workers: Dataset) -> None:
    """Unknown levels cannot be learned at δ = 0, and the message says what to do."""
    with pytest.raises(OptionError, match=r"delta=.*declare them"):
        learn_schema(workers, workers.schema, 1.0, delta, 10_000)


def test_what_is_declared_costs_nothing(arrests: Dataset) -> None:
    """A schema that leaves nothing out spends nothing, and needs no ε to say so."""
    learned, mechanisms, purposes = learn_schema(arrests, arrests.schema, 0.0, 0.0, len(arrests))

    assert (learned, mechanisms, purposes) == (arrests.schema, [], [])


def test_budget_is_split_equally(workers: Dataset) -> None:
    """ε is shared by all columns and δ by those with levels; purposes name the columns."""
    planned = measures(workers.schema, 2.0, 1e-6)
    _, mechanisms, purposes = learn_schema(workers, workers.schema, 2.0, 1e-6, 10_000)

    assert [m.mechanism for m in planned] == mechanisms
    assert [m.epsilon for m in mechanisms] == pytest.approx([0.4] * 5)
    assert [m.delta for m in mechanisms] == [0, 0, 1e-6, 0, 0]
    assert purposes[0] == "bounds of column 'age'"
    assert purposes[2] == "categories of column 'job'"


def test_bounds_are_useful(workers: Dataset) -> None:
    """Bounds enclose nearly all values and are at most a factor of two too wide."""
    schema, *_ = learn_schema(workers, workers.schema, 5.0, 1e-6, 10_000)

    for name in ("age", "debt", "since", "pay"):
        low, high = schema[name].bounds or (0, 0)
        values = workers.frame[name].dropna()
        assert values.between(low, high).mean() > 0.99
    assert 8 <= schema["age"].bounds[0] <= 17
    assert 80 <= schema["age"].bounds[1] <= 127
    assert schema["debt"].bounds[1] <= 0
    day = 86400.0
    assert schema["since"].bounds == (
        pd.Timestamp("2019-01-01").timestamp(), pd.Timestamp("2022-01-01").timestamp() - day,
    )  # fmt: skip


def test_levels_are_found_whatever_their_text(workers: Dataset) -> None:
    """Frequent levels are found, formula starts and right-to-left marks included."""
    schema, *_ = learn_schema(workers, workers.schema, 5.0, 1e-6, 10_000)

    assert set(schema["job"].categories or ()) == {OTHER, "cook", "nurse", "=clerk", "drei\u202e"}


def test_levels_with_a_null_byte_stay_apart() -> None:
    """Text after a null byte counts: OpenDP alone would take both levels for one."""
    job = ["a\0x"] * 300 + ["a\0y"] * 300
    data = _data({"job": {"kind": "categorical"}}, job=job)

    schema, *_ = learn_schema(data, data.schema, 1.0, 1e-6, 600)

    assert schema["job"].categories == (OTHER, "a\0x", "a\0y")


def test_a_singleton_is_never_shown() -> None:
    """A level that one record has does not appear in 200 runs at δ = 1e-6."""
    data = _data({"job": {"kind": "categorical"}}, job=["cook"] * 500 + ["spy"])

    found = [learn_schema(data, data.schema, 1.0, 1e-6, 501)[0]["job"] for _ in range(200)]

    assert all(c.categories == (OTHER, "cook") for c in found)


def test_one_person_with_many_rows_is_never_shown() -> None:
    """A person counts with one record: 300 rows of one person are a singleton."""
    rows = ["cook"] * 500 + ["spy"] * 300
    person = [*range(500), *[999] * 300]
    columns = {"who": {"kind": "integer", "role": "person"}, "job": {"kind": "categorical"}}
    data = _data(columns, who=person, job=rows)

    found = [learn_schema(data, data.schema, 1.0, 1e-6, 501)[0]["job"] for _ in range(50)]

    assert all(c.categories == (OTHER, "cook") for c in found)


def test_projection_is_valid_data(workers: Dataset) -> None:
    """Projected records keep to the learned schema; rare levels and outliers are folded in."""
    raw = workers.to_frame()
    raw.loc[0, ["age", "job", "debt"]] = [10**6, "spy", 55.0]
    data = Dataset.of(raw, workers.schema, "train")
    schema, *_ = learn_schema(data, data.schema, 5.0, 1e-6, 10_000)

    projected = project(data, schema)

    again = Dataset.of(projected.to_frame(), schema, "projected")
    pd.testing.assert_frame_equal(again.frame, projected.frame)
    assert projected.frame["job"][0] == OTHER
    assert projected.frame["age"][0] == schema["age"].bounds[1]
    assert projected.frame["pay"].isna().equals(data.frame["pay"].isna())


def test_rare_levels_are_missing_where_the_schema_allows_it() -> None:
    """A nullable column has no level for the rest: what is rare becomes missing."""
    columns = {"job": {"kind": "categorical", "nullable": True}}
    data = _data(columns, job=["cook"] * 500 + ["spy"] + [None] * 20)

    schema, *_ = learn_schema(data, data.schema, 1.0, 1e-6, 521)

    assert schema["job"].categories == ("cook",)
    assert project(data, schema).frame["job"].isna().sum() == 21


def test_a_draft_is_learned_anew() -> None:
    """Of a draft, nothing but kinds and roles reaches the private schema."""
    rng = np.random.default_rng(1)
    raw = pd.DataFrame({
        "age": rng.integers(17, 91, 5000), "smoker": rng.choice(["no", "yes"], 5000),
        "job": ["cook"] * 4998 + ["spy", ""], "flag": [True, False] * 2500,
        "gone": [""] * 2000 + ["x"] * 3000,
    })  # fmt: skip
    draft = draft_schema(raw)
    data = Dataset.of(raw, draft, "train")

    schema, mechanisms, _ = learn_schema(data, draft, 4.0, 1e-6, 5000)

    assert schema.origin == "learned"
    assert not any(c.undeclared for c in schema.columns)
    assert len(mechanisms) == 4
    assert schema["age"].bounds != draft["age"].bounds
    assert schema["smoker"].categories == (OTHER, "no", "yes")
    assert schema["job"].categories == (OTHER, "cook")
    assert (schema["gone"].nullable, schema["job"].nullable) == (True, False)
    assert {c.name: c.role for c in schema.columns} == {c.name: c.role for c in draft.columns}
    Dataset.of(project(data, schema).to_frame(), schema, "projected")
    assert len(preprocessing.assumptions(draft)) == 5

    assert len(preprocessing.assumptions(schema)) == 5


def test_what_was_learned_for_a_draft_is_learned_anew() -> None:
    """A second run on such a schema measures missing values again, and assumes the same kinds."""
    raw = pd.DataFrame({"a": [*range(60)] * 50, "b": [None, "x", "y"] * 1000})
    draft = draft_schema(raw)
    first, *_ = learn_schema(Dataset.of(raw, draft, "train"), draft, 8.0, 1e-6, 3000)
    known = project(Dataset.of(raw, draft, "train"), first)

    second, *_ = learn_schema(known, first, 8.0, 1e-6, 3000)

    assert [c.nullable for c in undraft(first).columns] == [False, False]
    assert [c.nullable for c in second.columns] == [False, True]
    assert second["b"].categories == ("x", "y")
    assert preprocessing.assumptions(second) == preprocessing.assumptions(draft)


def test_what_was_declared_stays_declared() -> None:
    """Missing values that a schema declares need no measure, also once its bounds are learned."""
    columns = {"a": {"kind": "integer", "nullable": True}}
    data = _data(columns, a=[*range(60)] * 50)
    first, *_ = learn_schema(data, data.schema, 4.0, 0.0, 3000)

    second, *_ = learn_schema(project(data, first), first, 4.0, 0.0, 3000)

    assert (first["a"].nullable, second["a"].nullable) == (True, True)
    assert preprocessing.assumptions(second) == []


def test_undraft_leaves_no_trace_of_values() -> None:
    """Two drafts that differ in values, but not in kinds, are the same once bared."""
    one = draft_schema(pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]}))
    two = draft_schema(pd.DataFrame({"a": [7, 8, 9], "b": ["u", "v", "v"]}))

    assert one != two
    assert undraft(one) == undraft(two)


def test_declared_spikes_lie_within_learned_bounds() -> None:
    """A spike is public, so learned bounds are widened to hold it."""
    data = _data({"gain": {"kind": "integer", "spikes": [0, 99999]}}, gain=[*range(100, 200)] * 20)

    schema, *_ = learn_schema(data, data.schema, 2.0, 0.0, 2000)

    assert schema["gain"].bounds == (0, 99999)


def test_too_little_is_refused_before_any_record_is_read(
    workers: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even n equal values would drown in noise, no measurement is made."""

    def no_measurement(*_: object) -> None:
        raise AssertionError("a record was read")

    monkeypatch.setattr(preprocessing, "_learn", no_measurement)
    with pytest.raises(OptionError, match=r"too little.*'age'.*declare"):
        learn_schema(workers, workers.schema, 1e-3, 1e-6, 10_000)


@pytest.mark.parametrize("nullable", [False, True])
def test_a_feature_without_a_frequent_level_is_named(nullable: bool) -> None:
    """Where every value is another, all become `<other>`, and a warning says so."""
    columns = {"key": {"kind": "categorical", "nullable": nullable}}
    data = _data(columns, key=[f"k{i}" for i in range(1000)])

    with pytest.warns(GenauditWarning, match=r"'key'.*ignored"):
        schema, *_ = learn_schema(data, data.schema, 1.0, 1e-6, 1000)

    assert schema["key"].categories == (OTHER,)
    assert set(project(data, schema).frame["key"]) == {OTHER}


def test_a_group_without_a_frequent_level_is_an_error() -> None:
    """Without any group there is nothing to learn about groups; the message names the column."""
    columns = {"key": {"kind": "categorical", "role": "sensitive"}}
    data = _data(columns, key=[f"k{i}" for i in range(1000)])

    with pytest.raises(OptionError, match=r"'key'.*raise ε"):
        learn_schema(data, data.schema, 1.0, 1e-6, 1000)


def test_empty_cells_rarely_pass() -> None:
    """Values in one narrow range give bounds around it alone in at least 95 of 100 runs."""
    data = _data({"x": {"kind": "integer"}}, x=[1000, 1010] * 500)

    bounds = [learn_schema(data, data.schema, 1.0, 0.0, 1000)[0]["x"].bounds for _ in range(100)]

    assert sum(b[0] >= 512 and b[1] <= 1023 for b in bounds) >= 95


def test_adult(adult: Callable[[str], pd.DataFrame]) -> None:
    """On Adult at ε = .5 a column, age is bounded within a factor of two and big classes found."""
    raw = adult("train")[["age", "workclass"]]
    columns = {"age": {"kind": "integer"}, "workclass": {"kind": "categorical"}}
    data = Dataset.of(raw, Schema.from_dict({"columns": columns}), "train")

    schema, *_ = learn_schema(data, data.schema, 1.0, 1e-6, len(data))

    low, high = schema["age"].bounds
    assert 8.5 <= low <= 34
    assert 45 <= high <= 180
    counts = raw["workclass"].value_counts()
    assert set(counts.index[counts >= 500]) <= set(schema["workclass"].categories)
