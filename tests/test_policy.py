"""Policies: the bundled one is sound, and a broken one is one sentence."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from genaudit.errors import OptionError
from genaudit.policy import Policy
from genaudit.result import Direction

GOOD = """
name = "house"
owner = "DPO"
alpha = 0.05
[[limit]]
metric = "privacy.copies.exact"
value = 0.02
rationale = "because"
expires = 2030-01-31
[[limit]]
metric = "bias.gap"
direction = "abs"
value = 0.1
rationale = "law"
owner = "<script>"
"""


def _read(tmp_path: Path, content: str | bytes) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Policy.read(path)


def test_the_bundled_policy_is_sound() -> None:
    """It is marked as the default, and each of its limits has an owner and a reason."""
    policy = Policy.read()

    assert policy.default
    assert policy.alpha == 0.01
    assert len(policy.digest) == 64
    assert policy.limits
    assert all(limit.owner and limit.rationale for limit in policy.limits)
    assert policy.info().limits == policy.limits


def test_a_policy_reads_as_written(tmp_path: Path) -> None:
    """Owners are inherited, directions default to a maximum, the digest is the file's."""
    policy = _read(tmp_path, GOOD)
    copies, gap = policy.limits

    assert (policy.name, policy.alpha, policy.default) == ("house", 0.05, False)
    assert (copies.owner, copies.direction) == ("DPO", Direction.MAX)
    assert copies.expires == dt.date(2030, 1, 31)
    assert (gap.owner, gap.direction, gap.value) == ("<script>", Direction.ABS, 0.1)
    assert policy.digest == hashlib.sha256(GOOD.encode()).hexdigest()
    assert policy.limit("bias.gap") == gap
    assert policy.limit("no.such.metric") is None


def test_a_policy_survives_its_report(tmp_path: Path) -> None:
    """What a report carries is enough to judge it anew."""
    policy = _read(tmp_path, GOOD)

    assert Policy.model_validate(policy.info().model_dump()) == policy


_LIMIT = '[[limit]]\nmetric = "a"\nrationale = "r"\n'


