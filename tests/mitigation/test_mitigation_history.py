"""What a report says of samples that were mitigated more than once, in parts, or by weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rows import SCHEMA, draw, frame, samples

import genaudit as ga
from genaudit import api
from genaudit.audits.bias._groups import share_of
from genaudit.data.dataset import Dataset
from genaudit.errors import GenauditWarning, OptionError
from genaudit.mitigation import record, repair
from genaudit.mitigation.groups import Groups
from genaudit.plan import AuditPlan
from genaudit.render.compare import compare
from genaudit.render.html import to_html
from genaudit.stats.intervals import wilson
from genaudit.subject import Subject
from genaudit.subjects.files import from_files, from_trainings

PLAN = AuditPlan(audits=("quality.validity",))

REPAIR, RESAMPLE = ga.Mitigation("repair", strength=1.0), ga.Mitigation("resample", target="equal")


def fair(out: Path, how: ga.Mitigation = REPAIR, seed: int = 0) -> Path:
    """A file of mitigated samples."""
    api.mitigate(frame(300, seed), how, schema=SCHEMA, out=out)
    return out


def said(subject: Subject) -> str:
    assert subject.mitigation is not None
    return subject.mitigation.english


def test_samples_of_each_training_are_mitigated() -> None:
    """Audits read them by training; together they are the samples."""
    whole = from_trainings([frame(400, i) for i in range(3)], SCHEMA)

    found = whole.mitigated(RESAMPLE, seed=1)

    assert found.samples is not None
    assert [len(part) for part in found.replicates] == [400, 400, 400]
    for part in (*found.replicates, found.samples):
        assert len(set(Groups.of(part, ("sex",)).counts)) == 1
    together = pd.concat([part.frame for part in found.replicates], ignore_index=True)
    assert together.astype(str).equals(found.samples.frame.astype(str))
    with pytest.raises(OptionError, match="draws under the condition"):
        whole.mitigated(ga.Mitigation("balance", target="equal"))


def test_trainings_are_repaired_with_one_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tuned on all of them, and shown once."""
    monkeypatch.setattr(repair, "_HALVINGS", 1)
    whole = from_trainings([frame(200, i) for i in range(3)], SCHEMA)

    found = whole.mitigated(ga.Mitigation("repair", strength="auto", dpd=0.1))

    (shown,) = found.sections
    strength = shown.params["strength"]
    own = ga.Mitigation("repair", strength=strength).of_samples(whole.replicates[1], seed=1)
    assert found.replicates[1].frame.equals(own.samples.frame)


def test_weights_beside_rows_are_refused_where_rows_are_counted() -> None:
    """Nothing in them would have changed."""
    with pytest.raises(OptionError, match="audits count rows"):
        Subject("s", "x", draw=draw).mitigated(ga.Mitigation("reweigh", keep_rows=True))


def test_an_audit_does_not_call_weighted_rows_mitigated(tmp_path: Path) -> None:
    """A warning says that weights are left out, and so does the report."""
    out = fair(tmp_path / "w.csv", ga.Mitigation("reweigh", keep_rows=True))

    with pytest.warns(GenauditWarning, match="weights from a mitigation, which are left out"):
        report = ga.audit(out, schema=SCHEMA, plan=PLAN)

    assert [r.id for r in report.remarks if "mitigat" in r.english] == ["remark.weighted"]
    told = json.loads(record.beside(out).read_text("utf-8"))
    assert told.pop("weights") is True
    record.beside(out).write_text(json.dumps(told), "utf-8")  # as records were once
    with pytest.warns(GenauditWarning, match="weights from a mitigation"):
        assert "rows weights" in said(from_files([out], SCHEMA))


