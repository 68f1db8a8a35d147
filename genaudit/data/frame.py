"""Raw columns to canonical ones and back: the border where every table is checked.

Canonical: numbers and datetimes are float64 (datetimes in seconds since 1970), levels are pandas
categoricals over the declared categories, ids and ignored columns are text. Missing is NaN.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data import record as records
from genaudit.data.schema import Column, Kind, Role, Schema, date_of
from genaudit.errors import DataError

#: Longest text that a cell may hold; longer ones are broken quoting far more often than data.
MAX_CELL = 1_000_000

#: Largest power of ten in the number of a person or an id: a text of its digits stays short.
_MAX_DIGITS = 400

# In whole seconds: in nanoseconds, dates before 1678 would overflow.
_EPOCH = pd.Timestamp("1970-01-01", tz="UTC").as_unit("s")

#: A spreadsheet may run a cell whose first visible character is one of these, in any width.
_FORMULA_SIGNS = "=+-@"

#: It may take what follows one of these for a cell of its own.
_BREAKS = ("\t", "\r", "\n")


@dataclass(frozen=True)
class Coerced:
    """A canonical column, and the first problem with it (None where there is none).

    `n_bad` counts cells that the schema does not allow; they are NaN in `values`.
    """

    values: pd.Series
    n_bad: int = 0
    problem: str | None = None


def coerce(raw: pd.Series, column: Column, missing: tuple[str, ...]) -> Coerced:
    """One raw column (text or typed) in canonical form, checked against its declaration."""
    if column.role is Role.RECORD:
        return _coerce_records(raw, column)
    raw = _opened(raw)
    gone = raw.isna() | raw.isin(list(missing)) if _textual(raw) else raw.isna()
    present = raw[~gone]
    if _textual(present) and len(present):
        longest = _longest(present)
        if longest > MAX_CELL:
            return _all_bad(raw, column, f"a cell of {longest:,} characters; "
                            f"expected at most {MAX_CELL:,} (is a quote left open?)")  # fmt: skip
    if not column.modelled:
        return _coerce_names(raw, present, column)
    values, why = _CONVERTERS[column.kind](present, column)
    bad = values.isna()
    canonical = _empty(raw.index, column, values)
    canonical[values.index[~bad]] = values[~bad]
    problem = _describe(present[bad], column, why) if bad.any() else None
    n_bad = int(bad.sum())
    if gone.any() and not column.nullable:
        n_bad += int(gone.sum())
        problem = problem or (
            f"missing values in {n_rows(int(gone.sum()))}; expected none, "
            "as the schema does not say nullable = true"
        )
    return Coerced(canonical, n_bad, problem)


def _coerce_names(raw: pd.Series, present: pd.Series, column: Column) -> Coerced:
    """A column that is not modelled, as text; persons and ids of one number are one text.

    A person whose name is not of the declared kind is a problem; any other such value stays text.
    """
    text = present.map(_plain_text)
    values = pd.Series(np.nan, index=raw.index, dtype=object)
    if column.role not in (Role.PERSON, Role.ID) or column.kind not in _NAMES:
        values[text.index] = text
        return Coerced(values)
    named = _named(present, text, column)
    bad = named.isna()
    if column.role is Role.ID:
        values[text.index] = named.where(~bad, text)
        return Coerced(values)
    values[text.index[~bad]] = named[~bad]
    problem = _describe(present[bad], column, _NAMES[column.kind]) if bad.any() else None
    return Coerced(values, int(bad.sum()), problem)


def _number_name(text: str, *, whole: bool = False) -> str | None:
    """One text for each number, digit by digit; None where it is no number, or no whole one.

    >>> [_number_name(text, whole=True) for text in (" 012", "12.0", "1.2e1", "12.5", "x")]
    ['12', '12', '12', None, None]
    >>> _number_name("1.50"), _number_name("9007199254740993")
    ('1.5', '9007199254740993')
    """
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS:
        return None
    if number == number.to_integral_value():
        return str(int(number))
    return None if whole else f"{number:f}".rstrip("0")


#: What is expected of persons of a kind that writes one person in several ways.
_NAMES = {
    Kind.INTEGER: "whole numbers",
    Kind.NUMERIC: "numbers",
    Kind.DATETIME: "dates such as 2020-01-31T12:00:00",
}


def _named(present: pd.Series, text: pd.Series, column: Column) -> pd.Series:
    """One text for each person or id, on the same index; missing where it is not of its kind."""
    if column.kind is Kind.DATETIME:
        return _seconds(present).astype(object).map(repr, na_action="ignore")
    whole = column.kind is Kind.INTEGER
    return text.map({known: _number_name(known, whole=whole) for known in text.unique()})


def _coerce_records(raw: pd.Series, column: Column) -> Coerced:
    """Images, series, sounds or texts in canonical form; None where one is none."""
    cells = records.as_column([records.canonical(value, column) for value in raw])
    cells.index = raw.index
    bad = cells.isna()
    if not bad.any():
        return Coerced(cells)
    problem = (
        f"{records.shown(raw[bad].iloc[0])} in {n_rows(int(bad.sum()))}; expected "
        f"{records.expected(column)}"
    )
    return Coerced(cells, int(bad.sum()), problem)


def restore(canonical: pd.Series, column: Column) -> pd.Series:
    """A canonical column as a user would write it: Int64, ISO datetimes, bool, text."""
    match column.kind:
        case Kind.INTEGER:
            return canonical.round().astype("Int64")
        case Kind.DATETIME:
            unit = "s" if (column.resolution or 1e-9) >= 1 else "us"
            stamps = (canonical * (1 if unit == "s" else 1e6)).round().astype("Int64")
            return pd.to_datetime(stamps, unit=unit)
        case Kind.BOOLEAN if column.categories is None:
            return canonical.map({"False": False, "True": True}).astype("boolean")
        case Kind.CATEGORICAL | Kind.BOOLEAN:
            return canonical.astype(object)
        case _:
            return canonical


def as_text(raw: pd.Series) -> pd.Series:
    """The cells that hold a value as plain text, on their own index."""
    return raw.astype(object).dropna().map(_plain_text)


def safe_text(value: object) -> object:
    """Text that no spreadsheet runs: a leading apostrophe before `=`, `+`, `-`, `@`, line breaks.

    >>> safe_text("=1+1"), safe_text(" \N{FULLWIDTH EQUALS SIGN}1"), safe_text("-3.5")
    ("'=1+1", "' \N{FULLWIDTH EQUALS SIGN}1", '-3.5')
    """
    return "'" + value if isinstance(value, str) and _is_formula(value) else value


def unsafe_text(value: str) -> str:
    """What `safe_text` made harmless, as it was.

    >>> unsafe_text("'=1+1"), unsafe_text("''=1+1"), unsafe_text("'tis")
    ('=1+1', "'=1+1", "'tis")
    """
    return value[1:] if value[:1] == "'" and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    """Whether it is a formula, or one behind apostrophes, to which `safe_text` adds one more."""
    bare = text.lstrip("'")
    first = next((c for c in bare if c.isprintable() and not c.isspace()), "")
    sign = unicodedata.normalize("NFKC", first)
    begins = bare.startswith(_BREAKS) or (sign != "" and sign in _FORMULA_SIGNS)
    return begins and not _is_number(bare)


def readable(value: float, column: Column) -> str:
    """A canonical number as a person reads it: of a datetime column the date.

    >>> readable(86400.0, Column(name="born", kind=Kind.DATETIME))
    '1970-01-02'
    """
    date = date_of(value) if column.kind is Kind.DATETIME else None
    return date.isoformat() if isinstance(date, dt.date) else f"{value:.15g}"


def flat(raw: pd.DataFrame, source: str) -> pd.DataFrame:
    """A frame as a file would hold it: one text names a column, rows are numbered, no bytes.

    Raises:
        DataError: a column has several names, or holds bytes that are no UTF-8 text.
    """
    if raw.columns.nlevels > 1:
        raise DataError(
            f"Expected one name for each column of {source}, got {raw.columns.nlevels} names for "
            "each (a MultiIndex); join them, or drop one with DataFrame.droplevel."
        )
    return decoded(raw.rename(columns=str).reset_index(drop=True), source)


def decoded(raw: pd.DataFrame, source: str) -> pd.DataFrame:
    """The table with bytes read as the text that they are.

    Raises:
        DataError: they are no UTF-8 text.
    """
    binary = [
        name for name in raw
        if pd.api.types.is_object_dtype(raw[name]) and any(type(v) is bytes for v in raw[name])
    ]  # fmt: skip
    for name in binary:
        try:
            text = raw[name].map(lambda v: v.decode("utf-8") if type(v) is bytes else v)
        except UnicodeDecodeError as error:
            raise DataError(
                f"Column {name!r} of {source} holds bytes that are no UTF-8 text; expected text, "
                "numbers or dates. Write the table anew without that column."
            ) from error
        raw = raw.assign(**{name: text})
    return raw


def draft_column(raw: pd.Series, name: str, missing: tuple[str, ...]) -> Column:
    """A guess at what a column is, made by looking at its values.

    Raises:
        DataError: they are of a type that no kind of column models.
    """
    if not isinstance(raw.dtype, pd.CategoricalDtype):  # whose values are levels, whatever they are
        _check_modelled(raw, name)
    raw = _opened(raw)
    gone = raw.isna() | raw.isin(list(missing)) if _textual(raw) else raw.isna()
    present, nullable = raw[~gone], bool(gone.any())
    if no_number(present):
        return Column(name=name, kind=Kind.CATEGORICAL, role=Role.IGNORED, nullable=True)
    for kind, convert in () if _is_code(present) else _GUESSES:
        values = convert(present)
        if values is not None:
            return _drafted_number(values, name, kind, nullable)
    text = present.map(_plain_text)
    levels = sorted(set(text))
    if {level.lower() for level in levels} <= {"false", "true"}:
        return Column(name=name, kind=Kind.BOOLEAN, nullable=nullable)
    if len(levels) > 50 and len(levels) > 0.5 * len(text):
        role = Role.ID if len(levels) == len(text) else Role.IGNORED
        return Column(name=name, kind=Kind.CATEGORICAL, role=role, nullable=nullable)
    if len(levels) == 2 and {level.lower() for level in levels} == {"no", "yes"}:
        return Column(name=name, kind=Kind.BOOLEAN, categories=tuple(levels), nullable=nullable)
    return Column(name=name, kind=Kind.CATEGORICAL, categories=tuple(levels), nullable=nullable)


def no_number(present: pd.Series) -> bool:
    """Whether there is no value but infinities and what stands for no number, such as `nan`.

    >>> no_number(pd.Series([math.inf, "-inf"])), no_number(pd.Series(["nan", "1"]))
    (True, False)
    """
    return all(map(_endless, present.unique()))


def _endless(value: object) -> bool:
    try:
        return not math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def learn_column(column: Column, *canonical: pd.Series) -> Column:
    """The column with what it leaves undeclared taken from data: this looks at the data."""
    if column.undeclared is None:
        return column
    values = pd.concat([c.dropna() for c in canonical])
    if values.empty:
        raise DataError(f"Column {column.name!r} has no value at all; expected at least one.")
    if column.role is Role.RECORD:
        return records.learn(column, values)
    if column.discrete:
        return column.model_copy(update={"categories": tuple(sorted(set(values.astype(str))))})
    return column.model_copy(update={"bounds": _span(values)})


def _number(present: pd.Series, column: Column) -> tuple[pd.Series, str]:
    values = _numeric(present)
    why = "numbers"
    values = values.where(np.isfinite(values))
    if column.kind is Kind.INTEGER:
        why = "whole numbers"
        values = values.where(values == values.round())
        rounded = _rounded(present, values)
        if rounded.any():
            why = "whole numbers that a float holds digit by digit, as it does few beyond 2^53"
            why += " (give the column the role id, or the kind numeric)"
            values = values.mask(rounded)
    return _within(values, column, why)


def _datetime(present: pd.Series, column: Column) -> tuple[pd.Series, str]:
    values = _seconds(present)
    values = values.where(np.isfinite(values))
    return _within(values, column, "dates such as 2020-01-31T12:00:00")


def _numeric(present: pd.Series) -> pd.Series:
    """Values as float64, NaN where one is no real number; pandas counts spans of time in ticks."""
    if isinstance(present.dtype, pd.PeriodDtype) or present.dtype.kind == "m":
        return pd.Series(np.nan, index=present.index)
    if pd.api.types.is_object_dtype(present):
        present = present.where(~present.map(_beyond_float), np.nan)
    values = pd.to_numeric(present, errors="coerce")
    if pd.api.types.is_complex_dtype(values):
        values = values.where(np.imag(values) == 0)
        values = pd.Series(np.real(values), index=present.index)
    return values.astype("float64")


def _rounded(present: pd.Series, values: pd.Series) -> np.ndarray:
    """Which whole numbers are not what float64 made of them, a mask of shape (n,)."""
    large = (np.isfinite(values) & (values.abs() >= 2**53)).to_numpy()
    lost = np.zeros(len(values), dtype=bool)
    pairs = zip(present[large], values[large], strict=True)
    lost[large] = [_whole(raw) not in (None, int(value)) for raw, value in pairs]
    return lost


def _whole(value: object) -> int | None:
    """The whole number that a cell holds digit by digit; None for floats and other text."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    return int(value) if isinstance(value, int | np.integer | Decimal) else None


