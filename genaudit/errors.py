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