def test_a_chain_is_told_in_order(tmp_path: Path) -> None:
    """By the record of the last, in a report in both languages, and by a subject."""
    first, second = fair(tmp_path / "a.csv"), tmp_path / "b.csv"
    api.mitigate(first, RESAMPLE, schema=SCHEMA, out=second, n=100)

    kept = record.read(second)
    assert kept is not None
    assert [(one.method, one.strength) for one in kept.earlier] == [("repair", 1.0)]
    report = ga.audit(second, schema=SCHEMA, plan=PLAN)
    both = "repaired by quantiles of groups by sex with strength 1, then resampled to a target by"
    assert both in to_html(report)
    assert "修正结果标签，按 sex 分组（强度 1），然后按目标比例重采样" in to_html(report, lang="zh")

    subject = Subject("s", "x", samples=samples(300)).mitigated(REPAIR).mitigated(RESAMPLE)
    assert both in said(subject).replace("1.0", "1")
    assert "rejection" in said(from_files([second], SCHEMA).mitigated(ga.Mitigation("reject")))
    api.mitigate(subject, ga.Mitigation("reject"), out=second)
    kept = record.read(second)
    assert kept is not None
    assert [one.method for one in kept.earlier] == ["repair", "resample"]


def test_files_that_were_mitigated_alike_are_said_to_be(tmp_path: Path) -> None:
    """Pooled, or as trainings of one recipe; where they differ, how many were."""
    paths = [fair(tmp_path / f"{i}.csv", seed=i) for i in range(3)]
    plain, other = tmp_path / "p.csv", fair(tmp_path / "o.csv", RESAMPLE, 8)
    frame(300, 9).to_csv(plain, index=False)

    for made in (from_files, from_trainings):
        assert said(made(paths, SCHEMA)).startswith("These samples were mitigated: outcomes repa")
        assert "mitigated: 1 of 2 (outcomes" in said(made([plain, paths[0]], SCHEMA))
        assert "The 2 parts of these samples" in said(made([other, paths[0]], SCHEMA))
        assert made([plain], SCHEMA).mitigation is None
    assert "mitigated: 1 of 2 (" in said(from_trainings([frame(300, 5), paths[0]], SCHEMA))
    report = ga.audit(paths, schema=SCHEMA, plan=PLAN, one_recipe=True)
    assert "remark.mitigated" in [r.id for r in report.remarks]
    assert "有 1 个经过偏差缓解处理" in to_html(
        ga.audit([plain, paths[0]], schema=SCHEMA, plan=PLAN), lang="zh"
    )


def test_a_mix_is_not_mitigated_anew(tmp_path: Path) -> None:
    """Its record could not say what was done to which row."""
    plain, path = tmp_path / "p.csv", fair(tmp_path / "f.csv")
    frame(300, 9).to_csv(plain, index=False)

    with pytest.raises(OptionError, match="all mitigated alike"):
        api.mitigate([plain, path], RESAMPLE, schema=SCHEMA)
    with pytest.raises(OptionError, match="all mitigated alike"):
        from_files([plain, path], SCHEMA).mitigated(RESAMPLE)
    assert isinstance(from_files([path], SCHEMA).mitigated(RESAMPLE).samples, Dataset)


