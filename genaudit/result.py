"""The result tree: what an audit found, as frozen values that every renderer reads.

`AuditReport` is the root. Its JSON form (`genaudit.render.json`) is published with a schema and a
version: anything may be added to it, nothing renamed. Audits return findings without verdicts;
`genaudit.run` sets them, and `genaudit check` sets them anew from the stored intervals.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from genaudit.encoded import check_png, check_wav

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

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, validated like every other value."""
        if not update:
            return super().model_copy(deep=deep)
        return type(self)(**{**dict(self), **update})


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


#: No number of a report is larger: nobody can read it, and no page could print it.
LARGEST = 1e15


def _number(x: Any) -> Any:
    """A number as it came; text and truth values, which pydantic would turn into one, are none."""
    if isinstance(x, bool | str):
        raise ValueError(f"expected a number, got {x!r}")
    return x


def _rounded(x: float) -> float:
    """Ten significant digits: the last bits of a sum differ between machines, evidence does not."""
    return float(f"{x:.10g}")


def _cell(x: Any) -> Any:
    """A cell of a figure: text, nothing, or a number that can be printed."""
    if x is None or isinstance(x, str):
        return x
    if isinstance(x, bool) or not isinstance(x, int | float):
        raise ValueError(f"expected text, a number or null, got {x!r}")
    if not abs(x) <= LARGEST:
        raise ValueError(f"expected a number from {-LARGEST:g} to {LARGEST:g}, got {x!r}")
    return _rounded(float(x))


def _param(x: Any) -> Any:
    """A field of a sentence; a whole number so long that no float holds it is refused."""
    if isinstance(x, int) and abs(x) >= 2**64:
        raise ValueError("expected a whole number of at most 20 digits")
    return x


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _day(x: Any) -> Any:
    """A day as it came; a number, which pydantic would take for seconds since 1970, is none."""
    if isinstance(x, int | float) or (isinstance(x, str) and not _DAY.match(x)):
        raise ValueError(f"expected a day such as 2026-12-31, got {x!r}")
    return x


Param = Annotated[str | int | float | None, BeforeValidator(_param)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST), BeforeValidator(_number)]
Number = Annotated[Real, AfterValidator(_rounded)]
Cell = Annotated[str | float | None, BeforeValidator(_cell)]
Count = Annotated[int, Field(ge=0, le=2**53), BeforeValidator(_number)]
Seconds = Annotated[float, Field(ge=0, le=LARGEST), BeforeValidator(_number)]
Confidence = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_number)]


class Message(Value):
    """A sentence for a person, in every language from one file.

    `text_en` is the English template with `{name}` fields (`{share:percent}`, `{n:integer}`,
    `{x:number}`, `{day:date}` of ISO 8601); other languages look `id` up in their catalogue, then
    in `texts` (language -> template), which a message brings along where its source is data.
    `params` fill the fields; `words` (field -> message) says those that are words and no names once
    more, as messages.
    """

    id: str
    text_en: str
    params: dict[str, Param] = {}
    texts: dict[str, str] = {}
    words: dict[str, Message] = {}

    @property
    def english(self) -> str:
        """The English text with its fields written plainly.

        >>> message("x", "below {x:number}", x=21).english
        'below 21'
        """
        return _FIELD.sub(lambda m: str(self.params.get(m[1], m[0])), self.text_en)


_FIELD = re.compile(r"{(\w+)(?::\w+)?}")


def message(id: str, text_en: str, /, **params: Param | Message) -> Message:
    """A `Message` with its parameters as keywords; one that is a message is said in any language.

    >>> message("x", "{who} is missing", who=message("all", "all groups")).params
    {'who': 'all groups'}
    """
    words = {k: v for k, v in params.items() if isinstance(v, Message)}
    plain = {k: v.english if isinstance(v, Message) else v for k, v in params.items()}
    return Message(id=id, text_en=text_en, params=plain, words=words)


def words_of(*said: Message) -> dict[str, Message]:
    """English text -> message: what of a report's plain strings are words and no names."""
    return {m.english: m for m in said}


