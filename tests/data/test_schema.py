"""Schemas: what is declared reads back unchanged, and what is impossible is refused by name."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genaudit.data.schema import (
    MODALITIES,
    Column,
    Kind,
    Role,
    Schema,
    bundled_schemas,
    seconds,
)
from genaudit.errors import SchemaError

HOSTILE = [
    "<script>alert(1)</script>", "\u202eevil\u200f", "x" * 300, "it's \"quoted\" \\ twice",
    "two\nlines\r\n\ttab", "\U0001f9d1\u200d\U0001f33e", "\x00\x1f\x7f\x85", "[columns.a]",
    "a = 1 # no", "", " ", "é\u0301", "\ufeffbom", "\u2028\u2029", "{{ 7*7 }}", "..", "a.b",
]  # fmt: skip

# A file is UTF-8, which has no lone surrogates.
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"])))
NUMBER = st.floats(-1e15, 1e15)
BOUNDS = st.tuples(NUMBER, NUMBER).filter(lambda b: b[0] < b[1])


@st.composite
def _columns(draw: st.DrawFn, name: str) -> Column:
    kind = draw(st.sampled_from([k for k in Kind if k not in MODALITIES]))
    fields: dict[str, object] = {
        "name": name, "kind": kind, "nullable": draw(st.booleans()), "description": draw(TEXT),
        "role": draw(st.sampled_from([Role.FEATURE, Role.SENSITIVE, Role.IGNORED, Role.ID])),
        "scale": draw(st.sampled_from(["linear", "log"])),
    }  # fmt: skip
    if kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        size = {"min_size": 1, "max_size": 5} if kind is Kind.CATEGORICAL else {
            "min_size": 2, "max_size": 2}  # fmt: skip
        levels = st.lists(TEXT, unique=True, **size)
        fields["categories"] = draw(st.none() | levels.map(tuple))
    else:
        fields["bounds"] = bounds = draw(st.none() | BOUNDS)
        steps = st.integers(1, 10**9) if kind is Kind.INTEGER else st.floats(1e-9, 1e9)
        fields["step"] = draw(st.none() | steps)
        fields["spikes"] = bounds if bounds and draw(st.booleans()) else ()
    return Column.model_validate(fields)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Any schema that can be declared."""
    names = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    columns = [draw(_columns(name)) for name in names]
    columns.append(Column(name="modelled " + "".join(names), kind=Kind.BOOLEAN))
    return Schema(
        columns=tuple(columns),
        rows=draw(st.none() | st.integers(1, 10**9) | st.just("public")),
        id=draw(st.none() | TEXT.filter(str.strip)),
        missing=tuple(draw(st.lists(TEXT, unique=True, max_size=3))),
        origin=draw(st.sampled_from(["declared", "drafted", "learned"])),
        drafted=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=schemas())
def test_toml_round_trip(schema: Schema) -> None:
    """Every schema is written as TOML that reads back as the same schema."""
    text = schema.to_toml()

    assert Schema.from_dict(tomllib.loads(text)) == schema


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_survives_a_file(name: str, tmp_path: Path) -> None:
    """Through a real file, whatever newline convention it is read with."""
    columns = {name: {"kind": "categorical", "categories": HOSTILE, "description": name}}
    schema = Schema.from_dict({"columns": columns, "missing": HOSTILE})
    path = tmp_path / "s.toml"
    path.write_text(schema.to_toml(), "utf-8")

    assert Schema.read(path) == schema


def test_a_schema_file_shows_what_it_holds() -> None:
    """Invisible characters, such as right-to-left marks, are written as escapes."""
    schema = Schema.from_dict({"columns": {"a\u202eb\u200f": {"kind": "boolean"}}})

    assert "\\u202E" in schema.to_toml()
    assert not {"\u202e", "\u200f"} & set(schema.to_toml())


