"""All audits: this package walks its own folder, and the entry points of other packages."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from genaudit.case import Audit
from genaudit.errors import OptionError, reason

#: Order of the chapters in every report.
CHAPTERS = ("privacy", "bias", "content", "quality")


@cache
def audits() -> dict[str, Audit]:
    """Every audit by id, in the order of the chapters, then by name."""
    found = {}
    for chapter in CHAPTERS:
        package = import_module(f"{__name__}.{chapter}")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.startswith("_"):
                continue
            audit = _audit_in(import_module(f"{package.__name__}.{module.name}"))
            found[audit.id] = audit
    for point in entry_points(group="genaudit.audits"):
        found[point.name] = _plugged_in(point, found)
    return dict(sorted(found.items(), key=lambda item: (_rank(item[0]), item[0])))


def find(id: str) -> Audit:
    """The audit with this id.

    Raises:
        OptionError: there is none; the message names the nearest.
    """
    known = audits()
    if id not in known:
        near = difflib.get_close_matches(id, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(known)}."
        raise OptionError(f"No audit is called {id!r}.{hint}")
    return known[id]


def _plugged_in(point: EntryPoint, known: Mapping[str, Audit]) -> Audit:
    """The audit of another package; a broken one must not look like a fault of ours."""
    try:
        audit = point.load()
        if not isinstance(audit, Audit) or {audit.id, point.name} & set(known):
            raise TypeError("expected an Audit under a name that is not taken")
        # Else what was measured of our metric would be said of another.
        taken = {metric for other in known.values() for metric in other.metrics}
        if both := sorted(taken & set(audit.metrics)):
            raise TypeError(f"expected metrics of its own, got {both[0]!r}")
    except Exception as error:
        raise OptionError(
            f"The audit {point.name!r} of another package ({point.value}) cannot be used: "
            f"{type(error).__name__}: {reason(error)}; mend that package, or remove it."
        ) from error
    return audit


def check_metrics(metrics: Iterable[str], source: str) -> None:
    """Refuse a metric that no audit finds: a limit on it would be held against nothing for ever.

    source: what names the metrics, for the sentence of the error.

    Raises:
        OptionError: it names the first such metric and those that are spelt most like it.
    """
    known = sorted(metric for audit in audits().values() for metric in audit.metrics)
    # An audit of another package that declares no metrics may find any below its own id.
    free = tuple(f"{name}." for name, audit in audits().items() if not audit.metrics)
    for metric in metrics:
        if metric in known or metric.startswith(free):
            continue
        near = difflib.get_close_matches(metric, known, n=3)
        hint = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else "`genaudit list audits --json` names all that there are."
        )
        raise OptionError(f"{source} limits {metric!r}, which no audit measures; {hint}")


def _audit_in(module: object) -> Audit:
    found = [value for value in vars(module).values() if isinstance(value, Audit)]
    assert len(found) == 1, f"expected one audit in {module}, found {len(found)}"
    return found[0]


def _rank(id: str) -> int:
    chapter = id.partition(".")[0]
    return CHAPTERS.index(chapter) if chapter in CHAPTERS else len(CHAPTERS)
