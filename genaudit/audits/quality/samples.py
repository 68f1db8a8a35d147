"""Some generated images, series, sounds or texts to look at, and how near all lie to real ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import resample_poly

from genaudit.audits.quality._likeness import (
    ALIKE,
    CROWD,
    LETTERS,
    Traits,
    Wordings,
    bare,
    likeness,
)
from genaudit.case import MEDIA, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Column, Kind
from genaudit.encoded import png, wav
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space, nearer_by_far, one_row_each
from genaudit.result import (
    MOST_TEXT,
    Estimate,
    Figure,
    Finding,
    Medium,
    Message,
    Picture,
    Series,
    Sound,
    Words,
    message,
)
from genaudit.stats.halves import middle_halves
from genaudit.stats.roc import auc
from genaudit.subject import Access

NEARER = "quality.samples.nearer"

_METHOD = "distances to the nearest training record, DeLong on the logit scale"
_UNIT = "chance that a sample is nearer than an unseen record"

#: Sounds of a figure: each takes as many bytes as some pictures.
_MOST_SOUNDS = 12

#: A sound is shown so long, in seconds, and at most at so many samples a second.
_SECONDS, _RATE = 2, 8000

#: Pixels along a side of a shown picture, steps and channels of a shown series (there are as many
#: colours), and characters of a text.
_SIDE, _STEPS, _CHANNELS, _CHARACTERS = 96, 100, 6, 400

#: Nearness from which on all samples are near to training records, as altered copies would be.
_ALL_NEAR = 0.9

#: Samples among which those to show are looked for, at a time, and how often.
_TRIED, _TRIES = 240, 20


@dataclass(frozen=True)
class Options:
    """max_shown: most samples in the figure. max_compared: most whose nearness is measured."""

    max_shown: int = ranged(24, 1, 60)
    max_compared: int = ranged(2000, 1)


@audit(
    title="Samples to look at and to listen to",
    needs={Access.SAMPLES, Knowledge.TRAIN},
    source="Meehan, Chaudhuri & Dasgupta 2020, A Non-Parametric Test to Detect Data-Copying in "
    "Generative Models, section 3 (distances to training records of samples and of unseen records)",
    options=Options,
    modalities=MEDIA,
    metrics=(NEARER,),
)
def samples(case: AuditCase, options: Options) -> Outcome:
    """Show what the generator makes, and how near it comes to what it has seen.

    Numbers say how often something is so; eyes and ears say what it is. A few samples are drawn,
    not picked, and beside each stands its distance to the nearest training record, in [0, 1], by
    the numbers that describe a record. No sample is shown that equals a real record or is nearer
    to it, or to a few that are alike, than to all others by far: the page would show a person's
    record; nor one that looks like a real record altered: brighter, turned, louder, in other
    case. None is shown where samples as a whole are nearer to training records than unseen records
    are, by far. Which samples are shown follows from the seed and from the training data, so that
    nobody without these can tell which were passed over. Samples that are nearer to training
    records than unseen real records are have been remembered rather than made; those that are
    further away look like nothing real.
    """
    distances, repeats = _distances(case), _Repeats.of(case)
    finding, shown = _finding(case, distances, options), _shown(case, options, repeats)
    reason = _NOTHING
    if len(shown) and (finding.estimate.low or 0.0) > _ALL_NEAR:
        shown, reason = shown[repeats.nobodys(case, shown)], _ALL_ALIKE
    if not len(shown):
        return Outcome((finding,), (), (reason,))
    return Outcome((finding,), (_figure(case, shown, distances),))


_ALL_ALIKE = message(
    "quality.samples.all_near",
    "A look at samples: none is shown, as samples as a whole are nearer to training records than "
    "unseen records are by far, so that those that seem to repeat no record may be altered copies.",
)
_NOTHING = message(
    "quality.samples.nothing",
    "A look at samples: none can be shown, as those that were drawn are no records, or repeat real "
    "ones as they are or altered.",
)


# Nearness ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances to the nearest training record of all that has numbers.

    space: by which they are measured. train: all training records in it.
    """

    space: Space
    train: Encoded

    def of(self, data: Dataset) -> np.ndarray:
        """Distance of each record to the nearest training record, in [0, 1], shape (n,)."""
        return self.space.nearest(self.space.encode(data), self.train)


def _distances(case: AuditCase) -> Distances:
    return case.once("quality.samples", lambda: _fitted(case.described))


def _fitted(seen: AuditCase) -> Distances:
    assert seen.description is not None, "only records are looked at"
    numbers = [seen.description.schema[name] for name in seen.description.names]
    space = Space.fit(seen.reference if Knowledge.HOLDOUT in seen.data else seen.train, numbers)
    return Distances(space, space.encode(seen.train))


