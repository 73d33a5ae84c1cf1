"""Memory of one accelerator while training: weights, gradients, optimizer, activations.

References:
    Rajbhandari et al. 2019, "ZeRO", arXiv 1910.02054, section 5 (what each stage divides).
    Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models",
    arXiv 2205.05198, sections 4 and 5 (activations, sequence parallelism, in-flight batches).
    Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (interleaved pipeline schedule).
    Zhao et al. 2023, "PyTorch FSDP", arXiv 2304.11277, section 3.2 (gathered units).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number
from .operators import Groups, Model, Operators, layers_before, matrix
from .schedules import DUAL, ZERO_BUBBLE

ACTIVATION_BYTES = number("memory.ACTIVATION_BYTES")
"""Size of an activation's element kept for the backward pass [B]."""

PREFETCHED = number("memory.PREFETCHED")
"""Units of a fully sharded model that are gathered at once: the one in use, and the next."""


class Layout(NamedTuple):
    """How a model is laid out over accelerators; every field ``(*batch)``.

    Attributes:
        tensor: tensor parallel ranks.
        pipeline: pipeline stages.
        virtual: chunks of layers that a stage holds (interleaved schedule); 1 for none.
        data: data parallel ranks.
        context: ranks that share a sequence.
        expert: expert parallel ranks, a divisor of tensor x context x data.
        expert_tensor: tensor parallel ranks of one expert.
        sequence_parallel: 1 where what is not tensor parallel is divided along the sequence.
        micro_batch: sequences of a micro-batch on each data parallel rank.
        micro_batches: micro-batches of a step.
        zero: ZeRO stage, 0 to 3; 3 is full sharding (FSDP).
        shards: ranks over which it shards; at most data x context.
        holds: 1 where a pipeline stage of a fully sharded model holds its weights gathered, and
            whole gradients, from one micro-batch to the next (torch FSDP), 0 where each
            micro-batch gathers and reduces them.
        keeps_outputs: 1 where a pipeline stage keeps what it sent on until the backward pass
            (DeepSpeed), 0 where it is freed (Megatron-LM).
        schedule: schedule of the pipeline, as ``pipeline`` numbers them.
    """

    tensor: Tensor
    pipeline: Tensor
    virtual: Tensor
    data: Tensor
    context: Tensor
    expert: Tensor
    expert_tensor: Tensor
    sequence_parallel: Tensor
    micro_batch: Tensor
    micro_batches: Tensor
    zero: Tensor
    shards: Tensor
    holds: Tensor
    keeps_outputs: Tensor
    schedule: Tensor

    @property
    def expert_shards(self) -> Tensor:
        """Ranks over which ZeRO shards experts: at most as many as hold the same ones."""
        replicas = self.tensor * self.context * self.data / (self.expert * self.expert_tensor)
        return torch.minimum(self.shards, replicas)


class Recipe(NamedTuple):
    """What is held for each parameter, in bytes; every field ``(*batch)``.

    Attributes:
        weight: size of a weight at rest [B].
        gathered: size of a weight that full sharding has gathered [B].
        gradient: size of a gradient [B].
        matrix_state: size of the optimizer states of a parameter of a matrix inside a layer, its
            master copy included [B].
        other_state: size of those of all other parameters [B]: embeddings, head, norms, biases.
        step: what a parameter takes only while the optimizer steps [B]: a gradient in 32 bits.
        trained: 1 where weights are trained, 0 where they are frozen.
        adapter_rank: rank of low-rank adapters; 0 for none.
        adapter_weight: size of an adapter's weight [B].
        adapter_gradient: size of its gradient [B].
        adapter_state: size of its optimizer states [B].
    """

    weight: Tensor
    gathered: Tensor
    gradient: Tensor
    matrix_state: Tensor
    other_state: Tensor
    step: Tensor
    trained: Tensor
    adapter_rank: Tensor
    adapter_weight: Tensor
    adapter_gradient: Tensor
    adapter_state: Tensor


class Activations(NamedTuple):
    """What is kept for the backward pass; every field ``(*batch)``.

    Attributes:
        sequence: tokens of a sequence.
        score_bytes: size of what is kept for each head, query and key [B]; 0 where attention is
            fused.
        mask_bytes: size of dropout masks for each token and unit of the hidden size [B].
        recompute: 0 for none; 1 where scores are recomputed (selective); 2 where all but
            attention's output and every second product's is (by operator); 3 where whole layers
            are, from their input.
        fused: 1 where element-wise kernels are fused, 0 where each keeps its own input.
        logit_bytes: size of what is held at the loss for each token and entry of the vocabulary
            [B].
    """

    sequence: Tensor
    score_bytes: Tensor
    mask_bytes: Tensor
    recompute: Tensor
    fused: Tensor
    logit_bytes: Tensor


