"""The installed wheel, not the checkout, holds templates, schemas, policies and locales."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NEEDED = [
    "genaudit/data/schemas/arrests.toml",
    "genaudit/data/schemas/adult.toml",
    "genaudit/policies/default.toml",
    "genaudit/render/schemas/audit-1.schema.json",
    "genaudit/py.typed",
    "genaudit/CHANGELOG.md",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and sdist, built from the checkout without a network."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    return out


@pytest.mark.slow
def test_wheel_holds_its_data(built: Path) -> None:
    """Wheel and sdist build, and the wheel holds every file that is read at run time."""
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    data = {
        str(p.relative_to(ROOT))
        for p in (ROOT / "genaudit").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }

    assert set(NEEDED) <= names
    assert data <= names
    assert list(built.glob("*.tar.gz"))


@pytest.mark.slow
def test_installed_wheel_runs_the_demo(built: Path, tmp_path: Path) -> None:
    """In a new environment the wheel alone runs `genaudit demo` and writes its pages."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    zipfile.ZipFile(next(built.glob("*.whl"))).extractall(site)
    # Dependencies come from this environment; genaudit itself must not.
    here = Path(sysconfig.get_path("purelib"))
    others = [p for p in here.iterdir() if "genaudit" not in p.name and p.suffix != ".pth"]
    for other in others:
        target = Path(site) / other.name
        if not target.exists():
            target.symlink_to(other)

    done = subprocess.run(
        [python, "-I", "-m", "genaudit", "demo", "--out", str(tmp_path / "demo")],
        capture_output=True, text=True, cwd=tmp_path, timeout=400, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    for name in (
        "index.html",
        "private/report.html",
        "plain/report.html",
        "plain/audit.json",
        "index.zh.html",
        "private/report.zh.html",
        "plain/report.zh.html",
    ):
        assert (tmp_path / "demo" / name).stat().st_size > 5_000
    where = subprocess.run(
        [python, "-I", "-c", "import genaudit; print(genaudit.__file__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert str(home) in where
