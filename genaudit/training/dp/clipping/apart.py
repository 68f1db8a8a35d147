"""Whether records of a batch stay apart, tried out: they are run again among others.

A gradient tells of mixing only where one flows; a mean over the batch without a gradient is as
much of a leak, and so is a result that depends on a record's place, or on how many others there
are. What a unit's own result is must not change with any of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from genaudit.errors import OptionError

#: Results that differ by a larger share are other results: far above rounding, far below mixing.
_SAME = 1e-4

#: Weights are shaken by so many units in the last place, a few times, to see how far rounding may
#: carry a result: sums of some 10,000 terms lose as much to another order of adding them.
_SHAKEN, _SHAKES = 200, 3

#: Runs that tell chance from none at a glance; before records are said to be mixed; tries of units
#: alone before that.
_TWICE, _SURELY, _TRIES = 2, 30, 20

#: Tries that are alike from the first on settle it; so many of all, where chance was seen; and so
#: many where none was: a chance too rare to be seen in 30 runs spoils few of 20 tries, while
#: another order puts one or two records at places like their own in half of them.
_AT_ONCE, _BY_CHANCE, _MOSTLY = 6, 3, 15


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
    rows of a unit, next to each other. chance: its state before. rng: Orders, and how weights are
    shaken. _carried: by id of a result, how far rounding may carry its tensors.
    """

    module: nn.Module
    run: Callable[..., Any]
    rows: tuple[Any, ...]
    found: Any
    n: int
    cap: int
    chance: Chance
    rng: np.random.Generator
    _carried: dict[int, dict[int, torch.Tensor]] = field(default_factory=dict)

    def mixed(self, inside: torch.Tensor) -> bool | None:
        """Whether results of some units change with the others; None = it cannot be told.

        Args:
            inside: Units to keep, boolean, shape (n / cap,).
        """
        if not inside.any() or inside.all():
            return None
        if self._alone(inside, self.found):
            inside = ~inside  # by turns, so that each unit is looked at
            if self._alone(inside, self.found):
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
        alike = 0
        for tried in range(1, _TRIES + 1):
            alone = self._alone(inside, whole, rounding=True)
            alike += bool(alone or (alone is None and self._beside(inside, whole, same=False)))
            if alike == tried == _AT_ONCE:
                return False
        if self._steady(whole, _SURELY):
            return alike < _MOSTLY
        return False if alike >= _BY_CHANCE else None

    def _alone(self, inside: torch.Tensor, whole: Any, *, rounding: bool = False) -> bool | None:
        """Whether units give the same without the others and in another order; None = no run."""
        kept = self.rng.permutation(torch.nonzero(inside.cpu())[:, 0].numpy())
        order = self._rows_of(torch.as_tensor(kept))
        after = self._again(order, same=False)
        if after is None:
            return None
        return self._alike(whole, after, (order, slice(None)), len(order), rounding=rounding)

    def _beside(self, inside: torch.Tensor, whole: Any, *, same: bool) -> bool:
        """Whether units give the same where each of the others gives way to one of them."""
        inside = inside.cpu()
        kept, source = torch.nonzero(inside)[:, 0], torch.arange(len(inside))
        source[~inside] = kept[self.rng.integers(0, len(kept), len(inside) - len(kept))]
        after = self._again(self._rows_of(source), same=same)
        places = self._rows_of(kept)
        both = (places, places)
        return after is not None and self._alike(whole, after, both, self.n, rounding=True)

    def _alike(
        self, whole: Any, after: Any, places: tuple[torch.Tensor, torch.Tensor | slice], n: int,
        *, rounding: bool,
    ) -> bool:  # fmt: skip
        """Whether rows at some places of one result are those at others in another.

        Args:
            whole: Of all rows.
            after: Of other rows.
            places: In it, and where each of them should be in the other.
            n: Rows of the other.
            rounding: Allow what rounding may do to differences of large numbers, too.
        """
        here, there = places
        pairs = [
            (i, b[_at(here, b)], a[_at(there, a)])
            for i, (b, a) in enumerate(zip(_tensors(whole), _tensors(after), strict=False))
            if _of_rows(b, self.n) and _of_rows(a, n)  # and no layers, as many as rows
        ]
        apart = [(i, b, a) for i, b, a in pairs if not _one_close(b, a)]
        if not apart or not rounding:
            return not apart
        carried = self._rounded(whole)
        return all(
            (by := carried.get(i)) is not None and _one_close(b, a, by[_at(here, by)])
            for i, b, a in apart
        )

    def _rounded(self, whole: Any) -> dict[int, torch.Tensor]:
        """How far rounding may carry each tensor of a result, by its number, where it can be told.

        Losses near 0 are what is left of outputs that are much larger, and as rounded as those.
        """
        if id(whole) not in self._carried:
            first, *others, last = self._shakes()
            moved = {}
            if _close(list(_tensors(first)), list(_tensors(last))):  # else it moves by itself
                each = zip(*(_tensors(run) for run in (first, *others)), strict=False)
                moved = {i: _moved(*of_runs) for i, of_runs in enumerate(each)}
            self._carried[id(whole)] = {i: m for i, m in moved.items() if m is not None}
        return self._carried[id(whole)]

    def _shakes(self) -> list[Any]:
        """The same rows and draws: as they are, with shaken weights, and as they are."""
        everything = torch.arange(self.n)
        found = [self._again(everything, same=True)]
        for _ in range(_SHAKES):
            with _shaken(self.module, self.rng):
                found.append(self._again(everything, same=True))
        return [*found, self._again(everything, same=True)]

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

    def _rows_of(self, units: torch.Tensor) -> torch.Tensor:
        """Positions of the rows of some units, in their order."""
        return (units[:, None] * self.cap + torch.arange(self.cap)).flatten()


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


@contextmanager
def _shaken(module: nn.Module, rng: np.random.Generator) -> Iterator[None]:
    """Every weight a little larger or smaller for a while; graphs that are held stay good."""
    before = [(p, p.data) for p in module.parameters() if p.dtype in (torch.float32, torch.float64)]
    try:
        for p, data in before:
            size = _SHAKEN * torch.finfo(p.dtype).eps
            signs = torch.as_tensor(rng.integers(0, 2, data.numel()) * 2 - 1).to(data)
            p.data = data * (1 + size * signs.reshape(data.shape))
        yield
    finally:
        for p, data in before:
            p.data = data


def _moved(first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor | None:
    """How far others are from the first at most, and on average beside it."""
    if not first.is_floating_point() or any(o.shape != first.shape for o in others):
        return None
    moved = torch.stack([(o - first).abs() for o in others]).amax(0).nan_to_num(0.0, 0.0)
    return moved + moved.mean()


def _close(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return len(before) == len(after) and all(map(_one_close, before, after))


def _one_close(a: torch.Tensor, b: torch.Tensor, slack: torch.Tensor | None = None) -> bool:
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
    far = 0.0 if slack is None else slack[common][finite]
    a, b = a[finite], b[finite]
    scale = a.abs() + a.abs().mean() if a.numel() else a
    return bool(((a - b).abs() <= _SAME * scale + far).all())


def _at(places: torch.Tensor | slice, where: torch.Tensor) -> torch.Tensor | slice:
    """Positions on the device of what they are taken from."""
    return places.to(where.device) if isinstance(places, torch.Tensor) else places


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
