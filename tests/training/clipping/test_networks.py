"""Random networks of every supported layer: the clipped sum is Opacus's, and a one-row loop's.

Random ones in double precision, where a small sum of large terms is still told from rounding; one
network of each kind in single precision, as trained.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import clipped_sum, far, gradients, norm
from opacus import GradSampleModule
from opacus.validators import ModuleValidator
from torch import nn

from genaudit.training.dp.clipping.module import BookKeepingModule

CLOSE = 1e-5

Networks = Callable[[], st.SearchStrategy[tuple[nn.Module, torch.Tensor]]]

layers, seeds = st.integers(1, 3), st.integers(0, 9)


@st.composite
def perceptrons(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    """Linear layers with norms between, on vectors or on vectors over time."""
    torch.manual_seed(draw(seeds))
    width, steps = draw(st.integers(2, 9)), draw(st.integers(0, 5))
    modules: list[nn.Module] = []
    d = draw(st.integers(1, 9))
    shape = (steps, d) if steps else (d,)
    for _ in range(draw(layers)):
        modules.append(nn.Linear(d, width, bias=draw(st.booleans())))
        if draw(st.booleans()):
            modules.append(nn.LayerNorm(width))
        modules.append(draw(st.sampled_from([nn.Tanh(), nn.ReLU(inplace=True), nn.GELU()])))
        d, width = width, draw(st.integers(2, 9))
    return nn.Sequential(*modules).double(), torch.randn(6, *shape).double()


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    """Convolutions and their transposes over one or two axes, in groups, with every stride."""
    torch.manual_seed(draw(seeds))
    axes = draw(st.sampled_from([1, 2]))
    kinds = [(nn.Conv1d, nn.ConvTranspose1d), (nn.Conv2d, nn.ConvTranspose2d)][axes - 1]
    channels = groups = draw(st.sampled_from([1, 2]))
    channels *= draw(st.integers(1, 3))
    x = torch.randn(6, channels, *[draw(st.integers(13, 14)) for _ in range(axes)])
    modules: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(kinds))
        wide, stride = groups * draw(st.integers(1, 4)), draw(st.integers(1, 2))
        kwargs = {"stride": stride, "padding": draw(st.integers(0, 1)), "groups": groups,
                  "dilation": draw(st.integers(1, 2)), "bias": draw(st.booleans())}  # fmt: skip
        if kind in (nn.ConvTranspose1d, nn.ConvTranspose2d):
            kwargs["output_padding"] = stride - 1
        modules += [kind(channels, wide, draw(st.integers(1, 3)), **kwargs)]
        if draw(st.booleans()):
            modules.append(nn.GroupNorm(groups, wide))
        modules.append(nn.Tanh())
        channels = wide
    return nn.Sequential(*modules).double(), x.double()


@st.composite
def sequences(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    """Embeddings of indices (repeated ones too), then GRU or LSTM over time."""
    torch.manual_seed(draw(seeds))
    words, width, hidden = draw(st.integers(2, 9)), draw(st.integers(1, 5)), draw(st.integers(1, 6))
    kind = draw(st.sampled_from([nn.GRU, nn.LSTM]))
    recurrent = kind(
        width, hidden, num_layers=draw(st.integers(1, 2)), batch_first=True,
        bidirectional=draw(st.booleans()),
    )  # fmt: skip
    module = nn.Sequential(nn.Embedding(words, width), recurrent, _First())
    return module.double(), torch.randint(0, words, (6, draw(st.integers(1, 7))))


class _First(nn.Module):
    """Outputs of a recurrent layer without its final state."""

    def forward(self, both: tuple[torch.Tensor, object]) -> torch.Tensor:
        return both[0]


def _losses(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return torch.sin(3 * module(x).flatten(1)).sum(1)


def _ours(
    module: nn.Module, x: torch.Tensor, bound: float, cap: int = 1
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    watched = BookKeepingModule(copy.deepcopy(module), max_grad_norm=bound)
    inner = watched._module
    norms = watched.clipped_sum(lambda rows: _losses(inner, rows), (x,), cap=cap)
    return {n: p.grad for n, p in inner.named_parameters() if p.requires_grad}, norms


def _opacus(module: nn.Module, x: torch.Tensor, bound: float) -> dict[str, torch.Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dtype = next(module.parameters()).dtype
        fixed = ModuleValidator.fix(copy.deepcopy(module)).to(dtype)
        for layer in fixed.modules():
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # which Opacus's hooks do not bear
        wrapped = GradSampleModule(fixed, loss_reduction="sum")
        _losses(wrapped, x).sum().backward()
    found = {n: p.grad_sample for n, p in wrapped._module.named_parameters()}
    squares = torch.stack([g.flatten(1).square().sum(1) for g in found.values()]).sum(0)
    factor = (bound / (squares.sqrt() + 1e-6)).clamp(max=1.0)
    return {n: torch.einsum("i,i...", factor, g) for n, g in found.items()}


quietly = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.mark.parametrize("networks", [perceptrons, convolutions, sequences])
def test_clipped_sums_agree(networks: Networks) -> None:
    """Book-keeping, Opacus's per-sample gradients and a loop give one sum, within 1e-5."""

    @quietly
    @given(made=networks(), share=st.sampled_from([0.3, 1.0, 3.0]))
    def check(made: tuple[nn.Module, torch.Tensor], share: float) -> None:
        module, x = made
        plain = [norm(g) for g in gradients(module, lambda r: _losses(module, r), (x,))]
        bound = share * (sorted(plain)[3] + 1e-3)  # some rows are clipped, some are not

        found, norms = _ours(module, x, bound)

        wanted = clipped_sum(module, lambda r: _losses(module, r), (x,), bound)
        assert far(found, wanted) < CLOSE
        assert torch.allclose(norms, torch.tensor(plain).double(), rtol=CLOSE, atol=1e-6)
        assert far(found, _opacus(module, x, bound)) < CLOSE

    check()


