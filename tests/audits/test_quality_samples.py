"""Samples to look at: drawn and not picked, never a person's record; and how near all lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from media import KINDS, case_of, population

from genaudit.audits import find
from genaudit.audits.quality.samples import Options, _short, _small
from genaudit.case import AuditCase, Knowledge, Outcome
from genaudit.data.dataset import Dataset
from genaudit.data.record import as_column
from genaudit.encoded import heard, size_of
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Picture, Series, Sound, Words
from genaudit.run import run
from genaudit.stats.roc import auc
from genaudit.subject import Subject

SHOWN = {"image": Picture, "sequence": Series, "audio": Sound, "text": Words}


def ask(case: AuditCase, **options: int) -> Outcome:
    """What the audit finds."""
    return find("quality.samples")(case, Options(**options))


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_shown(kind: str) -> None:
    """As many as there may be, of the right kind, with attributes and distances in [0, 1]."""
    (figure,) = ask(case_of(kind)).figures

    assert len(figure.rows) == len(figure.media) == (12 if kind == "audio" else 24)
    assert {type(m) for m in figure.media} == {SHOWN[kind]}
    assert all(0 < float(row[1]) < 1 for row in figure.rows)
    assert all({"label", "group"} == set(m.attributes) for m in figure.media)


def test_a_text_is_shown_with_its_own_attributes() -> None:
    """What stands beside a record in the samples stands beside it in the figure."""
    case = case_of("text")
    rows = case.samples.frame.set_index("record")

    for medium in ask(case).figures[0].media:
        assert rows.loc[medium.text, "label"] == medium.attributes["label"]
        assert rows.loc[medium.text, "group"] == medium.attributes["group"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_training_record_is_shown(kind: str) -> None:
    """Of a generator that copies nothing is shown, and the report says that nothing can be."""
    outcome = ask(case_of(kind, "copycat"))

    assert outcome.figures == ()
    assert outcome.not_measured[0].id == "quality.samples.nothing"
    assert outcome.findings[0].estimate.value > 0.9


@pytest.mark.parametrize("kind", ["image", "sequence"])
def test_no_record_of_a_holdout_is_shown_either(kind: str) -> None:
    """It is a person's too; nor is one that differs from a real one by noise alone."""
    near, other = case_of(kind, "near_copy"), case_of(kind)
    seen = case_of(kind, samples=other.holdout.frame)

    assert ask(near).figures == ()
    assert ask(seen).figures == ()


@pytest.mark.parametrize("shots", [2, 9])
def test_records_that_are_alike_do_not_hide_each_other(shots: int) -> None:
    """Near copies of pictures that were taken twice, or nine times, are not shown."""
    case, rng = case_of("image", n=400), np.random.default_rng(0)

    def noisy(pixels: np.ndarray, by: int) -> np.ndarray:
        moved = pixels.astype(int) + rng.integers(-by, by + 1, pixels.shape)
        return np.clip(moved, 0, 255).astype(np.uint8)

    def repeated(data: Dataset) -> Dataset:
        frame = data.frame.loc[np.arange(40).repeat(shots)].reset_index(drop=True)
        shot = as_column([noisy(r, 4) for r in frame["record"]])
        return Dataset.of(frame.assign(record=shot), case.schema)

    data = {k: repeated(d) for k, d in case.data.items()}
    train = data[Knowledge.TRAIN].frame
    copies = train.assign(record=as_column([noisy(r, 1) for r in train["record"]]))
    made = Dataset.of_samples(copies, case.schema)

    assert ask(AuditCase(Subject("planted", "samples", made), data)).figures == ()


def test_copies_among_fresh_records_are_passed_over() -> None:
    """Every other sample is a copy: shown are fresh ones alone, and nothing tells how many are."""
    train, fresh = case_of("text").train.frame, population("text", 400, 99)
    mixed = pd.concat([fresh[:200], train[:200]]).sample(frac=1, random_state=0)
    (figure,) = ask(case_of("text", samples=mixed)).figures
    texts = [m.text for m in figure.media]

    assert len(texts) == 24
    assert set(texts) <= set(fresh["record"])


def test_what_many_have_in_common_is_nobodys() -> None:
    """A text of ten training rows may be shown, one of nine may not."""
    for n, told in ((10, True), (9, False)):
        case = case_of("text", n=120, samples=population("text", 120, 9).assign(record="ada"))
        frame = case.train.frame.copy()
        frame.loc[: n - 1, "record"] = "ada"
        train = type(case.train).of(frame, case.schema)
        figures = ask(AuditCase(case.subject, {**case.data, Knowledge.TRAIN: train})).figures

        assert bool(figures) is told


