"""What goes into a pass, and what must come out of it: one loss for each record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from genaudit.errors import OptionError
from genaudit.training.dp.clipping.apart import Chance


@dataclass(frozen=True, eq=False)
class Entered:
    """What is known of a pass before its gradients are read.

    n: rows of the first input, None where that is no tensor. leaves: inputs that gradients lead to.
    tried: rows of a unit -> whether units change each other's results (`apart.Trial`), where that
    is looked at. chance: its state before, then. args, out: of the module. version: of what came
    out, to see that it stays.
    """

    n: int | None = None
    leaves: tuple[torch.Tensor, ...] = ()
    tried: Callable[[int], bool | None] | None = None
    chance: Chance | None = None
    args: tuple[Any, ...] = ()
    out: Any = None
    version: int = 0

    def of_rows(self, *others: Any) -> bool:
        """Whether what went in, and others, are tensors of as many rows."""
        return self.n is not None and all(
            isinstance(x, torch.Tensor) and x.dim() > 0 and len(x) == self.n
            for x in (*self.args, *others)
        )

    def shows(self, value: Any) -> bool:
        """Whether a value is what came out, row by row, in another shape perhaps."""
        out = self.out
        if not isinstance(out, torch.Tensor) or not isinstance(value, torch.Tensor):
            return False
        same = value is out or (value.is_contiguous() and out.is_contiguous())
        return (
            same and value.data_ptr() == out.data_ptr() and value.numel() == out.numel()
            and value._version == self.version and len(value) == len(out) == self.n
        )  # fmt: skip


def leaves(inputs: Sequence[Any]) -> dict[int, torch.Tensor]:
    """Position -> where gradients to an input arrive; those of whole numbers have none."""
    return {
        i: x if x.requires_grad else x.detach().clone().requires_grad_()
        for i, x in enumerate(inputs)
        if isinstance(x, torch.Tensor) and x.is_floating_point()
    }


def given(inputs: Sequence[Any], leaves: Mapping[int, torch.Tensor]) -> list[Any]:
    """The inputs by way of their leaves; not the leaves themselves, which nobody may overwrite."""
    return [leaves[i].clone() if i in leaves else x for i, x in enumerate(inputs)]


def n_rows(args: Sequence[Any]) -> int | None:
    """Rows of the first input, None where that is no tensor."""
    return len(args[0]) if args and isinstance(args[0], torch.Tensor) and args[0].dim() else None


def check_rows(rows: Sequence[Any]) -> None:
    """What a loss is given: tensors.

    Raises:
        OptionError: there is none, or something else.
    """
    if not rows or not all(isinstance(r, torch.Tensor) and r.dim() for r in rows):
        got = ", ".join(type(r).__name__ for r in rows) or "none"
        raise OptionError(
            "Expected at least one input of the losses, each a tensor of shape (n, ...), got "
            f"{got}."
        )


def check_cap(cap: int) -> None:
    """Each unit has a row at least.

    Raises:
        OptionError: cap is below 1.
    """
    if cap < 1:
        raise OptionError(f"Expected cap, the rows of a unit, to be 1 or more, got {cap!r}.")


def units_of_finite(losses: torch.Tensor, cap: int) -> torch.Tensor:
    """Rows of units whose losses are all finite, boolean, shape (n,)."""
    finite = torch.isfinite(losses.detach())
    if len(losses) % cap:
        return torch.ones_like(finite)  # it is refused in a moment
    return finite.reshape(-1, cap).all(1).repeat_interleave(cap)


def check_one_each(losses: torch.Tensor, n: int) -> None:
    """A clip bounds what one loss adds, so each record must have one, and one alone.

    Raises:
        OptionError: there are not n losses.
    """
    if losses.dim() != 1 or len(losses) != n:
        if losses.shape == (n, 1):
            raise OptionError(
                f"Expected one loss for each row, shape ({n},), got ({n}, 1); squeeze it."
            )
        raise OptionError(
            f"Expected one loss for each row, shape ({n},), got {tuple(losses.shape)}. A record "
            "that is scored several times, or packed with others into one score, is not clipped as "
            "one: add up or average the losses of a record, and score each record alone."
        )
