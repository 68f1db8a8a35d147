"""SARIF 2.1.0: findings as annotations of the policy's lines, for code hosts and editors.

Only what is outside fails; what cannot be told is open, and so is a limit that nothing was held
against.

Source: OASIS SARIF 2.1.0 (errata 01), sections 3.11 (messages), 3.27 (results).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from genaudit.render import form
from genaudit.render.policy import line_of
from genaudit.result import AuditReport, Finding, Limit, Section, Status, Verdict

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_KINDS = {
    Verdict.OUTSIDE: "fail",
    Verdict.CANNOT_TELL: "open",
    Verdict.WITHIN: "pass",
    Verdict.INFO: "informational",
}


def to_sarif(
    report: AuditReport, policy: str, place: str = "policy.toml", on: dt.date | None = None
) -> str:
    """The report as SARIF.

    policy: text of the policy, whose lines the results point at. place: where it lies. on: a day,
    by which the report's validity may be over.
    """
    rules = _rules(report)
    order = {rule["id"]: i for i, rule in enumerate(rules)}
    results = [
        _result(order, policy, place, section, finding) for section, finding in report.findings()
    ]
    results += [_open(order, policy, place, limit) for limit in form.unmeasured(report)]
    driver = {
        "name": "genaudit",
        "version": form.line(report.provenance.tool_version) or "0",
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"genaudit/{form.digest(report)}"},
        "invocations": [_invocation(report, form.over(report, on))],
        "artifacts": [{"location": {"uri": place}, "roles": ["policy"]}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return form.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rules(report: AuditReport) -> list[dict[str, Any]]:
    """A rule for each metric, with the reason of its limit."""
    reasons = {form.line(x.metric): form.line(x.rationale) for x in report.policy.limits}
    labels = {form.line(f.metric): form.said(f.heading or f.label) for _, f in report.findings()}
    return [
        {
            "id": metric,
            "shortDescription": _message(labels.get(metric) or metric),
            **({"fullDescription": _message(reasons[metric])} if reasons.get(metric) else {}),
        }
        for metric in dict.fromkeys([*labels, *reasons])
    ]


def _result(
    order: dict[str, int], policy: str, place: str, section: Section, finding: Finding
) -> dict[str, Any]:
    kind = _KINDS[finding.verdict or Verdict.INFO]
    metric = form.line(finding.metric)
    return {
        "ruleId": metric,
        "ruleIndex": order[metric],
        "kind": kind,
        "level": "error" if kind == "fail" else "none",
        "message": _message(form.sentence(finding)),
        "locations": [_location(policy, place, finding.metric, form.name(finding), section.audit)],
        "partialFingerprints": {"finding/v1": form.name(finding)},
        "properties": {**form.numbers(finding), "n": form.size(finding)},
    }


def _open(order: dict[str, int], policy: str, place: str, limit: Limit) -> dict[str, Any]:
    metric = form.line(limit.metric)
    return {
        "ruleId": metric,
        "ruleIndex": order[metric],
        "kind": "open",
        "level": "none",
        "message": _message(f"{metric}: not measured, so nothing was held against its limit."),
        "locations": [_location(policy, place, limit.metric, metric, "policy")],
        "partialFingerprints": {"finding/v1": metric},
    }


def _location(policy: str, place: str, metric: str, name: str, audit: str) -> dict[str, Any]:
    region = {"startLine": line_of(policy, metric)}
    return {
        "physicalLocation": {"artifactLocation": {"uri": place, "index": 0}, "region": region},
        "logicalLocations": [{"fullyQualifiedName": f"{form.line(audit)}: {name}"}],
    }


def _invocation(report: AuditReport, over: str) -> dict[str, Any]:
    idle = [s for s in report.sections if s.status is not Status.RAN]
    said = [{"level": "warning", "message": _message(over)}] if over else []
    return {
        "executionSuccessful": all(s.status is not Status.FAILED for s in report.sections),
        "startTimeUtc": form.started(report),
        "toolExecutionNotifications": said
        + [
            {
                "level": "error" if s.status is Status.FAILED else "note",
                "message": _message(f"{s.audit}: {s.status.value}. {form.said(s.reason)}"),
            }
            for s in idle
        ],
    }


def _message(text: str) -> dict[str, str]:
    """Plain text; brackets and braces, which would be links and fields, are escaped."""
    text = form.line(text).replace("\\", "\\\\").replace("{", "{{").replace("}", "}}")
    return {"text": text.replace("[", "\\[").replace("]", "\\]")}
