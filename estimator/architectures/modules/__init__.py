"""Architectures from the modules of a library, where no entry of the table has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..operators import Architecture


def read_modules(fields: Mapping[str, Any], file: str) -> Architecture | None:
    """Count the modules that ``transformers`` builds of a configuration.

    Args:
        fields: content of a ``config.json``.
        file: what to call it in messages.

    Returns:
        None where ``transformers`` is not installed, or does not know the type.

    Raises:
        RequestError: where it cannot build the model, or the model is too large.
    """
    from .architecture import architecture_of
    from .build import build, is_available

    if not is_available():
        return None
    return architecture_of(build(fields, file))
