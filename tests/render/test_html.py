"""The page: verdict first, nothing hidden, nothing loaded, and nothing that runs."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html as std_html
import re
from importlib.resources import files
from itertools import pairwise

import fixture
import pytest
from elements import Attributes, Elements, quoted
from pydantic import JsonValue
from wording import claims

from genaudit.compliance.controls import questions, readings
from genaudit.errors import OptionError
from genaudit.render import json, view
from genaudit.render.compare import compare
from genaudit.render.html import context_rows, declared, moment, style, to_html
from genaudit.render.markup import shorter, used
from genaudit.render.numbers import Numbers
from genaudit.render.text import Text
from genaudit.result import AuditReport, Claim, Estimate, Figure, Finding, Status, Verdict, message

REPORT = fixture.report()
PAGES = {lang: to_html(REPORT, lang) for lang in ("en", "zh")}
COMPARED = compare(
    [REPORT, fixture.report(claim=False)], ["private/report.html", "plain/report.html"]
)
EVERY = [*PAGES.values(), COMPARED]


class Outline(Elements):
    """Elements, ids and references of a page, with a check that each element is closed."""

    def __init__(self, page: str) -> None:
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: Attributes = []
        super().__init__(page)

    def entered(self, tag: str, attrs: Attributes) -> None:
        """Note an element."""
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.links += [v for k, v in attrs if k in ("href", "src") and v]


def plain(page: str) -> str:
    """The text of a page without its markup."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    body = re.sub(r"</?(?:b|bdi|code|span|a|time|wbr)\b[^>]*>", "", body)
    body = re.sub(r"<[^>]+>", " ", body)
    return re.sub(r"\s+", " ", std_html.unescape(body))


