"""What a page shows of a report, worked out before any markup: order, groups, counts, sentences."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from genaudit import validity
from genaudit.data.disclosure import is_hidden
from genaudit.render.numbers import Numbers
from genaudit.render.text import Text, catalogue, power_of_ten
from genaudit.result import (
    AuditReport,
    Claim,
    ControlReading,
    ControlState,
    Estimate,
    Finding,
    Limit,
    Message,
    Section,
    Status,
    Verdict,
)

T = TypeVar("T")

#: Chapters in the order of every report; `legal` holds readings of clauses, the others sections.
CHAPTERS = ("privacy", "bias", "content", "legal", "quality")

#: Worst first.
SEVERITY = (Verdict.OUTSIDE, Verdict.CANNOT_TELL, Verdict.WITHIN, Verdict.INFO)

#: The symbol beside the reading of a clause.
CONTROL_ICON = {
    ControlState.WITHIN: "within",
    ControlState.OUTSIDE: "outside",
    ControlState.CANNOT_TELL: "cannot_tell",
    ControlState.NOT_MEASURED: "none",
    ControlState.NOT_DECLARED: "none",
    ControlState.NOT_APPLICABLE: "none",
    ControlState.OTHER_DATA: "none",
}

#: What a clause reads as where its findings were looked at, worst first.
READ = (
    ControlState.OUTSIDE, ControlState.CANNOT_TELL, ControlState.NOT_MEASURED, ControlState.WITHIN,
)  # fmt: skip

#: Groups that stay open on the page; more of them fold away.
OPEN_GROUPS = 10

#: e to a larger power is more than a float holds.
_MOST_EXP = 700.0

#: Most columns of the data that have a line each.
MOST_COLUMNS = 6


def severity(finding: Finding) -> int:
    """0 for the worst verdict; a finding that nobody judged counts as information."""
    return SEVERITY.index(finding.verdict or Verdict.INFO)


def word(finding: Finding) -> str:
    """What its verdict is called on a page; with a limit and none it is a smaller gap."""
    verdict = finding.verdict or Verdict.INFO
    if verdict is not Verdict.INFO or finding.limit is None:
        return verdict.value
    reason = finding.reason.id if finding.reason else ""
    return "turned" if reason == "verdict.turned" else "smaller"


def headline(report: AuditReport) -> str:
    """What the worst verdict of a report is called: also where only smaller gaps have a limit.

    Where a limit of the policy was held against nothing, no report is within, nor free of limits.
    """
    limited = report.verdict is Verdict.INFO and judged(report)
    passes = report.verdict in (Verdict.INFO, Verdict.WITHIN)
    if passes and not report.policy.limits and judged(report):
        return "unlimited"  # what is held against the promise has limits that no policy sets
    if passes and unmeasured_limits(report):
        return "unmeasured"
    return "smaller" if limited else report.verdict.value


def judged(report: AuditReport) -> bool:
    """Whether any finding has a limit."""
    return any(f.limit for _, f in report.findings())


def tone(report: AuditReport) -> str:
    """The verdict in whose colour, and with whose symbol, a headline stands."""
    own = {"unmeasured": Verdict.CANNOT_TELL, "unlimited": Verdict.INFO}
    return own.get(headline(report), report.verdict).value


def beyond(finding: Finding) -> bool:
    """Whether its whole interval is beyond the limit and yet too little to say so: to be explained.

    Without the reason beside it such a number looks misjudged.
    """
    return finding.reason is not None and finding.reason.id == "verdict.multiplicity"


@dataclass(frozen=True)
class Metric:
    """All findings of one metric in one section, worst first."""

    id: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any group."""
        return self.findings[0].verdict or Verdict.INFO

    @property
    def first(self) -> Finding:
        """The worst finding."""
        return self.findings[0]

    @property
    def label(self) -> Message:
        """What the metric is called: over several groups by its heading.

        Where it has none, what differs between groups gives way to an ellipsis.
        """
        labels = [f.label for f in self.findings]
        if any(label != labels[0] for label in labels):
            labels = [f.heading or f.label for f in self.findings]
        first = labels[0].params
        varying = {k for k in first for other in labels[1:] if other.params.get(k) != first[k]}
        params = {k: "…" if k in varying else v for k, v in first.items()}
        return labels[0].model_copy(update={"params": params})

    @property
    def prominent(self) -> bool:
        """Whether a limit judges it or something is to be said of it: it then has a card.

        A bound on epsilon always has one, as it means nothing without its delta and its method. Of
        many columns a warning stands beside their lines: a card would have all of them.
        """
        if any(f.limit or f.reason or f.needed or f.estimate.unit == "ε" for f in self.findings):
            return True
        return not self.of_many_columns and any(f.warning for f in self.findings)

    @property
    def of_many_columns(self) -> bool:
        """Whether it is of more columns of the data than have a line each."""
        each = all("column" in f.group for f in self.findings)
        return each and len(self.findings) > MOST_COLUMNS

    @property
    def single(self) -> bool:
        """Whether this is one number and no table of groups."""
        return len(self.findings) == 1