@pytest.mark.parametrize(("content", "why"), [
    ("", "name"),
    ("name = ", "policy"),
    (b"\xff\xfe", "policy"),
    ('name = "a"', "owner"),
    ('name = "a"\nowner = "b"\nalpha = 0', "alpha.*greater than 0"),
    ('name = "a"\nowner = "b"\nalpha = 0.5', "alpha.*0.1"),
    ('name = "a"\nowner = "b"\nalpha = nan', "alpha"),
    ('name = "a"\nowner = "b"\ncolour = 1', "colour"),
    ('name = "a"\nowner = "b"\n' + _LIMIT, "value"),
    ('name = "a"\nowner = "b"\n' + _LIMIT + "value = nan", "value.*finite"),
    ('name = "a"\nowner = "b"\n' + _LIMIT + 'value = "low"', "value"),
    ('name = "a"\nowner = "b"\n' + _LIMIT + 'value = 1\ndirection = "up"', "direction"),
    ('name = "a"\nowner = "b"\n' + _LIMIT + "value = -1\ndirection = 'abs'", "abs"),
    ('name = "a"\nowner = "b"\n' + _LIMIT + "value = 1\nexpires = 'soon'", "expires"),
    ('name = "a"\nowner = "b"\n' + _LIMIT + "value = 1\nvaleu = 2", "valeu"),
    ('name = "a"\nowner = "b"\n' + (_LIMIT + "value = 1\n") * 2, "'a' is limited twice"),
    (
        'name = "a"\nowner = "b"\n'
        + _LIMIT.replace('"a"', '"privacy.claim.excess"')
        + "value = 100",
        "'privacy.claim.excess' has a limit that no policy sets",
    ),
    (
        'name = "a"\nowner = "b"\n'
        + _LIMIT.replace('"a"', '"privacy.claim.epsilon"')
        + "value = 3\ndirection = 'min'",
        "'privacy.claim.epsilon' promises less the larger it is.*'max', got 'min'",
    ),
    (
        'name = "a"\nowner = "b"\n'
        + _LIMIT.replace('"a"', '"privacy.claim.delta"')
        + "value = 5",
        "'privacy.claim.delta' lies between 0 and 1",
    ),
    ('name = "a"\nowner = "b"\n[limit]\nmetric = "a"', "limit"),
    ('name = "a"\nowner = "b"\nlimit = 7', "limit"),
    ('name = "a"\nowner = "b"\nlimit = [7]', "limit"),
    ('name = "a"\nowner = 7', "owner"),
])  # fmt: skip
def test_a_broken_policy_is_one_sentence(tmp_path: Path, content: str | bytes, why: str) -> None:
    """The file, the field and the reason."""
    with pytest.raises(OptionError, match=why) as caught:
        _read(tmp_path, content)

    assert "policy.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_limit_looks_the_way_its_metric_does(tmp_path: Path) -> None:
    """Without a direction it has that of the metric; on the side where no harm is it is refused."""
    place, head = tmp_path / "p.toml", "name = 'a'\nowner = 'b'\n"

    def limit(metric: str, direction: str = "") -> str:
        said = f"direction = '{direction}'\n" if direction else ""
        return f"[[limit]]\nmetric = '{metric}'\nvalue = 0.1\nrationale = 'r'\n{said}"

    sides = {
        "bias.representation.label_gap": ("abs", ("max", "min")),
        "privacy.distance.auc": ("max", ("min",)),
        "bias.downstream.gap_change": ("max", ("min",)),
        "quality.utility.tstr_auc": ("min", ("max", "abs")),
    }
    for metric, (own, wrong) in sides.items():
        place.write_text(head + limit(metric), "utf-8")
        assert Policy.read(place).limits[0].direction.value == own
        place.write_text(head + limit(metric, own), "utf-8")
        assert Policy.read(place).limits[0].direction.value == own
        for side in wrong:
            place.write_text(head + limit(metric, side), "utf-8")
            with pytest.raises(OptionError, match=f"expected a limit with direction '{own}', got"):
                Policy.read(place)
    place.write_text(head + limit("bias.downstream.gap_change", "abs"), "utf-8")
    assert Policy.read(place).limits[0].direction.value == "abs"


def test_an_absent_policy_is_refused(tmp_path: Path) -> None:
    """So is a folder."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(OptionError, match="Expected a policy"):
            Policy.read(path)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("true", "value of privacy.copies.exact: expected a number, got True"),
        ("'0.01'", "expected a number, got '0.01'"),
        ("-1", "lies between 0 and 1"),
        ("5", r"\(0.05 for 5%\), got 5"),
        ("nan", "a finite number, got nan"),
        ("1e300", "value of privacy.copies.exact: expected a number less"),
    ],
)
def test_a_value_that_no_share_can_have_is_refused(value: str, says: str, tmp_path: Path) -> None:
    """A limit on a share is a number from 0 to 1; truth values and text are no numbers."""
    with pytest.raises(OptionError, match=says):
        _read(tmp_path, GOOD.replace("value = 0.02", f"value = {value}"))


def test_limits_of_differences_may_be_below_zero(tmp_path: Path) -> None:
    """What can be negative may have a negative limit, such as a gap that has to shrink."""
    text = GOOD.replace('"bias.gap"\ndirection = "abs"', '"quality.utility.loss"')
    policy = _read(tmp_path, text.replace("value = 0.1\n", "value = -0.1\n"))

    assert policy.limits[1].value == -0.1


def test_an_unknown_field_of_a_policy_is_named(tmp_path: Path) -> None:
    """The fields that there are stand beside it."""
    with pytest.raises(OptionError, match="at alfa: no such field is known; there are name"):
        _read(tmp_path, f"alfa = 0.01\n{GOOD}")