class Bound(Value):
    """One rung of an estimate's ladder: the two-sided interval at `confidence`."""

    confidence: Confidence
    low: Number | None
    high: Number | None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not _in_order(self.low, self.high):
            raise ValueError(f"expected low <= high, got {self.low} and {self.high}")
        return self


class Estimate(Value):
    """A number that can be judged: value, interval, sample size, method, unit.

    The value lies in its interval and stands on at least one record or count, `n`; what is not
    finite, or larger than `LARGEST`, is None with a `reason`. `ladder` holds the interval at each
    level of `LADDER`, so that a verdict can be recomputed under another policy without the data.
    """

    value: Number | None
    low: Number | None = None
    high: Number | None = None
    confidence: Confidence = 0.95
    n: Count
    method: str
    unit: str = ""
    reason: Message | None = None
    ladder: tuple[Bound, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not _in_order(self.low, self.value, self.high):
            raise ValueError(
                f"expected low <= value <= high, got {self.low}, {self.value} and {self.high}"
            )
        if self.value is None and (self.low, self.high, self.ladder) != (None, None, ()):
            raise ValueError("expected no interval of a value that is not there")
        if self.value is not None and self.n < 1:
            raise ValueError(f"expected a value to stand on n of at least 1, got n = {self.n}")
        return self

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
        if _finite(value) is None:
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
    return x if math.isfinite(x) and abs(x) <= LARGEST else None


def _in_order(*numbers: float | None) -> bool:
    """Whether known numbers do not fall, but for what rounding may do."""
    known = [x for x in numbers if x is not None]
    return all(a <= b + 1e-9 * max(1.0, abs(b)) for a, b in pairwise(known))


class Direction(StrEnum):
    """Which side of a limit is outside: above it, below it, or further from zero than it."""

    MAX = "max"
    MIN = "min"
    ABS = "abs"


class Limit(Value):
    """A limit on a metric, and who answers for it."""

    metric: str
    value: Real
    direction: Direction = Direction.MAX
    owner: str
    rationale: str
    source: str = ""
    expires: Annotated[dt.date | None, BeforeValidator(_day)] = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.direction is Direction.ABS and self.value < 0:
            raise ValueError(f"an abs limit is at least 0, got {self.value}")
        return self

    @property
    def edges(self) -> tuple[float | None, float | None]:
        """Lower and upper edge of what the limit allows; None where that side is free."""
        match self.direction:
            case Direction.MAX:
                return None, self.value
            case Direction.MIN:
                return self.value, None
            case Direction.ABS:
                return -self.value, self.value


class Side(Value):
    """One source of chance of an estimate: n rows, or trainings, and what they add to its variance.

    Sources are independent, so their variances add up.
    """

    kind: Literal["generated", "real", "training"]
    n: Count
    variance: Annotated[Number, Field(ge=0)]


class Finding(Value):
    """One metric, for everyone or for one group, with all that is needed to judge it.

    heading: what the metric is called over all its groups, where `label` names one of them.
    group: column -> level; empty for everyone.
    words: text in `group` that is no name of the data -> message.
    null: the same statistic where nothing can have leaked or differed.
    baseline: the same statistic of a blind attacker or of a reference generator, named in
        `baseline_label`.
    chance: the value that it has where nothing leaks or differs, of an attack.
    ceiling: largest leak that this audit could have proved (the interval's low end had all leaked).
    detectable: smallest true value that it would have flagged four times out of five.
    false_alarm_rate: measured rate of a false `outside`; None = not calibrated.
    sides: where its chance comes from, cheapest to enlarge first; empty where that is not known.
    total: of a signed gap minus another, their sum: where it has the opposite sign, the gap has
        become smaller in size.
    needed: how many rows would tell, set with a verdict that cannot.
    doubt: why this finding cannot be judged whatever its interval (makes it `cannot_tell`).
    hollow: whether the doubt is of a pass alone: what is shown to be beyond the limit stands.
    reason: why the verdict is what it is, set with the verdict.
    warning: what a reader must not overlook whatever the verdict is.
    """

    metric: str
    label: Message
    heading: Message | None = None
    estimate: Estimate
    group: dict[str, str] = {}
    words: dict[str, Message] = {}
    limit: Limit | None = None
    verdict: Verdict | None = None
    null: Estimate | None = None
    baseline: Estimate | None = None
    baseline_label: Message | None = None
    chance: Number | None = None
    ceiling: Number | None = None
    detectable: Number | None = None
    sides: tuple[Side, ...] = ()
    total: Estimate | None = None
    needed: Message | None = None
    false_alarm_rate: Estimate | None = None
    doubt: Message | None = None
    hollow: bool = False
    reason: Message | None = None
    note: Message | None = None
    warning: Message | None = None


#: What the columns of a figure's table mean, by kind; a renderer needs nothing else. Bars, curves
#: and heatmaps may end before `low` and `high`, where their numbers have no interval, and heatmaps
#: before `n`, the records behind a cell.
FIGURE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bars": ("label", "series", "value", "low", "high"),
    "forest": ("label", "value", "low", "high", "limit_low", "limit_high"),
    "curve": ("series", "x", "y", "low", "high"),
    "heatmap": ("row", "column", "value", "low", "high", "n"),
    "media": ("label", "value"),
}

