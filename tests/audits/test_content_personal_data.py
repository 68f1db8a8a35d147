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

AGE = {"age": {"kind": "integer", "bounds": [0, 120]}}

SCHEMA = Schema.from_dict(
    {
        "columns": {
            "age": {"kind": "integer", "bounds": [0, 120]},
            "channel": {"kind": "categorical", "categories": ["shop", "help@shop.example.com"]},
            "remark": {"kind": "categorical", "role": "ignored", "nullable": True},
        }
    }
)


def luck(case):
    """What was not counted because its checksum fits by luck."""
    return [m for m in personal_data(case).not_measured if m.id == "content.personal_data.luck"]


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
        ("from 2001:db8::8a2e:370:7334.", "IPv6 address"),
        ("fe80:0:0:0:0:0:0:1", "IPv6 address"),
        ("John Smith (555) 123-4567", "phone number"),
        ("call 212-555-0123 or", "North American phone number"),
        ("1-800-555-0199", "North American phone number"),
        ("212.555.0123", "North American phone number"),
        ("tel. 020 7946 0958", "phone number"),
        ("Phone: 5551234", "phone number"),
        ("电话：010-65123456", "phone number"),
        ("手机号 13812345678", "phone number"),
        ("13812345678", "Chinese mobile number"),
        ("李 138-1234-5678", "Chinese mobile number"),
        ("gb82west12345698765432", "IBAN"),
        ("iban de89 3704 0044 0532 0130 00 and more", "IBAN"),
        ("SSN: 078051120", "US social security number"),
        ("social security number 078 05 1120", "US social security number"),
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
        "13:45:00", "00:1a:2b:3c:4d:5e", "std::vector", "ab::cd", "::1", "1:2:3:4:5:6:7:8",
        "111-555-0123", "212-155-0123", "911-555-0123", "555-01234567", "123-456-7890-12",
        "999-999-9999", "20240131123", "15412345678", "113812345678", "0.13812345678", "078051120",
        "hotel 5551234", "phone 14", "tel", "ssn 000123456", "gb82west12345698765433",
        "de89370400440532013000ff", "550e8400-e29b-41d4-a716-446655440000", "250 300 4000",
        "Married-civ-spouse", "<=50K", "Trinadad&Tobago", "3.14159", "",
    ],
)  # fmt: skip
def test_near_misses_are_not(text):
    """Shapes without their checksum, dates, versions and levels of public tables are left alone."""
    assert kinds_in(text) == frozenset()


