"""What only the operator knows: checked once, before anything is read."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from genaudit import api
from genaudit.compliance.context import checked, read, template
from genaudit.compliance.controls import questions
from genaudit.errors import OptionError


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "context.toml"
    path.write_text(text)
    return path


def test_a_context_is_kept_with_its_dates_as_text(tmp_path: Path) -> None:
    """Dates and times become text at any depth, and what the page does not know is kept."""
    found = read(
        _written(
            tmp_path,
            "assessed_by = 'A'\nvalid_until = 2027-06-30\n"
            "reviewed = {on = 2024-01-01, at = [{hour = 10:00:00}]}\n"
            "[applicability]\npersonal_data = true\n",
        )
    )

    assert found == {
        "assessed_by": "A",
        "valid_until": "2027-06-30",
        "reviewed": {"on": "2024-01-01", "at": [{"hour": "10:00:00"}]},
        "applicability": {"personal_data": True},
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("valid_until = nan", "valid_until: expected a date such as 2027-06-30, got nan"),
        ("valid_until = 'not a date'", "got 'not a date'"),
        ("valid_until = 2027", "got 2027"),
        ("applicability = 3", "applicability: expected a table, got 3"),
        ("[applicability]\npersonal_data = 'maybe'", "expected true or false, got 'maybe'"),
        ("[applicability]\npersonal_data = 1", "expected true or false, got 1"),
        ("[applicability]\npersonal_date = true", "did you mean 'personal_data'?"),
        ("valid_untill = 2020-01-01", "its top: 'valid_untill' is no field of a report (did you"),
        ("valid_until_date = 2020-01-01", "did you mean 'valid_until'?"),
        ("expiry_date = 2020-01-01", "did you mean 'valid_until'?"),
        ("valid_to = 2020-01-01", "did you mean 'valid_until'?"),
        ("[applicability_zh]\npersonal_data = true", "did you mean 'applicability'?"),
        ("[applicable]\npersonal_data = true", "did you mean 'applicability'?"),
        ("Valid-Until = 2020-01-01", "did you mean 'valid_until'?"),
        ("[aplicability]\npersonal_data = true", "did you mean 'applicability'?"),
        ("purpose = 3", "purpose: expected a string, got 3"),
        ("assessed_by = ['A']", "assessed_by: expected a string"),
        ("a = {b = [1, inf]}", "a.b.1: expected a finite number, got inf"),
    ],
)
def test_a_context_that_is_not_usable_is_refused(text: str, says: str, tmp_path: Path) -> None:
    """Whatever is wrong with it is named with its place, in one sentence."""
    with pytest.raises(OptionError) as refused:
        read(_written(tmp_path, text))

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["assessed_on", "assessed_at", "purpose_zh", "valid_until_note",
                                  "valid_from", "contact", "scope", "purpose_limitation", "auditor",
                                  "assessed_by_role", "applicability_rationale"])  # fmt: skip
def test_names_of_its_own_are_kept(name: str, tmp_path: Path) -> None:
    """What lies near a field's name but is another is the operator's."""
    assert read(_written(tmp_path, f"{name} = 'x'")) == {name: "x"}


def test_a_context_of_python_is_checked_too() -> None:
    """Dates are taken, names that are no text and values that are no JSON are not."""
    assert checked({"valid_until": dt.date(2027, 6, 30)}) == {"valid_until": "2027-06-30"}
    assert checked(None) == checked({}) == {}
    with pytest.raises(OptionError, match="text as every name"):
        checked({"a": {1: 2}})
    with pytest.raises(OptionError, match="is not usable at a"):
        checked({"a": object()})


def test_the_questions_are_those_of_the_clauses() -> None:
    """An operator can answer what some clause asks, and nothing else."""
    assert {"personal_data", "eu_ai_act_high_risk"} <= set(questions())


def test_nothing_is_read_before_the_context_is_checked(arrests_files: Path, tmp_path: Path) -> None:
    """A context that is refused leaves the ledger as it was: no file was opened."""
    ledger = tmp_path / "ledger.sqlite"
    with pytest.raises(OptionError, match="valid_until"):
        api.audit(
            arrests_files / "samples.csv", train=arrests_files / "train.csv", schema="arrests",
            ledger=ledger, context={"valid_until": float("nan")},
        )  # fmt: skip

    assert not ledger.exists()


@pytest.mark.parametrize("depth", [45, 60, 400, 5000])
def test_a_very_deep_context_is_one_short_sentence(depth: int) -> None:
    """No depth fills the screen or exhausts the interpreter."""
    deep: Any = float("inf")
    for _ in range(depth):
        deep = {"a": deep}

    with pytest.raises(OptionError) as refused:
        checked({"x": deep})

    assert len(str(refused.value)) < 150


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_template_answers_nothing_and_asks_everything(lang: str, tmp_path: Path) -> None:
    """As written it declares nothing; each question, answered, is a context that is taken."""
    text = template(lang, today=dt.date(2026, 11, 29))
    answered = re.sub(r"(?m)^# (\w+) =$", r"\1 = true", text).replace(
        "# valid_until", "valid_until"
    )

    assert read(_written(tmp_path, text)) == {"applicability": {}}
    found = read(_written(tmp_path, answered))
    assert found["valid_until"] == "2027-12-31"
    assert found["applicability"] == dict.fromkeys(questions(), True)


def test_a_template_in_an_unknown_language_is_refused() -> None:
    """There are two languages."""
    with pytest.raises(OptionError, match="en, zh"):
        template("fr")
