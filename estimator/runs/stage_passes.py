"""What passes through the models of a stage: samples, tokens, and the FLOP of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from computebill.base.assumptions import Assumption, Input
from computebill.base.constants import constants, number
from computebill.base.quantity import UNKNOWN, Quantity, constant, parse_quantity, scaled
from computebill.training.documents import is_quantity

from .stage_bench import Bench
from .stage_models import NOBODY, Sampled, Weights, sampled
from .stage_spec import Stage

ZERO, ONE = constant(0.0), constant(1.0)

ANSWER_DOUBT = number("runs.stage_passes.ANSWER_DOUBT")


def passes(bench: Bench) -> Iterator[Input | Assumption]:
    """Yield what goes through the models, beside the tokens that a run has too."""
    stage = bench.stage
    found = sampled(stage)
    is_written = not stage.updates and stage.kind != "filter" and stage.tokens is not None
    whole = stage.tokens if is_written and found.answer else None
    yield Input("epochs", stage.epochs or ONE)
    yield Input("restarted", stage.restarted_tokens or ZERO)
    is_unknown = bool(stage.purpose) and stage.tokens is None
    yield Input(
        "steps", stage.steps or stage.requests or whole or (UNKNOWN if is_unknown else ZERO)
    )
    yield Input("prompts", stage.prompts or ONE)
    each = constant(1.0 / found.answer) if whole is not None else ONE
    yield Input("group", stage.samples_per_prompt or each)
    yield Input("prompt", constant(found.prompt))
    yield Input("answer", constant(found.answer))
    reads = not stage.updates and stage.tokens is not None and whole is None
    yield Input("read", (stage.tokens or ZERO) if reads else ZERO)
    yield Input("pairs", stage.pairs or ZERO)
    yield Input("kept_share", stage.kept_share or ONE)
    yield Input("kept_number", stage.kept or UNKNOWN)
    yield Input("learns", ONE if stage.is_reinforced else ZERO)
    if stage.references is None and (stage.is_reinforced or stage.kind == "preference"):
        told = "assumed: a frozen copy of the policy; 0 where there is none"
        yield Input("references", ONE, "forward passes of a reference", told)
    else:
        yield Input("references", stage.references or ZERO)
    yield Input("teachers", ONE if stage.kind == "distill" else ZERO)
    yield Input("verifier", stage.verifier_seconds or ZERO)
    yield from _means(stage, found, is_given=whole is not None or bench.has_hours)
    yield from _told(bench, found)


def _means(stage: Stage, found: Sampled, *, is_given: bool) -> Iterator[Input]:
    """Yield how far the mean answer may be from the one that is taken.

    Of answers that a model writes while it learns, whose mean moves with it.

    Args:
        stage: as described.
        found: its prompts and answers.
        is_given: whether tokens or hours are given, which no answer's length changes.
    """
    mean, length = stage.answer_mean, stage.answer_length
    if mean is not None:
        label = "" if mean.is_constant else "mean tokens of an answer, over the median"
        told = f"given: {mean.text}" if label else ""
        yield Input("answer_factor", scaled(mean, 1.0 / mean.median), label, told)
    elif is_given or stage.answers_are_known or not stage.is_reinforced or not is_guess(length):
        yield Input("answer_factor", ONE)
    else:
        ends = {"p5": 1.0 / ANSWER_DOUBT, "p95": ANSWER_DOUBT}
        label = "mean tokens of an answer, over what is told"
        source = constants()["runs.stage_passes.ANSWER_DOUBT"].source
        told = f"{source}; answer_mean says it better"
        yield Input("answer_factor", parse_quantity(ends), label, told)


def is_guess(length: object) -> bool:
    """Whether lengths are told by a number or a distribution, not counted in a file or list."""
    if length is None:
        return False
    return not isinstance(length, tuple) and (not isinstance(length, str) or is_quantity(length))


def _told(bench: Bench, found: Sampled) -> Iterator[Assumption]:
    """Yield what is taken of rewards, a critic and lengths where nobody says it."""
    stage = bench.stage
    if stage.is_reinforced and bench.reward is NOBODY and not bench.has_hours:
        told = "no reward model is given" + (
            "" if stage.verifier_seconds else ": no accelerator waits for it"
        )
        yield Assumption("rewards", "by a verifier", told)
    if stage.kind == "ppo" and bench.critic is NOBODY:
        yield Assumption("critic", "as large as the policy", "assumed: nobody gives its size")
    if found.tail > 1.0 and stage.tail is None:
        told = "the answer's lengths, of a step's samples; all are waited for"
        yield Assumption("longest over mean answer", f"{found.tail:.3g}", told)
    for what, length, mean in (
        ("prompt", stage.prompt_length, found.prompt),
        ("answer", stage.answer_length, found.answer),
    ):
        if length is not None and not _is_number(length):
            told = "mean of lengths that samples have"
            yield Assumption(
                f"tokens of {'an' if what == 'answer' else 'a'} {what}", f"{mean:,.4g}", told
            )
    if stage.prompt_length is None and stage.answer_length is not None and found.answer:
        yield Assumption("tokens of a prompt", "0", "assumed: no prompt_length is given")


def _is_number(length: object) -> bool:
    """Whether a length is the same of all samples."""
    if isinstance(length, str):
        try:
            return parse_quantity(length).is_constant
        except ValueError:  # a file of lengths
            return False
    return isinstance(length, int | float)


def flop_of(bench: Bench, run: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """FLOP of a token through each model, by key."""
    stage, model = bench.stage, bench.model
    share = stage.trained_share
    if share is None:
        is_frozen = stage.kind == "lora" and (stage.layout is None or not stage.layout.lora_rank)
        share = 0.0 if is_frozen else 1.0
    per_parameter = 4.0 + 2.0 * share
    update = forward = recomputed = UNKNOWN
    if model is not None:
        update = constant(bench.flop_per_token * per_parameter / 6.0)
        if stage.convention != "6nd":
            is_whole = stage.layout is None or not stage.layout.lora_rank
            flop = bench.flop_per_token / 3.0 if is_whole else float(model.card.flop.forward)
            forward = constant(flop)
        recomputed = constant(float(model.card.flop.recomputed)) if model.layout else UNKNOWN
    active = bench.own.active if model is None else run["params_active"]
    return {
        "active": active,
        "update": update,
        "update_per_parameter": constant(per_parameter),
        "forward": forward,
        "recomputed": recomputed,
        "teacher_flop": _doubled(bench.teacher),
        "reward_flop": _doubled(bench.reward),
        "critic_flop": _critic_flop(bench, active),
        "total": run["flop"] if stage.updates else UNKNOWN,
        "trained_tokens": run["tokens"] if _is_fed(stage) else ZERO,
    }


def _is_fed(stage: Stage) -> bool:
    """Whether a stage trains on tokens from elsewhere that are not counted as pairs."""
    return stage.updates and not stage.is_reinforced and stage.pairs is None


def _doubled(weights: Weights) -> Quantity:
    """FLOP of a token's forward pass; zero of nobody."""
    return ZERO if weights is NOBODY else scaled(weights.active, 2.0)


def critic_of(bench: Bench) -> Weights:
    """Return what values a stage's samples: the policy's size where nobody gives one."""
    if bench.stage.kind != "ppo":
        return NOBODY
    return bench.own if bench.critic is NOBODY else bench.critic


def _critic_flop(bench: Bench, active: Quantity) -> Quantity:
    """FLOP of a token's forward pass through the critic; zero where there is none."""
    critic = critic_of(bench)
    return scaled(active, 2.0) if critic is bench.own else _doubled(critic)
