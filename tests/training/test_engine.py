"""Opacus's engine with book-keeping: the same training, and refusals that say what to use."""

from __future__ import annotations

import copy
import warnings
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from long import all_but
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from genaudit.errors import GenauditWarning, OptionError
from genaudit.training.dp.clipping.module import BookKeepingModule
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


class _Weighed(nn.CrossEntropyLoss):
    """Each loss as a share of the mean loss, through which no gradient flows."""

    def forward(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        found = nn.functional.cross_entropy(out, y, reduction="none")
        found = found / found.detach().mean()
        return found if self.reduction == "none" else found.mean()


def _private(criterion: nn.Module, inner: nn.Module) -> tuple[nn.Module, Any]:
    data = TensorDataset(torch.randn(40, 5), torch.randint(0, 2, (40,)))
    module, _, criterion, _ = BookKeepingEngine().make_private(
        module=inner, optimizer=torch.optim.SGD(inner.parameters(), 0.1), criterion=criterion,
        data_loader=DataLoader(data, batch_size=20), noise_multiplier=0.0, max_grad_norm=0.1,
    )  # fmt: skip
    return module, criterion


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("alone", [False, True])
def test_a_criterion_that_mixes_records_is_refused(alone: bool) -> None:
    """Where no gradient flows, too; beside layers that are read and one that is run row by row."""
    inner = _Tied() if alone else nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))
    module, criterion = _private(_Weighed(), inner)

    with pytest.raises(OptionError, match="depends on other records"):
        criterion(module(torch.randn(20, 5)), torch.randint(0, 2, (20,))).backward()


