"""What samples are worth at ε = 1: a model learned on them, and how near their two-way shares are.

Adult (24,421 training rows, `fnlwgt` left out, public schema, δ = 1e-6, everything charged): area
under the ROC curve, on the holdout, of a logistic regression learned on as many samples; mean total
variation distance of all two-way marginals to the training rows, numeric columns in 20 intervals of
equal width. Parity: three columns whose two-way marginals are all flat, so that marginals of two
columns must fail; the share of samples in which one column is the parity of the other two.

    GENAUDIT_ADULT=folder python tests/benchmarks/bench_utility.py --seeds 5 --peers folder

Peers run on the same rows in environments of their own, made in the folder that `--peers` names,
one after another on one core while genaudit is measured on the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import utility_protocol as protocol

from genaudit.accounting import gaussian_multiplier
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Role, Schema
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models import pairs
from genaudit.models.pairs import Pairs, Table
from genaudit.models.sampler import Sampler
from genaudit.training import marginals
from genaudit.training.fit import fit
from genaudit.training.prepared import encoded, focus_of, nets_of
from genaudit.training.recipe import Recipe

EPSILON, DELTA = 1.0, 1e-6

#: Goals on Adult: area under the curve, distance, seconds; for the best family and for every one.
BEST, EVERY = (0.89, 0.04, 120.0), (0.86, 0.08, np.inf)

FAMILIES = ("cgan", "gan", "vae")

#: What families are held against: the same marginals without a private discriminator or decoder.
MARGINALS = "two-way DP marginals alone"

#: Library and method. AIM of dpmm is not among them: it was not done after 29 minutes on one core.
PEERS = (("dpmm", "mst"), ("smartnoise-synth", "mst"), ("smartnoise-synth", "aim"))

#: Makes as many samples as there are training rows, from a seed.
Make = Callable[[Dataset, int], pd.DataFrame]


@dataclass
class Row:
    """One method's figures, a value for each seed."""

    method: str
    private: bool
    auroc: list[float] = field(default_factory=list)
    two_way: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    parity: list[float] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Adult:
    """Rows to learn from and to test on, and their public domain."""

    train: Dataset
    train_frame: pd.DataFrame
    holdout: pd.DataFrame
    levels: dict[str, list[str]]
    bounds: dict[str, tuple[float, float]]

    @classmethod
    def read(cls, folder: Path) -> Adult:
        """Both files, and the bundled schema without `fnlwgt`."""
        schema = Schema.read("adult")
        columns = tuple(
            c.model_copy(update={"role": Role.IGNORED}) if c.name == "fnlwgt" else c
            for c in schema.columns
        )
        schema = schema.model_copy(update={"columns": columns})
        raw = {
            name: pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
            for name in ("train", "holdout")
        }
        kept = [c for c in schema.columns if c.role is not Role.IGNORED]
        levels = {c.name: list(c.levels) for c in kept if c.levels}
        bounds = {c.name: c.bounds for c in kept if c.bounds}
        frames = {k: typed(v.drop(columns="fnlwgt"), levels) for k, v in raw.items()}
        data = Dataset.of(raw["train"], schema, "train")
        return cls(data, frames["train"], frames["holdout"], levels, bounds)

    def measure(self, row: Row, make: Make, seed: int) -> None:
        """Fit and sample once, and note the figures."""
        started = time.thread_time()
        samples = make(self.train, seed)
        row.seconds.append(time.thread_time() - started)
        self.score(row, samples)

    def score(self, row: Row, samples: pd.DataFrame) -> None:
        """Note what samples are worth."""
        samples = typed(samples[list(self.train_frame.columns)], self.levels)
        row.auroc.append(protocol.auroc(samples, self.holdout, "income", ">50K", self.levels))
        row.two_way.append(protocol.distance(samples, self.train_frame, self.levels, self.bounds))


def typed(frame: pd.DataFrame, levels: dict[str, list[str]]) -> pd.DataFrame:
    """Levels as text, all else as numbers."""
    return frame.astype({c: str if c in levels else float for c in frame.columns})


def trained(family: str, epsilon: float | None) -> Make:
    """A family with its usual numbers."""

    def make(data: Dataset, seed: int) -> pd.DataFrame:
        delta = None if epsilon is None else DELTA
        recipe = Recipe.of(family=family, epsilon=epsilon, delta=delta, seed=seed)
        return fit(recipe, data).sample(len(data), seed).to_frame()

    return make


class Alone(Layout):
    """Nothing is counted in pairs, so single columns get the whole budget."""

    pairs = ()


