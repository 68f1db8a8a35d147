"""Canaries in a whole training: an honest one keeps to its claim, a faulty one is found out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from genaudit.training.dp.selfcheck import planted
from genaudit.training.dp.selfcheck.ours import OurTrainer
from genaudit.training.dp.selfcheck.planted import Bounds, Plant

Cli = Callable[..., tuple[int, str, str]]

DELTA = 1e-6


def _made(epsilon: float = 4.0, family: str = "vae", **more: int) -> tuple[OurTrainer, Plant]:
    options = {"canaries": 1000, "ordinary": 100, "steps": 15, **more}
    return planted.trainer(
        family, rng=np.random.default_rng(0), epsilon=epsilon, delta=DELTA, hidden=(4,), **options
    )


def _bounds(trained: OurTrainer, plant: Plant) -> Bounds:
    return planted.bounds(trained, plant, delta=DELTA)


def test_canaries_are_units_of_the_training() -> None:
    """They count as any other, so rate and noise are those of a training with as many records."""
    trained, plant = _made()
    n = 100 + int(plant.members.sum())

    assert len(trained.stepper.units) == n
    assert trained.promise.sampling_rate == pytest.approx(round(0.2 * n) / n)


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_gradients_lie_along_axes(family: str) -> None:
    """Clipped, a canary is its own unit vector; others do not show there."""
    trained, plant = _made(family=family)
    units = trained.units()
    canaries = tuple(a[100:105] for a in units)
    bound, m = trained.promise.max_grad_norm, len(plant.members)
    assert bound is not None
    nobody = trained.clipped_sum(tuple(a[:0] for a in units))
    expected = np.zeros(m)
    expected[np.flatnonzero(plant.members)[:5]] = bound

    assert np.linalg.norm(trained.per_sample_grads(canaries), axis=1) == pytest.approx(10 * bound)
    assert (trained.clipped_sum(canaries) - nobody)[1 : m + 1] == pytest.approx(expected, rel=1e-5)
    ordinary = trained.clipped_sum(tuple(a[:20] for a in units))
    assert not ordinary[1 : m + 1].any()
    assert np.abs(ordinary - nobody).sum() > 0


def test_honest_training_keeps_to_its_claim() -> None:
    """No bound is above what the training claims, and none is empty."""
    torch.manual_seed(0)
    found = _bounds(*_made())

    assert found.claimed == pytest.approx(4.0, rel=0.01)
    assert 0 < found.free < found.claimed < found.ceiling
    assert 0 < found.gaussian < found.claimed
    assert 0.3 * found.claimed < found.sampled <= 1.1 * found.claimed


def test_half_of_the_noise_is_found() -> None:
    """With half of the noise the bound is above the claim, and near the truth."""
    trained, plant = _made()
    trained.stepper.step.optimizer.noise_multiplier /= 2
    found = _bounds(trained, plant)

    assert found.sampled > 1.3 * found.claimed


def test_no_clipping_is_found() -> None:
    """Ten times the bound refutes the claim with no model at all."""
    trained, plant = _made(epsilon=2.0)
    step = trained.stepper.step
    step.optimizer.watched = None  # the noise keeps the bound that it was made for
    step._watched.max_grad_norm = 1e9
    found = _bounds(trained, plant)

    assert found.free > found.claimed
    assert found.sampled > 5 * found.claimed


def test_command_line(run_cli: Cli) -> None:
    """Few canaries are refused in one sentence; so is a trainer beside them."""
    few = run_cli("selfcheck", "--canaries", 10)
    both = run_cli("selfcheck", "pathlib:Path", "--canaries", 500)

    assert few[0] == both[0] == 2
    assert "at least 200 canaries" in few[2]
    assert "alone" in both[2]


def test_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Honest trainings pass, with both bounds in the sentence."""
    monkeypatch.setattr(planted, "_CLAIMS", (4.0,))
    monkeypatch.setattr(planted, "_STEPS", 15)

    (outcome,) = planted.examined(400)

    assert outcome.status == "passed"
    assert "model-based" in outcome.said.english
