"""OSCAL 1.2: the clauses as a catalogue, and what an audit found as assessment results.

The format knows `satisfied` and `not-satisfied` alone. So what is judged is never the clause but an
objective of our own, that the metrics which are evidence for it lie within the limits of the
policy; what cannot be told, was not measured or may not apply is an observation and no finding.

Source: NIST OSCAL 1.2.1, models catalog and assessment-results.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from genaudit.render import form
from genaudit.result import AuditReport, ControlReading, ControlState, Finding, Message, Verdict

#: The oldest version with all that is used here, which most tools read.
VERSION = "1.2.1"

#: States of a clause of which findings say something.
_READ = (
    ControlState.WITHIN, ControlState.OUTSIDE, ControlState.CANNOT_TELL, ControlState.NOT_MEASURED,
)  # fmt: skip

#: What a state is about.
_ABOUT = "About the limits of the policy, and not about the clause."

_JUDGED = {ControlState.WITHIN: "satisfied", ControlState.OUTSIDE: "not-satisfied"}


def to_catalogue(report: AuditReport) -> str:
    """The clauses that the report was read against, as an OSCAL catalogue."""
    ids = form.Ids(form.digest(report))
    groups = [
        {"id": _token(controls[0].source.id if controls[0].source else f"regulation-{i}"),
         "title": form.marked(regulation), "props": _regulation(controls[0]),
         "controls": [_control(c) for c in controls]}
        for i, (regulation, controls) in enumerate(form.regimes(report).items())
    ]  # fmt: skip
    catalogue = {
        "uuid": ids.of("catalogue"),
        "metadata": _metadata(report, "Clauses that the audit was read against, as paraphrases"),
        **({"groups": groups} if groups else {}),
    }
    return form.dumps({"catalog": catalogue})


def to_oscal(report: AuditReport, files: Mapping[str, str], on: dt.date | None = None) -> str:
    """What the audit found, as OSCAL assessment results.

    files: name -> SHA-256 of what is the evidence, which lies beside it. on: a day; a report whose
    validity was over by then satisfies nothing.
    """
    ids = form.Ids(form.digest(report))
    judged = [c for c in report.controls if c.state in _JUDGED]
    results = {
        "uuid": ids.of("assessment-results"),
        "metadata": _metadata(report, f"Audit of {form.marked(report.subject.name) or 'a file'}"),
        "import-ap": {"href": f"#{ids.of('plan')}", "remarks": "Plan and policy are given there."},
        **({"local-definitions": {"objectives-and-methods": [_objective(c) for c in judged]}}
           if judged else {}),
        "results": [_results(report, ids, form.over(report, on))],
        "back-matter": {"resources": _resources(report, ids, files)},
    }  # fmt: skip
    return form.dumps({"assessment-results": results})


def _metadata(report: AuditReport, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "last-modified": form.started(report),
        "version": report.format_version,
        "oscal-version": VERSION,
        "props": _props({
            "tool": f"genaudit {form.line(report.provenance.tool_version)}",
            "assessed-by": form.context(report, "assessed_by"),
            "valid-until": form.context(report, "valid_until"),
        }),
        "remarks": form.NO_JUDGEMENT,
    }  # fmt: skip


def _regulation(control: ControlReading) -> list[dict[str, str]]:
    source = control.source
    known = {} if source is None else {
        "version": form.said(source.version), "url": source.url, "read": source.read,
        "retrieved": source.retrieved.isoformat(),
        "basis": source.basis.english if source.basis else "",
    }  # fmt: skip
    return _props({**known, "kind": "regulation"})


def _control(control: ControlReading) -> dict[str, Any]:
    parts = [
        *_part(control, "statement", control.paraphrase),
        *_part(control, "cannot-claim", control.cannot_claim),
        *(_part(control, "question", control.question) if control.question else ()),
    ]
    return {
        "id": _token(control.id),
        "title": form.marked(control.clause) or _token(control.id),
        "props": _props({
            "in-force": control.in_force.isoformat() if control.in_force else "",
            "reviewed": control.reviewed.isoformat() if control.reviewed else "",
            "certainty": control.certainty, "applicability": control.applicability,
            "basis": control.basis.english if control.basis else "",
            "measures": ", ".join(control.measures), "clause-zh": _zh(control.clause_text),
        }) or _props({"kind": "clause"}),
        **({"links": [{"href": control.url, "rel": "reference"}]} if _is_link(control.url) else {}),
        "parts": parts,
    }  # fmt: skip


def _part(control: ControlReading, name: str, text: Message) -> list[dict[str, Any]]:
    """A text of a clause in both languages; what OSCAL does not know has our namespace."""
    own = {} if name == "statement" else {"ns": form.NAMESPACE}
    key = f"{_token(control.id)}_{name}"
    zh = form.marked(_zh(text))
    return [
        {"id": key, "name": name, **own, "prose": form.marked(form.said(text))},
        *([{"id": f"{key}_zh", "name": f"{name}-zh", "ns": form.NAMESPACE, "prose": zh}]
          if zh else ()),
    ]  # fmt: skip


def _zh(text: Message | None) -> str:
    return form.line(text.texts.get("zh", "")) if text is not None else ""


def _objective(control: ControlReading) -> dict[str, Any]:
    return {
        "control-id": _token(control.id),
        "parts": [
            {
                "id": _objective_id(control),
                "name": "assessment-objective",
                "prose": "Each metric that is evidence for this clause was measured and lies "
                "within the limit that the policy sets. This is not the clause itself.",
            }
        ],
    }


def _objective_id(control: ControlReading) -> str:
    return f"{_token(control.id)}_limits"


def _results(report: AuditReport, ids: form.Ids, over: str) -> dict[str, Any]:
    subject = ids.of("subject")
    observed = [
        _observation(report, ids, subject, finding, f"#/sections/{i}/findings/{j}")
        for i, section in enumerate(report.sections)
        for j, finding in enumerate(section.findings)
    ]
    read = [_reading(report, ids, subject, c, i) for i, c in enumerate(report.controls)]
    limits = [_unmeasured(report, ids, limit.metric) for limit in form.unmeasured(report)]
    left = form.limitations(report)
    found = [_finding(report, ids, c, over) for c in report.controls if c.state in _JUDGED]
    missing = "Not measured:\n\n" + "\n".join(f"- {form.marked(x)}" for x in left) if left else ""
    remarks = "\n\n".join(text for text in (over, missing) if text)
    return {
        "uuid": ids.of("result"),
        "title": "Findings and readings of clauses",
        "description": "Numbers with their intervals, and what they say about each clause.",
        "start": form.started(report),
        "local-definitions": {"components": [{
            "uuid": subject, "type": "software",
            "title": form.marked(report.subject.name) or "a file",
            "description": f"What was audited: {form.marked(report.subject.kind) or 'unknown'}.",
            "status": {"state": "other"},
        }]},
        "reviewed-controls": {"control-selections": [_selection(report)]},
        "observations": [*observed, *read, *limits] or [_nothing(report, ids)],
        **({"findings": found} if found else {}),
        **({"remarks": remarks} if remarks else {}),
    }  # fmt: skip


def _selection(report: AuditReport) -> dict[str, Any]:
    """Clauses that were read; where none was, all are left out by name."""
    read = [{"control-id": _token(c.id)} for c in report.controls if c.state in _READ]
    if read:
        return {"include-controls": read}
    left = [{"control-id": _token(c.id)} for c in report.controls]
    return {
        "include-all": {},
        **({"exclude-controls": left} if left else {}),
        "remarks": "No clause was read: none was declared to apply.",
    }


def _observation(
    report: AuditReport, ids: form.Ids, subject: str, finding: Finding, pointer: str
) -> dict[str, Any]:
    return {
        "uuid": _observed(ids, finding),
        "title": form.marked(form.name(finding)),
        "description": form.marked(form.sentence(finding)),
        "props": _props({
            "metric": finding.metric, "verdict": str(finding.verdict or Verdict.INFO),
            **form.numbers(finding), "n": form.size(finding),
            "method": finding.estimate.method, "unit": finding.estimate.unit,
        }),
        "methods": ["TEST"],
        "types": ["finding"],
        "subjects": [{"subject-uuid": subject, "type": "component"}],
        "relevant-evidence": [
            {"href": f"audit.json{pointer}", "description": "The finding in audit.json."}
        ],
        "collected": form.started(report),
    }  # fmt: skip


def _observed(ids: form.Ids, finding: Finding) -> str:
    return ids.of("observation", finding.metric, repr(sorted(finding.group.items())))


def _reading(
    report: AuditReport, ids: form.Ids, subject: str, control: ControlReading, i: int
) -> dict[str, Any]:
    missing = f" Not measured: {', '.join(control.missing)}." if control.missing else ""
    return {
        "uuid": ids.of("reading", control.id),
        "title": form.marked(f"{control.id}: {form.state(control)}"),
        "description": form.marked(
            f"{form.state(control)}.{missing} Must not be claimed: "
            f"{form.said(control.cannot_claim)} {form.NO_JUDGEMENT}"
        ),
        "props": _props({"control-id": control.id, "state": control.state.value}),
        "methods": ["TEST" if control.findings else "UNKNOWN"],
        "types": ["control-objective"],
        "subjects": [{"subject-uuid": subject, "type": "component"}],
        "relevant-evidence": [
            {"href": f"audit.json#/controls/{i}", "description": "The reading in audit.json."}
        ],
        "collected": form.started(report),
    }


def _unmeasured(report: AuditReport, ids: form.Ids, metric: str) -> dict[str, Any]:
    return {
        "uuid": ids.of("unmeasured", metric),
        "title": form.marked(f"{metric}: not measured"),
        "description": "The policy sets a limit on this metric, and nothing was held against it.",
        "props": _props({"metric": metric, "verdict": "not_measured"}),
        "methods": ["UNKNOWN"],
        "types": ["finding"],
        "collected": form.started(report),
    }


def _nothing(report: AuditReport, ids: form.Ids) -> dict[str, Any]:
    return {
        "uuid": ids.of("nothing"),
        "description": "Nothing was measured.",
        "methods": ["UNKNOWN"],
        "collected": form.started(report),
    }


def _finding(
    report: AuditReport, ids: form.Ids, control: ControlReading, over: str
) -> dict[str, Any]:
    """Whether the objective is satisfied; by a report that is over nothing is."""
    within = control.state is ControlState.WITHIN
    state, reason = _JUDGED[control.state], "pass" if within else "fail"
    if within and over:
        state, reason = "not-satisfied", "other"
    about = {*control.findings}
    related = [_observed(ids, f) for _, f in report.findings() if f.metric in about]
    return {
        "uuid": ids.of("finding", control.id),
        "title": form.marked(f"{control.id}: {form.state(control)}"),
        "description": form.NO_JUDGEMENT,
        "target": {
            "type": "objective-id",
            "target-id": _objective_id(control),
            "props": _props({"state": control.state.value}),
            "status": {
                "state": state,
                "reason": reason,
                "remarks": " ".join([_ABOUT, over]).strip(),
            },
        },
        "related-observations": [
            {"observation-uuid": seen} for seen in (ids.of("reading", control.id), *related)
        ],
    }


def _resources(
    report: AuditReport, ids: form.Ids, files: Mapping[str, str]
) -> list[dict[str, Any]]:
    plan = {
        "uuid": ids.of("plan"),
        "title": f"Plan {form.marked(report.provenance.plan)} and the policy with its limits",
        "description": form.marked(report.provenance.command) or "No command was recorded.",
        "rlinks": [_link("policy.toml", files)],
    }
    return [plan, *({"uuid": ids.of("file", name), "title": name, "rlinks": [_link(name, files)]}
                    for name in files if name != "policy.toml")]  # fmt: skip


def _link(name: str, files: Mapping[str, str]) -> dict[str, Any]:
    hashes = [{"algorithm": "SHA-256", "value": files[name]}] if name in files else []
    return {"href": name, **({"hashes": hashes} if hashes else {})}


def _props(known: Mapping[str, str]) -> list[dict[str, str]]:
    """Properties in our namespace; what is empty is left out."""
    lines: Sequence[tuple[str, str]] = [(k, form.line(v)) for k, v in known.items()]
    return [{"name": k, "ns": form.NAMESPACE, "value": v} for k, v in lines if v]


def _token(text: str) -> str:
    """The text as an identifier of OSCAL: it begins with a letter or an underscore."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", text)
    return safe if re.match(r"[A-Za-z_]", safe) else f"_{safe}"


def _is_link(url: str) -> bool:
    return re.fullmatch(r"https?://[!-~]+", url) is not None
