"""Numbers without a limit: a line each, with what must not be left out beside it."""

from __future__ import annotations

import fixture
from test_html import plain

from genaudit.render.html import to_html
from genaudit.render.view import Metric
from genaudit.result import AuditReport, CalibrationInfo, Estimate, Finding, Section, Status

DOUBT = fixture.message("fixture.doubt", "Members and non-members differ before any attack.")


def _finding(metric: str = "privacy.fixture.auc", unit: str = "area", **more: object) -> Finding:
    estimate = Estimate.of(0.71, lambda _: (0.69, 0.74), n=800, method="fixture", unit=unit)
    label = fixture.message("fixture.label", "How well members are told")
    return Finding(metric=metric, label=label, estimate=estimate, **more)


def _page(*findings: Finding, lang: str = "en", **provenance: object) -> str:
    chapter = findings[0].metric.split(".")[0]
    section = Section(
        audit=f"{chapter}.fixture", title=fixture.message("fixture.title", "Fixture"),
        status=Status.RAN, findings=findings, figures=(), params={}, source="", seconds=0.0,
    )  # fmt: skip
    report: AuditReport = fixture.report()
    known = report.provenance.model_copy(update=provenance)
    return to_html(report.model_copy(update={"sections": (section,), "provenance": known}), lang)


def test_a_doubt_is_on_the_page():
    """What an audit holds against its own number stands under the number."""
    page = plain(_page(_finding(doubt=DOUBT)))

    assert "0.710" in page
    assert "Members and non-members differ before any attack." in page
    assert "differ before any attack" not in plain(_page(_finding()))


def test_a_bound_on_epsilon_has_its_note_and_its_doubt():
    """It means nothing without its delta: a bound has a card with or without a limit."""
    note = fixture.message("fixture.note", "At a delta of one in a million.")
    bound = _finding("privacy.fixture.epsilon", "ε", note=note, doubt=DOUBT)
    page = plain(_page(bound))

    assert Metric(bound.metric, (bound,)).prominent
    assert "At a delta of one in a million." in page
    assert "Members and non-members differ before any attack." in page


def test_each_attack_says_how_often_it_cries_wolf():
    """Measured, or not calibrated: also where no limit judges it."""
    rate = Estimate.of(0.04, lambda _: (0.01, 0.09), n=100, method="fixture", unit="share")

    assert "<td>not calibrated<" in _page(_finding())
    assert "<td>4 of 100 runs<" in _page(_finding(false_alarm_rate=rate))
    assert "<td>not calibrated<" not in _page(_finding("quality.fixture.loss"))


def test_a_calibration_of_other_code_is_said_beside_its_rates():
    """Not only at the end of the page."""
    stale = CalibrationInfo(own=False, tool_version="0", code="0" * 64, same_code=False,
                            started="", runs=60)  # fmt: skip
    said = "were measured on other code"

    assert said in plain(_page(_finding(), calibration=stale))
    fresh = stale.model_copy(update={"same_code": True})
    assert said not in plain(_page(_finding(), calibration=fresh))


def test_a_warning_of_one_column_opens_no_card_for_all():
    """It stands on page one and under the lines; its column has a line whatever its size."""
    said = fixture.message("fixture.warning", "Age gives the sensitive column away.")
    sizes = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.01]
    found = tuple(
        _finding(group={"column": f"c{i}"}, warning=said if i == 7 else None).model_copy(
            update={"estimate": Estimate.of(x, lambda _, x=x: (x, x), n=9, method="m", unit="area")}
        )
        for i, x in enumerate(sizes)
    )
    page = _page(*found)

    assert not Metric(found[0].metric, found).prominent
    assert Metric(found[0].metric, found[7:]).prominent
    assert plain(page).count("Age gives the sensitive column away.") == 2
    assert [f"column = c{i}<" in page for i in range(8)] == [True] * 6 + [False, True]
    assert "1 more column is in audit.json." in plain(page)
