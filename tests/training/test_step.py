"""Is a private step what it claims to be: clipping, noise, empty batches, independence of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from genaudit.errors import DivergenceError
from genaudit.modalities.table.nets import TableNets
from genaudit.models.base import Phase, Reference, Tuning
from genaudit.models.gan import Gan
from genaudit.models.pairs import Pairs
from genaudit.models.vae import Vae
from genaudit.training.dp.step import PrivateStep, Streams, stepper, system_rng
from genaudit.training.dp.unit import Units

BLOCKS, GIVEN = (3, 2), (2,)
CLIP = 0.5


def _phase(family: type[Gan | Vae]) -> Phase:
    nets = TableNets(BLOCKS, GIVEN, hidden=(8, 8), latent=4)
    reference = Reference(
        conditions=torch.eye(2), weights=torch.tensor([0.5, 0.5]),
        marginals=tuple(np.full(k, 1 / k) for k in (*BLOCKS, *GIVEN)),
        pairs=Pairs.of(nets.mixture(), [np.full(k, 1 / k) for k in (*BLOCKS, *GIVEN)],
                       np.ones(3), []),
    )  # fmt: skip
    tuning = Tuning(steps=3, n_fakes=6, learning_rate=0.01, private_learning_rate=0.01)
    torch.manual_seed(0)
    made = family(nets, reference, tuning, torch.Generator().manual_seed(0))
    # Steep weights, so that every gradient is beyond the bound.
    with torch.no_grad():
        for p in made.phases()[0].private.parameters():
            p.mul_(5)
    return made.phases()[0]


def _records(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(n)
    nets = TableNets(BLOCKS, GIVEN, hidden=(8,), latent=4)
    digits = np.column_stack([rng.integers(0, k, n) for k in BLOCKS])
    cells = torch.as_tensor(rng.integers(0, 2, (n, 1)))
    return nets.one_hot(torch.as_tensor(digits)), nets.one_hot_condition(cells)


def _step(phase: Phase, *, sigma: float = 0.0) -> PrivateStep:
    return PrivateStep(
        phase, noise_multiplier=sigma, max_grad_norm=CLIP, divisor=10,
        noise=torch.Generator().manual_seed(1),
    )  # fmt: skip


def _summed(step: PrivateStep, rows: tuple[torch.Tensor, ...]) -> torch.Tensor:
    step.accumulate(rows)
    return torch.cat([p.grad.flatten().clone() for p in step.phase.private.parameters()])


def _naive(phase: Phase, rows: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Clipped gradients one row at a time."""
    parameters = list(phase.private.parameters())
    total = torch.zeros(sum(p.numel() for p in parameters))
    for i in range(len(rows[0])):
        loss = phase.losses(*(r[i : i + 1] for r in rows)).sum()
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
        total += flat * min(1.0, CLIP / (float(flat.norm()) + 1e-6))
    return total


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("family", [Gan, Vae])
def test_sum_of_clipped_gradients(family: type[Gan | Vae]) -> None:
    """The sum equals one that clips row by row; one more record moves it by the bound at most."""
    phase = _phase(family)
    step = _step(phase)
    noise = torch.Generator().manual_seed(3)
    rows = phase.rows(*_records(5), noise)
    extreme = tuple(torch.cat([100 * r[:1], r]) for r in rows)

    whole = _summed(step, rows)
    moved = (_summed(step, extreme) - whole).norm()

    assert torch.allclose(whole, _naive(phase, rows), atol=1e-5)
    assert float(moved) <= CLIP * (1 + 1e-5)
    assert float(moved) > 0


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_not_finite_rows_leave_no_trace() -> None:
    """A row that overflows is left out; the sum is that of the others."""
    phase = _phase(Gan)
    step = _step(phase)
    pairs, real = phase.rows(*_records(4), torch.Generator())
    broken = torch.cat([torch.full_like(pairs[:1], float("inf")), pairs])

    with_it = _summed(step, (broken, torch.cat([real[:1], real])))

    assert torch.isfinite(with_it).all()
    assert torch.allclose(with_it, _summed(step, (pairs, real)), atol=1e-6)


@pytest.mark.parametrize("family", [Gan, Vae])
def test_noise_has_the_promised_scale(family: type[Gan | Vae]) -> None:
    """Noise on the sum has standard deviation sigma times the bound, before the public divisor."""
    phase = _phase(family)
    step = _step(phase, sigma=3.0)
    seen: list[torch.Tensor] = []
    step.optimizer.original_optimizer.step = lambda: seen.append(  # type: ignore[method-assign]
        torch.cat([p.grad.flatten().clone() for p in phase.private.parameters()])
    )
    for _ in range(60):
        step(*_records(0), torch.Generator())

    noise = torch.stack(seen)
    noise = noise - noise.mean(0)
    expected = 3.0 * CLIP / 10
    assert noise.numel() > 5000
    assert abs(float(noise.std()) / expected - 1) < 0.05


