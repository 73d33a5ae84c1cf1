"""What a table's entry is written in: recipes that turn a configuration into operators.

Each recipe is named after what it makes; its arguments say which field of ``config.json``
decides, or are the answer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from . import attending, blocks
from .config import MOST_LAYERS, Config
from .operators import UNLIMITED, Architecture, LayerKind, Layers, Operator
from .outputs import DECODER_HEADS, decoder_outputs

Flag: TypeAlias = bool | str
"""A yes or no, or the name of the field that says it."""

Recipe: TypeAlias = Callable[[Config, str], list[Operator]]
"""Function from a configuration and a layer's label to the operators of that layer's part."""

Plan: TypeAlias = Callable[[Config], list[tuple[str, Layers]]]
"""Function from a configuration to labels, each with the layers that bear it."""

FULL, SLIDING, CHUNKED, LINEAR = (
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "linear_attention",
)
DENSE, SPARSE = "dense", "sparse"

SAME_LABELS = {"attention": FULL, "mamba": LINEAR, 1: FULL, 0: LINEAR}
"""Names of a layer's mixer in older configurations."""


def uniform(label: str) -> Plan:
    """Every layer is the same."""
    return lambda config: [(label, Layers.between(0, config.layers()))]


def windowed(config: Config) -> list[tuple[str, Layers]]:
    """Every layer has the window that the configuration gives, if it gives one."""
    label = FULL if config.get("sliding_window") is None else SLIDING
    return [(label, Layers.between(0, config.layers()))]


def typed(rule: Callable[[Config, int], str]) -> Plan:
    """``layer_types`` where it is given; otherwise a rule for each layer."""

    def plan(config: Config) -> list[tuple[str, Layers]]:
        count = config.whole_layers()
        labels = config.get("layer_types")
        if labels is None:
            labels = [rule(config, layer) for layer in range(count)]
        is_list = isinstance(labels, list) and all(isinstance(each, str | int) for each in labels)
        if not is_list or len(labels) != count:
            raise config.fault("layer_types", f"a list of {count}, one a layer")
        return grouped_labels([SAME_LABELS.get(label, str(label)) for label in labels])

    return plan


def every(period: int | str, special: str, others: str, *, offset: int | str = -1) -> Plan:
    """``layer_types`` where it is given; otherwise one special layer in each period.

    Args:
        period: how many layers, or the field that says it.
        special: its label.
        others: the label of all others.
        offset: its place in the period, or the field that says it; -1 is the last.
    """

    def rule(config: Config, layer: int) -> str:
        steps = period if isinstance(period, int) else config.size(period)
        place = offset if isinstance(offset, int) else config.size(offset, 0)
        return special if layer % steps == place % steps else others

    return typed(rule)


def leading(name: str) -> Plan:
    """The first layers are dense, all others mixtures of experts."""

    def plan(config: Config) -> list[tuple[str, Layers]]:
        count, dense = config.layers(), config.size(name, 0, MOST_LAYERS)
        if isinstance(dense, int) and isinstance(count, int):
            dense = min(dense, count)
        parts = [(DENSE, Layers.between(0, dense)), (SPARSE, Layers.between(dense, count))]
        return [(label, part) for label, part in parts if not _is_empty(part)]

    return plan


def sparse_types(otherwise: Plan) -> Plan:
    """``mlp_layer_types`` where it is given; otherwise a plan."""

    def plan(config: Config) -> list[tuple[str, Layers]]:
        labels = config.get("mlp_layer_types")
        if labels is None:
            return otherwise(config)
        count = config.whole_layers()
        if not isinstance(labels, list) or len(labels) != count:
            raise config.fault("mlp_layer_types", f"a list of {count}, one a layer")
        if not all(label in (DENSE, SPARSE) for label in labels):
            raise config.fault("mlp_layer_types", f"a list of {DENSE} and {SPARSE}")
        return grouped_labels(labels)

    return plan


def sparse_step(config: Config) -> list[tuple[str, Layers]]:
    """Every so many layers a mixture of experts, but for those listed as dense (Qwen's rule)."""
    count = config.whole_layers()
    step, dense = config.size("decoder_sparse_step"), config.indices("mlp_only_layers", count)
    experts = config.size("num_experts", 0)
    return grouped_labels(
        [
            SPARSE if layer not in dense and experts and (layer + 1) % step == 0 else DENSE
            for layer in range(count)
        ]
    )


