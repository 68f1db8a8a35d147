"""What every audit must keep to, whoever wrote it: over all `audits()`, so that none escapes."""

import dataclasses
import re
import subprocess
import sys

import media
import numpy as np
import pytest
import scores
from long import all_but
from subjects import (
    SCHEMA,
    case_of,
    degenerate,
    judged,
    make_case,
    population,
    unlabelled,
    with_canaries,
    with_numbers,
)

from genaudit.audits import CHAPTERS, audits, find
from genaudit.case import Knowledge, Outcome
from genaudit.claim import LIMITS
from genaudit.errors import OptionError
from genaudit.policy import PROMISED
from genaudit.render.text import Text, catalogue
from genaudit.render.view import metrics
from genaudit.result import Section, Status, Verdict

AUDITS = sorted(audits())

#: Attacks that ask the model itself.
ASKING = ("discriminator", "elbo", "gradient_norm", "iwae", "likelihood", "reconstruction_error",
          "teacher_forced")  # fmt: skip

#: They train again, which takes long; one more, `groundhog`, is asked in `make test` too.
SHADOWS = {f"privacy.{name}" for name in ("lira", "query_based", "rmia")}

#: Those that look at rows of tables; others are shown images here (`test_records` has all kinds).
OF_TABLES = [name for name in AUDITS if "table" in find(name).modalities]


def _ready(name, case):
    """A case with what this audit needs."""
    if name == "bias.predicted":
        return unlabelled(case)
    if name == "bias.continuous":
        return with_numbers(case)
    return with_canaries(case) if Knowledge.CANARIES in find(name).needs else case


def _honest(name, seed, n=500):
    """Fresh records of the population, of a modality that the audit looks at."""
    if name in OF_TABLES:
        return _ready(name, make_case("honest", seed, n_train=n, n_holdout=n, n_samples=n))
    return media.case_of("image", "honest", seed, n=n)


def _planted(kind):
    return lambda: make_case(kind, 21, n_train=3000, n_holdout=3000, n_samples=3000)


def _altered(**columns):
    """Fresh rows in which some columns are replaced."""
    samples, train, holdout = (population(3000, seed) for seed in (31, 32, 33))
    return lambda: case_of(samples.assign(**columns), train, holdout)


def _noisy_women():
    """Fresh rows in which a coin decides about women."""
    samples, train, holdout = (population(3000, seed) for seed in (31, 32, 33))
    rng = np.random.default_rng(34)
    coin = samples["sex"] == "Female"
    hired = np.where(coin, rng.choice(["no", "yes"], 3000), samples["hired"])
    return case_of(samples.assign(hired=hired), train, holdout)


def _leaky_text():
    columns = [c.model_dump() for c in SCHEMA.columns]
    remark = {"name": "remark", "kind": "categorical", "role": "ignored"}
    schema = SCHEMA.replace(columns=[*columns, remark])
    return case_of(population(1000, 41).assign(remark="jane@example.org"), schema=schema)


def _leaky_scores():
    case = make_case("honest", 21, n_train=3000, n_holdout=3000, n_samples=3000)
    leaky = dict.fromkeys(scores.NAMES, scores.leaky(case.train))
    return dataclasses.replace(case, subject=dataclasses.replace(case.subject, scores=leaky))


def _described_badly():
    """Women have the ages of men ten years older, and live in one region."""
    rows = population(3000, 31)
    women = rows["sex"] == "Female"
    rows["age"] = np.clip(rows["age"] + 10 * women, 18, 90)
    rows.loc[women, "region"] = "north"
    return case_of(rows, population(3000, 32), population(3000, 33))


def _useless_for_women():
    """Nine of ten times age and gain decide who is hired; of generated women they say nothing."""
    tables = [population(3000, seed) for seed in (31, 32, 33)]
    for rows in tables:
        hired = (rows["age"] + 20 * (rows["gain"] > 0) > 45) ^ (np.arange(3000) % 10 == 0)
        rows["hired"] = np.where(hired, "yes", "no")
    made = tables[0]
    lot = np.where(np.random.default_rng(0).random(3000) < 0.5, "yes", "no")
    made["hired"] = np.where(made["sex"] == "Female", lot, made["hired"])
    return case_of(*tables)