SINGLE: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Linear": (nn.Linear(5, 7), (5,)),
    "Linear over time": (nn.Linear(5, 7), (4, 5)),
    "Conv1d": (nn.Conv1d(2, 6, 3, stride=2, padding=1), (2, 9)),
    "Conv2d": (nn.Conv2d(2, 6, 3, padding="same"), (2, 7, 7)),
    "ConvTranspose1d": (nn.ConvTranspose1d(2, 6, 3, stride=2), (2, 9)),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1, groups=2), (4, 5, 5)),
    "LayerNorm": (nn.LayerNorm((4, 5)), (4, 5)),
    "GroupNorm": (nn.GroupNorm(2, 4), (4, 5)),
    "GRU": (nn.Sequential(nn.GRU(5, 7, batch_first=True), _First()), (6, 5)),
    "LSTM": (nn.Sequential(nn.LSTM(5, 7, batch_first=True), _First()), (6, 5)),
    "bare": (nn.PReLU(4), (4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("name", SINGLE)
def test_single_precision(name: str, cap: int) -> None:
    """Every supported layer agrees with a one-row loop, and with Opacus, within 1e-5 as trained."""
    torch.manual_seed(0)
    layer, shape = SINGLE[name]
    x = torch.randn(6, *shape)

    found, _ = _ours(layer, x, 0.05, cap)

    wanted = clipped_sum(layer, lambda r: _losses(layer, r), (x,), 0.05, cap)
    assert far(found, wanted) < CLOSE
    if cap == 1:
        theirs = _opacus(layer, x, 0.05)
        assert far(found, {n.replace("_module.", ""): g for n, g in theirs.items()}) < CLOSE


@pytest.mark.parametrize("networks", [perceptrons, convolutions, sequences])
@pytest.mark.parametrize("cap", [2, 3])
def test_units_of_several_rows(networks: Networks, cap: int) -> None:
    """Rows of a unit add up before they are clipped: the clip is on the norm of their sum."""

    @settings(quietly, max_examples=10)
    @given(made=networks())
    def check(made: tuple[nn.Module, torch.Tensor]) -> None:
        module, x = made
        bound = 0.05

        found, norms = _ours(module, x, bound, cap)

        wanted = clipped_sum(module, lambda r: _losses(module, r), (x,), bound, cap)
        assert far(found, wanted) < CLOSE
        assert len(norms) == len(x) // cap

    check()
