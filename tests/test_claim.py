"""A claim against its record: false ones are outside, unproved ones cannot be told."""

from __future__ import annotations

import pytest

from genaudit import claim
from genaudit.accounting import epsilon
from genaudit.ledger import Mechanism, Touch
from genaudit.policy import Policy
from genaudit.result import Claim, Finding, Limit, Verdict
from genaudit.run import judge
from genaudit.subject import Subject

SGD = Mechanism(name="poisson_gaussian", noise_multiplier=1.0, sampling_rate=0.01, steps=1000)


def _pure(epsilon: float, delta: float = 0.0) -> Mechanism:
    return Mechanism(name="pure", epsilon=epsilon, delta=delta)


def _touch(mechanism: Mechanism | None = None, **fields: object) -> Touch:
    kind = "accounted" if mechanism else "unaccounted"
    usual = {"dataset": "d", "kind": kind, "scope": "release", "purpose": "p"}
    return Touch.model_validate({**usual, "mechanism": mechanism, **fields})


def _findings(
    claimed: Claim, *touches: Touch, kind: str = "model folder"
) -> tuple[Finding, Finding]:
    """Excess and unpaid reads, judged."""
    subject = Subject("s", kind, claim=claimed, touches=touches)
    [section] = judge(claim.section(subject), Policy.read())
    excess, unpaid, *_ = section.findings
    return excess, unpaid


def _verdicts(
    claimed: Claim, *touches: Touch, kind: str = "model folder"
) -> tuple[Verdict | None, Verdict | None]:
    excess, unpaid = _findings(claimed, *touches, kind=kind)
    return excess.verdict, unpaid.verdict


WITHIN, OUTSIDE, CANNOT_TELL = Verdict.WITHIN, Verdict.OUTSIDE, Verdict.CANNOT_TELL


@pytest.mark.parametrize(("claimed", "verdict"), [(1.83, WITHIN), (1.82, OUTSIDE)])
def test_a_claim_is_held_against_what_was_spent(claimed: float, verdict: Verdict) -> None:
    """A thousand steps spend ε = 1.828 at δ = 1e-5: a claim above it holds, one below does not."""
    assert _verdicts(Claim(epsilon=claimed, delta=1e-5), _touch(SGD)) == (verdict, WITHIN)


def test_an_epsilon_that_no_report_holds_is_outside() -> None:
    """A release that spent more than can be printed is stated by a floor, not by a crash."""
    excess, _ = _findings(Claim(epsilon=3, delta=0), _touch(_pure(1e20)))

    assert excess.verdict == OUTSIDE
    assert (excess.estimate.value, excess.estimate.high) == (1e15, None)


@pytest.mark.parametrize(("claimed", "mechanisms"), [
    (Claim(epsilon=3, delta=0), [SGD]),
    (Claim(epsilon=1e6, delta=0), [SGD]),
    (Claim(epsilon=3, delta=1e-7), [SGD, _pure(0.1, 1e-6)]),
    (Claim(epsilon=3, delta=0), [_pure(0.1, 1e-9)]),
    (Claim(epsilon=3, delta=1.99e-6), [_pure(0.1, 1e-6), _pure(0.2, 1e-6)]),
])  # fmt: skip
def test_a_delta_that_no_epsilon_goes_with_is_outside(
    claimed: Claim, mechanisms: list[Mechanism]
) -> None:
    """Gaussian noise needs a δ, and of a δ that was spent no less can be claimed at any ε."""
    excess, _ = _findings(claimed, *map(_touch, mechanisms))

    assert excess.verdict is OUTSIDE
    assert (excess.estimate.low, excess.estimate.high) == (excess.estimate.value, None)
    assert excess.note is not None
    assert excess.note.id == "privacy.claim.floor"


def test_a_delta_below_what_the_accountant_resolves() -> None:
    """At δ = 1e-17 tails are cut: a claim is outside by a floor, or it cannot be told."""
    floor = epsilon([SGD], 1e-12) - 3

    excess, _ = _findings(Claim(epsilon=3, delta=1e-17), _touch(SGD))
    unclear, _ = _findings(Claim(epsilon=50, delta=1e-17), _touch(SGD))

    assert (excess.verdict, unclear.verdict) == (OUTSIDE, CANNOT_TELL)
    assert excess.estimate.value == pytest.approx(floor)
    assert unclear.estimate.reason is not None
    assert unclear.estimate.reason.id == "privacy.claim.small_delta"


