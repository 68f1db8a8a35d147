"""Sentences and numbers in a reader's language.

A catalogue (`locales/en.json`, `locales/zh.json`) maps ids to templates. English holds the frame's
own strings; other languages hold these and the ids of messages that audits make. What a catalogue
lacks falls back to what the message brings along, then to English.

A report may come from a stranger: its templates reach plain field names and nothing else, and signs
that change the direction of text are made visible.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from babel import Locale
from babel.dates import format_date, format_time, get_datetime_format
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape

from genaudit.errors import OptionError
from genaudit.result import LARGEST, Message, Param

#: Language -> CLDR locale; the keys are what `--lang` takes.
LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh_Hans_CN"}

#: Language -> CLDR locale of its dates, where another than that of its numbers: no month first.
_DATES: Mapping[str, str] = {"en": "en_GB"}

#: Longest name that is shown whole; the rest is in its tooltip and in audit.json.
LONGEST = 72

#: Messages inside messages that are still said in the reader's language: a chain of mitigations
#: has one for each, and some inside each.
_DEPTH = 20

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MINUS = "−"


class Text:
    """One language: messages, the frame's own strings, and numbers by CLDR.

    >>> from genaudit.result import message
    >>> Text("en")(message("x", "{n:integer} rows, {share:percent}", n=5226, share=0.125))
    '5,226 rows, 12.5%'
    """

    def __init__(self, lang: str = "en") -> None:
        if not isinstance(lang, str) or lang not in LANGUAGES:
            raise OptionError(f"Expected a language of {', '.join(LANGUAGES)}, got {lang!r}.")
        self.lang = lang
        self.locale = Locale.parse(LANGUAGES[lang])
        self._calendar = Locale.parse(_DATES.get(lang, LANGUAGES[lang]))
        self._own = catalogue(lang)
        self._english = catalogue("en")

    @property
    def tag(self) -> str:
        """The BCP 47 tag for the root element."""
        return {"zh": "zh-Hans"}.get(self.lang, self.lang)

    def __call__(self, message: Message) -> str:
        """The message as plain text."""
        return self._said(message, str, visible)

    def html(self, message: Message) -> Markup:
        """The message as HTML, names isolated so that they cannot turn the sentence around."""
        filled = self._said(message, _escaped, _isolated)
        return Markup(filled)  # noqa: S704 - literals and fields are escaped

    def named(self, text: str, words: Mapping[str, Message]) -> Markup:
        """A name as it is, or one of a report's words in this language."""
        return self.html(words[text]) if text in words else isolated(text)

    def say(self, id: str, /, count: int | None = None, **params: Param) -> str:
        """One of the frame's own strings; with `count` in its singular or plural form."""
        return self._fill(self._frame(id, count), self._counted(params, count), str, visible)

    def say_html(self, id: str, /, count: int | None = None, **params: Param) -> Markup:
        """`say` as HTML."""
        filled = self._fill(
            self._frame(id, count), self._counted(params, count), _escaped, _isolated
        )
        return Markup(filled)  # noqa: S704 - literals and fields are escaped

    def term(self, kind: str, text: str) -> str:
        """A short fixed expression (a unit, a method) in this language; English as it stands."""
        return self._own.get(f"{kind}:{text}", visible(text))

    def short(self, text: str) -> str:
        """A name as plain text, cut where long."""
        return shortened(visible(text))

    def has(self, id: str) -> bool:
        """Whether the frame has this string."""
        return id in self._english

    def percent(self, x: float, decimals: int = 1) -> str:
        """A share as a percentage; a plain number where no page could print it as one."""
        if abs(x) > LARGEST:
            return _scientific(x)
        pattern = "#,##0" + (f".{'0' * decimals}" if decimals else "") + "%"
        x = _unsigned_zero(x, decimals + 2)
        return str(format_percent(x, format=pattern, locale=self.locale)).replace("-", _MINUS)

    def decimal(self, x: float, decimals: int) -> str:
        """A number with so many decimals; in powers of ten where no page could print them."""
        if abs(x) > LARGEST:
            return _scientific(x)
        pattern = "#,##0" + (f".{'0' * decimals}" if decimals else "")
        x = _unsigned_zero(x, decimals)
        return str(format_decimal(x, format=pattern, locale=self.locale)).replace("-", _MINUS)

    def number(self, x: float) -> str:
        """A number to three significant digits, whole where it is whole."""
        if x == 0 or (float(x).is_integer() and abs(x) < 1e9):
            return self.decimal(x, 0)
        magnitude = math.floor(math.log10(abs(x)))
        if magnitude < -3 or magnitude >= 9:
            return _scientific(x)
        digits = self.decimal(x, max(0, 2 - magnitude))
        return digits.rstrip("0").rstrip(".") if "." in digits else digits

    def date(self, day: dt.date) -> str:
        """A day by CLDR.

        >>> day = dt.date(2026, 12, 31)
        >>> Text("en").date(day), Text("zh").date(day)
        ('31 Dec 2026', '2026年12月31日')
        """
        return str(format_date(day, "medium", locale=self._calendar))

    def minute(self, at: dt.datetime) -> str:
        """A day with its time to the minute by CLDR, as the clock of the time stands.

        >>> Text("en").minute(dt.datetime(2026, 12, 31, 9, 5))
        '31 Dec 2026, 09:05'
        """
        form = str(get_datetime_format("medium", locale=self._calendar))
        time = str(format_time(at, "short", locale=self._calendar))
        return form.replace("{0}", time).replace("{1}", self.date(at)).replace("'", "")

    def dated(self, text: str) -> str:
        """A text that is a day of ISO 8601 as `date` writes it; any other as it stands.

        >>> Text("en").dated("2026-12-31"), Text("en").dated("2026-13-31")
        ('31 Dec 2026', '2026-13-31')
        """
        if not _DAY.fullmatch(text):
            return text
        try:
            return self.date(dt.date.fromisoformat(text))
        except ValueError:
            return text

    def _said(
        self,
        message: Message,
        literal: Callable[[str], str],
        name: Callable[[str], str],
        depth: int = _DEPTH,
    ) -> str:
        """The message with the messages in its fields; a field's own escaping is not repeated."""
        inner = {
            field: Markup(self._said(m, literal, name, depth - 1))  # noqa: S704 - done by `literal`
            for field, m in message.words.items()
            if depth and field in message.params
        }
        return self._fill(self._template(message), {**message.params, **inner}, literal, name)

    def _template(self, message: Message) -> str:
        return (
            self._own.get(message.id)
            or message.texts.get(self.lang)
            or self._english.get(message.id)
            or message.text_en
        )

    def _frame(self, id: str, count: int | None) -> str:
        singular = f"{id}.one"
        if count is not None and self.locale.plural_form(count) == "one" and self.has(singular):
            return self._own.get(singular, self._english[singular])
        return self._own.get(id, self._english[id])

    def _counted(self, params: Mapping[str, Param], count: int | None) -> Mapping[str, Param]:
        return params if count is None else {**params, "count": count}

    def _fill(
        self,
        template: str,
        params: Mapping[str, Param],
        literal: Callable[[str], str],
        name: Callable[[str], str],
    ) -> str:
        """The template with its fields; anything but a plain known field stays as it is written."""
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError:
            return literal(visible(template))
        out = []
        for text, field, spec, conversion in parts:
            out.append(literal(visible(text)))
            if field is None:
                continue
            if _FIELD.fullmatch(field) and field in params and not conversion:
                out.append(self._field(params[field], spec or "", name))
            else:
                out.append(literal(visible("{" + field + "}")))
        return "".join(out)

    def _field(self, value: Param, spec: str, name: Callable[[str], str]) -> str:
        if isinstance(value, str):
            if spec == "date":
                return name(self.dated(value))
            return str(value) if isinstance(value, Markup) else name(value)
        if value is None or not math.isfinite(value):
            return "–"
        if spec == "percent":
            return self.percent(value, 0 if float(100 * value).is_integer() else 1)
        if spec == "integer":
            return self.decimal(round(value), 0)
        return self.number(value)