class _Tied(nn.Module):
    """A weight that is used outside of its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.tanh(self.one(x)) @ self.one.weight)


def test_what_stands_before_a_criterion_is_not_tried(recwarn: pytest.WarningsRecorder) -> None:
    """Something between module and criterion is said once; an evaluation says nothing."""
    module, criterion = _private(nn.NLLLoss(), nn.Linear(5, 2))
    x, y = torch.randn(20, 5), torch.randint(0, 2, (20,))
    recwarn.clear()
    with torch.no_grad():
        criterion(module(x).log_softmax(1), y)
    assert not recwarn

    with pytest.warns(GenauditWarning, match="Between the module and its criterion"):
        criterion(module(x).log_softmax(1), y).backward()
    criterion(module(x).log_softmax(1), y).backward()


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


def _prepared(module: nn.Module, noise_multiplier: float) -> tuple[BookKeepingModule, Any]:
    return BookKeepingEngine().prepare(
        module, torch.optim.SGD(module.parameters(), 1.0), noise_multiplier=noise_multiplier,
        max_grad_norm=1.0, divisor=1, noise=torch.Generator().manual_seed(0),
    )  # fmt: skip


def test_each_number_has_noise_of_its_own() -> None:
    """Parameters of different precision and shape move by numbers that do not repeat."""
    module = nn.Sequential(nn.Linear(30, 40), nn.Linear(30, 40), nn.Linear(3, 5).double())
    before = [p.detach().clone() for p in module.parameters()]
    watched, optimizer = _prepared(module, 1.0)

    watched.clipped_sum(lambda x: x.sum(1), (torch.zeros(0, 30),))
    optimizer.step()

    after = [p.detach() for p in module.parameters()]
    moved = torch.cat([(a - b).flatten() for a, b in zip(after, before, strict=True)]).double()
    assert len(moved.unique()) > 0.99 * len(moved)
    assert abs(float(moved.std()) - 1) < 0.05  # 2,500 numbers: an error of 1.4%


def test_a_batch_in_two_parts_is_one_step() -> None:
    """Sums of a skipped step go into the next, whatever is zeroed in place between them."""
    torch.manual_seed(0)
    start, x = nn.Linear(4, 1), torch.randn(10, 4)
    found = []
    for parts in ([x], [x[:3], x[3:]]):
        module = copy.deepcopy(start)
        watched, optimizer = _prepared(module, 0.0)
        for i, part in enumerate(parts):
            optimizer.signal_skip_step(do_skip=i + 1 < len(parts))
            watched.clipped_sum(lambda rows, m=module: m(rows).squeeze(1), (part,))
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        found.append(module.weight.detach())
    assert torch.allclose(*found, atol=1e-6)


def test_a_second_step_on_the_same_sum_is_refused() -> None:
    """As by Opacus: its noise would be drawn twice for one sum."""
    module = nn.Linear(4, 1)
    watched, optimizer = _prepared(module, 1.0)
    watched.clipped_sum(lambda rows: module(rows).squeeze(1), (torch.randn(5, 4),))
    optimizer.step()
    with pytest.raises(ValueError, match="zero_grad"):
        optimizer.step()


class _OwnGru(nn.GRU):
    """A subclass may compute something else."""


def test_misuse_of_the_engine_is_a_sentence() -> None:
    """Foreign parameters, a subclass of GRU, and a step before any sum: each named."""
    options = {"noise_multiplier": 0.0, "max_grad_norm": 1.0, "divisor": 1,
               "noise": torch.Generator()}  # fmt: skip
    module, other = nn.Linear(3, 1), nn.Linear(3, 1)
    both = torch.optim.SGD([*module.parameters(), *other.parameters()], lr=0.1)
    with pytest.raises(OptionError, match="the module's own parameters"):
        BookKeepingEngine().prepare(module, both, **options)
    recurrent = nn.Sequential(_OwnGru(3, 4))
    with pytest.raises(OptionError, match=r"'0' \(_OwnGru\).*only torch's own GRU"):
        BookKeepingEngine().validate(module=recurrent)
    own = torch.optim.SGD(module.parameters(), lr=0.1)
    _, optimizer = BookKeepingEngine().prepare(module, own, **options)
    with pytest.raises(OptionError, match="before each step"):
        optimizer.step()


def test_a_layer_that_is_thawed_later_is_trained() -> None:
    """What was frozen when the optimizer was made takes part once it is not."""
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    module[0].requires_grad_(False)
    watched, optimizer = BookKeepingEngine().prepare(
        module, torch.optim.SGD(module.parameters(), lr=0.1), noise_multiplier=0.0,
        max_grad_norm=1.0, divisor=1, noise=torch.Generator(),
    )  # fmt: skip
    before = module[0].weight.clone()
    for frozen in (True, False):
        module[0].requires_grad_(not frozen)
        with nullcontext() if frozen else pytest.warns(GenauditWarning, match="run alone"):
            watched.clipped_sum(lambda x: module(x).squeeze(1), (torch.ones(2, 3),))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        assert torch.equal(module[0].weight, before) == frozen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("by_engine", [True, False])
def test_a_bound_that_is_lowered_holds_for_clip_and_noise(by_engine: bool) -> None:
    """What schedulers of the clip set is what is clipped at, and what the noise is scaled by."""
    torch.manual_seed(0)
    module = nn.Linear(40, 40, bias=False)
    sgd = torch.optim.SGD(module.parameters(), lr=0.0)
    if by_engine:
        watched, optimizer, *_ = BookKeepingEngine().make_private(
            module=module, optimizer=sgd, noise_multiplier=1.0, max_grad_norm=0.5,
            data_loader=DataLoader(TensorDataset(torch.ones(9, 40)), batch_size=1),
            loss_reduction="sum",
        )  # fmt: skip
    else:
        watched, optimizer = BookKeepingEngine().prepare(
            module, sgd, noise_multiplier=1.0, max_grad_norm=0.5, divisor=1,
            noise=torch.Generator().manual_seed(0),
        )  # fmt: skip
    optimizer.max_grad_norm = 0.005

    watched.clipped_sum(lambda x: module(x).sum(1), (torch.ones(1, 40),))
    assert module.weight.grad.norm() == pytest.approx(0.005, rel=1e-3)
    optimizer.step()
    assert module.weight.grad.std() == pytest.approx(0.005, rel=0.1)


_DATA = TensorDataset(torch.randn(40, 5), torch.randint(0, 2, (40,)))


def _made_private(engine: str, **loader: Any) -> DataLoader[Any]:
    inner = nn.Linear(5, 2)
    make = getattr(BookKeepingEngine(), engine)
    noise = {"noise_multiplier": 1.0} if engine == "make_private" else {
        "target_epsilon": 3.0, "target_delta": 1e-3, "epochs": 1}  # fmt: skip
    return make(
        module=inner, optimizer=torch.optim.SGD(inner.parameters(), 0.1),
        criterion=nn.CrossEntropyLoss(), data_loader=DataLoader(_DATA, **loader),
        max_grad_norm=1.0, grad_sample_mode="ghost", **noise,
    )[-1]  # fmt: skip


class _OwnBatches(BatchSampler):
    """Batches of somebody's own making."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "engine", all_but({"make_private"}, ["make_private", "make_private_with_epsilon"])
)
@pytest.mark.parametrize(
    ("sampler", "named"),
    [
        (WeightedRandomSampler([0.9] * 4 + [0.1] * 36, 40), "WeightedRandomSampler"),
        (SubsetRandomSampler(range(20)), "SubsetRandomSampler"),
        (RandomSampler(_DATA, replacement=True, num_samples=400), "with replacement"),
        (_OwnBatches(SequentialSampler(_DATA), 20, drop_last=False), "_OwnBatches"),
    ],
)
def test_a_sampler_that_would_be_dropped_is_refused(
    engine: str, sampler: Sampler[Any], named: str
) -> None:
    """Opacus would take uniform draws in place of it, at a rate that it changed, silently."""
    whole = isinstance(sampler, BatchSampler)
    loader = {"batch_sampler": sampler} if whole else {"sampler": sampler, "batch_size": 20}

    with pytest.raises(OptionError, match=named) as said:
        _made_private(engine, **loader)
    assert "genaudit mitigate" in str(said.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_without_a_sampler_of_its_own_is_taken(shuffle: bool) -> None:
    """Whether it shuffles or not: Poisson draws take its place, one record in two."""
    loader = _made_private("make_private", shuffle=shuffle, batch_size=20)

    assert loader.sample_rate == 0.5


def test_another_mode_is_refused() -> None:
    """Book-keeping is all that this engine does."""
    module = nn.Linear(3, 1)
    options = {
        "module": module, "optimizer": torch.optim.SGD(module.parameters(), lr=0.1),
        "noise_multiplier": 1.0, "max_grad_norm": 1.0,
        "data_loader": DataLoader(TensorDataset(torch.ones(9, 3)), batch_size=1),
    }  # fmt: skip
    with pytest.raises(OptionError, match="grad_sample_mode='ghost'"):
        BookKeepingEngine().make_private(grad_sample_mode="hooks", **options)
    with pytest.raises(OptionError, match="flat clipping"):
        BookKeepingEngine().make_private(clipping="per_layer", **options)
