"""What a regime hands over once a data set may be trained on: numbers, marginals, how to step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import GenauditWarning, OptionError
from genaudit.ledger import Mechanism
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import MAX_JOINT, Layout
from genaudit.modalities.table.nets import TableNets
from genaudit.models.base import Phase
from genaudit.models.cgan import UNCONDITIONAL
from genaudit.result import Claim
from genaudit.training.marginals import Marginals
from genaudit.training.pace import Pace
from genaudit.training.recipe import Recipe, Settled

#: Positions of records -> their one-hot codes and conditions.
Batch = Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Basis:
    """What stands before the first step; a checkpoint keeps it, so it is paid for once.

    schema: with what was learned. planned: all that a private training spends, its steps last.
    """

    schema: Schema
    layout: Layout
    settled: Settled
    marginals: Marginals
    claim: Claim | None
    planned: tuple[Mechanism, ...] = ()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A regime's answer: records as numbers, what a family may know of them, and how to step.

    pace: asked before each step, and charges it where that costs something.
    """

    basis: Basis
    digits: np.ndarray
    joint: np.ndarray
    pace: Pace
    stepper: Callable[[Phase, Batch], Callable[[], Mapping[str, float] | None]]


def check_condition(recipe: Recipe, schema: Schema) -> None:
    """Refuse a conditional GAN that has nothing to be conditioned on; reads no record.

    Raises:
        OptionError: no column is named, and none is a target or sensitive.
    """
    named = recipe.condition if recipe.condition is not None else (schema.target, *schema.sensitive)
    if recipe.family == "cgan" and not any(named):
        raise OptionError(UNCONDITIONAL)


def condition_of(recipe: Recipe, schema: Schema, grid: Grid) -> tuple[str, ...]:
    """Columns to condition on: those named, else target and sensitive ones if few cells."""
    if recipe.family == "gan":
        return ()
    if recipe.condition is not None:
        return recipe.condition
    target = [schema.target] if schema.target else []
    chosen: list[str] = []
    for column in (*target, *schema.sensitive):
        joint = math.prod(grid[name].size for name in (*chosen, column.name))
        if joint <= MAX_JOINT and len(chosen) + 1 < len(grid.names):
            chosen.append(column.name)
        else:
            warnings.warn(
                f"Column {column.name!r} is not conditioned on, as the condition would have "
                f"{joint:,} cells (at most {MAX_JOINT}) or nothing else would be left to make.",
                GenauditWarning,
                stacklevel=5,
            )
    return tuple(chosen)


def focus_of(schema: Schema) -> str:
    """The column whose tables with others are worth most: the target; "" where there is none."""
    return schema.target.name if schema.target else ""


def encoded(layout: Layout, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Digits and joint cell of the records (`Layout.split`)."""
    codes = layout.grid.encode(data)
    # The schema has been checked, so every value has a cell; rounding at an edge goes to the first.
    return layout.split(np.maximum(codes, 0))


def nets_of(layout: Layout, settled: Settled) -> TableNets:
    """The networks of a layout."""
    return TableNets(
        layout.blocks, layout.given_sizes, settled.hidden, settled.latent, settled.components,
        layout.gates, layout.ordered,
    )  # fmt: skip
