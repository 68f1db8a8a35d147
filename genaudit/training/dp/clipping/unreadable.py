"""What ends a reading by hooks, and is tried again on each row alone where that can be done."""

from __future__ import annotations

from genaudit.errors import OptionError


class UnreadableError(OptionError):
    """The gradients of single rows cannot be told from what hooks have seen."""