@pytest.mark.parametrize("family", [Gan, Vae])
def test_empty_batches_step(family: type[Gan | Vae]) -> None:
    """A Poisson batch without records still takes a noisy step and stays finite."""
    phase = _phase(family)
    before = [p.detach().clone() for p in phase.private.parameters()]

    _step(phase, sigma=1.0)(*_records(0), torch.Generator())

    after = list(phase.private.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("family", [Gan, Vae])
def test_rows_do_not_influence_each_other(family: type[Gan | Vae]) -> None:
    """The loss of one row stays when another row changes: nothing mixes a batch."""
    phase = _phase(family)
    rows = phase.rows(*_records(5), torch.Generator())
    changed = tuple(torch.cat([7 * r[:1], r[1:]]) for r in rows)

    assert torch.allclose(phase.losses(*rows)[1:], phase.losses(*changed)[1:])


def test_generator_step_leaves_the_private_module_alone() -> None:
    """The generator learns through the discriminator, whose weights and gradients stay."""
    phase = _phase(Gan)
    step = _step(phase, sigma=1.0)
    step(*_records(4), torch.Generator())
    before = [p.detach().clone() for p in phase.private.parameters()]

    phase.public_step()

    assert all(torch.equal(a, b) for a, b in zip(before, phase.private.parameters(), strict=True))
    assert all(p.grad is None for p in phase.private.parameters())
    step(*_records(4), torch.Generator())


def test_poisson_batches() -> None:
    """Every record is in a batch with the sampling rate, independently; sizes vary."""
    sizes: list[int] = []
    times = np.zeros(200)

    class _Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1)

    module: Any = _Counted()

    def batch(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        sizes.append(len(rows))
        times[rows] += 1
        return torch.ones(len(rows), 1), torch.ones(len(rows), 0)

    phase = Phase(
        "toy", module, 400, lambda x, *_: (x,), lambda x: module.linear(x).squeeze(1),
        torch.optim.SGD(module.parameters(), lr=0.01), dict,
    )  # fmt: skip
    rows = np.arange(200)[:, None]
    take = stepper(phase, batch, Units(rows, rows >= 0), sampling_rate=0.1, noise_multiplier=1.0,
                   max_grad_norm=1.0, divisor=20, streams=Streams.of("cpu"))  # fmt: skip
    for _ in range(400):
        take()

    # Five standard deviations of a binomial on either side; batches of one size would have none.
    assert abs(times.sum() - 8000) < 5 * np.sqrt(400 * 200 * 0.1 * 0.9)
    assert abs(np.std(sizes) - np.sqrt(18)) < 1.0
    assert times.std() > 3


def test_system_streams_differ() -> None:
    """Two streams of the operating system's entropy have nothing in common."""
    assert system_rng().integers(0, 2**63) != system_rng().integers(0, 2**63)


def test_divergence_is_an_error() -> None:
    """Weights that are no longer finite stop a private training with a sentence."""
    phase = _phase(Gan)
    step = _step(phase, sigma=1.0)
    step.optimizer.original_optimizer.step = lambda: next(  # type: ignore[method-assign]
        phase.private.parameters()
    ).data.fill_(float("nan"))

    with pytest.raises(DivergenceError, match="diverged"):
        step(*_records(4), torch.Generator())


@pytest.mark.parametrize("family", [Gan, Vae])
def test_empty_places_and_persons(family: type[Gan | Vae]) -> None:
    """Rows of a person are clipped together, and an empty place counts for nothing."""
    phase = _phase(family)
    phase = replace(phase, n_extra=phase.n_extra // 3 * 3)
    step = PrivateStep(
        phase, noise_multiplier=0.0, max_grad_norm=CLIP, divisor=10,
        noise=torch.Generator().manual_seed(1), cap=3,
    )  # fmt: skip
    rows = phase.rows(*_records(6), torch.Generator().manual_seed(3))
    filled = torch.tensor([True, True, False, True, True, True])
    step.accumulate(rows, filled)
    found = torch.cat([p.grad.flatten().clone() for p in phase.private.parameters()])

    parameters = list(phase.private.parameters())
    weights = torch.cat([filled.float(), torch.ones(phase.n_extra)])
    wanted = torch.zeros_like(found)
    for start in range(0, len(weights), 3):
        unit = slice(start, start + 3)
        loss = (phase.losses(*(r[unit] for r in rows)) * weights[unit]).sum()
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
        wanted += flat * min(1.0, CLIP / (float(flat.norm()) + 1e-6))
    assert torch.allclose(found, wanted, atol=1e-5)
