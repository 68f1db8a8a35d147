"""Who is audited: a generator or a file of its samples, with what an auditor may do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.ledger import Touch
from genaudit.result import Claim


class Access(StrEnum):
    """What the auditor can do with the subject; a set, not a ladder."""

    SAMPLES = "samples"
    SAMPLER = "sampler"
    SCORES = "scores"
    WEIGHTS = "weights"
    RETRAIN = "retrain"


class Draw(Protocol):
    """Makes records: `draw(n, seed, where)`; fewer than n where a condition is rare."""

    def __call__(self, n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
        """Make n records."""


Score = Callable[[Dataset], np.ndarray]


@dataclass(frozen=True, eq=False)
class Subject:
    """A generator, or what is left of one.

    samples: generated records. draw: makes more. scores: name -> records -> shape (n,), higher =
    member. retrain: data sets, seeds -> subjects, plural so that shadow models can be batched.
    replicates: samples of several trainings of one recipe, of which `samples` are all together; the
    claim is then about the recipe. claim: what its maker promises. touches: release touches behind
    the claim, if it carries them.
    """

    name: str
    kind: str
    samples: Dataset | None = None
    draw: Draw | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    retrain: Callable[[Sequence[Dataset], Sequence[int]], Sequence[Subject]] | None = None
    weights: Mapping[str, np.ndarray] | None = None
    claim: Claim | None = None
    digest: str | None = None
    touches: tuple[Touch, ...] = ()
    replicates: tuple[Dataset, ...] = ()

    @property
    def access(self) -> frozenset[Access]:
        """What this subject offers."""
        has = {
            Access.SAMPLES: self.samples is not None or self.draw is not None,
            Access.SAMPLER: self.draw is not None,
            Access.SCORES: bool(self.scores),
            Access.WEIGHTS: self.weights is not None,
            Access.RETRAIN: self.retrain is not None,
        }
        return frozenset(a for a, yes in has.items() if yes)
