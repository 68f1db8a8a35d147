"""Soak: private trainings killed at random moments leave a true ledger and nothing half-written.

Run `python tests/benchmarks/soak.py --kills 1000`. Prints one line every few trainings and a sum.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import kills


def main() -> None:
    """Kill trainings at random moments: children of one process, and a dozen with a full start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    torch.set_num_threads(1)
    killed = trainings = whole = 0
    with tempfile.TemporaryDirectory() as folder:
        duration = kills.usual_duration(Path(folder) / "warm")
        print(f"seed {arguments.seed}; a training takes {duration:.2f} s", flush=True)
        while killed < arguments.kills:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                killed += kills.play(Path(place), rng, duration, 6)
            trainings += 1
            if trainings % 20 == 0:
                print(f"{killed} kills in {trainings} trainings, every ledger true", flush=True)
        while whole < 12:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                whole += kills.play_whole(Path(place), rng)
    print(f"{killed} kills of children and {whole} of whole processes; every ledger was true")


if __name__ == "__main__":
    main()
