"""What a training step runs on, how it is run, and what is reached of the datasheet."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from .collectives import Links
from .layout import Layout


class Device(NamedTuple):
    """An accelerator; every field ``(*batch)``.

    Attributes:
        peak: dense peak of the products' precision [FLOP/s].
        peak_16: dense peak in 16 bits [FLOP/s].
        bytes_per_s: bandwidth of memory [B/s].
        units: number of multiprocessors.
        element_bytes: size of an element of a product's operands [B].
        host_link: bandwidth to the host, in one direction [B/s].
        host_memory: bandwidth of the host's memory that its optimizer reaches for an accelerator
            [B/s].
    """

    peak: Tensor
    peak_16: Tensor
    bytes_per_s: Tensor
    units: Tensor
    element_bytes: Tensor
    host_link: Tensor
    host_memory: Tensor


class Efficiency(NamedTuple):
    """What hardware and software reach; every field ``(*batch)``; see ``estimator/efficiency``.

    Attributes:
        products: share of the peak that large products reach.
        half_k: inner size of a product at which half of that is reached [elements].
        harshness: cost of a partial wave of tiles, as a share of a full one, 0 to 1.
        grouped: share of that which the products of many experts at once reach.
        head: share of the 16-bit peak that the logits' product reaches.
        attention: share of the 16-bit peak that attention reaches on long sequences.
        half_width: width of a head at which half of that is reached [elements].
        half_keys: keys of a query at which half of that is reached [tokens].
        attention_backward: time of its backward pass over the work's.
        score_passes: times that stored scores are moved; 0 for fused attention.
        misaligned: time of unfused attention's products, over what it is where a head's width is
            a multiple of 8 (16 bytes).
        traffic: element-wise bytes moved, over those kept for the backward pass.
        cast_traffic: bytes moved by casts to low precision, over the same.
        memory: share of the memory's bandwidth that is reached.
        inside: share of the links' bandwidth inside a domain that is reached.
        across: share of their bandwidth between domains that is reached.
        tensor_overlap: share of tensor parallel communication hidden behind products.
        data_overlap: share of a step's computing behind which data parallel traffic hides.
        data_exposed: share of that traffic which is never hidden.
        exchange: speed of all-to-all inside a domain over the links'; more than 1 where it is
            hidden behind computing.
        exchange_across: speed of all-to-all between domains over the links'.
        expert_overlap: share of a layer's computing behind which it hides, where that is done.
        expert_imbalance: load of the busiest rank over the mean.
        permutation: bytes moved to sort tokens by expert, over the tokens' own.
        layer_floor: time that a layer and pass takes at least, for launching its kernels [s].
        expert_floor: time that a mixture of experts takes besides, for the same [s].
        expert_launch: time that each expert's product takes besides [s].
        step_floor: time that a step takes besides [s].
        optimizer_traffic: bytes moved by the optimizer's step, over its states.
        pace: time of a step over what the formulas make it, of one lab's cluster and habits.
        straggling: share of a step by which each doubling of the accelerators lengthens it.
    """

    products: Tensor
    half_k: Tensor
    harshness: Tensor
    grouped: Tensor
    head: Tensor
    attention: Tensor
    half_width: Tensor
    half_keys: Tensor
    attention_backward: Tensor
    score_passes: Tensor
    misaligned: Tensor
    traffic: Tensor
    cast_traffic: Tensor
    memory: Tensor
    inside: Tensor
    across: Tensor
    tensor_overlap: Tensor
    data_overlap: Tensor
    data_exposed: Tensor
    exchange: Tensor
    exchange_across: Tensor
    expert_overlap: Tensor
    expert_imbalance: Tensor
    permutation: Tensor
    layer_floor: Tensor
    expert_floor: Tensor
    expert_launch: Tensor
    step_floor: Tensor
    optimizer_traffic: Tensor
    pace: Tensor
    straggling: Tensor


class Work(NamedTuple):
    """How a step is run; every field ``(*batch)``.

    Attributes:
        sequence: tokens of a sequence.
        recompute: number of the recomputation, as in ``memory.Activations``: 0 none, 1 scores, 2 by
            operator, 3 layers.
        prunes: 1 where what nothing reads is not computed again.
        fused: 1 where element-wise kernels are.
        dropout: 1 where there is any.
        trained: 1 where weights are trained.
        adding_bytes: moved to add an element of a micro-batch's gradient to what is there [B].
        adapter_rank: rank of low-rank adapters; 0 for none.
        state_bytes: moved by the optimizer's step for a parameter of a matrix in a layer [B].
        other_bytes: the same of all other parameters [B].
        orthogonal: 1 where the optimizer makes matrices orthogonal (Muon).
        gradient_bytes: size of a gradient on its way to other ranks [B].
        weight_bytes: size of a weight on its way [B].
        away_bytes: size of a weight that rests on the host [B]; 0 where none does.
        unpacked_bytes: moved to unpack a weight of a quantised matrix for a product [B]; 0 for
            none.
        width: size of an activation over that in 16 bits.
        loss_again: passes of the head that are computed again, where its loss is in parts.
        states_away: 1 where the optimizer steps on the host.
        gradients_away: 1 where gradients go there with every micro-batch, 0 where once a step.
        activations_away: 1 where activations rest there between the passes.
        hides_experts: 1 where tokens on their way to experts hide behind another micro-batch.
        sends_once: 1 where a token goes once to ranks and domains that hold several of its experts.
        exchanges_heads: 1 where ranks that share a sequence exchange heads for tokens.
    """

    sequence: Tensor
    recompute: Tensor
    prunes: Tensor
    fused: Tensor
    dropout: Tensor
    trained: Tensor
    adding_bytes: Tensor
    adapter_rank: Tensor
    state_bytes: Tensor
    other_bytes: Tensor
    orthogonal: Tensor
    gradient_bytes: Tensor
    weight_bytes: Tensor
    away_bytes: Tensor
    unpacked_bytes: Tensor
    width: Tensor
    loss_again: Tensor
    states_away: Tensor
    gradients_away: Tensor
    activations_away: Tensor
    hides_experts: Tensor
    sends_once: Tensor
    exchanges_heads: Tensor


class Setting(NamedTuple):
    """All that decides a model's training step beside the model; every field of ``(*batch)``.

    Attributes:
        layout: how the model is laid out over accelerators.
        work: how a step is run.
        device: the accelerator.
        links: between accelerators, as the datasheet has them.
        efficiency: what hardware and software reach of the datasheet.
    """

    layout: Layout
    work: Work
    device: Device
    links: Links
    efficiency: Efficiency

    @property
    def tokens(self) -> Tensor:
        """Tokens of a micro-batch on one context parallel rank; ``(*batch)``."""
        return self.layout.micro_batch * self.work.sequence / self.layout.context

    @property
    def reached(self) -> Links:
        """Links at the bandwidths that collectives reach."""
        return self.links._replace(
            inside=self.links.inside * self.efficiency.inside,
            across=self.links.across * self.efficiency.across,
        )

    @property
    def bandwidth(self) -> Tensor:
        """Bytes a second of the accelerator's memory that are reached; ``(*batch)``."""
        return self.device.bytes_per_s * self.efficiency.memory
