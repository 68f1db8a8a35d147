"""Personal identifiers among the samples: e-mail addresses, phone and card numbers, IDs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from genaudit.audits._power import default_limit, smallest
from genaudit.audits.content._pattern import PATTERNS, kinds_in
from genaudit.audits.words import COLUMN_WORD, listed
from genaudit.case import AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Schema
from genaudit.result import Estimate, Finding, Message, message, words_of
from genaudit.stats.intervals import Interval, clopper_pearson
from genaudit.subject import Access

_METRIC = "content.personal_data.rate"
_METHOD = "patterns with checksums, Clopper-Pearson"
_UNIT = "share of generated rows"

#: The group of a finding: a column, and a kind of identifier.
_KIND = message("group.kind", "kind")
_IDENTIFIERS = {p.kind: message(f"identifier.{p.kind.replace(' ', '_')}", p.kind) for p in PATTERNS}

#: The chapter's 1%, shared by its two limited findings.
_POWER_CONFIDENCE = 0.99


@dataclass(frozen=True, eq=False)
class Scan:
    """Which rows hold which kind in which column: (column, kind) -> mask of shape (n,)."""

    n: int
    masks: dict[tuple[str, str], np.ndarray]

    def rows(self) -> int:
        """Rows with any identifier."""
        return int(np.any([*self.masks.values(), np.zeros(self.n, dtype=bool)], axis=0).sum())


@audit(
    title="Personal identifiers",
    needs={Access.SAMPLES},
    source="ISO/IEC 7812-1 (Luhn), ISO 13616-1 (IBAN), GB 11643-1999 (resident ID), ITU-T E.164 "
    "(phone numbers)",
)
def personal_data(case: AuditCase, _options: NoOptions) -> Outcome:
    """Identifiers of people in what the generator makes.

    The reader of the samples searches them for what leads to a person directly: an address to
    write to, a number to call or to charge. Such a string was either copied from a real person or
    happens to be somebody's; whoever publishes it answers for it. Searched is every text of every
    row, in columns of levels and in those that are not modelled; what the schema declares as a
    public category does not count. The report names columns and kinds, never the strings.
    """
    scan = _scan(case.samples)
    columns = _searched(case.schema)
    overall = Finding(
        metric=_METRIC,
        label=message(_METRIC, "Generated rows with a personal identifier"),
        estimate=_rate(scan.rows(), scan.n),
        baseline=_of_train(case),
        baseline_label=message("content.personal_data.train", "Training rows, searched likewise"),
        ceiling=clopper_pearson(scan.n, scan.n, _POWER_CONFIDENCE)[0],
        detectable=_detectable(scan.n),
        note=_note(columns, scan),
    )
    each = tuple(_of_column(scan, column, kind) for column, kind in scan.masks)
    return Outcome((overall, *each), not_measured=tuple(_not_searched(case.samples)))


def _searched(schema: Schema) -> list[Column]:
    return [c for c in schema.columns if c.discrete or not c.modelled]


def _scan(data: Dataset) -> Scan:
    """Search every text once, however many rows hold it."""
    masks = {}
    drafted = data.schema.origin == "drafted"
    for column in _searched(data.schema):
        # A draft took its levels from data, so they are not known to be public.
        public = set() if drafted or not column.modelled else set(column.levels or ())
        texts = data.frame[column.name].astype(object)
        found = {
            text: kinds_in(str(text)) for text in pd.unique(texts.dropna()) if text not in public
        }
        for pattern in PATTERNS:
            holding = [text for text, kinds in found.items() if pattern.kind in kinds]
            if holding:
                masks[column.name, pattern.kind] = texts.isin(holding).to_numpy()
    return Scan(len(data), masks)


def _rate(k: int, n: int) -> Estimate:
    def interval(confidence: float) -> Interval:
        return clopper_pearson(k, n, confidence)

    return Estimate.of(k / n, interval, n=n, method=_METHOD, unit=_UNIT)


def _of_train(case: AuditCase) -> Estimate | None:
    if Knowledge.TRAIN not in case.data:
        return None
    scan = _scan(case.train)
    estimate = _rate(scan.rows(), scan.n)
    return estimate.model_copy(update={"unit": "share of training rows"})


def _of_column(scan: Scan, column: str, kind: str) -> Finding:
    return Finding(
        metric="content.personal_data.column_rate",
        label=message(
            "content.personal_data.column_rate", "Generated rows with one kind in one column"
        ),
        group={COLUMN_WORD.text_en: column, _KIND.text_en: kind},
        words=words_of(COLUMN_WORD, _KIND, _IDENTIFIERS[kind]),
        estimate=_rate(int(scan.masks[column, kind].sum()), scan.n),
    )


def _detectable(n: int) -> float | None:
    limit = default_limit(_METRIC)

    def flagged(rate: float) -> bool:
        return clopper_pearson(int(binom.ppf(0.2, n, rate)), n, _POWER_CONFIDENCE)[0] > limit

    return smallest(flagged, limit, 1.0)


def _note(columns: list[Column], scan: Scan) -> Message:
    if not columns:
        return message(
            "content.personal_data.no_text",
            "The schema has no column of text, so there was nothing to search.",
        )
    found = [
        message("content.personal_data.found", "{kind} in {column}", kind=_IDENTIFIERS[kind],
                column=column)
        for column, kind in scan.masks
    ]  # fmt: skip
    return message(
        "content.personal_data.note",
        "Searched {n:integer} columns for {kinds}. Found: {found}.",
        n=len(columns),
        kinds=listed(list(_IDENTIFIERS.values())),
        found=listed(found),
    )


def _not_searched(samples: Dataset) -> list[Message]:
    unread = []
    if samples.extra:
        unread.append(
            message(
                "content.personal_data.extra",
                "Personal identifiers in {columns}: the schema does not know these columns of the "
                "samples, so they were not searched.",
                columns=", ".join(samples.extra),
            )
        )
    names = {c.name for c in _searched(samples.schema)}
    invalid = [name for name in samples.invalid if name in names]
    if invalid:
        unread.append(
            message(
                "content.personal_data.invalid",
                "Personal identifiers among values of {columns} that the schema does not allow.",
                columns=", ".join(invalid),
            )
        )
    return unread
