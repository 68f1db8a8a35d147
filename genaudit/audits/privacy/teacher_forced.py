"""Membership inference by teacher-forced loss: is each next step foreseen all too well?"""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.teacher_forced"
_NAME = message("privacy.teacher_forced.name", "the teacher-forced loss")


@audit(
    title="Membership inference by teacher-forced loss",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Carlini et al. 2021, Extracting Training Data from Large Language Models "
    "(perplexity); Williams & Zipser 1989 (teacher forcing)",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def teacher_forced(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether a recurrent model foresees each step of a training record better than of others.

    A model that makes texts, series or sounds step by step knows how likely each next step is after
    those before it. The attacker gives it the record's own steps and adds up its surprise. A record
    that it has learned by heart holds none. Texts that anybody would foresee hold little either, so
    the surprise is compared with that at the nearest reference records.
    """
    return outcome(case, _ID, "teacher_forced", _NAME, options)
