"""From what a user names to a subject, and from text to a claim."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.errors import OptionError
from genaudit.result import Claim
from genaudit.subjects.resolve import parse_claim, resolve, sample_frames


def test_a_claim_in_text() -> None:
    """Fields come in any order, with spaces around them or without."""
    claim = Claim(epsilon=3, delta=1e-6, unit="person", relation="add-remove")

    assert parse_claim("epsilon=3,delta=1e-6,unit=person,relation=add-remove") == claim
    assert parse_claim(" delta = 1e-6, epsilon = 3 ,relation=add-remove, unit=person ") == claim
    assert parse_claim("epsilon=3,delta=0").unit == "record"
    assert parse_claim(claim) is claim
    assert parse_claim(None) is None


@pytest.mark.parametrize("n_folders", [1, 2])
def test_folders_among_several_subjects(n_folders: int, arrests: Dataset, tmp_path: Path) -> None:
    """Several model folders are called folders, a folder and a file a mix."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths[:n_folders]:
        path.mkdir()

    with pytest.raises(OptionError, match="got a mix" if n_folders == 1 else "got 2 folders"):
        resolve(paths, None, arrests.schema, None)


def test_bytes_in_samples_are_text(arrests: Dataset) -> None:
    """A data frame of samples with bytes for text is read as the text."""
    frame = arrests.take(range(5)).to_frame()
    encoded = frame.assign(sex=frame["sex"].map(str.encode).astype(object))

    subject = resolve(encoded, None, arrests.schema, None)

    assert subject.samples.frame.equals(Dataset.of_samples(frame, arrests.schema).frame)
    assert sample_frames(pd.DataFrame({"a": [b"x"]}))[0]["a"].tolist() == ["x"]