def _younger_paid_more():
    """The young have the pay of the old, and the old that of the young."""
    rows = population(3000, 31)
    rows["income"] = rows["income"] * np.exp((42 - rows["age"]) / 20)
    return with_numbers(case_of(rows.assign(income=rows["income"].clip(0, 1e6)),
                                population(3000, 32), population(3000, 33)))  # fmt: skip


#: Audit -> a planted subject that it must find; no audit comes without one. `honest` is the null
#: of them all.
PLANTED = {
    "privacy.copies": _planted("copycat"),
    "privacy.distance": _planted("copycat"),
    "privacy.density": _planted("copycat"),
    "privacy.monte_carlo": _planted("copycat"),
    "privacy.neighbourhood": _planted("copycat"),
    "privacy.likelihood_ratio": _planted("copycat"),
    "privacy.classifier": _planted("copycat"),
    "privacy.matches": _planted("half_copy"),
    "privacy.column_error": _planted("copycat"),
    "privacy.groups": _planted("copycat"),
    "privacy.records": _planted("copycat"),
    "privacy.ensemble": _planted("copycat"),
    "privacy.singling_out": _planted("copycat"),
    "privacy.linkability": _planted("copycat"),
    "privacy.inference": _planted("copycat"),
    "privacy.reconstruction": _planted("copycat"),
    "privacy.canaries": lambda: with_canaries(make_case("honest", 21), share=1.0),
    **{f"privacy.{attack}": _leaky_scores for attack in ASKING},
    "privacy.lira": _planted("copycat"),
    "privacy.rmia": _planted("copycat"),
    "privacy.query_based": _planted("copycat"),
    "privacy.groundhog": lambda: make_case("copycat", 21, n_train=35, n_holdout=200),
    "bias.representation": _planted("group_skewed"),
    "bias.downstream": _planted("group_skewed"),
    "bias.trts": _noisy_women,
    "bias.predicted": lambda: unlabelled(_planted("group_skewed")()),
    "bias.differential_fairness": _planted("group_skewed"),
    "bias.conditional": _described_badly,
    "bias.cost": _useless_for_women,
    "bias.proxies": _planted("group_skewed"),
    "bias.continuous": _younger_paid_more,
    "content.rare_copies": _planted("copycat"),
    "content.personal_data": _leaky_text,
    "quality.fidelity": _planted("mode_dropper"),
    "quality.utility": _altered(hired=np.where(np.arange(3000) % 2, "yes", "no")),
    "quality.validity": _altered(region="atlantis"),
    "quality.samples": lambda: media.case_of("image", "noise"),
}


@pytest.mark.parametrize("name", AUDITS)
def test_declares_itself(name):
    """Title, source, story, frozen options and a planted positive: none is missing."""
    audit = find(name)

    assert audit.id == name
    assert name.split(".")[0] in CHAPTERS
    assert len(audit.title.text_en) > 5
    assert len(audit.source) > 10
    assert len((audit.function.__doc__ or "").split()) > 25, "the docstring tells a story"
    assert dataclasses.is_dataclass(audit.options)
    assert audit.options.__dataclass_params__.frozen
    assert audit.needs
    assert audit.metrics
    assert all(metric.startswith(f"{name}.") for metric in audit.metrics)
    assert name in PLANTED


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
def test_options_have_a_range(name, value):
    """No option takes a number at which the audit would judge what it did not look at."""
    audit = find(name)

    for option in dataclasses.fields(audit.options):
        with pytest.raises(OptionError, match=f"Option '{option.name}'.*got {value}"):
            audit.configure({option.name: value})
        assert audit.configure({option.name: option.default}) == audit.options()


@pytest.fixture(scope="module")
def outcomes():
    """Each audit's outcome on one honest subject, computed once."""
    case, found = _honest("privacy.copies", 11, 300), {}

    def outcome(name):
        if name not in found:
            mine = _ready(name, case) if name in OF_TABLES else _honest(name, 11, 300)
            found[name] = find(name)(mine)
        return found[name]

    return outcome


