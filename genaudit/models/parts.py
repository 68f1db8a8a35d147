"""What steps of a training change, as tensors: taken out for a checkpoint, and put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, eq=False)
class Parts:
    """What steps of a training change: with all of it as it was, they go on as if never stopped.

    modules and optimizers: by name, each optimizer on parameters of these modules. counts: whole
    numbers, shape (). rng: of made records.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    counts: Mapping[str, torch.Tensor]
    rng: torch.Generator

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of all tensors, on the CPU."""
        found = {"rng": self.rng.get_state()}
        found |= {f"count.{name}": count for name, count in self.counts.items()}
        for name, module in self.modules.items():
            found |= {f"module.{name}.{k}": v for k, v in module.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for i, parameter in enumerate(_parameters(optimizer)):
                slots = optimizer.state.get(parameter, {})
                found |= {f"optimizer.{name}.{i}.{slot}": v for slot, v in slots.items()}
        return {name: v.detach().cpu().clone() for name, v in found.items()}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put everything as it was.

        Raises:
            KeyError, ValueError, RuntimeError: the tensors are of another training.
        """
        self.rng.set_state(state["rng"])
        for name, count in self.counts.items():
            count.copy_(state[f"count.{name}"])
        for name, module in self.modules.items():
            module.load_state_dict(_below(state, f"module.{name}."))
        for name, optimizer in self.optimizers.items():
            for i, parameter in enumerate(_parameters(optimizer)):
                slots = _below(state, f"optimizer.{name}.{i}.")
                optimizer.state[parameter] = {k: _beside(parameter, v) for k, v in slots.items()}


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Tensors whose name begins so, under the rest of it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _beside(parameter: torch.Tensor, slot: torch.Tensor) -> torch.Tensor:
    """A copy of an optimizer's tensor where the parameter is; its count of steps stays a CPU one.

    Raises:
        ValueError: it is of another parameter.
    """
    if slot.shape not in ((), parameter.shape):
        raise ValueError(
            f"expected a tensor of shape {tuple(parameter.shape)}, got {tuple(slot.shape)}"
        )
    return slot.clone() if slot.dim() == 0 else slot.clone().to(parameter.device)
