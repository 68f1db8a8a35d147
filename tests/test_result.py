"""The result tree: what enters it is finite, reads back, and fits its published JSON Schema."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from scipy import stats

from genaudit.policy import Policy
from genaudit.result import (
    FIGURE_COLUMNS,
    FORMAT_VERSION,
    LADDER,
    AuditReport,
    Bound,
    Claim,
    ControlReading,
    ControlState,
    DataInfo,
    Direction,
    Estimate,
    Figure,
    Finding,
    LedgerInfo,
    Limit,
    Message,
    Provenance,
    Section,
    Status,
    SubjectInfo,
    TouchInfo,
    Verdict,
    json_schema,
    message,
)

ENDLESS = [math.nan, math.inf, -math.inf]


def _normal(value: float, se: float) -> Estimate:
    def interval(confidence: float) -> tuple[float, float]:
        z = float(stats.norm.ppf((1 + confidence) / 2))
        return value - z * se, value + z * se

    return Estimate.of(value, interval, n=100, method="normal")


def _finding(verdict: Verdict | None = None, value: float = 0.5) -> Finding:
    return Finding(
        metric="privacy.toy.rate", label=message("toy", "Rate of {x:number}", x=1.5),
        estimate=_normal(value, 0.1), group={"<script>": "\u202eevil"}, verdict=verdict,
        limit=Limit(metric="privacy.toy.rate", value=0.1, owner="me", rationale="why",
                    direction=Direction.ABS, expires="2030-01-01"),
        null=Estimate.exact(0.5, n=3, method="count"), ceiling=1.0, detectable=0.2,
        false_alarm_rate=Estimate.undefined(message("r", "No."), n=0, method="none"),
    )  # fmt: skip


def _report(*findings: Finding) -> AuditReport:
    figure = Figure(
        id="f", kind="forest", title=message("t", "T"), description=message("d", "D"),
        headers=tuple(message(h, h) for h in FIGURE_COLUMNS["forest"]),
        rows=(("a", 0.5, 0.4, None, None, 0.1),),
    )  # fmt: skip
    # One metric stands once for each group.
    findings = tuple(
        f.model_copy(update={"group": {**f.group, "k": str(k)}}) for k, f in enumerate(findings)
    )
    section = Section(
        audit="privacy.toy", title=message("audit.toy", "Toy"), status=Status.RAN,
        findings=findings, figures=(figure,), params={"k": 3, "names": ["a", None, {"b": True}]},
    )  # fmt: skip
    skipped = Section(audit="bias.toy", title=message("audit.b", "B"), status=Status.SKIPPED,
                      reason=message("section.skipped", "It needs train."))  # fmt: skip
    control = ControlReading(
        id="gdpr.35", regulation="GDPR", clause="35", paraphrase=message("p", "P"),
        cannot_claim=message("c", "C"), state=ControlState.NOT_DECLARED,
    )  # fmt: skip
    return AuditReport(
        subject=SubjectInfo(name="<b>", kind="samples", n=10, claim=Claim(epsilon=1, delta=1e-5)),
        access=("samples",), knowledge=(DataInfo(name="train", n=10, n_distinct=9),),
        sections=(section, skipped), controls=(control,), policy=Policy.read().info(),
        not_measured=(message("n", "N"),), context={"purpose": "test"},
        ledger=LedgerInfo(sentence=message("l", "L"), release=(
            TouchInfo(purpose="p", kind="accounted", scope="release", mechanism="m", epsilon=1.0),
        )),
        provenance=Provenance(tool_version="0", python="3", seed=0, plan="quick"),
    )  # fmt: skip


def test_the_ladder_gives_the_p_value_to_one_rung() -> None:
    """The bound on p is the first rung above the exact one-sided p-value, never below it."""
    rungs = [1.0, *((1 - c) / 2 for c in LADDER)]
    for z in (-1.0, 0.5, 1.7, 2.0, 2.5, 3.05, 3.5, 4.1, 9.0):
        estimate = _normal(0.0, 1.0)
        exact = float(stats.norm.sf(z))
        expected = min(r for r in rungs if r >= exact) if exact >= rungs[-1] else rungs[-1]

        assert estimate.p_above(-z) == pytest.approx(expected, rel=1e-6)
        assert estimate.p_below(z) == pytest.approx(expected, rel=1e-6)


def test_an_estimate_at_its_limit_is_not_beyond_it() -> None:
    """Ends that touch the limit say nothing against it; nor does a number known exactly."""
    exact = Estimate.exact(0.1, n=1, method="count")

    assert exact.p_above(0.1) == exact.p_below(0.1) == 1.0
    assert exact.p_above(0.0999) == pytest.approx((1 - LADDER[-1]) / 2, rel=1e-6)
    assert (exact.low, exact.high) == (0.1, 0.1)


@pytest.mark.parametrize("ends", [{"low": 0.1}, {"high": 0.2}, {"ladder": True}])
def test_a_value_that_is_not_there_has_no_interval(ends: dict[str, object]) -> None:
    """It would be read by what looks at the ends alone."""
    ladder = Estimate.exact(0.0, n=1, method="toy").ladder
    fields = {**ends, **({"ladder": ladder} if "ladder" in ends else {})}

    with pytest.raises(ValidationError, match="no interval of a value that is not there"):
        Estimate(value=None, n=1, method="toy", **fields)


def test_a_section_has_its_own_findings_if_it_ran() -> None:
    """An audit that failed has none, and none stands in another chapter."""
    finding = Finding(metric="privacy.toy", label=message("l", "L"),
                      estimate=Estimate.exact(0.0, n=1, method="toy"))  # fmt: skip
    same = {"title": message("t", "T"), "findings": (finding,)}

    assert Section(audit="privacy.one", status=Status.RAN, **same).findings
    for audit, status in (("privacy.one", Status.FAILED), ("privacy.one", Status.SKIPPED),
                          ("bias.one", Status.RAN), ("nonsense", Status.RAN)):  # fmt: skip
        with pytest.raises(ValidationError):
            Section(audit=audit, status=status, **same)


def test_no_ladder_no_evidence() -> None:
    """An undefined or bare estimate has p = 1 against every limit."""
    undefined = Estimate.undefined(message("r", "No."), n=0, method="none")
    for estimate in (undefined, Estimate(value=9.0, n=1, method="bare")):
        assert estimate.p_above(-1e9) == estimate.p_below(1e9) == 1.0


@pytest.mark.parametrize("value", ENDLESS)
def test_what_is_not_finite_has_a_reason(value: float) -> None:
    """NaN and infinity become None with a reason, as a value and as an end of an interval."""
    estimate = Estimate.of(value, lambda _: (0.0, 1.0), n=0, method="m")
    one_sided = Estimate.of(0.5, lambda _: (value, 1.0), n=1, method="m")

    assert (estimate.value, estimate.ladder) == (None, ())
    assert estimate.reason is not None
    assert (one_sided.low, one_sided.high) == (None, 1.0)
    assert all(b.low is None for b in one_sided.ladder)
    assert one_sided.p_above(-9) == 1.0


@pytest.mark.parametrize("value", ENDLESS)
def test_nothing_endless_enters(value: float) -> None:
    """No field of the tree takes NaN or infinity, parameters and figures included."""
    report = _report(_finding())
    m = message("t", "T")
    makers = [
        lambda: Estimate(value=value, n=1, method="m"),
        lambda: Bound(confidence=0.9, low=value, high=None),
        lambda: Limit(metric="m", value=value, owner="o", rationale="r"),
        lambda: message("t", "T", x=value),
        lambda: Claim(epsilon=value, delta=0),
        lambda: Claim(epsilon=1, delta=value),
        lambda: Figure(id="f", kind="bars", title=m, description=m, headers=(m,) * 3,
                       rows=(("a", "b", value),)),
        lambda: Section(audit="a", title=m, status=Status.RAN, params={"x": value}),
        lambda: Section(audit="a", title=m, status=Status.RAN, params={"x": [{"y": value}]}),
        lambda: AuditReport.model_validate({**report.model_dump(), "context": {"x": value}}),
        lambda: Finding(metric="m", label=m, estimate=Estimate.exact(1, n=1, method="m"),
                        ceiling=value),
    ]  # fmt: skip
    for i, make in enumerate(makers):
        with pytest.raises(ValidationError):
            pytest.fail(f"maker {i} took {value}: {make()!r}")


def test_numbers_of_numpy_enter_as_plain_numbers() -> None:
    """What a statistic returns can be written as JSON."""
    estimate = Estimate.of(np.float32(0.25), lambda _: (np.float64(0), np.float64(1)),  # type: ignore[arg-type]
                           n=int(np.int64(3)), method="m")  # fmt: skip

    assert json.loads(estimate.model_dump_json())["value"] == 0.25


def test_ten_digits_are_kept() -> None:
    """The last bits differ between machines and are dropped."""
    one, two = (Estimate.exact(v, n=1, method="m") for v in (0.1 + 0.2, 0.3))

    assert one == two


def test_values_are_frozen() -> None:
    """No renderer can change what an audit found."""
    with pytest.raises(ValidationError):
        _finding().metric = "other"  # type: ignore[misc]


def test_a_report_reads_back() -> None:
    """JSON and back is the same report, and writing it again gives the same bytes."""
    report = _report(_finding(Verdict.CANNOT_TELL))
    text = report.model_dump_json()

    again = AuditReport.model_validate_json(text)

    assert again == report
    assert again.model_dump_json() == text


def test_a_newer_report_can_be_read() -> None:
    """Fields that a later version adds are ignored at every level."""
    data = _report(_finding()).model_dump(mode="json")
    data["new"] = data["subject"]["new"] = data["sections"][0]["findings"][0]["new"] = 1

    assert AuditReport.model_validate(data) == _report(_finding())


def test_the_published_schema_holds() -> None:
    """The JSON Schema is valid, and a dumped report fits it; a broken one does not."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    data = json.loads(_report(_finding(), _finding(Verdict.INFO)).model_dump_json())

    assert schema["$id"].endswith(FORMAT_VERSION)
    assert not list(validator.iter_errors(data))
    data["sections"][0]["findings"][0]["verdict"] = "maybe"
    assert list(validator.iter_errors(data))