def _beyond_float(value: object) -> bool:
    return isinstance(value, int) and abs(value) > sys.float_info.max


def _seconds(present: pd.Series) -> pd.Series:
    """Dates, times and ISO text as seconds since 1970; numbers are seconds already."""
    typed = present.infer_objects()
    if pd.api.types.is_numeric_dtype(typed) and not pd.api.types.is_bool_dtype(typed):
        return _numeric(typed)
    if not pd.api.types.is_datetime64_any_dtype(typed):
        typed = typed.map(str)
    stamps = pd.to_datetime(typed, errors="coerce", utc=True, format="ISO8601")
    return (stamps - _EPOCH).dt.total_seconds()


def _within(values: pd.Series, column: Column, why: str) -> tuple[pd.Series, str]:
    if column.bounds is None:
        return values, why
    low, high = column.bounds
    why = f"{why} from {readable(low, column)} to {readable(high, column)}"
    return values.where((values >= low) & (values <= high)), why


def _level(present: pd.Series, column: Column) -> tuple[pd.Series, str]:
    text = present.map(_plain_text)
    levels = column.levels
    if levels is None:
        odd = _nested(present) | present.map(_is_opaque).to_numpy(dtype=bool)
        return text.mask(odd), "one value in each cell, as text, number or date"
    known = set(levels)
    text = text.map(partial(_as_known, known=known))
    if column.kind is Kind.BOOLEAN:
        synonyms = {"false": levels[0], "true": levels[1], "0": levels[0], "1": levels[1]}
        text = text.map(lambda t: t if t in known else synonyms.get(t.lower(), t))
    shown = ", ".join(map(repr, levels[:8])) + (", ..." if len(levels) > 8 else "")
    return text.where(text.isin(list(levels))), f"one of {shown}"


