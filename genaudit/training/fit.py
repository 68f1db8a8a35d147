"""Training: a recipe and records in, a trained generator with its promise and its record out.

The regime is plain or private (`training.dp`). Either way a family gets marginals and phases are
stepped through; under differential privacy nothing computed on records reaches history or progress,
but what the budget paid for.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol, runtime_checkable

import torch
from pydantic import BaseModel

from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes
from genaudit.data.schema import Schema
from genaudit.errors import DataError, GenauditWarning, OptionError
from genaudit.ledger import Mark, PrivacyLedger, Touch
from genaudit.models.base import Phase
from genaudit.models.store import Trained
from genaudit.models.threads import one_thread
from genaudit.training import checkpoint as checkpoints
from genaudit.training import divergence, plain
from genaudit.training.book import Book
from genaudit.training.checkpoint import Checkpoint, Keeper
from genaudit.training.divergence import Watch
from genaudit.training.kinds import Work, work_of
from genaudit.training.pace import Pace
from genaudit.training.prepared import Basis, Prepared, kind_of
from genaudit.training.recipe import Recipe, check_budget_total
from genaudit.training.world import ALONE, World

__all__ = ["Progress", "Trained", "Update", "fit", "plan", "resume"]

#: How often live quality is looked at, as a share of all steps.
_LOOK = 0.05

#: Most of the time that checkpoints may take; leases that end sooner are kept with the next.
KEPT_SHARE = 0.01


@dataclass(frozen=True)
class Update:
    """Where a training stands.

    quality: mean total variation distance between made and reference marginals (0 is best); None
        between looks. seconds_left: None before the first step. metrics: what else may be shown.
    """

    step: int
    steps: int
    seconds_left: float | None
    quality: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


Progress = Callable[[Update], None]


def fit(
    recipe: Recipe,
    data: Dataset,
    *,
    ledger: PrivacyLedger | None = None,
    dataset_id: str = "",
    artefact: str = "model",
    budget_total: float | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    world: World = ALONE,
) -> Trained:
    """Train a generator on records.

    Every read is charged to the ledger before it happens, and stands in the model. The schema is
    the data's own; under differential privacy what it leaves open is paid for or refused.

    Args:
        recipe: Family, budget and numbers.
        data: Checked records.
        ledger: Where every read is charged; None keeps the touches in the model alone.
        dataset_id: Name of the data set in the ledger; a total needs one.
        artefact: Name of the model in the ledger.
        budget_total: Refuse if this and all earlier releases of the data set exceed this ε.
        checkpoint: A folder to go on from if training is stopped (`resume`); needs a ledger.
        progress: Called after every step.
        world: Processes that train together; only the leader needs ledger and checkpoint.

    Raises:
        OptionError, BudgetError, DataError: something is out of range, not paid for, or not usable.
        DivergenceError: its numbers are no longer finite.
    """
    if world.leads:  # a follower has no ledger, so it does not know the name
        check_budget_total(budget_total, dataset_id)
    _check_device(recipe.device)
    if world.size > 1 and not recipe.private:
        raise OptionError(
            "Plain training runs in one process, got several; start it without torchrun."
        )
    _check_records(data, world)
    if not world.leads:
        return _follow(data, world)
    if checkpoint is not None and ledger is None:
        raise OptionError("A checkpoint needs a ledger that says what it has spent; give one.")
    if checkpoint is not None and checkpoints.exists(checkpoint):
        raise OptionError(
            f"Expected a new or empty folder for checkpoints at {str(checkpoint)!r}, but it holds "
            "one; go on from it with --resume, or name another."
        )
    book = Book.of(ledger, data, dataset_id, artefact)
    with one_thread(recipe.device), book.closing_on_error():
        prepared = _prepared(recipe, data, book, budget_total, world)
        job = _Job.of(recipe, data.schema, prepared, book, checkpoint, world)
        job.work.family.start()
        if job.keep():
            book.keep_open()
        return job.run(progress)


def resume(
    checkpoint: Checkpoint,
    folder: str | Path,
    data: Dataset,
    *,
    ledger: PrivacyLedger,
    budget_total: float | None = None,
    progress: Progress | None = None,
    world: World = ALONE,
) -> Trained:
    """Go on with a training that was stopped, with the steps that the ledger leaves it.

    A warning says how many steps were charged but are not in the checkpoint, and how many are left.

    Args:
        checkpoint: Where to go on, of `folder`, which later moments are written to.
        folder: Of the checkpoint.
        data: The same records, checked.
        ledger: The same ledger.
        budget_total: As in `fit`.
        progress: Called after every step.
        world: As in `fit`.

    Raises:
        IntegrityError: it is another ledger, or one that was rolled back.
        DataError: these are other records.
        OptionError, BudgetError, DivergenceError: as in `fit`.
    """
    info, recipe = checkpoint.info, checkpoint.info.recipe
    check_budget_total(budget_total, info.dataset)
    _check_device(recipe.device)
    _check_records(data, world)
    if not world.leads:
        return _follow(data, world)
    ledger.verify(info.mark)
    book = Book.of(ledger, data, info.dataset, info.artefact)
    book.go_on(info.run)
    if book.content != info.content:
        raise DataError(
            f"The checkpoint in {str(folder)!r} is of other records than these; give the file that "
            "it was trained on."
        )
    with one_thread(recipe.device), book.closing_on_error():
        if recipe.private:
            world.share(checkpoint.to_bytes())
            prepared = _private().resume(
                recipe, data, book, budget_total, checkpoint.basis, info.done, world
            )
        else:
            prepared = plain.resume(recipe, data, book, budget_total, checkpoint.basis, info.done)
        job = _Job.of(recipe, data.schema, prepared, book, folder, world)
        try:
            job.work.family.parts().load(checkpoint.parts)
        except (KeyError, ValueError, RuntimeError) as error:
            raise DataError(
                f"The checkpoint in {str(folder)!r} is not usable: its weights are of another "
                "training."
            ) from error
        job.history.extend(info.history)
        _say_what_is_left(prepared.pace)
        return job.run(progress)


def _follow(data: Dataset, world: World) -> Trained:
    """Train beside a leader, which pays for everything, from where it stands."""
    moment = Checkpoint.from_bytes(world.share())
    info, recipe = moment.info, moment.info.recipe
    book = Book(None, info.dataset, info.artefact)
    with one_thread(recipe.device):
        prepared = _private().resume(recipe, data, book, None, moment.basis, info.done, world)
        job = _Job.of(recipe, data.schema, prepared, book, None, world)
        if moment.parts:
            job.work.family.parts().load(moment.parts)
        else:
            job.work.family.start()
        return job.run(None)


def _check_records(data: Dataset, world: World) -> None:
    """Refuse processes that read different records, before any is used."""
    if world.size > 1:
        world.check_records(row_hashes(data.frame).tobytes())


def _say_what_is_left(pace: Pace) -> None:
    lost = f", {pace.lost:,} more were charged and count as spent" if pace.lost else ""
    warnings.warn(
        f"Resumed: {pace.done:,} steps are in the checkpoint{lost}, {pace.left:,} are left.",
        GenauditWarning,
        stacklevel=4,
    )


def plan(
    recipe: Recipe,
    data: Dataset,
    *,
    ledger: PrivacyLedger | None = None,
    dataset_id: str = "",
    budget_total: float | None = None,
) -> list[str]:
    """What a training would do and spend, as lines for a person; nothing is written.

    Raises:
        OptionError, BudgetError, DataError: that training would be refused, with the same words.
    """
    check_budget_total(budget_total, dataset_id)
    _check_device(recipe.device)
    book = Book.of(ledger, data, dataset_id, "")
    book.rehearsal = True
    regime = _private() if recipe.private else plain
    return [
        f"Family {recipe.family}, preset {recipe.preset}, seed {recipe.seed}.",
        *regime.plan(recipe, data, book, budget_total),
    ]


def _prepared(
    recipe: Recipe, data: Dataset, book: Book, budget_total: float | None, world: World
) -> Prepared:
    if not recipe.private:
        return plain.prepare(recipe, data, book, budget_total)

    def announce(basis: Basis) -> None:
        if world.size > 1:
            world.share(Checkpoint.of(recipe, data.schema, basis, book).to_bytes())

    return _private().prepare(recipe, data, book, budget_total, world, announce)


def _private() -> ModuleType:
    from genaudit.training.dp import regime  # Opacus takes a second to import

    return regime


class _Read(BaseModel):
    """Touches that flowed into a model, and where the ledger stands."""

    touches: tuple[Touch, ...]
    mark: Mark | None


@runtime_checkable
class _Holds(Protocol):
    """A stepper that has hooks on its module."""

    def close(self) -> None:
        """Take them off."""


@dataclass(frozen=True, eq=False)
class _Job:
    """A training that is ready for its next step. keeper: where it writes checkpoints, if it does.

    history: live quality so far.
    """

    recipe: Recipe
    prepared: Prepared
    book: Book
    work: Work
    keeper: Keeper | None
    world: World
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def of(
        cls, recipe: Recipe, declared: Schema, prepared: Prepared, book: Book,
        folder: str | Path | None, world: World,
    ) -> _Job:  # fmt: skip
        basis = prepared.basis
        work = work_of(recipe, basis)
        keeper = None
        if folder is not None:
            keeper = Keeper(Path(folder), recipe, declared, basis, book)
        return cls(recipe, prepared, book, work, keeper, world)

    def keep(self) -> bool:
        """Write a checkpoint, where there is a place for it; whether there is one."""
        if self.keeper is None:
            return False
        state = self.work.family.parts().state()
        self.keeper.keep(self.prepared.pace.done, state, self.history)
        return True

    def keep_if_due(self, seconds: float) -> None:
        """The same between steps, after so many seconds of them; the last state is always kept."""
        at_end = self.prepared.pace.left == 0
        if self.keeper is not None and (at_end or self.keeper.seconds < KEPT_SHARE * seconds):
            self.keep()

    def run(self, progress: Progress | None) -> Trained:
        """Take the steps that are left, and hand over what came of it."""
        self._steps(progress)
        self._finish()
        if self.world.leads:
            self.book.close()
        basis, read = self.prepared.basis, self._read()
        return Trained(
            family=self.recipe.family,
            sampler=self.work.sampler(),
            claim=basis.claim,
            touches=read.touches,
            ledger=read.mark,
            history=tuple(self.history),
            recipe={**self.recipe.model_dump(mode="json"), **basis.settled.model_dump(mode="json")},
        )

    def _finish(self) -> None:
        """What follows the last step; what would be released then is finite."""
        family, done = self.work.family, self.prepared.pace.done
        with self.watch.at(done, family.phases()):
            family.finish()
            divergence.check_weights(family.released.parameters())

    @property
    def watch(self) -> Watch:
        """What tells of a training that diverges."""
        basis = self.prepared.basis
        return Watch(self.recipe, basis.settled, kind_of(basis.schema))

    def _read(self) -> _Read:
        """What is on record of this training, in every process."""
        if not self.world.leads:
            return _Read.model_validate_json(self.world.share())
        touches, mark = self.book.record()
        read = _Read(touches=touches, mark=mark)
        self.world.share(read.model_dump_json().encode())
        return read

    def _steps(self, progress: Progress | None) -> None:
        pace, end = self.prepared.pace, 0
        look, batch = _Look(self), self.work.batches(self.prepared.numbers)
        started, before = time.monotonic(), pace.done
        phases = self.work.family.phases()
        for i, phase in enumerate(phases):
            end += phase.steps
            if pace.done >= end:
                continue
            take = self.prepared.stepper(phase, batch)
            while pace.done < end and pace.next():
                with self.watch.at(pace.done, phases[: i + 1]):
                    metrics = self._step(phase, take)
                    quality = look(metrics)
                if progress is not None:
                    passed = (time.monotonic() - started) / (pace.done - before)
                    progress(Update(pace.done, pace.done + pace.left, passed * pace.left, quality,
                                    metrics))  # fmt: skip
                if pace.resting:
                    self.world.check_same(self.work.family.parts().modules.values())
                    self.keep_if_due(time.monotonic() - started)
            if isinstance(take, _Holds):
                take.close()  # a later phase may use its module, which must be as any other then

    def _step(
        self, phase: Phase, take: Callable[[], Mapping[str, float] | None]
    ) -> Mapping[str, float]:
        """One step after which all numbers are finite; what may be shown of it."""
        metrics = dict(take() or {}) | dict(phase.public_step())
        divergence.check_numbers(metrics)
        modules = self.work.family.parts().modules.values()
        divergence.check_weights(p for module in modules for p in module.parameters())
        return metrics


@dataclass
class _Look:
    """Live quality: made marginals against reference marginals, and nothing else."""

    job: _Job

    def __post_init__(self) -> None:
        pace = self.job.prepared.pace
        self._every = max(1, round(_LOOK * (pace.done + pace.left)))

    def __call__(self, metrics: Mapping[str, float]) -> float | None:
        """The distance now and then, and after the last step; it goes into the history."""
        job, pace = self.job, self.job.prepared.pace
        if pace.done % self._every and pace.left:
            return None
        quality = job.work.quality()
        divergence.check_numbers({"quality": quality})
        job.history.append({"step": float(pace.done), "quality": quality, **metrics})
        return quality


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
        torch.Generator(device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(
            f"Expected a device that torch has here, such as cpu, got {device!r}."
        ) from error
