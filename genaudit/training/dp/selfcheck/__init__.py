"""Is a private training what it claims to be: clipping, noise, draws, charges, what is released."""

from genaudit.training.dp.selfcheck.examine import CHECKS, Check, examine
from genaudit.training.dp.selfcheck.outcome import Outcome, SelfcheckReport, Status
from genaudit.training.dp.selfcheck.protocol import PrivateTrainer, Promise, Units

__all__ = [
    "CHECKS",
    "Check",
    "Outcome",
    "PrivateTrainer",
    "Promise",
    "SelfcheckReport",
    "Status",
    "Units",
    "examine",
]