@pytest.mark.parametrize("page", EVERY, ids=["en", "zh", "compare"])
def test_page_runs_and_loads_nothing(page: str) -> None:
    """No script, no handler, no source but the page itself; the policy lets only its style in."""
    outline = Outline(page)
    policy = re.search(r'Content-Security-Policy content="([^"]+)"', page)
    css = page[page.index("<style>") + 7 : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()

    assert policy
    assert policy[1].startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert css == shorter(used(style(), page))
    assert {"script", "iframe", "object", "img", "form"}.isdisjoint(outline.tags)
    assert not [k for k, _ in outline.attributes if k.startswith("on") or k == "style"]
    assert "@import" not in page
    assert "url(" not in page
    for link in outline.links:
        assert link.startswith(("#", "data:,", "https://", "private/", "plain/"))


@pytest.mark.parametrize("page", EVERY, ids=["en", "zh", "compare"])
def test_page_is_whole(page: str) -> None:
    """Elements close, ids are unique, and every reference inside the page finds its target."""
    outline = Outline(page)
    wanted = {link[1:] for link in outline.links if link.startswith("#")}
    for key, value in outline.attributes:
        if key == "aria-labelledby":
            wanted |= set((value or "").split())

    assert page.startswith("<!DOCTYPE html>")
    assert len(outline.ids) == len(set(outline.ids))
    assert wanted <= set(outline.ids)
    assert outline.tags.count("h1") == 1
    assert outline.tags.count("main") == 1


@pytest.mark.parametrize("page", EVERY, ids=["en", "zh", "compare"])
def test_hostile_names_are_text(page: str) -> None:
    """Names from the data neither run, nor turn the text around, nor stretch the page."""
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert chr(0x202E) not in page


def test_long_names_are_cut_with_the_whole_at_hand() -> None:
    """A name of 300 characters is cut where it stands, and whole in its tooltip."""
    assert f'title="{fixture.LONG}"' in quoted(PAGES["en"])
    assert fixture.LONG not in plain(PAGES["en"])


def test_the_verdict_comes_first() -> None:
    """The worst verdict in one sentence stands before any other number; then come the chapters."""
    text = plain(PAGES["en"])
    body = text[text.index("Outside limit") :]
    order = ["4 of 19 judged findings lie outside", "Findings by chapter", "Not measured",
             "What the maker promises", "Whose limits", "What do the generated records give away",
             "Does the generator treat groups", "Does what is generated harm",
             "none of these readings is a legal judgement", "Are the samples still of use",
             "How to read this report", "The limits of the policy", "What flowed into",
             "The command that made the audit"]  # fmt: skip
    places = [body.index(words) for words in order]

    assert places == sorted(places)


def test_page_one_says_what_an_officer_needs() -> None:
    """Outside findings with number, interval and limit; what is missing; limits and claim."""
    text = plain(PAGES["en"])

    assert "3.1% (95% CI 2.5% to 3.7%), limit: at most 1%." in text
    assert "not estimable: only 12 non-members" in text
    assert "Not run, as this was not given: train." in text
    assert "Crashed with ValueError at personal_data.py:41" in text
    assert "Attacks that train shadow models" in text
    assert "bias.downstream.gap_change" in text
    assert "These are the default limits of the tool" in text
    assert "by a factor of at most 20.1, except with a chance of about 1 in 100,000" in text
    assert "recognise at most 20.1% of those" in text
    assert "This report is not covered by ε" in text
    assert "4 of 6 audits ran. 1 failed. 1 was skipped" in text


def test_a_report_that_was_born_expired_says_so() -> None:
    """The page knows no day but that of its audit, so it is the same on every day."""
    report = fixture.report()
    began = (report.provenance.started or "")[:10]
    pages = [to_html(report.model_copy(update={"context": {"valid_until": day}}), lang)
             for day in ("2001-01-01", began) for lang in ("en", "zh")]  # fmt: skip

    assert ["expired before this audit" in page for page in pages] == [True, False, False, False]
    assert "在本次审计之前已过期" in pages[1]


def test_a_report_that_has_expired_since_says_so_from_then_on() -> None:
    """Made before its last day was over a page is the same on every day."""
    report = fixture.report()
    began = dt.date.fromisoformat((report.provenance.started or "")[:10])
    dated = report.model_copy(update={"context": {"valid_until": began.isoformat()}})
    late = to_html(dated, on=began + dt.timedelta(days=1))

    assert to_html(dated, on=began) == to_html(dated)
    assert "expired since; nothing passes by it" in late
    assert "此后已过期" in to_html(dated, "zh", began + dt.timedelta(days=1))


def test_without_a_claim_the_page_says_so() -> None:
    """A subject that promises nothing is said to promise nothing."""
    assert "It makes no privacy claim" in plain(to_html(fixture.report(claim=False)))


@pytest.mark.parametrize(
    ("epsilon", "factor"), [(3, "20.1"), (700, "1.01 × 10³⁰⁴"), (1000, "10⁴³⁵"), (1e6, "10⁴³⁴²⁹⁵")]
)
def test_odds_of_a_large_epsilon_are_not_understated(epsilon: float, factor: str) -> None:
    """Beyond what a float holds it is the power of ten above e^ε: e^1000 = 1.97 × 10⁴³⁴."""
    text = Text("en")
    said, *_ = view.Sentences(text, Numbers(text)).claim(Claim(epsilon=epsilon, delta=0))

    assert f"by a factor of at most {factor}." in said


@pytest.mark.parametrize(
    ("epsilon", "delta", "reach"),
    [(3, 1e-5, 0.2009), (0.1, 0, 0.01105), (8, 1e-6, 0.99967), (700, 0, 1)],
)
def test_reach_of_an_attacker(epsilon: float, delta: float, reach: float) -> None:
    """True positives at 1% false positives under (ε, δ): e^ε/100 + δ, or 1 - e^-ε (0.99 - δ)."""
    text = Text("en")
    said = view.Sentences(text, Numbers(text)).claim(Claim(epsilon=epsilon, delta=delta))

    assert f"at most {text.percent(reach)} of" in said[1]


def test_every_estimate_is_on_the_page() -> None:
    """Each finding's number, interval and sample size can be read, in both languages alike."""
    for lang, page in PAGES.items():
        text, numbers = plain(page), Numbers(Text(lang))
        for _, finding in REPORT.findings():
            # In a table of points alone the unit stands over all of them.
            for beside in ([], [finding]):
                said = numbers.estimate(finding.estimate, finding.limit, beside)
                if said in text:
                    break
            assert said in text
            assert Text(lang).decimal(finding.estimate.n, 0) in text


def test_languages_show_the_same_numbers() -> None:
    """Both pages hold the same percentages; only the words differ."""
    found = [sorted(re.findall(r"−?\d[\d,.]*%", plain(page))) for page in PAGES.values()]

    assert found[0] == found[1]


def test_chinese_page_is_chinese() -> None:
    """Language of the root, chapters and verdicts; terms as the field writes them."""
    page = PAGES["zh"]

    assert '<html lang="zh-Hans">' in quoted(page)
    for word in (
        "隐私与安全",
        "算法偏见",
        "内容与道德责任",
        "法律责任",
        "质量",
        "超出限值",
        "无法判断",
    ):
        assert word in page
    assert "第 15 条第 5 款" in page


def test_verdicts_are_words_and_symbols() -> None:
    """Beside every symbol stands its word, so that colour is never needed."""
    badges = re.findall(r'<use href="#v-(\w+)" /></svg>([^<]+)</span>', quoted(PAGES["en"]))
    words = {v.value: Text("en").say(f"page.word.{v.value}") for v in Verdict}

    assert {v for v, _ in badges} >= {"ok", "out", "ask", "info"}
    assert {w for v, w in badges if v in ("ok", "out")} <= {
        *words.values(), "Evidence outside a limit", "Evidence within limits",
    }  # fmt: skip


def test_no_number_is_never_a_pass() -> None:
    """A finding without a number shows its reason, and no page prints nan, None or inf."""
    for page in EVERY:
        assert not re.search(r"\b(nan|NaN|None|inf|Infinity|Undefined)\b", plain(page))
    assert "not estimable" in plain(PAGES["en"])


def test_equal_reports_are_equal_pages() -> None:
    """The same audit.json gives the same bytes, also after a round trip; no clock is read."""
    again = json.loads(json.dumps(fixture.report()))

    assert to_html(again) == PAGES["en"]
    assert "202" not in re.sub(
        r"<style>.*?</style>|20(23|27)[-\d]*|U\+202E", "",
        plain(to_html(fixture.report(times=False).model_copy(update={"controls": ()}))),
    )  # fmt: skip


def _answered(modality: str = "table", **answers: bool) -> AuditReport:
    """The report with these answers on applicability, and its clauses read anew."""
    context: dict[str, JsonValue] = {"applicability": dict(answers)}
    controls = tuple(readings(REPORT.sections, context, modality))
    return REPORT.model_copy(update={"context": context, "controls": controls})


def test_clauses_that_apply_come_first() -> None:
    """By regulation, with the operator's answer; a clause that was not read has few words."""
    report = _answered(uk_gdpr=True, eu_ai_act_high_risk=False)
    text = plain(to_html(report))

    assert text.index("UK ICO guidance") < text.index("China: PIPL")
    assert "used to train the generator? Declared: yes." in text
    assert "used to train the generator? cn_personal_information" in text
    assert "Applicability not declared: Article 51; Articles 55 and 56; Article 73(4)" in text
    assert "That anonymisation was effective" in text
    assert "Anonymisation as the article defines it" not in text
    assert "Declared not applicable: Article 9(8); Article 10(2)(f) and (g); Article 10(3);" in text
    assert "Technical measures address attacks" not in text


def test_the_page_says_what_was_read_in_a_draft() -> None:
    """Under the heading of a text, and beside a clause that is only partly well supported."""
    report = fixture.report()
    applies: dict[str, JsonValue] = {"nist_sp_800_226": True, "gdpr_impact_assessment": True}
    controls = tuple(readings(report.sections, {"applicability": applies}))
    en, zh = (to_html(report.model_copy(update={"controls": controls}), x) for x in ("en", "zh"))

    assert "Sections were read in the public draft" in en
    assert "The article is well supported; the EDPB template" in en
    assert "公开征求意见稿" in zh
    assert "EDPB 的影响评估模板" in zh


def test_the_page_says_that_a_clause_names_no_tables() -> None:
    """Of Article 50(2) a table's page says so itself; that of images reads it as any other."""
    applies = {"eu_ai_act_generates_content": True}
    table, image = (plain(to_html(_answered(m, **applies))) for m in ("table", "image"))

    assert "Not about data of this kind: Article 5(1), point added in 2026; Article 50(2)" in table
    assert "EU-50-2" not in table
    assert "Article 50(2) EU-50-2 Not measured" in image


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_clauses_stay_small(lang: str) -> None:
    """All clauses, none of them declared to apply: what they add leaves room for the findings."""
    bare = len(to_html(REPORT.model_copy(update={"controls": ()}), lang).encode())

    assert len(to_html(_answered(), lang).encode()) - bare < 10_000
    everything = _answered(**dict.fromkeys(questions(), True))
    assert len(to_html(everything, lang).encode()) - bare < 46_000


@pytest.mark.parametrize(
    ("lang", "days"),
    [("en", ["31 Dec 2026", "5 Mar 2027", "2 Nov 2026, 10:00 UTC"]),
     ("zh", ["2026年12月31日", "2027年3月5日", "2026年11月2日 10:00（协调世界时）"])],
)  # fmt: skip
def test_days_are_written_by_cldr(lang: str, days: list[str]) -> None:
    """Of the operator, of clauses, of limits, of the audit: none as a machine writes it."""
    expiring = REPORT.policy.limits[0].model_copy(update={"expires": dt.date(2027, 3, 5)})
    answered = _answered(**dict.fromkeys(questions(), True))
    policy = answered.policy.model_copy(update={"limits": (expiring, *answered.policy.limits[1:])})
    context = {**answered.context, "valid_until": "2026-12-31", "reviewed": "2026-12-31"}
    page = to_html(answered.model_copy(update={"policy": policy, "context": context}), lang)
    text = plain(page)

    assert [day for day in days if day not in text] == []
    assert re.findall(r"\d{4}-\d\d-\d\d", text) == []


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "{a = 1, b = [yes, no, x, 31 Dec 2026, –]}"),
     ("zh", "{a = 1，b = [是，否，x，2026年12月31日，–]}")],
)  # fmt: skip
def test_what_was_declared_is_no_python(lang: str, said: str) -> None:
    """Neither True nor quotes: a person declared it, and a person reads it."""
    text = Text(lang)
    value: JsonValue = {"a": 1, "b": [True, False, "x", "2026-12-31", None]}
    report = REPORT.model_copy(update={"context": {"flag": True, "more": value}})

    assert declared(value, text) == said
    assert ("flag", {"en": "yes", "zh": "是"}[lang]) in context_rows(report, text)
    assert said in plain(to_html(report, lang))


