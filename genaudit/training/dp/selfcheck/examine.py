"""All checks of a private trainer, one after the other; none hides another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from genaudit.result import Message
from genaudit.training.dp.selfcheck import (
    bundle,
    canary,
    clipping,
    handles,
    noise,
    sampling,
    spending,
    streams,
)
from genaudit.training.dp.selfcheck.bench import Bench, offers
from genaudit.training.dp.selfcheck.outcome import (
    Outcome,
    SelfcheckReport,
    Status,
    Stopped,
    cannot_tell,
    skipped,
)


@dataclass(frozen=True)
class Check:
    """One check, what it examines and what it needs.

    id: dotted. part: of a trainer, as an alarm names it. methods: that the trainer must offer.
    promises: fields of its `Promise` that it must fill.
    """

    id: str
    part: str
    run: Callable[[Bench], Message]
    methods: tuple[str, ...]
    promises: tuple[str, ...] = ()


_NOISE = ("noise_multiplier", "max_grad_norm", "divisor")
_STEPS = ("units", "clipped_sum", "step")
_DRAWS = ("sampling_rate", "n_units")

CHECKS = (
    Check("clipping.influence", "module", clipping.influence, ("units", "per_sample_grads")),
    Check("clipping.bound", "clipping", clipping.bounded, ("units", "clipped_sum"),
          ("max_grad_norm",)),
    Check("clipping.not_finite", "not finite units", clipping.not_finite,
          ("units", "clipped_sum"), ("max_grad_norm",)),
    Check("step.divisor", "divisor", noise.divisor, _STEPS, _NOISE),
    Check("noise.scale", "noise", noise.scale, _STEPS, _NOISE),
    Check("noise.mean", "noise", noise.mean, _STEPS, _NOISE),
    Check("noise.shape", "noise", noise.shape, _STEPS, _NOISE),
    Check("noise.independence", "noise", noise.independence, _STEPS, _NOISE),
    Check("noise.empty_batch", "empty batches", noise.empty, _STEPS, _NOISE),
    Check("sampler.rate", "sampler", sampling.rate, ("draw",), _DRAWS),
    Check("sampler.equal", "sampler", sampling.equal, ("draw",), _DRAWS),
    Check("sampler.poisson", "sampler", sampling.poisson, ("draw",), _DRAWS),
    Check("streams.noise", "streams", streams.noise, _STEPS, _NOISE),
    Check("streams.draws", "streams", streams.draws, ("draw",), _DRAWS),
    Check("accounting.charged", "charges", spending.charged, ("step", "events")),
    Check("accounting.claim", "claim", spending.claim, ("step", "events"), ("epsilon", "delta")),
    Check("accounting.accountants", "accountant", spending.accountants, (),
          ("noise_multiplier", "sampling_rate", "steps", "delta")),
    Check("release.handle", "generator", handles.generator, ("units", "step", "released")),
    Check("release.bundle", "bundle", bundle.release, ("units", "step", "save")),
    Check("canary", "whole training", canary.bound, (*_STEPS, "draw"),
          (*_NOISE, *_DRAWS, "steps")),
)  # fmt: skip


def examine(
    trainer: Any, *, name: str = "", seed: int = 0, only: Iterable[str] | None = None
) -> SelfcheckReport:
    """Whether a private training is what it claims to be.

    Args:
        trainer: A `PrivateTrainer`, or better a factory `make()` or `make(seed=...)` of them.
        name: Of it, for the report.
        seed: Handed to the factory; choices of the checks follow it.
        only: Ids of the checks to run; None = all.

    Statistical checks have a level of 1e-4 each. A check that fails names the part at fault; one
    whose methods or promises the trainer lacks is skipped with the reason.
    """
    bench = Bench(trainer, seed)
    wanted = None if only is None else set(only)
    chosen = [c for c in CHECKS if wanted is None or c.id in wanted]
    return SelfcheckReport(
        trainer=name or _name(trainer), outcomes=tuple(_outcome(c, bench) for c in chosen)
    )


def _outcome(check: Check, bench: Bench) -> Outcome:
    try:
        _check_offered(check, bench)
        said = check.run(bench)
    except Stopped as stopped:
        return Outcome(
            check=check.id, part=check.part, status=stopped.status, said=stopped.said,
            p_value=stopped.p_value,
        )  # fmt: skip
    except Exception as error:  # a trainer may raise anything, and no check hides another
        text = " ".join(str(error).split())[:200]
        raised = cannot_tell(
            "raised", "the trainer raised {error}: {text}", error=type(error).__name__, text=text
        )
        return Outcome(check=check.id, part=check.part, status=raised.status, said=raised.said)
    return Outcome(check=check.id, part=check.part, status=Status.PASSED, said=said)


def _check_offered(check: Check, bench: Bench) -> None:
    lacking = [m for m in check.methods if not offers(bench.trainer, m)]
    lacking += [f"promise.{p}" for p in check.promises if getattr(bench.promise, p) is None]
    if lacking:
        raise skipped("lacking", "the trainer has no {what}", what=", ".join(lacking))


def _name(trainer: Any) -> str:
    return getattr(trainer, "__qualname__", None) or type(trainer).__qualname__
