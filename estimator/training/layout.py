"""A layout as a user describes it: checked against a model, and as columns for kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from computebill.architectures import Architecture
from computebill.architectures.beside import UNADAPTED
from computebill.architectures.operators import Beside
from computebill.base.assumptions import OWN_LIMIT, Assumption, sequence_assumption
from computebill.base.constants import constants, number, table, whole
from computebill.base.errors import RequestError, shown
from computebill.base.specfile import Spec
from computebill.kernels import schedules

from .adapters import FUSED, LORA, QLORA, SAVED, known_saved, known_targets, listed, products_of
from .dealing import Deal, as_list, as_number_or_list
from .recipes import (
    MOMENTS,
    RECIPES,
    TRAINERS,
    WEIGHTS,
    Bytes,
    Optimizer,
    Recipe,
    Trainer,
    Weights,
    spelled,
)

if TYPE_CHECKING:  # specs are read without torch
    from torch import Tensor

LARGEST_DEGREE = 10**6
Degree = Annotated[int, Field(ge=1, le=LARGEST_DEGREE)]
Recompute = Literal["none", "selective", "operators", "full"]
Schedule = Literal["1f1b", "zero-bubble", "dualpipe"]
Dispatcher = Literal["all-to-all", "deepep"]
Loss = Literal["plain", "16-bit", "in-place", "compiled", "chunked", "fused", "cut"]
Offloaded = Literal["optimizer", "weights", "activations"]
AttentionKernel = Literal["flash1", "flash2", "flash3", "sdpa", "flex", "fused"]

Kinds = TypeVar("Kinds", "float", "Tensor")

LONGEST_SEQUENCE = 10**9

ENDS = ("first_layers", "last_layers")
"""Stages that may have a number of layers of their own."""

LISTED = "layers_per_stage"
"""Layers of all stages."""

DEGREES = frozenset(
    (
        *("tp", "pp", "vpp", *ENDS, LISTED, "recompute_layers", "dp", "cp", "ep"),
        *("etp", "zero", "shards", "micro_batches"),
    )
)
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
LOSS_CHUNK = whole("training.layout.LOSS_CHUNK")
DEFAULT_SEQUENCE = whole("training.layout.DEFAULT_SEQUENCE")

FP8_RECIPE = "megatron-fp8"
"""The bookkeeping that keeps inputs of products in 8 bits, and so multiplies in 8 bits."""


def _usual(name: str, plain: Any) -> Any:
    """Return a field that a preset may set where its user does not."""

    def found(given: dict[str, Any]) -> Any:
        for short, stands_for in (("qlora", QLORA), ("lora", LORA)):
            if given.get(short) and name in stands_for:
                return stands_for[name]
        if name == "zero" and "weights" in given.get("offload", ()):
            return 3
        trainer = TRAINERS.get(given.get("recipe") or "")
        return trainer.settings.get(name, plain) if trainer else plain

    return Field(default_factory=found)


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
        first_layers: layers of the first stage, where it has a number of its own (Megatron-LM's
            --decoder-first-pipeline-num-layers); the others share the rest evenly.
        last_layers: layers of the last stage, likewise.
        layers_per_stage: layers of every stage, 7,8,8,7 (Megatron-LM's
            --pipeline-model-parallel-layout); with vpp of every chunk, in the order in which a
            micro-batch meets them: of all first chunks, of all second ones. The embedding is before
            the first, the head behind the last. As a rule as many on each.
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
        recompute_layers: layers of a stage that are computed again with recompute full, the first
            that a micro-batch meets there (Megatron-LM's --recompute-method block): one number for
            all stages, or one for each, 4,3,2,1; as a rule all.
        early_stop: whether full recomputation stops at what the backward pass needs, as PyTorch's
            non-reentrant checkpoints and compilers of whole steps do; as a rule as the software.
        sequence_parallel: whether norms and residuals are divided over tensor parallel ranks;
            as a rule wherever there are any.
        recipe: mixed-precision bookkeeping (megatron, megatron-fp8, deepspeed, deepspeed-bf16,
            fsdp, bf16, fp32, amp), or a trainer, which sets more (trl, torchtune, axolotl,
            llama-factory, unsloth, fsdp2); as a rule fsdp with zero 3, else megatron.
        qlora: short for weights nf4, optimizer paged-adamw-8bit, recompute full and a lora_rank.
        lora: short for a lora_rank.
        weights: what weights rest in: fp32, bf16; frozen ones also fp8, int8, nf4, ….
        gradients: what gradients are held and reduced in: bf16, fp32, or fused (applied in the
            backward pass as they come); as a rule as the recipe's.
        optimizer: adamw, adamw-8bit, paged-adamw-8bit, adafactor, sgd, lion, muon, ….
        offload: what rests on the host: optimizer, weights (which are fully sharded), activations.
        loss: plain; 16-bit, which makes nothing in 32; in-place, whose gradient overwrites the
            logits; compiled, which holds logits and their gradient in 16 bits; chunked, whose
            logits are made for a part of the tokens at a time; fused (Liger's kernel); cut, which
            never has logits (Apple's).
        loss_chunk: tokens of a part; as a rule the trainer's, or 1,024.
        attention: flash, or unfused (scores are stored).
        attention_kernel: which fused one: flash1 to flash3, PyTorch's sdpa or flex, fused (the
            vendor's); as a rule as the software has.
        kernels: fused element-wise kernels, or eager ones that each keep their input.
        dropout: whether masks are kept.
        lora_rank: rank of low-rank adapters beside frozen weights; 0 trains all weights.
        lora_targets: what they are put beside: attention, mlp, experts, or peft's names: q_proj,
            v_proj, all-linear.
        modules_to_save: of which a copy is trained whole beside adapters: lm_head, embed_tokens.
        dora: whether each adapter has a magnitude for every output (DoRA).
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

    recipe: Recipe | None = None
    qlora: bool = False
    lora: bool = False
    offload: Annotated[tuple[Offloaded, ...], BeforeValidator(listed)] = _usual("offload", ())
    tp: Degree = 1
    pp: Degree = 1
    vpp: Degree = 1
    schedule: Schedule = "1f1b"
    first_layers: Degree | None = None
    last_layers: Degree | None = None
    layers_per_stage: Annotated[tuple[int, ...] | None, BeforeValidator(as_list)] = None
    dp: Degree = 1
    cp: Degree = 1
    cp_exchange: Literal["ring", "all-to-all"] = "ring"
    ep: Degree = 1
    etp: Degree | None = None
    micro_batch: Degree = 1
    micro_batches: Degree | None = None
    zero: Annotated[int, Field(ge=0, le=3)] = _usual("zero", 1)
    shards: Degree | None = None
    recompute: Recompute = _usual("recompute", "none")
    recompute_layers: Annotated[
        int | tuple[int, ...] | None, BeforeValidator(as_number_or_list)
    ] = None
    early_stop: bool | None = None
    sequence_parallel: bool | None = None
    weights: Annotated[Weights | None, BeforeValidator(lambda name: spelled(WEIGHTS, name))] = (
        _usual("weights", None)
    )
    gradients: Literal["bf16", "fp32", "fused"] | None = None
    optimizer: Annotated[Optimizer, BeforeValidator(lambda name: spelled(MOMENTS, name))] = _usual(
        "optimizer", "adamw"
    )
    loss: Loss = _usual("loss", "plain")
    loss_chunk: Degree | None = None
    attention: Literal["flash", "unfused"] = _usual("attention", "flash")
    attention_kernel: AttentionKernel | None = None
    kernels: Literal["fused", "eager"] = _usual("kernels", "fused")
    dropout: bool = False
    lora_rank: Annotated[int, Field(ge=0, le=10**6)] = _usual("lora_rank", 0)
    lora_targets: Annotated[
        tuple[str, ...], BeforeValidator(listed), AfterValidator(known_targets)
    ] = ("attention", "mlp")
    modules_to_save: Annotated[
        tuple[str, ...], BeforeValidator(listed), AfterValidator(known_saved)
    ] = ()
    dora: bool = False
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
        if self.schedule != "1f1b" and self.zero == 3:
            raise ValueError(f"zero: got 3; allowed with {self.schedule}: 0, 1, 2")
        for name in ENDS:
            given = getattr(self, name)
            if given is not None and (self.pp == 1 or self.vpp > 1 or self.schedule != "1f1b"):
                allowed = "more than one stage of one chunk, in the schedule 1f1b"
                raise ValueError(f"{name}: got {given}; allowed with {allowed}")
        self.deal.check(self.recompute)
        check_recipe(self)
        return self

    @property
    def ends(self) -> dict[str, int]:
        """Layers of the first and the last stage, of those that have a number of their own."""
        found = {name: getattr(self, name) for name in ENDS}
        return {name: layers for name, layers in found.items() if layers is not None}

    @property
    def deal(self) -> Deal:
        """How layers are dealt out to stages, and what of them is computed again."""
        return Deal(
            self.pp,
            self.vpp,
            self.first_layers,
            self.last_layers,
            self.layers_per_stage,
            self.recompute_layers,
        )

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
        usual = self.trainer.micro_batches if self.trainer else None
        usual = 1 if self.gradients == "fused" else usual
        return self.micro_batches or (usual if self.pp == 1 else None) or FILLS * self.pp

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
    def trainer(self) -> Trainer | None:
        """The preset, where the recipe is a trainer's."""
        return TRAINERS.get(self.recipe or "")

    @property
    def used_recipe(self) -> str:
        """The bookkeeping, given, the trainer's, or as a rule."""
        if self.trainer is None and self.recipe is not None:
            return self.recipe
        usual = self.trainer.bookkeeping if self.trainer else "megatron"
        if not self.lora_rank and self.weights is not None:
            return self._kept_in(usual)
        if self.zero == 3 and usual in ("megatron", "amp"):
            return "fsdp"
        return usual

    def _kept_in(self, usual: str) -> str:
        """The bookkeeping of PyTorch for trained weights that rest in a type."""
        if self.weights == "bf16":
            return usual if usual == "bf16-foreach" else "bf16"
        if self.zero == 3:
            return "fsdp"
        return usual if RECIPES[usual].weight == WEIGHTS["fp32"].bytes else "amp"

    @property
    def held(self) -> Bytes:
        """What the bookkeeping holds, with gradients as they were asked for."""
        held = RECIPES[self.used_recipe]
        if self.gradients is None:
            return held
        if self.gradients == "fused":
            return held._replace(gradient=0.0, step=0.0)
        size = {"bf16": 2.0, "fp32": 4.0}[self.gradients]
        # What a step makes of gradients in 16 bits is what those in 32 hold already.
        return held._replace(gradient=size, step=held.step if size < held.step else 0.0)

    @property
    def used_weights(self) -> str:
        """What weights rest in."""
        if self.weights is not None:
            return self.weights
        if self.lora_rank and self.trainer and self.trainer.frozen:
            return self.trainer.frozen
        size = self.held.gathered if self.lora_rank else self.held.weight
        return "fp32" if size == WEIGHTS["fp32"].bytes else "bf16"

    @property
    def is_wide(self) -> bool:
        """Whether all is in 32 bits, activations too."""
        return self.held.activation > WEIGHTS["bf16"].bytes

    @property
    def sends_gradients(self) -> bool:
        """Whether gradients go to the host as they come."""
        return self.held.sends_gradients and "optimizer" in self.offload

    @property
    def is_quantised(self) -> bool:
        """Whether weights rest in fewer bits than they are computed with."""
        return WEIGHTS[self.used_weights].bytes < WEIGHTS["bf16"].bytes

    @property
    def makes_logits_twice(self) -> bool:
        """Whether the backward pass makes logits again: in checkpointed parts, or in a kernel."""
        is_checkpointed = self.loss == "chunked" and not (self.trainer and self.trainer.loss_parts)
        return is_checkpointed or self.loss == "cut"

    @property
    def loss_parts(self) -> tuple[float, float]:
        """Parts of a micro-batch whose logits are made in turn, and most tokens of one."""
        if self.loss == "cut":
            return 1.0, 0.0
        if self.loss != "chunked":
            return 1.0, float("inf")
        if self.loss_chunk is None and self.trainer and self.trainer.loss_parts:
            return float(self.trainer.loss_parts), float("inf")
        usual = self.trainer.loss_chunk if self.trainer else None
        return 1.0, float(self.loss_chunk or usual or LOSS_CHUNK)

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
        held, moments = self.held, MOMENTS[self.optimizer].held(self.held)
        weight = 2 * held.master + held.weight if held.master else 2 * held.weight
        # Fused into the backward pass, a gradient is read as the product leaves it.
        gradient = held.gathered if self.gradients == "fused" else held.gradient
        same = gradient + 2 * held.step + weight
        return Traffic(same + 2 * moments[0], same + 2 * moments[1])

    @property
    def buckets_gb(self) -> float:
        """What buckets of gradients on their way take where ZeRO divides anything, in GB."""
        return BUCKETS_GB.get(self.used_recipe, 0.0)

    @property
    def overhead(self) -> float:
        """What a process takes beside tensors, in GB: given, or as a rule."""
        if self.overhead_gb is not None:
            return self.overhead_gb
        groups = sum(degree > 1 for degree in (self.tp, self.pp, self.dp, self.cp, self.ep))
        buckets = self.buckets_gb if self.zero and self.dp > 1 else 0.0
        return process_gb(groups) + buckets

    @property
    def beside(self) -> Beside:
        """What is trained beside frozen weights, each by the name that its operator has."""
        if not self.lora_rank:
            return UNADAPTED
        stand_for = [products_of(name) for name in self.lora_targets]
        return Beside(
            modules=frozenset(part for names in stand_for for part in names),
            fused=tuple(group for group in FUSED if any(group < set(names) for names in stand_for)),
            saved=frozenset(SAVED[name] for name in self.modules_to_save),
            has_magnitudes=self.dora,
        )

    @property
    def _lists(self) -> dict[str, Any]:
        """What is given of each stage, as JSON has it."""
        found = {name: getattr(self, name) for name in ("layers_per_stage", "recompute_layers")}
        return {
            name: list(given) if isinstance(given, tuple) else given
            for name, given in found.items()
            if given is not None
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        degrees = {key: getattr(self, key) for key in ("tp", "pp", "vpp", "dp", "cp", "ep")}
        return {
            "accelerators": self.accelerators,
            **degrees,
            "etp": self.expert_tensor,
            "schedule": self.schedule,
            **self.ends,
            **self._lists,
            "micro_batch": self.micro_batch,
            "micro_batches": self.micro_batches,
            "zero": self.zero,
            "shards": self.shards,
            "recompute": self.recompute,
            "recipe": self.recipe or self.used_recipe,
            "optimizer": self.optimizer,
            "weights": self.used_weights,
            "gradients": self.gradients,
            "loss": self.loss,
            "offload": list(self.offload),
            "lora_rank": self.lora_rank,
        }


def check_recipe(layout: Layout) -> None:
    """Refuse what contradicts itself in what is held for each parameter.

    Raises:
        ValueError: naming the field, what was given and what is allowed.
    """
    weights = layout.weights
    for short in ("qlora", "lora"):
        if getattr(layout, short) and not layout.lora_rank:
            raise ValueError(f"lora_rank: got 0; allowed with {short}: 1 or more")
    if layout.qlora and not WEIGHTS[weights or "bf16"].frozen:
        raise ValueError(f"weights: got {weights}; allowed with qlora: {_names(frozen=True)}")
    if weights is not None and not layout.lora_rank:
        if WEIGHTS[weights].frozen:
            raise ValueError(
                f"weights: got {weights}; allowed where all are trained (no lora_rank): "
                f"{_names(frozen=False)}"
            )
        own = RECIPES.get(layout.recipe or "")
        if own is not None and own.weight != WEIGHTS[weights].bytes:
            allowed = "fp32" if own.weight == WEIGHTS["fp32"].bytes else "bf16"
            raise ValueError(f"weights: got {weights}; allowed with {layout.recipe}: {allowed}")
    if layout.recipe == "fp32" and layout.gradients == "bf16":
        raise ValueError("gradients: got bf16; allowed with fp32: fp32, fused")
    if "weights" in layout.offload and layout.zero < 3:
        raise ValueError(
            f"offload: got weights; allowed with zero {layout.zero}: optimizer, activations"
        )
    if "optimizer" in layout.offload and MOMENTS[layout.optimizer].paged:
        raise ValueError(
            f"offload: got optimizer; allowed with {layout.optimizer}, which is paged: weights, "
            "activations"
        )
    if layout.gradients == "fused" and (layout.micro_batches or 1) > 1:
        raise ValueError(
            f"micro_batches: got {layout.micro_batches}; allowed with gradients fused: 1"
        )
    if layout.loss_chunk is not None and layout.loss != "chunked":
        raise ValueError(f"loss_chunk: got {layout.loss_chunk}; needs loss chunked")


def _names(*, frozen: bool) -> str:
    return ", ".join(name for name, row in WEIGHTS.items() if row.frozen is frozen)


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
    media = architecture.media_tokens
    if media > sequence:
        each = media / (architecture.images or architecture.clips)
        raise RequestError(
            "images_per_sample",
            f"got {architecture.images:g} of {each:,.0f} tokens each, {media:,.0f} of a sequence "
            f"of {sequence:,}; allowed: up to {sequence // each:,.0f}, or a longer sequence",
        )
    return sequence


def default_sequence(architecture: Architecture) -> int:
    """Return the sequence length that figures are for where nobody says."""
    if architecture.sample_tokens:
        return architecture.sample_tokens
    return min(architecture.sequence_length or DEFAULT_SEQUENCE, DEFAULT_SEQUENCE)


def sequence_told(architecture: Architecture, sequence: int, *, is_given: bool) -> Assumption:
    """Return the tokens of a sequence, and where they are from."""
    usual = "one image or video, as the notes have it" if architecture.sample_tokens else OWN_LIMIT
    return sequence_assumption(sequence, is_given=is_given, usual=usual)
