"""Clauses as data, and what findings can say about them."""

from __future__ import annotations

import re

import pytest

from genaudit.compliance.controls import Regulation, readings, regulations
from genaudit.errors import OptionError
from genaudit.policy import Policy
from genaudit.result import (
    ControlState,
    Estimate,
    Finding,
    Message,
    Section,
    Status,
    Verdict,
    message,
)

LABEL = message("t", "Label.")
PRIVACY = (
    "privacy.copies.exact",
    "privacy.copies.near",
    "privacy.distance.auc",
    "privacy.distance.tpr_at_1pct_fpr",
    "privacy.ensemble.auc",
    "privacy.ensemble.tpr_at_1pct_fpr",
)


def section(**verdicts: Verdict) -> Section:
    """A section of findings; keys are metric ids with `__` for dots."""
    findings = tuple(
        Finding(
            metric=name.replace("__", "."),
            label=LABEL,
            estimate=Estimate.exact(0.0, n=1, method="toy"),
            verdict=verdict,
        )
        for name, verdict in verdicts.items()
    )
    return Section(audit="privacy.toy", title=LABEL, status=Status.RAN, findings=findings)


def state(id: str, found: list[Section], **applies: bool) -> ControlState:
    """The state of one clause."""
    return next(r for r in readings(found, {"applicability": applies}) if r.id == id).state


def all_privacy(last: Verdict) -> list[Section]:
    """Every measure of Article 15(5): all within, but for the last."""
    names = [name.replace(".", "__") for name in PRIVACY]
    return [section(**dict.fromkeys(names[:-1], Verdict.WITHIN), **{names[-1]: last})]


def test_regulations_are_read() -> None:
    """The three files hold eight clauses with unique ids, an official page and both languages."""
    ids = [c.id for r in regulations() for c in r.controls]

    assert [r.id for r in regulations()] == ["eu-ai-act", "gdpr", "wp216"]
    assert len(ids) == len(set(ids)) == 8
    for regulation in regulations():
        assert re.match(r"https://(eur-lex|ec)\.europa\.eu/", regulation.url)
        for control in regulation.controls:
            assert re.search("[一-鿿]", control.paraphrase.zh)
            assert re.search("[一-鿿]", control.cannot_claim.zh)


def test_measures_name_metrics_that_the_default_policy_limits() -> None:
    """A measure that names a metric in full is one that the bundled policy knows."""
    limited = {limit.metric for limit in Policy.read().limits}
    named = {m for r in regulations() for c in r.controls for m in c.measures if m[-2:] != ".*"}

    assert named <= limited


def test_unknown_fields_are_refused() -> None:
    """A misspelt field in a regulation does not pass unseen."""
    with pytest.raises(ValueError, match="in_forse"):
        Regulation.model_validate({"id": "x", "in_forse": "2020-01-01"})


def test_unanswered_applicability_is_never_met() -> None:
    """Without the operator's answer every clause reads "applicability not declared"."""
    states = {r.state for r in readings(all_privacy(Verdict.WITHIN), {})}

    assert states == {ControlState.NOT_DECLARED}


def test_declared_not_applicable() -> None:
    """An answer of false is repeated, whatever was found."""
    found = all_privacy(Verdict.OUTSIDE)

    assert state("EU-15-5", found, eu_ai_act_high_risk=False) is ControlState.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.WITHIN, ControlState.WITHIN),
        (Verdict.INFO, ControlState.CANNOT_TELL),
        (Verdict.CANNOT_TELL, ControlState.CANNOT_TELL),
        (Verdict.OUTSIDE, ControlState.OUTSIDE),
    ],
)
def test_worst_finding_decides(verdict: Verdict, expected: ControlState) -> None:
    """Where everything was measured, the worst verdict is the state."""
    assert state("EU-15-5", all_privacy(verdict), eu_ai_act_high_risk=True) is expected


