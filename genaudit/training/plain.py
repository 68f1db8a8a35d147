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
    check_condition,
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
    check_condition(recipe, data.schema)
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
    noise = torch.Generator(device)
    n_batches = max(1, n // batch_size)
    shuffled, epoch, taken = np.empty(0, dtype=np.int64), -1, done

    def rows_of(step: int) -> np.ndarray:
        nonlocal shuffled, epoch
        if epoch != step // n_batches:
            epoch = step // n_batches
            shuffled = np.random.default_rng([seed, epoch, 0xBA7C]).permutation(n)
        return np.array_split(shuffled, n_batches)[step % n_batches]

    def take() -> Mapping[str, float]:
        nonlocal taken
        records, conditions = batch(rows_of(taken))
        noise.manual_seed((seed + 1 + _STRIDE * taken) % 2**63)
        rows = phase.rows(records, conditions, noise)
        loss = phase.losses(*rows).mean()
        taken += 1
        phase.optimizer.zero_grad()
        torch.autograd.backward(_with_penalty(phase, rows, loss, len(records), taken))
        phase.optimizer.step()
        return {"loss": float(loss.detach())}

    return take


def _with_penalty(
    phase: Phase, rows: Rows, loss: torch.Tensor, n_records: int, taken: int
) -> torch.Tensor:
    if phase.penalty is None or taken % _PENALTY_EVERY:
        return loss
    return loss + _PENALTY_EVERY * phase.penalty(rows, n_records)
