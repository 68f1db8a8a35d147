"""The result tree: what an audit found, as frozen values that every renderer reads.

`AuditReport` is the root. Its JSON form (`genaudit.render.json`) is published with a schema and a
version: anything may be added to it, nothing renamed. Audits return findings without verdicts;
`genaudit.run` sets them, and `genaudit check` sets them anew from the stored intervals.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

FORMAT_VERSION = "1.0"

#: Two-sided confidence levels at which every estimate stores its interval. From them a reader can
#: correct for multiplicity without the data: Holm over m findings at 1% needs 1 - 2(.01/m).
LADDER = (
    0.9,
    0.95,
    0.98,
    0.99,
    0.995,
    0.998,
    0.999,
    0.9995,
    0.9998,
    0.9999,
    0.99998,
    0.99999,
    0.999999,
    0.9999999,
)


class Value(BaseModel):
    """A frozen value; fields of a newer minor version are ignored on reading."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Verdict(StrEnum):
    """What an estimate says about its limit. Absence of evidence is never `within`."""

    WITHIN = "within"
    OUTSIDE = "outside"
    CANNOT_TELL = "cannot_tell"
    INFO = "info"


class Status(StrEnum):
    """How a section ended; skipped and failed carry a reason."""

    RAN = "ran"
    SKIPPED = "skipped"
    FAILED = "failed"


Param = str | int | float | None


def _rounded(x: float) -> float:
    """Ten significant digits: the last bits of a sum differ between machines, evidence does not."""
    return float(f"{x:.10g}")


Number = Annotated[float, AfterValidator(_rounded)]


class Message(Value):
    """A sentence for a person, in every language from one file.

    `text_en` is the English template with `{name}` fields (`{share:percent}`, `{n:integer}`,
    `{x:number}`); other languages look `id` up in their catalogue, then in `texts` (language ->
    template), which a message brings along where its source is data. `params` fill the fields.
    """

    id: str
    text_en: str
    params: dict[str, Param] = {}
    texts: dict[str, str] = {}


def message(id: str, text_en: str, /, **params: Param) -> Message:
    """A `Message` with its parameters as keywords."""
    return Message(id=id, text_en=text_en, params=params)


class Bound(Value):
    """One rung of an estimate's ladder: the two-sided interval at `confidence`."""

    confidence: float
    low: Number | None
    high: Number | None


class Estimate(Value):
    """A number that can be judged: value, interval, sample size, method, unit.

    What is not finite is None with a `reason`. `ladder` holds the interval at each level of
    `LADDER`, so that a verdict can be recomputed under another policy without the data.
    """

    value: Number | None
    low: Number | None = None
    high: Number | None = None
    confidence: float = 0.95
    n: int
    method: str
    unit: str = ""
    reason: Message | None = None
    ladder: tuple[Bound, ...] = ()

    @classmethod
    def of(
        cls,
        value: float,
        interval: Callable[[float], tuple[float, float]],
        *,
        n: int,
        method: str,
        unit: str = "",
    ) -> Estimate:
        """The estimate whose two-sided interval at confidence c is `interval(c)`.

        >>> e = Estimate.of(0.5, lambda c: (0.5 - c / 10, 0.5 + c / 10), n=100, method="toy")
        >>> e.low, e.high, e.p_above(0.408)
        (0.405, 0.595, 0.05)
        """
        if not math.isfinite(value):
            return cls.undefined(
                message("estimate.not_finite", "The statistic is not defined here."),
                n=n, method=method, unit=unit,
            )  # fmt: skip
        rungs = {c: interval(c) for c in LADDER}
        low, high = rungs[0.95]
        return cls(
            value=value,
            low=_finite(low),
            high=_finite(high),
            n=n,
            method=method,
            unit=unit,
            ladder=tuple(
                Bound(confidence=c, low=_finite(lo), high=_finite(hi))
                for c, (lo, hi) in rungs.items()
            ),
        )

    @classmethod
    def undefined(cls, reason: Message, *, n: int, method: str, unit: str = "") -> Estimate:
        """An estimate without a value, and why."""
        return cls(value=None, n=n, method=method, unit=unit, reason=reason)

    @classmethod
    def exact(cls, value: float, *, n: int, method: str, unit: str = "") -> Estimate:
        """A number that is known, not estimated (a count, a claim): its interval is itself."""
        return cls.of(value, lambda _: (value, value), n=n, method=method, unit=unit)

    def p_above(self, limit: float) -> float:
        """Upper bound on the p-value of "the true value is at most `limit`"."""
        return min(
            ((1 - b.confidence) / 2 for b in self.ladder if b.low is not None and b.low > limit),
            default=1.0,
        ).__round__(12)

    def p_below(self, limit: float) -> float:
        """Upper bound on the p-value of "the true value is at least `limit`"."""
        return min(
            ((1 - b.confidence) / 2 for b in self.ladder if b.high is not None and b.high < limit),
            default=1.0,
        ).__round__(12)


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None


