"""Identifiers that a pattern and a checksum recognise in text, without a model or a download.

A checksum is passed by chance as well: by one in ten strings that look like card numbers, one in
eleven resident IDs, one in 97 IBANs. Whoever judges a column counts those that fail it, too. What a
number of a few digits means often shows by the word before it alone, in the text or in the name of
its column (`labelled`).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Pattern:
    """A kind of identifier: a shape, what else it must be, and its checksum, if it has one.

    chance: share of strings that look right and pass the checksum though they mean something else.
    serial: whether plain numbers of another kind all look right where they count on from one.
    """

    kind: str
    shape: re.Pattern[str]
    plausible: Callable[[str], bool]
    checksum: Callable[[str], bool] | None = None
    chance: float = 0.0
    serial: bool = False


@dataclass(frozen=True)
class Kinds:
    """Kinds of identifiers in a text: those that look right, and those whose checksum fits too."""

    alike: frozenset[str]
    valid: frozenset[str]


def look(text: str) -> Kinds:
    """What kinds a text holds; full-width digits and letters count as plain ones.

    >>> sorted(look("card 4111 1111 1111 1112").alike), look("card 4111 1111 1111 1112").valid
    (['card number'], frozenset())
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    alike, valid = set(), set()
    for p in PATTERNS:
        found = [m.group() for m in p.shape.finditer(plain) if p.plausible(m.group())]
        if found:
            alike.add(p.kind)
        if any(p.checksum is None or p.checksum(text) for text in found):
            valid.add(p.kind)
    return Kinds(frozenset(alike), frozenset(valid))


def counting_on(numbers: Sequence[int]) -> bool:
    """Whether different numbers stand so close that somebody counted: most within a hundred.

    Of a million phone numbers spread over a country's range hardly any two are so near.

    >>> counting_on([13800000007, 13800000001, 13800000004])
    True
    >>> counting_on([13812345678, 15098765432, 18611112222])
    False
    """
    found = sorted(numbers)
    gaps = sorted(b - a for a, b in pairwise(found))
    return len(found) > 2 and gaps[len(gaps) // 2] <= 100


def kinds_in(text: str) -> frozenset[str]:
    """Kinds of identifiers in a text whose checksum fits.

    >>> sorted(kinds_in("write to jane.doe@example.org or 4111 1111 1111 1111"))
    ['card number', 'e-mail address']
    >>> kinds_in("order 4111 1111 1111 1112 of 2020-01-31")
    frozenset()
    """
    return look(text).valid


def labelled(column: str) -> str:
    """The word that the name of a column puts before its numbers; empty where it is none of ours.

    >>> labelled("mobile_no"), labelled("ssn"), labelled("phone_model")
    ('tel', 'ssn', '')
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", column).strip().lower()
    if re.fullmatch(
        rf"(?:.* )?(?:{_PHONE_WORDS})(?: (?:no|nr|num|number))?|.*(?:{_PHONE_SIGNS})码?", name
    ):
        return "tel"
    return "ssn" if re.fullmatch(rf"(?:.* )?(?:{_SSN_WORDS})", name) else ""


def luhn(text: str) -> bool:
    """Whether the digits of a card number fit its last one.

    Source: ISO/IEC 7812-1, annex B.

    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits[::-1])]
    return sum(doubled) % 10 == 0


