"""Generated records on a page: all kinds shown with words, nothing loaded, nothing trusted."""

from __future__ import annotations

import json as plain
import re
from typing import Any

import fixture
import jsonschema
import numpy as np
import pytest
from elements import quoted
from test_chinese import foreign
from test_html import Outline
from test_json import SCHEMA

from genaudit.encoded import png, wav
from genaudit.errors import DataError
from genaudit.render import json
from genaudit.render.html import to_html
from genaudit.result import (
    AuditReport,
    Figure,
    Medium,
    Picture,
    Section,
    Series,
    Sound,
    Status,
    Words,
    message,
)

HOSTILE = "<script>alert(1)</script> \u202e\"'&"

RECORDS: dict[str, Medium] = {
    "image": Picture(png=png(np.eye(4, dtype=np.uint8)[:, :, None] * 255)),
    "audio": Sound(wav=wav(np.sin(np.arange(800)), 8000)),
    "sequence": Series(channels=("a", HOSTILE), values=((1, 2, 3), (3, 3, 3)), length=3),
    "text": Words(text=HOSTILE),
}


def report(kind: str, n: int = 3) -> AuditReport:
    """The fixture with a figure of some records of one kind."""
    attributes = {"label": "high", HOSTILE: HOSTILE}
    media = [RECORDS[kind].model_copy(update={"attributes": attributes}) for _ in range(n)]
    figure = Figure(
        id="quality.samples.media", kind="media",
        title=message("figure.media.title", "Samples of the generator"),
        description=message("figure.media.cut", "Texts are cut after {n:integer} characters.", n=9),
        headers=(message("figure.sample", "Sample"), message("figure.nearest", "Distance")),
        rows=tuple((str(i + 1), 0.125 * (i + 1)) for i in range(n)), media=tuple(media),
    )  # fmt: skip
    section = Section(
        audit="quality.samples", status=Status.RAN, figures=(figure,),
        title=message("audit.quality.samples", "Samples to look at and to listen to"),
    )  # fmt: skip
    whole = fixture.report()
    return whole.model_copy(update={"sections": (*whole.sections, section)})


def gallery(page: str) -> str:
    """The records of a page."""
    return page[
        page.index('<ol class="media') : page.index("</ol>", page.index('<ol class="media'))
    ]


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_records_are_shown(kind: str, lang: str) -> None:
    """Each with its attributes and its distance; elements close, ids are unique."""
    page = quoted(to_html(report(kind), lang))
    found = gallery(page)
    outline = Outline(page)

    assert found.count("<li>") == 3
    assert found.count("label = high") == 3
    assert "0.125" in found
    assert "0.375" in found
    assert len(outline.ids) == len(set(outline.ids))
    assert "img-src data:; media-src data:;" in page


@pytest.mark.parametrize("kind", RECORDS)
def test_nothing_of_a_record_is_markup(kind: str) -> None:
    """Names, values and texts neither run nor turn the text around; data are of the page itself."""
    page = to_html(report(kind))
    outline = Outline(page)

    assert "<script" not in page
    assert chr(0x202E) not in page
    assert {"script", "iframe", "object"}.isdisjoint(outline.tags)
    assert not [k for k, _ in outline.attributes if k.startswith("on") or k == "style"]
    for link in outline.links:
        assert re.match(r"#|data:,|https://|data:image/png;base64,[\w+/=]+$|"
                        r"data:audio/wav;base64,[\w+/=]+$", link)  # fmt: skip