class Direction(StrEnum):
    """Which side of a limit is outside: above it, below it, or further from zero than it."""

    MAX = "max"
    MIN = "min"
    ABS = "abs"


class Limit(Value):
    """A limit on a metric, and who answers for it."""

    metric: str
    value: float
    direction: Direction = Direction.MAX
    owner: str
    rationale: str
    source: str = ""
    expires: dt.date | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.direction is Direction.ABS and self.value < 0:
            raise ValueError(f"an abs limit is at least 0, got {self.value}")
        return self

    @property
    def edges(self) -> tuple[float | None, float | None]:
        """The least and the greatest value that it allows; None where there is no such edge."""
        low = {Direction.MIN: self.value, Direction.ABS: -self.value}.get(self.direction)
        return low, None if self.direction is Direction.MIN else self.value


class Finding(Value):
    """One metric, for everyone or for one group, with all that is needed to judge it.

    group: column -> level; empty for everyone.
    null: the same statistic where nothing can have leaked or differed.
    baseline: the same statistic of a blind attacker or of a reference generator, named in
        `baseline_label`.
    ceiling: largest leak that this audit could have proved (the interval's low end had all leaked).
    detectable: smallest true value that it would have flagged four times out of five.
    false_alarm_rate: measured rate of a false `outside`; None = not calibrated.
    doubt: why this finding cannot be judged whatever its interval (makes it `cannot_tell`).
    reason: why the verdict is what it is, set with the verdict.
    """

    metric: str
    label: Message
    estimate: Estimate
    group: dict[str, str] = {}
    limit: Limit | None = None
    verdict: Verdict | None = None
    null: Estimate | None = None
    baseline: Estimate | None = None
    baseline_label: Message | None = None
    ceiling: Number | None = None
    detectable: Number | None = None
    false_alarm_rate: Estimate | None = None
    doubt: Message | None = None
    reason: Message | None = None
    note: Message | None = None


#: What the columns of a figure's table mean, by kind; a renderer needs nothing else.
FIGURE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bars": ("label", "series", "value"),
    "forest": ("label", "value", "low", "high", "limit_low", "limit_high"),
    "curve": ("series", "x", "y"),
    "heatmap": ("row", "column", "value"),
}


class Figure(Value):
    """Typed data for one picture: `rows` follow `FIGURE_COLUMNS[kind]`, `headers` name them.

    The small-cell rule has been applied to the data before it comes here. metric: what a forest
    shows; its limits are set with the verdicts.
    """

    id: str
    kind: Literal["bars", "forest", "curve", "heatmap"]
    title: Message
    description: Message
    headers: tuple[Message, ...]
    rows: tuple[tuple[str | Number | None, ...], ...]
    unit: str = ""
    metric: str = ""