#: Most records of a figure, characters of a text, channels of a series and steps of each.
MOST_MEDIA, MOST_TEXT, MOST_CHANNELS, MOST_STEPS = 60, 1000, 8, 400

#: Columns that hold names; all others hold numbers.
_NAMES = ("label", "series", "row", "column")


def columns_without_interval(kind: str) -> int:
    """Fewest columns of a figure of this kind."""
    columns = FIGURE_COLUMNS[kind]
    return columns.index("low") if kind in ("bars", "curve", "heatmap") else len(columns)


def _row_schema(kind: str) -> dict[str, Any]:
    """What JSON Schema can say of the rows of one kind of figure."""
    number = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
    columns = FIGURE_COLUMNS[kind]
    row = {
        "prefixItems": [{"type": "string"} if c in _NAMES else number for c in columns],
        "minItems": columns_without_interval(kind),
        "maxItems": len(columns),
    }
    return {
        "if": {"properties": {"kind": {"const": kind}}},
        "then": {"properties": {"rows": {"items": row}}},
    }


class Picture(Value):
    """A generated image as PNG in base64, and what it was generated with."""

    kind: Literal["image"] = "image"
    png: Annotated[str, AfterValidator(check_png)]
    attributes: dict[str, str] = {}


class Sound(Value):
    """A generated sound as WAV in base64, perhaps shortened, and what it was generated with."""

    kind: Literal["audio"] = "audio"
    wav: Annotated[str, AfterValidator(check_wav)]
    attributes: dict[str, str] = {}


class Series(Value):
    """A generated series, perhaps thinned: a tuple of numbers for each channel.

    length: steps that it has.
    """

    kind: Literal["sequence"] = "sequence"
    channels: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_CHANNELS)]
    values: tuple[Annotated[tuple[Real, ...], Field(min_length=1, max_length=MOST_STEPS)], ...]
    length: Count
    attributes: dict[str, str] = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.values) != len(self.channels) or len({len(v) for v in self.values}) > 1:
            raise ValueError("expected as many numbers of each channel")
        return self


class Words(Value):
    """A generated text, perhaps shortened, and what it was generated with."""

    kind: Literal["text"] = "text"
    text: Annotated[str, Field(max_length=MOST_TEXT)]
    attributes: dict[str, str] = {}


Medium = Annotated[Picture | Sound | Series | Words, Field(discriminator="kind")]


