"""Trainings killed at random moments, and an oracle that counts what they really read.

Each training is a forked child of one warm process. Before a batch of records is read, the child
adds a byte to a file; whatever happens to the child, the byte stays.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from genaudit import api
from genaudit.accounting import epsilon
from genaudit.data.schema import Schema
from genaudit.ledger import PrivacyLedger, Scope, TouchKind
from genaudit.training import checkpoint as checkpoints
from genaudit.training import fit, table

STEPS, LEASE = 40, 2

#: The command line, which keeps the state after each lease as `_every_lease` says.
_COMMAND = (
    "from genaudit.cli import main; from genaudit.training import fit; "
    'fit.KEPT_SHARE = float("inf"); main()'
)
EPSILON, DELTA = 2.0, 1e-5

SCHEMA = Schema.from_dict(
    {
        "id": "small",
        "rows": "public",
        "columns": {
            "kind": {"kind": "categorical", "categories": ["a", "b", "c"], "role": "target"},
            "size": {"kind": "integer", "bounds": [0, 9]},
        },
    }
)


def rows(n: int = 300) -> pd.DataFrame:
    """A small table."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({"kind": rng.choice(["a", "b", "c"], n), "size": rng.integers(0, 10, n)})


def train(folder: Path, checkpoint: str = "checkpoint") -> None:
    """A private training that keeps a checkpoint."""
    api.train(
        rows(), SCHEMA, model="vae", epsilon=EPSILON, delta=DELTA, ledger=folder / "ledger.sqlite",
        checkpoint=folder / checkpoint, steps=STEPS, batch_size=30, hidden=(8,), latent=2,
    ).save(folder / f"model-{checkpoint}")  # fmt: skip


def resume(folder: Path, checkpoint: str = "checkpoint") -> None:
    """Go on with it."""
    api.resume(rows(), folder / checkpoint, ledger=folder / "ledger.sqlite").save(
        folder / f"model-{checkpoint}"
    )


@dataclass
class Round:
    """One training, however often it is killed, gone on with, rolled back or copied."""

    folder: Path
    rng: random.Random
    kills: int = 0
    log: list[str] = field(default_factory=list)

    @property
    def reads(self) -> int:
        """Batches of records that were really read."""
        oracle = self.folder / "reads"
        return oracle.stat().st_size if oracle.exists() else 0

    def errors(self) -> list[str]:
        """What children that failed had to say."""
        return [path.read_text() for path in sorted(self.folder.glob("error-*"))]

    def start(self, job: Callable[[Path, str], None], checkpoint: str = "checkpoint") -> int:
        """A child at work; its id."""
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            with _counted(self.folder / "reads"), _silent(), _every_lease():
                job(self.folder, checkpoint)
            code = 0
        except BaseException:
            (self.folder / f"error-{os.getpid()}").write_text(traceback.format_exc())
        finally:
            os._exit(code)

    def end(self, pid: int, wait: float | None) -> bool:
        """Wait, then kill it if it is still at work; whether it was killed."""
        if wait is None:
            _, status = os.waitpid(pid, 0)
        else:
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)  # a child that has ended is still there to be waited for
            _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status)
        self.kills += killed
        self.log.append("killed" if killed else f"exit {os.WEXITSTATUS(status)}")
        return killed

    def check(self) -> None:
        """The ledger is whole, counts every read, and at most one lease too much for each kill."""
        ledger = PrivacyLedger(self.folder / "ledger.sqlite")
        ledger.verify()
        release = [e.touch for e in ledger.entries() if e.touch.scope is Scope.RELEASE]
        by_run: dict[str, int] = {}
        for t in release:
            if t.mechanism is not None and t.mechanism.name == "poisson_gaussian":
                by_run[t.run] = by_run.get(t.run, 0) + t.mechanism.steps
        charged = sum(by_run.values())
        assert charged >= self.reads, f"{charged} charged, {self.reads} read: {self.log}"
        assert charged <= self.reads + LEASE * self.kills, (charged, self.reads, self.log)
        for run in by_run:
            paid = [t.mechanism for t in release if t.run == run and t.kind is TouchKind.ACCOUNTED]
            assert epsilon([m for m in paid if m], DELTA) <= EPSILON
        left = [p.name for p in self.folder.iterdir() if p.name.startswith(".model")]
        assert not left or self.kills