@pytest.mark.parametrize(("claimed", "verdict"), [(1.0, WITHIN), (0.99, OUTSIDE)])
def test_a_pure_claim_on_pure_mechanisms(claimed: float, verdict: Verdict) -> None:
    """Ten mechanisms of ε = 0.1 keep (1, 0), although the accountant alone finds no ε at δ = 0."""
    excess, _ = _findings(Claim(epsilon=claimed, delta=0), *[_touch(_pure(0.1))] * 10)

    assert excess.verdict is verdict
    assert excess.estimate.value == pytest.approx(1 - claimed)


def test_an_unpaid_read_is_outside() -> None:
    """One read that no ε covers breaks the claim, also where it is called accounted."""
    called = _touch(SGD).model_copy(update={"mechanism": None})

    for unpaid in (_touch(), called):
        assert _verdicts(Claim(epsilon=3, delta=1e-5), _touch(SGD), unpaid) == (WITHIN, OUTSIDE)
        assert _verdicts(Claim(epsilon=0.01, delta=1e-5), unpaid) == (CANNOT_TELL, OUTSIDE)


def test_a_lineage_of_public_touches_alone() -> None:
    """A model was trained on records, so such a lineage leaves them out; other subjects may not."""
    public, claimed = _touch(kind="public"), Claim(epsilon=0.01, delta=1e-5)

    assert _verdicts(claimed, public) == (CANNOT_TELL, OUTSIDE)
    assert _verdicts(claimed, public, kind="samples") == (CANNOT_TELL, WITHIN)
    assert _verdicts(claimed) == (CANNOT_TELL, CANNOT_TELL)


@pytest.mark.parametrize(("claimed", "spent", "verdict"), [
    ("zero-out", "zero-out", WITHIN), ("add-remove", "add-remove", WITHIN),
    ("add-remove", "zero-out", OUTSIDE), ("zero-out", "add-remove", WITHIN),
    ("zero-out", "swap", OUTSIDE),
])  # fmt: skip
def test_the_relation_must_be_the_one_that_was_paid_for(
    claimed: str, spent: str, verdict: Verdict
) -> None:
    """Where n was public nothing hides it; what hides it keeps the weaker promise as well."""
    claimed_ = Claim(epsilon=3, delta=1e-5, relation=claimed)

    assert _verdicts(claimed_, _touch(SGD, relation=spent)) == (WITHIN, verdict)


def test_the_unit_must_be_the_one_that_was_paid_for() -> None:
    """A person is not covered by what was spent for one record; each such read counts once."""
    claimed = Claim(epsilon=3, delta=1e-5, unit="person", relation="add-remove")

    _, unpaid = _findings(claimed, _touch(SGD), _touch(_pure(0.1)))

    assert (unpaid.verdict, unpaid.estimate.value) == (OUTSIDE, 2)


@pytest.mark.parametrize(("claimed", "limits", "verdicts"), [
    (Claim(epsilon=1000, delta=0), {}, (Verdict.INFO, Verdict.INFO)),
    (Claim(epsilon=1000, delta=0), {"epsilon": 3.0}, (OUTSIDE, Verdict.INFO)),
    (Claim(epsilon=3, delta=0.5), {"epsilon": 3.0, "delta": 1e-5}, (WITHIN, OUTSIDE)),
    (Claim(epsilon=1e16, delta=0), {"epsilon": 3.0}, (CANNOT_TELL, Verdict.INFO)),
])  # fmt: skip
def test_a_policy_judges_how_much_is_promised(
    claimed: Claim, limits: dict[str, float], verdicts: tuple[Verdict, Verdict]
) -> None:
    """Without a limit nobody says that an ε is small enough, however well it is kept."""
    judging = Policy(
        name="p", owner="o",
        limits=tuple(Limit(metric=f"privacy.claim.{name}", value=value, owner="o", rationale="r")
                     for name, value in limits.items()),
    )  # fmt: skip
    [section] = judge(claim.section(Subject("s", "samples", claim=claimed)), judging)

    assert tuple(f.verdict for f in section.findings[2:]) == verdicts


def test_what_is_promised_names_its_unit() -> None:
    """An ε for a person and one for a record are no two values of one thing."""
    said = [
        claim.section(Subject("s", "samples", claim=Claim(epsilon=1, unit=unit, delta=0)))[0]
        for unit in ("record", "person")
    ]

    assert [s.findings[2].label.english for s in said] == [
        "ε that is promised, for one record",
        "ε that is promised, for one person",
    ]