def told(metric: Metric) -> tuple[Finding, ...]:
    """Findings that have a line each: of many columns of the data those furthest from zero.

    Groups of people all have one, and so has what is warned of.
    """
    if not metric.of_many_columns:
        return metric.findings
    by_size = sorted(metric.findings, key=lambda f: -abs(f.estimate.value or 0.0))
    return tuple(f for f in metric.findings if f.warning or f in by_size[:MOST_COLUMNS])


def names_its_group(finding: Finding) -> bool:
    """Whether the label already says which group it is about."""
    said = " ".join(str(v) for v in finding.label.params.values())
    return all(level in said for level in finding.group.values())


def metrics(section: Section) -> list[Metric]:
    """The findings of a section by metric, in the order in which metrics first appear."""
    ids = dict.fromkeys(f.metric for f in section.findings)
    return [
        Metric(m, tuple(sorted((f for f in section.findings if f.metric == m), key=severity)))
        for m in ids
    ]


@dataclass(frozen=True)
class Count:
    """Findings of one chapter by verdict, and its audits that did not run."""

    chapter: str
    verdicts: dict[Verdict, int]
    idle: int


def beside(metrics: Sequence[Metric]) -> list[str]:
    """What any of these numbers is held against: its null, its baseline."""
    findings = [f for m in metrics for f in m.findings]
    any_of = {"null": any(f.null for f in findings), "baseline": any(f.baseline for f in findings)}
    return [kind for kind, found in any_of.items() if found]


def size(finding: Finding, text: Text) -> str:
    """How many rows a number rests on; a dash where that is not told."""
    hidden = is_hidden(finding.estimate.reason)
    return "–" if hidden else text.decimal(finding.estimate.n, 0)


def chapters(report: AuditReport) -> list[str]:
    """The fixed chapters, then those of other packages."""
    return list(dict.fromkeys([*CHAPTERS, *(s.chapter for s in report.sections)]))


def sections(report: AuditReport, chapter: str) -> list[Section]:
    """The sections of one chapter: first those that hold something that a limit judges."""
    found = [s for s in report.sections if s.chapter == chapter]
    return sorted(found, key=lambda s: all(f.limit is None for f in s.findings))


def in_one_table(found: Sequence[Section]) -> list[Section]:
    """Sections of a chapter whose numbers stand in one table: nothing judges or draws them.

    None where it would be one section alone.
    """
    plain = [s for s in found if s.status is Status.RAN and s.findings and not s.figures
             and not any(m.prominent for m in metrics(s))]  # fmt: skip
    return plain if len(plain) > 1 else []


def titled(sections: Sequence[Section]) -> list[tuple[Message, list[Metric]]]:
    """Sections of one table: what each is called, and its metrics."""
    return [(s.title, metrics(s)) for s in sections]


def counts(report: AuditReport) -> list[Count]:
    """Counts of each chapter that has sections."""
    return [
        Count(
            chapter,
            {v: sum(f.verdict is v for s in found for f in s.findings) for v in SEVERITY},
            sum(s.status is not Status.RAN for s in found),
        )
        for chapter in chapters(report)
        if (found := sections(report, chapter))
    ]


def headlines(report: AuditReport, verdict: Verdict) -> list[tuple[Section, Metric]]:
    """Metrics whose worst finding has this verdict, for one line each."""
    return [
        (section, Metric(metric.id, same))
        for section in report.sections
        for metric in metrics(section)
        if (same := tuple(f for f in metric.findings if f.verdict is verdict))
    ]


