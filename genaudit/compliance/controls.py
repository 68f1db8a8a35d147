"""From findings to readings of clauses; the clauses themselves are data in `regulations/*.toml`.

A reading is what this audit's findings can say about a clause. It is never a legal judgement, and
whether a clause applies at all is for the operator to declare.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from genaudit.errors import OptionError
from genaudit.result import (
    ControlReading,
    ControlState,
    Finding,
    Message,
    Section,
    SourceInfo,
    Status,
    Verdict,
)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Texts(_Row):
    """One sentence in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    def message(self, id: str) -> Message:
        """The sentence as a result carries it."""
        return Message(id=id, text_en=self.en, texts={"zh": self.zh})


def _message(said: Texts | None, id: str) -> Message | None:
    return said.message(id) if said is not None else None


#: Parts of a report that are evidence although no limit judges them.
Part = Literal[
    "access", "calibration", "claim", "context", "data", "ledger", "methods", "not_measured",
    "policy", "provenance",
]  # fmt: skip

#: What a record may be: the row of a table, or the kind of what stands beside its attributes.
Modality = Literal["table", "image", "sequence", "audio", "text"]


class Control(_Row):
    """One clause.

    measures: ids of metrics, or `chapter.name.*` for all metrics that begin so. Before the clause
        reads as within, each metric named must be within its limit, and of those that begin so
        all that have a limit, at least one. Metrics without a limit are no evidence for or
        against: named, they keep the clause from reading as within; met by a `*`, they are left
        out. Without measures it always reads as not measured.
    parts: parts of the report that show something of it, to be read by a person.
    applicability: key of the operator's answer in `context["applicability"]`.
    certainty: H, M or L, of clause number and paraphrase. basis: what of it is less certain, or was
        read elsewhere than the rest.
    reviewed: when the row was last held against its source.
    modalities: records that the clause names, where it names some; of others it says nothing.
    """

    id: str
    clause: Texts
    applicability: str
    in_force: dt.date
    certainty: Literal["H", "M", "L"]
    basis: Texts | None = None
    reviewed: dt.date
    measures: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    modalities: tuple[Modality, ...] = ()
    paraphrase: Texts
    cannot_claim: Texts
    url: str = Field(default="", pattern=r"^(https://.*)?$")


class Regulation(_Row):
    """A law, opinion or standard with the clauses that an audit can supply evidence for.

    read: whether the official text itself was read, or secondary sources that quote it. basis: what
        was read where it was no text in force, such as a draft.
    questions: key of an answer -> what the operator is asked; each key is asked in one regulation.
    """

    id: str
    name: Texts
    version: Texts
    url: str = Field(pattern=r"^https://")
    retrieved: dt.date
    read: Literal["primary", "secondary"]
    basis: Texts | None = None
    questions: dict[str, Texts] = Field(default={}, alias="question")
    controls: tuple[Control, ...] = Field(alias="control", min_length=1)

    @property
    def source(self) -> SourceInfo:
        """What a reading says of where its clause stands."""
        return SourceInfo(
            id=self.id,
            name=self.name.message(f"regulation.{self.id}"),
            version=self.version.message(f"regulation.{self.id}.version"),
            url=self.url,
            retrieved=self.retrieved,
            read=self.read,
            basis=_message(self.basis, f"regulation.{self.id}.basis"),
        )


@cache
def regulations() -> tuple[Regulation, ...]:
    """Every regulation that genaudit brings, by file name."""
    folder = files("genaudit.compliance") / "regulations"
    tables = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(Regulation.model_validate(tomllib.loads(f.read_text("utf-8"))) for f in tables)


@cache
def questions() -> Mapping[str, Texts]:
    """What an operator is asked, by key: whether a regulation applies to this use."""
    return {key: asked for r in regulations() for key, asked in r.questions.items()}


