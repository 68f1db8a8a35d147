"""Worlds in which no sample was made from a training row: what an attack finds there is an error.

noise: columns that have nothing to do with each other. ties: so few levels that most rows recur.
duplicates: rows that occur in train and holdout alike, as people who are equal do.
disjoint: a generator that repeats rows, with a little noise, but never saw those of train.
shifted: the same, where the holdout is of another population than train. There members can be told
from non-members without any sample, and what an attack finds proves nothing.
cleaned: train without rows that repeat, and a holdout without rows of train, as tables are cleaned
before anybody thinks of an audit. Common people are left in train alone: the same is true there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from genaudit.case import AuditCase, Knowledge, Split
from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes
from genaudit.data.schema import Schema
from genaudit.subject import Subject

#: Training rows, rows of the holdout, samples.
SIZES = (600, 1200, 600)

#: Canaries, in or out by a coin that no generator has seen.
N_CANARIES = 200

_REGIONS = ("north", "east", "south", "west", "centre")

SCHEMA = Schema.from_dict(
    {
        "rows": "public",
        "columns": {
            "group": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]},
            "region": {"kind": "categorical", "categories": list(_REGIONS)},
            "age": {"kind": "integer", "bounds": [18, 90]},
            "income": {"kind": "numeric", "bounds": [0, 1e6], "scale": "log", "nullable": True},
            "since": {"kind": "datetime", "bounds": ["2000-01-01", "2020-12-31"]},
            "remote": {"kind": "boolean"},
            "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        },
    }
)

#: Scores that audits ask a model for.
_SCORES = (
    "discriminator", "elbo", "gradient_norm", "iwae", "likelihood", "reconstruction",
    "teacher_forced",
)  # fmt: skip

#: Training rows, holdout, samples.
World = Callable[[np.random.Generator], tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]


def case(world: str, seed: int) -> AuditCase:
    """One draw of a world, as an audit meets it; every seed draws all rows anew."""
    rng = np.random.default_rng([seed, *world.encode()])
    train, holdout, made = (t.reset_index(drop=True) for t in WORLDS[world](rng))
    planted, coins = people(N_CANARIES, rng), rng.random(N_CANARIES) < 0.5
    rows = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout, Knowledge.CANARIES: planted}
    data = {k: Dataset.of(table, SCHEMA, k.value) for k, table in rows.items()}
    subject = Subject(
        world, "samples", Dataset.of_samples(made, SCHEMA), scores=dict.fromkeys(_SCORES, _score),
        retrain=_again,
    )  # fmt: skip
    split = None if world in SHIFTED else Split.RANDOM
    return AuditCase(subject, data, seed=seed, split=split, coins=coins)


def _score(data: Dataset) -> np.ndarray:
    """What a model may say of records that it never saw: by age, and by chance of their own."""
    chance = (row_hashes(data.frame) >> np.uint64(11)).astype(float) / 2**53
    return ndtri(chance + 2**-60) + data.frame["age"].to_numpy(float) / 20


def _again(data: Sequence[Dataset], seeds: Sequence[int]) -> list[Subject]:
    """Trainings that learn the population alone."""
    rngs = [np.random.default_rng([seed, 0xA6]) for seed in seeds]
    made = (people(len(rows), rng) for rows, rng in zip(data, rngs, strict=True))
    return [Subject("again", "samples", Dataset.of_samples(rows, SCHEMA)) for rows in made]


def people(n: int, rng: np.random.Generator, older: float = 0.0) -> pd.DataFrame:
    """Rows of a population whose columns go together, shape (n, 7). older: by so many years."""
    b = rng.random(n) < 0.4
    age = np.clip(rng.normal(42 + older, 13, n), 18, 90).round()
    income = np.minimum(np.round(np.exp(rng.normal(10 - 0.2 * b + age / 100, 0.6, n)), 2), 1e6)
    income[rng.random(n) < 0.04] = np.nan
    score = (age - 42) / 30 - 0.5 * b
    return pd.DataFrame(
        {
            "group": np.where(b, "b", "a"),
            "region": rng.choice(_REGIONS, n, p=(0.35, 0.3, 0.2, 0.1, 0.05)),
            "age": age,
            "income": income,
            "since": _days(rng.integers(0, 7600, n)),
            "remote": rng.random(n) < 0.3,
            "hired": np.where(rng.random(n) < 1 / (1 + np.exp(-score)), "yes", "no"),
        }
    )


def _days(days: np.ndarray) -> np.ndarray:
    return (np.datetime64("2000-01-01") + days.astype("timedelta64[D]")).astype(str)


def _cut(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    ends = np.cumsum(SIZES)
    return rows[: ends[0]], rows[ends[0] : ends[1]], rows[ends[1] : ends[2]]


def _noise(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rows = people(sum(SIZES), rng)
    return _cut(rows.apply(lambda column: column.to_numpy()[rng.permutation(len(column))]))


def _ties(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    n = sum(SIZES)
    rows = people(n, rng).assign(
        age=rng.choice([30, 50], n), income=rng.choice([20_000.0, np.nan], n),
        since=_days(rng.choice([0, 3000], n)),
    )  # fmt: skip
    # Some rows must be single, or nobody is attacked at all.
    alone = rng.random(n) < 0.3
    rows.loc[alone, "income"] = np.round(rng.uniform(1e4, 1e5, int(alone.sum())), 0)
    return _cut(rows)


def _duplicates(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    n = sum(SIZES)
    pool = people(n + 200, rng)
    again = rng.random(n) < 0.3
    return _cut(pool.iloc[np.where(again, rng.integers(n, n + 200, n), np.arange(n))])


def _disjoint(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    train, holdout, seen = _cut(people(sum(SIZES), rng))
    return train, holdout, _repeated(seen, rng)


def _shifted(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    train, _, seen = _cut(people(sum(SIZES), rng))
    return train, people(SIZES[1], rng, older=18.0), _repeated(seen, rng)


def _cleaned(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    train, holdout, made = _duplicates(rng)
    train = train.drop_duplicates()
    taken = row_hashes(train)
    return train, holdout[~np.isin(row_hashes(holdout), taken)], made


def _repeated(seen: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """What a generator that has learned `seen` by heart gives: its rows with a little noise."""
    made = seen.iloc[rng.integers(0, len(seen), SIZES[2])].reset_index(drop=True)
    age = (made["age"] + rng.integers(-1, 2, len(made))).clip(18, 90)
    return made.assign(
        age=age, income=(made["income"] * rng.uniform(0.99, 1.01, len(made))).round(2)
    )


WORLDS: dict[str, World] = {
    "noise": _noise, "ties": _ties, "duplicates": _duplicates, "disjoint": _disjoint,
    "shifted": _shifted, "cleaned": _cleaned,
}  # fmt: skip

#: Worlds in which an audit has to say that it proves nothing.
SHIFTED = ("shifted", "cleaned")
