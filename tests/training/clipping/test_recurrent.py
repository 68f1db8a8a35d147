"""Drop-ins for GRU and LSTM: torch's outputs and gradients, and a sentence for what they refuse."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from naive import clipped_sum, far
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from genaudit.errors import OptionError
from genaudit.training.dp.clipping.module import BookKeepingModule
from genaudit.training.dp.clipping.recurrent import DROP_INS, GRU

SHAPES: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
]


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_torch(kind: type[nn.RNNBase], shape: dict[str, Any]) -> None:
    """Outputs, final states and every gradient are torch's, from any first state."""
    torch.manual_seed(0)
    theirs = kind(5, 7, **shape)
    ours = DROP_INS[kind].like(theirs)
    many = theirs.num_layers * (1 + theirs.bidirectional)
    x = torch.randn(6, 4, 5, requires_grad=True)
    start = torch.randn(many, 6 if shape.get("batch_first") else 4, 7, requires_grad=True)
    found = []
    for module in (theirs, ours):
        hx = (start, 2 * start) if kind is nn.LSTM else start
        out, final = module(x, hx)
        finals = final if isinstance(final, tuple) else (final,)
        loss = out.square().sum() + sum(f.pow(3).sum() for f in finals)
        grads = torch.autograd.grad(loss, [x, start, *module.parameters()])
        found.append([out, *finals, *grads])

    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("layers", [1, 2])
def test_what_follows_may_overwrite_its_input(kind: type[nn.RNNBase], layers: int) -> None:
    """A ReLU in place right behind it gives the clipped sum of one that is not in place."""

    class _Net(nn.Module):
        def __init__(self, *, inplace: bool) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.over_time = kind(5, 7, num_layers=layers, batch_first=True)
            self.relu, self.head = nn.ReLU(inplace=inplace), nn.Linear(7, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.relu(self.over_time(x)[0])).sum((1, 2))

    x, found = torch.randn(6, 4, 5), []
    for inplace in (True, False):
        net = _Net(inplace=inplace)
        BookKeepingModule(net, max_grad_norm=0.1).clipped_sum(net, (x,))
        found.append([p.grad for p in net.parameters()])

    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_what_is_refused() -> None:
    """Packed sequences, a lone sequence and projections are refused with what to do instead."""
    module = GRU.like(nn.GRU(5, 7))
    with pytest.raises(OptionError, match="mask the loss"):
        module(pack_sequence([torch.randn(3, 5), torch.randn(2, 5)]))
    with pytest.raises(OptionError, match="shape"):
        module(torch.randn(3, 5))
    with pytest.raises(OptionError, match="proj_size=2"):
        DROP_INS[nn.LSTM].like(nn.LSTM(5, 7, proj_size=2))


def test_one_gru_under_two_names() -> None:
    """Both names of a shared layer lead to its drop-in."""

    class _Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = self.b = nn.GRU(5, 5, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x)[0])[0][:, -1]

    module = _Twice()
    watched = BookKeepingModule(module, max_grad_norm=0.5)
    assert module.a is module.b
    x = torch.randn(4, 3, 5)
    watched.clipped_sum(lambda rows: module(rows).sum(1), (x,))
    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, lambda rows: module(rows).sum(1), (x,), 0.5)) < 1e-5


@pytest.mark.parametrize("hook", ["register_forward_hook", "register_forward_pre_hook"])
def test_what_a_drop_in_would_lose_is_refused(hook: str) -> None:
    """Hooks and weight norm on a GRU change what it computes."""
    hooked, normed = nn.GRU(5, 4), nn.GRU(5, 4)
    getattr(hooked, hook)(lambda *_: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have the newer spelling
        nn.utils.weight_norm(normed, "weight_hh_l0")
    for inner in (hooked, normed):
        with pytest.raises(OptionError, match="without hooks and weight norm"):
            BookKeepingModule(nn.Sequential(inner))