def test_time_stays_linear():
    """A quarter of a megabyte made to confuse the patterns takes no longer than other text."""
    clock = time.perf_counter()
    parts = ("a", "1", "a.", "+1 ", "A1 ", "a1b2 ", "tel ", "tel 1", "1:", "(212) ", "212-", "ssn ")
    for text in (part * (250_000 // len(part)) for part in parts):
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
    assert luck(case_of(rows, schema=SCHEMA)) == []


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
    unread = luck(case)

    assert np.mean([bool(kinds_in(str(n))) for n in numbers]) > 0.08
    assert overall.estimate.value == 0
    assert overall.verdict is Verdict.CANNOT_TELL
    assert [m.params for m in unread] == [{"column": "remark", "kind": "card number"}]


def mobiles(n):
    """Numbers of people all over the country."""
    rng = np.random.default_rng(1)
    return [f"{rng.choice([138, 150, 186])}{rng.integers(10**8):08d}" for _ in range(n)]


@pytest.mark.parametrize("role", ["ignored", "id", "person"])
@pytest.mark.parametrize("spread", [False, True])
def test_ids_that_begin_as_mobile_numbers_do(role, spread):
    """Plain numbers in a column of ids, or that count on, are not counted, nor passed: listed."""
    numbers = mobiles(600) if spread else [str(13800000000 + 7 * i) for i in range(600)]
    column = {"kind": "categorical", "role": role}
    schema = Schema.from_dict({"columns": {**AGE, "remark": column}})
    case = case_of(_rows(numbers), schema=schema)
    overall, *each = judged("content.personal_data", case)
    unread = [m for m in personal_data(case).not_measured if m.id.endswith(".serial")]

    if spread and role == "ignored":
        assert (overall.verdict, len(each), unread) == (Verdict.OUTSIDE, 1, [])
    else:
        assert (overall.estimate.value, overall.verdict) == (0, Verdict.CANNOT_TELL)
        assert each == []
        assert [m.params for m in unread] == [{"column": "remark", "kind": "Chinese mobile number"}]


def test_mobile_numbers_beside_ids_are_found():
    """What is written as a number to call counts, however many ids stand in the same column."""
    called = [f"{m[:3]} {m[3:7]} {m[7:]}" for m in mobiles(5)]
    rows = _rows([*called, *(str(13800000000 + i) for i in range(300))])
    case = case_of(rows, schema=SCHEMA)
    overall, each = judged("content.personal_data", case)

    assert overall.verdict is Verdict.OUTSIDE
    assert each.estimate.value == pytest.approx(5 / 305)


def test_a_column_that_is_called_phone_holds_phones():
    """There the name of the column says what numbers are that count on."""
    rows = _rows([str(13800000000 + i) for i in range(300)]).rename(columns={"remark": "mobile"})
    schema = Schema.from_dict({"columns": {**AGE, "mobile": {"kind": "categorical", "role": "id"}}})

    assert judged("content.personal_data", case_of(rows, schema=schema))[0].estimate.value == 1


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


@pytest.mark.parametrize("name", ["phone", "contact_mobile", "phoneNumber", "手机号码"])
@pytest.mark.parametrize("stored", [int, str])
def test_the_name_of_a_column_tells_phone_numbers(name, stored):
    """Digits alone are phone numbers in a column that is called so, as text and as numbers."""
    columns = {"n": {"kind": "integer", "bounds": [0, 9]},
               name: {"kind": "integer", "bounds": [0, 10**11]}}  # fmt: skip
    rows = pd.DataFrame({"n": 1, name: [2079460000 + i for i in range(200)]})
    other = rows.rename(columns={name: "sold"})
    if stored is str:
        rows[name], other["sold"] = rows[name].astype(str), other["sold"].astype(str)
        columns.pop(name)
    schema = Schema.from_dict({"columns": columns})
    overall, each = judged("content.personal_data", case_of(rows, schema=schema))
    plain = columns if stored is str else {"n": columns["n"], "sold": columns[name]}
    (calm,) = judged("content.personal_data", case_of(other, schema=Schema.from_dict(
        {"columns": plain})))  # fmt: skip

    assert overall.verdict is Verdict.OUTSIDE
    assert each.group == {"column": name, "kind": "phone number"}
    assert calm.estimate.value == 0


@pytest.mark.parametrize("seed", range(20))
def test_ordinary_numbers_are_no_identifiers(seed):
    """Ids, amounts, sequential numbers and times as text: nothing counts, whatever its length."""
    rng = np.random.default_rng([seed, 0x1D])
    start = pd.Timestamp("2001-01-01") + pd.to_timedelta(rng.integers(0, 10**9, 400), "s")
    digits = int(rng.integers(9, 13))
    texts = {
        "ids": rng.integers(10 ** (digits - 1), 10**digits, 400).astype(str),
        "eleven": rng.integers(10**10, 10**11, 400).astype(str),
        "spread": np.floor(10 ** rng.uniform(8, 12, 400)).astype(np.int64).astype(str),
        "sequence": (10**10 + np.arange(400)).astype(str),
        "amounts": [f"{x:,.2f}" for x in 10 ** rng.uniform(0, 11, 400)],
        "seconds": (start.astype("int64") // 10**9).astype(str),
        "times": start.astype(str),
        "clock": start.strftime("%H:%M:%S"),
        "hex": [rng.bytes(16).hex() for _ in range(400)],
        "codes": ["-".join(map(str, row)) for row in rng.integers(0, 10**4, (400, 3))],
    }
    rows = _rows(["fine"] * 400).assign(**texts)
    overall = judged("content.personal_data", case_of(rows, schema=SCHEMA))[0]

    assert overall.verdict is not Verdict.OUTSIDE
    assert overall.estimate.value < 0.01


def test_what_is_not_searched_is_said():
    """Names and postal addresses have no pattern, and the report says so each time."""
    said = personal_data(case_of(_rows(["fine"] * 50), schema=SCHEMA)).not_measured

    assert [m.id for m in said] == ["content.personal_data.unsearched"]
    assert "Names, postal addresses" in said[0].english
