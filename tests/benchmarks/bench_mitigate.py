"""What mitigations of generated samples do to groups, and what they cost in usefulness, on Adult.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_mitigate.py --models folder

A model is learned on two samples for each training row, as samples cost nothing, and tested on real
holdout rows: scikit-learn's gradient boosting (150 iterations, seed 0), which sees all columns.
Strengths are tuned on samples alone; the holdout is read for the figures and for nothing else.
`--models` keeps trained generators, so that a second run is quick.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_utility import Adult
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from genaudit.data.dataset import Dataset
from genaudit.mitigation.groups import Groups
from genaudit.mitigation.method import Mitigation
from genaudit.mitigation.target import TargetTable
from genaudit.modalities.table.learner import Features, Target
from genaudit.models.store import Trained, load
from genaudit.training.fit import fit
from genaudit.training.recipe import Recipe

#: Samples for each training row.
TIMES = 2

#: The generator: the default family with its usual numbers.
FAMILY, PRESET, EPSILON, DELTA = "cgan", "standard", 3.0, 1e-6

METHODS: dict[str, Mitigation | None] = {
    "plain": None,
    "reweigh by sex, weights": Mitigation("reweigh", columns=("sex",), keep_rows=True),
    "repair by sex, dpd .05": Mitigation("repair", columns=("sex",), strength="auto", dpd=0.05),
    "repair by sex, dpd .02": Mitigation("repair", columns=("sex",), strength="auto", dpd=0.02),
    "repair by sex and race, dpd .05": Mitigation(
        "repair", columns=("sex", "race"), strength="auto", dpd=0.05
    ),
}

#: Group, its reference, and the rows of a group that a gap must have: smaller ones are left out.
SEX = ("Male", "Female")
LEAST = 100

#: Name of a figure -> heading; the order of the table.
FIGURES = {
    "accuracy": "accuracy", "auc": "AUC", "gap": "men minus women", "dpd": "DPD sex",
    "eod": "EOD sex", "dpd_race": "DPD race", "rate": "selected", "strength": "strength",
}  # fmt: skip


@dataclass
class Row:
    """Figures of one method, a value for each seed."""

    samples: str
    method: str
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, found: Mapping[str, float]) -> None:
        """Note one seed's figures."""
        for name, value in found.items():
            self.values.setdefault(name, []).append(float(value))

    def mean(self, name: str) -> float:
        """Over seeds."""
        return float(np.mean(self.values[name]))

    def cell(self, name: str) -> str:
        """Mean and spread over seeds."""
        found = self.values.get(name)
        if not found:
            return "-"
        spread = f" ± {np.std(found, ddof=1):.3f}" if len(found) > 1 else ""
        return f"{np.mean(found):.3f}{spread}"


@dataclass(frozen=True)
class Judge:
    """Real holdout rows, and what is learned from samples asked about them."""

    features: Features
    target: Target
    x: np.ndarray
    y: np.ndarray
    sex: np.ndarray
    race: np.ndarray

    @classmethod
    def of(cls, adult: Adult, holdout: Dataset) -> Judge:
        """With columns and classes as the schema declares them."""
        features = Features.of(adult.train, "income")
        target = Target.of(adult.train.schema["income"], adult.train)
        sex, race = (holdout.frame[c].astype(str).to_numpy() for c in ("sex", "race"))
        return cls(features, target, features.encode(holdout), target.encode(holdout), sex, race)

    def figures(self, samples: Dataset, weights: np.ndarray | None = None) -> dict[str, float]:
        """Accuracy and gaps of one model on the holdout."""
        model = HistGradientBoostingClassifier(max_iter=150, random_state=0)
        model.fit(self.features.encode(samples), self.target.encode(samples), sample_weight=weights)
        chances = model.predict_proba(self.x)[:, 1]
        chosen = chances > 0.5
        men, women = (self.sex == level for level in SEX)
        errors = [
            abs(chosen[men & (self.y == y)].mean() - chosen[women & (self.y == y)].mean())
            for y in (0, 1)
        ]
        races = [r for r in np.unique(self.race) if (self.race == r).sum() >= LEAST]
        by_race = [chosen[self.race == r].mean() for r in races]
        gap = chosen[men].mean() - chosen[women].mean()
        return {
            "accuracy": (chosen == self.y).mean(), "auc": roc_auc_score(self.y, chances),
            "gap": gap, "dpd": abs(gap), "eod": max(errors),
            "dpd_race": max(by_race) - min(by_race), "rate": chosen.mean(),
        }  # fmt: skip


def trained(adult: Adult, epsilon: float | None, seed: int, folder: Path | None) -> Trained:
    """The generator, from the folder where it is there already."""
    budget = "none" if epsilon is None else f"{epsilon:g}"
    place = folder and folder / f"{FAMILY}-{PRESET}-{budget}-{seed}"
    if place is not None and place.exists():
        return load(place)
    delta = None if epsilon is None else DELTA
    recipe = Recipe.of(family=FAMILY, preset=PRESET, epsilon=epsilon, delta=delta, seed=seed)
    model = fit(recipe, adult.train)
    if place is not None:
        model.save(place)
    return model


def measured(
    judge: Judge, name: str, draw: Callable[[int], Dataset], seeds: int, rows: list[Row]
) -> None:
    """Every method on samples of every seed."""
    mine = {method: Row(name, method) for method in METHODS}
    for seed in range(seeds):
        samples = draw(seed)
        for method, how in METHODS.items():
            if how is None:
                mine[method].add(judge.figures(samples))
                continue
            found = how.of_samples(samples, seed=seed)
            told = {k: v for k, v in found.cost.items() if k == "strength"}
            mine[method].add({**judge.figures(found.samples, found.weights), **told})
        print(name, seed, {m: r.values["accuracy"][-1] for m, r in mine.items()}, flush=True)
    rows += mine.values()


