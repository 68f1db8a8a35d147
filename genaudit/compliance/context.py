"""What only the operator knows about an audit: by whom, for what, until when, and which laws apply.

It comes as `context.toml` or as a mapping, and is checked before anything is read or run. What else
an operator writes there is kept and printed, as long as it can be stored as JSON.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    StrictBool,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from genaudit import validity
from genaudit.compliance.controls import questions, regulations
from genaudit.errors import OptionError, complaint, place
from genaudit.reading import read_toml


def _day(value: object) -> str:
    """A day as ISO text, from a date or its text."""
    try:
        if isinstance(value, str):
            return dt.date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise ValueError(f"expected a date such as 2027-06-30, got {value!r}")


#: Notes on a field that is read by what it says are fields of their own.
_OF_ITS_OWN = {f"{name}_{end}" for name in ("valid_until", "applicability")
               for end in ("note", "notes", "reason", "rationale")}  # fmt: skip

#: What is no misspelling of a field, and means it.
_MEANT = {
    **dict.fromkeys(
        ("valid_to", "valid_through", "valid", "validity", "expires", "expiry", "expiry_date",
         "expiration", "expiration_date", "until"),
        "valid_until",
    ),
    **dict.fromkeys(("applicable", "applies", "apply"), "applicability"),
}  # fmt: skip


class Context(BaseModel):
    """The fields that the page knows; any others are kept beside them.

    applicability: question of a regulation -> the operator's answer.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, JsonValue]

    assessed_by: StrictStr | None = None
    purpose: StrictStr | None = None
    valid_until: Annotated[str, BeforeValidator(_day)] | None = None
    applicability: dict[str, StrictBool] = {}

    @model_validator(mode="after")
    def _spelled(self) -> Self:
        """What is nearly the name of a field is one misspelt, and would silently have no effect."""
        fields = list(type(self).model_fields)
        for name in self.__pydantic_extra__:
            plain = name.casefold().replace("-", "_").replace(" ", "_")
            begun = [f for f in fields if plain.startswith(f"{f}_")]
            near = [
                *begun,
                *difflib.get_close_matches(plain, fields, n=1, cutoff=0.85),
                *([_MEANT[plain]] if plain in _MEANT else []),
            ]
            # Words of whoever writes, such as `purpose_zh`, are fields of their own.
            own = plain in _OF_ITS_OWN or begun in (["purpose"], ["assessed_by"])
            if near and not own:
                raise ValueError(f"{name!r} is no field of a report (did you mean {near[0]!r}?)")
        return self

    @field_validator("applicability")
    @classmethod
    def _asked(cls, answers: dict[str, bool]) -> dict[str, bool]:
        for name in answers:
            if name not in questions():
                near = difflib.get_close_matches(name, questions(), n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise ValueError(
                    f"no clause asks {name!r}{hint}; the questions are {', '.join(questions())}"
                )
        return answers


#: Head of a context to be filled in.
_HEAD = {
    "en": """\
# What only you know. Take the # away from what you fill in; the report prints it.
# assessed_by = "who is responsible for this audit"
# purpose = "what the data or the model are for"
# valid_until = {year}-12-31

# Which regulations apply to your use: true or false. What you leave out reads "applicability not
# declared", which is never "met". This is your judgement, and no advice.
[applicability]
""",
    "zh": """\
# 只有您知道的内容。填写后请去掉行首的 #；报告会印出这些内容。
# assessed_by = "本次审计的负责人"
# purpose = "数据或模型的用途"
# valid_until = {year}-12-31

# 哪些法规适用于您的用途：true 或 false。未填写的读作“未声明是否适用”，绝不视为满足。
# 这由您判断，不构成法律意见。
[applicability]
""",
}


def template(lang: str = "en", *, today: dt.date | None = None) -> str:
    """A context (TOML) with every question as a comment; as it stands it answers none.

    Raises:
        OptionError: the language is not known.
    """
    if lang not in _HEAD:
        raise OptionError(f"Expected a language of {', '.join(_HEAD)}, got {lang!r}.")
    day = today or validity.today()
    lines = [_HEAD[lang].format(year=day.year + 1)]
    for regulation in regulations():
        for key, asked in regulation.questions.items():
            name, question = (texts.model_dump()[lang] for texts in (regulation.name, asked))
            colon = ": " if lang == "en" else "："
            lines.append(f"# {name}{colon}{question}\n# {key} =\n")
    return "\n".join(lines)


def checked(given: Mapping[str, Any] | None, source: str = "the context") -> dict[str, JsonValue]:
    """The context as a report carries it: dates as text, every number finite.

    Raises:
        OptionError: a field that the page knows is of another kind, or some value is no JSON.
    """
    if not given:
        return {}
    plain = _plain(given, source)
    try:
        found = Context.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = place(first["loc"]) or "its top"
        raise OptionError(
            f"{source[:1].upper()}{source[1:]} is not usable at {where}: {complaint(first)}; "
            "correct it."
        ) from error
    return {k: v for k, v in found.model_dump(exclude_unset=True).items() if v is not None}


def read(path: str | Path | None) -> dict[str, JsonValue]:
    """The context in a TOML file; nothing without one.

    Raises:
        OptionError: the file is absent or no TOML, or what it says is not usable.
    """
    if path is None:
        return {}
    return checked(read_toml(Path(path), "a context (TOML)"), f"the context in {path}")


#: Tables in tables that a context may hold; a report is read and written at any such depth.
_DEEPEST = 50


def _plain(value: Any, source: str, left: int = _DEEPEST) -> Any:
    """A value with dates and times as ISO text and tuples as lists."""
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if not left:
        raise OptionError(
            f"Expected tables and lists within each other at most {_DEEPEST} deep in {source}, got "
            "deeper ones; spread them out."
        )
    if isinstance(value, Mapping):
        unnamed = next((key for key in value if not isinstance(key, str)), None)
        if unnamed is not None:
            raise OptionError(f"Expected text as every name in {source}, got {unnamed!r}.")
        return {key: _plain(item, source, left - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, source, left - 1) for item in value]
    return value
