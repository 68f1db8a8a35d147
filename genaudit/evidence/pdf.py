"""A page as PDF, printed by the Chromium of the system: tagged, with an outline."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from genaudit.errors import OptionError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Of a page that takes two seconds.
_SECONDS = 120

#: The page asks for nothing, and what Chromium itself would ask for is switched off. Without a
#: sandbox it runs as root too; what it reads is our own page, which allows no script.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--generate-pdf-document-outline", "--no-pdf-header-footer",
)  # fmt: skip

_DATE = re.compile(rb"/(CreationDate|ModDate) \(D:\d{14}")
_NODE = re.compile(rb"\(node\d{8}\)")


def find_browser() -> str | None:
    """Where the system's Chromium is; None where it has none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def to_pdf(browser: str, page: str, at: str) -> bytes:
    """A page as PDF, whose dates say when the report was made.

    at: that time, as `2026-11-02T10:00:00Z`.

    Raises:
        OptionError: Chromium made none.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, "utf-8")
        _run([browser, *_FLAGS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}",
              source.as_uri()])  # fmt: skip
        try:
            content = made.read_bytes()
        except OSError:
            content = b""
    if not content.startswith(b"%PDF-"):
        raise OptionError(
            f"Chromium ({browser}) printed no page, so the bundle holds no PDF; print the pages "
            "by hand, or check that it runs."
        )
    day = re.sub(r"[^0-9]", "", at).encode()
    return _renumbered(_DATE.sub(lambda found: b"/%s (D:%s" % (found[1], day), content))


def _renumbered(content: bytes) -> bytes:
    """The names of tagged elements, counted from zero in their order and of their length.

    Chromium counts on from whatever it laid out before, which a busy machine changes.
    """
    names = sorted(set(_NODE.findall(content)))
    new = {name: b"(node%08d)" % k for k, name in enumerate(names)}
    return _NODE.sub(lambda found: new[found[0]], content)


def _run(command: list[str]) -> None:
    """Run to the end, or for so long; then it ends with all that it has started."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603  a program of the system, and files of our own
        command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:
        try:
            process.wait(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # there is no page then
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
