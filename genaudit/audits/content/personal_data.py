"""Personal identifiers among the samples: addresses of mail and machines, numbers of persons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from genaudit.audits._power import default_limit, smallest
from genaudit.audits.content._pattern import PATTERNS, counting_on, labelled, look
from genaudit.audits.words import COLUMN_WORD, listed
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import hidden, shown_share
from genaudit.data.frame import as_text
from genaudit.data.schema import Kind, Role
from genaudit.result import Estimate, Finding, Message, message, words_of
from genaudit.stats.intervals import Interval, clopper_pearson
from genaudit.subject import Access

_METRIC = "content.personal_data.rate"
_COLUMN_METRIC = "content.personal_data.column_rate"
_METHOD = "patterns with checksums, Clopper-Pearson"
_UNIT = "share of generated rows"

#: The group of a finding: a column, and a kind of identifier.
_KIND = message("group.kind", "kind")
_IDENTIFIERS = {p.kind: message(f"identifier.{p.kind.replace(' ', '_')}", p.kind) for p in PATTERNS}

#: The chapter's 1%, shared by its two limited findings.
_POWER_CONFIDENCE = 0.99


#: Chance that a checksum is held to be passed for a reason though it is passed by luck.
_LUCK = 1e-4

#: Numbers from here on are long enough to be a card number or a resident ID; in a column whose
#: name says so, to be a phone number.
_LONG, _LABELLED = 1e12, 1e6


_UNSEARCHED = message(
    "content.personal_data.unsearched",
    "Names, postal addresses, and numbers of persons that no pattern tells from others: phone "
    "numbers without a country code, a known national format or a word such as 'phone' before "
    "them, and identity numbers of countries other than those named in the finding.",
)


@dataclass(frozen=True, eq=False)
class Scan:
    """Which rows hold which kind in which column: (column, kind) -> mask of shape (n,).

    lucky: (column, kind) whose checksum fits no more often than it fits by chance; not in `masks`.
    serial: (column, kind) whose plain numbers are ids or count on from one; not in `masks` either.
    """

    n: int
    masks: dict[tuple[str, str], np.ndarray]
    lucky: tuple[tuple[str, str], ...]
    serial: tuple[tuple[str, str], ...] = ()

    def rows(self) -> int:
        """Rows with any identifier."""
        return int(np.any([*self.masks.values(), np.zeros(self.n, dtype=bool)], axis=0).sum())


@audit(
    title="Personal identifiers",
    needs={Access.SAMPLES},
    source="ISO/IEC 7812-1 (Luhn), ISO 13616-1 (IBAN), GB 11643-1999 (resident ID), ITU-T E.164 "
    "and the numbering plans of North America and China (phone numbers), RFC 4291 (IPv6)",
    modalities=EVERY,
    metrics=(_METRIC, _COLUMN_METRIC),
)
def personal_data(case: AuditCase, _options: NoOptions) -> Outcome:
    """Identifiers of people in what the generator makes.

    The reader of the samples searches them for what leads to a person directly: an address to
    write to, a number to call or to charge. Such a string was either copied from a real person or
    happens to be somebody's; whoever publishes it answers for it. Searched is every text of every
    row: in records that are texts, in columns of levels, in those that are not modelled, in those
    that the schema does not know, and among values that it does not allow, with all whole numbers
    of thirteen digits or more, and of seven in a column whose name says that they are phone
    numbers; what the schema declares as a public category does not count. Where a checksum fits
    about as often as it fits by chance, the strings are numbers of another kind and are not
    counted. Nor are eleven plain digits that begin as mobile numbers do where the column is
    declared to hold ids, or where they count on from one another: people do have their number as
    their id, so that they are none cannot be told either. The report names columns and kinds, never
    the strings.
    """
    scan = _scan(case.samples)
    columns = [name for name, _, _ in _searched(case.samples)]
    rate = _rate(scan.rows(), scan.n)
    luck = (*map(_by_luck, scan.lucky), *map(_as_ids, scan.serial))
    # What else was found may be too much on its own; that there is little cannot be told.
    flagged = rate.p_above(default_limit(_METRIC)) <= (1 - _POWER_CONFIDENCE) / 2
    overall = Finding(
        metric=_METRIC,
        label=message(_METRIC, "Generated rows with a personal identifier"),
        estimate=rate,
        baseline=_of_train(case),
        baseline_label=message("content.personal_data.train", "Training rows, searched likewise"),
        ceiling=clopper_pearson(scan.n, scan.n, _POWER_CONFIDENCE)[0],
        detectable=_detectable(scan.n),
        doubt=luck[0] if luck and not flagged else None,
        note=_note(len(dict.fromkeys(columns)), scan),
    )
    each = tuple(_of_column(scan, column, kind) for column, kind in scan.masks)
    return Outcome((overall, *each), not_measured=(_UNSEARCHED, *luck))


def _searched(data: Dataset) -> Iterator[tuple[str, pd.Series, set[str]]]:
    """Name and texts of each column, missing where a row has none, and its public levels."""
    declared = data.schema.origin == "declared"
    # Pictures, series and sounds hold no text.
    mute = {c.name for c in data.schema.by_role(Role.RECORD) if c.kind is not Kind.TEXT}
    for column in (c for c in data.schema.columns if c.name not in mute):
        if column.discrete or not column.modelled:
            # Levels that were read from data are not known to be public.
            public = set(column.levels or ()) if declared and column.modelled else set()
            yield column.name, data.frame[column.name].astype(object), public
        else:
            numbers = data.frame[column.name]
            long = numbers.abs() >= (_LABELLED if labelled(column.name) else _LONG)
            yield column.name, as_text(numbers[long]).reindex(numbers.index), set()
    for name, cells in data.unplaced.drop(columns=[*mute], errors="ignore").items():
        yield str(name)[:80], cells, set()


def _scan(data: Dataset) -> Scan:
    """Search every text once, however many rows hold it."""
    masks: dict[tuple[str, str], np.ndarray] = {}
    lucky, serial = [], []
    ids = {c.name for c in data.schema.columns if c.role in (Role.ID, Role.PERSON)}
    for name, texts, public in _searched(data):
        said = f"{word}: " if (word := labelled(name)) else ""
        found = {
            text: look(f"{said}{text}") for text in pd.unique(texts.dropna()) if text not in public
        }
        for pattern in PATTERNS:
            valid = [text for text, kinds in found.items() if pattern.kind in kinds.valid]
            alike = sum(pattern.kind in kinds.alike for kinds in found.values())
            key = (name, pattern.kind)
            if pattern.serial and not word:
                plain = {text for text in valid if text.isdigit()}
                if plain and (name in ids or counting_on([int(text) for text in plain])):
                    serial.append(key)
                    valid = [text for text in valid if text not in plain]
                    alike -= len(plain)
            if _lucky(len(valid), alike, pattern.chance):
                lucky.append(key)
            elif valid:
                masks[key] = texts.isin(valid).to_numpy() | masks.get(key, False)
    return Scan(len(data), masks, tuple(dict.fromkeys(lucky)), tuple(dict.fromkeys(serial)))


def _lucky(valid: int, alike: int, chance: float) -> bool:
    """Whether so many of these different strings pass the checksum by chance.

    Real identifiers pass it all. Where some fail, a number that luck explains proves nothing.
    """
    return 0 < valid < alike and bool(binom.sf(valid - 1, alike, chance) > _LUCK)


def _rate(k: int, n: int) -> Estimate:
    def interval(confidence: float) -> Interval:
        return clopper_pearson(k, n, confidence)

    return Estimate.of(k / n, interval, n=n, method=_METHOD, unit=_UNIT)


def _of_train(case: AuditCase) -> Estimate | None:
    if Knowledge.TRAIN not in case.data:
        return None
    scan, unit = _scan(case.train), "share of training rows"
    if shown_share(scan.rows(), scan.n) is None:
        return Estimate.undefined(hidden(), n=scan.n, method=_METHOD, unit=unit)
    return _rate(scan.rows(), scan.n).model_copy(update={"unit": unit})


def _of_column(scan: Scan, column: str, kind: str) -> Finding:
    return Finding(
        metric=_COLUMN_METRIC,
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


def _note(n_columns: int, scan: Scan) -> Message:
    found = [
        message("content.personal_data.found", "{kind} in {column}", kind=_IDENTIFIERS[kind],
                column=column)
        for column, kind in scan.masks
    ]  # fmt: skip
    return message(
        "content.personal_data.note",
        "Searched {n:integer} columns for {kinds}. Found: {found}.",
        n=n_columns,
        kinds=listed(list(_IDENTIFIERS.values())),
        found=listed(found),
    )


def _by_luck(key: tuple[str, str]) -> Message:
    column, kind = key
    return message(
        "content.personal_data.luck",
        "Identifiers of the kind {kind} in {column}: strings there have the right shape, but their "
        "checksum or prefix fits no more often than by chance, so they were not counted.",
        column=column,
        kind=_IDENTIFIERS[kind],
    )


def _as_ids(key: tuple[str, str]) -> Message:
    column, kind = key
    return message(
        "content.personal_data.serial",
        "Identifiers of the kind {kind} in {column}: numbers there look so, but the column is "
        "declared to hold ids or the numbers count on from one another, so they were not counted. "
        "Whoever made them knows whether people can be called by them.",
        column=column,
        kind=_IDENTIFIERS[kind],
    )
