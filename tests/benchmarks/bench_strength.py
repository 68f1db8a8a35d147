"""How often rare verbatim copies are found by their matches, and fresh rows are accused.

Real rows stand for a generator: its samples are fresh rows, and each of 800 training rows is among
them with a chance of 0, 1 or 2%. Found is what the exact one-sided test refutes at 5%: that no
training row stands there but by chance. Where a coin or a random split is declared, found is a
bound on ε above 0, at the same level. Goals: at least 80% at 1%, 98% at 2%, at most 5% at 0.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_strength.py --runs 500
"""

from __future__ import annotations

import argparse
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.audits.privacy.matches import matches
from genaudit.case import AuditCase, Knowledge, Split
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.subject import Subject

#: Members, and as many non-members; chances that a training row stands among the samples.
ROWS, CHANCES = 800, (0.0, 0.01, 0.02)

#: What the one-sided level of the test is in a ladder of two-sided intervals.
CONFIDENCE = 0.9


def table_of(name: str) -> Dataset:
    """Adult from where GENAUDIT_ADULT says, or a bundled data set."""
    if name != "adult":
        return Dataset.of(*bundled.load(name), name)
    folder = Path(os.environ["GENAUDIT_ADULT"])
    raws = [pd.read_csv(f, dtype=str, keep_default_na=False) for f in folder.glob("*.csv")]
    return Dataset.of(pd.concat(raws, ignore_index=True), Schema.read("adult"), name)


def case_of(rows: Dataset, chance: float, rng: np.random.Generator) -> AuditCase:
    """Train, holdout and samples of disjoint rows, but for the training rows that are copied."""
    order = rng.permutation(len(rows))
    train, holdout, fresh = (order[i * ROWS : (i + 1) * ROWS] for i in range(3))
    copied = train[rng.random(ROWS) < chance]
    made = rows.take(np.concatenate([copied, fresh[: ROWS - len(copied)]]))
    data = {Knowledge.TRAIN: rows.take(train), Knowledge.HOLDOUT: rows.take(holdout)}
    return AuditCase(Subject("bench", "samples", samples=made), data)


def found(case: AuditCase) -> dict[str, bool]:
    """Whether the test, and the bound on ε under either way of dealing, refute that none is."""
    share = matches(case).findings[0].estimate
    low = next(b.low for b in share.ladder if b.confidence == CONFIDENCE)
    told = {"difference": bool(low)}
    for split in Split:
        epsilon = matches(replace(case, split=split, _cache={})).findings[1].estimate
        told[f"ε, {split}"] = bool(epsilon.value)
    return told


def main() -> None:
    """Measure, and print the shares of runs in which each is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--data", default="adult")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = table_of(options.data)
    print(f"| {options.data}, {options.runs} runs | difference | ε, random | ε, coin |")
    print("|---|---|---|---|")
    for i, chance in enumerate(CHANCES):
        told = pd.DataFrame(
            [found(case_of(rows, chance, np.random.default_rng([i, run])))
             for run in range(options.runs)]
        )  # fmt: skip
        shares = told.mean()[["difference", "ε, random", "ε, coin"]]
        print(f"| {chance:.0%} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


if __name__ == "__main__":
    main()
