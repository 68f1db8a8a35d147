"""Rows wanted: chosen at random before they are mitigated, and what is told is true of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rows import SCHEMA, draw, frame, rate, samples

import genaudit as ga
from genaudit import api
from genaudit.data.dataset import Dataset
from genaudit.errors import GenauditWarning, OptionError
from genaudit.mitigation import record
from genaudit.mitigation import repair as halving
from genaudit.mitigation.method import Mitigation
from genaudit.mitigation.outcome import Mitigated

REPAIR = Mitigation("repair", strength=1.0)


def by_sex(n: int, seed: int, where: Mapping[str, str] | None = None) -> Dataset:
    """A generator that makes women first."""
    made = draw(n, seed, where)
    return made.take(np.argsort(made.frame["sex"].astype(str).to_numpy(), kind="stable"))


def women(found: Mitigated) -> float:
    return float((found.samples.frame["sex"].astype(str) == "F").mean())


def test_rows_that_are_accepted_are_chosen_at_random() -> None:
    """Of a file that is sorted by group both groups are kept, in its order and by the seed."""
    data = by_sex(2000, 0)
    for how in (Mitigation("reject", target="equal"), Mitigation("reject")):
        found = how.of_samples(data, n=200, seed=1)

        assert len(found.samples) == 200
        assert 0.2 < women(found) < 0.6
        assert found.rows is not None
        assert (np.diff(found.rows) > 0).all()
        assert not np.array_equal(found.rows, how.of_samples(data, n=200, seed=2).rows)
    assert women(Mitigation("reject", target="equal").of_samples(data, n=200)) > 0.4


@pytest.mark.parametrize("drawn", [False, True])
def test_a_repair_is_of_the_rows_that_are_given(drawn: bool) -> None:
    """Counts and gaps are those of the rows, which both groups have though women come first."""
    found = REPAIR.of_draw(by_sex, 600, seed=3) if drawn else (
        REPAIR.of_samples(by_sex(2000, 0), n=600, seed=3))  # fmt: skip

    assert (len(found.samples), found.cost["rows_out"]) == (600, 600)
    assert 0.25 < women(found) < 0.42
    gap = rate(found.samples, "M") - rate(found.samples, "F")
    assert abs(gap) == pytest.approx(found.cost["gap_after"])
    assert abs(gap) < 0.01
    assert found.rows is not None
    before = by_sex(5000 if drawn else 2000, 3 if drawn else 0).take(found.rows).frame["paid"]
    after = found.samples.frame["paid"]
    assert (before.astype(str) != after.astype(str)).sum() == found.cost["outcomes_changed"]
    assert (after.astype(str) == "yes").mean() == pytest.approx(found.cost["favoured_after"])


def test_a_strength_is_tuned_on_all_and_used_on_the_rows_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fewer rows, the same strength."""
    monkeypatch.setattr(halving, "_HALVINGS", 1)
    how, data = Mitigation("repair", strength="auto", dpd=0.1), samples(900)

    whole, some = how.of_samples(data), how.of_samples(data, n=200)

    assert some.cost["strength"] == whole.cost["strength"] > 0
    assert some.tuning == whole.tuning
    assert len(some.samples) == 200


@pytest.mark.parametrize("drawn", [False, True])
def test_weights_are_of_the_rows_that_are_given(drawn: bool) -> None:
    """Their mean is 1, and groups are paid alike by them."""
    how = Mitigation("reweigh", keep_rows=True)

    found = how.of_draw(by_sex, 500) if drawn else how.of_samples(by_sex(2000, 0), n=500)

    assert found.weights is not None
    assert len(found.samples) == len(found.weights) == found.cost["rows_out"] == 500
    assert found.weights.mean() == pytest.approx(1)
    assert found.cost["effective_rows"] <= 500
    made = found.to_frame()
    yes = (made["paid"].astype(str) == "yes").groupby(made["sex"].astype(str))
    rates = [np.average(g, weights=made["weight"][g.index]) for _, g in yes]
    assert len(rates) == 2
    assert rates[0] == pytest.approx(rates[1])


def test_more_rows_than_there_are_is_told() -> None:
    """All of them are given."""
    for how in (REPAIR, Mitigation("reweigh", keep_rows=True)):
        with pytest.warns(GenauditWarning, match="Only 300 of 400 rows can be given"):
            assert len(how.of_samples(samples(300), n=400).samples) == 300


def test_a_generator_gives_a_few_rows_too() -> None:
    """Rates are those of all that was drawn for it, as three rows have none."""
    assert len(REPAIR.of_draw(draw, 3, seed=1).samples) == 3


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    """In every option; the record beside the rows has them as they are."""
    out = tmp_path / "fair.csv"
    api.mitigate(frame(300), "resample", schema=SCHEMA, target="equal", n=np.int64(30),
                 most_uses=np.int64(3), seed=np.int64(2), out=out)  # fmt: skip
    kept = record.read(out)
    assert kept is not None
    assert (kept.cost["rows_wanted"], kept.most_uses, kept.seed) == (30, 3, 2)

    api.mitigate(frame(300), "repair", schema=SCHEMA, strength="auto", dpd=np.float32(0.25),
                 columns=["sex"], out=out)  # fmt: skip
    kept = record.read(out)
    assert kept is not None
    assert kept.dpd == 0.25


def test_samples_are_never_left_without_their_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one cannot be written the other is not."""
    blocked, out = tmp_path / "a.csv", tmp_path / "b.csv"
    record.beside(blocked).mkdir()
    with pytest.raises(OptionError, match="got the folder"):
        api.mitigate(frame(300), "reweigh", schema=SCHEMA, n=100, out=blocked)
    assert not blocked.exists()

    def full(*_: object) -> None:
        raise OptionError("no space")

    monkeypatch.setattr(api, "write_text", full)
    with pytest.raises(OptionError, match="no space"):
        api.mitigate(frame(300), "reweigh", schema=SCHEMA, n=100, out=out)
    assert not out.exists()


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    """Samples and targets stay as they were, under whatever name."""
    rows, target = tmp_path / "rows.csv", tmp_path / "rows.csv.mitigation.json"
    frame(300).to_csv(rows, index=False)
    (tmp_path / "link.csv").symlink_to(rows)
    before = rows.read_bytes()

    for out in (rows, tmp_path / "link.csv"):
        with pytest.raises(OptionError, match="which is read and would be lost"):
            ga.mitigate(rows, "reweigh", schema=SCHEMA, out=out)
    target.write_text(json.dumps({}), "utf-8")
    with pytest.raises(OptionError, match="which is read and would be lost"):
        ga.mitigate(frame(300), "resample", schema=SCHEMA, target=target, out=rows)
    assert rows.read_bytes() == before
    assert len(pd.read_csv(rows)) == 300