_BAD = [
    ({"kind": "numeric", "bounds": [2, 1]}, "low < high"),
    ({"kind": "numeric", "bounds": [1, 1]}, "low < high"),
    ({"kind": "numeric", "bounds": [float("nan"), 1]}, "low < high"),
    ({"kind": "numeric", "bounds": [0, float("inf")]}, "low < high"),
    ({"kind": "numeric", "bounds": [0]}, "bounds"),
    ({"kind": "numeric", "bounds": "wide"}, "bounds"),
    ({"kind": "datetime", "bounds": ["yesterday", "today"]}, "2020-01-31"),
    ({"kind": "numeric", "categories": ["a"]}, "bounds, not categories"),
    ({"kind": "categorical", "bounds": [0, 1]}, "categories, not bounds"),
    ({"kind": "categorical", "step": 1}, "categories, not bounds"),
    ({"kind": "categorical", "spikes": [1]}, "categories, not bounds"),
    ({"kind": "categorical", "categories": []}, "at least one category"),
    ({"kind": "categorical", "categories": ["a", "a"]}, "twice"),
    ({"kind": "categorical", "categories": [1]}, "string"),
    ({"kind": "boolean", "categories": ["a"]}, "two categories"),
    ({"kind": "boolean", "categories": ["a", "b", "c"]}, "two categories"),
    ({"kind": "numeric", "bounds": [0, 1], "spikes": [2]}, "spike"),
    ({"kind": "numeric", "bounds": [0, 1], "spikes": [float("nan")]}, "spike"),
    ({"kind": "numeric", "spikes": [float("nan")]}, "finite"),
    ({"kind": "numeric", "step": 0}, "greater than 0"),
    ({"kind": "numeric", "step": float("inf")}, "finite"),
    ({"kind": "integer", "step": 0.5}, "whole"),
    ({"kind": "number"}, "numeric"),
    ({"kind": "numeric", "role": "boss"}, "person"),
    ({"kind": "numeric", "scale": "cubic"}, "linear"),
    ({"kind": "numeric", "bound": [0, 1]}, "bound"),
    ({}, "kind"),
    ("numeric", "table"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "why"), _BAD)
def test_an_impossible_column_is_refused_by_name(fields: object, why: str) -> None:
    """Every validator fires, names the column and says what it expected."""
    columns = {"good": {"kind": "boolean"}, "the 'bad' one": fields}

    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"columns": columns})

    assert "the 'bad' one" in str(caught.value).replace('\\"', "'").replace("\\'", "'")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)


@pytest.mark.parametrize(("data", "why"), [
    ({}, "columns"),
    ({"columns": {}}, "at least one column"),
    ({"columns": 7}, "columns"),
    ({"columns": [{"kind": "boolean"}]}, "name"),
    ({"columns": ["a"]}, "columns"),
    ({"columns": {"a": {"kind": "boolean", "role": "id"}}}, "to model"),
    ({"columns": {"a": {"kind": "boolean"}}, "rows": 0}, "at least 1"),
    ({"columns": {"a": {"kind": "boolean"}}, "rows": "many"}, "public"),
    ({"columns": {"a": {"kind": "boolean"}}, "rows": 1.5}, "rows"),
    ({"columns": {"a": {"kind": "boolean"}}, "rows": True}, "rows"),
    ({"columns": {"a": {"kind": "boolean"}}, "modality": "image"}, "of table"),
    ({"columns": {"a": {"kind": "boolean"}}, "colums": {}}, "colums"),
    ({"columns": {"a": {"kind": "boolean"}}, "missing": "?"}, "missing"),
    ({"columns": {f"t{i}": {"kind": "boolean", "role": "target"} for i in "12"}}, "one target"),
    ({"columns": {"a": {"kind": "boolean"}, **{
        f"p{i}": {"kind": "integer", "role": "person"} for i in "12"}}}, "one person"),
    ({"columns": [{"name": "a", "kind": "boolean"}] * 2}, "twice"),
])  # fmt: skip
def test_an_impossible_schema_is_refused(data: dict[str, object], why: str) -> None:
    """What holds between columns is checked too."""
    with pytest.raises(SchemaError, match=why):
        Schema.from_dict(data, "mine.toml")


