"""Whose record an altered one is: seen through what a person would see through, and no further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from media import COLUMNS, KINDS, case_of, population
from scipy.ndimage import zoom

from genaudit.audits import find
from genaudit.audits.quality._likeness import bare, likeness
from genaudit.audits.quality.samples import Options
from genaudit.case import AuditCase, Knowledge, Outcome
from genaudit.data.bundled import load
from genaudit.data.dataset import Dataset
from genaudit.data.record import as_column
from genaudit.data.schema import Column, Schema
from genaudit.subject import Subject

RNG = np.random.default_rng(0)

COLUMN = {
    "image": Column(name="record", kind="image", size=(20, 20, 3)),
    "audio": Column(name="record", kind="audio", rate=8000, max_length=2100),
    "sequence": Column(name="record", **COLUMNS["sequence"]),
    "text": Column(name="record", kind="text", max_length=80),
}

WORDS = ["".join(RNG.choice(list("abcdefghijklmnopqrstuvwxyz"), RNG.integers(5, 9)))
         for _ in range(1000)]  # fmt: skip


def _picture(rng: np.random.Generator) -> np.ndarray:
    """Clouds of any colour."""
    coarse = rng.integers(0, 200, (6, 6, 3)).astype(float)
    return zoom(coarse, (20 / 6, 20 / 6, 1), order=1).round().astype(np.uint8)


def _sound(rng: np.random.Generator) -> np.ndarray:
    """Four tones, each at a time of its own."""
    t, out = np.arange(2000) / 8000, np.zeros(2000)
    for _ in range(4):
        swell = np.exp(-(((t - rng.uniform(0, 0.25)) / 0.05) ** 2))
        out += rng.uniform(0.05, 0.25) * np.sin(2 * np.pi * rng.uniform(100, 3500) * t) * swell
    return out.clip(-1, 1).astype(np.float32)


def _series(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(rng.integers(6, 25), 2)).cumsum(axis=0).clip(-9, 9).astype(np.float32)


MAKE: dict[str, Callable[[np.random.Generator], Any]] = {
    "image": _picture,
    "audio": _sound,
    "sequence": _series,
    "text": lambda rng: " ".join(rng.choice(WORDS, 6)),
}


def made(kind: str, n: int, seed: int) -> np.ndarray:
    """Fresh records, an array of objects of shape (n,)."""
    rng = np.random.default_rng([seed, 0x11CE])
    return as_column([MAKE[kind](rng) for _ in range(n)]).to_numpy()


def _uint8(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _noisy(sound: np.ndarray) -> np.ndarray:
    return (sound + RNG.normal(0, 0.02, len(sound))).clip(-1, 1)


ALTERED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "brighter": ("image", lambda x: _uint8(x + 30.0)),
    "darker": ("image", lambda x: _uint8(x - 10.0)),
    "contrast": ("image", lambda x: _uint8(0.7 * x + 20)),
    "negative": ("image", lambda x: 255 - x),
    "grey": ("image", lambda x: np.repeat(_uint8(x.mean(2, keepdims=True)), 3, 2)),
    "shifted": ("image", lambda x: np.roll(x, 1, 1)),
    "shifted_more": ("image", lambda x: np.roll(x, (2, 1), (0, 1))),
    "mirrored": ("image", lambda x: x[:, ::-1]),
    "upside_down": ("image", lambda x: x[::-1]),
    "turned": ("image", np.rot90),
    "channels": ("image", lambda x: x[..., ::-1]),
    "all_at_once": ("image", lambda x: _uint8(0.7 * np.rot90(np.roll(x, 1, 0)[..., ::-1]) + 20)),
    "softer": ("audio", lambda x: 0.5 * x),
    "noisy": ("audio", _noisy),
    "late": ("audio", lambda x: np.roll(x, 80)),
    "begins_late": ("audio", lambda x: np.r_[np.zeros(80), x]),
    "scaled": ("sequence", lambda x: 0.4 * x + 0.3),
    "upper": ("text", str.upper),
    "title": ("text", str.title),
    "accents": ("text", lambda text: text.replace("e", "é").replace("a", "à").replace("o", "ö")),
    "without_spaces": ("text", lambda x: x.replace(" ", "")),
    "first_word_gone": ("text", lambda x: x.split(" ", 1)[1]),
    "last_word_gone": ("text", lambda x: x.rsplit(" ", 1)[0]),
    "two_letters": ("text", lambda x: x[:4] + "q" + x[5:14] + "q" + x[15:]),
}


def schema_of(kind: str) -> Schema:
    """The record alone, with one attribute."""
    group = Column(name="group", kind="categorical", role="sensitive", categories=("a", "b"))
    record = {k: v for k, v in COLUMN[kind].model_dump().items() if k != "name"}
    rest = {k: v for k, v in group.model_dump().items() if k != "name"}
    return Schema.from_dict({"rows": "public", "columns": {"record": record, "group": rest}})


def ask(kind: str, samples: Any, *, holdout: bool = False) -> Outcome:
    """What the audit finds where records are those of `made`."""
    schema = schema_of(kind)

    def table(records: Any) -> pd.DataFrame:
        return pd.DataFrame(
            {"record": as_column(records), "group": np.resize(["a", "b"], len(records))}
        )

    data = {Knowledge.TRAIN: Dataset.of(table(made(kind, 150, 1)), schema)}
    if holdout:
        data[Knowledge.HOLDOUT] = Dataset.of(table(made(kind, 150, 2)), schema)
    made_up = Dataset.of_samples(table(samples), schema)
    return find("quality.samples")(AuditCase(Subject("x", "samples", made_up), data), Options())


@pytest.mark.parametrize("alteration", ALTERED)
def test_no_altered_record_is_shown(alteration: str) -> None:
    """Not one, though by the numbers that describe records most are nobody's."""
    kind, alter = ALTERED[alteration]
    outcome = ask(kind, [alter(x) for x in made(kind, 150, 1)])

    assert outcome.figures == ()
    assert outcome.not_measured[0].id == "quality.samples.nothing"


