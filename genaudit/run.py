"""Case, plan and policy in, report out: the one place where an estimate becomes a verdict."""

from __future__ import annotations

import datetime as dt
import platform
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from pydantic import JsonValue

from genaudit import calibration, claim
from genaudit.audits import audits, find
from genaudit.audits.words import listed
from genaudit.case import Audit, AuditCase, Knowledge, Split
from genaudit.compliance.controls import readings
from genaudit.data.disclosure import is_lifted, shown_share
from genaudit.data.schema import Kind
from genaudit.errors import GenauditError, GenauditWarning
from genaudit.ledger import Touch
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import (
    AuditReport,
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
    Side,
    Status,
    SubjectInfo,
    Verdict,
    message,
)
from genaudit.stats.multiplicity import holm
from genaudit.stats.sample_size import sizes_that_tell
from genaudit.subject import Access
from genaudit.touches import printed

Progress = Callable[[str, int, int], None]

_PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "fairlearn", "torch", "opacus")


def run(
    case: AuditCase,
    plan: AuditPlan,
    policy: Policy,
    *,
    context: Mapping[str, JsonValue] | None = None,
    command: str = "",
    audit_touches: Sequence[Touch] = (),
    remarks: Sequence[Message] = (),
    progress: Progress | None = None,
    strict: bool = False,
    calibrated: bool = True,
) -> AuditReport:
    """Ask every audit of the plan, judge what they found, and gather the report.

    An audit that lacks access or data gives a skipped section, one that crashes a failed one;
    neither hides the others. `strict` raises instead. `calibrated` says of each finding how often
    such a one is a false alarm, as far as that was measured.

    Raises:
        OptionError: an unknown audit or option, or an option that does not fit the data.
    """
    started = time.time()
    today = dt.datetime.fromtimestamp(started, dt.UTC).date()
    for named in (*(plan.audits or ()), *plan.options):
        find(named)
    standing = calibration.current() if calibrated else None
    chosen = [a for a in audits().values() if plan.includes(a.id) and _meant(a, case, plan)]
    options = {a.id: a.configure(plan.options.get(a.id, {})) for a in chosen}
    for audit in chosen:
        if audit.check and not audit.missing(case) and case.schema.modality in audit.modalities:
            audit.check(case, options[audit.id])
    sections, unmeasured = [], list(_left_out(plan, case))
    for i, audit in enumerate(chosen):
        if progress:
            progress(audit.id, i, len(chosen))
        section, more = _ask(audit, case, options[audit.id], strict=strict)
        sections.append(section)
        unmeasured += [said for said in more if said not in unmeasured]
    if progress:
        progress("", len(chosen), len(chosen))
    sections = judge([*claim.section(case.subject), *sections], policy, on=today)
    as_tried = {a.id for a in chosen if options[a.id] == a.configure({})}
    sections = [
        _calibrated(s, standing[0] if standing and s.audit in as_tried else None, case, policy)
        for s in sections
    ]
    return AuditReport(
        subject=_subject(case),
        access=tuple(sorted(case.subject.access)),
        knowledge=tuple(_data(k, case) for k in sorted(case.data)),
        modality=_modality(case),
        sections=tuple(sections),
        controls=tuple(readings(sections, context or {}, _modality(case))),
        not_measured=tuple(unmeasured),
        remarks=(*_of_records(case), *_of_split(case), *remarks),
        policy=policy.info(),
        context=dict(context or {}),
        ledger=_ledger(
            case.subject.touches, audit_touches, has_claim=case.subject.claim is not None
        ),
        provenance=Provenance(
            tool_version=version("genaudit"),
            python=platform.python_version(),
            packages=_versions(),
            command=command,
            seed=case.seed,
            plan=plan.name,
            show_private=is_lifted(),
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            seconds=round(time.time() - started, 1),
            calibration=standing[1] if standing is not None else None,
        ),
    )


def _calibrated(
    section: Section, standing: calibration.Calibration | None, case: AuditCase, policy: Policy
) -> Section:
    """The section with what was measured of each finding's false alarms.

    What an audit says of its own alarms is no measurement, so it never stands. Worlds are tables
    and go by one policy: rates of verdicts by another, and of other records, were not measured.
    """

    def rate(finding: Finding) -> Estimate | None:
        limited = finding.limit is not None
        if standing is None or case.schema.modality != "table":
            return None
        if limited and not (policy.digest and policy.digest == standing.policy):
            return None
        return standing.estimate(finding.metric, limited=limited)

    findings = tuple(f.model_copy(update={"false_alarm_rate": rate(f)}) for f in section.findings)
    return section.model_copy(update={"findings": findings})