def ratios(model: Trained, target: TargetTable | None, n: int, seed: int) -> np.ndarray:
    """Share over target share of each cell of sex and race, shape (cells,).

    target: None = equal shares, but of samples that nobody balanced.
    """
    asked = target or TargetTable.of("equal", model.schema, ("sex", "race"))
    if target is None:
        samples = model.sample(n, seed)
    else:
        how = Mitigation("balance", target=[dict(row) for row in target.to_rows()])
        samples = how.of_draw(model.sample, n, seed=seed).samples
    groups = Groups.of(samples, asked.columns)
    return groups.counts / len(samples) / asked.of_cells(groups.cells)


def targets(adult: Adult) -> dict[str, TargetTable | None]:
    """Tables that ten cells are brought to."""
    races = {"Amer-Indian-Eskimo": 0.01, "Asian-Pac-Islander": 0.05, "Black": 0.13,
             "Other": 0.03, "White": 0.78}  # fmt: skip
    schema = adult.train.schema
    return {
        "nothing (against equal shares)": None,
        "equal shares": TargetTable.of("equal", schema, ("sex", "race")),
        "a table: half women, races .01 to .78": TargetTable.of(
            {"sex": {"Female": 0.5, "Male": 0.5}, "race": races}, schema
        ),
    }


def goals(rows: list[Row], ten: Mapping[str, tuple[float, float]]) -> list[str]:
    """What was to be reached, and whether it was."""
    known = {(r.samples, r.method): r for r in rows}
    lines = []
    for samples, method, dpd, accuracy in (
        ("no privacy", "repair by sex, dpd .05", 0.05, 0.845),
        ("no privacy", "repair by sex, dpd .02", 0.02, 0.84),
        (f"ε = {EPSILON:g}", "repair by sex, dpd .05", 0.05, 0.82),
    ):
        row = known[samples, method]
        found, reached = row.mean("dpd"), row.mean("accuracy")
        met = "met" if found <= dpd and reached >= accuracy else "MISSED"
        lines.append(
            f"- {samples}: DPD for sex at most {dpd:g} at an accuracy of at least {accuracy:g}, in "
            f"the mean over trainings: {found:.4f} at {reached:.4f}, {met}."
        )
    for name, (low, high) in ten.items():
        if "nothing" not in name:
            met = "met" if low >= 0.9 and high <= 1.1 else "MISSED"
            lines.append(f"- Ten cells within .9 to 1.1 of the target ({name}): {met}.")
    return lines


def page(
    rows: list[Row], ten: Mapping[str, tuple[float, float]], seeds: int, n: int, seconds: float
) -> str:
    """The page of figures."""
    head = ["samples", "method", *FIGURES.values()]
    lines = [
        "# What mitigation does, and what it costs", "",
        f"Adult ({n:,} training rows, `fnlwgt` left out, public schema): scikit-learn's gradient "
        f"boosting (150 iterations) learned on {TIMES * n:,} samples, tested on real holdout rows. "
        f"Generator: `{FAMILY}`, preset `{PRESET}`; {seeds} trainings, mean ± standard deviation. "
        "Mitigations use samples alone, so ε stays what training spent; strengths are tuned on "
        "samples (`--strength auto --dpd ...`). DPD, EOD: largest demographic parity and equalized "
        f"odds differences; race among groups of at least {LEAST} holdout rows. Men minus women is "
        "signed: below 0 the bias would be reversed.", "",
        f"| {' | '.join(head)} |", f"|{'---|' * len(head)}",
    ]  # fmt: skip
    for row in rows:
        cells = [row.cell(name) for name in FIGURES]
        lines.append(f"| {row.samples} | {row.method} | {' | '.join(cells)} |")
    lines += ["", "Ten cells of sex and race, share over target share:", "",
              "| brought to | smallest ratio | largest ratio |", "|---|---|---|"]  # fmt: skip
    lines += [f"| {name} | {low:.3f} | {high:.3f} |" for name, (low, high) in ten.items()]
    lines += ["", *goals(rows, ten), "",
              "A repair of one column may widen the gap of another and that of error rates: read "
              "the columns EOD and DPD race beside it.", "",
              f"Python {platform.python_version()}, {os.cpu_count()} cores, one thread; "
              f"{seconds:,.0f} CPU seconds."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=Path, help="folder that keeps trained generators")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    folder = os.environ.get("GENAUDIT_ADULT")
    if not folder:
        print("GENAUDIT_ADULT is not set, so Adult was not measured; nothing is written.")
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    started = time.process_time()
    adult = Adult.read(Path(folder))
    raw = pd.read_csv(Path(folder) / "holdout.csv", dtype=str, keep_default_na=False)
    judge, n = Judge.of(adult, Dataset.of(raw, adult.train.schema, "holdout")), len(adult.train)
    real = Row("real rows", "plain")
    real.add(judge.figures(adult.train))
    rows = [real]
    plain = [trained(adult, None, seed, args.models) for seed in range(args.seeds)]
    measured(judge, "no privacy", lambda s: plain[s].sample(TIMES * n, s), args.seeds, rows)
    measured(judge, f"ε = {EPSILON:g}",
             lambda s: trained(adult, EPSILON, s, args.models).sample(TIMES * n, s),
             args.seeds, rows)  # fmt: skip
    ten = {}
    for name, target in targets(adult).items():
        each = np.concatenate([ratios(model, target, n, s) for s, model in enumerate(plain)])
        ten[name] = (float(each.min()), float(each.max()))
    text = page(rows, ten, args.seeds, n, time.process_time() - started)
    print(text)
    if args.out:
        args.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
