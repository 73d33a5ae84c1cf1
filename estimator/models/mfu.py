"""Utilisation under every convention, from a measured speed.

Published figures were counted differently: the same run is at 38 % by one convention and at 44 %
by another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from computebill.architectures import Architecture, read_architecture
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop
from computebill.architectures.counts import CONVENTIONS
from computebill.base.amounts import check_amount
from computebill.base.assumptions import GIVEN, Assumption, as_text, sequence_assumption
from computebill.base.errors import RequestError, shown
from computebill.base.notebook import Shown
from computebill.base.specfile import validate
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.assumptions import peak_assumption
from computebill.kernels.flop import training_flop
from computebill.training.documents import Documents, Packed, packed
from computebill.training.from_files import adapter_assumptions, with_files
from computebill.training.layout import RECOMPUTE, Layout

from .too_fast import MOST_SHARE, explanations, not_a_share

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Speed:
    """How fast a run was.

    Attributes:
        tokens_per_second_per_gpu: measured, or from a step's time.
        tokens_per_second: speed of all ``count`` accelerators together, in its place [1/s].
        step_seconds: time of a whole step [s], with the next three.
        global_batch: sequences of a step.
        count: accelerators.
        mfu: utilisation as published, under ``convention``.
        convention: 6nd, palm, megatron or causal.
    """

    tokens_per_second_per_gpu: float | None = None
    step_seconds: float | None = None
    global_batch: float | None = None
    count: float | None = None
    mfu: float | None = None
    convention: str | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, repr=False)
class Utilisation(Shown):
    """What ``utilisation`` finds.

    Attributes:
        model: its ``model_type``, or nothing where only totals were given.
        accelerator: the part.
        precision: whose peak is meant.
        peak_flop_per_s: that peak [FLOP/s].
        sequence: tokens of a sequence; None where only totals were given.
        tokens_per_second_per_gpu: the speed.
        flop_per_token: model FLOP, by convention; those that need an architecture may be None.
        hardware_flop_per_token: what was really computed; None without an architecture.
        assumptions: what was given, and the peak.
    """

    model: str
    accelerator: Accelerator
    precision: str
    peak_flop_per_s: float
    sequence: int | None
    tokens_per_second_per_gpu: float
    flop_per_token: Mapping[str, float | None]
    hardware_flop_per_token: float | None
    assumptions: tuple[Assumption, ...]

    def share(self, flop_per_token: float | None) -> float | None:
        """Return the share of the peak that so many FLOP per token are."""
        if flop_per_token is None:
            return None
        return flop_per_token * self.tokens_per_second_per_gpu / self.peak_flop_per_s

    @property
    def mfu(self) -> dict[str, float | None]:
        """Model FLOP utilisation, by convention."""
        return {name: self.share(value) for name, value in self.flop_per_token.items()}

    @property
    def hfu(self) -> float | None:
        """Hardware FLOP utilisation: recomputation counted, masked attention not."""
        return self.share(self.hardware_flop_per_token)

    def at(self, tokens_per_second_per_gpu: float) -> dict[str, float | None]:
        """Return utilisation by convention, hfu last, of another speed [1/s of one]."""
        ratio = tokens_per_second_per_gpu / self.tokens_per_second_per_gpu
        found = {**self.mfu, "hfu": self.hfu}
        return {name: None if each is None else each * ratio for name, each in found.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: why a speed that no accelerator can have was found."""
        most = max(each or 0.0 for each in self.mfu.values())
        if most <= 1:
            return ()
        given = {each.name for each in self.assumptions}
        return tuple(
            explanations(
                self.accelerator,
                self.precision,
                most * self.peak_flop_per_s,
                self.mfu,
                is_of_one="tokens per second per gpu" in given,
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        return {
            "model_type": self.model or None,
            "accelerator": self.accelerator.name,
            "accelerator_title": self.accelerator.title,
            "precision": self.precision,
            "peak_flop_per_s": self.peak_flop_per_s,
            "sequence_length": self.sequence,
            "tokens_per_second_per_gpu": self.tokens_per_second_per_gpu,
            "flop_per_token": dict(self.flop_per_token),
            "hardware_flop_per_token": self.hardware_flop_per_token,
            "mfu": self.mfu,
            "hfu": self.hfu,
            "assumptions": [each.to_dict() for each in self.assumptions],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a convention: FLOP per token, utilisation."""
        import pandas as pd

        rows = [
            {"convention": name, "flop_per_token": flop, "utilisation": self.share(flop)}
            for name, flop in (*self.flop_per_token.items(), ("hfu", self.hardware_flop_per_token))
        ]
        return pd.DataFrame(rows)


def utilisation(
    config: str | Path | Mapping[str, Any] | Architecture | None = None,
    *,
    speed: Speed,
    accelerator: str,
    precision: str | None = None,
    params_active: float | None = None,
    sequence_length: float | None = None,
    documents: Documents | None = None,
    recompute: str = "none",
    lora_rank: int | None = None,
    profiles: Sequence[Path] = (),
) -> Utilisation:
    """Return utilisation under every convention.

    Args:
        config: a model's configuration; or give ``params_active``.
        speed: tokens per second and accelerator, a step's time, or a published utilisation.
        accelerator: any name in use, or a profile's file.
        precision: precision of the peak; the profile's own default otherwise.
        params_active: parameters that one token meets: 6nd alone.
        sequence_length: tokens of a sequence; else of the longest document, or the model's own
            limit, at most 4,096.
        documents: that are packed into sequences, see ``read_documents``.
        recompute: none, selective, operators or full; hardware FLOP count it.
        lora_rank: rank of low-rank adapters beside frozen weights; else that of the model's own
            adapter_config.json, or none.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    part = find_accelerator(accelerator, profiles)
    used = precision or part.default_precision
    peak = part.peak_flop_per_s(used)
    if recompute not in RECOMPUTE:
        allowed = ", ".join(RECOMPUTE)
        raise RequestError("recompute", f"got {shown(recompute)}; allowed: {allowed}")
    if lora_rank is not None and lora_rank < 0:
        raise RequestError("lora_rank", f"got {lora_rank}; allowed: 0 or more")
    if config is None and params_active is None:
        raise RequestError("model", "is missing; allowed: a config.json, or params")
    if params_active is not None:
        try:
            check_amount(params_active, as_text(params_active), "B")
        except ValueError as error:
            raise RequestError("params", str(error)) from None
    if config is not None and params_active is not None:
        raise RequestError("params", "give a config.json or params, not both")
    if config is None and documents is not None:
        raise RequestError("lengths", "need a config.json: 6 N D counts no attention")
    if config is None:
        work = _of_parameters(_positive("params", params_active), sequence_length)
    else:
        if speed.step_seconds is not None and sequence_length is None:
            raise RequestError("sequence_length", "is missing; a step's time needs it")
        architecture = config if isinstance(config, Architecture) else read_architecture(config)
        work = _of_model(packed(architecture, sequence_length, documents), recompute, lora_rank)
    return Utilisation(
        model=work.model,
        accelerator=part,
        precision=used,
        peak_flop_per_s=peak,
        sequence=work.sequence,
        tokens_per_second_per_gpu=_tokens_per_second(speed, work, peak),
        flop_per_token=work.flop,
        hardware_flop_per_token=work.hardware,
        assumptions=(*_speed_told(speed), *work.told, peak_assumption(part, used)),
    )


class _Work(NamedTuple):
    """FLOP of a token, by convention and as computed, and what they were counted from."""

    model: str
    stacks: int
    sequence: int | None
    flop: Mapping[str, float | None]
    hardware: float | None
    told: tuple[Assumption, ...]


def _of_parameters(active: float, sequence_length: float | None) -> _Work:
    one = torch.ones((), dtype=torch.float64)
    flop = {**dict.fromkeys(CONVENTIONS), "6nd": float(training_flop(one * active, one))}
    told = [Assumption("active parameters", as_text(active), GIVEN)]
    sequence = None if sequence_length is None else int(sequence_length)
    if sequence is not None:
        told.append(sequence_assumption(sequence, is_given=True))
    return _Work("", 1, sequence, flop, None, tuple(told))


def _of_model(trained: Packed, recompute: str, lora_rank: int | None) -> _Work:
    architecture, sequence, of_sequence = trained
    given = validate(Layout, {} if lora_rank is None else {"lora_rank": lora_rank}, "layout")
    layout = with_files(given, architecture)
    counted = count_flop(
        columns(architecture, layout.beside),
        sequence,
        recompute=recompute,
        adapter_rank=layout.lora_rank,
    )
    told = [
        Assumption("FLOP per token", "counted from the configuration", architecture.model_type),
        Assumption("recompute", recompute, "given, or the default: none"),
        *of_sequence,
    ]
    if architecture.adapter is not None:
        told += adapter_assumptions(layout, given, architecture)
    elif lora_rank:
        told.append(Assumption("rank of adapters", str(lora_rank), GIVEN))
    flop = {key: float(value) for key, value in counted.conventions.items()}
    hardware = float(counted.hardware)
    name, stacks = architecture.model_type, architecture.stacks
    return _Work(name, stacks, sequence, flop, hardware, tuple(told))


def _speed_told(speed: Speed) -> Iterator[Assumption]:
    for name, value in vars(speed).items():
        if value is not None:
            source = f"{GIVEN}, of all accelerators together"
            source = source if name == "tokens_per_second" else GIVEN
            yield Assumption(name.replace("_", " "), as_text(value), source)


def _tokens_per_second(speed: Speed, work: _Work, peak: float) -> float:
    ways = (
        speed.tokens_per_second_per_gpu,
        speed.tokens_per_second,
        speed.step_seconds,
        speed.mfu,
    )
    if sum(way is not None for way in ways) != 1:
        raise RequestError(
            "speed",
            "give one of tokens per second and GPU, a step's seconds, or a published MFU",
        )
    if speed.tokens_per_second_per_gpu is not None:
        return _positive("tokens_per_second_per_gpu", speed.tokens_per_second_per_gpu)
    if speed.tokens_per_second is not None:
        together = _positive("tokens_per_second", speed.tokens_per_second)
        if speed.count is None:
            raise RequestError("tokens_per_second", "needs the GPU count: it is of all together")
        return together / _positive("count", speed.count, 1.0)
    if speed.mfu is not None:
        return _from_published(speed, work.flop, peak)
    if speed.global_batch is None or speed.count is None or work.sequence is None:
        raise RequestError(
            "step_seconds", "needs the global batch, the sequence length and the GPU count"
        )
    tokens = _positive("global_batch", speed.global_batch, 1.0) * work.sequence * work.stacks
    seconds, count = (
        _positive("step_seconds", speed.step_seconds),
        _positive("count", speed.count, 1.0),
    )
    return tokens / seconds / count


def _from_published(speed: Speed, flop: Mapping[str, float | None], peak: float) -> float:
    allowed = ", ".join(CONVENTIONS)
    if speed.convention is None:
        raise RequestError("convention", f"is missing; a published MFU needs it: {allowed}")
    if speed.convention not in CONVENTIONS:
        raise RequestError("convention", f"got {shown(speed.convention)}; allowed: {allowed}")
    counted = flop[speed.convention]
    if counted is None:
        raise RequestError("convention", f"{speed.convention} needs a config.json")
    share = _positive("mfu", speed.mfu)
    if share > MOST_SHARE:
        raise RequestError("mfu", not_a_share(share))
    return share * peak / counted


def _positive(field: str, value: object, least: float = 0.0) -> float:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not least <= value < float("inf")
        or value == 0
    ):
        bound = f"{least:g} or more" if least else "more than 0"
        raise RequestError(field, f"got {shown(value)}; allowed: {bound}")
    return float(value)
