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


class Control(_Row):
    """One clause.

    measures: ids of metrics, or `chapter.name.*` for all metrics that begin so. Before the clause
        reads as within, each metric named must be within its limit, and of those that begin so
        all that have a limit, at least one. Metrics without a limit are no evidence for or
        against: named, they keep the clause from reading as within; met by a `*`, they are left
        out. certainty: H, M or L, of clause number and paraphrase.
    applicability: key of the operator's answer in `context["applicability"]`.
    """

    id: str
    clause: str
    applicability: str
    in_force: dt.date
    certainty: Literal["H", "M", "L"]
    measures: tuple[str, ...] = Field(min_length=1)
    paraphrase: Texts
    cannot_claim: Texts
    url: str = ""


class Regulation(_Row):
    """A law or opinion with the clauses that an audit can supply evidence for.

    read: whether the official text itself was read, or secondary sources that quote it.
    """

    id: str
    name: str
    version: str
    url: str = Field(pattern=r"^https://")
    retrieved: dt.date
    read: Literal["primary", "secondary"]
    controls: tuple[Control, ...] = Field(alias="control", min_length=1)


@cache
def regulations() -> tuple[Regulation, ...]:
    """Every regulation that genaudit brings, by file name."""
    folder = files("genaudit.compliance") / "regulations"
    tables = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(Regulation.model_validate(tomllib.loads(f.read_text("utf-8"))) for f in tables)


def readings(sections: Sequence[Section], context: Mapping[str, JsonValue]) -> list[ControlReading]:
    """What the judged findings say about each clause; applicability is for the operator to declare.

    Raises:
        OptionError: `context["applicability"]` is not a table of true and false.
    """
    answers = _answers(context)
    findings = [f for s in sections for f in s.findings]
    idle = [s.audit for s in sections if s.status is not Status.RAN]
    return [_reading(r, c, findings, idle, answers) for r in regulations() for c in r.controls]


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
    answers: Mapping[str, bool],
) -> ControlReading:
    found = [f for f in findings if any(_measures(m, f.metric) for m in control.measures)]
    return ControlReading(
        id=control.id,
        regulation=regulation.name,
        clause=control.clause,
        url=control.url or regulation.url,
        paraphrase=control.paraphrase.message(f"control.{control.id}.paraphrase"),
        cannot_claim=control.cannot_claim.message(f"control.{control.id}.cannot_claim"),
        state=_state(control, found, answers.get(control.applicability), idle),
        measures=control.measures,
        findings=tuple(dict.fromkeys(f.metric for f in found)),
        applicability=control.applicability,
        in_force=control.in_force,
        certainty=control.certainty,
    )


def _state(
    control: Control, found: Sequence[Finding], applies: bool | None, idle: Sequence[str] = ()
) -> ControlState:
    """The worst that any finding says; within only if every measure was measured and judged.

    An audit of `idle` was skipped or failed: what it would have measured under a `*` is missing.
    """
    if applies is None:
        return ControlState.NOT_DECLARED
    if not applies:
        return ControlState.NOT_APPLICABLE
    if any(f.verdict is Verdict.OUTSIDE for f in found):
        return ControlState.OUTSIDE
    by_measure = {m: [f for f in found if _measures(m, f.metric)] for m in control.measures}
    if any(not f for f in by_measure.values()) or any(
        _measures(m, f"{audit}.") for m in control.measures for audit in idle
    ):
        return ControlState.NOT_MEASURED
    if all(_within(m, f) for m, f in by_measure.items()):
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
