"""The forms for machines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from genaudit.render.card import to_card
from genaudit.render.cyclonedx import to_cyclonedx
from genaudit.render.junit import to_junit
from genaudit.render.oscal import to_oscal
from genaudit.render.policy import to_policy
from genaudit.render.sarif import to_sarif
from genaudit.result import AuditReport

#: Name, as `genaudit report --format` takes it -> the report in that form.
FORMS: Mapping[str, Callable[[AuditReport], str]] = {
    "junit": to_junit,
    "sarif": lambda report: to_sarif(report, to_policy(report.policy)),
    "oscal": lambda report: to_oscal(report, {}),
    "cyclonedx": to_cyclonedx,
    "card": to_card,
}