#: What tells how exposed single people and groups are, most telling first; higher is worse.
_EXPOSED = {
    "person": (
        r"privacy\.\w+\.tpr_at_1pct_fpr|privacy\.records\.accused|privacy\.matches\.share"
        r"|privacy\.copies\.\w+|privacy\.singling_out\.\w+|privacy\.\w+\.(risk|worst)",
        r"privacy\.\w+\.auc",
    ),
    "group": (r"privacy\.groups\.tpr_at_1pct_fpr", r"privacy\.groups\.auc",
              r"content\.rare_copies\.group_rate"),
}  # fmt: skip


def exposed(report: AuditReport) -> list[tuple[str, Finding | None]]:
    """What remains of risk for the most exposed person and group; None where nothing tells.

    What is shown comes first: the number whose interval begins furthest above chance. Where none
    does, what may be: the one whose interval reaches furthest, of those that a limit judges if
    there are any, as an attack that tells nothing reaches furthest of all; one that leaves all open
    comes last. Of groups those come first that are shown to be more exposed than others; without
    any, what may be counts alone: one of a few people has a wide interval, and is exposed all the
    same.
    """
    found = [f for _, f in report.findings() if f.estimate.value is not None]
    out: list[tuple[str, Finding | None]] = []
    for who, metrics in _EXPOSED.items():
        mine = [f for f in found if bool(f.group) == (who == "group")]
        if who == "group":
            mine = _of_more_exposed(mine) or mine
        ranked = ([f for f in mine if re.fullmatch(m, f.metric)] for m in metrics)
        same = next((same for same in ranked if same), [])
        shown = [] if who == "group" else [f for f in same if _above_chance(f) > 0]
        telling = [f for f in same if _upper(f) < 1 or _above_chance(f) > 0] or same
        limited = [f for f in telling if f.limit]
        may = max(limited or telling, key=_upper, default=None)
        out.append((who, max(shown, key=_above_chance, default=may)))
    return out


def _of_more_exposed(findings: Sequence[Finding]) -> list[Finding]:
    """Those of the groups that are shown to be more exposed than all others."""
    named = [f.group for f in findings
             if f.metric == "privacy.groups.difference" and f.warning is not None]  # fmt: skip
    return [f for f in findings if f.group in named]


#: Lines of page one, which is one sheet of paper, in all and by verdict; all of them stand in their
#: chapters. What stands before them takes the place of some.
_LINES, _MOST_LINES, _LEAST_LINES = 15, {"outside": 9, "cannot_tell": 6}, 2


