"""The ledger's table: parts of one training in one line, everything else as it was written."""

from __future__ import annotations

import fixture

from genaudit.ledger import Mechanism
from genaudit.render.lines import lines
from genaudit.render.text import Text
from genaudit.result import TouchInfo
from genaudit.touches import printed

OTHER = fixture.STEP.model_copy(update={"noise_multiplier": 2.0})


def part(i: int, mechanism: Mechanism = fixture.STEP, steps: int = 60) -> TouchInfo:
    """Part i of 4 of a training."""
    mechanism = mechanism.model_copy(update={"steps": steps})
    return printed(fixture.touch(f"private training, part {i} of 4", "release", mechanism))


def test_steps_of_all_parts_add_up() -> None:
    """Three parts of 60 steps and a last one of 5 are one line of 185 steps."""
    [line] = lines([part(1), part(2), part(3), part(4, steps=5)])

    assert line.purpose(Text("en")) == "private training, in 4 parts"
    assert line.mechanism(Text("en")).endswith("185 steps")
    assert line.mechanism(Text("zh")).endswith("185 步")


def test_only_consecutive_parts_by_one_mechanism_are_one_line() -> None:
    """A gap, another noise, or a second training starts a new line."""
    found = lines([part(1), part(2), part(4), part(1), part(2, OTHER), part(3, OTHER)])

    assert [len(line.touches) for line in found] == [2, 1, 1, 2]
    assert found[0].purpose(Text("en")) == "private training, parts 1 to 2 of 4"
    assert found[1].purpose(Text("en")) == "private training, part 4 of 4"


def test_foreign_purposes_stay_as_they_are() -> None:
    """What another package wrote is shown as it is, and its markup is text."""
    touch = TouchInfo(purpose="<b>mine</b>", kind="accounted", scope="release", mechanism="Own")
    lines_ = lines([touch, touch])

    assert len(lines_) == 2
    assert lines_[0].purpose(Text("zh")) == "&lt;b&gt;mine&lt;/b&gt;"
    assert lines_[0].mechanism(Text("zh")) == "Own"
