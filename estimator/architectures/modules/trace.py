"""What a pass through a module multiplies, seen without computing anything.

The modules stand on the meta device: their tensors have shapes and no values. Each product that
PyTorch would run is written down with the parameter that it multiplies by and the FLOP of
PyTorch's own counter (``torch.utils.flop_counter``).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten

COPIES = {aten._to_copy, aten.clone, aten.index, aten.index_select, aten.gather}
"""Operations whose result still is the parameter that goes in first: cast or gathered."""

EXPERTS = re.compile(r"expert|moe|mlp|ffn|router|feed_forward")
"""Modules that choose among experts, of which one is run."""
WHOLE = {torch.bool, torch.uint8, torch.int32, torch.int64}
MOST_VALUES = 4_000_000
"""Elements of a tensor that keeps its values, at most."""
MOST_SECONDS = 30.0
"""Time of a processor that a pass may take [s]."""
PADDING_ROWS = 16
"""Rows that a causal convolution computes beyond a sequence, and cuts off, at most."""


class Key(NamedTuple):
    """A product with a parameter, or what a module mixes without one.

    Attributes:
        path: name of the module that runs it.
        parameter: name of the parameter; empty where tokens meet tokens.
        d_in: inputs of the product.
        d_out: outputs of the product.
    """

    path: str
    parameter: str = ""
    d_in: int = 0
    d_out: int = 0


@dataclass
class Pass:
    """One pass.

    Attributes:
        flop: of each product.
        is_first: whether a product is the first to read its input.
        heads: most products of one batch that each module runs without a parameter.
        keys: most keys that a query of a module attends.
        looked_up: parameters of which rows were taken.
        total: FLOP of all.
    """

    flop: dict[Key, float] = field(default_factory=dict)
    is_first: dict[Key, bool] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    looked_up: set[str] = field(default_factory=set)
    total: float = 0.0

    def repeat(self, source: str, path: str, share: float) -> None:
        """Add what a layer did that returned another's results: what that one did, so often."""
        for key, flop in list(self.flop.items()):
            if f"{key.path}.".startswith(f"{source}."):
                self._copy(key, flop * share, f"{source}.", f"{path}.")

    def _copy(self, key: Key, flop: float, source: str, path: str) -> None:
        def renamed(name: str) -> str:
            return f"{name}.".replace(source, path, 1).removesuffix(".")

        copied = key._replace(
            path=renamed(key.path),
            parameter=renamed(key.parameter) if key.parameter.startswith(source) else key.parameter,
        )
        self.flop[copied] = self.flop.get(copied, 0.0) + flop
        self.total += flop
        if key in self.is_first:
            self.is_first[copied] = self.is_first[key]
        if key.path in self.heads:
            self.heads[copied.path] = self.heads[key.path]
            self.keys[copied.path] = self.keys[key.path]


