"""``config.json`` as users have it: read, and each field looked at before it is used."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import DEEPEST, is_deeper, is_folder, read_text

from .operators import Heads
from .outputs import Purpose
from .types import TypeFields

GENERATE = Purpose()
LARGEST_SIZE = 10**9
MOST_LAYERS = 10_000

SPELLINGS = {
    "hidden_size": ("n_embed",),
    "head_dim": ("attention_head_dim",),
    "num_experts": ("num_local_experts", "n_routed_experts"),
    "num_shared_experts": ("n_shared_experts",),
    "n_shared_experts": ("num_shared_experts",),
    "num_nextn_predict_layers": ("num_mtp_modules",),
    "layer_types": ("layers_block_type", "attn_type_list"),
}
"""Other names of a field, whatever the architecture."""

DEFINING = frozenset(
    {
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_hidden_layers",
        "vocab_size",
    }
)
"""Sizes that a file has to say, whatever its type declares."""


def read_config(source: str | Path) -> tuple[dict[str, Any], str]:
    """Read a ``config.json``: a file, a directory that holds one, or ``-`` for standard input.

    Returns:
        its fields, and what to call it in messages.

    Raises:
        RequestError: naming the file: missing, too large, not UTF-8 text, not JSON (with line
            and column), not an object.
    """
    if str(source) == "-":
        text, name = read_text(sys.stdin.buffer, "standard input"), "standard input"
    else:
        path = Path(source)
        if is_folder(path):
            path = path / "config.json"
        text, name = read_text(path), str(path)
    return parse_config(text, name), name


def parse_config(text: str, name: str) -> dict[str, Any]:
    """Parse a ``config.json``, with ``name`` standing for the file in messages."""
    if not text.strip():
        raise RequestError(name, "is empty")

    def twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            key = next(key for key in keys if keys.count(key) > 1)
            raise RequestError(name, f"gives {shown(key)} twice")
        return found

    try:
        data = json.loads(text, object_pairs_hook=twice)
    except json.JSONDecodeError as error:
        raise RequestError(name, f"is not valid JSON: {error}") from None
    except RecursionError:
        raise RequestError(name, f"is nested more than {DEEPEST} levels deep") from None
    except RequestError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise RequestError(name, f"is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise RequestError(name, f"got {shown(data)}; allowed: a JSON object, as in config.json")
    if is_deeper(data, DEEPEST):
        raise RequestError(name, f"is nested more than {DEEPEST} levels deep")
    return data


class FieldRules(NamedTuple):
    """What a type's entry says of the fields of its files.

    Attributes:
        names: what the type calls fields that most types call otherwise.
        defaults: fields that makers leave out, as the entry fills them in.
        declared: fields that the type declares, with their defaults.
    """

    names: Mapping[str, str]
    defaults: Mapping[str, Any]
    declared: TypeFields


class Config:
    """The fields of a configuration, by the names that most architectures use.

    A field that is missing takes the default that its type declares, or the architecture's own; one
    without a default must be there, and so must the sizes that define a model, but in a
    configuration inside another, whose file leaves out what its type declares. Tensors stand for
    many architectures at once and are taken as they are.

    Attributes:
        fields: as given.
        file: what to call it in messages.
        purpose: what the model is for.
        read: keys that were looked at.
        assumed: fields that were left out, with what was taken for them.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        file: str,
        rules: FieldRules,
        *,
        purpose: Purpose = GENERATE,
        is_inner: bool = False,
    ) -> None:
        self.fields = fields
        self.file = file
        self.names, self.defaults, self.declared = rules
        self.purpose = purpose
        self.is_inner = is_inner
        self.read: set[str] = set()
        self.assumed: dict[str, Any] = {}

    def names_of(self, name: str) -> list[str]:
        """Return every name that a field may have, the type's own first."""
        own = [table[name] for table in (self.names, self.declared.names) if name in table]
        return list(dict.fromkeys((*own, name, *SPELLINGS.get(name, ()))))

    def key(self, name: str) -> str:
        """Return what the file calls ``name``."""
        keys = self.names_of(name)
        return next((key for key in keys if key in self.fields), keys[0])

    def get(self, name: str) -> Any:
        """Return a field as it is given, ``null`` included, or its default."""
        value: Any = self.fields
        key = self.key(name)
        self.read.add(key.partition(".")[0])
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return self._default(name)
            value = value[part]
        return value

    def _default(self, name: str) -> Any:
        """Return what is taken for a field that was left out."""
        if self.is_inner or name not in DEFINING or name in self.defaults:
            for key in self.names_of(name):
                if key in self.declared.defaults:
                    value = self.declared.defaults[key]
                    if self.is_inner and name in DEFINING:
                        self.assumed[key] = value
                    return value
        return self.defaults.get(name)

    def fault(self, name: str, allowed: str) -> RequestError:
        """Return the error for a field that cannot be used as given."""
        value = self.get(name)
        if value is None:
            return RequestError(self.file, f"{self.key(name)} is missing; allowed: {allowed}")
        return RequestError(self.file, f"{self.key(name)}: got {shown(value)}; allowed: {allowed}")

    def size(self, name: str, least: int = 1, most: int = LARGEST_SIZE) -> Any:
        """Return a whole number (an int), or a tensor of them.

        Raises:
            RequestError: where it is missing, not whole, or out of range.
        """
        value = self.get(name)
        if _is_tensor(value):
            return value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.fault(name, f"a whole number from {least} to {most}")
        return value

    def optional_size(self, name: str, least: int = 1) -> Any:
        """Return a whole number, or None where there is none."""
        return None if self.get(name) is None else self.size(name, least)

    def flag(self, name: bool | str) -> bool:
        """Return a yes or no: itself, or the field of that name (absent: no)."""
        if isinstance(name, bool):
            return name
        value = self.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.fault(name, "true or false")
        return value

    def indices(self, name: str, count: int) -> list[int]:
        """Return a list of layer numbers, sorted."""
        value = self.get(name) or []
        if not isinstance(value, list) or not all(
            isinstance(item, int) and not isinstance(item, bool) and 0 <= item < count
            for item in value
        ):
            raise self.fault(name, f"a list of layer numbers from 0 to {count - 1}")
        return sorted(set(value))

    def sizes(self, name: str, count: int) -> list[int]:
        """Return a list of whole numbers, one a layer."""
        value = self.get(name)
        if (
            not isinstance(value, list)
            or len(value) != count
            or not all(type(each) is int and 0 < each <= LARGEST_SIZE for each in value)
        ):
            raise self.fault(name, f"a list of {count} whole numbers from 1 to {LARGEST_SIZE}")
        return value

    def divided(self, name: str, by: str) -> Any:
        """Return one size divided by another, which must divide it."""
        whole, parts = self.size(name), self.size(by)
        if isinstance(whole, int) and isinstance(parts, int) and whole % parts:
            raise RequestError(
                self.file,
                f"{self.key(by)}: got {parts}; allowed: a divisor of {self.key(name)}, {whole}",
            )
        return whole // parts

    def layers(self) -> Any:
        """Return the number of layers."""
        return self.size("num_hidden_layers", most=MOST_LAYERS)

    def whole_layers(self) -> int:
        """Return the number of layers, where a pattern of them hangs on it."""
        count = self.layers()
        if not isinstance(count, int):
            raise self.fault(
                "num_hidden_layers", "one number, as the pattern of layers hangs on it"
            )
        return count

    def switches(self, name: str) -> list[bool]:
        """Return a list of yes or no, one a layer."""
        given, count = self.get(name), self.whole_layers()
        if not isinstance(given, list) or len(given) != count or set(given) - {0, 1}:
            raise self.fault(name, f"a list of {count}, each 0 or 1")
        return [bool(each) for each in given]

    def heads(self, *, grouped: bool = True) -> Heads:
        """Return query heads, heads of keys and values, and the width of one."""
        kv_heads = heads = self.size("num_attention_heads")
        if grouped and self.get("num_key_value_heads") is not None:
            kv_heads = self.size("num_key_value_heads")
        if isinstance(heads, int) and isinstance(kv_heads, int) and heads % kv_heads:
            raise self.fault(
                "num_key_value_heads", f"a divisor of {self.key('num_attention_heads')}, {heads}"
            )
        if self.get("head_dim") is not None:
            return Heads(heads, kv_heads, self.size("head_dim"))
        return Heads(heads, kv_heads, self.divided("hidden_size", "num_attention_heads"))


def _is_tensor(value: object) -> bool:
    """Whether a value is a tensor; where torch was never loaded, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
