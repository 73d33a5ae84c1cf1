"""What the stages of a model's making compute: updates, forward passes, what is done again.

A stage's figures are bundles of columns that broadcast against each other, a row a stage and a
column a draw. What nobody knows is NaN, and what hangs on it is NaN; what a kind of stage does not
have is zero.

References:
    Kaplan et al. 2020, arXiv:2001.08361, section 2.1: 2 FLOP a parameter and token of the forward
    pass, 4 of the backward pass.
    Hinton et al. 2015, arXiv:1503.02531: the teacher's forward pass of distillation.
    Rafailov et al. 2023, arXiv:2305.18290: policy and reference of preference tuning.
    Shao et al. 2024, arXiv:2402.03300 (GRPO): rollouts in groups, reference, updates.
    Yu et al. 2025, arXiv:2503.14476 (DAPO), section 3.2: samples that are made and filtered.
    Ouyang et al. 2022, arXiv:2203.02155, appendix C: policy, reference, reward and value model of
    PPO.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import cost
from .flop import BACKWARD_FLOP_PER_PARAMETER, FORWARD_FLOP_PER_PARAMETER
from .run import Hour, Interruptions, TimeBill, price_time

UPDATE_OVER_FORWARD = 1.0 + BACKWARD_FLOP_PER_PARAMETER / FORWARD_FLOP_PER_PARAMETER
"""FLOP of an update over those of its forward pass, where all is trained."""


class Passes(NamedTuple):
    """What goes through a stage's model, and through models beside it.

    Attributes:
        tokens: tokens trained on in an epoch; of what is learned from own samples zero.
        epochs: times that what is trained on is passed.
        restarted: tokens of steps that were trained and thrown away.
        samples: samples that the model answers, over all steps.
        prompt: tokens read of one, on average.
        answer: tokens written of one, on average.
        read: tokens read beside them, as a filter reads.
        kept: share of the samples that is kept.
        learns: 1 where kept samples are trained on, 0 where not.
        references: forward passes of a reference over what is trained on.
        teachers: forward passes of a teacher over it.
    """

    tokens: Tensor
    epochs: Tensor
    restarted: Tensor
    samples: Tensor
    prompt: Tensor
    answer: Tensor
    read: Tensor
    kept: Tensor
    learns: Tensor
    references: Tensor
    teachers: Tensor

    @property
    def sampled(self) -> Tensor:
        """Tokens of all samples, prompts and answers."""
        return self.samples * (self.prompt + self.answer)

    @property
    def once(self) -> Tensor:
        """Tokens trained on in an epoch, given or sampled and kept."""
        return self.tokens + _where_any(self.learns, self.kept * self.sampled)

    @property
    def trained(self) -> Tensor:
        """Tokens trained on, epochs counted."""
        return self.epochs * self.once


class PassFlop(NamedTuple):
    """FLOP of a token on its way through each model.

    Attributes:
        active: parameters of the stage's model that a token meets.
        update: FLOP of an update, as counted; NaN where ``update_per_parameter`` stands for them.
        update_per_parameter: FLOP of an update for each active parameter; 6 where all is trained.
        forward: FLOP of the forward pass, as counted; NaN where 2 for each parameter stand for it.
        recomputed: FLOP of activations computed again in an update; NaN where not known.
        teacher: FLOP of the teacher's forward pass.
        reward: FLOP of the reward model's forward pass.
        critic: FLOP of the critic's forward pass; zero where there is none.
        total: FLOP of all updates, where they were given; NaN where they follow from the rest.
    """

    active: Tensor
    update: Tensor
    update_per_parameter: Tensor
    forward: Tensor
    recomputed: Tensor
    teacher: Tensor
    reward: Tensor
    critic: Tensor
    total: Tensor

    @property
    def of_update(self) -> Tensor:
        """FLOP of an update's token."""
        return torch.where(
            self.update.isnan(), self.update_per_parameter * self.active, self.update
        )

    @property
    def of_forward(self) -> Tensor:
        """FLOP of the forward pass of the stage's own model."""
        rule = FORWARD_FLOP_PER_PARAMETER * self.active
        return torch.where(self.forward.isnan(), rule, self.forward)