def of_marginals(*, two_way: bool) -> Make:
    """Noisy marginals alone, with the whole budget: of single columns, or of pairs as well."""

    def make(data: Dataset, seed: int) -> pd.DataFrame:
        settled = Recipe.of(family="gan", epsilon=EPSILON, delta=DELTA).settled(len(data))
        layout = (Layout if two_way else Alone)(Grid.public(data.schema), ())
        digits, joint = encoded(layout, data)
        known = marginals.noisy(
            layout, digits, joint, n=len(data),
            noise_multiplier=gaussian_multiplier(EPSILON, DELTA),
            rng=np.random.default_rng(), focus=focus_of(data.schema),
        )  # fmt: skip
        mixture = nets_of(layout, settled).mixture()
        mixture.start(np.concatenate(known.blocks), torch.Generator().manual_seed(seed))
        n = len(layout.sizes)
        tables = [
            Table(i, j, shares, float(deviation))
            for (i, j), shares, deviation in zip(
                layout.pairs, known.two_way, known.deviations[n:], strict=True
            )
        ]
        measured = Pairs.of(mixture, known.one_way, known.deviations[:n], tables)
        pairs.fit(mixture, measured, steps=settled.fit_steps, learning_rate=0.05,
                  rng=np.random.default_rng(seed))  # fmt: skip
        sampler = Sampler.of(data.schema, layout, mixture, known.joint)
        return sampler.sample(len(data), seed).to_frame()

    return make


PARITY = Schema.from_dict(
    {
        "modality": "table", "id": "parity", "rows": "public",
        "columns": {
            "a": {"kind": "categorical", "categories": ["no", "yes"]},
            "b": {"kind": "categorical", "categories": ["no", "yes"]},
            "age": {"kind": "integer", "bounds": [0, 99]},
            "band": {"kind": "categorical", "categories": list("ABCDEFGH")},
            "c": {"kind": "categorical", "categories": ["no", "yes"], "role": "target"},
        },
    }
)  # fmt: skip


def parity_rows(n: int = 20_000, seed: int = 0) -> Dataset:
    """C is the parity of a and b but for 5%; age and band hang together, and on nothing else."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2, (2, n))
    c = a ^ b ^ (rng.random(n) < 0.05)
    z, other = rng.normal(size=(2, n))
    words = np.array(["no", "yes"])
    raw = {
        "a": words[a], "b": words[b], "age": np.clip(50 + 10 * z, 0, 99).astype(int).astype(str),
        "band": np.array(list("ABCDEFGH"))[np.clip(4 + 1.5 * (z + other), 0, 7).astype(int)],
        "c": words[c],
    }  # fmt: skip
    return Dataset.of(pd.DataFrame(raw), PARITY, "parity")


def agreement(samples: pd.DataFrame) -> float:
    """Share of rows in which c is the parity of a and b."""
    a, b, c = (samples[name].astype(str).eq("yes") for name in "abc")
    return float(((a ^ b) == c).mean())


def methods() -> list[tuple[Row, Make]]:
    """What of genaudit is measured, with and without privacy."""
    found: list[tuple[Row, Make]] = [
        (Row("independent DP marginals", True), of_marginals(two_way=False)),
        (Row(MARGINALS, True), of_marginals(two_way=True)),
    ]
    for epsilon in (EPSILON, None):
        found += [(Row(f, epsilon is not None), trained(f, epsilon)) for f in FAMILIES]
    return found


def main() -> None:
    """Measure, print, and write reports/benchmarks/utility.{md,json}."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peer-seeds", type=int, default=2)
    parser.add_argument("--peers", type=Path, help="folder for the environments of peers")
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks"))
    args = parser.parse_args()
    folder = os.environ.get("GENAUDIT_ADULT")
    if not folder:
        print("GENAUDIT_ADULT is not set, so Adult was not measured; nothing is written.")
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    load, rows = os.getloadavg()[0], []
    adult, parity = Adult.read(Path(folder)), parity_rows()
    real = Row("real holdout rows", False, parity=[agreement(parity_rows(seed=1).to_frame())])
    adult.score(real, adult.holdout)
    real.auroc = [protocol.auroc(adult.train_frame, adult.holdout, "income", ">50K", adult.levels)]
    show(real, rows)
    with ThreadPoolExecutor(1) as beside:
        theirs = [
            beside.submit(peer_rows, adult, library, method, args.peers, args.peer_seeds)
            for library, method in (PEERS if args.peers else ())
        ]
        for row, make in methods():
            for seed in range(args.seeds if row.private else min(2, args.seeds)):
                adult.measure(row, make, seed)
                row.parity.append(agreement(make(parity, seed)))
            show(row, rows)
        for found in theirs:
            for row in found.result():
                show(row, rows)
    write(rows, args.out, (load, os.getloadavg()[0]))


