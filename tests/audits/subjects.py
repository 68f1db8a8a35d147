"""Planted subjects: generators whose faults are known; an audit must both find and not find.

honest: fresh rows of the population. copycat: training rows. half_copy: half of each.
mode_dropper: fresh rows without two regions, without missing values and without the high incomes.
group_skewed: fresh rows with half of the women lost, and men favoured more than in the population.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import scores

from genaudit.audits import find
from genaudit.case import AuditCase, Knowledge
from genaudit.data.canaries import Canaries
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.policy import Policy
from genaudit.result import Claim, Finding, Section, Status, Verdict
from genaudit.run import judge
from genaudit.subject import Subject

Retrain = Callable[[Sequence[Dataset], Sequence[int]], Sequence[Subject]]

REGIONS = ("north", "east", "south", "west", "centre")

SCHEMA = Schema.from_dict(
    {
        "id": "planted",
        "rows": "public",
        "columns": {
            "sex": {"kind": "categorical", "role": "sensitive", "categories": ["Female", "Male"]},
            "region": {"kind": "categorical", "categories": list(REGIONS)},
            "age": {"kind": "integer", "bounds": [18, 90]},
            "income": {"kind": "numeric", "bounds": [0, 1e6], "scale": "log", "nullable": True},
            "gain": {"kind": "integer", "bounds": [0, 10000], "spikes": [0]},
            "remote": {"kind": "boolean"},
            "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        },
    }
)


#: The same columns where the sensitive attributes and the outcome include numbers.
NUMBERS = SCHEMA.replace(
    columns=[
        c.model_dump()
        | ({"role": "sensitive"} if c.name == "age" else {})
        | ({"role": "target"} if c.name == "income" else {})
        | ({"role": "feature"} if c.name == "hired" else {})
        for c in SCHEMA.columns
    ]
)


def population(n: int, seed: int) -> pd.DataFrame:
    """Fresh rows, shape (n, 7); women are hired in about 35%, men in about 50% of the cases."""
    rng = np.random.default_rng([seed, 0xBEEF])
    male = rng.random(n) < 0.6
    age = np.clip(rng.normal(42, 13, n), 18, 90).round()
    income = np.round(np.exp(rng.normal(10 + 0.3 * male, 0.6, n)), 2)
    income[rng.random(n) < 0.04] = np.nan
    gain = np.where(rng.random(n) < 0.8, 0, rng.integers(1, 10001, n))
    score = 0.6 * male + (age - 42) / 30 + 0.8 * (gain > 0) - 0.8
    return pd.DataFrame(
        {
            "sex": np.where(male, "Male", "Female"),
            "region": rng.choice(REGIONS, n, p=(0.35, 0.3, 0.2, 0.1, 0.05)),
            "age": age,
            "income": np.minimum(income, 1e6),
            "gain": gain,
            "remote": rng.random(n) < 0.3,
            "hired": np.where(rng.random(n) < 1 / (1 + np.exp(-score)), "yes", "no"),
        }
    )


def _honest(train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return population(n, seed + 1_000_003)


def _copycat(train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return train.sample(n, replace=n > len(train), random_state=seed)


def _half_copy(train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return pd.concat([_copycat(train, n // 2, seed), _honest(train, n - n // 2, seed)])


def _mode_dropper(train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    rows = population(4 * n, seed + 1_000_003)
    kept = rows["region"].isin(("north", "east", "south")) & (rows["income"] < 40_000)
    return rows[kept].head(n)


def _group_skewed(train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    rows = population(3 * n, seed + 1_000_003)
    rng = np.random.default_rng(seed)
    male = rows["sex"] == "Male"
    rows = rows[male | (rng.random(len(rows)) < 0.5)].head(n).copy()
    favoured = (rows["sex"] == "Male") & (rng.random(len(rows)) < 0.5)
    rows.loc[favoured, "hired"] = "yes"
    return rows


SUBJECTS: dict[str, Callable[[pd.DataFrame, int, int], pd.DataFrame]] = {
    "honest": _honest,
    "copycat": _copycat,
    "half_copy": _half_copy,
    "mode_dropper": _mode_dropper,
    "group_skewed": _group_skewed,
}


def make_case(
    kind: str, seed: int = 0, *, n_train: int = 800, n_holdout: int = 800, n_samples: int = 800
) -> AuditCase:
    """A case with one planted subject; all rows are new for every seed."""
    train = population(n_train, 3 * seed)
    holdout = population(n_holdout, 3 * seed + 1)
    made = SUBJECTS[kind](train, n_samples, 3 * seed + 2).reset_index(drop=True)
    copies = kind == "copycat"
    return case_of(made, train, holdout, seed=seed, retrain=again_copies if copies else again)


def case_of(
    samples: pd.DataFrame,
    train: pd.DataFrame | None = None,
    holdout: pd.DataFrame | None = None,
    *,
    schema: Schema = SCHEMA,
    seed: int = 0,
    retrain: Retrain | None = None,
) -> AuditCase:
    """A case from raw tables; trained again, a subject makes the same samples by default."""
    made = Dataset.of_samples(samples, schema)
    same = Subject("planted", "samples", made)
    subject = replace(
        same,
        scores=dict.fromkeys(scores.NAMES, scores.honest),
        retrain=retrain or (lambda data, _: [same] * len(data)),
    )
    raws = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout}
    data = {k: Dataset.of(raw, schema, k.value) for k, raw in raws.items() if raw is not None}
    return AuditCase(subject, data, seed=seed)


def with_canaries(case: AuditCase, n: int = 200, *, share: float = 0.0) -> AuditCase:
    """The case with canaries; of those that a coin included the samples repeat a share."""
    rng = np.random.default_rng([case.seed, 0xCA])
    canaries = Canaries.tossed(case.schema, n, rng)
    planted = canaries.checked(case.schema)
    copied = np.flatnonzero(canaries.included & (rng.random(n) < share))
    frame = pd.concat([case.samples.frame, planted.take(copied).frame], ignore_index=True)
    subject = replace(case.subject, samples=replace(case.samples, frame=frame),
                      claim=Claim(epsilon=1.0, delta=1e-6))  # fmt: skip
    data = {**case.data, Knowledge.CANARIES: planted}
    return replace(case, subject=subject, data=data, coins=canaries.included, _cache={})


def unlabelled(case: AuditCase) -> AuditCase:
    """The case with regions that nearly tell the sex, and samples that do not say it."""

    def told(data: Dataset) -> pd.DataFrame:
        # One row in ten says the other sex, whatever its place.
        odd = pd.util.hash_pandas_object(data.frame[["age", "income"]], index=False) % 10 == 0
        female = (data.frame["sex"] == "Female") ^ odd
        return data.frame.assign(region=np.where(female, "north", "south"))

    data = {k: replace(d, frame=told(d)) for k, d in case.data.items()}
    frame = told(case.samples).drop(columns="sex")
    made = Dataset.of_samples(frame, case.schema)
    return replace(case, subject=replace(case.subject, samples=made), data=data, _cache={})


def with_numbers(case: AuditCase) -> AuditCase:
    """The case where age is a sensitive number and income, a number too, is the outcome."""
    data = {k: replace(d, schema=NUMBERS) for k, d in case.data.items()}
    subject = replace(case.subject, samples=replace(case.samples, schema=NUMBERS))
    return replace(case, subject=subject, data=data, _cache={})


@cache
def fresh() -> Dataset:
    """Rows that trainings of an honest generator draw from."""
    return Dataset.of(population(20_000, 999), SCHEMA, "fresh")


def again(data: Sequence[Dataset], seeds: Sequence[int]) -> list[Subject]:
    """An honest generator, trained again: it makes as many fresh rows as it was trained on."""
    return [_sampled(fresh(), len(rows), seed) for rows, seed in zip(data, seeds, strict=True)]


def again_copies(data: Sequence[Dataset], seeds: Sequence[int]) -> list[Subject]:
    """A copycat, trained again: it makes rows that it was trained on."""
    return [_sampled(rows, len(rows), seed) for rows, seed in zip(data, seeds, strict=True)]


def _sampled(rows: Dataset, n: int, seed: int) -> Subject:
    rng = np.random.default_rng(seed)
    return Subject("shadow", "samples", rows.take(rng.integers(0, len(rows), n)))


def broken(rows: pd.DataFrame, n_cells: int) -> pd.DataFrame:
    """The rows with so many unreadable cells each, in other columns from row to row."""
    cells = rows.astype(object).to_numpy(copy=True)
    for j in range(n_cells):
        i = np.arange(len(cells))
        cells[i, (i + j) % cells.shape[1]] = "??"
    return pd.DataFrame(cells, columns=rows.columns)


def degenerate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Samples that a broken generator makes; audits must answer with findings, not crash."""
    rows = population(200, seed + 77)
    return {
        "one group": rows.assign(sex="Male"),
        "empty column": rows.assign(income=np.nan),
        "absent columns": rows.drop(columns=["sex", "income", "hired"]),
        "unknown category": rows.assign(region="atlantis"),
        "one row repeated": pd.concat([rows.head(1)] * 200),
        "two rows": rows.head(2),
    }


def judged(audit_id: str, case: AuditCase) -> tuple[Finding, ...]:
    """The findings of one audit with verdicts under the default policy."""
    audit = find(audit_id)
    outcome = audit(case)
    section = Section(
        audit=audit.id, title=audit.title, status=Status.RAN, findings=outcome.findings
    )
    return judge([section], Policy.read())[0].findings


def flagged(audit_id: str, case: AuditCase) -> bool:
    """Whether one audit finds anything outside its limit."""
    return any(f.verdict is Verdict.OUTSIDE for f in judged(audit_id, case))
