"""Every sentence of a selfcheck is there in Chinese, with the same fields."""

from __future__ import annotations

import ast
import string
from pathlib import Path

from genaudit.render.text import catalogue
from genaudit.training.dp import selfcheck

ENDS = {"failed", "cannot_tell", "skipped"}


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_end_of_a_check_is_translated() -> None:
    """What `failed`, `cannot_tell` and `skipped` say, which no other test sees."""
    zh, said = catalogue("zh"), {}
    for path in Path(selfcheck.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ENDS:
                key, text = (ast.literal_eval(a) for a in node.args[:2])
                said[f"selfcheck.{key}"] = _fields(text)

    assert len(said) > 30
    assert {key: _fields(zh[key]) for key in said} == said
