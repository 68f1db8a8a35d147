"""Is what was charged what was done, and does it add up to what is claimed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from genaudit.accounting import epsilon
from genaudit.ledger import Mechanism
from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import Bench, offers
from genaudit.training.dp.selfcheck.outcome import cannot_tell, failed, skipped
from genaudit.training.dp.selfcheck.protocol import Promise

#: Most steps that are taken to compare them with what is charged.
_STEPS = 60

#: How far two accountants may be apart, PRV's own error, and what rounding may add to a claim.
_AGREE, _PRV_ERROR, _ROUNDING = 0.01, 0.002, 2e-3

_POISSON, _GAUSSIAN = "poisson_gaussian", "gaussian"


def charged(bench: Bench) -> Message:
    """Every draw of real units is charged by the end of its step, at the claimed rate and noise.

    A new trainer may have charged its steps ahead. One that others used before has charged theirs.
    """
    promise = bench.promise
    trainer = bench.unused()
    drawn = _counting(trainer) if offers(trainer, "draw") else None
    earlier = 0 if bench.is_factory else _paid(trainer.events(), promise)
    used = taken = 0
    limit = min(_STEPS, promise.steps or _STEPS)
    for _ in _taken(trainer, promise):
        taken += 1
        used = max(taken, drawn() if drawn else 0)
        _check_paid(_paid(trainer.events(), promise), used, taken)
    _check_earlier(_paid(trainer.events(), promise), earlier, used)
    _check_terms(trainer.events(), bench)
    if promise.steps is not None and promise.steps <= limit:
        _check_end(trainer, earlier, drawn, taken)
    return message(
        "selfcheck.charged_ok", "{n:integer} steps were taken, and each was charged", n=taken
    )


def claim(bench: Bench) -> Message:
    """What a whole training charges adds up to the claimed ε at most."""
    promise = bench.promise
    assert promise.epsilon is not None
    assert promise.delta is not None
    trainer = bench.unused()
    for _ in _taken(trainer, promise):
        pass
    events = _whole(list(trainer.events()), promise)
    if not events:
        raise failed("nothing_charged", "steps were taken and nothing was charged")
    spent = epsilon(events, promise.delta)
    if not spent <= promise.epsilon * (1 + _ROUNDING):
        raise failed(
            "overspent",
            "what is charged adds up to ε = {spent:number} at δ = {delta}, and ε = "
            "{claimed:number} is claimed",
            spent=round(spent, 4), claimed=promise.epsilon, delta=f"{promise.delta:g}",
        )  # fmt: skip
    return message(
        "selfcheck.claim_ok",
        "what is charged adds up to ε = {spent:number}, and {claimed:number} is claimed",
        spent=round(spent, 4), claimed=promise.epsilon,
    )  # fmt: skip


def accountants(bench: Bench) -> Message:
    """PLD, PRV and RDP say the same of the training, each within what it can."""
    promise = bench.promise
    assert promise.delta is not None
    training = _training(bench)
    pld, prv, rdp = (f(training, promise.delta) for f in (_pld, _prv, _rdp))
    apart = math.isfinite(prv) and abs(pld - prv) > _AGREE * pld
    if apart or pld > rdp * (1 + _PRV_ERROR):
        raise failed(
            "accountants_apart",
            "accountants disagree: PLD says ε = {pld:number}, PRV {prv}, and RDP bounds it by "
            "{rdp:number}",
            pld=round(pld, 4), prv=f"{prv:.4g}", rdp=round(rdp, 4),
        )  # fmt: skip
    own = getattr(bench.trainer, "epsilon", None)
    if callable(own):
        said = float(own(promise.delta))
        if not said >= pld * (1 - _AGREE):
            raise failed(
                "own_accountant",
                "its own accountant says ε = {said} for the training, and PLD {pld:number}",
                said=f"{said:.4g}", pld=round(pld, 4),
            )  # fmt: skip
    return message(
        "selfcheck.accountants_ok",
        "PLD says ε = {pld:number}, PRV {prv}, RDP at most {rdp:number}",
        pld=round(pld, 4), prv=f"{prv:.4g}", rdp=round(rdp, 4),
    )  # fmt: skip


def _taken(trainer: Any, promise: Promise) -> Iterator[None]:
    """Steps, one at a time; a training that does not say how many it has may end where it likes."""
    for i in range(min(_STEPS, promise.steps or _STEPS)):
        try:
            trainer.step()
        except Exception:  # budgets end in many ways
            if i and promise.steps is None:
                return
            raise
        yield


def _training(bench: Bench) -> Mechanism:
    """The steps of the whole training as one mechanism."""
    promise = bench.promise
    if not (promise.noise_multiplier and promise.sampling_rate and promise.steps):
        raise skipped("no_terms", "it does not say noise multiplier, sampling rate and steps")
    return Mechanism(
        name=_POISSON, noise_multiplier=promise.noise_multiplier,
        sampling_rate=promise.sampling_rate, steps=promise.steps,
    )  # fmt: skip


def _pld(training: Mechanism, delta: float) -> float:
    return epsilon([training], delta)


def _rdp(training: Mechanism, delta: float) -> float:
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(training.noise_multiplier, training.sampling_rate, training.steps)]
    with warnings.catch_warnings():
        # It says that another order would be tighter; a looser bound is still a bound.
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta))


def _prv(training: Mechanism, delta: float) -> float:
    """By Opacus; infinite where its grid does not reach."""
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(training.noise_multiplier, training.sampling_rate, training.steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(accountant.get_epsilon(
                delta, eps_error=_PRV_ERROR * _pld(training, delta), delta_error=delta / 1000
            ))  # fmt: skip
        except (ValueError, RuntimeError, ArithmeticError):
            return math.inf


def _steps(events: Sequence[Mechanism], promise: Promise) -> list[Mechanism]:
    """Those of the events that pay for steps; where all units are drawn, plain noise does too."""
    whole = promise.sampling_rate is not None and promise.sampling_rate >= 1
    names = (_POISSON, _GAUSSIAN) if whole else (_POISSON,)
    return [e for e in events if e.name in names]


def _paid(events: Sequence[Mechanism], promise: Promise) -> int:
    return sum(e.steps for e in _steps(events, promise))


def _whole(events: list[Mechanism], promise: Promise) -> list[Mechanism]:
    """Events with those of the training stretched to all of its steps, if more are to come."""
    steps, paid = promise.steps, _paid(events, promise)
    if not steps or not paid or paid >= steps:
        return events
    last = _steps(events, promise)[-1]
    return [*events, last.model_copy(update={"steps": steps - paid})]


def _counting(trainer: Any) -> Callable[[], int]:
    """Count calls of `draw`, the trainer's own included; a function that tells how many."""
    drawn, calls = trainer.draw, [0]

    def draw() -> Any:
        calls[0] += 1
        return drawn()

    try:
        trainer.draw = draw
    except AttributeError:  # it has slots, so only steps can be counted
        return lambda: 0
    return lambda: calls[0]


