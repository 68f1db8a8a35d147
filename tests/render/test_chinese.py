"""Chinese pages of real audits: every text that a reader meets is Chinese, but for names."""

from __future__ import annotations

import re
from typing import get_args

import media
import numpy as np
import pandas as pd
import pytest
from elements import VOID, Attributes, Elements

from genaudit import api
from genaudit.audits import audits
from genaudit.compliance.controls import Modality
from genaudit.data import bundled
from genaudit.data.schema import Schema
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.render.compare import compare
from genaudit.render.html import to_html
from genaudit.render.text import catalogue
from genaudit.result import AuditReport
from genaudit.run import run

#: Two English words or more in a row.
ENGLISH = re.compile(r"[A-Za-z]{2,}(?:[ ,;:]+[A-Za-z]+)+")

#: Names of laws; whatever else is English stands in `code`, `pre` or an element marked so.
NAMES = re.compile(r"AI Verify|Fairlearn MetricFrame|Clopper-Pearson|Satterthwaite t")


class Texts(Elements):
    """Every text node and every attribute that is read or shown, but ids and quotations."""

    def __init__(self, page: str) -> None:
        self._quotes = 0  # elements that are open inside a quotation, with itself
        self.found: list[str] = []
        super().__init__(page)

    def entered(self, tag: str, attrs: Attributes) -> None:
        """Enter an element; inside one that quotes, nothing counts."""
        known = dict(attrs)
        quotes = tag in ("style", "code", "pre", "blockquote")
        quotes = quotes or (tag in ("span", "dd") and known.get("lang") == "en")
        if (quotes or self._quotes) and tag not in VOID:
            self._quotes += 1
        if not self._quotes:
            self.found += [
                known[name] or ""
                for name in ("title", "alt", "aria-label", "data-label")
                if name in known
            ]

    def left(self, tag: str) -> None:  # noqa: ARG002  the signature is that of all elements
        """Leave it."""
        self._quotes = max(self._quotes - 1, 0)

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self._quotes:
            self.found.append(data)


def foreign(page: str) -> list[str]:
    """Runs of English in what a page shows."""
    texts = (NAMES.sub("|", text) for text in Texts(page).found)
    return [text for text in texts if ENGLISH.search(text)]


def _persons(n: int, first: int) -> pd.DataFrame:
    """Three rows a person, names that mean harm, identifiers, gaps, a rare level."""
    rng = np.random.default_rng(first)
    who = np.arange(first, first + n) // 3
    pay = rng.normal(30, 8, n).round(1)
    return pd.DataFrame({
        "who": [f"p{i}" for i in who],
        "sex": np.where(who % 2, "f", "m"),
        "<script>": np.array(["north", "south", "=1+1", "<b>"])[who % 4],
        "pay": np.where(rng.random(n) < 0.05, np.nan, pay),
        "serial": 13800000000 + np.arange(first, first + n),
        "hired": np.where(pay + rng.normal(0, 5, n) > 30, "yes", "no"),
        "note": [f"a{i}@example.org" for i in range(first, first + n)],
    })  # fmt: skip


PERSONS = Schema.from_dict({"columns": {
    "who": {"kind": "categorical", "role": "person"},
    "sex": {"kind": "categorical", "categories": ["f", "m"], "role": "sensitive"},
    "<script>": {"kind": "categorical", "categories": ["<b>", "=1+1", "north", "south"],
                 "role": "sensitive"},
    "pay": {"kind": "numeric", "bounds": [0, 90], "nullable": True},
    "serial": {"kind": "integer", "role": "id"},
    "hired": {"kind": "categorical", "categories": ["no", "yes"], "role": "target"},
    "note": {"kind": "categorical", "role": "ignored"},
}})  # fmt: skip


@pytest.fixture(scope="module")
def reports() -> dict[str, AuditReport]:
    """Audits that find much, one that finds little, and one that can look at almost nothing."""
    raw, schema = bundled.load("arrests")
    raw = raw.sample(1500, random_state=0)
    train, holdout, samples = (
        raw[i * 500 : i * 500 + 500].reset_index(drop=True) for i in range(3)
    )
    odd = pd.concat([samples[:200], train[:100]]).assign(age=999, colour="violet")
    people = {"train": _persons(600, 0), "holdout": _persons(450, 900)}
    made = pd.concat([_persons(300, 3000), people["train"][:90]])
    return {
        "rich": api.audit(samples, train=train, holdout=holdout, schema=schema,
                          claim="epsilon=3,delta=1e-6"),
        "odd": api.audit(odd, train=train, holdout=holdout, schema=schema),
        "persons": api.audit(made, **people, schema=PERSONS),
        "no target": api.audit(made[["sex", "pay"]], train=people["train"][["sex", "pay"]]),
        "bare": api.audit(samples, schema=schema),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_every_text_of_a_real_page_is_chinese(reports: dict[str, AuditReport]) -> None:
    """Nothing that an audit, the ledger, a clause or a chart says is left in English."""
    for name, report in reports.items():
        page = to_html(report, "zh")
        assert (name, foreign(page)) == (name, [])
        assert len(foreign(to_html(report, "en"))) > 50
        assert len(page.encode()) < 200_000


def test_a_comparison_is_chinese(reports: dict[str, AuditReport]) -> None:
    """The same holds of the page that sets audits side by side."""
    page = compare([reports["rich"], reports["odd"]], ["a.html", "b.html"], "zh")

    assert foreign(page) == []


@pytest.mark.parametrize("kind", media.KINDS)
def test_a_page_of_records_is_chinese(kind: str) -> None:
    """Nor is what is said of images, series, sounds and texts; and the page stays small."""
    chosen = ("privacy.copies", "privacy.distance", "quality.samples", "quality.fidelity",
              "quality.validity", "content.rare_copies", "content.personal_data")  # fmt: skip
    found = run(media.case_of(kind, n=150), AuditPlan(audits=chosen), Policy.read(), strict=True)
    page = to_html(found, "zh")

    assert foreign(page) == []
    assert len(page.encode()) < 300_000


@pytest.mark.parametrize("modality", get_args(Modality))
def test_every_kind_of_data_has_its_word(modality: str) -> None:
    """No page says `audio` among Chinese words."""
    assert re.search("[一-鿿]", catalogue("zh").get(f"modality.{modality}", ""))


@pytest.mark.parametrize("access", sorted({n for a in audits().values() for n in a.needs}))
def test_every_access_has_its_word(access: str) -> None:
    """What an audit needs is an access, or data."""
    known = catalogue("zh")
    assert any(re.search("[一-鿿]", known.get(f"{k}:{access}", "")) for k in ("access", "data"))
