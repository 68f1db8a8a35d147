"""CycloneDX 1.7: what was audited as a machine-learning BOM, with declarations.

Each finding that a limit judges is a claim with its evidence; clauses are requirements, and an
attestation maps one to the other. No score is given: a share of clauses would read as one of law.

Source: ECMA-424, CycloneDX 1.7, sections on modelCard, declarations and definitions.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from genaudit.render import form
from genaudit.result import AuditReport, ControlReading, Finding, Verdict

_SUBJECT = "subject"


def to_cyclonedx(report: AuditReport, on: dt.date | None = None) -> str:
    """The report as a CycloneDX BOM (JSON), which says where its validity was over on a day."""
    ids, over = form.Ids(form.digest(report)), form.over(report, on)
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{ids.of('bom')}",
        "version": 1,
        "metadata": {
            "timestamp": form.started(report),
            "tools": {"components": [{
                "type": "application", "name": "genaudit",
                "version": form.line(report.provenance.tool_version),
            }]},
            "component": _subject(report),
            "properties": _properties({
                "plan": report.provenance.plan, "seed": str(report.provenance.seed),
                "command": report.provenance.command, "policy": report.policy.name,
                "policy.sha256": report.policy.digest,
                "valid_until": form.context(report, "valid_until"), "expired": over,
            }),
        },
        "declarations": _declarations(report, ids, over),
        "definitions": {"standards": _standards(report)},
    }  # fmt: skip
    return form.dumps(bom)


def _subject(report: AuditReport) -> dict[str, Any]:
    subject = report.subject
    digest = subject.digest or ""
    hashes = [{"alg": "SHA-256", "content": digest}] if re.fullmatch("[0-9a-f]{64}", digest) else []
    return {
        "type": "machine-learning-model",
        "bom-ref": _SUBJECT,
        "name": form.line(subject.name) or "a file",
        "description": f"The generator that was audited, seen as: {form.line(subject.kind)}.",
        **({"hashes": hashes} if hashes else {}),
        "modelCard": _card(report),
    }


def _card(report: AuditReport) -> dict[str, Any]:
    purpose = form.context(report, "purpose")
    return {
        "modelParameters": {
            "task": f"generation of {form.line(report.modality)} records",
            "datasets": [
                {"type": "dataset", "name": form.line(data.name),
                 "contents": {"properties": _properties({"rows": _count(data.n)})}}
                for data in report.knowledge
            ],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [_metric(finding) for _, finding in report.findings()]
        },
        "considerations": {
            **({"useCases": [purpose]} if purpose else {}),
            "technicalLimitations": form.limitations(report),
            "fairnessAssessments": [
                {"groupAtRisk": form.name(f), "harms": form.sentence(f)}
                for _, f in report.findings()
                if f.metric.startswith("bias.") and f.verdict is Verdict.OUTSIDE
            ],
        },
        "properties": _claim(report),
    }  # fmt: skip


def _metric(finding: Finding) -> dict[str, Any]:
    known = form.numbers(finding)
    ends = {"lowerBound": known.get("low"), "upperBound": known.get("high")}
    interval = {k: v for k, v in ends.items() if v is not None}
    group = ", ".join(f"{form.line(k)} = {form.line(v)}" for k, v in sorted(finding.group.items()))
    return {
        "type": form.line(finding.metric),
        **({"value": known["value"]} if "value" in known else {}),
        "slice": group or "everyone",
        **({"confidenceInterval": interval} if interval else {}),
    }


def _claim(report: AuditReport) -> list[dict[str, str]]:
    """What the generator's maker promises; that it promises nothing is said too."""
    claim = report.subject.claim
    if claim is None:
        return _properties({"claim": "none"})
    return _properties({
        "claim.epsilon": f"{claim.epsilon:.10g}", "claim.delta": f"{claim.delta:.10g}",
        "claim.unit": claim.unit, "claim.relation": claim.relation,
    })  # fmt: skip


