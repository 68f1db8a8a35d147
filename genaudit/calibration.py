"""The record of a calibration: how often each metric raised a false alarm where nothing leaked.

`genaudit calibrate` measures it. The package brings the last whole run; a user's own replaces it,
in `$GENAUDIT_CALIBRATION`, else `genaudit/calibration.json` in the user's state folder.
"""

from __future__ import annotations

import hashlib
import math
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genaudit.errors import DataError, complaint
from genaudit.reading import read_text
from genaudit.result import CalibrationInfo, Estimate
from genaudit.stats.intervals import clopper_pearson

#: Chance of a false alarm that an interval allows itself, on the side that would be an alarm.
LEVEL = 0.05

#: What decides what an audit of a table finds: with one other byte a calibration is of other code.
_CODE = (
    "audits", "stats", "modalities/table", "data", "policies", "battery", "case.py", "policy.py",
    "result.py", "run.py",
)  # fmt: skip

#: Networks decide nothing there.
_NETWORKS = ("nets.py", "mixture.py")

_WHAT = "a calibration (JSON, written by `genaudit calibrate`)"


class Rate(BaseModel):
    """What one metric did in one world, in so many runs; groups of one metric count as one.

    runs: in which it had a value. above: of these, the ones in which it lay beyond its chance value
    at `LEVEL` and the audit did not doubt itself; None where it has none. limited: runs in which a
    limit judged it and it was not doubted. outside: of these, the ones beyond the limit. doubted:
    runs in which the audit itself said that it proves nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _within_runs(self) -> Self:
        if max(self.above or 0, self.limited, self.doubted) > self.runs:
            raise ValueError(f"expected at most {self.runs} of {self.runs} runs")
        if self.outside > self.limited:
            raise ValueError(f"expected at most {self.limited} of {self.limited} judged runs")
        return self

    metric: str
    world: str
    runs: int = Field(ge=1)
    above: int | None = Field(default=None, ge=0)
    limited: int = Field(default=0, ge=0)
    outside: int = Field(default=0, ge=0)
    doubted: int = Field(default=0, ge=0)


class Calibration(BaseModel):
    """A run of the battery.

    code: digest of the sources that decide what an audit finds. policy: digest of the one whose
    limits judged. alpha: of it, the chance of any false `outside` in a chapter. shifted: worlds in
    which members and non-members differ, where audits have to doubt themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tool_version: str
    code: str
    started: str
    seed: int
    policy: str = ""
    alpha: float = Field(gt=0, lt=1)
    shifted: tuple[str, ...] = ()
    rates: tuple[Rate, ...]

    @property
    def runs(self) -> int:
        """Draws of the world drawn least often; not every metric has a value in each."""
        worlds = {r.world for r in self.rates}
        return min((max(r.runs for r in self.rates if r.world == w) for w in worlds), default=0)

    def info(self, *, own: bool) -> CalibrationInfo:
        """The calibration as a report names it."""
        return CalibrationInfo(
            own=own, tool_version=self.tool_version, code=self.code,
            same_code=self.code == code_digest(), started=self.started, runs=self.runs,
        )  # fmt: skip

    def judged(self, metric: str) -> tuple[int, int] | None:
        """False `outside` of a metric and runs in which a limit judged it; None where none did."""
        mine = [r for r in self.rates if r.metric == metric and r.limited]
        return (sum(r.outside for r in mine), sum(r.limited for r in mine)) if mine else None

    def beyond(self, metric: str) -> tuple[int, int] | None:
        """Runs in which a metric lay beyond its chance value, and all; None where it has none."""
        mine = [r for r in self.rates if r.metric == metric and r.above is not None]
        n = sum(r.runs - r.doubted for r in mine)
        return (sum(r.above or 0 for r in mine), n) if n else None

    def estimate(self, metric: str, *, limited: bool) -> Estimate | None:
        """The false-alarm rate of a metric with its interval; None where it was not measured.

        limited: of its verdicts `outside`; else of its interval lying beyond chance.
        """
        counted = self.judged(metric) if limited else self.beyond(metric)
        if counted is None:
            return None
        hits, n = counted
        return Estimate.of(
            hits / n, lambda confidence: clopper_pearson(hits, n, confidence), n=n,
            method=_METHODS[limited], unit="share of runs in which nothing leaked",
        )  # fmt: skip


_METHODS = {
    True: "verdict outside in the null battery, exact binomial",
    False: "interval beyond chance at 5% in the null battery, exact binomial",
}


def allowed(n: int, level: float, errors: float = 2.0) -> float:
    """Most false alarms in n runs that agree with a rate of `level`, give or take these errors."""
    return n * level + errors * math.sqrt(n * level * (1 - level))


def read(path: str | Path) -> Calibration:
    """A calibration from its file.

    Raises:
        DataError: the file is absent, cut short or something else.
    """
    try:
        return Calibration.model_validate_json(read_text(Path(path), _WHAT, DataError))
    except ValidationError as error:
        raise DataError(
            f"Expected {_WHAT} in {path}, got one of which {complaint(error.errors()[0])}; run "
            "`genaudit calibrate` again."
        ) from error


def own_path() -> Path:
    """Where a user's own calibration stands."""
    if named := os.environ.get("GENAUDIT_CALIBRATION"):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "genaudit" / "calibration.json"


def current() -> tuple[Calibration, CalibrationInfo] | None:
    """The calibration that stands, and what a report says of it; None where there is none.

    Raises:
        DataError: the user's own is none.
    """
    if own_path().exists() or os.environ.get("GENAUDIT_CALIBRATION"):
        found = read(own_path())
        return found, found.info(own=True)
    shipped: Any = files("genaudit") / "calibration.json"
    if not shipped.is_file():
        return None
    found = read(shipped)
    return found, found.info(own=False)


@cache
def code_digest() -> str:
    """SHA-256 of the sources that decide what an audit finds."""
    root, found = files("genaudit"), hashlib.sha256()
    for name in _CODE:
        for part in sorted(_sources(root.joinpath(*name.split("/"))), key=str):
            found.update(part.read_bytes())
    return found.hexdigest()


def _sources(at: Any) -> list[Any]:
    if at.is_file():
        return [at] if at.name.endswith((".py", ".toml")) and at.name not in _NETWORKS else []
    return [source for child in at.iterdir() for source in _sources(child)]