def test_a_share_limit_that_nothing_was_held_against_is_a_share() -> None:
    """It reads as it would beside a measurement, and so does a limit on points."""
    text = plain(to_html(REPORT.model_copy(update={"sections": ()})))

    assert "privacy.ensemble.tpr_at_1pct_fpr at most 5%" in text
    assert "bias.cost.accuracy_gap_change within ±5 pp" in text
    assert "privacy.ensemble.auc at most 0.55" in text


def test_foreign_links_are_not_printed() -> None:
    """A control whose address is a script is shown without a link."""
    bad = REPORT.controls[0].model_copy(update={"url": "javascript:alert(1)"})
    source = bad.source and bad.source.model_copy(update={"url": "javascript:alert(2)"})
    old, new = (bad.model_copy(update={"source": s}) for s in (None, source))
    page = "".join(to_html(REPORT.model_copy(update={"controls": (c,)})) for c in (bad, old, new))

    assert "javascript:" not in page


def test_empty_report() -> None:
    """A report of nothing says that nothing was measured, and is free of limits without any."""
    empty = REPORT.model_copy(update={"sections": (), "controls": (), "ledger": None})
    text = plain(to_html(empty))
    free = empty.model_copy(update={"policy": REPORT.policy.model_copy(update={"limits": ()})})

    assert "were held against nothing" in text
    assert "No finding was judged." in text
    assert "Every judged finding" not in text
    assert "Nothing was judged: the policy sets no limit" in plain(to_html(free))
    assert text.count("nothing was measured") == 4


