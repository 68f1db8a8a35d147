"""A trained model: what it makes, claims and has read; saved without pickle or records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Modality, Schema
from genaudit.errors import DataError, fault
from genaudit.ledger import Mark, Touch
from genaudit.modalities import codec as codecs
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models import folder as folders
from genaudit.models.media.base import Head, Whole
from genaudit.models.media.sampler import MediaSampler
from genaudit.models.sampler import Sampler
from genaudit.models.sampling import MAX_BYTES, BaseSampler
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
    sampler: BaseSampler
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

    def sample(
        self, n: int, seed: int = 0, where: Mapping[str, Any] | None = None,
        temperature: float | None = None,
    ) -> Dataset:  # fmt: skip
        """Make n records, fewer where `where` is rare (`BaseSampler.sample`)."""
        return self.sampler.sample(n, seed, where, temperature)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder: two files, never a training row, nothing pickled.

        Raises:
            OptionError: the folder holds something, or cannot be written.
        """
        sampler = self.sampler
        made = _Media.of(sampler) if isinstance(sampler, MediaSampler) else None
        info = _Info(
            modality=sampler.schema.modality,
            family=self.family,
            table_schema=sampler.schema,
            grid=tuple(_Cells.model_validate(c) for c in sampler.layout.grid.to_json()),
            condition=sampler.layout.condition,
            networks=made,
            claim=self.claim,
            touches=self.touches,
            ledger=self.ledger,
            history=tuple(dict(h) for h in self.history),
            recipe=dict(self.recipe),
        )
        return folders.write(folder, info.model_dump(mode="json"), _tensors(sampler))


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


class _Media(BaseModel):
    """What decides the networks of images, series, sounds or texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decodes: bool
    recurrent: bool
    hidden: int = Field(ge=1, le=4096)
    latent: int = Field(ge=1, le=4096)
    scaled: bool | None = None

    @classmethod
    def of(cls, sampler: MediaSampler) -> _Media:
        return cls(decodes=sampler.decodes, **sampler.options)

    def options(self) -> dict[str, Any]:
        """Of the networks."""
        return self.model_dump(exclude={"decodes"}, exclude_none=True)


class _Info(BaseModel):
    """`model.json`, but for its digests."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["genaudit.model"] = FORMAT
    version: Literal[2] = VERSION
    modality: Modality = "table"
    family: str
    table_schema: Schema
    grid: tuple[_Cells, ...]
    condition: tuple[str, ...]
    networks: _Media | None = None
    claim: Claim | None
    touches: tuple[Touch, ...]
    ledger: Mark | None = None
    history: tuple[dict[str, float], ...]
    recipe: dict[str, JsonValue]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.modality != self.table_schema.modality:
            raise ValueError(f"expected a schema of {self.modality}, got another")
        if (self.modality == "table") != (self.networks is None):
            raise ValueError("expected networks of what is no table, and none of a table")
        if self.modality == "table" and not self.grid:
            raise ValueError("expected the cells of at least one column, got none")
        return self


def _tensors(sampler: BaseSampler) -> dict[str, np.ndarray]:
    if isinstance(sampler, MediaSampler):
        weights = sampler.whole.state_dict().items()
        found = {f"networks.{name}": value.numpy() for name, value in weights}
        return {**found, "condition.weights": sampler.weights}
    assert isinstance(sampler, Sampler), "there are two kinds"
    return {
        "mixture.log_shares": sampler.log_shares,
        "mixture.log_weights": sampler.log_weights,
        "condition.weights": sampler.weights,
    }


def _sampler(info: _Info, tensors: dict[str, np.ndarray]) -> BaseSampler:
    grid = Grid.from_json([c.model_dump() for c in info.grid])
    layout = Layout(grid, info.condition, beside=info.networks is not None)
    _check_weights(tensors["condition.weights"], layout)
    if info.networks is not None:
        return _media_sampler(info, info.networks, layout, tensors)
    shares, log_weights = tensors["mixture.log_shares"], tensors["mixture.log_weights"]
    n = max(log_weights.size, 1)
    expected = {
        "mixture.log_shares": (n, sum(layout.sizes)),
        "mixture.log_weights": (n,),
    }
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ValueError(f"expected {name} of shape {shape}, got {tensors[name].shape}")
        _check_finite(name, tensors[name])
    return Sampler(info.table_schema, layout, shares, log_weights, tensors["condition.weights"])


def _media_sampler(
    info: _Info, networks: _Media, layout: Layout, tensors: dict[str, np.ndarray]
) -> MediaSampler:
    schema = info.table_schema
    assert schema.record is not None, "checked by the model"
    codec = codecs.codec_of(schema.record)
    nets = codecs.nets_of(codec, sum(layout.sizes), **networks.options())
    if nets.n_bytes(1) > MAX_BYTES:
        raise ValueError(f"expected networks of at most {MAX_BYTES:,} bytes, got larger ones")
    with torch.random.fork_rng(devices=[]):
        maker = nets.decoder() if networks.decodes else nets.generator()
        chained = any(name.startswith("networks.head.after.") for name in tensors)
        head = Head(layout.blocks, sum(layout.given_sizes), chained=chained)
        whole = Whole(head, maker)
    state = {}
    for name, value in tensors.items():
        if name.startswith("networks."):
            _check_finite(name, value)
            state[name.removeprefix("networks.")] = torch.from_numpy(value.copy())
    whole.load_state_dict(state)
    return MediaSampler(
        schema, layout, codec, nets, whole, tensors["condition.weights"],
        decodes=networks.decodes, options=networks.options(),
    )  # fmt: skip


def _check_weights(weights: np.ndarray, layout: Layout) -> None:
    """Refuse what is no distribution of the condition."""
    if weights.shape != (layout.n_joint,):
        raise ValueError(
            f"expected condition.weights of shape {(layout.n_joint,)}, got {weights.shape}"
        )
    _check_finite("condition.weights", weights)
    if (weights < 0).any() or not weights.any():
        raise ValueError("expected condition.weights of 0 and more, got some below or all 0")


def _check_finite(name: str, tensor: np.ndarray) -> None:
    if not np.isfinite(tensor).all():
        raise ValueError(f"expected finite numbers in {name}, got others")