def _as_known(text: str, known: set[str]) -> str:
    """The level that a text is, without the apostrophe of a spreadsheet or with it.

    Reading a CSV took one off, which another program than ours may have meant.
    """
    return next((t for t in (text, unsafe_text(text), "'" + text) if t in known), text)


_CONVERTERS: dict[Kind, Callable[[pd.Series, Column], tuple[pd.Series, str]]] = {
    Kind.NUMERIC: _number,
    Kind.INTEGER: _number,
    Kind.DATETIME: _datetime,
    Kind.CATEGORICAL: _level,
    Kind.BOOLEAN: _level,
}


def _empty(index: pd.Index, column: Column, values: pd.Series) -> pd.Series:
    if not column.discrete:
        return pd.Series(np.nan, index=index, dtype="float64")
    levels = column.levels or tuple(sorted(set(values.dropna())))
    return pd.Series(pd.Categorical([None] * len(index), categories=list(levels)), index=index)


def _all_bad(raw: pd.Series, column: Column, problem: str) -> Coerced:
    values = _empty(raw.index, column, pd.Series(dtype=object))
    return Coerced(values, len(raw), problem)


def n_rows(n: int) -> str:
    """How many rows, in words.

    >>> n_rows(1), n_rows(2000)
    ('1 row', '2,000 rows')
    """
    return "1 row" if n == 1 else f"{n:,} rows"


