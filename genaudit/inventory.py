"""What there is: audits, models, regulations, data sets, and what releases add up to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from genaudit.audits import audits
from genaudit.compliance.controls import Control, Regulation, questions, regulations
from genaudit.data import bundled
from genaudit.data.schema import MODALITIES
from genaudit.ledger import UNDECLARED, Entry, Scope, Touch, TouchKind, counted
from genaudit.models import FAMILIES
from genaudit.training.book import finite_from, together

#: δ at which releases are added up that do not say at which they claim something.
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
        modalities = ["table", *dict.fromkeys(MODALITIES.values())]
        return [
            {"name": name, "modalities": modalities, "private": True, "description": text}
            for name, text in FAMILIES.items()
        ]
    if what == "regulations":
        return [_clause(r, c) for r in regulations() for c in r.controls]
    return [
        {"name": d.name, "modality": d.modality, "rows": d.rows, "sensitive": list(d.sensitive),
         "licence": d.licence}
        for d in bundled.DATASETS.values()
    ]  # fmt: skip


def _clause(regulation: Regulation, control: Control) -> dict[str, Any]:
    """A clause with its regulation and with what the operator is asked."""
    row = control.model_dump(mode="json")
    row["url"] = row["url"] or regulation.url
    about = regulation.model_dump(mode="json", include={"name", "version", "retrieved", "read"})
    about["source_basis"] = regulation.basis and regulation.basis.model_dump()
    question = questions()[control.applicability].model_dump()
    return {"id": row.pop("id"), "regulation": regulation.id, **row, **about, "question": question}


@dataclass(frozen=True)
class Total:
    """What the accounted releases of a data set add up to, for one unit of privacy.

    epsilon: None where it is not finite at `delta`. finite_from: then a larger δ and its ε, if any.
    open: trainings that have not ended, with all that they may still spend.
    """

    dataset: str
    unit: str
    relation: str
    delta: float
    epsilon: float | None
    finite_from: tuple[float, float] | None
    open: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.dataset}: all accounted releases together spend {self._spent} for one "
            f"{self.unit} ({self.relation})"
            + (_OPEN.format(", ".join(self.open)) if self.open else "")
            + (_APART if self.dataset.startswith(UNDECLARED) else "")
        )

    @property
    def _spent(self) -> str:
        if self.epsilon is not None:
            return f"at most ε = {self.epsilon:.3g} at δ = {self.delta:g}"
        if self.finite_from is None:
            return f"no finite ε at δ = {self.delta:g}, nor at any larger one"
        delta, epsilon = self.finite_from
        return f"no finite ε at δ = {self.delta:g}, but at most ε = {epsilon:.3g} at δ = {delta:g}"


def spent(entries: Sequence[Entry], delta: float | None = None) -> list[str]:
    """For each data set, what its release touches add up to: one line for each unit of privacy."""
    unpaid = Counter(e.touch.dataset for e in entries
                     if e.touch.scope is Scope.RELEASE and e.touch.unpaid)  # fmt: skip
    found, lines = totals(entries, delta), []
    for dataset in dict.fromkeys(e.touch.dataset for e in entries):
        lines += [str(total) for total in found if total.dataset == dataset]
        if n := unpaid[dataset]:
            lines.append(f"{dataset}: {n} unaccounted release touches; no ε covers them")
    return lines


def totals(entries: Sequence[Entry], delta: float | None = None) -> list[Total]:
    """What the releases of each data set add up to, for each unit of privacy.

    Args:
        entries: Of a ledger.
        delta: δ of every total; None = of each the largest δ that one of its releases claims.
    """
    found = []
    for dataset in dict.fromkeys(e.touch.dataset for e in entries):
        release = [e.touch for e in entries
                   if e.touch.dataset == dataset and e.touch.scope is Scope.RELEASE]  # fmt: skip
        paid = counted(release)
        for unit in dict.fromkeys(t.unit for t in paid):
            claimed = [t.delta for t in release if t.unit == unit and t.delta is not None]
            own = max(claimed, default=_DELTA) if delta is None else delta
            found.append(_total([t for t in paid if t.unit == unit], own))
    return found


def _total(paid: Sequence[Touch], delta: float) -> Total:
    """What touches of one unit spend, under the weaker relation where there are two."""
    relations = {t.relation for t in paid}
    relation = relations.pop() if len(relations) == 1 else "zero-out"
    mechanisms = [m for t in paid for m in t.spends]
    epsilon = together(mechanisms, delta, relation)
    finite = math.isfinite(epsilon)
    return Total(
        dataset=paid[0].dataset,
        unit=paid[0].unit,
        relation=relation,
        delta=delta,
        epsilon=epsilon if finite else None,
        finite_from=None if finite else finite_from(mechanisms, delta, relation),
        open=tuple(t.run for t in paid if t.kind is TouchKind.RESERVED),
    )