@pytest.mark.parametrize("kind", ["image", "audio", "sequence"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_no_text_has_words(kind: str, lang: str) -> None:
    """A picture has an alternative text, a sound and a plot a name, in the reader's language."""
    page = gallery(quoted(to_html(report(kind), lang)))
    said = {
        ("image", "en"): 'alt="Sample 2: an image of 4 × 4 pixels"',
        ("audio", "en"): 'aria-label="Sample 2: a sound of 0.1 seconds"',
        ("sequence", "en"): "Sample 2: a series of 3 steps</title>",
        ("image", "zh"): 'alt="样本 2：4 × 4 像素的图像"',
        ("audio", "zh"): 'aria-label="样本 2：时长 0.1 秒的声音"',
        ("sequence", "zh"): "样本 2：含 3 步的序列</title>",
    }

    assert said[kind, lang] in page


@pytest.mark.parametrize("kind", RECORDS)
def test_records_read_back(kind: str) -> None:
    """What is written validates under the published schema, and reads back as it was."""
    text = json.dumps(report(kind))

    jsonschema.Draft202012Validator(SCHEMA).validate(plain.loads(text))
    assert json.loads(text) == report(kind)
    assert to_html(json.loads(text)) == to_html(report(kind))


def _doctored(kind: str, fields: dict[str, Any]) -> str:
    data = plain.loads(json.dumps(report(kind)))
    data["sections"][-1]["figures"][0]["media"][0].update(fields)
    return plain.dumps(data)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("image", {"png": "<svg onload=alert(1)>"}),
        ("image", {"png": RECORDS["audio"].wav}),  # type: ignore[union-attr]
        ("image", {"kind": "html"}),
        ("image", {"kind": "text", "text": "another kind"}),
        ("audio", {"wav": RECORDS["image"].png}),  # type: ignore[union-attr]
        ("sequence", {"values": [[1, 2], [1]]}),
        ("sequence", {"values": [[1, 2]]}),
        ("sequence", {"values": [[], []]}),
        ("sequence", {"values": [["1"], ["2"]]}),
        ("sequence", {"values": [[1e300], [1]]}),
        ("sequence", {"values": [[0] * 500, [0] * 500]}),
        ("sequence", {"channels": []}),
        ("text", {"text": "x" * 2000}),
        ("text", {"text": 7}),
        ("text", {"attributes": {"a": ["b"]}}),
    ],
)
def test_a_doctored_record_is_refused(kind: str, fields: dict[str, Any]) -> None:
    """What no audit writes is one sentence, whatever a stranger put into the file."""
    with pytest.raises(DataError, match=r"media|figures"):
        json.loads(_doctored(kind, fields))


def test_records_stand_in_figures_of_records_alone() -> None:
    """As many as there are rows, and none in a chart."""
    figure = report("text").sections[-1].figures[0]

    for change in ({"media": ()}, {"media": figure.media[:1]}, {"kind": "bars", "rows": ()}):
        with pytest.raises(ValueError, match="a record for each row"):
            figure.model_copy(update=change)


def test_a_warning_stands_on_page_one_and_with_its_finding() -> None:
    """In the colour of what is outside, with its symbol, in either language."""
    whole = fixture.report()
    said = message("sentences", "{one} {other}", one="Ene", other="Mene")
    section = whole.sections[-1]
    warned = (section.findings[0].model_copy(update={"warning": said}), *section.findings[1:])
    last = section.model_copy(update={"findings": warned})
    page = quoted(to_html(whole.model_copy(update={"sections": (*whole.sections[:-1], last)})))

    found = re.findall(r'<p class="warning t-outside"><svg role="none".*?</svg> ([^<]*)', page)
    assert found == ["Ene Mene", "Ene Mene"]
    assert page.index("Ene Mene") < page.index('id="c-1"')
    assert "warning" not in re.sub(r"<style>.*?</style>", "", to_html(whole), flags=re.DOTALL)


def test_series_of_one_step_or_one_value_are_drawn() -> None:
    """A flat or a single step is a line."""
    one = Series(channels=("a",), values=((2.0,),), length=1)
    base = report("sequence", 1)
    figure = base.sections[-1].figures[0].model_copy(update={"media": (one,)})
    last = base.sections[-1].model_copy(update={"figures": (figure,)})
    page = gallery(
        quoted(to_html(base.model_copy(update={"sections": (*base.sections[:-1], last)})))
    )

    assert 'points="0.0,92.0 200.0,92.0"' in page
    assert "nan" not in page


def test_texts_are_not_taken_for_english_words() -> None:
    """A quotation is no sentence of ours: the check of Chinese pages leaves it out."""
    assert foreign("<blockquote>two words</blockquote>") == []
