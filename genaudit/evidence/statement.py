"""What a bundle states of itself: an in-toto Statement that follows from its files alone.

Nothing in it can be chosen, so whoever has the files can write it again and compare; only whether
the report's validity was over on the day of the bundle no file tells.

Source: in-toto Attestation Framework, Statement v1 and predicate test-result v0.1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from genaudit.reading import once

#: The files of a bundle that have a meaning here.
REPORT, POLICY, SIGNER, ATTESTATION = (
    "audit.json", "policy.toml", "signer.pem", "attestation.json",
)  # fmt: skip

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def statement(
    digests: Mapping[str, str], report: Mapping[str, Any], *, expired: bool = False
) -> dict[str, Any]:
    """The statement on files with these SHA-256 digests, of which one is the report.

    expired: whether the validity that the report declares was over; it is no pass then.

    Raises:
        KeyError, TypeError, AttributeError: the report is none.
    """
    return {
        "_type": _STATEMENT,
        "subject": [{"name": n, "digest": {"sha256": digests[n]}} for n in sorted(digests)],
        "predicateType": _PREDICATE,
        "predicate": _result(report, digests[POLICY], expired=expired),
    }


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted names, no spaces, UTF-8.

    >>> canonical({"b": [1, "é"], "a": None}).decode()
    '{"a":null,"b":[1,"é"]}'
    """
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.encode()


def loads(raw: bytes) -> Any:
    """The value in a JSON text that names nothing twice and holds no NaN.

    Raises:
        ValueError: it is no such text.

    >>> loads(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: the name 'a' stands twice
    """
    try:
        return json.loads(raw.decode(), object_pairs_hook=once, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("values nested too deeply") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _result(report: Mapping[str, Any], policy: str, *, expired: bool) -> dict[str, Any]:
    """Metrics by verdict; what cannot be told, or was not measured, is a warning and no pass.

    So is a gap that became smaller without ending within its limit.
    """
    judged = [f for f in _findings(report) if f["limit"] is not None]
    named = _by(judged, lambda f: f["verdict"])
    measured = {f["metric"] for f in _findings(report)}
    missing = [x["metric"] for x in report["policy"]["limits"] if x["metric"] not in measured]
    over = ["valid_until: expired"] if expired else []
    unlimited = [] if report["policy"]["limits"] else ["policy: no limit set"]
    unmeasured = (f"{m}: not measured" for m in missing)
    reduced = (f"{m}: reduced, not within its limit" for m in named.get("info", []))
    warned = sorted([*named.get("cannot_tell", []), *reduced, *unmeasured, *over, *unlimited])
    failed = named.get("outside", [])
    return {
        "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
        "configuration": [{"name": POLICY, "digest": {"sha256": policy}}],
        "passedTests": named.get("within", []),
        "warnedTests": warned,
        "failedTests": failed,
    }


def _findings(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for section in report["sections"]:
        yield from section["findings"]


def _by(
    findings: list[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in findings:
        group = ", ".join(f"{k}={v}" for k, v in sorted(finding["group"].items()))
        name = finding["metric"] + (f" [{group}]" if group else "")
        found.setdefault(key(finding), []).append(name)
    return {verdict: sorted(names) for verdict, names in found.items()}
