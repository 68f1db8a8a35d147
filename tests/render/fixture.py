"""A report built by hand: every verdict, status, figure, and names that mean harm."""

from __future__ import annotations

import re

from genaudit.compliance.controls import readings
from genaudit.ledger import Mechanism, Touch
from genaudit.policy import Policy
from genaudit.result import (
    AuditReport,
    Claim,
    DataInfo,
    Estimate,
    Figure,
    Finding,
    LedgerInfo,
    Message,
    Provenance,
    Section,
    Status,
    SubjectInfo,
    Verdict,
    words_of,
)
from genaudit.result import message as in_english
from genaudit.touches import printed

SCRIPT = "<script>alert(1)</script>"
TURNED = "abc" + chr(0x202E) + "def"
LONG = "very_long_name_" * 20


def message(id: str, text: str, **params: object) -> Message:
    """A message that brings its Chinese along, as another package's does."""
    zh = " ".join(["译文", *re.findall(r"{[^}]+}", text)])
    return in_english(id, text, **params).model_copy(update={"texts": {"zh": zh}})


LIMITS = {limit.metric: limit for limit in Policy.read().limits}


def estimate(
    value: float, half: float, n: int, unit: str, method: str = "Clopper-Pearson"
) -> Estimate:
    """An estimate whose interval is `value ± half` at 95%."""
    return Estimate.of(
        value, lambda c: (value - half * c / 0.95, value + half * c / 0.95),
        n=n, method=method, unit=unit,
    )  # fmt: skip


#: In the place of a group's name.
ALL = message("fixture.all", "all groups of people")


def _finding(
    metric: str, label: str | Message, found: Estimate, verdict: Verdict, **more: object
) -> Finding:
    return Finding.model_validate(
        {
            "metric": metric,
            "label": label if isinstance(label, Message) else message(f"metric.{metric}", label),
            "estimate": found,
            "limit": LIMITS.get(metric),
            "verdict": verdict,
            **more,
        }
    )


def _headers(*names: str) -> tuple[Message, ...]:
    return tuple(message(f"header.{name}", name) for name in names)


def copies() -> Section:
    """Privacy, judged: one outside, one within, with null, baseline, ceiling and detectable."""
    rows = "share of generated rows"
    return Section(
        audit="privacy.copies",
        title=message("audit.privacy.copies", "Copies of training rows"),
        status=Status.RAN,
        findings=(
            _finding(
                "privacy.copies.exact", "Generated rows that repeat a training row, beyond chance",
                estimate(0.0312, 0.0061, 3000, rows), Verdict.OUTSIDE,
                null=estimate(0.0004, 0.0011, 1500, rows),
                baseline=estimate(0.002, 0.0015, 3000, rows),
                baseline_label=message("baseline.marginals", "independent marginals"),
                ceiling=0.31, detectable=0.0134,
                note=message("note.copies", "Rows are compared on {n:integer} columns.", n=8),
            ),
            _finding(
                "privacy.copies.near", "Generated rows equal to a training row but for one column",
                estimate(0.0131, 0.0045, 3000, rows), Verdict.WITHIN,
                false_alarm_rate=estimate(0.004, 0.003, 1000, "rate"),
            ),
        ),
        figures=(
            Figure(
                id="privacy.copies.bars", kind="bars",
                title=message("figure.copies", "Copies by distance"),
                description=message("figure.copies.d", "Share of generated rows at each distance."),
                headers=_headers("Distance", "Compared with", "Share"),
                rows=tuple((d, s, v) for d, s, v in (
                    ("equal", "training rows", 0.031), ("equal", "unseen rows", 0.011),
                    ("one column differs", "training rows", 0.12),
                    ("one column differs", "unseen rows", 0.115),
                    ("two columns differ", "training rows", 0.31),
                    ("two columns differ", "unseen rows", None),
                )),
                unit=rows, metric="privacy.copies.exact", limit=LIMITS["privacy.copies.exact"],
                words=words_of(*(message(f"fixture.{w}", w) for w in (
                    "equal", "one column differs", "two columns differ", "training rows",
                    "unseen rows",
                ))),
            ),
        ),
        params={"n": 3000, "exclude": ["id"]},
        source="Own definition; control as in Giomi et al. 2023, section 4",
        seconds=1.5,
    )  # fmt: skip


