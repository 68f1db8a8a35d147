"""What the forms for machines share: names, sentences, times and identifiers of a report.

A form says what the page says, in English, and nothing more. The same report is the same bytes:
identifiers come from its digest, times from the report.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

from genaudit.data.disclosure import is_hidden
from genaudit.render.json import dumps as report_dumps
from genaudit.render.numbers import Numbers
from genaudit.render.text import Text, visible
from genaudit.render.view import names_its_group, word
from genaudit.result import (
    AuditReport,
    ControlReading,
    Finding,
    Limit,
    Message,
    Status,
    Verdict,
)
from genaudit.validity import expired

#: Where our own names in foreign formats are defined.
NAMESPACE = "urn:genaudit:export:1"

#: Where a report does not say when it was made.
NO_TIME = "1970-01-01T00:00:00Z"

_TEXT = Text("en")
_NUMBERS = Numbers(_TEXT)

#: What stands beside every state of a clause.
NO_JUDGEMENT = "What the findings of one audit say about a paraphrase; no legal judgement."


def dumps(form: Any) -> str:
    """JSON text of a form, with one newline at its end."""
    return json.dumps(form, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def digest(report: AuditReport) -> str:
    """SHA-256 of the canonical `audit.json`."""
    return hashlib.sha256(report_dumps(report).encode()).hexdigest()


class Ids:
    """Identifiers that follow from a report's digest and a name, so that equal reports share them.

    >>> Ids("ab").of("result") == Ids("ab").of("result") != Ids("ab").of("catalogue")
    True
    """

    def __init__(self, digest: str) -> None:
        self._space = uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}:{digest}")

    def of(self, *names: str) -> str:
        """The UUID of what has these names."""
        return str(uuid.uuid5(self._space, "\n".join(names)))


def started(report: AuditReport) -> str:
    """When the audit began, in UTC; `NO_TIME` where the report does not say."""
    try:
        at = dt.datetime.fromisoformat(report.provenance.started or "")
        at = at.replace(tzinfo=at.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return NO_TIME
    known = 1970 <= at.year < 3000
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if known else NO_TIME


def said(message: Message | None) -> str:
    """A message in English as one line."""
    return line(_TEXT(message)) if message is not None else ""


def line(text: str) -> str:
    r"""The text as one line, control and direction signs visible.

    >>> line(" a\n b ")
    'a b'
    """
    return " ".join(visible(text).split())


def marked(text: str) -> str:
    r"""The text as one line of Markdown that says just that: no markup, no link, no field.

    >>> marked("<b> [x](y) *z*")
    '\\<b\\> \\[x\\](y) \\*z\\*'
    """
    return re.sub(r"([\\`*\[\]<>{}|#~!])", r"\\\1", line(text))


def name(finding: Finding) -> str:
    """Metric and group of a finding: unique within its report."""
    group = ", ".join(f"{k}={v}" for k, v in sorted(finding.group.items()))
    return line(finding.metric + (f" [{group}]" if group else ""))


def value(finding: Finding) -> str:
    """The number with its interval, or why there is none."""
    return line(_NUMBERS.estimate(finding.estimate, finding.limit))


def bound(finding: Finding) -> str:
    """The limit of a finding in words; nothing where there is none."""
    return line(_NUMBERS.limit(finding)) if finding.limit is not None else ""


def numbers(finding: Finding) -> dict[str, str]:
    """Value, ends of the interval and limit as plain numbers; what is not known is left out."""
    estimate, limit = finding.estimate, finding.limit
    known = {"value": estimate.value}
    if estimate.value is not None:
        known |= {"low": estimate.low, "high": estimate.high}
    if limit is not None:
        known["limit"] = limit.value
    return {k: f"{x:.10g}" for k, x in known.items() if x is not None}


def size(finding: Finding) -> str:
    """How many records stand behind a finding; nothing where that is not told."""
    return "" if is_hidden(finding.estimate.reason) else str(finding.estimate.n)


def sentence(finding: Finding) -> str:
    """A finding as a sentence: `Copies: 3.1% (95% CI 2.5% to 3.7%), limit 1%; outside`."""
    groups = {} if names_its_group(finding) else finding.group
    about = "".join(f", {line(k)} = {line(v)}" for k, v in sorted(groups.items()))
    limit = f", {bound(finding)}" if finding.limit is not None else ""
    whys = [said(m) for m in (finding.reason, finding.doubt, finding.warning)]
    if finding.needed is not None:
        whys.insert(2, f"{_TEXT.say('page.fact.needed')}: {said(finding.needed)}.")
    whole = f"{said(finding.label)}{about}: {value(finding)}{limit}; {judged(finding)}."
    return " ".join([whole, *dict.fromkeys(why for why in whys if why and why not in whole)])


def state(control: ControlReading) -> str:
    """What a clause reads as, in the words of the page."""
    return _TEXT.say(f"page.state.{control.state.value}")


def judged(finding: Finding) -> str:
    """The verdict in words; of a gap that is smaller than its limit asks for, that."""
    if finding.verdict is Verdict.INFO and finding.limit is not None:
        return _TEXT.say(f"page.word.{word(finding)}").lower()
    return str(finding.verdict or Verdict.INFO).replace("_", " ")


def unmeasured(report: AuditReport) -> list[Limit]:
    """Limits of the policy that nothing was held against."""
    measured = {f.metric for _, f in report.findings()}
    return [limit for limit in report.policy.limits if limit.metric not in measured]


def limitations(report: AuditReport) -> list[str]:
    """What was not measured, and which audits did not run and why."""
    idle = [
        f"{section.audit}: {section.status.value}. {said(section.reason)}".strip()
        for section in report.sections
        if section.status is not Status.RAN
    ]
    return each([*map(said, report.not_measured), *map(line, idle), *map(said, report.remarks)])


def each(texts: Iterable[str]) -> list[str]:
    """The texts that say something, each once."""
    return list(dict.fromkeys(text for text in texts if text))


def context(report: AuditReport, key: str) -> str:
    """What the operator declared under a key, as one line; nothing where that is no text."""
    given = report.context.get(key)
    return line(given) if isinstance(given, str) else ""


def over(report: AuditReport, on: dt.date | None) -> str:
    """That its validity was over on a day, as a sentence; nothing where it was not, or for None."""
    until = expired(report.context, on) if on is not None else None
    if until is None:
        return ""
    return f"Expired: the report was valid until {line(until)}, so nothing passes by it any more."


def regimes(report: AuditReport) -> dict[str, list[ControlReading]]:
    """Clauses by the regulation that they stand in."""
    found: dict[str, list[ControlReading]] = {}
    for control in report.controls:
        found.setdefault(control.regulation, []).append(control)
    return found
