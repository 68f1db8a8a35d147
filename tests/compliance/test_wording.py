"""No sentence of the catalogues claims what an audit cannot know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from wording import ALLOWED, claims

import genaudit
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


def _written() -> Iterator[tuple[str, str]]:
    """Every text in the package's code that is more than a word, with where it stands."""
    root = Path(genaudit.__file__).parent
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {
            id(node.value) for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                sentence = " " in node.value or not node.value.isascii()
                if sentence and id(node) not in docstrings:
                    yield f"{path.relative_to(root)}:{node.lineno}", node.value


def test_code_claims_nothing() -> None:
    """Sentences that audits, errors and the command line say, whether or not a page shows them."""
    texts = list(_written())

    assert len(texts) > 2000
    assert [(where, found) for where, text in texts if (found := claims(text))] == []


def test_every_allowed_sentence_is_used() -> None:
    """The list of denials holds no sentence that is gone."""
    written = (text for _, text in _written())
    everything = "".join([*_clauses().values(), *map(_locale, LANGUAGES), *written])

    assert [sentence for sentence in ALLOWED if sentence not in everything] == []


def _locale(lang: str) -> str:
    return (files("genaudit.render") / "locales" / f"{lang}.json").read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    ["The data are anonymous.", "This model is compliant.", "Certified by genaudit.",
     "A guarantee of privacy", "It is safe to publish", "unbiased", "No bias was found.",
     "The generator is conformant.", "in conformity with Article 10", "It complies with the GDPR.",
     "zero risk", "Nobody cannot be re-identified", "People cannot be identified.",
     "anonymised data", "anonymized records", "符合GDPR要求", "符合《个人信息保护法》的规定",
     "数据已匿名化", "没有风险", "无法识别个人", "个人不可被识别",
     "已通过合规认证", "数据完全匿名", "绝对安全", "模型无偏见", "零风险",
     "No certificate under another standard.", "It satisfies the GDPR.",
     "The model meets all requirements of Article 10.", "an anonymised dataset", "risk free",
     "anonymized data sets", "100% private", "free of discrimination", "满足GDPR要求",
     "数据是匿名的", "完全安全", "没有歧视", "不含个人信息", "The samples are anonymised.",
     "GDPR-ready", "fulfils Article 5 GDPR", "satisfies the requirements of GDPR",
     "meets the requirements of Article 10", "in line with GDPR", "adheres to GDPR",
     "passes the EU AI Act", "conformity with Article 50", "accredited",
     "The data are not personal data.", "does not discriminate", "non-discriminatory", "bias free",
     "no privacy risk", "impossible to re-identify", "Here nobody can be identified",
     "It cannot leak.", "达标", "是匿名数据", "不属于个人信息", "没有隐私风险",
     "不会泄露", "无偏差", "公平无偏",
     "符合GDPR", "满足GDPR", "遵守《个人信息保护法》",
     "No individual can be identified.", "free from bias", "There are no privacy risks.",
     "zero privacy risk", "does not leak", "leak-free", "conforming to the AI Act",
     "conforms with ISO 42001", "not personal information", "approved by the regulator",
     "不会泄漏", "没有任何风险", "不存在隐私风险", "不含偏见", "不是个人信息",
     "不涉及个人信息", "满足第10条"],
)  # fmt: skip
def test_a_claim_is_found(text: str) -> None:
    """Each banned word is found, and a denial that is not listed is no excuse."""
    assert claims(text)


@pytest.mark.parametrize(
    "text",
    ["Conformity with the standard, whose text is not in this tool.",
     "That nobody can be identified.", "Whether somebody can be identified depends on all means.",
     "anonymisation", "no route to conformity",
     "是否符合模式", "与该标准一致（本工具不含其文本）", "个人能否被识别", "匿名化"],
)  # fmt: skip
def test_what_is_no_claim_passes(text: str) -> None:
    """Clauses can still say what they are about, and what must not be claimed."""
    assert claims(text) == []


def test_a_listed_denial_passes_and_hides_nothing() -> None:
    """A listed sentence is let through; what stands beside it is not."""
    assert not claims(ALLOWED[0])
    assert claims(f"{ALLOWED[0]} The data are anonymous.") == ["anonymous"]