def judge(
    sections: Iterable[Section], policy: Policy, *, on: dt.date | None = None
) -> list[Section]:
    """Set limit and verdict of every finding anew; stored verdicts are not read.

    A limit that expired before the day `on` (UTC; None = today) lets nothing pass as within. An
    audit judges on the day it started, so that its report never changes; a check judges today.

    Over the limited findings of a chapter the chance of any false `outside` is at most
    `policy.alpha` (Holm 1979). `within` needs the whole 95% interval inside the limit, so a wrong
    `within` has at most a chance of 2.5%. A gap that has moved beyond the limit by becoming smaller
    is `info`, as no such change amplifies anything; one that was turned around, and is beyond the
    limit the other way, is `cannot_tell`. A hollow doubt takes no `outside` back. What cannot be
    told says how many rows would.
    """
    sections, on = list(sections), on or dt.datetime.now(dt.UTC).date()
    flagged: set[tuple[int, int]] = set()
    level: dict[str, float] = {}
    for chapter in dict.fromkeys(s.chapter for s in sections):
        p_values = {
            (i, j): _p_outside(f.estimate, limit)
            for i, s in enumerate(sections)
            if s.chapter == chapter
            for j, f in enumerate(s.findings)
            if (limit := _limit(f.metric, policy))
            and (f.doubt is None or f.hollow)
            and f.estimate.value is not None
        }
        flagged |= holm(p_values, policy.alpha)
        level[chapter] = policy.alpha / max(len(p_values), 1)
    return [
        s.model_copy(
            update={
                "findings": tuple(
                    _sized(
                        _in_force(
                            _judged(f, _limit(f.metric, policy), flagged=(i, j) in flagged), on
                        ),
                        level[s.chapter],
                    )
                    for j, f in enumerate(s.findings)
                ),
                "figures": tuple(_limited(g, _limit(g.metric, policy)) for g in s.figures),
            }
        )
        for i, s in enumerate(sections)
    ]


def _limit(metric: str, policy: Policy) -> Limit | None:
    """The policy's limit; that a claim must be true is no matter of policy."""
    return claim.LIMITS.get(metric) or policy.limit(metric)


def _limited(figure: Figure, limit: Limit | None) -> Figure:
    """The figure with the limit of its metric, which a forest draws beside every line."""
    if not figure.metric:
        return figure
    rows, edges = figure.rows, limit.edges if limit else (None, None)
    if figure.kind == "forest":
        rows = tuple((*row[:4], *edges) if len(row) == 6 else row for row in rows)
    return figure.model_copy(update={"limit": limit, "rows": rows})


def _p_outside(estimate: Estimate, limit: Limit) -> float:
    """Bound on the p-value of "the true value is inside the limit"."""
    match limit.direction:
        case Direction.MAX:
            return estimate.p_above(limit.value)
        case Direction.MIN:
            return estimate.p_below(limit.value)
        case Direction.ABS:
            # Either side can err, so both are paid for.
            return min(1.0, 2 * min(estimate.p_above(limit.value), estimate.p_below(-limit.value)))


#: Of an interval that must lie inside a limit.
_CONFIDENCE = 0.95


def _inside(estimate: Estimate, limit: Limit) -> bool:
    """Whether the whole 95% interval lies inside the limit; a narrower one shows nothing."""
    if estimate.confidence < _CONFIDENCE:
        return False
    low, high = estimate.low, estimate.high
    above_floor = low is not None and low >= (
        -limit.value if limit.direction is Direction.ABS else limit.value
    )
    below_ceiling = high is not None and high <= limit.value
    match limit.direction:
        case Direction.MAX:
            return below_ceiling
        case Direction.MIN:
            return above_floor
        case Direction.ABS:
            return above_floor and below_ceiling


def _powerless(finding: Finding, limit: Limit) -> bool:
    """Whether an attack could not have shown a leak beyond its limit, had there been one."""
    if finding.ceiling is None or limit.direction is not Direction.MAX:
        return False
    return finding.ceiling <= limit.value or finding.detectable is None