def readings(
    sections: Sequence[Section], context: Mapping[str, JsonValue], modality: str = "table"
) -> list[ControlReading]:
    """What the judged findings say about each clause; applicability is for the operator to declare.

    modality: what the records are; a clause that names others says nothing about these.

    Raises:
        OptionError: `context["applicability"]` is not a table of true and false.
    """
    answers = _answers(context)
    findings = [f for s in sections for f in s.findings]
    idle = [s.audit for s in sections if s.status is not Status.RAN]
    return [
        _reading(r, c, findings, idle, answers.get(c.applicability), modality)
        for r in regulations()
        for c in r.controls
    ]


def _answers(context: Mapping[str, JsonValue]) -> dict[str, bool]:
    given = context.get("applicability", {})
    if not isinstance(given, dict):
        raise OptionError(
            f"Expected applicability as a table of true and false, got {given!r}; correct it."
        )
    for name, answer in given.items():
        if not isinstance(answer, bool):
            raise OptionError(
                f"Expected applicability.{name} to be true or false, got {answer!r}; correct it."
            )
    return {name: answer for name, answer in given.items() if isinstance(answer, bool)}


def _reading(
    regulation: Regulation,
    control: Control,
    findings: Iterable[Finding],
    idle: Sequence[str],
    applies: bool | None,
    modality: str,
) -> ControlReading:
    found = [f for f in findings if any(_measures(m, f.metric) for m in control.measures)]
    missing = _missing(control, found, idle)
    if control.modalities and modality not in control.modalities:
        state = ControlState.OTHER_DATA
    else:
        state = _state(control, found, applies, missing)
    return ControlReading(
        id=control.id,
        regulation=regulation.name.en,
        clause=control.clause.en,
        url=control.url or regulation.url,
        paraphrase=control.paraphrase.message(f"control.{control.id}.paraphrase"),
        cannot_claim=control.cannot_claim.message(f"control.{control.id}.cannot_claim"),
        state=state,
        measures=control.measures,
        findings=tuple(dict.fromkeys(f.metric for f in found)),
        applicability=control.applicability,
        in_force=control.in_force,
        certainty=control.certainty,
        basis=_message(control.basis, f"control.{control.id}.basis"),
        clause_text=control.clause.message(f"control.{control.id}.clause"),
        question=questions()[control.applicability].message(f"question.{control.applicability}"),
        parts=control.parts,
        missing=missing,
        modalities=control.modalities,
        reviewed=control.reviewed,
        source=regulation.source,
    )


def _missing(control: Control, found: Sequence[Finding], idle: Sequence[str]) -> tuple[str, ...]:
    """Measures without a finding, and audits that did not run below a `*` that has some."""
    absent = [m for m in control.measures if not any(_measures(m, f.metric) for f in found)]
    present = [m for m in control.measures if m not in absent]
    below = [a for a in idle if any(_measures(m, f"{a}.") for m in present)]
    return (*absent, *below)


def _state(
    control: Control, found: Sequence[Finding], applies: bool | None, missing: Sequence[str]
) -> ControlState:
    """The worst that any finding says; within only if every measure was measured and judged."""
    if applies is None:
        return ControlState.NOT_DECLARED
    if not applies:
        return ControlState.NOT_APPLICABLE
    if any(f.verdict is Verdict.OUTSIDE for f in found):
        return ControlState.OUTSIDE
    if missing or not control.measures:
        return ControlState.NOT_MEASURED
    if all(_within(m, [f for f in found if _measures(m, f.metric)]) for m in control.measures):
        return ControlState.WITHIN
    return ControlState.CANNOT_TELL


def _within(measure: str, found: Iterable[Finding]) -> bool:
    """Whether the findings of one measure are all within; under a `*`, those that have a limit."""
    verdicts = {f.verdict for f in found}
    if measure.endswith(".*"):
        verdicts.discard(Verdict.INFO)
    return verdicts == {Verdict.WITHIN}


def _measures(pattern: str, metric: str) -> bool:
    """Whether a metric is meant by a measure: the same id, or below `prefix.*`."""
    if pattern.endswith(".*"):
        return metric.startswith(pattern[:-1])
    return metric == pattern
