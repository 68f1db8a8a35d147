"""Plain training on the tables that come along: what samples teach, and how near their pairs are.

Each seed cuts a table anew: two thirds are learned from, one third is the test. AUC is that of
boosted trees (the table learner) and of a logistic regression on the test rows, learned on training
rows and on as many samples (mean of three draws); a gap is the former less the latter. Distance is
the mean total variation distance of all two-way marginals, numbers in 20 intervals of equal width
on their declared scale: to the training rows of 50,000 samples, and of as many samples as training
rows, which holds the chance of the draw as well; and of those to the test rows. Beside it stand the
training rows themselves, the same drawn anew with replacement, and columns drawn independently.

    python tests/benchmarks/bench_tables.py --seeds 3
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import utility_protocol as protocol

from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.learner import Features, Target, fit_predict
from genaudit.training.fit import fit
from genaudit.training.recipe import Recipe

TABLES = ("arrests", "wage", "meps")
FAMILIES = ("gan", "cgan", "vae")

#: Goals: most of the gap of AUC, of the distance, and seconds of a preset.
GAP, DISTANCE, SECONDS = 0.02, 0.04, {"standard": 180.0, "quick": 40.0}

#: Draws whose AUC is averaged; samples whose distance has hardly any chance of its own.
DRAWS, MANY = 3, 50_000


@dataclass(frozen=True)
class Row:
    """What one method did with one table, cut by one seed.

    auc, logistic: of the two learners on test rows. distance, to_test: of as many rows as were
    learned from, to those and to the test rows; limit: of 50,000, if there are so many.
    seconds: of one thread, fit alone.
    """

    table: str
    method: str
    preset: str
    seed: int
    auc: float
    logistic: float
    distance: float
    to_test: float
    limit: float | None
    seconds: float


class Cut:
    """A table cut by a seed into rows to learn from and to test on."""

    def __init__(self, name: str, seed: int) -> None:
        raw, self.schema = bundled.load(name)
        self.name, self.seed = name, seed
        self.train, self.test = Dataset.of(raw, self.schema, name).split(2 / 3, seed)
        target = self.schema.target
        assert target is not None
        assert target.levels
        self.favoured = target.levels[-1]
        self.target = Target.of(target, self.train)
        self.features = Features.of(self.train, target.name)

    def row(self, method: str, draws: list[Dataset], **others: object) -> Row:
        """The figures of tables that a method gave, each as long as the training rows."""
        auc = np.mean([self.auc(d) for d in draws])
        logistic = np.mean([self.logistic(d) for d in draws])
        near = [np.mean([self.distance(d, to) for d in draws]) for to in (self.train, self.test)]
        usual = {"preset": "", "limit": None, "seconds": 0.0} | others
        return Row(
            self.name, method, seed=self.seed, auc=float(auc), logistic=float(logistic),
            distance=float(near[0]), to_test=float(near[1]), **usual,
        )  # fmt: skip

    def auc(self, rows: Dataset) -> float:
        """Area under the curve of boosted trees learned on rows."""
        from sklearn.metrics import roc_auc_score

        parts = (self.features.encode(rows), self.target.encode(rows))
        found = fit_predict(*parts, 2, self.features.encode(self.test), self.seed)
        return float(roc_auc_score(self.target.encode(self.test), found[:, self.target.favoured]))

    def logistic(self, rows: Dataset) -> float:
        """The same of a logistic regression."""
        frames = (self.typed(rows), self.typed(self.test))
        return protocol.auroc(*frames, self.target.name, self.favoured, self.levels)

    def distance(self, rows: Dataset, to: Dataset) -> float:
        """Mean total variation distance of pairs."""
        frames = [self.scaled(self.typed(d)) for d in (rows, to)]
        return protocol.distance(*frames, self.levels, self.bounds)

    @property
    def levels(self) -> dict[str, list[str]]:
        """Levels of each column that has some."""
        return {c.name: list(c.levels) for c in self.schema.modelled if c.levels}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Bounds of all others, on their scale."""
        numbers = [c for c in self.schema.modelled if c.bounds]
        ends = {c.name: np.array(c.bounds) for c in numbers}
        return {
            c.name: tuple(np.log(ends[c.name]) if c.scale == "log" else ends[c.name])
            for c in numbers
        }

    def typed(self, rows: Dataset) -> pd.DataFrame:
        """Levels as text, all else as numbers."""
        frame = rows.to_frame()
        return frame.astype({c: str if c in self.levels else float for c in frame.columns})

    def scaled(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Numbers on their declared scale."""
        logs = [c.name for c in self.schema.modelled if c.scale == "log"]
        return frame.assign(**{name: np.log(frame[name]) for name in logs})

    def real(self) -> Iterator[Row]:
        """What families are held against: real rows, and single columns alone."""
        n, frame = len(self.train), self.typed(self.train)
        yield self.row("training rows", [self.train])
        anew = [frame.sample(n, replace=True, random_state=i) for i in range(DRAWS)]
        yield self.row("rows drawn anew", [Dataset.of(f, self.schema) for f in anew])
        apart = [self.apart(n, i) for i in range(DRAWS)]
        limit = self.distance(self.apart(MANY, DRAWS), self.train)
        yield self.row("columns apart", apart, limit=limit)

    def apart(self, n: int, seed: int) -> Dataset:
        """Rows whose columns know nothing of each other."""
        rng = np.random.default_rng([self.seed, seed])
        frame = self.typed(self.train)
        drawn = {name: rng.choice(cells.to_numpy(), n) for name, cells in frame.items()}
        return Dataset.of(pd.DataFrame(drawn), self.schema)

    def trained(self, family: str, preset: str, numbers: dict[str, object]) -> Row:
        """A family with the numbers of a preset, but for those given."""
        recipe = Recipe.of(family=family, preset=preset, seed=self.seed, **numbers)
        began = time.thread_time()
        model = fit(recipe, self.train)
        seconds = time.thread_time() - began
        draws = [model.sample(len(self.train), self.seed + i) for i in range(DRAWS)]
        limit = self.distance(model.sample(MANY, self.seed), self.train)
        return self.row(family, draws, preset=preset, limit=limit, seconds=seconds)


def groups(rows: list[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Rows of the same table, method and preset."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.table, row.method, row.preset), []).append(row)
    return found


def gaps(rows: list[Row], kind: str) -> dict[tuple[str, int], float]:
    """AUC that training rows give, by table and seed."""
    return {(r.table, r.seed): getattr(r, kind) for r in rows if r.method == "training rows"}


def spread(values: list[float | None], digits: int = 3) -> str:
    """Mean and standard deviation over seeds."""
    if None in values:
        return "-"
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


HEAD = ("table", "method", "preset", "seeds", "AUC", "gap", "logistic AUC", "gap",
        "distance of 50,000", "of as many", "to test rows", "CPU seconds")  # fmt: skip


def lines(rows: list[Row]) -> list[str]:
    """The table, a line for each method."""
    found = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    for (table, method, preset), group in groups(rows).items():
        cells = [table, method, preset or "-", str(len(group))]
        for kind in ("auc", "logistic"):
            own = [getattr(r, kind) for r in group]
            real = gaps(rows, kind)
            lost = [real[r.table, r.seed] - a for r, a in zip(group, own, strict=True)]
            cells += [spread(own), spread(lost)]
        cells += [
            spread([getattr(r, kind) for r in group]) for kind in ("limit", "distance", "to_test")
        ]
        cells.append(spread([r.seconds for r in group], 0) if preset else "-")
        found.append(f"| {' | '.join(cells)} |")
    return found


def verdicts(rows: list[Row]) -> list[str]:
    """The goals, met or missed, by the mean over seeds."""
    found, real = [], gaps(rows, "auc")
    for preset, seconds in SECONDS.items():
        cells = [group for (_, _, p), group in groups(rows).items() if p == preset]
        if not cells:
            continue
        missed: dict[str, list[str]] = {"": [], "With as many samples as training rows: ": []}
        for group in cells:
            gap = np.mean([real[r.table, r.seed] - r.auc for r in group])
            slow = max(r.seconds for r in group)
            for what, kind in zip(missed, ("limit", "distance"), strict=True):
                distance = np.mean([getattr(r, kind) for r in group])
                if gap > GAP or distance > DISTANCE or slow > seconds:
                    name = f"{group[0].method} on {group[0].table}"
                    missed[what].append(f"{name} ({gap:.3f}, {distance:.3f}, {slow:.0f} s)")
        said = [
            what
            + (f"missed by {'; '.join(short)}." if short else "met by all families and tables.")
            for what, short in missed.items()
        ]
        seeds = sorted({len(group) for group in cells})
        told = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        found.append(
            f"{preset}, {told} seeds: gap of AUC (trees) at most {GAP}, distance of 50,000 samples "
            f"at most {DISTANCE}, within {seconds:.0f} s: {' '.join(said)}"
        )
    return found


def write(rows: list[Row], out: Path, load: tuple[float, float]) -> None:
    """The table as Markdown for people and JSON for programs."""
    out.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    machine = (
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, "
        "one thread"
    )
    about = __doc__.split("\n\n")
    told = ", ".join(f"{k} {v}" for k, v in versions.items())
    text = "\n\n".join(
        [
            "# Plain training on tables", *about[:2], "\n".join(lines(rows)),
            "\n".join(f"- {v}" for v in verdicts(rows)),
            "Mean ± standard deviation over seeds. Seconds of one thread for the fit. "
            f"{machine}; {told}; load {load[0]:.1f} before and {load[1]:.1f} after.",
        ]
    )  # fmt: skip
    (out / "tables.md").write_text(text + "\n", "utf-8")
    plain = [asdict(r) for r in rows]
    found = {"rows": plain, "verdicts": verdicts(rows), "versions": versions, "machine": machine}
    (out / "tables.json").write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", "utf-8")


def main() -> None:
    """Measure, print, and write reports/benchmarks/tables.{md,json}."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--families", nargs="+", default=FAMILIES)
    parser.add_argument("--presets", nargs="+", default=list(SECONDS), choices=list(SECONDS))
    parser.add_argument("--numbers", type=json.loads, default={}, help="of the recipe, as JSON")
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks"))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    load, rows = os.getloadavg()[0], []
    for seed, table in product(range(given.seeds), given.tables):
        cut = Cut(table, seed)
        rows += cut.real()
        for preset, family in product(given.presets, given.families):
            rows.append(cut.trained(family, preset, given.numbers))
            print(rows[-1], flush=True)
    rows.sort(key=lambda r: (TABLES.index(r.table), r.preset != "", r.preset == "quick"))
    print("\n".join([*lines(rows), "", *verdicts(rows)]))
    write(rows, given.out, (load, os.getloadavg()[0]))


if __name__ == "__main__":
    main()