def distance() -> Section:
    """Privacy, undecided: an AUC whose interval reaches both sides, with its curve."""
    roc = [("attack", i / 40, min(1.0, (i / 40) ** 0.8)) for i in range(41)]
    roc += [("blind baseline", i / 40, i / 40) for i in range(41)]
    return Section(
        audit="privacy.distance",
        title=message("audit.privacy.distance", "Membership inference by distance"),
        status=Status.RAN,
        findings=(
            _finding(
                "privacy.distance.auc", "How well distance to samples tells members from others",
                estimate(0.5412, 0.0231, 2600, "AUC", "DeLong"), Verdict.CANNOT_TELL,
                null=estimate(0.5003, 0.022, 2600, "AUC", "DeLong"), ceiling=1.0, detectable=0.58,
                reason=message("verdict.wide", "The interval reaches both sides of the limit."),
            ),
            _finding(
                "privacy.distance.tpr_at_1pct_fpr",
                message("fixture.tpr", "Members found at {fpr:percent} accusations", fpr=0.01),
                Estimate.undefined(message("estimate.few", "only {n:integer} non-members", n=12),
                                   n=12, method="Clopper-Pearson", unit="share of members"),
                Verdict.CANNOT_TELL,
                reason=message("estimate.few", "only {n:integer} non-members", n=12),
            ),
        ),
        figures=(
            Figure(
                id="privacy.distance.roc", kind="curve",
                title=message("figure.roc", "ROC curve of the attack"),
                description=message("figure.roc.d", "True positives against false positives."),
                headers=_headers("Attack", "False positive rate", "True positive rate"),
                rows=tuple(roc), unit="rate",
                words=words_of(message("fixture.attack", "attack"),
                               message("fixture.blind", "blind baseline")),
            ),
        ),
        source="Hilprecht et al. 2019, equation 4",
    )  # fmt: skip


