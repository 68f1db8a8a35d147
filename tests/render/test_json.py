"""audit.json: canonical, valid under its published schema, and read back or refused."""

from __future__ import annotations

import json as plain
from importlib.resources import files

import fixture
import jsonschema
import pytest

from genaudit.errors import DataError
from genaudit.render import json
from genaudit.result import AuditReport, json_schema

SCHEMA = plain.loads(
    (files("genaudit.render") / "schemas" / "audit-1.schema.json").read_text("utf-8")
)


def test_schema_is_the_published_one() -> None:
    """The committed schema is what the result tree says; to change the tree is to change both."""
    assert json_schema() == SCHEMA


def test_schema_is_valid() -> None:
    """The schema itself is valid JSON Schema 2020-12."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_report_is_valid_and_reads_back() -> None:
    """What is written validates, and reading gives the same report and the same bytes."""
    report = fixture.report()
    text = json.dumps(report)

    jsonschema.Draft202012Validator(SCHEMA).validate(plain.loads(text))
    assert json.loads(text) == report
    assert json.dumps(json.loads(text)) == text


def test_text_is_canonical() -> None:
    """Keys are sorted, letters stay letters, and one newline ends the text."""
    text = json.dumps(fixture.report())
    keys = list(plain.loads(text))

    assert keys == sorted(keys)
    assert "ε" in text
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")


def test_fields_of_a_newer_minor_version_are_ignored() -> None:
    """Anything may be added within a major version."""
    data = plain.loads(json.dumps(fixture.report()))
    data |= {"format_version": "1.9", "something_new": {"a": 1}}

    assert json.loads(plain.dumps(data)).format_version == "1.9"


TEXT = json.dumps(fixture.report())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        (TEXT[: len(TEXT) // 2], "cut short"),
        (TEXT[:-3], "cut short"),
        ("a,b\n1,2\n", "no JSON"),
        ("[1, 2]", "another kind"),
        ('{"report": 1}', "another kind"),
        ("null", "another kind"),
        ('{"format_version": 1}', "another kind"),
        ('{"format_version": "2.0"}', "format version"),
        ('{"format_version": "1.0"}', "not usable"),
        (TEXT.replace('"value": 0.0312', '"value": NaN'), "NaN"),
        (TEXT.replace('"value": 0.0312', '"value": "much"'), "sections.0"),
        (TEXT.replace('"value": 0.0312', '"value": 0.2'), "low <= value <= high"),
        (TEXT.replace('"low": 0.0251', '"low": 0.9'), "low <= high"),
        (TEXT.replace('"A. Examiner"', '"\\ud800"'), "surrogates"),
        ("[" * 200_000, "cut short"),
    ],
)
def test_unusable_text_is_refused(text: str, says: str) -> None:
    """Each kind of bad input ends in one sentence, as bad input (exit code 2)."""
    with pytest.raises(DataError, match=says) as caught:
        json.loads(text)

    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_every_verdict_survives() -> None:
    """The fixture holds all four verdicts, and reading changes none of them."""
    report = fixture.report()
    read: AuditReport = json.loads(json.dumps(report))

    assert {f.verdict for _, f in read.findings()} == set(fixture.Verdict)
    assert [f.verdict for _, f in read.findings()] == [f.verdict for _, f in report.findings()]
