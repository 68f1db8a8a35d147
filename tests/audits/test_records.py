"""Audits of images, series, sounds and texts: planted faults found, honest records not accused."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from long import all_but
from media import KINDS, SUBJECTS, case_of, population, schema_of

from genaudit.audits import audits, find
from genaudit.case import MEDIA, AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Role
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.render.text import catalogue
from genaudit.result import AuditReport, Status, Verdict
from genaudit.run import run
from genaudit.subject import Subject

#: Audits of every modality that the standard plan has; training of learners is left to a few tests.
SERVED = sorted(
    a.id for a in audits().values() if a.modalities >= MEDIA and AuditPlan().includes(a.id)
)
QUICK = [
    name
    for name in SERVED
    if name not in ("bias.downstream", "bias.predicted", "bias.trts", "quality.utility")
]


def report(case: AuditCase, *chosen: str) -> AuditReport:
    """What some audits, or all that serve records, say of a case."""
    return run(case, AuditPlan(audits=chosen or None), Policy.read(), strict=True)


def verdicts(case: AuditCase, *chosen: str) -> dict[str, Verdict | None]:
    """Verdict of each metric."""
    return {f.metric: f.verdict for _, f in report(case, *chosen).findings()}


@pytest.mark.parametrize("kind", all_but({"text"}, KINDS))
def test_audits_run_on_records(kind: str) -> None:
    """All audits but those of what these records lack have findings, none outside a limit.

    There are no rare rows, and groups stand beside the records. All is said in Chinese.
    """
    honest = report(case_of(kind, n=240))
    found = {s.audit: s for s in honest.sections}
    zh = catalogue("zh")

    served = {*SERVED} - {"bias.predicted"}
    assert {name for name, s in found.items() if s.status is Status.RAN} == served
    assert found["content.rare_copies"].reason
    assert found["bias.predicted"].reason
    assert all(found[name].findings for name in served)
    assert not honest.findings(Verdict.OUTSIDE)
    assert honest.modality == kind
    assert "privacy.copies.unread" not in {m.id for m in honest.not_measured}
    for said in _messages(honest.model_dump()):
        assert said["id"] in zh or said["texts"].get("zh") or not said["id"], said


def _messages(value: object) -> list[dict]:
    if isinstance(value, dict):
        inner = [m for v in value.values() for m in _messages(v)]
        return [value, *inner] if "text_en" in value else inner
    if isinstance(value, list | tuple):
        return [m for v in value for m in _messages(v)]
    return []


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_found(kind: str) -> None:
    """Whoever sells training records is found by copies of both kinds and by nearness."""
    found = verdicts(case_of(kind, "copycat"), "privacy.copies", "privacy.distance")

    assert found["privacy.copies.exact"] is Verdict.OUTSIDE
    assert found["privacy.copies.near"] is Verdict.OUTSIDE
    assert found["privacy.distance.auc"] is Verdict.OUTSIDE


@pytest.mark.parametrize("kind", ["image", "sequence", "audio"])
def test_near_copies_are_found(kind: str) -> None:
    """A little noise hides no training record: none is equal, nearly all are near."""
    near, exact = (
        find("privacy.copies")(case_of(kind, "near_copy")).findings[i].estimate for i in (1, 0)
    )

    assert exact.value == 0
    assert near.value is not None
    assert near.value > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_with_other_attributes_is_a_copy(kind: str) -> None:
    """The record decides, whatever stands beside it."""
    case = case_of(kind, "copycat")
    other = case.samples.frame.assign(label="low", group="thin")
    changed = replace(case.subject, samples=Dataset.of_samples(other, case.schema))
    found = find("privacy.copies")(AuditCase(changed, case.data)).findings

    assert all(f.estimate.value == 1 for f in found)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_unlike(kind: str) -> None:
    """Records that look like nothing are far from the distributions of real ones."""
    found, base = (
        find("quality.fidelity")(case_of(kind, who)).findings[0].estimate
        for who in ("noise", "honest")
    )

    assert found.low is not None
    assert base.high is not None
    assert found.low > base.high


@pytest.mark.parametrize("kind", ["sequence", "text"])
def test_records_without_a_target_are_asked_for_their_group(kind: str) -> None:
    """Somebody learns who speaks from samples: noise teaches nothing, fresh records nearly all."""

    def auc(who: str) -> float:
        case, schema = case_of(kind, who), schema_of(kind)
        columns = [c.model_copy(update={"role": Role.FEATURE}) if c.name == "label" else c
                   for c in schema.columns]  # fmt: skip
        schema = schema.replace(columns=tuple(columns))
        data = {k: Dataset.of(d.frame, schema, k.value) for k, d in case.data.items()}
        made = replace(case.subject, samples=Dataset.of_samples(case.samples.frame, schema))
        found = find("quality.utility")(AuditCase(made, data)).findings
        assert found[1].label.params["column"] == "group"
        assert found[1].estimate.value is not None
        return found[1].estimate.value

    assert auc("honest") > auc("noise") + 0.15


def test_the_description_never_changes_with_the_samples() -> None:
    """Two subjects over the same data: real records have the same numbers, and equal bounds."""
    one, other = (case_of("image", who).described for who in ("honest", "noise"))

    assert one.schema == other.schema
    for knowledge in one.data:
        pd.testing.assert_frame_equal(one.data[knowledge].frame, other.data[knowledge].frame)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_records_have_equal_numbers(kind: str) -> None:
    """To the last digit, in whatever batch they stand, and beside their attributes unchanged."""
    case = case_of(kind, "copycat")
    made, train = case.described.samples.frame, case.described.train.frame
    rows = made.merge(train, on="record", suffixes=("", " of train"))
    numbers = list(case.described.description.names)

    assert len(rows) == len(made)
    assert 0 < len(numbers) <= 64
    for name in (*numbers, "label", "group"):
        assert (rows[name] == rows[f"{name} of train"]).all()


def test_halves_and_samples_are_those_of_the_case() -> None:
    """Row for row; a described case is computed once, and a table's is the case itself."""
    case = case_of("text")

    assert case.described is case.described
    assert case.described.described is case.described
    assert list(case.described.reference.frame["record"]) == list(case.reference.media)
    assert list(case.described.samples.frame["record"]) == list(case.samples.media)


