"""A model card as Markdown with YAML front matter, as the Hugging Face Hub reads it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from genaudit.render import form, view
from genaudit.render.numbers import Numbers
from genaudit.render.text import Text
from genaudit.result import AuditReport, Finding


def to_card(report: AuditReport, on: dt.date | None = None) -> str:
    """The report as a model card; licence and languages are for its maker to add.

    on: a day, by which its validity may be over.
    """
    sections = (
        _head(report, on), _uses(report), _promise(report), _findings(report), _left_out(report),
        _clauses(report), _origin(report),
    )  # fmt: skip
    return _front(report) + "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _front(report: AuditReport) -> str:
    """The front matter: values are JSON, which YAML reads."""
    claimed = ["differential-privacy"] if report.subject.claim else []
    tags = ["synthetic-data", "genaudit", form.line(report.modality), *claimed]
    lines = ["---", f"tags: {_json(tags)}"]
    if metrics := [_metric(f) for _, f in report.findings() if f.estimate.value is not None]:
        task = {"type": "other", "name": f"Generation of {form.line(report.modality)} records"}
        held = [form.line(data.name) for data in report.knowledge]
        data = {"type": "private", "name": ", ".join(held) or "samples alone"}
        lines += [
            "model-index:", f"- name: {_json(_name(report))}", "  results:",
            f"  - task: {_json(task)}", f"    dataset: {_json(data)}", "    metrics:",
            *(f"    - {_json(metric)}" for metric in metrics),
        ]  # fmt: skip
    return "\n".join([*lines, "---", "", ""])


def _metric(finding: Finding) -> dict[str, Any]:
    return {
        "type": form.line(finding.metric),
        "name": form.name(finding),
        "value": finding.estimate.value,
    }


def _head(report: AuditReport, on: dt.date | None) -> list[str]:
    text = Text("en")
    sentences = view.Sentences(text, Numbers(text))
    over = form.over(report, on)
    return [
        f"# Audit of {form.marked(_name(report))}",
        "",
        *([form.marked(over), ""] if over else []),
        form.marked(sentences.verdict(report)),
        form.marked(sentences.coverage(report)),
        "",
        "The numbers are evidence and no judgement. Each has its interval in `audit.json`; verdicts"
        " hold under the limits of the policy named below.",
    ]


def _uses(report: AuditReport) -> list[str]:
    known = {
        "Purpose": form.context(report, "purpose"),
        "Assessed by": form.context(report, "assessed_by"),
        "Valid until": form.context(report, "valid_until"),
        "Limits": f"{report.policy.name}, version {report.policy.version}, "
        f"owner: {report.policy.owner}",
    }
    return ["## Use", "", *(f"- {k}: {form.marked(v)}" for k, v in known.items() if v)]


def _promise(report: AuditReport) -> list[str]:
    claim = report.subject.claim
    if claim is None:
        return ["## Privacy", "", "Its maker makes no privacy claim that this audit was told of."]
    text = Text("en")
    sentences = view.Sentences(text, Numbers(text))
    said = [sentences.claim_numbers(claim), *sentences.claim(claim)]
    return ["## Privacy", "", *(form.marked(s) for s in said)]


def _findings(report: AuditReport) -> list[str]:
    judged = [f for _, f in report.findings() if f.limit is not None]
    if not judged:
        return ["## Findings", "", "No limit judges any finding."]
    rows = (
        (form.name(f), form.said(f.label), form.value(f), form.bound(f), form.judged(f))
        for f in judged
    )
    return [
        "## Findings",
        "",
        "| metric | what it is | value | limit | verdict |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(map(form.marked, row))} |" for row in rows),
    ]


def _left_out(report: AuditReport) -> list[str]:
    limits = [f"{limit.metric}: a limit that nothing was held against"
              for limit in form.unmeasured(report)]  # fmt: skip
    left = [*limits, *form.limitations(report)]
    return ["## Not measured", "", *(f"- {form.marked(x)}" for x in left)] if left else []


def _clauses(report: AuditReport) -> list[str]:
    said = {c.state: form.state(c) for c in report.controls}
    counted = [f"- {said[s]}: {n}" for s, n in view.states(report)]
    return ["## Clauses", "", form.NO_JUDGEMENT, "", *counted] if counted else []


def _origin(report: AuditReport) -> list[str]:
    made = report.provenance
    return [
        "## Where this comes from",
        "",
        f"- genaudit {form.marked(made.tool_version)}, plan {form.marked(made.plan)}, seed "
        f"{made.seed}, {form.started(report)}",
        f"- audit.json: sha256 {form.digest(report)}",
        *([f"- {form.marked(made.command)}"] if made.command else []),
    ]


def _name(report: AuditReport) -> str:
    return form.line(report.subject.name) or "a file"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
