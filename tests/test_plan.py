"""Plans: what runs, with which options."""

from __future__ import annotations

from pathlib import Path

import pytest

from genaudit.errors import OptionError
from genaudit.plan import AuditPlan


def _read(tmp_path: Path, content: str | bytes) -> AuditPlan:
    path = tmp_path / "plan.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return AuditPlan.read(path)


@pytest.mark.parametrize("name", ["quick", "standard", "full"])
def test_named_plans(name: str) -> None:
    """A named plan leaves the choice of audits to its name."""
    plan = AuditPlan.read(name)

    assert (plan.name, plan.audits, plan.options) == (name, None, {})
    assert plan.includes("privacy.anything") or name == "quick"


def test_a_plan_reads_as_written(tmp_path: Path) -> None:
    """Audits, options by audit and the number of samples."""
    plan = _read(
        tmp_path,
        'audits = ["privacy.copies"]\nn_samples = 50\n[options."privacy.copies"]\nx = 3\n',
    )

    assert plan == AuditPlan("plan.toml", ("privacy.copies",), {"privacy.copies": {"x": 3}}, 50)
    assert plan.includes("privacy.copies")
    assert not plan.includes("privacy.distance")


def test_an_empty_file_is_the_standard_plan(tmp_path: Path) -> None:
    """Nothing said is nothing changed."""
    assert _read(tmp_path, "").includes("privacy.copies")


@pytest.mark.parametrize(("content", "why"), [
    ("audits = ", "quick, standard, full"),
    (b"\xff", "quick, standard, full"),
    ('audits = "privacy.copies"', "audits as a list"),
    ("audits = [1]", "audits as a list"),
    ("options = 3", "one table for each audit"),
    ('[options]\n"privacy.copies" = 3', "one table for each audit"),
    ("n_samples = 1", "at least 2"),
    ("n_samples = 2.5", "at least 2"),
    ("n_samples = true", "at least 2"),
    ("n_sample = 5", "'n_sample'.*expected audits, options, n_samples"),
])  # fmt: skip
def test_a_broken_plan_is_one_sentence(tmp_path: Path, content: str | bytes, why: str) -> None:
    """The file, the field and the reason."""
    with pytest.raises(OptionError, match=why) as caught:
        _read(tmp_path, content)

    assert "plan.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_training_again_is_for_the_full_plan() -> None:
    """What trains the generator many times runs in `full`, or where a plan names it."""
    assert AuditPlan.read("full").includes("privacy.lira")
    assert not AuditPlan.read("standard").includes("privacy.lira")
    assert AuditPlan("mine", options={"privacy.lira": {"n_shadow": 20}}).includes("privacy.lira")
    assert AuditPlan("mine", audits=("privacy.lira",)).includes("privacy.lira")


def test_an_unknown_plan_is_refused() -> None:
    """A misspelt name is taken for a file, and the message lists the names."""
    with pytest.raises(OptionError, match="Expected quick, standard, full or a plan file"):
        AuditPlan.read("standrad")
