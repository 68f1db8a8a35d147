"""Plain training: records as they are, cells from their quantiles, no privacy, one seed for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from genaudit.data.dataset import Dataset
from genaudit.ledger import TouchKind
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models.base import Phase, Rows
from genaudit.training import marginals, summary
from genaudit.training.book import Book
from genaudit.training.pace import Counted
from genaudit.training.prepared import (
    Basis,
    Batch,
    Numbers,
    Prepared,
    check_recipe,
    check_size,
    encoded,
    focus_of,
    kind_of,
    layout_of,
    media_nets_of,
)
from genaudit.training.recipe import Recipe, Settled

#: Every so many steps the penalty is added, as many times as strong (Karras et al. 2020, "lazy").
_PENALTY_EVERY = 4

#: Between the seeds of two steps: a prime, so that no two trainings of nearby seeds share many.
_STRIDE = 2_147_483_647


def prepare(recipe: Recipe, data: Dataset, book: Book, budget_total: float | None) -> Prepared:
    """Learn cells and marginals from the records as they are; both reads are unaccounted."""
    _check(recipe, data, book, budget_total)
    settled = recipe.settled(len(data), kind_of(data.schema))
    book.charge(TouchKind.UNACCOUNTED, "cells of every column from quantiles and levels")
    layout = _layout(recipe, data, settled)
    book.charge(TouchKind.UNACCOUNTED, f"plain training, {settled.steps:,} steps")
    numbers = encoded(layout, data)

    exact = marginals.exact(layout, numbers.digits, numbers.joint, focus_of(data.schema))
    mean = None
    if numbers.codes is not None:
        nets = media_nets_of(recipe, data.schema, layout, settled)
        mean = summary.exact(nets, numbers.codes)
    basis = Basis(data.schema, layout, settled, exact, None, summary=mean)
    return _prepared(recipe, basis, numbers)


def plan(recipe: Recipe, data: Dataset, book: Book, budget_total: float | None) -> list[str]:
    """What a plain training would do, as lines for a person; it is refused as that would be."""
    _check(recipe, data, book, budget_total)
    settled = recipe.settled(len(data), kind_of(data.schema))
    _layout(recipe, data, settled)
    return [
        f"{settled.steps:,} steps on batches of {settled.batch_size:,} records.",
        "Plain training: no noise multiplier, no ε; every read is unaccounted.",
    ]


def _check(recipe: Recipe, data: Dataset, book: Book, budget_total: float | None) -> None:
    check_recipe(recipe, data.schema)
    if budget_total is not None:
        book.check_total(budget_total, 0.0, [])


def _layout(recipe: Recipe, data: Dataset, settled: Settled) -> Layout:
    """What is made and what is the condition, by the records; refused if too large."""
    grid = Grid.learned(data)
    layout = layout_of(recipe, data.schema, grid)
    check_size(recipe, data.schema, layout, settled, len(data))
    return layout


def resume(
    recipe: Recipe, data: Dataset, book: Book, budget_total: float | None, basis: Basis, done: int
) -> Prepared:
    """Go on after `done` steps: what follows is what would have followed."""
    if budget_total is not None:
        book.check_total(budget_total, 0.0, [])
    return _prepared(recipe, basis, encoded(basis.layout, data), done)


def _prepared(recipe: Recipe, basis: Basis, numbers: Numbers, done: int = 0) -> Prepared:
    pace = Counted(basis.settled.steps, done)

    def steps(phase: Phase, batch: Batch) -> Callable[[], Mapping[str, float]]:
        return stepper(
            phase, batch, len(numbers.joint), batch_size=basis.settled.batch_size,
            seed=recipe.seed, device=recipe.device, done=pace.done,
        )  # fmt: skip

    return Prepared(basis, numbers, pace, steps)


def stepper(
    phase: Phase, batch: Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]], n: int,
    *, batch_size: int, seed: int, device: str, done: int = 0,
) -> Callable[[], Mapping[str, float]]:  # fmt: skip
    """A function that takes one step on the next batch; its loss is computed on real records.

    Batch and noise follow from the seed and the number of the step, of which `done` were taken.
    """
    noise, batches, taken = torch.Generator(device), Batches(n, batch_size, seed), done

    def take() -> Mapping[str, float]:
        nonlocal taken
        records, conditions = batch(batches.rows(taken))
        noise.manual_seed(noise_seed(seed, taken))
        rows = phase.rows(records, conditions, noise)
        loss = phase.losses(*rows).mean()
        taken += 1
        phase.optimizer.zero_grad()
        torch.autograd.backward(_with_penalty(phase, rows, loss, len(records), taken))
        phase.optimizer.step()
        return {"loss": float(loss.detach())}

    return take


class Batches:
    """Positions of the records of each batch: every epoch takes all n once, in its own order."""

    def __init__(self, n: int, batch_size: int, seed: int) -> None:
        self.n, self.seed = n, seed
        self._each = max(1, n // batch_size)
        self._epoch, self._shuffled = -1, np.empty(0, dtype=np.int64)

    def rows(self, step: int) -> np.ndarray:
        """Of the batch of a step, counted from 0."""
        if self._epoch != step // self._each:
            self._epoch = step // self._each
            rng = np.random.default_rng([self.seed, self._epoch, 0xBA7C])
            self._shuffled = rng.permutation(self.n)
        return np.array_split(self._shuffled, self._each)[step % self._each]


def noise_seed(seed: int, step: int) -> int:
    """Of the noise of a step, counted from 0, in a training with a seed."""
    return (seed + 1 + _STRIDE * step) % 2**63


def penalised(taken: int) -> int:
    """How many times the penalty counts in the step that is the so-manieth, from 1."""
    return 0 if taken % _PENALTY_EVERY else _PENALTY_EVERY


def _with_penalty(
    phase: Phase, rows: Rows, loss: torch.Tensor, n_records: int, taken: int
) -> torch.Tensor:
    times = penalised(taken)
    if phase.penalty is None or not times:
        return loss
    return loss + times * phase.penalty(rows, n_records)