@cache
def catalogue(lang: str) -> Mapping[str, str]:
    """Templates of one language by id."""
    text = (files("genaudit.render") / "locales" / f"{lang}.json").read_text("utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def visible(text: str) -> str:
    """The text with each control and direction sign written as its code point.

    >>> visible("abc" + chr(0x202E) + "def")
    'abc⟨U+202E⟩def'
    """
    return "".join(f"⟨U+{ord(c):04X}⟩" if _hidden(c) else c for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text cut to a width; East Asian signs count twice.

    >>> shortened("abcdef", 4)
    'abc…'
    """
    if width(text) <= longest:
        return text
    out, used = [], 1
    for c in text:
        used += width(c)
        if used > longest:
            break
        out.append(c)
    return "".join(out).rstrip() + "…"


def width(text: str) -> int:
    """Columns that a text takes in a font of even width."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def whole(text: str) -> Markup:
    """A text of the operator or of an audit in full: escaped, isolated, direction signs visible."""
    shown = escape(visible(text))
    return shown if _upright(shown) else Markup("<bdi>{}</bdi>").format(shown)


def isolated(text: str) -> Markup:
    """A name from the data: escaped, isolated from the direction around it, cut where long."""
    return Markup(_isolated(text))  # noqa: S704 - escaped there


def _isolated(text: str) -> str:
    shown = visible(text)
    short = shortened(shown)
    if short == shown and _upright(shown):
        return str(escape(shown))
    tooltip = f' title="{escape(shown)}"' if short != shown else ""
    return f"<bdi{tooltip}>{escape(short)}</bdi>"


def _upright(text: str) -> bool:
    """Whether a text can turn nothing around it: no letter runs from right to left, none turns.

    Source: Unicode Standard Annex 9, table 4 (bidirectional types).
    """
    return not any(unicodedata.bidirectional(c) in _TURNING for c in text)


#: Types of letters, numbers and signs that run from right to left, or make others do so; no type is
#: a character that is not assigned.
_TURNING = frozenset({"R", "AL", "AN", "LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI",
                      "PDI", ""})  # fmt: skip


def _escaped(text: str) -> str:
    return str(escape(text))


def _hidden(c: str) -> bool:
    # Cc: controls; Cf: direction marks, zero-width signs, tags. Line ends and tabs are mere space.
    return unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in "\n\t"


def _unsigned_zero(x: float, decimals: int) -> float:
    """The number, but zero where it would be written as minus zero."""
    return x if round(x, decimals) else 0.0


def _scientific(x: float) -> str:
    mantissa, exponent = f"{x:.2e}".split("e")
    digits = mantissa.rstrip("0").rstrip(".").replace("-", _MINUS)
    power = power_of_ten(int(exponent))
    return power if digits == "1" else f"{digits} × {power}"


def power_of_ten(exponent: int) -> str:
    """Ten to a whole number.

    >>> power_of_ten(-12)
    '10⁻¹²'
    """
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
