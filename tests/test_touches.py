"""Touches as a report prints them: no purpose of this package is left in English alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import genaudit
from genaudit.data.schema import Kind, Role
from genaudit.ledger import Mechanism, Touch
from genaudit.render.text import Text, catalogue
from genaudit.touches import printed, said


def _text(node: ast.expr) -> str | None:
    """A string as it is written, with `1` where a value goes."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(p.value if isinstance(p, ast.Constant) else "1" for p in parts)
    return None


def purposes() -> set[str]:
    """Purposes of all touches that the package writes, found where they are written."""
    found = set()
    for path in Path(genaudit.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = node.args if name in ("charge", "_touch") else []
            named = [k.value for k in node.keywords if k.arg == "purpose"]
            found |= {text for arg in (*given, *named) if (text := _text(arg))}
    return found


def test_every_purpose_is_a_message() -> None:
    """Whatever the package writes into a ledger is said in Chinese as well."""
    open_ = {"audit reads 1", "1 of column 1", "number of 1s, rounded down"}
    written = purposes() - open_
    filled = {f"audit reads {part}" for part in ("train", "holdout", "auxiliary")}
    filled |= {f"{what} of column 'a'" for what in ("bounds", "categories")}
    filled |= {f"number of {unit}s, rounded down" for unit in ("record", "person")}
    filled |= {f"train is {drawn} the schema, shown to the operator" for drawn in (
        "checked against", "looked at for a draft of its schema and checked against"
    )}  # fmt: skip
    filled |= {f"That column 'a' is {Kind.INTEGER} with role {Role.FEATURE} was read off the data, "
               "unpaid."}  # fmt: skip

    assert open_ <= purposes()
    assert len(written) >= 8
    for purpose in written | filled:
        found = said(purpose)
        assert found is not None, purpose
        assert found.english == purpose
        assert found.id in catalogue("zh")


@pytest.mark.parametrize(
    "mechanism",
    [
        Mechanism(
            name="poisson_gaussian", noise_multiplier=1.02345, sampling_rate=0.0699, steps=1200
        ),
        Mechanism(name="gaussian", noise_multiplier=4.85, steps=1),
        Mechanism(name="pure", epsilon=0.03, delta=1e-7),
    ],
    ids=lambda m: m.name,
)
def test_a_mechanism_says_the_same_in_english(mechanism: Mechanism) -> None:
    """The message of a mechanism reads as its own text does, and has a Chinese twin."""
    touch = Touch(dataset="d", kind="accounted", scope="release", purpose="p", mechanism=mechanism)
    info = printed(touch)

    assert info.mechanism_text is not None
    assert Text("en")(info.mechanism_text) == info.mechanism == str(mechanism)
    assert info.mechanism_text.id in catalogue("zh")


def test_hostile_purposes_are_mere_text() -> None:
    """Parts that are no numbers, or too large for any training, are no parts."""
    for purpose in ("private training, part x of y", f"private training, part {'9' * 400} of 1"):
        info = printed(Touch(dataset="d", kind="public", scope="release", purpose=purpose))
        assert info.part is None
        assert info.purpose == purpose