class Terms(NamedTuple):
    """FLOP of a pass as a polynomial of the tokens of its sequence."""

    fixed: float
    per_token: float
    per_pair: float


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down products, and answers for values that are asked for and are not there.

    A truth value is no, a number 0, a selection by a mask is all of it: such answers choose among
    paths of a forward pass (is anything padded, which experts were chosen), and the common one
    is that nothing is out of the ordinary.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = Pass()
        self.deadline = time.process_time() + MOST_SECONDS
        self.paths: list[str] = [""]
        self._origins = {_storage(each): name for name, each in parameters.items()}
        self._read: dict[int, Tensor] = {}
        self._copies: list[Tensor] = []  # kept, so that no other tensor takes their place

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation on shapes alone."""
        if time.process_time() > self.deadline:
            raise TimeoutError(f"takes more than {MOST_SECONDS:g} s")
        kwargs = kwargs or {}
        stand_in = _STAND_INS.get(func)
        if stand_in is not None and any(each.is_meta for each in _tensors(args)):
            if func is aten.nonzero.default and EXPERTS.search(self.paths[-1]):
                return torch.zeros((1, args[0].ndim), dtype=torch.long, device="cpu")
            return stand_in(*args, **kwargs)
        if func is aten.index.Tensor and args[0].is_meta and any(map(_is_mask, args[1])):
            return _selected(*args)
        given = list(_tensors((args, tuple(kwargs.values()))))
        if any(each.is_meta for each in given) and not all(each.is_meta for each in given):
            args, kwargs = _moved(args), {name: _moved(each) for name, each in kwargs.items()}
        if "device" in kwargs:
            kwargs = {**kwargs, "device": _device(func, args, kwargs)}
        result = func(*args, **kwargs)
        self._note(func._overloadpacket, args, kwargs, result)
        return result

    def _note(self, packet: Any, args: tuple[Any, ...], kwargs: Any, result: Any) -> None:
        if packet in COPIES and self._origin(args[0]) is not None:
            self._origins[_storage(result)] = str(self._origin(args[0]))
            self._copies.append(result)
        if packet is aten.embedding and self._origin(args[0]):
            self.found.looked_up.add(str(self._origin(args[0])))
        if packet not in flop_registry:
            return
        flop = float(flop_registry[packet](*args, **kwargs, out_val=result))
        key, read = self._product(packet, args)
        here = self.found
        here.total += flop
        here.flop[key] = here.flop.get(key, 0.0) + flop
        if key.parameter:
            here.is_first.setdefault(key, _storage(read) not in self._read)
            self._read[_storage(read)] = read
        else:
            first, second = _factors(packet, args)
            heads = first.shape[0] if first.ndim == 3 else first.shape[1] if first.ndim > 3 else 1
            here.heads[key.path] = max(here.heads.get(key.path, 0), int(heads))
            here.keys[key.path] = max(here.keys.get(key.path, 0), *map(int, second.shape[-2:]))

    def _product(self, packet: Any, args: tuple[Any, ...]) -> tuple[Key, Tensor]:
        """Return what a product is, and the activations that it reads."""
        path = self.paths[-1]
        first, second = _factors(packet, args)
        name = self._origin(second)
        if packet in (aten.convolution, aten._convolution):
            inner = second.numel() // second.shape[0]
            return Key(path, name or "", inner, int(second.shape[0])), first
        if name is not None:
            return Key(path, name, int(second.shape[-2]), int(second.shape[-1])), first
        name = self._origin(first)
        if name is not None:
            return Key(path, name, int(first.shape[-1]), int(first.shape[-2])), second
        return Key(path), first

    def _origin(self, value: Any) -> str | None:
        return self._origins.get(_storage(value)) if isinstance(value, Tensor) else None


class _Lists(TorchFunctionMode):
    """Makes lists of tensors without values: of zeros."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Answer what is asked of a tensor in Python."""
        kwargs = kwargs or {}
        if func in (Tensor.tolist, Tensor.numpy) and args[0].is_meta:
            zeros = torch.zeros(args[0].shape, dtype=args[0].dtype, device="cpu")
            return func(zeros)
        if func in (Tensor.split, torch.split) and args[0].is_meta and _are_unknown(args[1:2]):
            return (args[0], *(args[0][:0] for _ in args[1][1:]))
        if func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], Tensor):
            kwargs = {name: value for name, value in kwargs.items() if name != "device"}
        return func(*args, **kwargs)


def _are_unknown(sizes: tuple[Any, ...]) -> bool:
    """Whether the parts of a tensor are a list that came of no values: all go to the first."""
    return bool(sizes) and isinstance(sizes[0], list) and bool(sizes[0]) and not any(sizes[0])


def run(model: nn.Module, call: Callable[[], object], alike: Mapping[str, str]) -> Pass:
    """Return what a call of a model on the meta device multiplies.

    Args:
        model: the model.
        call: calls it, or a part of it.
        alike: layers that do what another does, each with that one's name; they are not run.
    """
    recorder = Recorder(dict(model.named_parameters()))
    with (
        _tracked(model, recorder.paths),
        _replayed(model, alike) as replayed,
        torch.no_grad(),
        _without_autocast(),
        _Lists(),
        recorder,
    ):
        call()
    for path, share in replayed.items():
        recorder.found.repeat(alike[path], path, share)
    return recorder.found