class StageFlop(NamedTuple):
    """FLOP of stages, in parts that do not overlap; ``(stages, draws)`` each [FLOP].

    Attributes:
        updates: forward and backward passes that update parameters, each token once an epoch.
        samples: forward passes of the stage's own model that are kept: rollouts of reinforcement
            learning, generated data, filtering, evaluation, by the stage's kind.
        discarded: the same, of samples that were made and thrown away.
        reference: forward passes of a reference model, or of the policy before the step.
        teacher: forward passes of a teacher.
        reward: forward passes of a reward model.
        critic: forward passes of a critic, which values what was sampled.
        critic_updates: forward and backward passes that update it.
        recomputed: activations that updates compute again; NaN where not known.
        restarted: updates that were thrown away, and done again.
        hardware: of the stage by its hours, N L H U in place of the parts; NaN where hours or
            utilisation are not given.
    """

    updates: Tensor
    samples: Tensor
    discarded: Tensor
    reference: Tensor
    teacher: Tensor
    reward: Tensor
    critic: Tensor
    critic_updates: Tensor
    recomputed: Tensor
    restarted: Tensor
    hardware: Tensor

    @property
    def forward(self) -> Tensor:
        """All forward passes that update nothing."""
        beside = self.reference + self.teacher + self.reward + self.critic
        return self.samples + self.discarded + beside

    @property
    def once(self) -> Tensor:
        """All passes, each once: without what was computed or trained again."""
        return self.updates + self.critic_updates + self.forward


def stage_flop(passes: Passes, of: PassFlop, hardware: Tensor) -> StageFlop:
    r"""FLOP of stages by architecture, passes times operations.

    Updates :math:`u E (D + k S)`, with tokens :math:`D` given and :math:`S` sampled, a share
    :math:`k` of them kept, :math:`E` epochs and :math:`u` FLOP a token; samples :math:`f k S` and
    discarded :math:`f (1-k) S` with :math:`f` FLOP of a forward pass; reference and teacher once
    over :math:`D + k S`, the reward model over all of :math:`S`. A critic of :math:`c` FLOP a token
    values all of :math:`S` and is updated beside the policy, :math:`c S` and
    :math:`3 c E (D + k S)`. Where nothing tells what passes through a stage that does but one
    thing, that is what its hours give.

    Args:
        passes: what goes through the models.
        of: FLOP of each token there.
        hardware: FLOP of the stage by its hours; NaN where not known.
    """
    per_update, per_forward = of.of_update, of.of_forward
    rule = _where_any(passes.trained, per_update)
    counted = torch.where(of.total.isnan(), rule, of.total)
    made = _where_any(passes.sampled, per_forward)
    read = _where_any(passes.read, per_forward)
    # Hours tell what a stage does where it does but one thing.
    is_one = passes.learns == 0
    kept = made * passes.kept + read
    return StageFlop(
        updates=torch.where(counted.isnan() & is_one, hardware, counted),
        samples=torch.where(kept.isnan() & is_one, hardware, kept),
        discarded=torch.where(passes.kept == 1, 0.0, made * (1.0 - passes.kept)),
        reference=_where_any(passes.references * passes.once, per_forward),
        teacher=_where_any(passes.teachers * passes.once, of.teacher),
        reward=_where_any(of.reward, passes.sampled),
        critic=_where_any(of.critic, passes.sampled),
        critic_updates=_where_any(UPDATE_OVER_FORWARD * of.critic, passes.trained),
        recomputed=_where_any(passes.trained + passes.restarted, of.recomputed),
        restarted=_where_any(passes.restarted, per_update),
        hardware=hardware + torch.zeros_like(made),
    )


def _where_any(times: Tensor, each: Tensor) -> Tensor:
    """Return the product; zero where there are no times, whether or not one of them is known."""
    return torch.where(times == 0, 0.0, times * each)


class Pace(NamedTuple):
    """How fast a stage goes, and what it waits for.

    Attributes:
        peak_flop_per_s: dense peak of an accelerator [FLOP/s].
        mfu: model FLOP utilisation of updates, share of that peak.
        training: measured over predicted time of updates.
        serving: measured over predicted time of forward passes.
        sample: accelerator time of a sample, its prompt read and its answer written [s].
        read: accelerator time of a token that is read beside samples [s].
        reference: accelerator time of a token on its way through a reference [s].
        teacher: accelerator time of a token on its way through a teacher [s].
        reward: accelerator time of a token on its way through a reward model [s].
        critic: accelerator time of a token on its way through a critic [s].
        waiting: time in which all accelerators wait, as for a verifier [s].
        given: accelerator time of the whole stage, where it was given; else NaN [s].
    """

    peak_flop_per_s: Tensor
    mfu: Tensor
    training: Tensor
    serving: Tensor
    sample: Tensor
    read: Tensor
    reference: Tensor
    teacher: Tensor
    reward: Tensor
    critic: Tensor
    waiting: Tensor
    given: Tensor