@pytest.mark.parametrize("name", AUDITS)
def test_findings_are_evidence(name, outcomes):
    """Every finding has its chapter's id, a sample size, a method, a unit and an interval."""
    outcome = outcomes(name)

    assert outcome.findings
    for finding in outcome.findings:
        estimate = finding.estimate
        assert finding.metric.startswith(f"{name}.")
        assert finding.metric in find(name).metrics
        assert estimate.n > 0
        assert estimate.method
        assert estimate.unit
        if estimate.value is None:
            assert estimate.reason is not None
        else:
            assert estimate.ladder
            assert estimate.low is None or estimate.low <= estimate.value + 1e-9
            assert estimate.high is None or estimate.value <= estimate.high + 1e-9


def _messages(value):
    """Every message inside a finding or a figure."""
    if isinstance(value, dict):
        if "text_en" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _messages(item)


def test_every_metric_is_explained():
    """One line in plain words says what a metric is, its unit, and which direction is better."""
    metrics = {m for name in AUDITS for m in find(name).metrics} | {*LIMITS, *PROMISED}
    better = {
        "en": re.compile("(lower|higher|nearer to zero) is better|nor low is good|For comparison"),
        "zh": re.compile("越低越好|越高越好|越接近零越好|本身无好坏|供对照"),
    }

    for lang, pattern in better.items():
        about = {k[6:]: v for k, v in catalogue(lang).items() if k.startswith("about.")}
        assert set(about) == metrics
        for said in about.values():
            assert pattern.search(said) or pattern.search(said.lower())


def test_an_outcome_holds_each_metric_once(outcomes):
    """An audit that tells two numbers for one metric and group fails instead of telling them."""
    first = outcomes("quality.utility").findings[0]

    with pytest.raises(ValueError, match=f"'{first.metric}' twice"):
        Outcome((first, first))


@pytest.mark.parametrize("name", AUDITS)
def test_all_words_are_said_in_chinese(name, outcomes):
    """Sentences, methods, units, headings and series have their Chinese; no label has a hole."""
    outcome, zh = outcomes(name), catalogue("zh")
    parts = [p.model_dump() for p in (*outcome.findings, *outcome.figures, *outcome.not_measured)]
    estimates = [e for f in outcome.findings for e in (f.estimate, f.null, f.baseline) if e]
    cells = {c for f in outcome.figures for row in f.rows for c in row if isinstance(c, str)}
    words = {text for f in outcome.figures for text in f.words}
    names = {c.name for c in SCHEMA.columns} | {"AUC"}

    for said in _messages(parts):
        assert said["id"] in zh or said["texts"].get("zh"), said["text_en"]
    for estimate in estimates:
        assert f"method:{estimate.method}" in zh
        assert f"unit:{estimate.unit}" in zh
    assert {c for c in cells - words - names if not c.endswith(" (sex)") and not c.isdigit()} == (
        set()
    )
    for metric in metrics(Section(audit=name, title=find(name).title, status=Status.RAN,
                                  findings=outcome.findings)):  # fmt: skip
        assert "…" not in Text("en")(metric.label)


@pytest.mark.parametrize("name", all_but({*AUDITS} - SHADOWS, AUDITS))
def test_same_seed_same_findings(name, outcomes):
    """Two cases from the same rows and seed give equal outcomes."""
    assert find(name)(_honest(name, 11, 300)) == outcomes(name)


@pytest.mark.parametrize("name", OF_TABLES)
@pytest.mark.parametrize("fault", sorted(degenerate()))
def test_broken_samples_are_findings(name, fault):
    """Samples that a broken generator makes give findings, never a crash."""
    case = case_of(degenerate()[fault], population(200, 1), population(200, 2))

    assert find(name)(_ready(name, case)).findings


#: Attacks that see nothing but samples.
ATTACKS = ("classifier", "column_error", "density", "distance", "ensemble", "groups",
           "likelihood_ratio", "monte_carlo", "neighbourhood", "records")  # fmt: skip

