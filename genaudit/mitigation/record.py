"""The record of a mitigation, a small file beside the samples that it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from genaudit.errors import DataError, fault
from genaudit.mitigation.resample import most_used
from genaudit.mitigation.tradeoff import Tuning
from genaudit.reading import read_bytes
from genaudit.subject import Step

SUFFIX = ".mitigation.json"


class Done(BaseModel):
    """One mitigation: a method with its options, and its seed.

    target: a row for each cell, with its share. weights: whether rows were kept, with a weight
    beside each. repeats: how often one of the rows that came stands among those written at most.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    method: str
    columns: tuple[str, ...]
    target: tuple[dict[str, str | float], ...] | None = None
    strength: float | str | None = None
    dpd: float | None = None
    most_uses: int | None = None
    weights: bool = False
    seed: int
    repeats: int = Field(default=1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _as_often_as_may_be(cls, found: Any) -> Any:
        """Records once did not tell how often a row was used."""
        if not isinstance(found, dict) or "repeats" in found:
            return found
        most = most_used(found.get("method", ""), found.get("most_uses"),
                         weights=bool(found.get("weights")))  # fmt: skip
        return {**found, "repeats": most}


class MitigationRecord(Done):
    """What was done to samples, from what, and at which cost.

    earlier: what had been done to the samples that came, in order. source: name of the samples or
    model. source_digest, digest: SHA-256 of what came and of what was written. cost, tuning: as of
    `Mitigated`.
    """

    format: Literal["genaudit.mitigation"] = "genaudit.mitigation"
    version: Literal[1] = 1
    earlier: tuple[Done, ...] = ()
    source: str
    source_digest: str | None = None
    digest: str
    epsilon_added: float = 0.0
    reason: str = "nothing but the rows given was read: post-processing where they are generated"
    cost: dict[str, JsonValue]
    tuning: Tuning | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that was done to the samples, in order."""
        last = self.model_dump(include=set(Done.model_fields))
        if self.tuning is not None:
            last["strength"] = self.tuning.chosen
        return (*(one.model_dump() for one in self.earlier), last)

    @model_validator(mode="before")
    @classmethod
    def _of_weights(cls, found: Any) -> Any:
        """Records once told of weights, and of rows that were used again, by their cost alone."""
        if isinstance(found, dict) and isinstance(cost := found.get("cost"), dict):
            told: dict[str, Any] = {"weights": "effective_rows" in cost}
            if isinstance(most := cost.get("most_uses"), int):
                told["repeats"] = max(most, 1)
            return {**told, **found}
        return found

    def to_json(self) -> str:
        """The file's content."""
        return self.model_dump_json(indent=1) + "\n"


def beside(path: str | Path) -> Path:
    """Where the record of a file or folder of samples lies."""
    path = Path(path)
    return path.with_name(path.name + SUFFIX)


def read(path: str | Path) -> MitigationRecord | None:
    """The record beside samples; None where there is none.

    Raises:
        DataError: there is one, and it is not usable.
    """
    place = beside(path)
    if not place.is_file():
        return None
    what = "a record of a mitigation"
    raw: Any = read_bytes(place, what, DataError)
    try:
        return MitigationRecord.model_validate_json(raw)
    except ValidationError as error:
        raise DataError(
            f"Expected {what} in {str(place)!r}, got one that is not usable{fault(error)}; remove "
            "it, or write the samples anew."
        ) from error