def room_taken(report: AuditReport) -> int:
    """Lines of findings whose place on page one others take, about: claim, warnings, remarks."""
    said = [*warnings(report), *report.remarks]
    declared = [str(report.context.get(key, "")) for key in ("assessed_by", "purpose")]
    return (
        sum(1 + len(one.english) // 120 for one in said)
        + len(warnings(report))
        + sum(len(one) // 60 for one in declared)
        + 2 * report.provenance.show_private
        + 3 * (report.subject.claim is not None)
    )


def most_lines(report: AuditReport) -> dict[str, int]:
    """How many metrics page one names by verdict, so that it stays one sheet."""
    left, found = _LINES - room_taken(report), {}
    for verdict, most in _MOST_LINES.items():
        found[verdict] = min(most, max(left, _LEAST_LINES))
        left -= min(found[verdict], len(headlines(report, Verdict(verdict))))
    return found


def _above_chance(finding: Finding) -> float:
    """How far above what chance gives its interval begins."""
    return float(finding.estimate.low or 0.0) - float(finding.chance or 0.0)


def _upper(finding: Finding) -> float:
    high = finding.estimate.high
    return float(finding.estimate.value or 0) if high is None else high


def warnings(report: AuditReport) -> list[Message]:
    """What a reader must not overlook, whatever the verdicts are."""
    return [f.warning for _, f in report.findings() if f.warning is not None]


def unmeasured_limits(report: AuditReport) -> list[Limit]:
    """Limits of the policy for which there is no number."""
    measured = {f.metric for _, f in report.findings()}
    return [limit for limit in report.policy.limits if limit.metric not in measured]


def idle(report: AuditReport, status: Status) -> list[Section]:
    """Sections that were skipped, or that failed."""
    return [s for s in report.sections if s.status is status]


@dataclass(frozen=True)
class Sentences:
    """The few sentences of page one that are put together from numbers."""

    text: Text
    numbers: Numbers

    def verdict(self, report: AuditReport) -> str:
        """The worst verdict first, in one sentence."""
        n = {v: len(report.findings(v)) for v in SEVERITY}
        limited = sum(n.values()) - n[Verdict.INFO]
        called, missing = headline(report), len(unmeasured_limits(report))
        return self.text.say(
            f"page.verdict.{called}",
            count=missing if called == "unmeasured" else n[report.verdict],
            limited=limited,
            outside=n[Verdict.OUTSIDE],
            cannot_tell=n[Verdict.CANNOT_TELL],
            within=n[Verdict.WITHIN],
            missing=missing,
            limits=len(report.policy.limits),
        )

    def coverage(self, report: AuditReport) -> str:
        """How much of the plan ran, and which limits nothing was held against."""
        ran = len(idle(report, Status.RAN))
        parts = [self.text.say("page.ran", count=ran, total=len(report.sections))]
        for status in (Status.FAILED, Status.SKIPPED):
            if n := len(idle(report, status)):
                parts.append(self.text.say(f"page.n_{status.value}", count=n))
        if n := len(unmeasured_limits(report)):
            parts.append(self.text.say("page.n_unmeasured", count=n))
        return self.text.say("page.space").join(parts)

    def claim(self, claim: Claim) -> list[str]:
        """What (ε, δ) promises: odds, then what an attacker can reach."""
        epsilon, delta = claim.epsilon, claim.delta
        # Kairouz, Oh, Viswanath 2015, theorem 2.1: true positives at 1% false positives.
        # Where e^epsilon is more than a float holds the second bound is the smaller one.
        reach = min(
            math.exp(min(epsilon, _MOST_EXP)) * 0.01 + delta,
            1 - math.exp(-epsilon) * (0.99 - delta),
        )
        unit = self._known("page.unit", claim.unit)
        out = [
            self.text.say(
                "page.claim.odds" if delta else "page.claim.odds.pure",
                unit=unit,
                factor=self._odds(epsilon),
                one_in=1 / delta if delta else None,
            ),
            self.text.say("page.claim.reach", unit=unit, reach=self.text.percent(max(reach, 0.01))),
        ]
        relation = f"page.relation.{claim.relation}"
        return out + ([self.text.say(relation, unit=unit)] if self.text.has(relation) else [])

    def _odds(self, epsilon: float) -> str:
        """e^epsilon; where no float holds that, the power of ten above it."""
        if epsilon <= _MOST_EXP:
            return self.text.number(math.exp(epsilon))
        return power_of_ten(math.ceil(epsilon / math.log(10)))

    def claim_numbers(self, claim: Claim) -> str:
        """`ε = 3, δ = 10⁻⁵, for one record (zero-out)`."""
        return self.text.say(
            "page.claim.numbers",
            epsilon=self.text.number(claim.epsilon),
            delta=self.text.number(claim.delta),
            unit=self._known("page.unit", claim.unit),
            relation=self.text.term("relation", claim.relation),
        )

    def _known(self, prefix: str, word: str) -> str:
        known = f"{prefix}.{word}"
        return self.text.say(known) if self.text.has(known) else word


@dataclass(frozen=True)
class Fact:
    """Something that each finding of a metric states; what all say is printed once."""

    id: str
    label: str
    short: str
    cells: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Whether all groups say the same; of notes, all that have one."""
        said = set(self.cells) - {"–"} if self.id == "note" else set(self.cells)
        return len(said) == 1

    @property
    def said(self) -> str:
        """What all groups say."""
        return next((cell for cell in self.cells if cell != "–"), "–")


def facts(metric: Metric, numbers: Numbers) -> list[Fact]:
    """What stands beside the numbers of a metric; what no finding states is left out.

    Of notes that differ, the sentences that all of them hold are a fact of their own.
    """
    table = () if metric.single else metric.findings
    rows = [_stated(f, numbers, table) for f in metric.findings]
    cells = {key: [row[key] for row in rows] for key in rows[0]}
    common, own = _split(cells.pop("note"))
    cells |= {"note": own, "note.all": [common] * len(rows)}
    return [
        Fact(
            key,
            numbers.text.say(f"page.fact.{key.removesuffix('.all')}"),
            numbers.text.say(f"page.short.{key.removesuffix('.all')}"),
            tuple(cell or "–" for cell in said),
        )
        for key, said in cells.items()
        if any(said)
    ]


def _split(notes: Sequence[str]) -> tuple[str, list[str]]:
    """The sentences that all notes hold, and what is left of each."""
    if len(set(notes)) == 1 or not all(notes):
        return "", list(notes)
    parts = [re.findall(r".+?(?:[.!?](?= |$)|[。！？]|$)", note) for note in notes]
    shared = [s for s in parts[0] if all(s in others for others in parts)]
    left = ["".join(s for s in own if s not in shared).strip() for own in parts]
    return "".join(shared).strip(), left


def _stated(finding: Finding, numbers: Numbers, beside: Sequence[Finding]) -> dict[str, str]:
    text, estimate = numbers.text, finding.estimate
    return {
        "n": "" if is_hidden(estimate.reason) else size(finding, text),
        "method": text.term("method", estimate.method),
        "unit": text.term("unit", estimate.unit) if estimate.unit else "",
        "null": _beside(finding.null, finding, numbers, beside),
        "baseline": _baseline(finding, numbers, beside),
        "false_alarms": false_alarms(finding, text),
        "power": _power(finding, numbers),
        "doubt": "" if finding.reason == finding.doubt else _sentence(finding.doubt, text),
        # Where there is no number, its reason stands in the number's place.
        "reason": _sentence(finding.reason, text) if estimate.value is not None else "",
        "needed": _sentence(finding.needed, text),
        "note": _sentence(finding.note, text),
    }


def _baseline(finding: Finding, numbers: Numbers, beside: Sequence[Finding]) -> str:
    shown = _beside(finding.baseline, finding, numbers, beside)
    if not shown or finding.baseline_label is None:
        return shown
    text = numbers.text
    return text.say("page.named", name=text(finding.baseline_label), number=shown)


def _power(finding: Finding, numbers: Numbers) -> str:
    """Ceiling and detectable in one line: they answer two questions, so either may be larger."""
    stated = {"detectable": finding.detectable, "ceiling": finding.ceiling}
    parts = [
        numbers.text.say(f"page.power.{key}", x=numbers.plain(x, finding.estimate.unit))
        for key, x in stated.items()
        if x is not None
    ]
    return numbers.text.say("page.space").join(parts)


def false_alarms(finding: Finding, text: Text) -> str:
    """How often the finding's audit cries wolf, as measured; or that nobody has measured it.

    Nothing where there is nothing to be wrong about: what is known exactly, or held against neither
    a limit nor chance.
    """
    rate = finding.false_alarm_rate
    if rate is not None and rate.value is not None:
        return text.say("page.false_alarms", hits=round(rate.value * rate.n), n=rate.n)
    estimate = finding.estimate
    exact = estimate.value is not None and estimate.low == estimate.high == estimate.value
    tried = finding.limit is not None or finding.metric.startswith("privacy.")
    return text.say("page.not_calibrated") if tried and not exact else ""


def alarmed(metrics: Sequence[Metric], text: Text) -> bool:
    """Whether any of these numbers has a false-alarm rate, or should have one."""
    return any(false_alarms(f, text) for m in metrics for f in m.findings)


def doubts(metrics: Sequence[Metric]) -> list[Message]:
    """What audits themselves hold against these numbers, each once."""
    findings = [f for m in metrics for f in m.findings if f.estimate.value is not None]
    found = [f.doubt for f in findings if f.doubt is not None]
    return list({(d.id, repr(d.params)): d for d in found}.values())


def _beside(
    estimate: Estimate | None, finding: Finding, numbers: Numbers, beside: Sequence[Finding]
) -> str:
    """Another number of a finding; in a table without the level that stands over all of them."""
    if estimate is None:
        return ""
    alike = beside if estimate.confidence == finding.estimate.confidence else ()
    return numbers.estimate(estimate, finding.limit, alike)


def _sentence(message: Message | None, text: Text) -> str:
    return text(message) if message is not None else ""


def limit_edges(limit: Limit | None) -> tuple[float | None, float | None]:
    """The lower and upper edge of what a limit allows."""
    return (None, None) if limit is None else limit.edges


def rationale(limit: Limit) -> Message:
    """Why a limit is what it is: the bundled policy's in any language, another's as written."""
    # The second is that of the first version of the bundled policy, where it was another.
    keys = (f"rationale.{limit.metric}", f"rationale_before.{limit.metric}")
    known = (key for key in keys if catalogue("en").get(key) == limit.rationale)
    return Message(id=next(known, ""), text_en=limit.rationale)


def filled(
    headers: Sequence[str], rows: Sequence[Sequence[str | None]]
) -> tuple[list[str], list[list[str]]]:
    """A table without the columns that no row fills; a dash for what is missing in the others."""
    keep = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    return [headers[i] for i in keep], [[row[i] or "–" for i in keep] for row in rows]


def units(report: AuditReport) -> dict[str, str]:
    """Unit of each metric, as its findings state it."""
    return {f.metric: f.estimate.unit for _, f in report.findings()}


def thinned(rows: Sequence[T], most: int) -> list[T]:
    """At most so many rows, evenly spread, first and last kept."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (most - 1))] for i in range(most)]


@dataclass(frozen=True)
class Regime:
    """The clauses of one regulation, for one heading; what they share is said there."""

    controls: tuple[ControlReading, ...]

    @property
    def first(self) -> ControlReading:
        """The clause whose source stands for all."""
        return self.controls[0]

    @property
    def url(self) -> str:
        """Where the text stands."""
        return self.first.source.url if self.first.source else self.first.url

    @property
    def in_force(self) -> dt.date | None:
        """From when all clauses bind; None where that differs, or is not known."""
        dates = {c.in_force for c in self.controls}
        return self.first.in_force if len(dates) == 1 else None

    @property
    def read(self) -> list[ControlReading]:
        """Those of which findings say something, or could have."""
        return [c for c in self.controls if c.state in READ]

    @property
    def unread(self) -> list[tuple[ControlState, list[ControlReading]]]:
        """The others by why they were not read, in few words on the page."""
        whys = [s for s in ControlState if s not in READ]
        found = [(s, [c for c in self.controls if c.state is s]) for s in whys]
        return [(s, same) for s, same in found if same]

    @property
    def questions(self) -> list[ControlReading]:
        """One clause for each question that the operator is asked."""
        return list({c.applicability: c for c in self.controls if c.applicability}.values())


def regimes(report: AuditReport) -> list[Regime]:
    """The clauses by regulation; those that the operator declared to apply come first."""
    names = dict.fromkeys(c.regulation for c in report.controls)
    found = [Regime(tuple(c for c in report.controls if c.regulation == n)) for n in names]
    return sorted(found, key=lambda regime: not regime.read)


def states(report: AuditReport) -> list[tuple[ControlState, int]]:
    """How many clauses read as what, worst first; states that none has are left out."""
    order = dict.fromkeys([*READ, *ControlState])
    counts = ((s, sum(c.state is s for c in report.controls)) for s in order)
    return [(s, n) for s, n in counts if n]


def answered(report: AuditReport, key: str) -> bool | None:
    """What the operator declared under a key of applicability; None for nothing."""
    given = report.context.get("applicability")
    answer = given.get(key) if isinstance(given, dict) else None
    return answer if isinstance(answer, bool) else None


def expired(report: AuditReport, on: dt.date | None = None) -> str:
    """That its validity was over on the day of its own audit, or on a later one, as a message's id.

    Nothing where it was not.
    """
    try:
        day = dt.date.fromisoformat((report.provenance.started or "")[:10])
    except ValueError:
        day = None
    if day is not None and validity.expired(report.context, day) is not None:
        return "page.expired"
    late = on is not None and validity.expired(report.context, on) is not None
    return "page.expired.since" if late else ""


def official(url: str) -> bool:
    """Whether a link may be printed: a plain web address and no script."""
    return url.startswith(("https://", "http://"))
