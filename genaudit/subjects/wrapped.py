"""Generators and tables that live in Python: a data frame, or a callable that makes one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.frame import flat
from genaudit.data.schema import Schema
from genaudit.errors import DataError, GenauditError, OptionError
from genaudit.result import Claim
from genaudit.subject import Subject, matching


def from_frame(
    samples: pd.DataFrame, schema: Schema, *, name: str = "samples", claim: Claim | None = None
) -> Subject:
    """A table of samples as a subject."""
    data = Dataset.of_samples(flat(samples, "samples"), schema)
    return Subject(name, "data frame", samples=data, claim=claim)


def from_callable(
    make: Callable[..., pd.DataFrame], schema: Schema, *, name: str, claim: Claim | None = None
) -> Subject:
    """A callable `make(n)` or `make(n, seed=...)` that returns a data frame, as a subject.

    Without a `seed` parameter its samples cannot be reproduced, which its kind says.
    """
    seeded = _takes_seed(make)

    def made_by(n: int, seed: int) -> Dataset:
        try:
            made = make(n, seed=seed) if seeded else make(n)
        except GenauditError:
            raise
        except (Exception, SystemExit) as error:
            raise DataError(
                f"Expected {name} to make {n:,} records, but it raised {_said(error)}."
            ) from error
        if not isinstance(made, pd.DataFrame):
            raise DataError(f"Expected {name} to return a DataFrame, got {type(made).__name__}.")
        return Dataset.of_samples(flat(made, "samples"), schema)

    def draw(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
        return matching(made_by, n, seed, where) if where else made_by(n, seed)

    return Subject(name, "callable" if seeded else "callable without seed", draw=draw, claim=claim)


def from_spec(spec: str, schema: Schema, *, claim: Claim | None = None) -> Subject:
    """The callable that `module:name` means. This runs the code of that module.

    Raises:
        OptionError: the module or the name does not exist, or the module cannot be imported.
    """
    found = imported(spec, "CALLABLE")
    if not callable(found):
        raise OptionError(f"Expected a callable at {spec!r}, got {type(found).__name__}.")
    return from_callable(found, schema, name=spec, claim=claim)


def imported(spec: str, what: str) -> Any:
    """What `module:name` means, `what` being the word for it. This runs the code of that module.

    Raises:
        OptionError: the module or the name does not exist, or the module cannot be imported.
    """
    module, _, attribute = spec.partition(":")
    if not module or module.startswith(".") or not attribute:
        raise OptionError(f"Expected MODULE:{what}, such as package.module:make, got {spec!r}.")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # importing runs the module, which may raise anything
        raise OptionError(f"Expected a {what.lower()} at {spec!r}, got {_said(error)}.") from error
    return found


def _takes_seed(make: Callable[..., Any]) -> bool:
    try:
        return "seed" in inspect.signature(make).parameters
    except (TypeError, ValueError):  # a builtin may have no signature
        return False


def _said(error: BaseException) -> str:
    """An error of somebody else's code in one line."""
    text = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
