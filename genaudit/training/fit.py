"""Training: a recipe and records in, a trained generator with its promise and its record out.

The regime is plain or private (`training.dp`). Either way a family gets marginals and phases are
stepped through; under differential privacy nothing computed on records reaches history or progress,
but what the budget paid for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from genaudit.data.dataset import Dataset
from genaudit.errors import OptionError
from genaudit.ledger import PrivacyLedger
from genaudit.modalities.table.nets import TableNets
from genaudit.models.base import Family, Reference, Tuning, made
from genaudit.models.cgan import Cgan
from genaudit.models.gan import Gan
from genaudit.models.sampler import Sampler
from genaudit.models.store import Trained
from genaudit.models.vae import Vae
from genaudit.training import marginals, plain
from genaudit.training.book import Book
from genaudit.training.prepared import Batch, Prepared, check_condition, nets_of
from genaudit.training.recipe import Recipe, Settled, check_budget_total

__all__ = ["Progress", "Trained", "Update", "fit", "plan"]

_FAMILIES: Mapping[str, type[Gan | Vae]] = {"gan": Gan, "cgan": Cgan, "vae": Vae}

#: How often live quality is looked at, as a share of all steps.
_LOOK = 0.05

#: Records made to look at.
_LOOK_AT = 1024


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
    progress: Progress | None = None,
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
        progress: Called after every step.

    Raises:
        OptionError, BudgetError, DataError: something is out of range, not paid for, or not usable.
    """
    check_budget_total(budget_total, dataset_id)
    _check_device(recipe.device)
    book = Book.of(ledger, data, dataset_id, artefact)
    with _one_thread(recipe.device), book.closing_on_error():
        prepared = _prepare(recipe)(recipe, data, book, budget_total)
        nets = nets_of(prepared.layout, prepared.settled)
        reference = _reference(prepared, nets, recipe.device)
        family = _family(recipe, prepared.settled, nets, reference)
        history = _train(family, prepared, recipe, nets, reference, progress=progress)
    book.close()
    sampler = Sampler(
        prepared.schema, prepared.layout, nets, family.released, prepared.marginals.joint
    )
    return Trained(
        family=recipe.family,
        sampler=sampler,
        claim=prepared.claim,
        touches=tuple(book.touches),
        ledger_head=book.head(),
        history=tuple(history),
        recipe={**recipe.model_dump(mode="json"), **prepared.settled.model_dump(mode="json")},
    )


def plan(recipe: Recipe, data: Dataset) -> list[str]:
    """What a training would do and spend, as lines for a person; nothing is written."""
    lines = [f"Family {recipe.family}, preset {recipe.preset}, seed {recipe.seed}."]
    if not recipe.private:
        check_condition(recipe, data.schema)
        settled = recipe.settled(len(data))
        lines.append(f"{settled.steps:,} steps on batches of {settled.batch_size:,} records.")
        lines.append("Plain training: no noise multiplier, no ε; every read is unaccounted.")
        return lines
    from genaudit.training.dp import regime

    return [*lines, *regime.plan(recipe, data)]


def _prepare(
    recipe: Recipe,
) -> Callable[[Recipe, Dataset, Book, float | None], Prepared]:
    if not recipe.private:
        return plain.prepare
    from genaudit.training.dp import regime  # Opacus takes a second to import

    return regime.prepare


def _reference(prepared: Prepared, nets: TableNets, device: str) -> Reference:
    cells = torch.as_tensor(prepared.layout.cells)
    return Reference(
        conditions=nets.one_hot_condition(cells).to(device),
        weights=torch.as_tensor(prepared.marginals.joint, dtype=torch.float32, device=device),
        marginals=prepared.marginals.blocks,
    )


def _family(recipe: Recipe, settled: Settled, nets: TableNets, reference: Reference) -> Family:
    tuning = Tuning(
        steps=settled.steps,
        # Made rows are clipped in units like those of records.
        n_fakes=math.ceil(settled.batch_size / recipe.cap) * recipe.cap,
        learning_rate=settled.learning_rate,
        private_learning_rate=settled.private_learning_rate,
        n_critic=recipe.n_critic,
        pull=settled.pull,
        r1=0.0 if recipe.private else 0.05,
    )
    rng = torch.Generator(recipe.device).manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return _FAMILIES[recipe.family](nets, reference, tuning, rng)


def _train(
    family: Family,
    prepared: Prepared,
    recipe: Recipe,
    nets: TableNets,
    reference: Reference,
    *,
    progress: Progress | None,
) -> list[Mapping[str, float]]:
    """Step through all phases; what was seen at each look."""
    phases = family.phases()
    steps = sum(phase.steps for phase in phases)
    look, done = _Look(steps, prepared, nets, reference, recipe.seed), 0
    history: list[Mapping[str, float]] = []
    batch = _batches(prepared, nets, recipe.device)
    started = time.monotonic()
    for phase in phases:
        take = prepared.stepper(phase, batch)
        for _ in range(phase.steps):
            prepared.before(done)
            metrics = dict(take() or {}) | dict(phase.public_step())
            done += 1
            quality = look(done, family)
            if quality is not None:
                history.append({"step": float(done), "quality": quality, **metrics})
            if progress is not None:
                left = (time.monotonic() - started) / done * (steps - done)
                progress(Update(done, steps, left, quality, metrics))
    return history


def _batches(prepared: Prepared, nets: TableNets, device: str) -> Batch:
    """Records at some positions as one-hot codes; codes exist for one batch at a time."""
    digits = torch.as_tensor(prepared.digits, device=device)
    cells = torch.as_tensor(prepared.layout.cells[prepared.joint], device=device)

    def batch(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.as_tensor(rows, device=device)
        return nets.one_hot(digits[chosen]), nets.one_hot_condition(cells[chosen])

    return batch


@dataclass
class _Look:
    """Live quality: made marginals against reference marginals, and nothing else."""

    steps: int
    prepared: Prepared
    nets: TableNets
    reference: Reference
    seed: int
    next_at: int = 0

    def __call__(self, done: int, family: Family) -> float | None:
        if done < self.next_at and done < self.steps:
            return None
        self.next_at = done + max(1, round(_LOOK * self.steps))
        rng = torch.Generator(self.reference.conditions.device).manual_seed(self.seed)
        with torch.no_grad():
            logits, _ = made(family.released, _LOOK_AT, self.nets, self.reference, rng)
            shares = self.nets.shares(logits).mean(0).cpu().numpy()
        return marginals.distance(shares, self.prepared.marginals)


@contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """Steps as small as these gain nothing from a second thread, and wait where it is busy."""
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
        torch.Generator(device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(
            f"Expected a device that torch has here, such as cpu, got {device!r}."
        ) from error
