"""All checks of a private trainer, one after the other; none hides another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genaudit.models.threads import one_thread
from genaudit.result import Message
from genaudit.training.dp.selfcheck import (
    bundle,
    canary,
    clipping,
    following,
    handles,
    noise,
    noised,
    sampling,
    spending,
    streams,
    training,
)
from genaudit.training.dp.selfcheck.bench import Bench, offers
from genaudit.training.dp.selfcheck.outcome import (
    Outcome,
    SelfcheckReport,
    Status,
    Stopped,
    UnfitError,
    cannot_tell,
    skipped,
)

#: What is being done, number done, number of all.
Progress = Callable[[str, int, int], None]


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
    Check("step.training", "training steps", training.steps, (*_STEPS, "draw"), _NOISE),
    Check("release.handle", "generator", handles.generator, ("units", "step", "released")),
    Check("release.gradients", "generator", following.gradients, ("units", "step", "released")),
    Check("release.noise", "generator", noised.reaches, ("units", "step", "released")),
    Check("release.bundle", "bundle", bundle.release, ("units", "step", "save")),
    Check("canary", "whole training", canary.bound, (*_STEPS, "draw"),
          (*_NOISE, *_DRAWS, "steps")),
)  # fmt: skip


def examine(
    trainer: Any,
    *,
    name: str = "",
    seed: int = 0,
    only: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> SelfcheckReport:
    """Whether a private training is what it claims to be.

    Args:
        trainer: A `PrivateTrainer`, or better a factory `make()` or `make(seed=...)` of them.
        name: Of it, for the report.
        seed: Handed to the factory; choices of the checks follow it.
        only: Ids of the checks to run; None = all.
        progress: Called with trainer and check, number done, number of all.

    Statistical checks have a level of 1e-4 each, and an alarm must come twice. A check that fails
    names the part at fault; one whose methods or promises the trainer lacks is skipped with the
    reason.

    Raises:
        UnfitError: its promise is no `Promise`, or it draws masks instead of positions.
    """
    bench, named = Bench(trainer, seed), name or _name(trainer)
    wanted = None if only is None else set(only)
    chosen = [c for c in CHECKS if wanted is None or c.id in wanted]
    outcomes = []
    with one_thread():
        for i, check in enumerate(chosen):
            if progress is not None:
                progress(f"{named}: {check.id}", i, len(chosen))
            outcomes.append(_outcome(check, bench))
    return SelfcheckReport(trainer=named, outcomes=tuple(outcomes))


def scanned(folder: Path, rows: pd.DataFrame, *, seed: int = 0) -> SelfcheckReport:
    """Whether a folder that is released holds any of these rows.

    Raises:
        DataError: there is no such folder, or it is empty.
    """
    check = next(c for c in CHECKS if c.id == "release.bundle")
    rng = np.random.default_rng([seed, 6])
    try:
        said = bundle.scan(folder, bundle.readings(rows), rng)
        outcome = Outcome(check=check.id, part=check.part, status=Status.PASSED, said=said)
    except Stopped as stopped:
        outcome = _stopped(check, stopped)
    return SelfcheckReport(trainer=str(folder), outcomes=(outcome,))


def _outcome(check: Check, bench: Bench) -> Outcome:
    try:
        _check_offered(check, bench)
        said = bench.confirmed(check.run)
    except Stopped as stopped:
        return _stopped(check, stopped)
    except UnfitError:
        raise
    except Exception as error:  # a trainer may raise anything, and no check hides another
        text = " ".join(str(error).split())[:200]
        return _stopped(check, cannot_tell(
            "raised", "the trainer raised {error}: {text}", error=type(error).__name__, text=text
        ))  # fmt: skip
    return Outcome(check=check.id, part=check.part, status=Status.PASSED, said=said)


def _stopped(check: Check, stopped: Stopped) -> Outcome:
    return Outcome(
        check=check.id, part=check.part, status=stopped.status, said=stopped.said,
        p_value=stopped.p_value,
    )  # fmt: skip


def _check_offered(check: Check, bench: Bench) -> None:
    lacking = [m for m in check.methods if not offers(bench.trainer, m)]
    lacking += [f"promise.{p}" for p in check.promises if getattr(bench.promise, p) is None]
    if lacking:
        raise skipped("lacking", "the trainer has no {what}", what=", ".join(lacking))


def _name(trainer: Any) -> str:
    return getattr(trainer, "__qualname__", None) or type(trainer).__qualname__
