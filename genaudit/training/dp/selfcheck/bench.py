"""A trainer on the bench: made when needed, shared by the checks, and what was measured on it."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.outcome import (
    Status,
    Stopped,
    UnfitError,
    cannot_tell,
    skipped,
)
from genaudit.training.dp.selfcheck.protocol import Promise, Units

_T = TypeVar("_T")

#: Level of each statistical check: chance that a correct trainer has to be looked at again.
ALPHA = 1e-4

#: Below this an alarm needs no second look; the level of that look.
_SURE, _CONFIRMED = 1e-12, 1e-6


class Bench:
    """One trainer under examination.

    Args:
        given: A trainer, or a factory of trainers: `make()` or `make(seed=...)`.
        seed: Handed to the factory, and of the choices that the checks make.
        effort: How many times as much chance is looked at; above 1 nothing is looked at again.
    """

    def __init__(self, given: Any, seed: int = 0, *, effort: int = 1) -> None:
        self.seed, self.effort = seed, effort
        self.given = given
        self.is_factory = isinstance(given, type) or (
            callable(given) and not hasattr(given, "promise")
        )
        self._known: dict[str, Any] = {}

    @cached_property
    def trainer(self) -> Any:
        """The trainer that most checks share."""
        return self.fresh() if self.is_factory else self.given

    @property
    def promise(self) -> Promise:
        """What it says of itself.

        Raises:
            UnfitError: it says so in a way of its own.
        """
        found = getattr(self.trainer, "promise", None) or Promise()
        if not isinstance(found, Promise):
            raise UnfitError(
                f"Expected the trainer's promise as genaudit.Promise(...), got a "
                f"{type(found).__name__}."
            )
        return found

    def fresh(self) -> Any:
        """Another trainer with the same seed, where there is a factory; global seeds are set too.

        Raises:
            Stopped: skipped, as one trainer was given instead of a factory.
        """
        if not self.is_factory:
            raise skipped(
                "no_factory", "one trainer was given, and this takes a factory that makes several"
            )
        _seed_everything(self.seed)
        return self.given(seed=self.seed) if _takes_seed(self.given) else self.given()

    def unused(self) -> Any:
        """A trainer that took no step of its training yet, if that can be had."""
        return self.fresh() if self.is_factory else self.trainer

    def once(self, key: str, measure: Callable[[], _T]) -> _T:
        """What `measure` found, measured the first time that it is asked for."""
        if key not in self._known:
            self._known[key] = measure()
        found: _T = self._known[key]
        return found

    def confirmed(self, check: Callable[[Bench], Message]) -> Message:
        """What a check says; a statistical alarm must come twice, the second time on fresh chance.

        Level 1e-4 alone would blame one correct trainer in some hundred; with four times as much to
        look at and the level 1e-6 after it, one in a hundred million.

        Raises:
            Stopped: it failed, cannot tell, or was skipped.
        """

        def ends() -> Message | Exception:
            try:
                return self._twice(check)
            except Exception as error:  # kept, as others ask how it ended
                return error

        ended = self.once(f"{check.__module__}.{check.__name__}", ends)
        if isinstance(ended, Exception):
            raise ended
        return ended

    def fails(self, check: Callable[[Bench], Message]) -> bool:
        """Whether a check fails that another one rests on."""
        try:
            self.confirmed(check)
        except Stopped as stopped:
            return stopped.status is Status.FAILED
        except Exception:  # it is reported where that check stands
            return False
        return False

    def _twice(self, check: Callable[[Bench], Message]) -> Message:
        try:
            return check(self)
        except Stopped as stopped:
            if stopped.p_value is None or stopped.p_value < _SURE or self.effort > 1:
                raise
            first = stopped
        try:
            return check(self._again)
        except Stopped as second:
            if second.status is not Status.FAILED:
                raise
            if second.p_value is None or second.p_value < _CONFIRMED:
                raise second from first
        return message(
            "selfcheck.unconfirmed_ok", "what chance showed once it did not show again, with more "
            "to look at",
        )  # fmt: skip

    @cached_property
    def _again(self) -> Bench:
        """The same trainer looked at longer, by other choices."""
        return Bench(self.given, self.seed, effort=4)

    def usual(self, times: float = 1.0) -> int:
        """So many times the mean number of units in a batch of the training; 0 if it is not said.

        At most all of the units.
        """
        promise = self.promise
        found = times * (promise.sampling_rate or 0.0) * (promise.n_units or 0)
        return min(math.ceil(found), count(self.pool()))

    def rng(self, stream: int) -> np.random.Generator:
        """Choices of a check."""
        return np.random.default_rng([self.seed, stream, self.effort])

    def pool(self, at_least: int = 2) -> Units:
        """The trainer's units.

        Raises:
            Stopped: there are too few.
        """
        units = as_units(self.trainer.units())
        if count(units) < at_least:
            raise cannot_tell(
                "few_units", "{n} units are too few, this takes {wanted}",
                n=count(units), wanted=at_least,
            )  # fmt: skip
        return units


def offers(trainer: Any, name: str) -> bool:
    """Whether a trainer has the method."""
    return callable(getattr(trainer, name, None))


def as_units(given: Any) -> Units:
    """Arrays of one trainer: a tuple of them, or one alone."""
    many = given if isinstance(given, tuple | list) else (given,)
    return tuple(np.asarray(a) for a in many)


def count(units: Units) -> int:
    """How many units there are."""
    return len(units[0])


def take(units: Units, at: Any) -> Units:
    """Units at some positions."""
    return tuple(a[at] for a in units)


def joined(*parts: Units) -> Units:
    """Units one after the other."""
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def replaced(units: Units, j: int, one: Units) -> Units:
    """The same units, but for another one at position j."""
    return joined(take(units, slice(0, j)), one, take(units, slice(j + 1, None)))


def is_float(array: np.ndarray) -> bool:
    """Whether it holds floating-point numbers, which may be scaled."""
    return bool(np.issubdtype(array.dtype, np.floating))


def positions(drawn: Any) -> np.ndarray:
    """What `draw` gave, as positions of units.

    Raises:
        UnfitError: it gave a mask, which looks like positions 0 and 1.
    """
    found = vector(drawn) if hasattr(drawn, "detach") else np.asarray(drawn).ravel()
    if found.size and np.asarray(drawn).dtype == bool:
        raise UnfitError(
            "Expected positions of units from `draw`, such as np.flatnonzero(mask), got a mask of "
            f"{found.size} booleans."
        )
    return found.astype(np.int64)


def scaled(units: Units, factor: float) -> Units:
    """Units whose floating-point numbers are multiplied."""
    return tuple((a * factor).astype(a.dtype) if is_float(a) else a for a in units)


def vector(found: Any) -> np.ndarray:
    """A gradient as numbers of double precision, shape (parameters,)."""
    if hasattr(found, "detach"):
        found = found.detach().cpu()
    return np.asarray(found, dtype=float).ravel()


def matrix(found: Any, n: int) -> np.ndarray:
    """Gradients of n units, shape (n, parameters)."""
    flat = vector(found)
    return flat.reshape(n, -1) if n else flat.reshape(0, 1)


def _takes_seed(make: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # a builtin may have no signature
        return False
    return any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters)


def _seed_everything(seed: int) -> None:
    """What a script does that wants to be repeated; nothing private may follow from it."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  the global state is what others seed
    torch.manual_seed(seed)
