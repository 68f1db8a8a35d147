"""A gap that is smaller than among real rows has a limit and no verdict, and the page says that."""

from __future__ import annotations

import fixture
import pytest
from elements import quoted

from genaudit.render.html import to_html
from genaudit.result import AuditReport, Verdict, message


def reduced(reason: str) -> AuditReport:
    """A report whose only limited finding is a smaller gap."""
    whole = fixture.report()
    section, finding = next((s, f) for s, f in whole.findings() if f.limit is not None)
    free = [f.model_copy(update={"limit": None, "verdict": Verdict.INFO, "reason": None})
            for f in section.findings]  # fmt: skip
    at = list(section.findings).index(finding)
    free[at] = finding.model_copy(
        update={"verdict": Verdict.INFO, "reason": message(reason, "Why.")}
    )
    one = section.model_copy(update={"findings": tuple(free)})
    mine = tuple(limit for limit in whole.policy.limits if limit.metric == finding.metric)
    policy = whole.policy.model_copy(update={"limits": mine})
    return whole.model_copy(update={"sections": (one,), "policy": policy})


@pytest.mark.parametrize(
    ("reason", "word"),
    [("verdict.reduced", "Gap is smaller"), ("verdict.turned", "Gap turned around")],
)
def test_a_smaller_gap_is_not_called_without_a_limit(reason: str, word: str) -> None:
    """Neither in the headline, nor on its card, nor over the column in which it counts."""
    page = quoted(to_html(reduced(reason)))

    assert "Nothing was judged" not in page
    assert "Nothing lies outside a limit: each gap that has one is smaller" in page
    assert f'<span class="badge t-info"><svg role="none"><use href="#v-info" /></svg>{word}' in page
    assert "No verdict" in page


def test_no_limit_at_all_is_still_said() -> None:
    whole = reduced("verdict.reduced")
    (section,) = whole.sections
    free = tuple(f.model_copy(update={"limit": None, "reason": None}) for f in section.findings)
    none = whole.model_copy(update={"sections": (section.model_copy(update={"findings": free}),)})

    assert "Nothing was judged: the policy sets no limit" in to_html(none)