@pytest.mark.parametrize("kind", COLUMN)
def test_fresh_records_are_shown(kind: str) -> None:
    """As many as there may be, and of all that are made nearly all."""
    train, fresh = made(kind, 300, 1), made(kind, 100, 3)
    known = likeness(COLUMN[kind], train, None).known(fresh)

    assert len(ask(kind, fresh, holdout=True).figures[0].rows) == (12 if kind == "audio" else 24)
    assert known.mean() <= 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_alike_by_nature_is_shown(kind: str) -> None:
    """Tones that differ in pitch alone lie near to each other, and are nobody's for that."""
    real, fresh = (population(kind, n, s)["record"].to_numpy() for n, s in ((800, 1), (400, 2)))
    known = likeness(case_of(kind, n=20).schema["record"], real, None).known(fresh)

    assert known.mean() <= (0.3 if kind == "audio" else 0.05)


def test_written_digits_are_shown() -> None:
    """Nearly all that nobody has trained on; of those that were, turned and brighter, none."""
    data, schema = load("mnist")
    digits = data["image"].sample(frac=1, random_state=0).to_numpy()
    like = likeness(schema["image"], digits[:4000], None)
    altered = as_column([_uint8(np.rot90(x) * 0.8 + 25) for x in digits[:100]]).to_numpy()

    assert like.known(digits[4000:]).mean() <= 0.05
    assert like.known(altered).all()


def test_names_are_no_ones_for_being_alike() -> None:
    """Short texts are withheld for what they are as a whole, in any case, and for no part."""
    real = ["anna", "annabel", "marianne", "ann-kathrin", "joanna"] * 5
    like = likeness(COLUMN["text"], np.array(real, dtype=object), None)

    assert not like.known(np.array(["annabelle", "johanna", "ann"], dtype=object)).any()
    assert bare("Ann-Kathrin") == bare("ANN KATHRIN") == "annkathrin"
    assert bare("ＡＤＡ") == "ada"
    assert bare("?!") == "?!"


def test_a_name_that_many_have_may_be_shown_in_any_case() -> None:
    """Ten persons write it in their own way; nine are too few."""
    for n, told in ((10, True), (9, False)):
        case = case_of("text", n=120, samples=population("text", 120, 9).assign(record="ada l"))
        frame = case.train.frame.copy()
        frame.loc[: n - 1, "record"] = ["ada l", "ada  l", "adal", "ada.l", "ada l."][: n] * 2 if (
            n == 10) else ["ada l", "ada.l", "adal"] * 3  # fmt: skip
        train = Dataset.of(frame, case.schema)
        outcome = find("quality.samples")(
            AuditCase(case.subject, {Knowledge.TRAIN: train}), Options())  # fmt: skip

        assert bool(outcome.figures) is told


def test_what_many_texts_begin_with_is_nobodys() -> None:
    """A letter that all write is no one's, but for the one whose own words follow."""
    letter = "dear sir or madam we thank you for your kind letter of "
    real = np.array([letter + w for w in WORDS[:100]], dtype=object)
    own = np.array(["the dog of the neighbour has eaten all of my " + WORDS[0]], dtype=object)
    like = likeness(COLUMN["text"], np.concatenate([real, own]), None)

    assert not like.known(np.array([letter + "yesterday"], dtype=object)).any()
    assert like.known(np.array(["Neighbour, the dog has eaten all of my"], dtype=object)).all()


def test_persons_with_several_records_are_one() -> None:
    """Twelve pictures of a person are no crowd around a copy of one; those of twelve are."""
    real, face = made("image", 100, 1), made("image", 1, 5)[0]
    shots = as_column([_uint8(face + RNG.normal(0, 3, face.shape)) for _ in range(12)]).to_numpy()
    pool, copy = np.concatenate([real, shots]), as_column([face[:, ::-1]]).to_numpy()
    whose = np.r_[np.arange(100), np.full(12, 100)]

    assert likeness(COLUMN["image"], pool, whose).known(copy).all()
    assert not likeness(COLUMN["image"], pool, np.arange(112)).known(copy).any()


def test_what_no_trait_sees_is_not_shown_either() -> None:
    """Samples that all lie nearer to training records than others do are not shown at all."""
    outcome = ask("text", [" ".join(x.split()[::-1]) for x in made("text", 150, 1)], holdout=True)

    assert outcome.findings[0].estimate.low > 0.9
    assert outcome.figures == ()
    assert outcome.not_measured[0].id in {"quality.samples.all_near", "quality.samples.nothing"}


@pytest.mark.parametrize("kind", COLUMN)
def test_records_without_content_are_no_trouble(kind: str) -> None:
    """Black pictures, silence, flat series and texts without letters have traits too."""
    empty: dict[str, Any] = {
        "image": np.zeros((20, 20, 3), np.uint8), "audio": np.zeros(1, np.float32),
        "sequence": np.ones((1, 2), np.float32), "text": "?!",
    }  # fmt: skip
    like = likeness(COLUMN[kind], as_column([empty[kind]] * 12).to_numpy(), None)

    assert not like.known(as_column([empty[kind]]).to_numpy()).any()
    assert likeness(COLUMN[kind], made(kind, 1, 1), None).known(made(kind, 2, 3)).shape == (2,)
