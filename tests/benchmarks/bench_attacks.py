"""Which attack on samples finds most members: data sets x generators x seeds, on real tables.

A table is cut into training rows, holdout and the rest; a generator sees the training rows alone.
Each attack's area under the ROC curve is ranked within a cell (1 = best); the mean over cells tells
who is best whatever the generator is. Cells of even seeds were looked at while the attacks were
designed, those of odd seeds were not.

    python tests/benchmarks/bench_attacks.py --seeds 4

`cps_mixtape` is read from the archive of the package causaldata that GENAUDIT_CAUSALDATA names
(causaldata-0.1.5.tar.gz, not installed).

Generators: `bootstrap` (training rows with noise on numbers), `between` (of a training row some
columns of another), `copula` (Gaussian copula), `copies` (fresh rows, one in twenty a training
row), and our families with the preset quick, without and with differential privacy.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

import genaudit as ga
from genaudit.audits import find
from genaudit.case import AuditCase, Knowledge
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.subject import Subject

ATTACKS = ("distance", "density", "likelihood_ratio", "neighbourhood", "classifier", "monte_carlo",
           "column_error", "ensemble")  # fmt: skip
SETS = ("arrests", "wage", "meps", "adult", "cps_mixtape")
ROWS = 1000

Make = Callable[[pd.DataFrame, pd.DataFrame, Schema, int], pd.DataFrame]


def bootstrap(train: pd.DataFrame, _: pd.DataFrame, schema: Schema, seed: int) -> pd.DataFrame:
    """Training rows drawn with replacement, a tenth of a deviation of noise on every number."""
    rng = np.random.default_rng(seed)
    made = train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
    for column in schema.modelled:
        if not column.discrete:
            values = made[column.name].astype(float)
            noisy = values + rng.normal(0, 0.1, len(made)) * values.std()
            low, high = column.bounds or (values.min(), values.max())
            made[column.name] = noisy.clip(low, high).round(0 if column.kind == "integer" else 4)
    return made


def between(train: pd.DataFrame, _: pd.DataFrame, schema: Schema, seed: int) -> pd.DataFrame:
    """Training rows, of whose columns one in seven is of another training row."""
    rng = np.random.default_rng(seed)
    one = train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
    other = train.sample(len(train), replace=True, random_state=seed + 1).reset_index(drop=True)
    for column in schema.modelled:
        swapped = rng.random(len(one)) < 0.15
        one[column.name] = one[column.name].where(~swapped, other[column.name])
    return one


def copula(train: pd.DataFrame, _: pd.DataFrame, schema: Schema, seed: int) -> pd.DataFrame:
    """Normal scores of each column with their correlations, and the columns' own quantiles."""
    rng, names = np.random.default_rng(seed), [c.name for c in schema.modelled]
    codes = {n: pd.factorize(train[n], sort=True) for n in names}
    columns = np.column_stack([codes[n][0] for n in names]).astype(float)
    ranks = np.argsort(np.argsort(columns + rng.random(columns.shape) * 1e-3, 0), 0) + 0.5
    scores = norm.ppf(ranks / len(train))
    drawn = rng.multivariate_normal(np.zeros(len(names)), np.corrcoef(scores.T), len(train))
    made = {}
    for j, name in enumerate(names):
        at = np.quantile(columns[:, j], norm.cdf(drawn[:, j]), method="nearest").astype(int)
        values = np.append(np.asarray(codes[name][1], dtype=object), np.nan)
        made[name] = values[at]
    return pd.DataFrame(made)


def copies(train: pd.DataFrame, fresh: pd.DataFrame, _: Schema, seed: int) -> pd.DataFrame:
    """Rows that nobody else has seen, and one in twenty a training row."""
    n = len(train) // 20
    honest = fresh.sample(len(train) - n, replace=len(fresh) < len(train) - n, random_state=seed)
    return pd.concat([train.sample(n, random_state=seed), honest], ignore_index=True)


def family(name: str, epsilon: float | None = None) -> Make:
    """One of ours."""

    def make(train: pd.DataFrame, _: pd.DataFrame, schema: Schema, seed: int) -> pd.DataFrame:
        budget = {} if epsilon is None else {"epsilon": epsilon, "delta": 1e-5}
        with tempfile.TemporaryDirectory() as folder:
            public = schema.replace(rows="public", id=f"bench {seed}")
            ledger = Path(folder) / "ledger.sqlite"
            model = ga.train(
                train, public, model=name, preset="quick", seed=seed, ledger=ledger, **budget
            )
        return model.sample(len(train), seed=seed).frame

    return make


GENERATORS: dict[str, Make] = {
    "bootstrap": bootstrap, "between": between, "copula": copula, "copies": copies,
    **{f"{n} {'plain' if e is None else f'ε = {e:g}'}": family(n, e)
       for n in ("cgan", "vae", "gan") for e in (None, 10.0, 1.0)},
}  # fmt: skip


