"""A layout as a user describes it: checked against a model, and as columns for kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field, model_validator

from computebill.architectures import Architecture
from computebill.architectures.operators import UNLIMITED
from computebill.base.constants import constants, number, table, whole
from computebill.base.errors import RequestError, shown
from computebill.base.specfile import Spec
from computebill.kernels import schedules

if TYPE_CHECKING:  # specs are read without torch
    from torch import Tensor

LARGEST_DEGREE = 10**6
Degree = Annotated[int, Field(ge=1, le=LARGEST_DEGREE)]
Recompute = Literal["none", "selective", "operators", "full"]
Recipe = Literal["megatron", "deepspeed", "deepspeed-bf16", "fsdp"]
Optimizer = Literal["adamw", "adamw-8bit", "muon"]
Schedule = Literal["1f1b", "zero-bubble", "dualpipe"]
Dispatcher = Literal["all-to-all", "deepep"]
AttentionKernel = Literal["flash1", "flash2", "flash3", "sdpa", "flex", "fused"]

Kinds = TypeVar("Kinds", "float", "Tensor")

LONGEST_SEQUENCE = 10**9

DEGREES = frozenset(("tp", "pp", "vpp", "dp", "cp", "ep", "etp", "zero", "shards", "micro_batches"))
"""Fields that make a layout; the others are settings of any."""

RECOMPUTE: dict[str, float] = {"none": 0.0, "selective": 1.0, "operators": 2.0, "full": 3.0}
"""Recomputations by name, as the memory kernel numbers them."""


SCHEDULES: dict[str, float] = {
    "1f1b": schedules.ONE_FORWARD_ONE_BACKWARD,
    "zero-bubble": schedules.ZERO_BUBBLE,
    "dualpipe": schedules.DUAL,
}


# base/constants.toml has what these are, and where from.
FILLS = whole("training.layout.FILLS")
SCORE_BYTES = table("training.layout.SCORE_BYTES")
LOGIT_BYTES = table("training.layout.LOGIT_BYTES")
PLAIN_LOGIT_BYTES = number("training.layout.PLAIN_LOGIT_BYTES")
CONTEXT_GB = number("training.layout.CONTEXT_GB")
CONTEXT_SOURCE = constants()["training.layout.CONTEXT_GB"].source
COMMUNICATOR_GB = number("training.layout.COMMUNICATOR_GB")
BUCKETS_GB = table("training.layout.BUCKETS_GB")
DEFAULT_SEQUENCE = whole("training.layout.DEFAULT_SEQUENCE")


class Bytes(NamedTuple):
    """What a mixed-precision recipe holds for each parameter, in bytes, beside moments."""

    weight: float
    gathered: float
    gradient: float
    master: float
    step: float
    source: str


RECIPES: dict[str, Bytes] = {
    "megatron": Bytes(
        weight=2,
        gathered=2,
        gradient=4,
        master=4,
        step=0,
        source="Megatron-LM's documentation, distributed optimizer: gradients add up in 32 bits",
    ),
    "deepspeed": Bytes(
        weight=2,
        gathered=2,
        gradient=2,
        master=4,
        step=4,
        source="DeepSpeed's memory estimator: 4 psi + 16 psi / n, of which 4 a 32-bit gradient",
    ),
    "deepspeed-bf16": Bytes(
        weight=2,
        gathered=2,
        gradient=6,
        master=4,
        step=0,
        source="DeepSpeed's BF16 optimizer, and nanotron: 32 bits beside the 16-bit gradient",
    ),
    "fsdp": Bytes(
        weight=4,
        gathered=2,
        gradient=4,
        master=0,
        step=0,
        source="torch FSDP: weights rest in 32 bits and are gathered in 16; no other copy",
    ),
}


class Moments(NamedTuple):
    """Bytes of an optimizer's moments for each parameter: of matrices in layers, of all else."""

    matrix: float
    other: float
    source: str


MOMENTS: dict[str, Moments] = {
    "adamw": Moments(8.0, 8.0, "two moments of 32 bits"),
    "adamw-8bit": Moments(
        2.0 + 2 * 4 / 256,
        8.0,
        "Dettmers et al. 2021, arXiv:2110.02861: two of one byte, a 32-bit scale for each 256; "
        "embeddings in 32 bits",
    ),
    "muon": Moments(
        4.0, 8.0, "Jordan et al. 2024; Kimi K2: one moment, embeddings, head and norms as AdamW"
    ),
}


class Traffic(NamedTuple):
    """Bytes moved for a parameter: of a matrix in a layer, and of all else."""

    matrix: float
    other: float


def process_gb(groups: Kinds) -> Kinds:
    """Return what a process takes beside tensors and buckets, from its kinds of parallel groups."""
    return CONTEXT_GB + COMMUNICATOR_GB * groups


