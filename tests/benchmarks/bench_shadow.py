"""Shadow models side by side against one by one, and whole attacks by them on trained models.

Each model is trained on the same rows but for a few, as in an audit. Both ways take turns, and the
ratio is the median over rounds. Rounding grows with the steps until trainings have nothing but
their quality in common, so how far weights agree is told after the first few.
The attacks are those of an audit on arrests: models of our families without and with differential
privacy, and a generator that hands out training rows.

    python tests/benchmarks/bench_shadow.py --models 32 --steps 200 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import genaudit as ga
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.models.store import Trained
from genaudit.plan import AuditPlan
from genaudit.subject import Subject
from genaudit.subjects.retrained import retrainer
from genaudit.training.fit import fit
from genaudit.training.recipe import Recipe
from genaudit.training.together import fit_each

FAMILIES = ("gan", "cgan", "vae")
ATTACKS = ("lira", "rmia", "groundhog", "query_based")

#: Steps after which weights are compared.
_FEW = 5


def shadows(n_models: int, n_rows: int, n_targets: int = 16) -> list[Dataset]:
    """Training sets that share all rows but some of a few."""
    raw, schema = bundled.load("arrests")
    data, rng = Dataset.of(raw, schema, "arrests"), np.random.default_rng(0)
    rows = rng.permutation(len(data))
    base, targets, others = np.split(rows, [n_rows - n_targets, n_rows])
    kept = rng.random((n_models, n_targets)) < 0.5
    return [
        data.take(np.concatenate([base, np.where(k, targets, rng.permutation(others)[:n_targets])]))
        for k in kept
    ]


def timed(way: str, recipes: Sequence[Recipe], data: Sequence[Dataset]) -> tuple[float, list]:
    """Seconds of CPU time, and the models."""
    start = time.process_time()
    made = (
        fit_each(recipes, data)
        if way == "together"
        else [fit(recipe, rows) for recipe, rows in zip(recipes, data, strict=True)]
    )
    return time.process_time() - start, made


def difference(ones: Sequence[Trained], others: Sequence[Trained]) -> float:
    """Largest difference of a share of a cell in a component."""
    return max(
        float(np.abs(np.exp(a.sampler.log_shares) - np.exp(b.sampler.log_shares)).max())
        for a, b in zip(ones, others, strict=True)
    )


def measured(family: str, given: argparse.Namespace) -> str:
    """One family both ways, as a line of the table."""
    steps = {"steps": given.steps} if given.steps else {}
    recipes = [Recipe.of(family=family, preset="quick", seed=i, **steps)
               for i in range(given.models)]  # fmt: skip
    data = shadows(given.models, given.rows)
    short = [r.model_copy(update={"steps": _FEW}) for r in recipes[:4]]
    ones, others = (timed(way, short, data[:4])[1] for way in ("alone", "together"))
    rounds = []
    for _ in range(given.rounds):
        alone, _ = timed("alone", recipes, data)  # caches are warm by the short ones
        together, _ = timed("together", recipes, data)
        rounds.append((alone, together))
    one, all_ = (median(r[i] for r in rounds) for i in (0, 1))
    ratio = median(a / b for a, b in rounds)
    return (f"| {family} | {given.models} | {one:.0f} | {all_:.0f} | {ratio:.2f} | "
            f"{difference(ones, others):.1g} |")  # fmt: skip


def subjects(train: Dataset) -> Iterator[tuple[str, Subject]]:
    """Models of our families and a generator that copies, each of which can be trained again."""
    for family in FAMILIES:
        for epsilon in (None, 1.0):
            budget = {} if epsilon is None else {"epsilon": epsilon, "delta": 1e-5}
            again = retrainer(Recipe.of(family=family, preset="quick", **budget))
            (made,) = again([train], [0])
            regime = "plain" if epsilon is None else f"ε = {epsilon:g}"
            yield f"{family} {regime}", replace(made, retrain=again)
    (made,) = copiers([train], [0])
    yield "one row in twenty a copy", replace(made, retrain=copiers)


def parts(data: Dataset, n: int) -> tuple[Dataset, Dataset]:
    """N rows to train on, and all others."""
    at = np.random.default_rng(1).permutation(len(data))
    return data.take(at[:n]), data.take(at[n:])


def copiers(data: Sequence[Dataset], seeds: Sequence[int]) -> list[Subject]:
    """Generators whose columns are of different training rows, but for one row in twenty."""
    made = []
    for rows, seed in zip(data, seeds, strict=True):
        rng, n = np.random.default_rng(seed), len(rows)
        at = rng.integers(0, n, (rows.frame.shape[1], n))
        whole = rng.random(n) < 0.05
        at[:, whole] = at[0, whole]
        columns = zip(rows.frame, at, strict=True)
        frame = pd.DataFrame({c: rows.frame[c].to_numpy()[i] for c, i in columns})
        made.append(Subject("copier", "samples", Dataset.of_samples(frame, rows.schema)))
    return made


def attacked(name: str, subject: Subject, train: Dataset, holdout: Dataset, models: int) -> str:
    """The attacks on one subject, as a line of the table."""
    options = {f"privacy.{a}": {"n_shadow": models} for a in ATTACKS}
    plan = AuditPlan("shadow", audits=tuple(options), options=options)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        report = ga.audit(
            subject, train=train.to_frame(), holdout=holdout.to_frame(), schema=train.schema,
            plan=plan, ledger=Path(folder) / "ledger.sqlite",
        )  # fmt: skip
    used = time.process_time() - started
    found = {f.metric: f.estimate for _, f in report.findings()}
    cells = []
    for attack in ATTACKS:
        area = found[f"privacy.{attack}.auc"]
        least = found[f"privacy.{attack}.epsilon"].value
        shown = "undefined" if area.value is None else (
            f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f}), "
            f"{'–' if least is None else f'{least:.2f}'}"
        )  # fmt: skip
        cells.append(f"**{shown}**" if area.low is not None and area.low > 0.5 else shown)
    return f"| {name} | {' | '.join(cells)} | {used:.0f} |"


def main() -> None:
    """Print both tables, and write them after each line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=32)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=0, help="0 = as the preset quick has it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--attacks", type=int, default=48, help="models of an attack; 0: none")
    parser.add_argument("--out", type=Path, help="Markdown file")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "# Shadow models", "",
        f"`python tests/benchmarks/bench_shadow.py --models {given.models} --rounds "
        f"{given.rounds}`: CPU seconds of one thread.", "",
        "## Side by side against one by one", "",
        f"Median over rounds; the last column is how far shares of components differ at most after "
        f"{_FEW} steps, by rounding.", "",
        "| family | models | one by one | side by side | speed-up | largest difference |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip

    def write(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        if given.out:
            given.out.write_text("\n".join(lines) + "\n", "utf-8")

    for family in given.families:
        write(measured(family, given))
    if not given.attacks:
        return
    raw, schema = bundled.load("arrests")
    train, holdout = parts(Dataset.of(raw, schema, "arrests"), given.rows)
    for line in (
        "", "## Attacks by trainings again", "",
        f"{len(train):,} training rows of arrests, {given.attacks} trainings again. Area under the "
        "ROC curve with its 95% interval, and the least ε that the attack proves; above chance is "
        "bold, as private models should not be.", "",
        f"| generator | {' | '.join(ATTACKS)} | CPU seconds of all |",
        "|---|" + "---|" * (len(ATTACKS) + 1),
    ):  # fmt: skip
        write(line)
    for name, subject in subjects(train):
        write(attacked(name, subject, train, holdout, given.attacks))


if __name__ == "__main__":
    main()
