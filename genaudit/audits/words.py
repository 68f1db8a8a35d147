"""Lists of names and words inside a sentence, and names of methods."""

from __future__ import annotations

from collections.abc import Sequence

from genaudit.data.dataset import Dataset
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


def clustered(*data: Dataset) -> bool:
    """Whether any of the data have several rows of one person."""
    return any(d.persons is not None and d.n_units() < len(d) for d in data)


def by_person(method: str, *data: Dataset) -> str:
    """What a method is called where some of the data have several rows of one person."""
    return (
        f"{method}; rows of a person are not taken as independent" if clustered(*data) else method
    )