def listed(name: str, step: str) -> Plan:
    """Mixtures of experts where a list says so, or one in each step (Llama 4's rule)."""

    def plan(config: Config) -> list[tuple[str, Layers]]:
        count = config.whole_layers()
        if config.get(name) is None:
            period = config.size(step)
            sparse = list(range(period - 1, count, period))
        else:
            sparse = config.indices(name, count)
        return grouped_labels([SPARSE if layer in sparse else DENSE for layer in range(count)])

    return plan


def grouped_labels(labels: Sequence[str]) -> list[tuple[str, Layers]]:
    """Return each label with the layers that bear it, in the order of their first."""
    return [
        (label, layers)
        for label in dict.fromkeys(labels)
        for layers in Layers.covering([i for i, other in enumerate(labels) if other == label])
    ]


def attention(
    *,
    bias: Flag = False,
    out_bias: Flag = False,
    qk_norm: Flag | tuple[str, Flag] = False,
    gated: Flag = False,
    sinks: bool = False,
    grouped: bool = True,
) -> Recipe:
    """Grouped-query attention, with a window where the layer's label says so.

    ``qk_norm`` is its kind and, where it is optional, the field that says whether; ``grouped``,
    whether keys and values may have fewer heads than queries.
    """

    def recipe(config: Config, label: str) -> list[Operator]:
        kind, on = qk_norm if isinstance(qk_norm, tuple) else ("head", qk_norm)
        heads = config.heads(grouped=grouped)
        chunked = label == CHUNKED
        window = UNLIMITED
        if label != FULL:
            window = config.size("attention_chunk_size" if chunked else "sliding_window")
        extras = attending.Extras(
            bias=config.flag(bias),
            out_bias=config.flag(out_bias),
            gated=config.flag(gated),
            qk_norm=kind if config.flag(on) else "",
            sinks=sinks,
        )
        mask = attending.Mask(window, chunked)
        return attending.attention(config.size("hidden_size"), heads, extras, mask)

    return recipe


def square(recipe: Recipe) -> Recipe:
    """Attention whose output's matrix is as wide as the hidden size, so that its heads must be."""

    def checked(config: Config, label: str) -> list[Operator]:
        heads = config.heads()
        if heads.queries * heads.width != config.size("hidden_size"):
            raise config.fault("head_dim", "hidden_size / num_attention_heads")
        return recipe(config, label)

    return checked


def latent(
    *, bias: Flag = "attention_bias", window: str = "", values_of_heads: bool = False
) -> Recipe:
    """Multi-head latent attention, over as many keys as the field ``window`` says.

    ``values_of_heads``: whether values are as wide as a head where no field says so.
    """

    def recipe(config: Config, label: str) -> list[Operator]:
        hidden = config.size("hidden_size")
        by_heads = values_of_heads and config.get("v_head_dim") is None
        sizes = attending.LatentHeads(
            heads=config.size("num_attention_heads"),
            q_rank=config.optional_size("q_lora_rank"),
            kv_rank=config.size("kv_lora_rank"),
            d_nope=config.size("qk_nope_head_dim"),
            d_rope=config.size("qk_rope_head_dim"),
            d_v=config.divided("hidden_size", "num_attention_heads")
            if by_heads
            else config.size("v_head_dim"),
        )
        keys = config.size(window) if window else UNLIMITED
        return attending.latent_attention(hidden, sizes, config.flag(bias), keys)

    return recipe


def plus(*recipes: Recipe) -> Recipe:
    """Several recipes, one after another."""
    return lambda config, label: [each for recipe in recipes for each in recipe(config, label)]


def gains(name: str, size: str, times: int = 1) -> Recipe:
    """Parameters beside matrices: as many as a field says, so many times."""
    return lambda config, label: [blocks.vector(name, times * config.size(size))]


def by_label(choices: Mapping[str, Recipe]) -> Recipe:
    """The recipe that goes by a layer's label."""

    def recipe(config: Config, label: str) -> list[Operator]:
        if label not in choices:
            known = ", ".join(choices)
            raise config.fault("layer_types", f"labels among {known}; {label!r} is none")
        return choices[label](config, label)

    return recipe


