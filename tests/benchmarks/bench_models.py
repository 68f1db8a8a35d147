"""What models that `bench_cells.py --models` kept make: FD-local of images, texts by temperature.

    python tests/benchmarks/bench_cells.py --seeds 1 --data mnist names --models models
    python tests/benchmarks/bench_models.py models

FD-local is a Frechet distance in features of a network that was trained on these very training
rows; it is comparable within this table alone, and with no published FID.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from bench_cells import split

import genaudit as ga
from genaudit.data.dataset import Dataset
from genaudit.modalities.image.quality import FdLocal, fd_local
from genaudit.modalities.text.quality import temperature_curve


def parts(name: str) -> tuple[Dataset, Dataset]:
    """Rows of the first seed: trained on, held out."""
    train, test, schema = split(name, 0)
    return Dataset.of(train, schema), Dataset.of(test, schema)


def images(folder: Path) -> FdLocal:
    """FD-local of as many samples as training rows."""
    train, test = parts("mnist")
    rows = [
        np.stack(list(data.media)) for data in (ga.load(folder).sample(len(train)), train, test)
    ]
    return fd_local(*rows, train.frame["digit"].astype(int).to_numpy())


def texts(folder: Path) -> list[str]:
    """Lines of a table over temperatures."""
    train, test = parts("names")
    model = ga.load(folder)

    def make(n: int, temperature: float) -> list[str]:
        return list(model.sample(n, temperature=temperature).media)

    return [
        f"| {folder.name} | {w.temperature:g} | {w.divergence:.3f} | {w.duplicates:.3f} | "
        f"{w.distinct:.3f} | {w.novelty:.3f} |"
        for w in temperature_curve(make, list(test.media), list(train.media))
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = sorted(options.models.iterdir())
    lines = ["# Models of the bench, looked at again", "", *__doc__.splitlines()[5:], "",
             "| model | FD-local | training rows | network |", "|---|---|---|---|"]  # fmt: skip
    for folder in (f for f in found if f.name.startswith("mnist-")):
        fd = images(folder)
        lines.append(f"| {folder.name} | {fd.value:.2f} | {fd.real:.2f} | {fd.digest[:12]} |")
    lines += ["", "Temperature, against held-out names:", "",
              "| model | temperature | 3-gram JSD | duplicates | distinct 3-grams | new |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for folder in (f for f in found if f.name.startswith("names-")):
        lines += texts(folder)
    page = "\n".join(lines) + "\n"
    print(page)
    if options.out:
        options.out.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
