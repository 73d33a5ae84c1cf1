"""Architectures from the modules of a library, where no entry of the table has them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..operators import Architecture
from ..sample import Sample
from .cache import keep, kept, key_of


def read_modules(
    fields: Mapping[str, Any], file: str, *, language_only: bool = False, named_only: bool = False
) -> Architecture | None:
    """Count the modules that ``transformers`` builds of a configuration.

    What was counted once is kept in the user's cache folder, and neither the library nor torch
    is loaded for it again.

    Args:
        fields: content of a ``config.json``.
        file: what to call it in messages.
        language_only: leave out what reads images and sound.
        named_only: count the class that the file names, and no other of its type.

    Returns:
        None where ``transformers`` is not installed, or does not know the type or the class.

    Raises:
        RequestError: where it cannot build the model, or the model is too large.
    """
    if importlib.util.find_spec("transformers") is None:
        return None
    key = key_of(fields, language_only=language_only)
    found = kept(key)
    if found is None:
        from .architecture import architecture_of
        from .build import build
        from .unsaid import check_sizes_used, unsaid_notes

        model = build(fields, file, named_only=named_only)
        if model is None:
            return None
        check_sizes_used(fields, model.config, file)
        found = architecture_of(model, language_only=language_only)
        notes = (*found.notes, *unsaid_notes(fields, model.config))
        found = replace(found, notes=notes)
        keep(key, found)
    return found


def read_diffusion(fields: Mapping[str, Any], file: str, sample: Sample) -> Architecture | None:
    """Count the modules that ``diffusers`` builds of a configuration, and keep the count.

    Args:
        fields: content of its ``config.json``.
        file: what to call it in messages.
        sample: what goes with a sample of it.

    Returns:
        None where ``diffusers`` is not installed.

    Raises:
        RequestError: where it has no such class, cannot build it, or no pass through it is known.
    """
    if importlib.util.find_spec("diffusers") is None:
        return None
    key = key_of(fields, sample=sample)
    found = kept(key)
    if found is None:
        from .diffusion import read_diffusers

        found = read_diffusers(fields, file, sample)
        keep(key, found)
    return found
