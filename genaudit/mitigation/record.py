"""The record of a mitigation, a small file beside the samples that it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from genaudit.errors import DataError, fault
from genaudit.mitigation.tradeoff import Tuning
from genaudit.reading import read_bytes

SUFFIX = ".mitigation.json"


class MitigationRecord(BaseModel):
    """What was done to samples, from what, and at which cost.

    source: name of the samples or model. source_digest, digest: SHA-256 of what came and of what
    was written. target: a row for each cell, with its share. cost, tuning: as of `Mitigated`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["genaudit.mitigation"] = "genaudit.mitigation"
    version: Literal[1] = 1
    method: str
    columns: tuple[str, ...]
    target: tuple[dict[str, str | float], ...] | None = None
    strength: float | str | None = None
    dpd: float | None = None
    seed: int
    source: str
    source_digest: str | None = None
    digest: str
    epsilon_added: float = 0.0
    reason: str = "nothing but the rows given was read: post-processing where they are generated"
    cost: dict[str, JsonValue]
    tuning: Tuning | None = None

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
