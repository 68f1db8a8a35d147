"""The judge: few false alarms, no pass without evidence."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genaudit.policy import Policy
from genaudit.render import view
from genaudit.result import (
    Direction,
    Estimate,
    Figure,
    Finding,
    Limit,
    Section,
    Side,
    Status,
    Verdict,
    message,
)
from genaudit.run import judge
from genaudit.stats.multiplicity import holm


@cache
def _z(confidence: float) -> float:
    return float(stats.norm.ppf((1 + confidence) / 2))


def _normal(value: float, se: float) -> Estimate:
    return Estimate.of(
        value, lambda c: (value - _z(c) * se, value + _z(c) * se), n=100, method="normal"
    )


def _finding(estimate: Estimate, metric: str = "privacy.toy", **fields: object) -> Finding:
    return Finding(metric=metric, label=message("l", "L"), estimate=estimate, **fields)


def _sections(*chapters: tuple[str, list[Finding]]) -> list[Section]:
    return [
        Section(audit=f"{name}.toy", title=message("t", "T"), status=Status.RAN,
                findings=tuple(findings))
        for name, findings in chapters
    ]  # fmt: skip


def _policy(direction: str = "max", value: float = 0.1, alpha: float = 0.01) -> Policy:
    limit = Limit(metric="privacy.toy", value=value, direction=Direction(direction), owner="o",
                  rationale="r")  # fmt: skip
    return Policy(name="p", owner="o", alpha=alpha, limits=(limit,))


def _verdict(estimate: Estimate, policy: Policy, **fields: object) -> Verdict | None:
    [section] = judge(_sections(("privacy", [_finding(estimate, **fields)])), policy)
    return section.findings[0].verdict


def _naive_holm(p_values: list[float], alpha: float) -> set[int]:
    """Adjusted p-values as Holm 1979 defines them, compared with alpha."""
    m = len(p_values)
    rejected = set()
    for i, p in enumerate(p_values):
        smaller = sorted(q for q in p_values if q <= p)
        adjusted = max(min(1.0, (m - k) * q) for k, q in enumerate(smaller))
        if adjusted <= alpha:
            rejected.add(i)
    return rejected


@settings(max_examples=200, deadline=None)
@given(p_values=st.lists(st.floats(1e-6, 1.0), max_size=12), alpha=st.floats(0.001, 0.5))
def test_holm_equals_its_definition(p_values: list[float], alpha: float) -> None:
    """Step-down rejection and adjusted p-values reject the same findings."""
    # A product and a quotient round differently where they meet.
    near = {abs((len(p_values) - k) * p - alpha) < 1e-12
            for p in p_values for k in range(len(p_values))}  # fmt: skip
    if True in near:
        return

    found = holm({(0, i): p for i, p in enumerate(p_values)}, alpha)

    assert {i for _, i in found} == _naive_holm(p_values, alpha)


def test_holm_on_paper() -> None:
    """At 5% the limits .0125, .0167, .025, .05 reject all four; at 1.51% two are left."""
    p_values = dict(enumerate([0.03, 0.001, 0.02, 0.004]))
    keys = {(0, i): p for i, p in p_values.items()}

    assert len(holm(keys, 0.05)) == 4
    assert holm(keys, 0.0151) == {(0, 1), (0, 3)}
    assert not holm({}, 0.05)


_CASES = [
    ("max", 0.1, 0.0, Verdict.WITHIN), ("max", 0.1, 0.3, Verdict.OUTSIDE),
    ("max", 0.1, 0.1, Verdict.CANNOT_TELL), ("max", 0.1, -5.0, Verdict.WITHIN),
    ("min", 0.8, 0.9, Verdict.WITHIN), ("min", 0.8, 0.5, Verdict.OUTSIDE),
    ("min", 0.8, 0.8, Verdict.CANNOT_TELL), ("min", 0.8, 5.0, Verdict.WITHIN),
    ("abs", 0.1, 0.0, Verdict.WITHIN), ("abs", 0.1, 0.3, Verdict.OUTSIDE),
    ("abs", 0.1, -0.3, Verdict.OUTSIDE), ("abs", 0.1, 0.1, Verdict.CANNOT_TELL),
    ("abs", 0.1, -0.1, Verdict.CANNOT_TELL), ("abs", 0.0, 0.0, Verdict.CANNOT_TELL),
]  # fmt: skip


@pytest.mark.parametrize(("direction", "limit", "value", "verdict"), _CASES)
def test_verdicts_by_direction(
    direction: str, limit: float, value: float, verdict: Verdict
) -> None:
    """A clear estimate (standard error 0.01) on each side of each kind of limit."""
    assert _verdict(_normal(value, 0.01), _policy(direction, limit)) is verdict


@pytest.mark.parametrize(("direction", "inside"), [("max", 0.1), ("min", 0.1), ("abs", -0.1)])
def test_a_number_known_exactly_may_equal_its_limit(direction: str, inside: float) -> None:
    """A count at its limit keeps it."""
    exact = Estimate.exact(inside, n=5, method="count")

    assert _verdict(exact, _policy(direction, 0.1)) is Verdict.WITHIN


@settings(max_examples=100, deadline=None)
@given(value=st.floats(-1, 1), se=st.floats(0.001, 5), direction=st.sampled_from(Direction))
def test_within_needs_the_whole_interval(value: float, se: float, direction: Direction) -> None:
    """`within` exactly where the 95% interval is inside; so never where it is wider than that."""
    estimate, policy = _normal(value, se), _policy(direction, 0.1)
    low, high = value - _z(0.95) * se, value + _z(0.95) * se
    inside = {"max": high <= 0.1, "min": low >= 0.1, "abs": low >= -0.1 and high <= 0.1}

    verdict = _verdict(estimate, policy)

    # Ends are kept to ten digits: what rounds onto the limit may fall either way.
    if min(abs(low - 0.1), abs(high - 0.1), abs(low + 0.1)) > 1e-8:
        assert (verdict is Verdict.WITHIN) == inside[direction]


@pytest.mark.parametrize("direction", ["max", "abs"])
@pytest.mark.parametrize("se", [0.01, 0.05, 0.5])
def test_a_wrong_within_is_rare(direction: str, se: float) -> None:
    """With the true value just outside, `within` comes in at most 2.5% + 2 standard errors."""
    rng, runs = np.random.default_rng(0), 1000
    policy = _policy(direction, 0.1)

    verdicts = [_verdict(_normal(rng.normal(0.1001, se), se), policy) for _ in range(runs)]

    assert verdicts.count(Verdict.WITHIN) / runs <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / runs)


def test_doubt_and_undefined_are_never_judged() -> None:
    """A doubt or a missing value makes `cannot_tell` with its reason, whatever the interval."""
    doubt = message("doubt", "Too few.")
    undefined = Estimate.undefined(message("undefined", "No."), n=0, method="none")
    for estimate, fields in (
        (_normal(0.9, 0.001), {"doubt": doubt}),
        (_normal(0.0, 0.001), {"doubt": doubt}),
        (undefined, {}),
    ):
        [section] = judge(_sections(("privacy", [_finding(estimate, **fields)])), _policy())
        [finding] = section.findings
        assert finding.verdict is Verdict.CANNOT_TELL
        assert finding.reason is not None
        assert finding.reason.id in {"doubt", "undefined"}


def test_what_could_not_be_shown_is_not_within() -> None:
    """An attack without power under its limit cannot tell; with power, or none stated, it can."""
    calm, leak = _normal(0.0, 0.001), _normal(0.9, 0.001)
    for ceiling, detectable, verdict in (
        (0.1, 0.09, Verdict.CANNOT_TELL), (0.0, None, Verdict.CANNOT_TELL),
        (0.9, None, Verdict.CANNOT_TELL), (0.9, 0.2, Verdict.WITHIN), (None, None, Verdict.WITHIN),
    ):  # fmt: skip
        power = {"ceiling": ceiling, "detectable": detectable}
        [section] = judge(_sections(("privacy", [_finding(calm, **power)])), _policy())
        [finding] = section.findings

        assert finding.verdict is verdict
        assert verdict is Verdict.WITHIN or finding.reason.id == "verdict.powerless"
        assert _verdict(leak, _policy(), **power) is Verdict.OUTSIDE
        assert _verdict(calm, _policy("abs"), **power) is Verdict.WITHIN


def test_a_leak_that_power_cannot_be_shown_for_says_where_it_stands() -> None:
    """Beyond its limit, though not after correction: that is what is said."""
    leak = _finding(_normal(0.125, 0.01), ceiling=0.05, detectable=None)
    others = [_finding(_normal(0, 1), metric=f"privacy.toy{i}") for i in range(9)]
    limits = tuple(_policy().limits[0].model_copy(update={"metric": f.metric})
                   for f in (leak, *others))  # fmt: skip
    policy = Policy(name="p", owner="o", alpha=0.01, limits=limits)
    first = judge(_sections(("privacy", [leak, *others])), policy)[0].findings[0]

    assert first.verdict is Verdict.CANNOT_TELL
    assert first.reason is not None
    assert first.reason.id == "verdict.multiplicity"
    assert view.beyond(first)


def test_one_sided_evidence_is_no_interval() -> None:
    """Without an upper end there is no `within` a maximum, however low the estimate."""
    unbounded = Estimate.of(0.0, lambda _: (-1.0, float("inf")), n=3, method="m")

    assert _verdict(unbounded, _policy()) is Verdict.CANNOT_TELL
    assert _verdict(unbounded, _policy("abs")) is Verdict.CANNOT_TELL


def test_what_is_not_limited_is_info_and_costs_nothing() -> None:
    """Findings without a limit, in doubt, or of another chapter do not weaken a verdict."""
    z = 2.6  # one-sided p = .0047: beyond 1% alone, not beyond 1% / 3
    bad = _finding(_normal(0.1 + z * 0.01, 0.01))
    free = [_finding(_normal(0, 1), metric=f"privacy.free{i}") for i in range(50)]
    doubtful = [_finding(_normal(0, 1), doubt=message("d", "D"))] * 50
    here, elsewhere = ([_finding(_normal(0.1, 1), f"{chapter}.toy")] * 50
                       for chapter in ("privacy", "bias"))  # fmt: skip
    [limit] = _policy().limits
    both = (limit, limit.model_copy(update={"metric": "bias.toy"}))
    policy = _policy().model_copy(update={"limits": both})

    sections = judge(_sections(("privacy", [bad, *free, *doubtful]), ("bias", elsewhere)), policy)
    crowded = judge(_sections(("privacy", [bad, *here])), policy)

    assert sections[0].findings[0].verdict is Verdict.OUTSIDE
    assert {f.verdict for f in sections[0].findings[1:51]} == {Verdict.INFO}
    assert crowded[0].findings[0].verdict is Verdict.CANNOT_TELL
    assert crowded[0].findings[0].reason is not None
    assert crowded[0].findings[0].reason.id == "verdict.multiplicity"
    assert view.beyond(crowded[0].findings[0]), "the page explains it where it stands"


def test_sections_of_one_chapter_share_their_error() -> None:
    """Two audits of a chapter are corrected together."""
    bad = _finding(_normal(0.1 + 2.6 * 0.01, 0.01))
    other = [_finding(_normal(0.1, 1))] * 20

    together = judge(_sections(("privacy", [bad]), ("privacy", other)), _policy())

    assert together[0].findings[0].verdict is Verdict.CANNOT_TELL


def test_stored_verdicts_are_not_read() -> None:
    """A forged verdict, limit or reason is set anew; judging twice changes nothing."""
    limit = Limit(metric="privacy.toy", value=99, owner="forger", rationale="none")
    forged = _finding(_normal(0.9, 0.01), verdict=Verdict.WITHIN, limit=limit,
                      reason=message("f", "F"))  # fmt: skip

    once = judge(_sections(("privacy", [forged])), _policy())

    assert once[0].findings[0].verdict is Verdict.OUTSIDE
    assert once[0].findings[0].limit == _policy().limits[0]
    assert once[0].findings[0].reason is None
    assert judge(once, _policy()) == once


@pytest.mark.parametrize("direction", ["max", "abs"])
def test_false_alarms_of_a_chapter(direction: str) -> None:
    """Ten estimates exactly at the limit: any false `outside` in at most 1% + 2 standard errors."""
    runs, alpha, se = 2000, 0.01, 0.05
    rng = np.random.default_rng(0)
    values = 0.1 + se * rng.standard_normal((runs, 10))
    # An estimate under its limit cannot be flagged, so one stands for all of them.
    harmless = _finding(_normal(0.1, se))
    policy, alarms = _policy(direction), 0

    for row in values:
        findings = [_finding(_normal(v, se)) if v > 0.1 + 2 * se else harmless for v in row]
        [section] = judge(_sections(("privacy", findings)), policy)
        alarms += any(f.verdict is Verdict.OUTSIDE for f in section.findings)

    assert alarms / runs <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / runs)
    assert alarms > 0 or direction == "abs"


def test_a_crowd_of_leaks_is_found() -> None:
    """Correction does not hide what is plain: ten findings far beyond are all outside."""
    findings = [_finding(_normal(0.5, 0.05)) for _ in range(10)]

    [section] = judge(_sections(("privacy", findings)), _policy())

    assert {f.verdict for f in section.findings} == {Verdict.OUTSIDE}


@pytest.mark.parametrize(
    ("direction", "edges"),
    [("max", (None, 0.1)), ("min", (0.1, None)), ("abs", (-0.1, 0.1))],
)
def test_a_forest_gets_the_limit_of_its_metric(
    direction: str, edges: tuple[float | None, float | None]
) -> None:
    """The judge fills the limits of every line, and takes them back where a policy has none."""
    figure = Figure(
        id="f", kind="forest", title=message("t", "T"), description=message("d", "D"), headers=(),
        rows=(("a", 0.2, 0.1, 0.3, None, None),), metric="privacy.toy",
    )  # fmt: skip
    other = figure.model_copy(update={"metric": ""})
    section = _sections(("privacy", []))[0].model_copy(update={"figures": (figure, other)})

    [judged] = judge([section], _policy(direction))
    [free] = judge([judged], Policy(name="p", owner="o"))

    assert judged.figures[0].rows[0][4:] == edges
    assert judged.figures[0].limit == _policy(direction).limits[0]
    assert free.figures == section.figures
    assert judged.figures[1] == other


def test_the_ladder_is_fine_enough_for_a_large_chapter() -> None:
    """At 1% over 500 findings the ladder still has a rung small enough to flag a plain leak."""
    findings = [_finding(_normal(0.0, 0.01)) for _ in range(499)]

    [section] = judge(_sections(("privacy", [_finding(_normal(0.9, 0.01)), *findings])), _policy())

    assert section.findings[0].verdict is Verdict.OUTSIDE


_LIMIT_DAY = dt.date(2030, 1, 31)


@pytest.mark.parametrize(("value", "day", "verdict"), [
    (0.0, _LIMIT_DAY, Verdict.WITHIN),
    (0.0, _LIMIT_DAY + dt.timedelta(days=1), Verdict.CANNOT_TELL),
    (0.3, _LIMIT_DAY + dt.timedelta(days=1), Verdict.OUTSIDE),
    (0.1, _LIMIT_DAY + dt.timedelta(days=1), Verdict.CANNOT_TELL),
])  # fmt: skip
def test_nothing_is_within_a_limit_that_has_expired(
    value: float, day: dt.date, verdict: Verdict
) -> None:
    """On its last day a limit holds; a day later nothing passes, and what is outside stays so."""
    sections = _sections(("privacy", [_finding(_normal(value, 0.01))]))
    limits = (_policy().limits[0].model_copy(update={"expires": _LIMIT_DAY}),)

    [section] = judge(sections, _policy().model_copy(update={"limits": limits}), on=day)
    [finding] = section.findings

    assert finding.verdict is verdict
    expired = finding.reason is not None and finding.reason.id == "verdict.expired"
    assert expired == (value == 0.0 and day > _LIMIT_DAY)
    if expired:
        assert finding.reason.params == {"expired": "2030-01-31", "on": "2030-02-01"}


def test_a_day_is_today_where_none_is_named() -> None:
    """A limit that expired in 2001 lets nothing pass; one that expires tomorrow does."""
    sections = _sections(("privacy", [_finding(_normal(0.0, 0.01))]))
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    verdicts = []

    for expires in (dt.date(2001, 1, 1), tomorrow):
        limits = (_policy().limits[0].model_copy(update={"expires": expires}),)
        [section] = judge(sections, _policy().model_copy(update={"limits": limits}))
        verdicts.append(section.findings[0].verdict)

    assert verdicts == [Verdict.CANNOT_TELL, Verdict.WITHIN]


def test_a_forest_gets_the_limits_of_its_metric() -> None:
    """Every row shows what the policy allows, anew at every judgement; no limit is no edge."""
    title = message("t", "T")
    figure = Figure(
        id="f", kind="forest", title=title, description=title, headers=(), metric="bias.toy.gap",
        rows=(("a", 0.1, 0.0, 0.2, None, None),),
    )  # fmt: skip
    section = Section(audit="bias.toy", title=title, status=Status.RAN, figures=(figure,))
    row = figure.rows[0][:4]
    for direction, edges in ((Direction.ABS, (-0.05, 0.05)), (Direction.MAX, (None, 0.05)),
                             (Direction.MIN, (0.05, None))):  # fmt: skip
        limit = Limit(metric="bias.toy.gap", value=0.05, direction=direction, owner="o",
                      rationale="r")  # fmt: skip
        (section,) = judge([section], Policy(name="p", owner="o", limits=(limit,)))

        assert section.figures[0].rows == ((*row, *edges),)
    (section,) = judge([section], Policy(name="p", owner="o", limits=()))
    assert section.figures[0].rows == ((*row, None, None),)


def _sided(value: float, n: int = 400, variance: float = 4e-4) -> Finding:
    sides = (Side(kind="generated", n=n, variance=variance),)
    return _finding(_normal(value, variance**0.5), sides=sides)


def test_what_cannot_be_told_says_how_many_rows_would() -> None:
    """0.08 against a limit of 0.1 needs a standard error of 0.02 / 2.8: eight times the rows."""
    [section] = judge(_sections(("privacy", [_sided(0.08)])), _policy())
    [finding] = section.findings

    assert finding.verdict is Verdict.CANNOT_TELL
    assert finding.needed is not None
    assert finding.needed.english == "about 3200 generated rows"
    again = judge(_sections(("privacy", [_sided(0.08, 3200, 5e-5)])), _policy())[0].findings[0]
    assert again.verdict is Verdict.WITHIN
    assert again.needed is None


def test_beyond_the_limit_the_correction_counts() -> None:
    """Beside nine other findings a value beyond its limit needs more rows than by itself."""
    alone = judge(_sections(("privacy", [_sided(0.13)])), _policy("abs"))[0].findings[0]
    others = [_finding(_normal(0.0, 0.01), f"privacy.toy{i}") for i in range(9)]
    limits = tuple(
        Limit(metric=m, value=0.1, direction=Direction.ABS, owner="o", rationale="r")
        for m in ("privacy.toy", *(f.metric for f in others))
    )
    policy = Policy(name="p", owner="o", limits=limits)
    among = judge(_sections(("privacy", [_sided(0.13), *others])), policy)[0].findings[0]

    assert alone.verdict is among.verdict is Verdict.CANNOT_TELL
    assert alone.needed is not None
    assert among.needed is not None
    rows = [int(f.needed.english.split()[1]) for f in (alone, among) if f.needed]
    assert rows[0] < rows[1]


@pytest.mark.parametrize(
    ("made", "real", "verdict"),
    [
        (-0.4, -0.2, Verdict.OUTSIDE),  # wider
        (-0.05, -0.3, Verdict.INFO),  # narrower
        (0.1, -0.3, Verdict.INFO),  # turned around, and still smaller
        (0.4, -0.2, Verdict.OUTSIDE),  # turned around, and wider
        (0.2, -0.2, Verdict.OUTSIDE),  # turned around: nothing shows that it is smaller
        (0.3, 0.0, Verdict.OUTSIDE),  # where there was none
    ],
)
def test_a_gap_that_became_smaller_is_no_verdict(
    made: float, real: float, verdict: Verdict
) -> None:
    """Beyond the limit on either side: amplified is outside, reduced is information."""
    change, total = _normal(made - real, 0.01), _normal(made + real, 0.01)
    sections = _sections(("privacy", [_finding(change, total=total)]))
    [finding] = judge(sections, _policy("abs"))[0].findings

    assert finding.verdict is verdict
    assert (finding.reason is not None) == (verdict is Verdict.INFO)
    [again] = judge(judge(sections, _policy("abs")), _policy("abs"))[0].findings
    assert again == finding


def test_a_sum_at_a_lower_level_shows_nothing_smaller() -> None:
    """An interval of 90% may leave zero out where one of 95% holds it."""
    change, total = _normal(-0.2, 0.01), _normal(0.2, 0.01)
    rung = next(b for b in total.ladder if b.confidence == 0.9)
    lower = total.model_copy(update={"confidence": 0.9, "low": rung.low, "high": rung.high})
    found = [judge(_sections(("privacy", [_finding(change, total=t)])), _policy("abs"))
             for t in (total, lower)]  # fmt: skip

    assert [s[0].findings[0].verdict for s in found] == [Verdict.INFO, Verdict.OUTSIDE]