_POWERLESS = message(
    "verdict.powerless",
    "With so few records or samples this audit could not have shown a value beyond the limit, so "
    "finding none says nothing. Bring more.",
)


_UNCORRECTED = message(
    "verdict.multiplicity",
    "Beyond the limit, but not by enough after correcting for all findings of the chapter.",
)


_WIDE = message("verdict.wide", "The interval reaches both sides of the limit.")


_REDUCED = message(
    "verdict.reduced",
    "Reduced: by more than the limit the gap is smaller among generated rows than among real rows. "
    "That is no verdict; a gap also shrinks when samples lose what they should keep.",
)

_TURNED = message(
    "verdict.turned",
    "Turned around: among generated rows the other group is ahead, by more than the limit but by "
    "less than the first one is among real rows. That is no verdict on which of the two is better.",
)


def _smaller(finding: Finding, limit: Limit) -> Message:
    """What is said of a gap that is smaller in size: also where it has changed its direction."""
    change, total = finding.estimate.value, finding.total.value if finding.total else None
    if change is None or total is None:
        return _REDUCED
    # a and b from a - b and a + b: of opposite signs where the difference is the larger in size.
    turned = abs(change) > abs(total) and abs(change + total) / 2 > limit.value
    return _TURNED if turned else _REDUCED


def _reduced(finding: Finding, limit: Limit) -> bool:
    """Whether a difference of two gaps shows that the first is smaller in size than the second."""
    change, total = finding.estimate.value, finding.total
    if limit.direction is not Direction.ABS or change is None or total is None:
        return False
    if total.confidence < _CONFIDENCE:
        return False
    # |a| < |b| where a - b and a + b have opposite signs.
    if change < 0:
        return total.low is not None and total.low > 0
    return total.high is not None and total.high < 0


def _judged(finding: Finding, limit: Limit | None, *, flagged: bool) -> Finding:
    if limit is None:
        verdict, reason = Verdict.INFO, None
    elif finding.estimate.value is None:
        verdict, reason = Verdict.CANNOT_TELL, finding.estimate.reason
    elif finding.doubt is not None and not (
        finding.hollow and flagged and not _reduced(finding, limit)
    ):
        verdict, reason = Verdict.CANNOT_TELL, finding.doubt
    elif flagged and _reduced(finding, limit):
        reason = _smaller(finding, limit)
        verdict = Verdict.CANNOT_TELL if reason is _TURNED else Verdict.INFO
    elif flagged:
        verdict, reason = Verdict.OUTSIDE, None
    elif _p_outside(finding.estimate, limit) < 0.05:
        verdict, reason = Verdict.CANNOT_TELL, _UNCORRECTED
    elif _powerless(finding, limit):
        verdict, reason = Verdict.CANNOT_TELL, _POWERLESS
    elif _inside(finding.estimate, limit):
        verdict, reason = Verdict.WITHIN, None
    else:
        verdict, reason = Verdict.CANNOT_TELL, _WIDE
    return finding.model_copy(update={"limit": limit, "verdict": verdict, "reason": reason})


def _sized(finding: Finding, level: float) -> Finding:
    """The judged finding with the rows that would tell, where its interval is what cannot.

    level: chance of a false `outside` that is left to one finding of its chapter.
    """
    limit, value = finding.limit, finding.estimate.value
    told = finding.reason is not None and finding.reason.id in (_WIDE.id, _UNCORRECTED.id)
    if limit is None or value is None or not told or not finding.sides:
        return finding.model_copy(update={"needed": None}) if finding.needed else finding
    low, high = limit.edges
    depth = min(
        [*([] if low is None else [value - low]), *([] if high is None else [high - value])]
    )
    both = 2 if limit.direction is Direction.ABS else 1
    sizes = sizes_that_tell(
        [(s.n, s.variance) for s in finding.sides],
        abs(depth),
        0.025 if depth >= 0 else level / both,
    )
    return finding.model_copy(update={"needed": _needed(finding.sides, sizes)})


def _needed(sides: Sequence[Side], sizes: Sequence[int] | None) -> Message | None:
    """The sides that must grow; None where a normal interval of these rows would have told."""
    if sizes is None:
        return message("needed.none", "no reachable number of rows")
    grown = [
        _SIDES[side.kind].model_copy(update={"params": {"n": n}})
        for side, n in zip(sides, sizes, strict=True)
        if n > side.n
    ]
    return message("needed.rows", "about {sizes}", sizes=listed(grown)) if grown else None


