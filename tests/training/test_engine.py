"""Opacus's engine with book-keeping: the same training, and refusals that say what to use."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from genaudit.errors import OptionError
from genaudit.training.dp.engine import BookKeepingEngine


@pytest.mark.filterwarnings("ignore")
def test_make_private_trains_as_opacus_does() -> None:
    """`make_private` in ghost mode gives Opacus's weights after some steps without noise."""
    torch.manual_seed(0)
    x, y = torch.randn(200, 5), torch.randint(0, 2, (200,))
    start = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))
    found = []
    for engine in (BookKeepingEngine(), PrivacyEngine()):
        inner = copy.deepcopy(start)
        module, optimizer, criterion, _ = engine.make_private(
            module=inner, optimizer=torch.optim.SGD(inner.parameters(), 0.1),
            criterion=nn.CrossEntropyLoss(),
            data_loader=DataLoader(TensorDataset(x, y), batch_size=20),
            noise_multiplier=0.0, max_grad_norm=0.1, grad_sample_mode="ghost",
        )  # fmt: skip
        for _ in range(5):
            optimizer.zero_grad()
            criterion(module(x), y).backward()
            optimizer.step()
        found.append(list(inner.parameters()))
        assert engine.accountant.history == [(0.0, 0.1, 5)]

    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("layer", "instead"),
    [
        (nn.BatchNorm1d(4), "GroupNorm"),
        (nn.MultiheadAttention(4, 2), "Linear"),
        (nn.RNN(3, 3), "GRU"),
        (nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)), "weight_norm"),
        (nn.InstanceNorm1d(3, affine=True, track_running_stats=True), "running stats"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_refused_layers_are_named(layer: nn.Module, instead: str) -> None:
    """Layers that mix records are refused by name, with what to use instead."""
    with pytest.raises(OptionError, match=instead):
        BookKeepingEngine().validate(module=nn.Sequential(nn.Linear(3, 3), layer))


def test_old_spectral_norm_is_refused() -> None:
    """The older spelling of spectral norm is found too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = nn.utils.spectral_norm(nn.Linear(3, 3))
    with pytest.raises(OptionError, match=r"'0'.*weight_norm"):
        BookKeepingEngine().validate(module=nn.Sequential(layer))


@pytest.mark.parametrize("hardened", [False, True])
def test_noise_has_the_promised_scale(hardened: bool) -> None:
    """Either stream gives noise of the promised standard deviation on the sum."""
    module = nn.Linear(100, 200)
    watched, optimizer = BookKeepingEngine().prepare(
        module, torch.optim.SGD(module.parameters(), 1.0), noise_multiplier=2.0, max_grad_norm=0.5,
        divisor=10, noise=torch.Generator().manual_seed(0), hardened=hardened,
    )  # fmt: skip
    before = module.weight.detach().clone()

    watched.clipped_sum(lambda x: module(x).sum(1), (torch.zeros(0, 100),))
    optimizer.step()

    moved = (module.weight.detach() - before) * 10
    assert abs(float(moved.std()) / (2.0 * 0.5) - 1) < 0.02  # 20,000 numbers: an error of 0.5%
