"""What a timed step takes beside what its user gave: as assumptions, and what deserves a line."""

from __future__ import annotations

from collections.abc import Iterator

from computebill.base.assumptions import GIVEN, Assumption
from computebill.hardware.accelerators import LINK_BYTES_PER_S, Accelerator, domain_size
from computebill.hardware.assumptions import source_of
from computebill.hardware.fitted import Fitted
from computebill.hardware.generations import multiprocessors

from .adapters import QLORA, QLORA_RECOMPUTES, QLORA_SOURCE
from .cases import HOST_LINK_GB_S, HOST_MEMORY_GB_S, Case
from .doubts import DOUBTS, is_routed
from .layout import FILLS, Layout
from .parameters import INDEX, bounded, unbounded
from .recipes import WEIGHTS, Trainer
from .software import Choice
from .step_time import StepEstimate

NO_FIGURE = "assumed (no figure in the profile)"
AS_A_RULE = "assumed (the layout does not say)"
SHOWN_OF_LAYOUT = ("micro_batch", "recompute", "zero", "optimizer", "attention", "kernels")
SHOWN_WHERE_DECIDED = ("attention_kernel", "experts", "reduce_bits", "early_stop")
"""Fields that are told where a framework decides them; else they are the generation's."""


def layout_assumptions(
    layout: Layout, given: Layout, choice: Choice | None = None
) -> Iterator[Assumption]:
    """Yield what a layout was not given and has as a rule.

    Args:
        layout: layout as it is used.
        given: layout as its user described it.
        choice: software, which may decide some of it.
    """
    decided = choice.settings if choice else {}
    shown = (*SHOWN_OF_LAYOUT, *(name for name in SHOWN_WHERE_DECIDED if name in decided))
    for name in shown:
        if name not in given.model_fields_set:
            value = getattr(layout, name)
            source = setting_source(given, name, AS_A_RULE)
            if choice and name in decided:
                source = choice.source
            yield Assumption(name.replace("_", " "), str(value), source)


def setting_source(given: Layout, name: str, usual: str) -> str:
    """Return where a field of a layout is from: its user, a preset, or as usual.

    Args:
        given: layout as its user described it.
        name: the field.
        usual: what is told where it is neither given nor a preset's.
    """
    if name in given.model_fields_set:
        return GIVEN
    if given.qlora and name in QLORA:
        return QLORA_RECOMPUTES if name == "recompute" else QLORA_SOURCE
    if name == "zero" and "weights" in given.offload:
        return "as offload weights shards fully"
    trainer = given.trainer
    return f"as {trainer.title} sets it" if trainer and name in trainer.settings else usual


def recipe_assumptions(layout: Layout, given: Layout) -> Iterator[Assumption]:
    """Yield what a preset sets, what frozen weights rest in, and what rests on the host.

    Args:
        layout: layout as it is used.
        given: layout as its user described it.
    """
    if layout.trainer is not None:
        told = "; ".join(trainer_told(layout.trainer, layout))
        yield Assumption(f"recipe {layout.recipe}", told, layout.trainer.source)
    if layout.lora_rank:
        resting = WEIGHTS[layout.used_weights]
        source = setting_source(given, "weights", "as the recipe computes with them")
        if given.weights != layout.weights:
            source = "as the configuration stores them"
        text = f"{layout.used_weights}, {resting.bytes:.4g} bytes each in layers"
        yield Assumption("frozen weights", text, f"{source}; {resting.source}")
    if layout.loss == "chunked":
        parts, tokens = layout.loss_parts
        text = f"{tokens:,.0f} tokens" if parts == 1 else f"{parts:g} parts of a micro-batch"
        source = setting_source(given, "loss_chunk", "assumed" if not layout.trainer else "")
        told = layout.trainer.source if layout.trainer and not source else source
        yield Assumption("logits at once", text, told)
    if layout.offload:
        text = f"{HOST_LINK_GB_S:g} GB/s, its memory {HOST_MEMORY_GB_S:g} GB/s an accelerator"
        yield Assumption("link to the host", text, "assumed: PCIe 4.0 x16")


def trainer_told(trainer: Trainer, layout: Layout) -> Iterator[str]:
    """Yield what a trainer sets, and what is used in its place where its user decides."""

    def told(name: str, own: object, used: object) -> str:
        text = f"{name} {_written(own)}"
        return text if own == used else f"{text} (here {_written(used)})"

    yield told("bookkeeping", trainer.bookkeeping, layout.used_recipe)
    for name, value in trainer.settings.items():
        used = getattr(layout, name)
        # Adapters' base rests in a type of its own, which is told by itself.
        if not (name == "weights" and layout.lora_rank):
            yield told(name, value, used)
    if trainer.frozen and layout.lora_rank:
        yield told("frozen weights", trainer.frozen, layout.used_weights)
    if trainer.loss_parts:
        yield f"{trainer.loss_parts} parts of the loss"
    if trainer.loss_chunk:
        yield f"{trainer.loss_chunk} tokens a part of the loss"
    if trainer.micro_batches:
        yield told("micro-batches of a step", trainer.micro_batches, layout.filled_batches)


def _written(value: object) -> str:
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def batch_assumption(layout: Layout) -> Iterator[Assumption]:
    """Yield the sequences of a step, where neither they nor micro-batches were given."""
    if layout.micro_batches is not None:  # given, or worked out from a batch that was
        return
    count = layout.filled_batches * layout.micro_batch * layout.dp
    rule = f"assumed: {FILLS} micro-batches a pipeline stage, times micro-batch and dp"
    yield Assumption("global batch, sequences", f"{count:,}", rule)


