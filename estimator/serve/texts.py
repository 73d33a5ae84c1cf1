"""Small repairs of texts for the page: true minus signs, round values without their zeros."""

from __future__ import annotations

import re


def minus(text: str) -> str:
    """Write a minus sign for the hyphen before a sum, and no dash before that."""
    text = text.replace("-$", "−$").replace("(-", "(−").replace("–-", "–−")
    return text.replace("–−", " to −")


def brief(text: str) -> str:
    """Write a round value without decimal zeros: ``20 %`` for ``20.0 %``."""
    return re.sub(r"\.0+(?!\d)", "", text)