def _describe(bad: pd.Series, column: Column, why: str) -> str:
    shown = repr(str(bad.iloc[0]))
    if len(shown) > 60:
        shown = shown[:57] + "...'"
    what = "category" if column.discrete else "value"
    return f"{what} {shown} in {n_rows(len(bad))}; expected {why}"


def _opened(raw: pd.Series) -> pd.Series:
    """A categorical as the values in its rows: its type lists levels that no row may have."""
    return raw.astype(object) if isinstance(raw.dtype, pd.CategoricalDtype) else raw


#: What `infer_dtype` calls values of no kind -> what to make of them.
_NO_KIND = {
    "timedelta": "numbers, such as with .dt.total_seconds()",
    "timedelta64": "numbers, such as with .dt.total_seconds()",
    "period": "dates, such as with .dt.to_timestamp()",
    "complex": "two columns of numbers",
    "interval": "levels, such as with .astype(str)",
}


def _check_modelled(raw: pd.Series, name: str) -> None:
    """Refuse what a draft would take for something else: spans of time, complex numbers, lists."""
    found = pd.api.types.infer_dtype(raw, skipna=True)
    if found in _NO_KIND:
        raise DataError(
            f"Column {name!r} holds values of type {found}, which no kind of column models; turn "
            f"it into {_NO_KIND[found]}, or drop it."
        )
    if _nested(raw).any():
        raise DataError(
            f"Column {name!r} holds lists or records; expected one value in each cell. Spread it "
            "over columns of its own, or drop it."
        )
    opaque = next(filter(_is_opaque, {type(value): value for value in raw}.values()), None)
    if opaque is not None:
        raise DataError(
            f"Column {name!r} holds objects of type {type(opaque).__name__}, which no kind of "
            "column models; turn them into text, numbers or dates, or drop it."
        )


