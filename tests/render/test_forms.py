"""Forms for machines: valid by their published schemas, and saying no more than the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import fixture
import jsonschema
import pytest
import test_media
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from wording import claims

from genaudit import api
from genaudit.claim import section
from genaudit.errors import OptionError
from genaudit.policy import Policy
from genaudit.render import form
from genaudit.render.card import to_card
from genaudit.render.cyclonedx import to_cyclonedx
from genaudit.render.forms import FORMS
from genaudit.render.junit import to_junit
from genaudit.render.oscal import to_catalogue, to_oscal
from genaudit.render.policy import line_of, to_policy
from genaudit.render.sarif import to_sarif
from genaudit.result import AuditReport, ControlState, Limit, Verdict
from genaudit.subject import Subject

Cli = Callable[..., tuple[int, str, str]]

SCHEMAS = Path(__file__).parents[1] / "evidence" / "schemas"
DIGESTS = {"audit.json": "ab" * 32, "policy.toml": "cd" * 32}


def bare() -> AuditReport:
    """A report of nothing: no section, clause, data or time."""
    report = fixture.report(claim=False, times=False)
    empty: dict[str, Any] = {"sections": (), "controls": (), "knowledge": (), "not_measured": (),
                             "remarks": (), "context": {}}  # fmt: skip
    return report.model_copy(
        update={**empty, "policy": report.policy.model_copy(update={"limits": ()})}
    )


REPORTS = {
    "full": fixture.report(),
    "bare": bare(),
    "images": test_media.report("image", 4),
    "undeclared": fixture.report().model_copy(
        update={"controls": tuple(c.model_copy(update={"state": ControlState.NOT_DECLARED})
                                  for c in fixture.report().controls)}
    ),
}  # fmt: skip


def forms(report: AuditReport) -> dict[str, str]:
    """Every form by name."""
    return {
        "catalogue": to_catalogue(report), "oscal": to_oscal(report, DIGESTS),
        "cyclonedx": to_cyclonedx(report), "sarif": to_sarif(report, to_policy(report.policy)),
        "junit": to_junit(report), "card": to_card(report), "policy": to_policy(report.policy),
    }  # fmt: skip


@cache
def oscal_schema(root: str) -> jsonschema.Draft7Validator:
    """NIST's schema for one kind of document; Python has no classes of letters and digits."""
    text = (SCHEMAS / "oscal-1.2.3.json").read_text("utf-8")
    text = text.replace(r"\\p{L}", r"[^\\W\\d_]").replace(r"\\p{N}", r"\\d")
    schema = json.loads(text)
    schema["oneOf"] = [kind for kind in schema["oneOf"] if root in kind["properties"]]
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())


@cache
def sarif_schema() -> jsonschema.Draft4Validator:
    """The schema of OASIS."""
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text("utf-8")))