def table_of(name: str) -> tuple[pd.DataFrame, Schema]:
    """A bundled data set, or one from where an environment variable says."""
    if name == "cps_mixtape":
        return mixtape(Path(os.environ["GENAUDIT_CAUSALDATA"]))
    if name != "adult":
        return bundled.load(name)
    path = Path(os.environ["GENAUDIT_ADULT"]) / "train.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False), Schema.read("adult")


def mixtape(archive: Path) -> tuple[pd.DataFrame, Schema]:
    """Men of the Current Population Survey with their earnings in dollars, as causaldata has them.

    Source: Dehejia & Wahba 1999; its column of treatment is 0 for all, and left out.
    """
    with tarfile.open(archive) as opened:
        (member,) = (m for m in opened.getnames() if m.endswith("/cps_mixtape.dta"))
        file = opened.extractfile(member)
        assert file is not None
        rows = pd.read_stata(io.BytesIO(file.read())).drop(columns=["data_id", "treat"])
    flags = ["black", "hisp", "marr", "nodegree"]
    columns = {
        "age": {"kind": "integer", "bounds": [16, 55]},
        "educ": {"kind": "integer", "bounds": [0, 18]},
        **{name: {"kind": "categorical", "categories": ["0", "1"]} for name in flags},
        **{name: {"kind": "numeric", "bounds": [0, 30_000]} for name in ("re74", "re75", "re78")},
    }
    columns["black"]["role"] = "sensitive"  # what a conditional GAN is conditioned on
    schema = Schema.from_dict({"id": "cps_mixtape", "rows": "public", "columns": columns})
    return rows.astype(dict.fromkeys(flags, str)), schema


def samples(cell: str, kept: Path | None, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Samples of a cell, from the folder where they are kept, or made."""
    if kept is None:
        return make()
    path = kept / f"{cell.replace(' ', '_')}.parquet"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        make().to_parquet(path)
    return pd.read_parquet(path)


def areas(name: str, generator: str, seed: int, kept: Path | None) -> dict[str, float]:
    """Area of each attack. kept: folder in which samples are kept for the next time."""
    raw, schema = table_of(name)
    rows = Dataset.of(raw, schema, name).frame.sample(frac=1, random_state=seed)
    rows = rows[[c.name for c in schema.modelled]]
    schema = schema.replace(columns=[c.model_dump() for c in schema.modelled])
    n = min(ROWS, len(rows) // 4)
    train, holdout, fresh = rows[:n], rows[n : 3 * n], rows[3 * n : 5 * n]
    made = samples(
        f"{name}-{generator}-{seed}",
        kept,
        lambda: GENERATORS[generator](train.reset_index(drop=True), fresh, schema, seed),
    )
    subject = Subject("bench", "samples", samples=Dataset.of_samples(made, schema))
    data = {
        Knowledge.TRAIN: Dataset.of(train, schema),
        Knowledge.HOLDOUT: Dataset.of(holdout, schema),
    }
    case = AuditCase(subject, data, seed=seed)
    return {a: find(f"privacy.{a}")(case).findings[0].estimate.value or np.nan for a in ATTACKS}


def page(cells: dict[str, dict[str, float]]) -> str:
    """Mean ranks of all cells, of those that designed nothing, and the areas of each."""
    found = pd.DataFrame(cells).T
    ranks = found.apply(lambda row: pd.Series(rankdata(-row), row.index), axis=1)
    unseen = [c for c in found.index if int(c.rsplit(" ", 1)[1]) % 2]
    lines = ["| | " + " | ".join(ATTACKS) + " |", "|---|" + "---|" * len(ATTACKS)]

    def row(label: str, values: pd.Series) -> None:
        lines.append(f"| {label} | " + " | ".join(f"{values[a]:.3f}" for a in ATTACKS) + " |")

    row(f"mean rank, all {len(found)} cells", ranks.mean())
    if 0 < len(unseen) < len(found):
        row(f"mean rank, {len(unseen)} cells of odd seeds", ranks.loc[unseen].mean())
    row("mean area", found.mean())
    for cell, values in found.iterrows():
        row(str(cell), values)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=GENERATORS)
    parser.add_argument("--samples", type=Path, help="folder for samples, to attack them again")
    parser.add_argument("--out", type=Path, help="file without its suffix (.md and .json)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    cells: dict[str, dict[str, float]] = {}
    for seed in options.seeds:
        for name in options.data:
            for generator in options.generators:
                found = areas(name, generator, seed, options.samples)
                cells[f"{name}, {generator}, {seed}"] = found
                if options.out:
                    options.out.with_suffix(".md").write_text(page(cells), "utf-8")
                    options.out.with_suffix(".json").write_text(
                        json.dumps(cells, indent=1), "utf-8"
                    )
    print(page(cells))


if __name__ == "__main__":
    main()
