"""Sentences and numbers: two complete languages, and templates that reach nothing."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import fixture
import pytest

import genaudit
from genaudit.data.disclosure import hidden
from genaudit.errors import OptionError
from genaudit.policy import Policy
from genaudit.render.numbers import Numbers
from genaudit.render.text import Text, catalogue, shortened, visible
from genaudit.result import Direction, Estimate, Limit, Message, message

EN, ZH = catalogue("en"), catalogue("zh")
FRAME = sorted(key for key in EN if key.startswith(("page.", "compare.")))


def fields(template: str) -> set[str]:
    """Names of the fields of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("id", FRAME)
def test_frame_is_in_both_languages(id: str) -> None:
    """Each string of the frame exists in Chinese with the same fields."""
    assert id in ZH
    assert fields(ZH[id]) == fields(EN[id])


def test_nothing_is_left_over() -> None:
    """No Chinese string of the frame has lost its English twin."""
    own = {key for key in ZH if key.startswith(("page.", "compare."))}

    assert own == set(FRAME)


def source_messages() -> dict[str, set[str]]:
    """Fields of every message whose id and text are written out in the package."""
    found: dict[str, set[str]] = {}
    for path in Path(genaudit.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "message":
                match node.args:
                    case [ast.Constant(value=str(key)), ast.Constant(value=str(text))]:
                        found[key] = fields(text)
    return found


def test_translated_messages_keep_their_fields() -> None:
    """A translated message has the fields of its English template, and no others."""
    both = {key: names for key, names in source_messages().items() if key in ZH}

    assert len(both) > 40
    assert {k: fields(ZH[k]) for k in both} == both


def test_every_message_of_the_package_is_translated() -> None:
    """No message that is written out in the package is missing from the Chinese catalogue."""
    assert set(source_messages()) - set(ZH) - {"list"} == set()


def test_reasons_of_the_bundled_policy_are_translated() -> None:
    """The catalogues hold the reason of each bundled limit, in English word for word."""
    rationales = {f"rationale.{limit.metric}": limit.rationale for limit in Policy.read().limits}

    assert {k: v for k, v in EN.items() if k.startswith("rationale.")} == rationales
    assert set(rationales) == {key for key in ZH if key.startswith("rationale.")}


def test_messages_inside_messages_are_said_in_the_same_language() -> None:
    """Words in a field are translated, names in it are not, and markup is never doubled."""
    everyone = Message(id="all", text_en="all groups & more", texts={"zh": "所有群体"})
    said = message("x", "Gap of {group} in {column}", group=everyone, column="<a>")

    assert said.params["group"] == "all groups & more"
    assert Text("en")(said) == "Gap of all groups & more in <a>"
    assert Text("en").html(said) == "Gap of all groups &amp; more in &lt;a&gt;"
    assert Text("zh")(said) == "Gap of 所有群体 in <a>"


def test_messages_inside_messages_end() -> None:
    """A report that nests messages without end is written, not crashed on."""
    nested = message("x", "end")
    for _ in range(60):
        nested = message("x", "{a}", a=nested)

    assert Text("en")(nested)


def test_fallback() -> None:
    """Chinese comes from the catalogue, then from the message itself, then there is English."""
    zh = Text("zh")

    assert zh(message("verdict.wide", "The interval ...")) == ZH["verdict.wide"]
    assert zh(Message(id="x", text_en="Yes.", texts={"zh": "是。"})) == "是。"
    assert zh(message("x", "Yes.")) == "Yes."


def test_formats() -> None:
    """Shares, counts and numbers are written by CLDR, None as a dash."""
    text = Text("en")

    said = text(
        message("x", "{a:percent} {b:integer} {c:number} {d}", a=0.1234, b=1e6, c=0.00123, d=None)
    )
    assert said == "12.3% 1,000,000 0.00123 –"
    assert [text.number(x) for x in (0, 3, 20.0855, 0.5, 1e-5, 2.5e-7, -1.5)] == [
        "0", "3", "20.1", "0.5", "10⁻⁵", "2.5 × 10⁻⁷", "−1.5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "template",
    [
        "{x.__class__}", "{x[0]}", "{0}", "{}", "{missing}", "{x!r}", "{x", "x}", "{x:{x}}",
        "{x.__init__.__globals__[os]}",
    ],
)  # fmt: skip
def test_templates_reach_plain_fields_only(template: str) -> None:
    """A foreign template reaches no attribute, index or other field: it stays as it is written."""
    said = Text("en")(message("x", template, x=1.0))

    assert "class '" not in said
    assert "module" not in said
    assert said.strip("{}") in template or said == "1"


def test_direction_signs_are_made_visible() -> None:
    """Signs that turn text around are written as code points, in sentences and in names."""
    assert visible(fixture.TURNED) == "abc⟨U+202E⟩def"
    assert Text("en").html(message("x", "{a}", a=fixture.TURNED)) == "abc⟨U+202E⟩def"
    assert visible("שלום 中文") == "שלום 中文"


def test_what_can_turn_a_sentence_is_isolated() -> None:
    """Letters and numbers that run from right to left; others, Chinese too, turn nothing."""
    said = {name: Text("en").html(message("x", "{a} 1", a=name)) for name in
            ("שלום", "مرحبا", "١٢", "中文，“q”", "ñandú", "\ufdd0")}  # fmt: skip

    assert [name for name, text in said.items() if "<bdi>" in text] == [
        "שלום",
        "مرحبا",
        "١٢",
        "\ufdd0",
    ]


def test_names_are_escaped_and_cut() -> None:
    """A name is text and never markup; a long one is cut, with the whole in its tooltip."""
    html = Text("en").html(message("x", "<b>{a}</b> {b}", a=fixture.SCRIPT, b=fixture.LONG))

    assert "<script" not in html
    assert "<b>" not in html
    assert f'title="{fixture.LONG}"' in html
    assert shortened("中文中文", 5) == "中文…"


def test_unknown_language() -> None:
    """Another language is refused with the list of known ones."""
    with pytest.raises(OptionError, match="en, zh"):
        Text("de")


def test_plural() -> None:
    """English has a singular; Chinese needs none."""
    assert Text("en").say("page.rows", count=1) == "1 row"
    assert Text("en").say("page.rows", count=2000) == "2,000 rows"
    assert Text("zh").say("page.rows", count=1) == "1 行"


LIMIT = Limit(metric="m", value=0.02, owner="o", rationale="r")


@pytest.mark.parametrize(
    ("unit", "value", "half", "expected"),
    [
        ("share of rows", 0.0131, 0.0045, "1.3% (95% CI 0.9% to 1.8%)"),
        ("share of rows", 0.00003, 0.00002, "0.003% (95% CI 0.001% to 0.005%)"),
        ("difference in shares", -0.0131, 0.02, "−1.3 pp (95% CI −3.3 to +0.7 pp)"),
        ("AUC", 0.5412, 0.0231, "0.541 (95% CI 0.518 to 0.564)"),
        ("distance", 153.27, 20.0, "153.3 (95% CI 133.3 to 173.3)"),
        ("records", 2500.0, 0.0, "2,500 (exact)"),
        ("touches", 0.0, 0.0, "0 (exact)"),
        ("touches", 21.0, 2.0, "21 (95% CI 19 to 23)"),
    ],
)
def test_estimates_are_written_by_unit(unit: str, value: float, half: float, expected: str) -> None:
    """Unit decides the scale, the width of the interval the decimals."""
    assert Numbers(Text("en")).estimate(fixture.estimate(value, half, 10, unit)) == expected


def test_rounding_never_hides_the_side_of_a_limit() -> None:
    """An interval that ends just beyond the limit is not printed as ending on it."""
    shown = Numbers(Text("en")).estimate(fixture.estimate(0.0151, 0.00492, 9, "share"), LIMIT)

    assert "2.00%" not in shown.replace("2.002%", "")
    assert "2.002%" in shown


@pytest.mark.parametrize(
    ("unit", "numbers", "edges", "expected"),
    [
        ("share", (0.08, 0.084), (), ["8.0%", "8.4%"]),
        ("share", (0.0004, 0.0, 0.5), (), ["0.04%", "0.00%", "50.00%"]),
        ("share", (0.0096, 0.073), (0.01,), ["0.96%", "7.30%"]),
        ("difference of shares", (0.0007, -0.05), (), ["+0.1 pp", "−5.0 pp"]),
        ("AUC", (0.6920281581, 0.67), (), ["0.692", "0.670"]),
        ("AUC", (1.0, 0.5), (), ["1.00", "0.50"]),
        ("touches", (3.0, 1200.0), (), ["3", "1,200"]),
        ("", (1e-5, 2e-5), (), ["10⁻⁵", "2 × 10⁻⁵"]),
    ],
)
def test_numbers_of_one_chart_have_the_same_decimals(
    unit: str, numbers: tuple[float, ...], edges: tuple[float, ...], expected: list[str]
) -> None:
    """No `8%` beside `8.4%`; no number that is not zero, or not its limit, is written as it."""
    form = Numbers(Text("en")).alike(numbers, unit, edges)

    assert [form(x) for x in numbers] == expected


def test_numbers_of_an_axis_have_no_decimals_to_spare() -> None:
    """Ticks have the decimals that tell them apart, all alike."""
    numbers = Numbers(Text("en"))

    assert numbers.ticks([0.0, 0.05, 0.1], "share") == ["0%", "5%", "10%"]
    assert numbers.ticks([0.0, 0.025, 0.05], "share") == ["0.0%", "2.5%", "5.0%"]
    assert numbers.ticks([-0.5, 0.0], "AUC") == ["−0.5", "0.0"]


@pytest.mark.parametrize(
    ("unit", "value", "half", "expected"),
    [
        ("difference of shares", -0.0004, 0.02, "0.0 pp (95% CI −2.0 to +2.0 pp)"),
        ("AUC", -0.0004, 0.02, "0.000 (95% CI −0.020 to 0.020)"),
        ("share of rows", -0.0001, 0.02, "0.0% (95% CI −2.0% to 2.0%)"),
        ("ε", 0.0, 0.0, "0 (exact)"),
    ],
)
def test_zero_has_no_sign(unit: str, value: float, half: float, expected: str) -> None:
    """What rounds to zero is no minus zero, and zero itself has no decimals."""
    found = Estimate.exact(value, n=9, method="count", unit=unit)
    found = fixture.estimate(value, half, 10, unit) if half else found

    assert Numbers(Text("en")).estimate(found) == expected


def test_what_is_hidden_is_said_once() -> None:
    """A number that is kept back can be estimated: the page does not say that it cannot."""
    found = Estimate.undefined(hidden(), n=9, method="count", unit="share")

    assert Numbers(Text("en")).estimate(found) == hidden().text_en
    assert Numbers(Text("zh")).estimate(found).startswith("不予显示")


def test_limits_by_direction() -> None:
    """Each direction of a limit has its words."""
    numbers = Numbers(Text("en"))
    said = [
        numbers.bound(LIMIT.model_copy(update={"direction": d, "value": v}), u)
        for d, v, u in (
            (Direction.MAX, 0.02, "share"),
            (Direction.MIN, 0.8, "rate"),
            (Direction.ABS, 0.03, "difference in shares"),
            (Direction.MAX, 0.55, "AUC"),
            (Direction.MAX, 0.05, "difference of shares"),
        )
    ]

    assert said == [
        "limit: at most 2%",
        "limit: at least 80%",
        "limit: within ±3 pp",
        "limit: at most 0.55",
        "limit: at most 5 pp",
    ]


def test_no_number_is_said_with_its_reason() -> None:
    """What could not be estimated is never a number, a zero or a blank."""
    none = Estimate.undefined(message("r", "no {what}", what="rows"), n=0, method="m")

    assert Numbers(Text("en")).estimate(none) == "not estimable: no rows"
    said = none.model_copy(update={"reason": message("r", "Not estimable: no rows.")})
    assert Numbers(Text("en")).estimate(said) == "Not estimable: no rows."


def test_a_reason_in_the_middle_of_a_sentence_has_no_stop() -> None:
    """What follows a reason, such as a limit, follows without a stop between."""
    reason = message("r", "too few; at least {n:integer} can.", n=100)
    numbers = Numbers(Text("en"))
    found = Estimate.undefined(reason, n=9, method="count")

    assert numbers.undefined(found).endswith("100 can.")
    assert numbers.undefined(found, clause=True).endswith("100 can")