def mlp(
    *, gated: bool = True, bias: Flag = False, width: str = "intermediate_size", ratio: int = 0
) -> Recipe:
    """A feed-forward block; its width is a field, or ``ratio`` times the hidden size."""

    def recipe(config: Config, label: str) -> list[Operator]:
        hidden = config.size("hidden_size")
        wide = ratio * hidden if ratio and config.get(width) is None else config.size(width)
        return blocks.mlp(hidden, wide, gated=gated, bias=config.flag(bias))

    return recipe


class SharedExperts(NamedTuple):
    """The fields that say which experts all tokens share.

    Attributes:
        width: the field with their width; where there is none, each is as wide as a routed one.
        number: the field with their number; where there is none, there is one.
        is_weighted: whether a gate weights their output.
        bias: whether their matrices have one each.
        fewest: the fewest that a file may ask for.
    """

    width: str = ""
    number: str = ""
    is_weighted: bool = False
    bias: Flag = False
    fewest: int = 0

    def all_of(self, config: Config, routed: Any) -> blocks.Shared:
        """Return them as one, of a layer whose routed experts have a width."""
        wide: Any = config.size(self.width, 0) if self.width else 0
        if self.number and config.get(self.number) is not None:
            each = wide if self.width else routed
            wide = each * config.size(self.number, self.fewest)
        return blocks.Shared(wide, self.is_weighted, config.flag(self.bias))


UNSHARED = SharedExperts()


def mixture(
    *,
    width: str = "intermediate_size",
    bias: Flag = False,
    router_bias: bool = False,
    shared: SharedExperts = UNSHARED,
    gated: bool = True,
) -> Recipe:
    """A mixture of experts.

    Args:
        width: the field with a routed expert's width.
        bias: whether experts have one.
        router_bias: whether the router, or each expert's score, has one that is a parameter.
        shared: experts that all tokens share.
        gated: whether experts have three matrices.
    """

    def recipe(config: Config, label: str) -> list[Operator]:
        wide, experts = config.size(width), config.size("num_experts")
        top_k = config.size("num_experts_per_tok")
        if isinstance(top_k, int) and isinstance(experts, int) and top_k > experts:
            raise config.fault(
                "num_experts_per_tok", f"up to {config.key('num_experts')}, {experts}"
            )
        parts = blocks.mixture(
            config.size("hidden_size"),
            wide,
            blocks.Experts(experts, top_k),
            shared.all_of(config, wide),
            bias=config.flag(bias),
            gated=gated,
        )
        return [*parts, blocks.vector("router", experts)] if router_bias else parts

    return recipe


def dense_or(sparse: Recipe, dense: Recipe | None = None) -> Recipe:
    """A mixture of experts, or a dense block, as the layer's label says."""
    otherwise = dense or mlp()
    return lambda config, label: (sparse if label == SPARSE else otherwise)(config, label)