def _declarations(report: AuditReport, ids: form.Ids, over: str) -> dict[str, Any]:
    judged = [
        (f, f"audit.json#/sections/{i}/findings/{j}")
        for i, section in enumerate(report.sections)
        for j, f in enumerate(section.findings)
        if f.limit is not None
    ]
    assessed_by = form.context(report, "assessed_by")
    assessor = {
        "bom-ref": "assessor",
        **({"organization": {"name": assessed_by}} if assessed_by else {}),
    }
    summary = (
        "What the findings of one audit say about paraphrases of clauses; no legal judgement, and "
        f"no score. Evidence lies in audit.json. {over}"
    ).strip()
    return {
        "assessors": [assessor],
        "attestations": [
            {
                "summary": summary,
                "assessor": "assessor",
                "map": [_mapped(c, [f for f, _ in judged], ids) for c in report.controls],
            }
        ],
        "claims": [_judged_claim(f, ids) for f, _ in judged],
        "evidence": [_evidence(f, place, report, ids) for f, place in judged],
    }


def _judged_claim(finding: Finding, ids: form.Ids) -> dict[str, Any]:
    kind = "counterEvidence" if finding.verdict is Verdict.OUTSIDE else "evidence"
    return {
        "bom-ref": _ref("claim", finding, ids),
        "target": _SUBJECT,
        "predicate": f"{form.said(finding.label)}: {form.bound(finding)}",
        "reasoning": form.sentence(finding),
        kind: [_ref("evidence", finding, ids)],
    }


def _evidence(finding: Finding, place: str, report: AuditReport, ids: form.Ids) -> dict[str, Any]:
    return {
        "bom-ref": _ref("evidence", finding, ids),
        "propertyName": form.line(finding.metric),
        "description": form.sentence(finding),
        "data": [{"name": form.name(finding), "contents": {"url": place}}],
        "created": form.started(report),
    }


def _mapped(control: ControlReading, judged: list[Finding], ids: form.Ids) -> dict[str, Any]:
    """A clause with the claims that lie within their limits, and those that do not."""
    about = [f for f in judged if f.metric in set(control.findings)]
    within = [_ref("claim", f, ids) for f in about if f.verdict is Verdict.WITHIN]
    outside = [_ref("claim", f, ids) for f in about if f.verdict is Verdict.OUTSIDE]
    rationale = f"{form.state(control)}. {form.NO_JUDGEMENT}"
    return {
        "requirement": _requirement(control),
        **({"claims": within} if within else {}),
        **({"counterClaims": outside} if outside else {}),
        "conformance": {"rationale": rationale},
    }


def _standards(report: AuditReport) -> list[dict[str, Any]]:
    return [
        {
            "bom-ref": f"standard:{i}",
            "name": form.line(regulation),
            **({"version": form.said(controls[0].source.version)} if controls[0].source else {}),
            "requirements": [_required(c) for c in controls],
        }
        for i, (regulation, controls) in enumerate(form.regimes(report).items())
    ]


def _required(control: ControlReading) -> dict[str, Any]:
    texts = [f"Must not be claimed: {form.said(control.cannot_claim)}",
             f"State: {form.state(control)}"]  # fmt: skip
    return {
        "bom-ref": _requirement(control),
        "identifier": form.line(f"{control.id} ({control.clause})"),
        "text": form.said(control.paraphrase),
        "descriptions": texts,
    }


def _requirement(control: ControlReading) -> str:
    return f"requirement:{form.line(control.id)}"


def _ref(kind: str, finding: Finding, ids: form.Ids) -> str:
    return f"{kind}:{ids.of(finding.metric, repr(sorted(finding.group.items())))}"


def _count(n: int | None) -> str:
    return "" if n is None else str(n)


def _properties(known: dict[str, str]) -> list[dict[str, str]]:
    lines = ((k, form.line(v)) for k, v in known.items())
    return [{"name": f"genaudit:{k}", "value": v} for k, v in lines if v]
