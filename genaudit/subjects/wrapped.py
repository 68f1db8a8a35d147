"""Generators and tables that live in Python: a data frame, or a callable that makes one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, OptionError
from genaudit.result import Claim
from genaudit.subject import Subject


def from_frame(
    samples: pd.DataFrame, schema: Schema, *, name: str = "samples", claim: Claim | None = None
) -> Subject:
    """A table of samples as a subject."""
    return Subject(name, "data frame", samples=Dataset.of_samples(samples, schema), claim=claim)


def from_callable(
    make: Callable[..., pd.DataFrame], schema: Schema, *, name: str, claim: Claim | None = None
) -> Subject:
    """A callable `make(n)` or `make(n, seed=...)` that returns a data frame, as a subject.

    Without a `seed` parameter its samples cannot be reproduced, which its kind says.
    """
    seeded = "seed" in inspect.signature(make).parameters

    def draw(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
        made = make(n, seed=seed) if seeded else make(n)
        if not isinstance(made, pd.DataFrame):
            raise DataError(f"Expected {name} to return a DataFrame, got {type(made).__name__}.")
        data = Dataset.of_samples(made, schema)
        for column, value in (where or {}).items():
            data = data.take((data.frame[column].astype(str) == value).to_numpy())
        return data

    return Subject(name, "callable" if seeded else "callable without seed", draw=draw, claim=claim)


def from_spec(spec: str, schema: Schema, *, claim: Claim | None = None) -> Subject:
    """The callable that `module:name` means. This runs the code of that module.

    Raises:
        OptionError: the module or the name does not exist.
    """
    module, _, attribute = spec.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise OptionError(f"Expected a callable at {spec!r}, got: {error}.") from error
    if not callable(found):
        raise OptionError(f"Expected a callable at {spec!r}, got {type(found).__name__}.")
    return from_callable(found, schema, name=spec, claim=claim)
