"""Memory of one accelerator while training: weights, gradients, optimizer, activations.

References:
    Rajbhandari et al. 2019, "ZeRO", arXiv 1910.02054, section 5 (what each stage divides).
    Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models",
    arXiv 2205.05198, sections 4 and 5 (activations, sequence parallelism, in-flight batches).
    Zhao et al. 2023, "PyTorch FSDP", arXiv 2304.11277, section 3.2 (gathered units).
    Dettmers et al. 2023, "QLoRA", arXiv 2305.14314, section 3 (quantised weights, paged states).
    Ren et al. 2021, "ZeRO-Offload", arXiv 2101.06840 (what rests on the host).
    Hsu et al. 2024, "Liger Kernel", arXiv 2410.10989, section 3.2; Wijmans et al. 2024, "Cut Your
    Losses", arXiv 2411.09009 (logits of a part of the tokens, or of none).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number
from .layout import Layout, StageLayers, in_flight, rank_layers
from .operators import Groups, Model, Operators, matrix
from .schedules import DUAL

ACTIVATION_BYTES = number("memory.ACTIVATION_BYTES")
"""Size of an activation's element kept for the backward pass [B]."""

PREFETCHED = number("memory.PREFETCHED")
"""Units of a fully sharded model that are gathered at once: the one in use, and the next."""

ON_THE_WAY = number("memory.ON_THE_WAY")
"""Layers whose activations are on the device at once where they rest on the host."""

UNPACKED_BYTES = number("memory.UNPACKED_BYTES")
"""Size of a quantised weight as it is multiplied with [B]."""