@pytest.mark.parametrize("value", [0.0, None])
def test_a_named_measure_without_a_limit_is_not_within(value: float | None) -> None:
    """A number that no limit judges, or no number, keeps a clause that names it undecided."""
    found = all_privacy(Verdict.WITHIN)
    last = found[0].findings[-1]
    if value is None:
        undefined = Estimate.undefined(LABEL, n=1, method="toy")
        last = last.model_copy(update={"estimate": undefined})
    judged = (*found[0].findings[:-1], last.model_copy(update={"verdict": Verdict.INFO}))
    found = [found[0].model_copy(update={"findings": judged})]

    assert state("EU-15-5", found, eu_ai_act_high_risk=True) is ControlState.CANNOT_TELL


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((Verdict.WITHIN, Verdict.INFO), ControlState.WITHIN),
        ((Verdict.WITHIN, Verdict.CANNOT_TELL), ControlState.CANNOT_TELL),
        ((Verdict.INFO, Verdict.INFO), ControlState.CANNOT_TELL),
        ((Verdict.WITHIN, Verdict.OUTSIDE), ControlState.OUTSIDE),
    ],
)
def test_under_a_star_what_has_a_limit_decides(
    verdicts: tuple[Verdict, Verdict], expected: ControlState
) -> None:
    """Of `privacy.*` every metric that has a limit must be within, and one must have one."""
    found = [section(privacy__one=verdicts[0], privacy__two=verdicts[1])]

    assert state("GD-32-1d", found, personal_data=True) is expected


def test_every_star_needs_a_limit_of_its_own() -> None:
    """Privacy within its limits says nothing about bias, of which only numbers without one came."""
    privacy, bias = section(privacy__one=Verdict.WITHIN), section(bias__one=Verdict.INFO)

    assert state("EU-9-8", [privacy, bias], eu_ai_act_high_risk=True) is ControlState.CANNOT_TELL


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.FAILED])
def test_an_audit_that_did_not_run_is_missing_under_a_star(status: Status) -> None:
    """What a skipped or failed audit would have measured keeps `privacy.*` from being within."""
    idle = Section(audit="privacy.distance", title=LABEL, status=status)
    found = [section(privacy__copies__exact=Verdict.WITHIN), idle]

    assert state("GD-32-1d", found, personal_data=True) is ControlState.NOT_MEASURED
    other = [found[0], idle.model_copy(update={"audit": "bias.downstream"})]
    assert state("GD-32-1d", other, personal_data=True) is ControlState.WITHIN


def test_a_missing_measure_is_not_within() -> None:
    """One measure without a finding keeps the clause from reading as within, but not as outside."""
    within = [section(privacy__copies__exact=Verdict.WITHIN)]
    outside = [section(privacy__copies__exact=Verdict.OUTSIDE)]

    assert state("EU-15-5", within, eu_ai_act_high_risk=True) is ControlState.NOT_MEASURED
    assert state("EU-15-5", outside, eu_ai_act_high_risk=True) is ControlState.OUTSIDE


def test_unlimited_findings_cannot_tell() -> None:
    """Numbers that no limit judges are no evidence of being within one."""
    found = [section(privacy__other=Verdict.INFO)]

    assert state("GD-32-1d", found, personal_data=True) is ControlState.CANNOT_TELL


def test_wp216_is_not_measured_by_this_version() -> None:
    """Singling out, linkability and inference stay "not measured" although other attacks ran."""
    found = all_privacy(Verdict.WITHIN)

    for clause in ("WP-S", "WP-L", "WP-I"):
        assert state(clause, found, personal_data=True) is ControlState.NOT_MEASURED


def test_readings_carry_their_evidence() -> None:
    """A reading names the metrics behind it, once each, and brings its Chinese text along."""
    reading = next(r for r in readings(all_privacy(Verdict.WITHIN), {}) if r.id == "GD-32-1d")

    assert reading.findings == PRIVACY
    assert isinstance(reading.paraphrase, Message)
    assert "测试" in reading.paraphrase.texts["zh"]


@pytest.mark.parametrize("answers", ["yes", {"personal_data": "yes"}, [True]])
def test_unusable_answers_are_refused(answers: object) -> None:
    """An answer other than true or false is an error, not a guess."""
    with pytest.raises(OptionError, match="true"):
        readings([], {"applicability": answers})
