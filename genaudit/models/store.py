"""A trained model: what it makes, claims and has read; saved without pickle or records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, ValidationError

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, fault
from genaudit.ledger import Mark, Touch
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models import folder as folders
from genaudit.models.sampler import Sampler
from genaudit.result import Claim

FORMAT: Literal["genaudit.model"] = "genaudit.model"
VERSION: Literal[2] = 2


@dataclass(frozen=True, eq=False)
class Trained:
    """A generator with its promise and its record.

    claim: None where it promises nothing. touches: release touches behind it, in order.
    ledger: where the ledger's chain stood when training ended, None without a ledger.
    history: what was seen while training; of a private model only what is public.
    recipe: how it was trained. digest: of the folder it was read from.
    """

    family: str
    sampler: Sampler
    claim: Claim | None = None
    touches: tuple[Touch, ...] = ()
    ledger: Mark | None = None
    history: tuple[Mapping[str, float], ...] = ()
    recipe: Mapping[str, JsonValue] = field(default_factory=dict)
    digest: str | None = None

    @property
    def schema(self) -> Schema:
        """The schema of what it makes."""
        return self.sampler.schema

    @property
    def condition(self) -> tuple[str, ...]:
        """Columns whose values can be set when sampling."""
        return self.sampler.layout.condition

    def sample(self, n: int, seed: int = 0, where: Mapping[str, Any] | None = None) -> Dataset:
        """Make n records, fewer where `where` is rare (`Sampler.sample`)."""
        return self.sampler.sample(n, seed, where)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder: two files, never a training row, nothing pickled.

        Raises:
            OptionError: the folder holds something, or cannot be written.
        """
        sampler = self.sampler
        info = _Info(
            family=self.family,
            table_schema=sampler.schema,
            grid=tuple(_Cells.model_validate(c) for c in sampler.layout.grid.to_json()),
            condition=sampler.layout.condition,
            claim=self.claim,
            touches=self.touches,
            ledger=self.ledger,
            history=tuple(dict(h) for h in self.history),
            recipe=dict(self.recipe),
        )
        tensors = {
            "mixture.log_shares": sampler.log_shares,
            "mixture.log_weights": sampler.log_weights,
            "condition.weights": sampler.weights,
        }
        return folders.write(folder, info.model_dump(mode="json"), tensors)


def load(folder: str | Path) -> Trained:
    """The trained model in a folder.

    Raises:
        DataError: the folder is absent, a file is cut short or of another format.
        IntegrityError: a file differs from its own digest.
    """
    raw, tensors = folders.read(folder)
    if raw.get("format") != FORMAT or raw.get("version") != VERSION:
        raise DataError(
            f"Expected {FORMAT} version {VERSION} in {str(folder)!r}, got "
            f"{raw.get('format')!r} version {raw.get('version')!r}."
        )
    try:
        info = _Info.model_validate(raw)
        sampler = _sampler(info, tensors)
    except (ValidationError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"The model in {str(folder)!r} is not usable{fault(error)}; restore it from a copy."
        ) from error
    return Trained(
        family=info.family,
        sampler=sampler,
        claim=info.claim,
        touches=info.touches,
        ledger=info.ledger,
        history=info.history,
        recipe=info.recipe,
        digest=folders.digest(folder),
    )


class _Cells(BaseModel):
    """The cells of one column, as `ColumnCells` holds them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    levels: tuple[str, ...]
    spikes: tuple[float, ...]
    edges: tuple[float, ...]
    step: float | None
    scale: Literal["linear", "log"]
    nullable: bool


def _some(grid: tuple[_Cells, ...]) -> tuple[_Cells, ...]:
    if not grid:
        raise ValueError("expected the cells of at least one column, got none")
    return grid


class _Info(BaseModel):
    """`model.json`, but for its digests."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["genaudit.model"] = FORMAT
    version: Literal[2] = VERSION
    modality: Literal["table"] = "table"
    family: str
    table_schema: Schema
    grid: Annotated[tuple[_Cells, ...], AfterValidator(_some)]
    condition: tuple[str, ...]
    claim: Claim | None
    touches: tuple[Touch, ...]
    ledger: Mark | None = None
    history: tuple[dict[str, float], ...]
    recipe: dict[str, JsonValue]


def _sampler(info: _Info, tensors: dict[str, np.ndarray]) -> Sampler:
    layout = Layout(Grid.from_json([c.model_dump() for c in info.grid]), info.condition)
    shares, log_weights = tensors["mixture.log_shares"], tensors["mixture.log_weights"]
    weights, n = tensors["condition.weights"], max(log_weights.size, 1)
    expected = {
        "mixture.log_shares": (n, sum(layout.sizes)),
        "mixture.log_weights": (n,),
        "condition.weights": (layout.n_joint,),
    }
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ValueError(f"expected {name} of shape {shape}, got {tensors[name].shape}")
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"expected finite numbers in {name}, got others")
    if (weights < 0).any() or not weights.any():
        raise ValueError("expected condition.weights of 0 and more, got some below or all 0")
    return Sampler(info.table_schema, layout, shares, log_weights, weights)