def _check_paid(paid: int, used: int, taken: int) -> None:
    if paid < used:
        raise failed(
            "undercharged",
            "after {taken:integer} steps real units were drawn {used:integer} times, and "
            "{paid:integer} times were charged",
            taken=taken, used=used, paid=paid,
        )  # fmt: skip


def _check_earlier(paid: int, earlier: int, used: int) -> None:
    """What was there before may be for steps that others took."""
    if paid - earlier < used:
        raise cannot_tell(
            "charged_earlier",
            "{used:integer} draws were charged {paid:integer} times, and {earlier:integer} more "
            "times before this check began: ahead, or for earlier steps; give a factory",
            used=used, paid=paid - earlier, earlier=earlier,
        )  # fmt: skip


def _check_terms(events: Sequence[Mechanism], bench: Bench) -> None:
    """Steps are charged at the rate and noise that the trainer says they have."""
    promise = bench.promise
    for event in _steps(events, promise):
        assert event.noise_multiplier is not None
        q, sigma = promise.sampling_rate, promise.noise_multiplier
        rate = 1.0 if event.sampling_rate is None else event.sampling_rate
        if q is not None and rate < q * (1 - _ROUNDING):
            raise failed(
                "charged_rate",
                "steps at the rate {q:number} are charged at {charged:number}",
                q=round(q, 6), charged=round(rate, 6),
            )  # fmt: skip
        if sigma is not None and event.noise_multiplier > sigma * (1 + _ROUNDING):
            raise failed(
                "charged_noise",
                "steps with noise multiplier {sigma:number} are charged at {charged:number}",
                sigma=round(sigma, 4), charged=round(event.noise_multiplier, 4),
            )  # fmt: skip


def _check_end(trainer: Any, earlier: int, drawn: Callable[[], int] | None, taken: int) -> None:
    """One step more than were paid for is refused, or charged."""
    try:
        trainer.step()
    except Exception:
        return
    used = max(taken + 1, drawn() if drawn else 0)
    if _paid(trainer.events(), trainer.promise) - earlier < used:
        raise failed(
            "beyond_end",
            "after its {taken:integer} steps it takes another one that is not charged",
            taken=taken,
        )
    if trainer.promise.epsilon is None:
        raise cannot_tell("no_end", "it takes more steps than it promised, and charges them")