class Figure(Value):
    """Typed data for one picture: `rows` follow `FIGURE_COLUMNS[kind]`, `headers` name them.

    words: text in `rows` that is no name of the data -> message.
    metric: the metric that is drawn; its limit is set with the verdicts, here and in a forest's
        rows, and stays None where there is none. limit_at: the x of a curve at which it holds.
    media: generated records to look at or to listen to, one for each row of such a figure.
    The small-cell rule has been applied to the data before it comes here.
    """

    model_config = ConfigDict(
        json_schema_extra={"allOf": [_row_schema(kind) for kind in FIGURE_COLUMNS]}
    )

    id: str
    kind: Literal["bars", "forest", "curve", "heatmap", "media"]
    title: Message
    description: Message
    headers: tuple[Message, ...]
    rows: tuple[tuple[Cell, ...], ...]
    unit: str = ""
    words: dict[str, Message] = {}
    metric: str = ""
    limit: Limit | None = None
    limit_at: Number | None = None
    media: Annotated[tuple[Medium, ...], Field(max_length=MOST_MEDIA)] = ()

    @model_validator(mode="after")
    def _drawable(self) -> Self:
        if len(self.media) != (len(self.rows) if self.kind == "media" else 0):
            raise ValueError(f"expected a record for each row of a media figure, and no other, got "
                             f"{len(self.media)} and {len(self.rows)} rows")  # fmt: skip
        if len({m.kind for m in self.media}) > 1:
            raise ValueError("expected records of one kind")
        for i, row in enumerate(self.rows):
            _check_row(self.kind, i, row)
        if len({len(row) for row in self.rows}) > 1:
            raise ValueError("expected rows of one length")
        if self.rows and len(self.headers) not in (0, len(self.rows[0])):
            raise ValueError(
                f"expected a header for each of {len(self.rows[0])} columns, "
                f"got {len(self.headers)}"
            )
        return self


def _check_row(kind: str, i: int, row: tuple[Cell, ...]) -> None:
    """Refuse a row that is no row of such a figure: its length, kinds of cells, order of ends."""
    columns = FIGURE_COLUMNS[kind]
    if not columns_without_interval(kind) <= len(row) <= len(columns):
        raise ValueError(f"row {i} of a {kind} figure: expected {', '.join(columns)}, got {row!r}")
    known: dict[str, float] = {}
    for name, cell in zip(columns, row, strict=False):
        if (name in _NAMES) != isinstance(cell, str):
            if cell is None and name not in _NAMES:
                continue
            what = "text" if name in _NAMES else "a number or null"
            raise ValueError(f"row {i} of a {kind} figure: expected {what} as {name}, got {cell!r}")
        if not isinstance(cell, str) and cell is not None:
            known[name] = cell
    middle = known.get("y" if kind == "curve" else "value")
    if not _in_order(known.get("low"), middle, known.get("high")) or not _in_order(
        known.get("limit_low"), known.get("limit_high")
    ):
        raise ValueError(f"row {i} of a {kind} figure: expected low <= value <= high, got {row!r}")


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
    seconds: Seconds | None = None

    @model_validator(mode="after")
    def _of_its_own(self) -> Self:
        if self.findings and self.status is not Status.RAN:
            raise ValueError(f"the audit {self.audit!r} has findings and is said not to have run")
        for finding in self.findings:
            if not finding.metric.startswith(f"{self.chapter}."):
                raise ValueError(
                    f"the metric {finding.metric!r} stands in the audit {self.audit!r}"
                )
        return self

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
    OTHER_DATA = "not_about_such_data"


class SourceInfo(Value):
    """The law, opinion or standard that a clause stands in, and what was read of it.

    read: `primary` for the text itself, `secondary` for sources that quote it. basis: what was read
    where it was no text in force, such as a draft.
    """

    id: str
    name: Message
    version: Message
    url: str
    retrieved: dt.date
    read: str
    basis: Message | None = None