def test_sections_of_other_packages_are_shown() -> None:
    """A chapter that genaudit does not know comes after its own."""
    found = [f.model_copy(update={"metric": f"energy.{i}"})
             for i, f in enumerate(REPORT.sections[0].findings)]  # fmt: skip
    more = REPORT.sections[0].model_copy(update={"audit": "energy.use", "findings": tuple(found)})
    report = REPORT.model_copy(update={"sections": (*REPORT.sections, more)})

    assert view.chapters(report) == [*view.CHAPTERS, "energy"]
    assert "energy" in plain(to_html(report))


def test_many_groups_fold_away() -> None:
    """The worst groups stay open; the rest folds away and is still on the page."""
    metric = view.metrics(fixture.representation())[0]
    page = PAGES["en"]

    assert [view.severity(f) for f in metric.findings] == sorted(
        map(view.severity, metric.findings)
    )
    assert "4 more groups" in plain(page)
    assert "group 7" in plain(page)


def test_a_table_of_groups_is_not_named_after_its_first_group() -> None:
    """Where a label names its group, the heading over all groups leaves the name out."""
    first, second = (
        REPORT.sections[2].findings[i].model_copy(
            update={"label": message("x", "Share of {group} in {where}", group=name,
                                     where="samples"),
                    "heading": None, "group": {"sex": name}}
        )
        for i, name in enumerate(("Female", "Male"))
    )  # fmt: skip

    assert Text("en")(view.Metric("m", (first, second)).label) == "Share of … in samples"
    assert Text("en")(view.Metric("m", (first,)).label) == "Share of Female in samples"
    assert Text("en")(view.Metric("m", (first, first)).label) == "Share of Female in samples"
    assert view.names_its_group(first)
    assert not view.names_its_group(first.model_copy(update={"group": {"sex": "Male"}}))


