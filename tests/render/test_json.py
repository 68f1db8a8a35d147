"""audit.json: canonical, valid under its published schema, and read back or refused."""

from __future__ import annotations

import json as plain
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import fixture
import jsonschema
import pytest

from genaudit.errors import DataError
from genaudit.render import json
from genaudit.render.html import to_html
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
        ('{"format_version": "1"}', "format version"),
        ('{"format_version": "1.x"}', "format version"),
        ('{"format_version": "1.0"}', "not usable"),
        (TEXT.replace('"value": 0.0312', '"value": NaN'), "NaN"),
        (TEXT.replace('"value": 0.0312', '"value": "much"'), "sections.0"),
        (TEXT.replace('"value": 0.0312', '"value": 0.2'), "low <= value <= high"),
        (TEXT.replace('"low": 0.0251', '"low": 0.9'), "low <= high"),
        (TEXT.replace('"A. Examiner"', '"\\ud800"'), "half of a character"),
        ("[" * 200_000, "cut short.*nested too deeply"),
    ],
)
def test_unusable_text_is_refused(text: str, says: str) -> None:
    """Each kind of bad input ends in one sentence, as bad input (exit code 2)."""
    with pytest.raises(DataError, match=says) as caught:
        json.loads(text)

    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def _set(data: Any, path: tuple[str | int, ...], value: object) -> object:
    """Put a value in a place; what stood there."""
    for part in path[:-1]:
        data = data[part]
    before, data[path[-1]] = data[path[-1]], value
    return before


def _mutated(path: tuple[str | int, ...], value: object) -> str:
    """The text of the fixture with one value in the place of another."""
    data = plain.loads(TEXT)
    _set(data, path, value)
    return plain.dumps(data)


ESTIMATE = ("sections", 0, "findings", 0, "estimate")
BARS, ROC, FOREST, HEAT = (
    ("sections", 0, "figures", 0, "rows"), ("sections", 1, "figures", 0, "rows"),
    ("sections", 2, "figures", 0, "rows"), ("sections", 2, "figures", 1, "rows"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ((*ESTIMATE, "n"), -5, "n is not usable"),
        ((*ESTIMATE, "n"), 0, "n of at least 1"),
        ((*ESTIMATE, "n"), True, "expected a number, got True"),
        ((*ESTIMATE, "confidence"), 7, "confidence is not usable"),
        ((*ESTIMATE, "confidence"), 0, "confidence is not usable"),
        ((*ESTIMATE, "value"), True, "expected a number, got True"),
        ((*ESTIMATE, "high"), 1e300, "high is not usable"),
        ((*ESTIMATE, "low"), -1e300, "low is not usable"),
        ((*ESTIMATE, "ladder", 0, "confidence"), 1, "confidence is not usable"),
        (("policy", "alpha"), 2, "alpha is not usable"),
        (("policy", "limits", 0, "value"), 1e300, "value is not usable"),
        (("knowledge", 0, "n"), -1, "n is not usable"),
        (("provenance", "seconds"), -1, "seconds is not usable"),
        (BARS, [[1]], "row 0 of a bars figure"),
        ((*BARS, 1), ["a", "b", "c"], "expected a number or null as value, got 'c'"),
        ((*BARS, 0), ["a", "b", 1e308], "expected a number from"),
        ((*BARS, 0), ["a", "b", 0.2, 0.3, 0.4], "low <= value <= high"),
        ((*BARS, 0), ["a", "b", 0.2, 0.1, 0.4], "rows of one length"),
        ((*BARS, 0), ["a", "b", True], "got True"),
        (ROC, [[1]], "row 0 of a curve figure"),
        ((*FOREST, 0), ["a", 0.1, 0.0, 0.2, 0.3, -0.3], "low <= value <= high"),
        ((*FOREST, 0), ["a", 0.1, 0.2, 0.1, None, None], "low <= value <= high"),
        ((*HEAT, 0), ["a", None, 0.1], "expected text as column"),
        (
            ("sections", 0, "figures", 0, "headers"),
            [{"id": "h", "text_en": "H"}],
            "a header for each of 3 columns",
        ),
    ],
)
def test_a_doctored_report_is_refused(
    path: tuple[str | int, ...], value: object, says: str
) -> None:
    """What no audit writes, and no page could show, is one sentence that names its place."""
    with pytest.raises(DataError, match=says) as caught:
        json.loads(_mutated(path, value))

    assert path[0] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [((*ESTIMATE, "n"), -5), ((*ESTIMATE, "confidence"), 7), ((*ESTIMATE, "value"), 1e300),
     ((*BARS, 0), [1]), ((*ROC, 0), ["a", "b", "c"]), ((*HEAT, 0), ["a", "b", 1e308]),
     (("policy", "alpha"), 2)],
)  # fmt: skip
def test_the_published_schema_refuses_it_too(path: tuple[str | int, ...], value: object) -> None:
    """Whoever checks a report with the JSON Schema alone sees what is out of range."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(plain.loads(_mutated(path, value)))


def _numbers(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where numbers stand, one place of each shape."""
    children = data.items() if isinstance(data, dict) else enumerate(data)  # type: ignore[arg-type]
    for key, value in children:
        if isinstance(value, dict | list):
            yield from _numbers(value, (*path, key))
        elif isinstance(value, int | float):
            yield (*path, key)


