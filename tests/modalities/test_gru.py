"""States of a GRU on parts of its input: those of torch's, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad

from genaudit.modalities.gru import beside, states_of
from genaudit.modalities.sequence.steps import _Heads
from genaudit.training.dp.clipping.recurrent import readable


def _parts(dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """Of two moving parts and two that stay, in an order of their own."""
    torch.manual_seed(0)
    shapes = [(4, 7, 3), (4, 5), (4, 7, 2), (4, 1)]
    return [torch.randn(*s, dtype=dtype, requires_grad=True) for s in shapes]


def _gradients(states: torch.Tensor, of: list[torch.Tensor]) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return list(torch.autograd.grad((states * torch.randn_like(states)).sum(), of))


def test_states_and_gradients_are_those_of_torch() -> None:
    """Of every part and every weight, in double precision."""
    parts = _parts()
    net = nn.GRU(11, 6, batch_first=True).double()
    of = [*parts, *net.parameters()]
    ours, theirs = states_of(net, *parts), net(beside(*parts))[0]

    assert torch.allclose(ours, theirs, atol=1e-12)
    for a, b in zip(_gradients(ours, of), _gradients(theirs, of), strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_gradients_are_those_of_differences() -> None:
    """The naive twin: small changes of each number."""
    parts = _parts()
    net = nn.GRU(11, 3, batch_first=True).double()

    assert torch.autograd.gradcheck(lambda *given: states_of(net, *given), parts)


def test_in_private_training_the_input_goes_in_whole() -> None:
    """What stands in the place of torch's sees all of it, and so do the rules of its weights."""
    parts, net = _parts(torch.float32), nn.GRU(11, 6, batch_first=True)
    expected = states_of(net, *parts)
    seen: list[torch.Size] = []
    drop_in = readable(net)
    assert isinstance(drop_in, nn.GRU)
    drop_in.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))

    assert torch.allclose(states_of(drop_in, *parts), expected, atol=1e-6)
    assert seen == [torch.Size((4, 7, 11))]


def test_gradients_of_gradients() -> None:
    """`torch.func` goes through operations of torch, and may differentiate again."""
    parts, net = [p.detach() for p in _parts()], nn.GRU(11, 6, batch_first=True).double()

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, first: torch.Tensor) -> torch.Tensor:
            return states_of(self.net, first, *parts[1:]).square().sum()

    weights = dict(Whole().named_parameters())

    def slope(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        return grad(lambda x: functional_call(Whole(), weights, (x,)))(parts[0]).square().sum()

    found = grad(slope)(weights)

    for name, weight in weights.items():
        step = 1e-6 * torch.ones_like(weight)
        up, down = (slope({**weights, name: weight + s}) for s in (step, -step))
        assert torch.allclose(found[name].sum(), (up - down) / 2e-6, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("numbers", [1, 5])
def test_heads_are_a_grouped_convolution(numbers: int) -> None:
    """Forward and backward."""
    torch.manual_seed(0)
    heads, x = _Heads(numbers, 4, 3).double(), torch.randn(6, numbers * 4, 1).double()
    x.requires_grad_()
    plain = nn.functional.conv1d(x, heads.weight, heads.bias, groups=numbers)
    of = [x, *heads.parameters()]

    assert torch.allclose(heads(x), plain, atol=1e-12)
    for a, b in zip(_gradients(heads(x), of), _gradients(plain, of), strict=True):
        assert torch.allclose(a, b, atol=1e-12)
