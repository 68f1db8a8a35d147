"""How many steps a training may take: all of a plain one, what is leased of a private one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from genaudit.ledger import Mechanism
from genaudit.training.book import Book
from genaudit.training.world import ALONE, World

#: Into how many leases the steps of a training are split. A killed process loses the one it was in,
#: and those before it whose state was not kept because they were over sooner than it is written.
N_LEASES = 20


class Pace(Protocol):
    """Asked before each step; `done` are the steps taken, those before a checkpoint included."""

    done: int

    @property
    def lost(self) -> int:
        """Steps that were charged and are not in the weights that are gone on with."""

    @property
    def left(self) -> int:
        """Steps that may follow, as far as is known."""

    @property
    def resting(self) -> bool:
        """Whether the present lease is used up, which is the moment to keep a checkpoint."""

    def next(self) -> bool:
        """Whether a step may be taken; call it before the step reads records, and take it then."""


@dataclass
class Counted:
    """Every step is allowed: plain training."""

    steps: int
    done: int = 0

    @property
    def lost(self) -> int:
        """None: what was read is read."""
        return 0

    @property
    def left(self) -> int:
        """Steps that follow."""
        return self.steps - self.done

    @property
    def resting(self) -> bool:
        """Whether a twentieth of the steps has been taken since the last rest."""
        return self.done % math.ceil(self.steps / N_LEASES) == 0 or self.done >= self.steps

    def next(self) -> bool:
        """Whether a step may be taken."""
        if self.done >= self.steps:
            return False
        self.done += 1
        return True


@dataclass
class Leased:
    """Steps are charged to the ledger a lease at a time, each before its first step.

    whole: the training, with all steps that it may take, by whatever process. world: processes that
    take each step together; the leader charges it, and the others wait until it has.
    """

    book: Book
    whole: Mechanism
    done: int = 0
    world: World = ALONE

    def __post_init__(self) -> None:
        self._open = 0
        self._charged = self.world.share_number(
            self.book.leased(self.whole) if self.world.leads else 0
        )

    @property
    def lost(self) -> int:
        """Steps that were charged and are not in what is gone on with."""
        return self._charged - self._open - self.done

    @property
    def left(self) -> int:
        """Steps that follow, if no other process takes any of them."""
        return self._open + max(0, self.whole.steps - self._charged)

    @property
    def resting(self) -> bool:
        """Whether the lease is used up."""
        return self._open == 0

    def next(self) -> bool:
        """Whether a step may be taken; a new lease is durable when this returns."""
        if self._open == 0:
            granted = 0
            if self.world.leads:
                granted = self.book.lease(self.whole, math.ceil(self.whole.steps / N_LEASES))
            self._open = self.world.share_number(granted)
            self._charged += self._open
        if self._open == 0:
            return False
        self._open -= 1
        self.done += 1
        return True
