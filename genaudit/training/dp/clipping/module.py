"""A module under book-keeping, in Opacus's frame: clipped sums from one forward and one backward.

Source: Bu, Wang, Zha, Karypis 2023 (book-keeping); Abadi et al. 2016 (clipping).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from opacus.grad_sample import AbstractGradSampleModule
from torch import nn

from genaudit.errors import GenauditWarning, OptionError
from genaudit.training.dp.clipping import local, whole
from genaudit.training.dp.clipping.apart import Chance, MixedError, Trial
from genaudit.training.dp.clipping.entry import (
    Entered,
    check_cap,
    check_one_each,
    check_rows,
    given,
    leaves,
    n_rows,
    units_of_finite,
)
from genaudit.training.dp.clipping.factor import Factor, unit_norms
from genaudit.training.dp.clipping.recurrent import readable
from genaudit.training.dp.clipping.state import State
from genaudit.training.dp.clipping.tape import Tape
from genaudit.training.dp.clipping.unreadable import UnreadableError
from genaudit.training.memory import keep_freed

#: Inputs of a loss, each with one row for each sample.
Rows = tuple[torch.Tensor, ...]

#: Rows -> one loss for each, shape (n,); rows do not influence each other.
Losses = Callable[..., torch.Tensor]

#: What to do where a loss is known by its value alone.
_ASK = "`clipped_sum` takes losses as a function of rows, and can run each record alone."

#: As in Opacus: keeps a factor finite where a gradient is 0.
_TINY = 1e-6


class BookKeepingModule(AbstractGradSampleModule):  # type: ignore[misc]  # Opacus has no types
    """Leaves the sum of clipped per-sample gradients in `p.grad`.

    Take it as the module, or go on with the module itself: its layers are watched either way, while
    `clipped_sum` runs and at no other time.

    Args:
        m: Module to train; GRU and LSTM in it are replaced by drop-ins with the same parameters.
        max_grad_norm: Largest L2 norm of one unit's gradient over all parameters, > 0.
        batch_first: Records are the first axis everywhere; nothing else is taken.
        loss_reduction: "sum" or "mean", as Opacus passes it on to its criterion.
    """

    def __init__(
        self,
        m: nn.Module,
        *,
        max_grad_norm: float = 1.0,
        batch_first: bool = True,
        loss_reduction: str = "mean",
    ) -> None:
        if not batch_first:
            raise OptionError("Expected batch_first=True: records must be the first axis.")
        if not max_grad_norm > 0:
            raise OptionError(f"Expected max_grad_norm above 0, got {max_grad_norm!r}.")
        _check_alone(m)
        m = readable(m)
        _check_precision(m)
        super().__init__(m, batch_first=batch_first, loss_reduction=loss_reduction)
        keep_freed()
        self.max_grad_norm = max_grad_norm
        self.tape = Tape(m)
        self._state = State(m)
        self._rows_alone = self._untold = False
        self._entered = Entered()

    def remove_hooks(self) -> None:
        """Watch the module no more."""
        self.tape.close()

    def forward(self, *args: torch.Tensor, **kwargs: torch.Tensor) -> torch.Tensor:
        """As the module itself, and watched: `finish` clips what this pass went through.

        Under `torch.no_grad` nothing is watched, and nothing is forgotten.

        Raises:
            OptionError: the pass before has not been finished.
        """
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)
        self._check_finished()
        self.tape.begin()
        self.tape.start()
        self._state.begin(self.tape.examines)
        try:
            if not self.tape.examines:
                out = super().forward(*args, **kwargs)
                self._entered = Entered(n_rows(args))
            else:
                out = self._examined(args, kwargs)
            self._state.check()
            self._entered = replace(
                self._entered, args=(None,) if kwargs else args, out=out,
                version=getattr(out, "_version", 0),
            )  # fmt: skip
            return out
        except BaseException as error:
            self.tape.stop()
            self._entered = Entered()
            if isinstance(error, UnreadableError):
                raise UnreadableError(f"{error} {_ASK}") from None
            raise

    def _examined(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's output, and what `finish` needs to hold its rows against each other."""
        n, inputs = n_rows(args), leaves(args)
        chance = Chance(next(self._module.parameters()).device)
        out = super().forward(*given(args, inputs), **kwargs)
        run = partial(self._module, **kwargs)
        tried = partial(self._tried, run, args, out, n, chance=chance) if n is not None else None
        self._entered = Entered(n, tuple(inputs.values()), tried, chance)
        return out

    @property
    def entered(self) -> Entered:
        """What is known of a pass that is not finished."""
        return self._entered

    def finish(
        self, losses: torch.Tensor, *, cap: int = 1, again: tuple[Losses, Rows] | None = None
    ) -> torch.Tensor:
        """Clip what `forward` went through; as `clipped_sum`, but for slopes of the module.

        Args:
            losses: One for each row, shape (n,).
            cap: Rows of a unit, next to each other.
            again: The same as a function of rows, and these, for what hooks cannot read. Without it
                it is tried of the module alone whether records are kept apart.

        Raises:
            OptionError: the losses depend on a slope of the module, `factors` cannot be had, or
                there is not one loss for each row of the first input.
        """
        check_cap(cap)
        entered, self._entered = self._entered, Entered()
        self.tape.stop()
        if self.tape.differentiated:
            raise OptionError(
                "A loss that depends on a slope of the module needs `clipped_sum`, which runs it "
                "on each row alone."
            )
        if entered.n is not None:
            check_one_each(losses, entered.n)
        try:
            if not len(losses):
                return self._clip([], losses.detach(), cap)
            return self._clip(*self._finished(losses, cap, entered, again), cap)
        finally:
            self.tape.forget()

    def _finished(
        self, losses: torch.Tensor, cap: int, entered: Entered, again: tuple[Losses, Rows] | None
    ) -> tuple[list[tuple[nn.Parameter, Factor]], torch.Tensor]:
        """Factors and losses by hooks, or of each row alone where that can be run again."""
        if again is not None and self._rows_alone:
            return self._whole(*again, cap, self.tape.examines)
        if again is not None and entered.chance is not None:
            # Not the module alone: what makes losses of its outputs may mix records too.
            tried = partial(self._tried, *again, losses, len(losses), chance=entered.chance)
            entered = replace(entered, tried=tried)
        try:
            return self._by_hooks(losses, cap, entered), losses.detach()
        except UnreadableError as error:
            if again is None:
                raise UnreadableError(f"{error} {_ASK}") from None
            return self._by_rows(*again, cap, error)

    def clipped_sum(self, losses: Losses, rows: Rows, *, cap: int = 1) -> torch.Tensor:
        """Put the sum of clipped gradients into `p.grad`; returns the norms before, shape (units,).

        A unit whose loss, or norm of the gradient, is not finite is left out: it would make the
        whole sum so, and thereby show that it was there. A loss that depends on a slope of the
        module (WGAN-GP) is differentiated whole, row by row; it must take that slope by
        `torch.func`. Now and then the losses are computed once more with other rows beside each, to
        see that none depends on them.

        That is in the first 8 passes, in those whose number is a power of two and in each 128th: a
        loss that begins later on to mix records, or to use a weight outside of its layer (a penalty
        each 16 steps), is wrong until the next of these. Let a loss do from the first pass on what
        it ever does.

        Args:
            losses: rows -> one loss for each row, shape (n,). Rows do not influence each other.
            rows: Its arguments, at least one, each of shape (n, ...); n may be 0.
            cap: Rows of a unit, next to each other; n is a multiple of it.

        Raises:
            OptionError: a layer cannot be read, n is no multiple of cap, or a pass by `forward`
                has not been finished.
        """
        return self._clip(*self._factors(losses, rows, cap), cap)

    def per_sample_grads(self, losses: Losses, rows: Rows, *, cap: int = 1) -> torch.Tensor:
        """The gradients that `clipped_sum` would clip, shape (units, parameters), side by side.

        For examination and tests: one weighted product for each unit, and memory for all of them.

        Args, Raises: as `clipped_sum`.
        """
        factors, values = self._factors(losses, rows, cap)
        n = len(values) // cap
        found = {id(parameter): factor for parameter, factor in factors}
        columns = [
            torch.stack([found[id(p)].weighted(one).flatten() for one in torch.eye(n).to(p)])
            if id(p) in found and n
            else p.new_zeros(n, p.numel())
            for p in self._module.parameters()
            if p.requires_grad
        ]
        return torch.cat(columns, dim=1)

    def _factors(
        self, losses: Losses, rows: Rows, cap: int
    ) -> tuple[list[tuple[nn.Parameter, Factor]], torch.Tensor]:
        """Factors of all parameters, and the losses, from one pass over the rows."""
        check_rows(rows)
        check_cap(cap)
        if len(rows[0]) == 0:  # a Poisson batch may be empty: nothing to clip, and noise to come
            return [], next(self._module.parameters()).new_zeros(0)
        self._check_finished()
        self.tape.begin()
        examines = self.tape.examines
        try:
            if self._rows_alone:
                return self._whole(losses, rows, cap, examines)
            try:
                return self._by_layers(losses, rows, cap, examines)
            except UnreadableError as error:
                return self._by_rows(losses, rows, cap, error)
        finally:
            self.tape.forget()

    def _by_layers(
        self, losses: Losses, rows: Rows, cap: int, examines: bool
    ) -> tuple[list[tuple[nn.Parameter, Factor]], torch.Tensor]:
        """From what hooks see; from the whole loss where it depends on a slope."""
        inputs: Mapping[int, torch.Tensor] = leaves(rows) if examines else {}
        chance = Chance(rows[0].device) if examines else None
        values, inputs = self._watched(losses, rows, inputs, examines)
        check_one_each(values, len(rows[0]))
        if self.tape.differentiated:
            return self._whole(losses, rows, cap, examines)
        sound = units_of_finite(values, cap) if examines else None
        if sound is not None and sound.any() and not sound.all():
            # What is not finite tells nothing: the others are examined, then all are clipped.
            self._by_layers(losses, tuple(r[sound] for r in rows), cap, examines=True)
            return self._by_layers(losses, rows, cap, examines=False)
        tried = None
        if chance is not None:
            tried = partial(self._tried, losses, rows, values, len(values), chance=chance)
        entered = Entered(len(values), tuple(inputs.values()), tried)
        return self._by_hooks(values, cap, entered, examines), values.detach()

    def _watched(
        self, losses: Losses, rows: Rows, inputs: Mapping[int, torch.Tensor], examines: bool
    ) -> tuple[torch.Tensor, Mapping[int, torch.Tensor]]:
        """The losses, with the tape on, and the inputs that gradients lead to."""
        self.tape.start()
        self._state.begin(examines)
        try:
            return losses(*given(rows, inputs)), inputs
        except UnreadableError:
            raise
        except RuntimeError:
            if not inputs:
                raise
            # Some losses take numbers out of their inputs, which a gradient forbids.
            self.tape.start()
            return losses(*rows), {}
        finally:
            self.tape.stop()
            self._state.check()

    def _tried(
        self, run: Callable[..., Any], rows: tuple[Any, ...], found: Any, n: int, cap: int,
        chance: Chance,
    ) -> bool | None:  # fmt: skip
        """Whether units change each other's results; a warning where that cannot be told."""
        if n <= cap or n % cap:
            return None
        trial = Trial(self._module, run, rows, found, n, cap, chance, self.tape.rng)
        mixed = trial.mixed(self.tape.half(n // cap))
        if mixed is None:
            self.warn_once(
                "It cannot be tried whether records are kept apart, as the same rows give other "
                "results each time: by chance that is not torch's own, by as many draws as the "
                "rows say, or by what a pass remembers, which then holds records without a clip or "
                "noise. Make sure that no record's loss depends on another's, now or later."
            )
        return mixed

    def warn_once(self, text: str) -> None:
        """Say what cannot be told of a module, once."""
        if not self._untold:
            self._untold = True
            warnings.warn(text, GenauditWarning, stacklevel=7)

    def _by_hooks(
        self, values: torch.Tensor, cap: int, entered: Entered, examines: bool | None = None
    ) -> list[tuple[nn.Parameter, Factor]]:
        """Factors from what the tape holds.

        Raises:
            MixedError: records are not kept apart.
            UnreadableError: hooks have not seen all, or a place of as many rows as there are
                records is none of them.
        """
        mixed = entered.tried(cap) if entered.tried is not None else None
        try:
            found = self.tape.factors(values, cap, entered.leaves, examines)
        except MixedError as error:
            if mixed is False:
                raise UnreadableError(
                    f"{error.where} there are as many places as records, and they are something "
                    "else (positions), or gradients of records meet there while their losses do "
                    "not; keep records as the first axis, and apart."
                ) from None
            raise
        if mixed:
            raise MixedError("Where no gradient flows")
        return found

    def _by_rows(
        self, losses: Losses, rows: Rows, cap: int, why: UnreadableError
    ) -> tuple[list[tuple[nn.Parameter, Factor]], torch.Tensor]:
        """Each row alone, from now on; exact, but slower.

        Raises:
            UnreadableError: that cannot be done either.
        """
        try:
            found = self._whole(losses, rows, cap, examines=True)
        except UnreadableError:
            raise why from None
        warnings.warn(
            f"{why} Until then each record is run alone, which is exact but slower.",
            GenauditWarning,
            stacklevel=6,
        )
        self._rows_alone = True
        return found

    def _whole(
        self, losses: Losses, rows: Rows, cap: int, examines: bool
    ) -> tuple[list[tuple[nn.Parameter, Factor]], torch.Tensor]:
        """Each row alone, by the whole loss: also where one is not finite, no other is asked.

        Raises:
            MixedError: the losses of all rows together are something else.
        """
        n, together, chance = len(rows[0]), None, Chance(rows[0].device)
        self._state.begin(examines)
        try:
            if examines:
                whole.check_reached(self._module, losses, rows)
                together = losses(*rows).detach()
                check_one_each(together, n)
            found = whole.factors(self._module, losses, rows, cap)
        finally:
            self._state.check()
        if together is not None and self._tried(losses, rows, together, n, cap, chance):
            raise MixedError("With all records together")
        self.tape.passed()
        return found

    def _check_finished(self) -> None:
        if self.tape.on:
            raise OptionError(
                "Expected `finish` (or the criterion's backward) after each forward pass, got two "
                "passes; look at outputs under torch.no_grad."
            )

    def _clip(
        self, factors: list[tuple[nn.Parameter, Factor]], values: torch.Tensor, cap: int
    ) -> torch.Tensor:
        norms = values.new_zeros(len(values) // cap)
        if factors:
            norms = unit_norms([factor for _, factor in factors])
        kept = norms
        # One number tells of all: what is not finite leaves no sum finite.
        if not math.isfinite(float(norms.sum() + values.sum())):
            finite = torch.isfinite(norms) & torch.isfinite(values).reshape(-1, cap).all(1)
            factors, kept = [(p, f.take(finite)) for p, f in factors], norms[finite]
        weights = (self.max_grad_norm / (kept + _TINY)).clamp(max=1.0)
        # The last layer first: its norms were read last, so the cache still holds it.
        sums = {id(p): factor.weighted(weights, last=True) for p, factor in reversed(factors)}
        assert len(sums) == len(factors), "each parameter has one factor"
        for parameter in self._module.parameters():
            if parameter.requires_grad:
                found = sums.get(id(parameter))
                parameter.grad = torch.zeros_like(parameter) if found is None else found
        return norms


def _check_alone(module: nn.Module) -> None:
    """One watch for each module: two of them would each write down what the other's pass does."""
    if any(isinstance(part, BookKeepingModule) for part in module.modules()):
        raise OptionError(
            "Expected a module that is not watched yet, got a BookKeepingModule; take it as it is, "
            "or its own module after `cleanup`."
        )
    if not any(True for _ in module.parameters()):
        raise OptionError(
            f"Expected a module with parameters to train, got {type(module).__name__} without any."
        )


def _check_precision(module: nn.Module) -> None:
    """Norms are as exact as the numbers they come from, and a clip needs exact ones."""
    for name, parameter in local.trainable(module).items():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise OptionError(
                f"Expected parameters of float32 or float64, got {parameter.dtype} in {name!r}; "
                "with less precision a clip does not hold."
            )
