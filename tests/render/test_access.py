"""Pages for everybody: no violation of WCAG 2.2 AA that axe finds, no error of the HTML validator.

axe-core and the Nu HTML checker come from npm (`npm install --prefix .venv/.npm axe-core vnu-jar`);
the checker needs Java. What is absent is a skip with its reason, and a failure where
GENAUDIT_REQUIRED is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import fixture
import pytest
import test_media
from absent import absent

from genaudit.render.compare import compare
from genaudit.render.html import to_html

NPM = Path(os.environ.get("GENAUDIT_NPM", Path(__file__).parents[2] / ".venv" / ".npm"))
MODULES = NPM / "node_modules"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages as files: a report in both languages, a comparison, generated records of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    report = fixture.report()
    both = [report, fixture.report(claim=False)]
    texts = {
        "en": to_html(report),
        "zh": to_html(report, "zh"),
        "compare": compare(both, ["a.html", "b.html"]),
        **{kind: to_html(test_media.report(kind, 2)) for kind in test_media.RECORDS},
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("name", ["en", "zh"])
def test_axe_finds_nothing(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    """Not one violation of the rules for levels A and AA, folded parts open."""
    script = MODULES / "axe-core" / "axe.min.js"
    if not script.exists():
        absent("axe-core (npm)")
    # The page lets no script in, so that axe needs a browser that does not ask.
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.add_script_tag(path=str(script))
    options = {"runOnly": {"type": "tag", "values": LEVELS}, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options)", options)
    context.close()

    assert found["passes"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []


def test_the_validator_finds_nothing(pages: dict[str, Path]) -> None:
    """No error on any page, its style sheet included."""
    jar = next(MODULES.glob("vnu-jar/build/dist/vnu.jar"), None)
    java = shutil.which("java")
    if jar is None or java is None:
        absent("vnu-jar (npm) or Java")
    files = map(str, pages.values())
    done = subprocess.run(
        [java, "-jar", str(jar), "--errors-only", "--format", "gnu", *files],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    assert done.stderr.splitlines() == []
    assert done.returncode == 0
