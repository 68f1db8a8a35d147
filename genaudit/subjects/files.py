"""A file of samples as a subject: the weakest access, and the commonest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table import files
from genaudit.result import Claim
from genaudit.subject import Subject


def from_files(
    paths: Sequence[str | Path], schema: Schema, *, claim: Claim | None = None
) -> Subject:
    """The samples in one or more files, pooled in the order given.

    Raises:
        DataError: a file is absent, empty, or in a foreign format.
    """
    raws = [files.read(path, "samples") for path in paths]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return Subject(
        name=", ".join(Path(path).name for path in paths),
        kind="samples file" if len(paths) == 1 else "samples files, pooled",
        samples=Dataset.of_samples(pd.concat(raws, ignore_index=True), schema),
        claim=claim,
        digest=digest.hexdigest(),
    )