def peer_rows(adult: Adult, library: str, method: str, environments: Path, seeds: int) -> list[Row]:
    """A peer in its own environment, a row for each way of sampling; one that fails says why."""
    import peers

    domain = {"levels": adult.levels, "bounds": adult.bounds}
    name = f"{method.upper()} ({library})"
    found = {name: Row(name, True)}
    for seed in range(seeds):
        try:
            ways, facts = peers.run(
                method, library, adult.train_frame, domain, EPSILON, DELTA, seed, environments
            )
        except RuntimeError as error:
            found[name].note = str(error)
            break
        for way, samples in ways.items():
            label = f"{name}, drawn {way}" if way else name
            row = found.setdefault(label, Row(label, True))
            adult.score(row, samples)
            row.seconds.append(float(facts["seconds"]))
            row.note = str(facts["versions"])
    return list(found.values())


def show(row: Row, rows: list[Row]) -> None:
    """Keep a row, and print it."""
    rows.append(row)
    print(line(row), flush=True)


def spread(values: list[float], digits: int = 3) -> str:
    """Mean and standard deviation over seeds."""
    if not values:
        return "-"
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def line(row: Row) -> str:
    """A row of the table."""
    kind = {True: f"ε = {EPSILON:g}", False: "none"}[row.private]
    cells = (row.method, kind, str(len(row.auroc)), spread(row.auroc), spread(row.two_way),
             spread(row.seconds, 0), spread(row.parity), row.note)  # fmt: skip
    return f"| {' | '.join(cells)} |"


def verdicts(rows: list[Row]) -> list[str]:
    """The goals, met or missed."""
    ours = {r.method: r for r in rows if r.private and r.method in FAMILIES}
    if len(ours) < len(FAMILIES):
        return []
    means = {
        name: (np.mean(r.auroc), np.mean(r.two_way), np.max(r.seconds)) for name, r in ours.items()
    }

    def meets(mean: tuple[float, float, float], goal: tuple[float, float, float]) -> bool:
        return bool(mean[0] >= goal[0] and mean[1] <= goal[1] and mean[2] <= goal[2])

    best = [name for name, mean in means.items() if meets(mean, BEST)]
    short = [name for name, mean in means.items() if not meets(mean, EVERY)]
    return [
        "Best family at least .890, at most .040, within 120 s: "
        + (f"met by {', '.join(best)}." if best else "missed."),
        "Every family at least .860 and at most .080: "
        + (f"missed by {', '.join(short)}." if short else "met."),
        *beside_marginals(rows, means),
    ]


def beside_marginals(rows: list[Row], means: dict[str, tuple[float, float, float]]) -> list[str]:
    """What the private part of a family adds to its marginals, said also where it is nothing."""
    alone = next((r for r in rows if r.method == MARGINALS), None)
    if alone is None:
        return []
    auroc, distance, parity = (
        float(np.mean(v)) for v in (alone.auroc, alone.two_way, alone.parity)
    )
    found = {r.method: float(np.mean(r.parity)) for r in rows if r.private and r.method in means}
    better = {
        "a higher AUROC": [n for n, m in means.items() if m[0] > auroc],
        "a smaller distance": [n for n, m in means.items() if m[1] < distance],
        "more of the parity": [n for n, p in found.items() if p > parity + 0.1],
    }
    said = "; ".join(f"{what}: {', '.join(names) or 'none'}" for what, names in better.items())
    return [f"Families that have more than {MARGINALS} ({auroc:.3f}, {distance:.3f}): {said}."]


def write(rows: list[Row], out: Path, load: tuple[float, float]) -> None:
    """The table as Markdown for people and JSON for programs."""
    out.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name) for name in ("torch", "opacus", "numpy", "scikit-learn")}
    machine = (
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, "
        "one thread"
    )
    head = (
        "| method | privacy | seeds | AUROC | two-way distance | CPU seconds | parity | "
        "versions |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    about = __doc__.split("\n\n")[1]
    text = "\n\n".join(
        [
            "# What samples are worth", about, head + "\n".join(map(line, rows)),
            "\n".join(verdicts(rows)),
            "Mean ± standard deviation over seeds. Seconds of one thread for fit and sample, on "
            "Adult; on an idle machine as many pass. Parity: .95 in the rows, .5 where nothing of "
            "it is known.",
            f"{machine}; {', '.join(f'{k} {v}' for k, v in versions.items())}; load "
            f"{load[0]:.1f} before, {load[1]:.1f} after.",
        ]
    )  # fmt: skip
    (out / "utility.md").write_text(text + "\n", "utf-8")
    data = {"versions": versions, "load": load, "rows": [vars(r) for r in rows]}
    (out / "utility.json").write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    print("\n".join(verdicts(rows)))
    print(f"Written to {out}/utility.md and utility.json")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
