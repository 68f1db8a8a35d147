"""The page of a full audit: a standard plan on the Adult table, with all clauses, small enough.

`full_audit.json.gz` is such an audit without the ladders of its intervals and without its clauses,
which are read anew here.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from genaudit.compliance.controls import readings
from genaudit.render import json
from genaudit.render.html import to_html
from genaudit.result import AuditReport

#: Bytes of a page that is sent by mail.
LIMIT = 150_000


def full_audit(**applies: bool) -> AuditReport:
    """191 findings and 74 clauses; what applies is as the operator says."""
    packed = (Path(__file__).parent / "full_audit.json.gz").read_bytes()
    report = json.loads(gzip.decompress(packed).decode())
    context = {**report.context, "applicability": dict(applies)}
    controls = tuple(readings(report.sections, context, "table"))
    return report.model_copy(update={"controls": controls, "context": context})


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_of_a_full_audit_is_small(lang: str) -> None:
    """As many findings as a standard audit of a table has, and 74 clauses."""
    report = full_audit()
    page = to_html(report, lang)

    assert len(report.findings()) >= 190
    assert len(report.controls) >= 74
    assert len(page.encode()) <= LIMIT
