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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.base.errors import RequestError
from computebill.hardware.accelerators import Accelerator, find_accelerator, peak_flop_per_s
from computebill.kernels.cost import SECONDS_PER_HOUR
from computebill.kernels.flop import training_flop
from computebill.kernels.serving import Served
from computebill.training.efficiency import efficiencies_of, read_profile
from computebill.training.layout import DEFAULT_SEQUENCE, check_sequence_length, default_sequence
from computebill.training.software import Software, read_software

from .expand import Cell
from .serving import cache_elements, request_seconds, served_sizes
from .shapes import transformer_params
from .utilisation import Utilisation

STEP_LAW = (0.58, 0.571)
"""Tokens of a step where nobody says: 0.58 D^0.571 (Li et al. 2025, arXiv:2503.04715)."""

WITHIN_HOURS = 48.0
"""In which an experiment is to end, where neither this nor its accelerators are given."""

KEPT_SPEED = 0.7
"""Of an accelerator's speed among fewer, that it keeps among as many as are taken by default."""

FEWEST, MOST = 8, 8192
"""Accelerators of an experiment whose number is not given: powers of two between."""


class Work(NamedTuple):
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


class _Model(NamedTuple):
    architecture: Architecture
    params: float
    active: float
    cache: float


@dataclass
class Workshop:
    """Works out experiments; what is slow is computed once for all that share it.

    Attributes:
        software: generation of the training software.
        efficiency: a file of fitted efficiencies; else each accelerator's own, or the shipped.
        profiles: folders of accelerator profiles of one's own.
        most: accelerators of an experiment whose number is not given.
    """

    software: Software
    efficiency: Path | None
    profiles: Sequence[Path] = ()
    most: int = MOST
    _accelerators: dict[str, Accelerator] = field(default_factory=dict)
    _utilisations: dict[tuple[str, str, int], Utilisation] = field(default_factory=dict)
    _models: dict[str, _Model] = field(default_factory=dict)

    def accelerator(self, cell: Cell) -> Accelerator:
        """Return a cell's accelerator.

        Raises:
            RequestError: where it gives none, or it is not known.
        """
        name = cell.apart.get("accelerator")
        if not isinstance(name, str):
            raise RequestError("accelerator", "is missing; a group or defaults has to give one")
        if name not in self._accelerators:
            self._accelerators[name] = find_accelerator(name, self.profiles)
        return self._accelerators[name]

    def precision(self, cell: Cell) -> str:
        """Return a cell's precision; the accelerator's own where it gives none."""
        accelerator = self.accelerator(cell)
        name = str(cell.apart.get("precision", accelerator.default_precision))
        accelerator.peak(name)  # refuses what the part does not have
        return name

    def utilisation(self, cell: Cell) -> Utilisation:
        """Return what trains a cell's experiments."""
        model = self._model(cell)
        given = cell.apart.get("sequence_length")
        if model is not None:
            sequence = int(given or default_sequence(model.architecture))
            check_sequence_length(model.architecture, sequence)
        else:
            sequence = int(given or DEFAULT_SEQUENCE)
        accelerator, precision = self.accelerator(cell), self.precision(cell)
        key = (accelerator.name, precision, sequence)
        if key not in self._utilisations:
            fitted = efficiencies_of(accelerator, self.efficiency)
            self._utilisations[key] = Utilisation(
                accelerator, precision, sequence, self.software, fitted
            )
        return self._utilisations[key]

    def work(self, cell: Cell, given: Mapping[str, Tensor]) -> Work:
        """Return what a cell's experiments take.

        Args:
            cell: they are of.
            given: their fields, by name; ``(experiments,)`` each.

        Raises:
            RequestError: where a model does not fit, or its batch is too small for so many.
        """
        fields = _Fields(given)
        if cell.group.gpu_hours is not None:
            return self._given(cell, fields)
        params, active = self._sizes(cell, fields)
        kind = cell.group.kind
        if kind in ("pretrain", "finetune", "distill"):
            return self._trained(cell, fields, params, active)
        return self._served(cell, fields, params, active)

    def _given(self, cell: Cell, fields: _Fields) -> Work:
        """Experiments whose hours are given: the group's quantity scales an hour each."""
        seconds = fields.full(SECONDS_PER_HOUR)
        unknown = torch.full_like(seconds, math.nan)
        params = fields.get("params_active", fields.get("params", unknown))
        assert cell.group.gpu_hours is not None
        count = self._count_for(cell, fields, seconds * cell.group.gpu_hours.median)
        return Work(params, unknown, seconds, torch.zeros_like(seconds), count)

    def _sizes(self, cell: Cell, fields: _Fields) -> tuple[Tensor, Tensor]:
        model = self._model(cell)
        if model is not None:
            return fields.full(model.params), fields.full(model.active)
        if "width" in fields:
            vocabulary = fields.get("vocabulary", math.nan)
            params = transformer_params(fields["width"], fields["depth"], vocabulary)
        else:
            params = fields.get("params", fields.get("params_active", math.nan))
        active = fields.get("params_active", params)
        if bool(params.isnan().any()):
            raise RequestError("params", "is missing in some experiments")
        if bool((active > params).any()):
            raise RequestError("params_active", "is more than params; allowed: up to them")
        return params, active

    def _model(self, cell: Cell) -> _Model | None:
        name = cell.apart.get("model")
        if not isinstance(name, str):
            return None
        if name not in self._models:
            architecture = read_architecture(name)
            counted = count_parameters(columns(architecture))
            self._models[name] = _Model(
                architecture, float(counted.total), float(counted.active), cache_elements(name)
            )
        return self._models[name]

    def _trained(self, cell: Cell, fields: _Fields, params: Tensor, active: Tensor) -> Work:
        tokens = _tokens(fields, params, active)
        per_token = 4.0 + 2.0 * fields.get("trained_share", 1.0)
        flop = training_flop(active, tokens) * per_token / 6.0 * fields.get("epochs", 1.0)
        serving = torch.zeros_like(flop)
        if "teacher_params" in fields:
            teacher = fields["teacher_params"]
            serving = self._reading(cell, fields, teacher, teacher, tokens)
        training, count = self._training_seconds(cell, fields, active, tokens, flop, serving)
        if "teacher_params" in fields:
            flop = flop + 2.0 * fields["teacher_params"] * tokens
        return Work(active, flop, training, serving, count)

    def _served(self, cell: Cell, fields: _Fields, params: Tensor, active: Tensor) -> Work:
        """Experiments that read and write, and those that learn from what they wrote."""
        kind = cell.group.kind
        if kind == "filter":
            tokens = fields["tokens"]
            serving = self._reading(cell, fields, params, active, tokens)
            return self._with_count(cell, fields, active, 2.0 * active * tokens, serving)
        prompt, answer = fields.get("input_tokens", 0.0), fields.get("output_tokens", 0.0)
        if kind == "rl":
            prompts = fields["steps"] * fields["prompts"]
            requests = prompts * fields["samples_per_prompt"]
        elif "requests" in fields:
            requests = fields["requests"]
        else:
            if bool((answer <= 0).any()):
                raise RequestError("output_tokens", "got 0; allowed with tokens: above 0")
            requests = fields["tokens"] / answer
        seconds = self._request_seconds(cell, fields, params, active)
        serving, tokens = requests * seconds, requests * (prompt + answer)
        flop = 2.0 * active * tokens
        if kind != "rl":
            return self._with_count(cell, fields, active, flop, serving)
        references = fields.get("references", 1.0)
        serving = serving + self._reading(cell, fields, params, active, tokens * references)
        update = training_flop(active, tokens) * fields.get("epochs", 1.0)
        batch = {"global_batch": fields["prompts"] * fields["samples_per_prompt"]}
        updated = _Fields({**batch, **fields.columns})
        training, count = self._training_seconds(cell, updated, active, tokens, update, serving)
        flop = flop + update + 2.0 * active * tokens * references
        return Work(active, flop, training, serving, count)

    def _request_seconds(
        self, cell: Cell, fields: _Fields, params: Tensor, active: Tensor
    ) -> Tensor:
        """Accelerator-seconds of a request; at one token a second, where the group gives them."""
        answer = fields.get("output_tokens", 0.0)
        if cell.group.throughput is not None:
            return answer
        seconds = request_seconds(
            self._served_model(cell, params, active),
            self.accelerator(cell),
            self.precision(cell),
            fields.get("input_tokens", 0.0),
            answer,
            fields.get("batch", math.nan),
            fields.get("tail", 1.0),
            self._at_once(cell, fields),
        )
        self._check_fits(cell, params, seconds.isfinite())
        return seconds

    def _served_model(self, cell: Cell, params: Tensor, active: Tensor) -> Served:
        """A model as it answers; of a configuration its own layers, width and cache."""
        found = served_sizes(params, active, self.precision(cell))
        model = self._model(cell)
        if model is None:
            return found
        layers, hidden = float(model.architecture.layer_count), float(model.architecture.hidden)
        return found._replace(
            layers=torch.full_like(found.layers, layers),
            hidden=torch.full_like(found.hidden, hidden),
            cache=torch.full_like(found.cache, model.cache),
        )

    def _at_once(self, cell: Cell, fields: _Fields) -> Tensor | None:
        """Rollouts of a step for each accelerator; other requests wait in a long line."""
        if cell.group.kind != "rl":
            return None
        rollouts = fields["prompts"] * fields["samples_per_prompt"]
        return rollouts / float(cell.apart["count"])

    def _reading(
        self, cell: Cell, fields: _Fields, params: Tensor, active: Tensor, tokens: Tensor
    ) -> Tensor:
        """Accelerator-seconds of one forward pass over so many tokens."""
        length = fields.full(float(cell.apart.get("sequence_length", DEFAULT_SEQUENCE)))
        precision = self.precision(cell)
        each = request_seconds(
            served_sizes(params, active, precision),
            self.accelerator(cell),
            precision,
            length,
            fields.full(0.0),
            fields.full(1.0),
            fields.full(1.0),
        )
        self._check_fits(cell, params, each.isfinite())
        return tokens / length * each

    def _training_seconds(
        self,
        cell: Cell,
        fields: _Fields,
        active: Tensor,
        tokens: Tensor,
        flop: Tensor,
        beside: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Accelerator-seconds of training, and on how many; ``beside`` are further seconds."""
        trains = self.utilisation(cell)
        peak = peak_flop_per_s(trains.accelerator, trains.precision)
        if cell.group.mfu is not None:
            seconds = flop / peak  # the group's quantity divides it
            reached = seconds / cell.group.mfu.median + beside
            return seconds, self._count_for(cell, fields, reached)
        constant, power = STEP_LAW
        usual = (constant * tokens**power / trains.sequence).clamp_min(1.0)
        batch = fields.get("global_batch", usual)
        model = self._model(cell)

        def at(count: int, wanted: Tensor | None = None) -> Tensor:
            if model is not None:
                share = trains.of_model(model.architecture, model.active, batch, count, wanted)
            else:
                share = trains.of_sizes(active, batch, count, wanted)
            return flop / (peak * share)

        if "count" in cell.apart:
            count = int(cell.apart["count"])
            seconds = at(count)
            self._check_trains(cell, active, batch, count, ~seconds.isnan())
            return seconds, fields.full(float(count))
        return self._fewest(cell, fields, at, beside, active)

    def _fewest(
        self,
        cell: Cell,
        fields: _Fields,
        at: Callable[[int, Tensor], Tensor],
        beside: Tensor,
        active: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """On the fewest accelerators that end in time.

        Where nobody gives the time, no more are taken than keep most of their speed each: then
        as many as end soonest of these.
        """
        is_given = "within_hours" in fields
        within = fields.get("within_hours", WITHIN_HOURS) * SECONDS_PER_HOUR
        seconds = torch.full_like(active, math.nan)
        count, wall = seconds.clone(), torch.full_like(active, math.inf)
        least = wall.clone()
        counts = _powers(min(FEWEST, self.most), self.most)
        # Small models with few sequences a step cannot use more.
        for tried in (*counts, *reversed(_powers(1, counts[0] - 1))):
            is_small = tried < counts[0]
            waiting = count.isnan() if is_small else ~(wall <= within)
            if not bool(waiting.any()):
                continue
            found = at(tried, waiting)
            least = torch.fmin(least, found)
            ends = (found + beside) / tried
            better = waiting & ~found.isnan() & (is_small | (ends < wall))
            if not is_given:
                better = better & (found <= least / KEPT_SPEED)
            seconds, count = torch.where(better, found, seconds), torch.where(better, tried, count)
            wall = torch.where(better, ends, wall)
        nobody_says = torch.full_like(active, math.nan)
        self._check_trains(cell, active, nobody_says, self.most, ~seconds.isnan())
        if is_given and bool((wall > within).any()):
            late = wall / within
            row = int(late.argmax())
            raise RequestError(
                "within_hours",
                f"got {float(within[row]) / SECONDS_PER_HOUR:g}; the soonest that "
                f"{float(active[row]):.3g} parameters end on up to {self.most:,} is after "
                f"{float(wall[row]) / SECONDS_PER_HOUR:.3g} hours",
            )
        return seconds, count

    def _with_count(
        self, cell: Cell, fields: _Fields, active: Tensor, flop: Tensor, serving: Tensor
    ) -> Work:
        count = self._count_for(cell, fields, serving)
        return Work(active, flop, torch.zeros_like(serving), serving, count)

    def _count_for(self, cell: Cell, fields: _Fields, seconds: Tensor) -> Tensor:
        """Accelerators: as given, or the fewest that end in time."""
        if "count" in cell.apart:
            return fields.full(float(cell.apart["count"]))
        within = fields.get("within_hours", WITHIN_HOURS) * SECONDS_PER_HOUR
        needed = torch.log2((seconds / within).clamp_min(1.0)).ceil()
        counts = _powers(min(FEWEST, self.most), self.most)
        return (2.0**needed).clamp(counts[0], counts[-1])

    def _check_fits(self, cell: Cell, params: Tensor, fits: Tensor) -> None:
        if bool(fits.all()):
            return
        size = float(params.expand(fits.shape)[~fits].max())
        raise RequestError(
            "params", f"{size:.3g} parameters do not fit on any number of {self._part(cell)}"
        )

    def _check_trains(
        self, cell: Cell, active: Tensor, batch: Tensor, count: int, trains: Tensor
    ) -> None:
        if bool(trains.all()):
            return
        size, sequences = float(active[~trains].max()), float(batch[~trains].min())
        told = "" if math.isnan(sequences) else f" with {sequences:.4g} sequences a step"
        raise RequestError(
            "count",
            f"no common layout of {size:.3g} parameters{told} is legal and fits on {count:,} "
            f"{self._part(cell)}; give another count, global_batch or precision, or mfu",
        )

    def _part(self, cell: Cell) -> str:
        return f"{self.accelerator(cell).name}, {self.precision(cell)}"


class _Fields:
    """Columns of experiments, with what holds where one is not given."""

    def __init__(self, given: Mapping[str, Tensor]) -> None:
        self.columns = given
        first = next(iter(given.values()))
        self.size, self._device = len(first), first.device

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Tensor:
        return self.columns[name]

    def full(self, value: float) -> Tensor:
        """Return a column of one value."""
        return torch.full((self.size,), value, dtype=torch.float64, device=self._device)

    def get(self, name: str, otherwise: float | Tensor) -> Tensor:
        """Return a column; where a row does not give it, what holds otherwise."""
        rest = otherwise if isinstance(otherwise, Tensor) else self.full(otherwise)
        given = self.columns.get(name)
        return rest if given is None else torch.where(given.isnan(), rest, given)


def _powers(low: int, high: int) -> list[int]:
    """Powers of two from one number to another; the largest below the first where there is none."""
    found = [2**n for n in range(high.bit_length()) if low <= 2**n <= high]
    return found or ([2 ** (high.bit_length() - 1)] if high else [])


def _tokens(fields: _Fields, params: Tensor, active: Tensor) -> Tensor:
    missing = fields.full(math.nan)
    by_size = fields.get("tokens_per_param", missing) * params
    by_flop = fields.get("flop", missing) / (6.0 * active)
    tokens = fields.get("tokens", torch.where(by_size.isnan(), by_flop, by_size))
    if bool(tokens.isnan().any()):
        raise RequestError("tokens", "is missing in some experiments")
    return tokens


def make_workshop(
    software: str, efficiency: Path | None, profiles: Sequence[Path], most: int | None
) -> Workshop:
    """Return what works out experiments.

    Raises:
        RequestError: where the software or the file of efficiencies is not known.
    """
    if efficiency is not None:
        read_profile(efficiency)  # refuses a wrong file before anything is computed
    return Workshop(read_software(software), efficiency, profiles, most or MOST)