def representation() -> Section:
    """Bias: many groups, hostile names among them, with a forest and a heatmap."""
    groups = [SCRIPT, TURNED, LONG, "שלום", "Amer-Indian-Eskimo", *(f"group {i}" for i in range(9))]
    verdicts = (Verdict.OUTSIDE, Verdict.CANNOT_TELL, Verdict.WITHIN)
    unit = "difference of shares"
    findings = tuple(
        _finding(
            "bias.representation.share_difference",
            message("fixture.share", "Share of {group}, samples minus real data", group=name),
            estimate(0.04 - 0.006 * i, 0.012, 3000, unit, "Newcombe"), verdicts[min(i // 3, 2)],
            heading=message("fixture.shares", "Shares of groups, samples minus real data"),
            group={SCRIPT if i == 0 else "race": ALL.text_en if i == 13 else name},
            words=words_of(ALL) if i == 13 else {},
            null=estimate(0.001 * i, 0.01, 1500, unit),
        )
        for i, name in enumerate(groups)
    )  # fmt: skip
    names = groups[:6]
    return Section(
        audit="bias.representation",
        title=message("audit.bias.representation", "Representation of groups"),
        status=Status.RAN,
        findings=findings,
        figures=(
            Figure(
                id="bias.representation.forest", kind="forest",
                title=message("figure.forest", "Difference in shares by {column}", column=SCRIPT),
                description=message("figure.forest.d", "Samples minus real data, with limits."),
                headers=_headers("Group", "Value", "Low", "High", "Limit, low", "Limit, high"),
                rows=tuple((n, f.estimate.value, f.estimate.low, f.estimate.high, -0.03, 0.03)
                           for n, f in zip(groups, findings, strict=True)),
                unit=unit, metric="bias.representation.share_difference",
                limit=LIMITS["bias.representation.share_difference"],
            ),
            Figure(
                id="bias.representation.heatmap", kind="heatmap",
                title=message("figure.heat", "Change of association"),
                description=message("figure.heat.d", "Samples minus real data, pair by pair."),
                headers=_headers("Column", "Other column", "Change"),
                rows=tuple((a, b, round((i - j) * 0.03, 3) if i != j else None)
                           for i, a in enumerate(names) for j, b in enumerate(names)),
            ),
        ),
    )  # fmt: skip


def others() -> list[Section]:
    """A skipped section, a failed one, and one whose numbers nobody limits."""
    return [
        Section(
            audit="content.rare_copies",
            title=message("audit.content.rare_copies", "Copies of rare people"),
            status=Status.SKIPPED,
            needs=("samples", "train"),
            reason=message("section.skipped", "Not run, as this was not given: {missing}.",
                           missing="train"),
        ),
        Section(
            audit="content.personal_data",
            title=message("audit.content.personal_data", "Personal identifiers"),
            status=Status.FAILED,
            reason=message("fixture.crashed", "Crashed with {kind} at {file}:{line}: {error}",
                           kind="ValueError", file="personal_data.py", line=41, error=SCRIPT),
        ),
        Section(
            audit="quality.utility",
            title=message("audit.quality.utility", "Utility of models trained on samples"),
            status=Status.RAN,
            findings=(
                _finding("quality.utility.tstr", "AUC on real rows of a model trained on samples",
                         estimate(0.8123, 0.0101, 1600, "AUC", "DeLong"), Verdict.INFO),
                _finding("quality.utility.loss", "AUC lost against a model trained on real rows",
                         estimate(0.0212, 0.0132, 1600, "AUC"), Verdict.WITHIN,
                         baseline=estimate(0.11, 0.02, 1600, "AUC"),
                         baseline_label=message("baseline.marginals", "independent marginals")),
            ),
        ),
    ]  # fmt: skip


#: One part of a training.
STEP = Mechanism(name="poisson_gaussian", noise_multiplier=3.6272, sampling_rate=0.07, steps=60)


def touch(purpose: str, scope: str, mechanism: Mechanism | None = None) -> Touch:
    """One line of the ledger."""
    kind = "accounted" if mechanism else "unaccounted"
    return Touch.model_validate({"dataset": "d", "kind": kind, "scope": scope, "purpose": purpose,
                                 "mechanism": mechanism})  # fmt: skip


def report(*, claim: bool = True, times: bool = True) -> AuditReport:
    """The whole report; without `claim` its subject promises nothing."""
    sections = (copies(), distance(), representation(), *others())
    context = {"assessed_by": "A. Examiner", "purpose": "release of samples",
               "valid_until": "2027-06-30", "zone": "north", "area": "x", "applicability": {
                   "personal_data": True, "eu_ai_act_high_risk": False}}  # fmt: skip
    release = [touch(f"private training, part {i + 1} of 20", "release", STEP) for i in range(20)]
    return AuditReport(
        subject=SubjectInfo(
            name=f"adult CGAN {SCRIPT}", kind="model folder", n=3000, digest="ab" * 32,
            claim=Claim(epsilon=3, delta=1e-5) if claim else None,
        ),
        access=("sampler", "samples"),
        knowledge=(DataInfo(name="holdout", n=1600, n_distinct=1510),
                   DataInfo(name="train", n=2000, n_distinct=1802)),
        sections=sections,
        controls=tuple(readings(sections, context)),
        not_measured=(message("not_measured.shadow", "Attacks that train shadow models."),),
        remarks=(message("remark.drafted", "The schema was drafted by looking at the data."),),
        policy=Policy.read().info(),
        context=context,
        ledger=LedgerInfo(
            release=tuple(map(printed, release)) if claim else (),
            audit=(printed(touch("audit reads train", "audit")),),
            sentence=message("ledger.claim", "The claim covers what was released. This report is "
                             "not covered by ε: it was computed on real rows."),
        ),
        provenance=Provenance(
            tool_version="0.1.0", python="3.12.1", packages={"numpy": "2.3", "pandas": "3.0"},
            command="genaudit audit model/ --train train.csv --out audit.json",
            seed=0, plan="standard",
            started="2026-11-02T10:00:00Z" if times else None, seconds=41.5 if times else None,
        ),
    )  # fmt: skip
