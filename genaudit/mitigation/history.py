"""What was done to samples, mitigation by mitigation, as records keep it and reports say it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

from genaudit.result import Message, message
from genaudit.subject import Step

#: Fields of a step that tell how it was done; the others say from what and by which seed.
_HOW = ("method", "columns", "target", "strength", "dpd", "most_uses", "weights")

_SAID: dict[str, Message] = {
    "resample": message("mitigation.resample", "resampled to a target"),
    "reweigh": message("mitigation.reweigh", "reweighed (Kamiran & Calders)"),
    "balance": message("mitigation.balance", "drawn group by group to a target"),
    "reject": message("mitigation.reject", "thinned by rejection"),
    "repair": message("mitigation.repair", "outcomes repaired by quantiles of groups"),
}

_WEIGHTED = message(
    "remark.weighted",
    "A mitigation gave these rows weights, which audits leave out, as they count rows: what is "
    "measured is the rows without it.",
)


def repeats(steps: Sequence[Step]) -> int:
    """How often one generated row stands among samples at most, after all steps."""
    return prod(step.get("repeats", 1) for step in steps if not step.get("weights"))


def noted(steps: Sequence[Step], most: int = 1) -> Message | None:
    """What was done to samples, in order, for a report; None where nothing was.

    Weights beside rows change no row, so a step that gave them is no mitigation of what is counted.

    most: how often one row stands there at most, where that is more than the steps say.
    """
    said = []
    if what := _whole(steps):
        said.append(
            message(
                "remark.mitigated",
                "These samples were mitigated: {what}. ε added by the mitigation: 0, provided "
                "that the rows it was given are generated ones, which is not checked here.",
                what=what,
            )
        )
    return _sentences([*said, *_counted([steps], most)])


def _counted(parts: Sequence[Sequence[Step]], most: int) -> list[Message]:
    """How audits count rows that were used again, and rows with weights."""
    said, most = [], max(most, *map(repeats, parts))
    if most > 1:
        said.append(
            message(
                "remark.repeated",
                "One generated row stands among them up to {n:integer} times. Audits of bias count "
                "each for as little as if all did, so that their intervals are wide enough; others "
                "count rows as they are.",
                n=most,
            )
        )
    return [*said, _WEIGHTED] if any(map(weighted, parts)) else said


def noted_parts(parts: Sequence[Sequence[Step]], most: int = 1) -> Message | None:
    """The same of samples in parts, of which some may have been mitigated, or in different ways.

    most: how often one row stands in all of them at most.
    """
    if (shared := common(parts)) is not None:
        return noted(shared, most)
    each = [what for part in parts if (what := _whole(part))]
    said = []
    if each:
        ways = list({what.english: what for what in each}.values())
        what = reduce(lambda a, b: message("mitigation.also", "{one}; {other}", one=a, other=b),
                      ways)  # fmt: skip
        said.append(_some(len(each), len(parts), what))
    return _sentences([*said, *_counted(parts, most)])


def _some(k: int, n: int, what: Message) -> Message:
    if k == n:
        return message(
            "remark.mitigated_unlike",
            "The {n:integer} parts of these samples were mitigated in different ways: {what}. What "
            "is measured is the mix of them. ε added by the mitigations: 0, provided that the rows "
            "they were given are generated ones, which is not checked here.",
            n=n, what=what,
        )  # fmt: skip
    return message(
        "remark.mitigated_some",
        "Parts of these samples that were mitigated: {k:integer} of {n:integer} ({what}). Of the "
        "others no mitigation is recorded, and what is measured is the mix of both. ε added by the "
        "mitigations: 0, provided that the rows they were given are generated ones, which is not "
        "checked here.",
        k=k, n=n, what=what,
    )  # fmt: skip


def common(parts: Sequence[Sequence[Step]]) -> tuple[Step, ...] | None:
    """The steps that all parts went through alike, but for seeds; None where they differ."""
    ways = [[{name: step.get(name) for name in _HOW} for step in part] for part in parts]
    return tuple(parts[0]) if all(way == ways[0] for way in ways) else None


def weighted(steps: Sequence[Step]) -> bool:
    """Whether the rows have weights beside them that are to be used."""
    return bool(steps) and bool(steps[-1].get("weights"))


def _whole(steps: Sequence[Step]) -> Message | None:
    each = [_one(step) for step in steps if not step.get("weights")]
    if not each:
        return None
    return reduce(lambda a, b: message("mitigation.then", "{one}, then {other}", one=a, other=b),
                  each)  # fmt: skip


def _one(step: Step) -> Message:
    what = _SAID.get(step["method"], message("mitigation.other", "another method"))
    if columns := step.get("columns"):
        what = message("mitigation.by", "{what} by {columns}", what=what,
                       columns=", ".join(columns))  # fmt: skip
    if isinstance(strength := step.get("strength"), float | int):
        what = message("mitigation.strength", "{what} with strength {x:number}", what=what,
                       x=round(float(strength), 3))  # fmt: skip
    return what


def _sentences(said: Sequence[Message]) -> Message | None:
    if not said:
        return None
    return reduce(lambda a, b: message("sentences", "{one} {other}", one=a, other=b), said)