#: Text of an object that has none of its own: it names the place in memory.
_ADDRESS = re.compile(r"<.* at 0x[0-9a-fA-F]+>", re.DOTALL)


def _is_opaque(value: object) -> bool:
    """Whether it is an object whose text says nothing about its value."""
    return not isinstance(value, str) and _ADDRESS.fullmatch(str(value)) is not None


def _nested(raw: pd.Series) -> np.ndarray:
    """Which cells hold a list, a record or another value of values, a mask of shape (n,)."""
    if not (pd.api.types.is_object_dtype(raw) or isinstance(raw.dtype, pd.ArrowDtype)):
        return np.zeros(len(raw), dtype=bool)
    return np.fromiter(map(pd.api.types.is_list_like, raw), dtype=bool, count=len(raw))


def _textual(raw: pd.Series) -> bool:
    return pd.api.types.is_object_dtype(raw) or pd.api.types.is_string_dtype(raw)


def _plain_text(value: object) -> str:
    """A level as text: 3.0 read as a float is the level `3`."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _longest(present: pd.Series) -> int:
    """Length of the longest text; of other objects, which may not be text at all, none counts."""
    if pd.api.types.is_object_dtype(present):
        return max(len(v) if isinstance(v, str | bytes) else 0 for v in present)
    return int(present.str.len().max())


_LEADING_ZERO = re.compile(r"\s*[+-]?0\d+\s*")


def _is_code(present: pd.Series) -> bool:
    """Whether digits are a name and no quantity: a leading zero, or more than a float holds."""
    text = present if pd.api.types.is_object_dtype(present) else present.unique()
    if any(isinstance(v, str) and _LEADING_ZERO.fullmatch(v) for v in text):
        return True
    return bool(_rounded(present, _numeric(present)).any())


#: What `infer_dtype` calls values that pandas would turn into numbers, objects too.
_NO_NUMBERS = ("boolean", "datetime64", "datetime")


def _as_numbers(present: pd.Series) -> pd.Series | None:
    if pd.api.types.is_bool_dtype(present) or pd.api.types.infer_dtype(present) in _NO_NUMBERS:
        return None
    values = _numeric(present)
    # An endless value is left out here, so that the check of the data can name it.
    finite = values[np.isfinite(values)]
    return finite if values.notna().all() and len(finite) else None


def _as_datetimes(present: pd.Series) -> pd.Series | None:
    if pd.api.types.is_bool_dtype(present):
        return None
    values = _seconds(present)
    return values if np.isfinite(values).all() else None


_GUESSES: tuple[tuple[Kind, Callable[[pd.Series], pd.Series | None]], ...] = (
    (Kind.NUMERIC, _as_numbers),
    (Kind.DATETIME, _as_datetimes),
)


def _drafted_number(values: pd.Series, name: str, kind: Kind, nullable: bool) -> Column:
    whole = bool((values == values.round()).all())
    if kind is Kind.NUMERIC and whole:
        kind = Kind.INTEGER
    step = None
    if kind is Kind.DATETIME:  # dates, or times in whole seconds
        step = next((s for s in (86400.0, 1.0) if bool((values % s == 0).all())), None)
    shares = values.value_counts(normalize=True)
    # A spike holds at least a tenth of the records in a column that otherwise spreads widely.
    spikes = (
        tuple(sorted(float(v) for v in shares.index[shares >= 0.1])) if len(shares) > 50 else ()
    )
    return Column(
        name=name,
        kind=kind,
        bounds=_span(values),
        step=step,
        spikes=spikes if kind is not Kind.DATETIME else (),
        nullable=nullable,
    )


def _span(values: pd.Series) -> tuple[float, float]:
    """Least and largest value; bounds a step wide where there is one value alone."""
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else max(low + 1.0, float(np.nextafter(low, np.inf)))


def _record_of(raw: pd.DataFrame) -> Mapping[str, Any]:
    """Name and kind of the column of records, as its reader said or its arrays show; else empty."""
    if said := raw.attrs.get("record"):
        return said
    for name in raw.columns:
        cell = raw[name].iloc[0]
        if isinstance(cell, np.ndarray) and cell.ndim in (1, 2, 3):
            whole = cell.dtype == np.uint8 and cell.ndim > 1
            return {"name": name, "kind": Kind.IMAGE if whole else Kind.SEQUENCE}
    return {}


def _draft_record(raw: pd.Series, found: Mapping[str, Any]) -> Column:
    """The column of records with what they show of themselves."""
    rate = found.get("rate")
    open_ = Column.model_validate(
        {"name": str(found["name"]), "kind": found["kind"], **({"rate": rate} if rate else {})}
    )
    coerced = _coerce_records(raw, open_)
    if coerced.problem:
        raise DataError(f"Column {open_.name!r} has {coerced.problem}. Correct the file.")
    return records.learn(open_, coerced.values)


def draft_schema(raw: pd.DataFrame, *, id: str | None = None) -> Schema:
    """A schema guessed from the values of a table; it is marked `drafted`, as it looked at them."""
    if raw.empty:
        raise DataError(f"Expected a table with rows and columns, got shape {raw.shape}.")
    missing = ("",)
    whole = _record_of(raw)
    columns = [
        _draft_record(raw[name], whole) if name == whole.get("name")
        else draft_column(raw[name], str(name), missing)
        for name in raw.columns
    ]  # fmt: skip
    if not any(column.modelled or column.role is Role.RECORD for column in columns):
        names = ", ".join(repr(column.name) for column in columns[:5])
        more = ", ..." if len(columns) > 5 else ""
        raise DataError(
            f"Expected at least one column to model, got only {names}{more}, which are empty, "
            "infinite or hold another text in nearly every row; bring other columns, or declare a "
            "schema."
        )
    return Schema(columns=tuple(columns), origin="drafted", id=id, missing=missing)