def _finding(case: AuditCase, distances: Distances, options: Options) -> Finding:
    label = message(
        NEARER, "How often a sample is nearer to a training record than an unseen record is"
    )
    seen, rng = case.described, case.rng(NEARER)
    made = seen.samples.take(np.flatnonzero(_whole(case.samples)))
    if Knowledge.HOLDOUT not in case.data:
        reason = message("quality.samples.no_holdout", "It takes records that were not trained on.")
        return Finding(metric=NEARER, label=label, estimate=_undefined(reason, len(case.samples)))
    # The numbers were fitted on the reference rows, so that these spread more than others in them.
    unseen = one_row_each(seen.non_members, rng)
    rows, others = (d.take(rng.permutation(len(d))[: options.max_compared]) for d in (made, unseen))
    if min(len(rows), len(others)) < SMALL_CELL:
        reason = message(
            "quality.samples.few",
            "Fewer than {minimum:integer} samples, or unseen records, are there to compare.",
            minimum=SMALL_CELL,
        )
        return Finding(metric=NEARER, label=label, estimate=_undefined(reason, len(case.samples)))
    near, far = -distances.of(rows), -distances.of(others)
    one, other = middle_halves(len(far), lambda a, b: auc(far[a], far[b]).value)
    null = _nearer(far[one], far[other])
    return Finding(metric=NEARER, label=label, estimate=_nearer(near, far), null=null)


def _nearer(near: np.ndarray, far: np.ndarray) -> Estimate:
    found = auc(near, far)
    n = len(near) + len(far)
    return Estimate.of(found.value, found.interval, n=n, method=_METHOD, unit=_UNIT)


def _undefined(reason: Message, n: int) -> Estimate:
    return Estimate.undefined(reason, n=n, method=_METHOD, unit=_UNIT)


# What is shown -----------------------------------------------------------------------------------


def _whole(data: Dataset) -> np.ndarray:
    """Which samples are records at all, bools (n,)."""
    assert data.schema.record is not None, "only records are looked at"
    return np.asarray(data.frame[data.schema.record.name].notna().to_numpy())


def _shown(case: AuditCase, options: Options, repeats: _Repeats) -> np.ndarray:
    """Positions of samples to show: drawn, without those that a real record can be seen in."""
    assert case.schema.record is not None, "only records are looked at"
    most = min(options.max_shown, _MOST_SOUNDS if case.schema.record.kind is Kind.AUDIO else 60)
    order = np.random.default_rng(_secret(case)).permutation(np.flatnonzero(_whole(case.samples)))
    chosen: list[int] = []
    for start in range(0, min(len(order), _TRIED * _TRIES), _TRIED):
        rows = order[start : start + _TRIED]
        chosen += rows[~repeats.among(case, rows)].tolist()
        if len(chosen) >= most:
            break
    return np.array(chosen[:most], dtype=np.int64)


def _secret(case: AuditCase) -> list[int]:
    """A seed that follows from the case's and from the training records, which few know."""
    keys = "\0".join(sorted(map(str, case.described.train.frame[_key(case)])))
    return [case.seed, *hashlib.blake2b(keys.encode(), digest_size=8).digest()]


def _key(case: AuditCase) -> str:
    """The column in which equal records are equal."""
    assert case.described.description is not None, "only records are looked at"
    return case.described.description.column.name


