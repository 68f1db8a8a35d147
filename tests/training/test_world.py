"""Several processes at one training: one ledger, one noise, shares that do not overlap."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch import nn

from genaudit import api
from genaudit.errors import OptionError
from genaudit.ledger import PrivacyLedger, Scope, Touch
from genaudit.models.base import Phase
from genaudit.training import fit, table
from genaudit.training.book import Book
from genaudit.training.dp import step as steps
from genaudit.training.dp.unit import Units
from genaudit.training.world import ALONE, World
from tests import worlds
from tests.kills import DELTA, EPSILON, LEASE, SCHEMA, STEPS, rows


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads do not survive a fork."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _train(folder: Path, model: str = "gan") -> Callable[[int], None]:
    """A job: train, write down which rows this process read and when, and the weights it got."""
    batches, lease = table._batches, Book.lease

    def leased(self: Book, *arguments: object) -> int:
        granted = lease(self, *arguments)  # type: ignore[arg-type]
        with (folder / "leases").open("a") as file:
            file.write(f"{time.monotonic_ns()}\n")
        return granted

    def job(rank: int) -> None:
        Book.lease = leased  # type: ignore[method-assign,assignment]
        read: list[tuple[int, list[int]]] = []

        def counted(*arguments: object) -> Callable[[np.ndarray], object]:
            batch = batches(*arguments)  # type: ignore[arg-type]

            def reading(chosen: np.ndarray) -> object:
                read.append((time.monotonic_ns(), chosen.tolist()))
                (folder / f"reads-{rank}").write_text(json.dumps(read))
                return batch(chosen)

            return reading

        table._batches = counted  # type: ignore[assignment]
        trained = api.train(
            rows(), SCHEMA, model=model, epsilon=EPSILON, delta=DELTA, steps=STEPS, batch_size=30,
            ledger=folder / "ledger.sqlite", hidden=(8,), components=8, fit_steps=12,
        )  # fmt: skip
        made = trained.sampler.log_shares, trained.sampler.log_weights
        (folder / f"weights-{rank}").write_bytes(b"".join(t.tobytes() for t in made))
        (folder / f"touches-{rank}").write_text(repr(trained.touches))

    return job


def _touches(folder: Path) -> list[Touch]:
    same = {"time": "", "run": "", "digest": "", "holder": None}
    entries = PrivacyLedger(folder / "ledger.sqlite").entries()
    return [e.touch.model_copy(update=same) for e in entries]


def _played(folder: Path, size: int, model: str = "gan") -> list[Touch]:
    folder.mkdir()
    codes = worlds.codes(worlds.play(size, _train(folder, model), folder))
    assert codes == [0] * size, [p.read_text() for p in folder.glob("error-*")]
    return _touches(folder)


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """The ledger is that of one process; shares of records are disjoint; all get one model."""
    alone = _played(tmp_path / "one", 1)
    folder = tmp_path / "two"

    assert _played(folder, 2) == alone
    assert (folder / "weights-0").read_bytes() == (folder / "weights-1").read_bytes()
    assert (folder / "touches-0").read_text() == (folder / "touches-1").read_text()
    read = [json.loads((folder / f"reads-{rank}").read_text()) for rank in range(2)]
    mine, other = ({row for _, chosen in r for row in chosen} for r in read)
    assert not mine & other
    assert len(mine | other) > 290
    assert [len(r) for r in read] == [STEPS, STEPS]
    durable = [int(line) for line in (folder / "leases").read_text().split()]
    for one in read:
        assert all(when > durable[i // LEASE] for i, (when, _) in enumerate(one))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gan", "vae"])
def test_four_processes_train_one_model(tmp_path: Path, model: str) -> None:
    """The same with four."""
    assert _played(tmp_path / "four", 4, model) == _played(tmp_path / "one", 1, model)
    weights = {(tmp_path / "four" / f"weights-{rank}").read_bytes() for rank in range(4)}
    assert len(weights) == 1


def test_a_killed_process_leaves_a_true_ledger(tmp_path: Path) -> None:
    """The others end soon, with one sentence; all that was read is charged, and a lease at most."""
    pids = worlds.play(2, _slowly(_train(tmp_path)), tmp_path)
    while not (tmp_path / "reads-1").exists():
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(pids[1], signal.SIGKILL)
    codes = worlds.codes(pids)
    release = [t for t in _touches(tmp_path) if t.scope is Scope.RELEASE and t.mechanism]
    charged = sum(
        t.mechanism.steps for t in release if t.mechanism and "poisson" in t.mechanism.name
    )
    read = len(json.loads((tmp_path / "reads-0").read_text()))

    assert codes == [2, -signal.SIGKILL]
    assert "Another process of this training has ended" in (tmp_path / "error-0").read_text()
    assert read <= charged <= read + LEASE
    PrivacyLedger(tmp_path / "ledger.sqlite").verify()


def _slowly(job: Callable[[int], None]) -> Callable[[int], None]:
    plain = steps.PrivateStep.__call__

    def slow(self: steps.PrivateStep, *arguments: object) -> None:
        time.sleep(0.05)
        plain(self, *arguments)  # type: ignore[arg-type]

    def patched(rank: int) -> None:
        steps.PrivateStep.__call__ = slow  # type: ignore[method-assign,assignment]
        job(rank)

    return patched


@pytest.mark.parametrize("known", ["draws", "noise"])
def test_equally_seeded_processes_are_refused(tmp_path: Path, known: str) -> None:
    """A whole training in which one stream starts alike in two processes takes no step."""
    made = steps.Streams.of

    def alike(device: str, **_: object) -> steps.Streams:
        """One of the streams as in every other process."""
        honest = made(device)
        if known == "draws":
            return steps.Streams(np.random.default_rng(7), honest.rows, honest.noise)
        return steps.Streams(honest.draws, honest.rows, torch.Generator().manual_seed(7))

    train = _train(tmp_path)

    def job(rank: int) -> None:
        steps.Streams.of = alike  # type: ignore[method-assign,assignment]
        train(rank)

    assert worlds.codes(worlds.play(2, job, tmp_path)) == [2, 2]
    for rank in range(2):
        assert "equally seeded" in (tmp_path / f"error-{rank}").read_text()
        assert not (tmp_path / f"reads-{rank}").exists()


def test_processes_with_other_records_are_refused(tmp_path: Path) -> None:
    """Shares of different files would overlap: nothing is trained, and no release charged."""

    def job(rank: int) -> None:
        mine = rows().drop(index=rank).reset_index(drop=True)
        api.train(
            mine, SCHEMA, model="gan", epsilon=EPSILON, delta=DELTA, steps=STEPS, batch_size=30,
            ledger=tmp_path / "ledger.sqlite", hidden=(8,),
        )  # fmt: skip

    assert worlds.codes(worlds.play(2, job, tmp_path)) == [2, 2]
    for rank in range(2):
        assert "the same records" in (tmp_path / f"error-{rank}").read_text()
    assert not [t for t in _touches(tmp_path) if t.scope is Scope.RELEASE]


def test_weights_that_differ_are_refused(tmp_path: Path) -> None:
    """Processes whose weights have come apart do not go on."""

    def job(rank: int) -> None:
        layer = nn.Linear(2, 2)
        with torch.no_grad():
            layer.weight.fill_(rank)
        World.of_environment().check_same([layer])

    assert worlds.codes(worlds.play(2, job, tmp_path)) == [2, 2]
    assert "weights of the processes" in (tmp_path / "error-1").read_text()


def test_plain_training_is_for_one_process() -> None:
    """It has no sum to share."""
    with pytest.raises(OptionError, match="without torchrun"):
        fit.fit(
            fit.Recipe.of(family="vae"), fit.Dataset.of(rows(), SCHEMA, "train"),
            world=World(0, 2),
        )  # fmt: skip


def test_alone_is_a_world_of_its_own() -> None:
    """One process has every unit, sums nothing and shares with itself."""
    t = torch.ones(3)
    ALONE.add_up([t])

    assert t.tolist() == [1, 1, 1]
    assert ALONE.share(b"x") == b"x"
    assert ALONE.share_number(300) == 300
    assert [World(r, 3).mine(10) for r in range(3)] == [slice(r, 10, 3) for r in range(3)]


def _sums(folder: Path, rate: float, sigma: float, n_steps: int) -> Callable[[int], None]:
    """A job: the noisy sums of clipped gradients of many steps, before anything is divided."""

    def job(rank: int) -> None:
        world = World.of_environment()
        torch.manual_seed(0)
        module = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
        data = torch.randn(200, 3)
        phase = Phase(
            name="test", private=module, steps=n_steps, rows=lambda r, *_: (r,),
            losses=lambda r: module(r).square().sum(1), optimizer=optimizer,
            public_step=lambda: {},
        )  # fmt: skip
        units = Units(np.arange(200)[:, None], np.ones((200, 1), dtype=bool))
        found: list[list[float]] = []
        optimizer.register_step_pre_hook(
            lambda *_: found.append(torch.cat([p.grad.reshape(-1) for p in module.parameters()
                                               if p.grad is not None]).tolist())
        )  # fmt: skip
        take = steps.stepper(
            phase, lambda chosen: (data[chosen], torch.zeros(len(chosen), 0)),
            units.part(world.mine(200)), sampling_rate=rate, noise_multiplier=sigma,
            max_grad_norm=1.0, divisor=1, streams=steps.Streams.of("cpu"), world=world,
        )  # fmt: skip
        for _ in range(n_steps):
            take()
        (folder / f"sums-{rank}").write_text(json.dumps(found))

    return job


def _found(folder: Path, size: int, rate: float, sigma: float, n_steps: int) -> np.ndarray:
    folder.mkdir()
    codes = worlds.codes(worlds.play(size, _sums(folder, rate, sigma, n_steps), folder))
    assert codes == [0] * size, [p.read_text() for p in folder.glob("error-*")]
    texts = {(folder / f"sums-{rank}").read_text() for rank in range(size)}
    assert len(texts) == 1, "every process gets the same bits"
    return np.array(json.loads(texts.pop()))


def test_noise_is_added_once(tmp_path: Path) -> None:
    """Where hardly a record is drawn, two processes' sum is one noise; empty draws join in."""
    sums = _found(tmp_path / "two", 2, 1e-9, 2.0, 150)

    # 1,200 numbers: the standard deviation of one Gaussian, to within 6 of its own errors.
    assert abs(sums.std() / 2.0 - 1) < 6 / np.sqrt(2 * sums.size)


@pytest.mark.slow
def test_sums_have_one_distribution(tmp_path: Path) -> None:
    """Clipped sums of one, two and four processes have the same distribution."""
    found = {n: _found(tmp_path / str(n), n, 0.1, 1e-3, 300) for n in (1, 2, 4)}

    for n in (2, 4):
        for j in range(found[1].shape[1]):
            assert ks_2samp(found[1][:, j], found[n][:, j]).pvalue > 1e-9
    # The test can fail: half of the records give another distribution.
    half = _found(tmp_path / "half", 1, 0.05, 1e-3, 300)
    assert min(ks_2samp(found[1][:, j], half[:, j]).pvalue for j in range(half.shape[1])) < 1e-9


def test_a_number_of_processes_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray WORLD_SIZE is named."""
    for size in ("abc", "0"):
        monkeypatch.setenv("WORLD_SIZE", size)
        with pytest.raises(OptionError, match=f"WORLD_SIZE.*'{size}'"):
            World.of_environment()
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(OptionError, match="RANK='1' for one process"):
        World.of_environment()