def test_a_table_of_groups_has_a_heading_of_its_own() -> None:
    """Over several groups stands the heading, on a report and in a comparison; nowhere a hole."""
    several, single = view.metrics(fixture.representation())[0], fixture.copies().findings[:1]

    assert Text("en")(several.label) == "Shares of groups, samples minus real data"
    assert Text("en")(view.Metric("m", single).label) == Text("en")(single[0].label)
    for page in EVERY:
        headings = re.findall(r"(?:<header>|class=pairs>)<h4\b[^>]*>(.*?)</h4>", page)
        assert headings
        assert not any("…" in plain(heading) for heading in headings)


def test_sources_stand_in_full() -> None:
    """A source can be looked up: no citation is cut, in either language."""
    long = "Somebody & Somebody Else 2019, " + "A Title of Many Words, " * 20 + "section 4"
    cited = REPORT.sections[0].model_copy(update={"source": long})
    report = REPORT.model_copy(update={"sections": (cited, *REPORT.sections[1:])})

    for lang in ("en", "zh"):
        text = plain(to_html(report, lang))
        assert all(s.source in text for s in report.sections)


@pytest.mark.parametrize("page", [*PAGES.values(), COMPARED])
def test_headings_are_in_order(page: str) -> None:
    """One first heading, and no level is left out on the way down."""
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", page)]

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_times_are_for_people() -> None:
    """A time stands without its T and Z; one that is not written as ours stands as it is."""
    for lang, said in (
        ("en", "2 Nov 2026, 10:00 UTC"),
        ("zh", "2026年11月2日 10:00（协调世界时）"),
    ):
        page = to_html(REPORT, lang)
        assert f'<time datetime="2026-11-02T10:00:00Z">{said}</time>' in quoted(page)
    assert moment("<b>", Text("en")) == "&lt;b&gt;"


def test_a_note_of_all_stands_once() -> None:
    """Groups with a number share one note: it is no column that repeats it in each row."""
    note = message("n", "Each trained on 450 rows.")
    section = REPORT.sections[2]
    noted = [f.model_copy(update={"note": note if i else None})
             for i, f in enumerate(section.findings)]  # fmt: skip
    section = section.model_copy(update={"findings": tuple(noted)})

    page = plain(to_html(REPORT.model_copy(update={"sections": (section,)})))
    assert page.count("Each trained on 450 rows.") == 1


def test_what_is_exact_raises_no_false_alarm() -> None:
    """The words "not calibrated" stand beside what was estimated, and not beside a count."""
    exact = Estimate.exact(0.0, n=22, method="count", unit="touches")
    finding = (
        REPORT.sections[0]
        .findings[0]
        .model_copy(update={"estimate": exact, "false_alarm_rate": None})
    )
    keys = {fact.id for fact in view.facts(view.Metric("m", (finding,)), Numbers(Text("en")))}

    assert "false_alarms" not in keys


#: Three English words or more in a row.
ENGLISH = re.compile(r"[A-Za-z]+(?:[ ,;:]+[A-Za-z]+){2,}")


