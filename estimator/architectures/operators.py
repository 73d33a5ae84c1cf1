"""What a layer does, operator by operator: the common form of every architecture.

Sizes are whole numbers, or tensors of one shape for many architectures at once; the arithmetic
is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:  # a configuration is read without torch
    from torch import Tensor

Count: TypeAlias = "float | Tensor"
"""A number of things; a whole number stays one, so that parameters are counted exactly."""

UNLIMITED = float("inf")

TOKEN, SAMPLE, IMAGE, CLIP = "token", "sample", "image", "clip"
"""What figures of an operator are told for one of."""


CROSS_ATTENDED = frozenset({"mllama", "idefics"})
"""Types whose text attends images that are no part of its sequence."""


class Heads(NamedTuple):
    """Heads of grouped-query attention.

    Attributes:
        queries: heads of queries.
        keys: heads of keys, and as many of values.
        width: width of each head's query and key.
        value_width: width of each head's value; None where it is as wide.
    """

    queries: Count
    keys: Count
    width: Count
    value_width: Count | None = None

    @property
    def ungrouped(self) -> Heads:
        """The same heads with keys and values of each query's own."""
        return self._replace(keys=self.queries)


SPREAD = (
    "uses",
    "per_key",
    "per_token",
    "heads",
    "kept",
    "kept_split",
    "eager",
    "eager_split",
    "result",
)
"""Figures of an operator that are told for one token, or for what else it says."""


@dataclass(frozen=True)
class Operator:
    """One part of a layer: a matrix product, a way of mixing tokens, or parameters alone.

    Attributes:
        name: what it belongs to; figures of one name are added up.
        d_in: inputs of the product.
        d_out: outputs of the product.
        copies: such matrices that a layer holds: experts; 0 where another layer's are used.
        uses: such matrices that one token meets.
        vectors: parameters beside each matrix: biases, norms, tables that are looked up.
        per_key: multiply-adds of a query with each key that it attends, and its value.
        per_token: FLOP that no weight and no key is behind, of recurrences.
        window: keys that a query attends at most.
        causal: whether a query attends only itself and what comes before.
        chunked: whether the window is a fixed chunk of the sequence, rather than a sliding one;
            where it is not causal, that many keys of a sequence of its own.
        attended: keys that a query attends on average, where documents packed into a sequence do
            not attend each other; 0: the sequence decides.
        by_input: whether a product is divided by its inputs, and its results added up over ranks.
        ways: tensor parallel ranks that it can be divided over; 1 is held by each.
        expert: whether it is divided over expert parallel ranks.
        lookup: whether its vectors are embeddings.
        adapted: what a low-rank adapter may be put beside: attention, mlp, experts, or nothing.
        module: what peft calls it, in Llama's names: q_proj, gate_proj; nothing where it has none.
        kept: bytes per token kept for the backward pass in 16 bits, held by each rank of a
            tensor parallel group, unless it is sequence parallel too.
        kept_split: the same bytes of what is divided with the operator.
        eager: bytes per token kept besides where element-wise kernels are not fused.
        eager_split: the same bytes of what is divided with the operator.
        exchanged: bytes per token of keys and values that ranks which share a sequence send on.
        heads: query heads with a score for each key, kept where attention is not fused.
        result: elements per token of what a costly operator gives: a product, attention.
        of: what uses, FLOP and bytes are told for, where it is no token of the sequence: a
            ``sample``, an ``image``, a ``clip`` of sound.
    """

    name: str
    d_in: Count = 0
    d_out: Count = 0
    copies: Count = 1
    uses: Count = 1
    vectors: Count = 0
    per_key: Count = 0
    per_token: Count = 0
    window: Count = UNLIMITED
    causal: bool = True
    chunked: bool = False
    attended: Count = 0
    by_input: bool = False
    ways: Count = UNLIMITED
    expert: bool = False
    lookup: bool = False
    adapted: str = ""
    module: str = ""
    kept: Count = 0
    kept_split: Count = 0
    eager: Count = 0
    eager_split: Count = 0
    exchanged: Count = 0
    heads: Count = 0
    result: Count = 0
    of: str = TOKEN

    @property
    def is_apart(self) -> bool:
        """Whether it attends a fixed number of keys, of a sequence of its own."""
        return self.chunked and not self.causal

    def spread(self, share: float) -> Operator:
        """Return the operator told for a token, of which ``share`` units go with each."""
        told = {name: getattr(self, name) * share for name in SPREAD}
        return replace(self, of=TOKEN, **told)


@dataclass(frozen=True)
class Layers:
    """Which layers are of a kind: ``run`` of every ``step``, from ``first`` to before ``stop``."""

    first: Count
    step: Count
    run: Count
    stop: Count

    @classmethod
    def between(cls, first: Count, stop: Count) -> Layers:
        """Return all layers from ``first`` to before ``stop``."""
        return cls(first, stop, stop, stop)

    def indices(self) -> list[int]:
        """Return the layers one by one; of one architecture only."""
        first, step, run, stop = (
            int(part) for part in (self.first, self.step, self.run, self.stop)
        )
        return [layer for layer in range(first, stop) if (layer - first) % step < run]

    @classmethod
    def covering(cls, indices: Sequence[int]) -> list[Layers]:
        """Return the fewest even progressions that hold exactly ``indices``, in rising order."""
        runs: list[list[int]] = []
        for index in indices:
            if runs and runs[-1][1] == index:
                runs[-1][1] = index + 1
            else:
                runs.append([index, index + 1])
        starts = [run[0] for run in runs]
        sizes = [run[1] - run[0] for run in runs]
        steps = {later - sooner for sooner, later in pairwise(starts)}
        if len(runs) == 1 or (
            len(steps) == 1 and len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
        ):
            step = steps.pop() if steps else runs[0][1]
            return [cls(starts[0], step, sizes[0], runs[-1][1])]
        return [cls.between(*run) for run in runs]


