"""Pages as PDF are the same bytes, whatever else the machine was doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from genaudit.evidence import pdf

#: As Chromium writes it, with the names of elements that a quiet and a busy machine give.
PRINTED = (
    "%PDF-1.4\n/CreationDate (D:20261130101112+00'00')\n/ID (node{0:08d})\n/ID (node{2:08d})\n"
    "/Names [(node{0:08d}) 3 0 R (node{1:08d}) 4 0 R (node{2:08d}) 5 0 R]\n%%EOF\n"
)


def _browser(folder: Path, printed: str) -> str:
    """A browser that prints this."""
    content = folder / "printed"
    content.write_text(printed)
    script = folder / "chromium"
    script.write_text(
        "#!/bin/sh\nfor a; do case $a in --print-to-pdf=*) "
        f'cp {content} "${{a#--print-to-pdf=}}";; esac; done\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("names", [(101, 108, 115), (99, 106, 113)])
def test_names_of_elements_and_dates_are_settled(tmp_path: Path, names: tuple[int, ...]) -> None:
    browser = _browser(tmp_path, PRINTED.format(*names))

    content = pdf.to_pdf(browser, "<p>page</p>", "2026-11-02T10:00:00Z")

    expected = PRINTED.format(0, 1, 2).replace("20261130101112", "20261102100000")
    assert content == expected.encode()
