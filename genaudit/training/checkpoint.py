"""Checkpoints: a private folder that a training can be gone on with after it was stopped.

It holds what the steps changed, the basis that was paid for, and where the ledger stood; no record,
no sampler and no state of noise. One folder inside for each moment, written whole or not at all;
the latest counts.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from genaudit.data.schema import Schema
from genaudit.errors import DataError, IntegrityError, OptionError, fault
from genaudit.ledger import Mark, Mechanism
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.layout import Layout
from genaudit.models import folder as folders
from genaudit.result import Claim
from genaudit.training.book import Book
from genaudit.training.marginals import Marginals
from genaudit.training.prepared import Basis
from genaudit.training.recipe import Recipe, Settled

FORMAT: Literal["genaudit.checkpoint"] = "genaudit.checkpoint"

#: Seconds in which somebody may still be writing a moment.
_YOUNG = 3600


class Info(BaseModel):
    """What a checkpoint says beside its tensors.

    declared: the schema that the records are checked against. schema_: with what was learned.
    done: steps in the weights. content: digest of the records under the ledger's key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["genaudit.checkpoint"] = FORMAT
    version: Literal[1] = 1
    recipe: Recipe
    declared: dict[str, Any]
    table_schema: dict[str, Any]
    grid: list[dict[str, Any]]
    condition: tuple[str, ...]
    settled: Settled
    claim: Claim | None
    planned: tuple[Mechanism, ...]
    done: int = Field(ge=0)
    history: tuple[dict[str, float], ...]
    dataset: str
    artefact: str
    run: str = Field(pattern=r"^[0-9a-f]{16}$")
    content: str
    mark: Mark


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A moment of a training. parts: `Parts.state`."""

    info: Info
    basis: Basis
    parts: Mapping[str, torch.Tensor]

    @classmethod
    def of(
        cls, recipe: Recipe, declared: Schema, basis: Basis, book: Book, done: int = 0,
        parts: Mapping[str, torch.Tensor] | None = None,
        history: Sequence[Mapping[str, float]] = (),
    ) -> Checkpoint:  # fmt: skip
        """The moment of a training in which `done` steps have led to `parts`."""
        mark = book.mark()
        assert mark is not None, "a training without a ledger has no checkpoint"
        info = Info(
            recipe=recipe,
            declared=declared.model_dump(mode="json"),
            table_schema=basis.schema.model_dump(mode="json"),
            grid=basis.layout.grid.to_json(),
            condition=basis.layout.condition,
            settled=basis.settled,
            claim=basis.claim,
            planned=basis.planned,
            done=done,
            history=tuple(dict(h) for h in history),
            dataset=book.dataset,
            artefact=book.artefact,
            run=book.run,
            content=book.content,
            mark=mark,
        )
        return cls(info, basis, parts or {})

    @classmethod
    def restored(cls, raw: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Checkpoint:
        """What `info` and `tensors` gave.

        Raises:
            ValueError, KeyError, TypeError: they are not of a checkpoint.
        """
        info = Info.model_validate(raw)
        schema = Schema.model_validate(info.table_schema)
        grid = Grid.from_json(list(info.grid))
        layout = Layout(grid, info.condition, beside=schema.record is not None)
        basis = Basis(
            schema=schema,
            layout=layout,
            settled=info.settled,
            marginals=_marginals(tensors, layout),
            claim=info.claim,
            planned=info.planned,
            summary=None if schema.record is None else tensors["summary"],
        )
        parts = {
            name.removeprefix("parts."): torch.from_numpy(value.copy())
            for name, value in tensors.items()
            if name.startswith("parts.")
        }
        return cls(info, basis, parts)

    @property
    def declared(self) -> Schema:
        """The schema that the records are checked against."""
        return Schema.model_validate(self.info.declared)

    def tensors(self) -> dict[str, np.ndarray]:
        """All numbers, by name."""
        found: dict[str, np.ndarray] = {f"parts.{k}": v.numpy() for k, v in self.parts.items()}
        found |= {f"marginals.{i}": b for i, b in enumerate(self.basis.marginals.blocks)}
        known = self.basis.marginals
        found["marginals.joint"] = known.joint
        found["marginals.deviations"] = known.deviations
        found["marginals.one_way"] = np.concatenate([np.empty(0), *known.one_way])
        found["marginals.two_way"] = np.concatenate([np.empty(0), *map(np.ravel, known.two_way)])
        if self.basis.summary is not None:
            found["summary"] = self.basis.summary
        return found

    def to_bytes(self) -> bytes:
        """For another process of the same training."""
        info = self.info.model_dump_json().encode()
        return len(info).to_bytes(8, "little") + info + save_tensors(self.tensors())

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """What `to_bytes` gave."""
        end = 8 + int.from_bytes(content[:8], "little")
        return cls.restored(json.loads(content[8:end]), load_tensors(content[end:]))


@dataclass(eq=False)
class Keeper:
    """Writes the moments of one training into a folder, each in the place of the one before.

    seconds: that this has taken. own: names of the moments that it wrote.
    """

    folder: Path
    recipe: Recipe
    declared: Schema
    basis: Basis
    book: Book
    seconds: float = 0.0
    own: set[str] = field(default_factory=set)

    def keep(
        self, done: int, parts: Mapping[str, torch.Tensor], history: list[dict[str, float]]
    ) -> None:
        """Write a moment down, then take away those before it.

        Raises:
            OptionError: the folder cannot be written, or another training writes there too; the
                moment before is still there.
        """
        started = time.monotonic()
        moment = Checkpoint.of(self.recipe, self.declared, self.basis, self.book, done, parts,
                               history)  # fmt: skip
        before = folders.moments(self.folder)
        self._check_alone(before)
        last = int(before[-1].name.split("-")[0]) if before else 0
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{last + 1:08d}-{secrets.token_hex(4)}"
        self.own.add(name)
        folders.write(self.folder / name, moment.info.model_dump(mode="json"), moment.tensors())
        for path in (*before, *_cut_off(self.folder)):
            shutil.rmtree(path, ignore_errors=True)
        self.seconds += time.monotonic() - started

    def _check_alone(self, moments: list[Path]) -> None:
        """Refuse to take another training's place; processes that go on with one share it."""
        for path in moments:
            if path.name not in self.own and _run_of(path) not in (None, self.book.run):
                raise OptionError(
                    f"Expected the checkpoints of one training in {str(self.folder)!r}, but "
                    "another one writes there too; name another folder for this one."
                )


