"""Every layout of a cluster: the choices that each are legal by themselves.

A grid has a dimension for each choice: pipeline (stages, chunks, schedule), tensor (ranks, and
whether sequence parallel), context, expert (ranks, and whether tensor parallel ranks divide
experts), sharding (ZeRO stage, and whether inside a domain), micro-batch, recomputation. Data
parallelism is what is left of the accelerators.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.hardware.accelerators import domain_size
from computebill.training.rules import check_layout, chunk_counts

from .balance import Work, balanced, work_of
from .cases import Case
from .dealing import Deal
from .layout import LISTED, SCHEDULES, Layout
from .offers import Offer
from .software import LACKS

LONGEST_PIPELINE = 128
MOST_EXPERT_RANKS = 512
MOST_TENSOR_RANKS = 64
"""That are tried where they may span domains."""

SHORTEST_PART = 1024
"""Tokens of a sequence that a context parallel rank has at least."""

MICRO_BATCHES = (1, 2, 4, 8, 16)

FEWEST = "fewest"
"""Recomputation of whole layers, of as few on each stage as let it fit."""

BALANCED_CHUNKS = (1, 2)
"""Chunks of a stage that are tried where layers are dealt out by their work."""


class Pipe(NamedTuple):
    """A pipeline.

    Attributes:
        pp: stages.
        vpp: chunks of a stage.
        schedule: as the layout has it.
        first: layers of the first stage, where it has a number of its own.
        last: layers of the last stage, likewise.
        layers: of each chunk, where they are listed.
    """

    pp: int
    vpp: int
    schedule: str
    first: int = 0
    last: int = 0
    layers: tuple[int, ...] = ()

    @property
    def own(self) -> dict[str, int | tuple[int, ...]]:
        """What stages have of their own, by the layout's fields."""
        values: dict[str, int | tuple[int, ...]] = {
            "first_layers": self.first,
            "last_layers": self.last,
            LISTED: self.layers,
        }
        return {name: value for name, value in values.items() if value}

    @property
    def needs(self) -> frozenset[str]:
        """What a framework has to let stages have of their own, as ``Offer`` names it."""
        has = {"ends": self.first or self.last, "lists": self.layers}
        return frozenset(name for name, own in has.items() if own)

    @property
    def kind(self) -> tuple[float, bool, bool]:
        """What pipelines are computed together by: schedule, and what they have of their own."""
        return SCHEDULES[self.schedule], bool(self.first or self.last), bool(self.layers)


class Ranks(NamedTuple):
    """Tensor parallel ranks, and whether they divide norms and residuals along the sequence."""

    tp: int
    sequence: bool


class Experts(NamedTuple):
    """Expert parallel ranks, and whether tensor parallel ranks divide each expert."""

    ep: int
    divided: bool


class Sharding(NamedTuple):
    """A ZeRO stage, and whether it shards inside a domain only."""

    zero: int
    inside: bool


