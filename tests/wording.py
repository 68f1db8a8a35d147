"""Words that claim more than an audit can know, in both languages, and where they may stand.

A sentence may name such a claim to deny it. Each such use is listed in ALLOWED word for word, so
that a new one is read by a person before it passes.
"""

from __future__ import annotations

import re

#: What a claim of conformity names.
_LAW = r"\b(?:GDPR|PIPL|AI Act|Articles? \d+)\b"
_LAW_ZH = r"(?:GDPR|《|通用数据保护条例|个人信息保护法|人工智能法|个保法)"

#: What no sentence may say of a generator, a data set or an audit.
BANNED = re.compile(
    r"\bcompliant\b|\bcompliance\b|certif|\banonymous\b|\banonymity\b|\bunbiased\b|bias-free"
    r"|\bno bias\b|free of bias|risk-free|\bno risk\b|guarantee|\bsafe\b|GDPR-safe|conforms? to"
    r"|fully private|\bconformant\b|\bin conformity\b|\bcompl(?:y|ies|ied|ying) with\b"
    r"|\bzero[- ]risk\b|\b(?:can ?not|can't|can never) be (?:re-?)?identified\b"
    r"|\banonymi[sz]ed (?:data|records|rows|samples|tables?)\b|\b(?:fully|truly) anonymi[sz]ed\b"
    r"|\bsatisf(?:y|ies|ied|ying) (?:the )?(?:GDPR|PIPL|AI Act|EU AI Act|law|Article)\b"
    r"|\bmeets? all (?:the )?requirements\b|\banonymi[sz]ed data ?sets?\b|\brisk[- ]free\b"
    r"|\b100 ?% (?:private|safe|secure|anonymous|fair)\b|\bfree (?:of|from) discrimination\b"
    r"|\b(?:is|are|was|were|been) (?:now )?anonymi[sz]ed\b|\bbias free\b|\bnon-?discriminatory\b"
    r"|\bdoes not discriminate\b|\bimpossible to (?:re-?)?identify\b"
    r"|(?<!That )\b(?:nobody|no one|none) can be (?:re-?)?identified\b"
    r"|\b(?:can ?not|never) leaks?\b"
    r"|\bno individual can be (?:re-?)?identified\b|\bfree from bias\b|\bleak-free\b"
    r"|\bno privacy risks?\b|\bzero privacy risk|\bdoes not leak\b|\bconform(?:s|ing) (?:to|with)\b"
    r"|\bnot personal information\b|\bapproved by the regulator\b|不会泄漏|没有任何风险"
    r"|不存在隐私风险|不含偏见|不是个人(?:信息|数据)|不涉及个人(?:信息|数据)|满足第 ?\d+ ?条"
    r"|\bnot personal data\b|\baccredited\b|\badheres? to\b"
    rf"|\b(?:fulfil(?:l?s|led)?|satisf(?:y|ies|ied)|meets?|pass(?:es|ed)?|in line with"
    r"|conformity with)\b"
    rf"[^.]{{0,40}}{_LAW}"
    rf"|(?:GDPR|PIPL|AI Act)[- ]ready\b|(?:符合|满足|遵守|达到)[^，。；]{{0,6}}{_LAW_ZH}"
    r"|达标|是匿名数据|不属于个人(?:信息|数据)|没有隐私风险|不会泄露|无偏差|公平无偏"
    r"|满足[^，。；]{0,20}(?:要求|规定|法规|条例)|(?:数据|记录|样本)(?:都|均)?(?:是|为)匿名"
    r"|完全安全|没有歧视|无歧视|不存在歧视|(?:不含|不包含)(?:任何)?个人(?:信息|数据)"
    r"|符合[^，。；]{0,20}(?:要求|规定|法规|条例|标准)|已匿名|没有风险|不存在风险"
    r"|(?:无法|不能|不可)(?:被)?(?:重新)?识别"
    r"|合规|认证|完全匿名|绝对匿名|绝对安全|绝对隐私|无偏见|没有偏见|零偏见|零风险|无风险|毫无风险|保证",
    re.IGNORECASE,
)

#: Uses that deny the claim, or say what a law is about, word for word.
ALLOWED = (
    "A certificate under the standard, or any presumption under the EU AI Act.",
    "获得该标准认证，或可据此推定满足欧盟《人工智能法》",
    "不存在歧视（只检查了所声明的群体和这些指标）",
    "除非另有证明，模型即不含个人数据",
    "匿名化是指个人信息经处理无法识别特定自然人且不能复原。",
    "guarantees differ: ",
)


def claims(text: str) -> list[str]:
    """Banned words of a text, those of allowed sentences left out."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return BANNED.findall(text)