#: Attacks whose guesses are right or wrong.
RISKS = ("inference", "linkability", "reconstruction", "singling_out")

#: Audits that deal the samples to parts, or take some, by a random stream: another order of rows
#: gives other parts.
DEALT = {
    *(f"bias.{name}" for name in ("conditional", "continuous", "cost", "downstream", "proxies")),
    *(f"privacy.{attack}" for attack in (*ATTACKS, *RISKS)),
    *(f"privacy.{attack}" for attack in ATTACKS),
    *(f"privacy.{attack}" for attack in ("groundhog", "lira", "query_based", "rmia")),
    "quality.fidelity",
    "quality.utility",
}


@pytest.mark.parametrize("name", all_but({*OF_TABLES} - SHADOWS, OF_TABLES))
def test_rows_keep_their_meaning_in_any_order(name):
    """Samples in another order give equal numbers; where rows are dealt to parts, near ones."""
    rows, train, holdout = (population(450, seed) for seed in (3, 4, 5))
    shuffled = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    one, other = (
        {(f.metric, *f.group.items()): f.estimate
         for f in find(name)(_ready(name, case_of(s, train, holdout))).findings}
        for s in (rows, shuffled)
    )  # fmt: skip

    assert one.keys() == other.keys()
    assert any(e.value is not None for e in one.values())
    for a, b in ((one[key], other[key]) for key in one):
        assert (a.value, a.n) == (b.value, b.n) or (name in DEALT and a.n == b.n)
        if a.value is not None and None not in (a.low, a.high):
            assert max(a.low, b.low) <= min(a.high, b.high)
        if a.value is not None and a.low is not None:
            # A lower bound has no upper end.
            high = min(np.inf if e.high is None else e.high for e in (a, b))
            assert max(a.low, b.low) <= high


def test_audits_never_load_torch():
    """All audits run in a fresh interpreter without torch or Opacus."""
    code = (
        "import sys\n"
        "sys.path.append('..')\n"
        "import media\n"
        "from subjects import make_case, with_canaries\n"
        "from genaudit.audits import audits\n"
        "case = make_case('honest', 1, n_train=60, n_holdout=60, n_samples=60)\n"
        "case = with_canaries(case)\n"
        "text = media.case_of('text', n=60)\n"
        "for audit in audits().values(): audit(case if 'table' in audit.modalities else text)\n"
        "sys.exit(bool({'torch', 'opacus'} & set(sys.modules)))\n"
    )
    folder = __file__.rpartition("/")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=False, timeout=120)

    assert done.returncode == 0


@pytest.mark.parametrize("name", AUDITS)
def test_an_honest_subject_is_not_accused(name):
    """Fresh rows of the population are outside no limit."""
    for seed in (101, 102):
        findings = judged(name, _honest(name, seed))

        assert not [f.metric for f in findings if f.verdict is Verdict.OUTSIDE]


@pytest.mark.parametrize("name", all_but({*AUDITS} - SHADOWS, AUDITS))
def test_a_planted_fault_is_found(name):
    """Outside a limit; without one, an interval that does not meet an honest subject's."""
    found = judged(name, PLANTED[name]())
    if any(f.limit for f in found):
        assert Verdict.OUTSIDE in {f.verdict for f in found}
        return
    honest = judged(name, _honest(name, 21, 3000 if name in OF_TABLES else 500))
    pairs = [(f.estimate, h.estimate) for f in found for h in honest
             if (f.metric, f.group) == (h.metric, h.group)]  # fmt: skip

    assert any(
        f.low > h.high or f.high < h.low
        for f, h in pairs
        if f.value is not None and h.value is not None
    )


def test_subjects_are_what_they_say():
    """A copycat's rows are training rows; an honest subject's are not."""
    for kind, share in (("copycat", 1.0), ("half_copy", 0.5), ("honest", 0.0)):
        case = make_case(kind, 5)
        mine = set(case.train.frame["income"].dropna())
        found = case.samples.frame["income"].dropna().isin(mine).mean()

        assert np.isclose(found, share, atol=0.06)