@dataclass(frozen=True)
class LayerKind:
    """Layers that are alike.

    Attributes:
        operators: what each of them does.
        layers: which they are.
        tokens: share of the tokens that meet them; half in an encoder-decoder.
    """

    operators: tuple[Operator, ...]
    layers: Layers
    tokens: float = 1.0


class Adapter(NamedTuple):
    """A low-rank adapter that a file describes, beside the model it is for.

    Attributes:
        rank: its rank.
        targets: names of the modules that it is put beside.
        base: name or path of the model that it is for.
        saved: names of modules of which a copy is trained with it.
        has_magnitudes: whether it has a magnitude for every output (DoRA).
    """

    rank: int
    targets: tuple[str, ...]
    base: str
    saved: tuple[str, ...] = ()
    has_magnitudes: bool = False


class Beside(NamedTuple):
    """What is trained beside frozen weights.

    Attributes:
        modules: what low-rank adapters are put beside: attention, mlp, experts, or products by
            peft's names for Llama's.
        fused: of those, the ones that are one matrix of the model's, and have one adapter.
        saved: modules of which a copy is trained: ``head``, ``embedding``.
        has_magnitudes: whether each adapter has a magnitude for every output (DoRA).
    """

    modules: frozenset[str] = frozenset()
    fused: tuple[frozenset[str], ...] = ()
    saved: frozenset[str] = frozenset()
    has_magnitudes: bool = False


@dataclass(frozen=True, repr=False)
class Architecture:
    """A model, as far as computing and memory go.

    Attributes:
        model_type: name of the architecture in ``config.json``.
        counted_as: the module of ``transformers`` whose parameters these are.
        counted_by: how it was counted: ``family`` (an entry of the table), ``alias`` (the entry of
            a type of the same shape) or ``modules`` (the modules of a library, one by one).
        title: well-known models of its type.
        adapter: the adapter that was read with it; None where the model is trained itself.
        hidden: width of the residual stream.
        layer_count: layers; an encoder's and a decoder's together.
        vocabulary: entries of the output; 0 where there is none.
        sequence_length: the longest sequence that the configuration allows, where it says so.
        sample_tokens: tokens of one image or video, where those are its sequences; else 0.
        is_limit: whether a longer one is impossible: positions are a table.
        kinds: the layers, each in one kind.
        inputs: before the first layer: embeddings.
        outputs: after the last: the norm, the head.
        notes: what the configuration describes and is not counted.
        stored: what its weights are stored in, where they are quantised: nf4, fp8, …; else nothing.
        further: layers that predict further tokens; not counted, but they have a place in a
            pipeline.
        stacks: sequences of one sample: 2 in an encoder-decoder, its input and its target.
        images: images that go with a sample.
        clips: clips of sound that go with it.
    """

    model_type: str
    counted_as: str
    hidden: Count
    layer_count: Count
    vocabulary: Count
    sequence_length: int | None
    kinds: tuple[LayerKind, ...]
    inputs: tuple[Operator, ...]
    outputs: tuple[Operator, ...]
    notes: tuple[str, ...] = ()
    further: int = 0
    sample_tokens: int = 0
    is_limit: bool = False
    stacks: int = 1
    counted_by: str = "family"
    title: str = ""
    images: float = 0.0
    clips: float = 0.0
    adapter: Adapter | None = None
    stored: str = ""

    def __repr__(self) -> str:
        """Return what it is in one line."""
        return f"<Architecture {self.model_type}, {self.layer_count:,} layers of {self.hidden:,}>"

    def operators(self) -> Iterator[Operator]:
        """Return every operator once a kind."""
        yield from self.inputs
        for kind in self.kinds:
            yield from kind.operators
        yield from self.outputs

    @property
    def media_tokens(self) -> float:
        """Tokens of the text that a sample's images and clips become; 0 where they become none."""
        if self.model_type in CROSS_ATTENDED or not any(
            each.name == "logits" for each in (*self.inputs, *self.outputs)
        ):
            return 0.0
        found = 0.0
        for unit, count in ((IMAGE, self.images), (CLIP, self.clips)):
            # What projects them into the text gives a row of its width for each token.
            rows = [
                float(each.uses)
                for each in self.operators()
                if each.of == unit and each.d_in and each.d_out == self.hidden
            ]
            found += count * min(rows, default=0.0)
        return found

    def at(self, sequence: float) -> Architecture:
        """Return the architecture told for tokens of a sequence of so many.

        What is met once a sample, or once an image or clip of it, is spread over its tokens.
        """
        units = {SAMPLE: 1.0, IMAGE: self.images, CLIP: self.clips}

        def spread(operators: Sequence[Operator]) -> tuple[Operator, ...]:
            return tuple(
                each if each.of == TOKEN else each.spread(units[each.of] / sequence)
                for each in operators
            )

        kinds = tuple(replace(each, operators=spread(each.operators)) for each in self.kinds)
        return replace(self, inputs=spread(self.inputs), kinds=kinds, outputs=spread(self.outputs))


def renamed(operators: Sequence[Operator], prefix: str) -> tuple[Operator, ...]:
    """Return operators with a prefix before each name."""
    return tuple(replace(operator, name=f"{prefix}{operator.name}") for operator in operators)
