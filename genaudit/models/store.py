"""A trained model: what it makes, claims and has read; saved without pickle or records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from torch import nn

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError
from genaudit.ledger import Mark, Touch
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.modalities.table.nets import TableNets
from genaudit.models import folder as folders
from genaudit.models.sampler import Sampler
from genaudit.result import Claim

FORMAT: Literal["genaudit.model"] = "genaudit.model"
VERSION: Literal[1] = 1


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
            table_schema=sampler.schema.model_dump(mode="json"),
            grid=sampler.layout.grid.to_json(),
            condition=sampler.layout.condition,
            hidden=sampler.nets.hidden,
            latent=sampler.nets.latent,
            claim=self.claim,
            touches=self.touches,
            ledger=self.ledger,
            history=tuple(dict(h) for h in self.history),
            recipe=dict(self.recipe),
        )
        # In training precision: the extra digits of double precision say nothing.
        tensors = {
            f"generator.{k}": v.float().numpy() for k, v in sampler.generator.state_dict().items()
        }
        tensors["condition.weights"] = sampler.weights
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
            f"The model in {str(folder)!r} is not usable: {str(error).splitlines()[0]}."
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


class _Info(BaseModel):
    """`model.json`, but for its digests."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["genaudit.model"] = FORMAT
    version: Literal[1] = VERSION
    modality: Literal["table"] = "table"
    family: str
    table_schema: dict[str, Any]
    grid: list[dict[str, Any]]
    condition: tuple[str, ...]
    hidden: tuple[int, ...] = Field(max_length=16)
    latent: int = Field(ge=1)
    claim: Claim | None
    touches: tuple[Touch, ...]
    ledger: Mark | None = None
    history: tuple[dict[str, float], ...]
    recipe: dict[str, JsonValue]


def _sampler(info: _Info, tensors: dict[str, np.ndarray]) -> Sampler:
    layout = Layout(Grid.from_json(list(info.grid)), info.condition)
    nets = TableNets(layout.blocks, layout.given_sizes, info.hidden, info.latent, layout.gates)
    # On the meta device a network has shapes but no memory, whatever the file says of its size.
    with torch.device("meta"):
        generator: nn.Sequential = nets.generator()
    state = {
        name.removeprefix("generator."): torch.from_numpy(values.copy())
        for name, values in tensors.items()
        if name.startswith("generator.")
    }
    generator.load_state_dict(state, assign=True)
    weights = tensors["condition.weights"]
    if weights.shape != (layout.n_joint,) or not all(
        np.isfinite(values).all() for values in tensors.values()
    ):
        raise ValueError("expected finite weights of the declared shapes")
    return Sampler(Schema.model_validate(info.table_schema), layout, nets, generator, weights)