class Recipe(NamedTuple):
    """What is held for each parameter, in bytes; every field ``(*batch)``.

    Attributes:
        weight: size of a weight at rest [B].
        inner_weight: the same of a matrix inside a layer, which may be quantised [B].
        gathered: size of a weight that full sharding has gathered [B].
        inner_gathered: the same of a matrix inside a layer [B].
        copied: size of a weight's copy that is there from a forward pass to its end [B].
        unpacked: size of a weight of a quantised matrix while a product takes it [B]; 0 where none
            is.
        gradient: size of a gradient [B].
        keeps_gradients: 1 where gradients are there all the time, 0 where a step's first backward
            pass makes them.
        whole_gradients: 1 where ZeRO 2 divides no gradients until the step's end (DeepSpeed).
        matrix_state: size of the optimizer states of a parameter of a matrix inside a layer, its
            master copy included [B].
        other_state: size of those of all other parameters [B]: embeddings, head, norms, biases.
        step: what a parameter takes only while the optimizer steps [B]: a gradient in 32 bits.
        weights_away: 1 where weights rest on the host.
        gradients_away: 1 where gradients go there as they come.
        states_away: 1 where the optimizer's states are there, or may be, page by page.
        trained: 1 where weights are trained, 0 where they are frozen.
        adapter_rank: rank of low-rank adapters; 0 for none.
        adapter_weight: size of an adapter's weight [B].
        adapter_gradient: size of its gradient [B].
        adapter_state: size of its optimizer states [B].
    """

    weight: Tensor
    inner_weight: Tensor
    gathered: Tensor
    inner_gathered: Tensor
    copied: Tensor
    unpacked: Tensor
    gradient: Tensor
    keeps_gradients: Tensor
    whole_gradients: Tensor
    matrix_state: Tensor
    other_state: Tensor
    step: Tensor
    weights_away: Tensor
    gradients_away: Tensor
    states_away: Tensor
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
        loss_parts: parts of a micro-batch's tokens whose logits are made one after the other.
        loss_tokens: most tokens whose logits are there at once; 0 where logits never are.
        loss_by_width: 1 where as many tokens' are as make logits as large as the hidden states.
        width: size of an activation over that in 16 bits.
        inputs: size of a product's input over that: a half where products are in 8 bits.
        away: 1 where activations rest on the host between the passes.
        gathers: 1 where a product keeps its input as tensor parallel ranks gathered it (torch), 0
            where they gather it again for the backward pass (Megatron-LM).
    """

    sequence: Tensor
    score_bytes: Tensor
    mask_bytes: Tensor
    recompute: Tensor
    fused: Tensor
    logit_bytes: Tensor
    loss_parts: Tensor
    loss_tokens: Tensor
    loss_by_width: Tensor
    width: Tensor
    inputs: Tensor
    away: Tensor
    gathers: Tensor


class Memory(NamedTuple):
    """Bytes on one accelerator; every field ``(*batch)``.

    Attributes:
        weights: weights at rest, adapters included.
        gradients: gradients of the weights.
        optimizer: states and master copies.
        activations: activations of all micro-batches in flight, and of the layer that is recomputed
            and passed backward.
        logits: logits, their softmax and gradient.
        gathered: units of a fully sharded model, with the gradients of one; copies of weights.
        step: what the optimizer's step takes, when all activations are gone.
        late: part of the activations that is there when the last layer is passed backward.
        coming: part of the gradients that is not there before the backward pass.
    """

    weights: Tensor
    gradients: Tensor
    optimizer: Tensor
    activations: Tensor
    logits: Tensor
    gathered: Tensor
    step: Tensor
    late: Tensor
    coming: Tensor

    @property
    def _moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """All that is there at the loss, when the last layer is passed backward, at the step."""
        resting = self.weights + self.gradients + self.optimizer
        at_loss = resting - self.coming + self.activations + self.logits + self.gathered
        return at_loss, resting + self.late + self.gathered, resting + self.step

    @property
    def total(self) -> Tensor:
        """The peak: at the end of a forward pass, of a backward pass, or as the optimizer steps."""
        at_loss, at_end, at_step = self._moments
        return torch.maximum(at_loss, torch.maximum(at_end, at_step))

    @property
    def at_peak(self) -> Memory:
        """What is there of each at the peak, where not all is at once; else all of it."""
        at_loss, at_end, at_step = self._moments
        is_step = at_step > torch.maximum(at_loss, at_end)
        is_end = ~is_step & (at_end > at_loss)
        is_apart = is_step & (self.coming > 0)
        kept = torch.where(is_end, self.late, self.activations)
        return self._replace(
            gradients=torch.where(is_step | is_end, 0.0, -self.coming) + self.gradients,
            activations=torch.where(is_apart, 0.0, kept),
            logits=torch.where(is_apart | is_end, 0.0, self.logits),
        )


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
    low_rank = operators.copies * adapter_rank * operators.low_rank
    return Held(
        matrices=copies * matrix(operators) * share,
        vectors=copies * operators.vectors * vector_share,
        adapters=(low_rank + operators.beside) * share,
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
    is_product, by_input = operators.d_in > 0, operators.by_input > 0
    less = 1.0 - activations.inputs
    # Attention in one kernel keeps its own output, which is not what the next product keeps.
    beside = torch.where((operators.heads > 0) & (less > 0), operators.saved_result, 0.0)
    # Stored scores are a square, whatever the mask.
    square = operators.heads * activations.score_bytes * activations.sequence
    scores = torch.where(activations.recompute > 0, 0.0, square)
    masks = activations.mask_bytes * hidden * (operators.heads > 0)
    kept = operators.kept * (1.0 - torch.where(is_product, less, 0.0))
    kept_split = operators.kept_split * (1.0 - torch.where(is_product & by_input, less, 0.0))
    width = activations.width
    whole = (kept + torch.where(unfused, operators.eager, 0.0)) * width + masks
    eager_split = torch.where(unfused, operators.eager_split, 0.0)
    divided = (kept_split + beside + eager_split) * width + scores
    shares = kept_shares(operators, layout)
    # What tensor parallel ranks gathered for a product is its input, kept as it is.
    is_gathered = is_product & (operators.expert == 0) & (activations.gathers > 0)
    held = torch.where(is_gathered, 1.0, shares.whole)
    return (whole * held + divided * shares.divided).sum(1)


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
    on_stage: StageLayers | None = None,
) -> Memory:
    """Bytes that one accelerator of a pipeline stage holds at the peak of a training step.

    Args:
        model: what is trained.
        layout: how the model is laid out.
        recipe: what is held for each parameter.
        activations: what is kept for the backward pass.
        stage: pipeline stage, from 0; ``(*batch)``.
        on_stage: layers of its ranks, where they are known.
    """
    if on_stage is None:
        on_stage = rank_layers(model.groups, model.layers, layout, stage)
    tokens = layout.micro_batch * activations.sequence / layout.context
    flying = in_flight(
        layout.pipeline, layout.virtual, layout.micro_batches, stage, layout.schedule
    )
    kept = stage_kept(model, layout, activations, on_stage)
    sends = torch.where(stage < layout.pipeline - 1, layout.keeps_outputs, 0.0)
    sent = sends * ACTIVATION_BYTES * activations.width * model.hidden / spread(layout)
    resting = (kept.resting + sent) * flying
    moving = ON_THE_WAY * kept.most
    resting = torch.where(activations.away > 0, torch.minimum(moving, resting), resting)
    ends = (stage == layout.pipeline - 1) | ((layout.schedule == DUAL) & (stage == 0))
    last = torch.where(ends, 1.0, 0.0)
    each = last * model.vocabulary / layout.tensor * activations.logit_bytes
    held = _states(model, on_stage.held, layout, recipe)
    # The second micro-batch's gradients are added to the first's.
    is_first = (recipe.keeps_gradients == 0) & (layout.micro_batches <= 1)
    return held._replace(
        activations=tokens * (resting + kept.passing),
        logits=each * tokens_at_loss(model, tokens, activations),
        late=tokens * kept.passing,
        coming=torch.where(is_first, held.gradients, 0.0),
    )


def tokens_at_loss(model: Model, tokens: Tensor, activations: Activations) -> Tensor:
    """Tokens whose logits are there at once; ``(*batch)``.

    Liger's kernel makes so many parts, rounded to a power of two, that the logits of one are no
    larger than the hidden states of all.

    Args:
        model: its width and vocabulary.
        tokens: tokens of a micro-batch on a rank.
        activations: how its loss is computed.
    """
    parts = torch.ceil(model.vocabulary / model.hidden).clamp_min(1.0)
    by_width = 2.0 ** torch.ceil(torch.log2(torch.ceil(tokens / parts).clamp_min(1.0)))
    limit = torch.where(activations.loss_by_width > 0, by_width, activations.loss_tokens)
    return torch.minimum(tokens / activations.loss_parts, limit)


def resting_bytes(model: Model, layout: Layout, activations: Activations) -> Tensor:
    """Bytes per token of a layer between its forward and backward pass; ``(groups, *batch)``.

    Args:
        model: its operators, and where they stand.
        layout: how the model is laid out.
        activations: what is kept for the backward pass.
    """
    return _kept(model, layout, activations).resting


class StageKept(NamedTuple):
    """Bytes per token of a stage; ``(*batch)``.

    Attributes:
        resting: bytes between the forward and the backward pass, of all layers.
        most: the same of the layer that keeps most.
        passing: most bytes that a layer takes besides, while it is recomputed and passed backward.
    """

    resting: Tensor
    most: Tensor
    passing: Tensor


def stage_kept(
    model: Model, layout: Layout, activations: Activations, on_stage: StageLayers
) -> StageKept:
    """What layers of a stage keep of a token for the backward pass.

    Args:
        model: its operators, and where they stand.
        layout: how the model is laid out.
        activations: what is kept for the backward pass; of layers that are spared, everything.
        on_stage: layers of its ranks.
    """
    again, repeated = _kept(model, layout, activations), on_stage.held
    if on_stage.spared.numel():
        repeated = repeated - on_stage.spared
    found = _of_layers(again, repeated)
    if not on_stage.spared.numel():
        return found
    nothing = torch.zeros_like(activations.recompute)
    once = _of_layers(
        _kept(model, layout, activations._replace(recompute=nothing)), on_stage.spared
    )
    return StageKept(
        found.resting + once.resting,
        torch.maximum(found.most, once.most),
        torch.maximum(found.passing, once.passing),
    )


def _of_layers(kept: _Kept, layers: Tensor) -> StageKept:
    """Bytes of so many layers of each kind, ``(groups, *batch)``."""
    return StageKept(
        (layers * kept.resting).sum(0),
        torch.where(layers > 0, kept.resting, 0.0).amax(0),
        torch.where(layers > 0, kept.passing, 0.0).amax(0),
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
    inputs = ACTIVATION_BYTES * activations.width * hidden / spread(layout)
    results = inputs + (operators.saved_result * shares.divided).sum(1) * activations.width
    mode = activations.recompute
    checkpoint = torch.where(mode == 2, results, torch.where(mode == 3, inputs, whole))
    resting = torch.where(inside, checkpoint, whole)
    # All of a layer is there, and the gradients of its widest part.
    widest = (operators.kept * shares.whole + operators.kept_split * shares.divided).amax(1)
    passing = whole - resting + widest * activations.width
    return _Kept(resting, torch.where(inside, passing, 0.0))


def on_rank(figure: Tensor, model: Model, on_stage: Tensor, layout: Layout, least: int) -> Tensor:
    """What a rank of a stage has of a figure of each operator, divided from a ZeRO stage on.

    Args:
        figure: of one layer; ``(groups, slots, *batch)``.
        model: its operators.
        on_stage: layers of each kind on the stage; ``(groups, *batch)``.
        layout: how the model is laid out.
        least: ZeRO stage from which on it is divided.
    """
    is_expert = model.operators.expert > 0
    dense = (on_stage * torch.where(is_expert, 0.0, figure).sum(1)).sum(0)
    routed = (on_stage * torch.where(is_expert, figure, 0.0).sum(1)).sum(0)
    divided = dense / layout.shards + routed / layout.expert_shards
    return torch.where(layout.zero >= least, divided, dense + routed)


def _states(model: Model, on_stage: Tensor, layout: Layout, recipe: Recipe) -> Memory:
    """Weights, gradients and optimizer states of a stage, and what full sharding gathers."""
    held = held_parameters(model.operators, model.groups, layout, recipe.adapter_rank)
    inside = (model.groups.place == 0).unsqueeze(1)
    parameters = held.matrices + held.vectors
    inner = torch.where(inside, held.matrices, 0.0)

    def own(figure: Tensor, least: int) -> Tensor:
        return on_rank(figure, model, on_stage, layout, least)

    def here(size: Tensor, away: Tensor) -> Tensor:
        return torch.where(away > 0, 0.0, size)

    optimizer = own(inner, 1) * recipe.matrix_state
    optimizer = optimizer + own(parameters - inner, 1) * recipe.other_state
    optimizer = here(optimizer * recipe.trained, recipe.states_away)
    optimizer = optimizer + own(held.adapters, 1) * recipe.adapter_state
    weights = own(inner, 3) * recipe.inner_weight + own(parameters - inner, 3) * recipe.weight
    # What is held from one micro-batch to the next is not divided.
    all_of = (on_stage * parameters.sum(1)).sum(0)
    is_whole = (layout.holds > 0) | ((recipe.whole_gradients > 0) & (layout.zero == 2))
    gradients = torch.where(is_whole, all_of, own(parameters, 2)) * recipe.gradient
    nothing = torch.zeros_like(all_of)
    return Memory(
        weights=here(weights, recipe.weights_away) + own(held.adapters, 3) * recipe.adapter_weight,
        gradients=here(gradients * recipe.trained, recipe.gradients_away * (1.0 - layout.holds))
        + own(held.adapters, 2) * recipe.adapter_gradient,
        optimizer=optimizer,
        activations=nothing,
        logits=nothing,
        gathered=_gathered(model, held, on_stage, layout, recipe),
        step=here(own(parameters, 1) * recipe.step * recipe.trained, recipe.states_away),
        late=nothing,
        coming=nothing,
    )


def _gathered(model: Model, held: Held, on_stage: Tensor, layout: Layout, recipe: Recipe) -> Tensor:
    """Weights that are there for a pass alone: gathered, copied to 16 bits, unpacked."""
    inside = (model.groups.place == 0).unsqueeze(1)
    inner = torch.where(inside, held.matrices, 0.0)
    parameters = held.matrices + held.vectors
    others = parameters - inner
    sizes = (inner * recipe.inner_gathered + others * recipe.gathered).sum(1)
    unit = torch.where(on_stage > 0, sizes, 0.0).amax(0)
    own = torch.where(on_stage > 0, parameters.sum(1), 0.0).amax(0) * recipe.gathered
    passing = unit * PREFETCHED + own * recipe.trained
    # Of experts one at a time is, of whatever number.
    one = inner / (model.operators.copies / layout.expert).clamp_min(1.0)
    unpacked = torch.where(model.operators.expert > 0, one, inner)
    unpacked = torch.where((on_stage > 0).unsqueeze(1), unpacked, 0.0).amax((0, 1))
    gathered = torch.where(layout.holds > 0, (on_stage * sizes).sum(0), passing)
    is_gathered = (layout.zero >= 3) & ((layout.shards > 1) | (recipe.weights_away > 0))
    copied = (on_stage * parameters.sum(1)).sum(0) * recipe.copied * recipe.trained
    return torch.where(is_gathered, gathered, copied) + unpacked * recipe.unpacked
