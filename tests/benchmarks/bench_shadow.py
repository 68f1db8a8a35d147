"""Shadow models side by side against one by one: CPU time of the same trainings.

Each model is trained on the same rows but for a few, as in an audit. Both ways take turns, and the
ratio is the median over rounds; weights must agree but for rounding, which grows with the steps.

    python tests/benchmarks/bench_shadow.py --models 32 --steps 200 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Sequence
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.errors import GenauditWarning
from genaudit.models.store import Trained
from genaudit.training.fit import fit
from genaudit.training.recipe import Recipe
from genaudit.training.together import fit_each

FAMILIES = ("gan", "cgan", "vae")


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


def measured(family: str, given: argparse.Namespace) -> dict[str, float]:
    """One family both ways."""
    steps = {"steps": given.steps} if given.steps else {}
    recipes = [Recipe.of(family=family, preset="quick", seed=i, **steps)
               for i in range(given.models)]  # fmt: skip
    data = shadows(given.models, given.rows)
    for way in ("alone", "together"):  # imports and caches are nobody's cost
        timed(way, [r.model_copy(update={"steps": 2}) for r in recipes[:2]], data[:2])
    rounds = []
    for _ in range(given.rounds):
        alone, ones = timed("alone", recipes, data)
        together, others = timed("together", recipes, data)
        rounds.append((alone, together))
    return {
        "models": given.models,
        "alone_s": round(median(a for a, _ in rounds), 2),
        "together_s": round(median(b for _, b in rounds), 2),
        "speed_up": round(median(a / b for a, b in rounds), 2),
        "largest_difference": difference(ones, others),
    }


def main() -> None:
    """Print a table of all families as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=32)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=0, help="0 = as the preset quick has it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    given = parser.parse_args()
    warnings.simplefilter("ignore", GenauditWarning)
    print(json.dumps({f: measured(f, given) for f in given.families}, indent=1))


if __name__ == "__main__":
    main()
