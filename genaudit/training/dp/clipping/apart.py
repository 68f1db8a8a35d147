"""Whether records of a batch stay apart, tried out: they are run again among others.

A gradient tells of mixing only where one flows; a mean over the batch without a gradient is as
much of a leak, and so is a result that depends on a record's place, or on how many others there
are. What a unit's own result is must not change with any of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from genaudit.errors import OptionError

#: Results that differ by a larger share are other results: far above rounding, far below mixing.
_SAME = 1e-4

#: Runs that tell chance from none at a glance; before records are said to be mixed; and tries of
#: units alone before that.
_TWICE, _SURELY, _TRIES = 2, 30, 8


class MixedError(OptionError):
    """The result of one record depends on other records of its batch."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"{where} the loss of one record depends on other records of its batch (as by "
            "batch norm, attention or statistics over the batch, their number or its place), so "
            "no record's part in it can be bounded; keep records apart, with GroupNorm or "
            "LayerNorm."
        )


class Chance:
    """The state of torch's own generators: what follows can be run again with the same draws."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        self._state = torch.get_rng_state()
        self._device = torch.cuda.get_rng_state(device) if self._cuda is not None else None
        self._others = 0

    def again(self, run: Callable[[], Any], *, same: bool) -> Any:
        """What `run` gives once more; what came since stays.

        Args:
            run: Without arguments.
            same: Whether chance starts where it did, or where it never did.
        """
        with torch.random.fork_rng([] if self._cuda is None else [self._cuda]):
            if same:
                torch.set_rng_state(self._state)
                if self._device is not None and self._cuda is not None:
                    torch.cuda.set_rng_state(self._device, self._cuda)
            else:
                self._others += 1
                torch.rand(997 * self._others, device=self._cuda)
            return run()


@dataclass(frozen=True, eq=False)
class Trial:
    """One pass that can be made again.

    module: Whose modules can be put into evaluation. run: rows -> tensors. rows: its arguments;
    tensors of n rows are taken apart, everything else stays. found: what it gave. n: rows. cap:
    rows of a unit, next to each other. chance: its state before.
    """

    module: nn.Module
    run: Callable[..., Any]
    rows: tuple[Any, ...]
    found: Any
    n: int
    cap: int
    chance: Chance

    def mixed(self, inside: torch.Tensor) -> bool | None:
        """Whether results of some units change with the others; None = it cannot be told.

        Args:
            inside: Units to keep, boolean, shape (n / cap,).
        """
        if not inside.any() or inside.all():
            return None
        alone = self._alone(inside, self.found)
        if alone:
            return False
        if self._steady(self.found, _TWICE):
            return self._differs(inside, self.found)
        # Chance: the same draws, if others beside them draw as many ...
        if self._beside(inside, self.found, same=True):
            return False
        # ... or none at all, where evaluation has none.
        with _evaluating(self.module):
            whole = self._again(torch.arange(self.n), same=False)
            if whole is not None and self._steady(whole, _TWICE):
                return True if self._differs(inside, whole) else None
        return None

    def _differs(self, inside: torch.Tensor, whole: Any) -> bool | None:
        """Whether units give something else every time; None = by a chance that was not seen yet.

        One coin for a whole batch (stochastic depth) may well fall alike a few times.
        """
        for _ in range(_TRIES):
            alone = self._alone(inside, whole)
            if alone or (alone is None and self._beside(inside, whole, same=False)):
                return False
        return True if self._steady(whole, _SURELY) else None

    def _alone(self, inside: torch.Tensor, whole: Any) -> bool | None:
        """Whether units give the same without the others and in another order; None = no run."""
        order = self._places(inside).reshape(-1, self.cap).flip(0).flatten()
        after = self._again(order, same=False)
        if after is None:
            return None
        return all(
            _one_close(b[order.to(b.device)], a)
            for b, a in zip(_tensors(whole), _tensors(after), strict=False)
            if _of_rows(b, self.n) and _of_rows(a, len(order))  # and no layers, as many as rows
        )

    def _beside(self, inside: torch.Tensor, whole: Any, *, same: bool) -> bool:
        """Whether units give the same where each of the others gives way to one of them."""
        inside = inside.cpu()
        kept, source = torch.nonzero(inside)[:, 0], torch.arange(len(inside))
        source[~inside] = kept[torch.arange(len(inside) - len(kept)) % len(kept)]
        after = self._again((source[:, None] * self.cap + torch.arange(self.cap)).flatten(),
                            same=same)  # fmt: skip
        places = self._places(inside)
        return _close(self._taken(whole, places), self._taken(after, places))

    def _steady(self, whole: Any, times: int) -> bool:
        """Whether the same rows give the same so many times."""
        everything, before = torch.arange(self.n), list(_tensors(whole, self.n))
        again = (self._again(everything, same=False) for _ in range(times))
        return all(_close(before, list(_tensors(found, self.n))) for found in again)

    def _again(self, places: torch.Tensor, *, same: bool) -> Any:
        taken = tuple(r[places.to(r.device)] if _of_rows(r, self.n) else r for r in self.rows)
        try:
            return self.chance.again(lambda: self.run(*taken), same=same)
        except Exception:  # what runs on all rows need not run on some
            return None

    def _places(self, units: torch.Tensor) -> torch.Tensor:
        """Positions of the rows of some units."""
        return torch.nonzero(units.cpu().repeat_interleave(self.cap))[:, 0]

    def _taken(self, found: Any, places: torch.Tensor) -> list[torch.Tensor]:
        return [t[places.to(t.device)] for t in _tensors(found, self.n)]


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Every part in evaluation for a while, where dropout is off."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _close(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return len(before) == len(after) and all(map(_one_close, before, after))


def _one_close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dim() != b.dim() or len(a) != len(b):
        return False
    # What a batch pads is as long as its longest record.
    common = tuple(slice(min(i, j)) for i, j in zip(a.shape, b.shape, strict=True))
    a, b = a[common], b[common]
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


def _tensors(found: Any, n: int | None = None) -> Iterator[torch.Tensor]:
    """Every tensor in tuples, lists and dictionaries, or those with n rows."""
    if isinstance(found, torch.Tensor):
        if n is None or _of_rows(found, n):
            yield found.detach()
    elif isinstance(found, dict):
        yield from _tensors(list(found.values()), n)
    elif isinstance(found, list | tuple):
        for one in found:
            yield from _tensors(one, n)