_SIDES = {
    "generated": message("needed.generated", "{n:integer} generated rows", n=0),
    "real": message("needed.real", "{n:integer} real rows", n=0),
    "training": message("needed.training", "{n:integer} trainings of the recipe", n=0),
}


def _in_force(finding: Finding, on: dt.date) -> Finding:
    """The judged finding, but `cannot_tell` where it passes by a limit that has expired.

    It passes where it is within, and where a gap is told to be smaller or turned (`info`).
    """
    expires = finding.limit.expires if finding.limit else None
    passes = finding.verdict in (Verdict.WITHIN, Verdict.INFO)
    if expires is None or on <= expires or not passes:
        return finding
    reason = message(
        "verdict.expired",
        "The limit that it is held against was valid until {expired:date}, and this was judged on "
        "{on:date}; its owner must renew it first.",
        expired=expires.isoformat(), on=on.isoformat(),
    )  # fmt: skip
    return finding.model_copy(update={"verdict": Verdict.CANNOT_TELL, "reason": reason})


def _ask(
    audit: Audit, case: AuditCase, options: object, *, strict: bool
) -> tuple[Section, list[Message]]:
    needs = tuple(sorted(str(n) for n in audit.needs))
    base = Section(audit=audit.id, title=audit.title, status=Status.RAN, needs=needs,
                   source=audit.source, params=dict(vars(options)))  # fmt: skip
    missing = audit.missing(case)
    modality = case.schema.modality
    if missing or modality not in audit.modalities:
        reason = (
            message("section.skipped", "Not run, as this was not given: {missing}.",
                    missing=listed([_NEEDS[need] for need in missing]))
            if missing
            else message("section.modality", "Not run: it is no audit of data of the kind "
                         "{modality}.", modality=message(f"modality.{modality}", modality))
        )  # fmt: skip
        return base.model_copy(update={"status": Status.SKIPPED, "reason": reason}), []
    clock = time.perf_counter()
    try:
        outcome = audit(case, options)
    except GenauditError as error:
        if strict:
            raise
        # The text may quote a cell, so it goes to the operator and not into the report.
        warnings.warn(f"{audit.id}: {error}", GenauditWarning, stacklevel=2)
        reason = message("section.failed", "Not run: {kind}.", kind=type(error).__name__)
        return base.model_copy(update={"status": Status.FAILED, "reason": reason}), []
    except Exception as error:  # one broken audit must not hide the others; the reason is printed
        if strict:
            raise
        warnings.warn(f"{audit.id} crashed: {error}", GenauditWarning, stacklevel=2)
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = message(
            "section.crashed", "Crashed with {kind} at {file}:{line}.",
            kind=type(error).__name__, file=where.filename.rpartition("/")[2], line=where.lineno,
        )  # fmt: skip
        return base.model_copy(update={"status": Status.FAILED, "reason": reason}), []
    seconds = round(time.perf_counter() - clock, 2)
    if not outcome.findings and not outcome.figures and outcome.not_measured:
        why, *more = outcome.not_measured
        return base.model_copy(update={"status": Status.SKIPPED, "reason": why}), more
    done = {"findings": outcome.findings, "figures": outcome.figures, "seconds": seconds}
    return base.model_copy(update=done), list(outcome.not_measured)


#: What an audit needs, as a reader calls it.
_NEEDS: dict[Access | Knowledge, Message] = {
    Access.SAMPLES: message("need.samples", "samples"),
    Access.SAMPLER: message("need.sampler", "the generator, to draw from"),
    Access.SCORES: message("need.scores", "scores of the model"),
    Access.WEIGHTS: message("need.weights", "weights of the model"),
    Access.RETRAIN: message("need.retrain", "a way to train it again"),
    Knowledge.TRAIN: message("need.train", "training data"),
    Knowledge.HOLDOUT: message("need.holdout", "holdout data"),
    Knowledge.AUXILIARY: message("need.auxiliary", "auxiliary data"),
    Knowledge.CANARIES: message("need.canaries", "canaries"),
}


#: Families of attack and harm that no audit of this version looks at; a report lists them.
_NOT_COVERED = (
    ("not_measured.epsilon", "An empirical lower bound on ε: it needs a recorded coin."),
    ("not_measured.seeds", "Other trainings of this recipe: this is evidence on one generator."),
)  # fmt: skip


