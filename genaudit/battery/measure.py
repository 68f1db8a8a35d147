"""The null battery: worlds x seeds x audits, counted; bounds x seeds, counted."""

from __future__ import annotations

import datetime as dt
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import brentq
from scipy.stats import binom

from genaudit.audits import audits, find
from genaudit.battery.bounds import BOUNDS
from genaudit.battery.worlds import SHIFTED, WORLDS, case
from genaudit.calibration import LEVEL, Calibration, Rate, allowed, code_digest
from genaudit.errors import GenauditError, OptionError
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Finding, Section, Status, Verdict
from genaudit.run import run

#: World under which bounds stand in the record: they need none.
COINS = "coins"

#: Simulations of a bound for each run of a world: they cost next to nothing.
_BOUND_RUNS = 5

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Seen:
    """What one metric did in one run; fields as in `Rate`."""

    above: bool | None
    limited: bool
    outside: bool
    doubted: bool


def calibrate(
    names: Sequence[str] | None = None,
    *,
    runs: int = 200,
    worlds: Sequence[str] = tuple(WORLDS),
    seed: int = 0,
    jobs: int = 1,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Measure how often audits and bounds raise a false alarm.

    Args:
        names: Ids of audits; None = all that the plan `full` asks of such a table.
        runs: Draws of each world; a bound is tried five times as often.
        worlds: Of `worlds.WORLDS`.
        seed: Of the first draw.
        jobs: Processes.
        policy: Whose limits judge; the bundled default without one.
        progress: Called with a world, number done, number of all.

    Raises:
        OptionError: no such audit or world, or `runs` is less than 1.
    """
    _check(names, worlds, runs)
    policy = policy or Policy.read()
    started = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    plan = _plan(names)
    tasks = [(world, seed + i) for i in range(runs) for world in worlds]
    counts: Counter[tuple[str, str, str]] = Counter()
    parallel = Parallel(n_jobs=jobs, return_as="generator")
    found = parallel(delayed(_seen)(world, s, plan, policy) for world, s in tasks)
    for i, ((world, _), metrics) in enumerate(zip(tasks, found, strict=True)):
        if progress:
            progress(world, i, len(tasks))
        _count(counts, world, metrics)
    if progress:
        progress("", len(tasks), len(tasks))
    bounds = _bounds(_BOUND_RUNS * runs, seed) if names is None else ()
    return Calibration(
        tool_version=version("genaudit"), code=code_digest(), started=started, seed=seed,
        policy=policy.digest, alpha=policy.alpha, shifted=SHIFTED, rates=(*_rates(counts), *bounds),
    )  # fmt: skip


def faults(found: Calibration) -> list[str]:
    """Sentences about rates above what was promised, over all worlds and in single ones.

    Over all worlds two standard errors are allowed; in a single one more, as there are many.
    """
    said = []
    for metric in sorted({r.metric for r in found.rates}):
        mine = [r for r in found.rates if r.metric == metric]
        said += _too_many(metric, found.beyond(metric), LEVEL, "beyond chance")
        said += _too_many(metric, found.judged(metric), found.alpha, "outside its limit")
        for rate in mine if len(mine) > 1 else []:
            name = f"{metric} in world {rate.world!r}"
            if rate.above is not None:
                # Where members and non-members differ an alarm without a doubt is a false one too.
                tried = (rate.above, rate.runs)
                said += _too_many(name, tried, LEVEL, "beyond chance", _ONE_WORLD)
            judged = (rate.outside, rate.limited)
            said += _too_many(name, judged, found.alpha, "outside its limit", _ONE_WORLD)
    return said


def visible(found: Calibration) -> dict[float, float]:
    """What a record of so many runs can show: promised rate -> rate that `faults` would name.

    Four times of five, of the metric that was tried most often: of its intervals at 5%, and of its
    verdicts at the policy's alpha. With five runs of each world only rates of a fifth come to
    light.
    """
    metrics = {r.metric for r in found.rates if r.world != COINS}
    tried = {
        level: max((known[1] for m in metrics if (known := counted(m))), default=0)
        for level, counted in ((LEVEL, found.beyond), (found.alpha, found.judged))
    }
    return {level: _named_from(n, level) for level, n in tried.items() if n}


def _named_from(n: int, level: float) -> float:
    most = int(max(1.0, allowed(n, level)))
    if n <= most:
        return 1.0
    return float(brentq(lambda p: binom.sf(most, n, p) - 0.8, level, 1.0))


#: Standard errors that a single world is allowed.
_ONE_WORLD = 4.0


def _too_many(
    name: str, counted: tuple[int, int] | None, level: float, what: str, errors: float = 2.0
) -> list[str]:
    if counted is None or counted[0] <= max(1.0, allowed(counted[1], level, errors)):
        return []
    hits, n = counted
    return [f"{name}: {what} in {hits} of {n} runs, where {level:.0%} are promised"]


def _check(names: Sequence[str] | None, worlds: Sequence[str], runs: int) -> None:
    for name in names or ():
        if "table" not in find(name).modalities:
            raise OptionError(f"Expected audits of tables, got {name!r}, which no world can try.")
    unknown = next((w for w in worlds if w not in WORLDS), None)
    if unknown is not None:
        raise OptionError(f"No world is called {unknown!r}; there are {', '.join(WORLDS)}.")
    if runs < 1:
        raise OptionError(f"Expected runs of at least 1, got {runs}.")


def _plan(names: Sequence[str] | None) -> AuditPlan:
    if names is None:
        names = [a.id for a in audits().values() if AuditPlan.read("full").includes(a.id)
                 and "table" in a.modalities]  # fmt: skip
    return AuditPlan("calibration", tuple(names))


def _seen(world: str, seed: int, plan: AuditPlan, policy: Policy) -> dict[str, Seen]:
    """Metric -> what it did in one draw of a world."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = run(case(world, seed), plan, policy, calibrated=False)
    crashed = next((s for s in report.sections if s.status is Status.FAILED), None)
    if crashed is not None:
        raise GenauditError(
            f"The audit {crashed.audit!r} failed in world {world!r} with seed {seed}: "
            f"{crashed.reason.english if crashed.reason else ''}"
        )
    return _of_sections(
        s for s in report.sections if world not in SHIFTED or s.chapter == "privacy"
    )


def _of_sections(sections: Iterable[Section]) -> dict[str, Seen]:
    """What each metric did; the groups of one metric are one, which alarms where any does."""
    found: dict[str, list[Finding]] = {}
    for section in sections:
        for finding in section.findings:
            # What has no value can raise no alarm, and says nothing of how often one is raised.
            if finding.estimate.value is not None:
                found.setdefault(finding.metric, []).append(finding)
    return {metric: _together(group) for metric, group in found.items()}


def _together(group: Sequence[Finding]) -> Seen:
    level = LEVEL / len(group)
    doubted = all(f.doubt is not None for f in group)
    beyond = [f.estimate.p_above(f.chance) <= level and f.doubt is None
              for f in group if f.chance is not None]  # fmt: skip
    return Seen(
        above=any(beyond) if beyond else None,
        limited=not doubted and any(f.limit is not None for f in group),
        outside=any(f.verdict is Verdict.OUTSIDE for f in group),
        doubted=doubted,
    )


def _count(counts: Counter[tuple[str, str, str]], world: str, metrics: dict[str, Seen]) -> None:
    for metric, seen in metrics.items():
        counts[metric, world, "runs"] += 1
        counts[metric, world, "chance"] += seen.above is not None
        for field in ("above", "limited", "outside", "doubted"):
            counts[metric, world, field] += bool(getattr(seen, field))


def _rates(counts: Counter[tuple[str, str, str]]) -> tuple[Rate, ...]:
    return tuple(
        Rate(
            metric=metric, world=world, runs=counts[metric, world, "runs"],
            above=counts[metric, world, "above"] if counts[metric, world, "chance"] else None,
            **{f: counts[metric, world, f] for f in ("limited", "outside", "doubted")},
        )
        for metric, world in sorted({(metric, world) for metric, world, _ in counts})
    )  # fmt: skip


def _bounds(runs: int, seed: int) -> Iterable[Rate]:
    for name, lies_above in BOUNDS.items():
        rngs = (np.random.default_rng([seed + i, *name.encode()]) for i in range(runs))
        yield Rate(metric=name, world=COINS, runs=runs, above=sum(map(lies_above, rngs)))
