"""Train generative models privately, audit any generative model, hand over a report.

>>> import genaudit as ga
>>> ga.Schema.read("arrests").target.name
'released'
"""

from importlib import import_module
from typing import Any

#: Public name -> module that defines it. Loaded on first use, so that `genaudit --help` and an
#: audit of two files never wait for libraries that they do not need.
_PUBLIC = {
    "train": "api",
    "resume": "api",
    "load": "api",
    "audit": "api",
    "mitigate": "api",
    "check": "api",
    "diff": "api",
    "calibrate": "api",
    "selfcheck": "api",
    "draft": "api",
    "read_report": "api",
    "write_json": "api",
    "write_html": "api",
    "write_form": "api",
    "bundle": "api",
    "verify": "evidence.verify",
    "Schema": "data.schema",
    "Column": "data.schema",
    "Dataset": "data.dataset",
    "PrivacyLedger": "ledger",
    "Mark": "ledger",
    "Touch": "ledger",
    "Subject": "subject",
    "Mitigation": "mitigation.method",
    "Access": "subject",
    "Knowledge": "case",
    "AuditCase": "case",
    "AuditPlan": "plan",
    "Policy": "policy",
    "AuditReport": "result",
    "Estimate": "result",
    "Finding": "result",
    "Limit": "result",
    "Claim": "result",
    "Verdict": "result",
    "PrivateTrainer": "training.dp.selfcheck.protocol",
    "Promise": "training.dp.selfcheck.protocol",
    "GenauditError": "errors",
    "GenauditWarning": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'genaudit' has no attribute {name!r}")
    return getattr(import_module(f"genaudit.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