def test_the_strength_that_was_found_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a chain, in files that were tuned one by one, and of a subject."""
    monkeypatch.setattr(repair, "_HALVINGS", 1)
    auto = ga.Mitigation("repair", strength="auto", dpd=0.05)
    first, second = fair(tmp_path / "a.csv", auto), tmp_path / "b.csv"
    tuned = record.read(first)
    assert tuned is not None
    assert tuned.tuning is not None
    api.mitigate(first, RESAMPLE, schema=SCHEMA, out=second)

    kept = record.read(second)
    assert kept is not None
    assert kept.earlier[0].strength == tuned.tuning.chosen
    assert f"with strength {tuned.tuning.chosen:g}" in said(from_files([second], SCHEMA))
    subject = Subject("s", "x", samples=samples(300)).mitigated(auto).mitigated(RESAMPLE)
    assert "by sex with strength" in said(subject)
    assert len(subject.sections) == 1  # the trials stay in the report
    other = fair(tmp_path / "c.csv", ga.Mitigation("repair", strength=0.125))
    assert "with strength 0.125" in said(from_files([first, other], SCHEMA))
    assert "in different ways" in said(from_files([first, other], SCHEMA))


def test_a_generator_says_by_what_it_was_mitigated() -> None:
    """Columns and shares are those of its schema, as with samples."""
    subject = Subject("s", "x", draw=draw).mitigated(RESAMPLE)

    assert subject.steps is not None
    assert subject.steps[0]["columns"] == ["sex"]
    assert len(subject.steps[0]["target"]) == 2
    assert "to a target by sex" in said(subject)


def test_rows_used_again_count_for_less(tmp_path: Path) -> None:
    """Rows of a smaller group stand there twice; intervals are those of as many as came."""
    few = pd.concat([frame(4000, 1).query("sex == 'F'").head(17),
                     frame(4000, 2).query("sex == 'M'").head(400)])  # fmt: skip
    few.to_csv(tmp_path / "few.csv", index=False)
    out = tmp_path / "again.csv"
    api.mitigate(tmp_path / "few.csv", RESAMPLE, schema=SCHEMA, out=out, n=68)
    train = frame(3000, 3)
    plan = AuditPlan(audits=("bias.representation",))

    subject = from_files([out], SCHEMA)
    gaps = {}
    for path in (out, tmp_path / "few.csv"):
        report = ga.audit(path, schema=SCHEMA, train=train, plan=plan)
        (gaps[path],) = [f for _, f in report.findings()
                         if f.metric == "bias.representation.label_gap"]  # fmt: skip

    assert subject.repeats == 2
    assert "up to 2 times" in said(subject)
    again, once = gaps.values()
    assert once.doubt is not None
    assert again.doubt is not None  # 34 rows of 17 women are no more than these
    assert again.estimate.high - again.estimate.low > once.estimate.high - once.estimate.low - 0.05
    twice = Subject("s", "x", samples=samples(300)).mitigated(RESAMPLE)
    assert twice.mitigated(RESAMPLE).repeats >= twice.repeats
    assert Subject("s", "x", draw=draw).mitigated(RESAMPLE).repeats == 2


@pytest.mark.slow
def test_shares_of_rows_used_again_are_covered() -> None:
    """The share of an attribute that has nothing to do with the mitigation, in 400 draws."""
    rng, inside = np.random.default_rng(0), 0
    for seed in range(400):
        made = frame(300, seed).assign(age=np.where(rng.random(300) < 0.3, 20, 50))
        subject = Subject("s", "x", samples=Dataset.of_samples(made, SCHEMA))
        found = subject.mitigated(ga.Mitigation("resample", target="equal"), seed=seed)
        assert found.samples is not None
        hit = found.samples.frame["age"].to_numpy() == 20
        low, high = wilson(*share_of(hit, None, 1 / found.repeats).independent, 0.95)
        inside += low <= 0.3 <= high

    assert inside / 400 >= 0.935


def test_seeds_of_numpy_are_seeds() -> None:
    """Of samples of several trainings as well."""
    whole = from_trainings([frame(200, i) for i in range(3)], SCHEMA)

    one, other = (whole.mitigated(RESAMPLE, seed=seed) for seed in (5, np.int64(5)))

    assert one.samples is not None
    assert other.samples is not None
    assert one.samples.frame.equals(other.samples.frame)
    with pytest.raises(OptionError, match="seed"):
        whole.mitigated(RESAMPLE, seed=-1)


def test_weights_of_rows_that_were_do_not_travel_on(tmp_path: Path) -> None:
    """They were counted for other rows, under another mix."""
    first = fair(tmp_path / "w.csv", ga.Mitigation("reweigh", keep_rows=True))
    assert "weight" in pd.read_csv(first)

    with pytest.warns(GenauditWarning, match="which are left out"):
        api.mitigate(first, RESAMPLE, schema=SCHEMA, out=tmp_path / "r.csv")

    assert "weight" not in pd.read_csv(tmp_path / "r.csv")


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "were mitigated: outcomes"), ("zh", "这些样本经过偏差缓解处理")]
)
def test_reports_side_by_side_say_which_were_mitigated(
    tmp_path: Path, lang: str, words: str
) -> None:
    """And how, and that it took no ε."""
    plain = tmp_path / "p.csv"
    frame(300, 9).to_csv(plain, index=False)
    reports = [
        ga.audit(path, schema=SCHEMA, plan=PLAN) for path in (plain, fair(tmp_path / "f.csv"))
    ]

    page = compare(reports, ["a.html", "b.html"], lang)

    assert page.count(words) == 1


def test_a_long_chain_is_told_whole_in_both_languages(tmp_path: Path) -> None:
    """Every step in the reader's language, every strength to its last digit."""
    places = [fair(tmp_path / "0.csv")]
    hows = [RESAMPLE, ga.Mitigation("repair", strength=0.625), ga.Mitigation("reject"),
            ga.Mitigation("repair", strength=0.375)]  # fmt: skip
    for i, how in enumerate(hows, 1):
        places.append(tmp_path / f"{i}.csv")
        api.mitigate(places[-2], how, schema=SCHEMA, out=places[-1])
    report = ga.audit(places[-1], schema=SCHEMA, plan=PLAN)

    zh = to_html(report, lang="zh")
    for words in ("with strength 0.625", "with strength 0.375, then", "thinned by rejection"):
        assert words.removesuffix(", then") in to_html(report)
        assert words.removesuffix(", then") not in zh
    assert "强度 0.625" in zh
    assert "强度 0.375" in zh
    assert "outcomes repaired" not in zh


