"""FLOP and accelerator-seconds of experiments, by what they are.

==========  =================================================================================
kind        FLOP, of N active parameters and D tokens
==========  =================================================================================
pretrain    6 N D (Kaplan et al. 2020, arXiv:2001.08361)
finetune    (4 + 2 s) N D; s is the share of weights with gradients, near 0 for LoRA (Hu et al.
            2021, arXiv:2106.09685): both passes through all, gradients of some
distill     6 N D, and 2 T D of the teacher's forward pass (Hinton et al. 2015, arXiv:1503.02531)
generate    2 N (read + written), at the serving model's speed
rl          2 N (read + written) of rollouts; 6 N of each token and epoch of the update; 2 N of each
            token and reference pass (Shao et al. 2024, GRPO, arXiv:2402.03300)
evaluate    2 N (read + written)
filter      2 N D, a classifier's forward pass (Penedo et al. 2024, arXiv:2406.17557, section 3.5)
==========  =================================================================================
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.kernels.serving import Served
from computebill.kernels.stages import Passes, PassFlop, StageFlop, stage_flop
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.training.layout import DEFAULT_SEQUENCE
from computebill.training.serving import (
    Requests,
    as_architecture,
    reading_seconds,
    request_seconds,
    served_sizes,
)

from .counts import count_for, training_seconds
from .experiments import Experiments
from .workshop import Workshop


class Effort(NamedTuple):
    """What experiments take; each ``(experiments,)``.

    Attributes:
        params: active parameters, or not known.
        flop: of the model.
        training: accelerator-seconds of training, at the predicted utilisation.
        serving: accelerator-seconds of reading and writing tokens.
        gpus: accelerators of each.
    """

    params: Tensor
    flop: Tensor
    training: Tensor
    serving: Tensor
    gpus: Tensor

    @property
    def seconds(self) -> Tensor:
        """Accelerator-seconds of both."""
        return self.training + self.serving


def effort_of(of: Experiments, workshop: Workshop) -> Effort:
    """Return what experiments take.

    Args:
        of: the experiments.
        workshop: what is computed once for all that share it.

    Raises:
        RequestError: where a model does not fit, or its batch is too small for so many.
    """
    if of.cell.group.gpu_hours is not None:
        return _given(of, workshop)
    if of.kind in ("pretrain", "finetune", "distill"):
        return _trained(of, workshop)
    if of.kind == "filter":
        serving = _reading(of, of.params, of.active, of["tokens"])
        return _served(of, workshop, _ledger(of, read=of["tokens"]).samples, serving)
    if of.kind == "rl":
        return _reinforced(of, workshop)
    return _written(of, workshop)


def _given(of: Experiments, workshop: Workshop) -> Effort:
    """Experiments whose hours are given: the group's quantity scales an hour each."""
    seconds = of.full(SECONDS_PER_HOUR)
    assert of.cell.group.gpu_hours is not None
    count = count_for(workshop, of, seconds * of.cell.group.gpu_hours.median)
    unknown = torch.full_like(seconds, math.nan)
    return Effort(of.params, unknown, seconds, torch.zeros_like(seconds), count)


def _trained(of: Experiments, workshop: Workshop) -> Effort:
    tokens = of.tokens
    serving, teaches = torch.zeros_like(tokens), 0.0
    if "teacher_params" in of:
        teacher = of["teacher_params"]
        serving, teaches = _reading(of, teacher, teacher, tokens), 1.0
    done = _ledger(
        of,
        tokens=tokens,
        epochs=of.get("epochs", 1.0),
        teachers=of.full(teaches),
        share=of.get("trained_share", 1.0),
    )
    training, count = training_seconds(workshop, of, tokens, done.updates, serving)
    return Effort(of.active, done.updates + done.teacher, training, serving, count)


def _ledger(of: Experiments, share: Tensor | None = None, **passes: Tensor) -> StageFlop:
    """FLOP of experiments by what they are for, as the stages of a run have them.

    Args:
        of: the experiments.
        share: of the weights that gets gradients; all where not given.
        passes: fields of ``kernels.stages.Passes`` that are not nothing, or not one.
    """
    nothing, one, unknown = of.full(0.0), of.full(1.0), of.full(math.nan)
    whole = dict.fromkeys(Passes._fields, nothing) | {"epochs": one, "kept": one} | passes
    flop = PassFlop(
        active=of.active,
        update=unknown,
        update_per_parameter=4.0 + 2.0 * (one if share is None else share),
        forward=unknown,
        recomputed=nothing,
        teacher=2.0 * of.get("teacher_params", 0.0),
        reward=nothing,
        critic=nothing,
        total=unknown,
    )
    return stage_flop(Passes(**whole), flop, unknown)


