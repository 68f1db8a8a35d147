"""Rows of the training data among the samples, beyond the matches that chance explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binom

from genaudit.audits._power import (
    DOUBT_CONFIDENCE,
    POWER_CONFIDENCE,
    default_limit,
    shown,
    shown_of,
    smallest,
)
from genaudit.audits.privacy._game import game
from genaudit.audits.words import listed
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.overlap import lopsided, parted
from genaudit.data.schema import Column
from genaudit.modalities.describe import Description
from genaudit.modalities.table.gaps import Gaps, compared, not_compared
from genaudit.modalities.table.space import (
    Hits,
    Keys,
    Space,
    exact_hits,
    near_hits,
    one_row_each,
    place_hits,
)
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.intervals import Interval, beyond_chance, clopper_pearson, poisson
from genaudit.subject import Access

#: Times that a training row is repeated, on average, to be few rows that fill samples.
_OFTEN = 10

_METHOD = "hits on rows that occur once, Fisher exact and Clopper-Pearson"
_UNIT = "share of generated rows"


@dataclass(frozen=True)
class Counts:
    """Hits on a pool of members (train) and controls (unseen rows) that can be told apart.

    A member is a row; where the schema names persons it is a person, hit where any row is.

    n_members, n_controls: those with rows that can be told apart; members_hit, controls_hit: found
        among samples. n_all_members: all members, told apart or not. n_samples: generated rows.
    members_repeated, controls_repeated: samples that hit a member, or a control, hit before.
    visible_rows: training rows that can be told apart, and all; None where a member is a row.
    least_rows: training rows that can be told apart by what is left of a copy, where that is the
        column-but-one that sets fewest apart; None where a copy is whole.
    n_unreadable: samples that may be copies, but have lost the cells that would show it.
    """

    n_members: int
    n_controls: int
    members_hit: int
    controls_hit: int
    n_all_members: int
    n_samples: int
    members_repeated: int = 0
    controls_repeated: int = 0
    visible_rows: tuple[int, int] | None = None
    least_rows: int | None = None
    n_unreadable: int = 0

    @property
    def visible(self) -> float:
        """Share of the training rows that can be told apart."""
        rows, of = self.visible_rows or (self.n_members, self.n_all_members)
        return rows / of

    @property
    def least(self) -> float:
        """That share if a generator alters the same column of every copy, the one that hides most.

        A row is told apart by all columns but one, and copies without that one by others alone.
        """
        _, of = self.visible_rows or (self.n_members, self.n_all_members)
        return self.visible if self.least_rows is None else self.least_rows / of

    def value(self) -> float:
        """Most likely share of generated rows that are copies, not below 0.

        If x hits have a cause, chance hits the other members as often as the controls:
        members_hit - x = (n_members - x) * controls_hit / n_controls.
        """
        chance = self.controls_hit / self.n_controls
        if chance >= 1:
            return 0.0
        copies = max(0.0, (self.members_hit - self.n_members * chance) / (1 - chance))
        # A training row that is repeated fills as many generated rows as it is repeated.
        expected = self.controls_repeated * self.n_members / self.n_controls
        repeats = max(0.0, self.members_repeated - expected) if copies else 0.0
        return min(1.0, (copies + repeats) / self.n_samples / self.visible)

    def interval(self, confidence: float) -> Interval:
        """Exact interval of the chance that a generated row is a copy.

        Half of each tail pays for which hits are chance, the other half for how many copies a
        sample of this size happens to hold. The low end counts each training row once and only
        rows that can be told apart; the high end counts repeats as copies, but for as many as
        controls see at least, and supposes that rows that cannot be told apart are copied as often
        as the others, that no copy has the column altered by which it would be seen best, and that
        all unreadable samples are copies.
        """
        split = (1 + confidence) / 2
        low, high = beyond_chance(
            self.members_hit, self.n_members, self.controls_hit, self.n_controls, split
        )
        n = self.n_samples
        by_chance = self._repeats_low(split) * self.n_members / self.n_controls
        repeats = max(0, math.ceil(self.members_repeated - by_chance))
        seen = clopper_pearson(min(high + repeats, n), n, split)[1]
        unread = clopper_pearson(self.n_unreadable, n, split)[1] if self.n_unreadable else 0.0
        most = seen / self.least if self.least else 1.0
        return clopper_pearson(min(low, n), n, split)[0], min(1.0, most + unread)

    def _repeats_low(self, confidence: float) -> float:
        """Low end of the expected repeats of controls.

        Repeats of one person come together, so that there it is persons hit that vary by chance.
        """
        if self.visible_rows is None:
            return poisson(self.controls_repeated, confidence)[0]
        each = self.controls_repeated / max(self.controls_hit, 1)
        return each * poisson(self.controls_hit, confidence)[0]

    def unequal(self) -> bool:
        """Whether members and controls were hit unequally, either way, beyond 99.9%."""
        members, controls = (
            (self.members_hit, self.n_members),
            (self.controls_hit, self.n_controls),
        )
        return (
            beyond_chance(*members, *controls, DOUBT_CONFIDENCE)[0] > 0
            or beyond_chance(*controls, *members, DOUBT_CONFIDENCE)[0] > 0
        )

    def controls_favoured(self) -> bool:
        """Whether unseen rows were hit more than training rows beyond 99.9%."""
        low, _ = beyond_chance(
            self.controls_hit, self.n_controls, self.members_hit, self.n_members, DOUBT_CONFIDENCE
        )
        return low > 0

    def controls_seen(self, blind: Counts) -> bool:
        """Whether samples hit unseen rows over twice as often as other unseen rows do (99.9%).

        A generator that blurs may hit a little more often than real rows; twice as often is not
        blur. The hits of both, given their sum, are binomial.
        """
        hits = self.controls_hit + blind.controls_hit
        tries = 2 * self.n_controls * self.n_samples
        other = blind.n_controls * blind.n_samples
        if hits == 0 or other == 0:
            return False
        tail = binom.sf(self.controls_hit - 1, hits, tries / (tries + other))
        return bool(tail < 1 - DOUBT_CONFIDENCE)

    def with_copies(self, copies: int) -> Counts:
        """These counts had the samples held that many copies of distinct members beside chance."""
        copies = min(copies, self.n_members)
        chance = (self.n_members - copies) * self.controls_hit / max(self.n_controls, 1)
        return replace(self, members_hit=copies + round(chance), members_repeated=0)

    def low_if(self, share: float, quantile: float, visible: float) -> float:
        """Low end at `POWER_CONFIDENCE` that a true share of copies reaches at a quantile.

        visible: share of the training rows whose copies are seen.
        """
        readable = 1 - self.n_unreadable / self.n_samples
        copied = binom.ppf(quantile, self.n_samples, share * visible * readable)
        distinct = self.n_members * -np.expm1(-copied / self.n_members)
        return self.with_copies(round(float(distinct))).interval(POWER_CONFIDENCE)[0]


@audit(
    title="Copies of training rows",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Fisher 1935, The Design of Experiments (exact test on matches of members and "
    "non-members); Carlini et al. 2021, Extracting Training Data (copies as extraction); near "
    "copies of records that are no rows: Yoon, Choi, Kwon & Ryu 2023, Diffusion Probabilistic "
    "Models Generalize when They Fail to Memorize",
    modalities=EVERY,
    described=True,
    metrics=("privacy.copies.exact", "privacy.copies.near"),
)
def copies(case: AuditCase, _options: NoOptions) -> Outcome:
    """Rows that the generator repeats from its training data.

    The attacker holds nothing but the samples. They publish them, or read them as if they were
    records of real people; where a sample is a training row, they are right. In tables many rows
    are equal by chance, so each match is held against matches with rows that the generator never
    saw: training and unseen rows that occur once in both tables together are one pool, and a
    generator without memory hits members and non-members of the pool in proportion.

    A near copy equals a training row in all columns but at most one, numbers with many values
    rounded to 1% of their range; exact copies are near copies too. An image, a series, a sound or a
    text is a copy whatever its attributes, and a near one where it is less than a third as far from
    the training record as from any other, by the numbers that describe it. Where persons have
    several rows, members are persons, hit where any row of theirs is.

    What is counted are training rows that were copied, not samples that copy: five rows repeated a
    hundred times each are five matches, and five matches with members against none with others come
    about by chance once in 32 times, as any generator may favour five rows of its own.
    """
    tables = hashed(case)
    keys, gaps = tables.keys, tables.gaps
    hiding = gaps.n_hiding(keys["samples"], keys["train"])
    unlike = incomparable(case)
    exact = _finding("privacy.copies.exact", _EXACT, keys, exact_hits, hiding, unlike)
    if case.description is None:
        # A row that has lost one cell may still be a near copy by all others.
        near = _finding("privacy.copies.near", _NEAR, keys, near_hits, gaps.n_rows(2), unlike)
    else:
        near = _finding("privacy.copies.near", _NEARER, keys, place_hits, gaps.n_rows(), unlike)
    findings = (exact, near)
    return Outcome(findings, not_measured=tuple(_left_out(case.samples, tables)))


@dataclass(frozen=True, eq=False)
class Tables:
    """What is compared: columns, hashes by table, and cells that samples have lost.

    Tables: samples, train, holdout; unseen and reference: the holdout's parts; other: reference
    rows, one of each person, that stand for samples of a generator without memory.
    """

    columns: tuple[Column, ...]
    keys: dict[str, Keys]
    gaps: Gaps
    of_records: bool


def hashed(case: AuditCase) -> Tables:
    """Hashes of the tables of a case, worked out once."""
    return case.once("privacy.copies", lambda: _hashed(case))


def _hashed(case: AuditCase) -> Tables:
    samples, train, holdout = case.samples, case.train, case.holdout
    record = case.description and case.schema[case.description.column.name]
    # A copied record with other attributes is a copy.
    columns = (record,) if record else compared(samples, train, holdout)
    tables = {
        "samples": samples,
        "train": train,
        "holdout": holdout,
        "unseen": case.non_members,
        "reference": case.reference,
        "other": one_row_each(case.reference, case.rng("privacy.copies")),
    }
    keys = {name: Keys.of(table, columns) for name, table in tables.items()}
    if case.description is not None:
        keys = _placed(keys, tables, case.description)
    gaps = Gaps.of(samples, columns, train, holdout)
    return Tables(columns, keys, gaps, case.description is not None)


def _placed(
    keys: dict[str, Keys], tables: dict[str, Dataset], description: Description
) -> dict[str, Keys]:
    """The hashes with the place of each record among those of the reference rows."""
    numbers = [description.schema[name] for name in description.names]
    space = Space.fit(tables["reference"], numbers)
    return {k: replace(v, place=space.encode(tables[k]).numbers) for k, v in keys.items()}


_EXACT = message("privacy.copies.exact", "Generated rows that repeat a training row beyond chance")
_NEAR = message(
    "privacy.copies.near",
    "Generated rows that repeat a training row in all columns but at most one, beyond chance",
)
_NEARER = message(
    "privacy.copies.nearer",
    "Generated records that are nearer to a training record than to any other by far, beyond "
    "chance",
)
BLIND = message(
    "privacy.copies.blind", "Real rows that the generator never saw, in place of its samples"
)
UNLIKE = message(
    "privacy.copies.unlike",
    "Unseen real rows match training and holdout rows unequally, so the two are not alike and "
    "matches with samples prove nothing. Bring a holdout drawn at random from the same rows.",
)
_HOLDOUT_SEEN = message(
    "privacy.copies.holdout_seen",
    "The samples repeat holdout rows beyond chance: the generator, or whoever made the samples, "
    "has seen the holdout, or rows that repeat were taken out of the real tables. Nothing can be "
    "told by comparing with it.",
)


_PARTED = message(
    "privacy.copies.parted",
    "Rows that repeat, or nearly so, stand in train and in the holdout otherwise than random "
    "splits of both have them, as where rows were taken out of the holdout because train has them. "
    "What is left is rarer than train, so nothing can be told by comparing with it. Split at "
    "random, and remove repeats before that, if at all.",
)


def incomparable(case: AuditCase) -> Message | None:
    """Why nothing can be told by holding train against the holdout, if there is a reason.

    Samples have a part in the last one alone: whoever makes them could not hide a leak by them.
    """
    return case.once("privacy.incomparable", lambda: _incomparable(case))


def _incomparable(case: AuditCase) -> Message | None:
    record = case.description and case.schema[case.description.column.name]
    columns = (record,) if record else case.schema.modelled
    train, holdout = (Keys.of(table, columns) for table in (case.train, case.holdout))
    owners = train.owner, holdout.owner
    if parted((train.exact, holdout.exact), owners) or lopsided((train.near, holdout.near), owners):
        return _PARTED
    if Access.SAMPLES not in case.subject.access:
        return None
    keys = hashed(case).keys
    main = count(keys["train"], keys["holdout"], keys["samples"], exact_hits)
    blind = count(keys["train"], keys["unseen"], keys["other"], exact_hits)
    if min(blind.n_members, blind.n_controls) and blind.unequal():
        return UNLIKE
    played, _ = game(case)
    if played is not None and (doubt := played.unlike()) is not None:
        return doubt
    return _HOLDOUT_SEEN if main.n_controls and main.controls_seen(blind) else None


def count(
    members: Keys,
    controls: Keys,
    samples: Keys,
    find: Callable[[Keys, Keys], Hits],
    n_unreadable: int = 0,
) -> Counts:
    """Hits of samples on members and controls."""
    pool = Keys.joined([members, controls])
    hits = find(pool, samples)
    member = np.arange(len(pool)) < len(members)
    members_hit, controls_hit = pool.n_units(hits.hit & member), pool.n_units(hits.hit & ~member)
    visible, keys = hits.visible & member, hits.apart.shape[1]
    return Counts(
        n_members=pool.n_units(visible),
        n_controls=pool.n_units(hits.visible & ~member),
        members_hit=members_hit,
        controls_hit=controls_hit,
        n_all_members=pool.n_units(member),
        n_samples=len(samples),
        members_repeated=max(0, hits.rows(member) - members_hit),
        controls_repeated=max(0, hits.rows(~member) - controls_hit),
        visible_rows=None if pool.owner is None else (int(visible.sum()), len(members)),
        least_rows=hits.n_least(member) if keys > 1 else None,
        n_unreadable=n_unreadable,
    )


def _estimate(counts: Counts) -> Estimate:
    if min(counts.n_members, counts.n_controls) == 0:
        reason = message(
            "privacy.copies.no_singletons",
            "Every row of train or of the holdout occurs more than once, so that no copy can be "
            "told from chance.",
        )
        return Estimate.undefined(reason, n=counts.n_samples, method=_METHOD, unit=_UNIT)
    return Estimate.of(
        counts.value(), counts.interval, n=counts.n_samples, method=_METHOD, unit=_UNIT
    )


def _finding(
    metric: str,
    label: Message,
    keys: dict[str, Keys],
    find: Callable[[Keys, Keys], Hits],
    n_unreadable: int,
    unlike: Message | None,
) -> Finding:
    main = count(keys["train"], keys["holdout"], keys["samples"], find, n_unreadable)
    null = count(keys["unseen"], keys["reference"], keys["samples"], find)
    blind = count(keys["train"], keys["unseen"], keys["other"], find)
    estimate = _estimate(main)
    finding = Finding(
        metric=metric,
        label=label,
        estimate=estimate,
        null=_estimate(null),
        baseline=_estimate(blind),
        baseline_label=BLIND,
        note=_note(keys, main, nearer=find is place_hits),
    )
    if estimate.value is None:
        return finding
    limit = default_limit(metric)
    seen = main.controls_favoured() or main.controls_seen(blind)
    doubt = UNLIKE if blind.unequal() else unlike or (_HOLDOUT_SEEN if seen else None)
    power = {
        "warning": _few_repeated(main, limit, estimate) if find is exact_hits else None,
        "ceiling": main.low_if(1.0, 0.5, main.visible),
        "detectable": smallest(lambda p: main.low_if(p, 0.2, main.least) > limit, limit, 1.0),
        "doubt": doubt,
    }
    return finding.model_copy(update=power)


def _few_repeated(counts: Counts, limit: float, estimate: Estimate) -> Message | None:
    """A warning where samples beyond the limit are few training rows, so that no verdict says so.

    Chance may favour a few rows of any generator; that they fill the samples is to be looked at.
    """
    hits = counts.members_hit + counts.members_repeated
    share = hits / counts.n_samples
    told = estimate.low is not None and estimate.low > limit
    if told or share <= limit or hits < _OFTEN * max(counts.members_hit, 1):
        return None
    return message(
        "privacy.copies.few_repeated",
        "{share:percent} of the samples repeat {rows} training rows that nobody else has. Chance "
        "may favour a few rows, so that no verdict follows; look at these samples.",
        share=round(share, 3), rows=shown(counts.members_hit),
    )  # fmt: skip


def _note(keys: dict[str, Keys], counts: Counts, *, nearer: bool) -> Message:
    """What was looked for and found; of near copies also how few rows show some."""
    note, n = _looked_for(keys, counts), len(keys["train"])
    if nearer:
        return message(
            "privacy.copies.nearer_note",
            "{note} Found is a record where a sample is less than a third as far from it as from "
            "any other, in training and holdout data, by the numbers that describe a record. These "
            "need not see a copy that a person would know: an image that is brighter, of other "
            "contrast, mirrored, turned or moved, a sound that is louder, softer or later, a "
            "series on another scale, a text in other case.",
            note=note,
        )
    if counts.least_rows is None:
        return note
    return message(
        "privacy.copies.near_note",
        "{note} Where the altered column is the one that tells rows apart best, near copies of "
        "only {least} of {n} training rows are seen; the upper end and the smallest leak that "
        "would be found suppose that all near copies are of that kind. As fewer rows can be told "
        "apart by all columns but one, the value can lie below that of exact copies.",
        note=note,
        least=shown_of(counts.least_rows, n),
        n=shown(n),
    )


def _looked_for(keys: dict[str, Keys], counts: Counts) -> Message:
    holdout = keys["holdout"]
    shared = int(np.isin(holdout.exact, keys["train"].exact).sum())
    params = {
        "shared": shown_of(shared, len(holdout)),
        "n_holdout": shown(len(holdout)),
        "members": shown_of(counts.n_members, counts.n_all_members),
        "n_train": shown(counts.n_all_members),
        "controls": shown_of(counts.n_controls, holdout.n_units(np.ones(len(holdout), bool))),
        "members_hit": shown_of(counts.members_hit, counts.n_members),
        "controls_hit": shown_of(counts.controls_hit, counts.n_controls),
    }
    if counts.visible_rows is not None:
        return message(
            "privacy.copies.note_persons",
            "{shared} of {n_holdout} holdout rows equal a training row. Looked for were the "
            "{members} of {n_train} persons in train, and the {controls} persons in the holdout, "
            "with rows that nobody else has: the samples hold such a row of {members_hit} of the "
            "former and of {controls_hit} of the latter. The low end counts each person once; "
            "copies of rows that several persons have are invisible here, and value and upper end "
            "suppose that they are as frequent as the others.",
            **params,
        )
    return message(
        "privacy.copies.note",
        "{shared} of {n_holdout} holdout rows equal a training row. Looked for were the {members} "
        "of {n_train} training rows and the {controls} holdout rows that can be told apart from "
        "all others: the samples hold {members_hit} of the former and {controls_hit} of the "
        "latter. Each training row counts once; copies of rows that cannot be told apart are "
        "invisible here, and value and upper end suppose that they are as frequent as the others.",
        **params,
    )


def _left_out(samples: Dataset, tables: Tables) -> Iterator[Message]:
    if samples.absent:
        yield message(
            "privacy.copies.absent",
            "Copies were looked for without {columns}: the samples lack these columns.",
            columns=listed(samples.absent),
        )
    # Of records that are no rows the record itself is compared, whatever describes it.
    if not tables.of_records and (unread := not_compared(samples, tables.columns)):
        yield message(
            "privacy.copies.unread",
            "Copies were looked for without {columns}: most of these cells of the samples are "
            "missing or not allowed by the schema.",
            columns=listed(unread),
        )
    if lost := tables.gaps.n_rows():
        yield message(
            "privacy.copies.unreadable",
            "Some samples (upper bound: {n}) have lost cells that would show whether they are "
            "copies; upper ends count those as copies that can be one.",
            n=shown(lost),
        )
