"""Equal, nearly equal, how far: hashes and products against plain comparison of rows."""

import numpy as np
import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table.space import (
    Keys,
    Space,
    exact_hits,
    near_hits,
    nearer_by_far,
    one_row_each,
    place_hits,
)

SCHEMA = Schema.from_dict(
    {
        "columns": {
            "colour": {"kind": "categorical", "categories": ["red", "green"], "nullable": True},
            "size": {"kind": "numeric", "bounds": [0, 100], "nullable": True},
            "count": {"kind": "integer", "bounds": [0, 3]},
            "code": {"kind": "categorical"},
            "name": {"kind": "categorical", "role": "ignored", "nullable": True},
        }
    }
)


def _table(n, seed, n_codes=80):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "colour": rng.choice(["red", "green", ""], n),
            "size": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 30, n) / 4),
            "count": rng.integers(0, 4, n),
            "code": rng.choice([f"c{i}" for i in range(n_codes)], n),
            "name": None,
        }
    )


def _dataset(raw):
    return Dataset.of(raw, SCHEMA)


def _keys(data):
    return Keys.of(data, [SCHEMA[c] for c in ("colour", "size", "count")])


def _rows(data):
    frame = data.frame[["colour", "size", "count"]].astype(object)
    rounded = frame.assign(size=np.floor(frame["size"].astype(float)))
    return [
        [tuple("gone" if pd.isna(v) else v for v in row) for row in f.itertuples(index=False)]
        for f in (frame, rounded)
    ]


def test_hits_equal_plain_comparison():
    """Exact and near hits on a pool are those of a row-by-row comparison."""
    pool, samples = _dataset(_table(120, 1)), _dataset(_table(60, 2))
    (exact, coarse), (made, made_coarse) = _rows(pool), _rows(samples)
    without = [[r[:j] + r[j + 1 :] for r in coarse] for j in range(3)]
    made_without = [[r[:j] + r[j + 1 :] for r in made_coarse] for j in range(3)]
    once = np.array([exact.count(r) == 1 for r in exact])
    near_once = np.array([[w.count(w[i]) == 1 for w in without] for i in range(120)])
    near_met = np.array(
        [[w[i] in m for w, m in zip(without, made_without, strict=True)] for i in range(120)]
    )

    hits = exact_hits(_keys(pool), _keys(samples))
    assert (hits.visible == once).all()
    assert (hits.hit == once & [r in made for r in exact]).all()
    near = near_hits(_keys(pool), _keys(samples))
    assert (near.visible == near_once.any(axis=1)).all()
    assert (near.hit == (near_once & near_met).any(axis=1)).all()
    assert near.hit.any()


def test_hits_count_the_samples_behind_them():
    """Three samples equal to one row are three, restricted to the rows asked for."""
    pool = Keys(np.array([1, 2, 2, 5], dtype=np.uint64), np.zeros((4, 0), dtype=np.uint64))
    made = Keys(np.array([1, 1, 1, 2, 5], dtype=np.uint64), np.zeros((5, 0), dtype=np.uint64))
    hits = exact_hits(pool, made)

    assert hits.rows(np.array([True, True, True, False])) == 3
    assert hits.rows(np.array([False, False, False, True])) == 1


def test_levels_hash_as_text():
    """The order of categories in a table does not matter, nor does the sign of zero."""
    one, other = _table(5, 3), _table(5, 3)
    other.loc[len(other)] = ["red", 1.0, 0, "aaa", None]
    columns = [SCHEMA["code"], SCHEMA["size"]]
    one["size"], other["size"] = 0.0, -0.0

    keys = [Keys.of(_dataset(t), columns).exact[:5] for t in (one, other)]
    assert (keys[0] == keys[1]).all()


def test_spikes_are_no_neighbours_of_small_values():
    """Rounding keeps a declared spike apart from the values beside it."""
    schema = Schema.from_dict(
        {
            "columns": {
                "gain": {"kind": "integer", "bounds": [0, 10000], "spikes": [0]},
                "x": {"kind": "boolean"},
            }
        }
    )
    data = Dataset.of(pd.DataFrame({"gain": [0, 1, 2], "x": [True, True, True]}), schema)
    near = Keys.of(data, schema.columns).near[:, 1]  # all but x: the rounded gain alone

    assert near[0] != near[1] == near[2]


def _naive(space, queries, pool):
    """Nearest distance by loops over rows and columns."""
    a, b, best = space.encode(queries), space.encode(pool), []
    for x, c in zip(a.numbers, a.codes, strict=True):
        numbers = np.where(
            np.isnan(x) | np.isnan(b.numbers),
            np.where(np.isnan(x) & np.isnan(b.numbers), 0.0, space.unit**2),
            (x - b.numbers) ** 2,
        )
        total = numbers.sum(axis=1) + (c != b.codes).sum(axis=1) * space.unit**2
        best.append(total.min())
    return np.sqrt(np.array(best) / (len(space.columns) * space.unit**2))


