"""What a regime hands over once a data set may be trained on: numbers, marginals, how to step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, GenauditWarning, OptionError
from genaudit.ledger import Mechanism
from genaudit.modalities import codec as codecs
from genaudit.modalities.codec import Codec
from genaudit.modalities.nets import MediaNets, chunk_of
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import MAX_JOINT, Layout
from genaudit.modalities.table.nets import TableNets
from genaudit.models.base import Phase
from genaudit.models.cgan import UNCONDITIONAL
from genaudit.result import Claim
from genaudit.training import options
from genaudit.training.marginals import Marginals
from genaudit.training.pace import Pace
from genaudit.training.recipe import Recipe, Settled

#: Training on more codes than this is refused.
MAX_BYTES = 4 * 2**30

#: Positions of records -> their one-hot codes and conditions.
Batch = Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Basis:
    """What stands before the first step; a checkpoint keeps it, so it is paid for once.

    schema: with what was learned. planned: all that a private training spends, its steps last.
    summary: mean summary of records that are no rows of a table, None of a table.
    """

    schema: Schema
    layout: Layout
    settled: Settled
    marginals: Marginals
    claim: Claim | None
    planned: tuple[Mechanism, ...] = ()
    summary: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Numbers:
    """Records as numbers.

    digits, joint: of a table's columns, or of the attributes (`Layout.split`). codes: of images,
    series, sounds or texts (`Codec.encode`), None of a table.
    """

    digits: np.ndarray
    joint: np.ndarray
    codes: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A regime's answer: records as numbers, what a family may know of them, and how to step.

    pace: asked before each step, and charges it where that costs something.
    """

    basis: Basis
    numbers: Numbers
    pace: Pace
    stepper: Callable[[Phase, Batch], Callable[[], Mapping[str, float] | None]]


def check_recipe(recipe: Recipe, schema: Schema) -> None:
    """Refuse options that change nothing, and a conditional GAN without a condition; reads nothing.

    Raises:
        OptionError: an option is for other trainings than this one (`options.USES`); or no column
            is named as a condition, and none is a target or sensitive.
    """
    options.check(recipe, kind_of(schema))
    named = recipe.condition if recipe.condition is not None else (schema.target, *schema.sensitive)
    if schema.modality in ("sequence", "text"):
        return  # it is recurrent as well, which is enough for the name
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
        left = len(grid.names) - len(chosen) - 1
        if joint <= MAX_JOINT and (left or schema.record):
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


def encoded(layout: Layout, data: Dataset, schema: Schema | None = None) -> Numbers:
    """The records as numbers, by the schema that they were trained under where it is not theirs."""
    codes = layout.grid.encode(data)
    # The schema has been checked, so every value has a cell; rounding at an edge goes to the first.
    digits, joint = layout.split(np.maximum(codes, 0))
    codec = codec_of(schema or data.schema)
    return Numbers(digits, joint, None if codec is None else codec.encode(data.media))


def layout_of(recipe: Recipe, schema: Schema, grid: Grid) -> Layout:
    """What is made and what is the condition."""
    return Layout(grid, condition_of(recipe, schema, grid), beside=schema.record is not None)


def kind_of(schema: Schema) -> str:
    """What is trained on, as presets know it: a table, or the kind of the record."""
    return "table" if schema.record is None else schema.record.kind.value


def codec_of(schema: Schema) -> Codec | None:
    """The codec of images, series, sounds or texts; None of a table."""
    return None if schema.record is None else codecs.codec_of(schema.record)


def check_size(recipe: Recipe, schema: Schema, layout: Layout, settled: Settled, n: int) -> None:
    """Refuse, before any memory is taken, what would not fit into it, with an estimate.

    Raises:
        OptionError: networks and one batch would need more than is allowed.
        DataError: the records as codes would.
    """
    batch = settled.batch_size * recipe.cap
    codec = codec_of(schema)
    if codec is None:
        nets_of(layout, settled).check_size(batch)
        return
    size = codec.n_bytes(n)
    if size > MAX_BYTES:
        raise DataError(
            f"{n:,} records of column {codec.column.name!r} would need about {size:,} bytes of "
            f"memory; expected at most {MAX_BYTES:,}. Bring fewer records, or smaller ones."
        )
    nets = media_nets_of(recipe, schema, layout, settled)
    # Made records stand beside a batch; a private step keeps the gradients of all layers beside
    # what the layers made, where a plain one lets go of either as it goes.
    seen = (4 if recipe.private else 2) * batch
    # Live quality makes records between steps, beside the weights, and more than a small batch has.
    size = max(nets.n_bytes(seen), nets.n_bytes(0) + nets.made_bytes(chunk_of(nets)))
    if size > MAX_BYTES:
        raise OptionError(
            f"Training would need about {size:,} bytes for records of column "
            f"{codec.column.name!r} in batches of {batch:,}; expected at most {MAX_BYTES:,}. Take "
            "smaller batches, or declare smaller records."
        )


def nets_of(layout: Layout, settled: Settled) -> TableNets:
    """The networks of a table's layout."""
    return TableNets(
        layout.blocks, layout.given_sizes, settled.hidden, settled.latent, settled.components,
        layout.gates, layout.ordered,
    )  # fmt: skip


def media_nets_of(recipe: Recipe, schema: Schema, layout: Layout, settled: Settled) -> MediaNets:
    """The networks of images, series, sounds or texts with attributes."""
    codec = codec_of(schema)
    assert codec is not None, "a table has none"
    found: MediaNets = codecs.nets_of(
        codec, sum(layout.sizes), **net_options(recipe, schema, settled)
    )
    return found


def net_options(recipe: Recipe, schema: Schema, settled: Settled) -> dict[str, Any]:
    """What decides the shape of such networks; a GAN of steps is a recurrent one."""
    kind = kind_of(schema)
    found = {
        "recurrent": options.recurrent_of(recipe, kind), "hidden": settled.hidden[0],
        "latent": settled.latent,
    }  # fmt: skip
    # The range of each series, made before its course, is worth its price only without noise.
    return {**found, "scaled": not recipe.private} if kind == "sequence" else found
