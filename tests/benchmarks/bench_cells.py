"""Every cell on real records: how good, how private, how long; on one thread, several seeds.

For each data set 80% of the records are trained on, by the recipes that the presets hold, and 20%
are held out. TSTR and TRTR: area under the curve, on held-out records, of trees that learn the
target (the group, where none is declared) from numbers that describe samples, or real rows
(`quality.utility`); beside them the same of independent marginals. Of each modality a number of its
own:

- image: accuracy on held-out digits of a network that has seen samples alone; real rows beside it.
- text: 3-gram Jensen-Shannon distance from held-out names, less that of as many training names.
- sequence: accuracy of telling the attribute (TSTR) by means, spreads and memory; real rows beside.
- audio: the same of the spoken word.
- table: mean total variation distance of two-way marginals from held-out rows, chance corrected;
  that of the training rows beside it.

The last column counts the seeds whose TSTR is at least .10 above that of marginals, and above .60.
Goals of names: at most .08 in the column of its own number, plain and private.

    python tests/benchmarks/bench_cells.py --seeds 3 --out reports/benchmarks/cells

A released model of each cell's first seed is kept in the folder that `--models` names.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import genaudit as ga
from genaudit.audits import find
from genaudit.audits.quality.utility import asked
from genaudit.case import AuditCase, Knowledge
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Role
from genaudit.plan import AuditPlan
from genaudit.subject import Subject

#: Data set, privacy budgets beside plain training.
SETS: dict[str, tuple[float, ...]] = {
    "names": (3.0,), "mnist": (3.0, 10.0), "japanese_vowels": (3.0,), "wage_panel": (3.0,),
    "spoken": (3.0,), "arrests": (3.0,),
}  # fmt: skip
FAMILIES = ("cgan", "vae", "gan")
DELTA = 1e-5

#: Seconds that a cell may take: plain, private.
MOST = {"quick": (40, 40), "standard": (180, 360)}


@dataclass
class Row:
    """A cell's figures, one for each seed."""

    data: str
    family: str
    epsilon: float | None
    preset: str
    tstr: list[float] = field(default_factory=list)
    trtr: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    own_real: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    warned: list[bool] = field(default_factory=list)


def split(name: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, ga.Schema]:
    """Records to train on, held out, and their public schema."""
    raw, schema = bundled.load(name)
    schema = schema.replace(rows="public", id=f"{name} {seed}")
    first, second = Dataset.of(raw, schema, name).split(0.8, seed)
    beside = [c.name for c in schema.columns if not c.modelled and c.role is not Role.RECORD]
    return (*(pd.concat([d.to_frame(), d.frame[beside]], axis=1) for d in (first, second)), schema)


def measure(row: Row, seed: int, models: Path | None) -> None:
    """Train one cell, and look at what it makes."""
    train, test, schema = split(row.data, seed)
    budget = {} if row.epsilon is None else {"epsilon": row.epsilon, "delta": DELTA}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ledger, started = Path(folder) / "ledger.sqlite", time.process_time()
        model = ga.train(train, schema, model=row.family, preset=row.preset, seed=seed,
                         ledger=ledger, **budget)  # fmt: skip
        made = model.sample(len(train), seed=seed)
        row.seconds.append(time.process_time() - started)
        if asked(schema, of_records=schema.record is not None) is not None:
            report = ga.audit(model, train=train, holdout=test, plan=_PLAN, ledger=ledger)
            found = {f.metric: f for _, f in report.findings()}
            row.tstr.append(found["quality.utility.tstr_auc"].estimate.value or np.nan)
            row.trtr.append(found["quality.utility.trtr_auc"].estimate.value or np.nan)
            base = found["quality.utility.tstr_auc"].baseline
            row.baseline.append((base.value if base else None) or np.nan)
            row.warned.append(any(f.warning is not None for f in found.values()))
    if models is not None and seed == 0:
        regime = "plain" if row.epsilon is None else f"epsilon{row.epsilon:g}"
        model.save(models / f"{row.data}-{row.family}-{regime}")
    own, real = OWN[row.data](schema, Dataset.of(train, schema), Dataset.of(test, schema), made)
    row.own.append(own)
    row.own_real.append(real)


_PLAN = AuditPlan("utility", audits=("quality.utility",))


