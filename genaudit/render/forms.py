"""The forms for machines by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from genaudit.render.card import to_card
from genaudit.render.cyclonedx import to_cyclonedx
from genaudit.render.junit import to_junit
from genaudit.render.oscal import to_oscal
from genaudit.render.policy import to_policy
from genaudit.render.sarif import to_sarif
from genaudit.result import AuditReport


class _Form(Protocol):
    def __call__(self, report: AuditReport, on: dt.date | None = None, /) -> str: ...


def _sarif(report: AuditReport, on: dt.date | None = None) -> str:
    return to_sarif(report, to_policy(report.policy), on=on)


def _oscal(report: AuditReport, on: dt.date | None = None) -> str:
    return to_oscal(report, {}, on)


#: Name, as `genaudit report --format` takes it -> the report in that form, which says where its
#: validity was over on a day.
FORMS: Mapping[str, _Form] = {
    "junit": to_junit,
    "sarif": _sarif,
    "oscal": _oscal,
    "cyclonedx": to_cyclonedx,
    "card": to_card,
}
