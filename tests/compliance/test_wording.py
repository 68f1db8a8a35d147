"""No sentence of the catalogues claims what an audit cannot know."""

from __future__ import annotations

from importlib.resources import files

import pytest
from wording import ALLOWED, claims

from genaudit.compliance.context import template
from genaudit.compliance.controls import regulations
from genaudit.render.text import LANGUAGES, catalogue


def _clauses() -> dict[str, str]:
    """Every text of the clauses, under a name that finds it."""
    heads = [r.model_copy(update={"controls": ()}) for r in regulations()]
    rows = [*heads, *(c for r in regulations() for c in r.controls)]
    return {row.id: row.model_dump_json() for row in rows}


def test_clauses_claim_nothing() -> None:
    """Names, paraphrases, questions and what must not be claimed, in both languages."""
    assert {name: found for name, text in _clauses().items() if (found := claims(text))} == {}


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_locales_claim_nothing(lang: str) -> None:
    """Every string that a page, the command line or a template of a context may show."""
    texts = {**catalogue(lang), "context": template(lang)}

    assert {key: found for key, text in texts.items() if (found := claims(text))} == {}


def test_every_allowed_sentence_is_used() -> None:
    """The list of denials holds no sentence that is gone."""
    everything = "".join([*_clauses().values(), *map(_locale, LANGUAGES)])

    assert [sentence for sentence in ALLOWED if sentence not in everything] == []


def _locale(lang: str) -> str:
    return (files("genaudit.render") / "locales" / f"{lang}.json").read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    ["The data are anonymous.", "This model is compliant.", "Certified by genaudit.",
     "A guarantee of privacy", "It is safe to publish", "unbiased", "No bias was found.",
     "已通过合规认证", "数据完全匿名", "绝对安全", "模型无偏见", "零风险",
     "No certificate under another standard."],
)  # fmt: skip
def test_a_claim_is_found(text: str) -> None:
    """Each banned word is found, and a denial that is not listed is no excuse."""
    assert claims(text)


def test_a_listed_denial_passes_and_hides_nothing() -> None:
    """A listed sentence is let through; what stands beside it is not."""
    assert not claims(ALLOWED[0])
    assert claims(f"{ALLOWED[0]} The data are anonymous.") == ["anonymous"]
