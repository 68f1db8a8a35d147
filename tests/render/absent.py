"""What is said where a test lacks a program that looks at pages."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Skip with the reason, or fail where all of it has to be there."""
    if os.environ.get("GENAUDIT_REQUIRED"):
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"NOT CHECKED: {what} is not installed")