@pytest.mark.parametrize(("verdicts", "worst"), [
    ((), Verdict.INFO),
    ((Verdict.INFO, Verdict.INFO), Verdict.INFO),
    ((Verdict.INFO, Verdict.WITHIN), Verdict.WITHIN),
    ((Verdict.WITHIN, Verdict.CANNOT_TELL), Verdict.CANNOT_TELL),
    ((Verdict.CANNOT_TELL, Verdict.OUTSIDE, Verdict.WITHIN), Verdict.OUTSIDE),
])  # fmt: skip
def test_the_worst_verdict_is_the_reports(verdicts: tuple[Verdict, ...], worst: Verdict) -> None:
    """Outside before cannot tell before within; nothing limited is info."""
    report = _report(*(_finding(v) for v in verdicts))

    assert report.verdict is worst
    assert len(report.findings()) == len(verdicts)
    assert len(report.findings(worst)) == verdicts.count(worst)


def test_a_limit_on_both_sides_is_not_negative() -> None:
    """Nothing lies within -0.1 of zero."""
    with pytest.raises(ValidationError, match="at least 0"):
        Limit(metric="m", value=-0.1, direction=Direction.ABS, owner="o", rationale="r")


def test_a_message_keeps_its_template() -> None:
    """Fields are filled by renderers, so that every language starts from the same parameters."""
    m = message("a.b", "{n:integer} of {x}", n=3, x="<i>")

    assert m == Message(id="a.b", text_en="{n:integer} of {x}", params={"n": 3, "x": "<i>"})


def test_chapters_are_the_first_part_of_an_id() -> None:
    """`privacy.toy` belongs to `privacy`."""
    assert [s.chapter for s in _report().sections] == ["privacy", "bias"]


def test_a_changed_copy_is_validated_too() -> None:
    """What is put into a copy has ten digits like all else, and what is no number is refused."""
    estimate = Estimate.exact(0.5, n=3, method="m")
    finding = Finding(metric="m", label=message("l", "L"), estimate=estimate)

    assert finding.model_copy(update={"ceiling": 0.15792600659114275}).ceiling == 0.1579260066
    with pytest.raises(ValidationError):
        finding.model_copy(update={"ceiling": "high"})
