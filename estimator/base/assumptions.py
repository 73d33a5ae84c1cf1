"""What went into a result, as a person reads it: name, value, source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from .quantity import Quantity, number_text, scaled
from .specfile import Spec

GIVEN = "given"
MOST_VALUES = 12
"""Most values of a list that is told whole."""


@dataclass(frozen=True)
class Assumption:
    """An input, as a person reads it."""

    name: str
    value: str
    source: str

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Input:
    """A quantity that an estimate is computed from, and what a person is told of it.

    Attributes:
        key: name in the formulas.
        quantity: its value, in the unit that a person reads.
        label: name that a person reads; none: it is not told by itself.
        source: origin of the value.
        scale: one of the unit that a person reads, in the formulas' unit (SI, USD).
    """

    key: str
    quantity: Quantity
    label: str = ""
    source: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Inputs:
    """Quantities by key, in SI units and USD; the same for people; and each key's label."""

    quantities: Mapping[str, Quantity]
    assumptions: tuple[Assumption, ...]
    labels: Mapping[str, str]


def gathered(parts: Iterable[Input | Assumption]) -> Inputs:
    """Return inputs, and what is only told, as one; the order stays."""
    quantities: dict[str, Quantity] = {}
    assumptions: list[Assumption] = []
    labels: dict[str, str] = {}
    for part in parts:
        if isinstance(part, Assumption):
            assumptions.append(part)
            continue
        quantities[part.key] = scaled(part.quantity, part.scale)
        labels[part.key] = part.label or part.key.replace("_", " ")
        if part.label:
            assumptions.append(Assumption(part.label, part.quantity.text, part.source))
    return Inputs(quantities, tuple(assumptions), labels)


OWN_LIMIT = "the model's own limit, at most 4,096"


def sequence_assumption(length: int, *, is_given: bool, usual: str = OWN_LIMIT) -> Assumption:
    """Return the tokens of a sequence, and what was taken where nobody gave them."""
    return Assumption("sequence length", as_text(length), GIVEN if is_given else usual)


def given_inputs(
    spec: Spec, prefix: str = "", source: str = GIVEN, left_out: Collection[str] = ()
) -> Iterator[Assumption]:
    """Yield the fields of a spec that were given, in their order.

    Args:
        spec: validated.
        prefix: beginning of each name.
        source: origin of all of them.
        left_out: names that are no inputs.
    """
    for name, value in _given_fields(spec).items():
        if name not in left_out:
            yield Assumption(f"{prefix}{name.replace('_', ' ')}", as_text(value), source)


def _given_fields(spec: Spec) -> dict[str, object]:
    names = (*type(spec).model_fields, *(spec.model_extra or {}))
    return {name: getattr(spec, name) for name in names if name in spec.model_fields_set}


def as_text(value: object) -> str:
    """Return a field's value as a person reads it; of a long list its ends."""
    if isinstance(value, Quantity):
        return value.text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(float(value))
    if isinstance(value, Spec):
        return as_text(_given_fields(value))
    if isinstance(value, Mapping):
        return _joined([f"{key} {as_text(each)}" for key, each in value.items()])
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = [as_text(each) for each in value]
        if len(texts) > MOST_VALUES:
            texts = [*texts[:2], "…", texts[-1], f"{len(texts):,} in all"]
        return _joined(texts)
    return str(value)


def _joined(texts: Sequence[str]) -> str:
    return "; ".join(texts) if any("," in text for text in texts) else ", ".join(texts)