@pytest.mark.parametrize("n_codes", [5, 80])
def test_nearest_equals_loops(n_codes):
    """Distances are exactly those of loops, missing values and many levels included."""
    reference, pool, queries = (_dataset(_table(n, n, n_codes)) for n in (90, 40, 700))
    columns = SCHEMA.modelled
    space = Space.fit(reference, columns, pool, queries)
    found = space.nearest(space.encode(queries), space.encode(pool))

    assert (found == _naive(space, queries, pool)).all()
    assert 0 <= found.min() <= found.max() <= 1


def test_distance_on_paper():
    """Equal rows are at 0; one level of four columns apart is sqrt(1/4); missing is at 1."""
    raw = pd.DataFrame(
        {
            "colour": ["red", "green", "red"],
            "size": [1.0, 1.0, np.nan],
            "count": 1,
            "code": "c",
            "name": None,
        }
    )
    data = _dataset(raw)
    space = Space.fit(data, SCHEMA.modelled)
    first = space.encode(data.take(np.array([0])))
    far = [space.nearest(space.encode(data.take(np.array([i]))), first)[0] for i in range(3)]

    assert far == [0, 0.5, 0.5]


def _of_persons(raw, names):
    """A table in which `name` is the person of each row."""
    columns = [
        c.model_dump() | ({"role": "person"} if c.name == "name" else {}) for c in SCHEMA.columns
    ]
    return Dataset.of(raw.assign(name=names), SCHEMA.replace(columns=columns))


def test_one_row_stands_for_a_person():
    """A random row of each person is kept; without a person column all are."""
    data = _of_persons(_table(6, 1).assign(size=range(6)), list("aabbbc"))
    picked = [one_row_each(data, np.random.default_rng(seed)).frame for seed in range(40)]

    assert all(list(frame["name"]) == ["a", "b", "c"] for frame in picked)
    assert {size for frame in picked for size in frame["size"]} == set(range(6))
    assert len(one_row_each(_dataset(_table(6, 1)), np.random.default_rng(0))) == 6


def test_rows_of_one_person_may_be_equal():
    """A row is told apart where no other person has it, however often its person does."""
    raw = _table(1, 1)
    one, other = raw.assign(size=1.0), raw.assign(size=2.0)
    first = _keys(_of_persons(pd.concat([one, one, other]), list("aab")))
    second = _keys(_of_persons(pd.concat([other, other.assign(size=3.0)]), list("cd")))
    pool = Keys.joined([first, second])
    hits = exact_hits(pool, first)

    assert hits.visible.tolist() == [True, True, False, False, True]
    assert hits.hit.tolist() == [True, True, False, False, False]
    assert [pool.n_units(m) for m in (hits.hit, hits.visible, ~hits.visible)] == [1, 2, 2]


def _places(places, owner=None):
    n = len(places)
    return Keys(np.arange(n, dtype=np.uint64), np.zeros((n, 1)), owner, np.array(places, float))


def test_places_hit_what_is_nearer_by_far():
    """A sample hits its nearest row where the next one is more than three times as far."""
    pool = _places([[0, 0], [100, 0], [100, 0], [0, 90]])
    samples = _places([[20, 0], [26, 0], [100, 1], [np.nan, 0], [0, 90]])
    hits = place_hits(pool, samples)

    # 20 against 80, 26 against 74; equal rows hide each other; what has no place is near nothing.
    assert hits.visible.tolist() == [True, False, False, True]
    assert hits.hit.tolist() == [True, False, False, True]
    assert hits.rows(np.array([True, True, True, True])) == 2
    assert hits.rows(np.array([False, True, True, False])) == 0


def test_rows_in_a_crowd_are_not_nearer_by_far():
    """So many rows of anybody else within reach make a crowd; where there are fewer rows, none."""
    pool = np.array([[0.0], [2], [3], [3], [9]])
    query = np.array([[1.0], [np.nan]])
    near = [nearer_by_far(query, pool, None, 2.5, others=k)[1].tolist() for k in (1, 3, 4, 5)]

    assert near == [[False, False], [False, False], [True, False], [True, False]]


def test_rows_of_a_person_do_not_hide_each_other():
    """The next row is the next of anybody else; equal rows of one person stay visible."""
    pool = _places([[0, 0], [1, 0], [1, 0], [50, 0]], np.array([0, 0, 0, 1]))
    hits = place_hits(pool, _places([[0.4, 0]]))

    assert hits.visible.tolist() == [True, True, True, True]
    assert hits.hit.tolist() == [True, False, False, False]


def test_places_equal_plain_comparison():
    """Hits of many samples are those of a loop over all pairs."""
    rng = np.random.default_rng(0)
    pool, samples = rng.integers(0, 30, (80, 3)), rng.integers(0, 30, (200, 3))
    hits = place_hits(_places(pool), _places(samples))
    found = set()
    for row in samples:
        far = ((pool - row) ** 2).sum(1)
        first, second = np.argsort(far, kind="stable")[:2]
        if far[first] * 9 < far[second]:
            found.add(int(first))

    assert set(np.flatnonzero(hits.hit)) == found
    assert 0 < len(found) < 80
