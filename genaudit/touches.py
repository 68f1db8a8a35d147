"""Touches of the ledger as a report prints them: purpose and mechanism as messages too.

The ledger keeps plain English for good; a report is read in other languages as well.
"""

from __future__ import annotations

import re
from functools import cache

from genaudit.ledger import Mechanism, Touch
from genaudit.result import Message, TouchInfo, message

#: Every purpose that this package writes; in the place of a field stands what was read.
_PURPOSES = (
    message("ledger.cells.declared", "cells of every column, from the declared schema alone"),
    message("ledger.cells.learned", "cells of every column from quantiles and levels"),
    message("ledger.marginals", "marginals of one and two columns, and joint of the condition"),
    message(
        "ledger.summary",
        "marginals of attributes, joint of the condition, and mean summary of records",
    ),
    message("ledger.part", "private training, part {part} of {parts}"),
    message("ledger.plain", "plain training, {steps} steps"),
    message("ledger.count.records", "number of records, rounded down"),
    message("ledger.count.persons", "number of persons, rounded down"),
    message("ledger.persons", "rows of each person are counted, shown to the operator"),
    message("ledger.seeded", "an experiment: noise and batches have a seed, none is private"),
    message("ledger.schema", "train is checked against the schema, shown to the operator"),
    message(
        "ledger.drafted",
        "train is looked at for a draft of its schema and checked against the schema, shown to the "
        "operator",
    ),
    message("ledger.categories", "categories of column {column}"),
    message("ledger.bounds", "bounds of column {column}"),
    message("ledger.everything", "everything (it was {origin} from data) of column {column}"),
    message(
        "ledger.assumed",
        "That column {column} is {kind} with role {role} was read off the data, unpaid.",
    ),
    message("ledger.draft", "draft of a schema, shown to the operator"),
    message("ledger.audit.train", "audit reads train"),
    message("ledger.audit.holdout", "audit reads holdout"),
    message("ledger.audit.auxiliary", "audit reads auxiliary"),
    message("ledger.audit.subject", "audit reads the subject"),
    message("ledger.audit.rows", "audit reads rows of the subject"),
    message("ledger.policy", "policy {name}, version {version}, is registered"),
    message("ledger.bundle", "rows are looked for in a released folder"),
)


def printed(touch: Touch) -> TouchInfo:
    """One line of the ledger for a report."""
    mechanism, purpose = touch.mechanism, said(touch.purpose)
    parts = purpose.params if purpose is not None and purpose.id == "ledger.part" else {}
    return TouchInfo.model_validate(
        {
            "purpose": touch.purpose,
            "purpose_text": purpose,
            "kind": touch.kind.value,
            "scope": touch.scope.value,
            "mechanism": str(mechanism) if mechanism else "",
            "mechanism_text": _of(mechanism) if mechanism else None,
            "steps": mechanism.steps if mechanism else None,
            "epsilon": mechanism.epsilon if mechanism else None,
            "delta": mechanism.delta if mechanism and mechanism.epsilon is not None else None,
            **{name: int(str(number)) for name, number in parts.items()},
        }
    )


def said(purpose: str) -> Message | None:
    """The message behind a purpose of this package; None for another's.

    >>> said("private training, part 2 of 20").params
    {'part': '2', 'parts': '20'}
    """
    for known in _PURPOSES:
        if found := _shape(known.text_en).fullmatch(purpose):
            return known.model_copy(update={"params": found.groupdict()})
    return None


@cache
def _shape(template: str) -> re.Pattern[str]:
    fields = re.sub(r"\\{(parts?)\\}", r"(?P<\1>[0-9]{1,9})", re.escape(template))
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", fields), re.DOTALL)


def _of(mechanism: Mechanism) -> Message:
    match mechanism.name:
        case "poisson_gaussian":
            return message(
                "mechanism.poisson_gaussian",
                "Gaussian, noise multiplier {sigma}, Poisson rate {rate}, {steps:integer} steps",
                sigma=f"{mechanism.noise_multiplier:.4g}",
                rate=f"{mechanism.sampling_rate:.4g}",
                steps=mechanism.steps,
            )
        case "gaussian":
            return message(
                "mechanism.gaussian", "Gaussian, noise multiplier {sigma}, {steps:integer}x",
                sigma=f"{mechanism.noise_multiplier:.4g}", steps=mechanism.steps,
            )  # fmt: skip
        case name:
            return message(
                "mechanism.other", "{name}, ε = {epsilon}, δ = {delta}",
                name=name, epsilon=f"{mechanism.epsilon:.4g}", delta=f"{mechanism.delta:.3g}",
            )  # fmt: skip