def test_records_that_do_not_tell_are_taken_as_often_as_may_be(tmp_path: Path) -> None:
    """Chains that an older version wrote, the last step by its cost."""
    first, second = fair(tmp_path / "a.csv", RESAMPLE), tmp_path / "b.csv"
    api.mitigate(first, REPAIR, schema=SCHEMA, out=second)
    told = json.loads(record.beside(second).read_text("utf-8"))
    assert told.pop("repeats") == 1
    assert told["earlier"][0].pop("repeats") == 2
    record.beside(second).write_text(json.dumps(told), "utf-8")

    assert from_files([second], SCHEMA).repeats == 2


def test_files_that_were_made_from_one_another_hold_the_same_rows(tmp_path: Path) -> None:
    """A row may stand in each of them; files of other rows do not add to it."""
    plain, other = tmp_path / "p.csv", tmp_path / "o.csv"
    frame(300, 9).to_csv(plain, index=False)
    frame(300, 8).to_csv(other, index=False)
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    api.mitigate(plain, RESAMPLE, schema=SCHEMA, out=first)
    api.mitigate(first, REPAIR, schema=SCHEMA, out=second)

    assert from_files([first, other], SCHEMA).repeats == 2
    assert from_files([plain, first], SCHEMA).repeats == 3
    pool = from_files([plain, first, second], SCHEMA)
    assert pool.repeats == 5
    assert "up to 5 times" in said(pool)
    assert from_files([plain, other], SCHEMA).repeats == 1

    third = tmp_path / "c.csv"
    api.mitigate(plain, RESAMPLE, schema=SCHEMA, out=third, seed=1)
    api.mitigate([first, third], REPAIR, schema=SCHEMA, out=second)
    again = from_files([second], SCHEMA)
    assert again.repeats == from_files([first, third], SCHEMA).repeats == 4
    assert "up to 4 times" in said(again)
    assert "up to 4 times" in said(from_files([first, third], SCHEMA).mitigated(REPAIR))
