"""Cells of columns: what is encoded comes back, values are drawn inside their cell."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Kind, Schema
from genaudit.errors import SchemaError
from genaudit.modalities.table.cells import ColumnCells, Grid


def _public(**fields: object) -> ColumnCells:
    schema = Schema(columns=(Column(name="x", **fields),))  # type: ignore[arg-type]
    return Grid.public(schema).columns[0]


def _learned(values: list[float], max_intervals: int = 32, **fields: object) -> ColumnCells:
    schema = Schema(columns=(Column(name="x", **fields),))  # type: ignore[arg-type]
    data = Dataset(schema, pd.DataFrame({"x": pd.Series(values, dtype=float)}))
    return Grid.learned(data, max_intervals).columns[0]


def test_few_integers_have_a_cell_each() -> None:
    """Integers from 1 to 4 with missing values: five cells, each decoded to itself."""
    cells = _public(kind=Kind.INTEGER, bounds=(1, 4), nullable=True)
    values = pd.Series([1, 2, 3, 4, np.nan])

    codes = cells.encode(values)

    assert codes.tolist() == [0, 1, 2, 3, 4]
    assert cells.size == 5
    assert cells.decode(codes, np.random.default_rng(0)).equals(values.rename("x"))


PUBLIC = [
    {"kind": Kind.INTEGER, "bounds": (17, 90)},
    {"kind": Kind.INTEGER, "bounds": (-1000, 1000), "spikes": (0.0, 500.0), "nullable": True},
    {"kind": Kind.INTEGER, "bounds": (0, 99_999), "scale": "log", "spikes": (0.0, 99_999.0)},
    {"kind": Kind.NUMERIC, "bounds": (-1.5, 2.5)},
    {"kind": Kind.NUMERIC, "bounds": (0, 1e6), "scale": "log", "spikes": (0.0,)},
    {"kind": Kind.NUMERIC, "bounds": (0.0, 1.0), "step": 0.1},
    {"kind": Kind.NUMERIC, "bounds": (0.05, 9.95), "step": 0.01},
    {"kind": Kind.DATETIME, "bounds": ("2020-01-01", "2024-12-31"), "step": 86_400},
    {"kind": Kind.DATETIME, "bounds": ("2020-01-01", "2020-01-02")},
]


@pytest.mark.parametrize("fields", PUBLIC)
def test_every_allowed_value_has_a_cell_and_draws_stay_inside(fields: dict[str, object]) -> None:
    """Bounds and spikes included; a value drawn in a cell is allowed and falls into that cell."""
    cells = _public(**fields)
    column = Column(name="x", **fields)  # type: ignore[arg-type]
    assert column.bounds is not None
    low, high = column.bounds
    values = np.concatenate([np.linspace(low, high, 1001), column.spikes])
    if column.resolution:
        values = low + np.round((values - low) / column.resolution) * column.resolution

    codes = cells.encode(pd.Series(values))
    drawn = cells.decode(np.repeat(np.arange(cells.n_values), 200), np.random.default_rng(0))

    assert (codes >= 0).all()
    assert (codes < cells.n_values).all()
    assert drawn.between(low, high).all()
    again = cells.encode(drawn)
    on_spike = np.isin(drawn, cells.spikes)
    assert (again == np.repeat(np.arange(cells.n_values), 200))[~on_spike].all()
    if column.resolution:
        steps = (drawn - low) / column.resolution
        assert np.allclose(steps, np.round(steps), atol=1e-6)


def test_steps_that_binary_numbers_cannot_write() -> None:
    """0.3 on a grid of 0.1 falls into the cell of 0.3 and comes back as 0.3."""
    cells = _public(kind=Kind.NUMERIC, bounds=(0.0, 1.0), step=0.1)
    written = [float(f"{i / 10:.1f}") for i in range(11)]

    codes = cells.encode(pd.Series(written))

    assert codes.tolist() == list(range(11))
    assert cells.decode(codes, np.random.default_rng(0)).tolist() == written


def test_an_interval_never_makes_a_spike() -> None:
    """Around a spike at 40 the interval from 39 to 42 makes 39 and 41 alone."""
    cells = ColumnCells("x", spikes=(40.0,), edges=(39.0, 42.0), step=1.0)

    made = cells.decode(np.ones(500, dtype=int), np.random.default_rng(0))

    assert set(made) == {39.0, 41.0}


def test_values_without_a_cell() -> None:
    """What lies outside the bounds, or is missing where nothing may be, has no cell."""
    cells = _public(kind=Kind.NUMERIC, bounds=(0, 1))

    assert cells.encode(pd.Series([-0.1, 1.1, np.nan])).tolist() == [-1, -1, -1]
    levels = _public(kind=Kind.CATEGORICAL, categories=("a", "b"))
    assert levels.encode(pd.Series(["b", "c", None])).tolist() == [1, -1, -1]


def test_levels_come_back() -> None:
    """Levels and missing ones, in the order of the declaration."""
    cells = _public(kind=Kind.CATEGORICAL, categories=("b", "a"), nullable=True)
    values = pd.Series(pd.Categorical(["a", None, "b"], categories=["b", "a"]), name="x")

    codes = cells.encode(values)

    assert codes.tolist() == [1, 2, 0]
    assert cells.decode(codes, np.random.default_rng(0)).equals(values)


@pytest.mark.parametrize("kind", [Kind.CATEGORICAL, Kind.BOOLEAN])
@pytest.mark.parametrize("dtype", [object, "category"])
def test_a_column_that_may_miss_values_but_misses_none(kind: Kind, dtype: str) -> None:
    """Levels of a nullable column are encoded though no cell is missing; the values are kept."""
    cells = _public(kind=kind, categories=("no", "yes"), nullable=True)
    values = pd.Series(["yes", "no", "no"], dtype=dtype)

    codes = cells.encode(values)
    codes[0] = 0

    assert codes.tolist() == [0, 0, 0]
    assert cells.encode(values).tolist() == [1, 0, 0]


def test_undeclared_columns_are_refused() -> None:
    """Public cells need declared bounds and categories."""
    with pytest.raises(SchemaError, match="bounds"):
        _public(kind=Kind.INTEGER)
    with pytest.raises(SchemaError, match="categories"):
        _public(kind=Kind.CATEGORICAL)


def test_learned_quantiles_hold_equal_shares() -> None:
    """Each interval of a spread column holds about the same share; the largest value has a cell."""
    values = np.random.default_rng(0).lognormal(3, 2, 5000)
    for kind in (Kind.NUMERIC, Kind.INTEGER):
        given = values if kind is Kind.NUMERIC else np.round(values * 100)
        cells = _learned(given.tolist(), 20, kind=kind)
        codes = cells.encode(pd.Series(given))
        shares = np.bincount(codes, minlength=cells.size) / len(given)

        assert (codes >= 0).all()
        assert shares[len(cells.spikes) :].min() > 0.03
        assert shares.max() < 0.08


def test_learned_spikes() -> None:
    """A value that many records share is a cell of its own and comes back exactly."""
    values = [0.0] * 300 + list(np.random.default_rng(0).random(700) + 1)
    cells = _learned(values, kind=Kind.NUMERIC)

    assert cells.spikes == (0.0,)
    assert cells.decode(np.zeros(5, dtype=int), np.random.default_rng(0)).tolist() == [0.0] * 5


@pytest.mark.parametrize("spread", [0, 1, 40])
@pytest.mark.parametrize("kind", [Kind.NUMERIC, Kind.INTEGER])
def test_learned_columns_with_few_or_heavy_values(kind: Kind, spread: int) -> None:
    """One value, two values, and a column all of spikes but a few: everything has a cell."""
    values = [5.0] * 1000 + [float(v) for v in range(spread)]
    cells = _learned(values, kind=kind)
    codes = cells.encode(pd.Series(values))

    assert (codes >= 0).all()
    drawn = cells.decode(np.arange(cells.size), np.random.default_rng(0))
    assert drawn.notna().all()
    if spread == 40:
        assert cells.decode(codes, np.random.default_rng(0)).between(0, 40).all()


def test_learned_levels() -> None:
    """Frequent levels first; a declared level that no record has keeps a cell."""
    schema = Schema(columns=(Column(name="x", kind=Kind.CATEGORICAL, categories=("a", "b", "c")),))
    frame = pd.DataFrame({"x": pd.Categorical(["b", "b", "a"], categories=["a", "b", "c"])})

    cells = Grid.learned(Dataset(schema, frame)).columns[0]

    assert cells.levels == ("b", "a", "c")


@pytest.mark.parametrize("size", [2, 128, 129, 200, 3000, 50_000])
def test_digits(size: int) -> None:
    """Up to 128 cells are one block; more are two digits that can name every cell."""
    cells = ColumnCells("x", levels=tuple(map(str, range(size))))

    assert np.prod(cells.digits) >= size
    assert len(cells.digits) == (1 if size <= 128 else 2)
    assert sum(cells.digits) <= max(128, 2 * np.ceil(np.sqrt(size)))


def test_grid_survives_json() -> None:
    """Public and learned cells are plain data and read back equal."""
    columns = [Column(name=f"c{i}", **f) for i, f in enumerate(PUBLIC)]  # type: ignore[arg-type]
    grid = Grid.public(Schema(columns=tuple(columns)))

    assert Grid.from_json(json.loads(json.dumps(grid.to_json()))) == grid


def test_arrests_come_back_in_their_cells(arrests: Dataset) -> None:
    """Encode, decode, encode: the cells of a real table stay, under public and learned cells."""
    for grid in (Grid.public(arrests.schema), Grid.learned(arrests)):
        codes = grid.encode(arrests)
        made = grid.decode(codes, arrests.schema, np.random.default_rng(0))

        assert (codes >= 0).all()
        assert np.array_equal(grid.encode(made), codes)
        assert made.frame.dtypes.equals(arrests.frame.dtypes)
