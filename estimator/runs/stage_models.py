"""The models of a stage: its own, what teaches and what judges it; their FLOP and their speed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from computebill.architectures import IMAGES, Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.architectures.sample import read_sample
from computebill.base.errors import RequestError
from computebill.base.quantity import UNKNOWN, Quantity, constant
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.serving import Served
from computebill.training.documents import Documents, read_documents
from computebill.training.layout import DEFAULT_SEQUENCE, default_sequence
from computebill.training.serving import (
    Copy,
    Requests,
    as_architecture,
    cache_elements,
    fastest_copy,
    reading_seconds,
    served_sizes,
)

from .stage_spec import Base, Lengths, Stage
from .staged_spec import StagedSpec


class Counted(NamedTuple):
    """A configuration's model, counted.

    Attributes:
        config: where it is, or its content.
        architecture: what its layers are.
        total: parameters.
        active: parameters that a token meets.
    """

    config: str | Mapping[str, Any]
    architecture: Architecture
    total: float
    active: float


def counted(
    config: str | Mapping[str, Any],
    part: str = "whole",
    images: float = IMAGES,
    image_size: str | None = None,
    text_length: int | None = None,
) -> Counted:
    """Return the model of a configuration, counted.

    Args:
        config: a config.json, its directory, a name, or its content.
        part: of a multimodal model the whole, or its language model alone.
        images: images of a sequence of the whole.
        image_size: pixels of an image, of a model of such.
        text_length: tokens of text beside it.

    Raises:
        RequestError: naming the field of the configuration.
    """
    sample = read_sample(image_size, text_length)
    found = read_architecture(config, part=part, images_per_sample=images, sample=sample)
    count = count_parameters(columns(found.at(default_sequence(found))))
    return Counted(config, found, float(count.total), float(count.active))


once = lru_cache(maxsize=64)(counted)
"""The same of names, each counted once for all stages."""


def counted_of(stage: Stage) -> Counted | None:
    """Return a stage's own model, counted; None where it gives no configuration."""
    if stage.model is None:
        return None
    given = (stage.part, stage.images_per_sample, stage.image_size, stage.text_length)
    if isinstance(stage.model, str):
        return once(stage.model, *given)
    return counted(stage.model, *given)


@dataclass(frozen=True)
class Weights:
    """A model as it is passed through.

    Attributes:
        total: parameters.
        active: parameters that a token meets.
        model: of a configuration; None where only its size is known.
    """

    total: Quantity
    active: Quantity
    model: Counted | None

    def served(self, precision: str) -> Served:
        """Return it as it answers, at the medians of its size; columns of one row."""

        def column(quantity: Quantity) -> torch.Tensor:
            return torch.tensor([quantity.median], dtype=torch.float64)

        found = served_sizes(column(self.total), column(self.active), precision)
        if self.model is None:
            return found
        cache = cache_elements(self.model.config)
        return as_architecture(found, self.model.architecture, cache)


NOBODY = Weights(UNKNOWN, UNKNOWN, None)
"""Of no model, or of one that nothing is told of."""


def weights_of(
    model: str | Mapping[str, Any] | None,
    params: Quantity | None,
    params_active: Quantity | None,
) -> Weights:
    """Return a model by its configuration, or by its size.

    Raises:
        RequestError: naming the field of the configuration.
    """
    if model is not None:
        found = counted(model)
        return Weights(constant(found.total), constant(found.active), found)
    total = params or params_active
    return NOBODY if total is None else Weights(total, params_active or total, None)


def own_weights(each: Stage | Base) -> Weights:
    """Return the weights of a stage or base."""
    found = counted_of(each) if isinstance(each, Stage) else None
    if found is not None:
        return Weights(constant(found.total), constant(found.active), found)
    return weights_of(each.model, each.params, each.params_active)


def beside_weights(stage: Stage, spec: StagedSpec, role: str) -> Weights:
    """Return what teaches, judges or values a stage; nobody where nothing does.

    Args:
        stage: as described.
        spec: run that it is of, whose weights it may name.
        role: teacher, reward or critic.

    Raises:
        RequestError: where the named weights have no size.
    """
    model, params = getattr(stage, f"{role}_model"), getattr(stage, f"{role}_params")
    found = weights_of(model, None, params)
    name = getattr(stage, role)
    if found is NOBODY and name is not None:
        found = own_weights(spec.named(name))
        if found is NOBODY:
            raise RequestError(
                f"{stage.label}.{role}",
                f"got {name}, of which no size is known; give {role}_params or {role}_model",
            )
    return found


class Sampled(NamedTuple):
    """Prompts and answers of a stage.

    Attributes:
        prompt: tokens of a prompt, on average; zero where nothing is told.
        answer: tokens of an answer, the same.
        tail: longest over mean answer of a step.
    """

    prompt: float
    answer: float
    tail: float