def play(folder: Path, rng: random.Random, duration: float, kills: int) -> int:
    """Kill one training up to `kills` times, with all that may happen in between; kills made."""
    game = Round(folder, rng)
    checkpoint = folder / "checkpoint"
    game.end(game.start(train), rng.uniform(0.0, 1.1) * duration)
    game.check()
    old = folder / "old"
    while game.kills < kills and checkpoints.exists(checkpoint):
        if not old.exists():
            shutil.copytree(checkpoint, old)
        match rng.choice(("resume", "resume", "roll back", "twins")):
            case "roll back":
                shutil.rmtree(checkpoint)
                shutil.copytree(old, checkpoint)
                pids = [game.start(resume)]
            case "twins":
                twin = f"twin{game.kills}"
                shutil.copytree(checkpoint, folder / twin, dirs_exist_ok=True)
                pids = [game.start(resume), game.start(resume, twin)]
            case _:
                pids = [game.start(resume)]
        killed = [game.end(pid, rng.uniform(0.0, 0.6) * duration) for pid in pids]
        game.check()
        if not any(killed):
            break
    if checkpoints.exists(checkpoint) and not (folder / "model-checkpoint").exists():
        game.end(game.start(resume), None)
        game.check()
        assert (folder / "model-checkpoint").exists(), [*game.log, *game.errors()]
        api.load(folder / "model-checkpoint")
    return game.kills


def play_whole(folder: Path, rng: random.Random) -> int:
    """Train and go on from the command line, killed at any moment; kills made."""
    rows().to_csv(folder / "rows.csv", index=False)
    (folder / "schema.toml").write_text(SCHEMA.to_toml())
    recipe = f"steps = {STEPS}\nbatch_size = 30\nhidden = [8]\nlatent = 2\n"
    (folder / "recipe.toml").write_text(recipe)
    base = [
        sys.executable,
        "-c",
        _COMMAND,
        "--quiet",
        "train",
        "rows.csv",
        "--ledger",
        "l.sqlite",
    ]
    begin = [
        *base,
        "--schema",
        "schema.toml",
        "--config",
        "recipe.toml",
        "--model",
        "vae",
        "--epsilon",
        str(EPSILON),
        "--delta",
        str(DELTA),
        "--checkpoint",
        "c",
        "--out",
        "m",
    ]
    go_on = [*base, "--resume", "c", "--out", "m"]
    killed = 0
    for command in (begin, go_on):
        if command is go_on and not checkpoints.exists(folder / "c"):
            break
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(1.0, 8.0))
        except subprocess.TimeoutExpired:
            process.kill()
        killed += process.wait() == -signal.SIGKILL
        ledger = PrivacyLedger(folder / "l.sqlite")
        ledger.verify()
        steps = [e.touch.mechanism for e in ledger.entries() if e.touch.purpose.startswith("priv")]
        charged = sum(m.steps for m in steps if m)
        kept = checkpoints.read(folder / "c").info.done if checkpoints.exists(folder / "c") else 0
        assert kept <= charged <= STEPS
        assert charged <= kept + LEASE * (killed + 1)
    return killed


def usual_duration(folder: Path) -> float:
    """Seconds of a training that nobody kills; it warms what the children inherit."""
    folder.mkdir()
    train(folder)
    started = time.monotonic()
    (folder / "again").mkdir()
    train(folder / "again")
    return time.monotonic() - started


def _counted(path: Path) -> mock._patch[Callable[..., object]]:
    plain = table._batches

    def batches(*arguments: object) -> Callable[[np.ndarray], object]:
        batch = plain(*arguments)  # type: ignore[arg-type]

        def read(chosen: np.ndarray) -> object:
            descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.write(descriptor, b".")
            os.close(descriptor)
            return batch(chosen)

        return read

    return mock.patch.object(table, "_batches", batches)


def _every_lease() -> mock._patch[float]:
    """Keep the state after each lease, though steps as small as these are over sooner."""
    return mock.patch.object(fit, "KEPT_SHARE", float("inf"))


@contextmanager
def _silent() -> Iterator[None]:
    """Warnings of how many steps are left belong to nobody here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
