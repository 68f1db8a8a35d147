"""The demonstration: one real table, one recipe with and without privacy, two audits, one page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genaudit import api, progress
from genaudit.atomic import write_text
from genaudit.data import bundled
from genaudit.data.dataset import Dataset
from genaudit.errors import OptionError
from genaudit.ledger import PrivacyLedger
from genaudit.models.folder import INFO, TENSORS
from genaudit.render.compare import compare
from genaudit.result import AuditReport, Finding, Verdict

if TYPE_CHECKING:
    from rich.progress import Progress

DATASET, EPSILON, DELTA, SEED = "arrests", 3.0, 1e-5, 0


@dataclass(frozen=True)
class Variant:
    """One of the two trainings: its folder, its budget, and how the pages call it."""

    name: str
    title: str
    title_zh: str
    epsilon: float | None = None
    delta: float | None = None


VARIANTS = (
    Variant("private", f"with differential privacy (ε = {EPSILON:g})",
            f"有差分隐私（ε = {EPSILON:g}）", EPSILON, DELTA),
    Variant("plain", "without privacy", "无隐私保护"),
)  # fmt: skip

#: Language -> what the names of its pages end with.
PAGES = {"en": ".html", "zh": ".zh.html"}


#: What the last lines say of a variant, metric by metric.
_PLAIN = {
    "privacy.distance.auc": "Whoever compares people with the samples tells a member from a "
    "stranger in {value:.0%} of pairs ({low:.0%} to {high:.0%}; a coin: 50%).",
    "privacy.copies.exact": "Rows copied from training data beyond chance: {value:.1%} "
    "({low:.1%} to {high:.1%}).",
    "quality.utility.loss": "What models lose by learning from the samples: {value:z.3f} of their "
    "skill (AUC) on real rows ({low:z.3f} to {high:z.3f}; below zero they lose nothing).",
}


def run_demo(out: Path, *, say: Callable[[str], None], bars: Progress | None) -> list[str]:
    """Train, audit and report into `out`; the lines that say what was found.

    Raises:
        DataError: the package that brings the data set is not installed.
        OptionError: a folder that a model would replace holds something else.
    """
    started = time.monotonic()
    for variant in VARIANTS:
        _check_replaceable(out / variant.name / "model")
    raw, schema = bundled.load(DATASET)
    train, holdout = Dataset.of(raw, schema, DATASET).split(0.7, SEED)
    say(
        f"{DATASET}: {len(raw):,} real rows, {len(train):,} to train on, "
        f"{len(holdout):,} held out. This takes one to three minutes."
    )
    ledger = PrivacyLedger(out / "ledger.sqlite")
    (out / "index.html").unlink(missing_ok=True)  # it would compare reports that are replaced
    reports: list[AuditReport] = []
    for i, variant in enumerate(VARIANTS):
        say(f"[{2 * i + 1}/4] Training a conditional GAN {variant.title} ...")
        model = _train(variant, train, out / variant.name, ledger, bars)
        say(f"[{2 * i + 2}/4] Auditing it on rows that it never saw ...")
        report = _audit(variant, model, train, holdout, ledger, bars)
        reports.append(report)
    english, chinese = write_pages(reports, out)
    return [
        *_found(reports),
        f"({time.monotonic() - started:.0f} seconds)",
        f"Report: {english}",
        f"中文报告 (in Chinese): {chinese}",
    ]


def write_pages(reports: Sequence[AuditReport], out: Path) -> list[Path]:
    """Write the page of each variant and the one that compares them; the latter, by language."""
    found = []
    for lang, ending in PAGES.items():
        named = [_named(v, r, lang) for v, r in zip(VARIANTS, reports, strict=True)]
        for variant, report in zip(VARIANTS, named, strict=True):
            api.write_html(report, out / variant.name / f"report{ending}", lang=lang)
        links = [f"{variant.name}/report{ending}" for variant in VARIANTS]
        found.append(write_text(out / f"index{ending}", compare(named, links, lang=lang)))
    return found


def _named(variant: Variant, report: AuditReport, lang: str) -> AuditReport:
    """The report with its own names in a language; its audit.json has the English ones."""
    if lang == "en":
        return report
    subject = report.subject.model_copy(
        update={"name": f"arrests 数据集的 CGAN：{variant.title_zh}"}
    )
    context = {**report.context, "purpose": f"演示：{variant.title_zh}"}
    return report.model_copy(update={"subject": subject, "context": context})


def _check_replaceable(folder: Path) -> None:
    """Refuse to replace a folder that holds anything but a model of ours."""
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if others := held - {INFO, TENSORS}:
        raise OptionError(
            f"Expected no folder or an older model at {str(folder)!r}, got one that holds "
            f"{min(others)!r}; name another place with --out."
        )


def _train(
    variant: Variant, train: Dataset, folder: Path, ledger: PrivacyLedger, bars: Progress | None
) -> Path:
    """Train one variant; the folder of its model."""
    model = api.train(
        train.to_frame(), train.schema, model="cgan", epsilon=variant.epsilon, delta=variant.delta,
        seed=SEED, ledger=ledger, artefact=variant.name,
        progress=progress.training_bar(bars, f"Training {variant.name}"),
    )  # fmt: skip
    shutil.rmtree(folder / "model", ignore_errors=True)
    return model.save(folder / "model")


def _audit(
    variant: Variant,
    model: Path,
    train: Dataset,
    holdout: Dataset,
    ledger: PrivacyLedger,
    bars: Progress | None,
) -> AuditReport:
    """Audit one variant; write its `audit.json` beside the model."""
    report = api.audit(
        model, train=train.to_frame(), holdout=holdout.to_frame(), ledger=ledger, seed=SEED,
        command="genaudit demo",
        context={"assessed_by": "genaudit demo", "purpose": f"demonstration, {variant.title}"},
        progress=progress.audit_bar(bars, f"Auditing {variant.name}"),
    )  # fmt: skip
    named = report.subject.model_copy(update={"name": f"arrests CGAN {variant.title}"})
    report = report.model_copy(update={"subject": named})
    api.write_json(report, model.parent / "audit.json")
    return report


def _found(reports: list[AuditReport]) -> list[str]:
    lines = []
    for variant, report in zip(VARIANTS, reports, strict=True):
        count = {v: len(report.findings(v)) for v in Verdict}
        n = count[Verdict.OUTSIDE]
        lines.append(
            f"Trained {variant.title}: {n} finding{'' if n == 1 else 's'} outside their limit, "
            f"{count[Verdict.CANNOT_TELL]} that this much data cannot decide, "
            f"{count[Verdict.WITHIN]} within."
        )
        lines += [
            f"  {sentence}"
            for metric, template in _PLAIN.items()
            if (sentence := _sentence(report, metric, template))
        ]
        outside = {f.metric: f for _, f in report.findings(Verdict.OUTSIDE)}
        lines += [f"  Outside its limit: {_name(f)} ({metric})." for metric, f in outside.items()]
    return lines


def _name(finding: Finding) -> str:
    """What is measured, of no group in particular."""
    return (finding.heading or finding.label).english.rstrip(".")


def _sentence(report: AuditReport, metric: str, template: str) -> str | None:
    """A metric in plain words, None where it has no value."""
    estimate = next((f.estimate for _, f in report.findings() if f.metric == metric), None)
    if estimate is None or None in (estimate.value, estimate.low, estimate.high):
        return None
    return template.format(value=estimate.value, low=estimate.low, high=estimate.high)