@dataclass(frozen=True)
class Family:
    """How one ``model_type`` is counted.

    Attributes:
        title: well-known models of this type.
        mixer: attention, or what stands in its place.
        feed_forward: the other half of a layer; None where there is none.
        mixers: which layer has which mixer.
        feed_forwards: which layer has which feed-forward block.
        norm: ``rms``, ``layer``, ``gain`` (no bias), ``none`` (no parameters).
        norms: number of norms of the hidden size in a layer; may depend on the configuration.
        positions: entries of a learned position table; None where there is none.
        embedding_norm: whether embeddings are normed.
        final_norm: whether the last layer's output is normed.
        head_bias: whether the logits have a bias.
        can_tie: whether embeddings and head can be one, where the configuration says so.
        names: what this type calls fields that most types call otherwise.
        defaults: fields that makers leave out, as ``transformers`` fills them in.
        heads: kinds of heads that its classes may have; others are not counted by its entry.
        counted_as: the class of ``transformers`` that has the same parameters.
        build: function that makes the whole architecture of what is not a decoder.
        note: what to say of every model of this type.
        layer_count: how many layers there are, where no field says so.
        before: what else comes before the first layer.
        after: what else comes after the last.
    """

    title: str
    mixer: Recipe = field(default_factory=attention)
    feed_forward: Recipe | None = field(default_factory=mlp)
    mixers: Plan = field(default_factory=lambda: uniform(FULL))
    feed_forwards: Plan = field(default_factory=lambda: uniform(DENSE))
    norm: str = "rms"
    norms: int | Callable[[Config], int] = 2
    positions: Callable[[Config], Any] | None = None
    embedding_norm: bool = False
    final_norm: bool | Callable[[Config], bool] = True
    head_bias: Flag = False
    can_tie: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    heads: frozenset[str] = DECODER_HEADS
    counted_as: str = "AutoModelForCausalLM"
    build: Callable[[Config, Family, str], Architecture] | None = None
    note: str = ""
    layer_count: Callable[[Config], int] | None = None
    before: Callable[[Config], list[Operator]] | None = None
    after: Callable[[Config], list[Operator]] | None = None

    def architecture(self, config: Config, model_type: str) -> Architecture:
        """Return the architecture that a configuration describes."""
        if self.build is not None:
            return self.build(config, self, model_type)
        hidden, vocabulary = config.size("hidden_size"), config.size("vocab_size")
        final = self.final_norm if isinstance(self.final_norm, bool) else self.final_norm(config)
        width = config.size("embedding_size") if "embedding_size" in self.names else hidden
        inputs = [blocks.embedding("embedding", vocabulary, width)]
        if self.positions is not None:
            inputs.append(blocks.embedding("embedding", self.positions(config), hidden, ways=1))
        if self.embedding_norm:
            inputs.append(blocks.norm("norm", hidden, self.norm))
        narrow = isinstance(hidden, int) and width != hidden
        if narrow:
            inputs.append(blocks.column("embedding", width, hidden, ways=1, kept=2 * width))
        if self.before is not None:
            inputs += self.before(config)
        outputs = [blocks.norm("norm", hidden, self.norm)] if final else []
        if self.after is not None:
            outputs += self.after(config)
        tied = config.flag("tie_word_embeddings") and self.can_tie
        if narrow:
            outputs.append(blocks.column("logits", hidden, width, ways=1, kept=2 * hidden))
        end = decoder_outputs(
            config.purpose, width, vocabulary, tied=tied, bias=config.flag(self.head_bias)
        )
        return Architecture(
            model_type=model_type,
            counted_as=self.counted_as,
            hidden=hidden,
            layer_count=config.layers() if self.layer_count is None else self.layer_count(config),
            vocabulary=end.width,
            sequence_length=longest(config),
            is_limit=self.positions is not None,
            kinds=tuple(self._kinds(config, hidden)),
            inputs=tuple(inputs),
            outputs=(*outputs, *end.operators),
            notes=(self.note,) if self.note else (),
        )

    def _kinds(self, config: Config, hidden: Any) -> list[LayerKind]:
        count = self.norms if isinstance(self.norms, int) else self.norms(config)
        norms = [blocks.norm("norm", hidden, self.norm)] * count
        found = []
        plans = self.mixers(config), self.feed_forwards(config) if self.feed_forward else ALONE
        for mixer, feed_forward, layers in crossed(config, *plans):
            parts = [*norms, *self.mixer(config, mixer)]
            if self.feed_forward is not None:
                parts += self.feed_forward(config, feed_forward)
            found.append(LayerKind(tuple(parts), layers))
        return found


ALONE = [(DENSE, Layers.between(0, 0))]
"""The plan of the second half of layers that have none."""


def crossed(
    config: Config, first: list[tuple[str, Layers]], second: list[tuple[str, Layers]]
) -> list[tuple[str, str, Layers]]:
    """Return the layers of each pair of labels."""
    if len(second) == 1:
        return [(label, second[0][0], layers) for label, layers in first]
    if len(first) == 1:
        return [(first[0][0], label, layers) for label, layers in second]
    count = config.whole_layers()
    pairs = list(zip(spread(first, count), spread(second, count), strict=True))
    return [
        (*pair, layers)
        for pair in dict.fromkeys(pairs)
        for layers in Layers.covering([i for i, other in enumerate(pairs) if other == pair])
    ]


def longest(config: Config) -> int | None:
    """Return the longest sequence that a configuration allows, where it says so."""
    value = config.get("max_position_embeddings")
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def spread(plan: list[tuple[str, Layers]], count: int) -> list[str]:
    """Return each layer's label, in order."""
    labels = [""] * count
    for label, layers in plan:
        for layer in layers.indices():
            labels[layer] = label
    return labels


def _is_empty(layers: Layers) -> bool:
    return (
        isinstance(layers.stop, int)
        and isinstance(layers.first, int)
        and (layers.first >= layers.stop)
    )
