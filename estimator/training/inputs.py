"""What a timed step takes beside what its user gave: as assumptions, and what deserves a line."""

from __future__ import annotations

from collections.abc import Iterator

from computebill.base.assumptions import GIVEN, Assumption
from computebill.hardware.accelerators import LINK_BYTES_PER_S, Accelerator, domain_size
from computebill.hardware.assumptions import source_of
from computebill.hardware.fitted import Fitted

from .cases import Case
from .efficiency import INDEX, bounded, unbounded
from .layout import FILLS, Layout
from .step_time import StepEstimate

NO_FIGURE = "assumed (no figure in the profile)"
AS_A_RULE = "assumed (the layout does not say)"
SHOWN_OF_LAYOUT = ("micro_batch", "recompute", "zero", "optimizer", "attention", "kernels")


def layout_assumptions(layout: Layout, given: Layout) -> Iterator[Assumption]:
    """Yield what a layout was not given and has as a rule.

    Args:
        layout: layout as it is used.
        given: layout as its user described it.
    """
    for name in SHOWN_OF_LAYOUT:
        if name not in given.model_fields_set:
            value = getattr(layout, name)
            yield Assumption(name.replace("_", " "), str(value), AS_A_RULE)


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


def software_assumption(software: str, *, is_given: bool) -> Assumption:
    """Return the generation of the software, whose efficiencies a step has."""
    source = GIVEN if is_given else "assumed (the default; none was named)"
    return Assumption("software generation", software, source)


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


def fitted_assumptions(fitted: Fitted) -> Iterator[Assumption]:
    """Yield latencies, and how many efficiencies there are beside them."""
    values = bounded(unbounded(fitted.values))
    for name, where in (("latency", "inside"), ("latency_across", "across")):
        told = fitted.origin if name in fitted.values else "assumed (the file does not say)"
        seconds = float(values[INDEX[name]])
        yield Assumption(f"latency {where} a domain", f"{seconds * 1e6:.3g} us", told)
    yield Assumption("efficiencies", f"{len(fitted.values)} fitted values", fitted.origin)


def step_assumptions(step: StepEstimate, *, software_given: bool) -> Iterator[Assumption]:
    """Yield software, links, domain and efficiencies of a timed step, with their sources."""
    yield software_assumption(step.case.software, is_given=software_given)
    yield from link_assumptions(step.case.accelerator, step.case.domain)
    yield from fitted_assumptions(step.fitted)
    kind = "products measured" if step.is_seen else "products never measured: widened"
    yield Assumption("interval of the step", f"{step.low:.3g} to {step.high:.3g} times", kind)


def link_notes(case: Case) -> tuple[str, ...]:
    """Return a line for each link that the layout needs and the profile does not know."""
    domain, layout = case.domain or domain_size(case.accelerator), case.layout
    links = case.accelerator.links
    spans = layout.accelerators > domain
    # A pipeline that spans domains sends across them; its other groups lie in a stage.
    joined = layout.accelerators // layout.pp if spans else layout.accelerators
    needed = (
        ("inside", links.inside.bandwidth_gb_s, joined > 1 and domain > 1),
        ("across", links.across.bandwidth_gb_s, spans),
    )
    return tuple(
        f"The profile of {case.accelerator.name} has no bandwidth {where} a domain, which this "
        f"layout needs: {LINK_BYTES_PER_S / 1e9:g} GB/s is assumed."
        for where, figure, is_needed in needed
        if figure is None and is_needed
    )
