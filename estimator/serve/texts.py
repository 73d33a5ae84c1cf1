"""Texts of the page: round values without their zeros."""

from __future__ import annotations

import re


def brief(text: str) -> str:
    """Write a round value without decimal zeros: ``20 %`` for ``20.0 %``."""
    return re.sub(r"\.0+(?!\d)", "", text)
