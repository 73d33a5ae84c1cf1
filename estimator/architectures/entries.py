"""A configuration counted by the entry of its type, or of the type whose shape it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from computebill.base.errors import RequestError

from .config import Config, FieldRules
from .families import FAMILIES
from .operators import Architecture
from .outputs import has_head, read_purpose, unknown_head, unknown_purpose
from .types import UNDECLARED, aliases, type_fields, type_of_class
from .unread import check_one_name, check_unread, leaves_nothing_over

LANGUAGE_ONLY = "Only the language model is counted, not what reads images or sound."


def family_name(given: object) -> str | None:
    """Return the type whose entry counts a type; None where none does."""
    if not isinstance(given, str):
        return None
    alias = aliases().get(given)
    name = alias.family if alias else given
    return name if name in FAMILIES else None


def counted(
    fields: Mapping[str, Any], given: str, file: str, notes: list[str], *, is_inner: bool
) -> Architecture:
    """Count by the entry of a type, or of the type whose shape it has.

    Args:
        fields: the configuration.
        given: its type, one that an entry or an alias has.
        file: what to call it in messages.
        notes: what to say of it besides.
        is_inner: whether it is inside another's file, which leaves out what its type declares.

    Raises:
        RequestError: naming the field, what was given and what is allowed.
    """
    alias, model_type = aliases().get(given), family_name(given) or given
    config = _config(fields, given, file, is_inner=is_inner)
    family = FAMILIES[model_type]
    architecture = replace(
        family.architecture(config, model_type),
        counted_by="alias" if alias else "family",
        title=family.title,
    )
    if alias and alias.language_model and alias.language_model != given and not is_inner:
        notes.append(LANGUAGE_ONLY)
    further = config.optional_size("num_nextn_predict_layers", least=0) or 0
    _check_labels(config, architecture, further)
    check_one_name(config)
    notes += unknown_purpose(config.purpose)
    notes += _other_class(config.purpose.name, given)
    if further:
        notes.append(f"{further} layer(s) that predict further tokens (MTP) are not counted.")
    if config.assumed:
        taken = ", ".join(f"{name} {value}" for name, value in config.assumed.items())
        notes.append(f"What the file leaves out is as {given} declares it: {taken}.")
    notes += check_unread(config, given, architecture)
    return replace(architecture, notes=(*architecture.notes, *notes), further=further)


def _check_labels(config: Config, architecture: Architecture, further: int) -> None:
    """Refuse a list of layers' types, of a type that needs none, that is of other layers."""
    labels, count = config.fields.get("layer_types"), architecture.layer_count
    if "layer_types" in config.read or not isinstance(labels, list) or not isinstance(count, int):
        return
    if len(labels) not in (count, count + further):
        raise RequestError(
            config.file, f"layer_types: got {len(labels)}; allowed: a list of {count}, one a layer"
        )


def _other_class(name: str, given: str) -> list[str]:
    """Return what to say of a class that is another type's."""
    other = type_of_class(name)
    if other is None or family_name(other) in (None, family_name(given)):
        return []
    return [f"architectures: {name} is a class of {other}; counted as {given}, its model_type."]


def missing_head(fields: Mapping[str, Any], given: str, file: str) -> str | None:
    """Return the problem of a class whose head a type's entry does not have; None where it has."""
    purpose, kinds = read_purpose(fields, file), FAMILIES[family_name(given) or given].heads
    return None if has_head(purpose, kinds) else unknown_head(purpose, kinds, given)


def is_whole(fields: Mapping[str, Any], name: str) -> bool:
    """Whether a configuration can be counted as a type, with no field left over."""
    model_type = family_name(name)
    if model_type is None:
        return False
    config = _config(fields, name, "config", is_inner=False)
    try:
        FAMILIES[model_type].architecture(config, model_type)
    except RequestError:
        return False
    return leaves_nothing_over(config)


def _config(fields: Mapping[str, Any], given: str, file: str, *, is_inner: bool) -> Config:
    """Return a configuration with the names and defaults of its type."""
    alias, model_type = aliases().get(given), family_name(given) or given
    family = FAMILIES[model_type]
    inner = (alias.language_model if alias else None) or given
    defaults = {**family.defaults, **(alias.defaults if alias else {})}
    rules = FieldRules(
        names={**family.names, **(alias.names if alias else {})},
        defaults=defaults,
        declared=type_fields(inner) or type_fields(model_type) or UNDECLARED,
    )
    return Config(
        fields,
        file,
        rules,
        purpose=read_purpose(fields, file, defaults.get("num_labels", 2)),
        is_inner=is_inner,
    )
