"""What a speed beyond the peak may mean: another part, format, convention, or count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from computebill.hardware.accelerators import Accelerator, list_accelerators

MOST_SHARE = 5.0
"""A published utilisation beyond that is a percentage without its sign, not a wrong peak."""

SPARSE = 2.0
"""A datasheet's rate with 2:4 structured sparsity, over the dense one (Mishra et al. 2021, arXiv
2104.08378, section 3)."""
SPARSE_VENDOR = "NVIDIA"
SPARSE_SINCE = "ampere", "ada", "hopper", "blackwell", "blackwell-ultra"
NODE = 8
MOST_PARTS = 3


def not_a_share(share: float) -> str:
    """Return what to say of a utilisation that no wrong peak explains."""
    asked = f"; did you mean {share:g}%?" if share <= 100 else ""
    return f"got {share:g}; allowed: above 0, up to 1 (0.4 or 40%){asked}"


def explanations(
    part: Accelerator,
    precision: str,
    speed: float,
    by_convention: Mapping[str, float | None],
    *,
    is_of_one: bool,
) -> Iterator[str]:
    """Yield what would make a speed possible, the likeliest first.

    Args:
        part: the accelerator.
        precision: whose peak was taken.
        speed: model FLOP/s of one accelerator, by the largest count.
        by_convention: shares of the peak.
        is_of_one: whether the speed was said to be one accelerator's, in tokens a second.
    """
    peak = part.peak_flop_per_s(precision)
    yield (
        f"faster than the peak in {precision}, {peak / 1e12:,.0f} TFLOP/s dense: "
        f"{speed / peak:.0%} of it, so one of the figures is not what it seems"
    )
    causal, most = by_convention.get("causal"), speed / peak
    if causal is not None and causal < min(1.0, most):
        yield (
            f"with the mask it is {causal:.0%} (causal): the other counts hold attention that is "
            "not computed"
        )
    if others := [_of_peak(each, precision, speed) for each in _faster_parts(part, speed)]:
        yield f"on another part: {', '.join(others)}"
    formats = [
        f"{name} {speed / part.peak_flop_per_s(name):.0%}"
        for name in part.precisions
        if name != "int8" and part.peak_flop_per_s(name) > max(speed, peak)
    ]
    if formats:
        yield f"in another format: {', '.join(formats)}"
    if is_of_one and speed / peak <= NODE:
        yield f"as the speed of a node of {NODE} together: {speed / peak / NODE:.1%} of each"
    if part.vendor == SPARSE_VENDOR and _generation(part) in SPARSE_SINCE and most <= SPARSE:
        yield (
            f"of the rate with structured sparsity, twice the dense: {most / SPARSE:.0%}; dense "
            "training cannot use it"
        )


def _generation(part: Accelerator) -> str:
    return part.generation.value if part.generation else ""


def _faster_parts(part: Accelerator, speed: float) -> list[Accelerator]:
    """Of each of its maker's later generations the first part that is fast enough."""
    if part.release_date is None:
        return []
    found: dict[str, Accelerator] = {}
    dated = [
        (each.release_date.value, each)
        for each in list_accelerators()
        if each.release_date and each.vendor == part.vendor and not each.announced
    ]
    for day, each in sorted(dated, key=lambda pair: (pair[0], pair[1].name)):
        generation, usual = _generation(each), each.default_precision
        later = day > part.release_date.value and generation not in ("", _generation(part))
        alike = each.form_factor[:3] == part.form_factor[:3]  # SXM4, SXM5
        if later and alike and each.peak_flop_per_s(usual) >= speed:
            found.setdefault(generation, each)
    return list(found.values())[:MOST_PARTS]


def _of_peak(part: Accelerator, precision: str, speed: float) -> str:
    used = precision if precision in part.precisions else part.default_precision
    return f"{speed / part.peak_flop_per_s(used):.0%} of {part.title}'s peak"