@contextmanager
def _replayed(model: nn.Module, alike: Mapping[str, str]) -> Iterator[dict[str, float]]:
    """Have layers return what another like them has returned.

    Yields:
        how often those that did were called, over how often the other was, in the end.
    """
    outputs: dict[str, dict[object, object]] = {}
    calls: dict[str, int] = {}
    replayed: dict[str, float] = {}

    def keep(path: str, shapes: object, output: object) -> None:
        outputs.setdefault(path, {})[shapes] = output
        calls[path] = calls.get(path, 0) + 1

    def replay(path: str, run_it: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        found, shapes = outputs.get(alike[path], {}), _shapes(args, kwargs)
        if list(found) != [shapes]:  # not yet called, or with other sizes
            return run_it(*args, **kwargs)
        calls[path] = calls.get(path, 0) + 1
        return found[shapes]

    hooks = []
    for path in set(alike.values()):
        module = model.get_submodule(path)
        hooks.append(
            module.register_forward_hook(
                lambda _, args, kwargs, output, path=path: keep(
                    path, _shapes(args, kwargs), output
                ),
                with_kwargs=True,
            )
        )
    changed = [(path, model.get_submodule(path)) for path in alike]
    for path, module in changed:
        module.forward = partial(replay, path, module.forward)
    try:
        yield replayed
        replayed |= {path: calls[path] / calls[alike[path]] for path in alike if path in calls}
    finally:
        for hook in hooks:
            hook.remove()
        for _, module in changed:
            del module.forward


def _shapes(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(tuple(each.shape) for each in _tensors((*args, *kwargs.values())))


@contextmanager
def _without_autocast() -> Iterator[None]:
    """Leave precisions alone on the meta device, for which PyTorch has no automatic ones."""
    usual = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if device_type == "meta" else usual(device_type, *args, **kwargs)

    torch.autocast = autocast  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        torch.autocast = usual  # type: ignore[misc]


@contextmanager
def _tracked(model: nn.Module, paths: list[str]) -> Iterator[None]:
    """Keep the name of the module that runs at the end of ``paths``."""
    hooks = []
    for name, each in model.named_modules():
        hooks += [
            each.register_forward_pre_hook(lambda *_, name=name: paths.append(name)),
            each.register_forward_hook(lambda *_: paths.pop() and None, always_call=True),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def terms(lengths: Sequence[int], passes: Sequence[Pass]) -> dict[Key, Terms]:
    """Return each product's FLOP as a polynomial through three passes."""
    powers = torch.tensor([[1.0, each, each**2] for each in lengths], dtype=torch.float64)
    keys = list(dict.fromkeys(key for each in passes for key in each.flop))
    values = torch.tensor(
        [[each.flop.get(key, 0.0) for key in keys] for each in passes], dtype=torch.float64
    )
    found = torch.linalg.solve(powers, values)
    largest = values.amax(0).clamp_min(1.0)
    # What the solution leaves over of nothing.
    for power, row in enumerate(found):
        row[row.abs() * max(lengths) ** power < 1e-9 * largest] = 0.0
    return {key: Terms(*found[:, place].tolist()) for place, key in enumerate(keys)}


def _storage(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)


def _tensors(values: Any) -> Iterator[Tensor]:
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, list | tuple):
            yield from _tensors(each)


def _factors(packet: Any, args: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    """Return the two tensors that an operation multiplies."""
    return (args[1], args[2]) if packet in (aten.addmm, aten.baddbmm) else (args[0], args[1])


def _device(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.device:
    """Return where a result goes: whole numbers and truth values keep their values.

    They are positions, masks and sizes, whose values choose what a model does; a large one has
    none, as nothing with a fraction has.
    """
    given = next(_tensors(args), None)
    if given is not None and given.is_meta:
        return torch.device("meta")
    asked = kwargs["device"]
    if asked is None or torch.device(asked).type != "meta":
        return torch.device("cpu")
    dtype = kwargs.get("dtype") or (None if given is None else given.dtype)
    size = given.numel() if given is not None else _asked_size(func, args)
    plain = dtype in WHOLE or (dtype is None and func._overloadpacket is aten.arange)
    return torch.device("cpu" if plain and size <= MOST_VALUES else "meta")


def _asked_size(func: Any, args: tuple[Any, ...]) -> int:
    """Return how many elements a new tensor has."""
    shape = args[0] if args else ()
    if func._overloadpacket is aten.arange:
        return int(max(each for each in args if isinstance(each, int | float)))
    return math.prod(shape) if isinstance(shape, list | tuple) else MOST_VALUES + 1


def _moved(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value if value.is_meta else torch.empty_like(value, device="meta")
    if isinstance(value, list | tuple):
        return type(value)(map(_moved, value))
    return value


def _number(value: Tensor) -> object:
    if value.dtype == torch.bool:
        return False
    return 0.0 if value.dtype.is_floating_point else 0


def _all_of_it(value: Tensor) -> Tensor:
    return torch.empty((value.numel(), value.ndim), dtype=torch.long, device="meta")


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _selected(value: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """Index by whole numbers; a mask without values is taken as true throughout."""
    plain: list[Tensor | None] = []
    for each in indices:
        if each is not None and _is_mask(each):
            count = each.numel() if each.is_meta else int(each.sum())
            whole = torch.empty((count,), dtype=torch.long, device="meta")
            plain += [whole] * each.ndim
        else:
            plain.append(each if each is None else torch.empty_like(each, device="meta"))
    where = torch.empty_like(value, device="meta")
    return torch.ops.aten.index.Tensor(where, plain)  # type: ignore[no-any-return]


def _repeated(repeats: Tensor, *, output_size: int | None = None) -> Tensor:
    return torch.empty((output_size or repeats.numel(),), dtype=torch.long, device="meta")


_STAND_INS: dict[Any, Callable[..., Any]] = {
    aten._local_scalar_dense.default: _number,
    aten.equal.default: lambda *_: True,
    aten.nonzero.default: _all_of_it,
    aten.repeat_interleave.Tensor: _repeated,
}
"""Operations whose result hangs on values."""