@dataclass(frozen=True, eq=False)
class _Repeats:
    """Real records, to tell which samples repeat one.

    many: texts that at least ten persons have, or rows where none are named: they are nobody's.
    held: all records; texts in both by their letters alone. place, owner: of each different one,
    shapes (n, d) and (n,); owner is None where each is a person's. like: what tells altered ones.
    """

    many: frozenset[str]
    held: frozenset[str]
    space: Space
    place: np.ndarray
    owner: np.ndarray | None
    like: Traits | Wordings

    @classmethod
    def of(cls, case: AuditCase) -> _Repeats:
        """All that the auditor holds."""
        column, space, held = case.schema.record, _distances(case).space, list(case.data.values())
        assert column is not None, "only records are looked at"
        seen = [case.described.data[k] for k in case.data]
        records = pd.concat([d.frame[_key(case)] for d in seen], ignore_index=True)
        whose, forms = _whose(held), _forms(records, column)
        # Of records that are equal none is nearer than the others.
        first = np.flatnonzero(~records.duplicated().to_numpy())
        place = np.concatenate([space.encode(d).numbers for d in seen])[first]
        owner, many = None if whose is None else whose[first], frozenset[str]()
        media, of_media = np.concatenate([d.media for d in held])[first], owner
        if column.kind is Kind.TEXT:
            # A name that many have is no one's; a face or a voice is, however often it is there.
            many = _of_many(forms, whose)
            media, of_media = records.to_numpy(dtype=object), whose
        like = likeness(column, media, of_media)
        return cls(many, frozenset(forms), space, place, owner, like)

    def among(self, case: AuditCase, rows: np.ndarray) -> np.ndarray:
        """Which samples equal a record of a few, or look like one of theirs, bools (n,)."""
        column, seen = case.schema.record, case.described.samples.take(rows)
        assert column is not None, "only records are looked at"
        forms, media = _forms(seen.frame[_key(case)], column), case.samples.media[rows]
        if column.kind is Kind.TEXT:
            # What is cut away is not shown, and does not make the rest anybody else's.
            media = np.array([text[:_CHARACTERS] for text in media], dtype=object)
        place = self.space.encode(seen).numbers
        near = nearer_by_far(place, self.place, self.owner, ALIKE, CROWD)[1]
        repeated = near | self.like.known(media) | forms.isin(self.held).to_numpy()
        return np.asarray(repeated & ~self.nobodys(case, rows))

    def nobodys(self, case: AuditCase, rows: np.ndarray) -> np.ndarray:
        """Which samples are texts that many have, bools (n,)."""
        column, seen = case.schema.record, case.described.samples.take(rows)
        assert column is not None, "only records are looked at"
        return _forms(seen.frame[_key(case)], column).isin(self.many).to_numpy(dtype=bool)


def _whose(held: list[Dataset]) -> np.ndarray | None:
    """A number for the person of each record, shape (n,); None where the schema names no person."""
    person = held[0].schema.person
    if person is None:
        return None
    return pd.factorize(pd.concat([d.frame[person.name].astype(str) for d in held]))[0]


def _forms(records: pd.Series, column: Column) -> pd.Series:
    """What is equal in records that are the same to a reader: the letters of texts."""
    return records.map(bare) if column.kind is Kind.TEXT else records


def _of_many(forms: pd.Series, whose: np.ndarray | None) -> frozenset[str]:
    """Texts of at least ten persons, or rows where none are named."""
    persons = pd.Series(np.arange(len(forms)) if whose is None else whose)
    count = persons.groupby(forms.to_numpy()).nunique()
    return frozenset(count.index[count >= SMALL_CELL])


def _figure(case: AuditCase, rows: np.ndarray, distances: Distances) -> Figure:
    assert case.schema.record is not None, "only records are looked at"
    shown = case.samples.take(rows)
    attributes = shown.to_frame()[[c.name for c in case.schema.modelled]].astype(object)
    media = tuple(
        _medium(record, case.schema.record, {n: str(v) for n, v in row.items() if pd.notna(v)})
        for record, (_, row) in zip(shown.media, attributes.iterrows(), strict=True)
    )
    far = distances.of(case.described.samples.take(rows))
    return Figure(
        id="quality.samples.media",
        kind="media",
        title=message("figure.media.title", "Samples of the generator"),
        description=_description(case, len(rows), distances),
        headers=(
            message("figure.sample", "Sample"),
            message("figure.nearest", "Distance to the nearest training record"),
        ),
        rows=tuple((str(i + 1), float(f"{d:.3g}")) for i, d in enumerate(far)),
        media=media,
    )


def _description(case: AuditCase, n: int, distances: Distances) -> Message:
    said = message(
        "figure.media.text",
        "{n:integer} of {all:integer} samples, drawn at random and not by their quality. Beside "
        "each stands its distance to the nearest training record by the numbers that describe a "
        "record: 0 is the same, 1 as far as can be. Samples that equal a real record, or nearly do "
        "by these numbers, are left out, but for texts that ten or more have.",
        n=n,
        all=len(case.samples),
    )
    assert case.schema.record is not None, "only records are looked at"
    parts = [said, _altered(case.schema.record.kind)]
    if (middle := _usual(case, distances)) is not None:
        text = "Half of the unseen real records are nearer than {x:number} to one, half are not."
        parts.append(message("figure.media.usual", text, x=float(f"{middle:.3g}")))
    parts += _shortened(case)
    return _sentences(parts)


