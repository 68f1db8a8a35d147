"""Whether records of a batch stay apart, tried out: half of them are swapped for others.

A gradient tells of mixing only where one flows; a mean over the batch without a gradient is as
much of a leak. What a record's own result is must not change with the records beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from genaudit.errors import OptionError

#: Results that differ by a larger share are other results: far above rounding, far below mixing.
_SAME = 1e-4


class MixedError(OptionError):
    """The result of one record depends on other records of its batch."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"{where} the loss of one record depends on other records of its batch (as by "
            "batch norm, attention or statistics over the batch), so no record's part in "
            "it can be bounded; keep records apart, with GroupNorm or LayerNorm."
        )


class Chance:
    """The state of torch's own generators: what follows can be run again with the same draws."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        self._state = torch.get_rng_state()
        self._device = torch.cuda.get_rng_state(device) if self._cuda is not None else None

    def again(self, run: Callable[[], Any]) -> Any:
        """What `run` gives without gradients from the same state; what came since stays."""
        with torch.random.fork_rng([] if self._cuda is None else [self._cuda]), torch.no_grad():
            torch.set_rng_state(self._state)
            if self._device is not None and self._cuda is not None:
                torch.cuda.set_rng_state(self._device, self._cuda)
            return run()


def mixed(
    run: Callable[..., Any], rows: tuple[Any, ...], found: Any, inside: torch.Tensor, chance: Chance
) -> bool | None:
    """Whether what is found for some rows changes with the others; None = it cannot be told.

    Args:
        run: rows -> tensors, those with n rows first are looked at.
        rows: Its arguments; tensors of n rows are swapped, everything else stays.
        found: What it gave.
        inside: Rows to keep, boolean, shape (n,); the others become copies of them.
        chance: State of chance before it ran.
    """
    n = len(inside)
    if not inside.any() or inside.all():
        return None
    source = torch.arange(n, device=inside.device)
    kept = source[inside]
    source[~inside] = kept[torch.arange(n - len(kept), device=inside.device) % len(kept)]
    swapped = tuple(r[source.to(r.device)] if _of_rows(r, n) else r for r in rows)
    before = [t[inside.to(t.device)] for t in _tensors(found, n)]
    if _same(before, chance.again(lambda: run(*swapped)), inside):
        return False
    # Chance of its own (a generator that is not torch's) changes results as well.
    repeats = _same(before, chance.again(lambda: run(*rows)), inside)
    return True if repeats else None


def _same(before: list[torch.Tensor], after: Any, inside: torch.Tensor) -> bool:
    found = [t[inside.to(t.device)] for t in _tensors(after, len(inside))]
    return len(found) == len(before) and all(map(_close, before, found))


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape:
        return False
    if not a.is_floating_point():
        return torch.equal(a, b)
    finite = torch.isfinite(a)
    if not torch.equal(finite, torch.isfinite(b)):
        return False
    a, b = a[finite], b[finite]
    scale = a.abs() + a.abs().mean() if a.numel() else a
    return bool(((a - b).abs() <= _SAME * scale).all())


def _of_rows(value: Any, n: int) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0 and len(value) == n


def _tensors(found: Any, n: int) -> Iterator[torch.Tensor]:
    """Every tensor with n rows in tuples, lists and dictionaries."""
    if _of_rows(found, n):
        yield found.detach()
    elif isinstance(found, dict):
        yield from _tensors(list(found.values()), n)
    elif isinstance(found, list | tuple):
        for one in found:
            yield from _tensors(one, n)