class Pools(NamedTuple):
    """Accelerators of a stage: those that train, and those apart that write samples.

    Attributes:
        accelerators: number that train, and write where there are none apart; NaN if not known.
        generators: accelerators apart; zero where there are none.
        overlaps: 1 where they write while the others train, 0 where one waits for the other.
    """

    accelerators: Tensor
    generators: Tensor
    overlaps: Tensor


class StageTime(NamedTuple):
    """Accelerator time of stages; ``(stages, draws)`` each.

    Attributes:
        own: of the accelerators that train, waiting included [s].
        apart: of those apart that write samples [s].
        wall: from the stage's start to its end [s]; NaN where no accelerators are given.
        training: of updates and passes beside them, without waiting [s].
        writing: of samples and of what is read beside them, without waiting [s].
    """

    own: Tensor
    apart: Tensor
    wall: Tensor
    training: Tensor
    writing: Tensor


def stage_time(
    passes: Passes, flop: StageFlop, pace: Pace, pools: Pools, interruptions: Interruptions
) -> StageTime:
    """Accelerator time of stages: updates at a utilisation, forward passes as they are served.

    On the same accelerators one follows the other. Apart, the longer of both is waited for where
    they overlap, and both where they do not; each pool is held all the time.

    Args:
        passes: what goes through the models.
        flop: of the stages.
        pace: how fast.
        pools: accelerators.
        interruptions: what takes time from them.
    """
    done = flop.updates + flop.restarted + flop.critic_updates
    busy = cost.accelerator_seconds(done, pace.peak_flop_per_s, pace.mfu) * pace.training
    training = torch.where(done == 0, 0.0, busy)
    beside = (
        _where_any(passes.references * passes.once, pace.reference)
        + _where_any(passes.teachers * passes.once, pace.teacher)
        + torch.where(flop.reward == 0, 0.0, passes.sampled * pace.reward)
        + torch.where(flop.critic == 0, 0.0, passes.sampled * pace.critic)
    )
    writing = _where_any(passes.samples, pace.sample) + _where_any(passes.read, pace.read)
    share = interruptions.training_share(pools.accelerators)
    own, apart = (training + pace.serving * beside) / share, pace.serving * writing / share
    is_apart = pools.generators > 0
    both, other = own / pools.accelerators, apart / pools.generators
    walls = torch.where(pools.overlaps > 0, torch.maximum(both, other), both + other)
    together = own + apart + _where_any(pace.waiting, pools.accelerators)
    wall = torch.where(is_apart, walls + pace.waiting, together / pools.accelerators)
    held = torch.where(is_apart, wall * pools.accelerators, together)
    is_given = ~pace.given.isnan()
    return StageTime(
        own=torch.where(is_given, pace.given, held),
        apart=torch.where(is_apart & ~is_given, wall * pools.generators, 0.0),
        wall=torch.where(is_given, pace.given / (pools.accelerators + pools.generators), wall),
        training=own,
        writing=apart,
    )


class TokenPrices(NamedTuple):
    """What a service takes for a token; NaN where accelerator time is paid.

    Attributes:
        trained: for a token of an update [USD].
        read: for a token of a prompt, or of a forward pass [USD].
        written: for a token of an answer [USD].
    """

    trained: Tensor
    read: Tensor
    written: Tensor


def stage_bill(
    passes: Passes, time: StageTime, hours: tuple[Hour, Hour], prices: TokenPrices
) -> TimeBill:
    """Cost of stages: of both pools' time, or of the tokens where those are sold.

    Args:
        passes: what goes through the models.
        time: of the accelerators.
        hours: what an hour costs of those that train and of those apart.
        prices: of tokens.
    """
    own, apart = (price_time(each, hour) for each, hour in zip(time[:2], hours, strict=True))
    both = TimeBill(*(one + other for one, other in zip(own, apart, strict=True)))
    read = passes.samples * passes.prompt + passes.read
    read = read + passes.once * (passes.references + passes.teachers)
    trained = passes.trained + passes.restarted
    sold = (
        _where_any(trained, prices.trained)
        + _where_any(read, prices.read)
        + _where_any(passes.samples * passes.answer, prices.written)
    )
    return both._replace(cloud=torch.where(prices.trained.isnan(), both.cloud, sold))
