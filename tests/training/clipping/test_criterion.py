"""Losses in the order of Opacus's loop: outputs, a criterion of them, and its backward."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from naive import clipped_sum, far
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from genaudit.errors import GenauditWarning, OptionError
from genaudit.training.dp.engine import BookKeepingEngine

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))


def _private(module: nn.Module, criterion: Any, y: torch.Tensor) -> tuple[Any, Any]:
    """Module and criterion of an engine whose clip bites."""
    found = BookKeepingEngine().make_private(
        module=module, optimizer=torch.optim.SGD(module.parameters(), lr=0.1), criterion=criterion,
        data_loader=DataLoader(TensorDataset(X, y), batch_size=8), noise_multiplier=0.0,
        max_grad_norm=0.05,
    )  # fmt: skip
    return found[0], found[2]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["function", "by name", "two axes"])
def test_criteria_in_all_spellings(kind: str) -> None:
    """Functions of torch, arguments by name, and losses of shape (n, 1) are clipped like others."""
    torch.manual_seed(0)
    module = nn.Linear(6, 1 if kind == "two axes" else 3)
    if kind == "two axes":
        y, criterion = torch.rand(8, 1), nn.BCEWithLogitsLoss()
    else:
        y = torch.arange(8) % 3
        criterion = nn.CrossEntropyLoss() if kind == "by name" else functional.cross_entropy

    def plain(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        outputs = module(x)
        if kind == "two axes":
            each = functional.binary_cross_entropy_with_logits(outputs, y, reduction="none")
            return each.squeeze(1)
        return functional.cross_entropy(outputs, y, reduction="none")

    watched, private = _private(module, criterion, y)

    if kind == "by name":
        private(watched(X), target=y).backward()
    else:
        private(watched(X), y).backward()

    found = {n: p.grad for n, p in module.named_parameters()}
    assert far(found, clipped_sum(module, plain, (X, y), 0.05)) < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_a_criterion_without_a_reduction_is_refused() -> None:
    """One loss for all rows cannot be taken apart."""
    with pytest.raises(OptionError, match=r"with a `reduction`.*`clipped_sum`"):
        _private(nn.Linear(6, 1), lambda out, y: (out - y).mean(), torch.rand(8, 1))


class _Placed(nn.Module):
    """Learns a vector for each place, by an embedding of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.linear = nn.Embedding(6, 4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.tanh(x[:, :, None] * self.place(torch.arange(6)))).mean(1)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("squeezed", [True, False])
def test_positions_are_run_record_by_record(squeezed: bool) -> None:
    """In Opacus's frame the module is run again on what it was given, where hooks do not tell."""
    torch.manual_seed(0)
    module, y = _Placed(), torch.rand(8)
    watched, private = _private(module, nn.MSELoss(), y)
    for again in (False, True):
        out = watched(X)
        with nullcontext() if again else pytest.warns(GenauditWarning, match="run alone"):
            if squeezed:
                private(out.squeeze(1), y).backward()
            else:
                private(out, y[:, None]).backward()
        found = {n: p.grad for n, p in module.named_parameters()}
        wanted = clipped_sum(module, lambda x, y: (module(x).squeeze(1) - y).square(), (X, y), 0.05)
        assert far(found, wanted) < 1e-5


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_run_again_is_told_where_to_go() -> None:
    """Outputs that went through more than the module are nothing that can be made again."""
    y = torch.rand(8, 1)
    watched, private = _private(_Placed(), nn.MSELoss(), y)
    loss = private(2 * watched(X), y)
    with pytest.raises(OptionError, match="`clipped_sum` takes losses as a function"):
        loss.backward()