@dataclass(frozen=True)
class Space:
    """Choices that each are legal by themselves.

    Attributes:
        case: model, part, precision, sequence and software; its layout is what no choice decides.
        pipes: choices of the pipeline, by schedule.
        tp: choices of tensor parallelism.
        cp: context parallel ranks.
        experts: choices for experts.
        sharding: choices of ZeRO.
        micro: sequences of a micro-batch.
        recompute: what is computed again; ``FEWEST`` among it needs none and full there too.
        across: whether tensor parallel ranks may span scale-up domains.
        offer: what the framework has, whose rules leave layouts out; None for all.
    """

    case: Case
    pipes: tuple[Pipe, ...]
    tp: tuple[Ranks, ...]
    cp: tuple[int, ...]
    experts: tuple[Experts, ...]
    sharding: tuple[Sharding, ...]
    micro: tuple[int, ...]
    recompute: tuple[str, ...]
    across: bool = False
    offer: Offer | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """How many choices each dimension has."""
        parts: tuple[tuple[Any, ...], ...] = (
            self.pipes,
            self.tp,
            self.cp,
            self.experts,
            self.sharding,
            self.micro,
            self.recompute,
        )
        return tuple(len(part) for part in parts)

    @property
    def repeats_alike(self) -> bool:
        """Whether all stages compute as many layers again, as the framework has it."""
        return self.offer is not None and self.offer.recompute_layers == "one"

    def layout(self, place: int, count: int, batch: int) -> Layout:
        """Return the layout at a place of the flattened grid."""
        places = []
        for length in reversed(self.shape):
            place, here = divmod(place, length)
            places.append(here)
        recompute, micro, sharding, experts, cp, tp, pipe = places
        again = self.recompute[recompute]
        chosen, tensor = self.pipes[pipe], self.tp[tp]
        dp = count // (tensor.tp * self.cp[cp] * chosen.pp)
        zero = self.sharding[sharding]
        within = min(max(1, domain_size(self.case.accelerator) // tensor.tp), dp * self.cp[cp])
        base = self.case.layout
        given = {name: getattr(base, name) for name in base.model_fields_set}
        return Layout(
            **given
            | chosen.own
            | {
                "pp": chosen.pp,
                "vpp": chosen.vpp,
                "schedule": chosen.schedule,
                "tp": tensor.tp,
                "sequence_parallel": tensor.sequence,
                "cp": self.cp[cp],
                "dp": dp,
                "ep": self.experts[experts].ep,
                "etp": tensor.tp if self.experts[experts].divided else 1,
                "zero": zero.zero,
                "shards": within if zero.inside else None,
                "micro_batch": self.micro[micro],
                "micro_batches": batch // (dp * self.micro[micro]),
                "recompute": "full" if again == FEWEST else again,
            }
        )


class _Legal:
    """Degrees of a model that are legal alone, of those that were given or of all."""

    def __init__(self, case: Case, given: Mapping[str, Sequence[Any]]) -> None:
        self._case, self._given = case, given
        self._base = {name: getattr(case.layout, name) for name in case.layout.model_fields_set}

    def problem(self, **fields: Any) -> RequestError | None:
        """What is wrong with the layout that no choice decides, and these fields."""
        case = self._case
        try:
            layout = validate(Layout, self._base | fields, "layout")
            check_layout(case.architecture, layout, case.sequence)
        except RequestError as error:
            return error
        return None

    def degrees(self, name: str, usual: Sequence[int], also: str = "") -> tuple[int, ...]:
        """Degrees of a field; ``also`` has as many ranks.

        Raises:
            RequestError: where one that was given is not legal.
        """
        found = []
        for degree in self._given.get(name, usual):
            error = self.problem(**{name: degree} | ({also: degree} if also else {}))
            if error is not None and name in self._given:
                raise error
            if error is None:
                found.append(degree)
        return tuple(found)

    def pipes(self) -> tuple[Pipe, ...]:
        """Pipelines that divide the layers; of stages that were given, at least one has to.

        Raises:
            RequestError: where none is legal.
        """
        layers = int(self._case.architecture.layer_count)
        (listed,) = self._given.get(LISTED, ((),))
        deal = {LISTED: listed} if listed else {}
        if listed and sum(listed) != layers and (error := self.problem(pp=len(listed), **deal)):
            raise error
        divisors = {len(listed)} if listed else {*chunk_counts(self._case.architecture)}
        schedules = self._given.get("schedule", ("1f1b",))
        found: list[Pipe] = []
        first = None
        for pp in self._given.get("pp", range(1, min(layers, LONGEST_PIPELINE) + 1)):
            legal, errors = len(found), []
            chunks = self._given.get("vpp", range(1, max(1, layers // pp) + 1))
            for schedule, vpp in itertools.product(schedules, chunks):
                # Of what is free, what divides no layers is not worth a look, but for its reason.
                if "vpp" not in self._given and vpp > 1 and pp * vpp not in divisors:
                    continue
                error = self.problem(pp=pp, vpp=vpp, schedule=schedule, **deal)
                if error is None:
                    found.append(Pipe(pp, vpp, schedule, layers=listed))
                else:
                    errors.append(error)
            if self._given.get("uneven", (False,))[0] and not listed and "1f1b" in schedules:
                found += self._uneven(layers, pp)
            if "pp" in self._given and len(found) == legal and errors:
                raise errors[0]
            first = first or (errors[-1] if errors else None)
        if not found and first is not None:
            raise first
        # Those that are computed together stand together.
        return tuple(sorted(found, key=lambda pipe: pipe.kind))

    def _uneven(self, layers: int, pp: int) -> Iterator[Pipe]:
        """Yield pipelines whose ends are lighter, or whose stages have as equal work as can be."""
        chunks = self._given.get("vpp", BALANCED_CHUNKS)
        found = [Pipe(pp, 1, "1f1b", *ends) for ends in lighter_ends(layers, pp) if 1 in chunks]
        deals = [Deal(pp, 1), *(Deal(pp, 1, each.first, each.last) for each in found)]
        known = {deal.chunks(layers) for deal in deals}
        for vpp in chunks:
            if pp > 1 and pp * vpp <= layers:
                listed = balanced(self._work, pp * vpp)
                if vpp > 1 or listed not in known:
                    found.append(Pipe(pp, vpp, "1f1b", layers=listed))
        for pipe in found:
            if self.problem(pp=pp, vpp=pipe.vpp, schedule="1f1b", **pipe.own) is None:
                yield pipe

    @cached_property
    def _work(self) -> Work:
        return work_of(self._case.architecture, self._case.sequence)


def lighter_ends(layers: int, pp: int) -> list[tuple[int, int]]:
    """Return layers of the first and last stage where those between have a little more than even.

    The embedding and the head take time and memory too: layers are taken from both ends, or from
    either. Stages between have as many as would be even, rounded up, or one more.
    """
    if pp == 1:
        return []
    found = []
    for inner in (-(-layers // pp), -(-layers // pp) + 1):
        ends = layers - (pp - 2) * inner
        pairs = ((ends // 2, ends - ends // 2), (inner, ends - inner), (ends - inner, inner))
        found += [each for each in pairs if 1 <= min(each) < inner >= max(each)]
    return list(dict.fromkeys(found))


def make_space(
    case: Case,
    given: Mapping[str, Sequence[Any]],
    across: bool = False,
    pipes: tuple[Pipe, ...] | None = None,
    offer: Offer | None = None,
) -> Space:
    """Return all choices that the software has and that are legal alone, or those that were given.

    What a trainer's preset sets is the one choice where none was given.

    Args:
        case: model, part, precision, sequence and software; its layout is what no choice decides.
        given: choices by the layout's fields (tp, sequence_parallel, pp, vpp, schedule, cp, ep,
            etp, zero, micro_batch, recompute) that are not free; ``uneven`` (True,) tries ends of
            the pipeline that are lighter, too; ``layers_per_stage`` is one list of all.
        across: whether tensor parallel ranks may span scale-up domains; a rule masks them if not.
        pipes: choices of the pipeline, of a space of the same model on another part.
        offer: what the framework has; ZeRO stages and recomputation are tried as it has them, and
            what else it lacks is left out by its rules. None for software that has everything.

    Raises:
        RequestError: where a choice that was given is not legal, or the framework has none of it.
    """
    if offer is not None:
        offer.check(given)
        given = {**_offered(case.layout, offer), **given}
    given = {**LACKS.get(case.software, {}), **_preset(case.layout), **given}
    legal = _Legal(case, given)
    routed = [each for each in case.architecture.operators() if each.expert]
    longest = max(1, case.sequence // SHORTEST_PART)
    domain = domain_size(case.accelerator)
    widest = max(MOST_TENSOR_RANKS, domain) if across else domain
    most = min(MOST_EXPERT_RANKS, int(routed[0].copies)) if routed else 1
    divided = [each == "tp" for each in given.get("etp", ("1", "tp"))] if routed else [False]
    tensor = legal.degrees("tp", _powers(widest))
    return Space(
        case=case,
        pipes=legal.pipes() if pipes is None else pipes,
        tp=tuple(_ranks(tensor, given.get("sequence_parallel", (True,)))),
        cp=legal.degrees("cp", _powers(min(64, longest))),
        experts=tuple(
            Experts(n, each) for n in legal.degrees("ep", _powers(most), "dp") for each in divided
        ),
        sharding=tuple(_shardings(legal.degrees("zero", (1, 3)))),
        micro=tuple(given.get("micro_batch", MICRO_BATCHES)),
        recompute=_recomputed(given.get("recompute", ("none", "full"))),
        across=across,
        offer=offer,
    )


def _offered(layout: Layout, offer: Offer) -> dict[str, tuple[Any, ...]]:
    """Choices as a framework has them, where what is usual is for any."""
    usual = ("none", "operators", "full")
    scores = ("selective",) if layout.attention == "unfused" else ()
    return {
        "zero": offer.tried("zero", (1, 2, 3)),
        "recompute": offer.tried("recompute", (*usual, *scores)),
        "sequence_parallel": offer.tried("sequence_parallel", (True,)),
    }


def _preset(layout: Layout) -> dict[str, tuple[Any, ...]]:
    """Choices that a trainer decides where its user does not: degrees it has, fields it sets."""
    if layout.trainer is None:
        return {}
    names = layout.trainer.settings.keys() & {"zero", "micro_batch", "recompute"}
    return {**layout.trainer.degrees, **{name: (getattr(layout, name),) for name in names}}


def _recomputed(given: Sequence[str]) -> tuple[str, ...]:
    """What is tried; the fewest layers that fit may be none, and may be all."""
    return tuple(dict.fromkeys(("none", *given, "full") if FEWEST in given else given))


def _powers(most: int) -> tuple[int, ...]:
    return tuple(2**n for n in range(most.bit_length()) if 2**n <= most)


def _ranks(degrees: Sequence[int], sequence: Sequence[bool]) -> Iterator[Ranks]:
    """Each number of ranks as it may be; one rank has nothing to divide."""
    for tp in degrees:
        yield from (Ranks(tp, each) for each in ((False,) if tp == 1 else sequence))


def _shardings(stages: Sequence[int]) -> Iterator[Sharding]:
    for zero in stages:
        yield Sharding(zero, inside=False)
        if zero == 3:
            yield Sharding(zero, inside=True)