class Memory(NamedTuple):
    """Bytes on one accelerator; every field ``(*batch)``.

    Attributes:
        weights: weights at rest, adapters included.
        gradients: gradients of the weights.
        optimizer: states and master copies.
        activations: activations of all micro-batches in flight, and of the layer that is recomputed
            and passed backward.
        logits: logits, their softmax and gradient.
        gathered: units of a fully sharded model, with the gradients of one.
        step: what the optimizer's step takes, when all activations are gone.
    """

    weights: Tensor
    gradients: Tensor
    optimizer: Tensor
    activations: Tensor
    logits: Tensor
    gathered: Tensor
    step: Tensor

    @property
    def total(self) -> Tensor:
        """The peak: at the end of a forward pass, or when the optimizer steps."""
        passing = self.activations + self.logits + self.gathered
        return self.weights + self.gradients + self.optimizer + torch.maximum(passing, self.step)


CHUNKS_AT_ONCE = 2**18
"""Numbers that a step over a stage's chunks works on at a time."""


def stage_layers(
    groups: Groups,
    layers: Tensor,
    pipeline: Tensor,
    virtual: Tensor,
    stage: Tensor,
    turns: int | None = None,
) -> Tensor:
    """Layers of each kind on a pipeline stage; 1 for the embedding's and the head's group.

    Layers are dealt out in chunks of one size. Where they do not divide, the last chunk is
    short, and the first too if more than one is missing: the embedding and the head take their
    places.

    Args:
        groups: kinds of layers.
        layers: number of layers of the model; ``(*batch)``, as all that follow.
        pipeline: stages.
        virtual: chunks of a stage.
        stage: which, from 0.
        turns: most chunks of any stage in the batch; looked up where not given, which a compiled
            kernel cannot do.

    Returns:
        ``(groups, *batch)``.
    """
    chunks = pipeline * virtual
    size = torch.ceil(layers / chunks)
    front = torch.floor((size * chunks - layers) / 2)
    held = torch.zeros_like(layers + stage + groups.place)
    turns = int(virtual.max()) if turns is None else turns
    # Many chunks at a time, as long as what they take stays small.
    width = max(1, CHUNKS_AT_ONCE // max(1, held.numel()))
    for first_turn in range(0, turns, width):
        several = torch.arange(first_turn, min(first_turn + width, turns), device=held.device)
        turn = several.to(held.dtype).reshape(-1, *[1] * held.dim())
        start = (stage + turn * pipeline) * size - front
        stop = torch.minimum(start + size, layers)
        begun = layers_before(groups, start.clamp_min(0.0))
        done = layers_before(groups, stop.clamp_min(0.0))
        held = held + torch.where(virtual > turn, (done - begun).clamp_min(0.0), 0.0).sum(0)
    first = torch.where(stage == 0, 1.0, 0.0)
    last = torch.where(stage == pipeline - 1, 1.0, 0.0)
    ends = torch.where(groups.place == 1, first, last)
    return torch.where(groups.place == 0, held, ends)


def rank_layers(
    groups: Groups, layers: Tensor, layout: Layout, stage: Tensor, turns: int | None = None
) -> Tensor:
    """Layers of each kind on the ranks of a stage; ``(groups, *batch)``.

    From both ends at once (DualPipe), ranks hold two stages: one as far from the end as the
    other from the beginning.
    """
    own = stage_layers(groups, layers, layout.pipeline, layout.virtual, stage, turns)
    far = layout.pipeline - 1 - stage
    other = stage_layers(groups, layers, layout.pipeline, layout.virtual, far, turns)
    return torch.where(layout.schedule == DUAL, own + other, own)


def in_flight(
    pipeline: Tensor,
    virtual: Tensor,
    micro_batches: Tensor,
    stage: Tensor,
    schedule: Tensor | float = 0.0,
) -> Tensor:
    """Micro-batches whose activations a stage keeps at once, of all its layers.

    One forward, one backward: :math:`p - i`. Interleaved: chunks of :math:`1 / v` of the layers,
    :math:`2 (p - i - 1) + (v - 1) p + 1` of them. ZB-H1: :math:`p`. From both ends:
    :math:`p + 1` of half of the layers. Never more than a step has.

    References:
        Narayanan et al. 2021, section 2.2; Korthikanti et al. 2022, section 4.2.3; Qi et al.
        2023, arXiv 2401.10241, table 2; DeepSeek-AI 2024, arXiv 2412.19437, table 2.
    """
    warm_up = torch.where(
        virtual > 1,
        (2 * (pipeline - stage - 1) + (virtual - 1) * pipeline + 1) / virtual,
        pipeline - stage,
    )
    code = torch.as_tensor(schedule, device=stage.device)
    held = torch.where(code == ZERO_BUBBLE, pipeline, warm_up)
    held = torch.where(code == DUAL, (pipeline + 1) / 2, held)
    return torch.minimum(held, micro_batches)


class Held(NamedTuple):
    """Parameters of one layer that a rank holds; ``(groups, slots, *batch)``.

    Attributes:
        matrices: elements of matrices.
        vectors: elements beside them.
        adapters: elements of low-rank adapters.
    """

    matrices: Tensor
    vectors: Tensor
    adapters: Tensor


def held_parameters(
    operators: Operators, groups: Groups, layout: Layout, adapter_rank: Tensor
) -> Held:
    """Parameters of one layer on one rank, undivided by data parallelism.

    Matrices are divided over tensor parallel ranks as far as their heads go, experts over expert
    and expert-tensor parallel ranks. A tied head on a stage of its own is a copy.
    """
    is_expert = operators.expert > 0
    ways = torch.minimum(operators.ways, layout.tensor)
    share = torch.where(is_expert, 1 / (layout.expert * layout.expert_tensor), 1 / ways)
    tied = (groups.place == 2).unsqueeze(1) & (operators.copies == 0) & (layout.pipeline > 1)
    copies = torch.where(tied, 1.0, operators.copies)
    vector_share = torch.where(is_expert, 1 / layout.expert, 1 / ways)
    low_rank = adapter_rank * operators.adapted * (operators.d_in + operators.d_out)
    return Held(
        matrices=copies * matrix(operators) * share,
        vectors=copies * operators.vectors * vector_share,
        adapters=operators.copies * low_rank * share,
    )


def kept_bytes(
    operators: Operators, hidden: Tensor, layout: Layout, activations: Activations
) -> Tensor:
    """Bytes per token that one layer of each kind keeps on one rank; ``(groups, *batch)``.

    Nothing is recomputed but, where that is asked for, scores.

    References:
        Korthikanti et al. 2022, equations 1 to 4, table 2.
    """
    unfused = activations.fused == 0
    # Stored scores are a square, whatever the mask.
    square = operators.heads * activations.score_bytes * activations.sequence
    scores = torch.where(activations.recompute > 0, 0.0, square)
    masks = activations.mask_bytes * hidden * (operators.heads > 0)
    whole = operators.kept + masks + torch.where(unfused, operators.eager, 0.0)
    divided = operators.kept_split + scores + torch.where(unfused, operators.eager_split, 0.0)
    shares = kept_shares(operators, layout)
    return (whole * shares.whole + divided * shares.divided).sum(1)


class KeptShares(NamedTuple):
    """Shares on one rank of what an operator keeps for a token; ``(groups, slots, *batch)``.

    Attributes:
        whole: share of what is not divided with the operator.
        divided: share of what is.
    """

    whole: Tensor
    divided: Tensor


def kept_shares(operators: Operators, layout: Layout) -> KeptShares:
    """Tensor parallel ranks share tokens, or heads and widths.

    Copies of tokens for experts are spread over all ranks; those that divide an expert have the
    same.
    """
    is_expert = operators.expert > 0
    ways = torch.minimum(operators.ways, layout.tensor)
    return KeptShares(
        whole=torch.where(is_expert, layout.expert_tensor / layout.tensor, 1 / spread(layout)),
        divided=torch.where(is_expert, 1 / layout.tensor, 1 / ways),
    )


def spread(layout: Layout) -> Tensor:
    """Ranks that share what is not tensor parallel."""
    return torch.where(layout.sequence_parallel > 0, layout.tensor, 1.0)


def training_memory(
    model: Model,
    layout: Layout,
    recipe: Recipe,
    activations: Activations,
    stage: Tensor,
    on_stage: Tensor | None = None,
) -> Memory:
    """Bytes that one accelerator of a pipeline stage holds at the peak of a training step.

    Args:
        model: what is trained.
        layout: how the model is laid out.
        recipe: what is held for each parameter.
        activations: what is kept for the backward pass.
        stage: pipeline stage, from 0; ``(*batch)``.
        on_stage: layers of its ranks, where they are known; ``(groups, *batch)``.
    """
    if on_stage is None:
        on_stage = rank_layers(model.groups, model.layers, layout, stage)
    tokens = layout.micro_batch * activations.sequence / layout.context
    flying = in_flight(
        layout.pipeline, layout.virtual, layout.micro_batches, stage, layout.schedule
    )
    kept = _kept(model, layout, activations)
    sends = torch.where(stage < layout.pipeline - 1, layout.keeps_outputs, 0.0)
    sent = sends * ACTIVATION_BYTES * model.hidden / spread(layout)
    resting = (on_stage * kept.resting).sum(0) + sent
    passing = torch.where(on_stage > 0, kept.passing, 0.0).amax(0)
    ends = (stage == layout.pipeline - 1) | ((layout.schedule == DUAL) & (stage == 0))
    last = torch.where(ends, 1.0, 0.0)
    return _states(model, on_stage, layout, recipe)._replace(
        activations=tokens * (resting * flying + passing),
        logits=last * tokens * model.vocabulary / layout.tensor * activations.logit_bytes,
    )


class _Kept(NamedTuple):
    """Bytes per token of a layer of each kind; ``(groups, *batch)``.

    Attributes:
        resting: bytes between its forward and its backward pass.
        passing: bytes besides, while it is recomputed and passed backward.
    """

    resting: Tensor
    passing: Tensor


def _kept(model: Model, layout: Layout, activations: Activations) -> _Kept:
    operators, hidden = model.operators, model.hidden
    inside = model.groups.place == 0
    shares = kept_shares(operators, layout)
    whole = kept_bytes(operators, hidden, layout, activations)
    inputs = ACTIVATION_BYTES * hidden / spread(layout)
    results = inputs + (operators.saved_result * shares.divided).sum(1)
    mode = activations.recompute
    checkpoint = torch.where(mode == 2, results, torch.where(mode == 3, inputs, whole))
    resting = torch.where(inside, checkpoint, whole)
    # All of a layer is there, and the gradients of its widest part.
    widest = (operators.kept * shares.whole + operators.kept_split * shares.divided).amax(1)
    return _Kept(resting, torch.where(inside, whole - resting + widest, 0.0))


def _states(model: Model, on_stage: Tensor, layout: Layout, recipe: Recipe) -> Memory:
    """Weights, gradients and optimizer states of a stage, and what full sharding gathers."""
    held = held_parameters(model.operators, model.groups, layout, recipe.adapter_rank)
    expert_shards = layout.expert_shards
    is_expert = model.operators.expert > 0
    inside = (model.groups.place == 0).unsqueeze(1)
    parameters = held.matrices + held.vectors

    def on_rank(figure: Tensor, least: int) -> Tensor:
        dense = (on_stage * torch.where(is_expert, 0.0, figure).sum(1)).sum(0)
        routed = (on_stage * torch.where(is_expert, figure, 0.0).sum(1)).sum(0)
        divided = dense / layout.shards + routed / expert_shards
        return torch.where(layout.zero >= least, divided, dense + routed)

    inner = torch.where(inside, held.matrices, 0.0)
    optimizer = on_rank(inner, 1) * recipe.matrix_state
    optimizer = optimizer + on_rank(parameters - inner, 1) * recipe.other_state
    unit = torch.where(on_stage > 0, parameters.sum(1), 0.0).amax(0)
    passing = unit * (PREFETCHED * recipe.gathered + recipe.trained * recipe.gathered)
    all_of = (on_stage * parameters.sum(1)).sum(0)
    gathered = torch.where(layout.holds > 0, all_of * recipe.gathered, passing)
    # What is held from one micro-batch to the next is not divided.
    gradients = torch.where(layout.holds > 0, all_of, on_rank(parameters, 2))
    nothing = torch.zeros_like(unit)
    adapters = held.adapters
    return Memory(
        weights=on_rank(parameters, 3) * recipe.weight
        + on_rank(adapters, 3) * recipe.adapter_weight,
        gradients=gradients * recipe.gradient * recipe.trained
        + on_rank(adapters, 2) * recipe.adapter_gradient,
        optimizer=optimizer * recipe.trained + on_rank(adapters, 1) * recipe.adapter_state,
        activations=nothing,
        logits=nothing,
        gathered=torch.where((layout.zero >= 3) & (layout.shards > 1), gathered, 0.0),
        step=on_rank(parameters, 1) * recipe.step * recipe.trained,
    )
