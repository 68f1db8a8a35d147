"""Words that claim more than an audit can know, in both languages, and where they may stand.

A sentence may name such a claim to deny it. Each such use is listed in ALLOWED word for word, so
that a new one is read by a person before it passes.
"""

from __future__ import annotations

import re

#: What no sentence may say of a generator, a data set or an audit.
BANNED = re.compile(
    r"\bcompliant\b|\bcompliance\b|certif|\banonymous\b|\banonymity\b|\bunbiased\b|bias-free"
    r"|\bno bias\b|free of bias|risk-free|\bno risk\b|guarantee|\bsafe\b|GDPR-safe|conforms? to"
    r"|fully private"
    r"|合规|认证|完全匿名|绝对匿名|绝对安全|绝对隐私|无偏见|没有偏见|零偏见|零风险|无风险|毫无风险|保证",
    re.IGNORECASE,
)

#: Uses that deny the claim, or say what a law is about, word for word.
ALLOWED = (
    "A certificate under the standard, or any presumption under the EU AI Act.",
    "获得该标准认证，或可据此推定满足欧盟《人工智能法》",
)


def claims(text: str) -> list[str]:
    """Banned words of a text, those of allowed sentences left out."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return BANNED.findall(text)
