"""No table and no chart of a whole audit tells how many a few people are.

Some groups of the training rows, and of the unseen ones, have as many rows as nothing else in the
data has. Neither these numbers, nor the shares that they make, nor what they leave over of a total
that is told, stand anywhere in the report; with the rule lifted they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genaudit import api
from genaudit.data.schema import Schema
from genaudit.result import AuditReport

#: Rows of the two small groups, and of all: each a number of its own.
FEW = {"train": (7, 9), "holdout": (6, 8)}
ALL = {"train": 613, "holdout": 607}

SCHEMA = Schema.from_dict(
    {
        "rows": "public",
        "columns": {
            "origin": {
                "kind": "categorical",
                "role": "sensitive",
                "categories": ["north", "south", "east", "west"],
            },
            "sex": {"kind": "categorical", "role": "sensitive", "categories": ["f", "m"]},
            "age": {"kind": "integer", "bounds": [18, 90]},
            "pay": {"kind": "numeric", "bounds": [0, 1e5]},
            "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        },
    }
)


def people(sizes: tuple[int, ...], seed: int) -> pd.DataFrame:
    """Rows of four origins, so many of each."""
    rng = np.random.default_rng(seed)
    origin = np.repeat(["north", "south", "east", "west"], sizes)
    age = rng.integers(18, 91, len(origin))
    pay = (rng.normal(300, 80, len(origin)) * age).round(2)
    return pd.DataFrame(
        {
            "origin": origin,
            "sex": rng.choice(["f", "m"], len(origin)),
            "age": age,
            "pay": np.clip(pay, 0, 1e5),
            "hired": np.where(pay + rng.normal(0, 4000, len(origin)) > 16000, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def reports() -> dict[bool, AuditReport]:
    """The audit with the rule, and without it."""
    tables = {}
    for i, (name, few) in enumerate(FEW.items()):
        large = ALL[name] - sum(few) - 200
        tables[name] = people((large, 200, *few), i)
    made = people((300, 200, 60, 40), 5)
    return {
        private: api.audit(made, **tables, schema=SCHEMA, show_private=private)
        for private in (False, True)
    }


def telling() -> dict[str, float]:
    """Numbers that give a small group away, and what each is."""
    found = {}
    for name, few in FEW.items():
        total = ALL[name]
        for n in (*few, sum(few)):
            found[f"share of {n} of {total} {name} rows"] = n / total
            found[f"what {n} leave over of {total} {name} rows"] = total - n
            found[f"their share of {total} {name} rows"] = 1 - n / total
    return found


def numbers(value: Any, at: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a tree, in texts too, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{at}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from numbers(inner, f"{at}/{i}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield at, float(value)
    elif isinstance(value, str) and value.replace(",", "").isdigit():
        yield at, float(value.replace(",", ""))


def told(report: AuditReport) -> list[tuple[str, str]]:
    """Where a report tells how many a few people are, and what it tells."""
    tree = json.loads(report.model_dump_json())
    found = list(numbers(tree["sections"], "/sections")) + list(numbers(tree["knowledge"], "/data"))
    return [
        (at, what)
        for what, number in telling().items()
        for at, x in found
        if abs(x - number) < 1e-9
    ]


@pytest.mark.slow
def test_no_number_of_a_report_tells_of_a_few_people(reports: dict[bool, AuditReport]) -> None:
    assert told(reports[False]) == []


@pytest.mark.slow
def test_counts_are_not_among_the_sizes(reports: dict[bool, AuditReport]) -> None:
    """A size below ten is of nobody: of learners, of strata, of coins, never of people."""
    for _, finding in reports[False].findings():
        for estimate in (finding.estimate, finding.null, finding.baseline):
            if estimate is not None and estimate.unit.startswith(("share of", "difference")):
                assert estimate.n >= 10, (finding.metric, finding.group)


@pytest.mark.slow
def test_the_check_sees_what_the_rule_hides(reports: dict[bool, AuditReport]) -> None:
    """Without the rule the same audit does tell."""
    assert told(reports[True]) != []