def iban(text: str) -> bool:
    """Whether an international bank account number has the right remainder.

    Source: ISO 13616-1 with ISO 7064 MOD 97-10.

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    plain = _account(text)
    return plain is not None and (
        int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
    )


def resident_id(text: str) -> bool:
    """Whether a Chinese resident ID has the right check character.

    Source: GB 11643-1999 with ISO 7064 MOD 11-2.

    >>> resident_id("11010519491231002X"), resident_id("110105194912310021")
    (True, False)
    """
    total = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()


def issued(text: str) -> bool:
    """Whether a card number begins and ends as one that issuers give out.

    Left out is Visa's old length of 13, which is now that of the bar code on goods.

    Source: the issuers' public ranges under ISO/IEC 7812-1.

    >>> issued("4111 1111 1111 1111"), issued("20200131120000"), issued("4006381333931")
    (True, False, False)
    """
    digits = "".join(c for c in text if c.isdigit())
    return len(set(digits)) > 1 and any(
        len(digits) in lengths and first <= int(digits[: len(str(first))]) <= last
        for first, last, lengths in _ISSUERS
    )


def mobile(text: str) -> bool:
    """Whether eleven digits begin as Chinese mobile numbers do.

    Source: MIIT, Telecommunications Network Numbering Plan (2017), network codes in use.

    >>> mobile("138 1234 5678"), mobile("15412345678"), mobile("20240131123")
    (True, False, False)
    """
    return text[:3] in _MOBILE


def north_american(text: str) -> bool:
    """Whether digits in three groups are an area, an exchange and a line of North America.

    Source: North American Numbering Plan, INC Assignment Guidelines: no area or exchange begins
    with 0 or 1 or ends with 11, and no area has a 9 in its middle.

    >>> north_american("212-555-0123"), north_american("1-800-555-0199")
    (True, True)
    >>> north_american("123-456-7890"), north_american("2125-555-0123")
    (False, False)
    """
    area, exchange, line = re.split("[-. ]", text.removeprefix("1"))[-3:]
    return (
        (len(area), len(exchange), len(line)) == (3, 3, 4)
        and all(part[0] in "23456789" and part[1:] != "11" for part in (area, exchange))
        and area[1] != "9"
    )


def _account(text: str) -> str | None:
    """What of a text is as long as accounts of its country are; None where no word ends there."""
    words, plain, size = text.split(" "), "", _IBAN_SIZES.get(text[:2].upper())
    for word in words:
        plain += word
        if len(plain) == size:
            return plain
    return None


def _iban_length(text: str) -> bool:
    return _account(text) is not None


def _born(text: str) -> bool:
    """Whether a resident ID holds a date."""
    try:
        dt.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return True


def _phone(text: str) -> bool:
    return 7 <= sum(c.isdigit() for c in text) <= 15


def _public_address(text: str) -> bool:
    """Whether a text is an IPv6 address that leads to a machine.

    Source: RFC 4291 with the ranges that IANA gives out: global, unique local and link-local.
    """
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return any(address in network for network in _IPV6_NETWORKS)


def _always(_text: str) -> bool:
    return True


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


#: Words before a phone number, in the languages of the toolkit and its neighbours.
_PHONE_WORDS = (
    "tel|telephone|telefon|telefono|teléfono|téléphone|phone|phone number|mobile|mobil|cell|"
    "cellphone|cell phone|fax|whatsapp|handy"
)
_PHONE_SIGNS = "电话|電話|手机|手機|手机号|电话号|联系方式|传真"
_SSN_WORDS = "ssn|social security|social security number|social security no"

#: Word -> names of columns whose numbers it could precede.
_COLUMNS = {
    "tel": re.compile(
        rf"(?:.* )?(?:{_PHONE_WORDS})(?: (?:no|nr|num|number))?|.*(?:{_PHONE_SIGNS})码?"
    ),
    "ssn": re.compile(rf"(?:.* )?(?:{_SSN_WORDS})"),
}

#: What may stand between such a word and the number.
_AFTER = r"(?: ?(?:no|nr|number|号码?|是|为))?[ .:#=]{0,4}"

#: North American: the brackets say what it is, so that the exchange may be any.
_BRACKETS = r"(?<![\w+.-])(?:1[-. ]?)?\([2-9]\d{2}\)[-. ]?\d{3}[-. ]\d{4}(?![\w-])"
_LABELLED = (
    rf"(?:\b(?i:{_PHONE_WORDS})\b|{_PHONE_SIGNS}){_AFTER}[(+]{{0,2}}\d(?:[ ()./-]{{0,2}}\d){{6,14}}"
    r"(?!\d)"
)
_SSN = r"(?!000|666|9)\d{3}"

#: Network codes of mobile numbers in mainland China.
_MOBILE = frozenset(
    f"1{code}" for code in (*range(30, 40), *range(45, 50), *range(50, 54), *range(55, 60), 62, 65,
                            66, 67, *range(70, 79), *range(80, 90), *range(90, 94), *range(95, 100))
)  # fmt: skip

#: Networks whose addresses belong to somebody's machine.
_IPV6_NETWORKS = tuple(map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10")))

#: Country -> length of its account numbers, from the IBAN registry (SWIFT, release 97).
_IBAN_SIZES = {
    country: int(size)
    for size, countries in (
        line.split(":")
        for line in (
            "15:NO", "16:BE", "18:DK FI FK FO GL NL SD", "19:MK SI", "20:AT BA EE KZ LT LU MN XK",
            "21:CH HR LI LV", "22:BG BH CR DE GB GE IE ME RS VA", "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG", "25:LY PT ST", "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM", "28:AL AZ BY CY DO GT HN HU LB NI PL SV",
            "29:BR EG PS QA UA", "30:JO KW MU YE", "31:MT SC", "32:LC", "33:RU",
        )
    )
    for country in countries.split()
}  # fmt: skip

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"

_LONG = range(16, 20)

#: First digits from and to, and how many digits such a number has.
_ISSUERS = (
    (4, 4, (16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),
    (300, 305, (14, 16)),  # Diners Club
    (36, 36, (14, 16)),
    (38, 39, (14, 16)),
    (3528, 3589, _LONG),  # JCB
    (6011, 6011, _LONG),  # Discover
    (644, 659, _LONG),
    (62, 62, _LONG),  # UnionPay
    (2200, 2204, _LONG),  # Mir
    (5018, 5018, _LONG),  # Maestro
    (5020, 5020, _LONG),
    (5038, 5038, _LONG),
    (6304, 6304, _LONG),
    (6759, 6763, _LONG),
)

#: Repetitions are bounded, so that time stays linear in the length of a cell.
PATTERNS = (
    Pattern(
        "e-mail address",
        _shape(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
        _always,
    ),
    Pattern(
        "phone number",
        _shape(rf"(?<![\w+])\+[1-9](?:[ ().-]{{0,2}}\d){{7,14}}(?!\d)|{_BRACKETS}|{_LABELLED}"),
        _phone,
    ),
    Pattern(
        "North American phone number",
        _shape(r"(?<![\w+.-])(?:1[-. ])?\d{3,4}[-. ]\d{3,4}[-.]\d{4}(?![\w-])(?!\.\d)"),
        _always,
        north_american,
        # Of codes of three, three and four digits 0.57 would do.
        2 / 3,
    ),
    Pattern(
        "Chinese mobile number",
        _shape(r"(?<![\w+-])(?<!\d\.)[1-9]\d{2}([ -]?)\d{4}\1\d{4}(?![\w-])(?!\.\d)"),
        _always,
        mobile,
        # Of other numbers of eleven digits one in sixteen, but they may lie in one range.
        1 / 2,
        serial=True,
    ),
    Pattern(
        "card number",
        # Nor the digits before or after a decimal point.
        _shape(r"(?<![\d-])(?<!\d\.)[2-6](?:[ -]?\d){13,18}(?![\d-])(?!\.\d)"),
        issued,
        luhn,
        1 / 10,
    ),
    Pattern(
        "IBAN",
        _shape(
            r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}\b|\b[a-z]{2}\d{2}(?: ?[a-z0-9]{1,4}){3,8}\b"
        ),
        _iban_length,
        iban,
        1 / 97,
    ),
    Pattern(
        "US social security number",
        _shape(
            rf"(?<![\w-]){_SSN}-(?!00)\d{{2}}-(?!0000)\d{{4}}(?![\w-])"
            rf"|\b(?i:{_SSN_WORDS})\b{_AFTER}{_SSN}[ -]?(?!00)\d{{2}}[ -]?(?!0000)\d{{4}}(?!\d)"
        ),
        _always,
    ),
    Pattern(
        "Chinese resident ID", _shape(r"(?<!\w)[1-9]\d{16}[\dXx](?!\w)"), _born, resident_id, 1 / 11
    ),
    Pattern(
        "IPv6 address",
        _shape(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?:::?[0-9A-Fa-f]{1,4}){1,7}(?:::)?(?![\w:])"),
        _public_address,
    ),
    Pattern("IPv4 address", _shape(rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?![\w.])"), _always),
)