def _meant(audit: Audit, case: AuditCase, plan: AuditPlan) -> bool:
    """Whether an audit is for such data, or asked for; what shows pictures is no gap of a table."""
    named = audit.id in (plan.audits or ()) or audit.id in plan.options
    return named or case.schema.modality != "table" or "table" in audit.modalities


def _modality(case: AuditCase) -> str:
    """What the records are: rows of a table, or the kind of what stands beside the attributes."""
    return "table" if case.schema.record is None else case.schema.record.kind.value


def _of_records(case: AuditCase) -> Iterable[Message]:
    """What the words of audits mean where records are no rows of a table."""
    record = case.schema.record
    if record is not None:
        yield message(
            "remark.record",
            "A row of these data is {kind} with its attributes. Audits that compare tables look at "
            "the attributes, and at numbers that describe each {name}.",
            kind=_KINDS[record.kind],
            name=record.name,
        )


def _of_split(case: AuditCase) -> Iterable[Message]:
    """What bounds on ε stand on, and only the auditor knows."""
    if case.split is not None:
        yield _SPLITS[case.split]


#: What the auditor says of train and holdout.
_SPLITS = {
    Split.RANDOM: message(
        "remark.split.random",
        "Lower bounds on ε rest on the word of whoever ran this audit that train and holdout are a "
        "random split of one table, of sizes fixed beforehand; nothing here verifies it.",
    ),
    Split.COIN: message(
        "remark.split.coin",
        "Lower bounds on ε rest on the word of whoever ran this audit that a fair coin of its own "
        "decided for each record whether it is in train or in the holdout; nothing here verifies "
        "it.",
    ),
}

#: What a record is.
_KINDS = {
    Kind.IMAGE: message("record.image", "an image"),
    Kind.SEQUENCE: message("record.sequence", "a series"),
    Kind.AUDIO: message("record.audio", "a sound"),
    Kind.TEXT: message("record.text", "a text"),
}


def _left_out(plan: AuditPlan, case: AuditCase) -> Iterable[Message]:
    bounded = any(_bounds(audit, case) and plan.includes(audit.id) for audit in audits().values())
    k = len(case.subject.replicates)
    for key, text in _NOT_COVERED:
        if k and key == "not_measured.seeds":
            yield message(
                "not_measured.pooled",
                "Other trainings of this recipe, but for shares and label gaps of groups: all else "
                "is evidence on the samples of {k:integer} trainings together.",
                k=k,
            )
        elif not (bounded and key == "not_measured.epsilon"):
            yield message(key, text)
    for audit in audits().values():
        if not plan.includes(audit.id):
            yield message("not_measured.plan", "{audit}: the plan leaves it out.", audit=audit.id)


def _bounds(audit: Audit, case: AuditCase) -> bool:
    """Whether an audit bounds ε from below: by coins, or by trainings of its own, which toss them.

    Matches go by how the rows were split, which only the auditor knows.
    """
    if not audit.id.startswith("privacy.") or f"{audit.id}.epsilon" not in audit.metrics:
        return False
    dealt = audit.id != "privacy.matches" or case.split is not None
    return dealt and not audit.missing(case)


def _subject(case: AuditCase) -> SubjectInfo:
    subject = case.subject
    n = len(case.samples) if Access.SAMPLES in subject.access else None
    return SubjectInfo(name=subject.name, kind=subject.kind, n=n, digest=subject.digest,
                       claim=subject.claim)  # fmt: skip


def _data(knowledge: Knowledge, case: AuditCase) -> DataInfo:
    data = case.data[knowledge]
    n, n_distinct = len(data), data.n_distinct
    told = shown_share(n_distinct, n) is not None
    return DataInfo(name=knowledge.value, n=n, n_distinct=n_distinct if told else None)


def _ledger(release: Sequence[Touch], audit: Sequence[Touch], *, has_claim: bool) -> LedgerInfo:
    covered = (
        "The claim is about what was released." if has_claim else "The subject makes no claim."
    )
    return LedgerInfo(
        release=tuple(printed(t) for t in release),
        audit=tuple(printed(t) for t in audit),
        sentence=message(
            "ledger.claim" if has_claim else "ledger.no_claim",
            covered + " This report is not covered by ε: it was computed on real rows.",
        ),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