def test_what_a_sampler_draws_is_described_too() -> None:
    """A subject that draws is drawn from once, and draws described records ever after."""
    kind, calls = "image", []

    def draw(n: int, seed: int, where: object = None) -> Dataset:
        calls.append(n)
        return Dataset.of_samples(population(kind, n, seed), schema_of(kind))

    case = AuditCase(Subject("drawn", "samples", draw=draw), case_of(kind).data, n_samples=50)
    seen = case.described

    assert len(seen.samples) == 50
    assert seen.samples.schema == seen.schema
    assert seen.subject.draw(7, 1).schema == seen.schema
    assert calls == [50, 7]


#: What a broken generator makes of a record.
BROKEN = {"image": np.zeros((3, 3, 1)), "sequence": np.full((3, 2), np.nan), "audio": "hiss",
          "text": "ÄÖÜ"}  # fmt: skip


FAULTS = ("some broken", "all broken", "no records", "one repeated")


@pytest.mark.parametrize(
    ("kind", "fault"),
    all_but(set(zip(KINDS, FAULTS, strict=True)), itertools.product(KINDS, FAULTS)),
)
def test_broken_records_are_findings(kind: str, fault: str) -> None:
    """Records that are none, none at all, or one for all: findings, never a crash."""
    rows = population(kind, 200, 77)
    match fault:
        case "some broken" | "all broken":
            n = 60 if fault == "some broken" else 200
            cells = [*[BROKEN[kind]] * n, *rows["record"][n:]]
            rows["record"] = pd.Series(cells, dtype=object)
        case "no records":
            rows = rows.drop(columns="record")
        case _:
            rows = pd.concat([rows.head(1)] * 200)
    found = report(case_of(kind, samples=rows, n=200), *QUICK)
    values = {f.metric: f.estimate.value for _, f in found.findings()}
    nobody = {"privacy.distance", "privacy.groups"}  # is attacked

    assert {s.audit for s in found.sections if s.findings} >= {*QUICK} - nobody
    if fault == "some broken":
        assert values["quality.validity.invalid_rate"] == pytest.approx(60 / 600)
    if fault == "one repeated":
        assert values["quality.validity.distinct_rate"] == 1 / 200


def test_identifiers_in_texts_are_found() -> None:
    """An address in a generated text is one of a person, as in a column."""
    rows = population("text", 300, 5)
    rows.loc[:20, "record"] = "to jane.doe@example.org please"
    found = find("content.personal_data")(case_of("text", samples=rows)).findings

    assert found[0].estimate.value == pytest.approx(21 / 300)
    assert {f.group.get("column") for f in found[1:]} == {"record"}


def test_persons_are_members() -> None:
    """Where persons have several records, a copy of any of them is a hit on the person."""
    schema = schema_of("image")
    who = {"name": "who", "kind": "categorical", "role": "person"}
    schema = schema.replace(columns=[*(c.model_dump() for c in schema.columns), who])
    train, holdout = (
        Dataset.of(population("image", 300, i).assign(who=[f"{i} {j // 3}" for j in range(300)]),
                   schema) for i in (1, 2)
    )  # fmt: skip
    subject = Subject("planted", "samples", train.take(np.arange(0, 300, 3)))
    case = AuditCase(subject, {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout})
    exact, near = find("privacy.copies")(case).findings

    assert exact.estimate.value == pytest.approx(1)
    assert near.estimate.value == pytest.approx(1)


def test_every_planted_subject_is_its_kind() -> None:
    """What the planted generators make are records of the schema."""
    for kind in KINDS:
        for name in SUBJECTS:
            assert not case_of(kind, name, n=30).samples.invalid