def faults(schema: Any, text: str) -> list[str]:
    """What a schema has against a document."""
    return [
        f"{list(e.absolute_path)}: {e.message[:200]}" for e in schema.iter_errors(json.loads(text))
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_oscal_is_valid(name: str) -> None:
    """Catalogue and results fit NIST's schema, and what is broken does not."""
    report = REPORTS[name]
    catalogue, results = to_catalogue(report), to_oscal(report, DIGESTS)

    assert faults(oscal_schema("catalog"), catalogue) == []
    assert faults(oscal_schema("assessment-results"), results) == []
    assert faults(oscal_schema("assessment-results"), results.replace('"state"', '"stat"', 1))
    assert faults(oscal_schema("catalog"), catalogue.replace('"uuid": "', '"uuid": "x', 1))


@pytest.mark.parametrize("name", REPORTS)
def test_cyclonedx_is_valid(name: str) -> None:
    """The BOM fits the strict schema of CycloneDX 1.7, and a broken one does not."""
    bom, schema = to_cyclonedx(REPORTS[name]), JsonStrictValidator(SchemaVersion.V1_7)

    assert schema.validate_str(bom) is None
    assert schema.validate_str(bom.replace('"declarations"', '"declaration"', 1)) is not None


@pytest.mark.parametrize("name", REPORTS)
def test_sarif_is_valid(name: str) -> None:
    """The log fits the schema of OASIS, each result points at its rule, and only outside fails."""
    report = REPORTS[name]
    text = to_sarif(report, to_policy(report.policy))
    run = json.loads(text)["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]

    assert faults(sarif_schema(), text) == []
    assert faults(sarif_schema(), text.replace('"kind"', '"kinds"', 1)) or not run["results"]
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in run["results"])
    assert all((r["kind"] == "fail") == (r["level"] == "error") for r in run["results"])
    assert sum(r["kind"] == "fail" for r in run["results"]) == len(report.findings(Verdict.OUTSIDE))
    assert sum(r["kind"] == "pass" for r in run["results"]) == len(report.findings(Verdict.WITHIN))


def test_sarif_points_at_the_limit() -> None:
    """A result stands at the line of the policy on which its limit begins."""
    report = REPORTS["full"]
    policy = to_policy(report.policy)
    lines = policy.split("\n")
    run = json.loads(to_sarif(report, policy))["runs"][0]
    limited = {limit.metric for limit in report.policy.limits}

    for result in run["results"]:
        line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
        if result["ruleId"] in limited:
            assert lines[line - 1] == f'metric = "{result["ruleId"]}"'


def test_references_of_the_bom_lead_somewhere() -> None:
    """Claims, evidence, requirements and targets are all defined, each once."""
    bom = json.loads(to_cyclonedx(REPORTS["full"]))
    text = json.dumps(bom)
    known = re.findall(r'"bom-ref": "([^"]+)"', text)
    told = bom["declarations"]
    used = {told["claims"][0]["target"]}
    for claim in told["claims"]:
        used |= {*claim.get("evidence", ()), *claim.get("counterEvidence", ())}
    for row in told["attestations"][0]["map"]:
        used |= {row["requirement"], *row.get("claims", ()), *row.get("counterClaims", ())}

    assert len(known) == len(set(known))
    assert used <= set(known)
    assert '"score"' not in text


def test_references_of_oscal_lead_somewhere() -> None:
    """Findings are of objectives and observations that there are; clauses are in the catalogue."""
    report = REPORTS["full"]
    results = json.loads(to_oscal(report, DIGESTS))["assessment-results"]
    catalogue = json.loads(to_catalogue(report))["catalog"]
    controls = {c["id"] for g in catalogue["groups"] for c in g["controls"]}
    result = results["results"][0]
    objectives = {
        part["id"]: local["control-id"]
        for local in results["local-definitions"]["objectives-and-methods"]
        for part in local["parts"]
    }
    seen = [o["uuid"] for o in result["observations"]]
    selected = result["reviewed-controls"]["control-selections"][0]["include-controls"]

    assert len(seen) == len(set(seen))
    assert set(objectives.values()) | {c["control-id"] for c in selected} <= controls
    for finding in result["findings"]:
        assert finding["target"]["target-id"] in objectives
        assert {o["observation-uuid"] for o in finding["related-observations"]} <= set(seen)
    assert results["import-ap"]["href"][1:] in {
        r["uuid"] for r in results["back-matter"]["resources"]
    }


def test_oscal_finds_nothing_where_nothing_was_judged() -> None:
    """Only clauses within or outside have a finding, whose objective is the limits alone."""
    report = REPORTS["full"]
    result = json.loads(to_oscal(report, DIGESTS))["assessment-results"]["results"][0]
    states = {c.id: c.state for c in report.controls}
    found = {f["title"].split(":")[0]: f["target"]["status"]["state"] for f in result["findings"]}

    assert {
        c: "satisfied" if s is ControlState.WITHIN else "not-satisfied"
        for c, s in states.items() if s in (ControlState.WITHIN, ControlState.OUTSIDE)
    } == found  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_junit_passes_what_is_within(name: str) -> None:
    """A case that passes is a finding or a clause within its limits, and counts add up."""
    report = REPORTS[name]
    root = ET.fromstring(to_junit(report))  # noqa: S314  written above
    cases = list(root.iter("testcase"))
    passed = [c for c in cases if c.find("failure") is None and c.find("skipped") is None]
    within = len([f for _, f in report.findings(Verdict.WITHIN) if f.limit])
    outside = len([f for _, f in report.findings(Verdict.OUTSIDE) if f.limit])
    read = [c.state for c in report.controls]

    assert len(passed) == within + read.count(ControlState.WITHIN)
    assert int(root.get("tests") or 0) == len(cases)
    assert int(root.get("failures") or 0) == outside + read.count(ControlState.OUTSIDE)
    for suite in root:
        assert int(suite.get("skipped") or 0) == len(list(suite.iter("skipped")))


@pytest.mark.parametrize("name", REPORTS)
def test_card_has_front_matter(name: str) -> None:
    """The front matter is YAML of the kind that the Hub reads; metrics are finite numbers."""
    report = REPORTS[name]
    _, front, body = to_card(report).split("---\n", 2)
    found = yaml.safe_load(front)

    assert "synthetic-data" in found["tags"]
    assert "\n# Audit of " in body
    for model in found.get("model-index", ()):
        for result in model["results"]:
            assert result["task"]["type"]
            assert {"type", "name"} <= result["dataset"].keys()
            assert all(isinstance(m["value"], float) for m in result["metrics"])


def test_card_cannot_be_marked_up_by_a_report() -> None:
    """Names of the data stay text: no tag, no link, no cell of their own."""
    body = to_card(REPORTS["full"]).split("---\n", 2)[2]

    assert fixture.SCRIPT not in body
    assert r"\<script\>" in body
    assert fixture.TURNED not in body
    rows = [line for line in body.split("\n") if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_policy_reads_back(tmp_path: Path) -> None:
    """A policy of a user is written anew with its limits; the bundled one is the file itself."""
    odd = 'of "us" \\ \t\n\x7f 数'
    limit = Limit(metric="privacy.copies.exact", value=0.5, owner=odd, rationale=odd, source=odd,
                  expires="2027-01-31")  # fmt: skip
    info = Policy(name=odd, owner=odd, limits=(limit,), digest="00" * 32).info()
    bundled = Policy.read()
    text, place = to_policy(info), tmp_path / "policy.toml"
    place.write_text(text, "utf-8")

    assert to_policy(bundled.info()) == (
        Path(form.__file__).parents[1] / "policies" / "default.toml"
    ).read_text("utf-8")
    assert line_of(text, "privacy.copies.exact") > 1
    assert line_of(text, "privacy.none") == 1
    assert Policy.read(place).limits == (limit,)
    assert Policy.read(place).name == odd


@pytest.mark.parametrize("name", REPORTS)
def test_forms_claim_nothing(name: str) -> None:
    """No form says a word that claims more than an audit can know, nor holds a control sign."""
    for kind, text in forms(REPORTS[name]).items():
        assert claims(text) == [], kind
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), kind


def test_forms_say_only_numbers_of_the_report() -> None:
    """Each value, end and limit in a form is one of the report's own, to ten digits."""
    report = REPORTS["full"]
    known = {f"{x:.10g}" for _, f in report.findings()
             for x in (f.estimate.value, f.estimate.low, f.estimate.high, f.limit and f.limit.value)
             if x is not None}  # fmt: skip
    result = json.loads(to_oscal(report, DIGESTS))["assessment-results"]["results"][0]
    told = {p["value"] for o in result["observations"] for p in o.get("props", ())
            if p["name"] in ("value", "low", "high", "limit")}  # fmt: skip
    bom = json.loads(to_cyclonedx(report))
    card = bom["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    told |= {m["value"] for m in card if "value" in m}

    assert told
    assert told <= known


def test_the_same_report_makes_the_same_forms() -> None:
    """Identifiers and times come from the report; another one has others."""
    again = forms(fixture.report())

    assert again == forms(REPORTS["full"])
    assert form.started(REPORTS["bare"]) == form.NO_TIME
    assert form.Ids("a").of("x") != form.Ids("b").of("x")


@pytest.mark.parametrize(
    ("given", "shown"),
    [("2026-11-02T10:00:00Z", "2026-11-02T10:00:00Z"), (None, form.NO_TIME), ("soon", form.NO_TIME),
     ("2026-11-02T10:00:00+02:00", "2026-11-02T08:00:00Z"), ("0001-01-01T00:00:00", form.NO_TIME),
     ("9999-12-31T23:59:59-12:00", form.NO_TIME)],
)  # fmt: skip
def test_times_are_of_the_report(given: str | None, shown: str) -> None:
    """A time is written in UTC; what is none, or no time of a report, is said to be unknown."""
    report = REPORTS["full"]
    made = report.provenance.model_copy(update={"started": given})

    assert form.started(report.model_copy(update={"provenance": made})) == shown


def _with_its_claim(report: AuditReport) -> AuditReport:
    """The same with what an audit says of a claim, without which no file is read."""
    subject = Subject(report.subject.name, report.subject.kind, claim=report.subject.claim)
    return report.model_copy(update={"sections": (*report.sections, *section(subject))})


@pytest.mark.parametrize("name", FORMS)
def test_a_form_alone_is_written(name: str, tmp_path: Path, run_cli: Cli) -> None:
    """`genaudit report --format` writes each as it stands in a bundle."""
    report = _with_its_claim(REPORTS["full"])
    source = api.write_json(report, tmp_path / "audit.json")
    code, _, _ = run_cli("report", source, "--format", name, "--out", tmp_path / "out")

    assert code == 0
    assert (tmp_path / "out").read_text("utf-8") == FORMS[name](api.check(report), api.today())


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    """The message lists those that there are."""
    with pytest.raises(OptionError, match="junit, sarif, oscal, cyclonedx, card"):
        api.write_form(REPORTS["full"], tmp_path / "x", "pdf")