def _served(of: Experiments, workshop: Workshop, flop: Tensor, serving: Tensor) -> Effort:
    """Experiments that read and write, and train nothing."""
    count = count_for(workshop, of, serving)
    return Effort(of.active, flop, torch.zeros_like(serving), serving, count)


def _reinforced(of: Experiments, workshop: Workshop) -> Effort:
    """Experiments that learn from what they wrote."""
    requests, serving = _requests(of)
    references = of.get("references", 1.0)
    done = _ledger(
        of,
        epochs=of.get("epochs", 1.0),
        samples=requests,
        prompt=of.get("input_tokens", 0.0),
        answer=of.get("output_tokens", 0.0),
        learns=of.full(1.0),
        references=references,
    )
    tokens = requests * (of.get("input_tokens", 0.0) + of.get("output_tokens", 0.0))
    serving = serving + _reading(of, of.params, of.active, tokens * references)
    updated = of.with_default("global_batch", of["prompts"] * of["samples_per_prompt"])
    training, count = training_seconds(workshop, updated, tokens, done.updates, serving)
    return Effort(of.active, done.updates + done.forward, training, serving, count)


def _written(of: Experiments, workshop: Workshop) -> Effort:
    """Experiments that answer requests."""
    requests, serving = _requests(of)
    done = _ledger(
        of,
        samples=requests,
        prompt=of.get("input_tokens", 0.0),
        answer=of.get("output_tokens", 0.0),
    )
    return _served(of, workshop, done.samples, serving)


def _requests(of: Experiments) -> tuple[Tensor, Tensor]:
    """Requests, and accelerator-seconds of all of them."""
    prompt, answer = of.get("input_tokens", 0.0), of.get("output_tokens", 0.0)
    if of.kind == "rl":
        requests = of["steps"] * of["prompts"] * of["samples_per_prompt"]
    elif "requests" in of:
        requests = of["requests"]
    else:
        if bool((answer <= 0).any()):
            raise RequestError("output_tokens", "got 0; allowed with tokens: above 0")
        requests = of["tokens"] / answer
    return requests, requests * _request_seconds(of, prompt, answer)


def _request_seconds(of: Experiments, prompt: Tensor, answer: Tensor) -> Tensor:
    """Accelerator-seconds of a request; at one token a second, where the group gives them."""
    if of.cell.group.throughput is not None:
        return answer
    at_once = None
    if of.kind == "rl":
        # Rollouts of a step for each accelerator; other requests wait in a long line.
        assert of.count is not None
        at_once = of["prompts"] * of["samples_per_prompt"] / float(of.count)
    requests = Requests(prompt, answer, of.get("batch", math.nan), of.get("tail", 1.0), at_once)
    seconds = request_seconds(_served_model(of), of.accelerator, of.precision, requests)
    _check_fits(of, of.params, seconds.isfinite())
    return seconds


def _served_model(of: Experiments) -> Served:
    """A model as it answers; of a configuration its own layers, width and cache."""
    found = served_sizes(of.params, of.active, of.precision)
    if of.model is None:
        return found
    return as_architecture(found, of.model.architecture, of.model.cache)


def _reading(of: Experiments, params: Tensor, active: Tensor, tokens: Tensor) -> Tensor:
    """Accelerator-seconds of one forward pass of a model over so many tokens."""
    length = of.full(float(of.cell.apart.get("sequence_length", DEFAULT_SEQUENCE)))
    served = served_sizes(params, active, of.precision)
    each = reading_seconds(served, of.accelerator, of.precision, length)
    _check_fits(of, params, each.isfinite())
    return tokens * each


def _check_fits(of: Experiments, params: Tensor, fits: Tensor) -> None:
    if bool(fits.all()):
        return
    size = float(params.expand(fits.shape)[~fits].max())
    raise RequestError("params", f"{size:.3g} parameters do not fit on any number of {of.part}")
