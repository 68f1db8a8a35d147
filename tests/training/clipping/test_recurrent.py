"""Drop-ins for GRU and LSTM: torch's outputs and gradients, and a sentence for what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_sequence

from genaudit.errors import OptionError
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
def test_what_follows_may_change_outputs_in_place(kind: type[nn.RNNBase]) -> None:
    """An activation in place right behind gives torch's gradients, not an error."""
    torch.manual_seed(0)
    theirs = kind(5, 7)
    ours = DROP_INS[kind].like(theirs)
    x = torch.randn(6, 4, 5)

    grads = [
        torch.autograd.grad(functional.relu(m(x)[0], inplace=m is ours).sum(), list(m.parameters()))
        for m in (theirs, ours)
    ]

    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*grads, strict=True))


def test_what_is_refused() -> None:
    """Packed sequences, a lone sequence and projections are refused with what to do instead."""
    module = GRU.like(nn.GRU(5, 7))
    with pytest.raises(OptionError, match="mask the loss"):
        module(pack_sequence([torch.randn(3, 5), torch.randn(2, 5)]))
    with pytest.raises(OptionError, match="shape"):
        module(torch.randn(3, 5))
    with pytest.raises(OptionError, match="proj_size=2"):
        DROP_INS[nn.LSTM].like(nn.LSTM(5, 7, proj_size=2))
