"""The ledger as a table: all parts of one training stand in one line, with their steps together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genaudit.render.text import Text, whole
from genaudit.result import TouchInfo


@dataclass(frozen=True)
class Line:
    """One row of the ledger's table: a touch, or all parts of one training together."""

    touches: tuple[TouchInfo, ...]

    @property
    def first(self) -> TouchInfo:
        """The first touch."""
        return self.touches[0]

    def purpose(self, text: Text) -> Markup:
        """What was read for."""
        first, last = self.touches[0], self.touches[-1]
        if len(self.touches) > 1:
            some = "" if (first.part, last.part) == (1, last.parts) else ".some"
            return text.say_html(f"page.ledger.parts{some}", first=first.part, last=last.part,
                                 parts=last.parts)  # fmt: skip
        return text.html(first.purpose_text) if first.purpose_text else whole(first.purpose)

    def mechanism(self, text: Text) -> str:
        """What was run on the records, with the steps of all parts; empty where nothing was."""
        said = self.first.mechanism_text
        if said is None:
            return whole(self.first.mechanism) if self.first.mechanism else ""
        if len(self.touches) == 1:
            return text.html(said)
        steps = sum(t.steps or 0 for t in self.touches)
        return text.html(said.model_copy(update={"params": {**said.params, "steps": steps}}))


def lines(touches: Sequence[TouchInfo]) -> list[Line]:
    """The touches in order, consecutive parts of one training as one line."""
    out: list[list[TouchInfo]] = []
    for touch in touches:
        if out and _continues(out[-1][-1], touch):
            out[-1].append(touch)
        else:
            out.append([touch])
    return [Line(tuple(group)) for group in out]


def _continues(one: TouchInfo, next_: TouchInfo) -> bool:
    """Whether a touch is the next part of the same training by the same mechanism."""
    if one.part is None or next_.part != one.part + 1 or one.mechanism_text is None:
        return False
    return _but_steps(one) == _but_steps(next_)


def _but_steps(touch: TouchInfo) -> TouchInfo:
    said = touch.mechanism_text
    params = {k: v for k, v in said.params.items() if k != "steps"} if said else {}
    same = said.model_copy(update={"params": params}) if said else None
    update = {"mechanism_text": same, "mechanism": "", "purpose": "", "purpose_text": None,
              "steps": None, "part": None}  # fmt: skip
    return touch.model_copy(update=update)
