"""A finished report to look at: arrests data, in both languages, with pictures of page one.

`python tests/benchmarks/sample.py` writes `reports/sample/`. Halves of the real rows stand in for
the records of a generator, so that the report is the same on every machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from genaudit import api
from genaudit.data import bundled
from genaudit.result import AuditReport

HERE = Path(__file__).parents[2] / "reports" / "sample"
NAME = "Arrests in Toronto, 500 samples"
#: What an operator declares, so that the clauses of two texts are set out.
CONTEXT = {
    "assessed_by": "genaudit project",
    "purpose": "a report to look at",
    "applicability": {"personal_data": True, "nist_sp_800_226": True, "cn_labelling": False},
}
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def main() -> None:
    """Audit, write the pages, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--rows", type=int, default=500)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    report = audited(args.rows)
    for lang in ("en", "zh"):
        page = api.write_html(report, args.out / f"report.{lang}.html", lang=lang)
        for name, size in SIZES.items():
            picture(page, args.out / f"{name}.{lang}.png", size)


def audited(rows: int = 500, plan: str = "standard", *, copy: bool = False) -> AuditReport:
    """The audit of so many rows; of the training rows themselves for `copy`."""
    raw, schema = bundled.load("arrests")
    raw = raw.sample(3 * rows, random_state=0)
    train, holdout, samples = (
        raw[i * rows : (i + 1) * rows].reset_index(drop=True) for i in range(3)
    )
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=365)
    report = api.audit(
        train if copy else samples, train=train, holdout=holdout, schema=schema, plan=plan,
        context={**CONTEXT, "valid_until": until},
    )  # fmt: skip
    subject = report.subject.model_copy(update={"name": NAME})
    return report.model_copy(update={"subject": subject})


def picture(page: Path, out: Path, size: tuple[int, int]) -> None:
    """The top of a page as a small PNG, by the system's Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Expected chromium, which takes the pictures.")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", f"--user-data-dir={profile}", "--hide-scrollbars",
             f"--window-size={size[0]},{size[1]}", f"--screenshot={out}", page.resolve().as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    Image.open(out).convert("RGB").quantize(64).save(out, optimize=True)


if __name__ == "__main__":
    main()
