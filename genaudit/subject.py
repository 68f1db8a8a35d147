"""Who is audited: a generator or a file of its samples, with what an auditor may do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from genaudit.data.dataset import Dataset, joined
from genaudit.data.schema import Schema
from genaudit.errors import OptionError, check_seed
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
    def repeats(self) -> int:
        """How often one of the rows that came stands among them at most."""


#: One mitigation that samples went through: method, columns, target and options by their names.
Step = Mapping[str, Any]


class Mitigation(Protocol):
    """What makes groups of generated rows alike (`genaudit.Mitigation`); it takes no real row."""

    @property
    def repeats(self) -> int:
        """How often it may use one row."""

    def step(self, schema: Schema | None, seed: int = 0, repeats: int | None = None) -> Step:
        """What is done, as a record keeps it; repeats: how often a row was used, where known."""

    def noted(self, steps: Sequence[Step], repeats: int = 1) -> Message:
        """What was done step by step, for a report; repeats: of a row, where that is more."""

    def check_counted(self) -> None:
        """Refuse what an audit would not see, such as weights beside rows."""

    def of_samples(self, samples: Dataset, *, seed: int = 0) -> Samples:
        """Generated rows mitigated."""

    def of_draw(self, draw: Draw, n: int, *, seed: int = 0) -> Samples:
        """N mitigated rows of a generator."""

    def settled(
        self, samples: Dataset | Draw, *, seed: int = 0
    ) -> tuple[Mitigation, tuple[Section, ...]]:
        """The same with all that is tuned on samples fixed, and what a report shows of it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A generator, or what is left of one.

    samples: generated records. draw: makes more. scores: name -> records -> shape (n,), higher =
    member. retrain: data sets, seeds -> subjects, plural so that shadow models can be batched.
    replicates: samples of several trainings of one recipe, of which `samples` are all together; the
    claim is then about the recipe. claim: what its maker promises. touches: release touches behind
    the claim, if it carries them.
    mitigation: what was done to the samples to make groups alike, for the report. steps: the same
    as data, in order; None where parts of the samples went through different ones. repeats: how
    often one generated row stands among the samples at most, after it. sections: what the report
    shows of that beside its audits. contents: a digest of the rows of each file of samples, and
    of all of them together, in whatever order and format they stand there.
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
    steps: tuple[Step, ...] | None = ()
    repeats: int = 1
    sections: tuple[Section, ...] = ()
    contents: tuple[str, ...] = ()

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

    @property
    def earlier(self) -> tuple[Step, ...]:
        """What was done to all of the samples, before they are mitigated anew.

        Raises:
            OptionError: parts of them were mitigated in different ways, or not at all.
        """
        if self.steps is None:
            raise OptionError(
                f"Expected samples that were all mitigated alike, or not at all, got a mix in "
                f"{self.name}; mitigate them one by one, or as they were before."
            )
        return self.steps

    def mitigated(self, how: Mitigation, *, seed: int = 0) -> Subject:
        """This subject with its samples mitigated, and its claim as it was.

        A mitigation uses generated rows alone, so it is post-processing, and what was promised of
        these rows holds of those. Scores and weights are of the generator before, and left out.
        Samples of several trainings are mitigated one by one, with one strength.

        Args:
            how: Such as `genaudit.Mitigation("reweigh")`.
            seed: Of chance in the mitigation of samples; draws have a seed of their own.

        Raises:
            OptionError, DataError: the samples do not allow it, parts of them were mitigated
                already, or it gives weights beside rows, which audits leave out.
        """
        how.check_counted()
        check_seed(seed)
        seed, earlier = int(seed), self.earlier
        retrain = self.retrain
        again = None
        if retrain is not None:

            def again(data: Sequence[Dataset], seeds: Sequence[int]) -> Sequence[Subject]:
                made = retrain(data, seeds)
                return [s.mitigated(how, seed=k) for s, k in zip(made, seeds, strict=True)]

        fixed, shown = self._settled(how, seed)
        samples, parts, used = self._samples_mitigated(fixed, seed)
        step = fixed.step(self._schema(seed), seed, used)
        repeats = self.repeats * (used or how.repeats)
        return replace(
            self,
            samples=samples,
            replicates=parts,
            draw=None if self.draw is None else _mitigated(self.draw, fixed),
            scores={},
            weights=None,
            retrain=again,
            mitigation=how.noted((*earlier, step), repeats),
            steps=(*earlier, step),
            repeats=repeats,
            sections=(*self.sections, *shown),
        )

    def _settled(self, how: Mitigation, seed: int) -> tuple[Mitigation, tuple[Section, ...]]:
        """The mitigation with its strength tuned, once, and what is shown of that."""
        of = self.draw if self.samples is None else self.samples
        of = joined(self.replicates) if self.replicates else of
        return (how, ()) if of is None else how.settled(of, seed=seed)

    def _schema(self, seed: int) -> Schema | None:
        """Of what is generated; a generator shows it by a row."""
        if self.samples is not None:
            return self.samples.schema
        return None if self.draw is None else self.draw(1, seed).schema

    def _samples_mitigated(
        self, how: Mitigation, seed: int
    ) -> tuple[Dataset | None, tuple[Dataset, ...], int | None]:
        """Samples, those by training, and how often one row stands there; None where none do."""
        if self.replicates:
            found = [how.of_samples(part, seed=(seed + i) % 2**63)
                     for i, part in enumerate(self.replicates)]  # fmt: skip
            parts = tuple(one.samples for one in found)
            return joined(parts), parts, max(one.repeats for one in found)
        if self.samples is None:
            return None, (), None
        one = how.of_samples(self.samples, seed=seed)
        return one.samples, (), one.repeats


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
