"""What a file leaves to its type's defaults, and what of it the type does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

from ..config import DEFINING

SIZE = re.compile(r"size|dim|width|rank|layers|heads|experts|per_tok|depth|window|vocab|^n_|^d_")
"""Parts of the names of fields that change a model's shape."""
NO_SHAPE = re.compile(r"chunk_size_feed_forward|ngram")
"""Fields of any configuration that have no part in its shape."""
MOST_TOLD = 8


def unsaid_notes(fields: Mapping[str, Any], config: Any) -> Iterator[str]:
    """Yield what to say of a file beside the configuration that a library made of it.

    Args:
        fields: content of the file.
        config: the library's configuration.
    """
    outside = _outside(fields, config)
    defaults = [each for each in _defaults(fields, config) if each != "text_config" or not outside]
    if defaults:
        yield f"What the file leaves out is as {config.model_type} has it: {listed(defaults)}."
    unknown = [name for name in _unknown(fields, config) if name not in outside]
    if unknown:
        yield (
            f"Fields that {config.model_type} does not declare have no part, unless its modules "
            f"read them all the same: {listed(unknown)}."
        )


def check_sizes_used(fields: Mapping[str, Any], config: Any, file: str) -> None:
    """Refuse sizes that define a model, and that the library passes over.

    Raises:
        RequestError: naming the first.
    """
    unused = DEFINING & {*_unknown(fields, config)} - _outside(fields, config)
    for name in sorted(unused):
        raise RequestError(
            file,
            f"{name}: got {shown(fields[name])}, which {config.model_type} does not have there, so "
            "that its default would be counted; allowed: in the table of the part that it is of, "
            "such as text_config, or totals: computebill run --params 405B --tokens 15T …",
        )


def _outside(fields: Mapping[str, Any], config: Any) -> set[str]:
    """Return fields of the language model that a file has outside its table, and that are taken."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    if text is config:
        return set()
    return {name for name, value in fields.items() if getattr(text, name, None) == value}


def _defaults(fields: Mapping[str, Any], config: Any) -> Iterator[str]:
    """Yield sizes that the library filled in, with their values."""
    other = {value: key for key, value in getattr(config, "attribute_map", {}).items()}
    for name, value in config.to_dict().items():
        if name in getattr(config, "sub_configs", {}):
            given, inner = fields.get(name), getattr(config, name, None)
            if not isinstance(given, Mapping):
                yield name
            elif inner is not None:
                yield from (f"{name}.{each}" for each in _defaults(given, inner))
        elif _is_size(name, value) and not {name, other.get(name)} & set(fields):
            yield f"{name} {value}"


def _unknown(fields: Mapping[str, Any], config: Any) -> Iterator[str]:
    """Yield sizes in a file that its type has no field of."""
    try:
        known = {*type(config)().to_dict(), *getattr(config, "attribute_map", {})}
    except Exception:
        return  # a type without defaults of its own
    for name, value in fields.items():
        inner = getattr(config, name, None) if name in getattr(config, "sub_configs", {}) else None
        if isinstance(value, Mapping) and hasattr(inner, "to_dict"):
            yield from (f"{name}.{each}" for each in _unknown(value, inner))
        elif _is_size(name, value) and name not in known:
            yield name


def _is_size(name: str, value: object) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and bool(SIZE.search(name)) and not NO_SHAPE.search(name)


def listed(names: list[str]) -> str:
    """Return some names in words, the first of many."""
    more = [f"and {len(names) - MOST_TOLD} more"] if len(names) > MOST_TOLD else []
    return ", ".join([*names[:MOST_TOLD], *more])
