"""What a private run must learn before it can train: how many records, which bounds, which levels.

Each of these is a noisy count (`genaudit.training.dp.counting`) in which one record, or one person
reduced to one record, changes one cell by one. `measures` says what will be spent before any record
is read.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Kind, Role, Schema
from genaudit.errors import GenauditWarning, OptionError
from genaudit.ledger import Mechanism
from genaudit.training.dp.counting import (
    level_threshold,
    noisy_count,
    noisy_levels,
    noisy_range,
    range_threshold,
)

#: The level that stands for every level too rare to be learned.
OTHER = "<other>"

#: Chance that the lowered count exceeds the true one.
_COUNT_EXCEEDS = 0.001


@dataclass(frozen=True)
class Measure:
    """One measurement of one column: what it spends and what for. It has read nothing yet."""

    column: Column
    mechanism: Mechanism
    purpose: str


def private_count(n: int, epsilon: float) -> tuple[int, Mechanism]:
    """A noisy count that is at most `n` in 999 of 1,000 runs, and at least 1; with its price.

    Args:
        n: Number of records, or of persons where the person is the unit.
        epsilon: Add/remove-one unit, > 0.

    Raises:
        OptionError: `epsilon` is not positive.
    """
    _check_epsilon(epsilon)
    noisy = noisy_count(n, epsilon)
    return max(1, noisy - count_margin(epsilon)), Mechanism(name="pure", epsilon=epsilon)


def count_margin(epsilon: float) -> int:
    """How far a noisy count is lowered: smallest k with P(noise > k) <= 0.1%.

    >>> count_margin(1.0), count_margin(0.1)
    (6, 62)
    """
    alpha = math.exp(-epsilon)
    # P(noise > k) = alpha^(k + 1) / (1 + alpha) for two-sided geometric noise.
    return max(0, math.ceil(math.log(_COUNT_EXCEEDS * (1 + alpha)) / -epsilon - 1))


def measures(schema: Schema, epsilon: float, delta: float) -> list[Measure]:
    """What `learn_schema` will spend and what for; made from the schema alone.

    ε is split equally over the columns to learn, δ over those that learn their levels.

    Raises:
        OptionError: ε is not positive, or levels must be learned and δ is not in (0, 1).
    """
    columns = [c for c in undraft(schema).modelled if c.undeclared]
    if not columns:
        return []
    _check_epsilon(epsilon)
    n_discrete = sum(c.discrete for c in columns)
    if n_discrete and not 0 < delta < 1:
        raise OptionError(
            f"Expected delta={delta!r} in (0, 1), as categories of {n_discrete} columns must be "
            "learned; declare them in the schema, or spend some δ."
        )
    share = epsilon / len(columns)
    return [
        Measure(
            column=c,
            mechanism=Mechanism(
                name="pure", epsilon=share, delta=delta / n_discrete if c.discrete else 0.0
            ),
            purpose=f"{c.undeclared} of column {c.name!r}",
        )
        for c in columns
    ]


def learn_schema(
    data: Dataset, schema: Schema, epsilon: float, delta: float, n: int
) -> tuple[Schema, list[Mechanism], list[str]]:
    """The schema with what it leaves undeclared learned privately, the price, and what it bought.

    Of a drafted schema only kinds and roles are kept (`assumptions`), and of a learned one what was
    declared before; all else is learned anew.
    Where the schema names a person, each person counts with one record, so ε is for a person.

    Args:
        data: Records in canonical form.
        schema: What is public; the schema of `data` or an earlier form of it.
        epsilon: Add/remove-one unit, for all columns together.
        delta: For all columns together; only levels need it.
        n: A public or noisy number of units. It refuses a hopeless task before any record is read.

    Raises:
        OptionError: ε or δ is out of range, or too small to learn any bounds of a column, or any
            level of a target or sensitive one. A feature without a level comes with a warning.
    """
    todo = measures(schema, epsilon, delta)
    _check_hope(todo, n)
    base = undraft(schema)
    records = _one_each(data, schema)
    learned = {m.column.name: _learn(m, records[m.column.name], schema) for m in todo}
    empty = [name for name, column in learned.items() if column is None]
    if empty:
        raise _too_little(empty, epsilon)
    known = base.replace_columns(c for c in learned.values() if c is not None)
    known = known.replace(origin="learned", drafted=schema.drafted) if todo else known
    return known, [m.mechanism for m in todo], [m.purpose for m in todo]


def project(data: Dataset, schema: Schema) -> Dataset:
    """The records under a learned schema: numbers clamped, unknown levels `<other>` or missing.

    A value that is missing where the schema knows none becomes the low bound or `<other>`. Each
    record is changed by itself, so this spends nothing.
    """
    frame = data.frame.assign(
        **{c.name: _projected(data.frame[c.name], c) for c in schema.modelled}
    )
    return Dataset(schema, frame[list(schema.names)])


def undraft(schema: Schema) -> Schema:
    """The schema without anything that was drafted or learned from values; a declared one as it is.

    A drafted boolean with levels of its own (yes, no) becomes a categorical: its two levels are
    learned like any other.
    """
    if schema.origin == "declared":
        return schema
    bare = [
        Column(
            name=c.name,
            kind=Kind.CATEGORICAL if c.categories else c.kind,
            role=c.role,
            # Whether values are missing is measured with all else; False and True need no measure.
            nullable=c.nullable
            and (
                not schema.drafted
                or not c.modelled
                or (c.kind is Kind.BOOLEAN and not c.categories)
            ),
        )
        for c in schema.columns
    ]
    return schema.replace(columns=[c.model_dump() for c in bare], origin="declared")


def assumptions(schema: Schema) -> list[str]:
    """What a private run takes unpaid from a schema that goes back to a draft, as sentences."""
    if not schema.drafted:
        return []
    return [
        f"That column {c.name!r} is {c.kind} with role {c.role} was read off the data, unpaid."
        for c in schema.columns
    ]


def _learn(measure: Measure, values: pd.Series, schema: Schema) -> Column | None:
    """The column with its bounds or levels, or None where nothing was frequent enough."""
    column, spend = measure.column, measure.mechanism
    assert spend.epsilon is not None
    drafted = schema.drafted
    if column.discrete:
        levels, gone = noisy_levels(values, spend.epsilon, spend.delta, with_missing=drafted)
        nullable = gone or column.nullable
        if not levels and column.role is Role.FEATURE:
            _warn_of_no_level(column)
        elif not levels:
            return None  # groups and outcomes are what the table is for
        levels = levels if levels and nullable else tuple(sorted({*levels, OTHER}))
        return column.model_copy(update={"categories": levels, "nullable": nullable})
    found, gone = noisy_range(values, column, spend.epsilon, with_missing=drafted)
    if found is None:
        return None
    return column.model_copy(
        update={"bounds": _closed(*found, column), "nullable": gone or column.nullable}
    )


def _warn_of_no_level(column: Column) -> None:
    warnings.warn(
        f"No level of column {column.name!r} is frequent enough to be learned: all of its values "
        f"become {OTHER!r}. Declare its categories, give it the role ignored, or raise ε.",
        GenauditWarning,
        stacklevel=4,
    )


def _closed(low: float, end: float, column: Column) -> tuple[float, float]:
    """Bounds of the values in [low, end), around every declared spike, and at least a step wide."""
    step = column.resolution
    if step:
        # 127 is the last whole number below 128, and 31 December the last day before New Year's.
        low, end = math.ceil(low / step) * step, (math.ceil(end / step) - 1) * step
    low, high = min((low, *column.spikes)), max((end, *column.spikes))
    return low, high if high > low else low + (step or 1.0)


def _check_epsilon(epsilon: float) -> None:
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise OptionError(f"Expected epsilon={epsilon!r} for preprocessing to be above 0.")


def _check_hope(todo: Sequence[Measure], n: int) -> None:
    """Refuse, before any record is read, what even n equal values could not show."""

    def needed(m: Measure) -> float:
        assert m.mechanism.epsilon is not None
        if m.column.discrete:
            return level_threshold(m.mechanism.epsilon, m.mechanism.delta)
        return range_threshold(m.mechanism.epsilon, m.column)

    hopeless = [m.column.name for m in todo if needed(m) > n]
    if hopeless:
        raise _too_little(hopeless, sum(m.mechanism.epsilon or 0.0 for m in todo))


def _too_little(names: Sequence[str], epsilon: float) -> OptionError:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return OptionError(
        f"ε = {epsilon:.3g} is too little to learn anything of column {names[0]!r}{more}; declare "
        "its bounds or categories in the schema, give it the role ignored, or raise ε."
    )


def _one_each(data: Dataset, schema: Schema) -> pd.DataFrame:
    """The records, or the first of each person: one unit then changes one count by one."""
    if schema.person is None:
        return data.frame
    return data.frame.drop_duplicates(schema.person.name)


def _projected(values: pd.Series, column: Column) -> pd.Series:
    if column.discrete:
        levels = column.levels
        assert levels is not None
        other = OTHER if OTHER in levels else None
        text = values.astype(object)
        text = text.where(text.isin(list(levels)) | text.isna(), other)
        if not column.nullable:
            text = text.where(text.notna(), other)
        return pd.Series(pd.Categorical(text, categories=list(levels)), index=values.index)
    assert column.bounds is not None
    low, high = column.bounds
    clamped = values.astype(float).clip(low, high)
    return clamped if column.nullable else clamped.fillna(low)