def foreign(report: AuditReport, lang: str = "zh") -> list[str]:
    """English on a page but for names: of the data, of sources and laws, of what was typed."""
    context = [str(word) for pair in report.context.items() for word in pair]
    cited = [s.source for s in report.sections] + [c.regulation for c in report.controls]
    names = [report.subject.name, report.provenance.command, *context, *cited]
    text = plain(to_html(report, lang)).replace(str(report.subject.digest), "")
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "|", text)
    return ENGLISH.findall(text)


def test_chinese_page_holds_no_english() -> None:
    """Series, groups, units, methods, reasons of limits and the ledger are said in Chinese too."""
    assert foreign(REPORT) == []
    assert len(foreign(REPORT, "en")) > 100


def test_a_policy_of_ones_own_stays_as_it_is_written() -> None:
    """Only the bundled reasons are translated; a changed one is the operator's own text."""
    own = REPORT.policy.limits[0].model_copy(update={"rationale": "We decided so in May."})
    policy = REPORT.policy.model_copy(update={"limits": (own, *REPORT.policy.limits[1:])})
    text = plain(to_html(REPORT.model_copy(update={"policy": policy}), "zh"))

    assert "We decided so in May." in text
    assert "样本须遵守所声明的类别" in text


def test_a_training_is_one_line_of_the_ledger() -> None:
    """Twenty parts of 60 steps are one line of 1,200 steps, and the heading is not repeated."""
    text = plain(PAGES["en"])

    assert "private training, in 20 parts" in text
    assert "Gaussian, noise multiplier 3.627, Poisson rate 0.07, 1,200 steps" in text
    assert text.count("private training") == 1
    assert text.count("What flowed into the released model") == 1
    assert text.count("What flowed into this report") == 1


def test_ledger_and_policy_are_cards_on_a_phone() -> None:
    """Both tables carry the names of their columns in each cell, for where no head is shown."""
    page = quoted(PAGES["en"])
    for labels in ("Kind,Mechanism", "Limit,Rationale"):
        assert all(f'data-label="{label}"' in page for label in labels.split(","))
    assert page.count('<table class="cards">') == 3


def test_ceiling_and_detectable_are_one_statement() -> None:
    """A ceiling below what is detectable is no contradiction, and the words say why."""
    finding = (
        REPORT.sections[0].findings[0].model_copy(update={"ceiling": 0.183, "detectable": 0.23})
    )
    [power] = [f for f in view.facts(view.Metric("m", (finding,)), Numbers(Text("en")))
               if f.id == "power"]  # fmt: skip

    assert power.cells == (
        "Detectable: a true 23.0% would be flagged four times out of five. "
        "Ceiling: had everything leaked, the interval would begin at 18.3%.",
    )


def test_a_figure_says_the_limit_of_its_metric() -> None:
    """A limit stands in words under the figure's title and as a line in its bars."""
    text = plain(PAGES["en"])

    assert "Limit of privacy.copies.exact: at most 1%." in text
    assert quoted(PAGES["en"]).count('class="edge"') > 1


def test_size() -> None:
    """A page is small enough to send by mail."""
    assert all(len(page.encode()) < 150_000 for page in EVERY)


def test_no_word_claims_too_much() -> None:
    """Templates and pages say nothing that an audit cannot know."""
    folder = files("genaudit.render") / "templates"
    templates = [f.read_text("utf-8") for f in folder.iterdir()]

    for text in (*templates, *map(plain, EVERY)):
        assert claims(text) == []


def test_unknown_language() -> None:
    """Another language is refused."""
    with pytest.raises(OptionError, match="'de'"):
        to_html(REPORT, "de")


