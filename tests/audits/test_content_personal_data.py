"""Personal identifiers: each kind found and its near misses not, columns named, strings never."""

import time

import numpy as np
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
        ("paid by 38520000023237", "card number"),
        ("6212 3456 7890 0000 003", "card number"),
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
        "4006381333931", "0.4111111111111111", "4111111111111111.5", "2011 1111 1111 1116",
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


@pytest.mark.parametrize("origin", ["drafted", "learned"])
def test_a_drafted_schema_makes_nothing_public(origin):
    """Levels that a draft took from the data are searched like any text."""
    rows = _rows(["fine"] * 500, channel="help@shop.example.com")
    drafted = SCHEMA.replace(origin=origin)

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


@pytest.mark.parametrize("column", ["channel", "age", "letter"])
def test_what_does_not_fit_the_schema_is_searched(column):
    """An address among undeclared levels, in place of numbers or in a column of its own counts."""
    rows = _rows(["fine"] * 300).assign(**{column: [f"jane{i}@example.org" for i in range(300)]})
    overall, each = judged("content.personal_data", case_of(rows, schema=SCHEMA))

    assert overall.estimate.value == 1
    assert overall.verdict is Verdict.OUTSIDE
    assert each.group == {"column": column, "kind": "e-mail address"}
    assert not personal_data(case_of(rows, schema=SCHEMA)).not_measured


def test_fitting_and_unfitting_cells_of_a_column_count_once():
    """A row is one row, and a column one finding, wherever its identifier was found."""
    rows = _rows(["jane@example.org"] * 20 + ["fine"] * 80)
    twice = pd.concat([rows, rows["remark"]], axis=1)
    overall, each = judged("content.personal_data", case_of(twice, schema=SCHEMA))

    assert overall.estimate.value == each.estimate.value == 0.2


def test_card_numbers_stored_as_numbers_are_found():
    """A numeric column whose whole numbers are card numbers is no hiding place."""
    columns = {"paid_with": {"kind": "integer", "bounds": [0, 10**16]}}
    rows = pd.DataFrame({"paid_with": [4111111111111111, 5500005555555559] * 50})
    overall, each = judged(
        "content.personal_data", case_of(rows, schema=Schema.from_dict({"columns": columns}))
    )

    assert overall.estimate.value == 1
    assert each.group == {"column": "paid_with", "kind": "card number"}


def test_compact_timestamps_are_no_card_numbers():
    """Dates and times written as fourteen, sixteen or seventeen digits are never one."""
    stamps = pd.date_range("1999-01-01", "2034-01-01", periods=3000)

    assert not any(kinds_in(t) for t in stamps.strftime("%Y%m%d%H%M%S"))
    assert not any(kinds_in(t[:16]) for t in stamps.strftime("%Y%m%d%H%M%S%f"))
    assert not any(kinds_in(t[:17]) for t in stamps.strftime("%Y%m%d%H%M%S%f"))


def test_a_checksum_that_fits_by_chance_is_no_evidence():
    """Order numbers that look like cards pass in one of ten: not counted, not `within`, listed."""
    numbers = 4 * 10**15 + 10**8 * np.random.default_rng(0).permutation(10**6)[:6000]
    case = case_of(_rows([str(n) for n in numbers]), schema=SCHEMA)
    (overall,) = judged("content.personal_data", case)
    unread = personal_data(case).not_measured

    assert np.mean([bool(kinds_in(str(n))) for n in numbers]) > 0.08
    assert overall.estimate.value == 0
    assert overall.verdict is Verdict.CANNOT_TELL
    assert [m.params for m in unread] == [{"column": "remark", "kind": "card number"}]


def test_cards_among_strings_that_fail_are_found():
    """Real card numbers among as many that are none pass far more often than one in ten."""
    rows = _rows(["4111 1111 1111 1111", "4111 1111 1111 1112"] * 10 + ["fine"] * 180)
    cards = [f"card {n}" for n in ("5105105105105100", "378282246310005", "6011111111111117",
             "3530111333300000", "4222222222222222", "4012888888881881")]  # fmt: skip
    rows.loc[:5, "remark"] = cards
    overall, each = judged("content.personal_data", case_of(rows, schema=SCHEMA))

    assert overall.verdict is Verdict.OUTSIDE
    assert each.group["kind"] == "card number"


@pytest.mark.parametrize(("k", "shown"), [(0, 0.0), (3, None), (30, 0.15)])
def test_the_rate_of_training_rows_does_not_tell_of_a_few(k, shown):
    """Three training rows with an address are a small cell; none and thirty may be told."""
    train = _rows(["jane@example.org"] * k + ["fine"] * (200 - k))
    (overall,) = judged("content.personal_data", case_of(_rows(["fine"] * 50), train,
                                                         schema=SCHEMA))  # fmt: skip

    assert overall.baseline.value == shown
    assert (overall.baseline.low is None) == (shown is None)


def test_power_is_printed():
    """The smallest rate that would be flagged shrinks with more rows and stays above the limit."""
    few, many = (
        judged("content.personal_data", case_of(_rows(["fine"] * n), schema=SCHEMA))[0]
        for n in (200, 5000)
    )

    assert few.detectable > many.detectable > 0.001
    assert many.ceiling > few.ceiling > 0.9
