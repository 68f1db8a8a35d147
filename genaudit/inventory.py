"""What there is: audits, models, regulations, data sets, and what releases add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genaudit.accounting import epsilon
from genaudit.audits import audits
from genaudit.compliance.controls import regulations
from genaudit.data import bundled
from genaudit.ledger import Entry, Scope, TouchKind
from genaudit.models import FAMILIES

#: δ at which releases are added up; a claim's own δ stands in its model.
_DELTA = 1e-6


def listing(what: str) -> list[dict[str, Any]]:
    """Rows of `genaudit list`: audits, models, regulations or datasets."""
    if what == "audits":
        return [
            {"id": a.id, "title": a.title.text_en, "needs": sorted(map(str, a.needs)),
             "modalities": sorted(a.modalities), "source": a.source}
            for a in audits().values()
        ]  # fmt: skip
    if what == "models":
        return [
            {"name": name, "modalities": ["table"], "private": True, "description": text}
            for name, text in FAMILIES.items()
        ]
    if what == "regulations":
        return [
            {"id": r.id, "name": r.name, "version": r.version, "controls": len(r.controls)}
            for r in regulations()
        ]
    return [
        {"name": d.name, "modality": d.modality, "rows": d.rows, "sensitive": list(d.sensitive),
         "licence": d.licence}
        for d in bundled.DATASETS.values()
    ]  # fmt: skip


def spent(entries: Sequence[Entry]) -> list[str]:
    """For each data set, one line on what its release touches add up to."""
    lines = []
    for dataset in dict.fromkeys(e.touch.dataset for e in entries):
        release = [e.touch for e in entries
                   if e.touch.dataset == dataset and e.touch.scope is Scope.RELEASE]  # fmt: skip
        paid = [t for t in release if t.kind is TouchKind.ACCOUNTED and t.mechanism]
        unpaid = sum(t.kind is TouchKind.UNACCOUNTED for t in release)
        if paid:
            total = epsilon([t.mechanism for t in paid if t.mechanism], _DELTA, paid[0].relation)
            lines.append(
                f"{dataset}: all accounted releases together spend at most ε = {total:.3g} "
                f"at δ = {_DELTA:g} for one {paid[0].unit} ({paid[0].relation})"
            )
        if unpaid:
            lines.append(f"{dataset}: {unpaid} unaccounted release touches; no ε covers them")
    return lines
