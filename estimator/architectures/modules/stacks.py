"""Which modules of a model are its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from .attention import config_of

EXPERTS = "expert"
"""Part of the name of a list that holds experts, and not layers."""


def layer_paths(model: nn.Module) -> list[str]:
    """Return the names of a model's layers, in the order in which it holds them.

    A layer is an entry of a list of modules with two matrices each or more. Where entries are
    stages that hold such lists themselves, of blocks that are alike, the blocks are the layers.
    """
    return list(_layers(model, ""))


def _layers(module: nn.Module, path: str) -> Iterator[str]:
    for name, child in module.named_children():
        here = f"{path}.{name}" if path else name
        if EXPERTS in name:
            continue
        if not _is_stack(child):
            yield from _layers(child, here)
            continue
        for place, each in child.named_children():
            if _is_stage(each):
                yield from _layers(each, f"{here}.{place}")
            else:
                yield f"{here}.{place}"


def _is_stack(module: nn.Module) -> bool:
    """Whether a module is a list of layers."""
    if isinstance(module, nn.ModuleList):
        return any(_matrices(each) > 1 for each in module)
    return isinstance(module, nn.Sequential) and len(module) > 1 and _is_alike(module)


def _is_stage(module: nn.Module) -> bool:
    """Whether an entry of a list holds a list of layers itself."""
    return any(
        isinstance(each, nn.ModuleList | nn.Sequential)
        and len(each) > 1
        and EXPERTS not in name
        and _is_alike(each)
        for name, each in module.named_modules()
    )


def _is_alike(modules: nn.ModuleList | nn.Sequential) -> bool:
    """Whether the entries of a list are blocks of one class."""
    kinds = {type(each) for each in modules}
    return len(kinds) == 1 and all(_matrices(each) > 1 for each in modules)


def _matrices(module: nn.Module | None) -> int:
    """Return how many matrices a module holds; an entry of a list may be none."""
    if module is None:
        return 0
    return sum(each.ndim > 1 for each in module.parameters())


PLAIN = (bool, int, float, str, list, tuple, type(None))
NUMBERS = {"layer_idx", "layer_id", "layer_index", "layer_number", "idx", "index"}
"""Names of attributes that hold a layer's own number."""


def alike_layers(model: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    """Return layers that do just what an earlier one does, each with that one's name.

    They are of one class, their modules have the same plain attributes and shapes, and the
    configuration says the same of them.
    """
    first: dict[object, str] = {}
    found: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for path in layers:
        stack = path.rpartition(".")[0]
        number = numbers.get(stack, 0)
        numbers[stack] = number + 1
        source = first.setdefault((stack, *_signature(model, path, number)), path)
        if source != path:
            found[path] = source
    return found


def _signature(model: nn.Module, path: str, number: int) -> Iterator[object]:
    """Yield all that makes one layer differ from another."""
    layer = model.get_submodule(path)
    for name, module in layer.named_modules():
        yield name, type(module), tuple(_plain(module))
        yield tuple((key, each.shape) for key, each in module.named_parameters(recurse=False))
    config: Any = config_of(model, path)
    for value in getattr(config, "__dict__", {}).values():
        if isinstance(value, list) and number < len(value):
            yield repr(value[number])


def _plain(module: nn.Module) -> Iterator[tuple[str, str]]:
    for name, value in vars(module).items():
        if not name.startswith("_") and name not in NUMBERS and isinstance(value, PLAIN):
            yield name, repr(value)
