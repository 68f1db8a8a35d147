"""What a pass must leave as it is: buffers and weights.

A buffer that a forward pass fills (running statistics, a memory of what it saw) carries records
into the next batch, and into what is saved, without a clip or noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from genaudit.errors import OptionError


class State:
    """Watches the buffers and parameters of a module over one pass at a time."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._held: list[tuple[str, torch.Tensor]] = []
        self._versions: list[int] = []
        self._copies: list[torch.Tensor] | None = None

    def begin(self, thorough: bool) -> None:
        """Note how things stand before a pass.

        Args:
            thorough: Look for tensors that are replaced as well, and keep copies of buffers.
        """
        if thorough or not self._held:
            self._held = list(self._named())
        self._versions = [tensor._version for _, tensor in self._held]
        self._copies = [tensor.detach().clone() for _, tensor in self._held] if thorough else None

    def check(self) -> None:
        """Refuse a pass that changed something; what there is a copy of is put back.

        Raises:
            OptionError: it names the tensor.
        """
        changed = [
            name for (name, tensor), version in zip(self._held, self._versions, strict=True)
            if tensor._version != version
        ]  # fmt: skip
        if self._copies is not None:
            now = dict(self._named())
            # Values too: what writes through `.data` leaves no other trace.
            changed += [
                name for (name, tensor), copy in zip(self._held, self._copies, strict=True)
                if now.get(name) is not tensor or not _equal(tensor, copy)
            ]  # fmt: skip
        if changed:
            self._put_back()
            raise OptionError(
                f"{changed[0]!r} is overwritten in the forward pass (as by running statistics, "
                "max_norm or a counter), so what records say would stay in the module without a "
                "clip or noise; keep it constant while the module trains."
            )

    def _named(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from self._module.named_buffers()
        yield from self._module.named_parameters()

    def _put_back(self) -> None:
        if self._copies is None:
            return
        with torch.no_grad():
            for (name, tensor), copy in zip(self._held, self._copies, strict=True):
                tensor.copy_(copy)
                owner, _, leaf = name.rpartition(".")
                module = self._module.get_submodule(owner)
                if leaf in module._buffers:
                    module._buffers[leaf] = tensor


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether they hold the same, what is no number included."""
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