class Layout(Spec):
    """How a model is laid out over accelerators.

    Attributes:
        tp: tensor parallel ranks.
        pp: pipeline stages.
        vpp: chunks of layers on a stage (interleaved schedule).
        schedule: schedule of the pipeline: 1f1b (interleaved where vpp is more than 1), zero-bubble
            (ZB-H1: gradients of weights fill it), dualpipe (from both ends at once).
        dp: data parallel ranks.
        cp: ranks that share a sequence.
        cp_exchange: what they exchange: a ring of keys and values, or all-to-all heads for
            tokens (Ulysses).
        ep: expert parallel ranks, out of tp x cp x dp.
        etp: tensor parallel ranks of an expert; as a rule tp where ep is 1, and else 1.
        micro_batch: sequences of a micro-batch.
        micro_batches: micro-batches of a step; unknown: enough to fill the pipeline.
        zero: ZeRO stage; 1 divides optimizer states, 2 gradients, 3 weights (FSDP).
        shards: ranks that ZeRO divides over, where fewer than dp x cp.
        recompute: none; selective (attention scores); operators (all but attention and every
            second product, as torchtitan); full (whole layers).
        early_stop: whether full recomputation stops at what the backward pass needs, as PyTorch's
            non-reentrant checkpoints and compilers of whole steps do; as a rule as the software.
        sequence_parallel: whether norms and residuals are divided over tensor parallel ranks;
            as a rule wherever there are any.
        recipe: mixed-precision bookkeeping: megatron, deepspeed, deepspeed-bf16, fsdp; as a
            rule fsdp with zero 3, else megatron.
        optimizer: adamw, adamw-8bit or muon.
        attention: flash, or unfused (scores are stored).
        attention_kernel: which fused one: flash1 to flash3, PyTorch's sdpa or flex, fused (the
            vendor's); as a rule as the software has.
        kernels: fused element-wise kernels, or eager ones that each keep their input.
        dropout: whether masks are kept.
        lora_rank: rank of low-rank adapters beside frozen weights; 0 trains all weights.
        lora_targets: what they are put beside: attention, mlp, experts.
        overhead_gb: memory of one process beside tensors [GB]: context, communicators, buckets; as
            a rule from the groups and the recipe.
        tp_overlap: whether tensor parallel communication hides behind products; as a rule as
            the software does.
        reduce_bits: of a gradient on its way between replicas: 16, or 32; as a rule as the software
            does.
        dispatcher: who moves experts' tokens: all-to-all (each copy by itself) or deepep (once to
            a rank and domain); as a rule as the software does.
        experts: their products: grouped (one kernel for all), or looped (one expert after the
            other); as a rule grouped.
        ep_overlap: whether the exchange of experts' tokens hides behind another micro-batch.
    """

    tp: Degree = 1
    pp: Degree = 1
    vpp: Degree = 1
    schedule: Schedule = "1f1b"
    dp: Degree = 1
    cp: Degree = 1
    cp_exchange: Literal["ring", "all-to-all"] = "ring"
    ep: Degree = 1
    etp: Degree | None = None
    micro_batch: Degree = 1
    micro_batches: Degree | None = None
    zero: Annotated[int, Field(ge=0, le=3)] = 1
    shards: Degree | None = None
    recompute: Recompute = "none"
    early_stop: bool | None = None
    sequence_parallel: bool | None = None
    recipe: Recipe | None = None
    optimizer: Optimizer = "adamw"
    attention: Literal["flash", "unfused"] = "flash"
    attention_kernel: AttentionKernel | None = None
    kernels: Literal["fused", "eager"] = "fused"
    dropout: bool = False
    lora_rank: Annotated[int, Field(ge=0, le=10**6)] = 0
    lora_targets: tuple[Literal["attention", "mlp", "experts"], ...] = ("attention", "mlp")
    overhead_gb: Annotated[float, Field(ge=0, le=1000)] | None = None
    tp_overlap: bool | None = None
    experts: Literal["grouped", "looped"] = "grouped"
    ep_overlap: bool = False
    reduce_bits: Literal["16", "32"] | None = None
    dispatcher: Dispatcher | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Layout:
        if self.vpp > 1 and self.pp == 1:
            raise ValueError(f"vpp: got {self.vpp}; allowed: 1, as pp is 1")
        if self.schedule != "1f1b" and self.pp == 1:
            raise ValueError(f"schedule: got {self.schedule}; allowed: 1f1b, as pp is 1")
        if self.schedule != "1f1b" and self.vpp > 1:
            raise ValueError(f"vpp: got {self.vpp}; allowed with {self.schedule}: 1")
        if self.schedule == "dualpipe" and self.pp % 2:
            raise ValueError(f"pp: got {self.pp}; allowed with dualpipe: an even number")
        return self

    def with_settings(self, other: Layout) -> Layout:
        """Return this layout with what another sets besides degrees."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        settings = {
            name: getattr(other, name) for name in other.model_fields_set if name not in DEGREES
        }
        return Layout(**{**given, **settings})

    @property
    def accelerators(self) -> int:
        """How many accelerators it takes."""
        return self.tp * self.pp * self.cp * self.dp

    @property
    def filled_batches(self) -> int:
        """Micro-batches of a step, given or enough to fill the pipeline."""
        return self.micro_batches or FILLS * self.pp

    @property
    def is_sequence_parallel(self) -> bool:
        """Whether it is, given or as a rule."""
        return self.tp > 1 if self.sequence_parallel is None else self.sequence_parallel

    @property
    def hides_experts(self) -> bool:
        """Whether exchanged tokens hide behind another micro-batch; DualPipe is made for that."""
        return self.ep_overlap or self.schedule == "dualpipe"

    @property
    def expert_tensor(self) -> int:
        """Tensor parallel ranks of an expert, given or as a rule."""
        return self.etp or (self.tp if self.ep == 1 else 1)

    @property
    def used_recipe(self) -> str:
        """The recipe, given or as a rule."""
        return self.recipe or ("fsdp" if self.zero == 3 else "megatron")

    @property
    def holds_gathered(self) -> bool:
        """Whether stages hold gathered weights and whole gradients between micro-batches.

        torch FSDP in a pipeline does; others gather and reduce with every micro-batch.
        """
        return self.zero == 3 and self.pp > 1 and self.used_recipe == "fsdp"

    @property
    def state_traffic(self) -> Traffic:
        """Bytes that the optimizer's step moves for a parameter: all states read and written.

        The gradient is read, master copy and moments are read and written, and the weight of
        16 bits is written where there is a master copy beside it.
        """
        held, moments = RECIPES[self.used_recipe], MOMENTS[self.optimizer]
        weight = 2 * held.master + held.weight if held.master else 2 * held.weight
        same = held.gradient + 2 * held.step + weight
        return Traffic(same + 2 * moments.matrix, same + 2 * moments.other)

    @property
    def overhead(self) -> float:
        """What a process takes beside tensors, in GB: given, or as a rule."""
        if self.overhead_gb is not None:
            return self.overhead_gb
        groups = sum(degree > 1 for degree in (self.tp, self.pp, self.dp, self.cp, self.ep))
        buckets = BUCKETS_GB.get(self.used_recipe, 0.0) if self.zero and self.dp > 1 else 0.0
        return process_gb(groups) + buckets

    @property
    def adapted(self) -> frozenset[str]:
        """What low-rank adapters are put beside."""
        return frozenset(self.lora_targets) if self.lora_rank else frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        degrees = {key: getattr(self, key) for key in ("tp", "pp", "vpp", "dp", "cp", "ep")}
        return {
            "accelerators": self.accelerators,
            **degrees,
            "etp": self.expert_tensor,
            "schedule": self.schedule,
            "micro_batch": self.micro_batch,
            "micro_batches": self.micro_batches,
            "zero": self.zero,
            "shards": self.shards,
            "recompute": self.recompute,
            "recipe": self.used_recipe,
            "optimizer": self.optimizer,
        }


def check_layout(architecture: Architecture, layout: Layout, sequence: int) -> None:
    """Refuse a layout that does not divide the model, or itself.

    Raises:
        RequestError: naming the degree, what was given and what is allowed.
    """
    _check_groups(layout)
    _check_experts(architecture, layout)
    _check_tensor(architecture, layout)
    _check_sequence(architecture, layout, sequence)
    _check_pipeline(architecture, layout)
    _check_adapters(architecture, layout)


def check_sequence_length(architecture: Architecture, sequence: object) -> int:
    """Return the length of a sequence, refusing what a model cannot take.

    Raises:
        RequestError: naming what is allowed.
    """
    limit = architecture.sequence_length if architecture.is_limit else None
    most = limit or LONGEST_SEQUENCE
    if isinstance(sequence, float) and sequence.is_integer():
        sequence = int(sequence)
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 1 <= sequence <= most:
        reason = ", as positions are a table" if limit else ""
        raise RequestError(
            "sequence_length",
            f"got {shown(sequence)}; allowed: a whole number from 1 to {most:,}{reason}",
        )
    return sequence


def _check_tensor(architecture: Architecture, layout: Layout) -> None:
    def refuse(allowed: str) -> RequestError:
        return RequestError("tp", f"got {layout.tp}; allowed: {allowed}")

    dense = [each for each in architecture.operators() if not each.expert and each.ways != 1]
    for each in dense:
        if each.heads and not each.is_apart and each.heads % layout.tp:
            raise refuse(f"a divisor of {each.heads} heads")
    for each in dense:
        ways, what = min(layout.tp, each.ways), each.name.replace("_", " ")
        # Fewer heads of keys and values than ranks are copied.
        if layout.tp % ways or (each.ways < UNLIMITED and each.ways % ways):
            raise refuse(f"a divisor or a multiple of {each.ways:g}, the heads of {what}")
        if each.by_input and each.d_in % ways:
            raise refuse(f"a divisor of {each.d_in}, the width of {what}")


def _check_experts(architecture: Architecture, layout: Layout) -> None:
    experts = [each for each in architecture.operators() if each.expert]
    for field in ("ep", "etp"):
        given = getattr(layout, field)
        if given is not None and given > 1 and not experts:
            raise RequestError(field, f"got {given}; allowed: 1, as the model has no experts")
    for each in experts:
        if each.copies % layout.ep:
            raise RequestError(
                "ep", f"got {layout.ep}; allowed: a divisor of {each.copies} experts"
            )
        if each.by_input and each.d_in % layout.expert_tensor:
            raise RequestError(
                "etp",
                f"got {layout.expert_tensor}; allowed: a divisor of {each.d_in}, an expert's width",
            )


def _check_sequence(architecture: Architecture, layout: Layout, sequence: int) -> None:
    if sequence % layout.cp:
        raise RequestError("cp", f"got {layout.cp}; allowed: a divisor of {sequence} tokens")
    heads = {each.heads / layout.tp for each in architecture.operators() if each.heads}
    if layout.cp_exchange == "all-to-all" and any(each % layout.cp for each in heads):
        allowed = ", ".join(f"{each:g}" for each in sorted(heads))
        raise RequestError(
            "cp", f"got {layout.cp}; allowed with all-to-all: a divisor of {allowed} heads a rank"
        )
    if layout.is_sequence_parallel and sequence // layout.cp % layout.tp:
        raise RequestError(
            "tp",
            f"got {layout.tp}; allowed with sequence parallelism: a divisor of "
            f"{sequence // layout.cp} tokens",
        )


def _check_adapters(architecture: Architecture, layout: Layout) -> None:
    if "lora_targets" in layout.model_fields_set and not layout.lora_rank:
        raise RequestError("lora_targets", "needs lora_rank")
    if layout.lora_rank and not any(
        each.adapted in layout.adapted for each in architecture.operators() if each.adapted
    ):
        raise RequestError(
            "lora_targets", f"got {', '.join(layout.lora_targets)}; the model has none of them"
        )


def _check_groups(layout: Layout) -> None:
    ranks, replicas = layout.tp * layout.cp * layout.dp, layout.dp * layout.cp
    if ranks % (layout.ep * layout.expert_tensor):
        raise RequestError(
            "ep",
            f"got {layout.ep} x etp {layout.expert_tensor}; "
            f"allowed: a divisor of tp x cp x dp, {ranks}",
        )
    batches = layout.micro_batches
    if layout.vpp > 1 and batches is not None and batches % layout.pp:
        raise RequestError(
            "micro_batches", f"got {batches}; allowed with vpp: a multiple of pp, {layout.pp}"
        )
    if layout.schedule == "dualpipe" and batches is not None and batches < 2 * layout.pp:
        raise RequestError(
            "micro_batches",
            f"got {batches}; allowed with dualpipe: at least 2 x pp, {2 * layout.pp}",
        )
    if layout.shards is not None and not layout.zero:
        raise RequestError("shards", f"got {layout.shards}; needs zero 1, 2 or 3")
    if layout.shards is not None and replicas % layout.shards:
        raise RequestError(
            "shards", f"got {layout.shards}; allowed: a divisor of dp x cp, {replicas}"
        )


def chunk_counts(architecture: Architecture) -> list[int]:
    """Return the numbers of chunks that a model's layers may be dealt out in, ascending.

    The embedding, the head and layers for further tokens may stand for a layer each.
    """
    layers = int(architecture.layer_count)
    places = range(layers, layers + 3 + architecture.further)
    return [n for n in range(1, places.stop) if any(count % n == 0 for count in places)]


def _check_pipeline(architecture: Architecture, layout: Layout) -> None:
    layers, chunks = int(architecture.layer_count), layout.pp * layout.vpp
    allowed = chunk_counts(architecture)
    if chunks in allowed:
        return
    field = "vpp" if layout.vpp > 1 else "pp"
    given = f"{layout.pp}" if layout.vpp == 1 else f"{layout.vpp} x pp {layout.pp}"
    raise RequestError(
        field,
        f"got {given}; allowed: what divides {layers} layers, where the embedding and the head "
        f"may stand for one each: {', '.join(map(str, allowed))}",
    )


def default_sequence(architecture: Architecture) -> int:
    """Return the sequence length that figures are for where nobody says."""
    return min(architecture.sequence_length or DEFAULT_SEQUENCE, DEFAULT_SEQUENCE)