def micro_batch_assumption(layout: Layout) -> Iterator[Assumption]:
    """Yield the micro-batches that fill a pipeline, where nobody says how many a step has."""
    if layout.micro_batches is None:
        rule = f"assumed: {FILLS} a pipeline stage"
        yield Assumption("micro-batches of a step", f"{layout.filled_batches:,}", rule)


def software_assumption(choice: Choice) -> Assumption:
    """Return the generation of the software, whose efficiencies a step has."""
    return Assumption("software generation", choice.software, choice.source)


def link_assumptions(accelerator: Accelerator, domain: int | None = None) -> Iterator[Assumption]:
    """Yield bandwidths of links and the size of a domain.

    Args:
        accelerator: whose profile they are looked up in.
        domain: accelerators of a domain, where other than the profile's.
    """
    links = accelerator.links
    bandwidths = (links.inside.bandwidth_gb_s, links.across.bandwidth_gb_s)
    for where, figure in zip(("inside", "across"), bandwidths, strict=True):
        value = figure.value if figure else LINK_BYTES_PER_S / 1e9
        told = source_of(accelerator, figure.source) if figure else NO_FIGURE
        yield Assumption(f"links {where} a domain", f"{value:g} GB/s", told)
    size = links.inside.domain_size
    told = source_of(accelerator, size.source) if size else NO_FIGURE
    used = domain or domain_size(accelerator)
    yield Assumption("accelerators of a domain", f"{used}", GIVEN if domain else told)


def part_assumptions(accelerator: Accelerator) -> Iterator[Assumption]:
    """Yield what is assumed of a chip whose profile does not know it."""
    if accelerator.generation is None:
        yield Assumption("generation of the accelerator", "unknown", NO_FIGURE)
    if accelerator.multiprocessors is None and multiprocessors(accelerator):
        assumed = f"{multiprocessors(accelerator):g}"
        yield Assumption("multiprocessors of the accelerator", assumed, NO_FIGURE)


def fitted_assumptions(fitted: Fitted, accelerator: Accelerator) -> Iterator[Assumption]:
    """Yield latencies, and how many efficiencies there are beside them.

    Args:
        fitted: fitted efficiencies.
        accelerator: whose profile may know the latencies of its links.
    """
    values = bounded(unbounded(fitted.values))
    links = accelerator.links
    known = (links.inside.latency_us, links.across.latency_us)
    names = (("latency", "inside"), ("latency_across", "across"))
    for (name, where), figure in zip(names, known, strict=True):
        told = fitted.origin if name in fitted.values else "assumed (the file does not say)"
        microseconds = float(values[INDEX[name]]) * 1e6
        if figure is not None:
            microseconds, told = figure.value, source_of(accelerator, figure.source)
        yield Assumption(f"latency {where} a domain", f"{microseconds:.3g} us", told)
    yield Assumption("efficiencies", f"{len(fitted.values)} fitted values", fitted.origin)


def step_assumptions(step: StepEstimate, choice: Choice) -> Iterator[Assumption]:
    """Yield software, links, domain and efficiencies of a timed step, with their sources."""
    yield software_assumption(choice)
    yield from part_assumptions(step.case.accelerator)
    yield from link_assumptions(step.case.accelerator, step.case.domain)
    yield from fitted_assumptions(step.fitted, step.case.accelerator)
    case = step.case
    if is_routed(case) and case.layout.ep > 1:
        source = GIVEN if case.layout.dispatcher else f"assumed, as {case.software} software has"
        yield Assumption("dispatcher of experts' tokens", case.dispatcher, source)
    kind = "products measured" if step.is_seen else "products never measured: widened"
    yield Assumption("interval of the step", f"{step.low:.3g} to {step.high:.3g} times", kind)
    for name, times in step.doubts.items():
        yield Assumption(f"interval widened: {name}", f"{times:.3g} times", DOUBTS[name])


def part_notes(step: StepEstimate) -> tuple[str, ...]:
    """Return a line where the profile does not know the chip itself: its generation, its units."""
    accelerator = step.case.accelerator
    notes = []
    if accelerator.generation is None and not step.is_seen:
        notes.append(
            f"The profile of {accelerator.name} has no generation: nothing is known of what its "
            "products reach, and the interval is that of parts never measured."
        )
    if accelerator.multiprocessors is None and multiprocessors(accelerator):
        notes.append(
            f"The profile of {accelerator.name} has no number of multiprocessors: "
            f"{multiprocessors(accelerator):g} are assumed."
        )
    return tuple(notes)


def link_notes(case: Case) -> tuple[str, ...]:
    """Return a line for each link that the layout needs and the profile does not know.

    So for the size of a domain.
    """
    domain, layout = case.domain or domain_size(case.accelerator), case.layout
    links = case.accelerator.links
    spans = layout.accelerators > domain
    # A pipeline that spans domains sends across them; its other groups lie in a stage.
    joined = layout.accelerators // layout.pp if spans else layout.accelerators
    needed = (
        ("inside", links.inside.bandwidth_gb_s, joined > 1 and domain > 1),
        ("across", links.across.bandwidth_gb_s, spans),
    )
    notes = [
        f"The profile of {case.accelerator.name} has no bandwidth {where} a domain, which this "
        f"layout needs: {LINK_BYTES_PER_S / 1e9:g} GB/s is assumed."
        for where, figure, is_needed in needed
        if figure is None and is_needed
    ]
    if case.domain is None and links.inside.domain_size is None and layout.accelerators > 1:
        notes.append(
            f"The profile of {case.accelerator.name} does not know how many accelerators its fast "
            f"links join: {domain} are assumed."
        )
    return tuple(notes)
