"""Data sets that come along."""

from __future__ import annotations

import builtins
from importlib.resources import files
from typing import Any

import pytest

from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.errors import DataError


@pytest.mark.parametrize("name", bundled.DATASETS)
def test_a_bundled_data_set_is_what_it_says(name: str) -> None:
    """Rows and sensitive columns are as listed, and the data fits its public schema."""
    about = bundled.DATASETS[name]
    raw, schema = bundled.load(name)

    data = Dataset.of(raw, schema, name)

    assert len(data) == about.rows
    assert {c.name for c in schema.sensitive} == set(about.sensitive)
    assert about.licence
    assert about.source


def test_an_unknown_name_is_refused() -> None:
    """The message lists what there is."""
    with pytest.raises(DataError, match="'arests'; genaudit brings arrests"):
        bundled.load("arests")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-lego, the message says what to install."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklego"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install 'genaudit\[demo\]'"):
        bundled.load("arrests")


def test_names_are_of_one_gender_each() -> None:
    """Names that both genders have are left out, so the gender follows from the name as it can."""
    raw, _ = bundled.load("names")

    assert raw["name"].is_unique
    assert raw.set_index("name").loc["douglas"].tolist() == ["male", "common"]
    assert "jordan" not in set(raw["name"])
    assert (raw["gender"] == "male").sum() == 888


@pytest.mark.parametrize(
    ("name", "target", "favoured"), [("wage", "health_ins", 2083), ("meps", "insured", 3945)]
)
def test_a_table_is_whole(name: str, target: str, favoured: int) -> None:
    """No cell is missing, the target is as often Yes as published, and the file is small."""
    raw, schema = bundled.load(name)
    file = files("genaudit.data") / "files" / f"{name}.csv.gz"

    assert schema.target is not None
    assert schema.target.name == target
    assert not (raw == "").any(axis=None)
    assert (raw[target] == "Yes").sum() == favoured
    assert not schema.undeclared
    assert len(file.read_bytes()) < 400_000


def test_races_of_meps_are_those_of_its_indicators() -> None:
    """Black where both were said, so Hispanic are a few less than published."""
    raw, _ = bundled.load("meps")

    assert raw["race"].value_counts().to_dict() == {"Other": 8621, "Black": 1036, "Hispanic": 734}
