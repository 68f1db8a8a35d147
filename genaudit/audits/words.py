"""Lists of names and words inside a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from genaudit.result import Message, message

NONE = message("list.none", "none")

#: Where findings are grouped by column, what the grouping is called.
COLUMN_WORD = message("group.column", "column")


def listed(items: Sequence[str | Message]) -> Message:
    """Names and words with commas between them, `none` where there is none.

    >>> listed(["Female", message("x", "not stated")]).english
    'Female, not stated'
    """
    if not items:
        return NONE
    fields = {f"item{i}": item for i, item in enumerate(items)}
    text, zh = (sign.join(f"{{{name}}}" for name in fields) for sign in (", ", "、"))
    return message("list", text, **fields).model_copy(update={"texts": {"zh": zh}})
