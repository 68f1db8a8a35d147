"""Canaries: made-up rows, each put into a training or not by its own recorded coin.

A canary has a common part and a rare one: levels that go together in some real row, where rows may
be looked at, and beside them values drawn evenly from all that the schema allows, in a combination
that nobody has. Who holds the coins can tell what a generator gives away of a row, so their file is
private, and is no part of a release.

Source: Steinke, Nasr, Jagielski 2023 (one coin for each canary); Meeus et al. 2025, The Canary's
Echo (a common part, and a rare one); Kairouz et al. 2021, definition 1.1 (zero-out: a record that
contributes nothing).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from genaudit.atomic import write_text
from genaudit.data.dataset import Dataset
from genaudit.data.frame import restore
from genaudit.data.schema import Column, Kind, Role, Schema
from genaudit.errors import BudgetError, DataError, IntegrityError, OptionError, complaint
from genaudit.reading import read_text

#: Fewest canaries that are planted: fewer could show next to nothing.
FEWEST = 50

#: Share of the columns of levels that go together in a real row.
_COMMON = 0.5

_WHAT = "canaries with their coins (the file that `genaudit train --canaries` wrote)"


@dataclass(frozen=True, eq=False)
class Canaries:
    """Made-up rows, and what each coin decided.

    records: rows as a file holds them, shape (n, columns). included: boolean, shape (n,).
    """

    records: pd.DataFrame
    included: np.ndarray

    def __len__(self) -> int:
        return len(self.included)

    @classmethod
    def tossed(
        cls, schema: Schema, n: int, rng: np.random.Generator, rows: Dataset | None = None
    ) -> Canaries:
        """So many canaries, each included by a fair coin of its own.

        Args:
            schema: What is public; it says which values there are.
            n: How many.
            rng: Values and coins. Under differential privacy nobody may know its seed.
            rows: Real rows whose common levels canaries share; None where none may be looked at.

        Raises:
            OptionError: there are too few, or records are no rows of a table.
            BudgetError: the schema leaves open which values there are.
        """
        _check(schema, n)
        frame = pd.DataFrame({c.name: _values(c, n, rng) for c in schema.columns})
        if rows is not None:
            common = _common(schema)
            frame[common] = rows.frame[common].iloc[rng.integers(len(rows), size=n)].to_numpy()
        return cls(frame, rng.random(n) < 0.5)

    def plant(self, data: Dataset, *, private: bool) -> Dataset:
        """The data set with the canaries that its coins include, at its end.

        Where the number of records is public, it must not tell how many coins fell so: those that
        are left out count in it as records that contribute nothing, which is what the promise is
        about there (zero-out). A private number hides them as it hides every record.
        """
        schema, checked = data.schema, self.checked(data.schema)
        chosen = checked.take(self.included)
        columns = {c.name: _joined(data.frame[c.name], chosen.frame[c.name])
                   for c in schema.columns}  # fmt: skip
        if isinstance(schema.rows, int):
            schema = schema.replace(rows=schema.rows + len(self))
        zeroed = len(self) - len(chosen) if private and schema.rows is not None else 0
        return replace(data, schema=schema, frame=pd.DataFrame(columns), zeroed=zeroed)

    def checked(self, schema: Schema) -> Dataset:
        """The rows as records of a schema.

        Raises:
            DataError: they are not.
        """
        return Dataset.of(self.records, schema, "the canaries")

    def write(self, path: Path) -> Path:
        """Write rows and coins to a new private file.

        Raises:
            OptionError: there is one already, whose coins would be lost.
        """
        if path.exists():
            raise OptionError(
                f"Expected no coins at {str(path)!r} yet, but another training left them there; "
                "move that file, which its audit needs, or name another place."
            )
        body = {
            "columns": list(map(str, self.records.columns)),
            "records": [[_plain(cell) for cell in row] for row in self.records.itertuples(False)],
            "included": self.included.tolist(),
        }
        written = write_text(path, json.dumps({**_HEAD, **body, "digest": _digest(body)}) + "\n")
        written.chmod(0o600)  # whoever reads the coins can tell what the generator gives away
        return written

    @classmethod
    def read(cls, path: Path) -> Canaries:
        """What `write` wrote.

        Raises:
            DataError: the file is absent, cut short or foreign.
            IntegrityError: it differs from its own digest.
        """
        text = read_text(path, _WHAT, DataError)
        try:
            raw = json.loads(text)
            if not isinstance(raw, dict):
                raise ValueError("no object")
            file = _File.model_validate(raw)
        except ValidationError as error:
            raise DataError(
                f"Expected {_WHAT} at {str(path)!r}, got: {complaint(error.errors()[0])}; check "
                "the path."
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"Expected {_WHAT} at {str(path)!r}, got no such JSON; check the path."
            ) from error
        if _digest({name: raw[name] for name in ("columns", "records", "included")}) != file.digest:
            raise IntegrityError(
                f"The canaries in {str(path)!r} differ from their own digest: rows or coins were "
                "changed after they were written, and prove nothing now. Bring the file as written."
            )
        frame = pd.DataFrame(file.records, columns=file.columns, dtype=object)
        return cls(frame, np.array(file.included, dtype=bool))


_HEAD = {"format": "genaudit.canaries", "version": 1}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["genaudit.canaries"]
    version: Literal[1]
    columns: list[str]
    records: list[list[str | None]]
    included: list[bool]
    digest: str

    @model_validator(mode="after")
    def _rectangular(self) -> _File:
        if len(self.records) != len(self.included):
            raise ValueError(
                f"expected one coin for each row, got {len(self.included):,} for "
                f"{len(self.records):,}"
            )
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("expected each column once")
        if any(len(row) != len(self.columns) for row in self.records):
            raise ValueError(f"expected {len(self.columns):,} cells in every row")
        return self


def beside(place: Path) -> Path:
    """Where the coins of a training lie whose checkpoints, or whose ledger's name, are at `place`.

    >>> beside(Path("runs/state")).name
    'state.canaries.json'
    """
    return place.with_name(f"{place.name}.canaries.json")


def _check(schema: Schema, n: int) -> None:
    if n < FEWEST:
        raise OptionError(
            f"Expected at least {FEWEST} canaries, got {n}: fewer could show next to nothing."
        )
    if schema.record is not None:
        raise OptionError(
            f"Expected rows of a table to plant canaries among, got records of the kind "
            f"{schema.record.kind}; leave --canaries out."
        )
    if schema.undeclared:
        name, what = next(iter(schema.undeclared.items()))
        raise BudgetError(
            f"Canaries are made of what the schema allows, which may not be read off private rows; "
            f"it leaves open {what} of column {name!r}. Declare it in the schema."
        )


def _common(schema: Schema) -> list[str]:
    """Columns of levels by which people are known, target and sensitive ones first."""
    levels = [c for c in schema.modelled if c.discrete]
    levels.sort(key=lambda c: c.role is Role.FEATURE)
    return [c.name for c in levels[: round(_COMMON * len(levels))]]


def _values(column: Column, n: int, rng: np.random.Generator) -> pd.Series:
    """Values of one column, evenly from all that it may have; names that nobody has."""
    if column.role in (Role.PERSON, Role.ID):
        names = rng.integers(2**52, 2**53, n)
        words = column.kind is Kind.CATEGORICAL
        return pd.Series([f"canary {x:x}" if words else str(x) for x in names], dtype=object)
    if not column.modelled:
        return pd.Series([None] * n, dtype=object)
    if column.discrete:
        assert column.levels is not None, "checked before"
        levels = np.array(column.levels, dtype=object)
        return pd.Series(levels[rng.integers(len(levels), size=n)])
    assert column.bounds is not None, "checked before"
    low, high = column.bounds
    step = column.resolution
    if step is None:
        return restore(pd.Series(low + (high - low) * rng.random(n)), column)
    most = int((high - low) / step + 1e-9)
    return restore(pd.Series(low + step * rng.integers(most + 1, size=n)), column)


def _joined(one: pd.Series, other: pd.Series) -> pd.Series:
    """Both, one after the other, with the levels of both."""
    if isinstance(one.dtype, pd.CategoricalDtype) and one.dtype != other.dtype:
        return pd.Series(pd.api.types.union_categoricals([one, other]))
    return pd.concat([one, other], ignore_index=True)


def _plain(cell: Any) -> str | None:
    """A cell as text that reads back as the same value."""
    if cell is None or pd.isna(cell):
        return None
    if isinstance(cell, pd.Timestamp):
        return cell.isoformat()
    return repr(float(cell)) if isinstance(cell, float | np.floating) else str(cell)


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