def tokens(scheme: str) -> dict[str, str]:
    """Colours of one scheme by name."""
    first, dark = re.findall(r":root\{([^}]+)\}", style())[:2]
    return dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", first if scheme == "light" else dark))


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Contrast ratio by WCAG 2.2."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    """Every text colour has 4.5:1 on every ground that it stands on, every mark 3:1."""
    colour = tokens(scheme)
    grounds = [colour[g] for g in ("bg", "panel", "out-bg", "tell-bg", "in-bg", "info-bg")]

    for text in ("ink", "muted", "link", "out", "tell", "in", "info", "none"):
        assert min(contrast(colour[text], g) for g in grounds) >= 4.5, text
    for mark in ("s0", "s1", "s2", "s3", "s4", "s5"):
        assert contrast(colour[mark], colour["bg"]) >= 3, mark


def test_style_leaves_widths_of_marks_alone() -> None:
    """A rule of the style sheet would win over the width in which an interval was drawn."""
    rules = re.findall(r"(\.strip[^{]*)\{([^}]*)\}", style())
    drawn = [body for name, body in rules if name == ".strip rect"]

    assert len(drawn) == 1
    assert "width" not in drawn[0]


def test_print_uses_the_light_colours() -> None:
    """On paper the colours are those of the light scheme, and folded tables are printed."""
    printed = style()[style().index("@media print") :]

    assert "@media screen and (prefers-color-scheme:dark)" in style()
    assert printed.startswith("@media print{:root{color-scheme:light}")
    assert not re.findall(r"--([\w-]+):(#[0-9a-f]{6})", printed)
    assert "details::details-content{content-visibility:visible;block-size:auto}" in printed


def test_comparison_shows_each_report() -> None:
    """Side by side: both verdicts, both claims, both links, and each metric with both numbers."""
    text = plain(COMPARED)

    assert "2 reports side by side" in text
    assert text.count("4 of 19 judged findings lie outside") == 2
    assert "ε = 3, δ = 10⁻⁵" in text
    assert "It makes no privacy claim" in text
    assert 'href="private/report.html"' in COMPARED
    assert text.count("3.1% (95% CI 2.5% to 3.7%), limit: at most 1%") == 2
    assert quoted(COMPARED).count('<th scope="row">') == 6 + 14  # one of 7 metrics has 14 groups
    assert quoted(COMPARED).count('class="forest"') == 4


def test_comparison_says_what_one_report_lacks() -> None:
    """A metric of one report alone is "not measured" in the other, and draws no chart."""
    less = REPORT.model_copy(update={"sections": REPORT.sections[2:]})
    page = compare([REPORT, less], ["a.html", "b.html"], lang="zh")

    assert plain(page).count("未测量") == 4
    assert quoted(page).count('class="forest"') == 1


@pytest.mark.parametrize(("reports", "links"), [([REPORT], ["a"]), ([REPORT, REPORT], ["a"])])
def test_comparison_needs_two_reports(reports: list[AuditReport], links: list[str]) -> None:
    """One report is no comparison; each needs its link."""
    with pytest.raises(OptionError, match="two or more"):
        compare(reports, links)


def test_all_states_are_in_the_fixture() -> None:
    """The fixture holds every verdict and status, so the tests above see all of them."""
    assert {f.verdict for _, f in REPORT.findings()} == set(Verdict)
    assert {s.status for s in REPORT.sections} == set(Status)


def test_points_are_said_once_in_a_table_of_points() -> None:
    """Over the table, or behind the interval where other numbers stand beside them."""
    numbers = Numbers(Text("en"))
    [points, share] = [
        Finding(metric="m", label=message("l", "L"),
                estimate=Estimate.of(0.02, lambda _: (0.01, 0.03), n=9, method="toy", unit=unit))
        for unit in ("difference of shares", "share")
    ]  # fmt: skip
    e = points.estimate

    assert numbers.heading([points]) == "Value in pp (95% CI)"
    assert numbers.estimate(e, beside=[points]) == "+2.0 (+1.0 to +3.0)"
    assert numbers.heading([points, share]) == "Value (95% CI)"
    assert numbers.estimate(e, beside=[points, share]) == "+2.0 (+1.0 to +3.0 pp)"
    assert numbers.estimate(e) == "+2.0 pp (95% CI +1.0 to +3.0 pp)"


def test_a_table_of_a_curve_leaves_out_chance() -> None:
    """Its rows are the diagonal; the drawing keeps it, as does a table that has nothing else."""
    diagonal = tuple(("chance", x, x) for x in (0.1, 1.0))
    curve = next(f for s in REPORT.sections for f in s.figures if f.kind == "curve")
    both = curve.model_copy(update={"rows": (("a", 0.1, 0.3), *diagonal)})
    alone = curve.model_copy(update={"rows": diagonal})
    shown = [to_html(_with_figure(f)) for f in (both, alone)]

    assert ["<th>chance<td>" in page for page in shown] == [False, True]
    assert all("chance</text>" in page for page in shown)


def _with_figure(figure: Figure) -> AuditReport:
    section = REPORT.sections[0].model_copy(update={"figures": (figure,)})
    return REPORT.model_copy(update={"sections": (section,)})
