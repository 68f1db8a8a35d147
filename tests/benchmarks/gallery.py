"""A sample sheet of every cell: what each family makes of each kind of record, plain and private.

    python tests/benchmarks/gallery.py

trains every cell by its preset `quick` on a bundled data set and writes `reports/gallery/`. Samples
are the first ones of seed 0, none is chosen.
"""

from __future__ import annotations

import argparse
import base64
import io
import itertools
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import signal

import genaudit as ga
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.encoded import png, wav
from genaudit.modalities.table import files

#: Kind of record -> the bundled data set that it is shown on.
SETS = {
    "table": "arrests", "image": "mnist", "sequence": "japanese_vowels", "audio": "spoken",
    "text": "names",
}  # fmt: skip
FAMILIES = ("gan", "vae", "cgan")
REGIMES = {"plain": None, "private": 3.0}
DELTA = 1e-5

#: Samples on a sheet.
N = 40


def command(kind: str, family: str, epsilon: float | None) -> str:
    """What makes such samples on the command line."""
    budget = "" if epsilon is None else f" --epsilon {epsilon:g} --delta {DELTA:g}"
    out = {"image": "samples", "audio": "samples", "text": "samples.txt"}.get(kind, "samples.csv")
    out = "samples.csv" if kind == "text" else out
    return (
        f"genaudit train {SETS[kind]} --model {family} --preset quick{budget} --out model && "
        f"genaudit sample model -n {N} --out {out}"
    )


def images(data: Dataset) -> dict[str, bytes]:
    """All pictures side by side, eight in a row."""
    tiles = [np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=128) for image in data.media]
    tiles += [np.full_like(tiles[0], 128)] * (-len(tiles) % 10)
    rows = [np.hstack(tiles[i : i + 10]) for i in range(0, len(tiles), 10)]
    sheet = np.vstack(rows).repeat(2, 0).repeat(2, 1)
    return {".png": base64.b64decode(png(sheet))}


def series(data: Dataset) -> dict[str, bytes]:
    """Twelve series as line plots, one colour for each channel."""
    low = min(float(s.min()) for s in data.media)
    high = max(float(s.max()) for s in data.media)
    width, height, across = 220, 120, 4
    drawn = []
    for i, steps in enumerate(data.media[:12]):
        left, top = (i % across) * width, (i // across) * height
        for j, channel in enumerate(steps.T):
            at = np.linspace(8, width - 8, max(len(channel), 2))[: len(channel)]
            up = height - 8 - (channel - low) / (high - low or 1) * (height - 16)
            line = " ".join(f"{left + x:.1f},{top + y:.1f}" for x, y in zip(at, up, strict=True))
            hue = 360 * j // steps.shape[1]
            drawn.append(f'<polyline points="{line}" fill="none" stroke="hsl({hue} 60% 45%)"/>')
    size = f"{width * across} {height * math.ceil(min(len(data), 12) / across)}"
    page = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>\n')  # fmt: skip
    return {".svg": page.encode()}


def sounds(data: Dataset) -> dict[str, bytes]:
    """Twelve sounds one after the other, and their spectrogram."""
    assert data.schema.record is not None
    rate = data.schema.record.rate or 8000
    gap = np.zeros(rate // 5, dtype=np.float32)
    whole = np.concatenate([part for sound in data.media[:12] for part in (sound, gap)])
    _, _, power = signal.spectrogram(whole, rate, nperseg=256, noverlap=128)
    level = (10 * np.log10(power[::-1] + 1e-10)).clip(-90, -30)
    grey = (255 * (level + 90) / 60).astype(np.uint8)[:, :, None]
    return {".wav": base64.b64decode(wav(whole, rate)), ".png": base64.b64decode(png(grey))}


def texts(data: Dataset) -> dict[str, bytes]:
    """Lines with their attributes."""
    return {".txt": _csv(data)}


def tables(data: Dataset) -> dict[str, bytes]:
    """Rows."""
    return {".csv": _csv(data)}


def _csv(data: Dataset) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return files.write(data.to_frame(), Path(folder) / "rows.csv").read_bytes()


SHEETS: dict[str, Callable[[Dataset], dict[str, bytes]]] = {
    "table": tables, "image": images, "sequence": series, "audio": sounds, "text": texts,
}  # fmt: skip


#: What the seconds of a sheet are worth.
SECONDS = (
    "Seconds may have been taken beside other work, which lengthens them by a third to twice; "
    "those to judge by stand in [the table of cells](../benchmarks/cells.md).\n"
)


def listen(data: Dataset) -> str:
    """What the ear would say of sounds, in numbers."""
    from genaudit.modalities.audio.quality import listening

    assert data.schema.record is not None
    return ", ".join(
        f"{k} {v:.3g}" for k, v in vars(listening(data.schema.record, data.media)).items()
    )


def made(kind: str, family: str, epsilon: float | None) -> tuple[Dataset, float]:
    """Samples of a cell, and CPU seconds of its training."""
    raw, schema = bundled.load(SETS[kind])
    schema = schema.replace(rows="public")
    budget: dict[str, Any] = {} if epsilon is None else {"epsilon": epsilon, "delta": DELTA}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.process_time()
        model = ga.train(raw, schema, model=family, preset="quick",
                         ledger=Path(folder) / "ledger.sqlite", **budget)  # fmt: skip
        seconds = time.process_time() - started
    return model.sample(N, seed=0), seconds


def main() -> None:
    """Train, and write the sheets and a page that shows them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--out", type=Path, default=Path("reports/gallery"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in options.kinds:
        page = io.StringIO()
        page.write(f"# {kind}: made from `{SETS[kind]}`\n\n")
        page.write("Each sheet shows the first samples of seed 0, by the preset `quick`.\n")
        page.write(SECONDS)
        for family, (regime, epsilon) in itertools.product(FAMILIES, REGIMES.items()):
            data, seconds = made(kind, family, epsilon)
            title = family if epsilon is None else f"{family}, ε = {epsilon:g}, δ = {DELTA:g}"
            page.write(f"\n## {title}\n\n`{command(kind, family, epsilon)}`\n\n")
            page.write(f"{seconds:.0f} CPU seconds of one thread.")
            page.write(f" Listening in numbers: {listen(data)}.\n" if kind == "audio" else "\n")
            for suffix, content in SHEETS[kind](data).items():
                name = f"{kind}-{family}-{regime}{suffix}"
                (options.out / name).write_bytes(content)
                shown = suffix in (".png", ".svg")
                page.write(f"\n{'!' if shown else ''}[{name}]({name})\n")
                if suffix in (".txt", ".csv"):
                    rows = content.decode("utf-8").splitlines()[:9]
                    page.write("\n```\n" + "\n".join(rows) + "\n```\n")
            print(f"{kind} {title}: {seconds:.0f} s", flush=True)
        (options.out / f"{kind}.md").write_text(page.getvalue(), "utf-8")
    lines = [f"- [{kind}]({kind}.md), made from `{name}`" for kind, name in SETS.items()]
    head = "# Samples of every cell\n\n`make gallery` trains all cells and writes these sheets.\n\n"
    (options.out / "README.md").write_text(head + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