def test_what_one_person_has_many_times_is_theirs() -> None:
    """Ten rows of one person are one person's; ten pictures that are alike are no crowd."""
    who = {"name": "who", "kind": "categorical", "role": "person"}
    made = population("text", 120, 9).assign(record="ada")
    for alone in (True, False):
        base = case_of("text", n=120, samples=made)
        schema = base.schema.replace(columns=[*(c.model_dump() for c in base.schema.columns), who])
        frame = base.train.frame.assign(who=[f"p{i}" for i in range(len(base.train))])
        frame.loc[:11, "record"] = "ada"
        if alone:
            frame.loc[:11, "who"] = "p0"
        train = type(base.train).of(frame, schema)
        subject = replace(base.subject, samples=type(base.train).of_samples(made, schema))

        figures = ask(AuditCase(subject, {Knowledge.TRAIN: train})).figures

        assert bool(figures) is not alone

    base = case_of("image", n=120)
    same = as_column([base.train.media[0]] * 120)
    frame = base.train.frame.copy()
    frame.loc[:11, "record"] = same[:12]
    train = type(base.train).of(frame, base.schema)
    copies = type(base.train).of_samples(base.samples.frame.iloc[:1].assign(record=same[:1]),
                                         base.schema)  # fmt: skip
    subject = replace(base.subject, samples=copies)

    assert not ask(AuditCase(subject, {**base.data, Knowledge.TRAIN: train})).figures


def test_which_are_shown_follows_from_seed_and_training_data() -> None:
    """The same for the same case; others with another seed, or with other training data."""
    first, again, other = (ask(case_of("text", seed=s)).figures[0].media for s in (0, 0, 1))
    case = case_of("text")
    fewer = AuditCase(case.subject, {**case.data, Knowledge.TRAIN: case.train.take(np.arange(399))})

    assert first == again
    assert first != other
    assert ask(fewer).figures[0].media != first


def test_persons_with_alike_records_are_kept_apart_from_others() -> None:
    """A sample near to two records of one person is near to that person, and is not shown."""
    base = case_of("image", "near_copy")
    who = {"name": "who", "kind": "categorical", "role": "person"}
    schema = base.schema.replace(columns=[*(c.model_dump() for c in base.schema.columns), who])
    other = [np.clip(r.astype(int) + 1, 0, 255).astype(np.uint8) for r in base.train.media]
    twice = pd.concat([base.train.frame, base.train.frame.assign(record=as_column(other))])
    of = type(base.train).of
    train = of(twice.assign(who=[f"t{i % 400}" for i in range(800)]), schema)
    holdout = of(base.holdout.frame.assign(who=[f"h{i}" for i in range(400)]), schema)
    subject = type(base.subject)("planted", "samples", type(train).of_samples(
        base.samples.frame, schema))  # fmt: skip

    assert ask(AuditCase(subject, {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout})
               ).figures == ()  # fmt: skip


def test_nearness_is_an_area_on_paper() -> None:
    """The share of pairs in which the sample is nearer, 0.5 for fresh records within chance."""
    case = case_of("image")
    found = ask(case).findings[0]
    seen = case.described

    assert found.estimate.low < 0.5 < found.estimate.high
    assert found.null.low < 0.5 < found.null.high
    assert found.estimate.n == len(seen.samples) + len(seen.non_members)
    assert auc(np.array([2.0]), np.array([1.0])).value == 1


def test_noise_is_far_from_everything() -> None:
    """What looks like nothing is hardly ever nearer than a real record."""
    assert ask(case_of("image", "noise")).findings[0].estimate.high < 0.2


def test_without_a_holdout_samples_are_shown() -> None:
    """Nearness has nothing to be held against, and says so."""
    case = case_of("sequence")
    outcome = ask(AuditCase(case.subject, {Knowledge.TRAIN: case.train}))

    assert len(outcome.figures) == 1
    assert outcome.findings[0].estimate.reason.id == "quality.samples.no_holdout"


def test_a_table_has_no_such_section_unless_it_is_asked_for() -> None:
    """A report on a table does not list what tables have no need of."""
    from subjects import make_case

    case = make_case("honest", n_train=60, n_holdout=60, n_samples=60)
    names = ("quality.samples", "quality.validity")
    plain = run(case, AuditPlan(), Policy.read())
    named = run(case, AuditPlan(audits=names), Policy.read())

    assert "quality.samples" not in {s.audit for s in plain.sections}
    assert {s.audit: str(s.status) for s in named.sections}["quality.samples"] == "skipped"


def test_large_records_are_made_small() -> None:
    """Pictures by means of blocks, sounds by a lower rate and their beginning."""
    small = _small(np.arange(200 * 100 * 3).reshape(200, 100, 3).astype(np.uint8))
    sound, rate = _short(np.zeros(44_100 * 3, np.float32), 44_100)
    flat = _small(np.full((97, 200, 1), 7, np.uint8))

    assert max(small.shape) <= 96
    assert (flat == 7).all()
    assert rate == 7350
    assert len(sound) == 2 * 7350


def test_shown_records_are_what_was_made() -> None:
    """A small picture has the size that it had, a sound its length, a series its steps."""
    pictures, sounds, series = (
        ask(case_of(kind)).figures[0].media for kind in ("image", "audio", "sequence")
    )

    assert {size_of(m.png) for m in pictures} == {(8, 8)}
    assert all(heard(m.wav)[1] == 4000 for m in sounds)
    assert all(len(m.values) == 2 and len(m.values[0]) == m.length for m in series)
