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
from genaudit.training import marginals
from genaudit.training.book import Book
from genaudit.training.prepared import (
    Batch,
    Prepared,
    check_condition,
    condition_of,
    encoded,
    nets_of,
)
from genaudit.training.recipe import Recipe

#: Every so many steps the penalty is added, as many times as strong (Karras et al. 2020, "lazy").
_PENALTY_EVERY = 4


def prepare(recipe: Recipe, data: Dataset, book: Book, budget_total: float | None) -> Prepared:
    """Learn cells and marginals from the records as they are; both reads are unaccounted."""
    check_condition(recipe, data.schema)
    if budget_total is not None:
        book.check_total(budget_total, 0.0, [])
    settled = recipe.settled(len(data))
    book.charge(TouchKind.UNACCOUNTED, "cells of every column from quantiles and levels")
    grid = Grid.learned(data)
    layout = Layout(grid, condition_of(recipe, data.schema, grid))
    nets_of(layout, settled).check_size(settled.batch_size)
    book.charge(TouchKind.UNACCOUNTED, f"plain training, {settled.steps:,} steps")
    digits, joint = encoded(layout, data)

    def steps(phase: Phase, batch: Batch) -> Callable[[], Mapping[str, float]]:
        return stepper(
            phase, batch, len(data),
            batch_size=settled.batch_size, seed=recipe.seed, device=recipe.device,
        )  # fmt: skip

    exact = marginals.exact(layout, digits, joint)
    return Prepared(data.schema, layout, settled, digits, joint, exact, lambda _: None, steps, None)


def stepper(
    phase: Phase, batch: Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]], n: int,
    *, batch_size: int, seed: int, device: str,
) -> Callable[[], Mapping[str, float]]:  # fmt: skip
    """A function that takes one step on the next batch; its loss is computed on real records."""
    order = np.random.default_rng([seed, 0xBA7C])
    noise = torch.Generator(device).manual_seed(seed + 1)
    queue: list[np.ndarray] = []
    taken = 0

    def take() -> Mapping[str, float]:
        nonlocal taken
        if not queue:
            shuffled = order.permutation(n)
            queue.extend(np.array_split(shuffled, max(1, n // batch_size)))
        records, conditions = batch(queue.pop())
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