def sampled(stage: Stage) -> Sampled:
    """Return the mean prompt and answer, and the tail of those that are waited for together.

    Of so many answers a step, the longest is taken to be at the rank that one of them exceeds.

    Raises:
        RequestError: naming the lengths that cannot be read.
    """
    prompt, answer = (_documents(stage, name) for name in ("prompt_length", "answer_length"))
    if answer is not None and stage.longest_answer is not None:
        answer = _at_most(answer, int(stage.longest_answer))
    mean = answer.mean if answer else 0.0
    if stage.answer_mean is not None:
        mean = stage.answer_mean.median
    tail = 1.0
    if stage.tail is not None:
        tail = stage.tail.median
    elif answer is not None and stage.is_reinforced and not is_asynchronous(stage):
        together = (stage.prompts, stage.samples_per_prompt)
        made = math.prod(each.median for each in together if each is not None)
        tail = longest_of(answer, made) / answer.mean
    return Sampled(prompt.mean if prompt else 0.0, mean, tail)


def longer(stage: Stage, found: Sampled, times: float) -> Sampled:
    """Return answers that are so many times longer, cut where the stage cuts them."""
    most = stage.longest_answer or math.inf
    answer = min(found.answer * times, max(most, found.answer))
    longest = min(found.tail * found.answer * times, max(most, found.tail * found.answer))
    return Sampled(found.prompt, answer, max(1.0, longest / answer) if found.answer else 1.0)


def _at_most(answers: Documents, longest: int) -> Documents:
    """Answers that end at a length, whatever they had to say."""
    counts: Counter[int] = Counter()
    for length, count in answers.counts.items():
        counts[min(length, longest)] += count
    return replace(answers, counts=counts)


def is_asynchronous(stage: Stage) -> bool:
    """Whether a stage's rollouts are written while it trains."""
    return stage.generation is not None and stage.generation.steps_under_way > 0


def longest_of(answers: Documents, made: float) -> float:
    """Return the tokens that about one answer of so many reaches."""
    left = answers.number / max(1.0, made)
    for length in sorted(answers.counts, reverse=True):
        left -= answers.counts[length]
        if left <= 0:
            return float(length)
    return float(min(answers.counts))


def _documents(stage: Stage, name: str) -> Documents | None:
    given: Lengths = getattr(stage, name)
    if given is None:
        return None
    try:
        return read_documents(given)
    except RequestError as error:
        raise RequestError(f"{stage.label}.{name}", error.problem) from None


class Server(NamedTuple):
    """What forward passes of a stage run on.

    Attributes:
        accelerator: the part.
        precision: of weights and products.
        accelerators: how many; NaN where not known.
    """

    accelerator: Accelerator
    precision: str
    accelerators: float


def writing_copy(stage: Stage, own: Weights, found: Sampled, on: Server) -> Copy | None:
    """Return the copy of a stage's model that writes its samples fastest; None where not known.

    Of rollouts there are as many at a time as a step has, times the steps that are under way;
    other requests wait in a long line.

    Raises:
        RequestError: where no number of accelerators holds the model.
    """
    if stage.throughput is not None or not found.answer or own is NOBODY:
        return None
    at_once, accelerators = None, math.nan
    if stage.is_reinforced and stage.prompts and stage.samples_per_prompt and on.accelerators > 0:
        ahead = max(1, stage.generation.steps_under_way) if stage.generation else 1
        rollouts = ahead * stage.prompts.median * stage.samples_per_prompt.median
        at_once, accelerators = _one(rollouts / on.accelerators), on.accelerators
    most = math.nan if stage.batch is None else stage.batch
    requests = Requests(
        _one(found.prompt), _one(found.answer), _one(most), _one(found.tail), at_once
    )
    copy = fastest_copy(
        own.served(on.precision), on.accelerator, on.precision, requests, accelerators
    )
    _fits(stage, own, on._replace(accelerators=accelerators), copy.seconds)
    return copy


def sample_seconds(stage: Stage, own: Weights, found: Sampled, on: Server) -> float:
    """Accelerator-seconds of a sample; NaN where the answers' lengths are not known.

    Raises:
        RequestError: where no number of accelerators holds the model.
    """
    if stage.throughput is not None:
        return found.answer
    copy = writing_copy(stage, own, found, on)
    return math.nan if copy is None else copy.seconds


def read_seconds(stage: Stage, weights: Weights, on: Server) -> float:
    """Accelerator-seconds of a token on its way through a model; NaN of a model not known.

    Raises:
        RequestError: where no number of accelerators holds it.
    """
    if weights is NOBODY:
        return math.nan
    length = stage.sequence_length or DEFAULT_SEQUENCE
    served = weights.served(on.precision)
    seconds = reading_seconds(served, on.accelerator, on.precision, _one(length))
    return _fits(stage, weights, on._replace(accelerators=math.nan), float(seconds))


def _fits(stage: Stage, weights: Weights, on: Server, seconds: float) -> float:
    if math.isfinite(seconds):
        return seconds
    many = f"{on.accelerators:,.0f}" if on.accelerators > 0 else "any number of"
    raise RequestError(
        f"{stage.label}.params",
        f"{weights.total.median:.3g} parameters do not fit on {many} {on.accelerator.name}, "
        f"{on.precision}",
    )


def _one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)
