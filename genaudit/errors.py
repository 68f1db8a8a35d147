"""Every error that genaudit raises on purpose.

::

    GenauditError                  exit code 2
    ├── DataError (ValueError)     train, holdout, auxiliary or samples file is not usable
    ├── SchemaError (ValueError)   schema file or declaration is not usable
    ├── OptionError (ValueError)   an argument, plan, policy or recipe is out of range
    ├── BudgetError (ValueError)   a private run would touch data that nobody has paid for
    └── IntegrityError             exit code 4: content differs from its own digest

A message says what was expected, what came and what to do, in one sentence.
"""

from __future__ import annotations

from numbers import Integral

#: What pydantic says -> what we say; a user of TOML and the command line knows no tuples.
_WORDS = {
    "Value error, ": "",
    "Input should be greater": "expected a number greater",
    "Input should be less": "expected a number less",
    "Input should be": "expected",
    "a valid tuple": "a list",
    "a valid string": "a string",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
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
    return text


def check_seed(seed: int) -> None:
    """Refuse a seed that some random stream would not take.

    Raises:
        OptionError: it is no whole number, negative, or too large for 64 bits.
    """
    if not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise OptionError(f"Expected a seed from 0 to {2**63 - 1}, got {seed!r}.")
