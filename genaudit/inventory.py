"""What there is: audits, models, regulations, data sets, and what releases add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genaudit.audits import audits
from genaudit.compliance.controls import regulations
from genaudit.data import bundled
from genaudit.ledger import UNDECLARED, Entry, Scope, Touch, TouchKind, counted
from genaudit.models import FAMILIES
from genaudit.training.book import together

#: δ at which releases are added up; a claim's own δ stands in its model.
_DELTA = 1e-6

#: Said of the total of a data set that is known by its content alone.
_APART = (
    ", in this very file: the same people in another file count apart until both have one name "
    "(--dataset-id, or the id of a schema)"
)

#: Said of a total with reservations in it, which a training may hold that nobody goes on with.
_OPEN = (
    ", what trainings that have not ended may still spend included ({}; one that will never be "
    "gone on with is ended by `genaudit ledger end`)"
)


def listing(what: str) -> list[dict[str, Any]]:
    """Rows of `genaudit list`: audits, models, regulations or datasets."""
    if what == "audits":
        return [
            {"id": a.id, "title": a.title.text_en, "needs": sorted(map(str, a.needs)),
             "modalities": sorted(a.modalities), "source": a.source, "metrics": sorted(a.metrics)}
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
    """For each data set, what its release touches add up to: one line for each unit of privacy."""
    lines = []
    for dataset in dict.fromkeys(e.touch.dataset for e in entries):
        release = [e.touch for e in entries
                   if e.touch.dataset == dataset and e.touch.scope is Scope.RELEASE]  # fmt: skip
        paid = counted(release)
        for unit in dict.fromkeys(t.unit for t in paid):
            lines.append(_total(dataset, [t for t in paid if t.unit == unit]))
        if unpaid := sum(t.unpaid for t in release):
            lines.append(f"{dataset}: {unpaid} unaccounted release touches; no ε covers them")
    return lines


def _total(dataset: str, paid: Sequence[Touch]) -> str:
    """What touches of one unit spend, under the weaker relation where there are two."""
    relations = {t.relation for t in paid}
    relation = relations.pop() if len(relations) == 1 else "zero-out"
    total = together([m for t in paid for m in t.spends], _DELTA, relation)
    reserved = [t.run for t in paid if t.kind is TouchKind.RESERVED]
    return (
        f"{dataset}: all accounted releases together spend at most ε = {total:.3g} "
        f"at δ = {_DELTA:g} for one {paid[0].unit} ({relation})"
        + (_OPEN.format(", ".join(reserved)) if reserved else "")
        + (_APART if dataset.startswith(UNDECLARED) else "")
    )
