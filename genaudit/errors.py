"""Every error that genaudit raises on purpose.

::

    GenauditError                  exit code 2
    ├── DataError (ValueError)     train, holdout, auxiliary or samples file is not usable
    ├── SchemaError (ValueError)   schema file or declaration is not usable
    ├── OptionError (ValueError)   an argument, plan, policy or recipe is out of range
    ├── BudgetError (ValueError)   a private run would touch data that nobody has paid for
    ├── DivergenceError (ArithmeticError)   numbers of a training are no longer finite
    └── IntegrityError             exit code 4: content differs from its own digest

A message says what was expected, what came and what to do, in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

#: What pydantic says -> what we say; a user of TOML and the command line knows no tuples.
_WORDS = {
    "Value error, ": "",
    "Extra inputs are not permitted": "no such field is known",
    "Input should be greater": "expected a number greater",
    "Input should be less": "expected a number less",
    "Input should be": "expected",
    "a valid tuple": "a list",
    "a valid string": "a string",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid date or datetime": "a date such as 2027-06-30",
    "a valid date": "a date such as 2027-06-30",
    "a valid dictionary": "a table",
    "a valid list": "a list",
    "Field required": "it is required",
}


class GenauditError(Exception):
    """Base of all errors on purpose; `exit_code` is what the command line returns."""

    exit_code = 2


class DataError(GenauditError, ValueError):
    """A table that comes in (train, holdout, auxiliary, samples) cannot be used."""


class SchemaError(GenauditError, ValueError):
    """A schema cannot be used."""


class OptionError(GenauditError, ValueError):
    """An argument, plan, policy or recipe is out of range."""


class BudgetError(GenauditError, ValueError):
    """A private run would learn something from the data that is neither public nor paid for."""


class DivergenceError(GenauditError, ArithmeticError):
    """Numbers of a training are no longer finite; a lower learning rate helps."""


class IntegrityError(GenauditError):
    """Content differs from the digest that it carries."""

    exit_code = 4


class GenauditWarning(UserWarning):
    """Something that a careful user would want to know before trusting a result."""


def plain(text: str) -> str:
    """A message of pydantic in the words of this package.

    >>> plain("Input should be a valid tuple")
    'expected a list'
    """
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    text = re.sub(r" or (an )?instance of \w+", "", text)
    return re.sub(r", (unable to parse|input is|invalid character).*", "", text)


def complaint(first: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """What one of pydantic's errors says: what was expected and what came.

    known: the fields that there are, where an unknown one may have come.

    >>> complaint({"type": "int_type", "msg": "Input should be a valid integer", "input": "x"})
    "expected a whole number, got 'x'"
    """
    said = reason(plain(first["msg"]))
    if first["type"] == "extra_forbidden" and (names := ", ".join(known)):
        said = f"{said}; there are {names}"
    if first["type"] in ("missing", "extra_forbidden", "value_error"):
        return said
    return f"{said}, got {_shown(first['input'])}"


def place(loc: Sequence[int | str]) -> str:
    """Where one of pydantic's errors is; of a very deep place how it begins and ends.

    What pydantic adds of the kind that it tried is left out.

    >>> place(("limits", 0, "value")), place(["x", *["dict", "a"] * 300])
    ('limits.0.value', 'x.a.a.a...a.a.a.a')
    """
    kinds = ("str", "int", "float", "bool", "list", "dict", "nullable")
    parts = [str(part) for part in loc if part not in kinds]
    if len(parts) > 2 * _SHOWN_PARTS:
        return ".".join(parts[:_SHOWN_PARTS]) + "..." + ".".join(parts[-_SHOWN_PARTS:])
    return ".".join(parts)


_SHOWN_PARTS = 4


def fault(error: Exception) -> str:
    """Where content is wrong and how, fit to follow `is not usable`.

    >>> fault(KeyError("weights")), fault(ValueError("expected two, got one."))
    (': weights is required, got none', ': expected two, got one')
    """
    if callable(told := getattr(error, "errors", None)):  # of pydantic
        first = told()[0]
        where = place(first["loc"])
        return f" at {where}: {complaint(first)}" if where else f": {complaint(first)}"
    if isinstance(error, KeyError):
        return f": {error.args[0]} is required, got none"
    return f": {reason(error)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 60


def reason(error: object) -> str:
    """What a library or the system says, fit to stand inside a sentence of ours.

    >>> reason(FileNotFoundError(2, "No such file or directory", "x.toml"))
    'No such file or directory'
    """
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8 text"
    if isinstance(error, UnicodeEncodeError):
        return "half of a character, as surrogates alone are"
    if isinstance(error, RecursionError):
        return "values nested too deeply"
    if "integer string conversion" in str(error):  # Python's words for programmers
        return "a number of thousands of digits"
    return " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(". ")


def check_seed(seed: int) -> None:
    """Refuse a seed that some random stream would not take.

    Raises:
        OptionError: it is no whole number, negative, or too large for 64 bits.
    """
    if not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise OptionError(f"Expected a seed from 0 to {2**63 - 1}, got {seed!r}.")
