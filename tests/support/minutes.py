"""Tests that take minutes: skipped, with a reason, unless ``COMPUTEBILL_SLOW`` is set."""

from __future__ import annotations

import os

import pytest


def takes_minutes(why: str) -> pytest.MarkDecorator:
    """Return the mark of tests that run only where ``COMPUTEBILL_SLOW`` is set."""
    reason = f"{why}: COMPUTEBILL_SLOW=1 runs it"
    return pytest.mark.skipif("COMPUTEBILL_SLOW" not in os.environ, reason=reason)
