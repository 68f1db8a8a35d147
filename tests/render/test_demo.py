"""The pages of the demonstration, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import fixture
from elements import quoted

from genaudit.demo import VARIANTS, write_pages


def test_the_demo_writes_its_pages_in_both_languages(tmp_path: Path) -> None:
    """Each comparison links to reports of its own language; names of ours are said in it too."""
    for variant in VARIANTS:
        (tmp_path / variant.name).mkdir()
    english, chinese = write_pages([fixture.report(), fixture.report(claim=False)], tmp_path)
    pages = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.html")}

    assert (english.name, chinese.name, len(pages)) == ("index.html", "index.zh.html", 6)
    for path, page in pages.items():
        zh = path.name.endswith(".zh.html")
        assert ("<html lang=zh-Hans>" in page) == zh
        assert ("with differential privacy" in page) is False
        for link in re.findall(r'href="([^#"]*report[^"]*)"', quoted(page)):
            assert (path.parent / link).exists()
            assert link.endswith(".zh.html") == zh
    assert pages[chinese].count("有差分隐私（ε = 3）") > 1
    assert "演示：无隐私保护" in pages[tmp_path / "plain" / "report.zh.html"]
