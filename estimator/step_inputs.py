"""What a timed step takes beside what its user gave: as assumptions, and what deserves a line."""

from __future__ import annotations

from collections.abc import Iterator

from .assumptions import Assumption, source_of
from .cases import LINK_BYTES_PER_S, Case, domain_size
from .layout import FILLS, Layout
from .timing import StepEstimate

NO_FIGURE = "assumed (no figure in the profile)"
AS_A_RULE = "assumed (the layout does not say)"
SHOWN_OF_LAYOUT = ("micro_batch", "recompute", "zero", "optimizer", "attention", "kernels")


def layout_assumptions(layout: Layout, given: Layout) -> Iterator[Assumption]:
    """Yield what a layout was not given and has as a rule.

    Args:
        layout: as it is used.
        given: as its user described it.
    """
    for name in SHOWN_OF_LAYOUT:
        if name not in given.model_fields_set:
            value = getattr(layout, name)
            yield Assumption(name.replace("_", " "), str(value), AS_A_RULE)


def batch_assumption(layout: Layout, *, is_given: bool) -> Iterator[Assumption]:
    """Yield the sequences of a step, where neither they nor micro-batches were given."""
    if is_given or layout.micro_batches is not None:
        return
    count = layout.filled_batches * layout.micro_batch * layout.dp
    rule = f"assumed: {FILLS} micro-batches a pipeline stage, times micro-batch and dp"
    yield Assumption("global batch, sequences", f"{count:,}", rule)


def step_assumptions(step: StepEstimate, *, software_given: bool) -> Iterator[Assumption]:
    """Yield software, links, domain and efficiencies of a timed step, with their sources."""
    case, fitted = step.case, step.fitted
    source = "given" if software_given else "assumed (the default; none was named)"
    yield Assumption("software generation", str(case.software), source)
    links = case.accelerator.links
    bandwidths = (links.inside.bandwidth_gb_s, links.across.bandwidth_gb_s)
    for where, figure in zip(("inside", "across"), bandwidths, strict=True):
        value = figure.value if figure else LINK_BYTES_PER_S / 1e9
        told = source_of(case.accelerator, figure.source) if figure else NO_FIGURE
        yield Assumption(f"links {where} a domain", f"{value:g} GB/s", told)
    size = links.inside.domain_size
    told = source_of(case.accelerator, size.source) if size else NO_FIGURE
    domain = case.domain or domain_size(case.accelerator)
    yield Assumption("accelerators of a domain", f"{domain}", "given" if case.domain else told)
    for name, where in (("latency", "inside"), ("latency_across", "across")):
        seconds = fitted.values[name]
        yield Assumption(f"latency {where} a domain", f"{seconds * 1e6:.3g} us", fitted.origin)
    yield Assumption("efficiencies", f"{len(fitted.values)} fitted values", fitted.origin)
    kind = "products measured" if step.is_seen else "products never measured: widened"
    yield Assumption("interval of the step", f"{step.low:.3g} to {step.high:.3g} times", kind)


def link_notes(case: Case) -> tuple[str, ...]:
    """Return a line for each link that the layout needs and the profile does not know."""
    domain, layout = case.domain or domain_size(case.accelerator), case.layout
    links = case.accelerator.links
    needed = (
        ("inside", links.inside.bandwidth_gb_s, layout.accelerators > 1 and domain > 1),
        ("across", links.across.bandwidth_gb_s, layout.accelerators > domain),
    )
    return tuple(
        f"The profile of {case.accelerator.name} has no bandwidth {where} a domain, which this "
        f"layout needs: {LINK_BYTES_PER_S / 1e9:g} GB/s is assumed."
        for where, figure, is_needed in needed
        if figure is None and is_needed
    )
