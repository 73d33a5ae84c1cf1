"""Grids of layouts as columns: times and memory, what they share computed once."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from computebill.architectures.columns import columns
from computebill.hardware.accelerators import domain_size
from computebill.kernels import layout as kernel
from computebill.kernels import memory, search, step
from computebill.kernels.operators import Model
from computebill.kernels.setting import Setting
from computebill.kernels.stage_times import Stages, pipeline_stages
from computebill.training.layout_columns import activation_columns, recipe_columns

from .balance import busiest, layer_kinds
from .cases import Case, case_columns, case_setting
from .choices import FEWEST, Sharding, Space
from .layout import LARGEST_DEGREE, RECOMPUTE, SCHEDULES, process_gb
from .memory import GB, RESERVED
from .offers import DEGREES

T = TypeVar("T")

DIMENSIONS = 8
BATCH, PIPE, TENSOR, CONTEXT, EXPERT, SHARDING, MICRO, RECOMPUTED = range(DIMENSIONS)
"""Of columns: the global batch, and the choices of a space."""

ROWS = 2**18
"""Layouts of a chunk and batch, at most but for one pipeline: so many stay in a cache."""

WEIGHED = 16
"""First stages that may be the fullest, where layers are of several kinds."""


class Chunk(NamedTuple):
    """The part of some pipelines of a grid, on so many accelerators, that may be legal.

    Attributes:
        batches: which of the global batches some legal layout has.
        places: of each choice, where in the space those are that some legal layout has.
        seconds: of a step; a dimension for the batches, and one for each choice.
        bytes: of the fullest process; broadcasts with ``seconds``, as ``legal`` does.
        legal: whether a layout obeys every rule.
        masks: of all layouts of the pipelines, whether each rule is obeyed, by its name.
    """

    batches: Tensor
    places: tuple[Tensor, ...]
    seconds: Tensor
    bytes: Tensor
    legal: Tensor
    masks: dict[str, Tensor]

    def legal_seconds(self, limit: float) -> Tensor:
        """Seconds of layouts that obey every rule and take so many bytes at most; else infinite."""
        return torch.where(self.legal & (self.bytes <= limit), self.seconds, torch.inf)

    def with_fewest(self, limit: float, recompute: Sequence[str]) -> Chunk:
        """Return the chunk with what layouts take that compute as few layers again as fit.

        They are those that fit with all layers computed again and not with none. What lies between
        is taken to follow a straight line in the layers of the fullest stage.

        Args:
            limit: most bytes of a process.
            recompute: of the space.
        """
        if FEWEST not in recompute or not self.seconds.numel():
            return self
        names = [recompute[place] for place in self.places[RECOMPUTED - PIPE].tolist()]
        none, some, whole = (names.index(each) for each in ("none", FEWEST, "full"))
        sizes, seconds = self.bytes.expand_as(self.seconds), self.seconds.clone()
        legal = self.legal.expand_as(seconds).clone()
        saved = (sizes[..., none] - sizes[..., whole]).clamp_min(1.0)
        share = ((sizes[..., none] - limit) / saved).clamp(0.0, 1.0)
        seconds[..., some] = torch.lerp(seconds[..., none], seconds[..., whole], share)
        legal[..., some] &= (sizes[..., none] > limit) & (sizes[..., whole] <= limit)
        sizes = sizes.clone()
        sizes[..., some] = torch.minimum(sizes[..., none], torch.full_like(share, limit))
        return self._replace(seconds=seconds, bytes=sizes, legal=legal)

    def place(self, found: Tensor, shape: Sequence[int]) -> Tensor:
        """Where in the flattened space layouts are, whatever their batch.

        Args:
            found: where they are in ``seconds``, flattened.
            shape: of the space.
        """
        flat, rest, stride = torch.zeros_like(found), found, 1
        for places, length in zip(reversed(self.places), reversed(shape), strict=True):
            flat = flat + places[rest % len(places)] * stride
            rest, stride = rest // len(places), stride * length
        return flat


class Grid:
    """A space as columns: what a layer takes is computed once for all pipelines and counts."""

    def __init__(self, space: Space, values: Tensor, device: torch.device) -> None:
        """Prepare a space.

        Args:
            space: choices.
            values: efficiencies, as fitted.
            device: that the grid is computed on.
        """
        self.space = space
        self.values = values
        self.device = device
        cases = [self.case(each) for each in space.sharding]
        described = case_columns(cases)
        one = columns(space.case.architecture, space.case.layout.beside)

        def lift(each: Tensor, dimension: int = PIPE) -> Tensor:
            """Give a column its dimension; what is the same everywhere has length one."""
            if each.shape[-1] > 1 and bool((each == each[..., :1]).all()):
                each = each[..., :1]
            ends = [1] * DIMENSIONS
            ends[dimension] = each.shape[-1]
            return each.reshape(*each.shape[:-1], *ends).to(device)

        def by_sharding(table: Any) -> Any:
            return type(table)(*(lift(each, SHARDING) for each in table))

        self._model = Model(
            type(one.operators)(*(lift(each) for each in one.operators)),
            type(one.groups)(*(lift(each) for each in one.groups)),
            *(lift(each) for each in (one.hidden, one.layers, one.vocabulary)),
        )
        modes = [RECOMPUTE["full" if each == FEWEST else each] for each in space.recompute]
        recompute = self._column(modes, RECOMPUTED)
        setting = Setting(*(by_sharding(part) for part in case_setting(described, values)))
        self._setting = setting._replace(work=setting.work._replace(recompute=recompute))
        layouts = [case.layout for case in cases]
        self._recipe: memory.Recipe = by_sharding(recipe_columns(layouts))
        self._activations: memory.Activations = by_sharding(
            activation_columns(layouts, float(space.case.sequence))
        )._replace(recompute=recompute)
        # Of pipelines; whatever is gathered, one stage holds nothing of it.
        piped = (layout.model_copy(update={"pp": 2}) for layout in layouts)
        self._holds = self._column([float(each.holds_gathered) for each in piped], SHARDING)
        schedules = {pipe.schedule for pipe in space.pipes}
        self._times = {each: self._layer_times(each) for each in schedules}
        self._stages = {pipes.start: self._held(pipes) for pipes in self.chunks()}

    @property
    def weighs_all(self) -> bool:
        """Whether the fullest stage is surely among those that are weighed.

        Of one kind of layer, the first has the embedding, and the second more in flight than any
        after it, where it has as many layers.
        """
        is_listed = any(pipe.layers for pipe in self.space.pipes)
        is_one = len(self.space.case.architecture.kinds) == 1
        return is_one and not is_listed and FEWEST not in self.space.recompute

    def _layer_times(self, schedule: str) -> step.LayerTimes:
        """Of layers under a schedule, which decides what is hidden."""
        hides = self.space.case.layout.model_copy(update={"schedule": schedule}).hides_experts
        work = self._setting.work._replace(
            hides_experts=torch.full_like(self._model.hidden, float(hides))
        )
        layout = self._layout(slice(0, 1), 1, 1)
        return step.layer_times(self._model, self._setting._replace(layout=layout, work=work))

    def _held(self, pipes: slice) -> tuple[Stages, list[tuple[Tensor, kernel.StageLayers]]]:
        """Layers of stages: those that are timed, and those that may be the fullest."""
        layout = self._layout(pipes, 1, 1)
        turns = max(each.vpp for each in self.space.pipes[pipes])
        timed = pipeline_stages(self._model, layout, turns, self._busiest(pipes))
        last = layout.pipeline - 1
        groups, layers = self._model.groups, self._model.layers
        is_short = len(self.space.case.architecture.kinds) == 1 and not len(layout.dealt)
        first = 2 if is_short else WEIGHED
        most = max(each.pp for each in self.space.pipes[pipes])
        stages = [last.clamp_max(float(n)) for n in range(min(first, most))]
        weighed = [
            (stage, kernel.rank_layers(groups, layers, layout, stage, turns))
            for stage in (*stages, last)
        ]
        return timed, weighed

    def _busiest(self, pipes: slice) -> list[Tensor]:
        """Stages of pipelines whose layers are listed, of which one is the slowest; or the ends."""
        chosen = self.space.pipes[pipes]
        if not any(pipe.layers for pipe in chosen):
            return []
        architecture = self.space.case.architecture
        kinds = layer_kinds(columns(architecture).groups, int(architecture.layer_count))
        before = torch.cat([torch.zeros_like(kinds[:, :1]), kinds.cumsum(1)], 1)
        found = []
        for pipe in chosen:
            cuts = torch.tensor([0, *itertools.accumulate(pipe.layers)])
            chunks = before[:, cuts].diff(dim=1).reshape(len(kinds), pipe.vpp, pipe.pp).sum(1)
            found.append(busiest([tuple(each) for each in chunks.T.tolist()]))
        most = max(map(len, found))
        rows = zip(*([*each, *[0] * (most - len(each))] for each in found), strict=True)
        return [self._column(row, PIPE) for row in rows]

    def case(self, sharding: Sharding) -> Case:
        """Return the case of one accelerator that a grid's columns are made from."""
        case = self.space.case
        return replace(case, layout=case.layout.model_copy(update={"zero": sharding.zero}))

    def _column(self, values: Sequence[float], dimension: int) -> Tensor:
        shape = [1] * DIMENSIONS
        shape[dimension] = len(values)
        return torch.tensor(values, dtype=torch.float64, device=self.device).reshape(shape)

    def _rows(self, lists: Sequence[Sequence[float]]) -> Tensor:
        """A list of each pipeline, in a dimension before all others; none where all are zero."""
        count = max(map(len, lists)) if any(map(any, lists)) else 0
        if not count:
            return self._column([0.0] * len(lists), PIPE).unsqueeze(0)[:0]
        filled = [[*each, *[0.0] * (count - len(each))] for each in lists]
        return torch.stack([self._column(row, PIPE) for row in zip(*filled, strict=True)])

    def _layout(self, pipes: slice, count: int, *batches: int) -> kernel.Layout:
        """Columns of some pipelines on so many accelerators."""
        space = self.space
        chosen = space.pipes[pipes]
        pipeline = self._column([each.pp for each in chosen], PIPE)
        tensor = self._column([each.tp for each in space.tp], TENSOR)
        context = self._column(space.cp, CONTEXT)
        divided = self._column([float(each.divided) for each in space.experts], EXPERT)
        inside = self._column([float(each.inside) for each in space.sharding], SHARDING)
        micro = self._column(space.micro, MICRO)
        data = count / (pipeline * tensor * context)
        replicas = data * context
        # Ranks of one sharding group lie as far apart as tensor parallel ranks are many.
        domain = torch.floor(domain_size(space.case.accelerator) / tensor).clamp_min(1.0)
        return self._setting.layout._replace(
            tensor=tensor,
            pipeline=pipeline,
            virtual=self._column([each.vpp for each in chosen], PIPE),
            data=data,
            context=context,
            expert=self._column([each.ep for each in space.experts], EXPERT),
            expert_tensor=torch.where(divided > 0, tensor, 1.0),
            sequence_parallel=self._column([float(each.sequence) for each in space.tp], TENSOR),
            micro_batch=micro,
            micro_batches=self._column(batches, BATCH) / (data * micro),
            zero=self._column([each.zero for each in space.sharding], SHARDING),
            shards=torch.where(inside > 0, torch.minimum(replicas, domain), replicas),
            holds=torch.where(pipeline > 1, self._holds, 0.0),
            schedule=self._column([SCHEDULES[each.schedule] for each in chosen], PIPE),
            ends=self._rows([(each.first, each.last) for each in chosen]),
            dealt=self._rows([each.layers for each in chosen]),
        )

    def chunks(self) -> Iterator[slice]:
        """Yield pipelines of one kind, so many at a time that columns stay small."""
        rest = 1
        for length in self.space.shape[1:]:
            rest *= length
        width, start = max(1, ROWS // rest), 0
        for _, pipes in itertools.groupby(self.space.pipes, key=lambda pipe: pipe.kind):
            stop = start + len(list(pipes))
            for first in range(start, stop, width):
                yield slice(first, min(first + width, stop))
            start = stop

    def evaluate(self, pipes: slice, count: int, *batches: int) -> Chunk:
        """Time and weigh the legal layouts of some pipelines on so many accelerators.

        Args:
            pipes: where in the space the pipelines are, as ``chunks`` yields them.
            count: accelerators.
            batches: sequences of a step; of several, layouts are computed side by side.
        """
        layout = self._layout(pipes, count, *batches)
        sequence = self._column([self.space.case.sequence], BATCH)
        masks = search.legal_masks(layout, sequence) | self._own_masks(layout)
        masks |= self._offered(pipes, layout)
        legal = functools.reduce(operator.and_, masks.values())
        shape = (len(batches), pipes.stop - pipes.start, *self.space.shape[1:])
        alive = _alive(legal, shape)
        own, first, *others = alive
        places = (first + pipes.start, *others)

        def left(bundle: T) -> T:
            return _picked(bundle, alive, shape)

        legal = left(legal)
        if not legal.numel():
            nothing = torch.zeros(legal.shape, dtype=torch.float64, device=self.device)
            return Chunk(own, places, nothing, nothing, legal, masks)
        stages, weighed = self._stages[pipes.start]
        # What breaks a rule beside others that do not is computed too; fractions do no harm.
        layout = left(layout._replace(micro_batches=layout.micro_batches.clamp_min(1e-9)))
        setting = left(self._setting._replace(layout=layout))
        times = left(self._times[self.space.pipes[pipes.start].schedule])
        seconds = step.total_seconds(self._model, setting, times, left(stages))
        whole = torch.broadcast_to(seconds, [len(each) for each in alive])
        kept = (left(self._recipe), left(self._activations))
        size = self._bytes(layout, *kept, [left(each) for each in weighed])
        return Chunk(own, places, whole, size, legal, masks)

    def _bytes(
        self,
        layout: kernel.Layout,
        recipe: memory.Recipe,
        activations: memory.Activations,
        weighed: list[tuple[Tensor, kernel.StageLayers]],
    ) -> Tensor:
        """Of the fullest process, looked for on the first stages and the last."""
        most = torch.zeros((), dtype=torch.float64, device=self.device)
        for stage, held in weighed:
            found = memory.training_memory(self._model, layout, recipe, activations, stage, held)
            most = torch.maximum(most, found.total)
        degrees = (layout.tensor, layout.pipeline, layout.data, layout.context, layout.expert)
        kinds = sum((torch.where(each > 1, 1.0, 0.0) for each in degrees), start=torch.zeros(()))
        given = self.space.case.layout
        base = given.overhead_gb
        buckets = torch.where((layout.zero > 0) & (layout.data > 1), given.buckets_gb, 0.0)
        beside = process_gb(kinds) + buckets if base is None else torch.full_like(most, base)
        return most * RESERVED + beside * GB

    def _own_masks(self, layout: kernel.Layout) -> dict[str, Tensor]:
        """Rules of the model's experts, and that no layout is there twice."""
        space = self.space
        widths = [each.d_in for each in space.case.architecture.operators() if each.expert]
        legal = [not any(width % each.tp for width in widths) for each in space.tp]
        divides = self._column([float(each) for each in legal], TENSOR) > 0
        divided = self._column([float(each.divided) for each in space.experts], EXPERT) > 0
        inside = self._column([float(each.inside) for each in space.sharding], SHARDING) > 0
        replicas = layout.data * layout.context
        plain = SCHEDULES["1f1b"]
        # One rank has nothing to divide, but weights to send to the host; it is the same layout
        # again only where another stage is tried too.
        others = any(each.zero < 3 for each in space.sharding)
        alone = 1 if others and "weights" not in space.case.layout.offload else 0
        once = (~divided | (layout.tensor > 1)) & (
            ~inside | ((layout.shards > 1) & (replicas > layout.shards))
        )
        domain = float("inf") if space.across else domain_size(space.case.accelerator)
        # Applied as they come, gradients of several micro-batches cannot be added up.
        most = 1.0 if space.case.layout.gradients == "fused" else float("inf")
        return {
            "tp stays inside a scale-up domain": layout.tensor <= domain,
            "etp divides an expert's width": ~divided | divides,
            "no degree is above a million": (layout.data <= LARGEST_DEGREE)
            & (layout.micro_batches <= LARGEST_DEGREE),
            "gradients fused have one micro-batch": layout.micro_batches <= most,
            "zero 3 has no schedule but 1f1b": (layout.zero < 3) | (layout.schedule == plain),
            "each layout once": once & ((layout.zero < 3) | (replicas > alone)),
        }

    def _offered(self, pipes: slice, layout: kernel.Layout) -> dict[str, Tensor]:
        """Rules of the framework, by what it lacks; none where it has everything."""
        space, offer = self.space, self.space.offer
        if offer is None:
            return {}

        def has(allowed: Sequence[Any], values: Sequence[Any], dimension: int) -> Tensor:
            return self._column([float(each in allowed) for each in values], dimension) > 0

        stages, chosen = [each.zero for each in space.sharding], space.pipes[pipes]
        piped, split = layout.pipeline > 1, layout.tensor > 1
        degrees = (layout.tensor, layout.pipeline, layout.virtual, layout.context, layout.expert)
        rules = {
            f"{name} is 1": degree <= 1
            for name, degree in zip(DEGREES, degrees, strict=True)
            if name not in offer.degrees
        }
        if "sequence_parallel" not in offer.degrees:
            rules["sequence parallelism is off"] = layout.sequence_parallel <= 0
        rules |= {
            "its ZeRO stages": has(offer.zero, stages, SHARDING),
            "its ZeRO stages with pipelines": ~piped | has(offer.piped_zero, stages, SHARDING),
            "its ZeRO stages with tensor parallelism": (
                ~split | has(offer.tensor_zero, stages, SHARDING)
            ),
            "its recomputation": has(offer.recomputed, space.recompute, RECOMPUTED),
            "its schedules": has(offer.schedules, [each.schedule for each in chosen], PIPE),
            "its stages": has((True,), [offer.stages >= each.needs for each in chosen], PIPE),
        }
        return {f"{offer.title}: {rule}": mask for rule, mask in rules.items()}


def _alive(legal: Tensor, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """Choices of each dimension that some legal layout has.

    Args:
        legal: a dimension for each choice, of length one where nothing hangs on it.
        shape: of the whole.
    """
    found = []
    for dimension, length in enumerate(shape):
        others = [each for each in range(len(shape)) if each != dimension]
        held = legal.any(dim=others) if length == legal.shape[dimension] else legal.any()
        found.append(torch.nonzero(held.expand(length)).squeeze(1))
    return tuple(found)


def _picked(bundle: T, alive: Sequence[Tensor], shape: Sequence[int]) -> T:
    """A bundle's columns, of the choices that are left; what one choice decides stays."""
    if not isinstance(bundle, Tensor):
        parts = (_picked(each, alive, shape) for each in bundle)  # type: ignore[attr-defined]
        return type(bundle)(*parts) if hasattr(bundle, "_fields") else type(bundle)(parts)  # type: ignore[call-arg]
    if not bundle.numel():
        return bundle
    for dimension, (places, length) in enumerate(zip(alive, shape, strict=True), -len(shape)):
        if bundle.dim() >= -dimension and bundle.shape[dimension] == length > len(places):
            bundle = bundle.index_select(dimension, places)  # type: ignore[assignment]
    return bundle
