"""Many trainings of one recipe, for auditors: side by side where their shapes agree.

Nothing here is released, so nothing is charged to a ledger: an audit that trains again reads the
records in scope `audit`, and says so once, before it begins. Each model is what `fit` would have
made of its records and seed, but for rounding and for the history of live quality, which none has.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genaudit.data.dataset import Dataset
from genaudit.models.gan import Gan
from genaudit.models.store import Trained
from genaudit.models.threads import one_thread
from genaudit.models.together import GansTogether, Together, VaesTogether
from genaudit.models.vae import Vae
from genaudit.training import divergence, plain
from genaudit.training.book import Book
from genaudit.training.divergence import Watch
from genaudit.training.fit import fit
from genaudit.training.prepared import Batch, Prepared
from genaudit.training.recipe import Recipe
from genaudit.training.table import TableWork

#: Most generators in one step: beyond, their weights and records no longer stay near the processor.
_MOST = 64


def fit_each(recipes: Sequence[Recipe], data: Sequence[Dataset]) -> list[Trained]:
    """Train a generator on each data set.

    Plain trainings of tables that agree in every size step together, up to 64 of them; private
    ones, and those of images, series, sounds and texts, follow one another.

    Args:
        recipes: One for each data set; where more than seeds differ they do not step together.
        data: Checked records.

    Raises:
        OptionError, DataError, DivergenceError: as `fit`.
    """
    found: dict[int, Trained] = {}
    waiting: dict[Hashable, list[_Job]] = {}
    for i, (recipe, records) in enumerate(zip(recipes, data, strict=True)):
        if recipe.private or records.schema.record is not None:
            found[i] = fit(recipe, records)
            continue
        with one_thread(recipe.device):
            job = _Job.of(i, recipe, records)
        waiting.setdefault(job.shape, []).append(job)
    for jobs in waiting.values():
        for start in range(0, len(jobs), _MOST):
            found |= _train(jobs[start : start + _MOST])
    return [found[i] for i in range(len(data))]


@dataclass(frozen=True, eq=False)
class _Job:
    """A training that is ready for its first step, and its place among the others."""

    place: int
    recipe: Recipe
    prepared: Prepared
    book: Book
    work: TableWork
    batch: Batch

    @classmethod
    def of(cls, place: int, recipe: Recipe, data: Dataset) -> _Job:
        book = Book.of(None, data, "", "")
        prepared = plain.prepare(recipe, data, book, None)
        work = TableWork.of(recipe, prepared.basis)
        return cls(place, recipe, prepared, book, work, work.batches(prepared.numbers))

    @property
    def shape(self) -> Hashable:
        """What must agree between trainings that step together: all but seed and records."""
        basis, layout = self.prepared.basis, self.prepared.basis.layout
        return (
            self.recipe.model_copy(update={"seed": 0}), basis.settled.model_dump_json(),
            layout.blocks, layout.given_sizes, layout.gates, layout.ordered, layout.pairs,
            len(self.prepared.numbers.joint),
        )  # fmt: skip

    @property
    def watch(self) -> Watch:
        """What tells of trainings that diverge."""
        return Watch(self.recipe, self.prepared.basis.settled, "table")

    def trained(self) -> Trained:
        touches, mark = self.book.record()
        return Trained(
            family=self.recipe.family,
            sampler=self.work.sampler(),
            claim=None,
            touches=touches,
            ledger=mark,
            history=(),
            recipe={
                **self.recipe.model_dump(mode="json"),
                **self.prepared.basis.settled.model_dump(mode="json"),
            },
        )


def _train(jobs: Sequence[_Job]) -> dict[int, Trained]:
    """Take all steps of trainings of one shape."""
    first = jobs[0]
    with one_thread(first.recipe.device):
        together = _together([job.work.family for job in jobs])
        together.start()
        noises = [torch.Generator(first.recipe.device) for _ in jobs]
        for step, rows in enumerate(_batches(jobs)):
            for job, noise in zip(jobs, noises, strict=True):
                noise.manual_seed(plain.noise_seed(job.recipe.seed, step))
            batches = [job.batch(mine) for job, mine in zip(jobs, rows, strict=True)]
            with first.watch.at(step + 1, first.work.family.phases()):
                together.step(batches, noises, plain.penalised(step + 1))
                divergence.check_weights(together.weights)
        together.finish()
    return {job.place: job.trained() for job in jobs}


def _batches(jobs: Sequence[_Job]) -> Iterator[list[np.ndarray]]:
    """Positions of the batch of each training, step after step."""
    settled = jobs[0].prepared.basis.settled
    each = [
        plain.Batches(len(job.prepared.numbers.joint), settled.batch_size, job.recipe.seed)
        for job in jobs
    ]
    for step in range(settled.steps):
        yield [one.rows(step) for one in each]


def _together(families: Sequence[object]) -> Together:
    gans = [f for f in families if isinstance(f, Gan)]
    return GansTogether(gans) if gans else VaesTogether([f for f in families if isinstance(f, Vae)])
