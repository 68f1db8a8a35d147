"""Soak: private trainings killed at random moments leave a true ledger and nothing half-written.

Run `python tests/benchmarks/soak.py --rounds 20`. Prints one line a round and a sum at the end.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from genaudit.ledger import PrivacyLedger


def one_round(folder: Path, wait: float) -> tuple[bool, int]:
    """Train, kill after `wait` seconds; whether it had finished, and the touches in the ledger."""
    ledger, model = folder / "ledger.sqlite", folder / "model"
    command = [
        sys.executable, "-m", "genaudit", "--quiet", "train", "arrests", "--epsilon", "3",
        "--delta", "1e-5", "--preset", "quick", "--ledger", str(ledger), "--out", str(model),
    ]  # fmt: skip
    process = subprocess.Popen(command)
    time.sleep(wait)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    book = PrivacyLedger(ledger)
    book.verify()
    finished = process.returncode == 0
    if finished != model.exists():
        raise AssertionError(f"finished: {finished}, but the model folder exists: {model.exists()}")
    return finished, len(book.entries())


def main() -> None:
    """Kill trainings at random moments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    done = 0
    for i in range(arguments.rounds):
        wait = rng.uniform(1, 25)
        with tempfile.TemporaryDirectory() as folder:
            finished, touches = one_round(Path(folder), wait)
        done += finished
        print(f"round {i}: killed after {wait:.1f} s, finished {finished}, {touches} touches, true")
    print(f"{arguments.rounds} passed, 0 failed ({done} finished before the kill)")


if __name__ == "__main__":
    main()
