"""Who is audited: a generator or a file of its samples, with what an auditor may do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import numpy as np

from genaudit.data.dataset import Dataset, joined
from genaudit.ledger import Touch
from genaudit.result import Claim, Message, Section


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

#: Rows made for each one wanted before a condition is given up, and in how many goes.
_GOES = 20


class Samples(Protocol):
    """What holds generated rows, such as the outcome of a mitigation."""

    @property
    def samples(self) -> Dataset:
        """The rows."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """What a report shows of it, such as the strengths that were tried."""


class Mitigation(Protocol):
    """What makes groups of generated rows alike (`genaudit.Mitigation`); it takes no real row."""

    @property
    def note(self) -> Message:
        """What was done, for a report."""

    def of_samples(self, samples: Dataset, *, seed: int = 0) -> Samples:
        """Generated rows mitigated."""

    def of_draw(self, draw: Draw, n: int, *, seed: int = 0) -> Samples:
        """N mitigated rows of a generator."""

    def settled(self, draw: Draw, *, seed: int = 0) -> tuple[Mitigation, tuple[Section, ...]]:
        """The same with all that is tuned on a generator fixed, and what a report shows of it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A generator, or what is left of one.

    samples: generated records. draw: makes more. scores: name -> records -> shape (n,), higher =
    member. retrain: data sets, seeds -> subjects, plural so that shadow models can be batched.
    replicates: samples of several trainings of one recipe, of which `samples` are all together; the
    claim is then about the recipe. claim: what its maker promises. touches: release touches behind
    the claim, if it carries them.
    mitigation: what was done to the samples to make groups alike, for the report. sections: what it
    shows of that beside its audits.
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
    mitigation: Message | None = None
    sections: tuple[Section, ...] = ()

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

    def mitigated(self, how: Mitigation, *, seed: int = 0) -> Subject:
        """This subject with its samples mitigated, and its claim as it was.

        A mitigation uses generated rows alone, so it is post-processing, and what was promised of
        these rows holds of those. Scores and weights are of the generator before, and left out.

        Args:
            how: Such as `genaudit.Mitigation("reweigh")`.
            seed: Of chance in the mitigation of samples; draws have a seed of their own.

        Raises:
            OptionError, DataError: the samples do not allow it.
        """
        retrain = self.retrain
        again = None
        if retrain is not None:

            def again(data: Sequence[Dataset], seeds: Sequence[int]) -> Sequence[Subject]:
                made = retrain(data, seeds)
                return [s.mitigated(how, seed=k) for s, k in zip(made, seeds, strict=True)]

        found = None if self.samples is None else how.of_samples(self.samples, seed=seed)
        fixed, shown = how, () if found is None else found.sections
        if found is None and self.draw is not None:
            fixed, shown = how.settled(self.draw, seed=seed)
        return replace(
            self,
            samples=None if found is None else found.samples,
            draw=None if self.draw is None else _mitigated(self.draw, fixed),
            scores={},
            weights=None,
            retrain=again,
            mitigation=how.note,
            sections=shown,
        )


def _mitigated(draw: Draw, how: Mitigation) -> Draw:
    """Draws of a generator, each mitigated; those with a condition are picked out of such."""

    def mitigated(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
        if not where or not n:
            return how.of_draw(draw, n, seed=seed).samples if n else draw(n, seed, where)
        return matching(lambda size, own: how.of_draw(draw, size, seed=own).samples, n, seed, where)

    return mitigated


def matching(
    make: Callable[[int, int], Dataset], n: int, seed: int, where: Mapping[str, str]
) -> Dataset:
    """Bounded rejection: up to n rows that have these values, out of what a size and a seed make.

    Args:
        make: Makes so many rows from a seed.
        n: Rows wanted.
        seed: Of the first go; each further one has the next.
        where: Column -> value, as a level is written.
    """
    parts: list[Dataset] = []
    found, size = 0, n
    for go in range(_GOES):
        made = make(size, (seed + go) % 2**63)
        fits = np.ones(len(made), dtype=bool)
        for column, value in where.items():
            fits &= (made.frame[column].astype(str) == value).to_numpy()
        parts.append(made.take(fits))
        found += len(parts[-1])
        if found >= n:
            break
        # As many as the last share of hits asks for, within bounds.
        hits = max(int(fits.sum()), 1) / max(len(made), 1)
        size = max(int(min((n - found) / hits * 1.1, _GOES * n)), 1)
    whole = joined(parts)
    return whole.take(np.arange(min(n, len(whole))))
