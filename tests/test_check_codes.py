"""`genaudit check` ends with the code that its contract says, whatever it prints."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from genaudit import api
from genaudit.data.schema import Schema
from genaudit.errors import OptionError
from genaudit.plan import AuditPlan

Cli = Callable[..., tuple[int, str, str]]

SCHEMA = Schema.from_dict({
    "id": "few",
    "columns": {"region": {"kind": "categorical", "categories": ["north", "south"]}},
})  # fmt: skip
PLAN = AuditPlan(name="short", audits=("quality.validity",))
METRIC = "quality.validity.invalid_rate"


def _policy(place: Path, value: float, metric: str = METRIC) -> Path:
    place.write_text(
        f'name = "p"\nowner = "o"\n[[limit]]\nmetric = "{metric}"\nvalue = {value}\n'
        'rationale = "r"\n'
    )
    return place


def _audit(folder: Path, level: str, policy: Path) -> Path:
    rows = pd.DataFrame({"region": [level] * 60})
    report = api.audit(rows, schema=SCHEMA, policy=policy, plan=PLAN)
    return api.write_json(report, folder / "audit.json")


def _within(folder: Path) -> list[Path]:
    return [_audit(folder, "north", _policy(folder / "p.toml", 0.5))]


def _outside(folder: Path) -> list[Path]:
    return [_audit(folder, "nowhere", _policy(folder / "p.toml", 0.5))]


def _wide(folder: Path) -> list[Path]:
    return [_audit(folder, "north", _policy(folder / "p.toml", 0.001))]


def _unmeasured(folder: Path) -> list[Path]:
    other = _policy(folder / "other.toml", 0.5, "privacy.distance.auc")
    return [*_within(folder), Path("--policy"), other]


def _unlimited(folder: Path) -> list[Path]:
    (folder / "none.toml").write_text('name = "p"\nowner = "o"\n')
    return [*_outside(folder), Path("--policy"), folder / "none.toml"]


def _absent(folder: Path) -> list[Path]:
    return [folder / "none.json"]


def _empty(folder: Path) -> list[Path]:
    (folder / "empty.json").touch()
    return [folder / "empty.json"]


def _cut(folder: Path) -> list[Path]:
    [place] = _outside(folder)
    place.write_text(place.read_text("utf-8")[:-200], "utf-8")
    return [place]


def _misspelt(folder: Path) -> list[Path]:
    return [*_within(folder), Path("--policy"), _policy(folder / "bad.toml", 0.5, "privcy.auc")]


def _other_limits(folder: Path) -> list[Path]:
    """A registered policy whose limit was made laxer in the report."""
    policy = _policy(folder / "p.toml", 0.5)
    api.register_policy(policy)
    place = _audit(folder, "nowhere", policy)
    told = json.loads(place.read_text("utf-8"))
    told["policy"]["limits"][0]["value"] = 1.0
    place.write_text(json.dumps(told), "utf-8")
    return [place]


CASES = [
    (0, _within), (1, _outside), (3, _wide), (3, _unmeasured), (3, _unlimited), (2, _absent),
    (2, _empty), (2, _cut), (2, _misspelt), (4, _other_limits),
]  # fmt: skip


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(("code", "make"), CASES, ids=[f"{c}{m.__name__}" for c, m in CASES])
def test_the_code_is_the_same_in_every_format(
    code: int,
    make: Callable[[Path], list[Path]],
    form: tuple[str, ...],
    tmp_path: Path,
    run_cli: Cli,
) -> None:
    """0 within, 1 outside, 2 bad input, 3 cannot tell, 4 not what its own digest says."""
    words = make(tmp_path)

    found, out, err = run_cli("check", *words, *form)

    assert found == code, err
    if code in (2, 4):
        assert out == ""
        assert err.startswith("Error: ")
    elif form:
        assert isinstance(json.loads(out), list)
    else:
        assert "Judged by the limits" in err


@pytest.mark.parametrize(("make", "code"), [(_within, 3), (_outside, 1)])
def test_an_expired_report_is_no_pass(
    make: Callable[[Path], list[Path]], code: int, tmp_path: Path, run_cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It says until when it was valid, in both forms; its last day is still one, no day is none."""
    [place] = make(tmp_path)
    told = json.loads(place.read_text("utf-8"))
    for until, said in (("2031-05-01", True), ("2031-05-02", False), ("soon", True)):
        place.write_text(json.dumps(told | {"context": {"valid_until": until}}), "utf-8")
        monkeypatch.setattr(api, "today", lambda: dt.date(2031, 5, 2))
        found, _, err = run_cli("check", place)
        as_json = run_cli("check", place, "--json")

        assert (f"was valid until {until}, and today is 2031-05-02" in err) == said
        assert found == as_json[0] == (code if said else {3: 0, 1: 1}[code])
        assert ({"metric": "valid_until", "verdict": "expired"} in json.loads(as_json[1])) == said


def test_an_audit_that_would_be_born_expired_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read; valid for its own day alone it may be."""
    rows = pd.DataFrame({"region": ["north"] * 60})
    monkeypatch.setattr(api, "today", lambda: dt.date(2031, 5, 2))

    with pytest.raises(OptionError, match="valid until 2031-05-02 at least, got 2031-05-01"):
        api.audit(rows, schema=SCHEMA, plan=PLAN, context={"valid_until": dt.date(2031, 5, 1)})
    day = api.audit(rows, schema=SCHEMA, plan=PLAN, context={"valid_until": dt.date(2031, 5, 2)})
    assert day.context["valid_until"] == "2031-05-02"
