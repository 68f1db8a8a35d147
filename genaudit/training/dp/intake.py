"""What a private training does with a data set before it trains: unit, count, schema, each paid."""

from __future__ import annotations

from dataclasses import dataclass

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError, DataError
from genaudit.ledger import Mechanism, TouchKind
from genaudit.result import Relation
from genaudit.training.book import Book
from genaudit.training.dp import preprocessing, unit
from genaudit.training.dp.budget import COUNT_FRACTION, PREPROCESSING_DELTA
from genaudit.training.recipe import Recipe, check_delta


@dataclass(frozen=True, eq=False)
class Intake:
    """Records that are ready, and what that cost.

    n: public or noisy number of units. spent: mechanisms, in order.
    """

    data: Dataset
    n: int
    spent: tuple[Mechanism, ...]


def relation_of(schema: Schema) -> Relation:
    """A record that contributes nothing where n is public, else a record more or less."""
    return "add-remove" if schema.rows is None else "zero-out"


def public_n(recipe: Recipe, data: Dataset) -> int | None:
    """The number of units where the schema makes it public, else None.

    Raises:
        DataError: the schema declares another number than there are.
    """
    rows = data.schema.rows
    if rows is None:
        return None
    n = unit.n_units(recipe, data)
    if rows not in ("public", n):
        raise DataError(
            f"The schema declares rows = {rows:,} as public, but the data has {n:,} "
            f"{unit.unit_of(recipe, data.schema)}s; correct it, or write "
            'rows = "public" if their number in any such file is no secret.'
        )
    return n


def check_declared(schema: Schema, recipe: Recipe) -> None:
    """Refuse a schema that leaves open what nobody has paid for.

    Raises:
        BudgetError: bounds or categories are undeclared and preprocessing has no budget.
    """
    if schema.record is not None and schema.record.name in schema.undeclared:
        raise BudgetError(
            f"A private training may not look at the records in column {schema.record.name!r} for "
            f"what the schema leaves open ({schema.undeclared[schema.record.name]}); declare it in "
            "a schema (--schema; `genaudit schema` drafts one to correct)."
        )
    if not schema.undeclared or recipe.preprocessing_epsilon is not None:
        return
    assert recipe.epsilon is not None
    named = list(schema.undeclared.items())
    shown = "; ".join(f"{name!r}: {what}" for name, what in named[:5])
    more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
    declare = "Declare it in a schema (--schema; `genaudit schema` drafts one to correct)"
    if schema.origin == "drafted":
        declare = (
            "Declare it (`genaudit schema DATA --out FILE` writes a draft: correct it, delete its "
            'line origin = "drafted", and give it with --schema)'
        )
    raise BudgetError(
        f"A private training may not look at the data for what the schema leaves open ({shown}"
        f"{more}). {declare}, or let part of the budget learn it: --preprocessing-epsilon "
        f"{recipe.epsilon / 10:.2g}."
    )


def take_in(recipe: Recipe, data: Dataset, book: Book) -> Intake:
    """Count and learn what is not public, each charged first.

    Raises:
        BudgetError, DataError, OptionError: something is neither public nor paid for.
    """
    schema, spent = data.schema, []
    check_declared(schema, recipe)
    n = public_n(recipe, data)
    if n is not None:
        assert recipe.delta is not None
        check_delta(recipe.delta, n)
    unit.check(recipe, data, book)
    if n is None:
        n, mechanism = _counted(recipe, data, book)
        spent.append(mechanism)
    if schema.undeclared:
        data, learned = _learned(recipe, data, n, book)
        spent += learned
    else:
        book.charge(TouchKind.PUBLIC, "cells of every column, from the declared schema alone")
    return Intake(data, n, tuple(spent))


def count_mechanism(recipe: Recipe) -> Mechanism:
    """The price of the number of records."""
    assert recipe.epsilon is not None
    return Mechanism(name="pure", epsilon=COUNT_FRACTION * recipe.epsilon)


def _counted(recipe: Recipe, data: Dataset, book: Book) -> tuple[int, Mechanism]:
    price = count_mechanism(recipe)
    assert price.epsilon is not None
    book.charge(TouchKind.ACCOUNTED, f"number of {book.unit}s, rounded down", price)
    n, mechanism = preprocessing.private_count(unit.n_units(recipe, data), price.epsilon)
    assert mechanism == price
    assert recipe.delta is not None
    # The count was lowered; δ must be small for as many as there may be.
    check_delta(recipe.delta, n + 2 * preprocessing.count_margin(price.epsilon))
    return n, mechanism


def _learned(recipe: Recipe, data: Dataset, n: int, book: Book) -> tuple[Dataset, list[Mechanism]]:
    schema, budget = data.schema, recipe.preprocessing_epsilon
    assert budget is not None
    assert recipe.delta is not None
    delta = PREPROCESSING_DELTA * recipe.delta
    for sentence in preprocessing.assumptions(schema):
        book.charge(TouchKind.UNACCOUNTED, sentence)
    for measure in preprocessing.measures(schema, budget, delta):
        book.charge(TouchKind.ACCOUNTED, measure.purpose, measure.mechanism)
    by_person = unit.unit_of(recipe, schema) == "person"
    learned, mechanisms, _ = preprocessing.learn_schema(
        data, schema, budget, delta, n, by_person=by_person
    )
    return preprocessing.project(data, learned), mechanisms