@pytest.mark.parametrize(
    "content", [b"columns = ", b"", b"\xff\xfe\x00", b"a" * 1000, b"[columns]"]
)
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """A file that is no schema is one sentence that names it."""
    path = tmp_path / "s.toml"
    path.write_bytes(content)

    with pytest.raises(SchemaError, match=r"s\.toml"):
        Schema.read(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    """The message lists the schemas that genaudit brings; a folder is no schema either."""
    with pytest.raises(SchemaError, match="adult, arrests"):
        Schema.read(tmp_path / "none.toml")
    with pytest.raises(SchemaError, match="schema file"):
        Schema.read(tmp_path)


@pytest.mark.parametrize("name", bundled_schemas())
def test_bundled_schemas_declare_everything(name: str) -> None:
    """A bundled schema leaves nothing to be learned, and has groups to audit, a table a target."""
    schema = Schema.read(name)

    assert not schema.undeclared
    assert schema.sensitive
    assert schema.target or schema.record
    assert Schema.from_dict(tomllib.loads(schema.to_toml())) == schema


def test_undeclared_is_named() -> None:
    """Columns without bounds or categories are listed; ids and the like are not."""
    schema = Schema.from_dict({"columns": {
        "a": {"kind": "numeric"}, "b": {"kind": "categorical"}, "c": {"kind": "boolean"},
        "d": {"kind": "integer", "bounds": [0, 1]}, "e": {"kind": "numeric", "role": "ignored"},
    }})  # fmt: skip

    assert schema.undeclared == {"a": "bounds", "b": "categories"}
    assert set(schema.replace(origin="drafted").undeclared) == {"a", "b", "c", "d"}


def test_a_draft_is_remembered_by_what_is_learned_for_it() -> None:
    """Kinds and roles of a draft stay drafted, through files too, until a person declares them."""
    columns = {"a": {"kind": "boolean"}}
    declared = Schema.from_dict({"columns": columns})
    draft = Schema.from_dict({"columns": columns, "origin": "drafted"})

    assert (declared.drafted, draft.drafted) == (False, True)
    assert not declared.replace(origin="learned").drafted
    learned = draft.replace(origin="learned")
    assert learned.drafted
    assert Schema.from_dict(tomllib.loads(learned.to_toml())).drafted
    assert not learned.replace(origin="declared").drafted


def test_a_learned_schema_of_an_earlier_version_counts_as_drafted() -> None:
    """Saved without the word, a learned schema loads; what it goes back to is not known."""
    saved = Schema.from_dict({"columns": {"a": {"kind": "boolean"}}}).model_dump(mode="json")
    saved = {k: v for k, v in saved.items() if k != "drafted"}

    assert Schema.model_validate({**saved, "origin": "learned"}).drafted
    assert not Schema.model_validate(saved).drafted


def test_dates_are_seconds() -> None:
    """Dates and times become seconds since 1970; naive ones are read as written."""
    column = {"kind": "datetime", "bounds": [dt.date(1970, 1, 2), "1970-01-03T00:00:01"]}
    schema = Schema.from_dict({"columns": {"t": column}})

    assert schema["t"].bounds == (86400.0, 172801.0)
    assert seconds(dt.datetime(1970, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))) == 0.0


def test_replacing_validates_anew() -> None:
    """A changed copy is checked like a new schema, and unknown columns are named."""
    schema = Schema.from_dict({"columns": {"a": {"kind": "numeric"}, "b": {"kind": "boolean"}}})

    changed = schema.replace_columns([Column(name="a", kind=Kind.NUMERIC, bounds=(0, 1))])
    assert changed["a"].bounds == (0, 1)
    assert changed["b"] == schema["b"]
    with pytest.raises(SchemaError, match="rows of at least 1"):
        schema.replace(rows=-1)
    with pytest.raises(SchemaError, match="No column is called 'z'; the schema has 'a', 'b'"):
        schema["z"]


def test_a_schema_file_shows_dates() -> None:
    """Bounds of datetimes are written as dates, times where there are any, else as seconds."""
    for bounds, text in (
        ((0, 86400), "[1970-01-01, 1970-01-02]"),
        ((0.5, 86400), "[1970-01-01T00:00:00.500000, 1970-01-02]"),
        ((-1e14, 1e-7), "[-100000000000000, 1e-07]"),
    ):
        schema = Schema.from_dict({"columns": {"t": {"kind": "datetime", "bounds": bounds}}})

        assert f"bounds = {text}\n" in schema.to_toml()
        assert Schema.from_dict(tomllib.loads(schema.to_toml())) == schema
