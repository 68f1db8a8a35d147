"""A checked data set: records, and the attributes that stand beside them."""

from __future__ import annotations

import math
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property

import numpy as np
import pandas as pd

from genaudit.data.frame import as_text, coerce, learn_column, n_rows, no_number, restore
from genaudit.data.record import covering, frozen
from genaudit.data.record import learn as learned
from genaudit.data.schema import Column, Kind, Role, Schema
from genaudit.errors import DataError, GenauditWarning

#: Letters of a number that decimal arithmetic keeps exactly.
_DIGITS = 28


@dataclass(frozen=True, eq=False)
class Dataset:
    """Records that fit a schema.

    frame: every column of the schema in canonical form (`genaudit.data.frame`), index 0..n-1.
    invalid: column -> cells that the schema does not allow (samples only; real data is refused).
    absent, extra: columns that the source lacked or had beyond the schema (samples only).
    unplaced: cells that have no place in the frame, as text, shape (n, columns): those of `extra`
        and those in `invalid` (samples only). NaN where a cell has its place.
    zeroed: records that count in their public number and contribute nothing: canaries left out.
    """

    schema: Schema
    frame: pd.DataFrame
    invalid: dict[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    unplaced: pd.DataFrame = field(default_factory=pd.DataFrame)
    zeroed: int = 0

    @classmethod
    def of(cls, raw: pd.DataFrame, schema: Schema, source: str = "data") -> Dataset:
        """Real data: anything that does not fit the schema is refused.

        Raises:
            DataError: no rows, one row, a column absent or undeclared, a value that the schema does
                not allow, a column without any value, a sensitive column with one group.
        """
        _check_shape(raw, schema, source)
        frame = {}
        for column in schema.columns:
            coerced = coerce(raw[column.name].reset_index(drop=True), column, schema.missing)
            if coerced.values.isna().all() and column.modelled and not coerced.problem:
                raise _valueless(column, source)
            if coerced.problem:
                raise DataError(
                    f"Column {column.name!r} of {source} has {coerced.problem}. "
                    + (
                        "The schema was drafted from data: widen what it declares, or correct the "
                        "file."
                        if schema.origin == "drafted"
                        else "Correct the file or the schema."
                    )
                )
            frame[column.name] = coerced.values
        dataset = cls(schema, pd.DataFrame(frame))
        _check_persons(dataset, source)
        for column in schema.sensitive:
            groups = dataset.frame[column.name].dropna().unique()
            if len(groups) < 2:
                raise DataError(
                    f"Sensitive column {column.name!r} of {source} has one group "
                    f"({str(groups[0]) if len(groups) else 'none'!r}); expected at least two. "
                    "Give it another role, or bring data with more groups."
                )
        return dataset

    @classmethod
    def of_samples(cls, raw: pd.DataFrame, schema: Schema) -> Dataset:
        """Generated records: what does not fit is counted, not refused; it is what audits look for.

        Raises:
            DataError: there are no rows, or not one column of the schema.
        """
        if len(raw) == 0 or not set(schema.names) & set(raw.columns):
            raise DataError(
                f"Expected samples with rows and columns of the schema, got {len(raw):,} rows "
                f"and columns {', '.join(map(repr, raw.columns)) or 'none'}."
            )
        twice = raw.columns.duplicated()
        names, whole, raw = raw.columns, raw, raw.loc[:, ~twice]
        frame, invalid, unplaced = {}, {}, []
        for column in schema.columns:
            if column.name not in raw:
                empty = pd.Series([None] * len(raw), dtype=object)
                frame[column.name] = coerce(empty, column, schema.missing).values
                continue
            coerced = coerce(raw[column.name].reset_index(drop=True), column, schema.missing)
            frame[column.name] = coerced.values
            if coerced.n_bad:
                invalid[column.name] = coerced.n_bad
                if column.role is Role.RECORD:
                    continue  # it has no text that could be looked through
                given = raw[column.name].reset_index(drop=True)
                unplaced.append(as_text(given[coerced.values.isna()]).rename(column.name))
        foreign = twice | ~names.isin(schema.names)
        unplaced += [as_text(s) for _, s in whole.loc[:, foreign].reset_index(drop=True).items()]
        made = {c.name for c in (*schema.modelled, *schema.by_role(Role.RECORD))}
        return cls(
            schema,
            pd.DataFrame(frame),
            invalid,
            absent=tuple(n for n in schema.names if n not in raw and n in made),
            extra=tuple(map(str, names[foreign])),
            unplaced=pd.concat([pd.DataFrame(index=range(len(raw))), *unplaced], axis=1),
        )

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def records(self) -> pd.DataFrame:
        """What a generator makes: the modelled columns and the record, shape (n, columns)."""
        return self.frame[list(self._made)]

    @property
    def _made(self) -> tuple[str, ...]:
        made = (*self.schema.modelled, *self.schema.by_role(Role.RECORD))
        return tuple(c.name for c in made)

    @cached_property
    def media(self) -> np.ndarray:
        """Images, series, sounds or texts, an array of objects of shape (n,)."""
        assert self.schema.record is not None, "a table has none"
        cells: np.ndarray = self.frame[self.schema.record.name].to_numpy(dtype=object)
        return cells

    @cached_property
    def n_distinct(self) -> int:
        """How many of the records differ from each other."""
        return len(self.records.apply(frozen).drop_duplicates())

    @cached_property
    def attributes(self) -> pd.DataFrame:
        """Target, sensitive and person columns: what a bias audit asks for, shape (n, k)."""
        roles = (Role.TARGET, Role.SENSITIVE, Role.PERSON)
        return self.frame[[c.name for c in self.schema.columns if c.role in roles]]

    @cached_property
    def persons(self) -> np.ndarray | None:
        """The number of the person of each row, shape (n,); None where not every row has one."""
        person = self.schema.person
        if person is None or bool(self.frame[person.name].isna().any()):
            return None
        return np.asarray(pd.factorize(self.frame[person.name])[0])

    def take(self, rows: np.ndarray) -> Dataset:
        """The records at `rows` (positions or a mask, shape (k,) or (n,)), renumbered."""
        rows = _positions(rows)
        unplaced = self.unplaced.iloc[rows] if len(self.unplaced.columns) else self.unplaced
        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            unplaced=unplaced.reset_index(drop=True),
        )

    def split(self, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
        """Two disjoint parts, the first with `fraction` of the rows; a person stays in one part."""
        rng = np.random.default_rng([seed, 0x5011])
        person = self.schema.person
        keys = self.frame[person.name].to_numpy() if person else np.arange(len(self))
        codes, units = pd.factorize(keys)
        first = np.zeros(len(units), dtype=bool)
        first[rng.permutation(len(units))[: round(fraction * len(units))]] = True
        mask = first[codes]
        return self.take(mask), self.take(~mask)

    def to_frame(self) -> pd.DataFrame:
        """The modelled columns as a user would write them (Int64, datetimes, bool, text).

        The record, where there is one, stands first, in canonical form.
        """
        made = {c.name: restore(self.frame[c.name], c) for c in self.schema.modelled}
        whole = {c.name: self.frame[c.name] for c in self.schema.by_role(Role.RECORD)}
        return pd.DataFrame({**whole, **made}, index=self.frame.index)

    def n_units(self) -> int:
        """Number of persons where the schema names a person column, else of rows."""
        person = self.schema.person
        return len(self) if person is None else int(self.frame[person.name].nunique())


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Rows of several draws of one generator, in their order."""
    first = parts[0]
    invalid: dict[str, int] = {}
    for part in parts:
        for name, n in part.invalid.items():
            invalid[name] = invalid.get(name, 0) + n
    known = [p.unplaced for p in parts if len(p.unplaced.columns)]
    unplaced = first.unplaced
    if known:
        whole = [p.unplaced.reindex(range(len(p))) for p in parts]
        unplaced = pd.concat(whole, ignore_index=True)
    frame = pd.concat([p.frame for p in parts if len(p)] or [first.frame], ignore_index=True)
    return replace(first, frame=frame, invalid=invalid, unplaced=unplaced)


def check_draft(schema: Schema, raw: pd.DataFrame, source: str) -> None:
    """Refuse a column that a draft of this very table leaves out because it holds nothing to model.

    Raises:
        DataError: it has no value, or only infinite ones.
    """
    for column in schema.columns:
        if column.modelled or column.role is Role.RECORD or column.name not in raw:
            continue
        values = coerce(raw[column.name], column, schema.missing).values.dropna()
        if values.empty:
            raise _valueless(column, source)
        if no_number(values):
            raise DataError(
                f"Column {column.name!r} of {source} has value {values.iloc[0]!r} in "
                f"{n_rows(len(values))}; expected finite numbers. Correct the file, drop the "
                "column, or give it the role ignored in a schema."
            )


def learn(schema: Schema, *raws: pd.DataFrame) -> Schema:
    """The schema with bounds and categories that it leaves out taken from data.

    This looks at the data: a private run may only do it with a budget (`Schema.undeclared`).
    """

    def learned(column: Column) -> Column:
        if column.undeclared is None:
            return column
        found = [coerce(raw[column.name], column, schema.missing)
                 for raw in raws if column.name in raw]  # fmt: skip
        if all(f.problem and f.values.isna().all() for f in found):
            return column  # absent, or not one value fits: the check of the data says so
        return learn_column(column, *(f.values for f in found))

    known = schema.replace_columns([learned(c) for c in schema.columns])
    return known if known == schema else known.replace(origin="learned")


def widen(schema: Schema, *raws: pd.DataFrame) -> Schema:
    """A schema that was made from some data, so wide that other data of its kind fit it too.

    Bounds and levels of its modelled columns then cover those of `raws` as well: an auditor may
    hold values that the training data lacked.
    """

    def wide(column: Column) -> Column:
        if column.role is Role.RECORD:
            return _wide_record(column, raws)
        if not column.modelled:
            return column
        open_ = column.model_copy(update={"bounds": None, "categories": None, "spikes": ()})
        found = [coerce(raw[column.name], open_, schema.missing).values
                 for raw in raws if column.name in raw]  # fmt: skip
        nullable = column.nullable or any(bool(f.isna().any()) for f in found)
        return _covering(column.model_copy(update={"nullable": nullable}), found)

    return schema.replace_columns([wide(c) for c in schema.columns])


def _wide_record(column: Column, raws: Sequence[pd.DataFrame]) -> Column:
    """A column of records whose lengths, bounds and characters cover those of other data too."""
    open_ = column.model_copy(
        update={"max_length": None, "channel_bounds": None, "alphabet": None, "subwords": None}
    )
    found = [coerce(raw[column.name], open_, ()).values.dropna()
             for raw in raws if column.name in raw]  # fmt: skip
    if not found or all(cells.empty for cells in found):
        return column
    return covering(column, learned(open_, pd.concat(found)))


def _covering(column: Column, found: list[pd.Series]) -> Column:
    values = pd.concat([f.dropna().astype(object) for f in found]) if found else pd.Series()
    if column.kind is Kind.BOOLEAN or values.empty:
        return column
    if column.discrete:
        new = sorted(set(map(str, values)) - set(column.categories or ()))
        return column.model_copy(update={"categories": (*(column.categories or ()), *new)})
    low, high = column.bounds or (math.inf, -math.inf)
    bounds = (min(low, float(values.min())), max(high, float(values.max())))
    return column.model_copy(update={"bounds": bounds})


def _valueless(column: Column, source: str) -> DataError:
    return DataError(
        f"Column {column.name!r} of {source} has no value at all; expected at least one. Drop the "
        "column, or give it the role ignored in a schema."
    )


def _check_shape(raw: pd.DataFrame, schema: Schema, source: str) -> None:
    if len(raw) < 2:
        raise DataError(f"Expected at least two rows in {source}, got {len(raw)}.")
    if raw.columns.has_duplicates:
        twice = raw.columns[raw.columns.duplicated()][0]
        raise DataError(f"Column {str(twice)!r} is in {source} twice; expected each name once.")
    absent = [n for n in schema.names if n not in raw.columns]
    extra = [str(n) for n in raw.columns if n not in schema.names]
    if absent:
        raise DataError(
            f"Column {absent[0]!r} of the schema is not in {source}"
            f"{_more(absent)}. Add it to the file or drop it from the schema."
        )
    entity = schema.record.entity if schema.record else None
    if entity in extra:
        raise DataError(
            f"Column {entity!r} of {source} says whose series a row is, but is not in the schema. "
            "Declare it with the role person, so that the entity is what is protected."
        )
    if extra:
        raise DataError(
            f"Column {extra[0]!r} of {source} is not in the schema{_more(extra)}. "
            "Declare it (role ignored keeps it out of the model) or drop it from the file."
        )


def _check_persons(data: Dataset, source: str) -> None:
    person = data.schema.person
    gone = 0 if person is None else int(data.frame[person.name].isna().sum())
    if person is not None and gone:
        raise DataError(
            f"Column {person.name!r} of {source} has missing values in {n_rows(gone)}; expected "
            "the person of every row. Fill them in, or give each such row a person of its own."
        )
    if person is not None and person.kind is Kind.CATEGORICAL:
        _warn_of_likeness(person.name, data.frame[person.name].unique(), source)


def _warn_of_likeness(name: str, persons: np.ndarray, source: str) -> None:
    """Say that persons are told apart by what rarely tells two of them: how a name is written."""
    first: dict[str, str] = {}
    alike = [
        (first[key], who) for who in persons if first.setdefault(key := _read(who), who) != who
    ]
    if alike:
        one, other = alike[0]
        warnings.warn(
            f"Column {name!r} of {source} names {len(alike):,} persons that differ from another in "
            "case, outer spaces or the way a letter or number is written alone, such as "
            f"{other!r} from {one!r}; they count as two. If they are one, write them alike.",
            GenauditWarning,
            stacklevel=4,
        )


def _read(who: str) -> str:
    """A name as somebody reads it: letters in one form, numbers by their value."""
    plain = unicodedata.normalize("NFKC", who).strip().casefold()
    if len(plain) > _DIGITS or plain.strip("+-.0123456789e"):
        return plain
    try:
        return str(Decimal(plain).normalize())
    except InvalidOperation:
        return plain


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _positions(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows
