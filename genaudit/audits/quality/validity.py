"""Whether the samples keep to what the schema allows, and how many of them repeat each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from genaudit.audits.figures import bar, bars
from genaudit.audits.words import COLUMN_WORD
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import hidden, shown_share
from genaudit.data.record import frozen
from genaudit.modalities.table.quality import distinct_rate
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.intervals import Interval, clopper_pearson
from genaudit.subject import Access

INVALID = "quality.validity.invalid_rate"
COLUMN = "quality.validity.column_invalid_rate"
DISTINCT = "quality.validity.distinct_rate"

_HEADING = message(
    f"{COLUMN}.heading", "Share of generated values that the schema does not allow, by column"
)
_BAD = message("series.not_allowed", "not allowed")


@audit(
    title="Keeping to the schema",
    needs={Access.SAMPLES},
    source="Clopper & Pearson 1934, Biometrika 26; a mean of values in [0, 1] varies at most as a "
    "rate does (Hoeffding 1963, J. Am. Stat. Assoc. 58, theorem 1)",
    modalities=EVERY,
    metrics=(INVALID, COLUMN, DISTINCT),
)
def validity(case: AuditCase, _options: NoOptions) -> Outcome:
    """Count the cells of the samples that the schema does not allow.

    Somebody feeds the samples to software made for the real table. Undeclared categories, numbers
    beyond their bounds, missing values where none may be and absent columns break it, or worse,
    pass unseen. Rows that repeat each other are counted too: a generator that has collapsed makes
    valid rows, but few different ones. Of images, series, sounds and texts the records themselves
    are counted, whatever their attributes.
    """
    samples = case.samples
    cells = invalid_cells(samples)
    n, share = len(samples), sum(cells.values()) / (len(cells) * len(samples))
    estimate = Estimate.of(
        share,
        lambda c: rate_interval(share, n, c),
        n=n,
        method="Clopper-Pearson, as if all cells of a row stood or fell together",
        unit="share of cells",
    )
    label = message(INVALID, "Share of generated cells that the schema does not allow")
    finding = Finding(
        metric=INVALID, label=label, estimate=estimate, note=_foreign(samples)
    )  # fmt: skip
    columns = tuple(_column_findings(samples, cells))
    return Outcome((finding, *columns, _distinct(case)), _figure(columns))


def invalid_cells(samples: Dataset) -> dict[str, int]:
    """Cells of each column that is made that the schema does not allow; all of an absent column."""
    return {
        name: len(samples) if name in samples.absent else samples.invalid.get(name, 0)
        for name in samples.records
    }


def rate_interval(share: float, n: int, confidence: float) -> Interval:
    """Interval of the mean of n values in [0, 1] that are not only 0 and 1.

    Among all such values with a given mean, 0 and 1 vary most, so the interval of a rate holds;
    the count is rounded away from the inside.
    """
    successes = round(share * n, 9)
    low, _ = clopper_pearson(math.floor(successes), n, confidence)
    _, high = clopper_pearson(math.ceil(successes), n, confidence)
    return low, high


def _column_findings(samples: Dataset, cells: dict[str, int]) -> Iterator[Finding]:
    n = len(samples)

    def interval(bad: int) -> Callable[[float], Interval]:
        return lambda confidence: clopper_pearson(bad, n, confidence)

    for name, bad in sorted(cells.items(), key=lambda item: -item[1]):
        if bad:
            yield Finding(
                metric=COLUMN,
                label=message(
                    COLUMN,
                    "Share of generated values of “{column}” that the schema does not allow",
                    column=name,
                ),
                heading=_HEADING,
                estimate=Estimate.of(
                    bad / n,
                    interval(bad),
                    n=n,
                    method="Clopper-Pearson",
                    unit="share of rows",
                ),
                group={COLUMN_WORD.text_en: name},
                words=words_of(COLUMN_WORD),
            )  # fmt: skip


def _foreign(samples: Dataset) -> Message | None:
    """A remark on columns that the schema does not know."""
    if not samples.extra:
        return None
    return message(
        "quality.validity.extra",
        "{n:integer} columns of the samples are not in the schema and were not looked at, such as "
        "{column}.",
        n=len(samples.extra),
        column=samples.extra[0][:80],
    )


_DISTINCT = message(
    DISTINCT, "Number of different rows among the generated rows, as a share of all of them"
)
_DISTINCT_RECORDS = message(
    "quality.validity.distinct_records",
    "Number of different records among the generated ones, whatever their attributes, as a share "
    "of all of them",
)


def _distinct(case: AuditCase) -> Finding:
    """How many of the generated rows differ; beside it, of as many training rows."""
    samples, real = case.samples, None
    if Knowledge.TRAIN in case.data:
        n = min(len(samples), len(case.train))
        rows = case.rng("quality.validity.distinct").permutation(len(case.train))[:n]
        real = _distinct_estimate(case.train.take(rows), real=True)
    return Finding(
        metric=DISTINCT,
        label=_DISTINCT if samples.schema.record is None else _DISTINCT_RECORDS,
        estimate=_distinct_estimate(samples),
        null=real,
        note=message(
            "quality.validity.distinct",
            "A count of this very file. More rows repeat each other in a larger file, so compare "
            "it with as many real rows only.",
        ),
    )


def _distinct_estimate(data: Dataset, *, real: bool = False) -> Estimate:
    """Share of different rows; of real ones not where it would tell of a few that repeat."""
    record = data.schema.record
    records = data.records if record is None else data.frame[[record.name]].apply(frozen)
    n, share = len(data), distinct_rate(records)
    if real and shown_share(round(share * n), n) is None:
        return Estimate.undefined(hidden(), n=n, method="count", unit="share of rows")
    return Estimate.exact(share, n=n, method="count", unit="share of rows")


def _figure(columns: tuple[Finding, ...]) -> tuple[Figure, ...]:
    return bars(
        "quality.validity.columns",
        [bar(f.group["column"], _BAD, f.estimate) for f in columns[:15]],
        message("figure.invalid.title", "Columns with values that the schema does not allow"),
        message("figure.invalid.text", "Share of the generated values of each column, the worst "
                "first."),
        message("figure.share", "Share"), series=(_BAD,), metric=COLUMN,
    )  # fmt: skip