def test_no_number_is_too_large_to_print() -> None:
    """A number far out of range is refused wherever it stands, or the page can print it."""
    data = plain.loads(TEXT)
    shapes = {tuple(p for p in path if isinstance(p, str)): path for path in _numbers(data)}
    accepted = 0
    for path in shapes.values():
        before = _set(data, path, 1e300)
        try:
            json.loads(plain.dumps(data))
            accepted += 1
        except DataError:
            _set(data, path, before)
    page = to_html(json.loads(plain.dumps(data)), "zh")

    assert 0 < accepted < len(shapes) / 2
    assert "10³⁰⁰" in page


def test_a_name_that_stands_twice_is_refused() -> None:
    """Of two values a reader cannot know which one counts."""
    text = json.dumps(fixture.report()).replace('"seed": ', '"seed": 7,\n "seed": ', 1)

    with pytest.raises(DataError, match="'seed' stands twice"):
        json.loads(text)


def test_every_verdict_survives() -> None:
    """The fixture holds all four verdicts, and reading changes none of them."""
    report = fixture.report()
    read: AuditReport = json.loads(json.dumps(report))

    assert {f.verdict for _, f in read.findings()} == set(fixture.Verdict)
    assert [f.verdict for _, f in read.findings()] == [f.verdict for _, f in report.findings()]


def test_an_audit_stands_once() -> None:
    """A report in which one audit has two sections says which, instead of showing both."""
    data = plain.loads(TEXT)
    data["sections"].append(data["sections"][0])

    with pytest.raises(DataError, match=f"{data['sections'][0]['audit']}.*in two sections"):
        json.loads(plain.dumps(data))


@pytest.mark.parametrize(
    ("section", "finding", "into", "says"),
    [
        (0, 0, 0, "'privacy.copies.exact' stands in two findings"),
        (0, 0, 1, "'privacy.copies.exact' stands in two findings"),
        (2, 13, 2, "'bias.representation.share_difference' of 'race = all .*in two findings"),
        (2, 13, 0, "'bias.representation.share_difference' stands in the audit 'privacy.copies'"),
        (0, 0, 4, "'content.personal_data' has findings and is said not to have run"),
    ],
)
def test_a_metric_stands_once(section: int, finding: int, into: int, says: str) -> None:
    """A second finding of one metric and group, in its own section or another, is refused."""
    data = plain.loads(TEXT)
    twin = dict(data["sections"][section]["findings"][finding])
    twin["estimate"] = data["sections"][5]["findings"][0]["estimate"]
    data["sections"][into]["findings"].append(twin)

    with pytest.raises(DataError, match=says):
        json.loads(plain.dumps(data))
