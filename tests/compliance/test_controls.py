"""Clauses as data, and what findings can say about them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from pydantic import JsonValue

from genaudit import claim
from genaudit.audits import audits
from genaudit.claim import LIMITS
from genaudit.compliance.controls import Regulation, Texts, questions, readings, regulations
from genaudit.errors import OptionError
from genaudit.ledger import Mechanism, Touch
from genaudit.policy import PROMISED, Policy
from genaudit.result import (
    Claim,
    ControlState,
    Estimate,
    Finding,
    Limit,
    Message,
    Section,
    Status,
    Verdict,
    message,
)
from genaudit.run import judge
from genaudit.subject import Subject

CONTROLS = [c for r in regulations() for c in r.controls]
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
    chapter = next(iter(verdicts)).partition("__")[0]
    return Section(audit=f"{chapter}.toy", title=LABEL, status=Status.RAN, findings=findings)


def every_text() -> Iterator[Texts]:
    """Every sentence of the catalogue."""
    for regulation in regulations():
        yield from (regulation.name, regulation.version, *regulation.questions.values())
        for control in regulation.controls:
            yield from (control.clause, control.paraphrase, control.cannot_claim)
        for row in (regulation, *regulation.controls):
            yield from [row.basis] if row.basis else []


def state(id: str, found: list[Section], **applies: bool) -> ControlState:
    """The state of one clause."""
    return next(r for r in readings(found, {"applicability": applies}) if r.id == id).state


def all_privacy(last: Verdict) -> list[Section]:
    """Every measure of Article 15(5): all within, but for the last."""
    names = [name.replace(".", "__") for name in PRIVACY]
    return [section(**dict.fromkeys(names[:-1], Verdict.WITHIN), **{names[-1]: last})]


def test_catalogue_is_read() -> None:
    """At least fifty clauses of at least eight texts, each id once, in both languages."""
    ids = [c.id for c in CONTROLS]

    assert len(ids) == len(set(ids)) >= 50
    assert len(regulations()) == len({r.id for r in regulations()}) >= 8
    for texts in every_text():
        assert texts.en.isascii() or "ε" in texts.en or "δ" in texts.en
        assert not re.search("[a-z]{2,} [a-z]{2,}", texts.zh)
    for control in CONTROLS:
        assert re.search("[一-鿿]", control.paraphrase.zh)
        assert re.search("[一-鿿]", control.cannot_claim.zh)


def test_measures_are_metrics_that_exist() -> None:
    """A measure is a metric or begins one; one named in full is limited by the bundled policy.

    How much a claim may promise is for its reader to say.
    """
    metrics = {m for audit in audits().values() for m in audit.metrics} | set(LIMITS) | {*PROMISED}
    limited = {limit.metric for limit in Policy.read().limits} | set(LIMITS)
    measures = {m for c in CONTROLS for m in c.measures}

    assert {m for m in measures if not m.endswith(".*")} == limited & measures | {*PROMISED}
    for measure in measures:
        assert any(m == measure or m.startswith(measure.removesuffix("*")) for m in metrics), (
            measure
        )


def test_each_clause_is_asked_about_once() -> None:
    """Every key of applicability has one question, and every question some clause."""
    asked = [key for r in regulations() for key in r.questions]

    assert len(asked) == len(set(asked))
    assert set(asked) == {c.applicability for c in CONTROLS}


#: For how long a row may stand without being held against its source again.
REVIEW = dt.timedelta(days=180)


def test_rows_are_reviewed() -> None:
    """No row was last reviewed more than 180 days before TODAY: this test fails with time alone.

    Whoever meets it holds the row against its source, corrects it, and moves `reviewed` on.
    """
    today = dt.datetime.now(dt.UTC).date()
    stale = [c.id for c in CONTROLS if not dt.timedelta(0) <= today - c.reviewed <= REVIEW]

    assert stale == []


def test_rows_say_where_they_come_from() -> None:
    """What was retrieved was so before the review; nothing claims to be read in the original."""
    for regulation in regulations():
        assert regulation.read == "secondary"
        assert all(regulation.retrieved <= c.reviewed for c in regulation.controls)


def test_traps() -> None:
    """Article 10(5) has become 4a, Article 50(2) names no tables, ISO 42001 opens no route."""
    by_id = {c.id: c for c in CONTROLS}

    assert not [c.id for c in CONTROLS if "10(5)" in c.clause.en]
    assert {"EU-4a-1a", "EU-4a-1b", "EU-4a-1f"} <= set(by_id)
    assert set(by_id["EU-50-2"].modalities) == {"image", "audio", "text"}
    assert "EU AI Act" in by_id["I42001-A6"].cannot_claim.en
    assert not [c.id for c in CONTROLS if c.id.startswith("I") and c.certainty == "H"]


@pytest.mark.parametrize("answer", [True, False, None])
@pytest.mark.parametrize("modality", ["table", "sequence"])
def test_a_clause_that_names_other_data_says_so(answer: bool | None, modality: str) -> None:
    """Whatever the operator declares, the tool reads Article 50(2) as not about tables."""
    context: dict[str, JsonValue] = {}
    if answer is not None:
        context = {"applicability": {"eu_ai_act_generates_content": answer}}

    found = {r.id: r.state for r in readings([], context, modality)}

    assert found["EU-50-2"] is ControlState.OTHER_DATA
    assert found["CN-LABEL-I"] is ControlState.OTHER_DATA


def test_a_clause_without_measures_is_never_within() -> None:
    """What no metric measures reads as not measured, whatever else was found."""
    context = {"applicability": dict.fromkeys(questions(), True)}
    found = {r.id: r.state for r in readings(all_privacy(Verdict.WITHIN), context, "image")}
    bare = {c.id for c in CONTROLS if not c.measures}

    assert "EU-50-2" in bare
    assert {found[name] for name in bare} == {ControlState.NOT_MEASURED}


def test_unknown_fields_are_refused() -> None:
    """A misspelt field in a regulation does not pass unseen."""
    with pytest.raises(ValueError, match="in_forse"):
        Regulation.model_validate({"id": "x", "in_forse": "2020-01-01"})


def test_what_was_read_in_a_draft_says_so() -> None:
    """A row that is only partly well supported says which part is not, and so does its reading."""
    by_id = {r.id: r for r in readings([], {})}
    partly = {r.id for r in by_id.values() if r.basis}

    assert partly >= {"EU-4a-1a", "GD-35-7", "N226-24", "N226-35"}
    for row in by_id.values():
        drafted = row.source is not None and row.source.basis is not None
        assert drafted == row.id.startswith("N226")


def test_deduplication_of_training_rows_is_not_measured() -> None:
    """Copies among samples say nothing of repeated rows in training."""
    found = [section(privacy__copies__exact=Verdict.WITHIN)]

    assert state("N600-2.10-3", found, nist_ai_600_1=True) is ControlState.NOT_MEASURED


def test_unanswered_applicability_is_never_met() -> None:
    """Without the operator's answer every clause reads "applicability not declared"."""
    states = {r.state for r in readings(all_privacy(Verdict.WITHIN), {})}

    assert states == {ControlState.NOT_DECLARED, ControlState.OTHER_DATA}


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
    row = next(r for r in readings(found, {}) if r.id == "GD-32-1d")
    assert row.missing == ("privacy.distance",)
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


