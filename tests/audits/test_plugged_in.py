"""Audits of other packages, by their entry points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from genaudit import audits
from genaudit.errors import OptionError


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No other test sees what is plugged in here."""
    audits.audits.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    audits.audits.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("privacy.mine", "no_such_package.mine:audit"),
        ("privacy.mine", "json:loads"),
        ("privacy.copies", "genaudit.audits.privacy.distance:distance"),
        ("privacy.mine", "genaudit.audits.privacy.copies:copies"),
    ],
)
def test_what_is_no_audit_or_takes_a_name_is_refused(
    name: str, value: str, plug_in: pytest.MonkeyPatch
) -> None:
    """A package that does not import, brings no audit or replaces one of ours is named."""
    points = [EntryPoint(name, value, "genaudit.audits")]
    plug_in.setattr(audits, "entry_points", lambda **_: points)

    with pytest.raises(OptionError, match=f"'{name}' of another package .* mend that package"):
        audits.audits()


def test_a_metric_of_ours_is_not_taken(plug_in: pytest.MonkeyPatch) -> None:
    """What was measured of its false alarms would be said of the other audit too."""
    mine = replace(audits.find("privacy.copies"), id="privacy.mine")
    audits.audits.cache_clear()
    plug_in.setattr(EntryPoint, "load", lambda _: mine)
    plug_in.setattr(
        audits, "entry_points", lambda **_: [EntryPoint("privacy.mine", "x:y", "genaudit.audits")]
    )

    with pytest.raises(OptionError, match=r"metrics of its own, got 'privacy\.copies\.exact'"):
        audits.audits()
