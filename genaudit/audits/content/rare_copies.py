"""Copies of rare people: does the generator reproduce those who are easiest to recognise?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from genaudit.audits._power import DOUBT_CONFIDENCE, default_limit, shown, shown_of, smallest
from genaudit.audits.privacy.copies import incomparable
from genaudit.audits.words import listed
from genaudit.case import AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL, hidden, shown_cells, shown_parts, taken_for
from genaudit.data.schema import Column
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.gaps import Gaps, compared, not_compared
from genaudit.modalities.table.space import Keys, exact_hits, near_hits, one_each, one_row_each
from genaudit.result import Estimate, Finding, Message, message, words_of
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval, newcombe
from genaudit.subject import Access

_METRIC = "content.rare_copies.rate"
_GROUP_METRIC = "content.rare_copies.group_rate"
_METHOD = "difference of two hit rates, Newcombe; a few hits as any number of a few"
_UNIT = "share of rare training rows"

_NOT_ESTIMABLE = message(
    "content.rare_copies.not_estimable",
    "Not estimable: fewer than ten rare rows among training rows or among unseen rows.",
)

#: The group of rows without a value.
_MISSING = message("group.missing", "missing")

#: The chapter's 1%, shared by its two limited findings.
_POWER_CONFIDENCE = 0.99

#: Fewest rows of a group for a number that may be judged; under `SMALL_CELL` there is no number.
_ENOUGH = 30

#: Fewest numbers of a few people that are not told apart from each other.
_LEAST_APART = 3


@dataclass(frozen=True)
class RareCopiesOptions:
    """Parameters: rows count as rare above this quantile of the rarity of reference rows."""

    quantile: float = ranged(0.9, 0, 1)


@dataclass(frozen=True, eq=False)
class Rare:
    """Rare rows of one table that can be told apart from all others, and which were hit, (n,)."""

    table: Dataset
    hit: np.ndarray

    def count(self, some: np.ndarray | None = None) -> tuple[int, int]:
        """(hits, rows), of all or of some rows (a mask or positions)."""
        hit = self.hit if some is None else self.hit[some]
        return int(hit.sum()), len(hit)


@audit(
    title="Copies of rare rows",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Feldman 2020, Does Learning Require Memorization? (rare examples are memorised); "
    "Newcombe 1998 (method 10)",
    options=RareCopiesOptions,
    metrics=(_METRIC, _GROUP_METRIC),
)
def rare_copies(case: AuditCase, options: RareCopiesOptions) -> Outcome:
    """Rare people whose row the generator reproduces.

    The reader of the samples knows someone unusual: an age, a job and an origin that few share.
    They look for the row that fits, and everything else in it is then known to them. Generators
    memorise rare rows first, and rare people are often members of a minority; whoever publishes
    such rows answers for it. Rarity is the sum over columns of -log(share of the cell) among
    reference rows, which the generator never saw; copies are rows equal to a sample in all columns
    but at most one. Equally rare unseen rows show how many matches chance makes. Of a person with
    several rows a random one counts.
    """
    samples, rng = case.samples, case.rng("content.rare_copies")
    reference = one_row_each(case.reference, rng)
    tables = (case.train, case.non_members)
    columns = compared(samples, *tables)
    unread = not_compared(samples, columns)
    rarity = _rarity(reference, (*samples.absent, *unread))
    bar = np.quantile(rarity(reference), options.quantile)
    rare = tuple(_some(rarity(table) >= bar, table, rng) for table in tables)
    found = _hits(tables, rare, samples, columns)
    blind = _hits(tables, rare, reference, columns)
    # A row that has lost one cell is still found by all others.
    n_unreadable = Gaps.of(samples, columns, *tables).n_rows(2)
    unlike = _unlike(blind) or incomparable(case)
    findings = (
        _overall(found, blind, case, n_unreadable, unlike),
        *_by_group(found, len(case.train), unlike),
    )
    return Outcome(findings, not_measured=_left_out((*samples.absent, *unread)))


def _some(rare: np.ndarray, table: Dataset, rng: np.random.Generator) -> np.ndarray:
    """The rows of a mask that are also the random row of their person."""
    picked = np.zeros(len(rare), dtype=bool)
    picked[one_each(table, np.arange(len(rare)), rng)] = True
    return rare & picked


def _left_out(columns: tuple[str, ...]) -> tuple[Message, ...]:
    if not columns:
        return ()
    return (
        message(
            "content.rare_copies.unread",
            "Rare rows were looked for without {columns}: the samples lack these columns, or most "
            "of their cells are missing or not allowed by the schema.",
            columns=listed(columns),
        ),
    )


def _rarity(reference: Dataset, absent: tuple[str, ...]) -> Callable[[Dataset], np.ndarray]:
    """Rows -> sum of -log(share of each cell among reference rows), half a row added to each."""
    grid = Grid(tuple(c for c in Grid.learned(reference).columns if c.name not in absent))
    if not grid.columns:
        return lambda rows: np.zeros(len(rows))
    codes = grid.encode(reference)
    surprise = []
    for j, size in enumerate(grid.sizes):
        counts = np.bincount(codes[codes[:, j] >= 0, j], minlength=size)
        # One more cell for values that no reference row has: code -1 finds it at the end.
        smooth = np.append(counts, 0) + 0.5
        surprise.append(-np.log(smooth / smooth.sum()))

    def rarity(rows: Dataset) -> np.ndarray:
        cells = grid.encode(rows)
        return np.sum([s[cells[:, j]] for j, s in enumerate(surprise)], axis=0)

    return rarity


def _hits(
    tables: tuple[Dataset, Dataset],
    rare: tuple[np.ndarray, ...],
    samples: Dataset,
    columns: tuple[Column, ...],
) -> tuple[Rare, Rare]:
    """Rare training and rare unseen rows that can be told apart, and which of them samples hit."""
    keys = [Keys.of(table, columns) for table in tables]
    pool, made = Keys.joined(keys), Keys.of(samples, columns)
    exact, near = exact_hits(pool, made), near_hits(pool, made)
    visible, hit = exact.visible | near.visible, exact.hit | near.hit
    cut = [len(keys[0])]
    parts = zip(tables, rare, np.split(visible, cut), np.split(hit, cut), strict=True)
    train, unseen = (Rare(t.take(r & v), h[r & v]) for t, r, v, h in parts)
    return train, unseen


def _overall(
    found: tuple[Rare, Rare], blind: tuple[Rare, Rare], case: AuditCase, n_unreadable: int,
    unlike: Message | None,
) -> Finding:  # fmt: skip
    train, unseen = found
    (hits, n), (control_hits, n_control) = train.count(), unseen.count()
    n_rows = len(case.train)
    finding = Finding(
        metric=_METRIC,
        label=message(_METRIC, "Rare training rows among the samples, beyond chance"),
        estimate=_difference(hits, n, control_hits, n_control, n_rows, n_unreadable),
        null=_null(unseen, n_rows),
        baseline=_difference(*blind[0].count(), *blind[1].count(), n_rows),
        baseline_label=message(
            "content.rare_copies.blind",
            "Real rows that the generator never saw, in place of its samples",
        ),
        doubt=_few(min(n, n_control)) or unlike,
        note=message(
            "content.rare_copies.note",
            "{n} rare training rows and {control} equally rare unseen rows can be told apart from "
            "all others; the samples hold {hits} and {control_hits} of them, whole or in all "
            "columns but one.",
            n=shown(n),
            control=shown(n_control),
            hits=shown_of(hits, n),
            control_hits=shown_of(control_hits, n_control),
        ),
    )
    n_samples = len(case.samples)
    return finding.model_copy(update=_power(n, control_hits, n_control, n_samples))


def _null(unseen: Rare, n_rows: int) -> Estimate:
    """The difference of two halves of the rows that the generator never saw."""

    def difference(one: np.ndarray, other: np.ndarray) -> Estimate:
        return _difference(*unseen.count(one), *unseen.count(other), n_rows)

    halves = middle_halves(len(unseen.hit), lambda a, b: difference(a, b).value)
    return difference(*halves)


def _by_group(found: tuple[Rare, Rare], n_rows: int, unlike: Message | None) -> Iterator[Finding]:
    """Who is exposed most: the same difference in each group of each sensitive column."""
    train, unseen = found
    for column in train.table.schema.sensitive:
        groups = [_texts(rows, column) for rows in found]
        levels = sorted({*groups[0], *groups[1]})
        told = [_told(rows, mine, levels) for rows, mine in zip(found, groups, strict=True)]
        for i, level in enumerate(levels):
            (hits, n), (control_hits, n_control) = (
                train.count(groups[0] == level),
                unseen.count(groups[1] == level),
            )
            least, reason = min(n, n_control), None
            if least < SMALL_CELL or not (told[0][i] and told[1][i]):
                reason = _NOT_ESTIMABLE if least < SMALL_CELL else hidden()
            yield Finding(
                metric=_GROUP_METRIC,
                label=message(
                    "content.rare_copies.group_rate",
                    "Rare training rows of one group among the samples, beyond chance",
                ),
                group={column.name: level},
                words=words_of(_MISSING) if level == _MISSING.text_en else {},
                estimate=_difference(hits, n, control_hits, n_control, n_rows)
                if reason is None
                else Estimate.undefined(reason, n=n_rows, method=_METHOD, unit=_UNIT),
                doubt=(_few(least) or unlike) if reason is None else None,
            )


def _told(rows: Rare, groups: np.ndarray, levels: list[str]) -> np.ndarray:
    """Levels whose rows and hits may be printed where those of all levels are, bools (levels,)."""
    if not levels:
        return np.zeros(0, dtype=bool)
    hits, n = np.array([rows.count(groups == level) for level in levels]).T
    return shown_parts(n) & shown_cells(np.column_stack([hits, n - hits])).all(axis=1)


def _texts(rows: Rare, column: Column) -> np.ndarray:
    values = rows.table.frame[column.name].astype(object)
    return values.where(values.notna(), _MISSING.text_en).astype(str).to_numpy()


def _difference(
    hits: int, n: int, control_hits: int, n_control: int, n_rows: int, n_unreadable: int = 0
) -> Estimate:
    """Difference of two rates; the upper end supposes that unreadable samples are copies of n.

    Numbers of a few people are the same for each such number, so that none can be worked out.

    n_rows: rows to state where there is no number; those that are rare may be a few.
    """
    if min(n, n_control) < SMALL_CELL:
        return Estimate.undefined(_NOT_ESTIMABLE, n=n_rows, method=_METHOD, unit=_UNIT)
    (least, most), (calm_least, calm_most) = _taken_for(hits, n, control_hits, n_control)

    def interval(confidence: float) -> Interval:
        low, _ = newcombe(least, n, calm_most, n_control, confidence)
        _, high = newcombe(most, n, calm_least, n_control, confidence)
        return low, min(1.0, high + n_unreadable / n)

    value = (least + most) / 2 / n - (calm_least + calm_most) / 2 / n_control
    return Estimate.of(value, interval, n=n, method=_METHOD, unit=_UNIT)


def _taken_for(
    hits: int, n: int, control_hits: int, n_control: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Numbers that a reader may take hits and control hits for, smallest and largest.

    The verdict of the bundled policy is no secret, so that of the numbers of a few people those
    are apart for which it differs, where there are enough of them on each side.
    """
    mine, calm = taken_for(hits, n), taken_for(control_hits, n_control)

    def beyond(k: int, c: int) -> bool:
        low, _ = newcombe(k, n, c, n_control, _POWER_CONFIDENCE)
        return low > default_limit(_METRIC)

    if mine[0] < mine[1]:
        return _side(hits, *mine, lambda k: beyond(k, calm[1])), calm
    # Fewer control hits are more evidence, so that the numbers are tried downwards.
    low, high = _side(-control_hits, -calm[1], -calm[0], lambda c: beyond(hits, -c))
    return mine, (-high, -low)