def _altered(kind: Kind) -> Message:
    """Which altered copies are looked for, and that others are not."""
    match kind:
        case Kind.IMAGE:
            return message(
                "figure.media.altered_image",
                "So are those that seem to be a real image brighter or darker, of other contrast, "
                "in grey or with its colours exchanged, mirrored, turned by right angles, or "
                "shifted a little with what leaves at one edge coming back at the other; copies "
                "that are cut, warped, moved or altered in other ways may be among those shown.",
            )
        case Kind.AUDIO:
            return message(
                "figure.media.altered_sound",
                "So are those that seem to be a real sound louder or softer but not clipped, with "
                "very little noise, or a little later; copies that are cut, distorted, noisy or "
                "played at another speed or pitch may be among those shown.",
            )
        case Kind.TEXT:
            return message(
                "figure.media.altered_text",
                "So are those that seem to be a real text in other case, spacing or punctuation, "
                "without its accents or, where they have {n:integer} letters or more, with one or "
                "two words or letters changed; copies with more changes, in another order or "
                "script, and parts of texts that were put together may be among those shown.",
                n=LETTERS,
            )
        case _:
            return message(
                "figure.media.altered_series",
                "So are those that seem to be a real series with its channels on other scales; "
                "copies that are cut, moved in time, upside down, noisy or with one channel "
                "exchanged may be among those shown.",
            )


def _shortened(case: AuditCase) -> Iterator[Message]:
    """What of long records is not shown."""
    column, records = case.schema.record, case.samples.media[_whole(case.samples)]
    assert column is not None, "only records are looked at"
    match column.kind:
        case Kind.AUDIO:
            yield message(
                "figure.media.sound",
                "Sounds are played for at most {seconds:integer} seconds and at no more than "
                "{rate:integer} samples a second.",
                seconds=_SECONDS,
                rate=_RATE,
            )
        case Kind.SEQUENCE:
            yield message(
                "figure.media.series",
                "Each channel has a scale of its own, which is the same in all plots.",
            )
            if max(r.shape[1] for r in records) > _CHANNELS:
                yield message(
                    "figure.media.channels",
                    "The first {n:integer} channels are drawn.",
                    n=_CHANNELS,
                )
        case Kind.TEXT if max(map(len, records)) > _CHARACTERS:
            yield message(
                "figure.media.cut",
                "Texts are cut after {n:integer} characters.",
                n=_CHARACTERS,
            )


def _sentences(parts: list[Message]) -> Message:
    """Several messages, one after the other."""
    fields = {f"part{i}": part for i, part in enumerate(parts)}
    text, zh = (gap.join(f"{{{name}}}" for name in fields) for gap in (" ", ""))
    return message("", text, **fields).model_copy(update={"texts": {"zh": zh}})


def _usual(case: AuditCase, distances: Distances) -> float | None:
    """Median distance of unseen records to the nearest training record; None without enough."""
    if Knowledge.HOLDOUT not in case.data or len(case.non_members) < SMALL_CELL:
        return None
    seen = case.described.non_members
    some = case.rng("quality.samples.usual").permutation(len(seen))[:2000]
    return float(np.median(distances.of(seen.take(some))))


def _medium(record: np.ndarray | str, column: Column, attributes: dict[str, str]) -> Medium:
    """A record as a page can show it."""
    if isinstance(record, str):
        cut = record if len(record) <= _CHARACTERS else record[:_CHARACTERS] + "…"
        return Words(text=cut[:MOST_TEXT], attributes=attributes)
    match column.kind:
        case Kind.IMAGE:
            return Picture(png=png(_small(record)), attributes=attributes)
        case Kind.AUDIO:
            return Sound(wav=wav(*_short(record, column.rate or _RATE)), attributes=attributes)
        case _:
            return _series(record, column, attributes)


def _small(pixels: np.ndarray) -> np.ndarray:
    """The picture with at most `_SIDE` pixels along a side: means of blocks."""
    step = math.ceil(max(pixels.shape[:2]) / _SIDE)
    if step == 1:
        return pixels
    height, width, channels = pixels.shape
    tall, wide = -height % step, -width % step
    whole = np.pad(pixels.astype(float), ((0, tall), (0, wide), (0, 0)), mode="edge")
    blocks = whole.reshape((height + tall) // step, step, (width + wide) // step, step, channels)
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def _short(sound: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """The beginning of a sound at a rate that takes few bytes."""
    start, step = sound[: _SECONDS * rate], math.ceil(rate / _RATE)
    return (start, rate) if step == 1 else (resample_poly(start, 1, step), round(rate / step))


def _series(steps: np.ndarray, column: Column, attributes: dict[str, str]) -> Series:
    """Channels of a series, thinned evenly where it is long."""
    n, width = len(steps), min(steps.shape[1], _CHANNELS)
    kept = np.unique(np.linspace(0, n - 1, min(n, _STEPS)).round().astype(int))
    names = column.channels or tuple(f"channel {i + 1}" for i in range(width))
    values = tuple(tuple(float(f"{x:.4g}") for x in steps[kept, j]) for j in range(width))
    return Series(channels=names[:width], values=values, length=n, attributes=attributes)