#: Clauses about how much differential privacy protects.
SIZED = ("N226-22", "N226-23", "N226-35", "ED-DP", "EU-4a-1b", "GD-25", "N600-2.2-4")


@pytest.mark.parametrize(("epsilon", "limits", "expected"), [
    (1000.0, (), ControlState.CANNOT_TELL),
    (1000.0, (("epsilon", 3.0), ("delta", 1e-5)), ControlState.OUTSIDE),
    (1.0, (("epsilon", 3.0),), ControlState.CANNOT_TELL),
    (1.0, (("epsilon", 3.0), ("delta", 1e-5)), ControlState.WITHIN),
    (None, (("epsilon", 3.0), ("delta", 1e-5)), ControlState.NOT_MEASURED),
])  # fmt: skip
def test_a_promise_is_no_evidence_until_somebody_limits_it(
    epsilon: float | None, limits: tuple[tuple[str, float], ...], expected: ControlState
) -> None:
    """A claim that is kept says nothing of its size: whoever reads it sets a limit on ε and δ."""
    policy = Policy(name="p", owner="o", limits=tuple(
        Limit(metric=f"privacy.claim.{name}", value=value, owner="o", rationale="r")
        for name, value in limits))  # fmt: skip
    claimed = None if epsilon is None else Claim(epsilon=epsilon, delta=0)
    paid = () if epsilon is None else (Touch(
        dataset="d", kind="accounted", scope="release", purpose="p",
        mechanism=Mechanism(name="pure", epsilon=epsilon)),)  # fmt: skip
    found = judge(claim.section(Subject("s", "samples", claim=claimed, touches=paid)), policy)
    yes = dict.fromkeys({c.applicability for c in CONTROLS}, True)

    assert {row: state(row, found, **yes) for row in SIZED} == dict.fromkeys(SIZED, expected)


def test_wp216_is_not_measured_by_this_version() -> None:
    """Singling out, linkability and inference stay "not measured" although other attacks ran."""
    found = all_privacy(Verdict.WITHIN)

    for clause in ("WP-S", "WP-L", "WP-I"):
        assert state(clause, found, personal_data=True) is ControlState.NOT_MEASURED


def test_readings_carry_their_evidence() -> None:
    """A reading names the metrics behind it, once each, and brings its Chinese text along."""
    found = {r.id: r for r in readings(all_privacy(Verdict.WITHIN), {})}
    reading = found["GD-32-1d"]

    assert reading.findings == PRIVACY
    assert found["ED-55"].missing == ("privacy.inference.*", "privacy.reconstruction.*")
    assert reading.source is not None
    assert reading.source.name.texts["zh"] == "欧盟《通用数据保护条例》（GDPR）"
    assert isinstance(reading.paraphrase, Message)
    assert "测试" in reading.paraphrase.texts["zh"]


@pytest.mark.parametrize("answers", ["yes", {"personal_data": "yes"}, [True]])
def test_unusable_answers_are_refused(answers: object) -> None:
    """An answer other than true or false is an error, not a guess."""
    with pytest.raises(OptionError, match="true"):
        readings([], {"applicability": answers})
