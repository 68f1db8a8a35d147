"""What is public about a data set: columns, kinds, bounds, categories.

What a schema declares costs no privacy; what it leaves out must be learned from the data, and under
differential privacy is charged or refused (`Schema.undeclared`).
"""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from genaudit.errors import SchemaError, complaint
from genaudit.reading import parsed, path_of, read_text


class Kind(StrEnum):
    """How a column's values behave."""

    NUMERIC = "numeric"
    INTEGER = "integer"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    IMAGE = "image"
    SEQUENCE = "sequence"
    AUDIO = "audio"
    TEXT = "text"


class Role(StrEnum):
    """What a column is for. `person` is the privacy unit; `ignored` is not modelled.

    `record` is the image, series, sound or text that the other columns are attributes of.
    """

    FEATURE = "feature"
    TARGET = "target"
    SENSITIVE = "sensitive"
    PERSON = "person"
    ID = "id"
    IGNORED = "ignored"
    RECORD = "record"


def seconds(value: dt.datetime | dt.date) -> float:
    """Seconds since 1970-01-01 (UTC for aware values, wall clock for naive ones)."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return aware.timestamp()


def date_of(value: float) -> dt.date | float:
    """The date, or date and time, that `seconds` turns into `value`; `value` where none does.

    >>> date_of(86400.0)
    datetime.date(1970, 1, 2)
    """
    try:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=value)
    except OverflowError:
        return value
    found = moment if moment.time() != dt.time() else moment.date()
    return found if seconds(found) == value else value


def _bounds(value: Any) -> Any:
    """Bounds as two floats; dates become seconds."""
    if isinstance(value, list | tuple):
        if len(value) != 2 or any(isinstance(v, bool) for v in value):
            raise ValueError(f"expected two numbers or dates, low and high, got {list(value)}")
        return tuple(
            seconds(v) if isinstance(v, dt.date) else _parsed_date(v) if isinstance(v, str) else v
            for v in value
        )
    return value


def _parsed_date(text: str) -> float:
    try:
        return seconds(dt.datetime.fromisoformat(text))
    except ValueError as error:
        raise ValueError(f"expected a date such as 2020-01-31, got {text!r}") from error


def _ordered(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is not None and not (
        bounds[0] < bounds[1] and math.isfinite(bounds[0]) and math.isfinite(bounds[1])
    ):
        raise ValueError(f"expected low < high, both finite, got {list(bounds)}")
    return bounds


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a category is declared twice")
    return values


def _named(text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise ValueError("expected a name of the data set, got none; leave id out, or name it")
    return text


def _rows(value: Any) -> Any:
    if value in (None, "public") or (type(value) is int and value >= 1):
        return value
    raise ValueError(f'expected rows of at least 1, or "public", got {value!r}')


Modality = Literal["table", "image", "sequence", "text"]
Bounds = Annotated[tuple[float, float], BeforeValidator(_bounds), AfterValidator(_ordered)]
Categories = Annotated[tuple[str, ...], AfterValidator(_distinct)]

_DISCRETE = (Kind.CATEGORICAL, Kind.BOOLEAN)

#: Kind of a record -> its modality.
MODALITIES: dict[Kind, Modality] = {
    Kind.IMAGE: "image", Kind.SEQUENCE: "sequence", Kind.AUDIO: "sequence", Kind.TEXT: "text",
}  # fmt: skip

#: Kind of a record -> what must be declared before it can be encoded without a look at the data.
_NEEDED: dict[Kind, tuple[str, ...]] = {
    Kind.IMAGE: ("size",),
    Kind.SEQUENCE: ("channels", "channel_bounds", "max_length"),
    Kind.AUDIO: ("rate", "max_length"),
    Kind.TEXT: ("alphabet", "max_length"),
}

#: Fields that only some kinds of records have.
_OWN: dict[str, tuple[Kind, ...]] = {
    "size": (Kind.IMAGE,), "channels": (Kind.SEQUENCE,), "channel_bounds": (Kind.SEQUENCE,),
    "max_length": (Kind.SEQUENCE, Kind.AUDIO, Kind.TEXT), "rate": (Kind.AUDIO,),
    "alphabet": (Kind.TEXT,), "subwords": (Kind.TEXT,),
    "entity": (Kind.SEQUENCE,), "time": (Kind.SEQUENCE,), "window": (Kind.SEQUENCE,),
}  # fmt: skip

#: Largest sizes of a record; a hostile declaration must not fill the memory.
MAX_SIDE, MAX_STEPS, MAX_ALPHABET = 512, 4_000_000, 20_000


class Column(BaseModel):
    """One column.

    bounds: (low, high) in the column's unit; seconds since 1970 for datetimes.
    categories: every level, as written in files; for a boolean (false, true).
    step: smallest difference between two values; 1 for integers, 86400 for dates without a time.
    spikes: values that many records share exactly, such as 0 for a capital gain.
    scale: `log` where values spread over orders of magnitude (bins are then spaced so).

    Of a record, whose kind is image, sequence, audio or text:

    size: of an image, (height, width, channels), with 1 or 3 channels of 8 bits.
    channels, channel_bounds: of a sequence, names of what is measured at each step, and the (low,
        high) of each. max_length: most steps, samples of sound, or characters.
    entity, time: in a file with one row for each step, columns that say whose step it is, and its
        place; window: longer sequences are cut into parts of so many steps, all of one entity.
    rate: of sound, samples a second. alphabet: of text, all characters that may be in it;
        subwords: pieces of several characters that count as one symbol.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    role: Role = Role.FEATURE
    bounds: Bounds | None = None
    categories: Categories | None = None
    step: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    spikes: tuple[float, ...] = ()
    scale: Literal["linear", "log"] = "linear"
    nullable: bool = False
    description: str = ""
    size: tuple[int, int, int] | None = None
    channels: tuple[str, ...] | None = None
    channel_bounds: tuple[Bounds, ...] | None = None
    max_length: int | None = Field(default=None, ge=1, le=MAX_STEPS)
    entity: str | None = None
    time: str | None = None
    window: int | None = Field(default=None, ge=2, le=MAX_STEPS)
    rate: int | None = Field(default=None, ge=1000, le=192_000)
    alphabet: str | None = Field(default=None, min_length=1, max_length=MAX_ALPHABET)
    subwords: Annotated[tuple[str, ...], AfterValidator(_distinct)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _record(cls, data: Any) -> Any:
        """A column of such a kind is the record, whether its role says so or not."""
        if not isinstance(data, Mapping) or "role" in data:
            return data
        kind = data.get("kind")
        whole = isinstance(kind, str) and kind in MODALITIES
        return {**data, "role": Role.RECORD} if whole else data

    @model_validator(mode="after")
    def _of_a_record(self) -> Self:
        for name, kinds in _OWN.items():
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ValueError(f"column {self.name!r}: {self.kind} takes no {name}")
        if (self.kind in MODALITIES) != (self.role is Role.RECORD):
            raise ValueError(
                f"column {self.name!r}: the role record goes with the kinds "
                f"{', '.join(MODALITIES)}, and no other role does; got {self.kind} as {self.role}"
            )
        if self.size is not None and not (
            all(1 <= side <= MAX_SIDE for side in self.size[:2]) and self.size[2] in (1, 3)
        ):
            raise ValueError(
                f"column {self.name!r}: expected a size of height and width up to {MAX_SIDE} and 1 "
                f"or 3 channels, got {list(self.size)}"
            )
        if self.channels is not None and not 0 < len(set(self.channels)) == len(self.channels):
            raise ValueError(f"column {self.name!r}: expected at least one channel, each once")
        if self.channel_bounds is not None and len(self.channel_bounds) != len(self.channels or ()):
            raise ValueError(f"column {self.name!r}: expected bounds for each channel, in order")
        if self.alphabet is not None and len(set(self.alphabet)) < len(self.alphabet):
            raise ValueError(f"column {self.name!r}: a character is in the alphabet twice")
        if self.subwords is not None:
            self._check_subwords(self.subwords)
        return self

    def _check_subwords(self, subwords: tuple[str, ...]) -> None:
        """Refuse pieces that are no pieces of a text, and more of them than characters may be."""
        if len(subwords) > MAX_ALPHABET:
            raise ValueError(
                f"column {self.name!r}: expected at most {MAX_ALPHABET:,} subwords, "
                f"got {len(subwords):,}"
            )
        known = set(self.alphabet) if self.alphabet is not None else None
        for piece in subwords:
            if len(piece) < 2 or (known is not None and not set(piece) <= known):
                raise ValueError(
                    f"column {self.name!r}: expected subwords of at least 2 characters of the "
                    f"alphabet, got {piece!r}"
                )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.role is Role.RECORD:
            if self.bounds or self.categories or self.step or self.spikes or self.nullable:
                raise ValueError(
                    f"column {self.name!r}: a record takes none of bounds, categories, step, "
                    "spikes and nullable"
                )
            return self
        if self.discrete and (self.bounds or self.step or self.spikes):
            raise ValueError(f"column {self.name!r}: {self.kind} takes categories, not bounds")
        if not self.discrete and self.categories is not None:
            raise ValueError(f"column {self.name!r}: {self.kind} takes bounds, not categories")
        if self.kind is Kind.BOOLEAN and self.categories is not None and len(self.categories) != 2:
            raise ValueError(f"column {self.name!r}: a boolean has two categories, false and true")
        if self.categories == ():
            raise ValueError(f"column {self.name!r}: expected at least one category, got none")
        if self.bounds and any(not self.bounds[0] <= s <= self.bounds[1] for s in self.spikes):
            raise ValueError(f"column {self.name!r}: every spike must lie within the bounds")
        if not all(map(math.isfinite, self.spikes)):
            raise ValueError(f"column {self.name!r}: every spike must be finite")
        if self.kind is Kind.INTEGER and self.step and not self.step.is_integer():
            raise ValueError(f"column {self.name!r}: the step of an integer is a whole number")
        return self

    @property
    def discrete(self) -> bool:
        """Whether values are levels (categorical, boolean) and not numbers."""
        return self.kind in _DISCRETE

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Declared levels; a boolean without categories has False and True."""
        if self.kind is Kind.BOOLEAN and self.categories is None:
            return ("False", "True")
        return self.categories

    @property
    def resolution(self) -> float | None:
        """Smallest difference between two values, None where values are continuous."""
        return self.step or (1.0 if self.kind is Kind.INTEGER else None)

    @property
    def modelled(self) -> bool:
        """Whether a generator makes this column; ids, persons and ignored columns are not made."""
        return self.role in (Role.FEATURE, Role.TARGET, Role.SENSITIVE)

    @property
    def undeclared(self) -> str | None:
        """What is missing before this column can be encoded without looking at the data."""
        if self.role is Role.RECORD:
            open_ = [name for name in _NEEDED[self.kind] if getattr(self, name) is None]
            return ", ".join(open_) or None
        if not self.modelled:
            return None
        if self.discrete:
            return None if self.levels else "categories"
        return None if self.bounds else "bounds"


class Schema(BaseModel):
    """What is declared, and therefore public, about a data set.

    rows: number of records (persons, where a person column is the unit). An int, or `"public"`: the
        number of rows of whatever file comes is no secret. None: n is private.
    id: name of the data set in the ledger.
    missing: texts that count as missing in files; the first is how missing values are written.
    origin: `declared`; `drafted` where genaudit looked at the data to write it; `learned` where it
        looked at them, or paid to, for what a declaration left out.
    drafted: whether kinds, roles and missing values go back to a draft. What is learned for a draft
        keeps it, a declaration ends it, and a learned schema that does not say so counts as one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality = "table"
    columns: tuple[Column, ...]
    rows: Annotated[int | Literal["public"] | None, BeforeValidator(_rows)] = None
    id: Annotated[str | None, AfterValidator(_named)] = None
    missing: tuple[str, ...] = ("",)
    origin: Literal["declared", "drafted", "learned"] = "declared"
    drafted: bool = False

    @model_validator(mode="before")
    @classmethod
    def _ancestry(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        data = _with_modality(data)
        origin = data.get("origin", "declared")
        known = data.get("drafted", True) if origin == "learned" else origin == "drafted"
        return {**data, "drafted": known}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [c.name for c in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("a column is declared twice")
        if not any(c.modelled or c.role is Role.RECORD for c in self.columns):
            raise ValueError("expected at least one column to model (feature, target, sensitive)")
        found = MODALITIES[self.record.kind] if self.record else "table"
        if self.modality != found:
            raise ValueError(f"modality is {self.modality}, but the columns are of {found}")
        self._check_windows()
        for role in (Role.PERSON, Role.TARGET, Role.RECORD):
            if sum(c.role is role for c in self.columns) > 1:
                raise ValueError(f"expected at most one {role} column")
        return self

    def _check_windows(self) -> None:
        """Refuse windows of one entity that would count as independent records."""
        record, person = self.record, self.person
        if record is None or record.window is None or record.entity is None:
            return
        if person is None or person.name != record.entity:
            raise ValueError(
                f"windows of one {record.entity!r} are not independent of each other; give the "
                f"column {record.entity!r} the role person"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in file order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def modelled(self) -> tuple[Column, ...]:
        """Columns that a generator makes, in file order."""
        return tuple(c for c in self.columns if c.modelled)

    def __getitem__(self, name: str) -> Column:
        try:
            return next(c for c in self.columns if c.name == name)
        except StopIteration:
            known = ", ".join(map(repr, self.names))
            raise SchemaError(f"No column is called {name!r}; the schema has {known}.") from None

    def by_role(self, role: Role) -> tuple[Column, ...]:
        """Columns with one role."""
        return tuple(c for c in self.columns if c.role is role)

    @property
    def sensitive(self) -> tuple[Column, ...]:
        """Columns that name the groups of a bias audit."""
        return self.by_role(Role.SENSITIVE)

    @property
    def target(self) -> Column | None:
        """The outcome that downstream models predict."""
        return next(iter(self.by_role(Role.TARGET)), None)

    @property
    def person(self) -> Column | None:
        """The column that names the person, the unit of privacy; None = every row is a person."""
        return next(iter(self.by_role(Role.PERSON)), None)

    @property
    def record(self) -> Column | None:
        """The column whose cells are images, series, sounds or texts; None for a table."""
        return next(iter(self.by_role(Role.RECORD)), None)

    @property
    def undeclared(self) -> dict[str, str]:
        """Column -> what must be declared, or learned at a price, before a private run."""
        if self.origin != "declared":
            looked_at = (*self.modelled, *self.by_role(Role.RECORD))
            return {c.name: f"everything (it was {self.origin} from data)" for c in looked_at}
        return {c.name: c.undeclared for c in self.columns if c.undeclared}

    def replace(self, **changes: Any) -> Schema:
        """A copy with some fields changed, validated anew."""
        return _validated({**self.model_dump(), **changes}, "schema")

    def replace_columns(self, changed: Iterable[Column]) -> Schema:
        """A copy in which columns of the same name are replaced."""
        new = {c.name: c for c in changed}
        return self.replace(columns=[new.get(c.name, c).model_dump() for c in self.columns])

    @classmethod
    def read(cls, path: str | Path) -> Schema:
        """The schema in a TOML file, or a bundled one by name (`arrests`, `adult`).

        Raises:
            SchemaError: the file is absent, is no TOML, or declares something impossible.
        """
        what = f"a schema file (TOML) or one of {', '.join(bundled_schemas())}"
        path = path_of(path, what, SchemaError, "make one with genaudit.Schema.from_dict")
        text = _text(path, what)
        return cls.from_dict(parsed(text, Path(path), what, SchemaError), str(path))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "schema") -> Schema:
        """The schema in a mapping shaped like its TOML file: `columns` maps name to fields."""
        if not isinstance(data, Mapping):
            raise SchemaError(
                f"Expected {source} as a mapping with columns, got {type(data).__name__}; give one "
                "shaped like a schema file."
            )
        columns = data.get("columns")
        if isinstance(columns, Mapping):
            columns = [{"name": n, **_fields(n, f, source)} for n, f in columns.items()]
        elif not isinstance(columns, list) or not all(isinstance(c, Mapping) for c in columns):
            got = "none" if columns is None else repr(columns)
            raise SchemaError(
                f"Expected a table [columns.NAME] for each column in {source}, got {got}; "
                "`genaudit schema` drafts such a file."
            )
        return _validated({**data, "columns": columns}, source)

    def to_toml(self) -> str:
        """The schema as a TOML file that `read` gives back unchanged."""
        lines = [f"modality = {_toml(self.modality)}"]
        lines += [f"id = {_toml(self.id)}"] if self.id else []
        lines += [f"rows = {_toml(self.rows)}"] if self.rows is not None else []
        lines += [f"missing = {_toml(self.missing)}"]
        lines += [f"origin = {_toml(self.origin)}"] if self.origin != "declared" else []
        lines += [f"drafted = {_toml(self.drafted)}"] if self.origin == "learned" else []
        for column in self.columns:
            lines += ["", f"[columns.{_toml(column.name)}]"]
            fields = column.model_dump(exclude={"name"}, exclude_defaults=True, mode="python")
            fields["kind"] = column.kind.value
            if column.role is Role.RECORD:
                del fields["role"]  # its kind says so
            if column.kind is Kind.DATETIME and column.bounds:
                fields["bounds"] = [date_of(bound) for bound in column.bounds]
            lines += [f"{key} = {_toml(value)}" for key, value in fields.items()]
        return "\n".join(lines) + "\n"


def _with_modality(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data with the modality that its columns are of, where it names none."""
    if "modality" in data:
        return data
    columns = data.get("columns")
    kinds = [c.get("kind") if isinstance(c, Mapping) else getattr(c, "kind", None)
             for c in (columns if isinstance(columns, list | tuple) else ())]  # fmt: skip
    found = (MODALITIES[Kind(k)] for k in kinds if isinstance(k, str) and k in MODALITIES)
    modality = next(found, "table")
    return {**data, "modality": modality}


def bundled_schemas() -> tuple[str, ...]:
    """Names of the public schemas that genaudit brings."""
    folder = files("genaudit.data") / "schemas"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir()
                        if f.name.endswith(".toml")))  # fmt: skip


def _text(path: str | Path, what: str) -> str:
    if str(path) in bundled_schemas() and not Path(path).is_file():
        return (files("genaudit.data") / "schemas" / f"{path}.toml").read_text("utf-8")
    return read_text(Path(path), what, SchemaError)


def _fields(name: str, fields: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(fields, Mapping):
        raise SchemaError(f"Expected a table [columns.{name}] in {source}, got {fields!r}.")
    return fields


def _validated(data: Mapping[str, Any], source: str) -> Schema:
    try:
        return Schema.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        columns = data.get("columns") or ()
        loc = first["loc"]
        if len(loc) > 1 and loc[0] == "columns" and isinstance(loc[1], int):
            named = columns[loc[1]]
            name = (
                named.get("name") if isinstance(named, Mapping) else getattr(named, "name", named)
            )
            where = f"columns.{name}" + "".join(f".{p}" for p in loc[2:])
        at = f" at {where}" if where else ""
        known = Column.model_fields if len(loc) > 1 and loc[0] == "columns" else Schema.model_fields
        said = complaint(first, [name for name in known if name != "name"])
        raise SchemaError(
            f"The schema in {source} is not usable{at}: {said}; correct it."
        ) from error


def _toml(value: Any) -> str:
    """A scalar, a date or a flat list as TOML."""
    if isinstance(value, StrEnum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str):
        return '"' + "".join(_toml_char(c) for c in value) + '"'
    if isinstance(value, int | float):
        return repr(int(value)) if float(value).is_integer() else repr(value)
    return "[" + ", ".join(_toml(v) for v in value) + "]"


def _toml_char(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    # Control and format characters (right-to-left marks too) are written as escapes: a file that a
    # person reviews must not display other than it reads.
    if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return f"\\u{ord(c):04X}" if ord(c) < 0x10000 else f"\\U{ord(c):08X}"
    return c