class Section(Value):
    """What one audit found, or why it did not run."""

    audit: str
    title: Message
    status: Status
    findings: tuple[Finding, ...] = ()
    figures: tuple[Figure, ...] = ()
    reason: Message | None = None
    needs: tuple[str, ...] = ()
    params: dict[str, JsonValue] = {}
    source: str = ""
    seconds: float | None = None

    @property
    def chapter(self) -> str:
        """`privacy`, `bias`, `content` or `quality`: the first part of the audit's id."""
        return self.audit.split(".")[0]


class ControlState(StrEnum):
    """What the findings say about a clause. None of these is a legal judgement."""

    WITHIN = "evidence_within_limit"
    OUTSIDE = "outside_limit"
    CANNOT_TELL = "cannot_tell"
    NOT_MEASURED = "not_measured"
    NOT_DECLARED = "applicability_not_declared"
    NOT_APPLICABLE = "declared_not_applicable"


class ControlReading(Value):
    """What this audit's findings can say about one clause of a regulation.

    applicability: the question that the operator's context answers; unanswered is never "applies".
    in_force: from when the clause binds. certainty: H, M or L, of clause and paraphrase.
    """

    id: str
    regulation: str
    clause: str
    url: str = ""
    paraphrase: Message
    cannot_claim: Message
    state: ControlState
    measures: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    applicability: str = ""
    in_force: dt.date | None = None
    certainty: str = ""


class Claim(Value):
    """What the maker of a generator promises: (ε, δ) for a unit under a neighbouring relation."""

    epsilon: float = Field(gt=0)
    delta: float = Field(ge=0, lt=1)
    unit: str = "record"
    relation: str = "zero-out"
    note: str = ""


class SubjectInfo(Value):
    """Who was audited."""

    name: str
    kind: str
    n: int | None
    digest: str | None = None
    claim: Claim | None = None


class DataInfo(Value):
    """A data set that the auditor held: never its content, never a digest that could be guessed."""

    name: str
    n: int
    n_distinct: int | None = None


class TouchInfo(Value):
    """One line of the ledger as the report prints it."""

    purpose: str
    kind: str
    scope: str
    mechanism: str
    epsilon: float | None = None
    delta: float | None = None


class LedgerInfo(Value):
    """The touches behind the claim, and those that the audit itself made."""

    release: tuple[TouchInfo, ...] = ()
    audit: tuple[TouchInfo, ...] = ()
    sentence: Message


class PolicyInfo(Value):
    """The limits that were applied, with the digest of their file."""

    name: str
    version: str
    owner: str
    digest: str
    alpha: float
    default: bool
    limits: tuple[Limit, ...]


class Provenance(Value):
    """What reproduces this report. Times are the only fields that differ between equal runs."""

    tool_version: str
    python: str
    packages: dict[str, str] = {}
    command: str = ""
    seed: int
    plan: str
    started: str | None = None
    seconds: float | None = None


class AuditReport(Value):
    """The whole result of one audit."""

    format_version: str = FORMAT_VERSION
    subject: SubjectInfo
    access: tuple[str, ...]
    knowledge: tuple[DataInfo, ...] = ()
    modality: str = "table"
    sections: tuple[Section, ...] = ()
    controls: tuple[ControlReading, ...] = ()
    not_measured: tuple[Message, ...] = ()
    remarks: tuple[Message, ...] = ()
    policy: PolicyInfo
    context: dict[str, JsonValue] = {}
    ledger: LedgerInfo | None = None
    provenance: Provenance

    def findings(self, verdict: Verdict | None = None) -> list[tuple[Section, Finding]]:
        """All findings with their section, or those with one verdict."""
        return [
            (s, f) for s in self.sections for f in s.findings if verdict in (None, f.verdict)
        ]  # fmt: skip

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any limited finding; `info` when nothing is limited."""
        seen = {f.verdict for _, f in self.findings()}
        order = (Verdict.OUTSIDE, Verdict.CANNOT_TELL, Verdict.WITHIN)
        return next((v for v in order if v in seen), Verdict.INFO)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `audit.json` in this format version."""
    schema = AuditReport.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:genaudit:audit:{FORMAT_VERSION}",
        **schema,
    }
