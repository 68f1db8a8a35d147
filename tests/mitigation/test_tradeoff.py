"""What was tried to find a strength: kept as data, marked in the report, shown on the pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rows import SCHEMA, draw, frame, samples

import genaudit as ga
from genaudit import api
from genaudit.errors import DataError, GenauditWarning
from genaudit.mitigation import record, repair
from genaudit.mitigation.tradeoff import Trial, Tuning, spread
from genaudit.plan import AuditPlan
from genaudit.render.compare import compare
from genaudit.render.html import to_html
from genaudit.result import AuditReport
from genaudit.subject import Subject

AUTO = ga.Mitigation("repair", strength="auto", dpd=0.1)

PLAN = AuditPlan(audits=("quality.validity",))


def trial(strength: float, gap: float, accuracy: float) -> Trial:
    """One without intervals to speak of."""
    return Trial(strength=strength, gap=gap, gap_low=gap, gap_high=gap, accuracy=accuracy,
                 accuracy_low=accuracy, accuracy_high=accuracy, n=100)  # fmt: skip


TUNING = Tuning(
    columns=("sex",), wanted=0.05, chosen=0.5,
    trials=(trial(0, 0.2, 0.9), trial(1, 0.01, 0.8), trial(0.5, 0.04, 0.85)),
)  # fmt: skip


def test_a_gap_of_equal_groups_is_covered_whichever_are_furthest_apart() -> None:
    """Of five groups alike, whose largest difference is never zero, 95% of intervals reach it."""
    rng = np.random.default_rng(0)
    rows = np.full(5, 200)

    found = [spread(rng.binomial(rows, 0.3), rows) for _ in range(400)]

    assert all(low <= gap <= high for gap, low, high in found)
    assert np.mean([low == 0 for _, low, _ in found]) >= 0.95
    assert min(gap for gap, _, _ in found) > 0


def test_the_chosen_strength_is_marked_in_words_and_in_the_picture() -> None:
    """Trials by strength with their intervals; marks have none."""
    figure = TUNING.figure

    assert [r[:3] for r in figure.rows if r[0] == "gap between groups"] == [
        ("gap between groups", 0.0, 0.2),
        ("gap between groups", 0.5, 0.04),
        ("gap between groups", 1.0, 0.01),
    ]
    assert [r[1:] for r in figure.rows if r[0] == "chosen strength"] == [
        (0.5, 0.04, None, None),
        (0.5, 0.15, None, None),
    ]
    said = to_html(_report().model_copy(update={"sections": (TUNING.section,)}))
    assert "Chosen: strength 50%" in said
    assert "differs by 4 percentage points, before by 20" in said
    assert "85% of predictions are right, before 90%" in said
    assert "generated rows" in said
    assert "they cost no ε" in said


def test_tuning_that_is_no_tuning_is_refused() -> None:
    """A strength that was not tried, or one tried twice, is no record."""
    told = TUNING.model_dump()
    for fault in ({"chosen": 0.3}, {"trials": [*told["trials"], told["trials"][0]]}):
        with pytest.raises(ValueError, match="among trials"):
            Tuning.model_validate({**told, **fault})


def test_the_record_carries_what_was_tried_into_the_report(tmp_path: Path) -> None:
    """A file's audit shows the curve, in both languages and beside the report before."""
    out = tmp_path / "fair.csv"
    found = api.mitigate(frame(600), AUTO, schema=SCHEMA, out=out)
    assert found.tuning is not None
    kept = record.read(out)
    assert kept is not None
    assert kept.tuning == found.tuning
    assert found.tuning.at(found.tuning.chosen).gap == found.cost["dpd_on_samples"] <= 0.1

    before, after = _report(), ga.audit(out, schema=SCHEMA, plan=PLAN)

    assert [s.audit for s in after.sections][-1] == "bias.mitigation"
    assert after.sections[-1].figures == (found.tuning.figure,)
    assert ga.check(after).sections[-1] == after.sections[-1]
    assert "这些数字只来自生成的数据行" in to_html(after, "zh")
    for lang, said in (("en", "cost no ε"), ("zh", "不消耗 ε")):
        page = compare([before, after], ["a.html", "b.html"], lang)
        assert page.count('class="chart curve"') == 1
        assert said in page
        assert 'id="tradeoff"' not in compare([before, before], ["a.html", "b.html"], lang)

    told = json.loads(record.beside(out).read_text("utf-8"))
    told["tuning"]["chosen"] = 0.123
    record.beside(out).write_text(json.dumps(told), "utf-8")
    with pytest.raises(DataError, match="record of a mitigation"):
        ga.audit(out, schema=SCHEMA, plan=PLAN)


def test_a_generator_is_tuned_once() -> None:
    """All draws are repaired with one strength, which the report tells."""
    fair = Subject("s", "x", draw=lambda n, seed, where=None: draw(min(n, 900), seed, where))

    found = fair.mitigated(AUTO, seed=3)

    (shown,) = found.sections
    strength = shown.params["strength"]
    assert found.draw is not None
    known = fair.draw(900, 8) if fair.draw else None
    assert known is not None
    again = ga.Mitigation("repair", strength=strength).of_samples(known, seed=8).samples
    assert found.draw(900, 8).frame.equals(again.frame)
    assert not fair.mitigated(ga.Mitigation("reweigh")).sections


def test_where_no_strength_is_enough_the_smallest_gap_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than none and all are tried before that is said."""
    gaps = {0.0: 0.3, 0.25: 0.2, 0.5: 0.06, 0.75: 0.1, 1.0: 0.12}
    monkeypatch.setattr(repair._Scored, "trial", lambda _, a, __: trial(a, gaps[a], 0.8))

    with pytest.warns(GenauditWarning, match=r"None of 5 strengths .* 0.060, at strength 0.5"):
        found = repair.tuned(samples(300), ("sex",), 0.02)

    assert found.cost["strength"] == 0.5
    assert found.tuning is not None
    assert found.tuning.figure.description.words["reached"].id == "tradeoff.missed"


def _report() -> AuditReport:
    return ga.audit(frame(300), schema=SCHEMA, plan=PLAN)
