"""Personal identifiers: each kind found and its near misses not, columns named, strings never."""

import time

import pandas as pd
import pytest
from subjects import case_of, judged, make_case

from genaudit.audits.content._pattern import kinds_in
from genaudit.audits.content.personal_data import personal_data
from genaudit.data.schema import Schema
from genaudit.result import Verdict

SCHEMA = Schema.from_dict(
    {
        "columns": {
            "age": {"kind": "integer", "bounds": [0, 120]},
            "channel": {"kind": "categorical", "categories": ["shop", "help@shop.example.com"]},
            "remark": {"kind": "categorical", "role": "ignored", "nullable": True},
        }
    }
)


def _rows(remarks, channel="shop"):
    n = len(remarks)
    return pd.DataFrame({"age": [30] * n, "channel": [channel] * n, "remark": remarks})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mail jane.doe+x@mail.example.co.uk now", "e-mail address"),
        ("call +49 30 901820-00", "phone number"),
        ("call +8613800138000", "phone number"),
        ("card 4111-1111-1111-1111", "card number"),
        ("378282246310005", "card number"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN"),
        ("FR1420041010050500013M02606", "IBAN"),
        ("ssn 078-05-1120.", "US social security number"),
        ("id 11010519491231002X", "Chinese resident ID"),
        ("１１０１０５１９４９１２３１００２Ｘ", "Chinese resident ID"),
        ("from 192.168.10.7 at night", "IPv4 address"),
    ],
)
def test_each_kind_is_found(text, kind):
    """Published example identifiers of each kind are recognised."""
    assert kind in kinds_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "jane at example dot org", "a@b", "@handle", "2020-01-31 12:00:00", "1234567890123456",
        "0000 0000 0000 0000", "GB82 WEST 1234 5698 7654 33", "000-12-3456", "666-12-3456",
        "110105194912310021", "110105194913310020", "1.2.3", "1.2.3.4.5", "256.1.1.1", "+1 2",
        "Married-civ-spouse", "<=50K", "Trinadad&Tobago", "3.14159", "",
    ],
)  # fmt: skip
def test_near_misses_are_not(text):
    """Shapes without their checksum, dates, versions and levels of public tables are left alone."""
    assert kinds_in(text) == frozenset()


def test_time_stays_linear():
    """A quarter of a megabyte made to confuse the patterns takes no longer than other text."""
    clock = time.perf_counter()
    for text in ("a" * 250_000, "1" * 250_000, "a." * 125_000, "+1 " * 80_000, "A1 " * 80_000):
        kinds_in(text)

    assert time.perf_counter() - clock < 20


def test_leaky_text_is_flagged():
    """Two percent of the rows hold an address: outside, named by column and kind, never quoted."""
    address = "jane.doe@private.example.org"
    rows = _rows([address] * 20 + ["fine"] * 980)
    overall, each = judged("content.personal_data", case_of(rows, schema=SCHEMA))

    assert overall.verdict is Verdict.OUTSIDE
    assert overall.estimate.value == 0.02
    assert each.group == {"column": "remark", "kind": "e-mail address"}
    assert address not in str(overall) + str(each)


def test_public_categories_do_not_count():
    """An address that the schema declares as a category is public."""
    rows = _rows(["fine"] * 500, channel="help@shop.example.com")
    (finding,) = judged("content.personal_data", case_of(rows, schema=SCHEMA))

    assert finding.estimate.value == 0


def test_a_drafted_schema_makes_nothing_public():
    """Levels that a draft took from the data are searched like any text."""
    rows = _rows(["fine"] * 500, channel="help@shop.example.com")
    drafted = SCHEMA.replace(origin="drafted")

    assert judged("content.personal_data", case_of(rows, schema=drafted))[0].estimate.value == 1


def test_a_row_with_two_kinds_counts_once():
    """The overall rate counts rows, the others kinds."""
    rows = _rows(["jane@example.org or +49 30 90182000"] * 50 + ["fine"] * 50)
    overall, *each = judged("content.personal_data", case_of(rows, schema=SCHEMA))

    assert overall.estimate.value == 0.5
    assert [f.estimate.value for f in each] == [0.5, 0.5]


def test_honest_subjects_are_never_accused():
    """A table without identifiers has a rate of 0 with its interval."""
    finding = judged("content.personal_data", make_case("honest", 1))[0]

    assert finding.estimate.value == 0 == finding.estimate.low
    assert 0 < finding.estimate.high < 0.01
    assert finding.verdict is not Verdict.OUTSIDE
    assert finding.baseline.value == 0


def test_what_was_not_searched_is_listed():
    """Columns beyond the schema and values that it does not allow are named as not measured."""
    rows = _rows(["fine"] * 10).assign(letter="dear jane@example.org")
    rows.loc[0, "channel"] = "jane@example.org"
    unread = personal_data(case_of(rows, schema=SCHEMA)).not_measured

    assert [m.params["columns"] for m in unread] == ["letter", "channel"]


def test_power_is_printed():
    """The smallest rate that would be flagged shrinks with more rows and stays above the limit."""
    few, many = (
        judged("content.personal_data", case_of(_rows(["fine"] * n), schema=SCHEMA))[0]
        for n in (200, 5000)
    )

    assert few.detectable > many.detectable > 0.001
    assert many.ceiling > few.ceiling > 0.9
