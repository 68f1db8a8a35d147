"""Whom a private training protects: one record, or one person with all of their rows.

A batch draws units. Each has the same number of places (the declared cap), some of them empty, so a
person's rows are one more axis of the step and are clipped together.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError, GenauditWarning, OptionError
from genaudit.ledger import Scope, TouchKind
from genaudit.result import Unit
from genaudit.training.book import Book, are_windows
from genaudit.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Units:
    """Positions of each unit's rows.

    rows: shape (n, cap), positions in the data set; an empty place repeats the unit's first row.
    filled: which places hold a row, boolean, shape (n, cap).
    """

    rows: np.ndarray
    filled: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def cap(self) -> int:
        """Places of a unit."""
        return int(self.rows.shape[1])

    @property
    def kept(self) -> np.ndarray:
        """Positions of all rows that are used, each once."""
        found: np.ndarray = self.rows[self.filled]
        return found

    def part(self, places: slice) -> Units:
        """Some of the units."""
        return Units(self.rows[places], self.filled[places])

    @classmethod
    def of(cls, data: Dataset, unit: str, cap: int, rng: np.random.Generator) -> Units:
        """The units of a data set; of persons with more than `cap` rows a random `cap` are used.

        Args:
            data: Records; where the unit is a person, each row names one.
            unit: "record" or "person".
            cap: Most rows of a person that are used, >= 1.
            rng: Which rows of a person are used.
        """
        if unit == "record":
            rows = np.arange(len(data))[:, None]
            return cls(rows, np.ones_like(rows, dtype=bool))
        assert data.schema.person is not None
        # In random order, then by person: the first `cap` of each are a random choice.
        order = rng.permutation(len(data))
        person = data.frame[data.schema.person.name].astype("category").cat.codes.to_numpy()
        order = order[np.argsort(person[order], kind="stable")]
        _, starts, counts = np.unique(person[order], return_index=True, return_counts=True)
        place = np.arange(cap)[None, :]
        filled = place < counts[:, None]
        return cls(order[starts[:, None] + np.where(filled, place, 0)], filled)


def unit_of(recipe: Recipe, schema: Schema) -> Unit:
    """A person where the schema names one and the recipe does not say otherwise."""
    return "record" if schema.person is None or recipe.unit == "record" else "person"


def n_units(recipe: Recipe, data: Dataset) -> int:
    """How many units there are; this reads the data where the unit is a person.

    Those that contribute nothing are units too: they could be drawn, and add zero.
    """
    if unit_of(recipe, data.schema) == "record":
        return len(data) + data.zeroed
    return data.n_units() + data.zeroed


def check_declared(recipe: Recipe, schema: Schema) -> None:
    """Refuse to protect persons where no column says who they are, or windows; reads no record.

    Raises:
        OptionError: persons are asked for, and no column has the role person; or records are, which
            are windows of an entity.
    """
    if are_windows(schema) and recipe.unit == "record":
        assert schema.record is not None
        raise OptionError(
            "Expected the unit person, as the records are windows of one "
            f"{schema.record.entity!r} and not independent of each other, got --unit record; leave "
            "it out and declare --rows-per-person, or declare no window."
        )
    if schema.person is None and (recipe.unit == "person" or recipe.rows_per_person is not None):
        raise OptionError(
            "Expected a column with the role person, as persons are to be protected, got none; "
            "give a column that role, or leave --unit and --rows-per-person out."
        )


def check(recipe: Recipe, data: Dataset, book: Book) -> None:
    """Refuse persons with several rows unless their cap is declared; that look is in the ledger.

    Raises:
        BudgetError: as `check_rows`.
    """
    if data.schema.person is None and _entity(data.schema) is None:
        return
    book.charge(
        TouchKind.UNACCOUNTED, "rows of each person are counted, shown to the operator",
        scope=Scope.AUDIT,
    )  # fmt: skip
    check_rows(recipe, data)


def check_rows(recipe: Recipe, data: Dataset) -> None:
    """The check itself; the ledger must say first that rows are looked at.

    Raises:
        BudgetError: a person has more than one row and no cap is declared, or an entity or a person
            more than one series and each of them is to be a unit.
    """
    _check_series(recipe, data)
    person = data.schema.person
    if person is None:
        return
    most = int(data.frame[person.name].value_counts().max())
    if most == 1:
        return
    if unit_of(recipe, data.schema) == "record":
        warnings.warn(_group(recipe, most), GenauditWarning, stacklevel=5)
    elif recipe.rows_per_person is None:
        what, single = "rows", ", or protect single rows with --unit record"
        if _entity(data.schema) is not None:
            what, single = ("windows" if are_windows(data.schema) else "series"), ""
        raise BudgetError(
            f"Column {person.name!r} names persons with several {what}. Declare how many {what} of "
            f"one person may be used (--rows-per-person 5; others are left out){single}."
        )


def _check_series(recipe: Recipe, data: Dataset) -> None:
    """Refuse series of one entity or person as units, whoever has cut them.

    Raises:
        BudgetError: one has several, and each of them would be a unit.
    """
    entity, person = _entity(data.schema), data.schema.person
    if entity is None or unit_of(recipe, data.schema) != "record":
        return
    # Pieces that have names of their own are a person's all the same.
    for owner in dict.fromkeys((entity, person.name if person else entity)):
        most = int(data.frame[owner].value_counts().max())
        if most > 1:
            raise BudgetError(
                f"Expected the unit person, as up to {most:,} series are of one {owner!r} and not "
                f"independent of each other, got one record; give the column {owner!r} the role "
                "person, leave --unit out and declare --rows-per-person."
            )


def _entity(schema: Schema) -> str | None:
    """The column that says whose series a record is; None where no column of the schema does."""
    entity = schema.record.entity if schema.record else None
    return entity if entity in schema.names else None


def _group(recipe: Recipe, k: int) -> str:
    """What a promise for one record means for a person with k of them.

    Source: Dwork & Roth 2014, theorem 2.2, for δ > 0 (Vadhan 2017, lemma 2.2).
    """
    assert recipe.epsilon is not None
    assert recipe.delta is not None
    epsilon = k * recipe.epsilon
    try:
        delta = recipe.delta * math.expm1(epsilon) / math.expm1(recipe.epsilon)
    except OverflowError:
        delta = math.inf
    promise = f"ε = {epsilon:g} at δ = {delta:.2g}" if delta < 1 else "no promise at all"
    return (
        f"The unit is one record, but a person has up to {k:,}: for that person this is {promise}. "
        "Leave --unit out and declare --rows-per-person to protect persons."
    )