def _images(_: ga.Schema, train: Dataset, test: Dataset, made: Dataset) -> tuple[float, float]:
    from genaudit.modalities.image.quality import worth

    def rows(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        return np.stack(list(data.media)), data.frame["digit"].astype(int).to_numpy()

    return worth(*rows(made), *rows(test)), worth(*rows(train), *rows(test))


def _names(_: ga.Schema, train: Dataset, test: Dataset, made: Dataset) -> tuple[float, float]:
    from genaudit.modalities.text.quality import divergence

    n = len(test)
    some = np.random.default_rng(0).permutation(len(train))[:n]  # they stand in order of alphabet
    floor = divergence(list(train.media[some]), list(test.media))
    return divergence(list(made.media[:n]), list(test.media)) - floor, floor


def _series(attribute: str) -> object:
    def own(schema: ga.Schema, train: Dataset, test: Dataset, made: Dataset) -> tuple[float, float]:
        from genaudit.modalities.sequence.quality import utility

        def rows(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
            return data.media, data.frame[attribute].astype(str).to_numpy()

        assert schema.record is not None
        found = utility(schema.record, rows(train), rows(made), rows(test))
        return found.made, found.real

    return own


def _sounds(schema: ga.Schema, train: Dataset, test: Dataset, made: Dataset) -> tuple[float, float]:
    from genaudit.modalities.audio.quality import transfer

    def rows(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        return data.media, data.frame["word"].astype(str).to_numpy()

    assert schema.record is not None
    real, record = rows(test), schema.record
    return transfer(record, *rows(made), *real), transfer(record, *rows(train), *real)


def _pairs(_: ga.Schema, train: Dataset, test: Dataset, made: Dataset) -> tuple[float, float]:
    def distance(samples: Dataset) -> float:
        data = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: test}
        case = AuditCase(Subject("bench", "samples", samples=samples), data, seed=0)
        found = {f.metric: f.estimate.value for f in find("quality.fidelity")(case).findings}
        return found["quality.fidelity.two_way"] or 0.0

    return distance(made), distance(train)


OWN = {
    "mnist": _images, "names": _names, "japanese_vowels": _series("speaker"),
    "wage_panel": _series("college"), "spoken": _sounds, "arrests": _pairs,
}  # fmt: skip


def shown(values: list[float], digits: int = 3) -> str:
    """Mean and range."""
    if not values:
        return ""
    mean, low, high = (f"{f(values):.{digits}f}" for f in (np.nanmean, np.nanmin, np.nanmax))
    return f"{mean} ({low} to {high})" if len(values) > 1 else mean


def table(rows: list[Row]) -> str:
    """The rows as a page."""
    seeds = max((len(r.seconds) for r in rows), default=0)
    lines = [
        "# Every cell on real records",
        "",
        f"`python tests/benchmarks/bench_cells.py --seeds {seeds}`: mean and range over {seeds} "
        f"seeds; CPU seconds of one thread, training and sampling. torch {torch.__version__}, "
        f"Python {platform.python_version()}. What the columns are says the module.",
        "",
        "| data | family | ε | preset | TSTR AUC | real | marginals | own number | real | seconds "
        "| +.10 over marginals |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        won = sum(t >= max(0.5, m) + 0.1 for t, m in zip(r.tstr, r.baseline, strict=True))
        ahead = f"{won} of {len(r.tstr)}" if r.tstr else ""
        ahead = ahead if won == len(r.tstr) else f"**{ahead}**"
        late = np.mean(r.seconds) > MOST[r.preset][r.epsilon is not None]
        lines.append(
            f"| {r.data} | {r.family} | {'plain' if r.epsilon is None else f'{r.epsilon:g}'} | "
            f"{r.preset} | {shown(r.tstr)} | {shown(r.trtr)} | {shown(r.baseline)} | "
            f"{shown(r.own)} | {shown(r.own_real)} | {'**' if late else ''}{shown(r.seconds, 0)}"
            f"{'**' if late else ''} | {ahead} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the table after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--presets", nargs="*", default=["standard"], choices=list(MOST))
    parser.add_argument("--plain", action="store_true", help="leave private cells out")
    parser.add_argument("--models", type=Path, help="folder for a model of each cell")
    parser.add_argument("--out", type=Path, help="file without its suffix (.md and .json)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for seed in range(options.seeds):
        for preset in options.presets:
            for name in options.data:
                for epsilon in (None,) if options.plain else (None, *SETS[name]):
                    for family in options.families:
                        row = next((r for r in rows if (r.data, r.family, r.epsilon, r.preset)
                                    == (name, family, epsilon, preset)), None)  # fmt: skip
                        if row is None:
                            row = Row(name, family, epsilon, preset)
                            rows.append(row)
                        measure(row, seed, options.models)
                        print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)
                        if options.out:
                            ordered = sorted(rows, key=lambda r: (r.data, r.preset, r.epsilon or 0))
                            options.out.with_suffix(".md").write_text(table(ordered), "utf-8")
                            text = json.dumps([asdict(r) for r in ordered], indent=1)
                            options.out.with_suffix(".json").write_text(text + "\n", "utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
