"""From modules, and what a pass through them multiplies, to an architecture's operators.

Each parameter is in one operator, so that parameters are exactly the modules'. What is kept for
the backward pass follows ``blocks``: each product keeps its input once, and what comes out of
those that lead to attention or to an activation function; each norm keeps its input.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from ..blocks import BYTES
from ..operators import CLIP, IMAGE, SAMPLE, TOKEN, UNLIMITED, Operator
from .attention import CROSS, config_of, mask_of, routed, text_config, told
from .measured import Measured, Mix, Use
from .recurrence import recurrence_flop

BACK = re.compile(
    r"(?<!intermediate)(^|\.)(o|wo|w2|out|output|dense|proj|down|fc2|c_proj|linear2|lin2|fc_out"
    r"|out_lin|to_out|dense_4h_to_h|output_linear|linear_out|o_proj|out_proj|down_proj|w_o)"
    r"(\.\d+)?$"
)
"""Names of products that lead back to the residual stream."""
GATE_UP = re.compile(r"gate_up|gate_and_up|input_linear")
"""Names of experts' products that hold a gate's and a block's matrix in one."""
KEYS = re.compile(r"(^|\.)(k|v|kv|key|value|wk|wv)(_lin|_proj)?$")
ATTENTION = re.compile(r"att(n|ention)", re.IGNORECASE)
EXPERT = re.compile(r"(?P<list>.*experts?\w*)\.(?:expert_)?(?P<place>\d+)(?P<rest>\..+)$")
PREFIXES = {IMAGE: "vision_", CLIP: "audio_"}
ROTARY = re.compile(r"rotary|rope", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A layer, or what stands outside the layers.

    Attributes:
        path: the layer's.
        number: of the layer in its own stack.
        is_after: whether it stands after the last layer.
    """

    path: str = ""
    number: int = 0
    is_after: bool = False


@dataclass
class Walk:
    """A model on the way to its operators.

    Attributes:
        model: its modules.
        measured: what passes through them multiplied.
        two_ways: whether the model reads a text in both directions.
        notes: what was counted otherwise than measured.
    """

    model: nn.Module
    measured: Measured
    two_ways: bool
    notes: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        self.modules: dict[str, nn.Module] = dict(self.model.named_modules())
        self.unmet: dict[str, int] = {}
        self.heads = {
            path: max(each.heads for each in mixes) for path, mixes in self.measured.mixing.items()
        }
        self.text: Any = text_config(self.model)
        names = ("hidden_size", "d_model", "n_embd", "dim", "inner_dim", "embed_dim")
        widths = (getattr(of, name, None) for of in (self.text, self.model) for name in names)
        self.width: int = next((each for each in widths if isinstance(each, int)), self._usual())
        self.vocabulary = getattr(self.text, "vocab_size", None) or 0
        self.scans = {
            path: found
            for path, module in self.modules.items()
            if (found := recurrence_flop(module)) is not None
        }

    def _usual(self) -> int:
        """Return the width that most matrices read."""
        read = Counter(each[0].d_in for each in self.measured.products.values())
        return max(read, key=lambda width: read[width], default=0)

    def operators(self, place: Place, paths: Sequence[str]) -> tuple[Operator, ...]:
        """Return what some modules hold and do, each parameter and product once."""
        found: list[Operator] = []
        for path in paths:
            for short, _ in self.modules[path].named_parameters(recurse=False):
                name = f"{path}.{short}" if path else short
                if name in self.parameters:
                    found += self._parameter(place, path, name)
            found += self._mixing(place, path)
        return tuple(self._told_alike(found))

    def _told_alike(self, found: list[Operator]) -> Iterator[Operator]:
        """Tell what no product is behind for what the products beside it are told for."""
        products = [each for each in found if each.d_in]
        of = next((each.of for each in products if each.of == TOKEN), None)
        of = of or next((each.of for each in products), TOKEN)
        rows = max((float(each.uses) for each in products if each.of == of), default=1.0)
        for each in found:
            if each.d_in or each.per_key or each.per_token or of == TOKEN:
                yield each
            else:
                kept, eager = each.kept * rows, each.eager * rows
                name = _prefixed(of, each.name)
                yield replace(each, of=of, name=name, kept=kept, eager=eager)

    def _parameter(self, place: Place, path: str, name: str) -> Iterator[Operator]:
        parameter = self.parameters[name]
        size, copies, uses_of = parameter.numel(), 1, self.measured.products.get(name, [])
        among = EXPERT.match(path)
        if among and not _is_layer_list(among["list"]):
            if among["place"] != "0":
                return
            copies = _alike_children(self.modules[among["list"]])
        used = [each for each in uses_of if each.d_in * each.d_out <= size]
        if name in self.measured.looked_up or isinstance(self.modules[path], nn.Embedding):
            ways = UNLIMITED if parameter.shape[0] == self.vocabulary else 1
            yield Operator("embedding", vectors=size, ways=ways, lookup=True)
            for each in used:
                yield self._product(place, name, each, 0)
            return
        if not used and parameter.ndim == 2 and copies > 1:
            # An expert that the passes did not choose.
            d_out, d_in = map(int, parameter.shape)
            used = [Use(TOKEN, path, d_in, d_out, 1.0)]
        if not used:
            if parameter.ndim > 1:
                self.unmet[name] = size * copies
            yield self._vector(place, path, name, copies)
            return
        first = used[0]
        matrix = first.d_in * first.d_out
        held, rest = divmod(size, matrix)
        for number, each in enumerate(used):
            product = self._product(place, name, each, held * copies if number == 0 else 0)
            yield from _halved(product) if GATE_UP.search(name) else [product]
        if rest:
            yield Operator(self._name(place, path, ""), copies=copies, vectors=rest, ways=1)

    def _vector(self, place: Place, path: str, name: str, copies: int) -> Operator:
        """Return a parameter that nothing is multiplied by: a norm's, a bias."""
        parameter, module = self.parameters[name], self.modules[path]
        size, kind = parameter.numel(), type(module).__name__.lower()
        label = self._name(place, path, "")
        if (
            "expert" in path
            and "shared" not in path
            and (copies > 1 or (parameter.ndim > 1 and _is_stacked(module)))
        ):
            each = size
            if copies == 1:
                copies = int(parameter.shape[0])
                each = size // copies
            met = routed(self.model, path) or copies
            return Operator(label, copies=copies, uses=met, vectors=each, expert=True)
        if "norm" in kind or "norm" in name:
            if ATTENTION.search(path.removeprefix(place.path).rpartition(".")[0]):
                return Operator(
                    label, vectors=size, ways=1, kept_split=BYTES * self._normed(path, size)
                )
            wide = 0 if name.endswith("bias") else size
            eager = 2 * BYTES * wide if "rms" in kind else 0
            return Operator("norm", vectors=size, ways=1, kept=BYTES * wide, eager=eager)
        ways = UNLIMITED if name.endswith("bias") and not BACK.search(path) else 1
        return Operator(label, vectors=size, ways=ways)

    def _normed(self, path: str, size: int) -> int:
        """Return the width that a norm inside attention is of: of all heads' queries, or keys."""
        parent = path.rpartition(".")[0]
        widths = [
            each.d_out
            for name, uses in self.measured.products.items()
            if name.startswith(f"{parent}.") and not BACK.search(_module(name))
            for each in uses
            if each.d_out % size == 0
        ]
        keys = re.search(r"(^|\.)k(ey)?_", path) is not None
        return (min if keys else max)(widths, default=size)

    def _product(self, place: Place, name: str, use: Use, copies: int) -> Operator:
        """Return a product with a parameter."""
        label = self._name(place, _module(name) if place.path else use.path, name)
        expert = label.endswith("experts") and not label.endswith("shared_experts")
        rows, of = use.rows, use.of
        if expert and copies > 1:
            of = TOKEN if of == SAMPLE else of  # one row of one expert is all that was run
            chosen = routed(self.model, use.path)
            capacity = told(config_of(self.model, use.path), "expert_capacity")
            if capacity is not None:
                self.notes[
                    f"Experts are counted as chosen, though each takes {capacity} tokens at most "
                    "(expert_capacity), and others pass it by."
                ] = None
            if chosen is not None and abs(rows - chosen) > 1e-9 * chosen:
                rows = float(chosen)
                self.notes["Experts are counted as chosen, not as the library's modules run."] = (
                    None
                )
        else:
            expert = False
        back = bool(BACK.search(_module(name).removeprefix(place.path))) and bool(place.path)
        return self._kept(
            Operator(
                _prefixed(of, label),
                use.d_in,
                use.d_out,
                copies=copies,
                uses=_whole(rows),
                per_key=use.per_pair / 2.0,
                by_input=back,
                ways=UNLIMITED if expert else self._ways(label, use, back),
                expert=expert,
                adapted=_adapted(label),
                module=_module(name).rpartition(".")[2] if _adapted(label) else "",
                of=of,
            ),
            name,
            use,
        )

    def _kept(self, product: Operator, name: str, use: Use) -> Operator:
        """Give a product what is kept for its backward pass."""
        rows, label = product.uses, product.name
        into, out = BYTES * rows * product.d_in, BYTES * rows * product.d_out
        result = product.d_out * rows
        if label.endswith("logits"):
            return replace(product, kept=into)
        if label.endswith("router"):
            kept = 4 * product.d_out + (into if use.is_first else 0)
            return replace(product, kept=kept, result=result)
        if product.by_input:
            return replace(product, kept_split=into, result=result)
        kept = into if use.is_first else 0
        if label.endswith("attention_qkv"):
            if not KEYS.search(_module(name)):
                out = max(0, out - BYTES * rows * self._queries(use))  # the scores keep queries
            if product.ways == 1:
                out = 0  # of low rank: the norm after it keeps it
            return replace(product, kept=kept, kept_split=out, exchanged=out, result=result)
        return replace(product, kept=kept, kept_split=out, result=result)

    def _queries(self, use: Use) -> float:
        """Return the width of all heads' queries in the attention that a product is part of."""
        return max(
            (
                each.per_pair / 4.0
                for path, mixes in self.measured.mixing.items()
                if _together(path, use.path)
                for each in mixes
            ),
            default=0.0,
        )

    def _mixing(self, place: Place, path: str) -> Iterator[Operator]:
        """Return what a module does with tokens and tokens: attention, a recurrence."""
        if path in self.scans:
            flop, heads = self.scans[path]
            self.notes["Recurrences are counted by their state, not by a library's chunks."] = None
            label = self._name(place, path, "")
            yield Operator(label, per_token=flop, ways=heads)
            return
        if any(path.startswith(f"{each}.") for each in self.scans) or ROTARY.search(path):
            return
        for mix in self.measured.mixing.get(path, ()):
            yield from self._scores(place, path, mix)

    def _scores(self, place: Place, path: str, mix: Mix) -> Iterator[Operator]:
        prefix = _prefixed(mix.of, "cross_" if CROSS.search(path) else "")
        if mix.per_pair:
            mask = mask_of(self.model, path, place.number, two_ways=self.two_ways)
            yield Operator(
                f"{prefix}attention_scores",
                per_key=_whole(mix.per_pair / 2.0),
                window=mask.window,
                causal=mask.causal,
                chunked=mask.chunked,
                ways=mix.heads,
                heads=mix.heads,
                kept_split=4 * mix.heads + BYTES * _whole(mix.per_pair / 4.0),
                result=_whole(mix.per_pair / 4.0),
            )
        if mix.per_unit and mix.of == TOKEN:
            yield Operator(f"{prefix}attention_scores", per_token=mix.per_unit, ways=mix.heads)
        elif mix.per_unit:
            # Keys of a sequence of its own: an image's patches, frames of sound.
            queries = mix.per_unit / (2.0 * mix.keys)
            yield Operator(
                f"{prefix}attention_scores",
                per_key=_whole(queries),
                window=mix.keys,
                causal=False,
                chunked=True,
                ways=mix.heads,
                heads=mix.heads,
                result=_whole(queries / 2.0),
                of=mix.of,
            )

    def _name(self, place: Place, path: str, name: str) -> str:
        """Return what an operator's figures are added up under."""
        if not place.path:
            uses = self.measured.products.get(name, [])
            is_head = any(max(each.d_in, each.d_out) == self.vocabulary for each in uses[-1:])
            return "logits" if is_head or place.is_after else "embedding"
        inner = path.removeprefix(place.path).lower()
        cross = "cross_" if CROSS.search(inner) else ""
        back = bool(BACK.search(_module(name).removeprefix(place.path)))
        if "shared_expert" in inner:
            return "shared_experts"
        owner = self.modules.get(path) or self.modules[path.rpartition(".")[0]]
        if re.search(r"experts?(\.|$)", inner) or _is_stacked(owner):
            return "experts"
        if re.search(r"router|gate$|\.gate\.", inner) and not ATTENTION.search(inner):
            return "router"
        if "conv" in inner:
            return "convolution"
        scanned = [each for each in self.scans if f"{path}.".startswith(f"{each}.")]
        if scanned:
            side = ("_out" if back else "_in") if name else ""
            return ("linear_attention" if "att" in inner else "state_space") + side
        if ATTENTION.search(inner):
            return f"{cross}attention_output" if back else f"{cross}attention_qkv"
        return "mlp"

    def _ways(self, label: str, use: Use, back: bool) -> float:
        """Return over how many ranks a product can be divided."""
        if label.endswith("router"):
            return 1
        if label.endswith(("mlp", "experts", "logits", "embedding")):
            return UNLIMITED
        inside = [path for path in self.heads if _together(path, use.path)]
        heads = max((self.heads[path] for path in inside), default=1)
        wide = use.d_in if back else use.d_out
        if wide % heads:
            return 1
        whole = self._queries(use)
        keys = wide * heads / whole if whole and wide < whole else heads
        return int(keys) if keys and float(keys).is_integer() else 1


def _halved(product: Operator) -> list[Operator]:
    """Return an expert's gate and block one by one, as entries of the table tell them."""
    if not product.expert or product.d_out % 2:
        return [product]
    half = replace(
        product,
        d_out=product.d_out // 2,
        kept_split=product.kept_split / 2,
        result=product.result / 2,
    )
    return [half, replace(half, kept=0)]


def _alike_children(module: nn.Module) -> int:
    """Return how many of the modules that one holds are of its first one's class."""
    children = list(module.children())
    return sum(type(each) is type(children[0]) for each in children)


def _prefixed(of: str, name: str) -> str:
    return f"{PREFIXES.get(of, '')}{name}"


def _together(first: str, second: str) -> bool:
    """Whether two modules are parts of one, or one of the other."""
    return first.startswith(second.rpartition(".")[0]) or second.startswith(first)


def _is_layer_list(name: str) -> bool:
    return name.rpartition(".")[2] in ("layers", "blocks", "h")


def _is_stacked(module: nn.Module) -> bool:
    """Whether a module holds the matrices of many experts in one parameter."""
    return "expert" in type(module).__name__.lower() and any(
        each.ndim == 3 for each in module.parameters(recurse=False)
    )


def _module(parameter: str) -> str:
    """Return the name of the module that holds a parameter, or its own where that says more."""
    owner, _, own = parameter.rpartition(".")
    return owner if own in ("weight", "bias") else parameter


def _adapted(label: str) -> str:
    if label.endswith("experts"):
        return "experts" if not label.endswith("shared_experts") else "mlp"
    if label.endswith("mlp"):
        return "mlp"
    kinds = ("attention_qkv", "attention_output", "_in", "_out")
    return "attention" if label.endswith(kinds) else ""


def _whole(value: float) -> float:
    """Return a number, a whole one as such."""
    near = round(value)
    return near if abs(value - near) < 1e-6 * max(1.0, abs(value)) else value
