"""The policy of a report as a file that `genaudit check --policy` reads."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

from genaudit.result import Limit, PolicyInfo


def to_policy(policy: PolicyInfo, content: str = "") -> str:
    """The policy as TOML: the bundled file itself where it is that, else written anew.

    content: digest of what it says, where a ledger holds that: the file that is written anew has
    it as well, by which it can be held against the ledger.
    """
    bundled = (files("genaudit") / "policies" / "default.toml").read_bytes()
    if hashlib.sha256(bundled).hexdigest() == policy.digest:
        return bundled.decode()
    head = [
        "# Written from audit.json: the limits that were applied. The file that they came from had",
        f"# the SHA-256 {_comment(policy.digest)}.",
        *([_CONTENT.format(_comment(content))] if content else []),
        f"name = {_text(policy.name)}",
        f"version = {_text(policy.version)}",
        f"owner = {_text(policy.owner)}",
        f"alpha = {policy.alpha!r}",
    ]
    return "\n".join([*head, *(line for limit in policy.limits for line in _limit(limit))]) + "\n"


_CONTENT = """\
# What both say has the SHA-256 {}
# (genaudit.policy.content of the policy), which the ledger holds beside that of the file."""


def line_of(text: str, metric: str) -> int:
    """The line, from 1, on which the limit of a metric begins; 1 where none does."""
    wanted = f"metric = {_text(metric)}"
    found = (i for i, line in enumerate(text.split("\n"), 1) if line.strip() == wanted)
    return next(found, 1)


def _limit(limit: Limit) -> list[str]:
    lines = [
        "",
        "[[limit]]",
        f"metric = {_text(limit.metric)}",
        f"direction = {_text(limit.direction.value)}",
        f"value = {limit.value!r}",
        f"owner = {_text(limit.owner)}",
        f"rationale = {_text(limit.rationale)}",
    ]
    if limit.source:
        lines.append(f"source = {_text(limit.source)}")
    if limit.expires is not None:
        lines.append(f"expires = {limit.expires.isoformat()}")
    return lines


def _text(text: str) -> str:
    """A TOML string on one line; its escapes are those of JSON, and one sign more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "".join(c for c in text if c.isprintable())
