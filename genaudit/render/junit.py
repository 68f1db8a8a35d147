"""JUnit XML: what a pipeline shows as tests. Only what lies within its limit reads as passed.

One suite for each audit, of the findings that a limit judges, one for limits that nothing was held
against, one for the day until which the report is valid, and one for each regulation. What cannot
be told, was not measured or is over is skipped with its reason, as the format has no third state;
`genaudit check` ends with 3 there.
"""

from __future__ import annotations

import datetime as dt
import re
from xml.etree import ElementTree as ET

from genaudit.render import form
from genaudit.result import AuditReport, ControlReading, ControlState, Finding, Verdict

#: What XML 1.0 cannot hold, not even escaped.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: AuditReport, on: dt.date | None = None) -> str:
    """The report as JUnit XML; on: the day on which its validity is judged, None for not at all."""
    root = ET.Element("testsuites", name="genaudit")
    for section in report.sections:
        if limited := [f for f in section.findings if f.limit is not None]:
            suite = _suite(root, section.audit, report)
            for finding in limited:
                _finding(suite, section.audit, finding)
    if missing := form.unmeasured(report):
        suite = _suite(root, "limits without a finding", report)
        for limit in missing:
            case = _case(suite, "limits", limit.metric)
            ET.SubElement(case, "skipped", message="not measured")
    if on is not None and "valid_until" in report.context:
        _validity(_suite(root, "validity", report), report, on)
    for regulation, controls in form.regimes(report).items():
        suite = _suite(root, regulation, report)
        for control in controls:
            _control(suite, control)
    for element in (*root, root):
        _count(element)
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(root: ET.Element, name: str, report: AuditReport) -> ET.Element:
    at = form.started(report).removesuffix("Z")
    return ET.SubElement(root, "testsuite", name=_clean(name), timestamp=at)


def _case(suite: ET.Element, classname: str, name: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=_clean(classname), name=_clean(name), time="0"
    )


def _finding(suite: ET.Element, audit: str, finding: Finding) -> None:
    case = _case(suite, audit, form.name(finding))
    said = _clean(form.sentence(finding))
    if finding.verdict is Verdict.OUTSIDE:
        message = _clean(f"{form.value(finding)}, {form.bound(finding)}")
        ET.SubElement(case, "failure", message=message, type="outside").text = said
    elif finding.verdict is Verdict.WITHIN:
        ET.SubElement(case, "system-out").text = said
    else:
        ET.SubElement(case, "skipped", message=said)


def _validity(suite: ET.Element, report: AuditReport, on: dt.date) -> None:
    case = _case(suite, "validity", "valid_until")
    if over := form.over(report, on):
        ET.SubElement(case, "skipped", message=_clean(over))
    else:
        ET.SubElement(case, "system-out").text = _clean(str(report.context["valid_until"]))


def _control(suite: ET.Element, control: ControlReading) -> None:
    case = _case(suite, control.id, f"{control.clause}: limits on its metrics")
    said = _clean(f"{form.state(control)}. {form.NO_JUDGEMENT}")
    if control.state is ControlState.OUTSIDE:
        ET.SubElement(case, "failure", message=form.state(control), type="outside").text = said
    elif control.state is ControlState.WITHIN:
        ET.SubElement(case, "system-out").text = said
    else:
        ET.SubElement(case, "skipped", message=said)


def _count(element: ET.Element) -> None:
    for key, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
        if key != "skipped" or element.tag == "testsuite":
            element.set(key, str(sum(1 for _ in element.iter(tag))))
    element.set("errors", "0")


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", form.line(text))