def _run_of(moment: Path) -> str | None:
    """The training of a moment, None where it cannot be read."""
    try:
        return str(folders.read(moment)[0].get("run"))
    except (DataError, IntegrityError):
        return None


def exists(folder: str | Path) -> bool:
    """Whether a folder holds a checkpoint."""
    return bool(folders.moments(folder))


def read(folder: str | Path) -> Checkpoint:
    """The latest moment in a checkpoint folder.

    Raises:
        DataError: there is none, or it is cut short or of another format.
        IntegrityError: a file differs from its own digest.
    """
    moments = folders.moments(folder)
    if not moments:
        raise DataError(
            f"Expected a checkpoint in {str(folder)!r}, as `genaudit train --checkpoint` writes "
            "it, found none; check the path."
        )
    raw, tensors = folders.read(moments[-1])
    raw.pop("weights", None)
    try:
        return Checkpoint.restored(raw, tensors)
    except (ValidationError, ValueError, KeyError, TypeError, OptionError) as error:
        raise DataError(
            f"The checkpoint in {str(folder)!r} is not usable{fault(error)}; go on from another."
        ) from error


def _cut_off(folder: Path) -> list[Path]:
    """What a killed process left half-written; a young one may be another process at work."""
    now = time.time()
    return [
        path for path in folder.glob(".????????-*.????????") if now - path.stat().st_mtime > _YOUNG
    ]


def _marginals(tensors: Mapping[str, np.ndarray], layout: Layout) -> Marginals:
    shapes = [(layout.sizes[i], layout.sizes[j]) for i, j in layout.pairs]
    ends = np.cumsum([a * b for a, b in shapes])
    one_way, two_way = tensors["marginals.one_way"], tensors["marginals.two_way"]
    deviations = tensors["marginals.deviations"]
    if len(one_way) != sum(layout.sizes) or len(two_way) != (ends[-1] if len(ends) else 0):
        raise ValueError("expected marginals of the declared columns")
    if len(deviations) != len(layout.sizes) + len(shapes):
        raise ValueError("expected one deviation for each marginal")
    tables = np.split(two_way, ends[:-1]) if shapes else []
    return Marginals(
        blocks=tuple(tensors[f"marginals.{i}"] for i in range(len(layout.blocks))),
        joint=tensors["marginals.joint"],
        one_way=tuple(np.split(one_way, np.cumsum(layout.sizes)[:-1])) if layout.sizes else (),
        two_way=tuple(t.reshape(shape) for t, shape in zip(tables, shapes, strict=True)),
        deviations=deviations,
    )