class ControlReading(Value):
    """What this audit's findings can say about one clause of a regulation.

    applicability: the question that the operator's context answers; unanswered is never "applies".
    question: its words. in_force: from when the clause binds. certainty: H, M or L, of clause and
    paraphrase. basis: what of it is less certain, or was read elsewhere. clause_text: the clause in
    every language. parts: what else of the report is about it. missing: measures, and audits below
    a `*`, of which there is nothing. reviewed: when the row was last held against its source.
    modalities: records that the clause names; empty for any.
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
    basis: Message | None = None
    clause_text: Message | None = None
    question: Message | None = None
    parts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    reviewed: dt.date | None = None
    source: SourceInfo | None = None


#: Whose part in the data a claim hides, and what it compares a data set with.
Unit = Literal["record", "person"]
Relation = Literal["zero-out", "add-remove"]


class Claim(Value):
    """What the maker of a generator promises: (ε, δ) for a unit under a neighbouring relation."""

    epsilon: float = Field(gt=0)
    delta: float = Field(ge=0, lt=1)
    unit: Unit = "record"
    relation: Relation = "zero-out"
    note: str = ""


class SubjectInfo(Value):
    """Who was audited."""

    name: str
    kind: str
    n: Count | None
    digest: str | None = None
    claim: Claim | None = None


class DataInfo(Value):
    """A data set that the auditor held: never its content, never a digest that could be guessed."""

    name: str
    n: Count
    n_distinct: Count | None = None


class TouchInfo(Value):
    """One line of the ledger as the report prints it; its two texts once more as messages.

    steps: how often the mechanism ran. part, parts: place among the parts of one training.
    """

    purpose: str
    purpose_text: Message | None = None
    kind: str
    scope: str
    mechanism: str
    mechanism_text: Message | None = None
    steps: Count | None = None
    part: Count | None = None
    parts: Count | None = None
    epsilon: float | None = Field(None, ge=0)
    delta: float | None = Field(None, ge=0, le=1)


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
    alpha: float = Field(gt=0, lt=1)
    default: bool
    limits: tuple[Limit, ...]


class Registration(Value):
    """Whether limits stood in the ledger before anybody could have seen what they judge.

    state: `before` where the policy was entered ahead of the first audit in that ledger that read
        one of these data sets (same name or same content) or had this subject (same digest);
        `after` where it was entered later than that; `never` where that ledger has no such entry.
    time: of the entry. first_audit: time of that audit, which is this one where it was the first.
    digest: of the policy's file. content: of what it says, limits included
        (`genaudit.policy.content`).
    ledger, entry, head: id of the ledger, place of the entry and digest of the chain up to it.
    """

    state: Literal["before", "after", "never"]
    time: str = ""
    first_audit: str = ""
    digest: str = ""
    content: str = ""
    ledger: str = ""
    entry: Count = 0
    head: str = ""


class CalibrationInfo(Value):
    """Which calibration the false-alarm rates of a report come from.

    own: the user's; else the one that the package brings. same_code: whether it was measured on the
    very sources that made this report. runs: draws of each world.
    """

    own: bool
    tool_version: str
    code: str
    same_code: bool
    started: str
    runs: Count


class Provenance(Value):
    """What reproduces this report. Times are the only fields that differ between equal runs.

    show_private: whether counts of a few people stand in it, which it is no release with.
    """

    tool_version: str
    python: str
    packages: dict[str, str] = {}
    command: str = ""
    seed: int
    plan: str
    show_private: bool = False
    started: str | None = None
    seconds: Seconds | None = None
    calibration: CalibrationInfo | None = None


def repeated(findings: Iterable[Finding]) -> str:
    """Metric and group of the first finding that came before; empty where each stands once.

    Of two such findings a reader cannot know which one counts.
    """
    seen: set[str] = set()
    for finding in findings:
        group = ", ".join(f"{k} = {v}" for k, v in sorted(finding.group.items()))
        name = f"{finding.metric!r}" + (f" of {group!r}" if group else "")
        if name in seen:
            return name
        seen.add(name)
    return ""


class AuditReport(Value):
    """The whole result of one audit.

    registration: of the policy; None of the bundled one, and where nobody looked for it.
    """

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
    registration: Registration | None = None
    context: dict[str, JsonValue] = {}
    ledger: LedgerInfo | None = None
    provenance: Provenance

    @model_validator(mode="after")
    def _each_audit_once(self) -> Self:
        audits = [section.audit for section in self.sections]
        twice = next((a for a in audits if audits.count(a) > 1), None)
        if twice is not None:
            raise ValueError(f"the audit {twice!r} stands in two sections")
        if again := repeated(finding for _, finding in self.findings()):
            raise ValueError(f"the metric {again} stands in two findings")
        return self

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