def _side(count: int, low: int, high: int, beyond: Callable[[int], bool]) -> tuple[int, int]:
    """The part of [low, high] that holds the count, cut where numbers begin to be beyond a limit.

    Each part has `_LEAST_APART` numbers at least, or there is none but the whole.
    """
    first = next((x for x in range(low, high + 1) if beyond(x)), high + 1)
    cut = max(first, low + _LEAST_APART)
    if first == low or cut > high + 1 - _LEAST_APART:
        return low, high
    return (low, cut - 1) if count < cut else (cut, high)


def _power(n: int, control_hits: int, n_control: int, n_samples: int) -> dict[str, float | None]:
    """Ceiling and detectable difference, as fields of a finding."""
    if min(n, n_control) < SMALL_CELL:
        return {}
    limit = default_limit(_METRIC)
    chance = control_hits / n_control

    def low(hits: float) -> float:
        k = min(round(hits), n)
        (least, _), (_, calm_most) = _taken_for(k, n, control_hits, n_control)
        return newcombe(least, n, calm_most, n_control, _POWER_CONFIDENCE)[0]

    return {
        "ceiling": low(min(n, n_samples)),
        "detectable": smallest(
            lambda rate: low(binom.ppf(0.2, n, min(1.0, chance + rate))) > limit, limit, 1.0
        ),
    }


def _unlike(blind: tuple[Rare, Rare]) -> Message | None:
    (hits, n), (control_hits, n_control) = blind[0].count(), blind[1].count()
    low, high = newcombe(hits, n, control_hits, n_control, DOUBT_CONFIDENCE)
    if low <= 0 <= high:
        return None
    return message(
        "content.rare_copies.unlike",
        "Unseen real rows match rare training and rare holdout rows unequally, so the two are not "
        "alike and matches with samples prove nothing.",
    )


def _few(n: int) -> Message | None:
    if n >= _ENOUGH:
        return None
    return message(
        "content.rare_copies.few",
        "Too few rare rows for a judgement; expected at least {n:integer} on each side.",
        n=_ENOUGH,
    )
